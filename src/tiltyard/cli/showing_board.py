"""The leaderboard on a terminal: a table per suite, or one row per model with quality and speed side by side.

Ranks are ranges where models cannot be told apart. Narrow terminals get fewer columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from tiltyard.cli.showing import console, hint, plain_table, safe
from tiltyard.reports.apart import digest_of, served_at, told_apart
from tiltyard.reports.narrow import narrowed
from tiltyard.reports.words import NOTHING, milliseconds, number, percent, size, with_interval

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tiltyard.store.board import BoardRow, ModelRow, Quality, Value

_WIDE = 110
_ROWS = 25  # of a table, where no limit was asked for
# what a narrow terminal goes without, the first one first
SPARE = ("when", "no verdict, cut", "load", "n", "quant", "size", "total tok/s", "TTFT p50")
# the columns that are not always there, by what the rows may be sorted by
SORTED = {"prefill": "prefill tok/s", "load": "load", "total": "total tok/s", "size": "size", "when": "when"}
_HINTS = ("unsupported", "error", "refused", "unparsed")


def show_board(
    tables: Sequence[Sequence[BoardRow]],
    limit: int | None = None,
    items: Sequence[str] = (),
    sort: str | None = None,
    there: str = "",
) -> None:
    """Each table best first. `!` marks rows whose client was the bottleneck, `☁` models served elsewhere.

    `items`: for each table what was asked, empty where its suite has no other. What the rows are sorted by is
    always shown. `there`: what a command needs to find their store.
    """
    screen = console()
    wide = screen.width >= _WIDE
    by = SORTED.get(sort or "", "")
    rows = [row for table in tables for row in table]
    for place, table in enumerate(tables):
        first = table[0]
        if len(tables) > 1:
            asked = f"  [dim]{safe(items[place])}[/]" if any(items[place : place + 1]) else ""
            screen.print(("\n" if place else "") + f"[bold]{safe(first.suite)}[/]{asked}")
        shown = table[: limit or _ROWS]
        of_kind = quality_table if first.quality is not None else speed_table
        made = of_kind(shown, wide, beside_names(table, wide or of_kind is not quality_table), by)
        screen.print(narrowed(made, spare=[name for name in SPARE if name != by]))
        if len(shown) < len(table):
            screen.print(f"{len(table) - len(shown)} more: --limit {len(table)}", style="dim")
    if len({(row.suite, row.suite_version) for row in rows}) > len({row.suite for row in rows}):
        words = "versions of a suite measure or grade by rules of their own: their tables do not compare"
        screen.print(words, style="dim")
    if any(row.client_bound for row in rows):
        screen.print("[yellow]![/] the client was the bottleneck: the server may be faster", style="dim")
    lone = [row.decode_tps for row in rows if wide or row.quality is None]
    lone += [row.prefill_tps for row in rows if by == "prefill tok/s" or (wide and row.quality is None)]
    explain_lone(screen, lone)
    if any(map(overlapping, tables)):
        screen.print("#: their order; where intervals overlap, no difference is shown", style="dim")
    ranks = [row.quality.rank for row in rows if row.quality is not None and row.quality.rank is not None]
    tied = next((found for found in ranks if found[0] != found[1]), None)
    if tied is not None:
        words = f"rank {tied[0]}-{tied[1]}: cannot be told apart from others in these places"
        screen.print(f"{words} (docs/statistics.md)", style="dim")
    if any(row.quality.outcomes.get(name) for row in rows if row.quality is not None for name in _HINTS):
        screen.print("error, unsupported: left out of the score; refused, unparsed: count as 0", style="dim")
    if ranks:
        hint(screen, "one more table", "board --by-model", there=there)
    hint(screen, "± is half of the 95 % interval; next", "compare", "report", there=there)


def speed_table(rows: Sequence[BoardRow], wide: bool, beside: Sequence[str], by: str = "") -> Table:
    """`beside`: what stands beside each name; `by`: the column sorted by, shown in place of a spare one."""
    table = plain_table()
    table.add_column("#", justify="right")
    table.add_column("model", overflow="fold", min_width=16)
    columns = ["quant", "size", "decode tok/s", "TTFT p50"]
    columns += [name for name in ("prefill tok/s", "load", "total tok/s", "n") if wide or name == by]
    columns += ["when"] if wide or by in ("", *columns[:2], "when") else []
    for name in columns:
        table.add_column(name, justify="left" if name in ("quant", "when") else "right", no_wrap=True)
    for place, (row, more) in enumerate(zip(rows, beside, strict=False), start=1):
        cells = {
            "quant": safe(row.quantization or NOTHING, 12),
            "decode tok/s": f"[bold]{interval(row.decode_tps)}[/]",
            "TTFT p50": ttft(row),
            "n": str(row.decode_tps.n if row.decode_tps else row.requests_ok or 0),
            **sorted_cells(row, wide),
        }
        measured = row.decode_tps is not None or row.ttft_ms is not None
        table.add_row(
            str(place) if measured else NOTHING, named(row) + more, *(cells[name] for name in columns)
        )
    return table


def sorted_cells(row: BoardRow, wide: bool) -> dict[str, str]:
    """The cells of the columns in SORTED."""
    return {
        "prefill tok/s": interval(row.prefill_tps),
        "load": milliseconds(row.load_ms),
        "total tok/s": number(row.output_tps),
        "size": size(row.size_bytes),
        "when": when(row, wide),
    }


def quality_table(rows: Sequence[BoardRow], wide: bool, beside: Sequence[str], by: str = "") -> Table:
    """Rank, score with its interval and what has no verdict, beside the speed; `by` as there."""
    table = plain_table()
    table.add_column("rank", justify="right", no_wrap=True)
    table.add_column("model", overflow="fold", min_width=16)
    columns = [
        ("quant", "left", wide),
        ("size", "right", wide or by == "size"),
        ("score", "right", True),
        ("95 %", "right", True),
        ("n", "right", True),
        ("decode tok/s", "right", True),
        ("TTFT p50", "right", wide or not by),
        *((name, "right", True) for name in ("prefill tok/s", "load", "total tok/s") if name == by),
        ("when", "left", wide or by == "when"),
        ("no verdict, cut", "left", wide),
    ]
    for name, justify, shown in columns:
        if shown:
            table.add_column(name, justify=justify, no_wrap=name != "no verdict, cut")  # type: ignore[arg-type]
    for row, more in zip(rows, beside, strict=False):
        found = row.quality
        assert found is not None
        cells = {
            "quant": safe(row.quantization or NOTHING, 12),
            "score": f"[bold]{points(found.score)}[/]",
            "95 %": bounds(found),
            "n": f"{found.n:,}",
            "decode tok/s": interval(row.decode_tps) if wide else rate(row.decode_tps),
            "TTFT p50": ttft(row),
            "no verdict, cut": hints(found),
            **sorted_cells(row, wide),
        }
        below = "" if wide or not hints(found) else f"\n[dim]{hints(found)}[/]"
        table.add_row(
            rank(found), named(row) + more + below, *(cells[name] for name, _, shown in columns if shown)
        )
    return table


def explain_lone(screen: Console, shown: Sequence[Value | None]) -> None:
    """Say what `≈` is, where it stands before one of the rates that are shown."""
    if any(value is not None and value.low is None for value in shown):
        screen.print("≈ no interval: too few requests, arrivals that overlap, or estimates", style="dim")


def show_models(
    models: Sequence[ModelRow], limit: int | None = None, sort: str | None = None, there: str = ""
) -> None:
    """One row per model: the score of every suite with its interval and rank, and the speed."""
    screen = console()
    by = SORTED.get(sort or "", "")
    wide = screen.width >= _WIDE
    suites = sorted({suite for model in models for suite in model.scores})
    table = plain_table()
    table.add_column("model", overflow="fold", min_width=14)
    for name in ("quant", "size"):
        if wide or name == by:
            table.add_column(name, justify="right", no_wrap=True)
    for suite in suites:
        table.add_column(f"{safe(suite)}, rank", justify="right", no_wrap=wide)
    table.add_column("decode tok/s", justify="right", no_wrap=True)
    table.add_column("TTFT p50", justify="right", no_wrap=True)
    if by not in ("", "size"):
        table.add_column(by, justify="right", no_wrap=True)
    # before the cut: a name that is shown once may still be another's too
    beside = beside_names(models, wide)
    for model, more in zip(models[: limit or _ROWS], beside, strict=False):
        cells = [
            (safe(model.quantization or NOTHING, 12), wide),
            (size(model.size_bytes), wide or by == "size"),
        ]
        scores = [model.scores[suite].quality if suite in model.scores else None for suite in suites]
        speed = model.speed
        table.add_row(
            safe(model.model, 90) + (" ☁" if model.remote else "") + more,
            *(cell for cell, shown in cells if shown),
            *(NOTHING if found is None else in_one_cell(found, wide) for found in scores),
            NOTHING if speed is None else interval(speed.decode_tps),
            NOTHING if speed is None else ttft(speed),
            *(
                [NOTHING if speed is None else sorted_cells(speed, wide)[by]]
                if by not in ("", "size")
                else []
            ),
        )
    screen.print(narrowed(table, spare=[name for name in SPARE if name != by]))
    if len(models) > (limit or _ROWS):
        screen.print(f"{len(models) - (limit or _ROWS)} more: --limit {len(models)}", style="dim")
    for suite in sorted({suite for model in models for suite in model.elsewhere}):
        others = sum(suite in model.elsewhere for model in models)
        said = f"{safe(suite)}: {others} more {'was' if others == 1 else 'were'} asked other items"
        more = "in another way, or by another version of the suite"
        hint(screen, f"{said}, {more}", f"board --suite {suite}", there=there)
    timed = [model.speed for model in models if model.speed is not None]
    explain_lone(screen, [speed.decode_tps for speed in timed])
    if words := what_they_are(bool(suites), timed):
        screen.print(words, style="dim")


def what_they_are(scored: bool, timed: Sequence[BoardRow]) -> str:
    """What the scores are, where there are any, and what the speeds are of: a load, or a suite's requests."""
    said = []
    if scored:
        said.append("score of 100 with its 95 % interval, #rank: a range where models cannot be told apart")
    if timed:
        first = timed[0]
        graded = first.quality is not None
        load = f"in the requests of {first.suite}" if graded else f"under one load for all: {first.item_set}"
        said.append(f"speed: {safe(load)}")
    return "; ".join(said)


def in_one_cell(found: Quality, wide: bool) -> str:
    if wide:
        return f"[bold]{points(found.score)}[/] [dim]({bounds(found)})[/] #{rank(found)}"
    return f"[bold]{points(found.score)}[/] #{rank(found)}\n[dim]{bounds(found)}[/]"


def beside_names(rows: Sequence[BoardRow | ModelRow], quant_shown: bool) -> list[str]:
    """What stands beside each name, as markup: the machine where there are several, and where others have the
    name too, what tells the model from theirs. `quant_shown`: the quantization has a column of its own.
    """
    several = len({row.served_on for row in rows}) > 1
    machines = [(row.served_on or "machine not known") if several else "" for row in rows]
    apart = told_apart(
        [
            ((row.model, row.quantization if quant_shown else "", machine), *apart_by(row, quant_shown))
            for row, machine in zip(rows, machines, strict=True)
        ]
    )
    words = [[*filter(None, (machine,)), *own] for machine, own in zip(machines, apart, strict=True)]
    return [f" [dim]{safe(' '.join(own), 160)}[/]" if own else "" for own in words]


def apart_by(row: BoardRow | ModelRow, quant_shown: bool) -> tuple[str, ...]:
    """The words that may tell a model from others of its name, the most telling first."""
    quant = "" if quant_shown else row.quantization or "quantization not known"
    return quant, served_at(row.dialect, row.server_url), *own_words(row)


def own_words(row: BoardRow | ModelRow) -> tuple[str, str]:
    """The digest of a row, and its run where it is about one."""
    from tiltyard.store.board import BoardRow

    if isinstance(row, BoardRow):
        return digest_of(row.digest), f"run {row.run_id}"
    runs = [*row.scores.values(), *([] if row.speed is None else [row.speed])]
    return digest_of(runs[0].digest if runs else None), ""


def named(row: BoardRow) -> str:
    """The model with its marks."""
    marks = (" [yellow]![/]" if row.client_bound else "") + (" ☁" if row.remote else "")
    if row.not_well and row.quality is None:  # a graded row has them among what does not count
        marks += f" [red]✗ {row.not_well:,} failed[/]"
    return safe(row.model, 90) + marks


def when(row: BoardRow, wide: bool) -> str:
    return row.started_at[:10] if wide else row.started_at[5:10]


def ttft(row: BoardRow) -> str:
    return milliseconds(row.ttft_ms.p50 if row.ttft_ms else None)


def interval(value: Value | None) -> str:
    if value is None:
        return NOTHING
    ci95 = None if value.low is None else [value.low, value.high]
    return with_interval({"mean": value.mean, "ci95": ci95})


def rate(value: Value | None) -> str:
    return number(value.mean if value else None)


def overlapping(table: Sequence[BoardRow]) -> bool:
    """Are there two rows of speed whose decode rates the data cannot tell apart?"""
    rates = [row.decode_tps for row in table if row.quality is None and row.decode_tps is not None]
    spans = sorted(
        ((each.low, each.high) for each in rates if each.low is not None and each.high is not None),
        reverse=True,
    )
    return any(slower[1] >= faster[0] for faster, slower in pairwise(spans))


def rank(found: Quality) -> str:
    """`2`, or `1-3` where it cannot be told apart from others in these places."""
    if found.rank is None:
        return NOTHING
    best, worst = found.rank
    return str(best) if best == worst else f"{best}-{worst}"


def points(score: float | None) -> str:
    return NOTHING if score is None else f"{100 * score:.1f}"


def bounds(found: Quality) -> str:
    if found.low is None or found.high is None:
        return NOTHING
    return f"{100 * found.low:.1f} to {100 * found.high:.1f}"


def hints(found: Quality) -> str:
    """What a score alone hides: `12 error, 3 unsupported, 8 % cut`."""
    words = [f"{found.outcomes[name]} {name}" for name in _HINTS if found.outcomes.get(name)]
    if found.cap_hit:
        words.append(f"[yellow]{percent(found.cap_hit)} cut[/]")
    return ", ".join(words)
