"""Where nothing can be written, what is there is read all the same, and never less of it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.store.conftest import make_attempt, make_run
from tiltyard.store.migrations import MIGRATIONS
from tiltyard.store.store import FILE, Store

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file's size")

# No file may grow, as on a full disk; a process that is killed, too, leaves files behind.
BEGIN = """
import os, resource, signal, sys
from pathlib import Path
from tests.store.conftest import make_attempt, make_run
from tiltyard.errors import StoreError
from tiltyard.store.connection import connect
from tiltyard.store.migrations import MIGRATIONS
from tiltyard.store.only_reading import connect_to_read
from tiltyard.store.store import RunFilter, Store

path = Path(sys.argv[1])

def nothing_may_be_written():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

def tell(what):
    try:
        print(what())
    except StoreError as error:
        print("failed:", error, "|", error.remedy)
"""
FULL = BEGIN + "nothing_may_be_written()\n"


def said(path: Path, script: str) -> list[str]:
    """What a process says in which this script runs."""
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with one run and three attempts, closed."""
    path = tmp_path / "with space?" / FILE
    with Store.open(path) as store:
        store.claim(make_run())
        store.add([make_attempt(repetition=number) for number in range(3)])
        store.finish("r1", "finished", {"decode_tps": {"n": 3, "mean": 5.0}})
    return path


READS = """
with Store.open(path, to_read=True) as store:
    print(len(store.runs()), len(store.attempts("r1", with_exchanges=True)), len(store.board()))
    print(store.whole(), store.whole(thorough=True), store.unwritable is not None)
"""


def test_a_store_is_read_where_nothing_can_be_written(path: Path) -> None:
    before = path.read_bytes()
    assert said(path, FULL + READS) == ["1 3 1", "True True True"]
    assert path.read_bytes() == before


def test_what_is_only_in_the_log_is_read_too(path: Path) -> None:
    """The process that wrote it was killed, and the file by which the log is shared is gone."""
    said(path, BEGIN + "Store.open(path).add([make_attempt(repetition=3)])\nos._exit(0)")
    path.with_name(f"{FILE}-shm").unlink()
    assert said(path, FULL + READS)[0] == "1 4 1"
    with Store.open(path) as store:
        assert len(store.attempts("r1")) == 4


def test_writing_is_refused_as_clearly_as_ever(path: Path) -> None:
    script = """
tell(lambda: Store.open(path))
store = Store.open(path, to_read=True)
tell(lambda: store.add([make_attempt(repetition=9)]))
tell(lambda: store.runs(RunFilter(search="hello")))
"""
    lines = said(path, FULL + script)
    assert len(lines) == 3
    for line in lines:  # the third: three answers are not fit to be searched yet
        assert line.startswith(f"failed: reading or writing the store {path} failed (disk I/O error)")
        assert "check the disk, its free space and your quota" in line
    with Store.open(path) as store:
        assert len(store.attempts("r1")) == 3


def test_what_was_made_fit_to_be_searched_is_found(path: Path) -> None:
    with Store.open(path) as store:
        found = len(store.search("hello"))
        store.runs()
    script = "tell(lambda: len(Store.open(path, to_read=True).search('hello')))"
    assert said(path, FULL + script) == [str(found)]


def test_a_store_that_needs_to_be_brought_up_to_date_first(path: Path) -> None:
    script = "tell(lambda: connect_to_read(path, migrations=[*MIGRATIONS, print]))"
    (line,) = said(path, FULL + script)
    assert f"the store {path} must be brought up to date first, and cannot be written" in line
    assert "check the disk, its free space and your quota" in line


def test_a_newer_store_and_none_are_what_they_are(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    script = """
tell(lambda: Store.open(path, to_read=True))
tell(lambda: Store.open(path.with_name("none"), to_read=True))
"""
    newer, none = said(path, FULL + script)
    assert "this Tiltyard knows versions up to" in newer
    assert none.startswith("failed: reading or writing the store")


def test_where_it_can_be_written_it_is_opened_as_ever(path: Path) -> None:
    with Store.open(path, to_read=True) as store:
        assert store.unwritable is None
        assert store.add([make_attempt(repetition=3)]) == 1
        store.claim(make_run("r2", fingerprint="other"))
