"""Who works on a run: the claim on a new one or an earlier one's rest, what it owes, what a killed one left.

While a sitting is under way, and after it was killed, the summary in the store is that of the sitting before.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from tiltyard.errors import StoreLocked
from tiltyard.records import Json, Record, Run
from tiltyard.store import rows
from tiltyard.store.connection import dicts
from tiltyard.store.owner import alive, this_process
from tiltyard.store.run_list import newest_row, owner_of
from tiltyard.store.run_rows import insert_run, utc_now

NEWEST_TRY = (
    "NOT EXISTS (SELECT 1 FROM attempts AS later WHERE later.run_key = attempts.run_key "
    "AND later.stage = attempts.stage AND later.item_id = attempts.item_id "
    "AND later.repetition = attempts.repetition AND later.try_no > attempts.try_no)"
)
PUT_BACK = (
    "UPDATE runs SET state = 'finished', ended_at = ?, owner_pid = NULL, owner_started = NULL, "
    "owner_host = NULL WHERE key = ?"
)
KILLED = (
    "failures were asked again until that was killed: what came of it is not in these figures; "
    "the same command asks the rest, and counts all"
)


class Claim(Record, frozen=True):
    """What `Store.claim` gives: the run to work on, or one that needs no more work."""

    run: Run
    resumed: bool = False  # an earlier sitting's attempts are there
    finished: bool = False  # nothing to do: `run.summary` is the answer
    session: int = 1  # number of this sitting


def claimed(db: sqlite3.Connection, run: Run, fresh: bool) -> Claim:
    """See `Store.claim`; inside the caller's transaction."""
    newest = None if fresh else newest_row(db, run.fingerprint)
    if newest is None or (newest["state"] == "finished" and unanswered(db, newest["key"])):
        insert_run(db, run, this_process())
        return Claim(run=run)
    earlier = rows.run_of(newest)
    if earlier.state == "running" and alive(owner_of(newest), newest["active_at"]):
        raise StoreLocked(
            f"run {earlier.id} is under way, process {newest['owner_pid']} on {newest['owner_host']}",
            "wait for it to end, or start another beside it with --fresh",
        )
    if earlier.state == "finished" and not owes(db, newest["key"], earlier.summary):
        return Claim(run=earlier, finished=True, session=newest["sessions"])
    session = newest["sessions"] + 1
    me = this_process()
    db.execute(
        "UPDATE runs SET state = 'running', ended_at = NULL, sessions = ?, owner_pid = ?, "
        "owner_started = ?, owner_host = ?, active_at = ? WHERE key = ?",
        (session, *me, utc_now(), newest["key"]),
    )
    return Claim(run=replace(earlier, state="running", ended_at=None), resumed=True, session=session)


def owes(db: sqlite3.Connection, key: int, summary: Mapping[str, Json] | None) -> bool:
    """Are there failures to be asked again, or answers that no summary counts? Of what nobody grades the
    run itself has counted its failures: most are results of its load.
    """
    if summary and (summary.get("owed") or KILLED in summary.get("notes", ())):
        return True
    graded = "failed_outside AND outcome IS NOT NULL"
    sql = f"SELECT 1 FROM attempts WHERE run_key = ? AND {graded} AND {NEWEST_TRY} LIMIT 1"
    return db.execute(sql, (key,)).fetchone() is not None


def unanswered(db: sqlite3.Connection, key: int) -> bool:
    """Did every attempt fail for outside reasons, of a run that nobody grades?"""
    sql = "SELECT max(NOT failed_outside OR outcome IS NOT NULL) FROM attempts WHERE run_key = ?"
    return bool(db.execute(sql, (key,)).fetchone()[0] == 0)


def has_failures(db: sqlite3.Connection, key: int) -> bool:
    """Would the same command ask some of its items again, which failed for outside reasons?"""
    (text,) = db.execute("SELECT summary FROM runs WHERE key = ?", (key,)).fetchone()
    return owes(db, key, json.loads(text) if text else None) or unanswered(db, key)


def killed_while_finished(db: sqlite3.Connection) -> list[dict[str, Any]]:
    """Runs that were finished before a process asked their failures again, and was killed."""
    wanted = "SELECT key, active_at, owner_pid, owner_started, owner_host, notes, summary FROM runs "
    found = dicts(db, wanted + "WHERE state = 'running' AND summary IS NOT NULL")
    return [
        row
        for row in found
        if json.loads(row["summary"]).get("state") == "finished"
        and not alive(owner_of(row), row["active_at"])
    ]


def put_back_killed(db: sqlite3.Connection) -> None:
    """They are finished still, with the summary that they had, and a note; inside a transaction."""
    for row in killed_while_finished(db):
        summary, notes = json.loads(row["summary"]), json.loads(row["notes"])
        summary["notes"] = [*dict.fromkeys((*summary.get("notes", ()), KILLED))]
        kept = rows.to_json(summary), rows.to_json([*dict.fromkeys((*notes, KILLED))]), row["key"]
        db.execute("UPDATE runs SET summary = ?, notes = ? WHERE key = ?", kept)
        db.execute(PUT_BACK, (row["active_at"], row["key"]))


class SoFar(Record, frozen=True):
    """What a run that has no summary yet has come to. `outcomes`: None stands for what nobody grades."""

    outcomes: Mapping[str | None, int]
    failed: int  # requests that did not end well
    retries: int
    mean_e2e_ms: float | None


def so_far(db: sqlite3.Connection, key: int) -> SoFar:
    """Counted over the newest try of each item."""
    where = f"FROM attempts WHERE run_key = ? AND {NEWEST_TRY}"
    outcomes = dict(db.execute(f"SELECT outcome, count(*) {where} GROUP BY outcome", (key,)).fetchall())
    failed, retries, e2e = db.execute(
        f"SELECT total(ending IS NOT 'ok'), total(try_no - 1), avg(e2e_ms) {where}", (key,)
    ).fetchone()
    return SoFar(outcomes=outcomes, failed=int(failed), retries=int(retries), mean_e2e_ms=e2e)
