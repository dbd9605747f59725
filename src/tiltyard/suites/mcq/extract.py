"""Which letter does a reply give? A ladder of named rules over what the model said, and never a guess.

Claims ("the answer is B", \\boxed{B}, "B is correct", "I choose B") come first and the last one counts; then
replies that are hardly more than a letter; then the text of an option. Where letters contradict each other,
or a letter is none of the item's, there is no answer. docs/mcq.md lists the rules.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tiltyard.suites.mcq.claims import DOUBTED, MOST_CLAIMS, Claim, claims_in
from tiltyard.suites.mcq.doubt import BEFORE, taken_back
from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.mcq.letters import beside_another, in_formula, with_latin_letters
from tiltyard.suites.mcq.names import Names, forms_of, mentioned
from tiltyard.suites.mcq.plain import blank, plain, without_markers, without_thought
from tiltyard.suites.mcq.rivals import alone_right, called_wrong, in_another_case, of_all, rivalled
from tiltyard.suites.mcq.rungs import (
    Found,
    alone,
    bold,
    last_sentence,
    leading,
    letter_lines,
    marked,
    odd_one,
    rather,
    slim,
)
from tiltyard.suites.mcq.texts import concluded, first_line, last_in_bold, option_text, with_its_text
from tiltyard.suites.mcq.turns import Kind, boundaries, is_empty
from tiltyard.suites.mcq.verdicts import sorted_out
from tiltyard.suites.mcq.words import NOT_LISTED, REVISED

LONGEST = 16_000  # characters that are read at once
STRONG = frozenset(("labelled", "boxed", "stated", "corrected"))
CLEAR = STRONG | {"chosen", "declared", "letter"}
BOTH_CLAIMED = "two different letters are called the answer"
DEFINITE = frozenset(("labelled", "boxed"))  # rules that also hold for a reply that was cut off


NOTHING = Found(None, "none", why="no letter and no option was found in it")


def extract(reply: str, options: Sequence[str]) -> Found:
    """The letter that a reply gives for an item with these options, as shown."""
    return just_a_letter(reply, options) or weighed(reply, options)


_JUST = re.compile(r"\s*(?P<bold>\*\*)?(Answer: )?(?P<round>\()?([A-Z])(?(round)\))\.?(?(bold)\*\*)\s*")


def just_a_letter(reply: str, options: Sequence[str]) -> Found | None:
    """What `weighed` would find in a reply that is nothing but a letter or the line that was asked for.

    Most replies are, and weighing takes fifty times as long. None where it is more, or where an option has
    that letter in it as a word.
    """
    match = _JUST.fullmatch(reply)
    if match is None or (option := LETTERS.index(match[4])) >= len(options):
        return None
    word = re.compile(rf"(?<![A-Za-z]){match[4]}(?![A-Za-z])", re.IGNORECASE)
    if any(map(word.search, options)):
        return None
    return Found(option, "labelled" if match[2] else "letter", match.start(4))


def weighed(reply: str, options: Sequence[str]) -> Found:
    """The same for any reply: every rule, and what speaks against what it finds.

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


_QUESTION = re.compile(
    r"(?<=question )[\"“«][^\"”»\n]{1,300}\?[\"”»]"
)  # 'The answer to the question "...?" is B'


def _read(text: str, names: Names) -> Found:
    """Of a very long text the end is read, and the beginning where that says nothing."""
    text = _QUESTION.sub(blank, without_markers(text))
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
    if found.option is None or found.at < 0:
        return found
    if not beside_another(raw, with_latin_letters(plain(raw)), found.at, names):
        return found
    return Found(None, "contradiction", why="a letter stands beside another option's text")


_FENCED = re.compile(r"\s*```\w*\n([^`]+)```\s*")


def _climbed(raw: str, names: Names) -> Found:
    flat = with_latin_letters(plain(raw))
    if not flat.strip():
        return NOTHING
    fenced = _FENCED.fullmatch(raw)
    whole = names.exactly(raw.strip() if fenced is None else fenced[1])
    if whole is not None:
        return Found(whole, "option_text")
    under = sorted_out(flat, names)
    if under is not None:
        return Found(under[0], "labelled" if under[1] >= 0 else "contradiction", under[1])
    every = claims_in(raw, flat, names)
    claims = [claim for claim in every if claim.rule != DOUBTED]
    if claims:
        return _of_claims(claims, flat, names)
    if len(every) >= MOST_CLAIMS:  # and perhaps more that nobody looked at
        return Found(None, "contradiction", why="too many letters are said to be no answer")
    for claim in every:  # what is said to be no answer is not looked at again
        begin, end = (claim.at, claim.at + 1) if claim.at >= 0 else (claim.start, claim.end)
        hidden = re.sub(r"[^\n]", "·", flat[begin:end])
        flat, raw = flat[:begin] + hidden + flat[end:], raw[:begin] + hidden + raw[end:]
    for rung in (
        marked,
        rather,
        slim,
        letter_lines,
        odd_one,
        concluded,
        leading,
        last_sentence,
        bold,
        with_its_text,
    ):
        found = rung(raw, flat, names)
        if found is not None and found.at >= 0 and in_formula(flat, found.at, names):
            continue
        if found is not None and rung in (marked, rather):  # these are of the whole reply
            return found
        if found is not None:
            return _standing(found, found.at + 1, flat, names)
    found = first_line(flat, names) or option_text(flat, names)
    return found or last_in_bold(raw, flat, names) or NOTHING


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
        others = {claim.option for claim in claims} - {last.option}
        reasons = last.option is not None and of_all(names, last.option) and len(others - {None}) > 1
        if others and not reasons:  # "A is right. B is right. C is right. So D", which is "all of them"
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


_RELATIVE = re.compile(r"which\s", re.IGNORECASE)
_GOES_ON = re.compile(r"\s*,\s+(?!(?:not|and|or|but|so|because|since|as|rather|instead)\b)[a-z]")


def _turned(claim: Claim, last: Claim, flat: str, names: Names) -> bool:
    """Does a claim behind the last definite one speak for another option in the same case?"""
    if claim.rule in STRONG or claim.option == last.option or in_another_case(flat, claim.start, claim.end):
        return False
    if _RELATIVE.match(flat, claim.start) and _GOES_ON.match(flat, claim.end):
        return False  # "Vietnam, which is option A, comes second."
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


_FINAL = re.compile(r"\b(?:final|revised|corrected|updated|new)[ \t]", re.IGNORECASE)
_TOO = re.compile(r"\b(?:too|also|as[ \t]+well|equally)\b", re.IGNORECASE)  # "B, but C is correct too"
_YOURS = re.compile(r"\byour\s+$", re.IGNORECASE)


def _is_final(claim: Claim, flat: str) -> bool:
    return _FINAL.search(flat, max(0, claim.start - 12), claim.start + 8) is not None


def _has_none(names: Names) -> bool:
    """Is "none of the above" one of the options?"""
    return any(re.match(r"(?:none|neither|not|no)\b", name) for name in names.folded)


_BEHIND = re.compile(r"[)\].:]{1,2}[ \t]+(\S[^\n]*)\s*\Z")


def _standing(found: Found, end: int, flat: str, names: Names) -> Found:
    """What was found, unless what follows it takes it back, or is another letter on a line of its own."""
    if found.option is None or end == 0:
        return found
    behind = _BEHIND.match(flat, found.at + 1) if found.at >= 0 else None
    if behind is not None and names.loosely(behind[1]) == found.option:
        return found  # "A. C", where C is the text of A, and nothing else
    if taken_back(flat, end, names.options[found.option], LETTERS[found.option]):
        return Found(None, "contradiction", why="the answer is taken back")
    said = {LETTERS.index(letter.upper()) for letter, _ in alone(flat, end)} - {found.option}
    if any(index < len(names.folded) for index in said):
        return Found(None, "contradiction", why="several letters are given")
    if rivalled(flat, end, found.option, names):
        return Found(None, "contradiction", why="another option is put forward behind it")
    return found
