"""The processor and the memory of any machine, and the processor's energy counter (RAPL) where readable.

On current Linux kernels that counter is root's alone; nothing is reported then. A package's cores are left
out, since the package holds them already; so are memory (DRAM) and `psys`, which few machines tell.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

from tiltyard.monitors import Device, Status
from tiltyard.monitors.sysfs import number_of, text_of
from tiltyard.records import Sample

LEAST_WINDOW_NS = 50_000_000  # processor shares over less are noise


class Host:
    min_period_s = 0.1

    def __init__(self) -> None:
        self._last_ns = 0
        self._busy: float | None = None

    def probe(self, first_gpu: int = 0) -> list[Device]:
        import psutil

        psutil.cpu_percent()  # the first answer has no window behind it
        self._last_ns = time.perf_counter_ns()
        cores = psutil.cpu_count() or 1
        return [
            Device(device="cpu", kind="cpu", name=f"{cores} logical processors"),
            Device(
                device="ram", kind="ram", name="RAM", memory_total_bytes=int(psutil.virtual_memory().total)
            ),
        ]

    def sample(self) -> list[Sample]:
        import psutil

        now = time.perf_counter_ns()
        if now - self._last_ns >= LEAST_WINDOW_NS:
            self._busy, self._last_ns = float(psutil.cpu_percent()), now
        memory = psutil.virtual_memory()
        return [
            Sample(t_ns=now, device="cpu", utilisation=self._busy),
            Sample(
                t_ns=now,
                device="ram",
                utilisation=float(memory.percent),
                memory_bytes=int(memory.total - memory.available),
                memory_total_bytes=int(memory.total),
            ),
        ]

    def status(self) -> Mapping[str, Status]:
        return {}

    def close(self) -> None:
        pass


class Rapl:
    """Joules of each processor package. The counter wraps; what is reported does not."""

    min_period_s = 0.1

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._zones: dict[str, Path] = {}
        self._last: dict[str, float] = {}
        self._sum: dict[str, float] = {}

    def probe(self, first_gpu: int = 0) -> list[Device]:
        found = []
        for zone in sorted((self._root / "sys/class/powercap").glob("intel-rapl:*")):
            name = text_of(zone / "name") or ""
            counter = number_of(zone / "energy_uj")
            if not re.fullmatch(r"package-\d+", name) or counter is None:
                continue
            device = name.replace("-", "")
            self._zones[device], self._last[device], self._sum[device] = zone, counter, 0.0
            found.append(Device(device=device, kind="package", name=f"processor {name}"))
        return found

    def sample(self) -> list[Sample]:
        found = []
        for device, zone in self._zones.items():
            counter = number_of(zone / "energy_uj")
            if counter is None:
                continue
            step = counter - self._last[device]
            if step < 0:
                step += number_of(zone / "max_energy_range_uj") or 0.0
            self._last[device] = counter
            self._sum[device] += max(step, 0.0)
            found.append(Sample(t_ns=time.perf_counter_ns(), device=device, energy_j=self._sum[device] / 1e6))
        return found

    def status(self) -> Mapping[str, Status]:
        return {}

    def close(self) -> None:
        self._zones = {}
