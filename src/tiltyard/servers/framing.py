"""HTTP/1.1 body framing: where a chunked body ends, and its bytes without the frame.

The whole body is unframed at once after the last byte; while it arrives only a cheap check is made.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

_MAX_SIZE_LINE = 4096
_HEX = b"0123456789abcdefABCDEF"


class FramingError(ValueError):
    """The bytes are not a chunked body."""


class Unframed(NamedTuple):
    """A body without its chunk frame. At the end of chunk i, `outer[i]` raw bytes, head included, held
    `inner[i]` of the body.
    """

    body: bytes
    outer: list[int]
    inner: list[int]

    def offsets(self, raw_ends: Sequence[int]) -> list[int]:
        """Body bytes received by each read, given the raw bytes received by then."""
        if not raw_ends:
            return []
        at_chunk_end = dict(zip(self.outer, self.inner, strict=True))  # where nearly all reads end
        last = raw_ends[-1]
        at_chunk_end[last] = self._offset(last)  # it held the terminator too
        found = list(map(at_chunk_end.get, raw_ends))
        if None not in found:
            return found  # type: ignore[return-value]
        return [self._offset(raw) if end is None else end for raw, end in zip(raw_ends, found, strict=True)]

    def _offset(self, raw_end: int) -> int:
        outer, inner = self.outer, self.inner
        i = bisect_right(outer, raw_end)
        done = inner[i - 1] if i else 0
        if i < len(outer):  # inside a chunk: its data begin that many bytes before its end
            size = inner[i] - done
            begin = outer[i] - 2 - size
            done += min(max(raw_end - begin, 0), size)
        return done


def unframe_plain(raw: bytes, before: int = 0) -> Unframed | None:
    """A complete body without trailers whose data hold no CRLF, at C speed; None when it is not that.

    Splitting at CRLF gives size, data, size, data ... exactly when every size equals the length of the
    piece after it; then a walk along the frame would have cut at the same places. `before`: raw
    bytes before the body.
    """
    parts = raw.split(b"\r\n")
    if len(parts) < 3 or len(parts) % 2 == 0 or parts[-1] or parts[-2] or parts[-3].strip(b"0"):
        return None
    sizes = parts[0:-3:2]
    data = parts[1:-3:2]
    try:
        known = {size: _number(size) for size in set(sizes)}
    except FramingError:
        return None
    lengths = list(map(len, data))
    if list(map(known.__getitem__, sizes)) != lengths or not all(lengths):
        return None
    inner = list(accumulate(lengths))
    outer = list(accumulate([len(s) + n + 4 for s, n in zip(sizes, lengths, strict=True)], initial=before))
    return Unframed(b"".join(data), outer[1:], inner)


def ends_in_a_chunk(raw: bytearray, start: int) -> bool:
    """Do the last bytes look like a whole chunk and the terminator after it? A glance, not a proof.

    Looking at the end costs a microsecond where a walk costs dozens, and with many streams ending together
    the next requests wait for it. Only data that hold a whole framed chunk themselves could deceive it;
    whoever takes the body out walks the whole frame and finds that out.
    """
    if not raw.endswith(b"\r\n0\r\n\r\n"):
        return False
    end = len(raw) - 7
    data = raw.rfind(b"\r\n", start, end) + 2
    line = max(raw.rfind(b"\r\n", start, data - 2) + 2, start)
    if data < start + 3:
        return False
    try:
        return int(raw[line : data - 2], 16) == end - data
    except ValueError:
        return False


class ChunkWalk:
    """Follows the frame of a growing body from where it stopped the last time."""

    __slots__ = ("_data", "_inner", "_outer", "end", "position")

    def __init__(self, start: int) -> None:
        self.position = start  # of the next size line
        self.end: int | None = None  # one past the body's terminator, once seen
        self._data: list[tuple[int, int]] = []
        self._outer: list[int] = []
        self._inner: list[int] = []

    def advance(self, raw: bytearray) -> bool:
        """Walk as far as `raw` goes; True when the body is complete. Raises FramingError."""
        while self.end is None:
            line_end = raw.find(b"\r\n", self.position, self.position + _MAX_SIZE_LINE)
            if line_end < 0:
                if len(raw) - self.position >= _MAX_SIZE_LINE:
                    raise FramingError("a chunk's size line does not end")
                return False
            size = _chunk_size(bytes(raw[self.position : line_end]))
            if size == 0:
                return self._trailers(raw, line_end)
            begin = line_end + 2
            if len(raw) < begin + size + 2:
                return False
            if raw[begin + size : begin + size + 2] != b"\r\n":
                raise FramingError("a chunk is longer than its size says")
            self._data.append((begin, begin + size))
            self.position = begin + size + 2
            self._outer.append(self.position)
            self._inner.append((self._inner[-1] if self._inner else 0) + size)
        return True

    def _trailers(self, raw: bytearray, line_end: int) -> bool:
        if raw[line_end : line_end + 4] == b"\r\n\r\n":
            self.end = line_end + 4
            return True
        found = raw.find(b"\r\n\r\n", line_end + 2)
        if found < 0:
            return False
        self.end = found + 4
        return True

    def unframed(self, raw: bytearray) -> Unframed:
        """What has been walked, with a last chunk that is still incomplete."""
        pieces = [bytes(raw[a:b]) for a, b in self._data]
        outer, inner = list(self._outer), list(self._inner)
        if self.end is None:
            line_end = raw.find(b"\r\n", self.position, self.position + _MAX_SIZE_LINE)
            if line_end >= 0:
                rest = bytes(raw[line_end + 2 :])
                size = _chunk_size(bytes(raw[self.position : line_end]))
                rest = rest[:size]
                if rest:
                    pieces.append(rest)
                    inner.append((inner[-1] if inner else 0) + len(rest))
                    outer.append(line_end + 2 + len(rest) + 2)
        return Unframed(b"".join(pieces), outer, inner)


def _chunk_size(line: bytes) -> int:
    return _number(line.split(b";", 1)[0])


def _number(text: bytes) -> int:
    digits = text.strip()
    if not digits or digits.strip(_HEX):  # `int` takes signs, underscores and a prefix, too
        raise FramingError("a chunk's size is not a number")
    return int(digits, 16)
