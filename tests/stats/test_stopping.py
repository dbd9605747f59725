"""Stopping when the interval is narrow: what it does to the interval's coverage."""

from __future__ import annotations

import random

import pytest

from tiltyard.load.schedule import Load, Stop
from tiltyard.stats.figures import figure
from tiltyard.suites.narrow_enough import NarrowEnough
from tiltyard.suites.speed.quick import LEAST, WIDTH


def covers(spread: float, source: random.Random, most: int = 120) -> bool:
    """One run stopped by the rule of `quick`: does its interval hold the true mean of 1?"""
    rule = NarrowEnough(Load(stop=Stop(width=WIDTH, min_count=LEAST)))
    values: list[float] = []
    while len(values) < most and not rule.look(values):
        values.append(source.gauss(1.0, spread))
    interval = figure(values).ci95
    assert interval is not None
    return interval[0] <= 1.0 <= interval[1]


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.01, 0.02, 0.05])
def test_intervals_hold_nearly_as_often_as_they_say(spread: float) -> None:
    source = random.Random(20)
    runs = 1500
    held = sum(covers(spread, source) for _ in range(runs)) / runs
    assert 0.925 <= held <= 0.975


def test_one_narrow_look_is_not_enough_and_the_same_values_are_one_look() -> None:
    rule = NarrowEnough(Load(stop=Stop(width=0.05, min_count=3)))
    assert not rule.look([1.0, 1.0])  # too few
    assert not rule.look([1.0, 1.0, 1.0])
    assert not rule.look([1.0, 1.0, 1.0])
    assert not rule.look([1.0, 1.0, 1.0, 9.0])  # wide again
    assert not rule.look([1.0] * 5)
    assert rule.look([1.0] * 6)
    assert not NarrowEnough(Load(stop=Stop(count=9))).look([1.0] * 9)


def test_answers_without_a_value_are_none_of_the_fewest() -> None:
    rule = NarrowEnough(Load(stop=Stop(width=0.05, min_count=3)))
    assert [rule.look([None, None, *[1.0] * n]) for n in range(5)] == [False, False, False, False, True]


@pytest.mark.parametrize(
    ("load", "ends"),
    [
        (Load(concurrency=4, stop=Stop(width=0.05, min_count=3)), 17),  # four rounds, then another look
        (Load(kind="poisson", rate=5.0, stop=Stop(width=0.05, min_count=3)), None),
    ],
)
def test_what_has_no_interval_is_never_narrow(load: Load, ends: int | None) -> None:
    rule = NarrowEnough(load)
    assert next((n for n in range(60) if rule.look([1.0] * n)), None) == ends
