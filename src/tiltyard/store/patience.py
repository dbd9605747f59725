"""A run's patience with other processes that write: what it has measured is worth a long wait.

One per run, shared by its writer's thread and its event loop. Each try is short, so that Ctrl+C is heard
between two of them; a run that is to end waits no longer than a moment.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from tiltyard.errors import StoreBusy
from tiltyard.store.store import Store

PATIENCE_S = 600.0
LAST_S = 1.0  # where the run is to end
TRY_S, PAUSE_S = 0.1, 0.05  # one try, and between two, when the store is free for whoever reads it
TOLD_S = 2.0  # shorter waits are ordinary

T = TypeVar("T")


class Patience:
    """From now on the store itself waits for no more than a short try."""

    def __init__(self, store: Store, say: Callable[[str], None] = lambda _: None) -> None:
        self._say = say
        self._met_s: float | None = None  # since when it is waited for
        self._end_s = float("inf")  # of all waiting
        self._told = False
        with store.reading() as db:
            db.execute(f"PRAGMA busy_timeout = {TRY_S * 1000:.0f}")

    @property
    def long(self) -> bool:
        """Is it waiting, for longer than is ordinary?"""
        met_s = self._met_s  # the other thread may change it meanwhile
        return met_s is not None and time.monotonic() - met_s >= TOLD_S

    def another_try(self) -> bool:
        """The store was busy: is it worth another try?"""
        now_s = time.monotonic()
        if self._met_s is None:
            self._met_s = now_s
        return now_s < min(self._met_s + PATIENCE_S, self._end_s)

    def written(self) -> None:
        """The wait, if there was one, is over."""
        self._met_s = None

    def hurry(self) -> None:
        """The run is to end, at once."""
        self._end_s = min(self._end_s, time.monotonic() + LAST_S)

    def tell(self) -> None:
        """Say, once, what the run waits for; on the event loop."""
        if not self._told and self.long:
            self._told = True
            self._say("waiting for another process that writes to the store")

    async def through(self, write: Callable[[], T]) -> T:
        """Do it when the store is free. StoreBusy at the end of all patience."""
        while True:
            try:
                done = write()
            except StoreBusy:
                if not self.another_try():
                    raise
                self.tell()
                await asyncio.sleep(PAUSE_S)
            else:
                self.written()
                return done
