"""Is a row of a table without a known header one all the same: in other words, or below other lines?

To read what stands below it as six columns without names would put parts of questions in the wrong places.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise, takewhile

from tiltyard.errors import UsageError
from tiltyard.suites.mcq.fields import HEADERLESS, LETTER, PLAIN, columns_of, listing

LONGEST_NAME = 40  # characters
LEAST_NAMES = 3


def refuse_header(cells: Sequence[str], where: str, line: int, first: bool) -> None:
    """Raises UsageError for a header. `first`: no question stands above it."""
    known = None
    with suppress(UsageError):
        known = columns_of(cells, where)
    if known is not None:
        raise UsageError(f"{where}: line {line} is a header", "make it the first line of the file")
    if first and reads_like_one(cells):
        raise UsageError(
            f"{where}: line {line} reads like a header of columns that are not known: {listing(cells)}",
            "name them in the first line (question, A, B, C, D, answer; if you like id and subject), or give "
            "no names and six columns: question, A, B, C, D, letter",
        )


def reads_like_one(cells: Sequence[str]) -> bool:
    """Short words and no question; no letter where the answer would be, or A, B, ... in other places."""
    names = [cell.strip() for cell in cells]
    if len(names) < LEAST_NAMES or any("?" in name or len(name) > LONGEST_NAME for name in names):
        return False
    options, last = letters_among(names), len(names) - 1
    if last in options:
        return True
    if LETTER.fullmatch(names[last]):
        return False
    if len(names) != HEADERLESS:
        return bool(options)
    in_words = sum(map(str.isalpha, names[last])) > 1 and names[last] not in names[:last]
    return options != PLAIN.options and (bool(options) or (all(names) and in_words))


def letters_among(names: Sequence[str]) -> tuple[int, ...]:
    """The places of A, B, ..., one behind the other; empty where there are none."""
    start = next((at for at, pair in enumerate(pairwise(names)) if pair in (("A", "B"), ("a", "b"))), None)
    if start is None:
        return ()
    found = takewhile(lambda at: names[at].upper() == chr(ord("A") + at - start), range(start, len(names)))
    return tuple(found)
