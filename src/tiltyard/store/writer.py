"""Commits attempts off the event loop: one thread, one transaction per batch.

`put` hands over and returns; an attempt is safe once `committed` counts it; `flush` waits for all. While
another process writes, the batch waits. A store error (disk full, no end of that wait) is raised by the next
`put` or `flush`; the batch is kept and tried again after.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from types import TracebackType
from typing import Self

from tiltyard.errors import StoreBusy, StoreError
from tiltyard.records import Attempt
from tiltyard.store.patience import PAUSE_S, Patience
from tiltyard.store.store import Store

BATCH = 128  # attempts per transaction, at most
LINGER_S = 0.05  # how long the first attempt of a batch waits for others
HELD_UP = "the load waited while another process wrote to the store, so rates may be lower"
BACKLOG = 256  # attempts waiting; beyond it `put` waits


class Writer:
    """An async front of one store. `async with Writer(store) as writer: await writer.put(attempt)`."""

    def __init__(self, store: Store, patience: Patience | None = None) -> None:
        self.store = store
        self.patience = patience or Patience(store)
        self.notes: list[str] = []  # for the run's summary
        self.committed = 0
        self._waiting: deque[Attempt] = deque()
        self._accepted = 0
        self._error: StoreError | None = None
        self._wake = threading.Condition()
        self._hurry = False  # somebody waits in flush: do not linger
        self._ending = False
        self._thread = threading.Thread(target=self._work, name="tiltyard-store", daemon=True)
        self._thread.start()

    async def put(self, attempt: Attempt) -> None:
        """Hand over one attempt; waits only when thousands are behind.

        Raises what the last batch met; the attempt is accepted all the same, and goes with the next batch.
        """
        self._accepted += 1
        with self._wake:
            self._waiting.append(attempt)
            if len(self._waiting) in (1, BATCH):
                self._wake.notify()
        self._raise_error()
        while len(self._waiting) > BACKLOG:
            if self.patience.long and not self.notes:
                self.notes.append(HELD_UP)
            await asyncio.sleep(0.005)
            self._raise_error()

    async def flush(self, soon: bool = False) -> None:
        """Return when everything handed over is committed; raises StoreError when it cannot be, `soon`: or
        when another process writes for longer than a moment.
        """
        if soon:
            self.patience.hurry()
        with self._wake:
            self._hurry = True
            self._wake.notify()
        try:
            while self.committed < self._accepted:
                self._raise_error()
                await asyncio.sleep(0.001)
        finally:
            self._hurry = False

    async def close(self, soon: bool = False) -> None:
        """Flush, then end the thread. The store stays open."""
        try:
            await self.flush(soon)
        finally:
            with self._wake:
                self._ending = True
                self._wake.notify()
            while self._thread.is_alive():
                await asyncio.sleep(0.001)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.close(soon=isinstance(error, asyncio.CancelledError | KeyboardInterrupt))
        except StoreError:
            if not isinstance(error, StoreError):  # else the caller has it already
                raise

    def _raise_error(self) -> None:
        self.patience.tell()
        error = self._error
        if error is not None:
            with self._wake:
                self._error = None  # said once; the thread tries the batch again
                self._wake.notify()
            raise error
        if not self._thread.is_alive():
            raise StoreError(
                "the store's writer has stopped", "the traceback above says why; please report it"
            )

    def _work(self) -> None:
        """The thread: gather a batch, commit it, again."""
        while (batch := self._gather()) is not None:
            if not batch:
                continue
            try:
                self._add(batch)
            except StoreError as error:
                with self._wake:
                    self._waiting.extendleft(reversed(batch))
                    self._error = error
            else:
                self.committed += len(batch)

    def _add(self, batch: list[Attempt]) -> None:
        """Commit it, once no other process writes."""
        while True:
            try:
                self.store.add(batch)
            except StoreBusy:
                if not self.patience.another_try():
                    raise
                time.sleep(PAUSE_S)
            else:
                self.patience.written()
                return

    def _gather(self) -> list[Attempt] | None:
        """The next batch; None when it is over."""
        with self._wake:
            while self._error is not None or not self._waiting:
                if self._ending:
                    return None
                self._wake.wait()
            until = time.monotonic() + LINGER_S
            while len(self._waiting) < BATCH and not self._hurry and not self._ending:
                left = until - time.monotonic()
                if left <= 0:
                    break
                self._wake.wait(left)
            return [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
