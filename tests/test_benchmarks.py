"""The yardstick tells the truth, and the page of results can be made: the README quotes rest on both."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from benchmarks.child import run
from benchmarks.client import ask as measured
from benchmarks.measurements import median_rows
from benchmarks.peers import beside
from benchmarks.store_bench import fill
from benchmarks.table import page
from benchmarks.yardstick import MODEL, yardstick

from tiltyard.load.calibrate import errors_of
from tiltyard.load.generator import Ticket, drive
from tiltyard.load.schedule import Load, Stop
from tiltyard.records import Exchange, Message, Request
from tiltyard.servers import Address
from tiltyard.servers.loops import new_loop
from tiltyard.servers.openai import OpenAI
from tiltyard.store.store import FILE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the benchmarks need POSIX")


async def ask(url: str, streams: int, tokens: int) -> list[Exchange]:
    server = OpenAI(Address(url=url))
    found: list[Exchange] = []

    async def fire(ticket: Ticket) -> bool:
        words = (Message(role="user", content="x"),)
        request = Request(model=MODEL, messages=words, max_tokens=tokens, request_id=f"r{ticket.number}")
        found.append(await server.send(request, ticket.scheduled_ns))
        return True

    try:
        await drive(Load(concurrency=streams, stop=Stop(count=3 * streams)), fire, lambda: False)
    finally:
        await server.close()
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("ttft_ms", "token_ms", "tokens"), [(30.0, 5.0, 20), (0.0, 0.0, 300)])
def test_the_yardstick_keeps_its_pace_and_logs_every_write(
    ttft_ms: float, token_ms: float, tokens: int
) -> None:
    with yardstick(ttft_ms, token_ms, core=None) as server:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            exchanges = runner.run(ask(server.url, 8, tokens))
        truth = server.truth()
        assert server.truth() == [] or server.kind != "C"  # told once
    assert [exchange.ending for exchange in exchanges] == ["ok"] * 24
    assert {exchange.usage.output_tokens for exchange in exchanges if exchange.usage} == {tokens}
    errors = errors_of(exchanges, truth)
    assert (errors.exchanges, errors.lost) == (24, 0)
    for entry in truth:
        times = [t for t, _, _ in entry["writes"]]
        assert times == sorted(times)
        for number, at in enumerate(times):  # never early; late is the machine's business, and logged
            assert at - entry["received_ns"] >= (ttft_ms + number * token_ms) * 1e6


@pytest.mark.slow
def test_a_childs_cost_is_its_own() -> None:
    hungry = run([sys.executable, "-c", "x = bytearray(80_000_000); import time; time.sleep(0.2)"])
    assert hungry.rc == 0
    assert 80 < hungry.peak_mb < 200
    assert hungry.cpu_s < 5
    late = run([sys.executable, "-c", "import time; time.sleep(30)"], limit_s=0.5)
    assert late.rc == 124


def test_the_page_shows_ours_beside_theirs() -> None:
    own = {"timed": {"ttft_error_ms_p50": 0.01, "ttft_error_ms_p99": 0.1, "cpu_us_per_token": 10.0}}
    theirs, ours = (
        {"cpu_us_per_token": 55.0, "tokens_per_s": 4.0},
        {"cpu_us_per_token": 11.0, "tokens_per_s": 9.0},
    )
    peers = {
        "other": {"version": "1.0", **beside(theirs, ours)},
        "broken": {"failed": "failed: no network"},
    }
    text = page(own, peers)
    assert "| **tiltyard** | 0.0100 / 0.1000 | 10 |" in text
    assert "| other 1.0 |" in text
    assert "| other | 5.0 | 2.2 | - | - |" in text  # by ours of the same minutes, not of another hour
    assert "broken (failed: no network)" in text


def test_medians_are_taken_figure_by_figure() -> None:
    rows = [
        {"a": 1.0, "kind": "C", "b": None},
        {"a": 5.0, "kind": "C", "b": 2},
        {"a": 2.0, "kind": "C", "b": None},
    ]
    assert median_rows(rows) == {"a": 2.0, "kind": "C", "b": None, "repetitions": 3}


def test_the_store_is_filled_with_what_the_board_shows(tmp_path: Path) -> None:
    fill(tmp_path / FILE, 4, 10)
    words = [sys.executable, "-m", "tiltyard", "board", "--json", "--data-dir", str(tmp_path)]
    rows = json.loads(run(words).stdout)
    assert rows


@pytest.mark.slow
def test_the_client_alone_is_measured() -> None:
    with yardstick(10.0, 2.0, core=None) as server, asyncio.Runner(loop_factory=new_loop) as runner:
        figures = runner.run(measured(server.url, 2, 4, 8))
    assert (figures["endings"], figures["lost_tokens"]) == (["ok"], 0)
    assert figures["tokens_per_s"] > 0
