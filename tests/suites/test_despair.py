"""When a stage gives up: what counts as a failure in a row, and how much patience an answer earns."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.load.attempts import make_attempt
from tests.load.exchanges import make_exchange
from tiltyard.records import Attempt, Capture, Grade, Timeline
from tiltyard.suites import Patience
from tiltyard.suites.despair import Despair

GRADED, SPEED = Patience(give_up_after=3), Patience(hopeless_after=5)


def ended(ending: str, outcome: str | None = None) -> Attempt:
    attempt = make_attempt(make_exchange([(10.0, "c", "a")], ending=ending))
    return attempt if outcome is None else replace(attempt, grade=Grade(outcome=outcome, score=0.0))


def given_up_after(patience: Patience, *endings: str) -> int | None:
    """How many of these attempts it took; None: all of them were not enough."""
    despair = Despair(patience)
    for number, ending in enumerate(endings, 1):
        attempt = ended(ending)
        despair.known(attempt)
        despair.took(attempt)
        if despair.gave_up:
            return number
    return None


@pytest.mark.parametrize(
    ("endings", "after"),
    [
        (["http_error"] * 5, 3),
        (["http_error", "truncated"] * 5, 3),  # of any kind
        (["ok", *["http_error"] * 20], 13),  # four times the patience with who has answered
        (["ok", *["timeout_gap"] * 20], 4),  # which timeouts cost again
        (["http_error", "http_error", "ok"] * 9, None),
    ],
)
def test_a_graded_stage_gives_up_after_failures_in_a_row(endings: list[str], after: int | None) -> None:
    assert given_up_after(GRADED, *endings) == after


@pytest.mark.parametrize(
    ("endings", "after"),
    [
        (["http_error"] * 9, 5),
        (["timeout_first_byte"] * 9, 3),  # each takes minutes
        (["http_error", "truncated"] * 9, None),  # not of one kind
        (["ok", *["http_error"] * 20], None),
    ],
)
def test_a_measured_stage_gives_up_before_any_success_alone(endings: list[str], after: int | None) -> None:
    assert given_up_after(SPEED, *endings) == after


def test_a_verdict_is_no_failure_and_giving_up_is_final() -> None:
    despair = Despair(GRADED)
    for _ in range(9):
        despair.took(ended("http_error", "unsupported"))
    assert not despair.gave_up
    for ending in ("http_error",) * 12 + ("ok",):
        despair.took(ended(ending))
    assert despair.gave_up


def test_refusals_count_as_they_arrive_until_something_must_be_read() -> None:
    timeline = Timeline(scheduled_ns=0, started_ns=0)
    refused, taken = (Capture(timeline=timeline, status=status) for status in (500, 200))
    hopeless, hoping = Despair(SPEED), Despair(SPEED)
    hoping.arrived(taken)
    for _ in range(5):
        assert not hopeless.decide()
        hopeless.arrived(refused)
        hoping.arrived(refused)
    assert hopeless.decide()
    assert not hoping.decide()
