"""In which order the options of a question are shown: drawn by its content, so the same for every model.

"All of the above" keeps its place, and options that name letters ("A and C") keep the whole question as it
is. Where the file gives no order (`drawn`), "all of the above" comes last and letters mean nothing. Rotations
turn the drawn order, so that each movable option stands once in each movable place.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

ANCHORED = re.compile(
    r"(?:all|none|any|both|neither|either|each|some|two|three|more than one|only one|most)\b"
    r"(?: (?:of|one of|or more of))?(?: (?:the|these|those|them))?"
    r"(?: (?:\w+ ){0,2}?(?:above|below|options?|choices?|answers?|statements?|others?"
    r"|preceding|foregoing|previous))(?: (?:is|are) \w+)?"
    r"|(?:all|none|any|both|neither|either) (?:of )?(?:these|those|them|the others?"
    r"|the above|above|the rest)(?: (?:is|are) \w+)?"
    r"|(?:the )?(?:above|preceding|previous)\b.{0,40}"
    r"|.{0,40}\b(?:all|none|both|any|neither) of the above\b.{0,40}"
    r"|(?:not enough|insufficient) information(?: given)?|cannot be determined.{0,40}",
    re.IGNORECASE,
)
_ONE = r"(?:\([A-Za-z]\)|\[[A-Za-z]\]|[A-Za-z])(?!\w)"
_LEAD = r"(?:both|either|neither|only|just|options?|choices?|answers?|statements?|(?:all|none) of|except)"
_JOIN = (
    r"(?:\s*,\s*(?:(?:and|or|nor|not|but not)\s+)?|\s+(?:and|or|nor|but not|not)\s+"
    r"|\s*[&/+]\s*(?=\W?(?-i:[A-Z])))"
)
_TAIL = r"(?:\s+(?:only|alone|both|together|are|is|true|correct|right|false|above)(?!\w))"
NAMING = re.compile(  # nothing but letters and the words that join them
    rf"(?:the\s+)?(?:(?:{_LEAD}\s+)+{_ONE}|{_ONE}(?={_JOIN}|{_TAIL}))"
    rf"(?:{_JOIN}(?:{_LEAD}\s+)*{_ONE})*{_TAIL}*",
    re.IGNORECASE,
)
_CAPITAL = r"(?:\([A-Z]\)|[A-Z])(?!\w)"
_SPEAKS = rf"(?<!\w)(?i:both|either|neither|only|options?|choices?|answers?)\s+{_CAPITAL}"
SPEAKING = re.compile(  # "both A and C are signs of it", "what option A says", but not "only A dogs"
    rf"{_SPEAKS}(?:(?:\s+(?:and|or|nor)\s+|\s*[,&]\s*){_CAPITAL})+|{_SPEAKS}(?!\s+[a-z])"
)
_LETTER = re.compile(r"(?<!\w)[A-Za-z](?!\w)")


def names_letters(option: str, count: int) -> bool:
    """Does an option speak of others by their letters, as in "A and C" or "only B"?"""
    text = option.strip().rstrip(".")
    match = NAMING.fullmatch(text) or SPEAKING.search(text)
    return match is not None and all(ord(x.upper()) - ord("A") < count for x in _LETTER.findall(match[0]))


def movable(options: Sequence[str], drawn: bool = False) -> tuple[int, ...]:
    """Indices of the options that may change place; none where an option names others by their letters."""
    if not drawn and any(names_letters(option, len(options)) for option in options):
        return ()
    return tuple(
        place for place, option in enumerate(options) if not ANCHORED.fullmatch(option.strip().rstrip("."))
    )


def arrangement(
    options: Sequence[str], seed: str, rotation: int = 0, shuffle: bool = True, drawn: bool = False
) -> tuple[int, ...]:
    """For each shown place the index of the option there."""
    moving = movable(options, drawn)
    fixed = [index for index in range(len(options)) if index not in moving]
    chance = random.Random(f"options {seed}")
    order, places, turning = list(range(len(options))), moving, list(moving)
    if shuffle or drawn:
        chance.shuffle(turning)
    if drawn:
        chance.shuffle(fixed)  # in the file the right one comes first among them too
        order, places = [*moving, *fixed], tuple(range(len(moving)))
    turn = rotation % max(1, len(turning))
    for place, index in zip(places, turning[turn:] + turning[:turn], strict=True):
        order[place] = index
    return tuple(order)


def rotations_of(options: Sequence[str], drawn: bool = False) -> int:
    """How many rotations a question has: as many as movable options, one where it has none."""
    return max(1, len(movable(options, drawn)))
