"""Search: any text a user may type, and an index that stays true when rows come and go."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.store.conftest import make_attempt, make_exchange, make_run
from tiltyard.records import Message, Model, Request
from tiltyard.store.search import index_some
from tiltyard.store.store import RunFilter, Store


def fill(store: Store, run_id: str, answer: str, prompt: str = "say something", model: str = "m") -> None:
    store.claim(make_run(run_id, model=Model(name=model)))
    request = Request(model=model, messages=(Message(role="user", content=prompt),))
    exchange = make_exchange(2, request=request, text=answer, reasoning="pondering deeply")
    store.add([make_attempt(run_id, item_hash=f"h{prompt}", exchanges=(exchange,))])
    store.finish(run_id, "finished", {})


def ids(store: Store, text: str) -> list[str]:
    return sorted(run.id for run in store.runs(RunFilter(search=text)))


def test_models_prompts_answers_and_reasoning_are_found(store: Store) -> None:
    fill(store, "r1", "The quick fox", "write a haiku", "qwen2.5-coder:7b-q4_K_M")
    fill(store, "r2", "Straße nach Überlingen", "explain binary search", "llama3.1:8b")
    assert ids(store, "coder:7b-q4") == ["r1"]
    assert ids(store, "QWEN2.5") == ["r1"]
    assert ids(store, "3.") == ["r2"]
    assert ids(store, "quick fo") == ["r1"]
    assert ids(store, "überlingen") == ["r2"]
    assert ids(store, "binary search") == ["r2"]
    assert ids(store, "pondering") == ["r1", "r2"]
    assert ids(store, "search binary") == []
    assert [found.snippet for found in store.search("fox")] == ["The quick [fox]"]


@pytest.mark.parametrize(
    "text",
    [
        '"',
        "'",
        "a AND",
        "NEAR(",
        "x*",
        "-",
        "(",
        "text:fox",
        "^fox",
        "%",
        "_",
        "",
        " ",
        "\0",
        "\ud800",
        "{a}",
        "\u2028",
    ],
)
def test_nothing_a_user_types_is_syntax(store: Store, text: str) -> None:
    fill(store, "r1", "The quick fox")
    assert isinstance(ids(store, text), list)
    assert isinstance(store.search(text), list)


def test_the_index_follows_deletions_and_changes(store: Store) -> None:
    for number in range(5):
        fill(store, f"r{number}", f"answer number{number}")
    assert ids(store, "number3") == ["r3"]
    fill(store, "r9", "not indexed yet")
    store.delete(["r3", "r9"])
    assert ids(store, "number3") == []
    with store.writing() as db:
        db.execute("UPDATE exchanges SET text = 'changed words' WHERE text = 'answer number1'")
        db.execute("UPDATE models SET name = 'renamed-model'")
        db.execute("UPDATE prompts SET text = 'other prompt'")
    assert ids(store, "number1") == []
    assert ids(store, "changed") == ["r1"]
    assert ids(store, "renamed") == ["r0", "r1", "r2", "r4"]
    assert ids(store, "other prompt") == ["r0", "r1", "r2", "r4"]
    with store.writing() as db:
        db.execute("DELETE FROM prompts")
        for index in ("answers_fts", "models_fts", "prompts_fts"):
            db.execute(f"INSERT INTO {index}({index}, rank) VALUES ('integrity-check', 1)")
    fill(store, "r7", "after deletion", "say something")
    assert ids(store, "after") == ["r7"]


def unindexed(store: Store) -> int:
    with store.reading() as db:
        return int(db.execute("SELECT count(*) FROM prompts_new").fetchone()[0])


def test_prompts_are_indexed_once_somebody_searches(store: Store) -> None:
    """Also where a row goes before that, and the next one gets its number."""
    fill(store, "r1", "yes", "the first question")
    fill(store, "r2", "yes", "the second question")
    assert unindexed(store) == 2
    store.delete(["r2"])
    fill(store, "r3", "yes", "the third question")
    assert unindexed(store) == 2
    assert ids(store, "third question") == ["r3"]
    assert unindexed(store) == 0
    store.delete(["r3"])
    fill(store, "r4", "yes", "the fourth question")
    with store.writing() as db:
        db.execute("UPDATE prompts SET text = 'the last question' WHERE text LIKE '%fourth%'")
    assert unindexed(store) == 1
    for gone in ("second question", "third question", "fourth question"):
        assert ids(store, gone) == []
    assert ids(store, "last question") == ["r4"]
    assert store.whole(thorough=True)


def test_a_long_index_is_made_in_portions(store: Store) -> None:
    """A run that goes on meanwhile gets its turns to write between two of them."""
    store.claim(make_run("r1"))
    asked = [
        Request(model="m", messages=(Message(role="user", content=f"question {n}"),)) for n in range(250)
    ]
    told = [make_exchange(2, request=request, text=f"answer {n}") for n, request in enumerate(asked)]
    store.add([make_attempt("r1", n, item_hash=f"h{n}", exchanges=(e,)) for n, e in enumerate(told)])
    left = []
    while not left or left[-1]:
        with store.writing() as db:
            assert index_some(db)
        left.append(unindexed(store))
    assert left == [150, 50, 0]
    assert len(store.search("answer")) == 100
    assert len(store.search("answer 249")) == 1
    assert ids(store, "question 249") == ["r1"]
    with store.writing() as db:
        assert not index_some(db)


@pytest.mark.parametrize("searched", [True, False])
def test_rows_that_were_numbered_anew_are_found_still(tmp_path: Path, searched: bool) -> None:
    """As after `sqlite3 .dump | sqlite3`, which loses the version's number too."""
    path = tmp_path / "s.sqlite3"
    with Store.open(path) as store:
        for number, place in enumerate(("red", "green", "blue")):
            fill(store, f"r{number}", "yes", f"the {place} question")
        assert not searched or ids(store, "red question") == ["r0"]
        store.delete(["r0"])
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("VACUUM")
        db.execute("PRAGMA user_version = 0")
    with Store.open(path) as store:
        fill(store, "r3", "yes", "the yellow question")
        found = {place: ids(store, f"{place} question") for place in ("red", "green", "blue", "yellow")}
        assert found == {"red": [], "green": ["r1"], "blue": ["r2"], "yellow": ["r3"]}
        assert store.whole(thorough=True)
