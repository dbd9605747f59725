"""AMD and Intel GPUs through Linux's /sys, without root and without the vendors' libraries.

AMD tells everything but its processes. Intel is best effort: an energy counter and a temperature where the
driver has them, and no utilisation (that needs performance counters, hence more rights).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

from tiltyard.monitors import Device, Status
from tiltyard.records import Sample

AMD, INTEL = "0x1002", "0x8086"


def text_of(path: Path) -> str | None:
    """A file of /sys, or None where it is missing, unreadable or answers with an error."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None


def number_of(path: Path, scale: float = 1.0) -> float | None:
    text = text_of(path)
    try:
        return None if text is None else float(text) * scale
    except ValueError:
        return None


def bytes_of(path: Path) -> int | None:
    value = number_of(path)
    return None if value is None else int(value)


def first_of(paths: list[Path], scale: float) -> float | None:
    return next((value for path in paths if (value := number_of(path, scale)) is not None), None)


def cards(root: Path, vendor: str) -> list[Path]:
    """The cards of one vendor; connectors such as `card0-DP-1` are not cards."""
    folder = root / "sys/class/drm"
    found = [p for p in folder.glob("card*") if re.fullmatch(r"card\d+", p.name)]
    found.sort(key=lambda p: int(p.name[4:]))
    return [p for p in found if text_of(p / "device/vendor") == vendor]


class AmdGpus:
    min_period_s = 0.1

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._cards: dict[str, Path] = {}
        self._shared: set[str] = set()  # APUs: their memory is the system's (GTT), not a card's own

    def probe(self, first_gpu: int = 0) -> list[Device]:
        found = []
        for number, card in enumerate(cards(self._root, AMD)):
            device, path = f"gpu{first_gpu + number}", card / "device"
            self._cards[device] = path
            vram, gtt = bytes_of(path / "mem_info_vram_total"), bytes_of(path / "mem_info_gtt_total")
            # The system's share may outgrow a card's own memory, but only cards tell that memory's clock.
            own = any(path.glob("hwmon/hwmon*/freq2_input"))
            unified = not own and gtt is not None and (vram or 0) < gtt / 2
            if unified:
                self._shared.add(device)
            found.append(
                Device(
                    device=device,
                    kind="gpu",
                    name=text_of(path / "product_name")
                    or f"AMD GPU {text_of(path / 'device') or ''}".strip(),
                    vendor="amd",
                    driver=text_of(self._root / "sys/module/amdgpu/version"),
                    memory_total_bytes=(vram or 0) + (gtt or 0) if unified else vram,
                    unified_memory=unified,
                )
            )
        return found

    def sample(self) -> list[Sample]:
        return [self._sample(device, path) for device, path in self._cards.items()]

    def _sample(self, device: str, path: Path) -> Sample:
        sensors = sorted(path.glob("hwmon/hwmon*"))
        places = ["mem_info_vram", "mem_info_gtt"] if device in self._shared else ["mem_info_vram"]
        used = [b for place in places if (b := bytes_of(path / f"{place}_used")) is not None]
        total = [b for place in places if (b := bytes_of(path / f"{place}_total")) is not None]
        power = [s / name for s in sensors for name in ("power1_average", "power1_input")]
        return Sample(
            t_ns=time.perf_counter_ns(),
            device=device,
            utilisation=number_of(path / "gpu_busy_percent"),
            memory_bytes=sum(used) if used else None,
            memory_total_bytes=sum(total) if total else None,
            power_w=first_of(power, 1e-6),
            energy_j=first_of([s / "energy1_input" for s in sensors], 1e-6),
            temperature_c=first_of([s / "temp1_input" for s in sensors], 1e-3),
            clock_mhz=first_of([s / "freq1_input" for s in sensors], 1e-6),
        )

    def status(self) -> Mapping[str, Status]:
        return {}

    def close(self) -> None:
        self._cards = {}


class IntelGpus:
    min_period_s = 0.1

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._cards: dict[str, Path] = {}

    def probe(self, first_gpu: int = 0) -> list[Device]:
        found = []
        for number, card in enumerate(cards(self._root, INTEL)):
            device = f"gpu{first_gpu + number}"
            self._cards[device] = card
            found.append(
                Device(
                    device=device,
                    kind="gpu",
                    name=f"Intel GPU {text_of(card / 'device/device') or ''}".strip(),
                    vendor="intel",
                    notes=("utilisation and memory cannot be read without more rights",),
                )
            )
        return found

    def sample(self) -> list[Sample]:
        found = []
        for device, card in self._cards.items():
            sensors = sorted((card / "device").glob("hwmon/hwmon*"))
            found.append(
                Sample(
                    t_ns=time.perf_counter_ns(),
                    device=device,
                    power_w=first_of([s / "power1_input" for s in sensors], 1e-6),
                    energy_j=first_of([s / "energy1_input" for s in sensors], 1e-6),
                    temperature_c=first_of([s / "temp1_input" for s in sensors], 1e-3),
                    clock_mhz=number_of(card / "gt_act_freq_mhz"),
                )
            )
        return found

    def status(self) -> Mapping[str, Status]:
        return {}

    def close(self) -> None:
        self._cards = {}
