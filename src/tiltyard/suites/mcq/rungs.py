"""Replies that are hardly more than a letter or the text of an option: the lower rungs of the ladder.

Each takes a reply as it was said and plain (`plain.py`), and gives what it found, or None for the next rung.
`extract.py` climbs them once nothing in the reply claims an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tiltyard.suites.mcq.doubt import DOUBTFUL, LEADS_TO, denies, doubted, taken_back
from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.mcq.letters import CROSSES, begins_with, crossed_before, denied_at, denies_abroad
from tiltyard.suites.mcq.names import Names, folded, longer_may_be_meant, without_article
from tiltyard.suites.mcq.plain import plain
from tiltyard.suites.mcq.verdicts import called_right
from tiltyard.suites.mcq.words import DENIED_AFTER, GOES_ON, UNKNOWING


class Found(NamedTuple):
    """The letter by its index, or None; the rule; its place in the reply (-1: no single letter was said)."""

    option: int | None
    rule: str
    at: int = -1
    why: str = ""


_ALONE = re.compile(
    rf"^(?![^\w\n]{{0,24}}[{CROSSES}])"
    r"[^\w\n(\[<]{0,24}(?:(?:definitely|certainly|clearly|surely|obviously"
    r"|probably|(?:most[ \t]+)?likely|i think|i guess)[ \t]+)?"
    r"(?:(?:choose|select|pick|must be|has to be|go for)[ \t]{1,3})?(?:the[ \t]{1,3})?(?:option"
    r"|choice|letter"
    r"|answer)?[ \t]{0,6}[(\[<]?"
    r"[ \t]{0,6}([A-Za-z])(?![+#*^=<])[ \t]{0,6}[)\]>]?"
    r"(?:,[ \t](?:definitely|certainly|clearly|surely|obviously|probably|of course|i think|i guess))?"
    r"(?:[ \t]\((?:\w+[ \t]?%?[ \t])?(?:sure|certain|confident|confidence)\))?"
    r"[^\w\n?]{0,24}$",
    re.IGNORECASE | re.MULTILINE,
)
_FIRST = re.compile(  # the whole reply is "Q1: B"
    r"\W*(?:question[ \t]*|q[ \t]*)?1[ \t]*[:.)–—-][ \t]*[(\[]?([A-Z])[)\].]*\s*", re.IGNORECASE
)
_LED = re.compile(
    rf"^(?![^\w\n]{{0,24}}[{CROSSES}])"
    r"[^\w\n(\[]{0,24}(?:(?:[Mm]ost[ \t]+likely|[Ll]ikely|[Pp]robably)[ \t]+)?"
    r"(?:[Oo]ption[ \t]+|[Cc]hoice[ \t]+)?([(\[]?)[ \t]{0,6}([A-Za-z])"
    r"(?![^\W\d_]|['’\d])[ \t]{0,6}([)\].:,]|[-–—](?=[ \t])|[-=]>|→|(?=\())"
    r"[)\]]?[ \t]{0,6}(.*)$",
    re.MULTILINE,
)
_BOLD = re.compile(
    r"(?:\*\*|__)[ \t]{0,6}(?:option[ \t]+)?[(\[]?([A-Za-z])[)\].:]{0,2}"
    r"[ \t]{0,6}((?:\S[^*\n]{0,200})?)(?:\*\*|__)"
)


_MARKED = re.compile(r"(?<![\w'’])[(\[]?([A-Z])(?:[)\]]|[.:](?=\s))")
_REASON = re.compile(r"\s*(?:because|since|as|for|due)\b", re.IGNORECASE)
_BECAUSE = re.compile(r"^[^\w\n]*([A-Z])[ \t]+(?:because|since)\b", re.MULTILINE)
_LAST = re.compile(r"[.!;:?)][^\S\n]{1,9}(?:→[ \t]{0,3})?[(\[]?([A-Z])[)\]]?[\s.!]{0,99}\Z")


def marked(raw: str, flat: str, names: Names) -> Found | None:
    """All options one below the other, of which just one is marked as right."""
    found = called_right(flat, names)
    return None if found is None else Found(found[0], "marked", found[1])


_OVER = r"\s*,?\s+(?:(?:and|but)\s+)?(?:not|rather\s+than|instead\s+of|over)\s+"
_LETTER = r"(?:[Oo]ption\s+)?[(\[]?([A-Z])[)\]]?"
_RATHER = re.compile(rf"\W*{_LETTER}{_OVER}{_LETTER}\W*")
_RATHER_TEXT = re.compile(rf"([^\n]{{1,200}}?){_OVER}([^\n]{{1,200}})")


def rather(raw: str, flat: str, names: Names) -> Found | None:
    """The whole reply is "B, not A", or the same with the options' texts."""
    said = flat.strip()
    match = _RATHER.fullmatch(flat)
    if match is not None:
        return _agreed([(match[1], match.start(1))], names, "letter") if match[1] != match[2] else None
    text = _RATHER_TEXT.fullmatch(said)
    if text is None:
        return None
    mine, other = names.loosely(text[1]), names.loosely(text[2])
    return Found(mine, "option_text") if mine is not None and other is not None and mine != other else None


def letter_lines(raw: str, flat: str, names: Names) -> Found | None:
    """Lines that are one letter and nothing else; all of them the same."""
    found = list(alone(flat, 0))
    numbered = _FIRST.fullmatch(flat) if not found else None
    found = [(numbered[1], numbered.start(1))] if numbered else found
    return _agreed(found, names, "letter") if found else None


def alone(flat: str, start: int) -> Iterator[tuple[str, int]]:
    """Letters on a line of their own and their places, but for those under "Incorrect answers:"."""
    denied = False
    for match in _ALONE.finditer(flat, start):
        between = flat[max(start, match.start() - 200) : match.start()].split("\n")
        headers = [line.strip() for line in between if line.strip(" \t·")]
        if headers:
            denied = headers[-1].endswith(":") and DOUBTFUL.search(headers[-1]) is not None
        start = match.end()
        if not denied:
            yield match[1], match.start(1)


def leading(raw: str, flat: str, names: Names) -> Found | None:
    """One line that begins with a letter and its mark: "B) Paris ...". Several letters are a list."""
    found: list[tuple[str, int]] = []
    for match in _LED.finditer(flat):
        known = LETTERS[: len(names.folded)]
        others = {m[1] for m in _MARKED.finditer(match[4]) if m[1] in known} - {match[2].upper()}
        bracketed = bool(match[1]) or match[3] in (")", "]")
        reasoned = match[3] == "," and _REASON.match(match[4]) is not None and match[2].isupper()
        if others:  # a list in one line
            found += [(match[2], match.start(2)), *((letter, 0) for letter in others)]
        elif (
            bracketed or reasoned or begins_with(match[4], match[2], names) or _explained(flat, match, names)
        ):
            found.append((match[2], match.start(2)))
    found += [(match[1], match.start(1)) for match in _BECAUSE.finditer(flat)]
    if not found:
        return None
    first = _before_the_others(flat, names)
    if first is not None:
        return first
    lines = [line for line in flat.split("\n") if line.strip()]
    edges = "\n".join((lines[0], lines[-1]))
    if len(found) == 1 and not (_LED.search(edges) or _BECAUSE.search(edges)):
        return None
    if any(denied_at(flat, letter, at, names) for letter, at in found):
        return None
    return _agreed(found, names, "leading")


def _explained(flat: str, led: re.Match[str], names: Names) -> bool:
    """Is it the letter that a reply begins with, and a sentence that says why: "B. It has been ..."?"""
    index, rest = LETTERS.find(led[2]), flat[led.start(4) :]
    opener = _OPENER.match(led[4])
    if (
        flat[: led.start()].strip()
        or led[2] + led[3] == "A:"
        or not 0 <= index < len(names.folded)
        or UNKNOWING.search(rest)
    ):
        return False
    if opener is not None and any(re.match(rf"{opener[1].casefold()}\b", name) for name in names.folded):
        return False  # perhaps an option in other words
    if led[4].rstrip().endswith(":") and not _EXPLAINS.match(led[4]):
        return False  # a heading
    clear = _GRANTED.sub(" ", rest)
    said = mentioned(clear, names)
    if said - {index} or not (said or opener) or "?" in rest or _HEDGES.search(clear.partition("\n")[0]):
        return False
    return not _speaks_of_others(clear, led[2], names)


def _before_the_others(flat: str, names: Names) -> Found | None:
    """ "B. Paris" alone on the first line, and below it, with a reason each, why the others are wrong."""
    head, _, below = flat.strip().partition("\n")
    led = _LED.fullmatch(head.strip())
    index = -1 if led is None else LETTERS.find(led[2])
    if led is None or not 0 <= index < len(names.folded) or "?" in _WHY.sub("", flat):
        return None
    if "\n" not in below[: len(below) - len(below.lstrip())] or names.loosely(led[4]) != index:
        return None
    rows = list(_LED.finditer(below))
    letters, known = "".join(sorted(row[2] for row in rows)), LETTERS[: len(names.folded)]
    others = known.replace(led[2], "")
    whole = re.search(r"\n\s*\n", below.strip()) is None or _BELOW.match(below.lstrip()) is not None
    if len(others) < 2 or letters not in ((others,) if index else (others,) * whole):
        return None
    reasons = [names.loosely(row[4]) is None and begins_with(row[4], row[2], names) for row in rows]
    if not all(reasons) or _FAVOURS.search(below):
        return None
    at = len(flat) - len(flat.lstrip()) + led.start(2)
    return Found(index, "leading", at)


_E_G_OR_NUMBER = re.compile(  # "5) A" is about another question
    r"\be\.g\Z|^\W*(?:(?:question|q|number|nr|no)\W{0,2})?(?!0*1\Z)\d{1,3}\Z", re.IGNORECASE | re.MULTILINE
)


_NUMBERED = re.compile(r"(?:\A|\n)([^\n:]{0,60}):[ \t]*\d{1,3}\Z")  # "Grade: 1. A"
_NUMBER_AGAIN = re.compile(r"\b(?:answer|question)\b[^\n:]*?(\d{1,3}):[ \t]*\1\Z", re.IGNORECASE)


def last_sentence(raw: str, flat: str, names: Names) -> Found | None:
    """A reply whose last sentence is one letter."""
    match = _LAST.search(flat)
    if match is not None and flat[match.start()] == ":":
        line = flat[flat.rfind("\n", 0, match.start()) + 1 : match.start()]
        match = match if LEADS_TO.search(line) and not DOUBTFUL.search(line) else None  # "Grade: A"
    if match is None or doubted(raw, flat, match.start(1), match.start(1)):
        return None
    if _E_G_OR_NUMBER.search(flat[: match.start()]):
        return None
    numbered = _NUMBERED.search(flat[max(0, match.start() - 80) : match.start()])
    if numbered is not None and (
        DOUBTFUL.search(numbered[1])
        or not (LEADS_TO.search(numbered[1]) or _NUMBER_AGAIN.search(numbered[0]))
    ):
        return None
    cut_off = flat[match.start()] != ":" and not re.search(r"[.!)\]]\s*\Z", match[0][1:])
    if cut_off and _speaks_of_others(flat, match[1], names):
        return None  # "A is oxygen, with 21 %. B"
    return _agreed([(match[1], match.start(1))], names, "last_sentence")


def _speaks_of_others(flat: str, letter: str, names: Names) -> bool:
    known = set(LETTERS[: len(names.folded)]) - {letter}
    return bool(known & {found[1] for found in _CAPITAL.finditer(flat)})


def bold(raw: str, flat: str, names: Names) -> Found | None:
    """Letters in bold, alone or before their option's text."""
    found = []
    for match in _BOLD.finditer(raw):
        alone = not match[2].strip()
        denied = None is not DENIED_AFTER.match(raw[match.end() : match.end() + 40].lstrip(" ,:-–—"))
        denied = denied or crossed_before(raw, match.start())
        denied = denied or doubted(raw, flat, match.start(), match.start())
        if (alone or begins_with(plain(match[2]), match[1], names)) and not denied:
            found.append((match[1], match.start(1)))
    return _agreed(found, names, "bold") if found else None


def _agreed(found: Sequence[tuple[str, int]], names: Names, rule: str) -> Found:
    letters = {letter.upper() for letter, _ in found}
    if len(letters) > 1:
        return Found(None, "contradiction", why="several letters are given")
    index = LETTERS.index(letters.pop())
    if index >= len(names.folded):
        return Found(None, "no_such_letter", why="no letter of this question")
    return Found(index, rule, found[-1][1])


_OPENER = re.compile(
    r"(it|it['’]s|its|this|that|these|they|their|he|she|his|her|there|because|since|as|due|given"
    r"|while|although|though|unlike|explanation|reason(?:ing)?|justification|rationale)(?![\w'’-])",
    re.IGNORECASE,
)
_GRANTED = re.compile(r"\b(?:while|although|(?:even )?though|unlike|whereas)\b[^,.\n]{1,150},", re.IGNORECASE)
_HEDGES = re.compile(
    r"\b(?:but|however|yet|although|though|would|could|might|may|perhaps|maybe|possibly|another|others?|instead"
    r"|rather|opposite|unless|if|whether|tempt\w*|seems?|appears?|looks?|plausible|possible|mistakes?|mistaken"
    r"|myth|misconception|unlikely|either|some|better|actually|wait|hmm+|both|none|neither|except"
    r"|doubt\w*|guess\w*|closer?|partly|partially|supposed\w*|assum\w+|former\w*|let|know)\b",
    re.IGNORECASE,
)
_CAPITAL = re.compile(  # a letter, and not the word "A"
    rf"(?<![\w'’.])(?!A\s+(?!(?:{GOES_ON.pattern})\b)[a-z])([A-Z])(?![\w'’]|\.[A-Z])"
)
_WHY = re.compile(r"\bwhy\b[^?\n]*\?", re.IGNORECASE)
_BELOW = re.compile(r"[^\n]*\b(?:others?|wrong|incorrect|rest|remaining)\b[^\n]*[:?]\s*\n", re.IGNORECASE)
_FAVOURS = re.compile(
    r"\b(?:correct|right|true|best|better|actually|wait|instead|also|plausible|tempting|both|either|or"
    r"|might|could)\b",
    re.IGNORECASE,
)


_SINGLE = re.compile(r"(?<![\w'’])([B-HJ-Z])(?![\w'’]|\.[ \t][a-z])|[(\[]([AI])[)\]]")


def with_its_text(raw: str, flat: str, names: Names) -> Found | None:
    """An option's text with its letter right behind it, "Paris (B)", and no other letter or option."""
    said = flat.casefold()
    if len(said) != len(flat) or denies(flat):
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
    others = {m[1] or m[2] for m in _SINGLE.finditer(flat)} - {letter}
    return Found(index, "letter_with_text", match.start(1)) if match and not others else None


# ------------------------------------------------------------------ the text of an option

_IS = r"(?:\bis|\bare|\bwas|\bwere|\bbe|['’]s|=|:|\bist|\best|\bes|\bsind)"


_EXPLAINS = re.compile(
    r"\W*(?:explanation|reason(?:ing|s)?|justification|rationale|because)\b", re.IGNORECASE
)
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
    if not _EXPLAINS.match(rest) and (not rest.strip() or not _only_told(flat, index, names)):
        return None
    others = {names.loosely(line) for line in rest.split("\n")} - {None, index}
    return None if others else Found(index, "option_text")


def _only_told(flat: str, index: int, names: Names) -> bool:
    """Is it the only option in a whole reply in which nothing denies, doubts or asks?"""
    if mentioned(flat, names) != {index} or len(flat) > 1_000 or "?" in flat or UNKNOWING.search(flat):
        return False
    others = folded(flat).replace(names.unique[index], " ")
    letters = set(LETTERS[: len(names.folded)]) & {match[1] for match in _CAPITAL.finditer(flat)}
    return not (denies(others) or _HEDGES.search(others) or letters)


def _other_letter(flat: str, index: int, names: Names) -> bool:
    """Does another option's letter stand right before or behind the option: "A. It is Rome", "Rome (A)"?"""
    led = _LED.match(flat.lstrip())
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
        rf"{others}[^.!:;\n]{{0,150}}?(?<!\w)(?P<is>is|are|was|were) {kind}"
        rf"{re.escape(name)}(?:[ .!]*$| ?[.;,!)]+ (?:{_OPENER.pattern}|which|where|who|{re.escape(name)})"
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
    said = folded(flat)
    for candidates in (names.unique, [without_article(name) for name in names.unique]):
        wanted = said if candidates is names.unique else without_article(said)
        if wanted and candidates.count(wanted) == 1:
            return Found(candidates.index(wanted), "option_text")
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
    if told is not None and _only_told(flat, index, names) and not taken_back(flat, 0, ""):
        at = told.start("is")
        return None if doubted(said, said, at, at) else Found(index, "option_text")
    if len(said) > 400 or doubted(said, said, place, place):
        return None
    quoted = re.escape(name)
    begins = re.match(rf"{quoted}(?:\s*[,;:.(–—-]|\s+(?:is|are|was|were|because|since|as|due)\b|\n)", said)
    ends = re.search(rf"{_IS}\s*(?:the |a |an |about |approximately )?{quoted}(?:\s*[a-z°%]{{0,3}})?$", said)
    return Found(index, "option_text") if begins or ends else None


def mentioned(flat: str, names: Names) -> set[int]:
    """The options whose text occurs, as whole words; one inside another that occurs does not count."""
    said = folded(flat)
    found: set[int] = set()
    for index in sorted(range(len(names.folded)), key=lambda i: -len(names.unique[i])):
        pattern = rf"(?<![\w.]){re.escape(names.unique[index])}(?![\w]|\.\d)"
        if names.unique[index] and not names.is_letter(index) and re.search(pattern, said):
            found.add(index)
            said = re.sub(pattern, " \0 ", said)
    return found
