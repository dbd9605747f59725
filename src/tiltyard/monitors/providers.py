"""Which sources of readings this machine has. Decided by what is there, not by trying everything.

Loading NVML costs time and memory, so it is tried only where a driver has left its traces.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from msgspec.structs import replace

from tiltyard.monitors import Device, Provider

NVIDIA_TRACES = ("dev/nvidiactl", "proc/driver/nvidia", "dev/dxg", "dev/nvhost-gpu", "dev/nvgpu")
HUNG_S = 4.0  # nothing seen after so long: a driver that hangs, not one without a GPU

_unanswered: set[tuple[type[Provider], Path]] = set()  # sources that hang, or are being asked


def find_providers(root: Path = Path("/")) -> list[tuple[Provider, list[Device]]]:
    """Each source that sees something, probed, with what it sees. Close them when done."""
    from tiltyard.monitors.host import Host, Rapl
    from tiltyard.monitors.nvidia_smi import NvidiaSmi

    found: list[tuple[Provider, list[Device]]] = []
    gpus = 0
    for provider in gpu_sources(root):
        if isinstance(provider, NvidiaSmi) and gpus:
            continue  # the library has answered already
        devices = seen_by(provider, root, gpus)
        if devices:
            found.append((provider, devices))
            gpus += sum(device.kind == "gpu" for device in devices)
    for provider in (Host(), Rapl(root)):
        if devices := provider.probe():
            found.append((provider, devices))
    return placed(found)


def seen_by(provider: Provider, root: Path, first_gpu: int) -> list[Device]:
    """What a source of GPUs sees; nothing, at once, where it hung before or hangs still in another thread."""
    source = (type(provider), root)
    if source in _unanswered:
        return []
    _unanswered.add(source)
    asked = time.perf_counter()
    devices = provider.probe(first_gpu)
    if devices or time.perf_counter() - asked < HUNG_S:
        _unanswered.discard(source)
    return devices


def placed(found: list[tuple[Provider, list[Device]]]) -> list[tuple[Provider, list[Device]]]:
    """The same, with the processors marked whose power a GPU's figure holds.

    AMD's kernel driver tells the power of the whole chip where GPU and processor are one. NVIDIA's chips of
    that kind have no counter of the processor that could be added to the driver's figure.
    """
    every = [device for _, devices in found for device in devices]
    chips = [d.device for d in every if d.kind == "gpu" and d.vendor == "amd" and d.unified_memory]
    packages = [d.device for d in every if d.kind == "package"]
    within = dict(zip(packages, chips, strict=False))
    return [
        (provider, [replace(d, within=within.get(d.device, d.within)) for d in devices])
        for provider, devices in found
    ]


def gpu_sources(root: Path) -> list[Provider]:
    """NVIDIA first, and its command only as the way out."""
    sources: list[Provider] = []
    if sys.platform == "win32" or any((root / trace).exists() for trace in NVIDIA_TRACES):
        from tiltyard.monitors.nvml import Nvml

        sources.append(Nvml())
        if executable := shutil.which("nvidia-smi"):
            from tiltyard.monitors.nvidia_smi import NvidiaSmi

            sources.append(NvidiaSmi(executable))
    if sys.platform == "linux":
        from tiltyard.monitors.sysfs import AmdGpus, IntelGpus

        sources += [AmdGpus(root), IntelGpus(root)]
    if sys.platform == "darwin" and shutil.which("macmon"):
        from tiltyard.monitors.apple import Macmon

        sources.append(Macmon())
    return sources
