"""What an answer only repeats of the tools' results: JSON that stands in it as the tool sent it, or as Python
prints that.

That is no answer to what was asked, and is taken out before facts are looked for. A result told in words
is left to the cases.
"""

from __future__ import annotations

from collections.abc import Sequence

from tiltyard.records import Json
from tiltyard.suites.tools.arguments import LONGEST, UNREADABLE, decoded
from tiltyard.suites.tools.text_calls import json_values


def without_results(text: str, results: Sequence[str]) -> str:
    """A text without the results that it repeats, pretty-printed, in a list or alone."""
    values = [bare(value) for value in map(decoded, results) if value is not UNREADABLE]
    text, kept, last = text[:LONGEST], [], 0
    for start, end, value in json_values(text, or_python=True) if values else ():
        if repeats(value, values):
            kept.append(text[last:start])
            last = end
    return "".join((*kept, text[last:]))


def repeats(value: Json, results: Sequence[Json]) -> bool:
    """Is a value one of the results, with or without a name for all of it, or made of nothing else?"""
    value = bare(value)
    if value in results:
        return True
    parts = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return bool(parts) and all(isinstance(part, dict | list) and repeats(part, results) for part in parts)


def bare(value: Json) -> Json:
    """What an object holds under its only name: of {"events": []} the list."""
    while isinstance(value, dict) and len(value) == 1:
        (inner,) = value.values()
        if not isinstance(inner, dict | list):
            break
        value = inner
    return value
