"""Rows of runs, models and servers: a model or server in exactly one state is one row, whoever used it.

Everything happens inside the caller's transaction.
"""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import UTC, datetime

from tiltyard.records import Model, Run, ServerInfo
from tiltyard.settings import hide_keys
from tiltyard.store import rows
from tiltyard.store.owner import Owner


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def insert_run(db: sqlite3.Connection, run: Run, owner: Owner | None) -> None:
    """Insert a run; with the process that works on it, where there is one."""
    values = {
        "id": run.id,
        "suite": run.suite,
        "suite_version": run.suite_version,
        "model_id": identity(db, "models", run.model),
        "server_id": identity(db, "servers", run.server),
        "settings": hide_keys(rows.to_json(run.settings)),
        "fingerprint": run.fingerprint,
        "command": hide_keys(rows.clean(run.command)),
        "state": run.state,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "machine": rows.to_json(run.machine),
        "calibration": None if run.calibration is None else rows.to_json(run.calibration),
        "notes": rows.to_json(run.notes),
        "summary": None if run.summary is None else rows.to_json(run.summary),
    }
    if owner is not None:
        values.update(
            owner_pid=owner.pid, owner_started=owner.started, owner_host=owner.host, active_at=utc_now()
        )
    marks = ", ".join("?" * len(values))
    db.execute(f"INSERT INTO runs ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))


def identity(db: sqlite3.Connection, table: str, record: Model | ServerInfo) -> int:
    """The id of a model or server in exactly this state."""
    row = rows.struct_row(record)
    state = hashlib.sha256(rows.to_json(row).encode()).hexdigest()[:32]
    found = db.execute(f"SELECT id FROM {table} WHERE identity = ?", (state,)).fetchone()
    if found is None:
        names = ", ".join(rows.KEPT[type(record)])
        marks = ", ".join("?" * (len(row) + 1))
        cursor = db.execute(f"INSERT INTO {table} (identity, {names}) VALUES ({marks})", (state, *row))
        found = (cursor.lastrowid,)
    return int(found[0])
