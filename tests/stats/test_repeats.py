"""pass@k, pass^k and flips, against counting every choice by hand."""

from __future__ import annotations

import itertools

import pytest

from tiltyard.stats.repeats import pass_at, pass_every, repeats_of


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


def test_nothing_answered_twice_has_no_figures() -> None:
    found = repeats_of([1, 2], [1.0, 0.0], 2)
    assert found["items"] == 0
    assert found["flips"]["value"] is None
    assert found["pass_at"]["2"]["value"] is None
