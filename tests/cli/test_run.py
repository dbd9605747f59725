"""`tiltyard run` as a process: what it prints, what it keeps, how it ends."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import Finished
from tests.patience import best_of
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.suites.despair import GONE_AFTER

pytestmark = pytest.mark.slow

Tiltyard = Callable[..., Finished]

FIGURES = ("ttft_ms", "ttfo_ms", "itl_ms", "chunk_gap_ms", "e2e_ms", "queue_ms", "decode_tps", "prefill_tps")
FIGURE_KEYS = {"n", "mean", "p50", "p90", "p95", "p99", "min", "max", "ci95"}


@pytest.fixture(scope="module")
def sim() -> Iterator[str]:
    """The address of a simulator with a fast and a slow model, in the plain OpenAI dialect."""
    models = (
        SimModel(name="fast", ttft_ms=20.0, token_ms=2.0, slots=64, loaded=True),
        SimModel(name="slow", ttft_ms=50.0, token_ms=20.0, slots=4, loaded=True),
    )
    with running(SimConfig(models=models, dialects=("openai",))) as simulator:
        yield simulator.url("openai")


def fixed(url: str, model: str, *more: str) -> list[str]:
    """A command line of the profile `fixed`."""
    head = ["run", "speed", "--profile", "fixed", "--server", url, "--dialect", "openai", "--model", model]
    return [*head, *more]


def test_the_address_of_a_page_works_as_the_servers(tiltyard: Tiltyard, sim: str) -> None:
    command = ["run", "speed", "--profile", "fixed", "--server", f"{sim}/v1/chat/completions"]
    done = tiltyard(
        *command, "--model", "fast", "--requests", "1", "--output-tokens", "2", "--json", "--fresh"
    )
    assert done.code == 0, done.err
    assert (done.summary()["server"]["url"], done.summary()["requests"]["ok"]) == (sim, 1)


@best_of()
def test_the_summary_has_the_promised_shape_and_the_true_numbers(tiltyard: Tiltyard, sim: str) -> None:
    more = ("--concurrency", "4", "--requests", "120", "--output-tokens", "11", "--json", "--fresh")
    done = tiltyard(*fixed(sim, "fast", *more))
    assert done.code == 0, done.err
    summary = done.summary()
    assert summary["schema"] == "tiltyard.summary/1"
    assert (summary["suite"], summary["model"], summary["server"]["dialect"]) == ("speed", "fast", "openai")
    assert summary["server"]["url"] == sim
    assert summary["requests"] == {"ok": 120, "failed": 0, "truncated": 0, "total": 120}
    assert summary["endings"] == {"ok": 120}
    assert summary["tokens"]["output"] == 120 * 11
    assert summary["tokens"]["source"] == "server"
    for name in FIGURES:
        assert set(summary[name] or ()) >= FIGURE_KEYS or name == "prefill_tps", name
    assert summary["prefill_tps"] is None  # a wait beside other requests is no measure of it
    assert summary["ttft_ms"]["p50"] == pytest.approx(20, abs=4)
    assert summary["itl_ms"]["p50"] == pytest.approx(2, abs=0.3)
    assert summary["decode_tps"]["p50"] == pytest.approx(500, rel=0.1)
    assert summary["ttft_ms"]["p99"] is not None
    lo, hi = summary["ttft_ms"]["ci95"]
    assert lo <= summary["ttft_ms"]["mean"] <= hi
    assert set(summary["client"]) >= {"cpu_s", "cpu_us_per_chunk", "loop_lag_ms_p99", "bottleneck"}
    assert isinstance(summary["machine"], dict)
    events = [line["event"] for line in done.lines()]
    assert events[0] == "job"
    assert "progress" in events


def test_a_large_percentile_of_a_small_sample_is_not_shown(tiltyard: Tiltyard, sim: str) -> None:
    summary = tiltyard(*fixed(sim, "fast", "--requests", "20", "--output-tokens", "3", "--json")).summary()
    assert summary["ttft_ms"]["n"] == 20
    assert summary["ttft_ms"]["p99"] is None


def test_the_same_command_shows_the_same_run_and_fresh_measures_again(tiltyard: Tiltyard, sim: str) -> None:
    command = fixed(sim, "fast", "--requests", "3", "--output-tokens", "3", "--json")
    first, again = tiltyard(*command).summary(), tiltyard(*command).summary()
    assert again["run_id"] == first["run_id"]
    assert again["cached"] is True
    fresh = tiltyard(*command, "--fresh").summary()
    assert fresh["run_id"] != first["run_id"]


def test_a_name_without_a_digest_is_another_model_at_another_address(tiltyard: Tiltyard, sim: str) -> None:
    models = (SimModel(name="fast", ttft_ms=60.0, token_ms=2.0, loaded=True),)
    more = ("--requests", "4", "--output-tokens", "3", "--json")
    first = tiltyard(*fixed(sim, "fast", *more)).summary()
    with running(SimConfig(models=models, dialects=("openai",))) as other:
        second = tiltyard(*fixed(other.url("openai"), "fast", *more)).summary()
    assert second["run_id"] != first["run_id"]
    assert second["ttft_ms"]["min"] >= 60  # measured there, not shown from before


def test_quick_measures_and_explains_itself(tiltyard: Tiltyard, sim: str) -> None:
    done = tiltyard("run", "speed", "--server", sim, "--model", "fast", "--budget", "5")
    assert done.code == 0, done.err
    assert "decode" in done.out
    assert "first token" in done.out
    assert "tiltyard show" in done.out
    assert "pp512 + tg128" in done.err


def test_several_models_make_several_runs_and_one_board(tiltyard: Tiltyard, sim: str) -> None:
    done = tiltyard(
        "run", "speed", "--server", sim, "--all", "--requests", "3", "--output-tokens", "8", "--json"
    )
    assert done.code == 0, done.err
    summaries = [line for line in done.lines() if line["event"] == "summary"]
    assert [summary["model"] for summary in summaries] == ["fast", "slow"]
    board = json.loads(tiltyard("board", "--json").out)
    assert [row["model"] for row in board["rows"]] == ["fast", "slow"]


def test_answers_of_hidden_thinking_alone_are_said_to_be_that(tiltyard: Tiltyard) -> None:
    models = (SimModel(name="m", ttft_ms=5.0, token_ms=1.0, loaded=True),)
    config = SimConfig(models=models, dialects=("ollama",), faults=("reasoning=hidden",))
    words = ("--profile", "fixed", "--requests", "3", "--prompt-tokens", "32", "--output-tokens", "8")
    with running(config) as simulator:
        done = tiltyard("run", "speed", "--server", simulator.url("ollama"), "--model", "m", *words)
    assert done.code == 1
    assert "every answer was empty, though the server counts 24 tokens" in done.err
    assert "--output-tokens" in done.err


@pytest.mark.parametrize(("fault", "kind"), [("busy_503@/2", "failed"), ("no_finish@/2", "truncated")])
def test_too_few_successes_are_an_exit_code(tiltyard: Tiltyard, fault: str, kind: str) -> None:
    models = (SimModel(name="m", ttft_ms=5.0, token_ms=1.0, loaded=True),)
    config = SimConfig(models=models, dialects=("openai",), faults=(fault,))
    with running(config) as simulator:
        command = fixed(simulator.url("openai"), "m", "--requests", "10", "--output-tokens", "3", "--json")
        strict = tiltyard(*command)
        assert strict.code == 1
        assert strict.summary()["requests"][kind] == 5
        assert "5 of 10" in strict.err
        again = tiltyard(*command)  # the failures belong to the load: they stay
        assert (again.code, again.summary()["cached"], again.summary()["requests"][kind]) == (1, True, 5)
        assert "what failed stays" in tiltyard(*command[:-1]).out
        lenient = tiltyard(*command, "--fresh", "--min-success", "0.5")
        assert lenient.code == 0


def test_what_failed_since_the_server_had_gone_is_asked_again(tiltyard: Tiltyard) -> None:
    """And it alone: what a server refused that was there belongs to the load."""
    models = (SimModel(name="m", ttft_ms=5.0, token_ms=1.0, loaded=True),)
    faults = ("busy_503@3", "no_finish@6", *(f"reset=1@{number}" for number in range(7, 11)))
    with running(SimConfig(models=models, dialects=("openai",), faults=faults)) as simulator:
        command = fixed(simulator.url("openai"), "m", "--requests", "10", "--output-tokens", "3", "--json")
        first = tiltyard(*command)
        assert (first.summary()["requests"]["ok"], first.summary()["owed"]) == (4, 5)
        assert "5 came since the server had gone: the same command goes on from there" in first.err
        second = tiltyard(*command, "--min-success", "0.9")
        assert second.code == 0, second.err
        assert second.summary()["run_id"] == first.summary()["run_id"]
        assert second.summary()["requests"] == {"ok": 9, "failed": 1, "truncated": 0, "total": 10}
        assert second.summary()["owed"] == 0
        third = tiltyard(*command)
        assert (third.summary()["cached"], third.summary()["requests"]["failed"]) == (True, 1)


def test_what_failed_since_the_server_had_gone_leaves_a_run_that_ends_without_it(tiltyard: Tiltyard) -> None:
    """Of a load by width: those that it does not need are in no list either."""
    models = (SimModel(name="m", ttft_ms=5.0, token_ms=1.0, loaded=True),)
    faults = tuple(f"drop@{number}" for number in range(11, 230))  # before the interval can be narrow
    with running(SimConfig(models=models, dialects=("openai",), faults=faults)) as simulator:
        url = simulator.url("openai")
        command = ["run", "speed", "--server", url, "--model", "m", "--output-tokens", "3", "--width", "0.9"]
        first = tiltyard(*command, "--json")
        assert first.code == 1
        requests = first.summary()["requests"]
        assert 10 + GONE_AFTER <= requests["total"] < 200
        assert first.summary()["owed"] == requests["failed"] >= GONE_AFTER
    ports = {"openai": urlsplit(url).port or 0}
    with running(SimConfig(models=models, dialects=("openai",), ports=ports)):
        second = tiltyard(*command, "--json")
        assert second.code == 0, second.err
        summary = second.summary()
        assert summary["run_id"] == first.summary()["run_id"]
        assert (summary["requests"]["failed"], summary["owed"]) == (0, 0)
        assert any("left out" in note for note in summary["notes"])
        shown = json.loads(tiltyard("show", "latest", "--json").out)["attempts"]
        assert len(shown) == summary["requests"]["ok"]
        assert tiltyard(*command, "--json").summary()["cached"]


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_what_logs_in_is_not_in_the_stored_command(tiltyard: Tiltyard, sim: str, scheme: str) -> None:
    place = sim.removeprefix("http://")
    refused = f"--server={scheme}me:PASSWORDzz77@{place}/v1?api_key=QUERYSECRET9"  # another one outweighs it
    command = fixed(f"{scheme}me:PASSWORDzz77@{place}", "fast", "--requests", "1", "--output-tokens", "2")
    done = tiltyard(*command[:2], refused, *command[2:])
    assert done.code == 0, done.err
    kept = tiltyard("runs", "--json").out
    assert "PASSWORDzz77" not in kept + done.out + done.err
    assert "QUERYSECRET9" not in kept + done.out + done.err
    again = json.loads(kept)["runs"][0]["command"].split()
    assert f"--server={scheme}{place}/v1" in again
    assert again[again.index("--server") + 1] == f"{scheme}{place}"


def start(command: list[str], env: dict[str, str], cwd: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tiltyard", *command],
        env=env,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for_progress(process: subprocess.Popen[bytes]) -> None:
    """Until the first answers are in."""
    assert process.stdout is not None
    for line in process.stdout:
        if b'"progress"' in line:
            return


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_interrupting_what_asks_again_after_an_outage_leaves_what_was_found_by_then(
    tiltyard: Tiltyard, clean_env: dict[str, str], tmp_path: Path
) -> None:
    models = (SimModel(name="m", ttft_ms=50.0, token_ms=10.0, loaded=True),)
    faults = tuple(f"reset=1@{number}" for number in range(5, 101))
    with running(SimConfig(models=models, dialects=("openai",), faults=faults)) as simulator:
        command = fixed(simulator.url("openai"), "m", "--requests", "100", "--output-tokens", "9", "--json")
        assert tiltyard(*command).summary()["owed"] == 96
        process = start(command, clean_env, tmp_path)
        wait_for_progress(process)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
        last = json.loads(out.splitlines()[-1])
        assert (process.returncode, last["state"], last["requests"]["total"]) == (130, "interrupted", 100)
        assert last["requests"]["ok"] > 4
        shown = json.loads(tiltyard("show", "latest", "--json").out)["run"]
        assert (shown["state"], shown["summary"]["requests"]) == ("interrupted", last["requests"])
        again = tiltyard(*command)
        assert (again.code, again.summary()["requests"]["ok"]) == (0, 100), again.err


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_interrupting_ends_soon_keeps_everything_and_the_same_command_goes_on(
    tiltyard: Tiltyard, sim: str, clean_env: dict[str, str], tmp_path: Path
) -> None:
    command = fixed(sim, "slow", "--concurrency", "4", "--requests", "80", "--output-tokens", "12", "--json")
    process = start(command, clean_env, tmp_path)
    wait_for_progress(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert b"the same command carries on" in err
    last = json.loads(out.splitlines()[-1])
    assert last["state"] == "interrupted"
    kept = last["requests"]["ok"]
    assert kept > 0
    whole = tiltyard(*command)
    assert whole.code == 0, whole.err
    summary = whole.summary()
    assert summary["run_id"] == last["run_id"]
    assert summary["requests"]["total"] == 80
    assert exactly_once(clean_env, summary["run_id"]) == 80


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_a_person_who_interrupts_sees_what_was_found(
    tiltyard: Tiltyard, sim: str, clean_env: dict[str, str], tmp_path: Path
) -> None:
    command = ["run", "speed", "--server", sim, "--all", "--profile", "fixed", "--output-tokens", "12"]
    command += ["--requests", "30"]
    process = start(command, clean_env, tmp_path)
    assert process.stderr is not None
    assert any(b"[2/2]" in line for line in process.stderr)  # the first model's run has ended
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert b"all 30 requests ended well" in out
    assert b"tiltyard show" in out


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_interrupting_the_baseline_ends_soon(sim: str, clean_env: dict[str, str], tmp_path: Path) -> None:
    command = ["run", "speed", "--server", sim, "--dialect", "openai", "-m", "fast", "--baseline", "60"]
    process = start([*command, "--json"], clean_env, tmp_path)
    assert process.stdout is not None
    assert any(b"idle machine" in line for line in process.stdout)
    time.sleep(0.3)  # into the middle of it
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert b"the same command carries on" in err
    last = json.loads(out.splitlines()[-1])
    assert (last["event"], last["state"], last["requests"]["total"]) == ("summary", "interrupted", 0)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_a_soak_that_was_interrupted_runs_what_is_left(
    tiltyard: Tiltyard, sim: str, clean_env: dict[str, str], tmp_path: Path
) -> None:
    """At a fixed rate the number of requests tells how long it ran: none of the start times comes twice."""
    command = fixed(sim, "fast", "--rate", "20", "--seconds", "5", "--output-tokens", "4", "--json")
    process = start(command, clean_env, tmp_path)
    wait_for_progress(process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=120)
    kept = json.loads(out.splitlines()[-1])["requests"]["ok"]
    assert 0 < kept < 100
    summary = tiltyard(*command).summary()
    assert summary["state"] == "finished"
    assert summary["requests"]["ok"] == 100
    assert exactly_once(clean_env, summary["run_id"]) == 100
    assert tiltyard(*command).summary()["cached"] is True


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_killed_at_twenty_random_moments_no_attempt_is_lost_or_doubled(
    tiltyard: Tiltyard, sim: str, clean_env: dict[str, str], tmp_path: Path
) -> None:
    command = fixed(
        sim, "fast", "--concurrency", "8", "--requests", "4000", "--output-tokens", "12", "--json"
    )
    moments = random.Random(7)
    before = 0
    for _ in range(20):
        process = start(command, clean_env, tmp_path)
        wait_for_progress(process)
        time.sleep(moments.uniform(0.0, 0.4))
        process.kill()
        process.communicate()
        now = exactly_once(clean_env, None)
        assert now >= before
        before = now
    assert before > 0
    whole = tiltyard(*command)
    assert whole.code == 0, whole.err
    summary = whole.summary()
    assert summary["requests"]["ok"] == summary["requests"]["total"] == 4000
    assert exactly_once(clean_env, summary["run_id"]) == 4000


def exactly_once(env: dict[str, str], run_id: str | None) -> int:
    """Good attempts in the store; asserts that there is one run, no double, and an intact file."""
    file = Path(env["TILTYARD_DATA_DIR"]) / "tiltyard.sqlite3"
    with closing(sqlite3.connect(file)) as db, db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        ids = [row[0] for row in db.execute("SELECT id FROM runs")]
        assert len(ids) == 1
        assert run_id in (None, ids[0])
        good, different = db.execute(
            "SELECT count(*), count(DISTINCT stage || '|' || item_id || '|' || repetition) "
            "FROM attempts WHERE NOT failed_outside"
        ).fetchone()
        orphans = db.execute(
            "SELECT count(*) FROM exchanges WHERE attempt_id NOT IN (SELECT id FROM attempts)"
        ).fetchone()[0]
    assert good == different
    assert orphans == 0
    return int(good)


def test_show_says_where_the_time_went(tiltyard: Tiltyard) -> None:
    model = SimModel(name="m", ttft_ms=30.0, token_ms=2.0, loaded=True)
    with running(SimConfig(models=(model,), dialects=("llamacpp",))) as simulator:
        url = simulator.url("llamacpp")
        options = ("--requests", "2", "--output-tokens", "6", "--json")
        run_id = tiltyard(*fixed(url, "m", *options, "--dialect", "llamacpp")).summary()["run_id"]
    shown = tiltyard("show", run_id, "1").out
    part = shown[shown.index("where the time went") :]
    for name in ("prefill", "decode", "transport, any queue", "client", "total"):
        assert name in part, part
