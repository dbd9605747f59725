"""Whether a store is whole, and which attempts in it cannot be read back.

SQLite takes a page for sound whatever stands in it, so only making records of the rows shows that they are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from tiltyard.errors import StoreCorrupt
from tiltyard.records import Exchange
from tiltyard.store import rows
from tiltyard.store.connection import STUMBLES, dicts
from tiltyard.store.requests import Texts
from tiltyard.store.run_list import every
from tiltyard.store.search import index_some
from tiltyard.store.verdicts import scores_of

# Parents first. Figures are made again from the summaries, the search index from the texts.
TABLES = (
    "models",
    "servers",
    "texts",
    "prompts",
    "runs",
    "attempts",
    "exchanges",
    "timelines",
    "samples",
    "calibrations",
)
_EXCHANGES = (
    "SELECT * FROM exchanges LEFT JOIN timelines ON exchange_id = exchanges.id "
    "WHERE attempt_id = ? ORDER BY id"
)
_INDEXES = ("models_fts", "prompts_fts", "answers_fts")


def check(db: sqlite3.Connection, thorough: bool) -> bool:
    """Is every page sound, and can every run, with `thorough` everything, be read back?

    StoreCorrupt or one of STUMBLES says that something cannot.
    """
    pages = "integrity_check" if thorough else "quick_check"
    there = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    sound = db.execute(f"PRAGMA {pages}(1)").fetchone() == ("ok",) and there.issuperset(TABLES)
    for _ in every(db):
        pass
    if sound and thorough:
        sound = db.execute("PRAGMA foreign_key_check").fetchone() is None and not any(unreadable(db))
        _check_scores(db)
        _check_indexes(db)
    return sound


def _check_scores(db: sqlite3.Connection) -> None:
    for (outcomes,) in db.execute("SELECT outcomes FROM runs"):
        rows.from_json(outcomes, dict[str, Any])
    for (key,) in db.execute("SELECT run_key FROM verdicts").fetchall():
        scores_of(db, key)


def _check_indexes(db: sqlite3.Connection) -> None:
    """What the search goes by; SQLite asks for this as an insertion, of which nothing stays. Where nothing
    can be written, it is not looked at.
    """
    if db.execute("PRAGMA query_only").fetchone() == (1,):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        while index_some(db):  # until then they lack some
            pass
        for index in _INDEXES:
            db.execute(f"INSERT INTO {index}({index}, rank) VALUES ('integrity-check', 1)")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def unreadable(db: sqlite3.Connection) -> Iterator[int]:
    """The ids of attempts that cannot be made into records, with all their exchanges."""
    texts = Texts(db)
    for row in dicts(db, "SELECT * FROM attempts ORDER BY id"):
        try:
            found = dicts(db, _EXCHANGES, (row["id"],))
            rows.attempt_of("", row, tuple(_exchange(texts, each) for each in found))
        except (StoreCorrupt, *STUMBLES):
            yield row["id"]


def _exchange(texts: Texts, row: dict[str, Any]) -> Exchange:
    if row["arrivals"] is None:
        raise KeyError("timeline")
    request = texts.request_of(row["request_id"], row["options_id"], row["messages"], row["tails"])
    return rows.exchange_of(row, request)
