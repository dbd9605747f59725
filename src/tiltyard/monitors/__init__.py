"""What did the machine do? One small provider per source of readings; unknown is None, never 0.

A provider says once what it can see (`probe`) and is then asked for readings (`sample`). `watch.py` runs them
beside a measurement; `readings.py` makes figures of what they read. Nothing here changes a setting of the
machine, and nothing needs more rights than the user has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from tiltyard.records import Record, Sample


class Device(Record, frozen=True):
    """Something that can be read: a GPU, the CPU, the memory, a processor package."""

    device: str  # "gpu0", "cpu", "ram", "package0": the name that its samples carry
    kind: Literal["gpu", "cpu", "ram", "package"]
    name: str
    vendor: str | None = None
    driver: str | None = None
    uuid: str | None = None
    memory_total_bytes: int | None = None
    unified_memory: bool = False  # GPU and CPU share one memory
    within: str | None = None  # the device whose power holds this one's
    notes: tuple[str, ...] = ()


class GpuProcess(Record, frozen=True):
    """A process that computes on a GPU. `memory_bytes` is None where the driver does not tell."""

    pid: int
    name: str | None = None
    memory_bytes: int | None = None


class Status(Record, frozen=True):
    """What is asked at the start and the end only. None: this source cannot tell."""

    throttle: tuple[str, ...] | None = None  # why the clock is held down; () means it is not
    processes: tuple[GpuProcess, ...] | None = None


class Provider(Protocol):
    """One source of readings. No method raises for what a machine lacks."""

    min_period_s: float  # asking more often than this costs more than it tells

    def probe(self, first_gpu: int = 0) -> list[Device]:
        """What can be seen; an empty list where there is nothing. GPUs are numbered from `first_gpu`."""

    def sample(self) -> list[Sample]:
        """One reading of each device."""

    def status(self) -> Mapping[str, Status]:
        """Throttling and processes by device name; devices it cannot tell about are left out."""

    def close(self) -> None:
        """Let go of handles and child processes."""
