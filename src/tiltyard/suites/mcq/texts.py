"""Replies that give an option by its text: alone, with its letter, as a sum, or in a sentence about it.

The last rungs of the ladder that `extract.py` climbs; with `rungs.py` before them.
"""

from __future__ import annotations

import re

from tiltyard.suites.mcq.aside import FIRST_SENTENCE, LIMITED, PUT_ASIDE, no_answer_behind, without_contrast
from tiltyard.suites.mcq.doubt import DOUBTFUL, denies, doubted, taken_back
from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.mcq.letters import denies_abroad
from tiltyard.suites.mcq.names import (
    ARTICLE,
    Names,
    by_value,
    folded,
    longer_may_be_meant,
    mentioned,
    without_article,
)
from tiltyard.suites.mcq.plain import plain
from tiltyard.suites.mcq.rungs import CAPITAL, EXPLAINS, HEDGES, LED, OPENER, Found
from tiltyard.suites.mcq.words import CERTAINLY, UNKNOWING

_SINGLE = re.compile(r"(?<![\w'’])([B-HJ-Z])(?![\w'’]|\.[ \t][a-z])|[(\[]([AI])[)\]]")


def with_its_text(raw: str, flat: str, names: Names) -> Found | None:
    """An option's text with its letter right behind it, "Paris (B)", and no other letter or option."""
    said = flat.casefold()
    if len(said) != len(flat) or denies(flat) or _MISTAKEN.search(flat):
        return None
    found = mentioned(flat, names)
    if len(found) != 1:
        return None
    index = found.pop()
    letter = LETTERS[index]
    name = re.escape(names.unique[index])
    before = rf"{_IS}\s*(?:option |choice |answer )?\W{{0,3}}({letter.lower()})[).:\]]\W{{0,4}}"
    before += rf"(?:the |an? )?{name}(?!\w)"
    behind = rf"{name}\W{{0,6}}(?:which is |that is )?(?:option |choice |answer )?\W{{0,2}}"
    match = re.search(rf"{behind}({letter.lower()})(?![\w'’])", said)
    if match is None and "?" not in flat:
        match = re.search(before, said)
    apart = re.sub(name, lambda own: " " * len(own[0]), said)  # "200 J": of ten options J is one
    others = {m[1] or m[2] for m in _SINGLE.finditer(flat) if apart[m.start() : m.end()].strip()} - {letter}
    if match is None or others or not (flat[match.start(1)].isupper() or flat[match.start(1) - 1] in "(["):
        return None  # "Yes, that is a good question."
    before, start = _SENTENCE.split(said[: match.start()])[-1], match.start()
    if _REJECTS.search(before) or _IF.match(before) or doubted(raw, flat, start, start):
        return None
    return Found(index, "letter_with_text", match.start(1))


_SENTENCE = re.compile(r"[.!?]\s|\n")
_IF = re.compile(r"\W*(?:if|unless|when)\b(?!\s+(?:i|we)\b)")
_REJECTS = re.compile(  # in front of an option: "The one to avoid is", "Least likely is", "I would exclude"
    r"\b(?:one|option|answer|choice|first|next)\s+to\s+(?!(?:choose|pick|select|take|mark|tick|prefer|have|go\s+(?:with|for))\b)"
    r"|\b(?:(?:avoid|reject|exclude|eliminate|discard|dismiss|confuse)(?:e?d|ing)?|confuses|rul(?:e|ed|ing)\s+out"
    r"|cross(?:ed)?\s+out|distractors?|decoys?|candidates?|worst\s+of\s+all|weakest|(?:least|un)\s*(?:likely|suitable"
    r"|plausible|convincing)|(?:is|are)\s+(?:\w+ly\s+)?out|used\s+to|watch\s+out|beware|runner-up"
    r"|second[- ]best|tempting|contradict(?:s|ed)?"
    r"|(?!(?:question|today)['’])[a-z]+['’]s\s+(?:first\s+)?(?:pick|choice|guess|answer))\b"
)


_CONCLUSION = re.compile(  # "So the largest is Brazil, option C.", "Therefore, the gas is (B) nitrogen."
    r"(?:^|[.!?][ \t]+)[^\w\n]*(?P<so>so|thus|therefore|hence|based on|out of|among)\b"
    r"(?P<lead>[^.!?\n]{0,200}?\b(?:is|are|was|were))[ :]{1,3}"
    r"(?:(?P<text>[^.!?\n]{1,200}?)[,(][ \t]{0,2})?(?:option |choice |answer )?"
    r"[(\[]?(?P<letter>(?-i:[A-Z]))(?![\w'’])(?P<behind>[^\n]{0,400})\s*\Z",
    re.IGNORECASE | re.MULTILINE,
)
_OF_OTHERS = re.compile(
    r"\b(?:second|third|next|others?|another|alternative|runner|rest"
    r"|eliminat\w+|exclud\w+|discard\w*|reject\w*|avoid\w*|remaining|opposite|either|if|would|could|might|may)\b",
    re.IGNORECASE,
)


def concluded(raw: str, flat: str, names: Names) -> Found | None:
    """A last sentence that draws a conclusion and ends with a letter, with or without its option's text."""
    match = _CONCLUSION.search(flat)
    if match is None or not 0 <= LETTERS.find(match["letter"]) < len(names.folded):
        return _paired_at_end(raw, flat, names)
    index, at, lead = LETTERS.find(match["letter"]), match.start("letter"), match["lead"]
    said = [text for text in (match["text"], match["behind"]) if text and re.search(r"[^\s.!)\]*_]", text)]
    said = [ARTICLE.sub("", text.strip(" ).]:,-–—")) for text in said]
    if any(names.loosely(text) != index for text in said) or len(said) > 1:
        return None
    if not said and match["so"].casefold() in ("out of", "among"):
        return None
    if not said and any(re.search(rf"(?<!\w){match['letter']}(?!\w)", option) for option in names.options):
        return None  # "So the winner is A.", where an option is "Team A"
    if _puts_aside(lead) or doubted(raw, flat, at, at):
        return None
    return Found(index, "last_sentence", at)


def _puts_aside(lead: str) -> bool:
    """Do the words that lead to an option say that it is not the one?"""
    said = lead.casefold()
    return denies(said) or any(pattern.search(said) for pattern in (DOUBTFUL, _OF_OTHERS, _APART))


_TELLS_IT = re.compile(  # "The capital is the", "it's"
    r"(?:^|[.!;][ \t]+|,[ \t]+(?=but\b))(?:(?:however|but)\b,?[ \t]+)?"
    r"((?:(?!,[ \t]+but\b)[^.!;\n]){0,200}?(?:\b(?:is|are|was|were)|['’]s)[ :]{1,3}(?:the |an? )?)\Z",
    re.IGNORECASE | re.MULTILINE,
)
_ITEM = re.compile(  # of a list: "A. Stack: ...", "- Stack (A): ..."
    r"^[^\w\n(\[]{0,24}(?:[(\[]?([A-Z])[).:\]]|[^\n:]{1,80}[(\[]([A-Z])[)\]][ \t]*[:–—-]).*$", re.MULTILINE
)
_NOT_IT = re.compile(r"(?:n['’]t|\b(?:not|nor))[ \t]+[^.;:()\n]{1,80}[(\[][A-Z][)\]]")


def _paired_at_end(raw: str, flat: str, names: Names) -> Found | None:
    """A last sentence that tells an option with its letter: "The capital is Paris (B)."

    Other letters only stand in a list of all options before it, or are denied: "It is not Rome (C)".
    """
    if "?" in flat or UNKNOWING.search(flat) or _MISTAKEN.search(flat):
        return None
    end = flat.rstrip(" \t\n.!")
    for index, name in enumerate(names.options):
        letter, tail = LETTERS[index], max(0, len(end) - len(name) - 40)
        own = re.escape(plain(name).strip(" ."))
        if not names.unique[index] or names.unique[index] not in folded(end[tail:]):
            continue
        pair = re.compile(
            rf"(?<!\w)(?:[(\[]?(?P<left>{letter})[)\].:]{{1,2}}[ \t]*(?i:(?:the |an? )?{own})"
            rf"|(?i:{own})[ \t]*[,(–-]?[ \t]*[(\[]?(?:option |choice |answer )?(?P<right>{letter})[)\]]?)\Z"
        ).search(end, tail)
        lead = None if pair is None else _TELLS_IT.search(end[: pair.start()][-300:])
        if pair is None or lead is None:
            continue
        said, start = re.sub(r"\bmost (?:common|frequent)\b", "", lead[1].casefold()), pair.start()
        spoilt = any(pattern.search(said) for pattern in (_REJECTS, HEDGES, LIMITED))
        if spoilt or _puts_aside(said) or mentioned(said, names) or doubted(raw, flat, start, start):
            return None
        before = _NOT_IT.sub(" ", end[: pair.start()])
        if {a or b for a, b in _ITEM.findall(before)} == set(LETTERS[: len(names.folded)]):
            before = _ITEM.sub("", before)
        others = {a or b for a, b in _SINGLE.findall(before)} & set(LETTERS[: len(names.folded)])
        at = pair.start("left") if pair["left"] else pair.start("right")
        return None if others else Found(index, "letter_with_text", at)
    return None


# ------------------------------------------------------------------ the text of an option

_IS = r"(?:\bis|\bare|\bwas|\bwere|\bbe|['’]s|=|:|\bist|\best|\bes|\bsind)"

_SUM = re.compile(r"[\s\d+\-*/×÷·().,^²³√]+=([^=\n]+)")


def first_line(flat: str, names: Names) -> Found | None:
    """An option's text on the first line and an explanation below; or a sum, whose outcome is an option."""
    outcome = _SUM.fullmatch(flat.strip())
    if outcome is not None:
        index = names.loosely(outcome[1])
        return None if index is None else Found(index, "option_text")
    first, _, rest = flat.lstrip().partition("\n")
    index = names.loosely(first)
    if index is None or taken_back(rest, 0, "") or longer_may_be_meant(rest[:80], index, names):
        return None
    if not EXPLAINS.match(rest) and (not rest.strip() or not _only_told(flat, index, names)):
        return None
    others = {names.loosely(line) for line in rest.split("\n")} - {None, index}
    return None if others else Found(index, "option_text")


def _only_told(flat: str, index: int, names: Names) -> bool:
    """Is it the only option in a whole reply in which nothing denies, doubts or asks?"""
    if mentioned(flat, names) != {index} or len(flat) > 1_000 or "?" in flat or UNKNOWING.search(flat):
        return False
    others = folded(flat).replace(names.unique[index], " ")
    letters = set(LETTERS[: len(names.folded)]) & {match[1] for match in CAPITAL.finditer(flat)}
    return not (denies(others) or HEDGES.search(others) or letters)


def _other_letter(flat: str, index: int, names: Names) -> bool:
    """Does another option's letter stand right before or behind the option: "A. It is Rome", "Rome (A)"?"""
    led = LED.match(flat.lstrip())
    others = LETTERS[: len(names.folded)].replace(LETTERS[index], "")
    if led is not None and led[3] in ".)" and led[2] in others:
        return True
    name = re.escape(names.unique[index])
    mark = r"(?:[)\].:,=–—-]|[ \t]+(?:is|=|[–—-])[ \t])[ \t]*(?:the |an? )?"
    beside = rf"(?<![\w'’])(?-i:[{others}]){mark}{name}(?!\w)"
    behind = rf"(?<!\w){name}[ \t]*[(\[](?:option |choice )?(?-i:[{others}])[)\]]"
    return re.search(f"{beside}|{behind}", flat, re.IGNORECASE) is not None


def _told_at_first(said: str, name: str) -> re.Match[str] | None:
    """Does the first sentence say that it is this option, and the rest why: "It is Paris. It lies on ..."?"""
    kind = r"(?:the |a |an )?(?:(?:example|instance|case) of |called |known as )?(?:the |a |an )?"
    others = r"(?!let|first|consider|i\b|we\b|hm|[^.]*\b(?:think|say|believe|claim|assum|suppos|imagin|ask))"
    pattern = (
        rf"{others}[^.!:;\n]{{0,150}}?(?P<is>(?<!\w)(?:is|are|was|were)|(?<=\bit)['’]s) {kind}"
        rf"{re.escape(name)}(?:[ .!]*$| ?[.;,!)]+ (?:{OPENER.pattern}|which|where|who|{re.escape(name)})"
        r"|\s+(?:which|because|since|as|where)\b|\s+[(–—-])"
    )
    return re.match(pattern, said)


_APART = re.compile(  # "Paris is a trap.", "It used to be Paris."
    r"\b(?:distractors?|traps?|decoys?|red\s+herring|candidates?|used\s+to|it\s+once|formerly|naive"
    r"|answer\s+last\s+\w+|last\s+time|opposite\s+of\s+what|opposite\s*\Z"
    r"|(?:a|an|common|first|popular|usual|wrong|bad)\s+(?:\w+\s+)?guess"
    r"|(?:too|seems?|looks?)\s+obvious|obvious\s+(?:\w+\s+)?(?:answer|choice|guess|option|pick)|obvious\s*\Z"
    r"|most\s+people|said|wants?\s+you|tempt\w*|comes?\s+(?:close|to\s+mind)|mistake)\b"
)


def option_text(flat: str, names: Names) -> Found | None:
    """The reply is an option's text, or one sentence that begins or ends with it."""
    flat = without_contrast(flat, names)
    if not mentioned(flat, names):  # "x = 18.0", where the option is 18
        flat, names = by_value(flat), names._replace(unique=names.valued)
    said = folded(flat)
    for candidates in (names.unique, [without_article(name) for name in names.unique]):
        wanted = said if candidates is names.unique else without_article(said)
        if wanted and candidates.count(wanted) == 1:
            return Found(candidates.index(wanted), "option_text")
    counted = _counted(flat, names)
    index = names.loosely(_CERTAINLY.sub("", flat)) if counted is None else counted
    for named in (names.by_number(flat.strip()), names.by_figure(flat), names.shortly(said)):
        index = named if index is None else index
    index = _first_of_two(flat, names) if index is None else index
    if index is not None:
        return Found(index, "option_text")
    if UNKNOWING.search(flat) or len(said) > 1_000:
        return None
    found = mentioned(flat, names)
    if len(found) != 1:
        return None
    index = found.pop()
    name = names.unique[index]
    others = said.replace(name, " ")
    place = said.find(name)
    if (
        denies(others)
        or denies_abroad(others)
        or _APART.search(others)
        or "?" in flat
        or _other_letter(flat, index, names)
    ):
        return None
    if longer_may_be_meant(flat, index, names):
        return None
    told = _told_at_first(said, name)
    at = -1 if told is None else told.start("is")
    apart = _of_another_subject(said[: max(0, at)]) or _GIVEN.match(said)
    if told is not None and not apart and _only_told(flat, index, names) and not taken_back(flat, 0, ""):
        return None if doubted(said, said, at, at) else Found(index, "option_text")
    if len(said) > 400 or doubted(said, said, place, place):
        return None
    quoted = re.escape(name)
    mark = r"[.(:–—-]|[,;]" + r"(?!\s*[-+−]?\d)" * name[-1].isdigit()  # "2, 3" are two values
    begins = re.match(
        rf"(?:the |an? )?{quoted}(?:\s*(?:{mark})|\s+(?:is|are|was|were|because|since|as|due)\b|\n)", said
    )
    if begins and no_answer_behind(flat, said[place + len(name) :], index, names):
        begins = None
    unit = "[a-z°%]" if all(map(str.isdigit, names.exact)) and "%" in flat else "[a-z°]"  # 50% may be 0.5
    ends = re.search(rf"{_IS}\s*(?:the |a |an |about |approximately )?{quoted}(?:\s*{unit}{{0,3}})?$", said)
    if ends and (_of_another_subject(said[: ends.start()]) or _GIVEN.match(said)):
        ends = None
    return Found(index, "option_text") if begins or ends else None


_CERTAINLY = re.compile(rf"\A\W*{CERTAINLY}[,:]?\s+", re.IGNORECASE)
_GIVEN = re.compile(  # "Let p = 1/3.", "2x = 4", "We know that g = 9.8 m/s²."
    r"(?:let(?:['’]s)?|given:|assum\w+|suppos\w+|first|initially|now|step \d+|one possibility|what we)\b"
    r"|(?:given|since|where|setting|substitut\w+|plug\w*|take|we (?:know|start|are given)|without"
    r"|for)\b[^,]*\Z|(?:so |thus |then |hence )?(?:\d+\s*[a-z]|[a-z]\s*[+-]\s*[a-z\d])\s*=[^=\n,]*\Z"
)
_MISTAKEN = re.compile(  # "If you ignore the order, you get 720. Option D."
    r"\bif (?:you|one|someone|they|students?)\b|\b(?:forg[eo]t\w*|mistake\w*|wrong\w*|incorrect\w*"
    r"|ignor\w+|errors?|at first|without|treat (?:the|all))\b",
    re.IGNORECASE,
)
_NOT_LAST = re.compile(  # "Next is Rome.", "The question is about Rome."
    r"\A(?:first|next)\W*\Z|\bsecond best\b|\b(?:there|about|(?:question|passage|text)(?: here)?)\s*\Z"
)


_BOLD_END = re.compile(r"\*\*([^*\n]{1,200})\*\*[.!]\s*\Z")
_LEADS_TO_IT = re.compile(  # "So the entropy", "It is caused by the", "The blank should be filled with"
    r"(?:so|therefore|thus|hence|consequently),? (?:the|its?|this|that|their|an?)\b[^,;:]*"
    r"|[^,;:]*\b(?:(?:is|are|was|were|be) (?:most likely )?"
    r"(?:caused by|filled with|called|known as)|refers to)(?: the| an?)?"
)


def last_in_bold(raw: str, flat: str, names: Names) -> Found | None:
    """The last words, in bold, are an option's text to which their sentence leads, naming no other."""
    match = _BOLD_END.search(raw, max(0, len(raw) - 300))
    index = None if match is None or "?" in flat or UNKNOWING.search(flat) else names.loosely(match[1])
    if match is None or index is None:
        return None
    before = re.split(r"(?<=[.!])\s|\n", flat[max(0, match.start() - 300) : match.start()])[-1]
    said = folded(before)
    if not _LEADS_TO_IT.fullmatch(said) or mentioned(before, names) or denies(said) or denies_abroad(said):
        return None
    spoilt = any(
        pattern.search(said)
        for pattern in (PUT_ASIDE, LIMITED, _NOT_LAST, _OF_OTHERS, _APART, HEDGES, DOUBTFUL)
    )
    if spoilt or _OF_MYSELF.search(before) or doubted(raw, flat, match.start(), match.start()):
        return None
    others = {names.loosely(text) for text in re.findall(r"\*\*([^*\n]{1,200})\*\*", raw)} - {None, index}
    return None if others else Found(index, "option_text")


_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_COUNTED = re.compile(
    rf"[^\w?]*(?:(?:the )?(?:(?:correct|right|best) )?(?:answer is )?(?:option|choice)(?: is)?"
    rf"(?: number)?[ :#]{{1,2}}(\d{{1,2}})"
    rf"|(?:it is |the (?:(?:correct|right|best) )?answer is )?the ({'|'.join(_ORDINALS)}|last)"
    r" (?:option|choice|one|answer)(?: is (?:the )?(?:correct|right)(?: one| answer)?)?)[^\w?]*",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\d|\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|[ivx]+)\b|" + "|".join(_ORDINALS)
)


def _counted(flat: str, names: Names) -> int | None:
    """The option that is counted out: "Option 3", "The third option is correct"; none if one is a number."""
    match = _COUNTED.fullmatch(flat)
    if match is None or any(map(_NUMBER.search, names.folded)):
        return None
    ordinal = (match[2] or "").casefold()
    if ordinal == "last":
        return len(names.folded) - 1
    place = int(match[1]) - 1 if match[1] else _ORDINALS.index(ordinal)
    return place if 0 <= place < len(names.folded) else None


_OF_MYSELF = re.compile(r"\bI\b|\b(?:we|you)\b")


def _first_of_two(flat: str, names: Names) -> int | None:
    """Of two options the one that is the first sentence, with only reasons behind it: "False. It ..."."""
    match = FIRST_SENTENCE.match(flat)
    if match is None or len(names.folded) != 2 or len(flat) > 1_000:
        return None
    index, rest = names.loosely(match[1]), flat[match.end() :]
    if index is None or mentioned(rest, names) or "?" in rest or taken_back(flat, match.end(), ""):
        return None
    return None if UNKNOWING.search(rest) or HEDGES.search(rest) or _OF_MYSELF.search(rest) else index


_NEW_SUBJECT = re.compile(  # "6 and 8" is none
    r"[.;!](?=\s)|\s(?:while|whereas|but|only|though)\b|,\sand\b|\b(?:is|are|was|were)\b.*\sand\b"
    r"|\sand\s(?:the|an?|its|their|his|her|our|this|that)\b"
)
_CONCLUDES = re.compile(
    r"(?:^|[.;!,]\s)(?:so|therefore|thus|hence|then|consequently|(?:that|which|this) means)\b[^.;!]*$"
)


def _of_another_subject(before: str) -> bool:
    """Do other sentences or clauses stand before what is said of an option, and it does not follow from them?

    "Plants take in CO2. The gas they release is oxygen."
    """
    if _NOT_LAST.search(before):
        return True
    return _NEW_SUBJECT.search(before) is not None and _CONCLUDES.search(before) is None
