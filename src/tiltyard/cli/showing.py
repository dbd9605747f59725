"""How the stored things look on a terminal: lists of runs, an attempt, a timeline. The board is elsewhere.

Everything from models and servers is cleaned of terminal escapes and markup first. Marks are signs as well as
colours. Narrow terminals get fewer columns rather than broken ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from tiltyard.reports.narrow import narrowed
from tiltyard.reports.words import NOTHING, clean, milliseconds, not_well, number, size, with_interval

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tiltyard.records import Attempt, Exchange, Run
    from tiltyard.store.search import Found

_WIDE = 110
LONGEST = 4096  # characters of a path
_KINDS = {"c": "answer", "r": "reasoning", "t": "tool call", "f": "refusal", "o": "-", "p": "ping"}
_STATES = {"finished": "✓", "running": "…", "interrupted": "‖", "failed": "✗"}
_ANSWER_CHARS = 4_000


def console() -> Console:
    from rich.console import Console

    return Console(highlight=False, emoji=False)  # a model may be called `a:star:`


def plain_table() -> Table:
    from rich.table import Table

    return Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")


def safe(text: object, limit: int = 200) -> str:
    """Outside text for a table cell or a line."""
    from rich.markup import escape

    return escape(clean(str(text), limit).replace("\n", "⏎").replace("\t", " "))


def hint(screen: Console, words: str, *commands: str, there: str) -> None:
    """A line that ends with commands. `there`: what each needs to find the store; then no line is broken."""
    said = ", ".join(f"tiltyard {command}{there}" for command in commands)
    screen.print(f"{words}: {safe(said, LONGEST)}", style="dim", soft_wrap=bool(there))


def day(started_at: str) -> str:
    return started_at[:16].replace("T", " ")


# ------------------------------------------------------------------ runs


def show_runs(runs: Sequence[Run], counts: Mapping[str, int], whole: int) -> None:
    """A line each; `whole`: how many there are."""
    screen = console()
    wide = screen.width >= _WIDE
    table = plain_table()
    graded = ["outcomes" in (run.summary or {}) for run in runs]
    table.add_column("run", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("suite")
    table.add_column("model", overflow="fold", min_width=16)
    table.add_column("attempts" if wide else "n", justify="right")
    table.add_column("score" if any(graded) else "decode tok/s", justify="right", no_wrap=True)
    if any(graded):
        table.add_column("decode tok/s", justify="right", no_wrap=True)
    if wide:
        table.add_column("server")
    table.add_column("started (UTC)" if wide else "started", no_wrap=True)
    for run in runs:
        summary = run.summary or {}
        cells = [
            safe(run.id, 16 if not wide else 40),
            state_of(run, wide),
            safe(run.suite),
            safe(run.model.name, 90),
            f"{summary['n'] if 'outcomes' in summary else counts.get(run.id, 0):,}",
            *([score_in_words(summary)] if any(graded) else []),
            with_interval(
                mapping(summary.get("decode_tps") or (summary.get("speed") or {}).get("decode_tps"))
            ),
        ]
        table.add_row(
            *cells, *([safe(run.server.dialect)] if wide else []), day(run.started_at)[0 if wide else 5 :]
        )
    screen.print(narrowed(table, spare=("started", "suite", "n")))
    if len(runs) < whole:
        screen.print(f"{whole - len(runs):,} more: --limit {whole}", style="dim")
    if not wide:
        screen.print("✓ finished  ! some failed  ✗ failed  … running  ‖ interrupted", style="dim")


def state_of(run: Run, wide: bool) -> str:
    """A mark, and on a wide terminal the state: a finished run has failed where its requests have. What a
    server does not support is a finding of a graded run.
    """
    summary = run.summary or {}
    requests = mapping(summary.get("requests")) or {}
    failed, ok = not_well(requests), requests.get("ok") or 0
    if "outcomes" in summary:
        failed = summary["outcomes"]["error"]
        ok = summary["n"] - failed
    if run.state != "finished" or not failed:
        return _STATES[run.state] + (f" {run.state}" if wide else "")
    return ("! " if ok else "✗ ") + f"{failed:,} failed" if wide else "!" if ok else "✗"


def score_in_words(summary: Mapping[str, Any]) -> str:
    """`81.5 (75 to 86)`, of 100."""
    score, ci95 = summary.get("score"), summary.get("ci95")
    if score is None:
        return NOTHING
    return f"{100 * score:.1f}" + (f" ({100 * ci95[0]:.0f} to {100 * ci95[1]:.0f})" if ci95 else "")


def show_found(hits: Sequence[Found]) -> None:
    """Answers in which the searched words stand."""
    if not hits:
        return
    screen = console()
    screen.print("\nanswers with these words", style="dim")
    for hit in hits:
        screen.print(f"[dim]{safe(hit.run_id, 16)}  {safe(hit.item_id, 30)}[/]  {safe(hit.snippet, 160)}")


def mapping(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) else None


# ------------------------------------------------------------------ one run


def show_run(
    run: Run, attempts: Sequence[Attempt], endings: Sequence[str | None], limit: int, there: str
) -> None:
    """`there`: what a command needs to find the run's store."""
    from tiltyard.reports.terminal import render_summary

    screen = console()
    model, server = run.model, run.server
    about = [model.quantization, size(model.size_bytes) if model.size_bytes else None, model.engine_version]
    facts = [
        ("run", run.id),
        ("state", f"{_STATES[run.state]} {run.state}"),
        ("model", " · ".join(str(part) for part in (model.name, *about) if part)),
        ("server", " ".join(str(part) for part in (server.dialect, server.version, server.url) if part)),
        ("suite", f"{run.suite} {run.suite_version}"),
        ("started", f"{day(run.started_at)} UTC" + (f", ended {day(run.ended_at)}" if run.ended_at else "")),
        ("settings", ", ".join(f"{key}={value}" for key, value in run.settings.items() if value is not None)),
        ("fingerprint", run.fingerprint),
        ("again with", run.command),
    ]
    show_facts(screen, [(name, value) for name, value in facts if value])
    if run.summary:
        render_summary(run.summary, screen, there)
    if attempts:
        screen.print()
        table = attempts_table(attempts[:limit], endings, screen.width >= _WIDE)
        screen.print(narrowed(table, spare=("tokens", "stage", "ending", "TTFT")))
    if len(attempts) > limit:
        screen.print(f"{len(attempts) - limit:,} more: --limit {len(attempts)}", style="dim")
    if attempts:
        hint(screen, "one of them", f"show {run.id} 1", there=there)


def show_facts(screen: Console, facts: Sequence[tuple[str, str]]) -> None:
    table = plain_table()
    table.show_header = False
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, safe(value, 1000))
    screen.print(table)


def attempts_table(attempts: Sequence[Attempt], endings: Sequence[str | None], wide: bool) -> Table:
    table = plain_table()
    graded = any(attempt.grade for attempt in attempts)
    for name, shown in (("#", True), ("stage", True), ("item", True), ("ending", True), ("grade", graded)):
        if shown:
            table.add_column(name, justify="right" if name == "#" else "left", overflow="fold", min_width=8)
    for name, shown in (("TTFT", True), ("tok/s", True), ("tokens", True), ("total", wide), ("prompt", wide)):
        if shown:
            table.add_column(name, justify="right", no_wrap=True)
    for place, (attempt, ending) in enumerate(zip(attempts, endings, strict=False), start=1):
        measures = attempt.measures
        item = attempt.item_id + (f" ({attempt.repetition + 1})" if attempt.repetition else "")
        good = ending == "ok"
        state = ("[green]✓[/] " if good else "[red]✗[/] ") + safe((ending or "none").replace("_", " "))
        cells = [(str(place), True), (safe(attempt.stage, 40), True), (safe(item, 60), True), (state, True)]
        cells += [
            (safe(attempt.grade.outcome) if attempt.grade else "", graded),
            (milliseconds(measures.ttft_ms), True),
            (number(measures.decode_tps) + (" [yellow]![/]" if attempt.client_bound else ""), True),
            (NOTHING if measures.output_tokens is None else f"{measures.output_tokens:,}", True),
            (milliseconds(measures.e2e_ms), wide),
            (NOTHING if measures.prompt_tokens is None else f"{measures.prompt_tokens:,}", wide),
        ]
        table.add_row(*(cell for cell, shown in cells if shown))
    return table


# ------------------------------------------------------------------ one attempt


def show_attempt(run: Run, place: int, attempt: Attempt, there: str) -> None:
    from tiltyard.reports.export import score_of

    screen = console()
    grade = attempt.grade
    facts = [
        ("run", f"{run.id}  {run.model.name}"),
        ("attempt", f"{place}: {attempt.stage}, {attempt.item_id}, repetition {attempt.repetition + 1}"),
        ("started", f"{day(attempt.started_at)} UTC, try {attempt.try_no}, sitting {attempt.session}"),
    ]
    if attempt.client_bound:
        facts.append(("!", "the client was the bottleneck while this ran"))
    if grade is not None:
        rule = f", by rule {grade.rule}" if grade.rule else ""
        score = score_of(grade)
        scored = "no score" if score is None else f"score {score:g}"
        facts.append(("grade", f"{grade.outcome}, {scored}{rule}"))
        facts += [("", reason) for reason in grade.reasons]
        facts += [("", f"{name}: {value}") for name, value in grade.details.items()]
    show_facts(screen, facts)
    for exchange in attempt.exchanges:
        show_exchange(screen, exchange)
    measures = asdict(attempt.measures)
    screen.print("\nmeasured", style="dim")
    show_facts(screen, [(name, figure_text(value)) for name, value in measures.items() if value is not None])
    for exchange in attempt.exchanges:
        if exchange.timings is not None:
            show_attribution(screen, exchange)
    hint(screen, "each arrival", f"show {run.id} {place} --timeline", there=there)


def show_attribution(screen: Console, exchange: Exchange) -> None:
    """Where the time went: the server's own parts, and what is left for transport and client. A wait for a
    slot that the server says nothing about is in the transport, which then says so.
    """
    from tiltyard.load.metrics import attribute

    source = exchange.timings.source if exchange.timings is not None else "server"
    screen.print(f"\nwhere the time went, ms (load to decode as {safe(source)} says)", style="dim")
    parts = attribute(exchange)
    words = {"transport": "transport, any queue"} if parts["queue"] is None else {}
    rows = [(words.get(name, name), number(value, 5)) for name, value in parts.items() if value is not None]
    show_facts(screen, rows)


def figure_text(value: Any) -> str:
    return (
        number(value, 5)
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )


def show_exchange(screen: Console, exchange: Exchange) -> None:
    """What was asked and what came, as text."""
    parts: list[tuple[str, str]] = [(message.role, message.content) for message in exchange.request.messages]
    parts += [("reasoning", exchange.reasoning), ("answer", exchange.text)]
    parts += [("tool call", f"{call.name}({call.arguments})") for call in exchange.tool_calls]
    parts += [("error", exchange.error or ""), ("raw", (exchange.raw or b"").decode("utf-8", "replace"))]
    for name, text in parts:
        if text:
            screen.print(f"\n[dim]{name}[/]")
            screen.print(block(text))
    ending = [exchange.ending.replace("_", " "), exchange.finish_reason, exchange.status, *exchange.notes]
    screen.print("\n[dim]ended[/] " + safe(", ".join(str(part) for part in ending if part is not None), 400))


def block(text: str) -> str:
    """A longer text from outside, its own lines kept."""
    from rich.markup import escape

    return escape(clean(text, _ANSWER_CHARS))


# ------------------------------------------------------------------ one timeline


def show_timeline(attempt: Attempt) -> None:
    """Milliseconds since the first byte was sent; `gap` since the event before."""
    screen = console()
    for place, exchange in enumerate(attempt.exchanges, start=1):
        timeline, events = exchange.timeline, exchange.events
        zero = timeline.sent_ns if timeline.sent_ns is not None else timeline.started_ns
        if len(attempt.exchanges) > 1:
            screen.print(f"exchange {place}", style="bold")
        marks = [
            ("scheduled", timeline.scheduled_ns),
            ("taken up", timeline.started_ns),
            ("connection reused" if timeline.reused else "connected", timeline.connected_ns),
            ("sent", timeline.sent_ns),
            ("headers", timeline.headers_ns),
            ("closed", timeline.closed_ns),
        ]
        show_facts(screen, [(name, f"{(at - zero) / 1e6:+.3f} ms") for name, at in marks if at is not None])
        table = plain_table()
        for name in ("ms", "gap ms"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("event", no_wrap=True)
        table.add_column("tokens", justify="right")
        table.add_column("text", overflow="fold")
        times = [zero, *events.t_ns]
        counts = events.tokens or (-1,) * len(events.t_ns)
        rows = zip(pairwise(times), events.kinds, counts, events.texts, strict=False)
        for (before, at), kind, tokens, text in rows:
            shown = (f"{(at - zero) / 1e6:.3f}", f"{(at - before) / 1e6:.3f}", _KINDS.get(kind, kind))
            table.add_row(*shown, str(tokens) if tokens >= 0 else "", safe(text, 400))
        screen.print(table)
        ended = exchange.ending.replace("_", " ")
        screen.print(
            f"{len(timeline.arrivals_ns)} reads, {timeline.clock} clock, ended: {ended}", style="dim"
        )
