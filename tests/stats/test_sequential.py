"""Ending early keeps its promises: exact small cases, error rates over 10,000 runs each.

`pytest --log-cli-level=INFO` prints the shares.
"""

from __future__ import annotations

import logging
import math
import random

import numpy as np
import pytest
from scipy.special import betaln  # type: ignore[import-untyped]

from tiltyard.stats.sequential import (
    Sequential,
    always_valid,
    always_valid_difference,
    log_capital,
    log_evidence,
    rule_of,
)

log = logging.getLogger(__name__)
RUNS, ITEMS, LIMIT = 10_000, 400, math.log(20)


@pytest.mark.parametrize(
    "text", ["", "decided=1", "width", "width=", "width=0", "width=1", "width=nan", "wide=0.1"]
)
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no rule"):
        rule_of(text)


def test_rules_are_read() -> None:
    assert rule_of(" decided ").kind == "decided"
    assert rule_of("width=0.02").width == 0.02


def test_the_capital_is_the_beta_binomial_ratio() -> None:
    for wins, losses, p in ((0, 0, 0.3), (5, 0, 0.3), (0, 7, 0.3), (12, 9, 0.5), (3.25, 8.5, 0.7)):
        expected = betaln(1 + wins, 1 + losses) - wins * math.log(p) - losses * math.log1p(-p)
        assert log_capital(wins, losses, p) == pytest.approx(expected, abs=1e-9)


def test_the_capital_is_a_fair_game() -> None:
    """Summed over all sequences of 12 answers, its mean is the stake."""
    for p in (0.1, 0.5, 0.8):
        mean = sum(
            math.comb(12, wins) * p**wins * (1 - p) ** (12 - wins) * math.exp(log_capital(wins, 12 - wins, p))
            for wins in range(13)
        )
        assert mean == pytest.approx(1.0, abs=1e-9)


def test_bounds_lie_where_the_capital_is_twenty() -> None:
    found = always_valid(30, 100)
    assert found is not None
    assert found.low < 0.3 < found.high
    for end in found:
        assert log_capital(30, 70, end) == pytest.approx(LIMIT, abs=1e-6)
    assert always_valid(0, 0) is None
    none, every = always_valid(0, 50), always_valid(50, 50)
    assert none is not None
    assert every is not None
    assert none.low == 0.0
    assert every.high == 1.0
    assert none.high == pytest.approx(1 - every.low)
    with pytest.raises(ValueError, match="do not add up"):
        always_valid(11, 10)


def test_a_sequence_fed_one_by_one() -> None:
    chance = random.Random(3)
    run = Sequential(rule_of("width=0.2"))
    while not run.decided():
        run.add(float(chance.random() < 0.8))
    found = run.interval()
    assert found is not None
    assert found.high - found.low <= 0.2
    assert found.low < 0.8 < found.high
    assert run.p_value() is None
    with pytest.raises(ValueError, match="a score is 0 to 1"):
        run.add(1.5)


def test_a_clear_difference_is_decided_and_a_tie_is_not() -> None:
    run = Sequential(rule_of("decided"))
    while not run.decided():
        run.add(1.0, 0.0 if run.n % 2 else 1.0)
    assert run.direction() == "better"
    assert run.n < 40
    while log_evidence(run.gains, run.losses) > 1.0:  # answers that were under way say the contrary
        run.add(0.0, 1.0)
    assert (run.decided(), run.direction()) == (True, "better")
    assert (run.p_value() or 1.0) <= 0.05
    tie = Sequential(rule_of("decided"))
    for number in range(2000):
        tie.add(float(number % 2), float(number // 2 % 2))
    assert not tie.decided()
    assert tie.direction() is None
    assert tie.p_value() == 1.0


def test_the_last_look_is_at_the_end() -> None:
    """Of a set that ends between two looks it is still known what it came to."""
    run = Sequential(rule_of("width=0.1"))
    while not (narrow := run.interval()) or narrow.high - narrow.low > 0.1:
        assert not run.decided()
        run.add(1.0)
    assert run.look()
    assert run.decided()
    assert not Sequential(rule_of("width=0.1")).look()


@pytest.mark.slow
def test_after_stopping_at_will_intervals_still_hold() -> None:
    """The worst stopping rule of all: stop at the first moment that shuts out the truth, if there is one."""
    rng = np.random.default_rng(1)
    n = np.arange(1, ITEMS + 1)
    missed = {}
    for p in (0.05, 0.3, 0.5, 0.7, 0.95):
        wins = (rng.random((RUNS, ITEMS)) < p).cumsum(axis=1)
        capital = betaln(1 + wins, 1 + n - wins) - wins * np.log(p) - (n - wins) * np.log1p(-p)
        missed[p] = float((capital.max(axis=1) >= LIMIT).mean())
    log.info("always valid, missed at some moment: %s", missed)
    assert max(missed.values()) <= 0.05


@pytest.mark.slow
def test_partial_scores_are_covered_too() -> None:
    rng = np.random.default_rng(2)
    scores = rng.choice([0.0, 0.5, 0.75, 1.0], p=[0.3, 0.2, 0.2, 0.3], size=(RUNS, ITEMS))
    mean, n = 0.5 * 0.2 + 0.75 * 0.2 + 0.3, np.arange(1, ITEMS + 1)
    total = scores.cumsum(axis=1)
    capital = betaln(1 + total, 1 + n - total) - total * np.log(mean) - (n - total) * np.log1p(-mean)
    missed = float((capital.max(axis=1) >= LIMIT).mean())
    log.info("always valid, partial scores, missed: %s", missed)
    assert missed <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("gain", "loss"), [(0.05, 0.05), (0.4, 0.1), (0.02, 0.0), (0.3, 0.3)])
def test_after_stopping_at_will_differences_still_hold(gain: float, loss: float) -> None:
    """Stopped at the first moment at which the interval shuts out the truth, if there is one."""
    rng = np.random.default_rng(4)
    draw = rng.random((RUNS, ITEMS))
    up, down = (draw < gain).cumsum(axis=1), (draw >= 1 - loss).cumsum(axis=1)
    same, m = np.arange(1, ITEMS + 1) - up - down, gain - loss
    shares = [(k + 0.5) / 24 for k in range(24)]
    sides = []
    for ups, downs, mean in ((up, down, m), (down, up, -m)):
        capital = sum(
            (1 - t * t)
            * np.exp(
                ups * np.log((1 - t) + t * 2 / (1 + mean))
                + same * np.log((1 - t) + t / (1 + mean))
                + downs * np.log(1 - t)
            )
            for t in shares
        ) / sum(1 - t * t for t in shares)
        sides.append(capital.max(axis=1) >= 40)
    missed = float((sides[0] | sides[1]).mean())
    log.info("always valid, differences, +%s -%s missed: %s", gain, loss, missed)
    assert missed <= 0.05
    one = [1.0] * up[0, 99] + [-1.0] * down[0, 99] + [0.0] * same[0, 99]
    found = always_valid_difference(one)
    assert found is not None
    assert -1 <= found.low < sum(one) / 100 < found.high <= 1
    for m, outside in ((found.low, 1e-3), (found.high, -1e-3)):  # the borders are where a capital is 40
        signed = one if outside > 0 else [-d for d in one]
        at = [m - outside, m + outside] if outside > 0 else [-m - outside, -m + outside]
        below, above = (
            sum((1 - t * t) * math.prod((1 - t) + t * (1 + d) / (1 + x) for d in signed) for t in shares)
            / sum(1 - t * t for t in shares)
            for x in sorted(at)
        )
        assert below > 40 > above


def test_a_difference_and_its_evidence_agree() -> None:
    for gains in range(5, 40, 3):
        differences = [1.0] * gains + [-1.0] * 5 + [0.0] * 60
        found = always_valid_difference(differences)
        assert found is not None
        decided = log_evidence(gains, 5) >= math.log(20)
        assert (found.low > 0) == decided or abs(found.low) < 0.02
    assert always_valid_difference([]) is None


@pytest.mark.slow
@pytest.mark.parametrize("discordant", [0.1, 0.5])
def test_a_true_tie_is_seldom_called_a_difference(discordant: float) -> None:
    rng = np.random.default_rng(3)
    draw = rng.random((RUNS, ITEMS))
    gains = (draw < discordant / 2).cumsum(axis=1)
    losses = ((draw >= discordant / 2) & (draw < discordant)).cumsum(axis=1)
    evidence = betaln(2 + gains, 2 + losses) - betaln(2, 2) + (gains + losses) * np.log(2)
    called = float((evidence.max(axis=1) >= LIMIT).mean())
    log.info("ties called a difference, %s discordant: %s", discordant, called)
    assert called <= 0.05
    for row in (0, 1, 2):
        assert log_evidence(gains[row, -1], losses[row, -1]) == pytest.approx(evidence[row, -1], abs=1e-9)


@pytest.mark.slow
def test_ties_of_partial_scores_too() -> None:
    """Differences of skewed sizes whose mean is 0: seldom a large loss, often a small gain."""
    rng = np.random.default_rng(4)
    difference = rng.choice([0.2, -0.8, 0.0], p=[0.4, 0.1, 0.5], size=(RUNS, ITEMS))
    gains = np.maximum(difference, 0).cumsum(axis=1)
    losses = np.maximum(-difference, 0).cumsum(axis=1)
    evidence = betaln(2 + gains, 2 + losses) - betaln(2, 2) + (gains + losses) * np.log(2)
    called = float((evidence.max(axis=1) >= LIMIT).mean())
    log.info("ties of partial scores called a difference: %s", called)
    assert called <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("ability", [0.5, 0.9])
def test_a_tie_with_the_luckiest_of_many_is_seldom_called_a_difference(ability: float) -> None:
    """As many runs of equal models are in the store as a household may have; the best of them is taken."""
    rng, others, runs = np.random.default_rng(5), 16, 500
    called = called_without = 0
    for _ in range(RUNS // runs):
        rivals = rng.random((runs, others, ITEMS), dtype=np.float32) < ability
        best = rivals[np.arange(runs), rivals.sum(axis=2).argmax(axis=1)]
        own = rng.random((runs, ITEMS), dtype=np.float32) < ability
        gains, losses = (own & ~best).cumsum(axis=1), (best & ~own).cumsum(axis=1)
        evidence = betaln(2 + gains, 2 + losses) - betaln(2, 2) + (gains + losses) * np.log(2)
        most = evidence.max(axis=1)
        called += int((most >= LIMIT + math.log(others)).sum())
        called_without += int((most >= LIMIT).sum())
    log.info("ties with the best of %s, %s able: %s", others, ability, (called / RUNS, called_without / RUNS))
    assert called / RUNS <= 0.05 < called_without / RUNS


def test_the_best_of_many_must_be_beaten_more_clearly() -> None:
    alone, picked = Sequential(rule_of("decided")), Sequential(rule_of("decided"), candidates=16)
    while not alone.decided():
        alone.add(1.0, 0.0)
        picked.add(1.0, 0.0)
    assert picked.direction() is None
    assert picked.p_value() == pytest.approx(16 * (alone.p_value() or 0.0))
    while not picked.decided():
        picked.add(1.0, 0.0)
    assert (picked.direction(), (picked.p_value() or 1.0) <= 0.05) == ("better", True)
    assert log_evidence(picked.gains, picked.losses) >= LIMIT + math.log(16)
