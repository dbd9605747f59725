"""Which of several calls an answer means: all of them, or those that a correction left standing.

A call said again is not made twice. What the words before a call make of it is decided in `leads.py`, whether
they say that it is not made in `denials.py`; what stands in each place is read in `text_calls.py` and
`python_calls.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec

from tiltyard.records import ToolCall
from tiltyard.suites.tools.arguments import UNREADABLE, decoded
from tiltyard.suites.tools.calls import Schemas
from tiltyard.suites.tools.denials import LISTED, TAKEN_BACK, goes_on, is_cited, is_denied
from tiltyard.suites.tools.leads import Earlier, Role, place_named, role_of, said_of, says_again

MOST_CALLS = 200
NEAR = 200  # characters before and after a call that are looked at
MARKUP = " \t`*_>([-+•0123456789.)"  # of a list or a quotation, between a line's beginning and a call
REST = re.compile(r"[ \t`*_)\].,;]{0,40}(?:$|#|//)", re.MULTILINE)  # of the line behind a call


class Piece(NamedTuple):
    """A place with calls, or with a result or a description that is no call and no words either."""

    start: int
    end: int
    kind: Literal["tags", "fence", "json", "python"]
    calls: Sequence[ToolCall] = ()
    broken: Sequence[ToolCall] = ()  # where no call can be read
    is_empty: bool = False  # a list without calls


class Meant(NamedTuple):
    """The calls that are left, and whether one of them can be read. `is_empty`: last comes a list without.
    `denied`: there is one that the words around it say is not made.
    """

    calls: tuple[ToolCall, ...]
    readable: bool
    is_empty: bool
    denied: bool


def meant(text: str, pieces: Iterable[Piece], schemas: Schemas, made: Sequence[ToolCall] = ()) -> Meant:
    """The calls of all places, from left to right, but those that the words between take back.

    `made`: earlier in the conversation, of which an answer may speak.
    """
    kept: list[ToolCall] = []
    earlier = Earlier()
    role: Role = "more"
    at, said, empty, readable, denied, not_made = 0, "", False, False, False, False
    for piece in pieces:
        said, at = said + text[at : piece.start], piece.end
        found = piece.calls or piece.broken
        if not found and not piece.is_empty:
            continue
        behind = text[at : at + NEAR]
        not_made = is_denied(said, behind) or (not_made and goes_on(said))
        if made and not not_made and not not_yet(found, made):
            not_made = is_cited(said, behind)
        if not_made and found:
            denied, said = True, ""
            continue
        sure = piece.kind in ("tags", "fence") or stands(text, piece)
        aside = role == "aside" and LISTED.fullmatch(said) is not None
        role = "aside" if aside else role_of(said, earlier) if kept and sure else "more"
        if role == "instead" and (place_named(said) or 0) >= len(kept):
            role = "more"  # "the second should be" where there is one
        if role == "missed":
            kept = [call for call in kept if call.name and not completed(call, piece.calls)]
        if role != "aside":
            empty = piece.is_empty
            if role in ("instead", "anew") and (piece.calls or empty):
                kept = left_by(piece.calls, kept, said) if piece.calls and role == "instead" else []
                readable = bool(kept)
            if piece.calls:
                known = any(call.name in schemas for call in piece.calls)
                now = said_of(said, known, Earlier() if role == "anew" else earlier, sure)
                earlier = now._replace(loose=now.loose and (not kept or earlier.loose))
            again = (piece.kind == "json" and not sure) or says_again(said, piece.kind == "fence")
            kept += (not_yet(found, kept) if again else found)[: MOST_CALLS - len(kept)]
            readable = readable or bool(piece.calls)
        said = ""
    left = not_taken_back(kept, text[at:])
    return Meant(tuple(left), readable and bool(left or not kept), empty, denied or len(left) < len(kept))


def not_taken_back(calls: list[ToolCall], rest: str) -> list[ToolCall]:
    """What the words behind the last call leave of all: "ignore the second call", "no call is needed"."""
    told = TAKEN_BACK.search(rest[:NEAR])
    if told is None or not calls:
        return calls
    if told["all"] or told["none"]:
        return []
    place = place_named(f"the {told['which']}") if told["which"] else None
    return [
        call for number, call in enumerate(calls) if number != (len(calls) - 1 if place is None else place)
    ]


def stands(text: str, piece: Piece) -> bool:
    """Does a call stand where calls stand, behind a colon or on lines of its own, and not in a sentence?"""
    line = text[text.rfind("\n", max(0, piece.start - NEAR), piece.start) + 1 : piece.start][-NEAR:]
    before = line.rstrip(MARKUP)
    if before:
        return before.endswith(":")
    return bool(piece.broken) or REST.match(text[piece.end : piece.end + NEAR]) is not None


def left_by(calls: Sequence[ToolCall], kept: Sequence[ToolCall], said: str) -> list[ToolCall]:
    """What a correction leaves of earlier calls: all but the one that it names, or those of the same tools.

    Calls of other tools take the place of all.
    """
    place = place_named(said)
    if place is not None and place < len(kept) and len(calls) == 1:
        return [call for number, call in enumerate(kept) if number != place]
    tools = {"", *(call.name for call in calls)}
    left = [call for call in kept if call.name not in tools]
    return left if len(left) < len(kept) else []


def completed(call: ToolCall, calls: Sequence[ToolCall]) -> bool:
    """Is a call a part of a later one, which has more arguments?"""
    part = decoded(call.arguments)
    wholes = [decoded(each.arguments) for each in calls if each.name == call.name]
    return any(
        isinstance(part, dict) and isinstance(whole, dict) and part.items() < whole.items()
        for whole in wholes
    )


def not_yet(calls: Sequence[ToolCall], known: Sequence[ToolCall]) -> list[ToolCall]:
    """Calls that an earlier place does not hold: saying one again does not make it twice."""
    before = {(call.name, sorted_names(call.arguments)) for call in known}
    return [call for call in calls if (call.name, sorted_names(call.arguments)) not in before]


@lru_cache(maxsize=1024)
def sorted_names(arguments: str) -> str:
    """Arguments with their names in one order, however they were written."""
    value = decoded(arguments)
    return arguments if value is UNREADABLE else msgspec.json.encode(value, order="sorted").decode()
