"""Which models are in memory while others are measured, and what a run says about the one that was."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Finished
from tests.servers.dialects.conftest import Canned, Page, chunk, events, serve
from tiltyard.jobs.plan import Job, Plan
from tiltyard.run import execute
from tiltyard.servers.connect import connect
from tiltyard.servers.simulator import Running, SimConfig, SimModel, running
from tiltyard.store.store import Store

pytestmark = pytest.mark.slow

Tiltyard = Callable[..., Finished]
SHORT = ("--requests", "2", "--output-tokens", "4", "--json")
__all__ = ["serve"]  # a fixture


@pytest.fixture
def sim() -> Iterator[Running]:
    models = (SimModel(name="one:1b"), SimModel(name="two:2b"))
    with running(SimConfig(models=models, dialects=("ollama", "lmstudio"), speedup=200.0)) as simulator:
        yield simulator


def in_memory(sim: Running) -> list[str]:
    with urllib.request.urlopen(sim.url("ollama") + "/api/ps") as page:
        return [item["name"] for item in json.load(page)["models"]]


def stored(home: Path) -> list[tuple[str, int | None, int | None]]:
    with closing(sqlite3.connect(home / "tiltyard.sqlite3")) as db, db:
        found = db.execute(
            "SELECT name, context_loaded, loaded FROM runs JOIN models ON models.id = model_id "
            "ORDER BY runs.key"
        ).fetchall()
    return [tuple(row) for row in found]


def test_a_run_holds_the_context_that_ran_and_only_the_last_model_stays(
    tiltyard: Tiltyard, sim: Running, home: Path
) -> None:
    done = tiltyard("run", "speed", "--server", sim.url("ollama"), "--all", *SHORT)
    assert done.code == 0, done.err
    assert stored(home) == [("one:1b", 4096, 1), ("two:2b", 4096, 1)]  # neither was in memory when planned
    assert in_memory(sim) == ["two:2b"]


def test_a_context_that_was_asked_for_is_the_one_stored(tiltyard: Tiltyard, sim: Running, home: Path) -> None:
    url = sim.url("lmstudio")
    done = tiltyard("run", "speed", "--server", url, "--model", "one:1b", "--context", "2048", *SHORT)
    assert done.code == 0, done.err
    assert stored(home) == [("one:1b", 2048, 1)]


def test_the_same_name_on_another_server_is_another_model_in_memory(tmp_path: Path) -> None:
    """Each of the two sites has a memory of its own."""
    model = (SimModel(name="same:1b"),)
    with (
        running(SimConfig(models=model, dialects=("ollama",), speedup=200.0)) as first,
        running(SimConfig(models=model, dialects=("ollama",), speedup=200.0)) as second,
    ):

        async def both() -> None:
            servers = [await connect(each.url("ollama"), "ollama", None) for each in (first, second)]
            settings = {"profile": "quick", "requests": 2, "output_tokens": 4}
            jobs = [
                Job(server=server, model=await server.describe("same:1b"), suite="speed", settings=settings)
                for server in servers
            ]
            store = Store(tmp_path / "s.sqlite3")
            try:
                plan = Plan(jobs=jobs, command="tiltyard run speed", fresh=True)
                await execute(plan, store, lambda event: None)
            finally:
                store.close()
                for server in servers:
                    await server.close()

        asyncio.run(both())
        assert in_memory(first) == []
        assert in_memory(second) == ["same:1b"]


def test_a_second_name_of_the_same_weights_is_no_other_model_in_memory(
    tiltyard: Tiltyard, serve: Callable[..., Canned]
) -> None:
    one = {"object": "model", "owned_by": "vllm", "max_model_len": 8192}
    listed = [
        {**one, "id": "qwen3", "root": "/w/Qwen3-8B"},
        {**one, "id": "qwen3-alias", "root": "/w/Qwen3-8B"},
        {**one, "id": "sql-lora", "root": "/w/sql-lora", "parent": "qwen3"},
    ]
    answer = events(chunk("qwen3", content="hi"), chunk("qwen3", finish="stop"))
    pages = {
        "GET /v1/models": {"data": listed},
        "POST /v1/chat/completions": Page(answer, kind="text/event-stream"),
    }
    place = ("--server", serve(pages).url, "--dialect", "vllm")
    done = tiltyard("run", "speed", *place, "--model", "qwen3-alias", *SHORT)
    told = [note for note in done.summary()["notes"] if "memory" in note]
    assert told == ["also in the server's memory: sql-lora"]


def test_a_model_in_the_memory_of_another_server_here_is_noted(tiltyard: Tiltyard, sim: Running) -> None:
    model = SimModel(name="other:7b", loaded=True)
    with running(SimConfig(models=(model,), dialects=("ollama",), speedup=200.0)) as second:
        own, other = sim.url("lmstudio"), second.url("ollama")
        words = ("run", "speed", "--server", own, "--model", "one:1b", *SHORT)
        done = tiltyard(*words, env={"TILTYARD_SERVERS": f"{other},{own}"})
    told = [note for note in done.summary()["notes"] if "memory" in note]
    assert told == [f"also in memory on this machine: other:7b (ollama at {other})"]


def test_who_hangs_beside_the_server_holds_nobody_up(tiltyard: Tiltyard, sim: Running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        env = {"TILTYARD_SERVERS": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        place = ("--server", sim.url("ollama"), "--model", "one:1b")
        done = tiltyard("run", "speed", *place, *SHORT, env=env)
    assert done.code == 0, done.err
    assert not [note for note in done.summary()["notes"] if "memory" in note]
