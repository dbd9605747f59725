"""Stores of every released version become today's, and what a released step does never changes."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.store.conftest import make_attempt, make_run
from tiltyard.errors import StoreError
from tiltyard.records import Measures
from tiltyard.stats.pairing import Scores, item_set
from tiltyard.store.connection import connect
from tiltyard.store.migrations import MIGRATIONS
from tiltyard.store.schema import VERSIONS
from tiltyard.store.store import Store

RELEASED = (  # SHA-256 of each version's SQL, its first 16 digits; a new version is a new line
    "2f6aec694b1f4f71",
    "03b0e582089405d4",
    "64df52393ad769e1",
    "e5cc29206181f5c9",
    "e3b0c44298fc1c14",
    "e3b0c44298fc1c14",
    "4d1a38eb0bf62e52",
)
OF_ATTEMPTS = (  # what else `attempts` holds
    *("id", "run_key", "stage", "item_id", "item_hash", "repetition", "try_no", "session", "started_at"),
    *("client_bound", "ending", "failed_outside", "outcome", "score", "points", "reasons", "rule", "details"),
)


def test_the_sql_of_a_released_version_is_never_edited() -> None:
    found = tuple(hashlib.sha256(script.encode()).hexdigest()[:16] for script in VERSIONS)
    assert len(MIGRATIONS) == len(VERSIONS)
    assert found == RELEASED, (
        "a released script in store/schema.py was edited, which no store out there will see: take it back, "
        "and add a script and a step of its own; a new script's hash becomes a new line of RELEASED"
    )


def schema_of(path: Path) -> dict[str, Any]:
    """Everything that was made in a store, and the columns of each table."""
    with closing(connect(path)) as db:
        made = db.execute("SELECT name, type, tbl_name, sql FROM sqlite_master").fetchall()
        columns = {name: db.execute(f"PRAGMA table_info({name})").fetchall() for name, *_ in made}
    return {"made": sorted(made), "columns": columns}


def test_a_migrated_store_has_the_tables_of_a_fresh_one(tmp_path: Path) -> None:
    fresh = schema_of(tmp_path / "fresh.sqlite3")
    for version in range(1, len(MIGRATIONS)):
        old = tmp_path / f"v{version}.sqlite3"
        connect(old, migrations=MIGRATIONS[:version]).close()
        assert schema_of(old) == fresh


@pytest.mark.parametrize("number", [0, -3])
def test_a_store_that_lost_its_number_is_known_by_its_columns(tmp_path: Path, number: int) -> None:
    """As after `sqlite3 .dump | sqlite3`, or where the header is damaged. A new version needs a place in
    `NEW_IN`, or a step that may be taken twice.
    """
    fresh = schema_of(tmp_path / "fresh.sqlite3")
    for version in range(1, len(MIGRATIONS) + 1):
        old = tmp_path / f"v{version}.sqlite3"
        connect(old, migrations=MIGRATIONS[:version]).close()
        with closing(sqlite3.connect(old)) as db, db:
            db.execute(f"PRAGMA user_version = {number}")
        assert schema_of(old) == fresh
        with closing(sqlite3.connect(old)) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


def test_nothing_is_lost_with_the_number(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    with Store.open(path) as store:
        store.claim(make_run())
        store.add([make_attempt(repetition=number) for number in range(3)])
        store.finish("r1", "finished", {"decode_tps": {"n": 3, "mean": 5.0}})
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA user_version = 0")
    with Store.open(path) as store:
        assert len(store.attempts("r1", with_exchanges=True)) == 3
        assert len(store.board()) == 1


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE models (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="holds other tables") as caught:
        Store.open(path)
    assert "TILTYARD_DATA_DIR" in caught.value.remedy
    assert path.read_bytes() == before


def test_every_measure_has_a_column(tmp_path: Path) -> None:
    columns = {row[1] for row in schema_of(tmp_path / "fresh.sqlite3")["columns"]["attempts"]}
    lacking = set(Measures.__struct_fields__) - columns
    assert not lacking, (
        f"no column of `attempts` holds {', '.join(sorted(lacking))} of records.Measures: add a script with "
        "ALTER TABLE attempts ADD COLUMN to VERSIONS in store/schema.py, and a step to MIGRATIONS"
    )
    unread = columns - set(Measures.__struct_fields__) - set(OF_ATTEMPTS)
    assert not unread, f"nobody reads the columns {', '.join(sorted(unread))} of `attempts`"


def insert(db: sqlite3.Connection, table: str, **values: Any) -> None:
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))


def add_run(
    db: sqlite3.Connection, key: int, settings: Mapping[str, Any], summary: Mapping[str, Any] | None
) -> None:
    insert(
        db, "runs", key=key, id=f"r{key}", suite="mcq", suite_version="1", model_id=1, server_id=1,
        settings=json.dumps(settings), fingerprint=f"f{key}", command="tiltyard run", state="finished",
        started_at="2026-01-02T03:04:05.678+00:00", machine="{}", notes="[]",
        summary=None if summary is None else json.dumps(summary),
    )  # fmt: skip


def add_answer(db: sqlite3.Connection, run_key: int, item: str, score: float, **changes: Any) -> None:
    values = {
        "stage": "mcq", "item_id": item, "item_hash": f"h{item}", "repetition": 0, "try_no": 1, "session": 1,
        "started_at": "2026-01-02T03:04:06.000+00:00", "client_bound": 0, "failed_outside": 0,
        "outcome": "partial", "score": score, "ttft_ms": 12.5, "prefill_kind": "cold", **changes,
    }  # fmt: skip
    insert(db, "attempts", run_key=run_key, **values)


GRADED = {
    "outcomes": {"correct": 2, "wrong": 1}, "n": 3, "ci95": [0.25, 0.75], "ci_method": "wilson",
    "score_completed": 0.5, "cap_hit": {"value": 0.125},
}  # fmt: skip

KEY_A, *KEYS_B_C = 2728551384055704264, 7246288232892237655, 7837830291498574536


def store_of_version_one(path: Path) -> None:
    with closing(connect(path, migrations=MIGRATIONS[:1])) as db:
        insert(db, "models", id=1, identity="m", name="qwen", remote=0, notes="[]")
        server = {"dialect": "ollama", "url": "http://h", "loaded": "[]", "local": 1, "notes": "[]"}
        insert(db, "servers", id=1, identity="s", **server)
        add_run(db, 1, {"items": "set1", "limit": 10, "item_count": 10}, {**GRADED, "scored_stages": ["mcq"]})
        add_answer(db, 1, "a", 1.0, outcome="correct")
        add_answer(db, 1, "b", 0.0, outcome="error")
        add_answer(db, 1, "b", 0.0, outcome="wrong", try_no=2)
        add_answer(db, 1, "c json_schema", 1.0, outcome="correct", item_hash="hc/json_schema")
        add_answer(db, 1, "d", 1.0, outcome="correct", stage="another")
        add_answer(db, 1, "e", 0.0, outcome="unsupported")
        add_run(db, 2, {"items": "set1", "limit": 2, "item_count": 10, "seed": 7, "modes": ["x"]}, GRADED)
        add_answer(db, 2, "a", 0.25)
        add_answer(db, 2, "a", 1.0, repetition=1)
        speed = {
            "profile": "fixed",
            "prompt_tokens": 32,
            "depths": [0, 512],
            "poisson": True,
            "prompt": "Say.",
        }
        add_run(db, 3, speed, {"decode_tps": {"n": 2, "mean": 5.0}})
        add_run(db, 4, {"items": "set1"}, None)
        add_run(db, 5, {}, None)


def test_other_ways_of_asking_of_version_five_get_sets_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    plain = {"items": "set1", "shuffle": True, "cot": False}
    settings = [
        plain,
        plain | {"cot": True},
        plain | {"shuffle": False},
        plain | {"few_shot": 3, "examples": "9f"},
        plain | {"prompt": "Say {question}", "files": {"prompt": "own.txt"}},
        {"profile": "fixed", "prompt_tokens": 32},
    ]
    with closing(connect(path, migrations=MIGRATIONS[:5])) as db:
        insert(db, "models", id=1, identity="m", name="qwen", remote=0, notes="[]")
        server = {"dialect": "ollama", "url": "http://h", "loaded": "[]", "local": 1, "notes": "[]"}
        insert(db, "servers", id=1, identity="s", **server)
        for key, each in enumerate(settings, 1):
            add_run(db, key, each, None)
            db.execute("UPDATE runs SET item_set = 'fixed, 32 tokens in' WHERE key = ?", (key,))
    with closing(connect(path)) as db:
        found = [row[0] for row in db.execute("SELECT item_set FROM runs ORDER BY key")]
    assert found == [item_set(each) for each in settings]
    assert len(set(found)) == len(settings)


def test_a_store_of_version_one_goes_through_all_versions(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    store_of_version_one(path)
    with closing(connect(path)) as db:
        columns = "item_set, score_n, score_low, score_high, score_completed, cap_hit, ci_method, outcomes"
        found = db.execute(f"SELECT {columns}, forgotten FROM runs ORDER BY key").fetchall()
        verdicts = db.execute(
            "SELECT run_key, n, items, keys, scores FROM verdicts JOIN item_sets ON hash = items ORDER BY 1"
        ).fetchall()
    scored = (3, 0.25, 0.75, 0.5, 0.125, "wilson", '{"correct": 2, "wrong": 1}', 0)
    assert found == [
        ("set1", *scored),
        ("9274c2324ed32f4f", *scored),
        ("fixed, 32 tokens in, at random, depths 0, 512, a prompt of its own (ce0f8766)", *(None,) * 7, 0),
        ("set1", *(None,) * 7, 0),
        (None, *(None,) * 7, 0),
    ]
    read = [(*row[:3], Scores.unpacked(*row[3:])) for row in verdicts]
    assert [(key, n, items, list(own.keys), list(own.values)) for key, n, items, own in read] == [
        (1, 3, "487188b08e2cf77108ed42d2", [KEY_A, *KEYS_B_C], [1.0, 0.0, 1.0]),
        (2, 1, "af02b512c1af38ac81b33c64", [KEY_A], [0.625]),
    ]
    with Store.open(path) as store:
        assert [run.id for run in store.runs()] == ["r5", "r4", "r3", "r2", "r1"]
        assert [attempt.measures.ttft_ms for attempt in store.attempts("r2")] == [12.5, 12.5]
        store.claim(make_run("new"))
        assert store.add([make_attempt("new")]) == 1
        assert store.attempts("new", with_exchanges=True) == [make_attempt("new")]
    assert (tmp_path / "s.v1.backup.sqlite3").is_file()
