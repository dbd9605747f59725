"""The steps from each version of the store to the next: the SQL of `schema.py`, and values filled in.

A step runs in one transaction and is never edited once released. So it calls nothing that the program uses
today: how scores were packed and loads were named when it was released stands here once more.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import sys
import zlib
from array import array
from collections.abc import Callable, Mapping
from typing import Any

from tiltyard.store.schema import VERSIONS

Step = Callable[[sqlite3.Connection], None]


def _create(db: sqlite3.Connection) -> None:
    """Version 1: everything."""
    _execute(db, 1)


def _graded(db: sqlite3.Connection) -> None:
    """Version 2: what a judge saw beside its verdict, and what each token might have been."""
    _execute(db, 2)


def _scored(db: sqlite3.Connection) -> None:
    """Version 3: scores with their intervals on the board, and what each item scored."""
    _execute(db, 3)
    for key, settings, text in db.execute("SELECT key, settings, summary FROM runs").fetchall():
        summary = json.loads(text) if text else {}
        if "outcomes" in summary:
            _fill_item_set(db, key, json.loads(settings))
            _fill_score(db, key, summary)
            _fill_verdicts(db, key, summary)


def _forgetful(db: sqlite3.Connection) -> None:
    """Version 4: runs that are kept, but no longer stand in for asking again."""
    _execute(db, 4)


def _loads(db: sqlite3.Connection) -> None:
    """Version 5: speed runs of different loads stand in tables of their own, as graded runs' items do."""
    _execute(db, 5)
    for key, settings in db.execute("SELECT key, settings FROM runs WHERE item_set IS NULL").fetchall():
        _fill_item_set(db, key, json.loads(settings))


def _ways(db: sqlite3.Connection) -> None:
    """Version 6: another way of asking stands in a table of its own, as another load does."""
    _execute(db, 6)
    for key, text in db.execute("SELECT key, settings FROM runs").fetchall():
        settings = json.loads(text)
        if "profile" not in settings:
            asked = _items_and_way(settings)
            db.execute("UPDATE runs SET item_set = ? WHERE key = ?", (asked, key))


def _late_prompts(db: sqlite3.Connection) -> None:
    """Version 7: prompts are indexed when somebody searches, as answers are."""
    _execute(db, 7)


MIGRATIONS: list[Step] = [_create, _graded, _scored, _forgetful, _loads, _ways, _late_prompts]

# By which columns a version is known where its number is lost; a step without any may be taken twice.
NEW_IN = (("exchanges", "raw"), ("attempts", "details"), ("runs", "item_set"), ("runs", "forgotten"))


def version_in_tables(db: sqlite3.Connection) -> int | None:
    """The version of a store without its number: 0 for an empty file, None where the tables are not ours.

    The number is no part of the tables: `sqlite3 .dump` leaves it out.
    """
    if db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
        return 0
    version = 0
    for table, column in NEW_IN:
        if column not in {row[1] for row in db.execute(f"PRAGMA table_info({table})")}:
            break
        version += 1
    return version or None


def _execute(db: sqlite3.Connection, version: int) -> None:
    for statement in statements(VERSIONS[version - 1]):
        db.execute(statement)


def statements(script: str) -> list[str]:
    """Split a script into statements, so that each runs inside the caller's transaction."""
    found, part = [], ""
    for line in script.splitlines(keepends=True):
        part += line
        if sqlite3.complete_statement(part):
            found.append(part.strip())
            part = ""
    return found


# ------------------------------------------------------------------ versions 3, 5 and 6: what a run asked

_LOADS_IN_WORDS = {
    "prompt_tokens": "{} tokens in",
    "output_tokens": "{} out",
    "cached": "cached prompts",
    "concurrency": "{} streams",
    "rate": "{} a second",
    "rates": "rates {}",
    "poisson": "at random",
    "burst": "bursts of {}",
    "ramp_to": "up to {} a second",
    "depths": "depths {}",
}


def _fill_item_set(db: sqlite3.Connection, run_key: int, settings: Mapping[str, Any]) -> None:
    items = _load_in_words(settings) if "profile" in settings else _items_asked(settings)
    db.execute("UPDATE runs SET item_set = ? WHERE key = ?", (items, run_key))


def _load_in_words(settings: Mapping[str, Any]) -> str:
    said = [str(settings["profile"])]
    for name, words in _LOADS_IN_WORDS.items():
        value = settings.get(name)
        if value is not None and value is not False:
            said.append(words.format(", ".join(map(str, value)) if isinstance(value, list) else value))
    if settings.get("prompt") is not None:
        said.append(f"a prompt of its own ({_short_hash(settings['prompt'])[:8]})")
    return ", ".join(said)


def _items_asked(settings: Mapping[str, Any]) -> str | None:
    names = ["modes", "rotations", "text_tools"]
    limit, count = settings.get("limit"), settings.get("item_count")
    if not isinstance(limit, int) or not isinstance(count, int) or limit < count:
        names += ["limit", "seed"] if limit else []
    if not settings.get("examples"):
        names.append("few_shot")
    items, part = settings.get("items"), {name: settings[name] for name in names if settings.get(name)}
    if items is None or not part:
        return None if items is None else str(items)
    return _short_hash([items, part])


def _items_and_way(settings: Mapping[str, Any]) -> str | None:
    names = ["modes", "rotations", "text_tools", "cot", "few_shot", "examples"]
    limit, count = settings.get("limit"), settings.get("item_count")
    if not isinstance(limit, int) or not isinstance(count, int) or limit < count:
        names += ["limit", "seed"] if limit else []
    items, part = settings.get("items"), {name: settings[name] for name in names if settings.get(name)}
    if settings.get("shuffle") is False:
        part["shuffle"] = False
    if (settings.get("files") or {}).get("prompt"):
        part["prompt"] = _short_hash(settings.get("prompt"))
    if items is None or not part:
        return None if items is None else str(items)
    return _short_hash([items, part])


def _short_hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# ------------------------------------------------------------------ version 3: scores and verdicts

_ANSWERS = (
    "SELECT stage, item_id, item_hash, score, max(try_no) AS newest, outcome FROM attempts "
    "WHERE run_key = ? GROUP BY stage, item_id, repetition "
    "HAVING outcome IS NOT NULL AND outcome NOT IN ('error', 'unsupported') AND score IS NOT NULL"
)


def _fill_score(db: sqlite3.Connection, run_key: int, summary: Mapping[str, Any]) -> None:
    low, high = summary.get("ci95") or (None, None)
    db.execute(
        "UPDATE runs SET score_n = ?, score_low = ?, score_high = ?, score_completed = ?, cap_hit = ?, "
        "ci_method = ?, outcomes = ? WHERE key = ?",
        (
            summary.get("n"),
            low,
            high,
            summary.get("score_completed"),
            (summary.get("cap_hit") or {}).get("value"),
            summary.get("ci_method"),
            json.dumps(summary["outcomes"]),
            run_key,
        ),
    )


def _fill_verdicts(db: sqlite3.Connection, run_key: int, summary: Mapping[str, Any]) -> None:
    stages, found = summary.get("scored_stages"), dict[int, list[float]]()
    for stage, item_id, item_hash, score, *_ in db.execute(_ANSWERS, (run_key,)):
        if stages is None or stage in stages:
            found.setdefault(_item_key(stage, item_id, item_hash), []).append(score)
    if not found:
        return
    keys = sorted(found)
    packed_keys = _little(array("q", keys))
    means = array("f", (math.fsum(found[key]) / len(found[key]) for key in keys))
    items = hashlib.blake2b(packed_keys, digest_size=12).hexdigest()
    db.execute("INSERT OR IGNORE INTO item_sets VALUES (?, ?)", (items, packed_keys))
    db.execute("INSERT INTO verdicts VALUES (?, ?, ?, ?)", (run_key, items, len(keys), _packed(means)))


def _item_key(stage: str, item_id: str, item_hash: str) -> int:
    whole, _, way = item_hash.partition("/")
    if not way:
        return _hash63(stage, item_id, item_hash)
    of_item = _hash63(stage, item_id.removesuffix(way), whole) & (1 << 44) - 1
    return _hash63(way) >> 44 << 44 | of_item


def _hash63(*words: str) -> int:
    text = "\0".join(words).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def _packed(means: array[float]) -> bytes:
    """One bit a value where all are 0 or 1, lowest first; else 32-bit floats."""
    if any(mean not in (0.0, 1.0) for mean in means):
        return b"f" + zlib.compress(_little(means), 1)
    bits = bytearray((len(means) + 7) // 8)
    for place, mean in enumerate(means):
        bits[place >> 3] |= int(mean) << (place & 7)
    return b"b" + bytes(bits)


def _little(values: array[int] | array[float]) -> bytes:
    if sys.byteorder == "little":
        return values.tobytes()
    swapped = values[:]
    swapped.byteswap()
    return swapped.tobytes()
