"""Saves every readable row of a damaged store into a fresh one; the damaged file stays beside it.

Works on a copy and reads each table by row number, going round what cannot be read. What hangs in the air
afterwards (an attempt without its exchange) is left out. A run that lost attempts is interrupted again, so
that the same command asks for them.
"""

from __future__ import annotations

import heapq
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from tiltyard.errors import StoreCorrupt, StoreLocked
from tiltyard.records import Record
from tiltyard.store.connection import STUMBLES, connect, dicts, transaction
from tiltyard.store.figures import put_figures
from tiltyard.store.migrations import MIGRATIONS
from tiltyard.store.owner import alive
from tiltyard.store.reading_back import TABLES, unreadable
from tiltyard.store.rows import to_json
from tiltyard.store.run_list import owner_of

LISTED = 6  # the version whose list of tables is put in place of a lost one
_PROBES = 20_000  # unreadable ranges looked into, per table
# The second from an error that quotes a text, the third from a length of gigabytes.
_UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError, MemoryError)
_GUESS = 1 << 24  # highest row number assumed where none can be read

_LOST_MODELS = (
    "INSERT INTO models (id, identity, name, remote, notes) SELECT DISTINCT model_id, 'lost ' || model_id, "
    "'(lost)', 0, '[]' FROM runs WHERE model_id NOT IN (SELECT id FROM models)"
)
_LOST_SERVERS = (
    "INSERT INTO servers (id, identity, dialect, url, loaded, local, notes) SELECT DISTINCT server_id, "
    "'lost ' || server_id, 'openai', '(lost)', '[]', 0, '[]' FROM runs "
    "WHERE server_id NOT IN (SELECT id FROM servers)"
)
_HANGING = "DELETE FROM exchanges WHERE attempt_id NOT IN (SELECT id FROM attempts)"
_TIDY = (
    "DELETE FROM samples WHERE run_key NOT IN (SELECT key FROM runs)",
    "DELETE FROM attempts WHERE run_key NOT IN (SELECT key FROM runs)",
    "DELETE FROM exchanges WHERE options_id NOT IN (SELECT id FROM texts) "
    "OR id NOT IN (SELECT exchange_id FROM timelines) "
    "OR EXISTS (SELECT 1 FROM json_each(tails) WHERE value NOT IN (SELECT id FROM texts))",
    "DELETE FROM attempts WHERE ending IS NOT NULL AND id NOT IN (SELECT attempt_id FROM exchanges)",
    _HANGING,
    "DELETE FROM timelines WHERE exchange_id NOT IN (SELECT id FROM exchanges)",
)


# A run may lack what comes after its start: nothing stands for it, or one of these.
_STAND_INS = {"machine": "{}", "notes": "[]", "sessions": 1, "forgotten": 0}
_JSON = (
    ("runs", "settings", "object", "{}"),
    ("runs", "machine", "object", "{}"),
    ("runs", "notes", "array", "[]"),
    ("runs", "calibration", "object", None),
    ("runs", "summary", "object", None),
    ("runs", "outcomes", "object", None),
    ("models", "capabilities", "array", None),
    ("models", "notes", "array", "[]"),
    ("servers", "loaded", "array", "[]"),
    ("servers", "notes", "array", "[]"),
)
_STATES = "UPDATE runs SET state = 'interrupted' WHERE state NOT IN ('running', 'finished', 'failed')"
_SESSIONS = (
    "UPDATE runs SET sessions = max(sessions, "
    "(SELECT coalesce(max(session), 1) FROM attempts WHERE run_key = runs.key))"
)
_NO_SUMMARY = "its summary was lost with a damaged file; the same command makes it again"

_ORPHANS = (
    "SELECT count(DISTINCT run_key), count(*) FROM attempts WHERE run_key NOT IN (SELECT key FROM runs)"
)


_LEFT = "SELECT count(*) FROM (SELECT DISTINCT stage, item_id, repetition FROM attempts WHERE run_key = ?)"


class Recovered(Record, frozen=True):
    damaged: Path  # where the damaged file is now
    rows: dict[str, int]  # saved, per table
    unreadable: dict[str, int]  # places that could not be read, per table
    runs_lost: int = 0  # runs that attempts speak of and whose own line could not be read
    attempts_left: int = 0  # readable attempts of those: they are in the damaged file only
    models_lost: int = 0  # models and servers that runs speak of and whose own line could not be read
    servers_lost: int = 0
    set_back: tuple[str, ...] = ()  # ids of runs that lost attempts: the same command asks for them again


def recover(path: Path) -> Recovered:
    """Replace a damaged store by what is readable of it. StoreCorrupt when nothing is, StoreLocked when
    somebody writes to it: it then stays.
    """
    if not path.is_file():
        raise StoreCorrupt(f"there is no store at {path}", "nothing to do: the next run makes one")
    before = _state(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="recovering-") as folder:
        copy, fresh = Path(folder) / "damaged.sqlite3", Path(folder) / path.name
        for source, target in _with_log(path, copy):
            shutil.copyfile(source, target)
        with closing(connect(fresh)) as into:
            saved = _save(copy, into, Path(folder))
            _refuse_under_way(into)
            set_back = _set_back(into)
            into.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if not saved.rows["runs"]:
            raise StoreCorrupt(f"nothing could be read from {path}; it was left as it is", "restore a backup")
        if _state(path) != before:
            raise StoreLocked(f"the store {path} was written to meanwhile", "`tiltyard runs --recover` again")
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        kept = path.with_name(f"{path.stem}.damaged-{stamp}{path.suffix}")
        for source, target in _with_log(path, kept):
            source.replace(target)
        fresh.replace(path)
    return replace(saved, damaged=kept, set_back=set_back)


def _state(path: Path) -> list[tuple[int, int, int]]:
    """Changes when anybody writes to the store, or puts another in its place. An empty log comes and goes."""
    found = [source.stat() for source, _ in _with_log(path, path) if not source.name.endswith("-shm")]
    return [(each.st_ino, each.st_size, each.st_mtime_ns) for each in found if each.st_size]


def _refuse_under_way(db: sqlite3.Connection) -> None:
    """What a living process wrote after this would be in no store."""
    for row in dicts(db, "SELECT * FROM runs WHERE state = 'running'"):
        if alive(owner_of(row), row["active_at"]):
            raise StoreLocked(f"run {row['id']} is under way", "stop it first (Ctrl+C), or wait for its end")


def _with_log(path: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """The file and its write-ahead log, each with its name at the target."""
    yield path, target
    for ending in ("-wal", "-shm"):
        beside = path.with_name(path.name + ending)
        if beside.exists():
            yield beside, target.with_name(target.name + ending)


def _save(copy: Path, into: sqlite3.Connection, folder: Path) -> Recovered:
    source = _open_damaged(copy, folder)
    saved: dict[str, int] = {}
    gone: dict[str, int] = {}
    into.execute("PRAGMA foreign_keys = OFF")
    with closing(source), transaction(into):
        for table in TABLES:
            reader = _Table(source, table, _columns(into, table))
            if reader.columns:  # else the whole table is gone
                marks = ", ".join("?" * len(reader.columns))
                insert = f"INSERT OR IGNORE INTO {table} ({', '.join(reader.columns)}) VALUES ({marks})"
                into.executemany(insert, reader.rows())
            gone[table] = reader.unreadable
        runs_lost, attempts_left = into.execute(_ORPHANS).fetchone()
        models_lost, servers_lost = (into.execute(sql).rowcount for sql in (_LOST_MODELS, _LOST_SERVERS))
        lost = [(attempt,) for attempt in unreadable(into)]
        into.executemany("DELETE FROM attempts WHERE id = ?", lost)
        gone["attempts"] += len(lost)
        for statement in (_HANGING, *_TIDY, _STATES, _SESSIONS):
            into.execute(statement)
        for table, column, kind, stand_in in _JSON:
            broken = f"CASE WHEN json_valid({column}) THEN json_type({column}) <> '{kind}' ELSE 1 END"
            into.execute(f"UPDATE {table} SET {column} = ? WHERE {broken}", (stand_in,))
        for key, summary in into.execute(
            "SELECT key, summary FROM runs WHERE summary IS NOT NULL"
        ).fetchall():
            try:
                put_figures(into, key, _object(summary))
            except STUMBLES:
                into.execute("UPDATE runs SET summary = NULL, outcomes = NULL WHERE key = ?", (key,))
                put_figures(into, key, {})
        for table in TABLES:
            (saved[table],) = into.execute(f"SELECT count(*) FROM {table}").fetchone()
    return Recovered(
        damaged=copy,
        rows=saved,
        unreadable=gone,
        runs_lost=runs_lost,
        attempts_left=attempts_left,
        models_lost=models_lost,
        servers_lost=servers_lost,
    )


def _set_back(db: sqlite3.Connection) -> tuple[str, ...]:
    """Finished runs that lost their summary, or have fewer attempts than it counts, are interrupted, and say
    so; returns their ids.

    The summary stays: where nobody can ask again, it is all that is known of what was lost.
    """
    found = []
    with transaction(db):
        for key, run_id, notes, text in db.execute(
            "SELECT key, id, notes, summary FROM runs WHERE state = 'finished'"
        ).fetchall():
            note, told = _NO_SUMMARY, None
            if text is not None:
                summary = _object(text)
                counted = _counted(summary)
                (left,) = db.execute(_LEFT, (key,)).fetchone()
                if left >= counted:
                    continue
                note = (
                    f"{counted - left} of its {counted} answers were lost with a damaged file; the figures "
                    "are of all, and the same command asks for those again"
                )
                told = {**summary, "state": "interrupted", "notes": [note, *(summary.get("notes") or ())]}
            db.execute(
                "UPDATE runs SET state = 'interrupted', notes = ?, summary = ? WHERE key = ?",
                (to_json([note, *msgspec.json.decode(notes)]), told and to_json(told), key),
            )
            found.append(run_id)
    return tuple(found)


def _counted(summary: dict[str, Any]) -> int:
    requests = summary.get("requests")
    total = requests.get("total") if isinstance(requests, dict) else None
    return total if isinstance(total, int) else 0


def _object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _open_damaged(copy: Path, folder: Path) -> sqlite3.Connection:
    """Open it as it is or else with what a new store has instead: the text of its tables, the first page of
    their list, all of it.

    The tables of every new store lie in the same places, since the same migrations made them; those after
    version `LISTED` add none that is read here, and must not move the list of those there are.
    """
    model = folder / "model.sqlite3"
    connect(model, migrations=MIGRATIONS[:LISTED]).close()
    for mend in (None, _mend_texts, _mend_first_page, _mend_texts, _mend_list):
        if mend is not None:
            mend(copy, model)
        source = sqlite3.connect(copy)
        if _is_sound(source, model):
            return source
        source.close()
    raise StoreCorrupt(
        "no run in it can be read; the file was left as it is",
        "move it away, or set TILTYARD_DATA_DIR to another folder; a backup can be put in its place",
    )


def _is_sound(source: sqlite3.Connection, model: Path) -> bool:
    """Is there a list of tables, with no column in it that a new store has not, and does it lead to runs?"""
    try:
        with closing(sqlite3.connect(model)) as new:
            known = all(set(_columns(source, table)) <= set(_columns(new, table)) for table in TABLES)
        runs = _Table(source, "runs", ["id"])
        return known and bool(runs.columns) and (any(runs.rows()) or not runs.unreadable)
    except _UNREADABLE:
        return False


def _mend_texts(copy: Path, model: Path) -> None:
    """What a table is said to be is made that of a new store. Columns are only ever added at the end, so
    this holds for an older store, too.
    """
    with closing(sqlite3.connect(model)) as new:
        made = new.execute("SELECT sql, name FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    with closing(sqlite3.connect(copy, isolation_level=None)) as db, suppress(*_UNREADABLE):
        db.execute("PRAGMA writable_schema = ON")  # texts that make no sense are passed over
        db.executemany("UPDATE sqlite_master SET sql = ? WHERE name = ?", made)


def _mend_first_page(copy: Path, model: Path) -> None:
    with copy.open("r+b") as file, model.open("rb") as new:
        file.write(_first_page(new.read(), copy.stat().st_size))


def _mend_list(copy: Path, model: Path) -> None:
    """The other pages of the list of tables, which in a new store the first one names behind the file's 100
    bytes and 12 of its own.
    """
    new = model.read_bytes()
    size = int.from_bytes(new[16:18], "big")
    cells = int.from_bytes(new[103:105], "big")
    places = [int.from_bytes(new[at : at + 2], "big") for at in range(112, 112 + 2 * cells, 2)]
    with copy.open("r+b") as file:
        for place in (108, *places):  # where the number of a page stands, of the last one first
            start = (int.from_bytes(new[place : place + 4], "big") - 1) * size
            file.seek(start)
            file.write(new[start : start + size])


def _first_page(new_store: bytes, size: int) -> bytes:
    """The first page of a new store, made out for a file of this size (bytes 28 to 31 of the header)."""
    page_size = int.from_bytes(new_store[16:18], "big")
    pages = (size // page_size).to_bytes(4, "big")
    return new_store[:28] + pages + new_store[32:page_size]


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]


class _Table:
    """The readable rows of one table."""

    def __init__(self, db: sqlite3.Connection, table: str, wanted: list[str]) -> None:
        self.db, self.table, self.unreadable = db, table, 0
        there = set(_columns(db, table))
        self.columns = [name for name in wanted if name in there]

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Range by range, the widest unreadable one halved first, until the probes are spent."""
        names = ", ".join(self.columns)
        sql = f"SELECT rowid, {names} FROM {self.table} WHERE rowid BETWEEN ? AND ? ORDER BY 1"
        ranges = [(-self._last(), 1, self._last())]
        while ranges and self.unreadable < _PROBES:
            _, low, high = heapq.heappop(ranges)
            try:
                for rowid, *row in self.db.execute(sql, (low, high)):
                    low = max(low, rowid + 1)  # in a damaged page they may go backwards
                    yield tuple(row)
            except _UNREADABLE:
                self.unreadable += 1
                if low == high and self.table == "runs" and (row := self._run(low)):
                    yield row
                middle = (low + high) // 2
                for part in ((low, middle), (middle + 1, high)):
                    if part[0] <= part[1] and low < high:
                        heapq.heappush(ranges, (part[0] - part[1], *part))

    def _run(self, key: int) -> tuple[Any, ...] | None:
        """A run column by column, with stand-ins for what cannot be read; None where its start cannot."""
        found: dict[str, Any] = {}
        for name in self.columns:
            sql = f"SELECT {name} FROM runs WHERE key = ?"
            try:
                (found[name],) = self.db.execute(sql, (key,)).fetchone() or (None,)
            except _UNREADABLE:
                if "started_at" not in found:
                    return None
                found[name] = found["started_at"] if name == "active_at" else _STAND_INS.get(name)
        return tuple(found.values())

    def _last(self) -> int:
        """The highest row number, or one not below it."""
        with suppress(*_UNREADABLE):
            (last,) = self.db.execute(f"SELECT max(rowid) FROM {self.table}").fetchone()
            return int(last or 0)
        counted = "exchanges" if self.table == "timelines" else self.table
        with suppress(*_UNREADABLE):
            sql = "SELECT seq FROM sqlite_sequence WHERE name = ?"
            for (last,) in self.db.execute(sql, (counted,)):
                return int(last)
        return _GUESS
