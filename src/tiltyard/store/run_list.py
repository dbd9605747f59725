"""Which runs there are: by name, by filter, newest first, each as it is now.

The newest is the one that was taken into this store last, whatever the clock said: one that was ahead and has
been set right must not make an old run the latest. Only what was measured elsewhere goes by its own time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tiltyard.errors import UsageError
from tiltyard.records import Json, Record, Run, RunState
from tiltyard.stats.machines import as_known, hardware
from tiltyard.store import rows
from tiltyard.store.connection import damaged, dicts
from tiltyard.store.owner import Owner, alive

_RUN = (
    "SELECT runs.*, "
    + ", ".join(f"models.{name} AS m_{name}" for name in rows.MODEL_FIELDS)
    + ", "
    + ", ".join(f"servers.{name} AS s_{name}" for name in rows.SERVER_FIELDS)
    + " FROM runs JOIN models ON models.id = model_id JOIN servers ON servers.id = server_id "
)
# How old each run is: one of this store (it was active here) is no older than any that it took before.
AGES = (
    "(SELECT key AS aged, CASE WHEN active_at IS NULL THEN started_at ELSE "
    "max(CASE WHEN active_at IS NOT NULL THEN started_at END) OVER (ORDER BY key) END AS since FROM runs)"
)
_NEWEST_FIRST = f"JOIN {AGES} ON aged = runs.key {{where}} ORDER BY since DESC, runs.key DESC "
_LIST = ("runs", "models", "servers")


class RunFilter(Record, frozen=True):
    """Which runs. None: any."""

    suite: str | None = None
    model: str | None = None  # part of the name, any case
    state: RunState | None = None
    search: str | None = None  # words in the model, the prompts or the answers
    limit: int | None = None


def named(db: sqlite3.Connection, name: str) -> Run:
    """A run by its id, the beginning of one, or `latest`; UsageError when none or several match."""
    if name == "latest":
        found = list(dicts(db, _RUN + _NEWEST_FIRST.format(where="") + "LIMIT 1"))
    else:
        beginning = "WHERE substr(runs.id, 1, length(?1)) = ?1 ORDER BY key DESC LIMIT 9"
        found = list(dicts(db, _RUN + "WHERE runs.id = ?", (name,)))
        found = found or list(dicts(db, _RUN + beginning, (name,)))
    if not found or not name:
        raise no_run(db, name)
    if len(found) > 1:
        names = ", ".join(row["id"] for row in found[:5])
        raise UsageError(f"{name!r} begins several run ids: {names}", "write more of it")
    return run_now(found[0])


def listed(db: sqlite3.Connection, wanted: RunFilter, keys: Collection[int] | None) -> list[Run]:
    """Runs, newest first; `keys`: only some of these, where there was a search."""
    parts: list[tuple[str, Sequence[Any]]] = []
    if wanted.suite:
        parts.append(("suite = ?", (wanted.suite,)))
    if wanted.state:
        stored = ("running", "interrupted") if wanted.state == "interrupted" else (wanted.state,)
        parts.append((f"state IN ({', '.join('?' * len(stored))})", stored))
    if wanted.model:
        parts.append(("instr(lower(models.name), lower(?))", (rows.clean(wanted.model),)))
    if keys is not None:
        parts.append((f"runs.key IN ({', '.join(map(str, keys))})", ()))
    where = " AND ".join(part for part, _ in parts)
    sql = _RUN + _NEWEST_FIRST.format(where=f"WHERE {where}" if where else "")
    values = [value for _, bound in parts for value in bound]
    if wanted.limit is not None and wanted.state not in ("running", "interrupted"):
        sql, values = sql + "LIMIT ?", [*values, wanted.limit]
    found = [run_now(row) for row in dicts(db, sql, values)]
    if not found:
        look_whole(db)
    return [run for run in found if wanted.state in (None, run.state)][: wanted.limit]


def every(db: sqlite3.Connection) -> Iterator[Run]:
    """One after the other, in no order."""
    return map(rows.run_of, dicts(db, _RUN))


def beside(db: sqlite3.Connection, run: Run, before: Mapping[str, str]) -> dict[str, str]:
    """Ids of other runs of this machine that are at work, or have been since: they are new, or were last
    active at another time than `before` says. With what they share: the "server", or, both being here, the
    "machine".

    Times are only told apart: a clock that is set makes none of them earlier or later.
    """
    active = "SELECT id, active_at FROM runs WHERE active_at IS NOT NULL AND id != ?"
    since = {name for name, at in db.execute(active, (run.id,)) if at != before.get(name)}
    running = db.execute("SELECT id FROM runs WHERE state = 'running' AND id != ?", (run.id,))
    found = {}
    for name in since.union(name for (name,) in running):
        there = dicts(db, _RUN + "WHERE runs.id = ?", (name,))  # none where it was just deleted
        for other in map(run_now, there):
            shared = "server" if other.server.url == run.server.url else "machine"
            near = shared == "server" or (other.server.local and run.server.local)
            if near and (other.state == "running" or name in since):
                found[name] = shared
    return found


def newest_row(db: sqlite3.Connection, fingerprint: str) -> dict[str, Any] | None:
    """The newest run of a fingerprint that may stand in for asking again, with its owner."""
    newest = _NEWEST_FIRST.format(where="WHERE fingerprint = ? AND NOT forgotten")
    return next(dicts(db, _RUN + newest + "LIMIT 1", (fingerprint,)), None)


def known_as(db: sqlite3.Connection, machine: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    """The machine as each of the memory sizes that runs of it are filed under, the one last used first."""
    found = list[Mapping[str, Json]]()
    for (text,) in db.execute("SELECT machine FROM runs GROUP BY machine ORDER BY max(key) DESC"):
        known = as_known(machine, rows.from_json(text, dict[str, Any]) or {})
        if known is not None and hardware(known) not in map(hardware, found):
            found.append(known)
    return found or [machine]


def owner_of(row: Mapping[str, Any]) -> Owner:
    return Owner(row["owner_pid"] or 0, row["owner_started"] or 0.0, row["owner_host"] or "")


def run_now(row: Mapping[str, Any]) -> Run:
    """A run as it is now: one whose process was killed could not say so itself. Once a sitting has begun, the
    summary of the one before tells of less than there is, and is none.
    """
    run = rows.run_of(row)
    if run.state != "running":
        return run
    state: RunState = "running" if alive(owner_of(row), row["active_at"]) else "interrupted"
    return replace(run, state=state, summary=None)


def no_run(db: sqlite3.Connection, name: str) -> UsageError:
    look_whole(db)
    return UsageError(f"no run {name!r} in the store", "`tiltyard runs` lists them")


def look_whole(db: sqlite3.Connection) -> None:
    """Raise StoreCorrupt where the list of runs is damaged: what was not found there may be lost.

    Of the whole file these are the small tables, so that a name that was mistyped costs no time.
    """
    sound = all(db.execute(f"PRAGMA integrity_check({table})").fetchone() == ("ok",) for table in _LIST)
    if not sound or db.execute("PRAGMA foreign_key_check(runs)").fetchone() is not None:
        (_, _, path) = db.execute("PRAGMA database_list").fetchone()
        raise damaged(Path(path), "its list of runs is not as it was written")
