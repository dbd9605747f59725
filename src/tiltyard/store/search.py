"""Finds runs and answers by words: models by any part of a name, prompts and answers by whole words.

User text is always quoted as an FTS5 phrase, so no character in it is syntax. Prompts and answers are indexed
here, before somebody searches (`index_some`), and not while a run is being measured.
"""

from __future__ import annotations

import sqlite3
import unicodedata

from tiltyard.records import Record
from tiltyard.store.rows import clean

_PROMPTS, _ANSWERS = 100, 500  # indexed at a time
_LACKS = (
    "SELECT EXISTS (SELECT 1 FROM prompts_new) OR "
    "coalesce((SELECT indexed_to FROM search_state), -1) < (SELECT coalesce(max(id), 0) FROM exchanges)"
)


class Found(Record, frozen=True):
    """An answer in which the words stand. `snippet` marks them with [ ]."""

    run_id: str
    model: str
    stage: str
    item_id: str
    repetition: int
    snippet: str


def phrase(text: str) -> str:
    """User text as one FTS5 phrase; its last word may be the beginning of one."""
    return '"' + _plain(text).replace('"', '""') + '" *'


def _plain(text: str) -> str:
    return clean(text).replace("\0", " ").strip()


def _has_word(text: str) -> bool:
    """Would the word tokenizer find anything in it? A phrase without a word matches nothing."""
    return any(
        unicodedata.category(letter)[0] in "LN" or unicodedata.category(letter) == "Co" for letter in text
    )


def lacks_some(db: sqlite3.Connection) -> bool:
    """Is there anything that `index_some` would do?"""
    (lacks,) = db.execute(_LACKS).fetchone()
    return bool(lacks)


def index_some(db: sqlite3.Connection) -> bool:
    """Bring the indexes of prompts and answers a portion further, inside the caller's transaction; False
    where nothing was left to do.
    """
    return _index_prompts(db) or _index_answers(db)


def _index_prompts(db: sqlite3.Connection) -> bool:
    new = db.execute("SELECT item_hash FROM prompts_new LIMIT ?", (_PROMPTS,)).fetchall()
    add = "INSERT INTO prompts_fts(rowid, text) SELECT rowid, text FROM prompts WHERE item_hash = ?"
    db.executemany(add, new)
    db.executemany("DELETE FROM prompts_new WHERE item_hash = ?", new)
    return bool(new)


def _index_answers(db: sqlite3.Connection) -> bool:
    (start,) = db.execute("SELECT indexed_to FROM search_state").fetchone()
    (end,) = db.execute("SELECT coalesce(max(id), 0) FROM exchanges").fetchone()
    if end <= start:
        return False
    reached = min(start + _ANSWERS, end)
    db.execute(
        "INSERT INTO answers_fts(rowid, text, reasoning) "
        "SELECT id, text, reasoning FROM exchanges WHERE id > ? AND id <= ?",
        (start, reached),
    )
    db.execute("UPDATE search_state SET indexed_to = ?", (reached,))
    return True


def index_prompts_anew(db: sqlite3.Connection) -> None:
    """Their rows have other numbers than before, as after a dump that was read back."""
    db.execute("INSERT INTO prompts_fts(prompts_fts) VALUES ('rebuild')")
    db.execute("DELETE FROM prompts_new")


def runs_matching(db: sqlite3.Connection, text: str) -> list[int]:
    """Keys of the runs whose model, prompts or answers hold the text, as far as those are indexed."""
    plain = _plain(text)
    found: set[int] = set()
    if len(plain) >= 3:
        by_model = (
            "SELECT key FROM runs WHERE model_id IN (SELECT rowid FROM models_fts WHERE models_fts MATCH ?)"
        )
        found.update(row[0] for row in db.execute(by_model, ('"' + plain.replace('"', '""') + '"',)))
    else:  # shorter than the index's unit
        by_name = (
            "SELECT key FROM runs JOIN models ON models.id = model_id WHERE instr(lower(name), lower(?))"
        )
        found.update(row[0] for row in db.execute(by_name, (plain,)))
    if _has_word(plain):
        by_prompt = (
            "SELECT DISTINCT run_key FROM attempts WHERE item_hash IN (SELECT item_hash FROM prompts "
            "WHERE rowid IN (SELECT rowid FROM prompts_fts WHERE prompts_fts MATCH ?))"
        )
        by_answer = (
            "SELECT DISTINCT run_key FROM answers_fts JOIN exchanges ON exchanges.id = answers_fts.rowid "
            "JOIN attempts ON attempts.id = attempt_id WHERE answers_fts MATCH ?"
        )
        for sql in (by_prompt, by_answer):
            found.update(row[0] for row in db.execute(sql, (phrase(plain),)))
    return sorted(found)


def attempts_matching(db: sqlite3.Connection, text: str, limit: int) -> list[Found]:
    """Indexed answers in which the text stands, best first."""
    if not _has_word(_plain(text)):
        return []
    sql = (
        "SELECT runs.id, models.name, stage, item_id, repetition, "
        "snippet(answers_fts, -1, '[', ']', '...', 16) "
        "FROM answers_fts JOIN exchanges ON exchanges.id = answers_fts.rowid "
        "JOIN attempts ON attempts.id = attempt_id JOIN runs ON runs.key = run_key "
        "JOIN models ON models.id = model_id WHERE answers_fts MATCH ? ORDER BY bm25(answers_fts) LIMIT ?"
    )
    names = Found.__struct_fields__
    return [Found(**dict(zip(names, row, strict=True))) for row in db.execute(sql, (phrase(text), limit))]
