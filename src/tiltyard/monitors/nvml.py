"""NVIDIA GPUs through the driver's own library (NVML), on Linux and Windows.

Energy comes from the driver's counter (Volta and later). `power_w` is the driver's figure: an average over
one second on most chips from Ampere on. On chips that share their memory with the CPU (GB10) NVML has no
memory figure: the system's memory is the total, and what compute processes hold is the use.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from tiltyard.monitors import Device, GpuProcess, Status
from tiltyard.records import Sample

# Bits of nvmlDeviceGetCurrentClocksEventReasons; idle (0x1) and the user's clocks (0x2) hold nothing back.
THROTTLE: Mapping[int, str] = {
    0x4: "power cap (software)",
    0x8: "slowdown (hardware)",
    0x10: "sync boost",
    0x20: "thermal (software)",
    0x40: "thermal (hardware)",
    0x80: "power brake (hardware)",
    0x100: "display clocks",
}


class Nvml:
    min_period_s = 0.1

    def __init__(self) -> None:
        self._lib: Any = None
        self._handles: dict[str, Any] = {}
        self._unified: set[str] = set()

    def probe(self, first_gpu: int = 0) -> list[Device]:
        import pynvml

        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:  # no driver, or one that does not answer
            return []
        self._lib = pynvml
        driver = self._ask(pynvml.nvmlSystemGetDriverVersion)
        found = []
        for index in range(self._ask(pynvml.nvmlDeviceGetCount) or 0):
            handle = self._ask(pynvml.nvmlDeviceGetHandleByIndex, index)
            if handle is None:
                continue
            device = f"gpu{first_gpu + index}"
            self._handles[device] = handle
            memory = self._ask(pynvml.nvmlDeviceGetMemoryInfo, handle)
            if memory is None:
                self._unified.add(device)
            found.append(
                Device(
                    device=device,
                    kind="gpu",
                    name=self._ask(pynvml.nvmlDeviceGetName, handle) or "NVIDIA GPU",
                    vendor="nvidia",
                    driver=driver,
                    uuid=self._ask(pynvml.nvmlDeviceGetUUID, handle),
                    memory_total_bytes=system_memory() if memory is None else int(memory.total),
                    unified_memory=memory is None,
                )
            )
        return found

    def sample(self) -> list[Sample]:
        return [self._sample(device, handle) for device, handle in self._handles.items()]

    def status(self) -> Mapping[str, Status]:
        return {
            device: Status(throttle=self._throttle(handle), processes=self._processes(handle))
            for device, handle in self._handles.items()
        }

    def close(self) -> None:
        if self._lib is not None:
            self._ask(self._lib.nvmlShutdown)
            self._lib, self._handles = None, {}

    def _ask(self, call: Callable[..., Any], *args: Any) -> Any:
        """The library's answer, or None where this GPU, driver or MIG parent has none."""
        import pynvml

        try:
            return call(*args)
        except pynvml.NVMLError:
            return None

    def _sample(self, device: str, handle: Any) -> Sample:
        lib = self._lib
        utilisation = self._ask(lib.nvmlDeviceGetUtilizationRates, handle)
        power = self._ask(lib.nvmlDeviceGetPowerUsage, handle)
        energy = self._ask(lib.nvmlDeviceGetTotalEnergyConsumption, handle)
        used, total = self._memory(device, handle)
        return Sample(
            t_ns=time.perf_counter_ns(),
            device=device,
            utilisation=None if utilisation is None else float(utilisation.gpu),
            memory_bytes=used,
            memory_total_bytes=total,
            power_w=None if power is None else power / 1000,
            energy_j=None if energy is None else energy / 1000,
            temperature_c=self._ask(lib.nvmlDeviceGetTemperature, handle, lib.NVML_TEMPERATURE_GPU),
            clock_mhz=self._ask(lib.nvmlDeviceGetClockInfo, handle, lib.NVML_CLOCK_SM),
        )

    def _memory(self, device: str, handle: Any) -> tuple[int | None, int | None]:
        if device not in self._unified:
            memory = self._ask(self._lib.nvmlDeviceGetMemoryInfo, handle)
            return (None, None) if memory is None else (int(memory.used), int(memory.total))
        held = [p.memory_bytes for p in self._processes(handle) or () if p.memory_bytes is not None]
        return (sum(held) if held else None), system_memory()

    def _throttle(self, handle: Any) -> tuple[str, ...] | None:
        call = getattr(self._lib, "nvmlDeviceGetCurrentClocksEventReasons", None)
        mask = None if call is None else self._ask(call, handle)
        if mask is None:
            mask = self._ask(self._lib.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
        return None if mask is None else tuple(word for bit, word in THROTTLE.items() if mask & bit)

    def _processes(self, handle: Any) -> tuple[GpuProcess, ...] | None:
        found = self._ask(self._lib.nvmlDeviceGetComputeRunningProcesses, handle)
        if found is None:
            return None
        return tuple(
            GpuProcess(pid=p.pid, name=process_name(p.pid), memory_bytes=p.usedGpuMemory) for p in found
        )


def system_memory() -> int | None:
    import psutil

    return int(psutil.virtual_memory().total)


def process_name(pid: int) -> str | None:
    """Its short name, never its arguments; None where it is gone or not ours to see."""
    import psutil

    try:
        return str(psutil.Process(pid).name())
    except (psutil.Error, OSError):
        return None
