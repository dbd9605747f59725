"""What goes into the store comes out again, exactly, and only once."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tests.store.conftest import failed, make_attempt, make_exchange, make_run
from tiltyard.errors import StoreLocked, UsageError
from tiltyard.records import (
    Attempt,
    Events,
    Exchange,
    Message,
    Model,
    Request,
    Run,
    Sample,
    ServerInfo,
    Timeline,
)
from tiltyard.store import rows
from tiltyard.store.migrations import MIGRATIONS
from tiltyard.store.store import Bundle, RunFilter, Store


def test_a_run_and_its_attempts_come_back_exactly(store: Store) -> None:
    run = make_run()
    claim = store.claim(run)
    assert claim.run == run
    assert not claim.resumed
    assert store.run("r1") == run
    attempts = [make_attempt(repetition=number) for number in range(3)]
    attempts[1] = replace(attempts[1], exchanges=(make_exchange(5), failed(), make_exchange(0)), grade=None)
    assert store.add(attempts) == 3
    assert store.attempts("r1", with_exchanges=True) == attempts
    assert store.attempts("r1") == [replace(attempt, exchanges=()) for attempt in attempts]
    assert store.attempt("r1", 2) == attempts[1]
    assert store.counts(["r1"]) == {"r1": 3}


def test_every_field_of_every_record_has_a_place() -> None:
    with closing(sqlite3.connect(":memory:")) as db, db:
        for migration in MIGRATIONS:
            migration(db)
        columns = {
            table: {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
            for table in ("models", "servers", "runs", "attempts", "exchanges", "timelines")
        }
    db.close()
    assert set(Model.__struct_fields__) - {"memory_bytes"} <= columns["models"]  # of one moment: not kept
    assert set(ServerInfo.__struct_fields__) <= columns["servers"]
    assert set(Run.__struct_fields__) - {"model", "server"} <= columns["runs"]
    assert (
        set(Attempt.__struct_fields__) - {"run_id", "exchanges", "measures", "grade"} <= columns["attempts"]
    )
    assert set(Exchange.__struct_fields__) - {"request", "timeline", "events"} <= columns["exchanges"]
    assert set(Timeline.__struct_fields__) - {"arrivals_ns", "arrivals_end"} <= columns["timelines"]
    assert Events.__struct_fields__ == ("t_ns", "kinds", "texts", "tokens")
    assert len(rows.SAMPLE_COLUMNS.split(",")) == len(Sample.__struct_fields__) + 1


def test_adding_twice_changes_nothing(store: Store) -> None:
    store.claim(make_run())
    assert store.add([make_attempt()]) == 1
    assert store.add([make_attempt(started_at="later"), make_attempt(repetition=1)]) == 1
    assert [attempt.started_at[:4] for attempt in store.attempts("r1")] == ["2026", "2026"]


def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    store.claim(make_run())
    with pytest.raises(UsageError):
        store.add([make_attempt(), make_attempt(run_id="unknown")])
    assert store.attempts("r1") == []
    assert store.add([make_attempt()]) == 1  # what the failed one had put into caches is not believed


def test_a_long_prompt_is_stored_once(store: Store) -> None:
    store.claim(make_run())
    body = "".join(f"word{number} " for number in range(32_000))
    attempts = []
    for number in range(50):
        request = Request(model="m", messages=(Message(role="user", content=f"{number:08d} {body}"),))
        attempts.append(make_attempt(repetition=number, exchanges=(make_exchange(2, request=request),)))
    store.add(attempts)
    assert store.attempts("r1", with_exchanges=True) == attempts
    with store.reading() as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert store.path.stat().st_size < 2_000_000


def test_what_failed_outside_is_asked_again(store: Store) -> None:
    store.claim(make_run())
    endings = {
        "connect_error": False,
        "timeout_first_byte": False,
        "timeout_gap": False,
        "error_midstream": False,
        "cancelled": False,
        "truncated": True,
        "wrong_model": True,
        "empty": True,
    }
    for number, ending in enumerate(endings):
        store.add([make_attempt(repetition=number, exchanges=(failed(ending),))])
    for number, status in enumerate((500, 503, 429, 401), start=20):
        exchange = failed("http_error")
        store.add([make_attempt(repetition=number, exchanges=(replace(exchange, status=status),))])
    store.add([make_attempt(repetition=30, exchanges=(replace(failed("http_error"), status=400),))])
    unloaded = replace(failed("http_error"), status=400, error="HTTP 400: No models loaded")
    store.add([make_attempt(repetition=31, exchanges=(unloaded,))])  # the server's state
    kept = {number for number, (ending, done) in enumerate(endings.items()) if done} | {30}
    assert {key[2] for key in store.done("r1")} == kept
    assert store.tries("r1")["tg128", "decode", 0] == 1


def test_the_newest_try_counts(store: Store) -> None:
    store.claim(make_run())
    store.add([make_attempt(exchanges=(failed(),))])
    again = make_attempt(try_no=2, session=2)
    store.add([again])
    assert store.attempts("r1", with_exchanges=True) == [again]
    assert len(store.attempts("r1", all_tries=True)) == 2
    assert store.done("r1") == {("tg128", "decode", 0): again}
    assert store.tries("r1") == {("tg128", "decode", 0): 2}
    assert store.counts(["r1"]) == {"r1": 1}


def test_a_sitting_ends_when_its_own_clock_says(store: Store) -> None:
    ended = "2026-01-02T03:05:00.000+00:00"
    store.claim(make_run())
    store.finish("r1", "interrupted", ended_at=ended)
    assert store.run("r1").ended_at == ended
    store.claim(make_run())
    assert store.run("r1").ended_at is None
    store.put_back("r1", ended)
    assert store.run("r1").ended_at == ended


def test_finished_runs_are_handed_back_and_others_resumed(store: Store) -> None:
    store.claim(make_run())
    store.add([make_attempt()])
    store.finish("r1", "interrupted", None)
    resumed = store.claim(make_run("r2", fingerprint="fr1"))
    assert (resumed.run.id, resumed.resumed, resumed.finished, resumed.session) == ("r1", True, False, 2)
    summary = {"event": "summary", "decode_tps": {"n": 1, "mean": 50.0, "ci95": None}, "z": [1, None]}
    store.finish("r1", "finished", summary, ("a note",))
    ready = store.claim(make_run("r3", fingerprint="fr1"))
    assert ready.finished
    assert ready.run.summary == summary
    assert list(ready.run.summary) == list(summary)
    assert ready.run.notes == ("a note",)
    fresh = store.claim(make_run("r4", fingerprint="fr1"), fresh=True)
    assert (fresh.run.id, fresh.resumed) == ("r4", False)


def test_a_finished_run_with_outside_failures_is_taken_up_again(store: Store) -> None:
    store.claim(make_run())
    store.add([make_attempt(), make_attempt(repetition=1, exchanges=(failed(),))])
    store.finish("r1", "finished", {"event": "summary"})
    claim = store.claim(make_run("r2", fingerprint="fr1"))
    assert claim.resumed
    assert claim.run.id == "r1"
    store.add([make_attempt(repetition=1, try_no=2)])
    store.finish("r1", "finished", {"event": "summary"})
    assert store.claim(make_run("r2", fingerprint="fr1")).finished


def test_failures_that_nobody_grades_are_results_of_a_finished_run(store: Store) -> None:
    """Of a load: asked again under less of it, they would succeed."""
    store.claim(make_run())
    store.add([make_attempt(grade=None), make_attempt(repetition=1, exchanges=(failed(),), grade=None)])
    store.finish("r1", "interrupted", {"event": "summary"})
    assert store.claim(make_run("r2", fingerprint="fr1")).resumed
    store.finish("r1", "finished", {"event": "summary"})
    assert store.claim(make_run("r2", fingerprint="fr1")).finished
    assert not store.has_failures("r1")


def test_a_finished_load_in_which_nothing_was_answered_is_measured_anew(store: Store) -> None:
    """Such as one against a server that was not running."""
    store.claim(make_run())
    store.add([make_attempt(repetition=n, exchanges=(failed(),), grade=None) for n in range(3)])
    store.finish("r1", "finished", {"event": "summary"})
    assert store.has_failures("r1")
    claim = store.claim(make_run("r2", fingerprint="fr1"))
    assert (claim.run.id, claim.resumed, claim.finished) == ("r2", False, False)


def test_a_run_under_way_is_not_taken_over(store: Store) -> None:
    store.claim(make_run())
    with pytest.raises(StoreLocked, match="r1 is under way"):
        store.claim(make_run("r2", fingerprint="fr1"))
    with pytest.raises(StoreLocked):
        store.delete(["r1"])


def test_runs_are_found_by_prefix_and_filters(store: Store) -> None:
    store.claim(make_run("2026-alpha"))
    store.claim(make_run("2026-beta", started_at="2026-02-01T00:00:00+00:00", suite="json"))
    assert store.run("2026-a").id == "2026-alpha"
    assert store.run("latest").id == "2026-beta"
    for unknown in ("2026", "x", "", "2026-a%", "_"):
        with pytest.raises(UsageError):
            store.run(unknown)
    assert [run.id for run in store.runs()] == ["2026-beta", "2026-alpha"]
    assert [run.id for run in store.runs(RunFilter(suite="json"))] == ["2026-beta"]
    assert [run.id for run in store.runs(RunFilter(model="CODER", limit=1))] == ["2026-beta"]
    assert store.runs(RunFilter(state="finished")) == []


def test_the_latest_run_is_the_one_taken_last_whatever_the_clock_said(store: Store) -> None:
    """It was ahead for `a` and has been set right; `old` and `new` were measured on other machines."""
    for number, (name, year) in enumerate((("z", 2025), ("a", 2030), ("b", 2026), ("c", 2026))):
        store.claim(make_run(name, started_at=f"{year}-01-0{number + 1}T00:00:00+00:00"))
    assert [run.id for run in store.runs()] == ["c", "b", "a", "z"]
    assert [run.id for run in store.runs(RunFilter(limit=2))] == ["c", "b"]
    store.take_in([Bundle(run=make_run("old", started_at="2025-06-01T00:00:00+00:00"))])
    assert [run.id for run in store.runs()] == ["c", "b", "a", "old", "z"]
    assert store.run("latest").id == "c"
    assert store.run("c").started_at == "2026-01-04T00:00:00+00:00"
    store.take_in([Bundle(run=make_run("new", started_at="2031-01-01T00:00:00+00:00"))])
    assert store.run("latest").id == "new"


def test_deleting_a_run_deletes_all_of_it(store: Store) -> None:
    store.claim(make_run())
    store.claim(make_run("r2"))
    store.add([make_attempt(), make_attempt("r2")])
    store.add_samples("r1", [Sample(t_ns=1, device="gpu0", power_w=3.5)])
    assert store.samples("r1") == [Sample(t_ns=1, device="gpu0", power_w=3.5)]
    store.search("word3")
    for run_id in ("r1", "r2"):
        store.finish(run_id, "finished", {"decode_tps": {"n": 3, "mean": 1.0}})
    assert store.delete(["r1"]) == 1
    with store.reading() as db:
        for table in ("runs", "attempts", "exchanges", "timelines", "figures"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,), table
        assert db.execute("SELECT count(*) FROM samples").fetchone() == (0,)
        db.execute("INSERT INTO answers_fts(answers_fts, rank) VALUES ('integrity-check', 1)")
    assert [found.run_id for found in store.search("word3")] == ["r2"]


def test_deleting_gives_the_space_back(store: Store) -> None:
    for run_id in ("r1", "r2"):
        store.claim(make_run(run_id))
        store.add([make_attempt(run_id, repetition=number) for number in range(500)])
        store.finish(run_id, "finished")
    with store.reading() as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = store.path.stat().st_size
    store.delete(["r1"])
    assert store.path.stat().st_size < before * 0.7
    store.delete(["r2"])
    with store.reading() as db:
        for table in ("models", "servers", "texts", "prompts"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


def test_what_another_process_deleted_is_not_taken_for_there(store: Store) -> None:
    store.claim(make_run())
    store.add([make_attempt()])
    store.finish("r1", "finished")
    store.claim(make_run("r2"))
    with Store.open(store.path) as other:
        other.delete(["r1"])
    store.add([make_attempt("r2")])
    assert store.attempts("r2", with_exchanges=True) == [make_attempt("r2")]
    with pytest.raises(UsageError, match="no run 'r1'"):
        store.add([make_attempt("r1")])


def test_the_newest_calibration_is_attached_to_later_runs(store: Store) -> None:
    assert store.calibration() is None
    store.set_calibration({"ttft_error_ms": {"p50": 0.02}})
    store.set_calibration({"ttft_error_ms": {"p50": 0.03}})
    assert store.calibration() == {"ttft_error_ms": {"p50": 0.03}}
    assert store.claim(make_run()).run.calibration == {"ttft_error_ms": {"p50": 0.03}}
    assert store.run("r1").calibration == {"ttft_error_ms": {"p50": 0.03}}


HARD_TEXT = [
    "a/b",
    "../../etc/passwd",
    "C:\\x:y",
    "two words",
    "\N{LLAMA}\N{ZERO WIDTH JOINER}\N{FIRE}",
    "x" * 300,
    "\x00\x01\x1b[31mred\x07",
    "line\u2028separator\u2029\x85",
    "'; DROP TABLE runs; --",
    '"quoted" * NEAR(',
    "\U0010ffff\ufffe\ufeff",
    "",
]


@pytest.mark.parametrize("name", HARD_TEXT)
def test_hard_names_and_answers_come_back(store: Store, name: str) -> None:
    run = make_run(model=Model(name=name, notes=(name,)), settings={name: name}, notes=(name,))
    store.claim(run)
    assert store.run("r1") == run
    request = Request(model=name, messages=(Message(role="user", content=name),), request_id=name)
    exchange = make_exchange(2, request=request, text=name, reasoning=name, error=name, model_served=name)
    attempt = make_attempt(stage=name, item_id=name, exchanges=(exchange,))
    store.add([attempt])
    assert store.attempts("r1", with_exchanges=True) == [attempt]
    assert list(store.done("r1")) == [(name, name, 0)]
    assert store.search(name) is not None
    assert store.runs(RunFilter(search=name)) is not None


def test_lone_surrogates_become_replacement_characters(store: Store) -> None:
    bad, good = "a\ud800b", "a\ufffdb"
    run = make_run(model=Model(name=bad, notes=(bad,)), settings={bad: [bad]}, command=bad)
    store.claim(run)
    assert store.run("r1").model == Model(name=good, notes=(good,))
    assert store.run("r1").settings == {good: [good]}
    request = Request(model=bad, messages=(Message(role="user", content=bad * 2000),))
    events = Events(t_ns=(1, 2), kinds="cc", texts=("a\ud800", "b"))
    exchange = make_exchange(2, request=request, text=bad, events=events, error=bad)
    store.add([make_attempt(stage=bad, item_id=bad, exchanges=(exchange,))])
    (stored,) = store.attempts("r1", with_exchanges=True)
    assert stored.exchanges[0].text == good
    assert stored.exchanges[0].events == Events(t_ns=(1, 2), kinds="cc", texts=("a\ufffd", "b"))
    assert stored.exchanges[0].request.messages[0].content == good * 2000
    assert rows.clean("\ud83e\udd99") == "\N{LLAMA}"


def test_ten_megabytes_without_a_newline(store: Store) -> None:
    store.claim(make_run())
    text = "x" * 10_000_000
    exchange = make_exchange(
        1, text=text, events=Events(t_ns=(5,), kinds="c", texts=(text,)), raw=text.encode()
    )
    store.add([make_attempt(exchanges=(exchange,))])
    assert store.attempts("r1", with_exchanges=True)[0].exchanges[0] == exchange


def test_keys_never_reach_the_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-verysecret")
    store.claim(make_run(command="tiltyard run --note sk-verysecret", settings={"h": "sk-verysecret"}))
    exchange = failed("http_error")
    exchange = replace(
        exchange, raw=b'{"error": "bad key sk-verysecret \xff"}', error="bad key sk-verysecret"
    )
    store.add([make_attempt(exchanges=(exchange,))])
    (stored,) = store.attempts("r1", with_exchanges=True)
    assert stored.exchanges[0].raw == b'{"error": "bad key *** \xff"}'
    store.close()
    assert not any(b"sk-verysecret" in path.read_bytes() for path in store.path.parent.iterdir())


def test_bundles_are_taken_in_whole_and_once(store: Store, tmp_path: Path) -> None:
    summary = {"decode_tps": {"n": 3, "mean": 50.0}}
    bundle = Bundle(
        run=make_run(state="finished", summary=summary, ended_at="2026-01-02T03:05:00+00:00"),
        attempts=(make_attempt(), make_attempt(repetition=1, session=2)),
        samples=(Sample(t_ns=4, device="cpu"),),
    )
    assert store.take_in([bundle]) == (["r1"], [])
    assert store.take_in([bundle]) == ([], [])
    assert store.run("r1") == bundle.run
    assert tuple(store.attempts("r1", with_exchanges=True)) == bundle.attempts
    assert store.samples("r1") == [*bundle.samples]
    assert store.board()[0].decode_tps is not None
    with pytest.raises(UsageError):
        store.take_in([Bundle(run=make_run("r9"), attempts=(make_attempt("other"),))])
    assert [run.id for run in store.runs()] == ["r1"]


def test_other_tools_can_read_it(store: Store) -> None:
    store.claim(make_run())
    store.add([make_attempt()])
    store.close()
    with closing(sqlite3.connect(store.path)) as db, db:
        row = db.execute(
            "SELECT name, ttft_ms, decode_tps, json_extract(settings, '$.profile'), "
            "json_extract(messages, '$[1].content') FROM runs JOIN models ON models.id = model_id "
            "JOIN attempts ON run_key = key JOIN exchanges ON attempt_id = attempts.id"
        ).fetchone()
    db.close()
    assert row == ("qwen2.5-coder:7b-q4_K_M", 200.0, 50.0, "quick", "Say the words.")
    assert json.loads(msgspec.json.encode(make_run()).decode())["model"]["name"] == row[0]


def test_company_is_told_by_change_and_not_by_the_clock(store: Store) -> None:
    """A clock that is set right, or back, makes no company and hides none."""

    def last_active(run_id: str, when: str) -> None:
        with store.writing() as db:
            db.execute("UPDATE runs SET active_at = ? WHERE id = ?", (when, run_id))

    mine = make_run("mine")
    for name in ("ended", "other"):
        store.claim(make_run(name))
        store.finish(name, "finished")
    store.claim(mine)
    last_active("ended", "2999-01-01T00:00:00.000+00:00")
    before = store.last_seen()
    assert store.beside(mine, before) == {}
    last_active("other", "1999-01-01T00:00:00.000+00:00")
    assert store.beside(mine, before) == {"other": "server"}
    store.claim(make_run("new"))
    store.finish("new", "finished")
    assert store.beside(mine, before) == {"other": "server", "new": "server"}
    store.delete(["other", "new"])
    assert store.beside(mine, before) == {}
