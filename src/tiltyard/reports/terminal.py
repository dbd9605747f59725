"""The terminal's summary of one run and the board, drawn with rich.

Takes plain mappings (the summary object, the board's rows) and a console; colour is never the only signal,
and everything from outside is cleaned of terminal escapes. Leaves out progress (`cli/progress.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from tiltyard.records import Json
from tiltyard.reports.stages import findings_of, in_words
from tiltyard.reports.words import NOTHING, clean, count, milliseconds, number, percent, size, with_interval

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_BAR = 14  # cells of the board's bar
_NARROW = 96  # below this the board drops its least needed columns


def render_summary(summary: Mapping[str, Json], console: Console) -> None:
    """One run at its end: figures with intervals, how requests ended, cautions, and what to do next."""
    from rich.markup import escape

    server = summary.get("server") or {}
    words = " ".join(str(p) for p in (server.get("dialect"), server.get("version")) if p)
    console.print(
        f"\n[bold]{escape(clean(str(summary.get('model')), 120))}[/]  [dim]{escape(clean(words, 60))}[/]"
    )
    console.print(_figures(summary))
    requests = summary.get("requests") or {}
    ok, total = requests.get("ok"), requests.get("total")
    if total and ok == total:
        console.print(f"[green]✓[/] all {total} requests ended well", highlight=False)
    elif total:
        others = {k: v for k, v in (summary.get("endings") or {}).items() if k != "ok" and v}
        list_ = ", ".join(f"{v} {k.replace('_', ' ')}" for k, v in others.items())
        console.print(
            f"[red]✗[/] {ok} of {total} requests ended well ({percent(ok / total)}); {list_}", highlight=False
        )
    for word in in_words(summary):
        console.print(f"[cyan]→[/] {escape(clean(word, 400))}", highlight=False)
    for word in cautions(summary):
        console.print(f"[yellow]![/] {escape(clean(word, 400))}", highlight=False)
    run_id = str(summary.get("run_id") or "")
    if run_id:
        next_ = f"tiltyard show {run_id} · tiltyard board · tiltyard compare · tiltyard report"
        console.print(f"[dim]run {run_id}   next: {next_}[/]", highlight=False, soft_wrap=True)


def _figures(summary: Mapping[str, Json]) -> Table:
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2), pad_edge=False)
    sides: Sequence[Literal["left", "right"]] = ("left", "right", "left", "left")
    for justify in sides:
        table.add_column(justify=justify)
    for key, name, unit in (
        ("decode_tps", "decode", "tok/s"),
        ("ttft_ms", "first token", "ms"),
        ("prefill_tps", "prefill", "tok/s"),
    ):
        figure = summary.get(key)
        if isinstance(figure, Mapping) and figure.get("mean") is not None:
            table.add_row(name, f"[bold]{with_interval(figure)}[/]", unit, f"[dim]{_spread(figure)}[/]")
        else:
            table.add_row(name, NOTHING, "", "[dim]not measurable here[/]")
    for name, value, note in _single_values(summary):
        number_, _, unit = value.partition(" ")
        table.add_row(name, number_, unit, f"[dim]{note}[/]")
    return table


def _spread(figure: Mapping[str, Json]) -> str:
    words = f"n {count(figure.get('n'))} · p50 {number(figure.get('p50'))} · p95 {number(figure.get('p95'))}"
    return words if figure.get("ci95") else f"{words} · {figure.get('why') or 'no interval'}"


def _single_values(summary: Mapping[str, Json]) -> list[tuple[str, str, str]]:
    """Name, value with unit, note: of what is one value a run and known."""
    load, machine = summary.get("load") or {}, summary.get("machine") or {}
    out = []
    if (rate := summary.get("output_tps")) is not None:
        out.append(("output, all streams", f"{number(rate)} tok/s", ""))
    if load.get("load_ms") is not None:
        out.append(
            ("cold load", milliseconds(load["load_ms"]), f"timed by the {load.get('source', 'client')}")
        )
    for name, device in (machine.get("devices") or {}).items():
        peak = (device.get("memory_bytes") or {}).get("max")
        if peak is not None and (device.get("kind") == "gpu" or name == "ram"):
            out.append(("memory, peak", size(peak), clean(str(device.get("name") or name), 40)))
    if machine.get("tokens_per_joule") is not None:
        net = "net of the idle baseline" if machine.get("energy_net_j") else "idle power included"
        out.append(("energy", f"{number(machine['tokens_per_joule'])} tok/J", net))
    return out


def cautions(summary: Mapping[str, Json]) -> list[str]:
    """What a reader must know before trusting the figures."""
    client = summary.get("client") or {}
    out = []
    if client.get("bottleneck"):
        out.append("the client was the bottleneck: the server may be faster than these figures say")
    source = (summary.get("tokens") or {}).get("source")
    if source == "estimate":
        out.append("token counts are estimates: the server reports none")
    remarks = (summary.get("machine") or {}).get("remarks") or ()
    left_out = findings_of(summary).get("notes") or ()
    return [*out, *(str(note) for note in (*(summary.get("notes") or ()), *left_out, *remarks))]


def render_board(rows: Sequence[Mapping[str, Json]], console: Console) -> None:
    """The leaderboard: rows as `Store.board` gives them (as built-in values), in their order."""
    from rich.markup import escape
    from rich.table import Table

    wide = console.width >= _NARROW
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim", row_styles=("", ""))
    table.add_column("#", justify="right")
    table.add_column("model", overflow="fold", ratio=1)
    columns = [("size", wide), ("decode tok/s", True), ("", wide), ("TTFT", True), ("prefill tok/s", True)]
    columns += [("load", wide), ("server", wide)]
    for name, shown in columns:
        if shown:
            table.add_column(name, justify="left" if name in ("", "server") else "right", no_wrap=True)
    best = max((_mean(row, "decode_tps") or 0.0 for row in rows), default=0.0)
    for place, row in enumerate(rows, start=1):
        speed = _mean(row, "decode_tps")
        cells = [
            (size(row.get("size_bytes")), wide),
            (f"[bold]{with_interval(_figure(row, 'decode_tps'))}[/]", True),
            (bar(speed, best), wide),
            (milliseconds((row.get("ttft_ms") or {}).get("p50")), True),
            (with_interval(_figure(row, "prefill_tps")), True),
            (milliseconds(row.get("load_ms")), wide),
            (escape(clean(str(row.get("server") or row.get("dialect") or ""), 24)), wide),
        ]
        table.add_row(str(place), _name(row), *(cell for cell, shown in cells if shown))
    console.print(table)
    if any(row.get("client_bound") for row in rows):
        console.print(
            "[yellow]![/] the client was the bottleneck: the true speed may be higher", highlight=False
        )


def _name(row: Mapping[str, Json]) -> str:
    from rich.markup import escape

    name = f"[bold]{escape(clean(str(row.get('model')), 100))}[/]"
    quant = row.get("quant") or row.get("quantization")
    words = f" [dim]{escape(clean(str(quant), 20))}[/]" if quant else ""
    return f"{name}{words}" + (" [yellow]![/]" if row.get("client_bound") else "")


def _figure(row: Mapping[str, Json], key: str) -> Mapping[str, Json] | None:
    """A figure with its interval, whichever way the row spells it."""
    value = row.get(key)
    if not isinstance(value, Mapping):
        return None
    if value.get("ci95") is None and value.get("low") is not None:
        return {**value, "ci95": (value["low"], value["high"])}
    return value


def _mean(row: Mapping[str, Json], key: str) -> float | None:
    mean = (_figure(row, key) or {}).get("mean")
    return None if mean is None else float(mean)


def bar(value: float | None, best: float) -> str:
    """A bar of eighths of a cell, `_BAR` cells for the best."""
    if not value or best <= 0:
        return ""
    eighths = max(1, round(8 * _BAR * value / best))
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
