"""Packs the arrivals and events of one exchange into a few hundred bytes, and expands them again exactly.

Layout: one format byte (1), then zlib over a MessagePack list. A column of integers is its first value and
the differences, in the narrowest width that holds them all, split into byte planes (all low bytes first),
which is what makes them compress. Event times are indices into the arrivals where they can be.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from collections.abc import Sequence
from itertools import accumulate
from operator import sub
from typing import Any

import msgspec

from tiltyard.errors import StoreCorrupt
from tiltyard.records import Events, Timeline

FORMAT = 1
_LEVEL = 1  # within 5 % of level 6 on these bytes, in a third of its time
_WINDOW, _MEMORY = 12, 5  # 4 KiB to look back, little to set up: of a kilobyte that is most of the work
_STORED, _IS_TEXT, _IS_BOTH = 0, 1, 2  # where the characters of the events are

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Any])


def pack(timeline: Timeline, events: Events, text: str, reasoning: str) -> bytes:
    """`text` and `reasoning` are the exchange's own: what the events only repeat is not stored twice."""
    joined = "".join(events.texts)
    where = _IS_TEXT if joined == text else _IS_BOTH if joined == reasoning + text else _STORED
    places = _places(events.t_ns, timeline.arrivals_ns)
    columns = [
        pack_column(timeline.arrivals_ns),
        pack_column(timeline.arrivals_end),
        places is None,
        pack_column(events.t_ns if places is None else places),
        events.kinds,
        pack_column(list(map(len, events.texts))),
        where,
        joined if where == _STORED else "",
        None if events.tokens is None else pack_column(events.tokens),
    ]
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY)
    return bytes((FORMAT,)) + deflate.compress(_encoder.encode(columns)) + deflate.flush()


def _places(times: Sequence[int], arrivals: tuple[int, ...]) -> list[int] | None:
    """Which arrival each time is; None where one is of none."""
    rest = len(times) - len(arrivals)
    if times == arrivals + arrivals[-1:] * rest:  # one for each, the last for the rest: nearly always
        return [*range(len(arrivals)), *[len(arrivals) - 1] * rest]
    index = {arrival: place for place, arrival in enumerate(arrivals)}
    places = [place for place in map(index.get, times) if place is not None]
    return places if len(places) == len(times) else None


class Expanded(msgspec.Struct, frozen=True):
    arrivals_ns: tuple[int, ...]
    arrivals_end: tuple[int, ...]
    events: Events


def unpack(packed: bytes, text: str, reasoning: str) -> Expanded:
    """Raises StoreCorrupt when the bytes are not what `pack` made."""
    if packed[:1] != bytes((FORMAT,)):
        raise StoreCorrupt(f"a timeline of unknown format {packed[:1]!r}", "update Tiltyard")
    try:
        columns = _decoder.decode(zlib.decompress(packed[1:]))
        arrivals, ends, own_times, places, kinds, lengths, where, joined, tokens = columns
    except (zlib.error, msgspec.DecodeError, ValueError) as error:
        raise StoreCorrupt(f"a timeline cannot be expanded ({error})", "`tiltyard runs --recover`") from error
    arrivals_ns = unpack_column(arrivals)
    if where != _STORED:
        joined = text if where == _IS_TEXT else reasoning + text
    times = unpack_column(places)
    events = Events(
        t_ns=times if own_times else tuple(arrivals_ns[place] for place in times),
        kinds=kinds,
        texts=_cut(joined, unpack_column(lengths)),
        tokens=None if tokens is None else unpack_column(tokens),
    )
    return Expanded(arrivals_ns=arrivals_ns, arrivals_end=unpack_column(ends), events=events)


def pack_column(values: Sequence[int]) -> bytes:
    """Width letter, first value (8 bytes), then the differences as byte planes; empty for an empty column."""
    if not values:
        return b""
    numbers = _narrowest(list(map(sub, values[1:], values)))
    if sys.byteorder == "big":
        numbers.byteswap()
    data, width = numbers.tobytes(), numbers.itemsize
    planes = data if width == 1 else b"".join([data[plane::width] for plane in range(width)])
    return numbers.typecode.encode() + values[0].to_bytes(8, "little", signed=True) + planes


def _narrowest(numbers: list[int]) -> array[int]:
    for code in ("b", "h", "i"):
        try:
            return array(code, numbers)  # tells at the first that is too large
        except OverflowError:
            continue
    return array("q", numbers)


def unpack_column(packed: bytes) -> tuple[int, ...]:
    if not packed:
        return ()
    numbers = array(chr(packed[0]))
    width, planes = numbers.itemsize, packed[9:]
    count = len(planes) // width
    data = bytearray(len(planes))
    for plane in range(width):
        data[plane::width] = planes[plane * count : (plane + 1) * count]
    numbers.frombytes(bytes(data))
    if sys.byteorder == "big":
        numbers.byteswap()
    return tuple(accumulate(numbers, initial=int.from_bytes(packed[1:9], "little", signed=True)))


def _cut(joined: str, lengths: Sequence[int]) -> tuple[str, ...]:
    parts, start = [], 0
    for length in lengths:
        parts.append(joined[start : start + length])
        start += length
    return tuple(parts)
