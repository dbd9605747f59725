"""Waits of requests that depend on each other: why their means have no interval."""

import heapq
import math
import random

import pytest

from tiltyard.stats.figures import mean_interval
from tiltyard.stats.queues import IN_LINE, QUEUED, why_no_interval


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


@pytest.mark.slow
def test_neither_single_waits_nor_batches_of_them_make_an_honest_interval():
    """What would have to hold before such waits may have one: 93 % at every load a user may choose."""
    assert covered(0.3, 300, 300) < 0.85
    assert covered(0.8, 300, 300) < 0.5
    assert max(covered(0.8, n, batches) for n in (100, 300) for batches in (3, 5, 8)) < 0.93


def closed_waits(rng, streams, slots, n):
    """Of n requests of streams that ask again as soon as they have an answer, which takes 0.1 to 3 s."""
    free, ready, found = [0.0] * slots, [0.0] * streams, []
    for _ in range(n):
        asked = heapq.heappop(ready)
        start = max(asked, heapq.heappop(free))
        end = start + rng.lognormvariate(-0.35, 0.8)
        heapq.heappush(free, end)
        heapq.heappush(ready, end)
        found.append(start - asked + rng.uniform(0.1, 0.2))
    return found


@pytest.mark.parametrize(
    ("streams", "slots", "least", "most"), [(8, 8, 0.92, 1.0), (8, 4, 0.0, 0.8), (16, 4, 0.0, 0.6)]
)
def test_streams_that_wait_for_slots_wait_for_each_other(streams, slots, least, most):
    """About the expected mean of such a run; with a slot for each the interval is what it says."""
    rng = random.Random(streams * slots)
    runs = [closed_waits(rng, streams, slots, 160) for _ in range(600)]
    truth = math.fsum(map(math.fsum, runs)) / 160 / len(runs)
    intervals = [mean_interval(values) for values in runs]
    assert least <= sum(each.low <= truth <= each.high for each in intervals) / len(runs) <= most


@pytest.mark.parametrize("why", [QUEUED, IN_LINE])
@pytest.mark.parametrize("metric", ["ttft_ms", "e2e_ms", "queue_ms", "e2e_scheduled_ms", "ttft_scheduled_ms"])
def test_waits_that_depend_on_each_other_have_none(metric, why):
    assert why_no_interval(metric, why) == why
    assert why_no_interval(metric, None) is None
    assert why_no_interval("decode_tps", why) is None
