"""Stopping when the interval is narrow: what it does to the interval's coverage."""

from __future__ import annotations

import random

import pytest

from tiltyard.stats.figures import figure, width
from tiltyard.suites.asking import NARROW_LOOKS
from tiltyard.suites.speed.quick import LEAST, WIDTH


def covers(spread: float, source: random.Random, most: int = 120) -> bool:
    """One run stopped by the rule of `quick`: does its interval hold the true mean of 1?"""
    values: list[float] = []
    looks = 0
    while len(values) < most and looks < NARROW_LOOKS:
        values.append(source.gauss(1.0, spread))
        if len(values) < LEAST:
            continue
        relative = width(figure(values))
        looks = looks + 1 if relative is not None and relative <= WIDTH else 0
    interval = figure(values).ci95
    assert interval is not None
    return interval[0] <= 1.0 <= interval[1]


@pytest.mark.parametrize("spread", [0.01, 0.02, 0.05])
def test_intervals_hold_nearly_as_often_as_they_say(spread: float) -> None:
    source = random.Random(20)
    runs = 1500
    held = sum(covers(spread, source) for _ in range(runs)) / runs
    assert 0.925 <= held <= 0.975
