"""Start times: absolute, seeded, and at the rate that was asked for."""

from __future__ import annotations

from itertools import islice, pairwise, takewhile
from typing import Any

import pytest

from tiltyard.errors import UsageError
from tiltyard.load.schedule import SECOND, Load, Stop, doubling, left_of, start_offsets_ns

STOP = Stop(count=10_000)


def offsets(n: int, **load: Any) -> list[int]:
    found = start_offsets_ns(Load(**({"stop": STOP} | load)))
    assert found is not None
    return list(islice(found, n))


def test_a_closed_loop_has_no_start_times() -> None:
    assert start_offsets_ns(Load(stop=STOP)) is None


def test_constant_never_drifts() -> None:
    times = offsets(30_001, kind="constant", rate=3.0)
    assert times[:4] == [0, 333_333_333, 666_666_667, SECOND]
    assert times[30_000] == 10_000 * SECOND


def test_poisson_is_seeded_and_has_its_rate() -> None:
    times = offsets(20_000, kind="poisson", rate=50.0, seed=7)
    assert times == offsets(20_000, kind="poisson", rate=50.0, seed=7)
    assert times != offsets(20_000, kind="poisson", rate=50.0, seed=8)
    gaps = [b - a for a, b in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    spread = (sum((g - mean) ** 2 for g in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(SECOND / 50, rel=0.03)
    assert spread / mean == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("stop", [Stop(seconds=3.0), Stop(count=30), Stop(count=30, seconds=60.0)])
def test_poisson_delivers_the_load_asked_for(stop: Stop) -> None:
    """Thirty at ten a second take three seconds with any seed, and are as random as before in between."""
    middles = []
    for seed in range(300):
        times = offsets(31, kind="poisson", rate=10.0, seed=seed, stop=stop)
        assert times[30] == 3 * SECOND
        assert times[29] < times[30]
        middles.append(times[15] / SECOND)
    mean = sum(middles) / len(middles)
    spread = (sum((t - mean) ** 2 for t in middles) / len(middles)) ** 0.5
    assert mean == pytest.approx(1.5, abs=0.06)
    assert spread == pytest.approx(3.0 * (0.25 / 31) ** 0.5, rel=0.15)  # of the 15th of 29 uniform moments


def test_bursts_keep_the_mean_rate() -> None:
    times = offsets(9, kind="burst", burst=4, rate=8.0)
    assert times == [0] * 4 + [SECOND // 2] * 4 + [SECOND]
    assert offsets(5, kind="burst", burst=5) == [0] * 5


@pytest.mark.parametrize(("first", "last"), [(2.0, 10.0), (10.0, 2.0), (5.0, 5.0)])
def test_a_ramp_starts_as_many_as_its_mean_rate(first: float, last: float) -> None:
    times = offsets(200, kind="ramp", rate=first, rate_to=last, stop=Stop(seconds=20))
    within = sum(t < 20 * SECOND for t in times)
    assert within == pytest.approx((first + last) / 2 * 20, abs=1)
    assert times == sorted(times)
    assert times[1] / SECOND == pytest.approx(1 / first, rel=0.1)
    assert (times[-1] - times[-2]) / SECOND == pytest.approx(1 / last, rel=0.02)


@pytest.mark.parametrize(
    "load",
    [
        {"kind": "constant"},
        {"kind": "poisson", "rate": -1.0},
        {"kind": "constant", "rate": float("nan")},
        {"kind": "ramp", "rate": 1.0, "rate_to": 2.0},
        {"concurrency": 0},
        {"kind": "burst", "stop": Stop(seconds=1)},
    ],
)
def test_loads_that_make_no_sense_are_refused(load: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Load(**({"stop": STOP} | load))


def test_a_load_without_an_end_is_refused() -> None:
    with pytest.raises(UsageError):
        Stop()
    with pytest.raises(UsageError):
        Stop(seconds=-1)


def test_doubling_ends_with_the_last() -> None:
    assert list(doubling(1, 12)) == [1, 2, 4, 8, 12]
    assert list(doubling(1, 1)) == [1]


@pytest.mark.parametrize(
    "load",
    [
        Load(kind="constant", rate=7.0, stop=Stop(seconds=4.0)),
        Load(kind="poisson", rate=7.0, seed=3, stop=Stop(seconds=4.0)),
        Load(kind="ramp", rate=2.0, rate_to=12.0, stop=Stop(seconds=4.0)),
        Load(kind="burst", rate=8.0, burst=3, stop=Stop(seconds=4.0)),
    ],
    ids=lambda load: load.kind,
)
def test_an_open_load_goes_on_where_it_was_left(load: Load) -> None:
    """Both sittings together have the start times of one that was not interrupted."""
    limit = 4 * SECOND
    whole = list(takewhile(lambda t: t < limit, start_offsets_ns(load) or ()))
    for already in range(1, len(whole)):
        left = left_of(load, already, spent_s=99.0)
        assert left is not None
        spent = round(left.spent_s * SECOND)
        assert spent == whole[already]
        rest = list(islice(start_offsets_ns(left) or (), len(whole) - already + 1))
        assert [t + spent for t in rest[:-1]] == whole[already:]
        assert rest[-1] + spent >= limit
    assert left_of(load, len(whole), spent_s=0.0) is None


def test_a_closed_loop_goes_on_for_the_time_that_is_left() -> None:
    load = Load(concurrency=4, stop=Stop(count=100, seconds=60.0))
    left = left_of(load, 30, spent_s=25.0)
    assert left is not None
    assert (left.stop.count, left.spent_s, left.skip) == (70, 25.0, 0)
    assert left_of(load, 100, spent_s=25.0) is None
    assert left_of(load, 30, spent_s=60.0) is None
