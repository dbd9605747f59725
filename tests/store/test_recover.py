"""Damage, also inside a page that SQLite takes for sound: it is said, and what is around it is saved."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.store.conftest import make_attempt, make_exchange, make_run, overwrite
from tiltyard.errors import StoreCorrupt, StoreLocked, UsageError
from tiltyard.records import Model
from tiltyard.store.connection import connect
from tiltyard.store.migrations import MIGRATIONS
from tiltyard.store.recover import TABLES, Recovered, recover
from tiltyard.store.store import RunFilter, Store

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


def page_of(path: Path, words: bytes) -> int:
    """Where the page begins that holds these words: of rows, or of what was too long for them."""
    size, whole = page_size(path), path.read_bytes()
    pages = [start for start in range(0, len(whole), size) if words in whole[start : start + size]]
    return next(start for start in pages if whole[start] in (0, 13))  # one that leads to others has old words


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


def test_a_run_that_its_index_does_not_find_is_damage_and_no_mistake_of_the_user(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        sql = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_runs_1'"
        start = (db.execute(sql).fetchone()[0] - 1) * page_size(path)
    page = path.read_bytes()[start : start + page_size(path)]
    overwrite(path, start, page.replace(b"r2", b"r~"))
    with Store.open(path) as store:
        listed = [run.id for run in store.runs()]
        says_damaged(lambda: store.counts(listed))
        says_damaged(lambda: store.take_out("r2", []))
    assert saved(path).rows["runs"] == 2


@pytest.mark.parametrize("table", ["models", "servers"])
def test_a_list_that_is_empty_through_damage_is_said(path: Path, table: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"UPDATE {table} SET id = id + 7")
    with Store.open(path) as store:
        for read in (store.runs, store.board, lambda: store.run("latest"), lambda: store.run("r1")):
            says_damaged(read)
    assert saved(path).rows["runs"] == 2
    with Store.open(path) as store:
        assert {run.id for run in store.runs()} == {"r1", "r2"}


def test_what_is_not_in_a_whole_store_is_not_found(path: Path, tmp_path: Path) -> None:
    with Store.open(path) as store:
        assert store.runs(RunFilter(suite="tools")) == []
        with pytest.raises(UsageError, match="no run 'r7'"):
            store.run("r7")
    with Store.open(tmp_path / "empty.sqlite3") as store:
        assert (store.runs(), store.board()) == ([], [])
        with pytest.raises(UsageError, match="no run 'latest'"):
            store.run("latest")


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


@pytest.mark.parametrize("words", [b"CREATE TABLE attempts", b"answers_fts USING", b"CREATE TABLE verdicts"])
def test_a_lost_page_of_the_list_of_tables_loses_nothing(path: Path, words: bytes) -> None:
    zeros(path, words)
    found = saved(path)
    assert (found.rows["runs"], found.rows["attempts"], found.set_back) == (2, 2 * ATTEMPTS, ())


def test_the_runs_between_two_that_cannot_be_read_are_saved(tmp_path: Path) -> None:
    path = tmp_path / "many.sqlite3"
    with Store.open(path) as store:
        for number in range(5):
            filler = f"leaf-{number} " * 300  # a page for each run
            store.claim(make_run(f"r{number}", settings={"words": filler}))
            store.add([make_attempt(f"r{number}")])
            store.finish(f"r{number}", "finished")
    zeros(path, b"leaf-0 leaf-0")
    zeros(path, b"leaf-4 leaf-4")
    found = saved(path)
    assert (found.rows["runs"], found.runs_lost) == (3, 2)
    with Store.open(path) as store:
        assert {run.id for run in store.runs()} == {"r1", "r2", "r3"}


def searched(path: Path) -> None:
    """Once somebody searches, prompts and answers are indexed."""
    with Store.open(path) as store:
        assert store.runs(RunFilter(search="no such word")) == []


def damaged_index(path: Path) -> None:
    searched(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE prompts_fts_data SET block = zeroblob(length(block)) WHERE id > 10")


def forgetful_index(path: Path) -> None:
    """The index says that it is empty, and is not."""
    searched(path)
    with closing(connect(path.with_name("new.sqlite3"))) as new:
        empty = new.execute("SELECT block FROM prompts_fts_data WHERE id = 10").fetchone()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE prompts_fts_data SET block = ? WHERE id = 10", empty)


@pytest.mark.parametrize("damage", [damaged_index, forgetful_index])
def test_a_damaged_search_index_is_said_and_made_again(path: Path, damage: Callable[[Path], None]) -> None:
    damage(path)
    with Store.open(path) as store:
        assert store.whole()
        assert not store.whole(thorough=True)
    found = saved(path)
    assert (found.rows["runs"], found.rows["attempts"], found.set_back) == (2, 2 * ATTEMPTS, ())
    with Store.open(path) as store:
        assert len(store.search("word1")) == 2 * ATTEMPTS - 2


def test_an_index_that_refuses_what_is_new_is_damage(path: Path) -> None:
    forgetful_index(path)
    with Store.open(path) as store:
        store.add([make_attempt("r1", 99, item_hash="h2")])  # a run goes on without it
        assert len(store.attempts("r1")) == ATTEMPTS + 1
        says_damaged(lambda: store.runs(RunFilter(search="word1")))


@pytest.mark.slow
@pytest.mark.parametrize("born", [3, 4, 6, 7])
@pytest.mark.parametrize("brought_up", [False, True])
def test_a_lost_list_of_tables_is_mended_in_a_store_of_any_age(
    tmp_path: Path, born: int, brought_up: bool
) -> None:
    """A longer list, of a later version, would lie over what an older store has there."""
    filled, path = tmp_path / "filled.sqlite3", tmp_path / "old.sqlite3"
    with Store.open(filled) as store:
        for number in range(4):
            store.claim(make_run(f"r{number}"))
            words = [make_exchange(2, text=f"{number} {n} " * 200) for n in range(60)]
            store.add([make_attempt(f"r{number}", n, exchanges=(each,)) for n, each in enumerate(words)])
            store.finish(f"r{number}", "finished", SUMMARY)
    with closing(connect(path, migrations=MIGRATIONS[:born])) as db:
        db.execute("ATTACH ? AS filled", (str(filled),))
        for table in TABLES:
            names = ", ".join(row[1] for row in db.execute(f"PRAGMA main.table_info({table})"))
            db.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM filled.{table}")
    if brought_up:
        Store.open(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    overwrite(path, 0, bytes(page_size(path)))
    found = saved(path)
    assert (found.rows["runs"], found.rows["attempts"], found.set_back) == (4, 240, ())


def test_a_check_leaves_nothing_in_the_file(path: Path) -> None:
    before = path.read_bytes()
    with Store.open(path) as store:
        assert store.whole(thorough=True)
    assert path.read_bytes() == before


def row_in(path: Path, words: bytes) -> int:
    """Where the row begins that holds these words: the length of its body, then its number."""
    page, whole = page_of(path, words), path.read_bytes()
    rows = int.from_bytes(whole[page + 3 : page + 5], "big")
    starts = [page + int.from_bytes(whole[page + 8 + 2 * n : page + 10 + 2 * n], "big") for n in range(rows)]
    return max(start for start in starts if start <= whole.index(words, page))


def make_endless(path: Path, words: bytes, number: int) -> None:
    """The row that holds these words says that it goes on for four gigabytes."""
    overwrite(path, row_in(path, words), b"\x8f\xff\xff\xff\x7f" + bytes([number]) + b"\x87\x68")


def test_a_row_of_impossible_length_is_given_up(path: Path) -> None:
    make_endless(path, b"r1-word-00000", 1)
    with Store.open(path) as store:
        says_damaged(lambda: store.attempt("r1", 1))
    found = saved(path)
    assert (found.rows["runs"], found.rows["attempts"]) == (2, 2 * ATTEMPTS - 1)


def test_row_numbers_that_go_backwards_lose_only_their_row(tmp_path: Path) -> None:
    path = tmp_path / "many.sqlite3"
    with Store.open(path) as store:
        store.claim(make_run())
        store.add([make_attempt(stage=f"stage-{number:03}") for number in range(1, 121)])
        store.finish("r1", "finished", {"requests": {"total": 120}})
    overwrite(path, row_in(path, b"stage-020") + 2, b"\x01")
    make_endless(path, b"stage-022", 22)
    found = saved(path)
    assert found.unreadable["attempts"] < 50  # looked into
    assert found.rows["attempts"] == 118


WRONG = [  # what stands in a row instead of what was written
    "UPDATE texts SET text = 'no bytes any more'",
    "UPDATE exchanges SET messages = x'00'",
]


@pytest.mark.parametrize("sql", WRONG)
def test_a_row_of_another_kind_is_given_up(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(sql)
    with Store.open(path) as store:
        says_damaged(lambda: store.attempt("r1", 1))
        says_damaged(lambda: store.attempts("r1", with_exchanges=True))
    found = saved(path)
    assert (found.rows["runs"], found.rows["attempts"]) == (2, 0)


def test_a_state_and_an_outcome_that_there_are_not(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE runs SET state = 'fi~ished' WHERE id = 'r1'")
        db.execute("UPDATE attempts SET outcome = 'corr~ct' WHERE id = 1")
    with Store.open(path) as store:
        says_damaged(store.runs)
        says_damaged(lambda: store.attempts("r1"))
    assert saved(path).rows["attempts"] == 2 * ATTEMPTS - 1
    with Store.open(path) as store:
        assert [run.state for run in store.runs()] == ["finished", "interrupted"]


def test_an_index_of_rows_that_are_not_there_is_damage(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        sql = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_attempts_1'"
        (root,) = db.execute(sql).fetchone()
    start, size = (root - 1) * page_size(path), page_size(path)
    page = path.read_bytes()[start : start + size]
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM attempts WHERE id = 3")
        db.execute("DELETE FROM exchanges WHERE attempt_id = 3")
        db.execute("DELETE FROM timelines WHERE exchange_id = 3")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    overwrite(path, start, page)
    with Store.open(path) as store:
        says_damaged(lambda: store.attempt("r1", 3))
    assert saved(path).rows["attempts"] == 2 * ATTEMPTS - 1


@pytest.mark.slow
def test_scores_that_cannot_be_read_are_made_again(path: Path) -> None:
    graded = {**SUMMARY, "stages": [], "n": ATTEMPTS, "outcomes": {"correct": ATTEMPTS}, "score": 1.0}
    for sql in ("UPDATE runs SET outcomes = '{\"correct'", "UPDATE item_sets SET hash = 'another'"):
        with Store.open(path) as store:
            for name in ("r1", "r2"):
                store.claim(make_run(name))
                store.finish(name, "finished", graded)
            before = store.board()
            assert before[0].quality is not None
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(sql)
        with Store.open(path) as store:
            says_damaged(store.board)
        saved(path)
        with Store.open(path) as store:
            assert store.board() == before


@pytest.mark.slow
def test_models_and_servers_whose_names_are_lost_are_counted(path: Path) -> None:
    with Store.open(path) as store:
        store.claim(make_run("r3", model=Model(name="another")))
        store.finish("r3", "interrupted")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM models")
        db.execute("DELETE FROM servers")
    found = saved(path)
    assert (found.models_lost, found.servers_lost) == (2, 1)
    with Store.open(path) as store:
        assert {run.model.name for run in store.runs()} == {"(lost)"}
    found = recover(path)
    assert (found.models_lost, found.servers_lost) == (0, 0)


def test_a_store_that_a_living_process_writes_to_is_left_to_it(path: Path) -> None:
    """What it writes after that would be in no store."""
    with Store.open(path) as store:
        store.claim(make_run("r3"))
    zeros(path, b"r1-word-00100")
    before = path.read_bytes()
    with pytest.raises(StoreLocked, match="r3 is under way"):
        recover(path)
    assert path.read_bytes() == before
    with Store.open(path) as store:
        store.finish("r3", "interrupted")
    assert saved(path).rows["runs"] == 3


def test_a_mistake_of_our_own_is_no_damage(path: Path) -> None:
    with Store.open(path) as store:
        with pytest.raises(TypeError), store.reading():
            len(3)  # type: ignore[arg-type]
        with pytest.raises(sqlite3.IntegrityError), store.writing() as db:
            db.execute("INSERT INTO texts (id) VALUES (1)")
