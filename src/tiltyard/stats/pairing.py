"""Scores of one run by what was asked, so that another run's scores of the same items can be found.

Sixteen bytes and less an item. The ways in which one item was asked have keys of their own, with the item in
their lower bits: they are one witness. Leaves out what a difference means (`paired.py`) and where this is
kept.
"""

from __future__ import annotations

import hashlib
import math
import sys
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from tiltyard.records import Json, Record, content_hash

LOADS = {  # settings of the speed suite that make another load, in words
    "prompt_tokens": "{} tokens in",
    "output_tokens": "{} out",
    "cached": "cached prompts",
    "concurrency": "{} streams",
    "rate": "{} a second",
    "rates": "rates {}",
    "poisson": "at random",
    "burst": "bursts of {}",
    "ramp_to": "up to {} a second",
    "depths": "depths {}",
}
WAYS = ("text_tools", "cot", "shuffle", "prompt", "rotations", "few_shot", "examples")  # of `part_of`
_MANY = 20_000  # pairs from which the memory of a sorted list is worth importing numpy
_UNIT_BITS = 44  # of a key: the item; above them the way in which it was asked


def item_set(settings: Mapping[str, Json]) -> str | None:
    """Stands for what a run is to ask, by its settings: runs that share it share a table.

    Of a speed run it is its load in words. Of a graded one `items` is the hash of all that could be asked; a
    run may ask part of that.
    """
    if "profile" in settings:
        return load_words(settings)
    items, part = settings.get("items"), part_of(settings)
    if items is None or not part:
        return None if items is None else str(items)
    return content_hash([items, part])


def load_words(settings: Mapping[str, Json]) -> str:
    """What a speed run's requests are like and when they start: `fixed, 32 tokens in, 64 streams`.

    How many there are, and what they are held against, makes no other load.
    """
    said = [str(settings["profile"])]
    for name, words in LOADS.items():
        value = settings.get(name)
        if value is not None and value is not False:
            shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
            said.append(words.format(shown))
    if settings.get("prompt") is not None:
        said.append(f"a prompt of its own ({content_hash(settings['prompt'])[:8]})")
    return ", ".join(said)


def part_of(settings: Mapping[str, Json]) -> dict[str, Json]:
    """The settings by which a graded run asks not all of its items, or not in the usual ways (`WAYS`)."""
    names = ["modes", "rotations", "text_tools", "cot", "few_shot", "examples"]
    limit, count = settings.get("limit"), settings.get("item_count")
    if not isinstance(limit, int) or not isinstance(count, int) or limit < count:
        names += ["limit", "seed"] if limit else []
    part = {name: settings[name] for name in names if settings.get(name)}
    if settings.get("shuffle") is False:
        part["shuffle"] = False
    if (settings.get("files") or {}).get("prompt"):  # else it is a shipped one, which a version may reword
        part["prompt"] = content_hash(settings.get("prompt"))
    return part


def item_key(stage: str, item_id: str, item_hash: str) -> int:
    """63 bits that stand for one question in its exact wording; two runs that share it asked the same.

    A hash may end with a way of asking, `HASH/json_schema`, which then ends the id too: the lower bits are
    those of the item without it (`unit_of`).
    """
    whole, _, way = item_hash.partition("/")
    if not way:
        return _hash63(stage, item_id, item_hash)
    unit = _hash63(stage, item_id.removesuffix(way), whole)
    return _hash63(way) >> _UNIT_BITS << _UNIT_BITS | unit_of(unit)


def unit_of(key: int) -> int:
    """Stands for the item in whatever way it was asked."""
    return key & (1 << _UNIT_BITS) - 1


def _hash63(*words: str) -> int:
    text = "\0".join(words).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


class Scores(Record, frozen=True):
    """Mean score of each item, in each way of asking, over its repetitions; ascending by key.

    What has no score is left out.
    """

    keys: array[int]  # q
    values: array[float]  # f, 0..1

    @classmethod
    def of(cls, found: Iterable[tuple[int, float]]) -> Self:
        """From (key, score) pairs; scores of one key are averaged."""
        keys, scores = array("q"), array("d")
        for key, score in found:
            keys.append(key)
            scores.append(score)
        ordered, means = array("q"), array("f")
        total, count = 0.0, 0
        places = _ascending(keys)
        for turn, place in enumerate(places):
            total, count = total + scores[place], count + 1
            if turn + 1 == len(places) or keys[places[turn + 1]] != keys[place]:
                ordered.append(keys[place])
                means.append(total / count)
                total, count = 0.0, 0
        return cls(keys=ordered, values=means)

    def __len__(self) -> int:
        return len(self.keys)

    def units(self) -> array[int]:
        """The items, whatever the number of ways in which each was asked, in the order of `means`."""
        return array("q", dict.fromkeys(map(unit_of, self.keys)))

    def means(self) -> list[float]:
        """The mean score of each of `units`."""
        return means_by(map(unit_of, self.keys), self.values)

    def score_of(self, key: int) -> float | None:
        place = bisect_left(self.keys, key)
        return self.values[place] if place < len(self.keys) and self.keys[place] == key else None

    def items_hash(self) -> str:
        """The same for two runs exactly where they scored the same items."""
        return hashlib.blake2b(_little(self.keys), digest_size=12).hexdigest()

    def packed(self) -> tuple[bytes, bytes]:
        """Keys and values as bytes, alike on every machine; one bit a value where all are 0 or 1."""
        if all(value in (0.0, 1.0) for value in self.values):
            row = bytearray((len(self.values) + 7) // 8)
            for place, value in enumerate(self.values):
                row[place >> 3] |= int(value) << (place & 7)
            body = b"b" + bytes(row)
        else:
            body = b"f" + zlib.compress(_little(self.values), 1)
        return _little(self.keys), body

    @classmethod
    def unpacked(cls, keys: bytes, body: bytes) -> Self:
        """The reverse of `packed`; ValueError for what it did not make."""
        places = unpacked_keys(keys)
        if body[:1] == b"b" and len(body) == (len(places) + 7) // 8 + 1:
            values = array("f", [body[1 + (place >> 3)] >> (place & 7) & 1 for place in range(len(places))])
        elif body[:1] == b"f":
            values = _native("f", zlib.decompress(body[1:]))
        else:
            raise ValueError("these are no packed scores")
        if len(values) != len(places):
            raise ValueError(f"{len(places)} items but {len(values)} scores")
        return cls(keys=places, values=values)


def _ascending(keys: array[int]) -> Sequence[int]:
    """The places of the keys, by key."""
    if len(keys) < _MANY:
        return sorted(range(len(keys)), key=keys.__getitem__)
    import numpy as np

    found: Any = np.argsort(np.frombuffer(keys, dtype=np.int64), kind="stable")
    return memoryview(found)


def unpacked_keys(keys: bytes) -> array[int]:
    """The keys alone, ascending."""
    return _native("q", keys)


def shared(a: Scores, b: Scores) -> tuple[list[float], list[float]]:
    """The scores of the items that both have, in one order: means over the ways in which both were asked."""
    of_b = dict(zip(b.keys, b.values, strict=True))
    both = [(key, x, of_b[key]) for key, x in zip(a.keys, a.values, strict=True) if key in of_b]
    units = [unit_of(key) for key, _, _ in both]
    return means_by(units, [x for _, x, _ in both]), means_by(units, [y for _, _, y in both])


def means_by(units: Iterable[int], values: Iterable[float]) -> list[float]:
    """The mean of the values of each unit."""
    found: dict[int, list[float]] = {}
    for unit, value in zip(units, values, strict=True):
        found.setdefault(unit, []).append(value)
    return [own[0] if len(own) == 1 else math.fsum(own) / len(own) for own in found.values()]


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
