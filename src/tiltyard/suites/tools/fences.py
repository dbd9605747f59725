"""Which of several fenced calls an answer means: all of them, or those that a correction left standing.

Decided by the words before a fence alone. What stands in a fence is read in `text_calls.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import msgspec

from tiltyard.records import ToolCall
from tiltyard.suites.tools.arguments import UNREADABLE, decoded

Role = Literal["more", "instead", "anew", "aside"]

DOING = r"(?:let me|i(?:'ll| will| should| must| need to| have to)) (?:\w+ )?"
ANSWER = r"(?:answer|response|reply|output|json|version|format|list|array|(?:tool |function )?calls)\b"
ANEW = re.compile(rf"\b(?:final|complete) {ANSWER}|\bstart over\b", re.IGNORECASE)  # all of it, once more
CORRECTED = re.compile(  # not "the correct call for Rome", which may be one of several
    r"\b(?:corrected|correction|revised|oops|my mistake|my bad|on second thought|scratch that|attempt)\b"
    rf"|\b{DOING}(?:correct|fix|revise|redo|rewrite|rethink|reconsider)\b"
    rf"|\b{DOING}try (?:(?:that|this|it) )?again\b"
    r"|\bi made (?:a|an) (?:\w+ )?(?:mistake|error)\b"
    rf"|\b(?:correct|proper|fixed|updated) {ANSWER}"
    r"|\b(?:correct|right|proper|fixed|updated) (?:\w+ )?call(?: is\b|:)"
    r"|\b(?:wait\b|actually\b|no,)[^.!?\n]*(?<!\bi) should\b(?! also)"
    r"|\bshould (?:be|have been)(?: like this)?\s*:",
    re.IGNORECASE,
)
TURNED = re.compile(  # a correction too, unless it goes on with one more
    r"(?<!please )\bwait\b(?! (?:a |while|for|until))"
    r"|\b(?:hold on|hmm+|actually|sorry|apologies|instead(?! of))\b",
    re.IGNORECASE,
)
MORE = re.compile(
    r"^\W*(?:and|then|next|now for|similarly|likewise|finally|secondly|after that)\b"
    r"|\b(?:also|too|as well|in addition|additionally|second|third|another|one more|the other)\b",
    re.IGNORECASE,
)
ASIDE = re.compile(
    r"\b(?:example|for instance|if you)\b|\be\.g\.|\bresults? (?:is|was|will|would|could|might|may|looks)\b"
    r"|\b(?:returns|returned|(?:would|will) return)\b",
    re.IGNORECASE,
)
DRAFT = re.compile(
    r"\b(?:example(?! of)|for instance|draft|first (?:attempt|try|thought)|attempt 1)\b|\be\.g\.",
    re.IGNORECASE,
)
ORDINALS = ("first", "second", "third", "fourth")
ORDINAL = re.compile(rf"\bthe ({'|'.join(ORDINALS)})\b", re.IGNORECASE)
FORM = re.compile(r"\b(?:format|form|syntax|structure|template)\b", re.IGNORECASE)
LONGEST = 2_000  # characters of the words before a fence


def role_of(said: str, after_draft: bool) -> Role:
    """What the words between two fences with calls make of the later one.

    Only a line that ends with a colon announces what is no call; others speak of the call before.
    """
    words = said[-LONGEST:].replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    line = last_line(words)
    if ANEW.search(words):
        return "anew"
    if CORRECTED.search(words):
        return "instead"
    if line.endswith((":", ":**")) and ASIDE.search(line):
        return "aside"
    if MORE.search(line) or not line:
        return "more"
    if after_draft:
        return "anew"
    return "instead" if TURNED.search(words) else "more"


def left_by(calls: Sequence[ToolCall], kept: Sequence[ToolCall], said: str) -> list[ToolCall]:
    """What a correction leaves of earlier calls: all but the one that it names, or those of the same tools.

    Calls of other tools take the place of all.
    """
    named = ORDINAL.search(said[-LONGEST:])
    place = ORDINALS.index(named[1].lower()) if named else len(kept)
    if place < len(kept) and len(calls) == 1:
        return [call for number, call in enumerate(kept) if number != place]
    tools = {"", *(call.name for call in calls)}
    left = [call for call in kept if call.name not in tools]
    return left if len(left) < len(kept) else []


def is_draft(said: str, names_a_tool: bool) -> bool:
    """Do the words before a fence call it an example, or, where it names no tool, a form to be filled in?"""
    line = last_line(said[-LONGEST:])
    return DRAFT.search(line) is not None or (not names_a_tool and FORM.search(line) is not None)


def last_line(words: str) -> str:
    lines = words.strip().splitlines()
    return lines[-1].strip() if lines else ""


def not_yet(calls: Sequence[ToolCall], known: Sequence[ToolCall]) -> list[ToolCall]:
    """Calls that an earlier fence does not hold: saying one again does not make it twice."""
    before = {(call.name, sorted_names(call.arguments)) for call in known}
    return [call for call in calls if (call.name, sorted_names(call.arguments)) not in before]


@lru_cache(maxsize=1024)
def sorted_names(arguments: str) -> str:
    """Arguments with their names in one order, however they were written."""
    value = decoded(arguments)
    return arguments if value is UNREADABLE else msgspec.json.encode(value, order="sorted").decode()
