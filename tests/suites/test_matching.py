"""The assignment: as good as trying every permutation, where greedy is not."""

from __future__ import annotations

import itertools
import random

import pytest

from tiltyard.suites.matching import MOST, assign, perfect


def best_by_trying(weights: list[list[float]]) -> float:
    rows, columns = len(weights), len(weights[0])
    if rows > columns:
        return best_by_trying([list(column) for column in zip(*weights, strict=True)])
    return max(
        sum(weights[row][column] for row, column in enumerate(chosen))
        for chosen in itertools.permutations(range(columns), rows)
    )


@pytest.mark.parametrize("rows", range(1, 6))
@pytest.mark.parametrize("columns", range(1, 6))
def test_as_good_as_trying_everything(rows: int, columns: int) -> None:
    chance = random.Random(rows * 10 + columns)
    for _ in range(40):
        weights = [
            [chance.choice((0.0, 0.5, 3.0, chance.random())) for _ in range(columns)] for _ in range(rows)
        ]
        pairs = assign(weights)
        assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == min(rows, columns)
        assert sum(weights[row][column] for row, column in pairs) == pytest.approx(best_by_trying(weights))


def test_greedy_would_fail_here() -> None:
    assert perfect([[True, True], [True, False]])
    assert not perfect([[True, True], [False, False]])
    assert not perfect([[True, False], [True, False]])


def test_sizes_that_do_not_fit() -> None:
    assert assign([]) == [] == assign([[], []])
    assert not perfect([[True, True]])
    assert perfect([])
    assert len(assign([[1.0] * 1000] * 3)) == 3
    assert not perfect([[True] * (MOST + 1)] * (MOST + 1))
