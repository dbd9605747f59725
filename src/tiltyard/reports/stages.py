"""The curves over a run's stages: speed by depth, throughput by streams, answers by rate.

Reads the `stages` of a speed summary; a stage says its depth, concurrency or rate, and holds its figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tiltyard.records import Json
from tiltyard.reports import charts
from tiltyard.reports.charts import Chart, Curve
from tiltyard.reports.svg import Point
from tiltyard.stats.trends import LoadPoint, knee


def load_charts(summary: Mapping[str, Json]) -> list[Chart | None]:
    """Every curve that the stages allow."""
    stages = [s for s in summary.get("stages") or [] if isinstance(s, Mapping)]
    found: list[Chart | None] = []
    if len({s["depth"] for s in stages if _number(s.get("depth")) is not None}) > 1:
        for key, name in (("prefill_tps", "Prefill speed by depth"), ("decode_tps", "Decode speed by depth")):
            curves = [Curve(name, points(stages, "depth", key))]
            found.append(charts.curve(curves, name, "tokens of context (square-root scale)", "tok/s"))
    streams = points(stages, "concurrency", "output_tps")
    if len({p.x for p in streams}) > 1:
        known = [LoadPoint(load=p.x, rate=p.y, ci95=_bounds(p)) for p in streams]
        found.append(charts.throughput(streams, knee(known), "Throughput by parallel streams"))
        found.append(charts.trade_off(_waits(stages, "concurrency", "×"), "What throughput costs in waiting"))
    answered, good = points(stages, "rate", "request_rate"), points(stages, "rate", "goodput")
    curves = [Curve("answered", answered)] + ([Curve("within objectives", good)] if good else [])
    found.append(charts.rates(curves, "Rate asked, rate answered"))
    return found


def points(stages: Sequence[Mapping[str, Json]], over: str, key: str) -> list[Point]:
    """(swept value, mean, interval) of the stages that have both, in order of the swept value."""
    out = []
    for stage in stages:
        x, value = _number(stage.get(over)), stage.get(key)
        if x is None:
            continue
        if isinstance(value, Mapping) and _number(value.get("mean")) is not None:
            low, high = value.get("ci95") or (None, None)
            out.append(Point(x, float(value["mean"]), low, high))
        elif _number(value) is not None:
            low, high = stage.get(f"{key}_ci95") or (None, None)
            out.append(Point(x, float(value), low, high))
    return sorted(out)


def _waits(stages: Sequence[Mapping[str, Json]], over: str, mark: str) -> list[tuple[str, float, float]]:
    rate = {p.x: p.y for p in points(stages, over, "output_tps")}
    waits = {
        s[over]: s["ttft_ms"]["p50"]
        for s in stages
        if isinstance(s.get("ttft_ms"), Mapping) and s["ttft_ms"].get("p50") is not None and over in s
    }
    return [(f"{x:g}{mark}", rate[x], waits[x]) for x in rate if x in waits]


def _bounds(point: Point) -> tuple[float, float] | None:
    return None if point.low is None or point.high is None else (point.low, point.high)


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
