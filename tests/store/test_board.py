"""The board: newest run of each fingerprint, filters, order, and figures found by their shape."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.store.conftest import make_run
from tiltyard.records import Model
from tiltyard.store.board import Wanted, as_mapping, models_of
from tiltyard.store.figures import summary_figures
from tiltyard.store.fingerprint import fingerprint
from tiltyard.store.store import Bundle, Store


def figure(mean: float, n: int = 5) -> dict[str, Any]:
    return {"n": n, "mean": mean, "p50": mean, "ci95": [mean - 1, mean + 1]}


def finish(store: Store, run_id: str, name: str, decode: float | None, **changes: Any) -> None:
    size = changes.pop("size", 4_000_000_000)
    requests = changes.pop("requests", {"ok": 5, "failed": 0, "truncated": 0, "total": 5})
    store.claim(make_run(run_id, model=Model(name=name, size_bytes=size), **changes), fresh=True)
    summary = {
        "event": "summary",
        "requests": requests,
        "decode_tps": None if decode is None else figure(decode),
        "ttft_ms": figure(1000 - (decode or 0)),
        "load": {"load_ms": 1500.0},
        "client": {"bottleneck": name == "fast"},
        "stages": [
            {"name": "pp512", "prefill_tps": figure(900.0)},
            {"name": "tg128", "decode_tps": figure(1.0)},
        ],
    }
    store.finish(run_id, "finished", summary)


@pytest.fixture
def full(store: Store) -> Store:
    finish(store, "r1", "slow", 10.0, size=40_000_000_000)
    finish(store, "r2", "fast", 100.0)
    finish(store, "r3", "none", None)
    finish(store, "r4", "other", 50.0, suite="json")
    store.claim(make_run("r5", model=Model(name="unfinished")))
    return store


def names(store: Store, **wanted: Any) -> list[str]:
    return [row.model for row in store.board(Wanted(**wanted))]


def test_order_and_filters(full: Store) -> None:
    assert names(full) == ["fast", "other", "slow", "none"]
    assert names(full, sort="ttft") == ["fast", "other", "slow", "none"]
    assert names(full, sort="model") == ["fast", "none", "other", "slow"]
    assert names(full, sort="size")[-1] == "slow"
    assert names(full, min_tps=30) == ["fast", "other"]
    assert names(full, max_gb=4.0) == ["fast", "other", "none"]
    assert names(full, suite="json") == ["other"]
    assert names(full, model="LO") == ["slow"]
    assert names(full, limit=1) == ["fast"]
    for sort in ("prefill", "load", "total", "score", "when"):
        assert len(names(full, sort=sort)) == 4


def test_what_has_no_scores_is_in_the_order_of_its_decode_rates(full: Store) -> None:
    for wanted in (Wanted(sort="score"), Wanted(sort="score", suite="speed")):
        rows = [row for row in full.board(wanted) if row.quality is None]
        rates = [row.decode_tps.mean or 0 if row.decode_tps else 0 for row in rows]
        assert len(rates) > 1
        assert rates == sorted(rates, reverse=True)


def test_a_cloud_is_no_part_of_this_machines_board(full: Store) -> None:
    cloud = Model(name="big:cloud", remote=True)
    full.claim(make_run("r9", model=cloud), fresh=True)
    full.finish("r9", "finished", {"event": "summary", "decode_tps": figure(500.0)})
    assert "big:cloud" not in names(full)
    assert names(full, cloud=True)[0] == "big:cloud"
    assert [row.remote for row in full.board(Wanted(cloud=True, model="big"))] == [True]


@pytest.mark.parametrize("kind", ["failed", "truncated"])
def test_a_run_that_mostly_did_not_end_well_takes_nobodys_place(store: Store, kind: str) -> None:
    def again(run_id: str, lost: int) -> None:
        requests = {"ok": 20 - lost, "failed": 0, "truncated": 0, "total": 20, kind: lost}
        finish(store, run_id, "fast", 100.0, fingerprint="same", requests=requests)

    again("r1", 0)
    again("r2", 17)
    (row,) = store.board()
    assert (row.run_id, row.not_well) == ("r1", 0)
    again("r3", 3)
    (row,) = store.board()
    assert (row.run_id, row.not_well) == ("r3", 3)


def test_a_row_says_what_was_measured(full: Store) -> None:
    row = as_mapping(full.board()[0])
    assert row["decode_tps"] == {"n": 5, "mean": 100.0, "p50": 100.0, "ci95": [99.0, 101.0]}
    assert (row["run_id"], row["load"], row["client"]) == ("r2", {"load_ms": 1500.0}, {"bottleneck": True})
    assert row["requests"] == {"ok": 5, "failed": 0, "truncated": 0}
    assert row["prefill_tps"] is None  # a stage's figure is not the run's


def test_different_fingerprints_are_never_pooled(store: Store) -> None:
    finish(store, "r1", "m", 10.0, fingerprint="a")
    finish(store, "r2", "m", 30.0, fingerprint="b")
    finish(store, "r3", "m", 20.0, fingerprint="a")
    assert [row.run_id for row in store.board()] == ["r2", "r3"]
    assert [row.run_id for row in store.board(Wanted(newest_only=True))] == ["r3"]


@pytest.mark.parametrize("same", [True, False])
def test_an_older_run_that_is_taken_in_later_displaces_nothing(store: Store, same: bool) -> None:
    """With the fingerprint of the newer one, and with another."""
    finish(store, "here", "m", 10.0, fingerprint="a", started_at="2026-05-01T00:00:00+00:00")
    here = store.run("here")
    fingerprint = "a" if same else "b"
    for name, month in (("old", "03"), ("older", "02")):
        summary = {**(here.summary or {}), "decode_tps": figure(99.0)}
        begun = f"2026-{month}-01T00:00:00+00:00"
        taken = replace(here, id=name, fingerprint=fingerprint, started_at=begun, summary=summary)
        store.take_in([Bundle(run=taken)])
    assert [run.id for run in store.runs()] == ["here", "old", "older"]
    assert [row.run_id for row in store.board()] == (["here"] if same else ["old", "here"])
    assert [row.run_id for row in store.board(Wanted(newest_only=True))] == ["here"]
    assert store.board(Wanted(min_tps=50)) == []  # goes by the newest speed run
    assert [m.speed and m.speed.run_id for m in models_of(store.board(), None)] == ["here"]
    newest = store.newest(fingerprint)
    assert newest is not None
    assert newest.id == ("here" if same else "old")
    assert "since" not in as_mapping(store.board()[0])


def grade(store: Store, run_id: str, n: int, stop_when: str | None = None, **changes: Any) -> None:
    """A finished graded run over the same hundred items."""
    settings = {"items": "i", "seed": 0, "stop_when": stop_when, **changes.pop("settings", {})}
    settings = {name: value for name, value in settings.items() if value is not None}
    run = make_run(run_id, suite="mcq", model=Model(name="m", digest="d"), settings=settings, **changes)
    run = replace(run, fingerprint=fingerprint(run, movable=False))
    store.claim(run, fresh=True)
    summary = {
        "requests": {"ok": n, "failed": 0, "truncated": 0, "total": n},
        "outcomes": {"correct": n},
        "n": n,
        "score": 1.0,
        "ci95": [0.9, 1.0],
        "ci_method": "always_valid" if stop_when else "wilson",
    }
    if stop_when:
        summary["stopping"] = {"rule": stop_when, "decided": n < 100, "items": n}
    store.finish(run_id, "finished", summary)


def newest(store: Store) -> list[str]:
    return [row.run_id for row in store.board(Wanted(newest_only=True))]


@pytest.mark.parametrize("rule", ["decided", "width=0.2"])
def test_a_run_that_ended_early_does_not_stand_in_for_the_whole_one(store: Store, rule: str) -> None:
    grade(store, "whole", 100)
    grade(store, "early", 20, rule)
    assert newest(store) == ["whole"]
    assert [row.run_id for row in store.board()] == ["early", "whole"]
    grade(store, "earlier", 12, "width=0.3")
    assert newest(store) == ["whole"]
    grade(store, "later", 100, "width=0.05")  # its rule was never met
    assert newest(store) == ["later"]
    grade(store, "again", 98)  # a few errors: it was to ask everything
    assert newest(store) == ["again"]


def test_a_run_that_ended_early_is_shown_where_it_asked_in_another_way(store: Store) -> None:
    grade(store, "whole", 100)
    grade(store, "thinking", 20, "decided", settings={"think": True})
    assert newest(store) == ["thinking"]
    grade(store, "plain", 20, "decided")
    assert newest(store) == ["whole"]
    grade(store, "other-engine", 20, "decided", server=replace(make_run().server, version="0.14"))
    assert newest(store) == ["other-engine"]


def test_figures_are_found_by_their_shape() -> None:
    summary = {
        "decode_tps": figure(1.0),
        "empty": {"n": 0, "mean": None},
        "deep": {"stages": [{"name": "tg128", "itl_ms": figure(2.0)}, {"x": figure(3.0)}]},
        "not": {"n": "5", "mean": 3},
        "text": "n mean",
    }
    found = {(row[0], row[1]): row[3] for row in summary_figures(summary)}
    assert found == {
        ("", "decode_tps"): 1.0,
        ("", "empty"): None,
        ("deep / stages / tg128", "itl_ms"): 2.0,
        ("deep / stages / 1", "x"): 3.0,
    }
