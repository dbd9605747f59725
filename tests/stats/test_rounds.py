"""Answers of several streams are no independent witnesses; rounds of them are."""

import heapq
import math
import random

import pytest

from tiltyard.stats.figures import mean_interval
from tiltyard.stats.queues import FEW
from tiltyard.stats.rounds import Rounds, joined, means_of, rounds_of


@pytest.mark.parametrize(
    ("streams", "answers", "sizes"),
    [(1, 3, None), (4, 32, [8] * 4), (4, 35, [8, 9, 9, 9]), (4, 31, [4] * 4 + [5] * 3), (4, 16, [4] * 4)],
)
def test_rounds_are_of_twice_as_many_answers_as_streams(streams, answers, sizes):
    rounds = rounds_of(streams, answers)
    assert rounds.why is None
    if sizes is None:
        assert rounds.ids is None
        return
    assert list(rounds.ids) == sorted(rounds.ids)
    assert sorted(list(rounds.ids).count(place) for place in set(rounds.ids)) == sorted(sizes)


def test_too_few_answers_for_each_stream():
    assert rounds_of(4, 15) == Rounds(None, FEW)
    assert joined([(rounds_of(4, 15), 15), (rounds_of(1, 3), 3)]) == Rounds(None, FEW)


def test_loads_one_after_another_have_rounds_of_their_own():
    assert joined([(rounds_of(1, 3), 3), (rounds_of(1, 2), 2)]) == Rounds(None)
    both = joined([(rounds_of(1, 2), 2), (rounds_of(2, 8), 8), (rounds_of(1, 1), 1)])
    assert list(both.ids) == [0, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6]
    assert means_of([5, 7, 1, 3, 2, 4, 0, 0, 9, 9, 1], both) == [5, 7, 2, 3, 0, 9, 1]


def in_steps(rng, streams, answers):
    """Decode rates and waits of answers that get their tokens together, in steps that vary by 30 %."""
    now, begun, rates, waits, under_way = 0.0, 0, [], [], []

    def ask():
        nonlocal begun
        if begun < answers:
            begun += 1
            under_way.append([now, 3, None, 0, rng.randint(24, 72)])

    for _ in range(streams):
        ask()
    while under_way:
        now += 0.010 * math.exp(rng.gauss(-0.045, 0.3))
        for one in list(under_way):
            if one[1]:
                one[1] -= 1
                continue
            one[3] += 1
            if one[3] == 1:
                one[2] = now
            if one[3] == one[4]:
                rates.append((one[4] - 1) / (now - one[2]))
                waits.append(one[2] - one[0])
                under_way.remove(one)
                ask()
    return rates, waits


def in_turn(rng, streams, answers, readers=1, slots=None, prompt=0.15):
    """Waits where prompts are read by so many readers, and answers take so many slots, in order of ends."""
    ready, read, free, found = [0.0] * streams, [0.0] * readers, [0.0] * (slots or streams), []
    for _ in range(answers):
        asked = heapq.heappop(ready)
        first = max(asked, heapq.heappop(read), heapq.heappop(free)) + prompt * rng.uniform(0.85, 1.15)
        heapq.heappush(read, first)
        ended = first + 2.0 * rng.lognormvariate(-0.32, 0.8)
        heapq.heappush(ready, ended)
        heapq.heappush(free, ended)
        found.append((ended, first - asked))
    return [wait for _, wait in sorted(found)]


def covered(runs, streams):
    """How often the intervals of rounds, and of single answers, hold the mean of all runs."""
    truth = math.fsum(map(math.fsum, runs)) / sum(map(len, runs))

    def share(intervals):
        return sum(each.low <= truth <= each.high for each in intervals) / len(runs)

    by_round = [mean_interval(means_of(run, rounds_of(streams, len(run)))) for run in runs]
    return share(by_round), share(map(mean_interval, runs))


@pytest.mark.slow
@pytest.mark.parametrize(("streams", "answers"), [(4, 48), (8, 64), (16, 96)])
def test_answers_that_are_computed_together(streams, answers):
    rng = random.Random(streams)
    runs = [in_steps(rng, streams, answers) for _ in range(200)]
    rates, waits = (covered([run[which] for run in runs], streams) for which in (0, 1))
    assert rates[0] > 0.87
    assert rates[1] < 0.8
    assert waits[0] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("streams", "kind"),
    [(8, {"slots": 4}), (16, {"slots": 4}), (16, {}), (8, {"readers": 8}), (8, {"prompt": 0.05})],
)
def test_answers_that_wait_for_each_other(streams, kind):
    rng = random.Random(streams)
    runs = [in_turn(rng, streams, 20 * streams, **kind) for _ in range(300)]
    by_round, alone = covered(runs, streams)
    assert by_round > 0.88
    assert by_round >= alone - 0.04
