"""Which attempts are in a store and cannot be read back.

SQLite takes a page for sound whatever stands in it, so only making records of the rows shows that they are.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

from tiltyard.errors import StoreCorrupt
from tiltyard.records import Exchange
from tiltyard.store import rows
from tiltyard.store.connection import dicts
from tiltyard.store.requests import Texts

_EXCHANGES = (
    "SELECT * FROM exchanges LEFT JOIN timelines ON exchange_id = exchanges.id "
    "WHERE attempt_id = ? ORDER BY id"
)
_DAMAGE = (sqlite3.DatabaseError, msgspec.DecodeError, zlib.error, UnicodeDecodeError, StoreCorrupt, KeyError)


def unreadable(db: sqlite3.Connection) -> Iterator[int]:
    """The ids of attempts that cannot be made into records, with all their exchanges."""
    texts = Texts(db)
    for row in dicts(db, "SELECT * FROM attempts ORDER BY id"):
        try:
            found = dicts(db, _EXCHANGES, (row["id"],))
            rows.attempt_of("", row, tuple(_exchange(texts, each) for each in found))
        except _DAMAGE:
            yield row["id"]


def _exchange(texts: Texts, row: dict[str, Any]) -> Exchange:
    if row["arrivals"] is None:
        raise KeyError("timeline")
    request = texts.request_of(row["request_id"], row["options_id"], row["messages"], row["tails"])
    return rows.exchange_of(row, request)
