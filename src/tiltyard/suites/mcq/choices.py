"""In which order the options of a question are shown: drawn by its content, so the same for every model.

"All of the above" keeps its place, and options that name letters ("A and C") keep the whole question as it
is. Where the file gives no order (`drawn`), "all of the above" comes last and letters mean nothing. Rotations
turn the drawn order, so that each movable option stands once in each movable place.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

ANCHORED = re.compile(
    r"(?:all|none|any|both|neither|either|each|some|two|three|more than one|only one|most)\b"
    r"(?: (?:of|one of|or more of))?(?: (?:the|these|those|them))?"
    r"(?: (?:\w+ ){0,2}?(?:above|below|options?|choices?|answers?|statements?|others?"
    r"|preceding|foregoing|previous))(?: (?:is|are) \w+)?"
    r"|(?:all|none|any|both|neither|either) (?:of )?(?:these|those|them|the others?"
    r"|the above|above|the rest)(?: (?:is|are) \w+)?"
    r"|(?:the )?(?:above|preceding|previous)\b.{0,40}"
    r"|.{0,40}\bof the above\b.{0,40}"
    r"|(?:everything|anything|nothing|all|none|any) (?:that is )?(?:listed|mentioned|named|stated) above"
    r"|(?:options?|choices?|answers?) \d.{0,20}\babove"
    r"|(?:not enough|insufficient) information(?: given)?|cannot be determined.{0,40}",
    re.IGNORECASE,
)
_ONE = r"(?:\([A-Za-z]\)|\[[A-Za-z]\]|[A-Za-z])(?!\w)"
_LEAD = r"(?:both|either|neither|only|just|options?|choices?|answers?|statements?|(?:all|none) of|except)"
_JOIN = (
    r"(?:\s*,\s*(?:(?:and|or|nor|not|but not)\s+)?|\s+(?:and|or|nor|but not|not)\s+"
    r"|\s+(?:through|thru|to|plus)\s+|\s+&\s+|\s*[&/+–—-]\s*(?=\W?(?-i:[A-Z])))"
)
_TAIL = r"(?:\s+(?:only|alone|both|together|are|is|true|correct|right|false|above)(?!\w))"
NAMING = re.compile(  # nothing but letters and the words that join them
    rf"(?:the\s+)?(?:(?:{_LEAD}\s+)+{_ONE}|{_ONE}(?={_JOIN}|{_TAIL}))"
    rf"(?:{_JOIN}(?:{_LEAD}\s+)*{_ONE})*{_TAIL}*",
    re.IGNORECASE,
)
_CAPITAL = r"(?:\([A-Z]\)|[A-Z])(?!\w)"
_SPEAKS = rf"(?<!\w)(?i:both|either|neither|only|options?|choices?|answers?)\s+{_CAPITAL}"
SPEAKING = re.compile(  # "both A and C are signs of it", "what option A says", but not "only A dogs"
    rf"{_SPEAKS}(?:(?:\s+(?:and|or|nor)\s+|\s*[,&]\s*){_CAPITAL})+|{_SPEAKS}(?!\s+[a-z])"
)
_ALL = (
    r"tod[oa]s|ningun[oa](?:\s+de)?|nenhum[ao]?(?:\s+d[ae]s)?|tutt[ei]|nessuna(?:\s+delle)?|toutes|aucune(?:\s+des)?"
    r"|alle|keine(?:\s+der)?|все|ни\s+один\s+из|ни\s+одна\s+из"
)
_ANSWERS = (
    r"(?:(?:las|as|le|les|die|der)\s+)?(?:respuestas|opciones|respostas|alternativas|opções|risposte|opzioni|réponses"
    r"|propositions|antworten|optionen|ответы|варианты|(?:ответов|вариантов))(?!\w)"
)
_ARE_RIGHT = (
    r"(?:\s+(?:sind|ist|son|es|são|é|está|estão|sono|è|sont|est))?"
    r"\s+(?:richtig|korrekt|falsch|correct\w+|corrett\w+|corret\w+|giust\w+|juste\w*|cert[ao]s?|верны\w*|правильны\w*)"
)
_FOREIGN_ANCHOR = re.compile(  # "all of the above" in other languages
    r"\W*(?:(?:tod[oa]s|ningun[oa]?s?|ninguém|nenhum[ao]?s?|amb[oa]s|tutt[ei]|nessun[oa]?|entramb[ei]|toutes?"
    r"|tous|aucune?s?|alle[sn]?|keine?[rs]?|beide|geen|ingen|inget|все|всё|ничего|ни\s+один|никакой|оба"
    r"|wszystkie|żadn[ae]|všechny|hepsi|semua|tất\s+cả)\b"
    r".{0,30}?\b(?:anterior(?:es)?|acima|arriba|mencionad\w+|citad\w+|precedent[ei]s?|précédente?s?|ci-dessus"
    r"|oben|obig\w*|genannte?n?|vorherige\w*|sopra|bovenstaande|ovenfor|ovenstående|ovanstående|ovan"
    r"|(?:выше)?перечисленн\w+|(?:выше)?указанн\w+|выше|powyższ\w+|wymienion\w+|uvedené|di\s+atas|trên"
    r"|(?:ces|estas|destas|queste|diese[rn]?)\s+(?:réponses|propositions|opciones|respuestas|opções|respostas"
    r"|risposte|opzioni|Antworten|Optionen))\b"
    rf"|(?:{_ALL})\s+(?:{_ANSWERS})(?:{_ARE_RIGHT}|(?=\W*\Z))|(?:{_ALL}){_ARE_RIGHT}"
    r"|(?:全て|すべて|全部)(?:の選択肢)?[がは]?(?:都)?(?:正しい|正解|正确|正確|对|對)"
    r"|(?:以上|上述|上記|前述)(?:の|皆|都|全|均|各|所有|答案|选项|選項|任|无|無|非|不|的|いず|すべ|両|两|兩)"
    r"|위의?\s*(?:모두|모든|전부|보기|답)|(?:كل|جميع|لا\s+شيء|أي)\s*(?:مما|ما)\s+(?:سبق|ذكر))"
    r".{0,30}",
    re.IGNORECASE,
)
# A letter that stands alone, Cyrillic ones too: not "5!", "C++", "C. elegans", "A-1"
_STANDING = re.compile(
    r"(?<![A-Za-zÀ-ɏЀ-ӿ0-9_.'’+/*^=-])(?:[(\[]([A-ZА-Д])[)\]]|([A-ZА-Д]))"
    r"(?![A-Za-zÀ-ɏЀ-ӿ0-9_'’+#*^=-]|\.\s*\w|\s*[-+*/=^→∩∪]\s*\w)"
)
_JOINS = (
    r"and|or|nor|but|not|y|e|o|u|ou|et|und|oder|sowie|noch|en|of|och|eller|og|i|lub|oraz|a|и|или|nebo|ve|veya"
    r"|dan|atau|và|hoặc|ni|né|nem|pas"
)
_BEFORE = re.compile(  # words before a letter that names an option; not of a thing: "vitamin C"
    r"(?:\A|[,;:&]|(?<!\w)\(|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
    rf"|(?<!\w)(?:{_JOINS}|all|both|either|neither|only|just|except|excluding|including|besides|than|as|like"
    r"|same|is|are|if|to|from|with|without|options?|choices?|answers?|statements?|equals?|contradicts?"
    r"|implies|imply|excludes?|follows|tanto|sowohl|als|auch|sólo|solo|só|seul(?:ement)?|nur|außer|ohne|weder"
    r"|salvo|excepto|exceto|eccetto|tranne|menos|sauf|que|como|wie|comme|come|opción|opção|opzione"
    r"|opciones|opções|opzioni|optionen|options|respuestas?|respostas?|réponses?|antwort(?:en)?|ambas|ambos|les|las|beide|behalve|zowel|только"
    r"|кроме|ответы?|вариант\w*|оба))\s*\Z",
    re.IGNORECASE,
)
_AFTER = re.compile(  # words behind it
    r"\s*(?:\Z|[,;.)!&、，。和与與及或とや]|(?:와|과|및)"
    rf"|\s(?:{_JOINS}|is|are|only|alone|both|together|implies|causes|follows|equals|contradicts|excludes|if"
    r"|when|because|depending|true|false|correct|right|wrong|above|combined|as|with|without|except"
    r"|juntos|juntas|zusammen|ensemble|son|sind|sont|sono|são|ist|est|es|è|é|nicht|solamente|nur|seulement)"
    r"(?!\w))",
    re.IGNORECASE,
)
_JOINED = re.compile(rf"[\s,;&/、和とや]*(?:(?:{_JOINS})\s)?\s*", re.IGNORECASE)
_BRACKETED = re.compile(  # "a) und b)", "sowohl a) als auch b)"
    rf"(?:\w{{2,8}}\s+)?\(?[a-z]\)(?:\s*(?:,|(?:{_JOINS}|als\s+auch|como)\s)\s*\(?[a-z]\))+(?:\s+\w+){{0,2}}",
    re.IGNORECASE,
)
_LETTER = re.compile(r"(?<!\w)[A-Za-z](?!\w)")


_LABEL = re.compile(  # "A) ", "(a) ", "B. ", "C: ", "Option A: ", "1) ", "2. "
    r"[(\[]([A-Za-z]|\d{1,2})[)\]][.:]?\s*(?=\S)"
    r"|(?:(?:option|choice)\s+)?([A-Za-z])(?:[)\]]|[.:](?=\s))\s*(?=\S)"
    r"|(\d{1,2})(?:\)|\.(?=\s))\s*(?=\S)",
    re.IGNORECASE,
)


def labelled(options: Sequence[str]) -> list[str]:
    """The labels that the options carry themselves, as capitals or numbers; none unless each has one."""
    found = [match for option in options if (match := _LABEL.match(option))]
    labels = ["".join(match.groups(default="")).upper() for match in found]
    return labels if len(labels) == len(options) else []


def texts_behind(options: Sequence[str]) -> list[str]:
    """The options without such labels."""
    return [_LABEL.sub("", option, count=1).strip() for option in options]


def names_letters(option: str, count: int) -> bool:
    """Does an option speak of others by their letters, as in "A and C", "only B" or "all except D"?"""
    text = option.strip().rstrip(".")
    match = NAMING.fullmatch(text) or _BRACKETED.fullmatch(text) or SPEAKING.search(text)
    if match is not None and all(ord(x.upper()) - ord("A") < count for x in _LETTER.findall(match[0])):
        return True
    return _speaks_of_some(text, count)


def _speaks_of_some(text: str, count: int) -> bool:
    """Stands a letter there alone that is not the whole, nor part of a thing ("vitamin C", "B cells")?

    "Both A and R are true" speaks of an assertion and a reason.
    """
    found, named, before = list(_STANDING.finditer(text)), False, False
    if len(text.strip("()[] ")) < 2 or any(_place(match) >= count for match in found):
        return False
    for number, match in enumerate(found):
        head = text[found[number - 1].end() if number else 0 : match.start()]
        led = _BEFORE.search(head if number else text[: match.start()]) is not None
        if number and _JOINED.fullmatch(head):
            led = before  # "vitamins A and D"
        before = led
        named = named or (led and _AFTER.match(text, match.end()) is not None)
    return named


def _place(match: re.Match[str]) -> int:
    letter = match[1] or match[2]
    return ord(letter) - ord("A" if letter.isascii() else "А")  # the Cyrillic one


def movable(options: Sequence[str], drawn: bool = False) -> tuple[int, ...]:
    """Indices of the options that may change place; none where an option names others by their letters."""
    if not drawn and (labelled(options) or any(names_letters(option, len(options)) for option in options)):
        return ()
    texts = [option.strip().rstrip(".。") for option in options]
    return tuple(
        place
        for place, text in enumerate(texts)
        if not (ANCHORED.fullmatch(text) or _FOREIGN_ANCHOR.fullmatch(text))
    )


def arrangement(
    options: Sequence[str], seed: str, rotation: int = 0, shuffle: bool = True, drawn: bool = False
) -> tuple[int, ...]:
    """For each shown place the index of the option there."""
    moving = movable(options, drawn)
    fixed = [index for index in range(len(options)) if index not in moving]
    chance = random.Random(f"options {seed}")
    order, places, turning = list(range(len(options))), moving, list(moving)
    if shuffle or drawn:
        chance.shuffle(turning)
    if drawn:
        chance.shuffle(fixed)  # in the file the right one comes first among them too
        order, places = [*moving, *fixed], tuple(range(len(moving)))
    turn = rotation % max(1, len(turning))
    for place, index in zip(places, turning[turn:] + turning[:turn], strict=True):
        order[place] = index
    return tuple(order)


def rotations_of(options: Sequence[str], drawn: bool = False) -> int:
    """How many rotations a question has: as many as movable options, one where it has none."""
    return max(1, len(movable(options, drawn)))
