"""A start that leaves a few kilobytes more or less of the memory makes this no other machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.cli.stocked import stock, tiltyard
from tests.cli.test_contexts import SHORT, config, measure
from tests.reports import made
from tiltyard.records import Run
from tiltyard.servers.simulator import running
from tiltyard.store.fingerprint import fingerprint
from tiltyard.store.store import Store

pytestmark = pytest.mark.slow


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "s.sqlite3") as opened:
        yield opened


def before_the_start(store: Store, run_id: str, size: Callable[[int], int], movable: bool = False) -> None:
    """Make a stored run one of a start that left that much of the memory, filed under what it left."""
    run = store.run(run_id)
    machine = {**run.machine, "ram_bytes": size(run.machine["ram_bytes"])}
    machine.pop("known_as", None)
    there = fingerprint(replace(run, machine=machine), movable)
    with store.writing() as db:
        values = json.dumps(machine), there, run_id
        db.execute("UPDATE runs SET machine = ?, fingerprint = ? WHERE id = ?", values)


def test_the_same_command_finds_the_run_of_before_the_start(store: Store) -> None:
    with running(config("openai")) as sim:
        url = sim.url("openai")
        [first] = measure(url, store)
        before_the_start(store, first["run_id"], lambda size: size + 4096)
        [again] = measure(url, store)
        measure(url, store, fresh=True)
        fresh = store.runs()[0]
    assert (again.get("cached"), again["run_id"]) == (True, first["run_id"])
    assert fresh.id != first["run_id"]
    assert fresh.machine["ram_bytes"] == store.run(first["run_id"]).machine["ram_bytes"] - 4096
    assert [row.run_id for row in store.board()] == [fresh.id]


def test_an_interrupted_run_is_carried_on_after_the_start(store: Store) -> None:
    with running(config("openai")) as sim:
        [first] = measure(sim.url("openai"), store)
        before_the_start(store, first["run_id"], lambda size: size - 4096)
        with store.writing() as db:
            db.execute("UPDATE runs SET state = 'interrupted'")
        [again] = measure(sim.url("openai"), store)
    assert (again["run_id"], again["state"]) == (first["run_id"], "finished")
    assert len(store.runs()) == 1


def test_the_run_stays_found_when_the_one_that_was_first_is_deleted(store: Store) -> None:
    with running(config("openai")) as sim:
        url = sim.url("openai")
        [first] = measure(url, store)
        before_the_start(store, first["run_id"], lambda size: size + 4096)
        [fresh] = measure(url, store, fresh=True)
        store.delete([first["run_id"]])
        [again] = measure(url, store)
    assert (again.get("cached"), again["run_id"]) == (True, fresh["run_id"])


def test_runs_that_were_filed_under_several_sizes_are_all_found(store: Store) -> None:
    longer = {**SHORT, "output_tokens": 6}
    with running(config("openai")) as sim:
        url = sim.url("openai")
        [one] = measure(url, store)
        [other] = measure(url, store, longer)
        before_the_start(store, one["run_id"], lambda size: size + 4096)
        before_the_start(store, other["run_id"], lambda size: size - 8192)
        found = [measure(url, store, settings)[0]["run_id"] for settings in (SHORT, longer)]
    assert found == [one["run_id"], other["run_id"]]


def test_the_board_has_one_row_of_runs_that_were_filed_under_several_sizes(store: Store) -> None:
    with running(config("openai")) as sim:
        url = sim.url("openai")
        [first] = measure(url, store)
        [second] = measure(url, store, fresh=True)
        measure(url, store, {**SHORT, "output_tokens": 6})
    before_the_start(store, first["run_id"], lambda size: size + 4096)
    assert len({run.fingerprint for run in store.runs()}) == 3
    assert len(store.board()) == 2
    assert second["run_id"] in {row.run_id for row in store.board()}


def test_more_memory_is_another_machine(store: Store) -> None:
    with running(config("openai")) as sim:
        [first] = measure(sim.url("openai"), store)
        before_the_start(store, first["run_id"], lambda size: size * 2)
        [again] = measure(sim.url("openai"), store)
    assert again["run_id"] != first["run_id"]
    assert len(store.board()) == 2


def of_sizes(folder: Path, *sizes: int) -> list[Run]:
    """A store with runs of one model, each after a start of the same machine."""
    makers = [made.quick("m", 40.0, n=5, seed=i, digest="d") for i in range(len(sizes))]
    runs = [
        replace(maker.run(), machine={"cpu": "c", "ram_bytes": size})
        for maker, size in zip(makers, sizes, strict=True)
    ]
    stock(folder, list(zip(makers, runs, strict=True)))
    return runs


def answer(folder: Path, *words: str) -> Any:
    return json.loads(tiltyard(folder, *words, "--json").stdout)


def test_the_board_by_model_has_one_row_of_a_machine_whose_memory_moved(tmp_path: Path) -> None:
    half = (31 << 30) + (1 << 29)  # 31.5 GiB, where a rounded size would jump
    of_sizes(tmp_path, half + 4096, half - 4096)
    assert len(answer(tmp_path, "board", "--by-model")["models"]) == 1


def test_compare_does_not_call_them_two_machines(tmp_path: Path) -> None:
    of_sizes(tmp_path, 31 << 30, (31 << 30) - 4096, 16 << 30)
    latest, middle, first = (run["id"] for run in answer(tmp_path, "runs")["runs"])
    alike, other = (answer(tmp_path, "compare", first, name) for name in (middle, latest))
    assert [d for d in alike["differences"] if d[0].startswith("machine.")] == []
    assert not any("machines differ" in warning for warning in alike["warnings"])
    assert any("machines differ: ram_bytes" in warning for warning in other["warnings"])
