"""JSON as servers send it, by one rule: what does not decode strictly is read again, tolerantly.

Bytes that are no UTF-8 and half characters (lone surrogates) become U+FFFD, raw control characters stay,
numbers that are none (NaN, Infinity) become null, and so does what is nested deeper than `DEEPEST`: whoever
walks a value needs no limit.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable

import msgspec

from tiltyard.records import Json

DEEPEST = 100  # levels of objects and lists
LONGEST_CUT = 1_000_000  # characters; what nests too deep in more of them is not worth the time
_STRICT = msgspec.json.Decoder()
_MARKS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


def json_in(data: bytes, on_bad_utf8: Callable[[], None] | None = None) -> Json:
    """The value; None for what is no JSON. `on_bad_utf8` is called where bytes had to be replaced."""
    try:
        value = _STRICT.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _tolerant(_text(data, on_bad_utf8))
    return _tolerant(data.decode()) if may_be_deep(data) and _is_deep(value) else value


def may_be_deep(data: bytes) -> bool:
    """Are there brackets enough to nest too deep? Short texts, which most events are, pay next to nothing."""
    return len(data) > 2 * DEEPEST and data.count(b"{") + data.count(b"[") > DEEPEST


def _text(data: bytes, on_bad_utf8: Callable[[], None] | None) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        if on_bad_utf8 is not None:
            on_bad_utf8()
        return data.decode("utf-8", "replace")


def _tolerant(text: str) -> Json:
    try:
        value = _loads(text)
        deep = _is_deep(value)
    except RecursionError:
        deep = True
    except ValueError:
        return None
    if deep:
        return _tolerant(_cut(text))
    if "\\u" not in text:
        return value
    halves = json.dumps(value, ensure_ascii=False).encode("utf-16-le", "surrogatepass")
    return _loads(halves.decode("utf-16-le", "replace"))


def _loads(text: str) -> Json:
    # Not strict: control characters that should have been escaped are text like any other.
    return json.loads(text, strict=False, parse_constant=lambda _: None, parse_float=_finite)


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _is_deep(value: Json) -> bool:
    layer = [value]
    for _ in range(DEEPEST + 1):
        inner = [each for each in layer if isinstance(each, dict | list)]
        if not inner:
            return False
        layer = [part for each in inner for part in (each.values() if isinstance(each, dict) else each)]
    return True


def _cut(text: str) -> str:
    """The text with null for what is nested too deep; an empty one where brackets do not add up."""
    if len(text) > LONGEST_CUT:
        return ""
    parts, kept, depth = [], 0, 0
    for found in _MARKS.finditer(text):
        mark = found[0]
        if mark in "{[":
            depth += 1
            if depth == DEEPEST + 1:
                parts.append(text[kept : found.start()])
        elif mark in "}]":
            if depth == DEEPEST + 1:
                parts.append("null")
                kept = found.end()
            depth -= 1
            if depth < 0:
                return ""
    return "" if depth else "".join([*parts, text[kept:]])
