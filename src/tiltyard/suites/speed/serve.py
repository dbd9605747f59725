"""Profile `serve`: how many requests a second can be served within limits that users would accept?

Requests arrive at random (Poisson), whatever the answers do. Without `rates`, the rate doubles from half of
what one stream manages until less than 95 % of the requests keep every limit, or the server falls behind,
then is narrowed down between the last rate that held and the first that did not.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence

from tiltyard.load.schedule import Load, Stop
from tiltyard.load.slo import Slo, goodput
from tiltyard.records import Json
from tiltyard.stats.figures import figure
from tiltyard.suites import Stage, StageResult
from tiltyard.suites.speed.trial import Trial

LIMITS = "ttft=2s,itl=100ms"  # where none are given: reading speed, and patience
SHARE = 0.95  # of the requests must keep every limit
SECONDS = 30.0
LEAST = 10  # requests at the slowest rate
DOUBLINGS = 10
NARROWINGS = 2
QUARTERS = 4
QUARTER_LEAST = 3  # answers; fewer show no trend
RISE = 1.3  # of the shortest wait, from the second quarter to the last


async def stages(trial: Trial) -> AsyncGenerator[Stage, StageResult]:
    """The rates as given, or a search for the highest that holds."""
    given = trial.settings.rate_list() or ([trial.settings.rate] if trial.settings.rate else [])
    for rate in given:
        yield at_rate(trial, rate)
    if given:
        return
    alone = yield trial.stage("1 stream", Load(concurrency=1, stop=Stop(count=3)), warmup=1)
    e2e = figure([a.measures.close_ms or a.measures.e2e_ms for a in alone.attempts]).mean
    if not e2e:
        trial.notes.append("no answer to a single stream: no rate to start from")
        return
    held, missed = 0.0, None
    rate = 500.0 / e2e
    for _ in range(DOUBLINGS):
        if holds(trial, (yield at_rate(trial, rounded(rate)))):
            held, rate = rate, rate * 2
        else:
            missed = rate
            break
    for _ in range(NARROWINGS):
        if missed is None:
            break
        rate = (held + missed) / 2
        if holds(trial, (yield at_rate(trial, rounded(rate)))):
            held = rate
        else:
            missed = rate


def rounded(rate: float) -> float:
    """A rate of the search, which nobody named, to three digits."""
    return float(f"{rate:.3g}")


def at_rate(trial: Trial, rate: float) -> Stage:
    """Requests at exactly that rate, by which the stage is called."""
    settings = trial.settings
    seconds = max(settings.seconds or SECONDS, LEAST / rate)
    stop = Stop(count=settings.requests, seconds=seconds)
    load = trial.arrivals(rate, stop, poisson=settings.poisson is not False)
    short = f"{rate:g}"
    return trial.stage(f"{short if float(short) == rate else rate}/s", load)


def limits(trial: Trial) -> Slo | None:
    return trial.settings.limits(LIMITS)


def holds(trial: Trial, result: StageResult) -> bool:
    """Did enough requests keep every limit, while the server kept up?"""
    slo = limits(trial)
    return slo is not None and share(slo, result) >= SHARE and keeps_up(result)


def keeps_up(result: StageResult) -> bool:
    """Does its queue empty now and then? Not if even the shortest wait grows from quarter to quarter.

    Of a server that is asked for more than it can do, every wait is longer than the one before; a short
    window ends before the limits show it. The first quarter is left out: it begins with an empty queue.
    """
    waits = [
        (a.exchanges[-1].timeline.scheduled_ns, a.measures.ttft_scheduled_ms)
        for a in result.attempts
        if a.exchanges and a.measures.ttft_scheduled_ms is not None
    ]
    if len(waits) < QUARTERS * QUARTER_LEAST:
        return True
    ordered = [wait for _, wait in sorted(waits)]
    size = len(ordered) // QUARTERS
    _, second, third, last = (min(ordered[i * size : (i + 1) * size]) for i in range(QUARTERS))
    return not (second < third < last and last >= RISE * second)


def share(slo: Slo, result: StageResult) -> float:
    """Of the requests that kept every limit; 0 without any request."""
    return float(goodput(slo, result.attempts, result.wall_s)["share"] or 0.0)


def conclude(trial: Trial, results: Sequence[StageResult]) -> Mapping[str, Json]:
    """Every rate with its goodput, and the highest that held; `resolved`: its interval leaves no doubt."""
    slo = limits(trial)
    if slo is None:
        return {}
    rows: list[Json] = []
    best: tuple[float, str, bool] | None = None
    for result in results:
        load = result.stage.load
        if load.rate is None:
            continue
        found = goodput(slo, result.attempts, result.wall_s)
        if left_out := found["total"] - found["judged"]:
            lacking = " or ".join(found["unjudged"])
            name = result.stage.name
            trial.notes.append(f"{name}: {left_out} requests are in no share: no {lacking} measured")
        steady = keeps_up(result)
        rows.append({"rate": load.rate, "keeps_up": steady, **found})
        if steady and (found["share"] or 0.0) >= SHARE and (best is None or load.rate > best[0]):
            best = (load.rate, result.stage.name, found["share_ci95"][0] >= SHARE)
    tried = [result.stage.name for result in results if result.stage.load.rate is not None]
    return {
        "slo": slo.as_text(),
        "required_share": SHARE,
        "rates": sorted(rows, key=lambda row: row["rate"]),
        "highest_rate": None if best is None else {"rate": best[0], "resolved": best[2]},
        "headline": best[1] if best is not None else next(iter(tried), None),
    }
