"""The terminal's summary of one run, drawn with rich.

Takes the summary object and a console; colour is never the only signal, and everything from outside is
cleaned of terminal escapes. Leaves out progress (`cli/progress.py`) and the board (`cli/showing.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tiltyard.records import Json
from tiltyard.reports.narrow import Column, Narrowing
from tiltyard.reports.stages import findings_of, in_words
from tiltyard.reports.terminal_graded import lines_of, render_graded
from tiltyard.reports.terminal_stages import stage_table
from tiltyard.reports.values import came_by_schedule, single_values
from tiltyard.reports.words import (
    NOTHING,
    answered_in_words,
    broken_calls,
    clean,
    count,
    number,
    percent,
    rate_doubt,
    with_interval,
)

if TYPE_CHECKING:
    from rich.console import Console


def render_summary(summary: Mapping[str, Json], console: Console, there: str = "") -> None:
    """One run at its end: figures with intervals, how requests ended, cautions, and what to do next.

    `there`: what a command needs to find the run's store.
    """
    from rich.markup import escape

    def say(mark: str, words: str) -> None:
        console.print(f"{mark} {escape(clean(words, 400))}", highlight=False, emoji=False)

    server = summary.get("server") or {}
    engine = clean(" ".join(str(p) for p in (server.get("dialect"), server.get("version")) if p), 60)
    name = clean(str(summary.get("model")), 120)
    console.print(f"\n[bold]{escape(name)}[/]  [dim]{escape(engine)}[/]", highlight=False, emoji=False)
    if "outcomes" in summary:
        render_graded(summary, console)
    else:
        console.print(_figures(summary))
        stages = stage_table(summary)
        if stages is not None:
            console.print(stages)
    requests = summary.get("requests") or {}
    ok, total = requests.get("ok"), requests.get("total")
    tries = summary.get("retries")
    again = f", after {tries} failed {'try' if tries == 1 else 'tries'}" if tries else ""
    if total and ok == total:
        say("[green]✓[/]", f"all {total} requests ended well{again}")
    elif total and ok is not None and (broken := broken_calls(summary)):
        mark = "[yellow]·[/]" if ok + broken == total else "[red]✗[/]"
        say(mark, answered_in_words(total, ok, broken) + again)
    elif total:
        others = {k: v for k, v in (summary.get("endings") or {}).items() if k != "ok" and v}
        ways = ", ".join(f"{v} {k.replace('_', ' ')}" for k, v in others.items())
        cannot = (summary.get("outcomes") or {}).get("unsupported") == total - ok
        mark = "[yellow]·[/]" if cannot else "[red]✗[/]"
        why = " of what the server does not support" if cannot else ""
        say(mark, f"{ok} of {total} requests ended well ({percent(ok / total)}){again}; {ways}{why}")
    for words in in_words(summary):
        say("[cyan]→[/]", words)
    for words in cautions(summary):
        say("[yellow]![/]", words)
    if measured := provenance(summary):
        console.print(f"[dim]{escape(clean(measured, 400))}[/]", highlight=False, emoji=False)
    run_id = escape(str(summary.get("run_id") or ""))
    if run_id:
        commands = [f"show {run_id}", "board", "compare", "report"]
        commands = [f"tiltyard {command}{escape(there)}" for command in commands]
        commands[0] = f"run {run_id}   next: {commands[0]}"
        for line in lines_of(commands, console.width, " · "):
            console.print(f"[dim]{line}[/]", highlight=False, soft_wrap=True)


def _figures(summary: Mapping[str, Json]) -> Narrowing:
    rows: list[tuple[str, str, str, str]] = []
    for key, name, unit in (
        ("decode_tps", "decode", "tok/s"),
        ("ttft_ms", "first token", "ms"),
        ("ttft_scheduled_ms", "since it was due", "ms"),
        ("prefill_tps", "prefill", "tok/s"),
        ("prefill_warm_tps", "prefill, cached", "tok/s"),
    ):
        if key == "ttft_scheduled_ms" and not came_by_schedule(summary):
            continue
        if key == "prefill_warm_tps" and not summary.get(key):
            continue
        figure = summary.get(key)
        if isinstance(figure, Mapping) and figure.get("mean") is not None:
            rows.append((name, f"[bold]{with_interval(figure)}[/]", unit, f"[dim]{_spread(figure)}[/]"))
        else:
            rows.append((name, NOTHING, "", f"[dim]{why_not(summary, key)}[/]"))
    for name, value, unit, note in single_values(summary):
        rows.append((name, value, unit, f"[dim]{note}[/]"))
    left, right = Column("", justify="left"), Column("")
    return Narrowing([left, right, left, left], rows, header=False)


def why_not(summary: Mapping[str, Json], key: str) -> str:
    """Why there is no such figure."""
    known = (summary.get("unmeasured") or {}).get(key)
    return clean(str(known["why"]), 120) if known else "not measurable here"


COUNTERS = {
    "server": "server's usage",
    "server-native": "server's timings",
    "tokenize": "server's tokenizer",
    "local": "tokenizer file",
    "estimate": "estimated",
    "mixed": "several sources",
}
CLOCKS = {"kernel": "kernel's clock", "user": "client's clock"}


def provenance(summary: Mapping[str, Json]) -> str:
    """Who counted the tokens, who sized the prompts, who stamped the arrivals."""
    source = (summary.get("tokens") or {}).get("source")
    rung, clock = (summary.get("prompt") or {}).get("rung"), (summary.get("client") or {}).get("clock")
    said = (
        ("tokens", COUNTERS.get(str(source), source)),
        ("prompt sizes", COUNTERS.get(str(rung), rung)),
        ("arrivals", CLOCKS.get(str(clock), clock)),
    )
    return " · ".join(f"{what}: {who}" for what, who in said if who)


def _spread(figure: Mapping[str, Json]) -> str:
    words = f"n {count(figure.get('n'))} · p50 {number(figure.get('p50'))} · p95 {number(figure.get('p95'))}"
    return words if figure.get("ci95") else f"{words} · {figure.get('why') or 'no interval'}"


def cautions(summary: Mapping[str, Json]) -> list[str]:
    """What a reader must know before trusting the figures."""
    client = summary.get("client") or {}
    out = []
    if client.get("bottleneck"):
        out.append("the client was the bottleneck: the server may be faster than these figures say")
    source = (summary.get("tokens") or {}).get("source")
    if source == "estimate":
        out.append("token counts are estimates: the server reports none")
    if doubt := rate_doubt(summary):
        out.append(doubt)
    remarks = (summary.get("machine") or {}).get("remarks") or ()
    left_out = findings_of(summary).get("notes") or ()
    return [*out, *(str(note) for note in (*(summary.get("notes") or ()), *left_out, *remarks))]
