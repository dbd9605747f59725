"""Starts requests as a load says: a closed loop keeps N under way, an open one starts on time whatever comes
back.

What a request is, is the caller's business: `fire` sends one and returns False when there is nothing left to
ask. Requests that are under way when the stop rule holds are waited for; a cancellation cancels them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, NamedTuple

from tiltyard.load.alarm import Alarm
from tiltyard.load.schedule import SECOND, Load, start_offsets_ns
from tiltyard.servers.clock import now_ns

LONGEST_SLEEP_NS = SECOND // 5  # `should_stop` is looked at that often while waiting for a start time
GRACE_NS = 2 * SECOND  # what was due before the end is still sent this long after it
YIELD_EVERY = 16


class Ticket(NamedTuple):
    """One request to start: its number and the time at which it is due."""

    number: int
    scheduled_ns: int


Fire = Callable[[Ticket], Awaitable[bool]]


async def drive(load: Load, fire: Fire, should_stop: Callable[[], bool]) -> None:
    """Run a load to its end. Errors of `fire` cancel what is under way and propagate."""
    offsets = start_offsets_ns(load)
    driver = _Driver(load, fire, should_stop)
    if offsets is None:
        await driver.closed()
    else:
        await driver.open(offsets)


class _Driver:
    def __init__(self, load: Load, fire: Fire, should_stop: Callable[[], bool]) -> None:
        self.load, self.fire, self.should_stop = load, fire, should_stop
        self.began = now_ns()
        self.launched = 0
        self.exhausted = self.ended = False
        stop = load.stop
        self.most = stop.count
        self.until = (
            None if stop.seconds is None else self.began + round((stop.seconds - load.spent_s) * SECOND)
        )

    def over(self, now: int) -> bool:
        """Does nothing more start? What one stream sees is so for all: else the last of them would be
        measured as if they were as many as before.
        """
        self.ended = (
            self.ended
            or self.exhausted
            or (self.most is not None and self.launched >= self.most)
            or (self.until is not None and now >= self.until)
            or self.should_stop()
        )
        return self.ended

    async def closed(self) -> None:
        await _together([self.work() for _ in range(self.load.streams)])

    async def work(self) -> None:
        """One of N streams: ask, wait for the answer, ask again."""
        while not self.over(now := now_ns()):
            ticket = Ticket(self.launched, now)
            self.launched += 1
            if not await self.fire(ticket):
                self.exhausted = True
                self.launched -= 1

    async def open(self, offsets: Iterator[int]) -> None:
        under_way: set[asyncio.Task[None]] = set()
        failed: list[asyncio.Task[None]] = []

        def ended(task: asyncio.Task[None]) -> None:
            under_way.discard(task)
            if not task.cancelled() and task.exception() is not None:
                failed.append(task)

        try:
            async with Alarm() as alarm:
                for offset in offsets:
                    due = self.began + offset
                    if not await self.wait_until(due, alarm) or failed:
                        break
                    task = asyncio.create_task(self.launch(Ticket(self.launched, due)))
                    self.launched += 1
                    under_way.add(task)
                    task.add_done_callback(ended)
                    if self.launched % YIELD_EVERY == 0:
                        await asyncio.sleep(0)  # behind schedule, nothing above waits
            while under_way and not failed:
                await asyncio.wait(under_way, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            await _cancel(under_way)
        if failed:
            failed[0].result()

    async def wait_until(self, due: int, alarm: Alarm) -> bool:
        """Wait for a start time; False when the load is over before.

        A client that was away when the load ended is late, and that shows; leaving requests out would not.
        """
        if self.until is not None and due >= self.until:
            return False
        while not self.over((now := now_ns()) - GRACE_NS):
            if due <= now:
                return True
            await alarm.until(min(due, now + LONGEST_SLEEP_NS))
        return False

    async def launch(self, ticket: Ticket) -> None:
        if not await self.fire(ticket):
            self.exhausted = True
            self.launched -= 1


async def _together(jobs: list[Coroutine[Any, Any, None]]) -> None:
    """Wait for all; the first error, or a cancellation, cancels the rest."""
    tasks = {asyncio.create_task(job) for job in jobs}
    try:
        if tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        await _cancel(tasks)


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    for task in list(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
