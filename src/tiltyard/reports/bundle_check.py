"""What a run from elsewhere must look like before it is taken in: id, dates, and the shape of its summary.

A bundle is a file that anybody may have written. What is read everywhere (figures, counts, lists) is checked
by its type; of the rest, that the run's summary and its page in a report can be drawn.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec

from tiltyard.records import OUTCOMES, Attempt, Figure, Json, Record, Run

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
SHOWN = 40  # characters of what is wrong

Number = float | None
Object = Mapping[str, Json]
Count = Annotated[int, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]  # scores, too
Pair = tuple[Share, Share] | None


class _Rate(Record, frozen=True):
    value: Number = None
    ci95: tuple[float, float] | None = None
    n: Count | None = None


class _Stage(Record, frozen=True):
    name: str
    requests: Mapping[str, int] = {}
    load: Object | None = None
    decode_tps: Figure | None = None
    ttft_ms: Figure | None = None
    prefill_tps: Figure | None = None
    e2e_ms: Figure | None = None
    output_tps: Number = None


class _Summary(Record, frozen=True):
    """The fields that tables, reports and exports read without looking; see docs/metrics.md."""

    requests: Mapping[str, int] = {}
    endings: Mapping[str, int] = {}
    errors: Mapping[str, int] = {}
    tokens: Mapping[str, int | str | None] = {}
    ttft_ms: Figure | None = None
    ttfo_ms: Figure | None = None
    ttft_scheduled_ms: Figure | None = None
    itl_ms: Figure | None = None
    chunk_gap_ms: Figure | None = None
    e2e_ms: Figure | None = None
    queue_ms: Figure | None = None
    decode_tps: Figure | None = None
    prefill_tps: Figure | None = None
    prefill_warm_tps: Figure | None = None
    speed: Mapping[str, Figure | None] = {}
    output_tps: Number = None
    request_rate: Number = None
    wall_s: Number = None
    stages: tuple[_Stage, ...] = ()
    unmeasured: Mapping[str, Object] = {}
    machine: Object | None = None
    client: Object | None = None
    prompt: Object | None = None
    load: Object | None = None
    goodput: Object | None = None
    findings: Object | None = None
    notes: tuple[str, ...] = ()
    n: Count | None = None
    outcomes: Mapping[str, Count] | msgspec.UnsetType = msgspec.UNSET
    score: Share | None = None
    score_completed: Share | None = None
    bounds: Pair = None
    ci95: Pair = None
    cap_hit: _Rate | None = None
    rates: Mapping[str, _Rate | None] = {}
    schema_honesty: Mapping[str, Object] | None = None
    repeats: Object | None = None
    groups: tuple[Object, ...] = ()


def wrong_with(run: Run) -> str | None:
    """What makes a run unfit to be taken in, in words; None where nothing does."""
    if not RUN_ID.fullmatch(run.id):
        return f"{run.id[:SHOWN]!r} is no run id"
    for name, text in (("started_at", run.started_at), ("ended_at", run.ended_at)):
        if text is not None and not is_moment(text):
            return f"{name} is no moment in time: {text[:SHOWN]!r}"
    try:
        summary = msgspec.convert(dict(run.summary or {}), _Summary)
    except msgspec.ValidationError as error:
        return f"its summary is none: {error}"
    graded = summary.outcomes is not msgspec.UNSET
    if graded and (set(summary.outcomes or ()) != set(OUTCOMES) or summary.n is None):
        return f"its summary is none: it lacks `n`, or a count of one of {', '.join(OUTCOMES)}"
    return _undrawable(run)


def _undrawable(run: Run) -> str | None:
    """What of a summary whose parts have their types stands in the way of showing it."""
    from rich.console import Console

    from tiltyard.reports.terminal import render_summary
    from tiltyard.reports.views import model_view
    from tiltyard.reports.ways import Side

    try:
        model_view(Side(run=run, attempts=()), "run", None)
        render_summary(run.summary or {}, Console(file=io.StringIO()))
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        return f"its summary cannot be shown: {type(error).__name__}: {str(error)[:SHOWN]}"
    return None


def wrong_with_grade(attempt: Attempt) -> str | None:
    """What makes an attempt unfit to be taken in, in words; None where nothing does."""
    if attempt.grade is None or 0.0 <= attempt.grade.score <= 1.0:
        return None
    return f"{attempt.item_id[:SHOWN]!r} has a score that is none: {attempt.grade.score:g}"


def is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
