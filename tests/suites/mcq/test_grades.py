"""What becomes of one reply: outcomes, and what a grade remembers."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tiltyard.records import Exchange, Grade, Item, TokenChoice
from tiltyard.suites.mcq import Mcq
from tiltyard.suites.mcq.questions import Choosing, items_of, question_set
from tiltyard.suites.verify import answered


def item() -> Item:
    """A question of the sample set with four options."""
    questions = question_set(())
    found = items_of(questions, range(len(questions)), Choosing())
    return next(each for each in found if len(each.spec["options"]) == 4)


ITEM = item()
RIGHT = "ABCD"[ITEM.spec["right"]]
WRONG = "ABCD"[ITEM.spec["right"] - 1]


def graded(text: str, **more: Any) -> Grade:
    exchange: Exchange = replace(answered(text, ()), **more)
    return Mcq().grade(ITEM, exchange)


@pytest.mark.parametrize(
    ("text", "more", "outcome"),
    [
        (f"Answer: {RIGHT}", {}, "correct"),
        (f"Answer: {WRONG}", {}, "wrong"),
        ("", {}, "unparsed"),
        ("This is a difficult question.", {}, "unparsed"),
        ("I'm sorry, but I can't help with that.", {}, "refused"),
        (f"I'm sorry, I can't say much about it, but the answer is {RIGHT}.", {}, "correct"),
        (f"Answer: {RIGHT}\n\nExplanation: it", {"finish_reason": "length"}, "correct"),
        (f"So the answer is {RIGHT}", {"finish_reason": "length"}, "truncated"),
        ("Let us look at", {"finish_reason": "length"}, "truncated"),
        ("", {"finish_reason": "length", "reasoning": f"the answer is {RIGHT}"}, "truncated"),
        (f"Answer: {RIGHT}", {"ending": "timeout_gap"}, "error"),
        (f"Answer: {RIGHT}", {"ending": "http_error", "status": 500}, "error"),
    ],
)
def test_outcomes(text: str, more: dict[str, Any], outcome: str) -> None:
    grade = graded(text, **more)
    assert grade.outcome == outcome
    assert grade.score == float(outcome == "correct")


def test_a_grade_remembers_rule_letter_and_places() -> None:
    details = graded(f"Answer: {WRONG}").details
    assert (details["letter"], details["expected"]) == (WRONG, RIGHT)
    assert (details["given"], details["gold"]) == ("ABCD".index(WRONG), "ABCD".index(RIGHT))
    assert details["choice"] == ITEM.spec["order"]["ABCD".index(WRONG)]
    assert graded(f"\\boxed{{{RIGHT}}}").rule == "boxed"


def test_confidence_comes_with_the_letter() -> None:
    others = ((f" {RIGHT}", -0.5), (f" {WRONG}", -1.5))
    tokens = (
        TokenChoice(text="Answer:", logprob=0.0),
        TokenChoice(text=f" {RIGHT}", logprob=-0.5, others=others),
    )
    grade = graded(f"Answer: {RIGHT}", logprobs=tokens)
    assert grade.details["confidence"] == pytest.approx(1 / (1 + 2.718281828**-1))
    assert "confidence" not in graded("no letter", logprobs=tokens).details


def test_every_rotation_asks_for_every_option_at_every_place() -> None:
    questions = question_set(())
    number = next(n for n in range(len(questions)) if questions.row(n).id == ITEM.id)
    turns = list(items_of(questions, [number], Choosing(rotations=True, repeats=2)))
    assert [each.repetition for each in turns] == list(range(8))
    assert {each.spec["right"] for each in turns} == {0, 1, 2, 3}
    assert {each.spec["asks"] for each in turns} == {8}
    assert len({each.id for each in turns}) == 1
