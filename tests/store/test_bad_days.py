"""Killed, full, locked, damaged, too new, read-only: nothing acknowledged is lost, nothing made worse."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.store.conftest import make_attempt, make_run, overwrite
from tiltyard.errors import StoreCorrupt, StoreError, StoreFull, StoreLocked, StoreTooNew
from tiltyard.store.connection import connect
from tiltyard.store.migrations import MIGRATIONS
from tiltyard.store.recover import recover
from tiltyard.store.store import RunFilter, Store
from tiltyard.store.writer import Writer

ROOT = Path(__file__).parents[2]

WRITES = """
import asyncio, sys
from pathlib import Path
from tests.store.conftest import make_attempt, make_run
from tiltyard.store.store import RunFilter, Store
from tiltyard.store.writer import Writer

async def main(path, run_id, count):
    store = Store.open(Path(path))
    claim = store.claim(make_run(run_id))
    first = store.counts([run_id]).get(run_id, 0)
    async with Writer(store) as writer:
        for number in range(first, first + count):
            await writer.put(make_attempt(run_id, repetition=number))
            if number % 50 == 49:
                await writer.flush()
                print(first + writer.committed, flush=True)
        await writer.flush()
    print(first + writer.committed, flush=True)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


@contextmanager
def writing_process(path: Path, run_id: str, count: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES, str(path), run_id, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def check_whole(path: Path, run_id: str, with_exchanges: bool = True) -> int:
    """Integrity, and how many attempts there are; each repetition exactly once and without a hole."""
    with Store.open(path) as store:
        with store.reading() as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        repetitions = [attempt.repetition for attempt in store.attempts(run_id, with_exchanges)]
    assert sorted(repetitions) == list(range(len(repetitions)))
    return len(repetitions)


@pytest.mark.slow
def test_killed_at_twenty_random_moments_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    path, chance = tmp_path / "s.sqlite3", random.Random(5)
    acknowledged = 0
    for _ in range(20):
        with writing_process(path, "r1", 1_000_000) as process:
            assert process.stdout is not None
            line = process.stdout.readline()  # it resumed and wrote something
            time.sleep(chance.uniform(0, 0.05))
            process.kill()
            lines = [line, *process.stdout.read().splitlines()]
        acknowledged = max(acknowledged, *(int(line) for line in lines if line.strip().isdigit()))
        assert check_whole(path, "r1", with_exchanges=False) >= acknowledged
    assert check_whole(path, "r1") >= acknowledged
    assert acknowledged >= 1000
    with Store.open(path) as store:
        assert store.claim(make_run("r2", fingerprint="fr1")).session == 21


@pytest.mark.slow
def test_two_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    with writing_process(path, "r1", 600) as one, writing_process(path, "r2", 600) as two:
        for process in (one, two):
            process.communicate(timeout=60)
            assert process.returncode == 0
    assert check_whole(path, "r1") == 600
    assert check_whole(path, "r2") == 600


@pytest.mark.slow
def test_a_run_of_a_living_process_is_refused_and_of_a_dead_one_resumed(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    with writing_process(path, "r1", 1_000_000) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with Store.open(path) as store:
            with pytest.raises(StoreLocked, match=str(process.pid)) as caught:
                store.claim(make_run("r2", fingerprint="fr1"))
            assert "--fresh" in caught.value.remedy
            assert store.run("r1").state == "running"
    with Store.open(path) as store:
        assert store.run("r1").state == "interrupted"
        assert [run.id for run in store.runs(RunFilter(state="interrupted", limit=1))] == ["r1"]
        assert store.runs(RunFilter(state="running")) == []
        assert store.claim(make_run("r2", fingerprint="fr1")).resumed


def test_an_owner_on_another_host_is_gone_after_a_silence(store: Store) -> None:
    store.claim(make_run())
    with store.writing() as db:
        db.execute("UPDATE runs SET owner_host = 'elsewhere'")
    with pytest.raises(StoreLocked, match="elsewhere"):
        store.claim(make_run("r2", fingerprint="fr1"))
    with store.writing() as db:
        db.execute("UPDATE runs SET active_at = '2020-01-01T00:00:00.000+00:00'")
    assert store.claim(make_run("r2", fingerprint="fr1")).resumed


def test_locked_by_another_process_is_said_after_a_bounded_wait(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    Store.open(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Store(path, busy_s=0.2) as store:
        before = time.monotonic()
        with pytest.raises(StoreLocked, match="another process"):
            store.claim(make_run())
        assert time.monotonic() - before > 0.1
        other.execute("ROLLBACK")
        store.claim(make_run())
    other.close()


def limit_pages(store: Store, more: int) -> None:
    with store.reading() as db:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages + more}")


def test_a_full_disk_loses_nothing_and_carries_on_when_there_is_room(store: Store) -> None:
    store.claim(make_run())
    limit_pages(store, 60)

    async def fill() -> int:
        async with Writer(store) as writer:
            for number in range(2000):
                await writer.put(make_attempt(repetition=number))
                if number % 100 == 99:
                    await writer.flush()
        raise AssertionError("it never became full")

    with pytest.raises(StoreFull, match="no room") as caught:
        asyncio.run(fill())
    assert caught.value.remedy == "free some space and repeat the command"
    kept = len(store.attempts("r1"))
    assert kept
    limit_pages(store, 1 << 20)
    assert store.add([make_attempt(repetition=5000)]) == 1
    assert len(store.attempts("r1", with_exchanges=True)) == kept + 1


LIMITED = """
import resource, sys
from pathlib import Path
from tests.store.conftest import make_attempt, make_run
from tiltyard.errors import StoreError
from tiltyard.store.store import Store

NONE = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

def files_up_to(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, NONE))

folder = Path(sys.argv[1])
if sys.argv[2] == "made":
    for size in range(4096, 200_000, 12_288):
        files_up_to(size)
        path = folder / f"{size}.sqlite3"
        try:
            Store.open(path).close()
        except StoreError as error:
            print("failed", error)
        files_up_to(NONE)
        Store.open(path).close()
else:
    with Store.open(folder / "s.sqlite3") as store:
        store.claim(make_run())
        files_up_to((folder / "s.sqlite3-wal").stat().st_size)
        try:
            store.add([make_attempt()])
        except StoreError as error:
            print("failed", error)
        files_up_to(NONE)
        print(store.add([make_attempt()]))
"""


def limited(folder: Path, how: str) -> list[str]:
    """What a process says that may not write files beyond a size, which fails as late as a full disk does."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(folder), how],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file's size")
def test_what_a_failed_commit_took_back_is_not_taken_for_there(tmp_path: Path) -> None:
    said = limited(tmp_path, "filled")
    assert len(said) == 2
    assert said[0].startswith("failed reading or writing the store")
    assert said[1] == "1"
    assert check_whole(tmp_path / "s.sqlite3", "r1") == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file's size")
def test_a_store_that_does_not_fit_while_it_is_made_is_made_later(tmp_path: Path) -> None:
    said = limited(tmp_path, "made")
    assert len(said) > 5
    assert all(line.startswith("failed reading or writing the store") for line in said)
    for path in tmp_path.glob("*.sqlite3"):
        with Store.open(path) as store:
            store.claim(make_run())
        assert check_whole(path, "r1") == 0


@pytest.mark.slow
def test_the_writer_tries_a_failed_batch_again(store: Store) -> None:
    store.claim(make_run())
    limit_pages(store, 0)

    async def recovers() -> None:
        async with Writer(store) as writer:
            for number in range(300):
                with suppress(StoreFull):  # said by whichever `put` comes first after the failed batch
                    await writer.put(make_attempt(repetition=number))
            with pytest.raises(StoreFull):
                await writer.flush()
            limit_pages(store, 1 << 20)
            await writer.flush()
            assert writer.committed == 300  # the ones whose `put` raised as well

    asyncio.run(recovers())
    assert len(store.attempts("r1")) == 300


def test_the_writer_keeps_order_and_counts(store: Store) -> None:
    store.claim(make_run())

    async def many() -> int:
        async with Writer(store) as writer:
            for number in range(700):
                await writer.put(make_attempt(repetition=number))
            await writer.flush()
            return writer.committed

    assert asyncio.run(many()) == 700
    assert [attempt.repetition for attempt in store.attempts("r1")] == list(range(700))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="cannot"):
            Store.open(tmp_path / "below" / "s.sqlite3")
        with pytest.raises(StoreError, match="cannot"):
            Store.open(tmp_path / "s.sqlite3")
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="folder"):
        Store.open(tmp_path / "file" / "s.sqlite3")
    (tmp_path / "s.sqlite3").mkdir()
    with pytest.raises(StoreError, match="cannot"):
        Store.open(tmp_path / "s.sqlite3")


def test_a_newer_store_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA user_version = 99")
        db.execute("CREATE TABLE future (x)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreTooNew, match="version 99"):
        Store.open(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def add_column(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE runs ADD COLUMN mood TEXT DEFAULT 'good'")


def half_done(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE runs ADD COLUMN half TEXT")
    db.execute("this is not SQL")


def test_migrating_keeps_a_backup_and_is_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    with Store.open(path) as store:
        store.claim(make_run())
    with pytest.raises(sqlite3.OperationalError):
        connect(path, migrations=[*MIGRATIONS, half_done])
    with Store.open(path) as store:  # still the old version, and whole
        assert store.run("r1").id == "r1"
    connect(path, migrations=[*MIGRATIONS, add_column]).close()
    with closing(sqlite3.connect(path)) as db, db:
        assert db.execute("SELECT id, mood FROM runs").fetchall() == [("r1", "good")]
    db.close()
    backup = tmp_path / f"s.v{len(MIGRATIONS)}.backup.sqlite3"
    with Store.open(backup) as store:
        assert store.run("r1").id == "r1"
    with pytest.raises(StoreTooNew):
        Store.open(path)


def filled(path: Path, attempts: int = 300) -> int:
    """A closed store of two runs; returns the page size."""
    with Store.open(path) as store:
        for run_id in ("r1", "r2"):
            store.claim(make_run(run_id))
            store.add([make_attempt(run_id, repetition=number) for number in range(attempts)])
            store.finish(run_id, "finished", {"decode_tps": {"n": 2, "mean": 5.0}})
        with store.reading() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (page,) = db.execute("PRAGMA page_size").fetchone()
    return int(page)


def read_all(path: Path) -> int:
    with Store.open(path) as store:
        return sum(len(store.attempts(run_id, with_exchanges=True)) for run_id in ("r1", "r2"))


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["header", "first page", "middle", "end cut off"])
def test_a_damaged_store_says_so_keeps_the_file_and_is_recovered(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "s.sqlite3"
    page, noise = filled(path), random.Random(3)
    size = path.stat().st_size
    if damage == "header":
        overwrite(path, 0, b"not a database at all")
    elif damage == "first page":
        overwrite(path, 0, noise.randbytes(page))
    elif damage == "middle":
        start = size // 3 // page * page
        overwrite(path, start, noise.randbytes(page * 12))
    else:
        os.truncate(path, size * 4 // 5)
    before = path.read_bytes()
    with pytest.raises(StoreCorrupt, match="damaged") as caught:
        read_all(path)
    assert "runs --recover" in caught.value.remedy
    assert path.read_bytes() == before

    saved = recover(path)
    assert saved.damaged.read_bytes() == before
    with Store.open(path) as store:
        with store.reading() as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        kept = read_all(path)
        assert kept == saved.rows["attempts"]
        assert (kept == 600) if damage in ("header", "first page") else 100 < kept < 600
        assert len(store.board()) == 2
        assert store.claim(make_run("r3")).run.id == "r3"


def test_attempts_that_lost_their_run_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    with Store.open(path) as store:
        for name in ("r1", "r2"):
            store.claim(make_run(name))
            store.add([make_attempt(name, repetition=number) for number in range(4)])
            store.finish(name, "finished", {})
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM runs WHERE id = 'r1'")
    saved = recover(path)
    assert (saved.runs_lost, saved.attempts_left) == (1, 4)
    assert (saved.rows["runs"], saved.rows["attempts"]) == (1, 4)
    assert recover(path).runs_lost == 0


def test_what_is_no_store_at_all_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    path.write_bytes(b"Dear diary, " * 1000)
    with pytest.raises(StoreCorrupt):
        Store.open(path)
    with pytest.raises(StoreCorrupt, match="left as it is"):
        recover(path)
    assert path.read_bytes() == b"Dear diary, " * 1000
    assert list(tmp_path.iterdir()) == [path]


def test_a_try_is_recorded_only_once_per_number(store: Store) -> None:
    store.claim(make_run())
    attempt = make_attempt()
    assert store.add([attempt, attempt, replace(attempt, try_no=2)]) == 2


def test_a_store_without_one_of_its_tables_is_recovered_without_it(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    with Store.open(path) as store:
        store.claim(make_run())
        store.add([make_attempt()])
        store.finish("r1", "finished", {"decode_tps": {"n": 3, "mean": 5.0}})
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute("DROP TABLE attempts")
    with Store.open(path, to_read=True) as store:
        assert not store.whole()
    recover(path)
    with Store.open(path) as store:
        assert (store.run("r1").suite, store.attempts("r1")) == (make_run().suite, [])
        assert store.whole(thorough=True)
