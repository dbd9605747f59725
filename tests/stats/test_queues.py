"""Requests that depend on each other: why the means of their waits and rates have no interval."""

import math
import random

import pytest

from tiltyard.stats.figures import mean_interval
from tiltyard.stats.queues import FEW, QUEUED, SHARED, why_no_interval


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


def shared_rates(rng, busy, n):
    """Of n answers to requests at random of a server that is as fast for two as for one, then shares."""
    now, due, left, sizes, starts, found = 0.0, 0.0, {}, {}, {}, {}
    while len(found) < n:
        speed = 1.0 / max(len(left), 2)
        first = min(left, key=left.get, default=None)
        ends = math.inf if first is None else now + left[first] / speed
        then = min(due, ends)
        left = {number: size - (then - now) * speed for number, size in left.items()}
        now = then
        if then == ends:
            del left[first]
            found[first] = sizes[first] / (now - starts[first])
        else:
            number = len(sizes)
            sizes[number] = left[number] = max(0.05, rng.gauss(1, 0.3))
            starts[number], due = now, now + rng.expovariate(busy)
    return list(found.values())


@pytest.mark.slow
def test_answers_to_arrivals_share_the_server():
    rng = random.Random(6)
    runs = [shared_rates(rng, 0.7, 300) for _ in range(300)]
    truth = math.fsum(map(math.fsum, runs)) / 300 / len(runs)
    intervals = [mean_interval(values) for values in runs]
    assert sum(each.low <= truth <= each.high for each in intervals) / len(runs) < 0.7


@pytest.mark.parametrize("why", [QUEUED, FEW])
@pytest.mark.parametrize(
    "metric", ["ttft_ms", "e2e_ms", "queue_ms", "e2e_scheduled_ms", "ttft_scheduled_ms", "transport_ms"]
)
def test_waits_that_depend_on_each_other_have_none(metric, why):
    assert why_no_interval(metric, why) == why
    assert why_no_interval(metric, None) is None


@pytest.mark.parametrize(
    "metric", ["decode_tps", "itl_ms", "chunk_gap_ms", "prefill_tps", "server_decode_tps"]
)
def test_rates_have_none_under_arrivals(metric):
    assert why_no_interval(metric, QUEUED) == SHARED
    assert [why_no_interval(metric, why) for why in (None, FEW)] == [None, FEW]
