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

from tiltyard.stats.contrast import Verdict
from tiltyard.stats.paired import compare_scores, verdict_of
from tiltyard.stats.pairing import Scores, item_key, shared
from tiltyard.stats.ranks import Entrant, Rank, _Partials, pair_p, placed, ranks

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
        largest = max(abs(u - v) for u, v in zip(x, y, strict=True))
        expected = scipy_stats.ttest_rel([*x, largest, 0.0], [*y, 0.0, largest])
        assert p == pytest.approx(expected.pvalue, rel=1e-6)
        assert sign == np.sign(expected.statistic)


def test_the_largest_difference_is_found_where_nobody_is_all_right() -> None:
    pair = [entrant([0.5, 0.75, 0.25, None]), entrant([0.5, 0.25, 0.5, 1.0])]
    found = _Partials(pair).moments(0, 1)
    assert found is not None
    assert found.largest == 0.5
    mixed = [entrant([1.0, 0.0, 0.5]), entrant([1.0, 1.0, 1.0])]
    assert [_Partials(two).moments(0, 1).largest for two in (mixed, mixed[::-1])] == [1.0, 1.0]  # type: ignore[union-attr]


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


@pytest.mark.slow
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


MODES = ("prompt", "json_object", "json_schema")


def asked_in(modes: Sequence[str], values: np.ndarray) -> Scores:
    """A row of values for each case, one for each of `MODES`, of which some are left out."""
    return Scores.of(
        (item_key("json", f"c{number} {mode}", f"h{number}/{mode}"), float(value))
        for number, row in enumerate(values)
        for mode, value in zip(MODES, row, strict=True)
        if mode in modes
    )


def alike(rng: np.random.Generator, cases: int, chances: np.ndarray) -> np.ndarray:
    """One model's answers in three modes, nine of ten as its answer to the case in itself."""
    whole, own = rng.random((cases, 1)) < chances, rng.random((cases, 3)) < chances
    return np.where(rng.random((cases, 3)) < 0.9, whole, own)


def bare(scores: Sequence[Scores]) -> list[Entrant]:
    return placed([Entrant(own.score_of(0) or 0.5, 0.05, 0, 0) for own in scores], scores)


@pytest.mark.slow
def test_an_item_asked_in_three_modes_is_one_witness() -> None:
    """Two equal models, 97 cases in three modes, 2,000 times: ranks call at most 5 % different."""
    rng, wrong = np.random.default_rng(9), 0
    for _ in range(2_000):
        chances = rng.beta(2, 1, size=(97, 1))
        board = bare([asked_in(MODES, alike(rng, 97, chances)) for _ in range(2)])
        assert board[0].asked.bit_count() == 97
        wrong += ranks(board) != [Rank(1, 2), Rank(1, 2)]
    log.info("three modes of 97 cases, two equal models: a false order in %.4f", wrong / 2_000)
    assert wrong <= 100


@pytest.mark.slow
def test_comparing_runs_in_three_modes_is_seldom_wrong() -> None:
    rng = np.random.default_rng(10)
    verdicts: list[Verdict] = []
    for _ in range(500):
        chances = rng.beta(2, 1, size=(97, 1))
        sides = [asked_in(MODES, alike(rng, 97, chances)) for _ in range(2)]
        found = compare_scores(*shared(*sides))
        assert found is not None
        assert found.pairs == 97
        verdicts.append(verdict_of(found, found.p_value))
    wrong = sum(verdict in ("higher", "lower") for verdict in verdicts)
    log.info("compared over three modes of 97 cases: false differences %.4f", wrong / 500)
    assert wrong <= 25


def test_only_the_ways_in_which_both_were_asked_count() -> None:
    """One server has no schemas, in which the other does best: what is shared decides, and says the tie."""
    rng = np.random.default_rng(11)
    values = (rng.random((97, 3)) < 0.5).astype(float)
    values[:, 2] = 1.0
    whole, part = asked_in(MODES, values), asked_in(MODES[:2], values)
    board = bare([whole, part, asked_in(MODES, values)])
    assert pair_p(board[0], board[1], _Partials(board).moments(0, 1)) == (1.0, 0)
    assert ranks(board) == [Rank(1, 3)] * 3
    one = bare([asked_in(("prompt",), values), asked_in(("prompt",), 1 - values)])
    assert all(each.partial is None for each in one)  # right and wrong: McNemar's test


def test_three_thirds_are_a_whole() -> None:
    """One is right in a single mode, the other once in three tries of each: a tie."""
    one_mode = asked_in(MODES, np.array([[1.0, 0.0, 0.0] for _ in range(40)]))
    one_try = asked_in(MODES, np.array([[1 / 3] * 3 for _ in range(41)]))
    board = bare([one_mode, one_try])
    assert board[0].ways is not None
    assert pair_p(board[0], board[1], _Partials(board).moments(0, 1)) == (1.0, 0)
    assert ranks(board) == [Rank(1, 2)] * 2


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
