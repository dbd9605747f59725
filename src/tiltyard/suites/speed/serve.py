"""Profile `serve`: how many requests a second can be served within limits that users would accept?

Requests arrive at random (Poisson), whatever the answers do. Without `rates`, the rate doubles from half of
what one stream manages until clearly less than 95 % of the requests keep every limit, or the server falls
behind, then is narrowed down between the highest rate that held and the next above it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import NamedTuple

from tiltyard.load.schedule import Load, Stop
from tiltyard.load.slo import Slo, goodput
from tiltyard.load.summary import rounds_in
from tiltyard.records import Json
from tiltyard.stats.figures import figure
from tiltyard.stats.proportions import wilson
from tiltyard.suites import Stage, StageResult
from tiltyard.suites.speed.trial import Trial

SHARE = 0.95  # of the requests must keep every limit
SECONDS = 30.0
LEAST = 10  # requests at the slowest rate
DOUBLINGS = 10
NARROWINGS = 2
QUARTERS = 4
QUARTER_LEAST = 3  # answers; fewer show no trend
RISE = 1.3  # of the shortest wait, from the second quarter to the last


class Tried(NamedTuple):
    """What came of one rate: the requests that kept every limit, of those that could be judged."""

    rate: float
    stage: str
    good: int
    judged: int
    keeps_up: bool

    @property
    def missed(self) -> bool:
        """Does the server fall behind, or do too few requests keep every limit, by more than counting so few
        explains? One failure of fifteen is no limit. It steers the search, and is no claim: that waits in a
        queue depend on each other is left out.
        """
        interval = wilson(self.good, self.judged)
        return not self.keeps_up or interval is None or interval.high < SHARE


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
    tried: list[Tried] = []
    rate = 500.0 / e2e
    for _ in range(DOUBLINGS):
        tried.append(tried_with(trial, (yield at_rate(trial, rounded(rate))))[0])
        if tried[-1].missed:
            break
        rate *= 2
    for _ in range(NARROWINGS):
        best = highest(tried)
        held = 0.0 if best is None else best.rate
        above = [each.rate for each in tried if each.rate > held]
        if not above:
            break
        between = rounded((held + min(above)) / 2)
        tried.append(tried_with(trial, (yield at_rate(trial, between)))[0])


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


def limits(trial: Trial) -> Slo:
    found = trial.limits
    assert found is not None  # the profile has its own
    return found


def tried_with(trial: Trial, result: StageResult) -> tuple[Tried, dict[str, Json]]:
    """What came of a rate, and its goodput."""
    stage, attempts = result.stage, result.attempts
    rounds = rounds_in(stage.load, len(attempts), attempts)
    found = goodput(limits(trial), attempts, result.wall_s, rounds)
    return Tried(stage.load.rate or 0.0, stage.name, found["good"], found["judged"], keeps_up(result)), found


def highest(tried: Sequence[Tried]) -> Tried | None:
    """The highest rate that holds, alone and with what was seen below it: of the requests at it and at the
    rates down to any lower one, 95 % kept every limit. A server that fell behind has served none.
    """
    ordered = sorted(tried, reverse=True)
    for at, best in enumerate(ordered):
        good = judged = 0
        for each in ordered[at:]:
            good, judged = good + each.good * each.keeps_up, judged + each.judged
            if not judged or good / judged < SHARE:
                break
        else:
            return best
    return None


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


def conclude(trial: Trial, results: Sequence[StageResult]) -> Mapping[str, Json]:
    """Every rate with its goodput, the highest that held, and the next above it, which did not."""
    rows: list[Json] = []
    tried: list[Tried] = []
    for result in results:
        if result.stage.load.rate is None:
            continue
        one, found = tried_with(trial, result)
        if left_out := found["total"] - found["judged"]:
            lacking = " or ".join(found["unjudged"])
            trial.notes.append(f"{one.stage}: {left_out} requests are in no share: no {lacking} measured")
        tried.append(one)
        rows.append({"rate": one.rate, "keeps_up": one.keeps_up, **found})
    best = highest(tried)
    named = best or next(iter(tried), None)
    above = [] if best is None else [each.rate for each in tried if each.rate > best.rate]
    return {
        "slo": limits(trial).as_text(),
        "required_share": SHARE,
        "rates": sorted(rows, key=lambda row: row["rate"]),
        "highest_rate": None if best is None else {"rate": best.rate, "missed_at": min(above, default=None)},
        "headline": None if named is None else named.stage,
    }
