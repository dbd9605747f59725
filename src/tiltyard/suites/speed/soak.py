"""Profile `soak`: one load for a long time, and whether the machine keeps it up.

Heat, leaks and growing queues show as drift.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence

import msgspec

from tiltyard.load.schedule import Load, Stop
from tiltyard.load.summary import overlapped
from tiltyard.records import Json
from tiltyard.stats.queues import FEW, QUEUED, why_no_interval
from tiltyard.stats.trends import FEWEST_BINS, drift, under_load
from tiltyard.suites import Stage, StageResult
from tiltyard.suites.spans import spans_of
from tiltyard.suites.speed.fixed import plural
from tiltyard.suites.speed.trial import Trial

SECONDS = 600.0
WATCHED = ("decode_tps", "ttft_ms", "e2e_ms", "prefill_tps")
WITHOUT_INTERVAL: dict[str, Json] = {"slope_ci95": None, "change_ci95": None, "clear": None}


async def stages(trial: Trial) -> AsyncGenerator[Stage, StageResult]:
    """One stage of `seconds`: N streams (by default one per slot), or a rate."""
    settings = trial.settings
    stop = Stop(count=settings.requests, seconds=settings.seconds or SECONDS)
    arrivals = trial.asked_arrivals(stop)
    if arrivals is not None:
        yield trial.stage(f"soak: {arrivals[0]}", arrivals[1], warmup=1)
        return
    streams = settings.one_stream_count(trial.bench.server.info.slots or 1)
    yield trial.stage(f"soak with {plural(streams)}", Load(concurrency=streams, stop=stop), warmup=1)


def conclude(trial: Trial, results: Sequence[StageResult]) -> Mapping[str, Json]:
    """Drift over the run: a straight line, the relative change and its 95 % interval.

    The line goes over the time under load of all sittings, which `sittings` counts; what lay between two of
    them is left out. Waits that depend on each other have no interval (`why`): chance alone makes them rise
    or fall over a run.
    """
    attempts = [a for result in results for a in result.attempts if a.exchanges]
    streams = max((r.stage.load.concurrency for r in results), default=1)
    arrived = any(r.stage.load.kind != "closed" and overlapped(r.attempts) for r in results)
    lasted_s = {n: s for r in results for n, s in spans_of(r.stage.load, r.attempts).seconds.items()}
    starts = [(a.session, a.exchanges[0].timeline.started_ns / 1e9) for a in attempts]
    asked = [(t, a) for t, a in zip(under_load(starts, lasted_s), attempts, strict=True) if a.ended_well]
    found: dict[str, Json] = {}
    for name in WATCHED if asked else ():
        points = [(t, value) for t, a in asked if (value := getattr(a.measures, name)) is not None]
        line = drift([t for t, _ in points], [value for _, value in points], streams)
        if line is None:
            found[name] = None
            continue
        few = streams > 1 and len(points) < FEWEST_BINS * 2 * streams
        why = why_no_interval(name, QUEUED if arrived else FEW if few else None)
        sure = {"clear": line.clear} if why is None else {**WITHOUT_INTERVAL, "why": why}
        found[name] = {**msgspec.to_builtins(line), **sure}
    return {"drift": found, "sittings": len(lasted_s), "sitting_s": [*lasted_s.values()]}
