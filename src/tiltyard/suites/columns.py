"""Columns of numbers, one entry per attempt, that take the same memory however long a run is.

Full blocks go into a file without a name, which is gone with its last column; runs that fill no block never
make one. What the numbers mean is the tally's business.
"""

from __future__ import annotations

import weakref
from array import array
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import IO, Any, Literal, NamedTuple

BLOCK = 1024  # entries
NAN = float("nan")
NONE = -128  # a byte that stands for no value


class Place(NamedTuple):
    """Where in the file a full block lies."""

    typecode: str
    at: int  # byte


class Spill:
    """The file that the columns of one tally share."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._end = 0

    def put(self, block: array[Any]) -> Place | array[Any]:
        """Write a block down; one that the disk has no room for is given back, to be kept."""
        try:
            if self._file is None:
                self._file = TemporaryFile(buffering=0)  # noqa: SIM115 - closed with its last column
                weakref.finalize(self, self._file.close)
            self._file.seek(self._end)
            written = self._file.write(block)
        except OSError:
            return block
        if written != len(block) * block.itemsize:  # what fitted is overwritten by the next one
            return block
        place = Place(block.typecode, self._end)
        self._end += written
        return place

    def get(self, place: Place) -> array[Any]:
        assert self._file is not None
        block: array[Any] = array(place.typecode)
        self._file.seek(place.at)
        block.frombytes(self._file.read(BLOCK * block.itemsize))
        return block


class Blocks:
    """Values by place, of which the full blocks lie in the file."""

    def __init__(self, spill: Spill, typecode: str) -> None:
        self._spill, self._typecode = spill, typecode
        self._full: list[Place | array[Any]] = []
        self._last: array[Any] = array(typecode)
        self._seen: tuple[int, array[Any]] = -1, self._last  # the full block that was read last

    def __len__(self) -> int:
        return len(self._full) * BLOCK + len(self._last)

    def _block(self, number: int) -> array[Any]:
        if number == len(self._full):
            return self._last
        if number != self._seen[0]:
            block = self._full[number]
            self._seen = number, self._spill.get(block) if isinstance(block, Place) else block
        return self._seen[1]

    def _put(self, value: float) -> None:
        self._last.append(value)
        if len(self._last) == BLOCK:
            self._full.append(self._spill.put(self._last))
            self._last = array(self._typecode)


class Whole(Blocks):
    """Whole numbers by place, as wide as `typecode` says."""

    def __init__(self, spill: Spill, typecode: Literal["b", "i", "q"] = "i") -> None:
        super().__init__(spill, typecode)

    def __getitem__(self, place: int) -> int:
        number, at = divmod(place, BLOCK)
        return int(self._block(number)[at])

    def __iter__(self) -> Iterator[int]:
        for number in range(len(self._full) + 1):
            yield from self._block(number)

    def append(self, value: int) -> None:
        self._put(value)


class Column(Blocks):
    """Numbers by place, NaN where there is none. A byte each in a block where all are small and whole, else
    eight; four, with seven digits, where `kind` is "f".
    """

    def __init__(self, spill: Spill, missing: int = 0, kind: Literal["d", "f"] = "d") -> None:
        super().__init__(spill, "b")
        self._kind = kind
        for _ in range(missing):
            self.append(None)

    def __getitem__(self, place: int) -> float:
        number, at = divmod(place, BLOCK)
        block = self._block(number)
        value = block[at]
        return NAN if value == NONE and block.typecode == "b" else float(value)

    def __iter__(self) -> Iterator[float]:
        for number in range(len(self._full) + 1):
            block = self._block(number)
            yield from map(_float, block) if block.typecode == "b" else block

    def append(self, value: float | None) -> None:
        """Add a value at the end; None: there is none."""
        fits = value is None or (NONE < value <= -NONE - 1 and value == int(value))
        if self._last.typecode == "b" and not fits:
            self._last = array(self._kind, map(_float, self._last))
        if self._last.typecode == "b":
            self._put(NONE if value is None else int(value))
        else:
            self._put(NAN if value is None else value)


def _float(byte: int) -> float:
    return NAN if byte == NONE else float(byte)
