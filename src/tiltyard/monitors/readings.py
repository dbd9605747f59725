"""Figures of what was read: means and peaks, energy, tokens per joule, and remarks in words.

Energy comes from a counter where there is one, else from integrated power. What could not be read is None.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from tiltyard.monitors import Device, GpuProcess, Status
from tiltyard.records import Json, Record, Sample

LOW_UTILISATION = 80.0  # percent
GOOD_BASELINE_S = 5.0

LOW_REMARK = (
    "{device} was busy {mean:.0f} % of the time on average. That is often normal with a single stream: each "
    "token waits for memory, and the GPU rests while the server samples and sends it. More streams at once "
    "fill it; if it stays low then, look for layers on the CPU or for a processor at its limit."
)


class Energy(Record, frozen=True):
    """Joules in a window, and where they come from."""

    joules: float | None
    source: str | None  # "counter" or "power" (integrated)
    span_s: float = 0.0  # from the first reading of it to the last
    stuck: bool = False  # the counter did not move although time passed


class Readings(Record, frozen=True):
    """Everything a watch saw, from its start to its stop."""

    samples: Sequence[Sample] = ()
    devices: Sequence[Device] = ()
    started_ns: int = 0
    ended_ns: int = 0
    period_s: float = 0.5
    before: Mapping[str, Status] = {}
    after: Mapping[str, Status] = {}
    idle_w: Mapping[str, float] = {}
    baseline_s: float = 0.0
    overhead_cpu_s: float = 0.0
    own_pids: frozenset[int] | None = None  # the server's processes and ours; None: not known
    failed: int = 0  # readings that could not be taken
    failure: str = ""  # why the last one could not
    refused: str | None = None  # why nothing was read

    @property
    def duration_s(self) -> float:
        return (self.ended_ns - self.started_ns) / 1e9

    def of(self, device: str) -> list[Sample]:
        return [sample for sample in self.samples if sample.device == device]

    def summary(self, tokens: int | None = None) -> dict[str, Json]:
        """The `machine` part of a run's summary; `tokens`: all that were put out meanwhile."""
        if self.refused:
            return {"telemetry": self.refused}
        devices = {d.device: self._device(d) for d in self.devices}
        known = {name: part for name, part in devices.items() if part.get("energy_j") is not None}
        measured = {name: part for name, part in known.items() if part.get("within") not in known}
        total = sum(part["energy_j"] for part in measured.values()) if measured else None
        nets = [net for part in measured.values() if (net := part.get("energy_net_j")) is not None]
        net = sum(nets) if nets and len(nets) == len(measured) else None
        best = net if net is not None and net > 0 else total
        return {
            "telemetry": "ok",
            "duration_s": round(self.duration_s, 3),
            "samples": len(self.samples),
            "period_s": self.period_s,
            "overhead_cpu_s": round(self.overhead_cpu_s, 4),
            "devices": devices,
            "energy_of": sorted(measured) or None,
            "energy_j": rounded(total),
            "energy_net_j": rounded(net),
            "baseline_s": round(self.baseline_s, 1) or None,
            "tokens_per_joule": rounded(tokens / best, 4) if tokens and best else None,
            "joules_per_token": rounded(best / tokens, 4) if tokens and best else None,
            "foreign_gpu_processes": self._foreign(),
            "remarks": list(self._remarks(devices)),
        }

    def _device(self, device: Device) -> dict[str, Json]:
        samples = self.of(device.device)
        energy = energy_of(samples)
        idle = self.idle_w.get(device.device)
        net = None if energy.joules is None or idle is None else energy.joules - idle * energy.span_s
        part: dict[str, Json] = {
            "name": device.name,
            "kind": device.kind,
            "within": device.within,
            "utilisation_pct": spread([s.utilisation for s in samples]),
            "memory_bytes": spread([s.memory_bytes for s in samples], 0),
            "memory_total_bytes": device.memory_total_bytes,
            "power_w": power_of(samples, energy),
            "energy_j": rounded(energy.joules),
            "energy_source": energy.source,
            "energy_net_j": rounded(net),
            "idle_w": rounded(idle),
            "temperature_c": ends([s.temperature_c for s in samples]),
            "clock_mhz": spread([s.clock_mhz for s in samples], 0),
        }
        if device.kind == "gpu":
            part["unified_memory"] = device.unified_memory
            part["throttle"] = {
                "start": throttle(self.before.get(device.device)),
                "end": throttle(self.after.get(device.device)),
            }
        return {key: value for key, value in part.items() if value is not None or key == "energy_j"}

    def _foreign(self) -> list[Json] | None:
        """GPU processes that are neither the server's nor ours; None where nobody can tell."""
        known = [
            s.processes for s in (*self.before.values(), *self.after.values()) if s.processes is not None
        ]
        if not known or self.own_pids is None:
            return None
        strangers: dict[int, GpuProcess] = {
            p.pid: p for found in known for p in found if p.pid not in self.own_pids
        }
        return [{"pid": p.pid, "name": p.name, "memory_bytes": p.memory_bytes} for p in strangers.values()]

    def _remarks(self, devices: Mapping[str, Mapping[str, Json]]) -> Iterable[str]:
        for name, part in devices.items():
            busy = part.get("utilisation_pct")
            if part["kind"] == "gpu" and busy and busy["mean"] < LOW_UTILISATION:
                yield LOW_REMARK.format(device=name, mean=busy["mean"])
            if part["kind"] == "gpu" and part["throttle"]["end"]:
                yield f"{name} was held back at the end: {', '.join(part['throttle']['end'])}."
            if energy_of(self.of(name)).stuck:
                yield (
                    f"{name}'s energy counter did not move in {self.duration_s:.2f} s, a window shorter than "
                    "its update; energy is left to integrated power. Measure longer for a better figure."
                )
        if self.failed:
            yield f"{self.failed} readings of this machine failed: {self.failure}."
        if self.idle_w and self.baseline_s < GOOD_BASELINE_S:
            yield f"The idle baseline took {self.baseline_s:.1f} s; 5 s or more make net energy trustworthy."
        for stranger in self._foreign() or ():
            yield f"Process {stranger['pid']} ({stranger['name'] or 'unknown'}) also computes on the GPU."


def energy_of(samples: Sequence[Sample]) -> Energy:
    """Counter: last reading less the first. Else the trapezoid rule over power, needing two readings."""
    told = [(s.t_ns, s.power_w) for s in samples if s.power_w is not None]
    counted = [s for s in samples if s.energy_j is not None]
    stuck = False
    if len(counted) >= 2:
        first, last = counted[0], counted[-1]
        moved, span_s = (last.energy_j or 0.0) - (first.energy_j or 0.0), (last.t_ns - first.t_ns) / 1e9
        if moved > 0 or (moved == 0 and not span_s):
            return Energy(joules=moved, source="counter", span_s=span_s)
        stuck = True  # zero in a real span of time was not updated yet; less was reset
    integrated = integrate(told)
    if integrated is None:
        return Energy(joules=None, source=None, stuck=stuck)
    return Energy(joules=integrated, source="power", span_s=(told[-1][0] - told[0][0]) / 1e9, stuck=stuck)


def integrate(points: Sequence[tuple[int, float]]) -> float | None:
    """Joules under a curve of (ns, watts)."""
    if len(points) < 2:
        return None
    return sum((a_w + b_w) / 2 * (b_ns - a_ns) / 1e9 for (a_ns, a_w), (b_ns, b_w) in pairwise(points))


def power_of(samples: Sequence[Sample], energy: Energy) -> Json:
    """Mean and peak watts; the mean from the counter where power itself is not told."""
    told = spread([s.power_w for s in samples])
    if told is None and energy.joules is not None and energy.span_s > 0:
        return {"mean": rounded(energy.joules / energy.span_s), "max": None}
    return told


def spread(values: Sequence[float | None], digits: int = 2) -> dict[str, float] | None:
    known = [v for v in values if v is not None]
    if not known:
        return None
    mean, peak = round(sum(known) / len(known), digits), round(max(known), digits)
    return {"mean": int(mean), "max": int(peak)} if digits == 0 else {"mean": mean, "max": peak}


def ends(values: Sequence[float | None]) -> dict[str, float] | None:
    known = [v for v in values if v is not None]
    return {"start": known[0], "end": known[-1], "max": max(known)} if known else None


def throttle(status: Status | None) -> list[str] | None:
    return None if status is None or status.throttle is None else list(status.throttle)


def rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)
