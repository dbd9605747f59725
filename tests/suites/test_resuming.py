"""Which failures are asked again, and in which order.

Of a load those after which its server was not heard of any more; of graded items all, what failed most last.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.load.attempts import make_attempt
from tiltyard.load.schedule import Load, Stop
from tiltyard.records import Attempt, Ending, Exchange, Grade, Item, Request, Timeline
from tiltyard.suites import Stage
from tiltyard.suites.resuming import Remaining, key_of, outage


def attempt(at_s: int, ending: Ending, session: int = 1, grade: Grade | None = None) -> Attempt:
    ns = at_s * 1_000_000_000
    timeline = Timeline(scheduled_ns=ns, started_ns=ns, closed_ns=ns + 1)
    exchange = Exchange(request=Request(model="m", messages=()), timeline=timeline, ending=ending)
    return replace(make_attempt(exchange, at_s, "1 stream"), session=session, grade=grade)


def owed(*known: Attempt) -> list[int]:
    return sorted(each.repetition for each in outage([a for a in known if not a.ended_well], known))


def test_what_failed_after_the_last_word_of_the_server() -> None:
    known = [attempt(1, "ok"), attempt(2, "error_midstream"), attempt(3, "connect_error")]
    assert owed(*known) == [2, 3]
    assert owed(*reversed(known)) == [2, 3]


@pytest.mark.parametrize("later", ["ok", "http_error", "timeout_gap"])
def test_not_where_it_was_heard_of_later(later: Ending) -> None:
    """In whichever stage: it drops some."""
    assert owed(attempt(1, "ok"), attempt(2, "error_midstream"), attempt(3, later)) == []


def test_each_sitting_has_its_own_end() -> None:
    """The clocks of two sittings have nothing to do with each other, and the server was started again."""
    known = [attempt(5, "ok"), attempt(6, "connect_error"), attempt(1, "ok", 2), attempt(9, "ok", 2)]
    assert owed(*known) == [6]


def test_what_is_graded_is_asked_again_anyway() -> None:
    assert owed(attempt(1, "ok"), attempt(2, "connect_error", grade=Grade(outcome="error", score=0.0))) == []


def test_what_was_tried_least_is_asked_first() -> None:
    """Of those tried as often, in the order of the items; what was never asked before all of them."""
    tries = {"a": 3, "b": 1, "c": 2, "d": 1, "f": 2}
    failed = {
        key_of(each): each
        for name, try_no in tries.items()
        for each in [replace(attempt(0, "http_error"), stage="all", item_id=name, try_no=try_no)]
    }
    items = [Item(id=name, content_hash=name) for name in "abcdef"]
    counted: list[Attempt] = []
    load = Load(stop=Stop(count=len(items)))
    stage = Stage(name="all", load=load, items=items, tally=lambda item, each: counted.append(each))
    left = Remaining(stage, {}, failed, lambda item, each: counted.append(each))
    asked = list(iter(lambda: left.next(False), None))
    assert [item.id for item, _ in asked] == ["e", "b", "d", "c", "f", "a"]
    assert counted == []
