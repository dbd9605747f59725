"""Which letter does a reply give? A ladder of named rules over what the model said, and never a guess.

Claims ("the answer is B", \\boxed{B}, "B is correct", "I choose B") come first and the last one counts; then
replies that are hardly more than a letter; then the text of an option. Where letters contradict each other,
or a letter is none of the item's, there is no answer. docs/mcq.md lists the rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tiltyard.suites.mcq.choices import names_letters
from tiltyard.suites.mcq.doubt import BEFORE, CORRECTED, STRUCK_FOR, doubted, taken_back, words_before
from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.mcq.leads import for_show, hedged, shown_as_example, strangely_led
from tiltyard.suites.mcq.letters import (
    asked,
    beside_another,
    crossed_before,
    is_letter,
    lists,
    negated,
    sentence_over,
    several,
    with_latin_letters,
)
from tiltyard.suites.mcq.names import Names, folded, forms_of, longer_may_be_meant, text_at
from tiltyard.suites.mcq.plain import plain, without_markers, without_thought
from tiltyard.suites.mcq.rivals import alone_right, called_wrong, in_another_case, of_all, rivalled
from tiltyard.suites.mcq.rungs import (
    Found,
    alone,
    bold,
    first_line,
    last_sentence,
    leading,
    letter_lines,
    marked,
    mentioned,
    option_text,
    rather,
    with_its_text,
)
from tiltyard.suites.mcq.turns import Kind, boundaries, is_empty
from tiltyard.suites.mcq.words import (
    ANSWER_AT,
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
    NOT_LISTED,
    ONLY,
    QUESTION_AND_A,
    REVISED,
    SHARED,
    STATED,
    TEXT_DECLARED,
)

SUBJECT = 120  # characters before "is the right answer"
LONGEST = 16_000  # characters that are read at once
STRONG = frozenset(("labelled", "boxed", "stated", "corrected"))
DOUBTED = "doubted"  # no rule: a label that the words before it take back
CLEAR = STRONG | {"chosen", "declared", "letter"}
BOTH_CLAIMED = "two different letters are called the answer"
DEFINITE = frozenset(("labelled", "boxed"))  # rules that also hold for a reply that was cut off


class Claim(NamedTuple):
    option: int | None  # None: no letter of this item, or several
    rule: str
    at: int
    start: int
    end: int


_SAYS = re.compile(r"\b(?:is|be|are)\b", re.IGNORECASE)  # "the answer is", and no label
NOTHING = Found(None, "none", why="no letter and no option was found in it")


def extract(reply: str, options: Sequence[str]) -> Found:
    """The letter that a reply gives for an item with these options, as shown.

    Where a reply runs on into another turn or question, what stands before that is read first.
    """
    text, names = without_thought(reply), forms_of(options)
    perhaps: set[int] = set()  # letters before what may be a further question
    for boundary in boundaries(text, names):
        before = text[: boundary.at]
        if is_empty(before):
            continue
        found = _read(before, names)
        if found.option is not None and (boundary.kind < Kind.PERHAPS or found.rule in CLEAR):
            return found
        undecided = found.rule == "no_such_letter" or found.why == BOTH_CLAIMED
        if boundary.kind == Kind.OTHER or (undecided and boundary.kind < Kind.PERHAPS):
            return found
        if found.option is not None:
            perhaps.add(found.option)
    found = _read(text, names)
    if found.option is None or not perhaps - {found.option}:
        return found
    return Found(None, "contradiction", why="a further question may follow")


def _read(text: str, names: Names) -> Found:
    """Of a very long text the end is read, and the beginning where that says nothing."""
    text = without_markers(text)
    if len(text) <= LONGEST:
        return _ladder(text, names)
    begin = len(text) - LONGEST
    found = _ladder(text[begin:], names)
    if found.option is not None:
        return found._replace(at=found.at + begin if found.at >= 0 else -1)
    return _ladder(text[:LONGEST], names)


def _ladder(raw: str, names: Names) -> Found:
    """What the rungs find, unless another option's text stands beside the letter."""
    found = _climbed(raw, names)
    if found.option is None or found.at < 0 or not beside_another(raw, plain(raw), found.at, names):
        return found
    return Found(None, "contradiction", why="a letter stands beside another option's text")


def _climbed(raw: str, names: Names) -> Found:
    flat = with_latin_letters(plain(raw))
    if not flat.strip():
        return NOTHING
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
    for rung in (marked, rather, letter_lines, leading, last_sentence, bold, with_its_text):
        found = rung(raw, flat, names)
        if found is not None and found.rule == "marked":
            return found
        if found is not None:
            return _standing(found, found.at + 1, flat, names)
    return first_line(flat, names) or option_text(flat, names) or NOTHING


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
            if claim is None:
                continue
            ended = number < ENGLISH or claim.at < 0
            if not ended and not sentence_over(match[0], flat, (claim.at, claim.end), names):
                continue  # "Antwort C wäre richtig, wenn ..."
            if _label_doubted(raw, flat, match, number < ENGLISH):
                claim = claim._replace(rule=DOUBTED)
            yield claim._replace(start=match.start())
    for match in (*CORRECTED.finditer(flat), *STRUCK_FOR.finditer(raw)):
        yield _letter(match["letter"], len(names.folded), "corrected", match)
    for match in QUESTION_AND_A.finditer(flat):
        yield _letter(match[1], len(names.folded), "labelled", match)
    for match in CHOSEN.finditer(flat):
        letter = match.group("letter")
        if letter.isupper() or match.group("wrapped"):
            if MATCHED.match(match[0]) and _goes_on(flat, match, names):
                continue  # "12, which is option A. But the area is 15."
            rule = DOUBTED if _claim_doubted(raw, flat, match) else "chosen"
            single = len(names.folded) if not SHARED.match(flat, match.end()) else 0
            yield _letter(letter, single, rule, match)
    for pattern in (DECLARED, DECLARED_ALIEN, MAKES, IT_IS, NOT_BUT, ONLY):
        for match in _finditer(pattern, flat, names):
            if pattern is ONLY and any(names_letters(option, len(names.options)) for option in names.options):
                continue
            if pattern is DECLARED and not (match["letter"].isupper() or match["named"]):
                continue
            if (
                pattern is DECLARED
                and not match["named"]
                and not CLAUSE_BEFORE.search(flat[max(0, match.start() - 40) : match.start()])
            ):
                continue  # "vitamin C is the best source"
            if negated(match.groupdict().get("between") or ""):
                continue  # "C) Rome no es correcta"
            if "would" in match[0] and ELSEWHERE.match(flat, match.end()):
                continue
            if not CONDITION.match(flat, match.end()):
                rule = DOUBTED if _claim_doubted(raw, flat, match) else "declared"
                yield _letter(match["letter"], len(names.folded), rule, match)
    for match in TEXT_DECLARED.finditer(flat):
        subject = re.split(r"[.!?\n]", flat[max(0, match.start() - SUBJECT) : match.start()])[-1]
        index = _ends_with_option(subject, names)
        if index is not None and not _claim_doubted(raw, flat, match):
            yield Claim(index, "declared", -1, match.start(), match.end())
    for match in CONCLUDED.finditer(flat):
        index, end = text_at(raw, flat, match.end(), names)
        last = index is not None and not names.is_letter(index) and not re.search(r"\w|\?", flat[end:])
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


def _goes_on(flat: str, match: re.Match[str], names: Names) -> bool:
    """Does one other option, and no third, follow? Then this one may have been only told from it."""
    return len(mentioned(flat[match.end() :], names) - {LETTERS.index(match["letter"].upper())}) == 1


def _label_doubted(raw: str, flat: str, match: re.Match[str], english: bool) -> bool:
    """Does what stands before a label say that it is no claim of the model's own?"""
    start, before = match.start(), words_before(flat, match.start())
    if _OBJECT.match(raw) and raw[:start].count("{") == 1 and _KEY.search(raw[max(0, start - 20) : start]):
        return False  # {"reasoning": "A is tempting", "answer": "C"}
    if crossed_before(raw, start) or doubted(raw, flat, start, match.end(), english):
        return True
    if english and (_SAYS.search(match[0]) or match[0][-1].isalpha()):
        return strangely_led(before) or shown_as_example(flat[max(0, start - BEFORE) : start])
    return for_show(before, flat[max(0, start - BEFORE) : start])


def _claim_doubted(raw: str, flat: str, match: re.Match[str]) -> bool:
    before = words_before(flat, match.start())
    return doubted(raw, flat, match.start(), match.end()) or hedged(before)


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


def _of_claims(claims: Sequence[Claim], flat: str, names: Names) -> Found:
    """The last claim of the strongest kind, unless something later speaks against it."""
    strong = [claim for claim in claims if claim.rule in STRONG]
    if strong:
        last = strong[-1]
        if any(_against(claim, last, flat, names) for claim in strong):
            return Found(None, "contradiction", why=BOTH_CLAIMED)
        later = [c for c in claims if c.start >= last.end and _turned(c, last, flat, names)]
        if later and not REVISED.search(flat[last.end : later[-1].start]):
            return Found(None, "contradiction", why=BOTH_CLAIMED)
        last = later[-1] if later else last
    else:
        last = claims[-1]
        if len({claim.option for claim in claims}) > 1:
            before = [claim for claim in claims if claim.option != last.option][-1]
            if not REVISED.search(flat[before.end : last.start + 1]):
                return Found(None, "contradiction", why="two different letters are chosen")
    if last.rule not in DEFINITE and NOT_LISTED.search(flat) and not _has_none(names):
        return Found(None, "contradiction", why="the right answer is said not to be among the options")
    if last.option is None:
        return Found(None, "no_such_letter", why="no single letter of this question")
    if any(claim.option != last.option for claim in claims) and _TOO.search(flat, last.start, last.end + 12):
        return Found(None, "contradiction", why=BOTH_CLAIMED)
    found = Found(last.option, last.rule, last.at)
    return _standing(found, max(claim.end for claim in claims), flat, names)


def _turned(claim: Claim, last: Claim, flat: str, names: Names) -> bool:
    """Does a claim behind the last definite one speak for another option in the same case?"""
    if claim.rule in STRONG or claim.option == last.option or in_another_case(flat, claim.start, claim.end):
        return False
    if last.option is None or not of_all(names, last.option):
        return True
    at = max(claim.at, claim.start)
    return alone_right(flat[last.end : at], flat[at + 1 : at + BEFORE])


def _against(claim: Claim, last: Claim, flat: str, names: Names) -> bool:
    """Does an earlier claim contradict the last one, which neither corrects it nor is the final one?

    Words between them that name the last one's option are the reasons for a change of mind.
    """
    if claim.option is None or claim.option == last.option or last.rule == "corrected":
        return False
    if _YOURS.search(flat[max(0, claim.start - 8) : claim.start]):  # "Your answer: A, correct answer: B"
        return False
    if (claim.rule == "stated" and last.rule in DEFINITE) or _is_final(last, flat):
        return _is_final(claim, flat)
    if last.option is not None and last.option in mentioned(flat[claim.end : last.start], names):
        return False
    between = flat[: last.start]
    if REVISED.search(between, claim.end) or taken_back(between, claim.end, ""):
        return False
    return not called_wrong(between, claim.end, names)


_OBJECT = re.compile(r"\s*(?:```(?:json)?\s*)?\{")
_KEY = re.compile(r"[{,]\s*\"(?:final_|correct_)?\Z")
_FINAL = re.compile(r"\b(?:final|revised|corrected|updated|new)[ \t]", re.IGNORECASE)
_TOO = re.compile(r"\b(?:too|also|as[ \t]+well|equally)\b", re.IGNORECASE)  # "B, but C is correct too"
_YOURS = re.compile(r"\byour\s+$", re.IGNORECASE)


def _is_final(claim: Claim, flat: str) -> bool:
    return _FINAL.search(flat, max(0, claim.start - 12), claim.start + 8) is not None


def _has_none(names: Names) -> bool:
    """Is "none of the above" one of the options?"""
    return any(re.match(r"(?:none|neither|not|no)\b", name) for name in names.folded)


def _standing(found: Found, end: int, flat: str, names: Names) -> Found:
    """What was found, unless what follows it takes it back, or is another letter on a line of its own."""
    if found.option is None or end == 0:
        return found
    if taken_back(flat, end, names.options[found.option], LETTERS[found.option]):
        return Found(None, "contradiction", why="the answer is taken back")
    said = {LETTERS.index(letter.upper()) for letter, _ in alone(flat, end)} - {found.option}
    if any(index < len(names.folded) for index in said):
        return Found(None, "contradiction", why="several letters are given")
    if rivalled(flat, end, found.option, names):
        return Found(None, "contradiction", why="another option is put forward behind it")
    return found
