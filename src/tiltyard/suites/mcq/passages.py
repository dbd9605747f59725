"""The text that a question is about: put in front of it, and what else a record says at length named.

Which fields may hold it is in `fields.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from tiltyard.records import Json
from tiltyard.suites.mcq.answers import BadRowError, folded

SOME_WORDS = 3  # fewer stand in a question by chance
LONG = 60  # characters: fewer may be a title, a name or a note
MANY_WORDS = 8
VAGUE = "text"  # a name also of the whole question with its options, and of the answer


def behind(passages: Iterable[tuple[str, Json]], question: str) -> str:
    """The question, and in front of it the first passage that is not blank, unless the question holds it.

    Raises BadRowError.
    """
    passage: Json = None
    for name, each in passages:
        if not each or (isinstance(each, str) and not each.strip()):
            continue
        if name == VAGUE and isinstance(each, str) and (is_short(each) or holds(each, question)):
            continue
        passage = each
        break
    if passage is None:
        return question
    if isinstance(passage, dict | list):
        raise BadRowError("the passage is not text")
    before = str(passage).strip()
    return question if holds(question, before) or not question.strip() else f"{before}\n\n{question}"


def holds(text: str, part: str) -> bool:
    """Does it stand there, and not by chance?"""
    return not is_short(part) and folded(part) in folded(text)


def is_short(text: str) -> bool:
    return len(text.split(None, SOME_WORDS)) < SOME_WORDS


def left_out(fields: Iterable[tuple[str, Json]], question: str) -> tuple[str, ...]:
    """Names of those that hold a text which is no part of the question that is asked."""
    return tuple(
        name
        for name, each in fields
        if isinstance(each, str) and len(each) >= LONG and is_text(each) and not is_in(each.strip(), question)
    )


def is_text(text: str) -> bool:
    """No address, code or picture: these have no words; some languages have none with blanks between them."""
    return not text.isascii() or len(text.split(None, MANY_WORDS)) >= MANY_WORDS


def is_in(text: str, question: str) -> bool:
    return text in question or folded(text) in folded(question)
