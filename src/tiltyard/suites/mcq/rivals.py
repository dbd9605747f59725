"""Does a reply put another option forward behind the one it claimed? Then it contradicts itself.

A letter that ends its clause, an option called right or better, and an option's bare text count, unless the
words around them deny or discount it: explanations speak of the other options, too. `extract.py` asks last.
Runs on text from `plain.py`.
"""

from __future__ import annotations

import re

from tiltyard.suites.mcq.doubt import denies
from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.mcq.letters import begins_with, denies_abroad
from tiltyard.suites.mcq.names import Names
from tiltyard.suites.mcq.rungs import mentioned

NEAR = 160  # characters on each side that are looked at, of one sentence

_ALONE = (
    r"(?<![A-Za-zÀ-ɏ0-9_'’&/+-])(?<![A-Za-z0-9]\.)[A-ZАВСЕ]"
    r"(?![A-Za-zÀ-ɏЀ-ӿ0-9_+#*^=/&-]|['’](?![dt][iıuü]r\b))"
)
_LETTER = re.compile(_ALONE)
_LATIN = str.maketrans("АВСЕ", "ABCE")
_CLAUSES = re.compile(r"[,.;!?\n、،।()\[\]→]|[-=]>|\s[-–—]+\s|—")
_SENTENCE = re.compile(r"[.!?](?![A-Za-z0-9])")
_OPTION = r"(?:(?:option|answer|choice)\s+)?[(\[]?"
_AND = (
    r"(?:\s*[)\]]?\s*(?:[,/&+、]|\b(?:and|or|nor|und|oder|y|e|o|et|ou|en|of|och|og|i|lub|ve|và|hoặc|и|или"
    rf"|dan|with|to|through)\b|[和或与與及とや])\s*){{1,2}}{_OPTION}"
)
_LISTED_ON = re.compile(rf"{_AND}{_ALONE}")
_LISTED = re.compile(rf"{_ALONE}{_AND}\Z")
_ENDS = re.compile(
    r"[ \t]*[)\]]*(?:番|번|項)?[ \t]*"
    r"(?:です|でした|だ|である|입니다|이다|이에요|예요|है|['’]?[dt][iıuü]r)?[ \t)\]]*"
    r"(?:(?:actually|instead|then|though|really|now|after[ \t]+all)[ \t]*)?(?P<by>[.,;!\n、،।(]|\Z)",
    re.IGNORECASE,
)
# Right before a letter that is spoken of and not given: a preposition, a thing of that name, "TCP (A) needs"
_SPEAKS_OF = re.compile(
    r"\b(?:of|in|by|than|from|over|unlike|like|about|why|versus|vs|per|into|between|against|see|on|under|as"
    r"|with|to|for|at|e\.g\.|because|both|either|the\s+other|and|wie|als|von|que|di|de)\s+(?:the\s+)?"
    rf"{_OPTION}\Z",
    re.IGNORECASE,
)
_THING = re.compile(
    r"\b(?:vitamins?|hepatitis|influenza|blocks?|bod(?:y|ies)|objects?|points?|types?|groups?|class|factors?"
    r"|plan|case|events?|sets?|lines?|planes?|persons?|players?|countr(?:y|ies)|compan(?:y|ies)|firms?"
    r"|curves?|figure|parts?|steps?|phase|drugs?|genes?|alleles?|matri(?:x|ces)|axis|cars?|particles?"
    r"|samples?|substances?|reactions?)[ \t]+\Z",
    re.IGNORECASE,
)
_REFERRED = re.compile(
    r"\w(?<!\bis)(?<!\bbe)(?<!\bto)(?<!\bso)(?<!['’]s)(?<!option)(?<!answer)(?<!choice)(?<!pick)(?<!choose)"
    r"[ \t]?[(\[]\Z",
    re.IGNORECASE,
)
_GIVES = re.compile(  # but "changing it to D", "I'd go with D"
    r"\b(?:go|going|went|opt|vote|settle|stick|chang|switch|mov|lean|argu|revis|correct|updat|amend|replac"
    r"|answer[ \t]+with)",
    re.IGNORECASE,
)
_CHANGED_TO = re.compile(
    rf"\b(?:chang|switch|correct|amend|updat|revis|replac)\w*\s+(?:\w+\s+){{0,3}}?(?:to|with|by)\s+{_OPTION}\Z",
    re.IGNORECASE,
)
_DISCOUNTS = re.compile(
    r"\b(?:if|would|could|might|may|had|were|when|whether|tempt\w*|distract\w*|traps?|decoys?|eliminat\w*"
    r"|exclud\w*|rul(?:e|es|ed|ing)|reject\w*|discard\w*|dismiss\w*|confus\w*|mistak\w*|mislead\w*"
    r"|misconception|compar\w*|contrast\w*|oppos\w*|consider\w*"
    r"|second(?![ \t]+(?:time|thoughts?|look|reading|glance))|closest|nearest|common|although|though|while"
    r"|whereas|unlike|students?|people|many|some|someone|believe\s+that|think|instead\s+of|rather\s+than"
    r"|others?|describ\w*|falls?|fails?|lacks?)\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(r"\b(?:if|would|had|unless)\b", re.IGNORECASE)  # wherever in the sentence
_EQUALLY = re.compile(r"\b(?:equally|just[ \t]+as|alternative)\b", re.IGNORECASE)
_BETTER = (
    r"(?:the[ \t]+one(?=[ \t]*[.!]|\Z)|correct|right|better|best|acceptable|valid|good|preferable|accurate"
    r"|more[ \t]+likely(?=[ \t]*[.!,;\n]|\Z)|appropriate|fitting|suitable|precise|complete|convincing"
    r"|plausible|[a-z]+er[ \t]+(?:pick|choice|answer|option|fit|bet)|richtig\w*|correcte?|correcta|correta"
    r"|corretta|juist|rätt)"
)
_FAVOURED = re.compile(  # "D makes more sense", "D is better", "C fits, too"
    r"[ \t]*[)\]]*(?:[ \t]*\([^()\n]{1,60}\))?[ \t]*,?[ \t]+"
    r"(?:(?:is|was|are|seems?|looks?|appears?|sounds?|feels?|ist|est|es|é|è|är|er"
    r"|(?:would|could|may|might|must|should|can)(?:[ \t]+\w+)?[ \t]+be)[ \t]+"
    rf"(?:(?!not|never|the[ \t]+opposite)[^\W\d_]+[ \t]+){{0,4}}?{_BETTER}"
    r"|(?:fits?|works?|makes?|suits?|matches|could|might|may|applies|holds)(?:[ \t]+(?!not\b)[^\W\d_]+){0,3}?"
    r"[ \t]*,?[ \t]*(?:better|best|too|well|sense|equally|perfectly))\b",
    re.IGNORECASE,
)
_MORE = re.compile(r"\b(?:better|best|more|[a-z]+er[ \t]+[a-z]+)\b", re.IGNORECASE)
_GRANTED = re.compile(r"\b(?:al)?though\b", re.IGNORECASE)
_PARTLY = re.compile(
    r"\b(?:if|when|for|unless|only|until|but|partly|partially|almost|than|n['’]t|not)\b", re.IGNORECASE
)
_BUT = re.compile(r"\b(?:but|though|however|yet)\b", re.IGNORECASE)
_ITEM = re.compile(r"^[^\w\n(\[]{0,12}(?:[Oo]ption[ \t]+)?[(\[]?\Z")
_ITEM_MARK = re.compile(r"[ \t]{0,3}(?:[).:\]]{1,2}|[-–—|=]|(?=\())[ \t]*(?=[^\s])")
_GAVE = r"(?:[ \t]+(?:given|above|(?:that[ \t]+)?i[ \t]+gave))?"
_OWN_WRONG = re.compile(  # "My initial answer was wrong."
    r"\b(?:(?P<mine>my|previous|initial|earlier|original)|the|this|that)[ \t]+(?:(?!other\b)\w+[ \t]+){0,2}?"
    rf"(?:answer|response|choice|conclusion){_GAVE}[ \t]+(?:is|was|seems|contains|contained)[ \t]+"
    r"(?:(?!not\b)\w+[ \t]+){0,2}?(?:wrong|incorrect|mistaken|mistake|error|false"
    r"|not[ \t]+(?:correct|right))\b"
    r"|\b(?P<i>(?:i|we)[ \t]+got[ \t]+(?:it|this|that)[ \t]+wrong"
    r"|what[ \t]+i[ \t]+(?:said|wrote)[ \t]+(?:is|was)[ \t]+wrong"
    r"|(?:mistake|error)[ \t]+in[ \t]+my[ \t]+\w+)\b",
    re.IGNORECASE,
)
_WRONG_ABROAD = re.compile(
    r"\b(?:diese|meine|cette|ma|mi|esta|la\s+mia|questa|minha|essa|мой|этот|moja|min|mijn|dit)\s+"
    r"(?:antwort|réponse|respuesta|risposta|resposta|ответ|odpowiedź|svar|antwoord)\s+\w+\s+"
    r"(?:falsch|fausse|incorrect\w*|errónea|equivocada|sbagliata|errata|errada|неверн\w*|неправильн\w*"
    r"|błędna|fel|fout)\b",
    re.IGNORECASE,
)
_TURNS = re.compile(r"\W*(?:actually|hm+|on\s+(?:second|further|closer|re)[ -]?\w*)\b", re.IGNORECASE)
_CONTRAST = re.compile(r",[ \t]*(?:and[ \t]+)?not[ \t][^,;:]*\Z", re.IGNORECASE)
_IT_IS = re.compile(r"[ \t]+(?:it[ \t]+is|then|actually|instead|rather)[ \t]*\Z", re.IGNORECASE)
_BARE = re.compile(  # before an option's text that is put forward
    r"(?:(?:the[ \t]+(?:correct|right|real|actual|true)[ \t]+\w+[ \t]+is|so|then|thus|yes|it|that|this|is|are"
    r"|must|should|has|to|be|rather|also|it['’]s|that['’]s|c['’]est|es|ist|actually|the|answer|correct|right"
    r"|no|ja|oui|sí|donc|make|i|mean)[ \t]+){1,5}",
    re.IGNORECASE,
)


def rivalled(flat: str, end: int, option: int, names: Names) -> bool:
    """Does what follows a claim that ends there put another option forward, or call the answer wrong?"""
    if end >= len(flat):
        return False
    return (
        _called_wrong(flat, end, names)
        or any(
            _put_forward(flat, match, end, names)
            for match in _LETTER.finditer(flat, end)
            if _index(match) != option and 0 <= _index(match) < len(names.folded)
        )
        or _text_put_forward(flat, end, option, names)
    )


def _index(match: re.Match[str]) -> int:
    return LETTERS.find(match[0].translate(_LATIN))


def _put_forward(flat: str, match: re.Match[str], claimed: int, names: Names) -> bool:
    start, end = match.span()
    near = flat[max(0, start - NEAR) : start]
    line = near.rpartition("\n")[2]
    behind = flat[end : end + NEAR]
    sentence = _SENTENCE.split(flat[max(claimed, start - len(line)) : start])[-1]
    clause = _CLAUSES.split(sentence)[-1]
    if _is_item(line, behind, match, names) or _own_line(line, behind):
        return False
    favoured = _FAVOURED.match(behind) if match[0] != "I" else None  # "I could as well"
    if favoured is not None and _MORE.search(favoured[0]):
        clause = _GRANTED.sub("", clause)
    if _discounted(clause) or (_CONDITION.search(sentence) and not _EQUALLY.search(clause)):
        return False
    if favoured is not None:
        return _favours(behind, favoured)
    ended = _ENDS.match(behind)
    if _LISTED_ON.match(behind) or _LISTED.search(near):
        return False
    if ended is None:
        return _CHANGED_TO.search(near) is not None
    if _THING.search(near) or _REFERRED.search(near):
        return False
    if _SPEAKS_OF.search(near) and not _GIVES.search(clause):
        return False
    rest = _sentence(behind)
    return not (ended["by"] in ",(" and (denies(rest) or denies_abroad(rest)))


def _favours(behind: str, favoured: re.Match[str]) -> bool:
    """Is that all, not "is right if ..." nor "is plausible, but ..."?"""
    said = _CLAUSES.split(behind[: favoured.end() + 40])[0]
    if _PARTLY.search(said) or denies_abroad(favoured[0]):
        return False
    return _MORE.search(favoured[0]) is not None or not _BUT.search(_sentence(behind))


def _sentence(behind: str) -> str:
    return re.split(r"[.!?\n]", behind)[0]


def _own_line(line: str, behind: str) -> bool:
    """Is it alone on a line below others? `_standing` has looked at those."""
    return re.search(r"\w", line) is None and re.match(r"[^\w\n]*(?:\n|\Z)", behind) is not None


def _discounted(clause: str) -> bool:
    """Do the words before it in its clause deny or discount it?"""
    if denies(clause) or denies_abroad(clause):
        return True
    return _DISCOUNTS.search(clause) is not None and not _EQUALLY.search(clause)


def _is_item(line: str, behind: str, match: re.Match[str], names: Names) -> bool:
    """Is it the mark of an item in a list, "C. Rome is in Italy"?"""
    mark = _ITEM_MARK.match(behind)
    if mark is None:
        return False
    letter = match[0].translate(_LATIN)
    return _ITEM.match(line) is not None or begins_with(behind[mark.end() :], letter, names)


def _called_wrong(flat: str, end: int, names: Names) -> bool:
    """Is the answer itself called wrong, and not one of the options in its line?"""
    for match in _OWN_WRONG.finditer(flat, end):
        if match["mine"] or match["i"]:
            return True
        line = flat[max(end, flat.rfind("\n", 0, match.start()) + 1) : match.end()]
        if not _named(line, names):
            return True
    return _WRONG_ABROAD.search(flat, end) is not None


def _named(text: str, names: Names) -> set[int]:
    """The options whose letter or text occurs."""
    letters = {_index(found) for found in _LETTER.finditer(text)}
    said = text.casefold()
    texts = {place for place, name in enumerate(names.unique) if name and name in said}
    return (letters & set(range(len(names.folded)))) | texts


def _text_put_forward(flat: str, end: int, option: int, names: Names) -> bool:
    """Is a clause nothing but another option's text, "Upon review, it is Madrid.", or does it turn to one?"""
    tail = flat[end:]
    said = tail.casefold()
    if not any(name and name in said for place, name in enumerate(names.unique) if place != option):
        return False
    listed: set[int] = set()
    for sentence in re.split(r"[.!?](?=\s|\Z)|\n", tail):
        index = _only_one_in(sentence, names)
        if index is None or _CONDITION.search(sentence):
            continue
        *_, mark, last = re.split(r"([,;:、،]|\A)", _CONTRAST.sub("", sentence))
        if _bare(last, names) != index:
            turned = index != option and _TURNS.match(sentence) and not _discounted(sentence)
            if turned and index in mentioned(sentence, names):
                return True
        elif mark == ":":  # "Checking again: Rome", but "Germany: Berlin", "Italy: Rome"
            listed.add(index)
        elif index != option:
            return True
    return len(listed - {option}) == 1 and option not in listed


def _only_one_in(sentence: str, names: Names) -> int | None:
    """The one option whose text occurs; one inside another that occurs does not count."""
    low = sentence.casefold()
    told = {name: place for place, name in enumerate(names.unique) if name and name in low}
    longest = [name for name in told if not any(name in other for other in told if other != name)]
    return told[longest[0]] if len(longest) == 1 else None


def _bare(clause: str, names: Names) -> int | None:
    """The option that is all that a clause says, or that it calls right or better."""
    clause = _IT_IS.sub("", clause).strip(" ·")
    led = _BARE.match(clause)
    for said in (clause, clause[led.end() :] if led else ""):
        for words in (said, _favoured_end(said)):
            index = names.loosely(words)
            if index is not None:
                return index
    return None


def _favoured_end(clause: str) -> str:
    """What is said to be right or better in a clause, up to there."""
    for match in re.finditer(r"(?=[ \t])", clause):
        favoured = _FAVOURED.match(clause, match.start())
        if favoured is not None:
            rest = clause[match.start() :]
            return "" if _PARTLY.search(rest) or denies_abroad(rest) else clause[: match.start()]
    return ""
