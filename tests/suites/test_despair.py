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


TIMELINE = Timeline(scheduled_ns=0, started_ns=0)
REFUSED, TAKEN = (Capture(timeline=TIMELINE, status=status) for status in (503, 200))


def asked(despair: Despair, *captures: Capture) -> None:
    """Requests that are answered one after the other."""
    for capture in captures:
        despair.arrived(despair.sent(), capture)


def read(despair: Despair, *endings: str) -> None:
    for ending in endings:
        attempt = ended(ending)
        despair.known(attempt)
        despair.took(attempt)


def test_refusals_count_as_they_arrive_until_something_must_be_read() -> None:
    hopeless, hoping = Despair(SPEED), Despair(SPEED)
    asked(hoping, TAKEN)
    for _ in range(5):
        assert not hopeless.decide()
        asked(hopeless, REFUSED)
        asked(hoping, REFUSED)
    assert hopeless.decide()
    assert not hoping.decide()


@pytest.mark.parametrize("patience", [GRADED, SPEED])
def test_a_good_answer_that_has_come_is_read_before_the_failures_decide(patience: Patience) -> None:
    despair = Despair(patience)
    asked(despair, *[REFUSED] * 5, TAKEN)
    read(despair, *["http_error"] * 5)
    assert not despair.gave_up
    read(despair, "ok")
    assert not despair.decide()


@pytest.mark.parametrize("patience", [GRADED, SPEED])
def test_answers_that_keep_coming_do_not_put_the_decision_off(patience: Patience) -> None:
    """Of a server that begins every answer well and ends it with an error."""
    despair = Despair(patience)
    asked(despair, *[TAKEN] * 7)
    read(despair, *["error_midstream"] * 5)
    asked(despair, TAKEN, TAKEN)
    assert not despair.decide()
    read(despair, *["error_midstream"] * 2)
    assert despair.gave_up


@pytest.mark.parametrize("how", [REFUSED, TAKEN])
def test_a_request_sent_before_the_failures_may_still_be_answered(how: Capture) -> None:
    despair = Despair(SPEED)
    first, second = despair.sent(), despair.sent()
    despair.arrived(first, REFUSED)
    asked(despair, *[REFUSED] * 8)
    read(despair, *["http_error"] * 8)
    assert not despair.decide()
    despair.sent()  # the load goes on
    assert not despair.decide()
    despair.arrived(second, how)
    assert despair.decide() is (how == REFUSED)  # a good one is read first
    asked(despair, REFUSED)
    read(despair, "http_error", "http_error" if how == REFUSED else "ok")
    assert despair.decide() is (how == REFUSED)


LOAD = Patience(hopeless_after=5, gone_after_s=5.0)
NOBODY = "connect_error"


def shut_out(despair: Despair, *sent_s: float) -> None:
    """Requests that did not get through, sent at these seconds."""
    for at in sent_s:
        line = Timeline(scheduled_ns=0, started_ns=round(at * 1e9))
        despair.arrived(despair.sent(), Capture(timeline=line, failure=NOBODY))


def heard_of() -> Despair:
    """Of a load whose server has answered."""
    despair = Despair(LOAD)
    asked(despair, TAKEN)
    read(despair, "ok")
    return despair


def test_a_load_ends_when_for_seconds_nobody_was_there_although_there_were_answers() -> None:
    despair = heard_of()
    shut_out(despair, *[1.0] * 20, 3.0, 5.9)
    assert not despair.decide()  # a server that is started anew is back by then
    shut_out(despair, 6.0)
    assert despair.decide()


def test_a_few_connections_that_took_long_to_fail_end_no_load() -> None:
    despair = heard_of()
    shut_out(despair, 1.0, 1.0, 6.0, 6.0, 11.0, 11.0, 16.0)
    assert not despair.decide()
    shut_out(despair, 16.0)
    assert despair.decide()


@pytest.mark.parametrize("ending", ["ok", "http_error"])
def test_any_answer_between_them_begins_the_count_anew(ending: str) -> None:
    despair = heard_of()
    shut_out(despair, *[1.0] * 20, 5.9)
    asked(despair, TAKEN if ending == "ok" else REFUSED)
    shut_out(despair, *[6.1] * 20, 11.0)
    read(despair, *[NOBODY] * 21, ending, *[NOBODY] * 21)
    assert not despair.decide()


def test_an_answer_that_is_under_way_is_waited_for() -> None:
    despair = heard_of()
    number = despair.sent()
    shut_out(despair, *range(1, 20))
    assert not despair.decide()
    despair.arrived(number, TAKEN)
    shut_out(despair, 20.0)
    read(despair, *[NOBODY] * 19, "ok", NOBODY)
    assert not despair.decide()


def test_a_stream_rests_as_long_as_nobody_has_been_there_up_to_a_second() -> None:
    despair = heard_of()
    assert despair.rest_s == 0.0
    for at, rest_s in ((1.0, 0.0), (1.01, 0.01), (1.02, 0.02), (1.5, 0.5), (4.0, 1.0)):
        shut_out(despair, at)
        assert despair.rest_s == pytest.approx(rest_s)
    asked(despair, TAKEN)
    assert despair.rest_s == 0.0
    fixed = Despair(Patience())
    shut_out(fixed, 1.0, 9.0)
    assert fixed.rest_s == 0.0
    assert not fixed.decide()


@pytest.mark.parametrize(
    ("status", "rests"), [(502, True), (503, True), (504, True), (500, False), (429, False)]
)
def test_a_stream_rests_too_where_a_gateway_says_that_nobody_is_there(status: int, rests: bool) -> None:
    """Or the server that it loads. It ends no load: these are answers."""
    despair = heard_of()
    for at in (1.0, 1.5, 9.0):
        at_ns = round(at * 1e9)
        line = Timeline(scheduled_ns=at_ns, started_ns=at_ns)
        despair.arrived(despair.sent(), Capture(timeline=line, status=status))
    assert despair.rest_s == (1.0 if rests else 0.0)
    assert not despair.decide()
    asked(despair, TAKEN)
    assert despair.rest_s == 0.0
