"""The figures of a run by name, and what it has one value of: total rates, goodput, memory, energy.

The terminal's summary and the report's page both take single values from here, so that they cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tiltyard.records import Json
from tiltyard.reports.words import clean, count, milliseconds, number, percent, size

# summary key -> (name, unit)
FIGURES: Mapping[str, tuple[str, str]] = {
    "decode_tps": ("Decode speed", "tok/s"),
    "prefill_tps": ("Prefill speed", "tok/s"),
    "prefill_warm_tps": ("Prefill speed, cached prompt", "tok/s"),
    "ttft_ms": ("Time to first token", "ms"),
    "ttft_scheduled_ms": ("Time to first token since it was due", "ms"),
    "ttfo_ms": ("Time to first visible token", "ms"),
    "itl_ms": ("Time per token (ITL), one per request", "ms"),
    "chunk_gap_ms": ("Gap between chunks", "ms"),
    "e2e_ms": ("Whole request", "ms"),
    "queue_ms": ("Wait in the client", "ms"),
}
ALONE = "one value: no interval"
NET, GROSS = "net of the idle baseline", "idle power included"


class Single(NamedTuple):
    name: str
    value: str
    unit: str
    note: str  # why there is no interval, or what the value is of


def single_values(summary: Mapping[str, Json]) -> list[Single]:
    """Those that are known."""
    found = []
    for name, words, note in _known(summary):
        value, _, unit = words.partition(" ")
        found.append(Single(name, value, unit, note))
    return found


def _known(summary: Mapping[str, Json]) -> Iterator[tuple[str, str, str]]:
    """Name, value with unit, note."""
    load, machine = summary.get("load") or {}, summary.get("machine") or {}
    if (rate := summary.get("output_tps")) is not None:
        yield "output, all streams", f"{number(rate)} tok/s", ALONE
    if (rate := summary.get("request_rate")) is not None:
        yield "requests answered", f"{number(rate)} req/s", ALONE
    if (good := summary.get("goodput")) and good.get("total"):
        yield "goodput", f"{number(good['requests_per_s'])} req/s", within_limits(good)
    if load.get("load_ms") is not None:
        yield "cold load", milliseconds(load["load_ms"]), f"one load, by the {load.get('source', 'client')}"
    for name, device in (machine.get("devices") or {}).items():
        peak = (device.get("memory_bytes") or {}).get("max")
        if peak is not None and (device.get("kind") == "gpu" or name == "ram"):
            whose = clean(str(device.get("name") or name), 40) + ", by everything that runs"
            yield "memory in use, peak", size(peak), whose
    if (energy := machine.get("tokens_per_joule")) is not None:
        yield "energy", f"{number(energy)} tok/J", NET if is_net(machine) else GROSS


def is_net(machine: Mapping[str, Json]) -> bool:
    """Are tokens per joule of what a run took beyond idling?"""
    return (machine.get("energy_net_j") or 0) > 0


def within_limits(good: Mapping[str, Json]) -> str:
    """How many requests kept the limits, and how sure the share of them is."""
    judged = good.get("judged", good["total"])
    kept = f"{count(good['good'])} of {count(judged)} requests within {good['slo']}"
    if others := good["total"] - judged:
        kept += f"; {count(others)} not judged: no {' or '.join(good['unjudged'])} measured"
    if ci95 := good.get("share_ci95"):
        return f"{kept}; 95 %: {percent(ci95[0])} to {percent(ci95[1])} of them"
    return f"{kept}; no interval: {good['share_why']}" if good.get("share_why") else kept


def came_by_schedule(summary: Mapping[str, Json]) -> bool:
    """Did requests start by the clock? Then a wait counts from when a request was due, too."""
    stages = [stage for stage in summary.get("stages") or () if isinstance(stage, Mapping)]
    named = [stage for stage in stages if stage.get("name") == summary.get("figures_from")]
    return any((stage.get("load") or {}).get("kind", "closed") != "closed" for stage in named or stages)
