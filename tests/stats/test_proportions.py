"""Intervals of shares and scores: against statsmodels' formula by scipy, and how often they hold.

`pytest --log-cli-level=INFO` prints the shares.
"""

from __future__ import annotations

import logging

import numpy as np
import pytest
from scipy import stats as scipy_stats  # type: ignore[import-untyped]

from tiltyard.stats.bootstrap import bootstrap_mean
from tiltyard.stats.proportions import mean_of_groups, wilson, wilson_clustered, wilson_in_rounds
from tiltyard.stats.rounds import rounds_of

log = logging.getLogger(__name__)


@pytest.mark.parametrize(("right", "n"), [(0, 10), (10, 10), (3, 17), (490, 1000)])
def test_wilson_is_scipys(right: int, n: int) -> None:
    expected = scipy_stats.binomtest(right, n).proportion_ci(method="wilson")
    seen = wilson(right, n)
    assert seen is not None
    assert seen.low == pytest.approx(expected.low, abs=1e-12)
    assert seen.high == pytest.approx(expected.high, abs=1e-12)


@pytest.mark.parametrize("n", [50, 200, 1000])
def test_fixed_size_intervals_cover_what_they_say(n: int) -> None:
    """10,000 runs at each p from 0.05 to 0.95: 94 to 96 % on average."""
    rng = np.random.default_rng(1)
    shares = []
    for p in np.arange(0.05, 0.96, 0.05):
        counts = np.bincount(rng.binomial(n, p, size=10_000), minlength=n + 1)
        held = 0
        for right in np.flatnonzero(counts):
            seen = wilson(int(right), n)
            assert seen is not None
            held += int(counts[right]) * bool(seen.low <= p <= seen.high)
        shares.append(held / 10_000)
    log.info("Wilson, n %s: covers %.4f on average, %.4f at least", n, np.mean(shares), min(shares))
    assert 0.94 <= np.mean(shares) <= 0.96
    assert min(shares) >= 0.92


@pytest.mark.parametrize("n", [10, 30, 100])
@pytest.mark.parametrize("kind", ["partial", "easy", "repeats", "easy repeats"])
def test_scores_that_are_partial_or_repeated_are_covered(kind: str, n: int) -> None:
    rng, runs = np.random.default_rng(2), 1_000
    held = 0
    for _ in range(runs):
        if kind == "partial":
            items, truth = rng.choice([0.0, 0.25, 0.5, 1.0], p=[0.2, 0.1, 0.1, 0.6], size=n), 0.675
        elif kind == "easy":
            items, truth = rng.choice([0.0, 0.5, 1.0], p=[0.03, 0.07, 0.9], size=n), 0.935
        elif kind == "repeats":
            items, truth = rng.binomial(4, rng.beta(0.7, 0.4, size=n)) / 4, 0.7 / 1.1
        else:
            items, truth = rng.binomial(4, rng.beta(9, 0.5, size=n)) / 4, 9 / 9.5
        seen = wilson_clustered(items.tolist())
        assert seen is not None
        held += seen.low <= truth <= seen.high
    log.info("%s scores of %s items: covers %.3f", kind, n, held / runs)
    assert held >= 0.93 * runs


def test_repetitions_are_one_witness() -> None:
    once, thrice = [1.0, 0.0, 1.0, 1.0, 0.0] * 4, [v for v in [1.0, 0.0, 1.0, 1.0, 0.0] * 4 for _ in range(3)]
    clusters = [number for number in range(20) for _ in range(3)]
    assert wilson_clustered(thrice, clusters) == pytest.approx(wilson_clustered(once))


def test_all_right_is_not_certain() -> None:
    seen = wilson_clustered([1.0] * 60, [number // 3 for number in range(60)])
    assert seen is not None
    assert seen.high == 1.0
    assert 0.8 < seen.low < 0.85
    assert wilson_clustered([]) is None
    single = wilson_clustered([1.0, 1.0], [1, 1])
    assert single is not None
    assert single.low < 0.25
    with pytest.raises(ValueError, match="is not a score"):
        wilson_clustered([1.5])


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(400, 200, 200, 200), (40, 20, 20, 10), (240, 880)])
@pytest.mark.parametrize("chances", [(0.9, 0.7, 0.8, 0.5), (0.98, 0.95, 0.97, 0.9), (0.5, 0.5, 0.5, 0.5)])
def test_means_of_categories_are_covered(sizes: tuple[int, ...], chances: tuple[float, ...]) -> None:
    rng, runs, held = np.random.default_rng(5), 1_000, 0
    chances = chances[: len(sizes)]
    truth = sum(chances) / len(chances)
    for _ in range(runs):
        strata = [
            ((rng.random(n) < p).astype(float).tolist(), None) for n, p in zip(sizes, chances, strict=True)
        ]
        seen = mean_of_groups(strata)
        assert seen is not None
        held += seen.low <= truth <= seen.high
    log.info("categories of %s items at %s: covers %.3f", sizes, chances, held / runs)
    assert 0.93 * runs <= held <= 0.985 * runs


def test_one_category_is_its_own_mean_and_tries_of_one_item_are_one_witness() -> None:
    scores = [1.0, 0.0, 1.0, 1.0, 0.5] * 4
    assert mean_of_groups([(scores, None)]) == pytest.approx(wilson_clustered(scores))
    thrice, items = [v for v in scores for _ in range(3)], [number for number in range(20) for _ in range(3)]
    once = mean_of_groups([(scores, None), (scores[:10], None)])
    assert mean_of_groups([(thrice, items), (scores[:10], None)]) == pytest.approx(once)
    certain = mean_of_groups([([1.0] * 30, None), ([1.0] * 30, None)])
    assert certain is not None
    assert certain.high == 1.0
    assert 0.9 < certain.low < 0.95  # nearly as 60 of 60, not a point
    assert mean_of_groups([]) is None
    assert mean_of_groups([([1.0], None), ([], None)]) is None


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 50])
def test_bootstrap_intervals_cover(n: int) -> None:
    """Means of items that were asked from once to four times, far from 0 and 1."""
    rng, runs = np.random.default_rng(3), 500
    held = 0
    for _ in range(runs):
        sizes = rng.integers(1, 5, size=n)
        levels = rng.normal(0.5, 0.1, size=n)
        values = [
            float(level + rng.normal(0, 0.05, size=size).mean())
            for level, size in zip(levels, sizes, strict=True)
        ]
        seen = bootstrap_mean(values)
        assert seen is not None
        held += seen.low <= 0.5 <= seen.high
    log.info("bootstrap of %s items: covers %.3f", n, held / runs)
    assert held >= 0.92 * runs


def test_bootstrap_is_repeatable_and_needs_two() -> None:
    values = [0.1, 0.5, 0.7, 0.2]
    assert bootstrap_mean(values) == bootstrap_mean(values)
    assert bootstrap_mean([0.5]) is None
    many = [float(number % 7) for number in range(20_000)]
    seen = bootstrap_mean(many)
    assert seen is not None
    assert seen.low < sum(many) / len(many) < seen.high


def test_rounds_that_are_all_alike_say_what_their_tries_do() -> None:
    """Nothing of 40 failed on four streams: at most a sixth do, not three fifths."""
    none, few = (wilson_in_rounds([place < n for place in range(40)], rounds_of(4, 40)) for n in (0, 1))
    assert none is not None
    assert few is not None
    assert (none.low, round(none.high, 2)) == (0.0, 0.16)
    assert none.high < few.high < 0.25
    every = wilson_in_rounds([True] * 40, rounds_of(4, 40))
    assert every is not None
    assert every.low == pytest.approx(1 - none.high)
    half, alone = wilson_in_rounds([True, False] * 20, rounds_of(2, 40)), wilson(20, 40)
    assert half is not None
    assert alone is not None
    assert 0.3 < half.low < alone.low < 0.5 < alone.high < half.high < 0.7


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("alike", [0.0, 0.3])
def test_how_often_shares_over_rounds_hold(rate: float, alike: float) -> None:
    """80 tries on 4 streams; `alike`: the share of the spread that lies between rounds."""
    rng = np.random.default_rng(7)
    rounds = rounds_of(4, 80)
    assert rounds.ids is not None
    held = 0
    for _ in range(1000):
        chances = [rate] * 10
        if alike:
            chances = list(rng.beta(rate * (1 / alike - 1), (1 - rate) * (1 / alike - 1), 10))
        interval = wilson_in_rounds([bool(rng.random() < chances[place]) for place in rounds.ids], rounds)
        held += interval is not None and interval.low <= rate <= interval.high
    log.info("rate %g, alike %g: %.3f", rate, alike, held / 1000)
    assert held / 1000 > 0.90
