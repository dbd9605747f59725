"""Opens a store to read it, also where nothing can be written: a full disk, a folder without the right to.

SQLite keeps a small file beside the store (`-shm`) for processes that share it, and cannot open without it
where it can neither be made nor read. The whole store can be read all the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from tiltyard.errors import StoreError
from tiltyard.store.connection import (
    BUSY_S,
    KNOWN,
    Migrations,
    code_of,
    connect,
    opened,
    translated,
    version_of,
)

_UNWRITABLE = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL)


def connect_to_read(
    path: Path, *, busy_s: float = BUSY_S, migrations: Migrations = KNOWN
) -> tuple[sqlite3.Connection, StoreError | None]:
    """As `connect`, and why the store can only be read, None where it can be written as well."""
    try:
        return connect(path, busy_s=busy_s, migrations=migrations), None
    except StoreError as error:
        cause = error.__cause__
        unwritable = isinstance(cause, sqlite3.Error) and code_of(cause) in _UNWRITABLE
        if not unwritable or not path.is_file() or path.stat().st_size == 0:
            raise
        with translated(path):
            db = _only_reading(path, busy_s, error)
            try:
                if version_of(db, path, migrations) < len(migrations):
                    raise StoreError(
                        f"the store {path} must be brought up to date first, and cannot be written ({cause})",
                        error.remedy,
                    ) from error
            except BaseException:
                db.close()
                raise
        return db, error


def _only_reading(path: Path, busy_s: float, why: StoreError) -> sqlite3.Connection:
    for query, alone in _ways(path):
        db = opened(f"{path.absolute().as_uri()}?{query}", busy_s)
        try:
            if alone:
                db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("PRAGMA query_only = ON")
            db.execute("PRAGMA temp_store = MEMORY")
            db.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            db.close()
            if code_of(error) not in _UNWRITABLE:
                raise
        else:
            return db
    if _log_bytes(path):
        raise StoreError(
            f"the store {path} cannot be read where nothing can be written ({why.__cause__}): "
            f"part of it is in {path.name}-wal",
            "copy its folder to where you may write, and set TILTYARD_DATA_DIR to the copy",
        ) from why
    raise why


def _ways(path: Path) -> Iterator[tuple[str, bool]]:
    """Addresses of the file, and whether it is to be had alone."""
    yield "mode=rw", True  # who has it alone needs no `-shm`; the lock wants the right to write
    if not _log_bytes(path):  # no lock is taken, and the log not looked at: nothing may be in it
        yield "mode=ro&immutable=1", False


def _log_bytes(path: Path) -> int:
    """The size of the write-ahead log: what is not yet in the file itself."""
    log = path.with_name(f"{path.name}-wal")
    return log.stat().st_size if log.exists() else 0
