"""What a run from elsewhere must look like before it is taken in: id, dates, and the shape of its summary.

A bundle is a file that anybody may have written. What is read everywhere (figures, counts, lists) is checked
here; of the rest only that it is text, a number, a list or an object as it should be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

import msgspec

from tiltyard.records import Figure, Json, Record, Run

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
SHOWN = 40  # characters of what is wrong

Number = float | None
Object = Mapping[str, Json]
Pair = tuple[float, float] | None


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
    n: int | None = None
    outcomes: Mapping[str, int] = {}
    score: Number = None
    score_completed: Number = None
    bounds: Pair = None
    ci95: Pair = None
    rates: Mapping[str, Object] = {}
    groups: tuple[Object, ...] = ()


def wrong_with(run: Run) -> str | None:
    """What makes a run unfit to be taken in, in words; None where nothing does."""
    if not RUN_ID.fullmatch(run.id):
        return f"{run.id[:SHOWN]!r} is no run id"
    for name, text in (("started_at", run.started_at), ("ended_at", run.ended_at)):
        if text is not None and not is_moment(text):
            return f"{name} is no moment in time: {text[:SHOWN]!r}"
    try:
        msgspec.convert(dict(run.summary or {}), _Summary)
    except msgspec.ValidationError as error:
        return f"its summary is none: {error}"
    return None


def is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
