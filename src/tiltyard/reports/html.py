"""The report: one self-contained HTML file. No script, no network, nothing that a model said can act.

The page's only style sheet is named in its content policy by hash; text is escaped by the template engine and
passes `words.clean`, so hidden characters are seen. When there is too much for the size bound, models at the
end of the board lose their details, then the board its tail, and the page says so.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from tiltyard import __version__
from tiltyard.records import Attempt, Run
from tiltyard.reports.comparison import Side
from tiltyard.reports.views import ModelView, board, decode_mean, headline, model_view
from tiltyard.reports.words import clean, unbroken

if TYPE_CHECKING:
    import jinja2

MAX_BYTES = 500_000
_DETAILED = 24  # models with charts and tables of their own
_BOARD_ROWS = 300
_ROOM = 480_000

ReadAttempts = Callable[[str], Sequence[Attempt]]
ReadSample = Callable[[str], Attempt | None]


def render(runs: Sequence[Run], attempts: ReadAttempts, sample: ReadSample) -> str:
    """The page for these runs, one per model; `attempts` and `sample` read a run's attempts, or one whole.

    Only runs that get a section of their own are read.
    """
    ordered = sorted(runs, key=decode_mean, reverse=True)
    detailed = ordered[:_DETAILED]
    sides = [Side(run=run, attempts=attempts(run.id)) for run in detailed]
    views = [model_view(side, f"m{i}", sample(side.run.id)) for i, side in enumerate(sides, start=1)]
    title, lede = headline(ordered, sides[:2])
    shown = _BOARD_ROWS
    while True:
        page = _page(ordered, views, title, lede, shown)
        if len(page.encode()) <= _ROOM or (not views and shown <= 1):
            return page
        if views:
            views = views[: len(views) // 2]
        else:
            shown //= 2


def _page(ordered: Sequence[Run], views: Sequence[ModelView], title: str, lede: str, shown: int) -> str:
    rows, axis = board(ordered[:shown], {view.run.id: view.anchor for view in views})
    style, now = _style(), datetime.now(UTC)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=title,
            lede=lede,
            axis=axis,
            rows=rows,
            hidden_rows=len(ordered) - len(rows),
            hidden_details=len(rows) - len(views),
            views=views,
            machine=machine_line(ordered),
            style=style,
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            made_at=f"{now.day} {now:%B %Y, %H:%M} UTC",
            version=__version__,
        )
    )


def machine_line(runs: Sequence[Run]) -> str:
    """Which machine, in a few words; several machines are said to be several."""
    lines = dict.fromkeys(filter(None, (_machine_words(run) for run in runs)))
    return " / ".join(lines) if len(lines) <= 2 else f"{len(lines)} different machines"


def _machine_words(run: Run) -> str:
    machine = run.machine
    gpus = machine.get("gpus") or []
    names = [str(g.get("name")) if isinstance(g, dict) else str(g) for g in gpus]
    cpu = machine.get("cpu")
    if isinstance(cpu, dict):
        cpu = cpu.get("name") or cpu.get("model")
    return " · ".join(str(p) for p in (*names, cpu, machine.get("os")) if p)


@cache
def _style() -> str:
    text = resources.files("tiltyard.reports").joinpath("templates/report.css").read_text(encoding="utf-8")
    return text.strip().replace("\r\n", "\n")


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    def visible(value: Any) -> Any:
        """Every plain string passes `clean`; markup of ours is marked as such."""
        return clean(value) if type(value) is str else value

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tiltyard.reports"),
        autoescape=True,
        finalize=visible,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["brief"] = clean
    environment.filters["unbroken"] = unbroken
    return environment
