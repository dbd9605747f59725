"""pass@k, pass^k and flips, against counting every choice by hand, and how often their intervals hold.

`pytest --log-cli-level=INFO` prints the shares.
"""

from __future__ import annotations

import itertools
import logging
import math

import numpy as np
import pytest

from tiltyard.stats.repeats import pass_at, pass_every, repeats_of

log = logging.getLogger(__name__)


@pytest.mark.parametrize(("tries", "right", "k"), [(5, 2, 1), (5, 2, 3), (6, 0, 2), (6, 6, 4), (7, 3, 7)])
def test_estimators_count_all_choices(tries: int, right: int, k: int) -> None:
    answers = [True] * right + [False] * (tries - right)
    choices = list(itertools.combinations(answers, k))
    assert pass_at(k, tries, right) == pytest.approx(sum(map(any, choices)) / len(choices))
    assert pass_every(k, tries, right) == pytest.approx(sum(map(all, choices)) / len(choices))


def test_no_estimate_of_more_tries_than_there_were() -> None:
    with pytest.raises(ValueError, match="no share"):
        pass_at(3, 2, 1)


def test_figures_of_repetitions() -> None:
    items = [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]  # the third was not answered often enough
    scores = [1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]
    found = repeats_of(items, scores, 4)
    assert (found["k"], found["items"]) == (4, 2)
    assert found["pass_at"]["1"]["value"] == pytest.approx(0.375)
    assert found["pass_at"]["4"]["value"] == pytest.approx(0.5)
    assert found["pass_every"]["2"]["value"] == pytest.approx(0.25)
    assert found["pass_every"]["4"]["value"] == 0.0
    assert found["flips"]["value"] == 0.5
    assert found["flips"]["ci95"][0] > 0.05
    assert found["flip_chance"] == pytest.approx(
        0.25
    )  # of the 6 pairs of the first item 3 differ, of the second none
    low, high = found["flip_chance_ci95"]
    assert 0 <= low < 0.25 < high <= 1


def test_nothing_answered_twice_has_no_figures() -> None:
    found = repeats_of([1, 2], [1.0, 0.0], 2)
    assert found["items"] == 0
    assert found["flips"]["value"] is None
    assert found["pass_at"]["2"]["value"] is None


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 30, 100])
@pytest.mark.parametrize(("kind", "a", "b"), [("mixed", 0.7, 0.4), ("easy", 9.0, 0.5)])
def test_intervals_over_items_hold(kind: str, a: float, b: float, n: int) -> None:
    """Four tries of each item, whose chances are drawn from Beta(a, b)."""
    rng, runs, k = np.random.default_rng(4), 1_000, 4
    total = math.prod(a + b + i for i in range(k))
    truth = {
        "pass_at": 1.0 - math.prod(b + i for i in range(k)) / total,
        "pass_every": math.prod(a + i for i in range(k)) / total,
    }
    held = dict.fromkeys(truth, 0)
    items = np.repeat(np.arange(n), k).tolist()
    for _ in range(runs):
        tries = rng.random((n, k)) < rng.beta(a, b, size=n)[:, None]
        found = repeats_of(items, tries.astype(float).ravel().tolist(), k)
        for name, value in truth.items():
            low, high = found[name][str(k)]["ci95"]
            held[name] += low <= value <= high
    for name, times in held.items():
        log.info("%s of 4, %s, %s items: covers %.3f", name, kind, n, times / runs)
        assert times >= 0.93 * runs


def test_all_alike_is_not_certain() -> None:
    items = [number // 4 for number in range(80)]
    for score, low, high in ((1.0, 0.8, 1.0), (0.0, 0.0, 0.2)):
        found = repeats_of(items, [score] * 80, 4)
        for figure in (*found["pass_at"].values(), *found["pass_every"].values()):
            assert figure["value"] == score
            assert low <= figure["ci95"][0] < figure["ci95"][1] <= high
    assert repeats_of([1, 1], [1.0, 1.0], 2)["pass_every"]["2"]["ci95"][0] < 0.25
