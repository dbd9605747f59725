"""Replies that are hardly more than a letter: the lower rungs of the ladder.

Each takes a reply as it was said and plain (`plain.py`), and gives what it found, or None for the next rung.
`extract.py` climbs them once nothing in the reply claims an answer, and then those of `texts.py`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tiltyard.suites.mcq.abroad import concluded_abroad
from tiltyard.suites.mcq.doubt import DOUBTFUL, LEADS_TO, doubted
from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.mcq.letters import CROSSES, begins_with, crossed_before, denied_at
from tiltyard.suites.mcq.names import Names, folded, mentioned
from tiltyard.suites.mcq.plain import plain
from tiltyard.suites.mcq.verdicts import called_right
from tiltyard.suites.mcq.words import BEST_LABEL, CERTAINLY, DENIED_AFTER, GOES_ON, UNKNOWING


class Found(NamedTuple):
    """The letter by its index, or None; the rule; its place in the reply (-1: no single letter was said)."""

    option: int | None
    rule: str
    at: int = -1
    why: str = ""


_ALONE = re.compile(
    rf"^(?![^\w\n]{{0,24}}[{CROSSES}])"
    rf"[^\w\n(\[<]{{0,24}}(?:(?:{CERTAINLY}|i think|i guess)[,:]?[ \t]+)?"
    r"(?:(?:choose|select|pick|must be|has to be|go for)[ \t]{1,3})?(?:the[ \t]{1,3})?(?:option"
    r"|choice|letter|letra|alternativa|lettera|buchstabe|answer)?[ \t]{0,6}[(\[<]?"
    r"[ \t]{0,6}([A-Za-z])(?![+#*^=<]|[ \t]{0,6}(?:\[ \]|☐))[ \t]{0,6}[)\]>]?"
    r"(?:,?[ \t](?:for sure|definitely|certainly|clearly|surely|obviously|probably|of course|i think"
    r"|i guess))?(?:[ \t]\((?:\w+[ \t]?%?[ \t])?(?:sure|certain|confident|confidence)\))?[^\w\n?]{0,24}$",
    re.IGNORECASE | re.MULTILINE,
)
_FIRST = re.compile(  # the whole reply is "Q1: B"
    r"\W*(?:question[ \t]*|q[ \t]*)?1[ \t]*[:.)–—-][ \t]*[(\[]?([A-Z])[)\].]*\s*", re.IGNORECASE
)
LED = re.compile(
    rf"^(?![^\w\n]{{0,24}}[{CROSSES}])"
    r"[^\w\n(\[]{0,24}(?:(?:[Mm]ost[ \t]+likely|[Ll]ikely|[Pp]robably)[ \t]+)?"
    r"(?:[Oo]ption[ \t]+|[Cc]hoice[ \t]+)?([(\[]?)[ \t]{0,6}([A-Za-z])"
    r"(?![^\W\d_]|['’\d])[ \t]{0,6}([)\].:,]|[-–—](?=[ \t])|[-=]>|→|(?=\())[)\]]?[ \t]{0,6}(.*)$",
    re.MULTILINE,
)
_BOLD = re.compile(
    r"(?:\*\*|__)[ \t]{0,6}(?:option[ \t]+)?[(\[]?([A-Za-z])[)\].:]{0,2}"
    r"[ \t]{0,6}((?:\S[^*\n]{0,200})?)(?:\*\*|__)"
)


_MARKED = re.compile(r"(?<![\w'’])[(\[]?([A-Z])[ \t]{0,2}(?:[)\]]|[.:](?=\s))")
_JOINED = re.compile(r"(?<![\w'’])([A-Z])[ \t]{0,2}([-–—](?=[ \t])|[-=]>|→)")
_REASON = re.compile(r"\s*(?:because|since|as|for|due)\b", re.IGNORECASE)
_BECAUSE = re.compile(
    r"^[^\w\n]*(?:(?:[Cc]hoose|[Ss]elect|[Pp]ick)[ \t]+)?([A-Z])[ \t]+(?:because|since)\b", re.MULTILINE
)
_LAST = re.compile(
    r"(?:[.!;:?)][^\S\n]{1,9}(?:→[ \t]{0,3}|[Oo]ption[ \t])?|(?<!→)[^\S\n]→[ \t]{0,3})"
    r"[(\[]?([A-Z])[)\]]?[\s.!]{0,99}\Z"
)


def marked(raw: str, flat: str, names: Names) -> Found | None:
    """All options one below the other, of which just one is marked as right."""
    found = called_right(raw, flat, names)
    return None if found is None else Found(found[0], "marked", found[1])


OVER = (  # no "no" alone: "C, no A" is English as well
    r"(?:\s*,?\s+(?:(?:and|but|und|et|e|а|og|en)\s+)?"
    r"(?:not|rather\s+than|instead\s+of|over|nicht|statt|pas|non|não|не|niet|inte|ikke|y\s+no)\s+"
    r"|\s*,?\s*而?不是\s*)"
)
_LETTER = r"(?:[Oo]ption\s+)?[(\[]?([A-Z])[)\]]?"
_LEAD = r"(?:(?:Es ist|C['’]est|É|È|Это)\s+|是\s*)?"
_RATHER = re.compile(
    rf"\W*(?:{_LEAD}{_LETTER}{OVER}|Es\s+(?:la\s+)?{_LETTER},?\s+(?:y\s+)?no\s+(?:la\s+)?"
    rf"|{_LETTER}です[.、,]\s*(?=[A-Z]では)){_LETTER}(?:では(?:ありません|ない(?:です)?))?\W*"
)
_NONE_OF = re.compile(
    rf"\W*{_LETTER}(?P<not>(?:[.,;]?\s+(?:and\s+)?(?:certainly\s+)?[Nn]ot\s+(?:[Oo]ption\s+)?[(\[]?[A-Z][)\]]?){{2,25}})\W*"
)


def rather(raw: str, flat: str, names: Names) -> Found | None:
    """The whole reply is "B, not A"."""
    match = _RATHER.fullmatch(flat)
    if match is None:
        several = _NONE_OF.fullmatch(flat)
        if several is None or several[1] in re.findall(r"[A-Z](?!\w)", several["not"]):
            return None
        return _agreed([(several[1], several.start(1))], names, "letter")
    own = next(group for group in (1, 2, 3) if match[group])
    return _agreed([(match[own], match.start(own))], names, "letter") if match[own] != match[4] else None


_SLIM = re.compile(r"\W*([A-Z])(?:[ \t]{1,4}|[ \t]?[/|][ \t]?|\\[.)][ \t]?)(\S[^\n]*)\s*")


def slim(raw: str, flat: str, names: Names) -> Found | None:
    """The whole reply is a letter and its option's text, with hardly a mark between: "B Paris", "B/Paris"."""
    match = _SLIM.fullmatch(flat)
    if match is None or names.loosely(flat) is not None:
        return None
    if names.loosely(match[2]) != LETTERS.index(match[1]):
        return None
    return _agreed([(match[1], match.start(1))], names, "leading")


def letter_lines(raw: str, flat: str, names: Names) -> Found | None:
    """Lines that are one letter and nothing else; all of them the same."""
    found = list(alone(flat, 0))
    numbered = None if found else _FIRST.fullmatch(flat) or BEST_LABEL.fullmatch(flat)
    if numbered is not None and numbered.re is BEST_LABEL and any(map(CAPITAL.search, names.options)):
        return None  # "Best vitamin: C"
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


_OTHERS = (  # "A, C and D are not FIFO"
    r"(?:options?[ \t]+)?(?P<others>(?-i:[(\[]?[A-Z][)\]]?(?:,[ \t]*(?:and[ \t]+)?|[ \t]+and[ \t]+)){1,25}"
    r"(?-i:[(\[]?[A-Z][)\]]?))"
    r"[ \t]+(?:all[ \t]+)?(?:are|were|do|don['’]t|can|cannot|have)\b(?P<what>[^.!?;,\n]{1,100})"
)
_ODD = re.compile(  # "A, C and D are not FIFO; B is.", "Since A, B, and C are all risk factors, D."
    rf"(?:^|[.!?][ \t]+)[^\w\n]*(?:(?:since|because|as|given[ \t]+that)[ \t]+)?{_OTHERS}[.;,][ \t]*"
    r"(?:(?:so|but|and|while|whereas|only|thus|hence|therefore|leaving|it[ \t]+is|it['’]s)\b,?[ \t]+){0,3}"
    r"(?:option[ \t]+)?[(\[]?(?P<letter>(?-i:[A-Z]))(?![\w'’])[)\]]?"
    r"(?:[ \t]+(?:is|does|has|can|was|remains))?[\s.!]{0,99}\Z",
    re.IGNORECASE | re.MULTILINE,
)
_ODD_FIRST = re.compile(  # the whole reply is "D. Since A, B and C are all correct."
    r"[^\w\n]*(?P<letter>(?-i:[A-Z]))[)\]]{0,2}[.,:;–—-]{0,2}[ \t]+(?:since|because|as)[ \t]+"
    rf"{_OTHERS}[.!\s]*",
    re.IGNORECASE,
)


def odd_one(raw: str, flat: str, names: Names) -> Found | None:
    """The last sentence tells one thing of all the other letters, and of the one that is left another."""
    match = _ODD.search(flat) or _ODD_FIRST.fullmatch(flat)
    what = "" if match is None else match["what"]
    if match is None or HEDGES.search(what) or re.search(r"\b(?:often|student|people)", what):
        return None
    said = "".join(sorted([*re.findall(r"(?<!\w)[A-Z](?!\w)", match["others"]), match["letter"]]))
    if len(said) < 3 or said != LETTERS[: len(names.folded)]:
        return None
    return _agreed([(match["letter"], match.start("letter"))], names, "last_sentence")


def leading(raw: str, flat: str, names: Names) -> Found | None:
    """One line that begins with a letter and its mark: "B) Paris ...". Several letters are a list."""
    found: list[tuple[str, int]] = []
    known = LETTERS[: len(names.folded)]
    for match in LED.finditer(flat):
        said = folded(match[0]) if match[2].upper() not in known else ""
        if any(name and said.startswith(name) for name in names.unique):
            continue  # "S. aureus" is an option
        others = {m[1] for m in _MARKED.finditer(match[4]) if m[1] in known} - {match[2].upper()}
        others |= {m[1] for m in _JOINED.finditer(match[4]) if m[2] == match[3] and m[1] in known} - {
            match[2].upper()
        }
        if "ption" in match[0][: match.start(2) - match.start()]:  # "Option A (x) is ... Option B (y) is"
            others |= {m[1] for m in _NEXT_OPTION.finditer(match[4])} - {match[2].upper()}
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
    if len(found) == 1 and not (LED.search(edges) or _BECAUSE.search(edges)):
        return None
    if any(denied_at(flat, letter, at, names) for letter, at in found):
        return None
    return _agreed(found, names, "leading")


def _explained(flat: str, led: re.Match[str], names: Names) -> bool:
    """Is it the letter that a reply begins with, and a sentence that says why: "B. It has been ..."?"""
    index, rest = LETTERS.find(led[2]), flat[led.start(4) :]
    opener = OPENER.match(led[4])
    if (
        flat[: led.start()].strip()
        or led[2] + led[3] == "A:"
        or not 0 <= index < len(names.folded)
        or UNKNOWING.search(rest)
    ):
        return False
    if opener is not None and any(re.match(rf"{opener[1].casefold()}\b", name) for name in names.folded):
        return False  # perhaps an option in other words
    if led[4].rstrip().endswith(":") and not EXPLAINS.match(led[4]):
        return False  # a heading
    clear = _GRANTED.sub(" ", rest)
    said = mentioned(clear, names)
    if said - {index} or not (said or opener) or "?" in rest or HEDGES.search(clear.partition("\n")[0]):
        return False
    return not _speaks_of_others(clear, led[2], names)


def _before_the_others(flat: str, names: Names) -> Found | None:
    """ "B. Paris" alone on the first line, and below it, with a reason each, why the others are wrong."""
    head, _, below = flat.strip().partition("\n")
    led = LED.fullmatch(head.strip())
    index = -1 if led is None else LETTERS.find(led[2])
    if led is None or not 0 <= index < len(names.folded) or "?" in _WHY.sub("", flat):
        return None
    if "\n" not in below[: len(below) - len(below.lstrip())] or names.loosely(led[4]) != index:
        return None
    rows = list(LED.finditer(below))
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


def _follows(flat: str, match: re.Match[str], names: Names) -> bool:
    """Does "→ B" or "Option B." at the end follow from what is said before it, and is no item of a list?"""
    if "→" in match[0]:
        said = re.split(r"[.!?\n]", flat[: match.start()])[-1]
        return flat.count("→") == 1 and len(said.split()) > 3 and not _UNLESS.search(said)
    said = re.split(r"(?<=[.!?\n])", flat[: match.start() + 1])
    before = said[-2] if len(said) > 1 else ""
    index = LETTERS.find(match[1])
    outcome = index < len(names.unique) and re.search(r"\d+\W*\Z", before)  # "If ..., we get 15. Option B."
    concluded = outcome and names.loosely(outcome[0]) == index and len(_OPTION_LETTER.findall(flat)) == 1
    supposed = _SUPPOSED.match(before) if concluded else None
    return (
        match[0].rstrip().endswith((".", "!", ")"))
        and before[-1:] in (".", "!", ")")
        and not _UNLESS.search(before, 0 if supposed is None else supposed.end())
    )


_OPTION_LETTER = re.compile(r"\boption[ \t]+[A-Z]\b", re.IGNORECASE)
_SUPPOSED = re.compile(  # "If we take 9 away, we get 15."
    r"\W*(?:if|when)\b(?!\s+(?:you|one|someone|they|students?)\b)", re.IGNORECASE
)
_NEXT_OPTION = re.compile(r"\b[Oo]ption ([A-Z]) ?[(:]")
_UNLESS = re.compile(
    r"\b(?:if|when|unless|wrong|incorrect|eliminat\w*|exclud\w*|rul(?:e|ed|ing) out|distractors?|options"
    r"|forget\w*|mistake\w*|ignor\w+|without|errors?|at first|instead of|too (?:early|late)|treat\w*)\b",
    re.IGNORECASE,
)


_BRACKETED = re.compile(r"[(\[]([A-Z])[)\]]")
_SENTENCE_ENDS = re.compile(r"[.!?]\s")
_TO_REJECT = re.compile(
    r"\b(?:exclude|eliminate|rule out|discard|weakest)\b|\bwhich\b.*\b(?:wrong|incorrect)\b", re.IGNORECASE
)


_LESSER = re.compile(r"\b(?:second|third|next|worst|least|others?|rest|of the)\b[^.:]*\Z", re.IGNORECASE)


def last_sentence(raw: str, flat: str, names: Names) -> Found | None:
    """A reply whose last sentence is one letter, in other languages with a word for "so" or "it is"."""
    abroad = concluded_abroad(flat, names)
    if abroad is not None:
        return None if doubted(raw, flat, abroad[1], abroad[1]) else _agreed([abroad], names, "last_sentence")
    match = _LAST.search(flat)
    if match is not None and flat[match.start()] == ":":
        line = flat[flat.rfind("\n", 0, match.start()) + 1 : match.start()]
        spoilt = DOUBTFUL.search(line) or _LESSER.search(line)
        match = match if LEADS_TO.search(line) and not spoilt else None  # "Grade: A"
    if match is None or doubted(raw, flat, match.start(1), match.start(1)):
        return None
    if re.match(r"\s*→|.\s+[Oo]ption", match[0]) and not _follows(flat, match, names):
        return None
    before = flat[: match.start()]
    others = {letter for letter in _BRACKETED.findall(before) if letter != match[1]}
    led = flat[match.start()] == ":"
    if not led and others and _BRACKETED.search(match[0]):  # each option's text with its letter behind it
        return None
    if not led and _TO_REJECT.search(_SENTENCE_ENDS.split(before)[-1]):  # "Let me exclude the weakest. B."
        return None
    if _E_G_OR_NUMBER.search(before):
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
    return bool(known & {found[1] for found in CAPITAL.finditer(flat)})


MOST_BOLD = 200  # letters in one reply: each costs


def bold(raw: str, flat: str, names: Names) -> Found | None:
    """Letters in bold, alone or before their option's text."""
    found = []
    matches = list(itertools.islice(_BOLD.finditer(raw), MOST_BOLD + 1))
    if len(matches) > MOST_BOLD:
        return Found(None, "contradiction", why="too many letters are in bold")
    for match in matches:
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


EXPLAINS = re.compile(r"\W*(?:explanation|reason(?:ing|s)?|justification|rationale|because)\b", re.IGNORECASE)
OPENER = re.compile(
    r"(it|it['’]s|its|this|that|these|they|their|he|she|his|her|there|because|since|as|due|given"
    r"|while|although|though|unlike|explanation|reason(?:ing)?|justification|rationale)(?![\w'’-])",
    re.IGNORECASE,
)
_GRANTED = re.compile(r"\b(?:while|although|(?:even )?though|unlike|whereas)\b[^,.\n]{1,150},", re.IGNORECASE)
HEDGES = re.compile(
    r"\b(?:but|however|yet|although|though|would|could|might|may|perhaps|maybe|possibly|another|others?|instead"
    r"|rather|opposite|unless|if|whether|tempt\w*|seems?|appears?|looks?|plausible|possible|mistakes?|mistaken"
    r"|myth|misconception|unlikely|either|some|better|actually|wait|hmm+|both|none|neither|except"
    r"|doubt\w*|guess\w*|closer?|partly|partially|supposed\w*|assum\w+|former\w*|let|know)\b",
    re.IGNORECASE,
)
CAPITAL = re.compile(  # a letter, and not the word "A"
    rf"(?<![\w'’.])(?!A\s+(?!(?:{GOES_ON.pattern})\b)[a-z])([A-Z])(?![\w'’]|\.[A-Z])"
)
_WHY = re.compile(r"\bwhy\b[^?\n]*\?", re.IGNORECASE)
_BELOW = re.compile(r"[^\n]*\b(?:others?|wrong|incorrect|rest|remaining)\b[^\n]*[:?]\s*\n", re.IGNORECASE)
_FAVOURS = re.compile(
    r"\b(?:correct|right|true|best|better|actually|wait|instead|also|plausible|tempting|both|either|or"
    r"|might|could)\b",
    re.IGNORECASE,
)
