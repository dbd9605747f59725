"""The charts of the report, from plain values to SVG: distributions, depth, load, rate, soak, miniatures.

Each returns a `Chart`: the drawing, and one sentence that says what it shows for those who cannot see it.
None where there is too little to draw. Leaves out where the values come from (`views.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tiltyard.records import Figure, Json
from tiltyard.reports.svg import Axis, Plot, Point, Scale, labelled, log_ticks, marker, padded, text_at
from tiltyard.reports.words import number, span, tick, tokens, with_interval
from tiltyard.stats.trends import Drift, Knee

_STEPS = 160  # points of a distribution that the eye can still tell apart
_RUG = 80


class Chart(NamedTuple):
    title: str
    svg: str
    caption: str


class Curve(NamedTuple):
    """One series over a swept quantity."""

    label: str
    points: Sequence[Point]


def thin(values: Sequence[float], most: int) -> list[float]:
    """Evenly spread ranks of an ascending sample, both ends kept."""
    if len(values) <= most:
        return list(values)
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]


def distribution(values: Sequence[float], fig: Figure, title: str, label: str) -> Chart | None:
    """The empirical distribution function, the mean's 95 % interval as a band, and a rug of the values."""
    ordered = sorted(values)
    if len(ordered) < 3 or ordered[0] == ordered[-1]:
        return None
    low, high = padded(ordered, zero=False)
    if ordered[0] > 0 and ordered[-1] / ordered[0] > 30:
        low, high = padded(ordered, "log")
        plot = Plot(Axis(label, low, high, "log"), _SHARE)
    else:
        plot = Plot(Axis(label, low, high), _SHARE)
    if fig.ci95 is not None:
        plot.band(*fig.ci95)
    n = len(ordered)
    ranks = thin([float(i) for i in range(n)], _STEPS)
    plot.steps([(ordered[int(i)], (int(i) + 1) / n) for i in ranks], "s1")
    base = plot.height - plot.bottom
    rug = "".join(f"M{plot.x(v):.1f} {base}v-6" for v in thin(ordered, _RUG))
    plot.marks.append(f'<path class="rug" d="{rug}"/>')
    if fig.p50 is not None:
        left = plot.x(fig.p50) > (plot.left + plot.width) / 2
        plot.rule(fig.p50, f"median {number(fig.p50)}", anchor="end" if left else "start")
    caption = (
        f"{n} requests; half at or below {number(fig.p50)}, nine in ten at or below {number(fig.p90)}. "
        f"{'No band' if fig.ci95 is None else 'The band is the 95 % interval of the mean'}: "
        f"{span(_as_mapping(fig))}."
    )
    return Chart(title, plot.render(title, caption), caption)


def _percent_tick(share: float) -> str:
    return f"{100 * share:.0f}%"


_SHARE = Axis("share of requests", 0.0, 1.0, ticks=(0.0, 0.25, 0.5, 0.75, 1.0), show=_percent_tick)


def _as_mapping(fig: Figure) -> Mapping[str, Json]:
    return {"mean": fig.mean, "ci95": fig.ci95, "why": fig.why}


def quantile_rows(rows: Sequence[tuple[str, Mapping[str, Json]]], title: str, label: str) -> Chart | None:
    """A row per stage on one logarithmic axis: a line from least to most, a bar p50 to p95, a tick at p99."""
    usable = [(name, f) for name, f in rows if f.get("n", 0) >= 2 and (f.get("max") or 0) > 0][:12]
    if not usable:
        return None
    floor = max(min(f["p50"] for _, f in usable) / 50, 0.001)
    low, high = padded([max(v, floor) for _, f in usable for v in (f["min"], f["max"])], "log")
    name_width = min(150, 24 + 6 * max(len(name) for name, _ in usable))
    height = 52 + 24 * len(usable)
    plot = Plot(
        Axis(label, low, high, "log"), Axis("", 0, 1, ticks=()), (520, height), left=name_width, top=8
    )
    for i, (name, f) in enumerate(usable):
        y = plot.top + 12 + 24 * i
        x = {k: plot.x(max(f[k], floor)) for k in ("min", "p50", "p95", "max")}
        bar = max(1.5, x["p95"] - x["p50"])
        plot.marks.append(
            text_at(name_width - 10, y + 4, name[:24], "tick", "end")
            + f'<path class="whisker s1" d="M{x["min"]:.1f} {y}H{x["max"]:.1f}"/>'
            f'<rect class="bar s1" x="{x["p50"]:.1f}" y="{y - 5}" width="{bar:.1f}" height="10"/>'
            f'<path class="median" d="M{x["p50"]:.1f} {y - 8}v16"/>'
        )
        if f.get("p99") is not None:
            plot.marks.append(f'<path class="far" d="M{plot.x(f["p99"]):.1f} {y - 6}v12"/>')
    worst = max(usable, key=lambda row: row[1]["p50"])[1]
    caption = (
        f"The heavy line is the median ({number(worst['p50'])} ms at most), the bar reaches to the 95th "
        "percentile, the thin line spans everything; a light tick is the 99th percentile."
    )
    return Chart(title, plot.render(title, caption), caption)


def curve(curves: Sequence[Curve], title: str, x_label: str, y_label: str) -> Chart | None:
    """Speed over context depth: square-root axis, since depths run from 0 to many thousands. A curve's label
    says how it was measured; two of them are never put in a ratio.
    """
    everything = [p for c in curves for p in c.points]
    if len(everything) < 2:
        return None
    depths = sorted({p.x for p in everything})
    low, high = padded([v for p in everything for v in (p.y, p.high or p.y)])
    plot = Plot(
        Axis(x_label, depths[0], depths[-1], "sqrt", depths, tokens),
        Axis(y_label, low, high),
    )
    for at, c in enumerate(curves):
        plot.line(sorted(c.points), "s2" if at else "s1", c.label)
    caption = f"{' '.join(map(_ends, curves))} Whiskers are 95 % intervals."
    return Chart(title, plot.render(title, caption), caption)


def _ends(of: Curve) -> str:
    """A curve's first and last point in a sentence, and how they were measured."""
    first, last = of.points[0], of.points[-1]
    words = f"{number(first.y)} at {tokens(first.x)} tokens of context"
    if last is not first:
        words += f", {number(last.y)} at {tokens(last.x)} ({_change(first.y, last.y)})"
    return f"{words}, {of.label}." if of.label else f"{words}."


def _change(first: float, last: float) -> str:
    if first <= 0:
        return "no ratio"
    share = last / first - 1
    if abs(share) < 0.005:
        return "no change"
    return f"{abs(share):.0%} {'less' if share < 0 else 'more'}".replace("%", " %")


def throughput(
    points: Sequence[Point], found: Knee | None, title: str, failed: Sequence[str] = ()
) -> Chart | None:
    """All users' tokens per second over the number of streams, with the knee named, and where requests
    `failed`.
    """
    if len(points) < 2:
        return None
    ordered = sorted(points)
    _, high = padded([p.high or p.y for p in ordered])
    loads = [p.x for p in ordered]
    plot = Plot(
        Axis("streams at once (log)", loads[0], loads[-1], "log", loads),
        Axis("output tok/s, all users", 0, high),
    )
    caption = "Throughput at each number of parallel streams; whiskers are 95 % intervals."
    if found is not None:
        words = "still growing" if found.growing else f"knee: {found.load:g}"
        plot.rule(found.load, words, anchor="end" if plot.x(found.load) > plot.width / 2 else "start")
        caption = (
            f"Throughput was still growing at {found.load:g} streams, {number(found.rate)} tok/s."
            if found.growing
            else f"{found.load:g} streams give {number(found.rate)} of at most {number(found.peak)} tok/s"
            + ("." if found.resolved else "; another answer is possible.")
        )
    if failed:
        caption += f" Where requests failed it is that of fewer streams: {', '.join(failed)}."
    plot.line(ordered, "s1")
    return Chart(title, plot.render(title, caption), caption)


def trade_off(
    points: Sequence[tuple[str, float, float]], title: str, failed: Sequence[str] = ()
) -> Chart | None:
    """Waiting time over throughput, each point named by its load: up and to the right is where it hurts.
    `failed`: where requests failed, which have no wait; it is said.
    """
    if len(points) < 2:
        return None
    high_x = padded([p[1] for p in points])[1]
    high_y = padded([p[2] for p in points])[1]
    plot = Plot(Axis("output tok/s, all users", 0, high_x), Axis("TTFT p50, ms", 0, high_y))
    plot.line([Point(x, y) for _, x, y in points], "s1")
    for name, x, y in points:
        end = plot.x(x) > plot.width - 60
        dx, anchor = (-8, "end") if end else (8, "start")
        plot.marks.append(text_at(plot.x(x) + dx, plot.y(y) - 7, name, "note", anchor))
    caption = (
        f"From {points[0][0]} to {points[-1][0]} streams, the wait for the first token goes from "
        f"{number(points[0][2])} to {number(points[-1][2])} ms."
    )
    if failed:
        caption += f" Waits are of the requests that were answered: {', '.join(failed)}."
    return Chart(title, plot.render(title, caption), caption)


def rates(asked: Sequence[Curve], title: str) -> Chart | None:
    """Requests answered per second, and those that met the objectives, over the rate asked for."""
    everything = [p for c in asked for p in c.points]
    if len({p.x for p in everything}) < 2:
        return None
    top = padded([v for p in everything for v in (p.y, p.x)])[1]
    high_x = max(p.x for p in everything) * 1.04
    plot = Plot(Axis("requests per second asked", 0, high_x), Axis("requests per second", 0, top))
    end = min(high_x, top)
    plot.marks.append(
        f'<path class="ideal" d="M{plot.x(0):.1f} {plot.y(0):.1f}L{plot.x(end):.1f} {plot.y(end):.1f}"/>'
    )
    for series, c in zip(("s1", "s2"), asked, strict=False):
        plot.line(sorted(c.points), series, c.label)
    caption = (
        "The dashed line is all that was asked for; what is below it came late or missed the objectives."
    )
    return Chart(title, plot.render(title, caption), caption)


def soak(times_s: Sequence[float], values: Sequence[float], found: Drift | None, title: str) -> Chart | None:
    """Decode speed over the time of a run, with the line of its drift."""
    if len(times_s) < 6:
        return None
    pairs = sorted(zip(times_s, values, strict=True))
    step = max(1, len(pairs) // 240)
    shown = pairs[::step]
    minutes = pairs[-1][0] > 300
    unit = 60.0 if minutes else 1.0
    low, high = padded([y for _, y in shown], zero=False)
    name = "minutes" if minutes else "seconds"
    x_axis = Axis(f"{name} under load", pairs[0][0] / unit, pairs[-1][0] / unit)
    plot = Plot(x_axis, Axis("decode tok/s", low, high))
    plot.marks += [marker(plot.x(t / unit), plot.y(y), "s1", 1.7) for t, y in shown]
    caption = f"{len(pairs)} requests over {number(pairs[-1][0] / unit)} {name}."
    if found is not None:
        ends = [(t, found.start + found.slope_per_s * (t - pairs[0][0])) for t in (pairs[0][0], pairs[-1][0])]
        path = " ".join(f"{plot.x(t / unit):.1f},{plot.y(y):.1f}" for t, y in ends)
        plot.marks.append(f'<polyline class="line s2" points="{path}"/>')
        low_change, high_change = sorted(100 * c for c in found.change_ci95)
        words = f"{low_change:+.1f} to {high_change:+.1f} %".replace("-", "−")
        caption += f" Drift over the run: {words}" + (
            "." if found.clear else ", so none is shown by this run."
        )
    return Chart(title, plot.render(title, caption), caption)


def dot_in_row(fig: Mapping[str, Json], top: float, unit: str = "tokens per second") -> str:
    """A board row's miniature: a dot and its interval on the scale that all rows share, 0 to `top`."""
    scale = Scale(Axis("", 0, top), 4, 196)
    mean, ci95 = fig["mean"], fig.get("ci95")
    whisker = f'<path class="span s1" d="M{scale(ci95[0]):.1f} 9H{scale(ci95[1]):.1f}"/>' if ci95 else ""
    words = f"{with_interval(fig)} {unit}"
    return (
        f'<svg class="mini" viewBox="0 0 200 18" role="img" {labelled(words)}'
        f'<path class="grid" d="M4 9H196"/>{whisker}{marker(scale(mean), 9, "s1", 4)}</svg>'
    )


def axis_in_head(top: float) -> str:
    """The scale over the miniatures' column."""
    scale = Scale(Axis("", 0, top), 4, 196)
    ticks = [0.0, *[t for t in log_ticks(top / 20, top, 4) if scale(t) > 60][-2:]]
    words = ""
    for t in ticks:
        x = scale(t)
        at_end = x > 180  # in the middle it would be cut off
        anchor = "start" if t == 0 else "end" if at_end else "middle"
        words += text_at(199 if at_end else x, 10, tick(t), "tick", anchor)
    return f'<svg class="mini" viewBox="0 0 200 14" aria-hidden="true">{words}</svg>'


def axis_of_points() -> str:
    """The scale from 0 to 100 over a column of scores."""
    scale = Scale(Axis("", 0, 100.0), 4, 196)
    ticks = ((0.0, "start"), (50.0, "middle"), (100.0, "end"))
    words = "".join(text_at(scale(t), 10, tick(t), "tick", anchor) for t, anchor in ticks)
    return f'<svg class="mini" viewBox="0 0 200 14" aria-hidden="true">{words}</svg>'


def endings_bar(endings: Mapping[str, int], good: str = "ok") -> str:
    """How the requests ended, as one bar: the good ones in one colour, everything else in another."""
    total = sum(endings.values())
    if not total:
        return ""
    words = ", ".join(f"{n} {name}" for name, n in endings.items() if n)
    parts, x = [], 0.0
    for name, n in sorted(endings.items(), key=lambda e: e[0] != good):
        width = 400 * n / total
        cls = "good" if name == good else "bad"
        parts.append(f'<rect class="{cls}" x="{x:.1f}" y="0" width="{max(width - 1.5, 1):.1f}" height="8"/>')
        x += width
    return (
        f'<svg class="endings" viewBox="0 0 400 8" preserveAspectRatio="none" role="img" '
        f"{labelled(words)}{''.join(parts)}</svg>"
    )
