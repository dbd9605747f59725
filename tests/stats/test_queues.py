"""Waits of requests that arrive whatever the answers do: why their means have no interval."""

import math
import random

import pytest

from tiltyard.stats.figures import mean_interval
from tiltyard.stats.queues import QUEUED, why_no_interval


def waits(rng, busy, n):
    """Of n requests at random to a server that takes 1 s for each, after 300 others; 0.5 s is no queue."""
    now = free = 0.0
    found = []
    for _ in range(300 + n):
        now += rng.expovariate(busy)
        start = max(now, free)
        free = start + 1.0
        found.append(start - now + 0.5)
    return found[300:]


def covered(busy, n, batches, runs=400):
    rng, truth, hits = random.Random(f"{busy}{n}"), 0.5 + busy / (2 * (1 - busy)), 0
    for _ in range(runs):
        values = waits(rng, busy, n)
        parts = [values[k * n // batches : (k + 1) * n // batches] for k in range(batches)]
        interval = mean_interval([math.fsum(part) / len(part) for part in parts])
        hits += interval.low <= truth <= interval.high
    return hits / runs


def test_neither_single_waits_nor_batches_of_them_make_an_honest_interval():
    """What would have to hold before such waits may have one: 93 % at every load a user may choose."""
    assert covered(0.3, 300, 300) < 0.85
    assert covered(0.8, 300, 300) < 0.5
    assert max(covered(0.8, n, batches) for n in (100, 300) for batches in (3, 5, 8)) < 0.93


@pytest.mark.parametrize("kind", ["constant", "poisson", "burst", "ramp"])
@pytest.mark.parametrize("metric", ["ttft_ms", "e2e_ms", "queue_ms", "e2e_scheduled_ms", "ttft_scheduled_ms"])
def test_waits_under_arrivals_have_none(metric, kind):
    assert why_no_interval(metric, ["closed", kind]) == QUEUED
    assert why_no_interval(metric, ["closed"]) is None
    assert why_no_interval("decode_tps", [kind]) is None
