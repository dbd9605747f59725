"""The writer waits while another process writes, keeps what it has, and ends when it is to end."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.store.conftest import make_attempt, make_run
from tiltyard.errors import StoreBusy
from tiltyard.store.patience import Patience
from tiltyard.store.store import Store
from tiltyard.store.writer import BACKLOG, BATCH, HELD_UP, Writer

pytestmark = pytest.mark.slow


@pytest.fixture
def other(store: Store) -> Iterator[sqlite3.Connection]:
    """Somebody else's transaction on the store, in which there is a run."""
    store.claim(make_run())
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def test_the_writer_waits_and_says_so_once(store: Store, other: sqlite3.Connection) -> None:
    said: list[str] = []

    def let_go(text: str) -> None:
        said.append(text)
        other.execute("ROLLBACK")

    async def writes() -> list[str]:
        async with Writer(store, Patience(store, let_go)) as writer:
            for number in range(20):
                await writer.put(make_attempt(repetition=number))
            await writer.flush()
            assert writer.committed == 20
            other.execute("BEGIN IMMEDIATE")
            await writer.put(make_attempt(repetition=20))
            await asyncio.sleep(0.5)
            other.execute("ROLLBACK")
            return writer.notes

    assert not asyncio.run(writes())
    assert len(said) == 1
    assert "another process" in said[0]
    assert [attempt.repetition for attempt in store.attempts("r1")] == list(range(21))


def test_a_load_that_had_to_wait_with_the_writer_is_known(store: Store, other: sqlite3.Connection) -> None:
    count = 2 * BATCH + BACKLOG

    async def writes() -> list[str]:
        async with Writer(store) as writer:
            puts = asyncio.create_task(put_all(writer))
            while not writer.notes:
                await asyncio.sleep(0.01)
            assert not puts.done()
            other.execute("ROLLBACK")
            await puts
        return writer.notes

    async def put_all(writer: Writer) -> None:
        for number in range(count):
            await writer.put(make_attempt(repetition=number))

    assert asyncio.run(writes()) == [HELD_UP]
    assert len(store.attempts("r1")) == count


@pytest.mark.usefixtures("other")
def test_who_is_cancelled_waits_no_longer_than_a_moment(store: Store) -> None:
    async def writes() -> None:
        cancelled = asyncio.current_task()
        assert cancelled is not None
        async with Writer(store, Patience(store, lambda _: cancelled.cancel())) as writer:
            await writer.put(make_attempt())
            await writer.flush()

    with pytest.raises(StoreBusy, match="another process"):
        asyncio.run(writes())
    assert store.attempts("r1") == []
