"""The store: claim a run, add attempts as they end, finish it, read it back.

Synchronous; one connection behind a lock, so that a writer thread and its owner may share it. Several
processes may write at once. What the rows look like is in `rows.py`; which runs there are is `run_list.py`,
the leaderboard is `board.py`, the search is `search.py`, rescue is `recover.py`.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec.structs import replace

from tiltyard.errors import StoreCorrupt, StoreError, StoreLocked, UsageError
from tiltyard.records import Attempt, Exchange, Json, Model, Record, Run, RunState, Sample
from tiltyard.settings import data_dir, hide_keys
from tiltyard.stats.pairing import Scores
from tiltyard.stats.ranks import Rank
from tiltyard.store import rows
from tiltyard.store.board import BoardRow, Wanted, board_rows
from tiltyard.store.connection import BUSY_S, STUMBLES, connect, damaged, dicts, transaction, translated
from tiltyard.store.figures import put_figures
from tiltyard.store.only_reading import connect_to_read
from tiltyard.store.owner import alive
from tiltyard.store.ranking import ranks_of
from tiltyard.store.reading_back import check
from tiltyard.store.requests import Texts
from tiltyard.store.run_list import (
    RunFilter,
    beside,
    listed,
    look_whole,
    named,
    newest_row,
    no_run,
    owner_of,
    run_now,
)
from tiltyard.store.run_rows import identity, insert_run, utc_now
from tiltyard.store.search import Found, attempts_matching, index_some, lacks_some, runs_matching
from tiltyard.store.sittings import (
    NEWEST_TRY,
    PUT_BACK,
    Claim,
    SoFar,
    claimed,
    has_failures,
    killed_while_finished,
    put_back_killed,
    so_far,
)
from tiltyard.store.verdicts import NO_LONGER_NEEDED, opponent, scores_of

FILE = "tiltyard.sqlite3"
Key = tuple[str, str, int]  # stage, item id, repetition
INDEX_S, ROOM_S = 0.5, 0.15  # how long the search keeps others from writing, and gives them then

# An imported run, which nobody has been at here, with fewer attempts than the file has of it, or as many
# where the file alone has a summary.
_OLDER = (
    "SELECT key FROM runs WHERE id = ? AND fingerprint = ? AND active_at IS NULL "
    "AND (SELECT count(*) FROM attempts WHERE run_key = runs.key) < ? + (? AND summary IS NULL)"
)

# What no run needs any more once some are deleted.
_ORPHANS = (
    "DELETE FROM prompts WHERE item_hash NOT IN (SELECT item_hash FROM attempts)",
    "DELETE FROM texts WHERE id NOT IN (SELECT options_id FROM exchanges UNION "
    "SELECT value FROM exchanges, json_each(tails) WHERE tails IS NOT NULL)",
    "DELETE FROM models WHERE id NOT IN (SELECT model_id FROM runs)",
    "DELETE FROM servers WHERE id NOT IN (SELECT server_id FROM runs)",
    NO_LONGER_NEEDED,
)


class Bundle(Record, frozen=True):
    """One run with all that belongs to it, as it goes from machine to machine."""

    run: Run
    attempts: tuple[Attempt, ...] = ()
    samples: tuple[Sample, ...] = ()


class Store:
    """One SQLite file. Every method may raise StoreLocked, StoreFull, StoreCorrupt or StoreError."""

    def __init__(self, path: Path, busy_s: float = BUSY_S, to_read: bool = False) -> None:
        self.path = path
        self._lock = threading.RLock()
        self.unwritable: StoreError | None = None  # why it can only be read, which is enough `to_read`
        if to_read:
            self._db, self.unwritable = connect_to_read(path, busy_s=busy_s)
        else:
            self._db = connect(path, busy_s=busy_s)
        self._texts = Texts(self._db)
        self._file = _file_at(path)
        self._keys: dict[str, int] = {}  # run id -> key
        self._data_version = 0

    @classmethod
    def open(cls, path: Path | None = None, to_read: bool = False) -> Store:
        """Open the file at `path`, or the one in the data folder, creating or migrating it as needed."""
        return cls(path if path is not None else data_dir() / FILE, to_read=to_read)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def check_place(self) -> None:
        """Raises StoreError where the file is no longer the one that was opened: what is in it is lost."""
        if _file_at(self.path) != self._file:
            raise StoreError(
                f"the store {self.path} was deleted or replaced while it was in use: what came since is lost",
                "run the same command again",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one group of queries."""
        with self._lock, self._in_words():
            yield self._db

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection inside one transaction."""
        if self.unwritable is not None:
            raise self.unwritable
        with self._lock, self._in_words():
            try:
                with transaction(self._db):
                    (version,) = self._db.execute("PRAGMA data_version").fetchone()
                    if version != self._data_version:  # somebody else wrote, perhaps deleted
                        self._data_version = version
                        self._forget()
                    yield self._db
            except BaseException:  # also where the commit itself fails
                self._forget()
                raise

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """SQLite's errors in our words, and what else a damaged file leads to. A mistake of our own looks the
        same as that, so the file is looked at, once no transaction is open any more.
        """
        try:
            with translated(self.path):
                yield
        except STUMBLES as error:
            if self._db.in_transaction or self.whole(thorough=True):
                raise
            raise damaged(self.path, "something in it is not as it was written") from error

    def _forget(self) -> None:
        """Drop what is remembered of the tables: it may not be so any more."""
        self._texts.forget()
        self._keys.clear()

    def _all(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        with self.reading() as db:
            return list(dicts(db, sql, values))

    # -------------------------------------------------------------- one run's life

    def claim(self, run: Run, fresh: bool = False) -> Claim:
        """Start this run, or carry on where the newest one of its fingerprint was left.

        A finished one is handed back unless some of its graded attempts failed for outside reasons; one that
        another living process is working on raises StoreLocked. `fresh` always starts a new one, and so does
        a finished load in which nothing was answered.
        """
        self._put_back_killed()
        with self.writing() as db:
            return claimed(db, replace(run, calibration=run.calibration or self.calibration()), fresh)

    def newest(self, fingerprint: str) -> Run | None:
        """The run that `claim` would carry on with or hand back; None where it would start one."""
        self._put_back_killed()
        with self.reading() as db:
            found = newest_row(db, fingerprint)
            return None if found is None else run_now(found)

    def has_failures(self, run_id: str) -> bool:
        """Would the same command ask some of its items again, which failed for outside reasons?"""
        with self.reading() as db:
            return has_failures(db, self._key(db, run_id))

    def seen(self, run_id: str, model: Model) -> None:
        """The run's model as it was in memory when it was measured; what was planned is forgotten."""
        with self.writing() as db:
            db.execute(
                "UPDATE runs SET model_id = ? WHERE key = ?",
                (identity(db, "models", model), self._key(db, run_id)),
            )

    def finish(
        self,
        run_id: str,
        state: RunState,
        summary: Mapping[str, Json] | None = None,
        notes: Sequence[str] = (),
        ended_at: str | None = None,  # now
    ) -> None:
        """End a sitting: state, summary and notes; the figures in the summary become rows for the board."""
        with self.writing() as db:
            key = self._key(db, run_id)
            db.execute(
                "UPDATE runs SET state = ?, ended_at = ?, summary = ?, notes = ?, owner_pid = NULL, "
                "owner_started = NULL, owner_host = NULL WHERE key = ?",
                (
                    state,
                    ended_at or utc_now(),
                    hide_keys(rows.to_json(summary)) if summary else None,
                    hide_keys(rows.to_json(list(notes))),
                    key,
                ),
            )
            put_figures(db, key, summary or {})

    def put_back(self, run_id: str, ended_at: str | None = None) -> None:
        """End a sitting that was broken off: the run is finished, with the summary that it had before."""
        with self.writing() as db:
            db.execute(PUT_BACK, (ended_at or utc_now(), self._key(db, run_id)))

    def _put_back_killed(self) -> None:
        """The same where the process that asked again was killed. While somebody writes, or nothing can be
        written, it has to wait.
        """
        with self.reading() as db:
            found = killed_while_finished(db)
        if found:
            try:
                with self.writing() as db:
                    put_back_killed(db)
            except StoreCorrupt:
                raise
            except StoreError:
                pass

    def _key(self, db: sqlite3.Connection, run_id: str) -> int:
        known = self._keys.get(run_id)
        if known is None:
            found = db.execute("SELECT key FROM runs WHERE id = ?", (run_id,)).fetchone()
            if found is None:
                raise no_run(db, run_id)
            known = self._keys[run_id] = int(found[0])
        return known

    # -------------------------------------------------------------- attempts

    def add(self, attempts: Sequence[Attempt]) -> int:
        """Store attempts in one transaction; those already there stay. Returns how many were new."""
        new = 0
        with self.writing() as db:
            for attempt in attempts:
                new += self._add_one(db, attempt)
            for run_id in {attempt.run_id for attempt in attempts}:
                db.execute("UPDATE runs SET active_at = ? WHERE key = ?", (utc_now(), self._key(db, run_id)))
        return new

    def _add_one(self, db: sqlite3.Connection, attempt: Attempt) -> bool:
        row = rows.attempt_row(self._key(db, attempt.run_id), attempt)
        cursor = db.execute(_INSERT_ATTEMPT, row)
        if cursor.rowcount != 1:
            return False
        attempt_id = cursor.lastrowid
        assert attempt_id is not None
        for number, exchange in enumerate(attempt.exchanges, start=1):
            if number == 1:
                self._texts.put_prompt(attempt.item_hash, attempt.item_id, exchange.request)
            kept = exchange if exchange.ending == "ok" else _without_keys(exchange)
            request = self._texts.request_row(kept.request)
            cursor = db.execute(_INSERT_EXCHANGE, rows.exchange_row(attempt_id, number, kept, request))
            assert cursor.lastrowid is not None
            db.execute(_INSERT_TIMELINE, rows.timeline_row(cursor.lastrowid, kept))
        return True

    def take_out(self, run_id: str, keys: Iterable[Key]) -> None:
        """Delete attempts of a run, with all their tries."""
        sql = "DELETE FROM attempts WHERE run_key = ? AND stage = ? AND item_id = ? AND repetition = ?"
        with self.writing() as db:
            run_key = self._key(db, run_id)
            db.executemany(sql, ((run_key, *key) for key in keys))

    def attempts(self, run_id: str, with_exchanges: bool = False, all_tries: bool = False) -> list[Attempt]:
        """The newest try of each item, in the order they were stored; every try with `all_tries`."""
        where = "" if all_tries else f" AND {NEWEST_TRY}"
        return self._attempts(run_id, where, with_exchanges)

    def attempt(self, run_id: str, number: int) -> Attempt:
        """One attempt with its exchanges, by its place (1, 2, ...) among the newest tries."""
        with self.reading():
            ids = self._attempt_ids(run_id, f" AND {NEWEST_TRY}")
            if not 1 <= number <= len(ids):
                has = f"attempts 1 to {len(ids)}, not {number}" if ids else "no attempts"
                raise UsageError(f"run {run_id} has {has}", f"tiltyard show {run_id}")
            return self._attempts(run_id, " AND attempts.id = ?", True, (ids[number - 1],))[0]

    def endings(self, run_id: str) -> list[str | None]:
        """How the last exchange of each of `attempts` ended, in the same order."""
        with self.reading() as db:
            sql = f"SELECT ending FROM attempts WHERE run_key = ? AND {NEWEST_TRY} ORDER BY id"
            return [row[0] for row in db.execute(sql, (self._key(db, run_id),))]

    def _attempt_ids(self, run_id: str, where: str) -> list[int]:
        with self.reading() as db:
            sql = f"SELECT id FROM attempts WHERE run_key = ?{where} ORDER BY id"
            return [row[0] for row in db.execute(sql, (self._key(db, run_id),))]

    def _attempts(
        self, run_id: str, where: str, with_exchanges: bool, values: Sequence[Any] = ()
    ) -> list[Attempt]:
        with self.reading() as db:
            bound = (self._key(db, run_id), *values)
            found = self._all(f"SELECT * FROM attempts WHERE run_key = ?{where} ORDER BY id", bound)
            exchanges = self._exchanges(where, bound) if with_exchanges else {}
            return [rows.attempt_of(run_id, row, tuple(exchanges.get(row["id"], ()))) for row in found]

    def _exchanges(self, where: str, bound: Sequence[Any]) -> dict[int, list[Exchange]]:
        found: dict[int, list[Exchange]] = {}
        sql = (
            "SELECT exchanges.*, timelines.* FROM attempts JOIN exchanges ON attempt_id = attempts.id "
            f"JOIN timelines ON exchange_id = exchanges.id WHERE run_key = ?{where} ORDER BY exchanges.id"
        )
        for row in self._all(sql, bound):
            request = self._request(row)
            found.setdefault(row["attempt_id"], []).append(rows.exchange_of(row, request))
        return found

    def _request(self, row: Mapping[str, Any]) -> Any:
        try:
            return self._texts.request_of(row["request_id"], row["options_id"], row["messages"], row["tails"])
        except KeyError as error:
            raise StoreCorrupt(
                f"the store {self.path} lacks text {error} of exchange {row['exchange_id']}",
                "`tiltyard runs --recover` saves what is readable",
            ) from error

    def done(self, run_id: str) -> dict[Key, Attempt]:
        """What need not be asked again: the newest try of each item that did not fail for outside reasons."""
        where = f" AND NOT failed_outside AND {NEWEST_TRY}"
        return {(a.stage, a.item_id, a.repetition): a for a in self._attempts(run_id, where, True)}

    def failed(self, run_id: str) -> dict[Key, Attempt]:
        """What is asked again while there is time: items whose newest try failed for outside reasons."""
        where = f" AND failed_outside AND {NEWEST_TRY}"
        return {(a.stage, a.item_id, a.repetition): a for a in self._attempts(run_id, where, True)}

    def tries(self, run_id: str) -> dict[Key, int]:
        """How many tries each item has had."""
        with self.reading() as db:
            sql = (
                "SELECT stage, item_id, repetition, max(try_no) FROM attempts WHERE run_key = ? "
                "GROUP BY stage, item_id, repetition"
            )
            return {(row[0], row[1], row[2]): row[3] for row in db.execute(sql, (self._key(db, run_id),))}

    def forget(self, run_ids: Iterable[str]) -> None:
        """Keep these runs, but let the same command ask again."""
        with self.writing() as db:
            db.executemany("UPDATE runs SET forgotten = 1 WHERE id = ?", [(run_id,) for run_id in run_ids])

    def forgotten(self) -> set[str]:
        """The ids of runs that no longer stand in for asking again."""
        return {row["id"] for row in self._all("SELECT id FROM runs WHERE forgotten")}

    def so_far(self, run_id: str) -> SoFar:
        """What a run that has no summary yet has come to."""
        with self.reading() as db:
            return so_far(db, self._key(db, run_id))

    def add_samples(self, run_id: str, samples: Sequence[Sample]) -> None:
        """Store readings of the machine."""
        with self.writing() as db:
            key = self._key(db, run_id)
            db.executemany(_INSERT_SAMPLE, [rows.sample_row(key, sample) for sample in samples])

    def samples(self, run_id: str) -> list[Sample]:
        with self.reading() as db:
            sql = "SELECT * FROM samples WHERE run_key = ? ORDER BY t_ns, rowid"
            return [rows.sample_of(row) for row in self._all(sql, (self._key(db, run_id),))]

    # -------------------------------------------------------------- runs

    def run(self, run_id: str) -> Run:
        """A run by its id, the beginning of one, or `latest`; UsageError when none or several match."""
        self._put_back_killed()
        with self.reading() as db:
            return named(db, run_id)

    def runs(self, wanted: RunFilter | None = None) -> list[Run]:
        """Runs, newest first."""
        self._put_back_killed()
        wanted = wanted or RunFilter()
        if wanted.search is not None:
            self._index()
        with self.reading() as db:
            keys = None if wanted.search is None else runs_matching(db, wanted.search)
            return listed(db, wanted, keys)

    def search(self, text: str, limit: int = 100) -> list[Found]:
        """Answers in which these words stand, best first."""
        self._index()
        with self.reading() as db:
            return attempts_matching(db, text, limit)

    def _index(self) -> None:
        """Make what came since the last search fit to be found. A run that goes on meanwhile gets its turns
        to write: it waits no longer than `BUSY_S` for one.
        """
        with self.reading() as db:
            more = lacks_some(db)
        while more:
            with self.writing() as db:
                until = time.monotonic() + INDEX_S
                while (more := index_some(db)) and time.monotonic() < until:
                    pass
            if more:
                time.sleep(ROOM_S)

    def last_seen(self) -> dict[str, str]:
        """When each run was last at work, by the clock as it was then."""
        with self.reading() as db:
            return dict(db.execute("SELECT id, active_at FROM runs WHERE active_at IS NOT NULL"))

    def beside(self, run: Run, before: Mapping[str, str]) -> dict[str, str]:
        """Runs that have had their share of a run's server or machine since what `last_seen` said before, and
        of which of the two.
        """
        with self.reading() as db:
            return beside(db, run, before)

    def counts(self, run_ids: Sequence[str]) -> dict[str, int]:
        """Attempts of each run as its summary counts them: one for all the tries of one repetition."""
        found = {}
        with self.reading() as db:
            for run_id in run_ids:
                sql = "SELECT count(*) FROM attempts WHERE run_key = ? AND try_no = 1"
                found[run_id] = db.execute(sql, (self._key(db, run_id),)).fetchone()[0]
        return found

    def board(self, wanted: Wanted | None = None) -> list[BoardRow]:
        """The leaderboard: see `board.py`."""
        self._put_back_killed()
        with self.reading() as db:
            if not (found := board_rows(db, wanted or Wanted())):
                look_whole(db)
            return found

    def scores(self, run_id: str) -> Scores | None:
        """What each item of a graded run scored; None where nothing was graded."""
        with self.reading() as db:
            return scores_of(db, self._key(db, run_id))

    def ranks(self, run_ids: Sequence[str]) -> dict[str, Rank]:
        """The places of graded runs among those of them that asked the same; see `ranking.py`."""
        with self.reading() as db:
            return ranks_of(db, run_ids)

    def opponent(self, run: Run) -> tuple[str | None, int]:
        """The id of the best finished run by another model over the items of a run, which may be new, and
        out of how many.
        """
        self._put_back_killed()
        with self.reading() as db:
            return opponent(db, run)

    def delete(self, run_ids: Iterable[str]) -> int:
        """Delete runs and all that belongs to them, and give the space back to the disk.

        A run that is under way raises StoreLocked.
        """
        with self.writing() as db:
            for run_id in (gone := list(run_ids)):
                key = self._key(db, run_id)
                row = self._all("SELECT * FROM runs WHERE key = ?", (key,))[0]
                if row["state"] == "running" and alive(owner_of(row), row["active_at"]):
                    raise StoreLocked(f"run {run_id} is under way", "stop it first (Ctrl+C)")
                db.execute("DELETE FROM runs WHERE key = ?", (key,))
            for statement in _ORPHANS:
                db.execute(statement)
            self._forget()
        with self.reading() as db:
            db.executescript("PRAGMA incremental_vacuum")  # one page per step: `execute` would do one
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return len(gone)

    def take_in(self, bundles: Iterable[Bundle]) -> tuple[list[str], list[str]]:
        """Add whole runs from elsewhere, all or none; returns the ids of new runs, and of replaced ones.

        An earlier import is replaced by the same run with more attempts. What was measured here, if only in
        part, stays as it is.
        """
        new: list[str] = []
        replaced: list[str] = []
        with self.writing() as db:
            for bundle in bundles:
                run, older = bundle.run, None
                if db.execute("SELECT 1 FROM runs WHERE id = ?", (run.id,)).fetchone():
                    known = run.id, run.fingerprint, len(bundle.attempts), run.summary is not None
                    older = db.execute(_OLDER, known).fetchone()
                    if older is None:
                        continue
                    db.execute("DELETE FROM runs WHERE key = ?", older)
                self._put_bundle(db, bundle, older)
                (new if older is None else replaced).append(run.id)
        return new, replaced

    def _put_bundle(self, db: sqlite3.Connection, bundle: Bundle, older: tuple[int] | None) -> None:
        """One whole run, in the place (key) of an older one, inside the caller's transaction."""
        state: RunState = "interrupted" if bundle.run.state == "running" else bundle.run.state
        insert_run(db, replace(bundle.run, state=state), None)
        if older is not None:
            db.execute("UPDATE runs SET key = ? WHERE id = ?", (*older, bundle.run.id))
        key = self._key(db, bundle.run.id)
        sessions = max((attempt.session for attempt in bundle.attempts), default=1)
        db.execute(
            "UPDATE runs SET ended_at = ?, sessions = ? WHERE key = ?", (bundle.run.ended_at, sessions, key)
        )
        for attempt in bundle.attempts:
            self._add_one(db, attempt)
        put_figures(db, key, bundle.run.summary or {})
        db.executemany(_INSERT_SAMPLE, [rows.sample_row(key, sample) for sample in bundle.samples])

    def whole(self, thorough: bool = False) -> bool:
        """Is every page of the file sound, and can every run, with `thorough` everything, be read back?"""
        try:
            with self._lock, translated(self.path):
                return check(self._db, thorough)
        except (StoreCorrupt, *STUMBLES):
            return False

    # -------------------------------------------------------------- calibration

    def set_calibration(self, result: Mapping[str, Json]) -> None:
        with self.writing() as db:
            db.execute(
                "INSERT INTO calibrations (made_at, result) VALUES (?, ?)", (utc_now(), rows.to_json(result))
            )

    def calibration(self) -> dict[str, Json] | None:
        """The newest calibration of this machine, or None."""
        found = self._all("SELECT result FROM calibrations ORDER BY id DESC LIMIT 1")
        return rows.from_json(found[0]["result"], dict[str, Any]) if found else None


def _insert(table: str, columns: str, tail: str = "") -> str:
    return f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(columns.split(',')))}){tail}"


_INSERT_ATTEMPT = _insert("attempts", rows.ATTEMPT_COLUMNS, " ON CONFLICT DO NOTHING")
_INSERT_EXCHANGE = _insert("exchanges", rows.EXCHANGE_COLUMNS)
_INSERT_TIMELINE = _insert("timelines", rows.TIMELINE_COLUMNS)
_INSERT_SAMPLE = _insert("samples", rows.SAMPLE_COLUMNS)


def _without_keys(exchange: Exchange) -> Exchange:
    """Error answers sometimes repeat the key they refuse."""
    raw = exchange.raw
    if raw is not None:
        hidden = hide_keys(raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        raw = hidden
    error = None if exchange.error is None else hide_keys(exchange.error)
    return replace(exchange, raw=raw, error=error, text=hide_keys(exchange.text))


def _file_at(path: Path) -> tuple[int, int] | None:
    """Which file lies there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
