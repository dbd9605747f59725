"""Requests that depend on each other: why the means of their waits and rates have no interval."""

import heapq
import math
import random

import pytest

from tests.load.test_at_once import attempt
from tiltyard.load.at_once import waited_in
from tiltyard.load.schedule import Load, Stop
from tiltyard.stats.figures import mean_interval
from tiltyard.stats.queues import IN_LINE, IN_TURN, QUEUED, SHARED, why_no_interval


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


def read_in_turn(rng, streams, prompt, n, slots):
    """Attempts of streams whose prompts are read by `slots` readers, in order of their ends."""
    ready, free, found = [0.0] * streams, [0.0] * slots, []
    for _ in range(n):
        asked = heapq.heappop(ready)
        first = max(asked, heapq.heappop(free)) + prompt * rng.uniform(0.85, 1.15)
        heapq.heappush(free, first)
        ended = first + 2.0 * rng.lognormvariate(-0.32, 0.8)
        heapq.heappush(ready, ended)
        found.append((ended, asked, first))
    return [attempt(1e3 * asked, 1e3 * first, 1e3 * ended) for ended, asked, first in sorted(found)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("streams", "prompt", "slots", "least", "most"),
    [(16, 0.2, 1, 0.0, 0.1), (8, 0.1, 1, 0.9, 1.0), (16, 0.05, 1, 0.9, 1.0), (8, 0.5, 8, 0.9, 1.0)],
)
def test_prompts_that_are_read_in_turn_hold_each_other_up(streams, prompt, slots, least, most):
    """How many runs are given an interval; it is what it says where they are."""
    rng, load = random.Random(streams), Load(concurrency=streams, stop=Stop(count=200))
    runs = [read_in_turn(rng, streams, prompt, 200, slots) for _ in range(200)]
    waits = [[each.measures.ttft_ms for each in run] for run in runs]
    truth = math.fsum(map(math.fsum, waits)) / 200 / len(runs)
    intervals = [mean_interval(values) for values in waits]
    covered = sum(each.low <= truth <= each.high for each in intervals) / len(runs)
    assert (covered < 0.7) if most < 0.5 else (covered > 0.9)
    assert least <= sum(waited_in(load, run) is None for run in runs) / len(runs) <= most


@pytest.mark.parametrize("why", [QUEUED, IN_LINE, IN_TURN])
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
    assert [why_no_interval(metric, why) for why in (None, IN_LINE, IN_TURN)] == [None] * 3
