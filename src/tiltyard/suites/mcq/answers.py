"""Which option an answer names: by a letter, a number, the option's text, its label or the name of its field.

Whether numbers count from 0 or from 1 the whole file decides (`reading.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from tiltyard.suites.mcq.fields import LETTER, PLACE, foreign_letter, plain_name

NUMBER = re.compile(r"-?\d{1,300}(?:\.\d{1,300})?", re.ASCII)
DIGITS = "0123456789"
MOST_NUMBER = 10**9  # more are no place
LONGEST_PLACE = 40  # characters
SLACK = 3  # characters by which a text may be longer than what is equal to it: "1.0", "A..."

READINGS = {"letter": 1, "text": 2, "index0": 4, "index1": 8}
ALL_READINGS = 15
SETTLED = 16  # however the others of the file are read
CONTRARY = 32  # a letter that names one option, and is the text of another


class BadRowError(ValueError):
    """Why a record is no question; one line."""


def index_of(reading: str, answer: str | int, options: Sequence[str]) -> int | None:
    """Index of the right option when the answer is read as `reading`; None: it cannot be."""
    if reading == "text":
        return named_by(answer, options)
    place, by_word = place_of(answer)
    if not place or (reading == "letter") != place.isalpha():
        return None
    if by_word and named_by(answer, options) is not None:
        return None
    found = ord(place) - ord("A") if reading == "letter" else int(place) - (reading == "index1")
    return found if 0 <= found < len(options) else None


def place_in(answer: str | int) -> str:
    """The letter or number by which an answer names its option; empty where it is none."""
    return place_of(answer)[0]


def place_of(answer: str | int) -> tuple[str, bool]:
    """The same, and whether a word says that it is one, as in "option B"."""
    if isinstance(answer, int):
        return str(answer) if 0 <= answer < MOST_NUMBER else "", False
    return _place_of(answer.strip()) if len(answer) < LONGEST_PLACE else ("", False)


@lru_cache(maxsize=1024)
def _place_of(answer: str) -> tuple[str, bool]:
    if letter := LETTER.fullmatch(answer):
        return letter[1].upper(), False
    whole, _, rest = answer.partition(".")  # "1.0", as tables with gaps are written
    if whole.isdecimal() and not rest.strip("0"):
        return (str(int(whole)) if int(whole) < MOST_NUMBER else ""), False
    match = PLACE.fullmatch(answer)
    if match is None:
        return "", False
    return (match[1].upper() if match[1] else str(int(match[2]))), True


def manner_of(answer: str | int) -> int:
    """The READINGS of a file with such an answer: a letter or a text says that it has no numbers."""
    place = place_in(answer)
    return ALL_READINGS if place.isdecimal() else READINGS["letter" if place else "text"]


def named_by(answer: str | int, options: Sequence[str]) -> int | None:
    """Index of the one option that an answer is, as text or as a number of the same value."""
    wanted, names = folded(str(answer)), [folded(option) for option in options]
    if names.count(wanted) == 1:
        return names.index(wanted)
    if not NUMBER.fullmatch(wanted):
        return None
    equal = [
        place for place, name in enumerate(names) if NUMBER.fullmatch(name) and float(name) == float(wanted)
    ]
    return equal[0] if len(equal) == 1 else None


def folded(text: str) -> str:
    return " ".join(text.split()).casefold().rstrip(".")


def by_key(keys: Sequence[str], answer: str | int, options: Sequence[str]) -> tuple[int | None, int | None]:
    """Index of the option whose label the answer is; behind it instead where it is another one's text, too.

    Raises BadRowError for a label of none of them: to read it as a place would be a guess.
    """
    if len(keys) != len(options) or len(set(keys)) < len(keys):
        return None, None
    text = str(answer).strip()
    label = keys.index(text) if text in keys else None
    if label is not None and min(map(len, options)) > len(text) + SLACK:
        return label, None  # told at once, as nearly all are
    said, named = place_in(text), named_by(answer, options)
    labels = [place_in(key) for key in keys]
    if label is None and said and labels.count(said) == 1:
        label = labels.index(said)
    if label is not None:
        return (label, None) if named in (None, label) else (None, label)
    if named is not None:
        return (None if said else named), None
    if said.isalpha() and (other := next((key for key in keys if foreign_letter(key)), None)):
        raise BadRowError(f"{no_label(text)}, of which {other!r} is {foreign_letter(other)}")
    rising = labels == sorted(labels, key=lambda label: (len(label), label))
    if said and all(labels) and (not rising or said.isdecimal() == labels[0].isdecimal()):
        raise BadRowError(no_label(text))
    return None, None


def no_label(answer: str) -> str:
    return f"the answer {answer[:60]!r} is none of the options' labels"


def by_name(names: Sequence[str], answer: str | int, options: Sequence[str]) -> int | None:
    """Index of the option whose field an answer names by its number: "option2".

    Raises BadRowError for a number that none of these fields has.
    """
    match = PLACE.fullmatch(answer.strip()) if isinstance(answer, str) else None
    if match is None or match[2] is None or named_by(answer, options) is not None:
        return None
    said, fields = unspaced(match[0]), [unspaced(name) for name in names[: len(options)]]
    if said in fields:
        return fields.index(said)
    if any(field.rstrip(DIGITS) == said.rstrip(DIGITS) for field in fields):
        raise BadRowError(f"the answer {answer!r} is none of the options' names")
    return None


def unspaced(name: str) -> str:
    return plain_name(name).replace(" ", "")
