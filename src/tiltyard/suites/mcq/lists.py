"""A list of options that is written as text: as JSON, as Python shows a list, or as NumPy shows an array.

An array may stand within what Python shows: `{'text': array(['a', 'b'], dtype=object)}`.

Nothing is ever run: what is not written exactly so is no list.
"""

from __future__ import annotations

import ast
import re
import warnings
from itertools import pairwise

import msgspec

from tiltyard.records import Json

_TEXT = r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\""
_QUOTED = re.compile(_TEXT, re.DOTALL)
_TYPED = re.compile(rf"({_TEXT})|\barray(?=\()|,\s*dtype=(?:[\w.]+|{_TEXT})(?=\s*\))", re.DOTALL)
_ARRAY = re.compile(rf"\[\s*(?:{_TEXT})(?:\s+(?:{_TEXT}))+\s*\]", re.DOTALL)


def listed(text: str) -> Json:
    """The value; raises ValueError where the text is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return as_python_shows(text.strip())


def as_python_shows(text: str) -> Json:
    """Raises ValueError."""
    if _ARRAY.fullmatch(text):  # ['a' 'b']
        return [value_of(match[0]) for match in _QUOTED.finditer(text)]
    if "array(" in text:
        text = _TYPED.sub(lambda match: match[1] or "", text)
    found = value_of(text)
    spans = [match.span() for match in _QUOTED.finditer(text)]
    if not all(set(text[one[1] : other[0]]) & set(",:") for one, other in pairwise(spans)):
        raise ValueError("two texts without a comma between them, which Python reads as one")
    return list(found) if isinstance(found, tuple) else found


def value_of(text: str) -> Json:
    """Raises ValueError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a backslash that means nothing: not as Python writes it
            return ast.literal_eval(text)
    except (SyntaxError, TypeError, MemoryError, RecursionError, Warning) as error:
        raise ValueError(str(error)) from None
