"""Replies to cases with something missing: right questions, inventions, offers, refusals, unclear ones.

`replies.json` has them by case. Nothing invented may ever be right, and no right question wrong.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.suites.tools.test_grading import judged
from tiltyard.suites.tools.ask_back import sentences_of
from tiltyard.suites.tools.cases import cases

REPLIES: dict[str, dict[str, list[str]]] = json.loads((Path(__file__).parent / "replies.json").read_text())


def replies(kind: str) -> list[tuple[str, str]]:
    return [(name, text) for name, kinds in REPLIES.items() for text in kinds[kind]]


@pytest.mark.parametrize(("name", "text"), replies("asks"))
def test_right_questions(name: str, text: str) -> None:
    grade = judged(name, text=text)
    assert (grade.outcome, grade.rule) == ("correct", "asked_back")
    assert grade.details["asked_back"] is True


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("missing-order-number", "Please provide: 1. Order number 2. Reason (optional)"),
        ("missing-mail-everything", "Sure, please provide: 1. Your boss's email address 2. Subject 3. Body"),
        ("missing-table-time", "Please provide: 1. Time 2. Number of people"),
    ],
)
def test_a_list_in_one_line_asks_like_one_in_many(name: str, text: str) -> None:
    assert judged(name, text=text).rule == "asked_back"


@pytest.mark.parametrize(("name", "text"), replies("invented"))
def test_nothing_invented_is_right(name: str, text: str) -> None:
    grade = judged(name, text=text)
    assert grade.outcome in ("wrong", "unparsed")
    assert grade.score == grade.details["lenient"] == 0.0
    assert grade.reasons


@pytest.mark.parametrize(("name", "text"), replies("nothing"))
def test_what_asks_nothing_is_wrong(name: str, text: str) -> None:
    grade = judged(name, text=text)
    assert (grade.outcome, grade.details["asked_back"]) == ("wrong", False)


@pytest.mark.parametrize(("name", "text"), replies("unclear"))
def test_what_cannot_be_decided_is_unparsed_and_says_why(name: str, text: str) -> None:
    grade = judged(name, text=text)
    assert grade.outcome == "unparsed"
    assert grade.rule in ("unclear_question", "asked_and_answered")
    assert grade.reasons
    assert "asked_back" not in grade.details


def test_most_inventions_are_plainly_wrong() -> None:
    outcomes = [judged(name, text=text).outcome for name, text in replies("invented")]
    assert outcomes.count("wrong") > 0.6 * len(outcomes)


def test_every_case_has_its_replies() -> None:
    assert set(REPLIES) == {case.id for case in cases() if case.asks}
    assert all(len(kinds["asks"]) >= 10 and len(kinds["invented"]) >= 8 for kinds in REPLIES.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ["would you like " * 20_000, "? " * 50_000, "i have " * 20_000, "$" * 50_000, "it is = " + "1" * 50_000],
)
def test_hostile_texts(text: str) -> None:
    assert judged("missing-alarm-time", text=text).outcome in ("wrong", "unparsed")


@pytest.mark.slow
@pytest.mark.parametrize("piece", ["\n", "\n  ", " \n", "1. ", "? ", ", "])
def test_hostile_replies_end_soon(piece: str) -> None:
    start = time.thread_time()  # other processes may hold the core
    list(sentences_of(piece * (200_000 // len(piece))))
    assert time.thread_time() - start < 5
