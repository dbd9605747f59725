"""The instrument's own error: comparing with a log is right, and the whole command works on real parts."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import best_of
from tiltyard.load.calibrate import calibrate, errors_of, gather, report_of
from tiltyard.load.schedule import Load, Stop
from tiltyard.records import Events, Exchange, Message, Request, Timeline, Usage
from tiltyard.servers import Address
from tiltyard.servers.loops import new_loop
from tiltyard.servers.openai import OpenAI
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.store.store import Store

MS = 1_000_000


def exchange_of(name: str, sent_ms: float, arrivals_ms: list[float]) -> Exchange:
    times = tuple(int(t * MS) for t in arrivals_ms)
    return Exchange(
        request=Request(model="m", messages=(Message(role="user", content="x"),), request_id=name),
        timeline=Timeline(scheduled_ns=0, started_ns=0, sent_ns=int(sent_ms * MS), closed_ns=times[-1]),
        ending="ok",
        events=Events(t_ns=(times[0], *times), kinds="o" + "c" * len(times), texts=("x",) * len(times)),
        usage=Usage(output_tokens=len(times)),
    )


def entry_of(name: str, received_ms: float, writes_ms: list[float]) -> dict[str, object]:
    writes = [[int(t * MS), i, 1] for i, t in enumerate(writes_ms)]
    return {"request_id": name, "received_ns": int(received_ms * MS), "writes": writes}


def test_errors_are_what_was_said_less_what_happened() -> None:
    late = exchange_of("a", 10.0, [110.5, 130.25, 150.25])
    errors = errors_of([late], [entry_of("a", 10.1, [110.0, 130.0, 150.0]), entry_of("b", 0, [1.0])])
    assert errors.ttft_ms == pytest.approx([0.6])  # said 100.5, was 99.9
    assert errors.ttft_pct == pytest.approx([0.6 / 99.9 * 100])
    assert errors.first_ms == pytest.approx([0.5])
    assert errors.token_ms == pytest.approx([0.25, 0.25, 0.5])
    assert errors.gaps_ms == pytest.approx([19.75, 20.0])
    assert errors.tpot_ms == pytest.approx([0.125])
    assert errors.decode_pct == pytest.approx([(20 / 19.875 - 1) * 100])
    assert (errors.exchanges, errors.lost) == (1, 0)
    assert report_of(errors)["gap_p99_error_ms"] == pytest.approx(-0.0025, abs=1e-3)


def test_what_did_not_arrive_is_lost_and_not_an_error() -> None:
    errors = errors_of([exchange_of("a", 0, [1.0, 2.0])], [entry_of("a", 0, [1.0, 2.0, 3.0])])
    assert (errors.lost, errors.token_ms, errors.exchanges) == (1, (), 1)
    assert errors_of([exchange_of("unknown", 0, [1.0])], []).exchanges == 0


@pytest.mark.slow
@best_of()
def test_our_client_is_right_about_a_simulator_in_this_process() -> None:
    model = SimModel(name="calibration", ttft_ms=50, token_ms=5, slots=64, loaded=True)

    async def ask(url: str) -> list[Exchange]:
        server = OpenAI(Address(url=url))
        try:
            found, _ = await gather(server, Load(concurrency=8, stop=Stop(count=16)), 20, 0)
            return found
        finally:
            await server.close()

    with (
        running(SimConfig(models=(model,), dialects=("openai",))) as simulator,
        asyncio.Runner(loop_factory=new_loop) as runner,
    ):
        exchanges = runner.run(ask(simulator.url("openai")))
        errors = errors_of(exchanges, simulator.truth())
    assert (errors.exchanges, errors.lost, len(errors.token_ms)) == (16, 0, 320)
    assert errors.token_ms[0] >= -0.01  # nothing arrives before it is written
    assert errors.token_ms[160] < 5  # one shared interpreter: coarse here, `tiltyard calibrate` measures


@pytest.mark.slow
@best_of(5)
def test_calibrate_measures_everything() -> None:
    told: list[str] = []
    with asyncio.Runner(loop_factory=new_loop) as runner:
        result = runner.run(calibrate(2.0, told.append))
    assert len(told) >= 3
    assert result["lost_tokens"] == 0
    assert result["token_error_ms"]["n"] >= 64 * 50
    assert result["token_error_ms"]["p50"] < 5
    assert result["decode_error_pct"]["p50"] < 5
    assert result["ceiling"]["chunks_per_s"] > 1000
    assert result["requests"]["failed"] == 0
    assert result["clock"] in {"kernel", "user"}


@pytest.mark.slow
def test_the_command_keeps_its_result_for_later_runs(tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "tiltyard",
        "calibrate",
        "--seconds",
        "1",
        "--json",
        "--data-dir",
        tmp_path,
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    with Store.open(tmp_path / "tiltyard.sqlite3") as store:
        assert store.calibration() == result
