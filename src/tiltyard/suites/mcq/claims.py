"""The claims of a reply: where it says which letter or option is its answer, and by which rule.

Labels ("Answer: B"), boxes, corrections, choices ("I choose B") and what is called right ("B is correct").
Runs on text as it was said and plain (`plain.py`); `extract.py` weighs them against each other.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tiltyard.suites.mcq.choices import names_letters
from tiltyard.suites.mcq.doubt import BEFORE, CORRECTED, DOUBTFUL, STRUCK_FOR, doubted, words_before
from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.mcq.leads import for_show, hedged, shown_as_example, strangely_led, told_otherwise
from tiltyard.suites.mcq.letters import (
    asked,
    begins_with,
    crossed_before,
    in_formula,
    is_letter,
    lists,
    negated,
    sentence_over,
    several,
)
from tiltyard.suites.mcq.names import Names, folded, longer_may_be_meant, mentioned, text_at
from tiltyard.suites.mcq.plain import plain
from tiltyard.suites.mcq.words import (
    ANSWER_AT,
    ANSWERED,
    BETWEEN,
    BOXED,
    CHOSEN,
    CLAUSE_BEFORE,
    CONCLUDED,
    CONDITION,
    DECLARED,
    DECLARED_ALIEN,
    ELSEWHERE,
    ENGLISH,
    IT_IS,
    LABELS,
    MAKES,
    MATCHED,
    NOT_BUT,
    ONLY,
    QUESTION_AND_A,
    SHARED,
    STATED,
    TEXT_DECLARED,
    THEREFORE_GERMAN,
)

SUBJECT = 120  # characters before "is the right answer"
NEXT = 1_000  # characters behind "which is option A" in which another option may follow
MOST_CLAIMS = 200  # of one kind, the last ones: nobody means more, and each costs
DOUBTED = "doubted"  # no rule: a label that the words before it take back
_SAYS = re.compile(r"\b(?:is|be|are)\b", re.IGNORECASE)  # "the answer is", and no label


class Claim(NamedTuple):
    option: int | None  # None: no letter of this item, or several
    rule: str
    at: int
    start: int
    end: int


def claims_in(raw: str, flat: str, names: Names) -> list[Claim]:
    """All of them, in the order in which they begin, but for letters that are names in a formula."""
    found = (
        *_labelled(raw, flat, names),
        *_chosen(raw, flat, names),
        *_declared(raw, flat, names),
        *_named(raw, flat, names),
    )
    claims = [claim for claim in found if claim.at < 0 or not in_formula(flat, claim.at, names)]
    return sorted(claims, key=lambda claim: claim.start)


def _last(matches: Iterable[re.Match[str]]) -> deque[re.Match[str]]:
    return deque(matches, maxlen=MOST_CLAIMS)


def _labelled(raw: str, flat: str, names: Names) -> Iterator[Claim]:
    """Boxed, behind a label, or said in place of an earlier one."""
    for match in _last(BOXED.finditer(raw)):
        claim = _value((match[1], plain(match[1])), 0, names, ("boxed", match.start(1)))
        if claim is not None:
            own = "" if claim.option is None else LETTERS[claim.option]
            if (
                claim.at < 0
                and _ANOTHER.match(match[1], claim.end)
                and plain(match[1][claim.end :]).strip(" ,;") != own
            ):
                claim = claim._replace(option=None)  # "2, x": not one value; "Paris, B" is
            rule = DOUBTED if doubted(raw, flat, match.start(), match.start()) else "boxed"
            yield claim._replace(rule=rule, start=match.start(), end=match.end())
    for number, pattern in enumerate(LABELS):
        rule = "stated" if pattern is STATED else "labelled"
        for match in _last(pattern.finditer(flat)):
            claim = _value((raw, flat), match.end(), names, (rule, 0))
            if claim is None:
                continue
            ended = number < ENGLISH or claim.at < 0
            if not ended and not sentence_over(match[0], flat, (claim.at, claim.end), names):
                continue  # "Antwort C wäre richtig, wenn ..."
            if _CONCLUSION.match(match[0]) and claim.at >= 0 and _PERSON.match(flat, claim.at + 1):
                continue  # "Conclusion: D is liable."
            told = pattern is STATED and told_otherwise(match["noun"] or "", match["between"])
            if told or _label_doubted(raw, flat, match, number < ENGLISH):
                claim = claim._replace(rule=DOUBTED)
            yield claim._replace(start=match.start())
    for match in (*CORRECTED.finditer(flat), *STRUCK_FOR.finditer(raw)):
        yield _letter(match["letter"], len(names.folded), "corrected", match)
    for match in QUESTION_AND_A.finditer(flat):
        yield _letter(match[1], len(names.folded), "labelled", match)
    answered = ANSWERED.match(flat)
    if answered is not None and names.folded[0] != answered[1].casefold():
        rest = flat[answered.end() :]
        if not re.search(r"\w", rest) or begins_with(rest, answered[1], names):
            yield _letter(answered[1], len(names.folded), "labelled", answered)


def _chosen(raw: str, flat: str, names: Names) -> Iterator[Claim]:
    for match in _last(CHOSEN.finditer(flat)):
        letter = match.group("letter")
        if letter.isupper() or match.group("wrapped"):
            if MATCHED.match(match[0]) and _goes_on(flat, match, names):
                continue  # "12, which is option A. But the area is 15."
            rule = DOUBTED if _claim_doubted(raw, flat, match) else "chosen"
            single = len(names.folded) if not SHARED.match(flat, match.end()) else 0
            yield _letter(letter, single, rule, match)


def _declared(raw: str, flat: str, names: Names) -> Iterator[Claim]:
    """Letters that are called right."""
    for pattern in (DECLARED, DECLARED_ALIEN, MAKES, IT_IS, NOT_BUT, BETWEEN, THEREFORE_GERMAN, ONLY):
        for match in _last(_finditer(pattern, flat, names)):
            if pattern is ONLY and any(names_letters(option, len(names.options)) for option in names.options):
                continue
            if pattern is DECLARED and not (match["letter"].isupper() or match["named"]):
                continue
            if pattern is DECLARED and _of_a_statement(match, names):
                continue
            if pattern is DECLARED and not match["named"] and not _begins_clause(flat, match, names):
                continue  # "vitamin C is the best source"
            if negated(match.groupdict().get("between") or ""):
                continue  # "C) Rome no es correcta"
            if "would" in match[0] and ELSEWHERE.match(flat, match.end()):
                continue
            if not CONDITION.match(flat, match.end()):
                led = pattern is MAKES and DOUBTFUL.search(flat, match.start(), match.start("letter"))
                rule = DOUBTED if led or _claim_doubted(raw, flat, match) else "declared"
                yield _letter(match["letter"], len(names.folded), rule, match)


def _begins_clause(flat: str, match: re.Match[str], names: Names) -> bool:
    """Does a clause begin with the letter, or is it in brackets behind its option: "Paris (B) is right"?"""
    if CLAUSE_BEFORE.search(flat[max(0, match.start() - 40) : match.start()]):
        return True
    before = re.split(r"[.!?\n]", flat[max(0, match.start() - SUBJECT) : match.start()])[-1]
    supposed = match[0][0] not in "([" or CONDITION.match(before)  # "If France is meant, Paris (B) is right"
    index = None if supposed else _ends_with_option(before, names)
    return index is not None and index == LETTERS.index(match["letter"].upper())


def _named(raw: str, flat: str, names: Names) -> Iterator[Claim]:
    """Options that are called right, or that a reply ends with, by their text."""
    for match in _last(TEXT_DECLARED.finditer(flat)):
        subject = re.split(r"[.!?\n]", flat[max(0, match.start() - SUBJECT) : match.start()])[-1]
        index = _ends_with_option(subject, names)
        if index is not None and not _claim_doubted(raw, flat, match):
            yield Claim(index, "declared", -1, match.start(), match.end())
    for match in CONCLUDED.finditer(flat):
        index, end = text_at(raw, flat, match.end(), names)
        behind = (
            "" if index is None else re.sub(rf"^\s*(?:it is|[,(]\s*{LETTERS[index]}(?!\w))", "", flat[end:])
        )
        last = index is not None and not names.is_letter(index) and not re.search(r"\w|\?", behind)
        if last and not _claim_doubted(raw, flat, match):
            yield Claim(index, "chosen", -1, match.start(), end)


def _ends_with_option(subject: str, names: Names) -> int | None:
    """The one option whose text is the end of these words, after at most a few plain ones."""
    said = folded(subject)
    found = mentioned(subject, names)
    if len(found) != 1:
        return None
    index = found.pop()
    before = said.removesuffix(names.unique[index])
    if before == said or longer_may_be_meant(before, index, names):
        return None
    return index if _PLAINLY.fullmatch(before) else None


_PLAINLY = re.compile(
    r"(?:.{0,60}[,:;] )?(?:(?:so|therefore|thus|hence|then|and|but|clearly|that|the|a|an|only|option)[ ,]+)*"
)


def _finditer(pattern: re.Pattern[str], flat: str, names: Names) -> Iterator[re.Match[str]]:
    """Its matches, but for those in which the letter is followed by other words than its option's.

    In "that eliminates option D. Heparin is correct" D is another sentence's; what begins there is looked at.
    """
    match = pattern.search(flat)
    while match is not None:
        between, letter = match.groupdict().get("between"), LETTERS.index(match["letter"].upper())
        if between and letter not in mentioned(between, names):
            match = pattern.search(flat, match.end("letter"))
        else:
            yield match
            match = pattern.search(flat, max(match.end(), match.start() + 1))


def _of_a_statement(match: re.Match[str], names: Names) -> bool:
    """Is it a statement of which options speak: "A is right" beside the option "A is true, R is false"?"""
    speaks = re.compile(rf"(?<!\w){match['letter']}\s+(?:is|are)\b")
    named = (match["named"] or "statement").strip().casefold()
    return named == "statement" and any(map(speaks.search, names.options))


def _goes_on(flat: str, match: re.Match[str], names: Names) -> bool:
    """Does one other option, and no third, follow? Then this one may have been only told from it."""
    behind = flat[match.end() : match.end() + NEXT]
    return len(mentioned(behind, names) - {LETTERS.index(match["letter"].upper())}) == 1


def _label_doubted(raw: str, flat: str, match: re.Match[str], english: bool) -> bool:
    """Does what stands before a label say that it is no claim of the model's own?"""
    start, before = match.start(), words_before(flat, match.start())
    if _OBJECT.match(raw) and raw[:start].count("{") == 1 and _KEY.search(raw[max(0, start - 20) : start]):
        return False  # {"reasoning": "A is tempting", "answer": "C"}
    if crossed_before(raw, start) or doubted(raw, flat, start, match.end(), english):
        return True
    if english and (_SAYS.search(match[0]) or match[0][-1].isalpha()):
        behind = flat[match.end() : match.end() + BEFORE]
        return strangely_led(before, behind) or shown_as_example(flat[max(0, start - BEFORE) : start])
    return for_show(before, flat[max(0, start - BEFORE) : start])


def _claim_doubted(raw: str, flat: str, match: re.Match[str]) -> bool:
    end = match.start("letter") if "letter" in match.re.groupindex else match.end()
    behind = flat[match.end() : match.end() + BEFORE]
    led = hedged(words_before(flat, match.start()), flat[match.start() : end], behind)
    return led or doubted(raw, flat, match.start(), match.end())


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
        if longer_may_be_meant(re.split(r"[.!?\n]", flat[end : end + 200])[0], index, names):
            return Claim(None, rule, -1, start, end)
        return Claim(index, rule, match.start(1) + shift if same and match else -1, start, end)
    if match is None or not is_letter(flat, match, names):
        return None
    if asked(flat, match.end()) or CONDITION.match(flat, match.end()) or lists(flat, match, names):
        return None
    if SHARED.match(flat, match.end()):
        return Claim(None, rule, match.start(1) + shift, start, match.end())
    letter = LETTERS.index(match[1].upper())
    single = letter < len(names.folded) and not several(flat, match)
    return Claim(letter if single else None, rule, match.start(1) + shift, start, match.end())


_CONCLUSION = re.compile(r"(?:final\s+)?(?:conclusion|result)\s*:", re.IGNORECASE)
_PERSON = re.compile(
    r"[ \t]+(?:is|was|has|did|can)[ \t]+(?!(?:the|my|an?|correct|right|best|true|it)\b)[a-z]"
)
_ANOTHER = re.compile(r"\s*[,;]\s*\S")
_OBJECT = re.compile(r"\s*(?:```(?:json)?\s*)?\{")
_KEY = re.compile(r"[{,]\s*\"(?:final_|correct_)?\Z")
