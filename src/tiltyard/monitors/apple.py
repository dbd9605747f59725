"""Apple silicon through `macmon pipe`, which needs no administrator; its field names changed over time.

macmon is a separate program (`brew install macmon`). One child process prints a line of JSON per interval; a
thread keeps the newest. Without it there is no GPU or power reading on a Mac: everything else needs sudo.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO

import msgspec

from tiltyard.monitors import Device, Status
from tiltyard.records import Json, Sample
from tiltyard.settings import child_environment

FIRST_LINE_S = 3.0


class Macmon:
    min_period_s = 0.5

    def __init__(self, command: Sequence[str] = ("macmon", "pipe", "-i", "500")) -> None:
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None
        self._latest: tuple[int, Json] | None = None
        self._arrived = threading.Event()
        self._gpu = "gpu0"

    def probe(self, first_gpu: int = 0) -> list[Device]:
        self._gpu = f"gpu{first_gpu}"
        try:
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=child_environment(),
            )
        except OSError:
            return []
        assert self._child.stdout is not None
        threading.Thread(target=self._read, args=(self._child.stdout,), daemon=True, name="macmon").start()
        if not self._arrived.wait(FIRST_LINE_S) or self._latest is None:
            self.close()
            return []
        total = number(self._latest[1], "memory.ram_total", "ram_total")
        return [
            Device(
                device=self._gpu,
                kind="gpu",
                name=str(dig(self._latest[1], "soc.chip_name") or "Apple GPU"),
                vendor="apple",
                memory_total_bytes=None if total is None else int(total),
                unified_memory=True,
                within="package0",
            ),
            Device(device="package0", kind="package", name="Apple SoC", vendor="apple"),
        ]

    def sample(self) -> list[Sample]:
        if self._latest is None:
            return []
        return samples_of(*self._latest, gpu=self._gpu)

    def status(self) -> Mapping[str, Status]:
        return {}

    def close(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(2)
        if child.poll() is None:
            child.kill()
            child.wait()
        if child.stdout is not None:
            child.stdout.close()

    def _read(self, lines: IO[bytes]) -> None:
        with contextlib.suppress(ValueError, OSError):  # closed under our hands by `close`
            for line in lines:
                with contextlib.suppress(msgspec.DecodeError):
                    value = msgspec.json.decode(line)
                    if isinstance(value, dict):
                        self._latest = (time.perf_counter_ns(), value)
                        self._arrived.set()
        self._arrived.set()


def samples_of(t_ns: int, line: Json, gpu: str = "gpu0") -> list[Sample]:
    """One line of macmon as samples. Usage is [MHz, share 0..1] in its older and newer forms."""
    usage = dig(line, "gpu_usage")
    ratio = number(line, "gpu_active_ratio", "gpu_scaled_ratio")
    clock = number(line, "gpu_freq", "gpu_freq_mhz")
    if isinstance(usage, list) and len(usage) == 2:
        clock, ratio = float(usage[0]), float(usage[1])
    used = number(line, "memory.ram_usage", "ram_usage")
    total = number(line, "memory.ram_total", "ram_total")
    return [
        Sample(
            t_ns=t_ns,
            device=gpu,
            utilisation=None if ratio is None else ratio * 100,
            memory_bytes=None if used is None else int(used),
            memory_total_bytes=None if total is None else int(total),
            power_w=number(line, "gpu_power"),
            temperature_c=number(line, "temp.gpu_temp_avg", "gpu_temp_avg", "gpu_temp"),
            clock_mhz=clock,
        ),
        Sample(
            t_ns=t_ns,
            device="package0",
            # Of the chip, else of the whole computer: each holds the GPU's.
            power_w=number(line, "all_power", "package_power", "sys_power"),
            temperature_c=number(line, "temp.cpu_temp_avg", "cpu_temp_avg", "cpu_temp"),
        ),
    ]


def dig(value: Json, path: str) -> Json:
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def number(line: Json, *paths: str) -> float | None:
    """The first of several spellings that holds a number."""
    for path in paths:
        value = dig(line, path)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None
