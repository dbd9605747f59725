"""Tie groups: against pairwise tests done the plain way, over 10,000 made-up boards, and where items differ.

`pytest --log-cli-level=INFO` prints the shares.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats as scipy_stats  # type: ignore[import-untyped]

from tiltyard.stats.ranks import Entrant, Rank, _Partials, pair_p, ranks

log = logging.getLogger(__name__)


def entrant(scores: Sequence[float | None], ended_early: bool = False) -> Entrant:
    known = [score for score in scores if score is not None]
    asked = sum(1 << place for place, score in enumerate(scores) if score is not None)
    right = sum(1 << place for place, score in enumerate(scores) if score == 1.0)
    partial = [score or 0.0 for score in scores] if any(s not in (None, 0.0, 1.0) for s in scores) else None
    mean = sum(known) / len(known) if known else 0.0
    return Entrant(mean, 0.5 / max(len(known), 1) ** 0.5, asked, right, partial, ended_early)


def test_clear_winners_ties_and_losers() -> None:
    chance = random.Random(1)
    good = [float(chance.random() < 0.9) for _ in range(300)]
    almost = [score if chance.random() < 0.98 else 1 - score for score in good]
    bad = [float(chance.random() < 0.4) for _ in range(300)]
    assert ranks([entrant(bad), entrant(good), entrant(almost)]) == [Rank(3, 3), Rank(1, 2), Rank(1, 2)]
    assert ranks([entrant(good)]) == [Rank(1, 1)]
    assert ranks([]) == []


def test_partial_scores_are_students_paired_test() -> None:
    chance = random.Random(2)
    a = [chance.choice([0.0, 0.25, 0.5, 1.0]) for _ in range(200)]
    b = [chance.choice([0.0, 1 / 3, 0.5, 1.0]) for _ in range(200)]
    c = [float(chance.random() < 0.6) for _ in range(200)]
    for x, y in ((a, b), (a, c), (c, b)):
        pair = [entrant(x), entrant(y)]
        p, sign = pair_p(pair[0], pair[1], _Partials(pair).moments(0, 1))
        expected = scipy_stats.ttest_rel(x, y)
        assert p == pytest.approx(expected.pvalue, rel=1e-6)
        assert sign == np.sign(expected.statistic)


def test_only_shared_items_count() -> None:
    a = [1.0] * 30 + [0.0] * 30 + [None] * 10
    b = [None] * 10 + [1.0] * 20 + [0.0] * 20 + [1.0] * 20
    shared_a, shared_b = a[10:60], b[10:60]
    p, sign = pair_p(entrant(a), entrant(b))
    assert (p, sign) == (pair_p(entrant(shared_a), entrant(shared_b)))
    halves = [entrant([*shared_a, 0.5]), entrant([*shared_b, 0.25])]
    shifted = [entrant([*a, 0.5]), entrant([*b, 0.25])]
    assert _Partials(shifted).moments(0, 1) == _Partials(halves).moments(0, 1)


def test_other_items_are_compared_apart() -> None:
    a, b = [1.0] * 50 + [None] * 50, [None] * 50 + [0.0] * 50
    p, sign = pair_p(entrant(a), entrant(b))
    assert p < 1e-6
    assert sign == 1


def test_a_run_that_ended_early_needs_more_evidence() -> None:
    a, b = [1.0] * 12 + [0.0] * 30, [0.0] * 42
    plain, _ = pair_p(entrant(a), entrant(b))
    early, sign = pair_p(entrant(a), entrant(b, ended_early=True))
    assert plain < early < 0.05
    assert sign == 1
    pair = [entrant([*a, 0.75], ended_early=True), entrant([*b, 0.5])]
    found = _Partials(pair).moments(0, 1)
    assert found is not None
    assert found.gains == pytest.approx(12.25)
    assert pair_p(pair[0], pair[1], found)[0] < early


def test_equal_models_are_seldom_told_apart() -> None:
    """Five models alike on 10,000 boards of 80 items of differing difficulty: at most 5 % show an order."""
    rng = np.random.default_rng(7)
    wrong = 0
    for _ in range(10_000):
        right = rng.random((5, 80)) < rng.beta(2, 1, size=80)
        rows = [int.from_bytes(np.packbits(row, bitorder="little").tobytes(), "little") for row in right]
        board = [Entrant(row.bit_count() / 80, 0.05, (1 << 80) - 1, row) for row in rows]
        wrong += any(rank != Rank(1, 5) for rank in ranks(board))
    log.info("boards of five equal models with a false order: %.4f", wrong / 10_000)
    assert wrong <= 500


def test_true_places_lie_within_the_ranks() -> None:
    rng = np.random.default_rng(8)
    chances, held = np.array([0.9, 0.8, 0.7, 0.55, 0.5]), 0
    for _ in range(2_000):
        right = rng.random((5, 150)) < chances[:, None]
        rows = [int.from_bytes(np.packbits(row, bitorder="little").tobytes(), "little") for row in right]
        found = ranks([Entrant(row.bit_count() / 150, 0.04, (1 << 150) - 1, row) for row in rows])
        held += all(rank.best <= place <= rank.worst for place, rank in enumerate(found, start=1))
    log.info("boards where every true place lies within its rank: %.4f", held / 2_000)
    assert held >= 1_900
