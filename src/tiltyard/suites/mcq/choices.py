"""In which order the options of a question are shown: drawn by its content, so the same for every model.

"All of the above" keeps its place, and options that name letters ("A and C") keep the whole question as it
is. Rotations turn the drawn order, so that each movable option stands once in each movable place.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

ANCHORED = re.compile(
    r"(?:all|none|any|both|neither|either|each|some|two|three|more than one|only one|most)\b"
    r"(?: (?:of|one of|or more of))?(?: (?:the|these|those|them))?"
    r"(?: (?:\w+ ){0,2}?(?:above|below|options?|choices?|answers?|statements?|others?"
    r"|preceding|foregoing|previous))\b"
    r"|(?:all|none|any|both|neither|either) (?:of )?(?:these|those|them|the others?"
    r"|the above|above|the rest)\b"
    r"|(?:the )?(?:above|preceding|previous)\b.{0,40}"
    r"|.{0,40}\b(?:all|none|both|any|neither) of the above\b.{0,40}"
    r"|(?:not enough|insufficient) information(?: given)?|cannot be determined.{0,40}|none",
    re.IGNORECASE,
)
_ONE = r"[\(\[]?[A-Z][\)\]]?"
MENTIONS = re.compile(
    rf"(?<!\w){_ONE}(?:\s*,\s*{_ONE})*,?\s*(?:and|or|nor|&|/|\+)\s*{_ONE}(?!\w)"
    rf"|(?i:both|either|neither|only|options?|choices?|answers?)\s+{_ONE}(?!\w|\s+[a-z])"
    rf"|(?<!\w){_ONE}\s+(?:only|alone)\b|(?<!\w){_ONE}\s*,\s*{_ONE}(?!\w)"
)


def movable(options: Sequence[str]) -> tuple[int, ...]:
    """Places of the options that may change; none where an option names others by their letters."""
    if any(MENTIONS.search(option) for option in options):
        return ()
    return tuple(
        place for place, option in enumerate(options) if not ANCHORED.fullmatch(option.strip().rstrip("."))
    )


def arrangement(
    options: Sequence[str], seed: str, rotation: int = 0, shuffle: bool = True
) -> tuple[int, ...]:
    """For each shown place the index of the option there."""
    order = list(range(len(options)))
    places = movable(options)
    if len(places) < 2:
        return tuple(order)
    drawn = list(places)
    if shuffle:
        random.Random(f"options {seed}").shuffle(drawn)
    turn = rotation % len(drawn)
    for place, index in zip(places, drawn[turn:] + drawn[:turn], strict=True):
        order[place] = index
    return tuple(order)


def rotations_of(options: Sequence[str]) -> int:
    """How many rotations a question has: as many as movable options, one where it has none."""
    return max(1, len(movable(options)))
