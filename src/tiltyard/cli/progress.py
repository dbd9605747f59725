"""What a person or a program sees while a run is under way.

Three listeners for the events of `run.execute`: JSON lines on standard output for programs, a live line on a
terminal, plain lines otherwise. They take events and draw; they never ask the run for anything.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from tiltyard.records import Json

if TYPE_CHECKING:
    from rich.progress import Progress

Listener = Callable[[Mapping[str, Json]], None]
PLAIN_EVERY_S = 5.0  # between plain progress lines


@contextmanager
def listening(as_json: bool) -> Iterator[Listener]:
    """The listener that fits: JSON lines, a live display on a terminal, or plain lines."""
    if as_json:
        yield json_lines
    elif sys.stderr.isatty():
        with live() as listener:
            yield listener
    else:
        yield PlainLines()


def json_lines(event: Mapping[str, Json]) -> None:
    """One JSON object per line, flushed, on standard output."""
    sys.stdout.buffer.write(one_line(event))
    sys.stdout.buffer.flush()


def one_line(value: Json) -> bytes:
    """JSON that stays one line also for readers who take U+0085, U+2028 and U+2029 for line ends."""
    from tiltyard.store.rows import to_json

    line = to_json(value).encode()
    for char in ("\x85", "\u2028", "\u2029"):
        line = line.replace(char.encode(), b"\\u%04x" % ord(char))
    return line + b"\n"


class PlainLines:
    """A line per stage, and one every few seconds within it, on standard error."""

    def __init__(self) -> None:
        self.last_s = time.monotonic()

    def __call__(self, event: Mapping[str, Json]) -> None:
        kind = event["event"]
        if kind == "progress":
            if time.monotonic() - self.last_s < PLAIN_EVERY_S:
                return
            self.last_s = time.monotonic()
        line = describe(event)
        if line:
            click.echo(line, err=True)


def describe(event: Mapping[str, Json]) -> str:
    """One event in words; empty for those that say nothing new to a person."""
    kind = event["event"]
    if kind == "job":
        return f"[{event['number']}/{event['jobs']}] {clean(event['model'])} - {event['suite']}"
    if kind == "say":
        return f"  {clean(event['text'])}"
    if kind == "stage":
        return f"  {clean(event['stage'])}"
    if kind == "progress":
        return f"  {clean(event['stage'])}: {counts(event)}"
    return ""


def counts(event: Mapping[str, Json]) -> str:
    """How far, how fast, how long still."""
    parts = [f"{event['done']}/{event['expected']}" if event.get("expected") else f"{event['done']} done"]
    outcomes = event.get("outcomes")  # of a graded suite
    failed = event.get("failed") if outcomes is None else outcomes.get("error")
    if failed:
        parts.append(f"{failed} failed")
    if event.get("decode_tps") is not None:
        parts.append(f"{event['decode_tps']:.1f} tok/s now")
    if event.get("left_s") is not None:
        parts.append(f"{span(event['left_s'])} left")
    return ", ".join(parts)


def span(seconds: float) -> str:
    """Seconds as a person says them: 8 s, 3 min 20 s, 1 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def clean(text: str) -> str:
    """Somebody else's text, such as a name from a server, without control characters."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


@contextmanager
def live() -> Iterator[Listener]:
    """A spinner, the stage, how far, tok/s now and the time left, in one line of a terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[counts]}"),
    )
    progress: Progress = Progress(*columns, console=console, transient=True)
    task = progress.add_task("starting", total=None, counts="")

    def listener(event: Mapping[str, Json]) -> None:
        kind = event["event"]
        if kind == "job":
            progress.console.print(escape(describe(event)), highlight=False)
        elif kind == "say":
            progress.update(task, description=escape(clean(event["text"])), counts="", total=None)
        elif kind == "stage":
            title = escape(clean(event["stage"]))
            progress.update(task, description=title, counts="", total=event.get("expected"), completed=0)
        elif kind == "progress":
            title = escape(clean(event["stage"]))  # again: something may have been said meanwhile
            done, expected = event["done"], event.get("expected")
            progress.update(task, description=title, completed=done, total=expected, counts=counts(event))

    with progress:
        yield listener
