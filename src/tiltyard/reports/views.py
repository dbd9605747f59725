"""From runs and attempts to what the report shows: one view per model, and the board over them.

Pure: takes records, gives values for the template. The page is `html.py`, the drawings are `charts.py`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from tiltyard.records import Attempt, Json, Run
from tiltyard.reports import charts
from tiltyard.reports.charts import Chart
from tiltyard.reports.quality import QualityView, quality_view
from tiltyard.reports.stages import drift_of, findings_of, in_words, load_charts
from tiltyard.reports.traits import fig, flat, identity, summary_of, version_name, versions_used
from tiltyard.reports.values import FIGURES, GROSS, Single, came_by_schedule, is_net, single_values
from tiltyard.reports.ways import Side, samples
from tiltyard.reports.words import (
    answered_in_words,
    broken_calls,
    count,
    milliseconds,
    not_well,
    number,
    percent,
    rate_doubt,
    size,
    span,
    with_interval,
)
from tiltyard.stats.figures import figure
from tiltyard.stats.machines import without_known
from tiltyard.stats.pairing import item_set
from tiltyard.stats.trends import under_load

_KEY_FIGURES = ("decode_tps", "ttft_ms", "prefill_tps")
_WAITS = ("ttft_ms", "ttfo_ms", "ttft_scheduled_ms", "prefill_tps", "prefill_warm_tps")
_ANSWER = 1_200  # characters of the sample answer


class KeyFigure(NamedTuple):
    name: str
    value: str
    unit: str
    note: str


class FigureRow(NamedTuple):
    name: str
    unit: str
    n: str
    mean: str
    interval: str
    p50: str
    p90: str
    p95: str
    p99: str
    least: str
    most: str


class Fact(NamedTuple):
    name: str
    value: str


class ModelView(NamedTuple):
    anchor: str
    run: Run
    quality: QualityView | None
    about: str  # one line of identity
    key: Sequence[KeyFigure]
    endings: str  # in words
    endings_bar: str  # SVG
    findings: Sequence[str]
    charts: Sequence[Chart]
    figures: Sequence[FigureRow]
    singles: Sequence[Single]
    notes: Sequence[str]
    instrument: Sequence[Fact]
    machine: Sequence[Fact]
    settings: Sequence[Fact]
    prompt: str
    answer: str


class BoardRow(NamedTuple):
    rank: str
    name: str
    anchor: str | None
    about: str
    decode: str
    plot: str  # SVG
    ttft: str
    prefill: str
    load: str
    energy: str
    gross: str  # said of energy with idle power in it
    marks: Sequence[str]


def decode_mean(run: Run) -> float:
    return float(fig(run, "decode_tps").get("mean") or 0.0)


class SpeedBoard(NamedTuple):
    """Runs under one load: `title` names it where there are several."""

    title: str
    rows: list[BoardRow]
    axis: str  # over the rows' miniatures


def speed_boards(runs: Sequence[Run], anchors: Mapping[str, str]) -> list[SpeedBoard]:
    """A table for each load and version of its suite, the version last used first, then most models."""
    loads: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        loads.setdefault((run.suite, run.suite_version, item_set(run.settings) or ""), []).append(run)
    used = versions_used(runs)
    ordered = sorted(loads, key=lambda key: (used[key[:2]], -len(loads[key]), key[2]))
    several = len({suite for suite, _, _ in loads}) > 1
    made = []
    for key in ordered:
        suite, version, load = key
        named = version_name(version, {other for name, other, _ in loads if name == suite})
        words = (suite if several else "", load, named)
        title = ", ".join(filter(None, words)) if len(loads) > 1 else ""
        made.append(SpeedBoard(title, *board(loads[key], anchors)))
    return made


def board(runs: Sequence[Run], anchors: Mapping[str, str]) -> tuple[list[BoardRow], str]:
    """Rows by decode speed, ties sharing a rank, and the axis over their miniatures."""
    ordered = sorted(runs, key=decode_mean, reverse=True)
    top = max(
        [(fig(r, "decode_tps").get("ci95") or [0, 0])[1] for r in ordered] + [decode_mean(r) for r in ordered]
    )
    top = top * 1.04 or 1.0
    rows = [
        _board_row(run, rank, anchors.get(run.id), top)
        for run, rank in zip(ordered, ranks(ordered), strict=True)
    ]
    return rows, charts.axis_in_head(top)


def ranks(ordered: Sequence[Run]) -> list[str]:
    """`1`, `2`, or `2=` where intervals overlap the first of a group, whoever stands between; no rank without
    a decode speed. One without an interval may be anywhere.
    """
    spans = [fig(run, "decode_tps").get("ci95") or (0.0, math.inf) for run in ordered]
    measured = [i for i, run in enumerate(ordered) if decode_mean(run) > 0]
    places: dict[int, int] = {}
    for first in measured:
        if first not in places:
            low, _ = spans[first]
            places |= {i: first + 1 for i in measured if i not in places and spans[i][1] >= low}
    sharing = Counter(places.values())
    words = {i: f"{place}{'=' * (sharing[place] > 1)}" for i, place in places.items()}
    return [words.get(i, "") for i in range(len(ordered))]


def _board_row(run: Run, rank: str, anchor: str | None, top: float) -> BoardRow:
    summary, decode = summary_of(run), fig(run, "decode_tps")
    machine = summary.get("machine") or {}
    energy = machine.get("tokens_per_joule")
    return BoardRow(
        rank=rank,
        name=run.model.name,
        anchor=anchor,
        about=identity(run),
        decode=with_interval(decode),
        plot=charts.dot_in_row(decode, top) if decode.get("mean") is not None else "",
        ttft=milliseconds(fig(run, "ttft_ms").get("p50")),
        prefill=number(fig(run, "prefill_tps").get("mean")),
        load=milliseconds((summary.get("load") or {}).get("load_ms")),
        energy=number(energy),
        gross="" if energy is None or is_net(machine) else GROSS,
        marks=marks(run),
    )


def requests_of(run: Run) -> tuple[int, int]:
    """How many of its requests did not end well, and how many there were."""
    requests = summary_of(run).get("requests") or {}
    return not_well(requests), int(requests.get("total") or 0)


def marks(run: Run) -> list[str]:
    """Words of caution on a row."""
    out = []
    if (summary_of(run).get("client") or {}).get("bottleneck"):
        out.append("client-bound")
    if summary_of(run).get("rate_source") == "client-estimated":
        out.append("tokens estimated")
    if failed := requests_of(run)[0]:
        out.append(f"✗ {failed:,} failed")
    if run.state != "finished":
        out.append(run.state)
    if run.model.remote or not run.server.local:
        out.append("remote")
    return out


def model_view(side: Side, anchor: str, sample: Attempt | None) -> ModelView:
    """Everything the report says about one run."""
    run, summary = side.run, summary_of(side.run)
    endings = {str(k): int(v) for k, v in (summary.get("endings") or {}).items() if v}
    exchange = sample.exchanges[0] if sample is not None and sample.exchanges else None
    return ModelView(
        anchor=anchor,
        run=run,
        quality=quality_view(run),
        about=identity(run),
        key=key_figures(run),
        endings=endings_in_words(endings, broken_calls(summary), summary.get("error_rate")),
        endings_bar=charts.endings_bar(endings),
        findings=in_words(summary),
        charts=[c for c in [*load_charts(summary), _soak(side), *_distributions(side)] if c is not None],
        figures=[
            figure_row(name, unit + of_stage(summary, key), fig(run, key))
            for key, (name, unit) in FIGURES.items()
            if fig(run, key) and (key != "ttft_scheduled_ms" or came_by_schedule(summary))
        ],
        singles=single_values(summary),
        notes=notes_of(run),
        instrument=facts({"client": summary.get("client"), "calibration": run.calibration}),
        machine=facts({**without_known(run.machine), "during the run": summary.get("machine")}),
        settings=facts(
            {
                **dict(run.settings),
                "server": f"{run.server.dialect} {run.server.version or ''} at {run.server.url}",
                "model digest": run.model.digest,
                "context loaded": run.model.context_loaded,
                "fingerprint": run.fingerprint,
            }
        ),
        prompt=""
        if exchange is None or not exchange.request.messages
        else exchange.request.messages[-1].content[:_ANSWER],
        answer="" if exchange is None else exchange.text or exchange.reasoning,
    )


def notes_of(run: Run) -> list[str]:
    """Everything a reader should be careful about, each once."""
    summary = summary_of(run)
    machine = summary.get("machine") or {}
    client = summary.get("client") or {}
    bound = (
        ["The client was the bottleneck: the server may be faster than this."]
        if client.get("bottleneck")
        else []
    )
    if doubt := rate_doubt(summary):
        bound.append(doubt[0].upper() + doubt[1:] + ".")
    remarks = machine.get("remarks") or []
    left_out = findings_of(summary).get("notes") or []
    found = (*bound, *(summary.get("notes") or ()), *run.notes, *run.model.notes, *left_out, *remarks)
    return [*dict.fromkeys(str(note) for note in found)]


def key_figures(run: Run) -> list[KeyFigure]:
    out = []
    for key in _KEY_FIGURES:
        f, (name, unit) = fig(run, key), FIGURES[key]
        if f.get("mean") is None:
            continue
        note = (
            f"mean, 95 %: {span(f)} · n = {f.get('n')}" if f.get("ci95") else f"{span(f)} · n = {f.get('n')}"
        )
        out.append(KeyFigure(name, number(f["mean"]), unit, note + of_stage(summary_of(run), key)))
    load = summary_of(run).get("load") or {}
    if load.get("load_ms") is not None:
        value, unit = milliseconds(load["load_ms"]).split(" ", 1)
        out.append(
            KeyFigure("Cold load", value, unit, f"one load, timed by the {load.get('source', 'client')}")
        )
    return out


def stage_of(summary: Mapping[str, Json], key: str) -> str:
    """The stage that a figure at the top is of; waits and prefill may be of another one than the rest."""
    waits = summary.get("waits_from") if key in _WAITS else None
    return str(waits or summary.get("figures_from"))


def stage_figure(run: Run, stage: str, key: str) -> Mapping[str, Json]:
    """A figure of that stage, of the whole run where it has no such stage."""
    named = [s for s in summary_of(run).get("stages") or () if s.get("name") == stage]
    found = named[0].get(key) if named else fig(run, key)
    return found if isinstance(found, Mapping) else {}


def of_stage(summary: Mapping[str, Json], key: str) -> str:
    """The stage in words, where not all figures are of the same."""
    return f" · {stage_of(summary, key)}" if summary.get("waits_from") else ""


def endings_in_words(endings: Mapping[str, int], broken: int = 0, failed: Json = None) -> str:
    """`failed`: the summary's share of requests that failed."""
    total, ok = sum(endings.values()), endings.get("ok", 0)
    if not total:
        return "No request was sent."
    if ok == total:
        return f"All {total} requests ended well."
    if broken:
        return f"{answered_in_words(total, ok, broken)}."
    others = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in endings.items() if name != "ok")
    ci95 = failed.get("ci95") if isinstance(failed, Mapping) and failed.get("value") else None
    sure = f" Of all, {percent(ci95[0])} to {percent(ci95[1])} fail (95 %)." if ci95 else ""
    return f"{ok} of {total} requests ended well ({percent(ok / total)}); the rest: {others}.{sure}"


def figure_row(name: str, unit: str, f: Mapping[str, Json]) -> FigureRow:
    return FigureRow(
        name=name,
        unit=unit,
        n=count(f.get("n")),
        mean=number(f.get("mean")),
        interval=span(f),
        p50=number(f.get("p50")),
        p90=number(f.get("p90")),
        p95=number(f.get("p95")),
        p99=number(f.get("p99")) if f.get("p99") is not None else "n < 100",
        least=number(f.get("min")),
        most=number(f.get("max")),
    )


def facts(values: Mapping[str, Json]) -> list[Fact]:
    """Names and values in words; what is not known is said to be so, not left out."""
    known = {k: v for k, v in values.items() if v not in (None, {}, [])}
    return [_fact(name, value) for name, value in flat(known).items()]


def _fact(name: str, value: Json) -> Fact:
    path = [part.replace("_", " ") for part in name.split(".") if part != "devices"]
    path = [f"{int(part) + 1}" if part.isdigit() else part for part in path]  # people count from one
    if any(part.endswith("bytes") for part in path) and isinstance(value, (int, float)):
        path = [part.removesuffix("bytes").strip() for part in path]
        return Fact(" › ".join(p for p in path if p), size(value))
    if value is None or isinstance(value, bool):
        words = {None: "not known", True: "yes", False: "no"}[value]
    elif isinstance(value, (int, float)):
        words = f"{value:,.4g}" if isinstance(value, float) and abs(value) < 10_000 else f"{value:,.0f}"
    else:
        words = str(value)
    return Fact(" › ".join(path), words)


def _distributions(side: Side) -> list[Chart | None]:
    found: list[Chart | None] = []
    for key in ("decode_tps", "ttft_ms"):
        by_stage = samples(side, key)
        if not by_stage:
            continue
        main = stage_of(summary_of(side.run), key)
        stage = main if main in by_stage else max(by_stage, key=lambda s: len(by_stage[s]))
        values = [*by_stage[stage].values()]
        name, unit = FIGURES[key]
        title = name if len(by_stage) == 1 else f"{name}, stage {stage}"
        shown, stated = figure(values), stage_figure(side.run, stage, key)
        if stated:
            shown = replace(shown, ci95=stated.get("ci95"), why=stated.get("why"))
        found.append(charts.distribution(values, shown, title, unit))
    stages = summary_of(side.run).get("stages") or []
    rows = [
        (str(s.get("name")), s["chunk_gap_ms"]) for s in stages if isinstance(s.get("chunk_gap_ms"), Mapping)
    ]
    whole = fig(side.run, "chunk_gap_ms")
    found.append(
        charts.quantile_rows(rows or ([("all", whole)] if whole else []), "Gaps between chunks", "ms (log)")
    )
    return found


def _soak(side: Side) -> Chart | None:
    if side.run.settings.get("profile") != "soak":
        return None
    findings = summary_of(side.run).get("findings") or {}
    sittings = sorted({a.session for a in side.attempts})
    lasted_s = dict(zip(sittings, findings.get("sitting_s") or [], strict=False))
    if len(sittings) > 1 and len(lasted_s) < len(sittings):  # its last sitting is under way
        return None
    starts = [(a.session, datetime.fromisoformat(a.started_at).timestamp()) for a in side.attempts]
    under = under_load(starts, lasted_s)
    rates = [a.measures.decode_tps for a in side.attempts]
    timed = [(t, rate) for t, rate in zip(under, rates, strict=True) if rate is not None]
    times, values = [t for t, _ in timed], [rate for _, rate in timed]
    return charts.soak(times, values, drift_of(summary_of(side.run), "decode_tps"), "Decode speed over time")
