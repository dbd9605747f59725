"""Figures over questions that are asked in several orders of their options, from a tally."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.store.conftest import make_attempt, make_exchange
from tiltyard.records import Grade, Item
from tiltyard.stats.proportions import wilson_clustered
from tiltyard.suites.mcq.figures import own_figures
from tiltyard.suites.scoring import repeated
from tiltyard.suites.tally import Tally


def tally_of(answers: Iterable[tuple[int, int | None, bool]], repeats: int = 1, turns: int = 2) -> Tally:
    """Of each (question, order, right?); None: a question that has one order only."""
    tally = Tally()
    tally.repeats = repeats
    for number, turn, right in answers:
        details = {"given": 0, "gold": 0 if right else 1, "choice": 0 if right else 1}
        if turn is not None:
            details |= {"turns": turns, "turn": turn}
        grade = Grade(outcome="correct" if right else "wrong", score=float(right), details=details)
        attempt = make_attempt(exchanges=(make_exchange(2, ending="ok"),), grade=grade)
        tally.add(Item(id=f"q{number}", content_hash="h", spec={"number": number}), attempt)
    return tally


def test_two_answers_in_one_order_are_not_all_orders() -> None:
    figures = own_figures(tally_of([(0, 1, True), (0, 1, True)], repeats=2), turned=True)
    assert figures["rates"]["consistent"]["n"] == 0
    both = tally_of([(0, 1, True), (0, 1, True), (0, 0, True)], repeats=2)
    assert own_figures(both, turned=True)["rates"]["consistent"]["n"] == 1


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
