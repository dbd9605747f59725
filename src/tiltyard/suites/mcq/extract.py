"""Which letter does a reply give? A ladder of named rules over what the model said, and never a guess.

Claims ("the answer is B", \\boxed{B}, "B is correct", "I choose B") come first and the last one counts; then
replies that are hardly more than a letter; then the text of an option. Where letters contradict each other,
or a letter is none of the item's, there is no answer. docs/mcq.md lists the rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tiltyard.suites.mcq.doubt import CORRECTED, DOUBTFUL, LEADS_TO, denies, doubted, taken_back
from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.mcq.letters import asked, begins_with, denied_at, is_letter, lists, several
from tiltyard.suites.mcq.names import Names, folded, forms_of, text_at, without_article
from tiltyard.suites.mcq.plain import plain, without_thought
from tiltyard.suites.mcq.words import (
    ANSWER_AT,
    BOXED,
    CHOSEN,
    CLAUSE_BEFORE,
    CONDITION,
    DECLARED,
    DECLARED_ALIEN,
    DENIED_AFTER,
    ELSEWHERE,
    ENGLISH,
    IT_IS,
    LABELS,
    NEXT_QUESTION,
    NOT_BUT,
    QUESTION_AND_A,
    REVISED,
    STATED,
    UNKNOWING,
)

LONGEST = 16_000  # characters that are read at once
STRONG = frozenset(("labelled", "boxed", "stated", "corrected"))
DOUBTED = "doubted"  # no rule: a label that the words before it take back
DEFINITE = frozenset(("labelled", "boxed"))  # rules that also hold for a reply that was cut off


class Found(NamedTuple):
    """The letter by its index, or None; the rule; its place in the reply (-1: no single letter was said)."""

    option: int | None
    rule: str
    at: int = -1
    why: str = ""


class Claim(NamedTuple):
    option: int | None  # None: no letter of this item, or several
    rule: str
    at: int
    start: int
    end: int


NOTHING = Found(None, "none", why="no letter and no option was found in it")


def extract(reply: str, options: Sequence[str]) -> Found:
    """The letter that a reply gives for an item with these options, as shown.

    Of a very long reply the end is read, and the beginning where that says nothing.
    """
    text = without_thought(reply)
    if len(text) <= LONGEST:
        return _of_text(text, options)
    begin = len(text) - LONGEST
    found = _of_text(text[begin:], options)
    if found.option is not None:
        return found._replace(at=found.at + begin if found.at >= 0 else -1)
    return _of_text(text[:LONGEST], options)


def _of_text(text: str, options: Sequence[str]) -> Found:
    following = NEXT_QUESTION.search(text)
    if following is not None:  # a model that went on with a question of its own
        found = _ladder(text[: following.start()], options)
        if found.option is not None:
            return found
    return _ladder(text, options)


def _ladder(raw: str, options: Sequence[str]) -> Found:
    flat = plain(raw)
    if not flat.strip():
        return NOTHING
    names = forms_of(options)
    whole = names.exactly(raw.strip())
    if whole is not None:
        return Found(whole, "option_text")
    every = sorted(_claims(raw, flat, names), key=lambda claim: claim.start)
    claims = [claim for claim in every if claim.rule != DOUBTED]
    if claims:
        return _of_claims(claims, flat, names)
    for claim in every:  # what is said to be no answer is not looked at again
        begin, end = (claim.at, claim.at + 1) if claim.at >= 0 else (claim.start, claim.end)
        hidden = re.sub(r"[^\n]", "·", flat[begin:end])
        flat, raw = flat[:begin] + hidden + flat[end:], raw[:begin] + hidden + raw[end:]
    for rung in (_letter_lines, _leading, _last_sentence, _bold, _with_its_text):
        found = rung(raw, flat, names)
        if found is not None:
            return _standing(found, found.at + 1, flat, names)
    return _option_text(flat, names) or NOTHING


# ------------------------------------------------------------------ claims


def _claims(raw: str, flat: str, names: Names) -> Iterator[Claim]:
    for match in BOXED.finditer(raw):
        claim = _value((match[1], plain(match[1])), 0, names, ("boxed", match.start(1)))
        if claim is not None:
            rule = DOUBTED if doubted(raw, flat, match.start(), match.start()) else "boxed"
            yield claim._replace(rule=rule, start=match.start(), end=match.end())
    for number, pattern in enumerate(LABELS):
        rule = "stated" if pattern is STATED else "labelled"
        for match in pattern.finditer(flat):
            claim = _value((raw, flat), match.end(), names, (rule, 0))
            if claim is not None and doubted(raw, flat, match.start(), match.end(), number < ENGLISH):
                claim = claim._replace(rule=DOUBTED)
            if claim is not None:
                yield claim._replace(start=match.start())
    for match in CORRECTED.finditer(flat):
        yield _letter(match["letter"], len(names.folded), "corrected", match)
    for match in QUESTION_AND_A.finditer(flat):
        yield _letter(match[1], len(names.folded), "labelled", match)
    for match in CHOSEN.finditer(flat):
        letter = match.group("letter")
        if (letter.isupper() or match.group("wrapped")) and not doubted(
            raw, flat, match.start(), match.end()
        ):
            yield _letter(letter, len(names.folded), "chosen", match)
    for pattern in (DECLARED, DECLARED_ALIEN, IT_IS, NOT_BUT):
        for match in pattern.finditer(flat):
            if pattern is DECLARED and not (match["letter"].isupper() or match["named"]):
                continue
            if (
                pattern is DECLARED
                and not match["named"]
                and not CLAUSE_BEFORE.search(flat[max(0, match.start() - 40) : match.start()])
            ):
                continue  # "vitamin C is the best source"
            if "would" in match[0] and ELSEWHERE.match(flat, match.end()):
                continue
            if not CONDITION.match(flat, match.end()) and not doubted(raw, flat, match.start(), match.end()):
                yield _letter(match["letter"], len(names.folded), "declared", match)


def _letter(letter: str, count: int, rule: str, match: re.Match[str]) -> Claim:
    index = LETTERS.index(letter.upper())
    at = match.start("letter") if "letter" in match.re.groupindex else match.start(1)
    return Claim(index if index < count else None, rule, at, match.start(), match.end())


def _value(text: tuple[str, str], start: int, names: Names, how: tuple[str, int]) -> Claim | None:
    """The letter or option right behind a label; None where neither is, or it is taken back at once.

    `text`: as it was said, and plain. Options that are letters themselves are asked for by their letter.
    """
    (raw, flat), (rule, shift) = text, how
    match = ANSWER_AT.match(flat, start)
    index, end = text_at(raw, flat, start, names)
    if index is not None and (match is None or not names.is_letter(index)) and not asked(flat, end):
        same = match is not None and LETTERS.index(match[1].upper()) == index
        behind = re.match(r"\s*[(\[](?:option )?([A-Z])[)\]]", flat[end : end + 20])
        if behind is not None and LETTERS.index(behind[1]) != index:
            return Claim(None, rule, -1, start, end)
        return Claim(index, rule, match.start(1) + shift if same and match else -1, start, end)
    if match is None or not is_letter(flat, match, names):
        return None
    if asked(flat, match.end()) or CONDITION.match(flat, match.end()) or lists(flat, match):
        return None
    letter = LETTERS.index(match[1].upper())
    mark = re.compile(r"[ \t]*[.:,)\]-]+[ \t]*").match(flat, match.end(1))
    named = text_at(raw, flat, mark.end(), names)[0] if mark is not None else None
    denied = named is not None and named != letter and not names.is_letter(named)
    single = letter < len(names.folded) and not several(flat, match) and not denied
    return Claim(letter if single else None, rule, match.start(1) + shift, start, match.end())


def _of_claims(claims: Sequence[Claim], flat: str, names: Names) -> Found:
    """The last claim of the strongest kind, unless something later speaks against it."""
    strong = [claim for claim in claims if claim.rule in STRONG]
    if strong:
        last = strong[-1]
        before = strong[-2] if len(strong) > 1 else last
        both = before.rule == last.rule == "boxed" and before.option != last.option
        if both and _OR.fullmatch(flat[before.end : last.start]):
            return Found(None, "contradiction", why="several letters are given")
        later = [c for c in claims if c.start > last.end and c.rule not in STRONG and c.option != last.option]
        if later and not REVISED.search(flat[last.end : later[-1].start]):
            return Found(None, "contradiction", why="two different letters are called the answer")
        last = later[-1] if later else last
    else:
        last = claims[-1]
        if len({claim.option for claim in claims}) > 1:
            before = [claim for claim in claims if claim.option != last.option][-1]
            if not REVISED.search(flat[before.end : last.start + 1]):
                return Found(None, "contradiction", why="two different letters are chosen")
    if last.option is None:
        return Found(None, "no_such_letter", why="no single letter of this question")
    found = Found(last.option, last.rule, last.at)
    return _standing(found, max(claim.end for claim in claims), flat, names)


_OR = re.compile(r"[\s.]*(?:or|and|,|/)?[\s.]*", re.IGNORECASE)


def _standing(found: Found, end: int, flat: str, names: Names) -> Found:
    """What was found, unless what follows it takes it back, or is another letter on a line of its own."""
    if found.option is None or found.at < 0:
        return found
    if taken_back(flat, end, names.options[found.option]):
        return Found(None, "contradiction", why="the answer is taken back")
    said = {LETTERS.index(letter.upper()) for letter, _ in _alone(flat, end)} - {found.option}
    if any(index < len(names.folded) for index in said):
        return Found(None, "contradiction", why="several letters are given")
    return found


# ------------------------------------------------------------------ hardly more than a letter

_ALONE = re.compile(
    r"^[^\w\n(\[<]{0,24}(?:(?:definitely|certainly|clearly|surely|obviously"
    r"|probably|likely|i think|i guess)[ \t]+)?"
    r"(?:the[ \t]{1,3})?(?:option|choice|letter|answer)?[ \t]{0,6}[(\[<]?"
    r"[ \t]{0,6}([A-Za-z])(?![+#*^=<])[ \t]{0,6}[)\]>]?"
    r"(?:,[ \t](?:definitely|certainly|clearly|surely|obviously|probably|of course|i think|i guess))?"
    r"[^\w\n?]{0,24}$",
    re.IGNORECASE | re.MULTILINE,
)
_LED = re.compile(
    r"^[^\w\n(\[]{0,24}(?:[Oo]ption[ \t]+|[Cc]hoice[ \t]+)?([(\[]?)[ \t]{0,6}([A-Za-z])"
    r"(?![^\W\d_]|['’\d])[ \t]{0,6}([)\].:,]|[-–—](?=[ \t])|(?=\())"
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
_LAST = re.compile(r"[.!;:?)][^\S\n]{1,9}[(\[]?([A-Z])[)\]]?[\s.!]{0,99}\Z")


def _letter_lines(raw: str, flat: str, names: Names) -> Found | None:
    """Lines that are one letter and nothing else; all of them the same."""
    found = list(_alone(flat, 0))
    return _agreed(found, names, "letter") if found else None


def _alone(flat: str, start: int) -> Iterator[tuple[str, int]]:
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


def _leading(raw: str, flat: str, names: Names) -> Found | None:
    """One line that begins with a letter and its mark: "B) Paris ...". Several letters are a list."""
    found: list[tuple[str, int]] = []
    for match in _LED.finditer(flat):
        known = LETTERS[: len(names.folded)]
        others = {m[1] for m in _MARKED.finditer(match[4]) if m[1] in known} - {match[2].upper()}
        bracketed = bool(match[1]) or match[3] in (")", "]")
        reasoned = match[3] == "," and _REASON.match(match[4]) is not None and match[2].isupper()
        if others:  # a list in one line
            found += [(match[2], match.start(2)), *((letter, 0) for letter in others)]
        elif bracketed or reasoned or begins_with(match[4], match[2], names):
            found.append((match[2], match.start(2)))
    found += [(match[1], match.start(1)) for match in _BECAUSE.finditer(flat)]
    if not found:
        return None
    lines = [line for line in flat.split("\n") if line.strip()]
    edges = "\n".join((lines[0], lines[-1]))
    if len(found) == 1 and not (_LED.search(edges) or _BECAUSE.search(edges)):
        return None
    if any(denied_at(flat, letter, at, names) for letter, at in found):
        return None
    return _agreed(found, names, "leading")


def _last_sentence(raw: str, flat: str, names: Names) -> Found | None:
    """A reply whose last sentence is one letter."""
    match = _LAST.search(flat)
    if match is not None and flat[match.start()] == ":":
        line = flat[flat.rfind("\n", 0, match.start()) + 1 : match.start()]
        match = match if LEADS_TO.search(line) and not DOUBTFUL.search(line) else None  # "Grade: A"
    return None if match is None else _agreed([(match[1], match.start(1))], names, "last_sentence")


def _bold(raw: str, flat: str, names: Names) -> Found | None:
    """Letters in bold, alone or before their option's text."""
    found = []
    for match in _BOLD.finditer(raw):
        alone = not match[2].strip()
        denied = None is not DENIED_AFTER.match(raw[match.end() : match.end() + 40].lstrip(" ,:-–—"))
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


_SINGLE = re.compile(r"(?<![\w'’])([B-HJ-Z])(?![\w'’])|[(\[]([AI])[)\]]")


def _with_its_text(raw: str, flat: str, names: Names) -> Found | None:
    """An option's text with its letter right behind it, "Paris (B)", and no other letter or option."""
    said = flat.casefold()
    if len(said) != len(flat) or denies(flat):
        return None
    mentioned = _mentioned(flat, names)
    if len(mentioned) != 1:
        return None
    index = mentioned.pop()
    letter = LETTERS[index]
    name = re.escape(names.unique[index])
    behind = rf"{name}\W{{0,6}}(?:which is |that is )?(?:option |choice |answer )?\W{{0,2}}"
    match = re.search(rf"{behind}({letter.lower()})(?![\w'’])", said)
    others = {m[1] or m[2] for m in _SINGLE.finditer(flat)} - {letter}
    return Found(index, "letter_with_text", match.start(1)) if match and not others else None


# ------------------------------------------------------------------ the text of an option

_IS = r"(?:\bis|\bare|\bwas|\bwere|\bbe|['’]s|=|:|\bist|\best|\bes|\bsind)"


def _option_text(flat: str, names: Names) -> Found | None:
    """The reply is an option's text, or one sentence that begins or ends with it."""
    said = folded(flat)
    for candidates in (names.unique, [without_article(name) for name in names.unique]):
        wanted = said if candidates is names.unique else without_article(said)
        if wanted and candidates.count(wanted) == 1:
            return Found(candidates.index(wanted), "option_text")
    if UNKNOWING.search(flat) or len(said) > 400:
        return None
    mentioned = _mentioned(flat, names)
    if len(mentioned) != 1:
        return None
    index = mentioned.pop()
    name = names.unique[index]
    others = said.replace(name, " ")
    place = said.find(name)
    if denies(others) or "?" in flat or doubted(said, said, place, place):
        return None
    quoted = re.escape(name)
    begins = re.match(rf"{quoted}(?:\s*[,;:.(–—-]|\s+(?:is|are|was|were|because|since|as|due)\b|\n)", said)
    ends = re.search(rf"{_IS}\s*(?:the |a |an |about |approximately )?{quoted}(?:\s*[a-z°%]{{0,3}})?$", said)
    return Found(index, "option_text") if begins or ends else None


def _mentioned(flat: str, names: Names) -> set[int]:
    """The options whose text occurs, as whole words; one inside another that occurs does not count."""
    said = folded(flat)
    found: set[int] = set()
    for index in sorted(range(len(names.folded)), key=lambda i: -len(names.unique[i])):
        pattern = rf"(?<![\w.]){re.escape(names.unique[index])}(?![\w]|\.\d)"
        if names.unique[index] and not names.is_letter(index) and re.search(pattern, said):
            found.add(index)
            said = re.sub(pattern, " \0 ", said)
    return found
