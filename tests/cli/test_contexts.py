"""The context that a server really has loaded: what a run is filed under, and what --context comes to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from tiltyard.errors import ServerError, StoreLocked, UsageError
from tiltyard.jobs.plan import Job, Plan
from tiltyard.records import Json
from tiltyard.run import execute
from tiltyard.servers.connect import connect
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.store.fingerprint import fingerprint
from tiltyard.store.owner import this_process
from tiltyard.store.run_rows import utc_now
from tiltyard.store.store import Store

pytestmark = pytest.mark.slow

MODEL = SimModel(name="m", context=8192, context_max=131_072)
SHORT = {"profile": "quick", "requests": 2, "output_tokens": 4}
CHOOSING = [("llamacpp", True), ("lmstudio", False)]  # servers that decide with which context they load


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "s.sqlite3") as opened:
        yield opened


def config(dialect: str, model: SimModel = MODEL, url: str | None = None, **more: Any) -> SimConfig:
    """At the address of an earlier one where `url` is given."""
    ports = {} if url is None else {dialect: urlsplit(url).port}
    return SimConfig(models=(model,), dialects=(dialect,), ports=ports, speedup=200.0, **more)  # type: ignore[arg-type]


def measure(
    url: str,
    store: Store,
    settings: Mapping[str, Json] = SHORT,
    suites: int = 1,
    tell: Callable[[Mapping[str, Json]], None] = lambda event: None,
    **plan: Any,
) -> list[Mapping[str, Json]]:
    """The summaries of one command; every suite after the first is not started cold."""

    async def conduct() -> list[Mapping[str, Json]]:
        server = await connect(url, None, None)
        try:
            model = await server.describe("m")
            jobs = [
                Job(
                    server=server,
                    model=model,
                    suite="speed",
                    settings={**settings, "requests": 2 + i},
                    cold=not i,
                )
                for i in range(suites)
            ]
            return await execute(Plan(jobs=jobs, command="tiltyard run", **plan), store, tell)
        finally:
            await server.close()

    return asyncio.run(conduct())


def contexts(store: Store) -> list[int | None]:
    """Of all runs, oldest first."""
    return [run.model.context_loaded for run in reversed(store.runs())]


@pytest.mark.parametrize(
    ("dialect", "router", "preflight"), [*((*each, True) for each in CHOOSING), ("llamacpp", True, False)]
)
def test_a_server_started_again_with_another_context_is_measured_again(
    store: Store, dialect: str, router: bool, preflight: bool
) -> None:
    first = replace(MODEL, loaded=True)
    with running(config(dialect, first, router=router)) as sim:
        url = sim.url(dialect)
        [before] = measure(url, store, preflight=preflight)
        [again] = measure(url, store, preflight=preflight)
    with running(config(dialect, replace(first, context=65_536), url, router=router)):
        [wide] = measure(url, store, preflight=preflight)
        [wide_again] = measure(url, store, preflight=preflight)
    with running(config(dialect, first, url, router=router)):
        [back] = measure(url, store, preflight=preflight)
    assert again["cached"] is wide_again["cached"] is back["cached"] is True
    assert back["run_id"] == before["run_id"] == again["run_id"]
    assert wide["run_id"] == wide_again["run_id"] != before["run_id"]
    assert contexts(store) == [8192, 65_536]
    assert len({run.fingerprint for run in store.runs()}) == 2


def test_where_answers_alone_tell_the_engine_nothing_is_reused_unasked(store: Store) -> None:
    """Without a word beforehand nobody knows whether it was updated meanwhile."""
    with running(config("lmstudio", replace(MODEL, loaded=True))) as sim:
        runs = [measure(sim.url("lmstudio"), store, preflight=False)[0]["run_id"] for _ in range(2)]
    assert len(set(runs)) == 2


@pytest.mark.parametrize(("dialect", "router"), CHOOSING)
def test_a_model_that_is_not_in_memory_is_loaded_to_see_its_context(
    store: Store, dialect: str, router: bool
) -> None:
    with running(config(dialect, router=router)) as sim:
        url = sim.url(dialect)
        [before] = measure(url, store)
    with running(config(dialect, url=url, router=router)):
        [again] = measure(url, store)
    with running(config(dialect, replace(MODEL, context=65_536), url, router=router)):
        [wide] = measure(url, store)
    assert (again.get("cached"), again["run_id"]) == (True, before["run_id"])
    assert wide["run_id"] != before["run_id"]
    assert before["load"]["cold"] is wide["load"]["cold"] is True
    assert contexts(store) == [8192, 65_536]


def test_a_context_left_in_memory_by_another_run_does_not_hide_what_was_measured(store: Store) -> None:
    with running(config("lmstudio")) as sim:
        [before] = measure(sim.url("lmstudio"), store)
        measure(sim.url("lmstudio"), store, {**SHORT, "context": 2048})
        [again] = measure(sim.url("lmstudio"), store)
    assert (again.get("cached"), again["run_id"]) == (True, before["run_id"])
    assert contexts(store) == [8192, 2048]


@pytest.mark.parametrize(("dialect", "router"), CHOOSING)
def test_runs_stored_without_the_context_in_their_fingerprint_are_found(
    store: Store, dialect: str, router: bool
) -> None:
    with running(config(dialect, router=router)) as sim:
        url = sim.url(dialect)
        [before] = measure(url, store)
        [run] = store.runs()
        with store.writing() as db:
            db.execute("UPDATE runs SET fingerprint = ?", (fingerprint(run, movable=True),))
        [again] = measure(url, store)
    with running(config(dialect, replace(MODEL, context=65_536), url, router=router)):
        [wide] = measure(url, store)
    assert (again.get("cached"), again["run_id"]) == (True, before["run_id"])
    assert wide["run_id"] != before["run_id"]


def test_a_run_that_another_process_is_at_is_left_alone(store: Store) -> None:
    with running(config("llamacpp", router=True)) as sim:
        [before] = measure(sim.url("llamacpp"), store)
        with store.writing() as db:  # this process is alive, and so at work on it
            pid, started, host = this_process()
            db.execute(
                "UPDATE runs SET state = 'running', owner_pid = ?, owner_started = ?, owner_host = ?, "
                "active_at = ? WHERE id = ?",
                (pid, started, host, utc_now(), before["run_id"]),
            )
        heard: list[Mapping[str, Json]] = []
        with pytest.raises(StoreLocked):
            measure(sim.url("llamacpp"), store, tell=heard.append)
    assert [event["event"] for event in heard] == ["job"]  # not unloaded under it


def test_every_suite_of_a_command_is_filed_under_the_context_that_ran(store: Store) -> None:
    with running(config("lmstudio")) as sim:
        measure(sim.url("lmstudio"), store, suites=2)
        assert contexts(store) == [8192, 8192]
        again = measure(sim.url("lmstudio"), store, suites=2)
    assert [summary["cached"] for summary in again] == [True, True]


@pytest.mark.parametrize(
    ("dialect", "router", "remedy"),
    [
        ("lmstudio", False, "it may lack the memory for more: use --context 4096 or less"),
        ("ollama", False, "it may lack the memory for more: use --context 4096 or less"),
        ("llamacpp", True, "set it where the router is started"),
    ],
)
def test_less_context_than_asked_for_stops_the_run(
    store: Store, dialect: str, router: bool, remedy: str
) -> None:
    model = replace(MODEL, context=4096, context_most=4096)
    with running(config(dialect, model, router=router)) as sim:
        with pytest.raises(ServerError) as error:
            measure(sim.url(dialect), store, {**SHORT, "context": 65_536})
        prompts = [asked for asked in sim.truth() if asked.get("output", 0) > 4]
    assert "m was loaded with a context of 4096 tokens, 65536 were asked for" in str(error.value)
    assert remedy in error.value.remedy
    assert [run.state for run in store.runs()] == ["failed"]
    assert prompts == []  # the first word alone


def test_a_router_that_has_loaded_less_is_refused_before_anything_is_asked(store: Store) -> None:
    with running(config("llamacpp", replace(MODEL, loaded=True), router=True)) as sim:
        with pytest.raises(UsageError, match="8192 tokens, 65536 were asked for") as error:
            measure(sim.url("llamacpp"), store, {**SHORT, "context": 65_536})
        assert sim.truth() == []
    assert "set it where the router is started" in error.value.remedy
    assert store.runs() == []


def test_a_router_that_has_loaded_enough_is_measured(store: Store) -> None:
    with running(config("llamacpp", router=True)) as sim:
        [summary] = measure(sim.url("llamacpp"), store, {**SHORT, "context": 4096})
    assert summary["state"] == "finished"
    assert contexts(store) == [8192]


def test_what_fits_is_what_is_loaded_and_a_router_is_not_offered_more(store: Store) -> None:
    with running(config("llamacpp", router=True)) as sim, pytest.raises(UsageError) as error:
        measure(sim.url("llamacpp"), store, {**SHORT, "prompt_tokens": 20_000})
    assert "which is 8192 tokens" in str(error.value)
    assert error.value.remedy == "less of --prompt-tokens or --output-tokens"


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(("dialect", "router"), CHOOSING)
def test_a_profile_that_loads_nothing_does_not_take_a_context_that_is_not_there(
    store: Store, dialect: str, router: bool, there: bool
) -> None:
    with running(config(dialect, replace(MODEL, loaded=there), router=router)) as sim:
        with pytest.raises(UsageError) as error:
            measure(sim.url(dialect), store, {**SHORT, "context": 65_536}, preflight=False)
        assert sim.truth() == []
    have = "was loaded with a context of 8192 tokens" if there else "is not in memory"
    assert str(error.value) == f"m {have}, 65536 were asked for, and this profile loads nothing"


def test_a_profile_that_loads_nothing_is_filed_under_the_context_that_its_requests_ask_for(
    store: Store,
) -> None:
    settings = {**SHORT, "profile": "fixed"}
    with running(config("ollama", replace(MODEL, loaded=True))) as sim:
        [before] = measure(sim.url("ollama"), store, settings, preflight=False)
        [told] = measure(sim.url("ollama"), store, {**settings, "context": 8192}, preflight=False)
        [again] = measure(sim.url("ollama"), store, {**settings, "context": 8192}, preflight=False)
    assert told["run_id"] == again["run_id"] != before["run_id"]


@pytest.mark.parametrize(
    ("dialect", "model", "settings", "said"),
    [
        ("ollama", MODEL, {}, ["--context 33472"]),
        ("ollama", replace(MODEL, context_max=32_768), {}, ["--context 17088"]),  # not more than it can have
        ("ollama", MODEL, {"context": 4096}, []),  # who says one knows how
        ("llamacpp", replace(MODEL, loaded=True), {}, []),  # nor does it help here
    ],
)
def test_depths_that_are_left_out_name_the_context_that_has_room_for_them(
    store: Store, dialect: str, model: SimModel, settings: Mapping[str, Json], said: list[str]
) -> None:
    depth = {"profile": "depth", **settings}
    with running(config(dialect, model)) as sim:
        [summary] = measure(sim.url(dialect), store, depth)
    notes = summary["findings"]["notes"]
    assert sum("left out: it needs a context of" in note for note in notes) >= 2
    offers = [note for note in notes if "--context" in note]
    assert [note.partition(" has room for")[0] for note in offers] == said
    assert all(("d32768" in note) == (model.context_max > 33_000) for note in offers)


def test_a_depth_runs_with_the_context_that_was_named_for_it(store: Store) -> None:
    depth = {"profile": "depth", "depths": "4k", "context": 33_472}
    with running(config("ollama")) as sim:
        [summary] = measure(sim.url("ollama"), store, depth)
    assert [row["depth"] for row in summary["findings"]["depths"]] == [4096]
    assert summary["findings"]["notes"] == []
