"""Figures over questions that are asked in several orders of their options, from a tally."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.store.conftest import make_attempt, make_exchange
from tiltyard.records import Grade, Item, Outcome
from tiltyard.stats.proportions import wilson_clustered
from tiltyard.suites.columns import Column
from tiltyard.suites.mcq.figures import own_figures
from tiltyard.suites.scoring import repeated
from tiltyard.suites.tally import Tally


def tally_of(
    answers: Iterable[tuple[int, int | None, bool | None]], repeats: int = 1, turns: int = 2
) -> Tally:
    """Of each (question, order, right?). No order: the question has only one; not right nor wrong: silent."""
    tally = Tally()
    tally.repeats = repeats
    for number, turn, right in answers:
        details = {"gold": 0 if right else 1}
        if right is not None:
            details |= {"given": 0, "choice": 0 if right else 1}
        if turn is not None:
            details |= {"turns": turns, "turn": turn}
        outcome: Outcome = "unparsed" if right is None else "correct" if right else "wrong"
        grade = Grade(outcome=outcome, score=float(right or 0), details=details)
        attempt = make_attempt(exchanges=(make_exchange(2, ending="ok"),), grade=grade)
        tally.add(Item(id=f"q{number}", content_hash="h", spec={"number": number}), attempt)
    return tally


def test_two_answers_in_one_order_are_not_all_orders() -> None:
    figures = own_figures(tally_of([(0, 1, True), (0, 1, True)], repeats=2), turned=True)
    assert figures["rates"]["consistent"]["n"] == 0
    both = tally_of([(0, 1, True), (0, 1, True), (0, 0, True)], repeats=2)
    assert own_figures(both, turned=True)["rates"]["consistent"]["n"] == 1


def test_consistency_is_of_questions_with_a_letter_in_every_order() -> None:
    """To the second nothing was said once: no answer moved, nor was it right. The third lacks an order."""
    answers: list[tuple[int, int, bool | None]] = [(0, 0, True), (0, 1, True), (1, 0, True)]
    answers += [(1, 1, None), (2, 0, True)]
    rates = own_figures(tally_of(answers), turned=True)["rates"]
    assert (rates["consistent"]["value"], rates["consistent"]["n"]) == (1.0, 1)
    right = rates["right_in_all_rotations"]
    assert (right["value"], right["n"]) == (0.5, 2)


def test_questions_with_one_order_are_counted_and_take_no_part() -> None:
    tally = tally_of([(7, None, True), (3, 0, True), (3, 1, True), (5, None, False)])
    figures = own_figures(tally, turned=True)
    assert figures["rotations"] == {"several_orders": 1, "one_order": 2, "numbers": [5, 7]}
    assert (figures["rates"]["right_in_all_rotations"]["value"], figures["total"]) == (1.0, 4)


def test_what_is_repeated_is_a_question_in_one_order() -> None:
    answers = [(n, turn, n % 2 == 0) for n in range(10) for turn in (0, 1) for _ in range(2)]
    answers[1] = (0, 0, False)
    tally = tally_of([*answers, (10, None, True), (10, None, True)], repeats=2)
    found = repeated(tally, range(tally.total))
    assert found is not None
    assert (found["k"], found["items"]) == (2, 21)
    assert found["flips"]["value"] == pytest.approx(1 / 21)
    interval = wilson_clustered([1.0, *[0.0] * 20], [n for n in range(10) for _ in (0, 1)] + [10])
    assert interval is not None
    assert found["flips"]["ci95"] == pytest.approx([interval.low, interval.high])


def placed(chances: tuple[float, ...], n: int = 200) -> Tally:
    """Questions asked once, whose right options stand at letters in turn; a share of each letter is right."""
    tally = Tally()
    for number in range(n):
        gold, turn = number % len(chances), number // len(chances)
        right = turn % 10 < 10 * chances[gold]
        details = {"given": gold if right else (gold + 1) % len(chances), "gold": gold}
        grade = Grade(outcome="correct" if right else "wrong", score=float(right), details=details)
        attempt = make_attempt(exchanges=(make_exchange(2, ending="ok"),), grade=grade)
        tally.add(Item(id=f"q{number}", content_hash="h", spec={"number": number}), attempt)
    return tally


def test_a_bias_is_said_only_where_luck_would_hardly_show_as_much() -> None:
    """A standard deviation is above 0 even without a bias: what tells is how much luck alone shows."""
    fair = own_figures(placed((0.7, 0.7, 0.7, 0.7)), turned=False)["rates"]["position_bias"]
    assert (fair["value"], fair["ci95"], fair["n"], fair["p_value"]) == (0.0, None, 200, 1.0)
    assert 0.04 < fair["by_chance"] < 0.07
    assert fair["by_chance"] < fair["by_chance_95"] < 0.11
    assert fair["why"] == f"no bias shown: luck alone gives up to {100 * fair['by_chance_95']:.1f} %"
    biased = own_figures(placed((0.9, 0.9, 0.5, 0.5)), turned=False)["rates"]["position_bias"]
    assert biased["value"] == pytest.approx(0.2)
    assert biased["p_value"] < 0.01
    assert biased["why"] == f"a bias: luck alone gives up to {100 * biased['by_chance_95']:.1f} %"


def test_over_rotations_luck_deals_each_questions_own_answers() -> None:
    """Half of the questions are right in every order, half in none: that is no bias, and no luck either."""
    answers = [(n, turn, n % 2 == 0) for n in range(40) for turn in (0, 1)]
    tally = tally_of(answers)
    tally.flags["gold"] = Column(tally.spill)
    for _, turn, _ in answers:
        tally.flags["gold"].append(turn)
    found = own_figures(tally, turned=True)["rates"]["position_bias"]
    assert (found["value"], found["by_chance_95"], found["p_value"]) == (0.0, 0.0, 1.0)
