"""Profile `concurrency`: 1, 2, 4, 8 ... streams until total throughput stops growing; the knee is named.

Throughput is the output rate while all streams were under way, with an interval (`load/steady.py`), else that
of the whole level, which is said. It counts as growing while it is at least 5 % above the best level before;
two levels in a row without growth end a sweep of our own, while levels that were named are all asked. Where
many requests fail it is that of fewer streams than were asked for: such a level is neither best nor the knee.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from tiltyard.load.schedule import Load, Stop, doubling
from tiltyard.load.steady import WHOLE, steady_output_tps, whole_output_tps
from tiltyard.load.summary import as_json, guessed
from tiltyard.records import Figure, Json
from tiltyard.stats.figures import figure
from tiltyard.stats.proportions import wilson
from tiltyard.stats.trends import LoadPoint, knee
from tiltyard.suites import Stage, StageResult
from tiltyard.suites.speed.fixed import plural
from tiltyard.suites.speed.trial import Trial

ROUNDS = 4  # requests per stream: two or three of them run beside all others
LEAST = 6
MOST_STREAMS = 256
SECONDS = 60.0  # at most, per level
GROWS = 1.05
MOST_FAILED = 0.05  # share of a level's requests
BLINK = 2  # levels without growth before it is believed


async def stages(trial: Trial) -> AsyncGenerator[Stage, StageResult]:
    """Levels as given, or doubling until throughput has not grown twice in a row."""
    settings = trial.settings
    given = settings.streams()
    best: Figure | None = None
    flat = 0
    for streams in given or doubling(1, MOST_STREAMS):
        wanted = settings.requests or max(ROUNDS * streams, LEAST)
        if wanted < streams:
            trial.notes.append(
                f"{plural(streams)} and more were left out: {wanted} requests cannot fill them"
            )
            break
        stop = Stop(count=wanted, seconds=settings.seconds or SECONDS)
        load = Load(concurrency=streams, stop=stop)
        result = yield trial.stage(plural(streams), load, warmup=1 if best is None else 0)
        now = total_rate(result)
        if result.gave_up and streams != (given or [streams])[-1]:
            trial.notes.append(
                f"{plural(streams)}: given up after failures in a row, so the levels after it were left out"
            )
        if result.gave_up or (now.mean is None and not given):
            break
        if overloaded(result):
            now = figure([])
        if best is not None:
            flat = 0 if grew(best, now) else flat + 1
        if best is None or (now.mean or 0.0) > (best.mean or 0.0):
            best = now
        if flat >= BLINK and not given:
            break


def total_rate(result: StageResult) -> Figure:
    """Output tokens/s of all streams together while all were under way, else from first start to last end."""
    steady = steady_output_tps(result.attempts, result.stage.load.concurrency)
    return steady if steady.n else whole_output_tps(result.attempts, result.wall_s)


def lacking(result: StageResult, found: Figure) -> str | None:
    """What a level's rate is not, in words; None where all of its streams were under way."""
    streams, asked = plural(result.stage.load.concurrency), len(result.attempts)
    if found.mean is None:
        return f"{streams}: no rate, since no answer has tokens that were counted"
    if found.why == WHOLE:
        return f"{streams}: {asked} requests are few for a rate while all are under way: its rate is {WHOLE}"
    return None


def row_of(result: StageResult, found: Figure) -> Json:
    """A level of the curve. Levels compare even where tokens are estimates: all are by the same one."""
    estimated = any(a.measures.tokens_source == "estimate" for a in result.attempts)
    rate = as_json(guessed(found) if estimated else found)
    lost = {"failed": failed(result), "overloaded": overloaded(result)}
    return {"streams": result.stage.load.concurrency, "output_tps": rate, **lost}


def failed(result: StageResult) -> int:
    """Requests that did not end well, answers that were cut among them."""
    return sum(not attempt.ended_well for attempt in result.attempts)


def overloaded(result: StageResult) -> bool:
    """Do so many requests fail that the level's rate is that of fewer streams: surely above 5 %? A server
    that drops one now and then does so at every level.
    """
    found = wilson(failed(result), len(result.attempts))
    return found is not None and found.low > MOST_FAILED


def grew(before: Figure, now: Figure) -> bool:
    """Is the new level at least 5 % faster, as far as can be told? Any rate is more than none."""
    if before.mean is None or now.mean is None:
        return now.mean is not None
    return now.mean >= before.mean * GROWS


def conclude(trial: Trial, results: Sequence[StageResult]) -> Mapping[str, Json]:
    """The curve and its knee: the fewest streams within 5 % of the best total rate. It is in doubt where
    many requests failed at fewer: what those would have given is not known.
    """
    curve: list[Json] = []
    points: list[LoadPoint] = []
    lost: list[int] = []
    for result in results:
        found = total_rate(result)
        if (words := lacking(result, found)) is not None:
            trial.notes.append(words)
        streams = result.stage.load.concurrency
        curve.append(row := row_of(result, found))
        if row["overloaded"]:
            lost.append(streams)
        elif found.mean is not None:
            points.append(LoadPoint(load=streams, rate=found.mean, ci95=found.ci95))
    bend = knee(points)
    if bend is None:  # one level at most has a rate to go by
        only = {"headline": plural(int(points[0].load))} if points else {}
        return {**only, "curve": curve, "knee": None}
    if any(streams < bend.load for streams in lost):
        bend = replace(bend, resolved=False)
    return {
        "headline": plural(int(bend.load)),
        "curve": curve,
        "knee": {**msgspec.to_builtins(bend), "streams": int(bend.load)},
    }
