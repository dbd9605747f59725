"""What each item scored: packed at the end of a run, carried through exports and rescues."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.store.conftest import make_attempt, make_exchange, make_run
from tiltyard.records import Attempt, Grade, Json, Model, Outcome
from tiltyard.stats.pairing import item_key
from tiltyard.store.board import Wanted, as_mapping, models_of, tables
from tiltyard.store.connection import connect
from tiltyard.store.migrations import MIGRATIONS
from tiltyard.store.opponents import opponents_limits
from tiltyard.store.recover import recover
from tiltyard.store.store import Bundle, Store

Answer = tuple[str, Outcome, float]
SUMMARY = {
    "event": "summary",
    "n": 3,
    "outcomes": {"correct": 2, "wrong": 1},
    "score": 2 / 3,
    "score_completed": 2 / 3,
    "ci95": [0.2, 0.94],
    "ci_method": "wilson",
    "cap_hit": {"value": 0.25},
}


def answer(run_id: str, item: str, outcome: Outcome, score: float, **changes: Any) -> Attempt:
    exchange = make_exchange(2, ending="connect_error" if outcome == "error" else "ok")
    return make_attempt(
        run_id,
        stage="mcq",
        item_id=item,
        item_hash=f"h{item}",
        exchanges=(exchange,),
        grade=Grade(outcome=outcome, score=score),
        **changes,
    )


def graded(store: Store, run_id: str, model: str, answers: Sequence[Answer], **summary: Any) -> None:
    settings = summary.pop("asked", {"items": "set1"})
    run = make_run(run_id, suite="mcq", model=Model(name=model), settings=settings)
    store.claim(run, fresh=True)
    store.add([answer(run_id, *each) for each in answers])
    store.finish(run_id, "finished", {**SUMMARY, **summary})


def key(item: str) -> int:
    return item_key("mcq", item, f"h{item}")


def by_item(store: Store, run_id: str) -> dict[int, float]:
    scores = store.scores(run_id)
    return {} if scores is None else dict(zip(scores.keys, scores.values, strict=True))


THREE: list[Answer] = [("a", "correct", 1.0), ("b", "wrong", 0.0), ("c", "correct", 1.0)]


def test_what_was_scored_is_there_when_the_run_has_ended(store: Store) -> None:
    graded(
        store, "r1", "m", [*THREE, ("d", "error", 0.0), ("e", "unsupported", 0.0), ("f", "truncated", 0.0)]
    )
    assert by_item(store, "r1") == {key("a"): 1.0, key("b"): 0.0, key("c"): 1.0, key("f"): 0.0}


def test_the_newest_try_counts_and_repetitions_are_averaged(store: Store) -> None:
    store.claim(make_run("r1"), fresh=True)
    store.add(
        [
            answer("r1", "a", "error", 0.0, try_no=1),
            answer("r1", "a", "correct", 1.0, try_no=2),
            answer("r1", "a", "wrong", 0.0, repetition=1),
            answer("r1", "b", "correct", 1.0, try_no=1),
            answer("r1", "b", "error", 0.0, try_no=2),
            answer("r1", "c", "partial", 0.25),
        ]
    )
    store.finish("r1", "finished", SUMMARY)
    assert by_item(store, "r1") == {key("a"): 0.5, key("c"): 0.25}


def test_a_speed_run_has_no_scores(store: Store) -> None:
    store.claim(make_run("r1"), fresh=True)
    store.add([make_attempt("r1", grade=None)])
    store.finish("r1", "finished", {"event": "summary"})
    assert store.scores("r1") is None


def test_only_the_stages_that_a_suite_scores(store: Store) -> None:
    graded(store, "r1", "m", THREE, scored_stages=["other"])
    assert store.scores("r1") is None


def test_runs_over_the_same_items_share_them(store: Store) -> None:
    graded(store, "r1", "m", THREE)
    graded(store, "r2", "n", [("a", "wrong", 0.0), ("b", "wrong", 0.0), ("c", "correct", 1.0)])
    graded(store, "r3", "o", THREE[:2])
    with store.reading() as db:
        assert db.execute("SELECT count(*) FROM item_sets").fetchone() == (2,)
    store.delete(["r3"])
    with store.reading() as db:
        assert db.execute("SELECT count(*) FROM item_sets").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM verdicts").fetchone() == (2,)


def best(store: Store, settings: dict[str, Json], but: str, **more: str) -> str | None:
    """The opponent of a run by the model `but`."""
    run = make_run("new", suite="mcq", settings=settings)
    return store.opponent(replace(run, model=replace(run.model, name=but), **more))[0]


def test_the_opponent_is_the_best_other_model_over_the_same_items(store: Store) -> None:
    graded(store, "lucky", "lucky", THREE[:1], score=1.0, ci95=[0.2, 1.0])
    graded(store, "good", "good", THREE, score=0.9, ci95=[0.8, 0.95])
    graded(store, "mine", "mine", THREE, score=0.99, ci95=[0.95, 1.0])
    store.claim(make_run("open", suite="mcq", settings={"items": "set1"}), fresh=True)
    assert best(store, {"items": "set1"}, "mine") == "good"
    assert best(store, {"items": "set2"}, "mine") is None
    assert best(store, {"items": "set1"}, "mine", suite="json") is None
    assert best(store, {"items": "set1"}, "mine", suite_version="2") is None  # graded otherwise


def test_an_opponent_that_was_graded_otherwise_is_noted(store: Store) -> None:
    graded(store, "r1", "m", THREE)
    run = make_run("new", suite="mcq", settings={"against": "r1"})
    assert opponents_limits(run, store) == ()
    assert opponents_limits(replace(run, suite_version="2"), store) == (
        "run r1 was graded by version 1 of this suite, not by version 2: what differs may be the grading",
    )


def test_a_run_that_ended_early_is_no_opponent_where_another_asked_everything(store: Store) -> None:
    """Items that only one of two runs was asked decide nothing between them."""
    many: list[Answer] = [(f"q{number}", "correct", 1.0) for number in range(40)]
    graded(store, "early", "best", many[:12], score=1.0, ci95=[0.7, 1.0])
    graded(store, "longer", "fair", many[:15], score=0.8, ci95=[0.5, 0.9])
    assert best(store, {"items": "set1"}, "mine") == "longer"  # of these two
    failed: list[Answer] = [(name, "error", 0.0) for name, *_ in many[37:]]
    graded(store, "whole", "good", [*many[:37], *failed], score=0.6, ci95=[0.4, 0.7])
    graded(store, "every", "poor", many, score=0.4, ci95=[0.2, 0.6])
    assert best(store, {"items": "set1"}, "mine") == "whole"  # a few errors are no early end


def test_who_was_asked_everything_was_asked_every_draw_of_it(store: Store) -> None:
    """But not in another way, nor is another draw the same; and what it is short of counts."""
    many: list[Answer] = [(f"q{number}", "correct", 1.0) for number in range(40)]
    asked = {"items": "set1", "item_count": 40}
    drawn = {**asked, "limit": 10, "seed": 3}
    graded(store, "reasons", "best", many, score=1.0, ci95=[0.9, 1.0], asked={**asked, "cot": True})
    graded(store, "other", "lucky", many[:10], score=1.0, ci95=[0.8, 1.0], asked={**drawn, "seed": 4})
    assert best(store, drawn, "mine") is None
    graded(store, "whole", "good", many, score=0.7, ci95=[0.5, 0.8], asked=asked)
    graded(store, "early", "able", many[:20], score=0.9, ci95=[0.7, 1.0], asked=asked)
    graded(store, "small", "fair", many[:10], score=0.6, ci95=[0.2, 0.9], asked=drawn)
    assert best(store, drawn, "mine") == "whole"  # able was asked five of the ten, or about so many
    assert best(store, drawn, "good") == "small"
    assert best(store, asked, "mine") == "whole"
    assert best(store, {**drawn, "cot": True}, "mine") == "reasons"


def test_scores_travel_and_survive_rescue(store: Store, tmp_path: Path) -> None:
    graded(store, "r1", "m", THREE)
    bundle = Bundle(run=store.run("r1"), attempts=tuple(store.attempts("r1", with_exchanges=True)))
    with Store.open(tmp_path / "other.sqlite3") as other:
        other.take_in([bundle])
        assert by_item(other, "r1") == by_item(store, "r1")
        (row,) = other.board()
        assert (row.score, row.quality.low if row.quality else None) == (2 / 3, 0.2)
    recover(tmp_path / "other.sqlite3")
    with Store.open(tmp_path / "other.sqlite3") as other:
        assert by_item(other, "r1") == by_item(store, "r1")


def test_a_store_of_version_two_gets_its_scores(store: Store, tmp_path: Path) -> None:
    old = tmp_path / "old.sqlite3"
    connect(old, migrations=MIGRATIONS[:2]).close()
    graded(store, "r1", "m", THREE)
    with closing(sqlite3.connect(store.path)) as source, closing(sqlite3.connect(old)) as target, target:
        for table in ("models", "servers", "runs", "attempts"):
            names = [row[1] for row in target.execute(f"PRAGMA table_info({table})")]
            marks = ", ".join("?" * len(names))
            rows = source.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall()
            target.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)
    with Store.open(old) as opened:
        assert by_item(opened, "r1") == by_item(store, "r1")
        assert opened.board()[0].quality == store.board()[0].quality


@pytest.mark.parametrize("summary", [{}, {"outcomes": {}, "score": None}])
def test_a_run_without_answers_ends_all_the_same(store: Store, summary: dict[str, Any]) -> None:
    store.claim(make_run("r1"), fresh=True)
    store.finish("r1", "failed", summary)
    assert store.scores("r1") is None


def rows_of(store: Store, **wanted: Any) -> list[tuple[str, tuple[int, int] | None]]:
    return [(row.model, row.quality.rank if row.quality else None) for row in store.board(Wanted(**wanted))]


def many(store: Store, run_id: str, model: str, right: int, of: int = 60, **changes: Any) -> None:
    """A run that is right on the first `right` items."""
    answers: list[Answer] = [
        (f"q{n}", "correct" if n < right else "wrong", float(n < right)) for n in range(of)
    ]
    speed = {"speed": {"decode_tps": {"n": of, "mean": changes.pop("tps", 40.0), "ci95": None}}}
    graded(store, run_id, model, answers, score=right / of, n=of, **speed, **changes)


def test_the_board_ranks_what_can_be_told_apart(store: Store) -> None:
    many(store, "r1", "best", 55, tps=20.0)
    many(store, "r2", "good", 53)
    many(store, "r3", "poor", 20)
    many(store, "r4", "none", 15)
    assert rows_of(store) == [("best", (1, 2)), ("good", (1, 2)), ("poor", (3, 4)), ("none", (3, 4))]
    assert rows_of(store, min_tps=30) == [("good", (1, 1)), ("poor", (2, 3)), ("none", (2, 3))]
    row = as_mapping(store.board()[0])
    assert (row["n"], row["ci95"], row["rank"]) == (60, [0.2, 0.94], (1, 2))
    assert row["cap_hit"] == {"value": 0.25}
    assert row["outcomes"] == {"correct": 2, "wrong": 1}
    assert "quality" not in row


def test_ranks_of_runs_that_miss_some_items(store: Store) -> None:
    many(store, "r1", "whole", 55)
    many(store, "r2", "part", 40, of=42)
    graded(store, "r3", "halves", [(f"q{n}", "partial", 0.5 - n % 2 / 4) for n in range(50)], score=0.375)
    assert rows_of(store) == [("part", (1, 2)), ("whole", (1, 2)), ("halves", (3, 3))]


def test_ways_of_asking_an_item_are_one_item_on_the_board(store: Store) -> None:
    """Three modes of ten cases: b is right in one case more, c lacks a mode in which a and b are right."""
    for name, right, ways in (("a", 7, "xyz"), ("b", 8, "xyz"), ("c", 7, "xy")):
        run = make_run(f"r{name}", suite="json", model=Model(name=name), settings={"items": "set1"})
        store.claim(run, fresh=True)
        answers = [(n, way, 1.0 if way == "z" or n < right else 0.0) for n in range(10) for way in ways]
        store.add(
            [
                make_attempt(
                    run.id, stage="json", item_id=f"c{n} {way}", item_hash=f"h{n}/{way}",
                    grade=Grade(outcome="correct" if score else "wrong", score=score),
                )
                for n, way, score in answers
            ]
        )  # fmt: skip
        score = sum(score for *_, score in answers) / len(answers)
        store.finish(run.id, "finished", {**SUMMARY, "score": score})
    assert rows_of(store) == [("b", (1, 3)), ("a", (1, 3)), ("c", (1, 3))]


def test_other_questions_are_another_table(store: Store) -> None:
    many(store, "r1", "a", 55)
    run = make_run("r2", suite="mcq", model=Model(name="a"), settings={"items": "set2"}, fingerprint="other")
    store.claim(run, fresh=True)
    store.add([answer("r2", "z", "wrong", 0.0)])
    store.finish("r2", "finished", {**SUMMARY, "score": 0.0})
    store.claim(make_run("r3", model=Model(name="a")), fresh=True)
    store.finish("r3", "finished", {"event": "summary", "decode_tps": {"n": 5, "mean": 44.0, "ci95": None}})
    rows = store.board(Wanted(newest_only=True))
    assert [[row.run_id for row in table] for table in tables(rows, resort=True)] == [["r3"], ["r1"], ["r2"]]
    (model,) = models_of(rows, None)
    assert model.speed is not None
    assert (model.speed.run_id, model.scores["mcq"].run_id) == ("r3", "r1")  # of 60 items


def test_a_models_speed_run_decides_about_its_speed(store: Store) -> None:
    many(store, "r1", "a", 55, tps=12.0)  # sixteen questions at once
    store.claim(make_run("r2", model=Model(name="a")), fresh=True)
    store.finish("r2", "finished", {"event": "summary", "decode_tps": {"n": 5, "mean": 44.0, "ci95": None}})
    assert rows_of(store, suite="mcq", min_tps=30) == [("a", (1, 1))]
    assert rows_of(store, suite="mcq", min_tps=50) == []


def test_a_speed_run_without_a_rate_stands(store: Store) -> None:
    """Its answers came too fast for the clock: a rate of the graded run says nothing then, either."""
    many(store, "r1", "a", 55, tps=900.0)
    store.claim(make_run("r2", model=Model(name="a")), fresh=True)
    requests = {"ok": 5, "failed": 0, "truncated": 0, "total": 5}
    store.finish("r2", "finished", {"event": "summary", "requests": requests, "decode_tps": None})
    assert rows_of(store, suite="mcq", min_tps=30) == []
    many(store, "r3", "b", 55, tps=900.0)
    store.claim(make_run("r4", model=Model(name="b")), fresh=True)
    broken = {"ok": 0, "failed": 5, "truncated": 0, "total": 5}
    store.finish("r4", "finished", {"event": "summary", "requests": broken, "decode_tps": None})
    assert rows_of(store, suite="mcq", min_tps=30) == [("b", (1, 1))]  # that one measured nothing
