"""The generator under real time: N under way, on time, stopped by each rule, cancelled cleanly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.patience import best_of
from tiltyard.load.generator import Ticket, drive
from tiltyard.load.schedule import Load, Stop
from tiltyard.servers.clock import now_ns

ENDLESS = Stop(seconds=60.0)


class Fake:
    """A server that answers after `wait_s`, and remembers."""

    def __init__(self, wait_s: float = 0.002, items: int | None = None) -> None:
        self.wait_s, self.left = wait_s, items
        self.under_way = self.most = self.answered = 0
        self.late_ms: list[float] = []
        self.numbers: list[int] = []

    async def fire(self, ticket: Ticket) -> bool:
        if self.left is not None:
            if self.left == 0:
                return False
            self.left -= 1
        self.late_ms.append((now_ns() - ticket.scheduled_ns) / 1e6)
        self.numbers.append(ticket.number)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.wait_s)
            self.answered += 1
        finally:
            self.under_way -= 1
        return True


def run(load: Load, fake: Fake, should_stop: Callable[[], bool] = lambda: False) -> Fake:
    asyncio.run(drive(load, fake.fire, should_stop))
    return fake


def test_a_closed_loop_keeps_exactly_n_under_way() -> None:
    fake = run(Load(concurrency=7, stop=Stop(count=40)), Fake())
    assert (fake.most, fake.answered) == (7, 40)
    assert sorted(fake.numbers) == list(range(40))


def test_never_more_streams_than_requests() -> None:
    fake = Fake()
    run(Load(concurrency=50, stop=Stop(count=3)), fake)
    assert fake.most == 3


def test_running_out_of_items_ends_it() -> None:
    assert run(Load(concurrency=3, stop=Stop(seconds=30)), Fake(items=5)).answered == 5
    assert run(Load(kind="constant", rate=500, stop=Stop(seconds=30)), Fake(items=5)).answered == 5


def test_seconds_end_it_and_what_is_under_way_is_waited_for() -> None:
    before = now_ns()
    fake = run(Load(concurrency=2, stop=Stop(seconds=0.1)), Fake(wait_s=0.02))
    assert 0.1e9 <= now_ns() - before < 30e9
    assert fake.answered == len(fake.numbers) >= 2


def test_should_stop_ends_it() -> None:
    fake = Fake()
    run(Load(stop=Stop(width=0.1)), fake, lambda: fake.answered >= 4)
    assert fake.answered == 4


@pytest.mark.slow
@best_of()
@pytest.mark.parametrize(
    "load", [Load(concurrency=4, stop=ENDLESS), Load(kind="constant", rate=500.0, stop=ENDLESS)]
)
def test_what_stops_one_stream_stops_them_all(load: Load) -> None:
    """An interval is narrow after one answer and may be wide after the next: nobody goes on alone."""
    fake, looks = Fake(), iter([False] * 20 + [True])
    run(load, fake, lambda: next(looks, False))
    assert fake.answered <= 20


def test_an_open_loop_starts_on_time_and_waits_for_nobody() -> None:
    fake = run(Load(kind="constant", rate=200, stop=Stop(count=40)), Fake(wait_s=0.3))
    assert fake.most == 40
    assert fake.answered == 40
    assert sorted(fake.late_ms)[len(fake.late_ms) // 2] < 2.0


def test_an_open_loop_is_over_after_its_seconds() -> None:
    assert run(Load(kind="constant", rate=100, stop=Stop(seconds=0.2)), Fake()).answered == 20


@pytest.mark.slow
@best_of()
def test_a_rate_beyond_reach_still_lets_answers_in() -> None:
    fake = run(Load(kind="constant", rate=1e9, stop=Stop(seconds=0.1)), Fake(wait_s=0))
    assert fake.answered == len(fake.numbers) > 100


@pytest.mark.slow
def test_what_was_due_before_the_end_is_sent_though_the_client_was_away() -> None:
    class Away(Fake):
        async def fire(self, ticket: Ticket) -> bool:
            if ticket.number == 5:
                time.sleep(0.3)  # noqa: ASYNC251
            return await super().fire(ticket)

    fake = run(Load(kind="constant", rate=100, stop=Stop(seconds=0.2)), Away())
    assert len(fake.numbers) == fake.answered == 20
    assert max(fake.late_ms) >= 100


@pytest.mark.parametrize(
    "load", [Load(concurrency=4, stop=Stop(count=9)), Load(kind="burst", burst=9, stop=Stop(count=9))]
)
def test_a_cancellation_cancels_what_is_under_way(load: Load) -> None:
    fake = Fake(wait_s=60)

    async def main() -> None:
        task = asyncio.create_task(drive(load, fake.fire, lambda: False))
        while fake.under_way == 0:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert fake.under_way == 0

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["closed", "constant"])
def test_an_error_ends_the_load_and_is_passed_on(kind: str) -> None:
    class Broken(Fake):
        async def fire(self, ticket: Ticket) -> bool:
            if ticket.number == 3:
                raise ZeroDivisionError
            return await super().fire(ticket)

    fake = Broken(wait_s=0.01)
    with pytest.raises(ZeroDivisionError):
        run(Load(kind=kind, concurrency=2, rate=200.0, stop=Stop(count=1000)), fake)
    assert fake.under_way == 0
