"""Scores of one run by what was asked, so that another run's scores of the same items can be found.

Sixteen bytes and less an item. Leaves out what a difference means (`paired.py`) and where this is kept.
"""

from __future__ import annotations

import hashlib
import sys
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any, Self

from tiltyard.records import Record


def item_key(stage: str, item_id: str, item_hash: str) -> int:
    """63 bits that stand for one question in its exact wording; two runs that share it asked the same."""
    text = "\0".join((stage, item_id, item_hash)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


class Scores(Record, frozen=True):
    """Mean score of each item over its repetitions, ascending by key; items without a score are left out."""

    keys: array[int]  # q
    values: array[float]  # f, 0..1

    @classmethod
    def of(cls, found: Iterable[tuple[int, float]]) -> Self:
        """From (key, score) pairs; scores of one key are averaged."""
        sums: dict[int, tuple[float, int]] = {}
        for key, score in found:
            total, count = sums.get(key, (0.0, 0))
            sums[key] = total + score, count + 1
        ordered = sorted(sums)
        return cls(
            keys=array("q", ordered), values=array("f", [sums[key][0] / sums[key][1] for key in ordered])
        )

    def __len__(self) -> int:
        return len(self.keys)

    def score_of(self, key: int) -> float | None:
        place = bisect_left(self.keys, key)
        return self.values[place] if place < len(self.keys) and self.keys[place] == key else None

    def items_hash(self) -> str:
        """The same for two runs exactly where they scored the same items."""
        return hashlib.blake2b(_little(self.keys), digest_size=12).hexdigest()

    def packed(self) -> tuple[bytes, bytes]:
        """Keys and values as bytes, alike on every machine; one bit a value where all are 0 or 1."""
        if all(value in (0.0, 1.0) for value in self.values):
            bits = sum(1 << place for place, value in enumerate(self.values) if value)
            body = b"b" + bits.to_bytes((len(self.values) + 7) // 8, "little")
        else:
            body = b"f" + zlib.compress(_little(self.values), 1)
        return _little(self.keys), body

    @classmethod
    def unpacked(cls, keys: bytes, body: bytes) -> Self:
        """The reverse of `packed`; ValueError for what it did not make."""
        places = _native("q", keys)
        if body[:1] == b"b":
            bits = int.from_bytes(body[1:], "little")
            values = array("f", [bits >> place & 1 for place in range(len(places))])
        elif body[:1] == b"f":
            values = _native("f", zlib.decompress(body[1:]))
        else:
            raise ValueError("these are no packed scores")
        if len(values) != len(places):
            raise ValueError(f"{len(places)} items but {len(values)} scores")
        return cls(keys=places, values=values)


def shared(a: Scores, b: Scores) -> tuple[list[float], list[float]]:
    """The scores of the items that both have, in one order."""
    of_b = dict(zip(b.keys, b.values, strict=True))
    pairs = [(x, of_b[key]) for key, x in zip(a.keys, a.values, strict=True) if key in of_b]
    return [x for x, _ in pairs], [y for _, y in pairs]


def _little(values: array[int] | array[float]) -> bytes:
    if sys.byteorder == "little":
        return values.tobytes()
    swapped = values[:]
    swapped.byteswap()
    return swapped.tobytes()


def _native(kind: str, body: bytes) -> array[Any]:
    values: array[Any] = array(kind, body)
    if sys.byteorder != "little":
        values.byteswap()
    return values
