"""Damage inside a page that SQLite takes for sound: it is said, and what is around it is saved."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.store.conftest import make_attempt, make_exchange, make_run
from tiltyard.errors import StoreCorrupt
from tiltyard.store.recover import Recovered, recover
from tiltyard.store.store import Store

ATTEMPTS = 12
SUMMARY = {
    "requests": {"total": ATTEMPTS, "ok": ATTEMPTS, "failed": 0},
    "decode_tps": {"n": ATTEMPTS, "mean": 50.0},
    "stages": [{"name": f"stage-{number:04}"} for number in range(1200)],  # several pages of its own
}
NOISE = random.Random(3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed store of two finished runs; the summary of `r1` and one of its answers are long."""
    path = tmp_path / "s.sqlite3"
    with Store.open(path) as store:
        for name, summary in (("r1", SUMMARY), ("r2", {**SUMMARY, "stages": []})):
            store.claim(make_run(name))
            words = make_exchange(3, text=" ".join(f"{name}-word-{number:05}" for number in range(2000)))
            store.add([make_attempt(name, 0, exchanges=(words,))])
            store.add([make_attempt(name, number) for number in range(1, ATTEMPTS)])
            store.finish(name, "finished", summary)
        with store.reading() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return path


def page_size(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[16:18], "big")


def overwrite(path: Path, start: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(data)


def page_of(path: Path, words: bytes) -> int:
    """Where the page begins that holds these words."""
    size = page_size(path)
    return path.read_bytes().index(words) // size * size


def noise(path: Path, words: bytes) -> None:
    """Over a page, but for the number of the one that follows it."""
    overwrite(path, page_of(path, words) + 4, NOISE.randbytes(page_size(path) - 4))


def zeros(path: Path, words: bytes) -> None:
    overwrite(path, page_of(path, words), bytes(page_size(path)))


def quotes(path: Path, words: bytes) -> None:
    """It is text still, and no JSON."""
    overwrite(path, page_of(path, words) + 4, b'"' * (page_size(path) - 4))


def says_damaged(read: Callable[[], object]) -> None:
    with pytest.raises(StoreCorrupt, match="damaged") as caught:
        read()
    assert "runs --recover" in caught.value.remedy
    assert len(str(caught.value)) < 400  # not with all that is in the page


def saved(path: Path) -> Recovered:
    """What recovery saves; the store is whole afterwards."""
    found = recover(path)
    with Store.open(path) as store:
        with store.reading() as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert store.whole()
        assert store.whole(thorough=True)
    return found


@pytest.mark.parametrize("damage", [noise, zeros, quotes])
def test_a_run_whose_summary_is_damaged_keeps_its_attempts_and_is_resumed(
    path: Path, damage: Callable[[Path, bytes], None]
) -> None:
    damage(path, b"stage-0600")
    with Store.open(path) as store:
        says_damaged(lambda: store.run("r1"))
        says_damaged(store.runs)
        says_damaged(lambda: store.claim(make_run("r3", fingerprint="fr1")))
        assert not store.whole()
    found = saved(path)
    assert (found.rows["runs"], found.rows["attempts"]) == (2, 2 * ATTEMPTS)
    assert found.set_back == ("r1",)
    with Store.open(path) as store:
        r1, r2 = store.run("r1"), store.run("r2")
        assert (r1.state, r1.summary) == ("interrupted", None)
        assert (r1.settings, r1.fingerprint) == (make_run().settings, "fr1")
        assert "summary" in r1.notes[0]
        assert (r2.state, r2.summary) == ("finished", {**SUMMARY, "stages": []})
        claim = store.claim(make_run("r3", fingerprint="fr1"))
        assert (claim.run.id, claim.resumed, claim.session) == ("r1", True, 2)
        assert len(store.done("r1")) == ATTEMPTS
        store.finish("r1", "finished", SUMMARY)
        assert store.run("latest").id == "r2"  # r1 is still the older of the two


def test_a_damaged_index_loses_nothing(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        (root,) = db.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_runs_1'"
        ).fetchone()
    overwrite(path, (root - 1) * page_size(path), NOISE.randbytes(page_size(path)))
    found = saved(path)
    assert (found.rows["runs"], found.rows["attempts"], found.set_back) == (2, 2 * ATTEMPTS, ())


def test_an_answer_that_cannot_be_read_is_said_and_given_up(path: Path) -> None:
    noise(path, b"r1-word-01000")
    with Store.open(path) as store:
        says_damaged(lambda: store.attempt("r1", 1))
        assert store.whole()  # what lists and figures need
        assert not store.whole(thorough=True)
    found = saved(path)
    assert (found.rows["runs"], found.rows["attempts"]) == (2, 2 * ATTEMPTS - 1)
    assert found.set_back == ("r1",)


def test_a_store_that_is_whole_is_so_to_the_last_answer(path: Path) -> None:
    with Store.open(path) as store:
        assert store.whole(thorough=True)


TEXTS = [  # in the list of tables: a word, and what stands there instead, of the same length
    (b"logprobs TEXT", b"logpr\xbcbs TEXT"),  # a column's name, no text any more
    (b"logprobs TEXT", b"logprxbs TEXT"),  # and text still
    (b"CREATE TABLE attempts", b"CREATE TABLE \xbcttempts"),
    (b"CREATE TABLE exchanges", b"CREATE \xbcABLE exchanges"),
    (b"CREATE TABLE texts", b"CREATE TABLE" + bytes(6)),
    (b"CREATE INDEX", b"CREATE IND\xbcX"),
]


@pytest.mark.parametrize(("word", "instead"), TEXTS)
def test_damage_in_the_list_of_tables_loses_nothing(path: Path, word: bytes, instead: bytes) -> None:
    with Store.open(path) as store:
        before = [store.attempts(name, with_exchanges=True) for name in ("r1", "r2")]
    overwrite(path, path.read_bytes().index(word), instead)
    found = saved(path)
    assert (found.rows["runs"], found.rows["attempts"], found.set_back) == (2, 2 * ATTEMPTS, ())
    with Store.open(path) as store:
        assert [store.attempts(name, with_exchanges=True) for name in ("r1", "r2")] == before


def test_damage_in_the_list_of_tables_beside_a_lost_first_page(path: Path) -> None:
    overwrite(path, path.read_bytes().index(b"logprobs TEXT"), b"logpr\xbcbs TEXT")
    overwrite(path, 0, NOISE.randbytes(page_size(path)))
    assert saved(path).rows["attempts"] == 2 * ATTEMPTS
