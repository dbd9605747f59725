"""Opens the store's file: pragmas, migrations with a backup, and SQLite's errors put into our words.

Write-ahead log with synchronous=NORMAL: a killed process loses nothing that was acknowledged; a power cut can
lose the last moments before it but never damages the file. Knows nothing of what is in the tables.
"""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tiltyard.errors import StoreBusy, StoreCorrupt, StoreError, StoreFull, StoreTooNew
from tiltyard.store.migrations import MIGRATIONS, version_in_tables
from tiltyard.store.search import index_prompts_anew

BUSY_S = 5.0  # how long to wait for another process that is writing
RECOVER = "`tiltyard runs --recover` saves what is readable into a fresh store and keeps this file"
_NO_TEXT = "Could not decode to UTF-8"  # Python's own error: it has no code of SQLite's

# What a row leads to that is not as it was written (memory: a length of gigabytes), and our own mistakes.
STUMBLES = (
    sqlite3.DatabaseError,
    zlib.error,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
)

Migrations = Sequence[Callable[[sqlite3.Connection], None]]
KNOWN: Migrations = tuple(MIGRATIONS)


def connect(path: Path, *, busy_s: float = BUSY_S, migrations: Migrations = KNOWN) -> sqlite3.Connection:
    """Open, creating or migrating as needed.

    Raises StoreTooNew (the file is not touched), StoreCorrupt, StoreBusy, StoreFull or StoreError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot make the store's folder {path.parent}: {error.strerror}",
            "set TILTYARD_DATA_DIR to a folder you may write to",
        ) from error
    with translated(path):
        db = opened(path, busy_s)
        try:
            _prepare(db, path, busy_s, migrations)
        except BaseException:
            db.close()
            raise
    return db


def opened(place: Path | str, busy_s: float) -> sqlite3.Connection:
    """A connection to a file, or to the one at a `file:` address."""
    uri = isinstance(place, str)
    return sqlite3.connect(place, timeout=busy_s, isolation_level=None, check_same_thread=False, uri=uri)


def _prepare(db: sqlite3.Connection, path: Path, busy_s: float, migrations: Migrations) -> None:
    version = version_of(db, path, migrations)
    if version == 0:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only an empty file takes it; `Store.delete` uses it
    _write_ahead(db, busy_s)
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA temp_store = MEMORY")
    had_number = version > 0
    version = version or _numbered(db)
    if version < len(migrations):
        if version > 0:
            _backup(db, path, version)
        _migrate(db, migrations)
    if version > 0 and not had_number:
        with transaction(db):
            index_prompts_anew(db)


def version_of(db: sqlite3.Connection, path: Path, migrations: Migrations) -> int:
    """Of a store that may be used: 0 where it is new or has lost its number, at most the newest known."""
    version = _version(db)
    if version > len(migrations):
        raise StoreTooNew(
            f"the store {path} is version {version}; this Tiltyard knows versions up to {len(migrations)}",
            "update Tiltyard, or set TILTYARD_DATA_DIR to another folder",
        )
    if version == 0 and version_in_tables(db) is None:
        raise StoreError(
            f"{path} is no store: it holds other tables; it was left as it is",
            "move it away, or set TILTYARD_DATA_DIR to another folder",
        )
    return version


def _version(db: sqlite3.Connection) -> int:
    """0 where it has none, or none that can be."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return max(int(version), 0)


def _numbered(db: sqlite3.Connection) -> int:
    """The version again, after a store that has lost its number got it back."""
    with transaction(db):
        if _version(db) == 0:  # another process may have been faster
            db.execute(f"PRAGMA user_version = {version_in_tables(db) or 0}")
        return _version(db)


def _write_ahead(db: sqlite3.Connection, busy_s: float) -> None:
    """Switch to the write-ahead log; SQLite does not wait by itself when two do this at once."""
    deadline = time.monotonic() + busy_s
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if code_of(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _backup(db: sqlite3.Connection, path: Path, version: int) -> None:
    """A whole copy beside the store, once per version, complete before it gets its name."""
    target = path.with_name(f"{path.stem}.v{version}.backup{path.suffix}")
    if target.exists():
        return
    partial = target.with_suffix(target.suffix + ".partial")
    partial.unlink(missing_ok=True)
    with closing(sqlite3.connect(partial)) as copy:
        db.backup(copy)
    partial.replace(target)


def _migrate(db: sqlite3.Connection, migrations: Migrations) -> None:
    for number, migration in enumerate(migrations, start=1):
        with transaction(db):
            if _version(db) < number:  # another process may have been faster
                migration(db)
                db.execute(f"PRAGMA user_version = {number}")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; takes the write lock at once, so that it cannot fail half-way for another's sake."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has already rolled it back
            db.execute("ROLLBACK")
        raise


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about the file into ours; errors about our own SQL stay what they are.

    SQLite takes a page for sound whatever stands in it: what cannot be read back is damage, too.
    """
    try:
        yield
    except (msgspec.DecodeError, zlib.error, UnicodeDecodeError) as error:
        raise damaged(path, str(error)) from error
    except sqlite3.DatabaseError as error:
        ours = _our_error(error, path)
        if ours is None:
            raise
        raise ours from error


def dicts(db: sqlite3.Connection, sql: str, values: Sequence[Any] = ()) -> Iterator[dict[str, Any]]:
    """The rows that a query finds, by the names of their columns."""
    cursor = db.execute(sql, values)
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))


def code_of(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def damaged(path: Path, why: str) -> StoreCorrupt:
    return StoreCorrupt(f"the store {path} is damaged ({why}); it was left as it is", RECOVER)


def _our_error(error: sqlite3.DatabaseError, path: Path) -> StoreError | None:
    code = code_of(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy(
            f"the store {path} is being written by another process",
            "wait for it to end, or give this run a store of its own with TILTYARD_DATA_DIR",
            first="wait for it to end",
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(path, str(error))
    if str(error).startswith(_NO_TEXT):
        return damaged(path, str(error).split(" with text")[0])  # the rest is all that stands there
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(
            f"no room left for the store {path}; everything acknowledged before is kept",
            first="free some space",
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return StoreError(
            f"the store {path} cannot be written ({error})",
            "check the rights on the file and its folder, or set TILTYARD_DATA_DIR to another folder",
        )
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(
            f"reading or writing the store {path} failed ({error})",
            first="check the disk, its free space and your quota",
        )
    return None
