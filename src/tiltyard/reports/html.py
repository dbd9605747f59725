"""The report: one self-contained HTML file. No script, no network, nothing that a model said can act.

The page's only style sheet is named in its content policy by hash; text is escaped by the template engine and
passes `words.clean`, so hidden characters are seen. When there is too much for the size bound, models at the
end of the board lose their details, then the board its tail, and the page says so.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from tiltyard import __version__
from tiltyard.records import Attempt, Run
from tiltyard.reports.headline import headline, machine_of, named_apart
from tiltyard.reports.quality import is_graded, quality_boards, quality_headline, score_of
from tiltyard.reports.views import ModelView, decode_mean, model_view, speed_boards
from tiltyard.reports.ways import Side
from tiltyard.reports.words import clean, unbroken
from tiltyard.stats.ranks import Rank

if TYPE_CHECKING:
    import jinja2

MAX_BYTES = 500_000
_DETAILED = 24  # models with charts and tables of their own
_BOARD_ROWS = 300
_ROOM = 480_000

ReadAttempts = Callable[[str], Sequence[Attempt]]
ReadSample = Callable[[str], Attempt | None]


def render(runs: Sequence[Run], attempts: ReadAttempts, sample: ReadSample, ranks: Mapping[str, Rank]) -> str:
    """The page for these runs; `attempts` and `sample` read a run's attempts, or one whole.

    Only runs that get a section of their own, or are compared in the title, are read. `ranks`: of graded
    runs, by their ids.
    """
    models = {run.id: served_model(run) for run in runs}  # before names tell runs of one model apart
    runs = named_apart(runs)
    speed = sorted((run for run in runs if not is_graded(run)), key=decode_mean, reverse=True)
    graded = sorted((run for run in runs if is_graded(run)), key=lambda run: (run.suite, -score_of(run)))
    ordered = [*speed, *graded]
    detailed = [*speed[: _DETAILED if not graded else _DETAILED // 2], *graded][:_DETAILED]
    sides = [Side(run=run, attempts=attempts(run.id)) for run in detailed]
    views = [model_view(side, f"m{i}", sample(side.run.id)) for i, side in enumerate(sides, start=1)]
    read = {side.run.id: side for side in sides}

    def side_of(run: Run) -> Side:
        return read.get(run.id) or Side(run=run, attempts=attempts(run.id))

    title, lede = headline(speed, models, side_of) if speed or not graded else ("", "")
    if graded:
        found = quality_headline(quality_boards(graded, ranks, {}))
        title, lede = (title, f"{lede} {found}") if title else ("What they get right", found)
    shown = _BOARD_ROWS
    while True:
        page = _page(ordered[:shown], len(ordered), views, (title, lede), ranks, len({*models.values()}))
        if len(page.encode()) <= _ROOM or (not views and shown <= 1):
            return page
        if views:
            views = views[: len(views) // 2]
        else:
            shown //= 2


def _page(
    shown: Sequence[Run],
    total: int,
    views: Sequence[ModelView],
    words: tuple[str, str],
    ranks: Mapping[str, Rank],
    models: int,
) -> str:
    anchors = {view.run.id: view.anchor for view in views}
    speeds = speed_boards([run for run in shown if not is_graded(run)], anchors)
    boards = quality_boards([run for run in shown if is_graded(run)], ranks, anchors)
    style, now = _style(), datetime.now(UTC)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=words[0],
            lede=words[1],
            speeds=speeds,
            boards=boards,
            models=models,
            hidden_rows=total - len(shown),
            hidden_details=len(shown) - len(views),
            views=views,
            machine=machine_line(shown),
            style=style,
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            made_at=f"{now.day} {now:%B %Y, %H:%M} UTC",
            version=__version__,
        )
    )


def served_model(run: Run) -> tuple[str | None, ...]:
    """What counts as one model, as on the board: several servers of one file are several."""
    model, server = run.model, run.server
    return model.name, model.digest, model.quantization, server.dialect, server.url, machine_of(run)


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
