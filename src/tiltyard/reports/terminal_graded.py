"""The terminal's summary of a graded run: the score and how sure it is, outcomes, rates, groups.

Works on the shape that `suites/scoring.py` makes; a suite's own rates appear by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tiltyard.records import Json
from tiltyard.reports.terminal_json import render_shapes
from tiltyard.reports.words import NOTHING, clean, count, number, percent, with_interval

if TYPE_CHECKING:
    from rich.console import Console

    from tiltyard.reports.narrow import Narrowing

MARKS = {
    "correct": "[green]✓[/]",
    "partial": "[yellow]~[/]",
    "wrong": "[red]✗[/]",
    "unparsed": "[red]?[/]",
    "truncated": "[yellow]…[/]",
    "refused": "[yellow]–[/]",
    "unsupported": "[dim]·[/]",
    "error": "[red]![/]",
}


def render_graded(summary: Mapping[str, Json], console: Console) -> None:
    """Score, outcomes, rates and groups; speed and cautions are the caller's."""
    from rich.markup import escape

    score, bounds = summary.get("score"), summary.get("bounds")
    said = (
        "nothing could be scored"
        if score is None
        else f"[bold]{percent(score)}[/] {within(summary.get('ci95'))}"
    )
    console.print(f"score  {said}", highlight=False)
    completed = summary.get("score_completed")
    if completed is not None and completed != score:
        console.print(
            f"       [dim]{percent(completed)} of the answers that could be judged[/]", highlight=False
        )
    if bounds and bounds[0] != bounds[1]:
        low, high = map(percent, bounds)
        console.print(
            f"       [dim]between {low} and {high}, had the rest been wrong or right[/]", highlight=False
        )
    counts = [
        f"{MARKS.get(name, '')} {count} {name}"
        for name, count in (summary.get("outcomes") or {}).items()
        if count
    ]
    for outcomes in lines_of(counts, console.width):
        console.print(outcomes, highlight=False)
    console.print(rates_table(summary))
    for line in (stopping_line(summary.get("stopping")), repeats_line(summary.get("repeats"))):
        if line:
            console.print(line, highlight=False, emoji=False)
    groups = summary.get("groups") or ()
    if summary.get("modes"):
        render_shapes(summary, console)
    elif groups:
        console.print(groups_table(groups))
    for reason, times in (summary.get("errors") or {}).items():
        console.print(f"[red]![/] {times} × {escape(clean(str(reason), 200))}", highlight=False, emoji=False)


def lines_of(parts: Sequence[str], width: int, between: str = "   ") -> Iterator[str]:
    """Parts side by side, in as many lines as it takes without breaking one."""
    from rich.text import Text

    line: list[str] = []
    for part in parts:
        if line and len(Text.from_markup(between.join([*line, part]))) > width:
            yield between.join(line)
            line = []
        line.append(part)
    yield between.join(line)


def within(interval: Json) -> str:
    """An interval of a share, in words."""
    return "" if not interval else f"[dim]({percent(interval[0])} to {percent(interval[1])})[/]"


def interval_or_why(entry: Mapping[str, Json]) -> str:
    """The interval of a rate, or what is said in its place."""
    from rich.markup import escape

    ci95, why = entry.get("ci95"), entry.get("why")
    return within(ci95) if ci95 or not why else f"[dim]({escape(clean(str(why), 120))})[/]"


def stopping_line(found: Json) -> str | None:
    """What became of `--stop-when`."""
    if not found:
        return None
    if found["rule"] != "decided":
        how = "stopped as soon as" if found["decided"] else "asked everything before"
        return f"[dim]{how} the interval was as narrow as {found['rule'].partition('=')[2]}[/]"
    if found.get("against") is None:
        return "[yellow]![/] no other model's run over these items to decide against: everything was asked"
    verdict = found.get("verdict")
    said = f"{verdict} than" if verdict else "cannot be told from"
    return (
        f"{said} run {clean(str(found['against']), 40)} "
        f"[dim](+{number(found['gains'])} and -{number(found['losses'])} on {found['pairs']} shared items, "
        f"p {number(found['p_value'], 2)}, valid however early it stopped)[/]"
    )


def repeats_line(found: Json) -> str | None:
    """How alike the repetitions of one item were."""
    if not found or not found.get("items"):
        return None
    k, flips = found["k"], found["flips"]
    some, every = (found[name][str(k)]["value"] for name in ("pass_at", "pass_every"))
    return (
        f"{k} tries an item: {percent(flips['value'])} of the items flip {within(flips['ci95'])}, "
        f"right at least once {percent(some)}, every time {percent(every)}"
    )


def rates_table(summary: Mapping[str, Json]) -> Narrowing:
    """The suite's own rates, then those that every suite has."""
    from tiltyard.reports.narrow import Column, Narrowing

    rows: list[tuple[str, str, str]] = []
    aside = " (`unsupported` is not)" if (summary.get("outcomes") or {}).get("unsupported") else ""
    shared = {
        "hit the token limit": summary.get("cap_hit"),
        f"failed{aside}": summary.get("error_rate"),
    }
    for name, entry in {**(summary.get("rates") or {}), **shared}.items():
        if isinstance(entry, Mapping) and entry.get("value") is not None:
            words = clean(str(name).replace("_", " "), 60)
            rows.append((words, percent(entry["value"]), interval_or_why(entry)))
    calls = summary.get("calls_per_answer") or {}
    if calls.get("value") is not None:
        low, high = calls.get("ci95") or (None, None)
        span = (
            f"{low:.2f} to {high:.2f}"
            if low is not None
            else f"[dim]({clean(str(calls.get('why')), 120)})[/]"
        )
        rows.append(("calls per answer", f"{calls['value']:.2f}", span))
    known = summary.get("confidence") or {}
    if known.get("ece_equal_width") is not None:
        luck = known.get("ece_equal_width_by_chance_95")
        why = "" if luck is None else f"luck alone gives up to {luck:.3f} "
        over = f"[dim]({why}over {known['n']} answers)[/]"
        rows.append(("calibration error", f"{known['ece_equal_width']:.3f}", over))
    if known.get("brier") is not None:
        low, high = known.get("brier_ci95") or (None, None)
        span = "" if low is None else f"{low:.3f} to {high:.3f} "
        rows.append(("Brier score", f"{known['brier']:.3f}", f"{span}[dim]over {known['n']} answers[/]"))
    for name, unit in (("decode_tps", "tok/s"), ("ttft_ms", "ms")):
        figure = (summary.get("speed") or {}).get(name)
        missing = (summary.get("unmeasured") or {}).get(name)
        words = {"decode_tps": "decode", "ttft_ms": "first token"}[name]
        if not figure and missing:
            rows.append((words, NOTHING, f"[dim]{clean(str(missing['why']), 120)}[/]"))
        elif figure and figure.get("mean") is not None:
            why = "" if figure.get("ci95") else f" · {clean(str(figure.get('why') or 'no interval'), 120)}"
            rows.append((words, with_interval(figure), f"[dim]{unit} · n {count(figure.get('n'))}{why}[/]"))
    left = Column("", justify="left")
    return Narrowing([left, Column(""), left], rows, header=False)


def groups_table(groups: Json) -> Narrowing:
    """One row for each group of items."""
    from rich.markup import escape

    from tiltyard.reports.narrow import Column, Narrowing

    counted = all("passed" in group for group in groups)
    timed = any(group.get("average_duration_s") is not None for group in groups)
    counts = [Column("passed", 3), Column("failed", 2)] if counted else []
    columns = [
        Column("group", justify="left", fold=8),
        *(Column("answers", 4), *counts, Column("score"), Column("95 %", 1)),
        *([Column("average", 5)] if timed else []),
    ]
    rows = []
    for group in groups:
        score, seconds = group.get("score"), group.get("average_duration_s")
        cells = [
            escape(clean(str(group.get("name")), 60)),
            str(group.get("n")),
            *((str(group["passed"]), str(group["failed"])) if counted else ()),
            NOTHING if score is None else percent(score),
            within(group.get("ci95")),
            *((NOTHING if seconds is None else f"{number(seconds)} s",) if timed else ()),
        ]
        rows.append(cells)
    return Narrowing(columns, rows, plain=True)
