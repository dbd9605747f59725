"""The core under every graded suite: what is asked again, when it gives up, what the summary says."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from tests.suites.graded_runs import (
    QUESTIONS,
    asked_before_recorded,
    clever,
    kept_when_cancelled,
    made_when_answered,
    read_in_waits,
    run_doubles,
    sitting,
)
from tiltyard.errors import UsageError
from tiltyard.servers.clock import now_ns
from tiltyard.servers.simulator import SimConfig, running
from tiltyard.servers.simulator.config import Say
from tiltyard.store.store import Store
from tiltyard.suites.asking import AHEAD, UNREAD_GRADED
from tiltyard.suites.graded import Asking, read_asking, seed_of
from tiltyard.suites.patience import Batches

FAST = {"retry_delay_s": 0.001, "concurrency": 3}


def test_outcomes_scores_and_groups(tmp_path: Path) -> None:
    summary, _ = run_doubles(tmp_path / "s.sqlite3", {"concurrency": 3})
    assert summary["n"] == QUESTIONS
    assert {k: v for k, v in summary["outcomes"].items() if v} == {"correct": 10, "wrong": 1, "unparsed": 1}
    assert summary["score"] == pytest.approx(10 / 12)
    assert summary["score_completed"] == pytest.approx(10 / 11)
    assert summary["bounds"] == pytest.approx([10 / 12, 11 / 12])
    low, high = summary["ci95"]
    assert low < 10 / 12 < high
    groups = {group["name"]: group for group in summary["groups"]}
    assert {name: group["n"] for name, group in groups.items()} == {"thirds": 4, "others": 8}
    assert groups["thirds"]["score"] == 1.0
    assert summary["speed"]["ttft_ms"]["n"] == QUESTIONS
    assert summary["requests"] == {"ok": 12, "failed": 0, "truncated": 0, "total": 12}


def test_the_store_keeps_grades_with_their_details(tmp_path: Path) -> None:
    summary, _ = run_doubles(tmp_path / "s.sqlite3", {"concurrency": 1})
    with Store.open(tmp_path / "s.sqlite3") as store:
        attempts = {a.item_id: a for a in store.attempts(summary["run_id"], with_exchanges=True)}
    seven = attempts["q7"].grade
    assert seven is not None
    assert (seven.outcome, seven.rule) == ("wrong", "digits")
    assert seven.details == {"even": False, "said": "15"}
    assert attempts["q8"].exchanges[-1].text == "many"


def test_what_fails_on_its_way_is_asked_again_at_once(tmp_path: Path) -> None:
    patient = {**FAST, "retries": 9}  # the faults befall every fourth request, whichever item that is
    summary, events = run_doubles(tmp_path / "s.sqlite3", patient, faults=("busy_503@/4", "drop@5"))
    assert summary["outcomes"]["correct"] == 10
    assert summary["outcomes"]["error"] == 0
    retries = [event for event in events if event["event"] == "retry"]
    assert len(retries) >= 4
    with Store.open(tmp_path / "s.sqlite3") as store:
        tries = store.attempts(summary["run_id"], all_tries=True)
        kept = store.attempts(summary["run_id"])
    assert len(tries) == QUESTIONS + len(retries)
    assert summary["retries"] == len(retries)
    assert len(kept) == QUESTIONS
    assert {a.grade.outcome for a in kept if a.grade} == {"correct", "wrong", "unparsed"}


def test_what_a_model_said_is_never_asked_again(tmp_path: Path) -> None:
    summary, events = run_doubles(tmp_path / "s.sqlite3", FAST, faults=("error_500@2", "empty_200@3"))
    assert summary["outcomes"]["error"] == 2
    assert not [event for event in events if event["event"] == "retry"]
    assert summary["bounds"][1] - summary["bounds"][0] == pytest.approx(3 / 12)
    assert summary["score"] is not None


def test_errors_are_asked_again_on_resume_and_answers_are_not(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    settings = {**FAST, "retries": 0, "concurrency": 1}
    first, _ = run_doubles(path, settings, faults=("error_500@2", "no_finish@4"))
    assert first["outcomes"]["error"] == 2
    second, events = run_doubles(path, settings)
    assert second["run_id"] == first["run_id"]
    assert second["outcomes"]["error"] == 0
    assert second["n"] == QUESTIONS
    assert second["score"] == pytest.approx(10 / 12)
    started = next(event for event in events if event["event"] == "stage")
    assert started["done"] == QUESTIONS - 2
    with Store.open(path) as store:
        assert len(store.attempts(first["run_id"], all_tries=True)) == QUESTIONS + 2


def test_a_dead_server_ends_the_stage_and_scores_nothing(tmp_path: Path) -> None:
    settings = {**FAST, "retries": 0, "concurrency": 1, "count": 500}
    summary, _ = run_doubles(tmp_path / "s.sqlite3", settings, faults=("drop",))
    assert summary["score"] is None
    assert summary["gave_up"]
    assert summary["n"] < 50
    assert summary["bounds"] == [0.0, 1.0]


def test_repeats_share_their_item_and_draw_their_own_numbers(tmp_path: Path) -> None:
    settings = {"concurrency": 2, "repeats": 3, "temperature": 0.7}
    with running(SimConfig(models=(clever(),), dialects=("openai",))) as sim:
        summary, _ = asyncio.run(sitting(tmp_path / "s.sqlite3", settings, sim.url("openai")))
    assert summary["n"] == 3 * QUESTIONS
    with Store.open(tmp_path / "s.sqlite3") as store:
        attempts = store.attempts(summary["run_id"], with_exchanges=True)
    assert sorted({a.repetition for a in attempts}) == [0, 1, 2]
    seeds = [a.exchanges[0].request.seed for a in attempts]
    assert len(set(seeds)) == len(seeds)


def test_a_limit_on_words_is_seen(tmp_path: Path) -> None:
    model = clever(script=(), natural_tokens=500)
    summary, _ = run_doubles(tmp_path / "s.sqlite3", {"max_tokens": 4, "concurrency": 2}, model=model)
    assert summary["outcomes"]["truncated"] == QUESTIONS
    assert summary["cap_hit"]["value"] == 1.0
    assert summary["score"] == 0.0
    assert summary["score_completed"] is None


def test_batches_rest_between_each_other() -> None:
    async def walk() -> list[tuple[int, int]]:
        batches, times = Batches(2, 0.05), list[tuple[int, int]]()
        numbers = itertools.count()

        async def work() -> None:
            while (number := next(numbers)) < 6:
                await batches.enter(number)
                times.append((number, now_ns()))
                batches.leave()

        await asyncio.gather(work(), work())
        return times

    times = dict(asyncio.run(walk()))
    for batch in (1, 2):
        assert (
            min(times[2 * batch], times[2 * batch + 1]) - max(times[2 * batch - 1], times[2 * batch - 2])
            >= 49e6
        )


@pytest.mark.slow
def test_a_pause_slows_a_run_down(tmp_path: Path) -> None:
    summary, _ = run_doubles(tmp_path / "s.sqlite3", {"concurrency": 4, "pause_s": 0.1})
    assert summary["n"] == QUESTIONS
    assert summary["wall_s"] >= 0.2


def test_settings_that_cannot_be_meant() -> None:
    for bad in ({"max_tokens": "many"}, {"concurrency": 1.5}):
        with pytest.raises(UsageError, match="cannot be meant"):
            read_asking(bad, Asking)


def test_a_seed_depends_on_item_and_repetition() -> None:
    from tiltyard.records import Item

    seeds = {
        seed_of(Item(id=name, content_hash="x", repetition=repetition), 0)
        for name in "abc"
        for repetition in range(3)
    }
    assert len(seeds) == 9
    assert all(0 <= seed < 2**31 for seed in seeds)


@pytest.mark.slow
def test_a_store_that_is_behind_slows_the_asking() -> None:
    with running(SimConfig(models=(clever(),), dialects=("openai",), delay=False)) as sim:
        settings = {"concurrency": 2, "max_tokens": 8, "count": 300}
        most = asyncio.run(asked_before_recorded(sim.url("openai"), settings, 0.005))
    assert most <= (UNREAD_GRADED + 1) * 2 + 1


@pytest.mark.slow
def test_while_answers_are_waited_for_the_next_requests_are_made() -> None:
    slow = clever(prefill_tps=1e6, decode_tps=20.0)
    with running(SimConfig(models=(slow,), dialects=("openai",))) as sim:
        settings = {"concurrency": 2, "max_tokens": 8, "count": 3 * AHEAD}
        ahead = asyncio.run(made_when_answered(sim.url("openai"), settings))
    assert ahead[0] == AHEAD
    assert ahead[-1] == 0


LONG = clever(script=(Say(when="", say="word " * 1000),), prefill_tps=200.0, decode_tps=5_000.0)
ONE_STREAM = {"concurrency": 1, "max_tokens": 2000, "count": 4}


@pytest.mark.slow
def test_long_answers_are_read_while_no_first_words_are_waited_for() -> None:
    """To read one takes as long as a few tokens, and those that come meanwhile merge into one arrival."""
    with running(SimConfig(models=(LONG,), dialects=("openai",))) as sim:
        assert asyncio.run(read_in_waits(sim.url("openai"), ONE_STREAM)) == [False] * 4
        assert asyncio.run(asked_before_recorded(sim.url("openai"), ONE_STREAM, 0.0)) == 1


@pytest.mark.slow
def test_a_long_answer_that_is_being_kept_outlives_the_end_of_its_stage() -> None:
    with running(SimConfig(models=(LONG,), dialects=("openai",))) as sim:
        assert asyncio.run(kept_when_cancelled(sim.url("openai"), ONE_STREAM)) == (1, 1)


MEMORY = """
import resource, sys
from pathlib import Path
from tests.suites.graded_runs import clever, run_doubles
import asyncio
from tests.suites.graded_runs import sitting
settings = {"concurrency": 16, "max_tokens": 8, "count": int(sys.argv[2])}
asyncio.run(sitting(Path(sys.argv[1]), settings, sys.argv[3]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_items(tmp_path: Path) -> None:
    peaks = []
    with running(SimConfig(models=(clever(),), dialects=("openai",), delay=False)) as sim:
        for count in (500, 8_000):
            words = [str(tmp_path / f"{count}.sqlite3"), str(count), sim.url("openai")]
            command = [sys.executable, "-c", MEMORY, *words]
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
            peaks.append(int(done.stdout))
    per_item = (peaks[1] - peaks[0]) * 1024 / 7_500
    assert per_item < 1_000, f"{per_item:.0f} bytes kept per item"
