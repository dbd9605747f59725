"""From a reply to the JSON value in it, by named rungs: the whole text, a fenced block, a value among words.

What is repaired is only counted. NaN, infinities and duplicate keys are no JSON. Work is bounded, whatever a
model writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from tiltyard.records import Json

FENCE = re.compile(r"```[ \t]*([A-Za-z0-9_+.-]*)[^\S\n]*\n(.*?)(?:```|\Z)", re.DOTALL)
SEARCHED = 2_000_000  # characters at the end of a reply in which a value is looked for
STARTS = 2_000  # brackets tried
REPAIRED = 100_000  # characters that a repair may have to look at
OPENING = re.compile(r"[\[{]")
NOTHING = object()


class Reading(NamedTuple):
    """`rung`: whole, fence, among (words), or None where no value was found; `why` says so."""

    value: Json
    rung: str | None
    repaired: bool = False
    why: str = ""


class NotJsonError(ValueError):
    """Text that a lenient reader would take."""


def read_value(text: str, kinds: frozenset[str]) -> Reading:
    """Find the value. `kinds` are the schema's types at the root; a value of one of them is preferred."""
    value = parsed(text)
    if value is not NOTHING:
        return Reading(value, "whole", repaired=True)
    fenced = last_fenced(text)
    if fenced is not NOTHING:
        return Reading(fenced, "fence", repaired=True)
    found = last_among(text[-SEARCHED:], kinds)
    if found is not NOTHING:
        return Reading(found, "among", repaired=True)
    return Reading(None, None, repaired=repairable(text), why="no JSON value in the reply")


def parsed(text: str) -> Any:
    """A text that is one JSON value, else NOTHING."""
    try:
        return DECODER.decode(text.strip().removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return NOTHING


def last_fenced(text: str) -> Any:
    """The last fenced block marked as JSON that is a value; without any, the last block that is one."""
    blocks = FENCE.findall(text[-SEARCHED:])
    for marked in (True, False):
        for label, body in reversed(blocks):
            if (label.lower() in ("json", "json5", "jsonc")) is not marked:
                continue
            value = parsed(body)
            if value is not NOTHING:
                return value
    return NOTHING


def last_among(text: str, kinds: frozenset[str]) -> Any:
    """The last object or array at top level, one of the wanted kind before others."""
    best: Any = NOTHING
    fits = False
    for value in top_level(text):
        suits = not kinds or ("object" if isinstance(value, dict) else "array") in kinds
        if suits or not fits:
            best, fits = value, fits or suits
    return best


def top_level(text: str) -> Iterator[Any]:
    """Objects and arrays one after another; a bracket that begins none is stepped over."""
    place = 0
    for _ in range(STARTS):
        start = OPENING.search(text, place)
        if start is None:
            return
        try:
            value, place = DECODER.raw_decode(text, start.start())
        except RecursionError:
            return
        except ValueError:
            place = start.end()
            continue
        yield value


def repairable(text: str) -> bool:
    """Would a lenient repair make an object or an array of it? Said, never scored."""
    if len(text) > REPAIRED or OPENING.search(text) is None:
        return False
    import json_repair

    try:
        return bool(json_repair.loads(text)) and isinstance(json_repair.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def no_constant(name: str) -> Any:
    raise NotJsonError(f"{name} is no JSON")


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotJsonError("a key occurs twice")
    return found


DECODER = json.JSONDecoder(parse_constant=no_constant, object_pairs_hook=without_duplicates)
