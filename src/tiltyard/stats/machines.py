"""Which machine a server ran on: the same as before or another, and in words.

It is told by what decides speed. Drivers and systems come and go on one machine, so they are left out. The
memory that is told is what the kernel leaves over: every start may move it a little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tiltyard.records import Json

HARDWARE = ("cpu", "ram_bytes", "gpus")
KNOWN_AS = "known_as"  # beside the exact facts: the hardware with the memory sizes of an earlier start
_MOVES = 0.03  # of the larger size: far less than lies between two sizes that are sold

Machine = Mapping[str, Json]


def hardware(machine: Machine) -> dict[str, Json]:
    """What decides speed, under the memory sizes by which the machine is known."""
    known = machine.get(KNOWN_AS)
    return {key: machine.get(key) for key in HARDWARE} | (dict(known) if isinstance(known, Mapping) else {})


def as_known(machine: Machine, earlier: Machine) -> Machine | None:
    """The machine, known by the memory sizes of an earlier one; None where it is another one."""
    known = hardware(earlier)
    if not _names(machine) == _names(earlier) == _names(known):
        return None
    if not all(map(_close, _sizes(machine), _sizes(earlier))):
        return None
    ram, *sizes = _sizes(known)
    if [ram, *sizes] == _sizes(machine):
        return without_known(machine)
    gpus = [
        {**gpu, "memory_bytes": size} if size is not None else gpu
        for gpu, size in zip(_gpus(machine), sizes, strict=True)
    ]
    return {**without_known(machine), KNOWN_AS: {"ram_bytes": ram, "gpus": gpus}}


def without_known(machine: Machine) -> dict[str, Json]:
    """The facts as they were read."""
    return {name: value for name, value in machine.items() if name != KNOWN_AS}


def _gpus(machine: Machine) -> list[Any]:
    gpus = machine.get("gpus")
    return list(gpus) if isinstance(gpus, list | tuple) else []


def _names(machine: Machine) -> list[Json]:
    names = [gpu.get("name") if isinstance(gpu, Mapping) else gpu for gpu in _gpus(machine)]
    return [machine.get("cpu"), *names]


def _sizes(machine: Machine) -> list[Json]:
    """Of its memory, then of each GPU's."""
    of_gpus = [gpu.get("memory_bytes") if isinstance(gpu, Mapping) else None for gpu in _gpus(machine)]
    return [machine.get("ram_bytes"), *of_gpus]


def _close(a: Json, b: Json) -> bool:
    if isinstance(a, int | float) and isinstance(b, int | float):
        return abs(a - b) <= _MOVES * max(a, b)
    return bool(a == b)


def served_on(machine: Machine, local: bool, url: str) -> str:
    """GPUs, processor and memory; a server elsewhere stands for its machine. Empty where nothing is known."""
    if not local:
        return urlsplit(url).hostname or url
    cpu, *names = _names(machine)
    memory = hardware(machine)["ram_bytes"]
    size = f"{memory / 2**30:.0f} GiB" if isinstance(memory, int | float) else None
    return ", ".join(str(part) for part in (*names, cpu, size) if part)
