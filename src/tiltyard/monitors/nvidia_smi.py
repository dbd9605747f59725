"""NVIDIA GPUs through `nvidia-smi`: the way out where the driver's library cannot be loaded.

Each question starts a process, so it is asked at most once a second. Fields that a GPU does not have come as
`[N/A]`, `[Not Supported]` or `ERR!` and are None. There is no energy counter here: power is integrated later.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping

from tiltyard.monitors import Device, GpuProcess, Status
from tiltyard.monitors.nvml import system_memory
from tiltyard.records import Sample
from tiltyard.settings import child_environment

FIELDS = (
    "index,uuid,name,utilization.gpu,memory.used,memory.total,power.draw,temperature.gpu,clocks.sm,pstate"
)
APP_FIELDS = "gpu_uuid,pid,process_name,used_memory"
FORMAT = "--format=csv,noheader,nounits"
TIMEOUT_S = 5.0
MIB = 1 << 20


class NvidiaSmi:
    min_period_s = 1.0

    def __init__(self, executable: str = "nvidia-smi") -> None:
        self._executable = executable
        self._names: dict[str, str] = {}  # uuid -> device
        self._unified: set[str] = set()

    def probe(self, first_gpu: int = 0) -> list[Device]:
        rows = self._ask(f"--query-gpu={FIELDS}")
        versions = self._ask("--query-gpu=driver_version") if rows else []
        driver = field(versions[0][0]) if versions and versions[0] else None
        found = []
        for number, row in enumerate(rows):
            if len(row) < 10:
                continue
            device = f"gpu{first_gpu + number}"
            self._names[row[1]] = device
            total = mebibytes(row[5])
            if total is None:
                self._unified.add(device)
            found.append(
                Device(
                    device=device,
                    kind="gpu",
                    name=field(row[2]) or "NVIDIA GPU",
                    vendor="nvidia",
                    driver=driver,
                    uuid=field(row[1]),
                    memory_total_bytes=system_memory() if total is None else total,
                    unified_memory=total is None,
                )
            )
        return found

    def sample(self) -> list[Sample]:
        now = time.perf_counter_ns()
        rows = [row for row in self._ask(f"--query-gpu={FIELDS}") if len(row) >= 10 and row[1] in self._names]
        held = self._held() if self._unified else {}
        found = []
        for row in rows:
            device = self._names[row[1]]
            unified = device in self._unified
            found.append(
                Sample(
                    t_ns=now,
                    device=device,
                    utilisation=number_of(row[3]),
                    memory_bytes=held.get(device) if unified else mebibytes(row[4]),
                    memory_total_bytes=system_memory() if unified else mebibytes(row[5]),
                    power_w=number_of(row[6]),
                    temperature_c=number_of(row[7]),
                    clock_mhz=number_of(row[8]),
                )
            )
        return found

    def status(self) -> Mapping[str, Status]:
        return {device: Status(processes=tuple(apps)) for device, apps in self._apps().items()}

    def close(self) -> None:
        self._names = {}

    def _held(self) -> dict[str, int]:
        """Bytes that compute processes hold, for the devices where at least one tells."""
        sums: dict[str, int] = {}
        for device, apps in self._apps().items():
            known = [app.memory_bytes for app in apps if app.memory_bytes is not None]
            if known:
                sums[device] = sum(known)
        return sums

    def _apps(self) -> dict[str, list[GpuProcess]]:
        apps: dict[str, list[GpuProcess]] = {device: [] for device in self._names.values()}
        for row in self._ask(f"--query-compute-apps={APP_FIELDS}"):
            pid = number_of(row[1]) if len(row) >= 4 else None
            if pid is None or row[0] not in self._names:
                continue
            name = ",".join(row[2:-1])  # a path may hold commas
            name = name.replace("\\", "/").rpartition("/")[2]
            apps[self._names[row[0]]].append(
                GpuProcess(pid=int(pid), name=field(name), memory_bytes=mebibytes(row[-1]))
            )
        return apps

    def _ask(self, question: str) -> list[list[str]]:
        """Rows of fields; none where the tool is missing, fails or hangs."""
        try:
            done = subprocess.run(
                [self._executable, question, FORMAT],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT_S,
                check=False,
                env=child_environment(),
            )
        except (OSError, subprocess.TimeoutExpired):
            return []
        if done.returncode != 0:
            return []
        return [
            [part.strip() for part in line.split(",")] for line in done.stdout.splitlines() if line.strip()
        ]


def field(text: str) -> str | None:
    """The text, or None for the tool's ways of saying that there is nothing."""
    text = text.strip()
    return None if not text or text.startswith("[") or text in {"N/A", "ERR!", "Unknown Error"} else text


def number_of(text: str) -> float | None:
    known = field(text)
    try:
        return None if known is None else float(known)
    except ValueError:
        return None


def mebibytes(text: str) -> int | None:
    value = number_of(text)
    return None if value is None else round(value * MIB)
