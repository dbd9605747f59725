"""What a profile found, as curves and in words: speed by depth, throughput by streams, answers by rate.

Reads the `findings` of a speed summary, and its `stages`, each of which says its load and holds its figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from tiltyard.records import Json
from tiltyard.reports import charts
from tiltyard.reports.charts import Chart, Curve
from tiltyard.reports.svg import Point
from tiltyard.reports.words import not_well, number, percent
from tiltyard.stats.trends import Drift, Knee, LoadPoint, knee

NEGLIGIBLE = 0.005  # a drift of less than half a percent over a run concerns nobody
Swept = Callable[[Mapping[str, Json]], float | None]


def load_charts(summary: Mapping[str, Json]) -> list[Chart | None]:
    """Every curve that the profile's findings and the stages allow."""
    stages = [s for s in summary.get("stages") or [] if isinstance(s, Mapping)]
    findings = findings_of(summary)
    found: list[Chart | None] = []
    depths = findings.get("depths") or []
    decode = [Curve("", points(depths, _named("depth"), "decode_tps"))]
    for curves, name in ((prefill_curves(depths), "Prefill speed"), (decode, "Decode speed")):
        title, axis = f"{name} by depth", "tokens of context (square-root scale)"
        found.append(charts.curve(curves, title, axis, "tok/s"))
    streams = points(findings.get("curve") or [], _named("streams"), "output_tps")
    streams = streams or points(stages, concurrency, "output_tps")
    if len({p.x for p in streams}) > 1:
        said = failures_by_streams(stages)
        found.append(
            charts.throughput(streams, _knee(summary, streams), "Throughput by parallel streams", said)
        )
        found.append(charts.trade_off(_waits(stages), "What throughput costs in waiting", said))
    answered, good = points(stages, rate, "request_rate"), points(stages, rate, "goodput")
    answers = [Curve("answered", answered)] + ([Curve("within objectives", good)] if good else [])
    found.append(charts.rates(answers, "Rate asked, rate answered"))
    return found


def prefill_curves(depths: Sequence[Mapping[str, Json]]) -> list[Curve]:
    """A curve for each way in which prefill was measured: between two ways there is no change."""
    ways: dict[tuple[Json, ...], list[Mapping[str, Json]]] = {}
    for row in depths:
        ways.setdefault(prefill_way(row), []).append(row)
    found = [Curve(how(rows), points(rows, _named("depth"), "prefill_tps")) for rows in ways.values()]
    return [curve for curve in found if curve.points]


def how(rows: Sequence[Mapping[str, Json]]) -> str:
    return ", ".join(dict.fromkeys(words for row in rows if (words := prefill_words(row))))


def prefill_way(row: Mapping[str, Json]) -> tuple[Json, ...]:
    """What two depths have to share before their prefill rates may be compared: whose times they are, and
    whether they are differences, in which all that is the same for every prompt cancels.
    """
    return row.get("prefill_source"), row.get("prefill_method") == "difference"


def prefill_words(row: Mapping[str, Json]) -> str:
    """How a depth's prefill rate was measured; empty where the run does not tell."""
    method, source = row.get("prefill_method"), row.get("prefill_source")
    if method in ("direct", "cached"):
        return {"server": "server's time", "client": "whole wait"}.get(source or "", "")
    return {"difference": "by difference", "mixed": "the cache answered now and then"}.get(method or "", "")


def findings_of(summary: Mapping[str, Json]) -> Mapping[str, Json]:
    """What the profile concluded; empty where it concludes nothing."""
    found = summary.get("findings")
    return found if isinstance(found, Mapping) else {}


def drift_of(summary: Mapping[str, Json], metric: str) -> Drift | None:
    """The drift that a soak found in a metric; None where it has no interval."""
    found = (findings_of(summary).get("drift") or {}).get(metric)
    return None if found is None or found.get("why") else msgspec.convert(found, Drift)


_DRIFTS = {
    "decode_tps": "Decode speed",
    "prefill_tps": "Prefill speed",
    "ttft_ms": "The wait for the first token",
    "e2e_ms": "The time of a whole request",
}


def in_words(summary: Mapping[str, Json]) -> list[str]:
    """A profile's conclusions, one sentence each."""
    findings, out = findings_of(summary), by_streams_in_words(summary)
    if findings.get("slo") and (findings.get("rates") or findings.get("highest_rate")):
        out.append(_served_in_words(findings, findings.get("highest_rate")))
    for name, what in _DRIFTS.items():
        if (line := drift_of(summary, name)) is not None and (line.clear or name == "decode_tps"):
            out.append(_drift_in_words(what, line, findings.get("sittings") or 1))
    decode = (findings.get("drift") or {}).get("decode_tps") or {}
    if decode.get("why"):
        out.append(f"Whether the decode speed drifted cannot be told: {decode['why']}.")
    return out


def _drift_in_words(what: str, line: Drift, sittings: int) -> str:
    low, high = (f"{100 * c:+.1f}".replace("-", "−") for c in line.change_ci95)
    small = max(map(abs, line.change_ci95)) < NEGLIGIBLE
    words = f"{what} drifted" if line.clear else "No drift of the decode speed is shown"
    trifle = ", which is next to nothing" if line.clear and small else ""
    over = "the run" if sittings == 1 else f"the run's {sittings} sittings, without the time between"
    return f"{words}: {low} to {high} % over {over}{trifle}."


def _served_in_words(findings: Mapping[str, Json], highest: Mapping[str, Json] | None) -> str:
    """The highest rate that held, and the next above it, which did not; without one a higher may, too."""
    rates, required = (
        [row["rate"] for row in findings.get("rates") or ()],
        percent(findings.get("required_share")),
    )
    if highest is None and not any(row["judged"] for row in findings["rates"]):
        return f"No request could be judged by {findings['slo']}: at what rate they are kept cannot be told."
    if highest is None:
        lowest = f"not even at {min(rates):g}" if len(rates) > 1 else f"not at {min(rates):g}"
        return f"At no rate that was tried, {lowest} per second, {required} were within {findings['slo']}."
    rate, above = highest["rate"], [each for each in rates if each > highest["rate"]]
    upto = f"Up to {rate:g} requests per second" if above else f"Up to at least {rate:g} requests per second"
    next_one = f", at {min(above):g} not" if above else "; no higher rate was tried"
    return f"{upto}, {required} were within {findings['slo']}{next_one} (each rate was tried once)."


def by_streams_in_words(summary: Mapping[str, Json]) -> list[str]:
    """The knee of a sweep over streams, and where requests failed."""
    findings, out = findings_of(summary), list[str]()
    rows, lost = findings.get("curve") or (), _lost(summary.get("stages") or ())
    over = [row["streams"] for row in rows if row.get("overloaded")]
    if bend := findings.get("knee"):
        streams, speed = f"{bend['load']:g}", f"{number(bend['rate'])} tok/s"
        whole = all((row.get("output_tps") or {}).get("ci95") for row in rows if row["streams"] not in over)
        doubt = "the intervals allow another answer" if whole else "not every level has an interval"
        if any(load < bend["load"] for load in over):
            doubt = "requests failed at fewer"
        sure = "" if bend.get("resolved") else f" ({doubt})"
        if bend.get("growing"):
            out.append(f"Throughput was still growing at {streams} streams, {speed}{sure}.")
        else:
            enough = "One stream is" if streams == "1" else f"{streams} parallel streams are"
            out.append(f"{enough} enough: {speed}{sure}.")
    if rows and lost:
        sound = [row["streams"] for row in rows if row["streams"] not in over]
        where = "Requests failed on the way"
        if over and max(sound, default=0) < min(over):
            where = f"From {_streams(min(over))} on requests fail"
        out.append(f"{where}: {', '.join(failures_by_streams(summary['stages']))}.")
    return out


def _streams(load: float) -> str:
    return f"{load:g} stream{'' if load == 1 else 's'}"


def _knee(summary: Mapping[str, Json], streams: Sequence[Point]) -> Knee | None:
    """As the profile found it; without its curve as the rates of the stages tell in which nothing failed."""
    findings = findings_of(summary)
    if findings.get("curve"):
        return msgspec.convert(findings["knee"], Knee) if findings.get("knee") else None
    lost = _lost(summary.get("stages") or ())
    return knee([LoadPoint(load=p.x, rate=p.y, ci95=_bounds(p)) for p in streams if p.x not in lost])


def _named(key: str) -> Swept:
    """A field of a profile's own curve."""
    return lambda entry: _number(entry.get(key))


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


def failures_by_streams(stages: Sequence[Mapping[str, Json]]) -> list[str]:
    """`1 of 12 failed at 4 streams`, `11 of 12 failed at 8`: where requests failed, by streams."""
    return [
        f"{said} at {f'{load:g}' if place else _streams(load)}"
        for place, (load, said) in enumerate(sorted(_lost(stages).items()))
    ]


def _lost(stages: Sequence[Mapping[str, Json]]) -> dict[float, str]:
    """The streams at which requests failed, with how many."""
    return {load: said for stage in stages if (load := concurrency(stage)) and (said := failed_words(stage))}


def failed_words(stage: Mapping[str, Json]) -> str:
    """`26 of 32 failed`; empty where none did."""
    requests = stage.get("requests") or {}
    lost = not_well(requests)
    return f"{lost:,} of {requests['total']:,} failed" if lost else ""


def _bounds(point: Point) -> tuple[float, float] | None:
    return None if point.low is None or point.high is None else (point.low, point.high)


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
