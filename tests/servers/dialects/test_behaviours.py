"""Simulated behaviours that the contract leaves out, each met by the client of every dialect it concerns."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.servers.dialects.conftest import ask_for
from tiltyard.errors import NotAModelServer
from tiltyard.load.metrics import measure
from tiltyard.records import Exchange
from tiltyard.servers.connect import connect
from tiltyard.servers.simulator import DIALECT_NAMES, SimConfig, SimModel, running

MODEL = SimModel(name="alpha:7b", loaded=True, decode_tps=2000.0, prefill_tps=100_000.0)
each = pytest.mark.parametrize("dialect", DIALECT_NAMES)


def met(dialect: Any, *faults: str, **more: Any) -> Exchange:
    async def main(url: str) -> Exchange:
        server = await connect(url, dialect, None)
        try:
            return await server.send(ask_for("alpha:7b", max_tokens=12, **more))
        finally:
            await server.close()

    with running(SimConfig(models=(MODEL,), dialects=(dialect,), faults=faults)) as sim:
        return asyncio.run(main(sim.url(dialect)))


@each
@pytest.mark.parametrize(
    ("fault", "status"),
    [("html_error=504", 504), ("model_404", 404), ("no_model_400", 400), ("unauthorized_401", 401)],
)
def test_a_refusal_keeps_its_status_and_says_one_line(dialect: str, fault: str, status: int) -> None:
    exchange = met(dialect, fault)
    if (dialect, status) == ("lmstudio", 404):
        status = 400  # which is what it says of any model it has not
    assert (exchange.ending, exchange.status) == ("http_error", status)
    assert exchange.error
    assert "\n" not in exchange.error
    assert "<" not in exchange.error


@each
def test_a_model_that_is_still_loading_is_no_success(dialect: str) -> None:
    exchange = met(dialect, "loading_503@/1")
    assert (exchange.ending, exchange.status) == ("http_error", 503)
    assert measure(exchange).ttft_ms is None


@each
def test_a_200_to_everything_is_no_model_server(dialect: str) -> None:
    with pytest.raises(NotAModelServer):
        met(dialect, "unknown_200")


@each
def test_a_load_without_a_word_is_in_the_wait_for_the_first_token(dialect: str) -> None:
    exchange = met(dialect, "jit_load=120")
    assert exchange.ending == "ok"
    assert (measure(exchange).ttft_ms or 0) >= 120


@each
def test_headers_that_come_early_are_no_token(dialect: str) -> None:
    said = measure(met(dialect, "early_headers", "ttft_ms=100"))
    assert said.ttfb_ms is not None
    assert said.ttft_ms is not None
    assert said.ttfb_ms < said.ttft_ms >= 100


@each
def test_chunks_are_not_tokens(dialect: str) -> None:
    exchange = met(dialect, "tokens_per_chunk=4")
    assert exchange.usage is not None
    assert exchange.usage.output_tokens == 12
    assert sum(kind in "cr" for kind in exchange.events.kinds) == 3


@pytest.mark.parametrize("fault", ["zero_metrics", "done_no_reason"])
def test_what_ollama_leaves_out_is_unknown_and_not_zero(fault: str) -> None:
    exchange = met("ollama", fault)
    assert (exchange.ending, bool(exchange.text)) == ("ok", True)
    said = measure(exchange)
    if fault == "zero_metrics":
        assert (said.server_decode_tps, said.server_prefill_tps, said.load_ms) == (None, None, None)
        assert said.tokens_source is None
    else:
        assert said.output_tokens == 12


@pytest.mark.parametrize("dialect", [d for d in DIALECT_NAMES if d != "ollama"])
def test_a_finish_reason_that_stays_null_is_no_success(dialect: str) -> None:
    assert met(dialect, "done_no_reason").ending == "truncated"


def test_ollamas_count_of_a_second_completion_is_no_rate() -> None:
    """With thinking and a format it counts the answer alone; 100 tokens a second are still 100."""
    can = ("completion", "thinking")
    model = SimModel(name="alpha:7b", loaded=True, capabilities=can, thinking_tokens=40, decode_tps=100.0)

    async def main(url: str) -> Exchange:
        server = await connect(url, "ollama", None)
        try:
            return await server.send(ask_for("alpha:7b", think=True, response_format={"type": "json_object"}))
        finally:
            await server.close()

    with running(SimConfig(models=(model,), dialects=("ollama",))) as sim:
        exchange = asyncio.run(main(sim.url("ollama")))
    assert exchange.ending == "ok"
    assert "usage_misses_thinking" in exchange.notes
    found = measure(exchange)
    assert found.rate_source == "server"
    assert found.decode_tps == pytest.approx(100, rel=0.15)
