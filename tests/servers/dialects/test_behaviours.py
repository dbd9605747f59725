"""Simulated behaviours that the contract leaves out, each met by the client of every dialect it concerns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.servers.dialects.conftest import Canned, Page, ask_for
from tiltyard.errors import NotAModelServer, ServerError, Unauthorized, UsageError
from tiltyard.jobs.plan import Job, Plan
from tiltyard.load.metrics import measure
from tiltyard.records import Exchange, Model, Timeouts
from tiltyard.run import execute
from tiltyard.servers import Address
from tiltyard.servers.connect import connect
from tiltyard.servers.ollama import Ollama
from tiltyard.servers.openai import OpenAI
from tiltyard.servers.preflight import check_thinking, probe, what_to_do
from tiltyard.servers.simulator import DIALECT_NAMES, SimConfig, SimModel, running
from tiltyard.store.store import Store

Serve = Callable[..., Canned]

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


@pytest.mark.slow
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


@pytest.mark.slow
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


LINK = "https://ollama.com/connect?name=box&key=abc"
CLOUD = [
    (401, {"error": "unauthorized", "signin_url": LINK}, "not signed in", "ollama signin"),
    (403, {"error": "ollama cloud is disabled: remote inference is unavailable"}, "disabled", "local model"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("status", "body", "why", "remedy"), CLOUD, ids=["signed out", "disabled"])
def test_ollamas_cloud_asks_for_no_key_of_ours(
    serve: Serve, status: int, body: Any, why: str, remedy: str
) -> None:
    canned = serve({"POST /api/chat": Page(body, status), "GET /api/ps": {"models": []}})
    model = Model(name="gpt-oss:120b-cloud")

    async def main(word: bool) -> None:
        server = Ollama(Address(url=canned.url))
        try:
            measured = await server.send(ask_for(model.name))
            assert measured.status == status
            assert why in (measured.error or "")
            await (probe(server, model, Timeouts(), lambda said: None) if word else server.load(model.name))
        finally:
            await server.close()

    for word in (True, False):
        with pytest.raises(ServerError, match=why) as refused:
            asyncio.run(main(word))
        said = f"{refused.value} {refused.value.remedy}"
        assert not isinstance(refused.value, Unauthorized)
        assert remedy in said
        assert "TILTYARD_API_KEY" not in said
        assert "abc" not in said


def test_a_server_that_wants_a_key_is_still_given_one(serve: Serve) -> None:
    canned = serve({"POST /api/chat": Page({"error": "unauthorized"}, 401), "GET /api/ps": {"models": []}})

    async def main() -> None:
        server = Ollama(Address(url=canned.url))
        try:
            await probe(server, Model(name="m"), Timeouts(), lambda said: None)
        finally:
            await server.close()

    with pytest.raises(Unauthorized, match="refuses the key"):
        asyncio.run(main())


@pytest.mark.parametrize("think", [True, "high"])
def test_a_model_that_cannot_think_is_not_asked_to(think: Any) -> None:
    async def main() -> None:
        ollama, plain = Ollama(Address(url="127.0.0.1:1")), OpenAI(Address(url="127.0.0.1:1"))
        dull, bright = (Model(name="m", capabilities=c) for c in (("completion",), ("thinking",)))
        try:
            with pytest.raises(UsageError, match="m cannot think") as refused:
                check_thinking(ollama, dull, think)
            assert "--think" in str(refused.value.remedy)
            check_thinking(ollama, bright, think)
            check_thinking(ollama, Model(name="m"), think)  # nobody knows
            check_thinking(plain, dull, think)  # it is not even told
            for off in (False, None):
                check_thinking(ollama, dull, off)
        finally:
            await ollama.close()
            await plain.close()

    asyncio.run(main())


def test_thinking_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    heard: list[Any] = []

    async def main(url: str) -> None:
        server = await connect(url, "ollama", None)
        try:
            model = await server.describe("alpha:7b")
            job = Job(server=server, model=model, suite="speed", settings={"think": True})
            with Store(tmp_path / "s.sqlite3") as store:
                await execute(Plan(jobs=[job], command="tiltyard run"), store, heard.append)
        finally:
            await server.close()

    config = SimConfig(models=(MODEL,), dialects=("ollama",))
    with running(config) as sim, pytest.raises(UsageError, match="cannot think"):
        asyncio.run(main(sim.url("ollama")))
    assert heard == []


@pytest.mark.parametrize(
    "said",
    [
        "HTTP 503: server busy, please try again.  maximum pending requests exceeded",
        "HTTP 529: Overloaded",
        "HTTP 429: Too Many Requests",
        "HTTP 503: the queue is full",
    ],
)
def test_a_busy_server_is_to_be_waited_for(said: str) -> None:
    assert what_to_do("http_error", said) == "wait until the server is less busy"


def test_our_own_limit_of_open_files_is_no_busy_server() -> None:
    said = "cannot connect to h:1: too many open files: `ulimit -n` sets how many there may be"
    assert "less busy" not in what_to_do("connect_error", said)
