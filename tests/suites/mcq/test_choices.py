"""The order in which options are shown: drawn by content, fixed where options speak of each other."""

from __future__ import annotations

from collections import Counter

import pytest

from tiltyard.suites.mcq.choices import arrangement, movable, rotations_of

FOUR = ("red", "green", "blue", "black")


def test_the_order_depends_on_the_content_alone() -> None:
    assert arrangement(FOUR, "seed") == arrangement(FOUR, "seed")
    assert len({arrangement(FOUR, f"{n}") for n in range(200)}) == 24
    assert arrangement(FOUR, "seed", shuffle=False) == (0, 1, 2, 3)


def test_every_option_comes_to_every_place_equally_often() -> None:
    places = Counter(arrangement(FOUR, f"{n}").index(0) for n in range(4000))
    assert all(850 < places[place] < 1150 for place in range(4))


def test_rotations_put_each_movable_option_once_into_each_place() -> None:
    options = (*FOUR, "All of the above")
    assert rotations_of(options) == 4
    orders = [arrangement(options, "s", turn) for turn in range(4)]
    for place in range(4):
        assert sorted(order[place] for order in orders) == [0, 1, 2, 3]
    assert {order[4] for order in orders} == {4}


@pytest.mark.parametrize(
    "option",
    [
        "All of the above",
        "None of the above.",
        "none of these",
        "Both of the above",
        "All the above",
        "None of the other options",
    ],
)
def test_what_speaks_of_the_others_stays_in_place(option: str) -> None:
    assert movable(("x", "y", option)) == (0, 1)


@pytest.mark.parametrize(
    "option",
    ["A and C", "Both A and B", "A or B only", "B, C", "Only A", "Neither A nor B", "(A) and (B)", "A only"],
)
def test_options_that_name_letters_keep_the_question_as_it_is(option: str) -> None:
    assert movable(("x", "y", "z", option)) == ()
    assert arrangement(("x", "y", "z", option), "s") == (0, 1, 2, 3)
    assert rotations_of(("x", "y", "z", option)) == 1


@pytest.mark.parametrize(
    "option",
    [
        "A dog",
        "Only a dog",
        "Vitamin C",
        "Both parents",
        "a choice a man makes",
        "All men are mortal",
        "Plan B",
    ],
)
def test_ordinary_options_move(option: str) -> None:
    assert movable(("x", "y", "z", option)) == (0, 1, 2, 3)
