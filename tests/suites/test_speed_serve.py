"""The search for the highest rate within the limits: failures by chance do not end it, a real limit does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from msgspec.structs import replace

from tests.load.attempts import make_attempt
from tests.patience import best_of
from tests.suites.speed_runs import run_speed
from tiltyard.load.schedule import Stop
from tiltyard.records import Attempt, Exchange, Measures, Model, Request, Timeline
from tiltyard.suites import Bench, Stage, StageResult
from tiltyard.suites.speed import load_profile
from tiltyard.suites.speed.options import read_settings
from tiltyard.suites.speed.trial import Trial

WAIT_MS = 1000.0  # of every answer: the search begins at half a request a second
Counts = tuple[int, int]  # requests within the limits, and all


def trial_of() -> Trial:
    """A run of which nobody asks a server anything."""
    settings = {"profile": "serve", "prompt": "Hi.", "slo": "e2e=2s"}
    bench = Bench(server=cast(Any, None), model=Model(name="m"), settings=settings)
    return Trial(bench, read_settings(settings))


def asked(number: int, good: bool) -> Attempt:
    start = number * 1_000_000
    timeline = Timeline(scheduled_ns=start, started_ns=start)
    exchange = Exchange(
        request=Request(model="m", messages=()), timeline=timeline, ending="ok" if good else "http_error"
    )
    measures = Measures(e2e_ms=WAIT_MS, e2e_scheduled_ms=WAIT_MS, ttft_scheduled_ms=10.0)
    return replace(make_attempt(exchange, number), measures=measures if good else Measures())


def answered(stage: Stage, counts: Counts) -> StageResult:
    good, total = counts
    attempts = [asked(number, number < good) for number in range(total)]
    return StageResult(stage=stage, attempts=attempts, wall_s=30.0, total=total)


def search(server: Callable[[float, int], int]) -> tuple[list[float], dict[str, Any]]:
    """The rates that are asked for, and the findings. `server`: how many of some requests it serves."""

    async def whole() -> tuple[list[float], dict[str, Any]]:
        trial, profile = trial_of(), load_profile("serve")
        results, stages = list[StageResult](), profile.stages(trial)
        stage = await anext(stages)
        while True:
            rate = stage.load.rate
            total = 3 if rate is None else round(rate * (stage.load.stop.seconds or 0.0))
            results.append(answered(stage, (3 if rate is None else server(rate, total), total)))
            try:
                stage = await stages.asend(results[-1])
            except StopAsyncIteration:
                break
        rates = [result.stage.load.rate for result in results]
        return [rate for rate in rates if rate], dict(profile.conclude(trial, results))

    return asyncio.run(whole())


UP = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
LIMIT = 20.0  # requests a second


@pytest.mark.parametrize("lost", [{}, {0.5: 1}, {0.5: 1, 1.0: 2}, {2.0: 4}])
def test_a_failure_by_chance_is_no_limit(lost: dict[float, int]) -> None:
    """Beside one request in fifty at every rate, some more at slow ones, where that is under 95 %."""

    def server(rate: float, total: int) -> int:
        return total // 2 if rate > LIMIT else total - lost.get(rate, total // 50)

    rates, found = search(server)
    assert rates == [*UP, 24.0, 20.0]
    assert found["highest_rate"] == {"rate": 20.0, "missed_at": 24.0}


@pytest.mark.slow
def test_a_search_without_a_failure_takes_the_same_way() -> None:
    rates, found = search(lambda rate, total: total if rate <= LIMIT else total // 2)
    assert rates == [*UP, 24.0, 20.0]
    assert found["highest_rate"] == {"rate": 20.0, "missed_at": 24.0}


def test_a_rate_in_doubt_below_one_that_is_clearly_missed_is_narrowed_down() -> None:
    """Of 60 requests at 2/s 56 are served: that alone may be chance, but nothing above speaks for it."""
    shares = {4.0: 0.5, 2.0: 56 / 60}
    rates, found = search(lambda rate, total: round(total * shares.get(rate, 1.0)))
    assert rates == [*UP[:4], 1.5, 1.75]
    assert found["highest_rate"] == {"rate": 1.75, "missed_at": 2.0}


def test_a_server_that_serves_nobody_in_time_is_asked_three_rates() -> None:
    rates, found = search(lambda rate, total: 0)
    assert rates == [0.5, 0.25, 0.125]
    assert found["highest_rate"] is None


@pytest.mark.parametrize(
    ("served", "named", "missed_at"),
    [
        ({1: (14, 15), 2: (300, 300), 4: (100, 300)}, 2, 4),
        ({1: (300, 300), 2: (180, 300), 4: (30, 30)}, 1, 2),  # luck above a rate that was missed
        ({1: (10, 15), 2: (30, 30), 4: (600, 600)}, 4, None),  # bad luck below many that were not
        ({1: (300, 300), 2: (28, 30), 4: (10, 30)}, 1, 2),  # 2/s may hold, too
        ({1: (300, 300), 2: (29, 30)}, 2, None),
        ({1: (300, 300), 2: (300, 300)}, 2, None),  # 3/s may hold, too
        ({1: (20, 30), 2: (10, 30)}, None, None),
        ({1: (0, 0), 2: (0, 0)}, None, None),
    ],
)
def test_the_rate_that_is_named_goes_with_its_neighbours(
    served: dict[int, Counts], named: int | None, missed_at: int | None
) -> None:
    trial = trial_of()
    profile = load_profile("serve")
    results = []
    for rate, counts in served.items():
        load = trial.arrivals(rate, Stop(seconds=30.0), poisson=True)
        results.append(answered(trial.stage(f"{rate}/s", load), counts))
    found = profile.conclude(trial, results)
    assert found["highest_rate"] == (None if named is None else {"rate": named, "missed_at": missed_at})
    assert found["headline"] == f"{named or 1}/s"


@pytest.mark.slow
@best_of()
def test_requests_that_never_met_have_an_interval_at_every_rate() -> None:
    """The same one in the findings as in the goodput: 20 requests of 15 ms, 100 ms apart or more."""
    settings = {"profile": "serve", "slo": "e2e=1s", "poisson": False, "seconds": 1.0, "requests": 10}
    ran = run_speed({**settings, "rates": "5,10", "prompt": "Hi.", "output_tokens": 8})
    rows, goodput = ran.summary["findings"]["rates"], ran.summary["goodput"]
    assert [row["judged"] for row in rows] == [10, 10]
    assert all(row["share_why"] is None and row["share_ci95"] is not None for row in rows)
    assert goodput["share_ci95"] in [row["share_ci95"] for row in rows]
