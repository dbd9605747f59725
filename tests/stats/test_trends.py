"""Drifts and knees are found where they are, and not where there are none."""

import random

import pytest

from tiltyard.stats.proportions import wilson
from tiltyard.stats.trends import LoadPoint, drift, knee, under_load


def test_a_slope_is_found_with_its_interval():
    rng = random.Random(1)
    times = [i * 0.5 for i in range(400)]
    found = drift(times, [50 - 0.02 * t + rng.gauss(0, 0.5) for t in times])
    assert found.slope_ci95[0] < -0.02 < found.slope_ci95[1]
    assert found.change == pytest.approx(-0.02 * 199.5 / 50, abs=0.01)
    assert found.clear


def test_no_drift_is_rarely_claimed():
    rng, claimed = random.Random(2), 0
    for _ in range(500):
        claimed += drift(range(60), [rng.gauss(50, 5) for _ in range(60)]).clear
    assert claimed / 500 < 0.08


def test_likeness_of_neighbours_is_not_taken_for_a_drift():
    """Short swings (a correlation of a few requests) with no trend: still few false claims."""
    rng, claimed = random.Random(3), 0
    for _ in range(300):
        level, values = 0.0, []
        for _ in range(600):
            level = 0.6 * level + rng.gauss(0, 1)
            values.append(50 + level)
        claimed += drift(range(600), values).clear
    assert claimed / 300 < 0.10


def test_no_line_without_enough_points():
    assert drift([1, 2, 3], [1, 2, 3]) is None
    assert drift([1] * 9, list(range(9))) is None
    assert drift(range(9), [-1.0] * 9) is None


def test_the_time_between_two_sittings_is_no_time_under_load():
    starts = [(1, 100.0), (1, 101.0), (3, 7.0), (3, 7.5)]
    assert under_load(starts, {1: 3.0, 3: 2.0}) == [0.0, 1.0, 3.0, 3.5]
    assert under_load([], {}) == []


def points(*rates, reach=0.01):
    return [
        LoadPoint(load=2**i, rate=r, ci95=(r * (1 - reach), r * (1 + reach))) for i, r in enumerate(rates)
    ]


def test_the_knee_is_where_growth_ends():
    found = knee(points(100, 195, 360, 400, 402, 398))
    assert (found.load, found.peak, found.growing, found.resolved) == (8, 402, False, True)


def test_still_growing():
    found = knee(points(100, 200, 400))
    assert (found.load, found.growing, found.resolved) == (4, True, True)


def test_flat_from_the_start_and_collapse():
    assert knee(points(100, 101, 99)).load == 1
    assert knee(points(100, 200, 90, 40)).load == 2


def test_wide_intervals_leave_it_open():
    assert not knee(points(100, 195, 360, 400, 402, reach=0.2)).resolved
    assert not knee([LoadPoint(load=1, rate=10), LoadPoint(load=2, rate=20)]).resolved
    assert knee([LoadPoint(load=1, rate=10)]) is None


def test_wilson_is_the_textbooks_and_stays_inside():
    assert wilson(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == 1
    assert wilson(0, 0) is None
    with pytest.raises(ValueError):
        wilson(3, 2)
