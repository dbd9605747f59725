"""Paired comparison: exact tests as scipy's, intervals that cover, power that is what it says.

`pytest --log-cli-level=INFO` prints the shares.
"""

from __future__ import annotations

import logging
import math
import random

import numpy as np
import pytest
from scipy import stats as scipy_stats  # type: ignore[import-untyped]

from tiltyard.stats.paired import (
    Difference,
    compare_apart,
    compare_scores,
    mcnemar,
    more_items,
    paired_p,
    verdict_of,
)
from tiltyard.stats.pairing import Scores, item_key, shared

log = logging.getLogger(__name__)


@pytest.mark.parametrize(("better", "worse"), [(3, 9), (9, 3), (1, 0), (50, 70), (400, 300), (2000, 1700)])
def test_mcnemar_is_the_exact_binomial_test(better: int, worse: int) -> None:
    assert mcnemar(better, worse) == pytest.approx(
        scipy_stats.binomtest(better, better + worse).pvalue, rel=1e-9
    )


def test_mcnemar_of_no_disagreement_and_of_very_many() -> None:
    assert mcnemar(0, 0) == mcnemar(7, 7) == 1.0
    assert mcnemar(75_500, 75_000) == pytest.approx(scipy_stats.binomtest(75_500, 150_500).pvalue, rel=1e-3)


def test_the_paired_test_is_students() -> None:
    chance = random.Random(1)
    values = [chance.choice([-1.0, -0.5, 0.0, 0.25, 1.0]) for _ in range(40)]
    expected = scipy_stats.ttest_1samp([*values, 1.0, -1.0], 0).pvalue  # one pair of the largest each way
    assert paired_p(values) == pytest.approx(expected, rel=1e-9)
    assert paired_p([]) is None
    assert paired_p([0.0, 0.0]) == 1.0
    assert paired_p([0.5]) is None
    assert paired_p([0.5] * 8) == pytest.approx(2 / 2**8)


def found(a: list[float], b: list[float], **more: bool) -> Difference:
    difference = compare_scores(a, b, **more)
    assert difference is not None
    assert difference.low is not None
    assert difference.high is not None
    return difference


def test_what_is_said_of_right_and_wrong() -> None:
    a = [0.0] * 30 + [1.0] * 70
    b = [1.0] * 25 + [0.0] * 5 + [1.0] * 70
    seen = found(a, b)
    assert (seen.better, seen.worse, seen.pairs, seen.method) == (25, 0, 100, "mcnemar")
    assert seen.difference == 0.25
    assert verdict_of(seen, seen.p_value) == "higher"
    assert verdict_of(found(b, a), seen.p_value) == "lower"
    assert verdict_of(seen, 0.2) == "unclear"  # other claims took the confidence
    same = found(a, a)
    assert (same.low, same.p_value) != (0.0, 0.0)
    assert verdict_of(same, same.p_value) == "unclear"  # a hundred items say nothing of two points
    assert verdict_of(found(a * 10, a * 10), 1.0) == "same"
    assert compare_scores([], []) is None


def test_ending_early_makes_the_p_value_larger() -> None:
    a, b = [0.0] * 40, [1.0] * 15 + [0.0] * 25
    assert found(a, b, ended_early=True).p_value > found(a, b).p_value  # type: ignore[operator]
    assert found(a, b, ended_early=True).method == "always_valid"
    assert more_items(found(a, b, ended_early=True)) is None


def test_runs_over_other_items_are_compared_apart() -> None:
    seen = compare_apart([0.0] * 20 + [1.0] * 20, [1.0] * 38 + [0.0] * 2)
    assert seen is not None
    assert (seen.method, seen.pairs) == ("unpaired", 0)
    assert seen.difference == pytest.approx(0.45)
    assert verdict_of(seen, seen.p_value) == "higher"
    assert more_items(seen) is None
    certain = compare_apart([1.0] * 5, [1.0] * 5)
    assert certain is not None
    assert certain.low is not None
    assert certain.low < -0.2  # five of five on each side are no proof of a tie
    assert compare_apart([], [1.0]) is None


@pytest.mark.parametrize(("discordant", "shift"), [(0.1, 0.0), (0.4, 0.0), (0.25, 0.15), (0.05, 0.03)])
@pytest.mark.parametrize("n", [30, 200])
def test_intervals_of_differences_cover(discordant: float, shift: float, n: int) -> None:
    """Right and wrong, 10,000 comparisons: the interval of Bonett and Price, from its counts alone."""
    rng = np.random.default_rng(5)
    up = (discordant + shift) / 2
    counts = rng.multinomial(n, [up, discordant - up, 1 - discordant], size=10_000)
    held = called = 0
    for (better, worse, _), times in zip(*np.unique(counts, axis=0, return_counts=True), strict=True):
        seen = found(
            [0.0] * better + [1.0] * (n - better),
            [1.0] * better + [0.0] * worse + [1.0] * (n - better - worse),
        )
        held += int(times) * bool(seen.low <= shift <= seen.high)  # type: ignore[operator]
        called += int(times) * bool(seen.p_value < 0.05)  # type: ignore[operator]
    log.info(
        "n %s, discordant %s, shift %s: covers %.4f, p < 0.05 %.4f",
        n,
        discordant,
        shift,
        held / 1e4,
        called / 1e4,
    )
    assert held >= 9_400
    if shift == 0:
        assert called <= 500


@pytest.mark.slow
@pytest.mark.parametrize("ended_early", [False, True])
def test_what_is_said_of_b_against_a_is_the_mirror_of_a_against_b(ended_early: bool) -> None:
    rng = np.random.default_rng(7)
    for _ in range(300 if not ended_early else 20):
        n, tries = int(rng.integers(2, 60)), int(rng.integers(2, 5))
        a, b = (list(map(float, rng.integers(0, tries + 1, size=n) / tries)) for _ in range(2))
        seen, turned = found(a, b, ended_early=ended_early), found(b, a, ended_early=ended_early)
        assert turned.p_value == seen.p_value
        assert (turned.difference, turned.low, turned.high) == (
            -seen.difference,
            -seen.high,  # type: ignore[operator]
            -seen.low,  # type: ignore[operator]
        )


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 100])
def test_bootstrap_intervals_of_partial_differences_cover(n: int) -> None:
    rng = np.random.default_rng(6)
    held = called = 0
    for _ in range(400):
        ability = rng.beta(0.7, 0.4, size=n)
        a, b = rng.binomial(4, ability) / 4, rng.binomial(4, ability) / 4
        seen = found(list(a), list(b))
        held += seen.low <= 0 <= seen.high  # type: ignore[operator]
        called += seen.p_value < 0.05  # type: ignore[operator]
    log.info("four repetitions of %s items: covers %.3f, p < 0.05 %.3f", n, held / 400, called / 400)
    assert held >= 0.93 * 400
    assert called <= 0.07 * 400


def test_so_many_more_items_decide_four_times_out_of_five() -> None:
    """Take a pilot of 100 items with 12 gains and 6 losses at its word, and run as many as it asks for."""
    pilot = found([0.0] * 12 + [1.0] * 88, [1.0] * 12 + [0.0] * 6 + [1.0] * 82)
    more = more_items(pilot)
    assert more is not None
    n = pilot.pairs + more
    rng = np.random.default_rng(9)
    counts = rng.multinomial(n, [0.12, 0.06, 0.82], size=10_000)
    decided = sum(mcnemar(int(up), int(down)) < 0.05 for up, down, _ in counts)
    log.info("power after %s items: %.3f", n, decided / 10_000)
    assert 0.76 <= decided / 10_000 <= 0.86


@pytest.mark.parametrize("n", [1, 20, 100, 128, 136])
@pytest.mark.parametrize("margin", [0.01, 0.02, 0.05])
def test_two_that_agree_on_every_item_need_as_many_as_the_interval_does(n: int, margin: float) -> None:
    pilot = found([1.0] * n, [1.0] * n)
    if verdict_of(pilot, 1.0, margin) == "same":
        return
    more = more_items(pilot, margin)
    assert more is not None
    after, before = (
        found([1.0] * (n + more), [1.0] * (n + more)),
        found([1.0] * (n + more - 1), [1.0] * (n + more - 1)),
    )
    assert (verdict_of(after, 1.0, margin), verdict_of(before, 1.0, margin)) == ("same", "unclear")


def test_so_many_more_items_show_that_two_agree() -> None:
    assert [more_items(found([1.0] * n, [1.0] * n)) for n in (20, 100, 128)] == [117, 37, 9]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "better", "worse"), [(20, 1, 1), (100, 1, 1), (100, 4, 4), (200, 3, 2), (50, 8, 8)]
)
def test_so_many_more_items_fit_inside_the_margin_four_times_out_of_five(
    n: int, better: int, worse: int
) -> None:
    pilot = found(
        [0.0] * better + [1.0] * (n - better), [1.0] * better + [0.0] * worse + [1.0] * (n - better - worse)
    )
    more = more_items(pilot)
    assert more is not None
    total = n + more
    rng = np.random.default_rng(10)
    counts = rng.multinomial(total, [better / n, worse / n, 1 - (better + worse) / n], size=2_000)
    agreed = 0
    for (up, down, _), times in zip(*np.unique(counts, axis=0, return_counts=True), strict=True):
        seen = found(
            [0.0] * up + [1.0] * (total - up), [1.0] * up + [0.0] * down + [1.0] * (total - up - down)
        )
        agreed += int(times) * (verdict_of(seen, seen.p_value) == "same")
    log.info("%s items, +%s -%s: agreed after %s: %.3f", n, better, worse, total, agreed / 2_000)
    assert 0.76 <= agreed / 2_000 <= 0.86


def test_partial_scores_need_as_many_as_their_own_interval() -> None:
    """One pair of their largest difference is added each way, not of a whole point."""
    few = found([0.5] * 40, [0.75, 0.25] + [0.5] * 38)
    whole = found([1.0, 0.0] * 20, [0.0, 1.0] + [1.0, 0.0] * 19)
    assert few.largest == 0.25
    more = more_items(few)
    assert more is not None
    assert more < more_items(whole)  # type: ignore[operator]
    times = math.ceil((40 + more) / 40)
    assert verdict_of(found([0.5] * 40 * times, ([0.75, 0.25] + [0.5] * 38) * times), 1.0) == "same"


def test_hopeless_differences_ask_for_no_number() -> None:
    tie = found([0.0, 1.0] * 500, [1.0, 0.0] * 500)
    assert tie.difference == 0
    needed = more_items(tie)
    assert needed is not None
    assert needed > 10_000  # to fit inside two points, where everything flips
    assert more_items(tie, margin=1e-5) is None
    assert math.isclose(tie.spread, 1.0)


def test_what_single_precision_leaves_of_a_tie_is_none() -> None:
    """A third is kept with seven digits, and three of them make no whole."""
    modes = ("prompt", "json_object", "json_schema")

    def key(case: int, mode: str) -> int:
        return item_key("json", f"case{case} {mode}", f"h{case}/{mode}")

    one_mode = Scores.of([(key(n, mode), float(mode == "prompt")) for n in range(40) for mode in modes])
    one_try = Scores.of(
        [(key(n, m), float(t == k)) for n in range(40) for k, m in enumerate(modes) for t in range(3)]
    )
    for a, b in ((one_mode, one_try), (one_try, one_mode)):
        for early in (False, True):
            found = compare_scores(*shared(a, b), ended_early=early)
            assert found is not None
            assert (found.better, found.worse, found.difference, found.p_value) == (0, 0, 0.0, 1.0)
        assert verdict_of(found, found.p_value) not in ("higher", "lower")


def test_a_small_difference_of_partial_scores_is_one() -> None:
    a, b = (Scores.of([(n, 0.5 + part) for n in range(20)]) for part in (1 / 1001, 1 / 1000))
    found = compare_scores(*shared(a, b))
    assert found is not None
    assert (found.better, found.worse) == (20, 0)
