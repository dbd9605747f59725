"""The curves over a run's stages: speed by depth, throughput by streams, answers by rate.

Reads the `stages` of a speed summary (a stage says its load, its name says its depth, and it holds its
figures) and a profile's own `curve`, which knows more where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from tiltyard.records import Json
from tiltyard.reports import charts
from tiltyard.reports.charts import Chart, Curve
from tiltyard.reports.svg import Point
from tiltyard.stats.trends import LoadPoint, knee

Swept = Callable[[Mapping[str, Json]], float | None]


def load_charts(summary: Mapping[str, Json]) -> list[Chart | None]:
    """Every curve that the stages allow."""
    stages = [s for s in summary.get("stages") or [] if isinstance(s, Mapping)]
    curve = [c for c in summary.get("curve") or [] if isinstance(c, Mapping)]
    found: list[Chart | None] = []
    for key, kind, name in (("prefill_tps", "pp", "Prefill speed"), ("decode_tps", "tg", "Decode speed")):
        named = [s for s in stages if str(s.get("name")).startswith(kind)] or stages
        over = points(curve, _named("depth"), key) or points(named, depth, key)
        if len({p.x for p in over}) > 1:
            title, axis = f"{name} by depth", "tokens of context (square-root scale)"
            found.append(charts.curve([Curve(name, over)], title, axis, "tok/s"))
    streams = points(curve, _named("streams"), "output_tps") or points(stages, concurrency, "output_tps")
    if len({p.x for p in streams}) > 1:
        known = [LoadPoint(load=p.x, rate=p.y, ci95=_bounds(p)) for p in streams]
        found.append(charts.throughput(streams, knee(known), "Throughput by parallel streams"))
        found.append(charts.trade_off(_waits(stages), "What throughput costs in waiting"))
    answered, good = points(stages, rate, "request_rate"), points(stages, rate, "goodput")
    answers = [Curve("answered", answered)] + ([Curve("within objectives", good)] if good else [])
    found.append(charts.rates(answers, "Rate asked, rate answered"))
    return found


def _named(key: str) -> Swept:
    """A field of a profile's own curve."""
    return lambda entry: _number(entry.get(key))


def depth(stage: Mapping[str, Json]) -> float | None:
    """Tokens of context before the measured part: `pp512 @ d4096` is at 4096."""
    named = re.search(r"@ d(\d+)", str(stage.get("name")))
    return float(named[1]) if named else None


def concurrency(stage: Mapping[str, Json]) -> float | None:
    """Streams of a closed loop."""
    load = stage.get("load") or {}
    return _number(load.get("concurrency")) if load.get("kind") == "closed" else None


def rate(stage: Mapping[str, Json]) -> float | None:
    """Requests per second that an open loop asked for."""
    load = stage.get("load") or {}
    return _number(load.get("rate")) if load.get("kind") in ("constant", "poisson") else None


def points(stages: Sequence[Mapping[str, Json]], over: Swept, key: str) -> list[Point]:
    """(swept value, value, interval) of the stages that have both, in order of the swept value."""
    out = []
    for stage in stages:
        x, value = over(stage), stage.get(key)
        if x is None:
            continue
        if isinstance(value, Mapping):
            y = next(
                (n for name in ("mean", "requests_per_s") if (n := _number(value.get(name))) is not None),
                None,
            )
            low, high = value.get("ci95") or (None, None)
            if y is not None:
                out.append(Point(x, y, low, high))
        elif (plain := _number(value)) is not None:
            out.append(Point(x, plain))
    return sorted(out)


def _waits(stages: Sequence[Mapping[str, Json]]) -> list[tuple[str, float, float]]:
    """(streams, throughput, TTFT p50) of every stage that has them."""
    out = []
    for stage in stages:
        streams, speed, ttft = concurrency(stage), _number(stage.get("output_tps")), stage.get("ttft_ms")
        wait = _number(ttft.get("p50")) if isinstance(ttft, Mapping) else None
        if streams is not None and speed is not None and wait is not None:
            out.append((streams, speed, wait))
    return [(f"{streams:g}", speed, wait) for streams, speed, wait in sorted(out)]


def _bounds(point: Point) -> tuple[float, float] | None:
    return None if point.low is None or point.high is None else (point.low, point.high)


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
