"""One set of promises that every dialect's client keeps, against the simulator."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.patience import best_of
from tests.servers.dialects.conftest import ask_for
from tiltyard.errors import ModelNotFound, NoServer, NotAModelServer, Unauthorized, Unsupported
from tiltyard.load.metrics import measure
from tiltyard.records import Timeouts
from tiltyard.servers import DIALECTS, Address, Server
from tiltyard.servers.connect import connect, open_server
from tiltyard.servers.names import ACTIVE_BY_NAME
from tiltyard.servers.notes import LOAD_UNTOLD
from tiltyard.servers.simulator import DIALECT_NAMES, Running, SimConfig, SimModel, running

ALL = [*DIALECT_NAMES, "simulator"]
FAST: Any = {"decode_tps": 2000.0, "prefill_tps": 100_000.0}
MODELS = (
    SimModel(name="alpha:7b", loaded=True, load_ms=30, **FAST),
    SimModel(
        name="beta:30b-a3b",
        load_ms=60,
        parameters=30_000_000_000,
        active_parameters=3_000_000_000,
        experts=128,
        experts_used=8,
        **FAST,
    ),
    SimModel(name="gamma:4b", capabilities=("completion", "tools", "thinking"), **FAST),
)
THINKERS = (MODELS[2], *MODELS[:2])  # llama-server serves the first
ODD_STREAMS = (
    *("role_first=1", "empty_first", "pings=1", "crlf", "shred=7", "split_utf8", "unicode_lines", "no_done"),
    *("odd_choices", "multi_data", "no_space", "bom", "control_chars", "late_finish=20", "late_close=20"),
)
PATIENT = Timeouts(connect_s=60.0, first_byte_s=60.0, gap_s=60.0)
HASTY = {
    "stall_first": Timeouts(connect_s=60.0, first_byte_s=0.2, gap_s=60.0),
    "stall": Timeouts(connect_s=60.0, first_byte_s=60.0, gap_s=0.2),
}

Start = Callable[..., Running]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """A simulator with these faults, all dialects at once; one of each kind serves the whole module."""
    known: dict[Any, Running] = {}
    with ExitStack() as stack:

        def give(*faults: str, **settings: Any) -> Running:
            key = (faults, *sorted(settings.items()))
            if key not in known:
                config = SimConfig(**{"models": MODELS, "faults": faults, **settings})
                known[key] = stack.enter_context(running(config))
            return known[key]

        yield give


def url_of(sim: Running, dialect: str) -> str:
    return sim.url("ollama" if dialect == "simulator" else dialect)


def using(sim: Running, dialect: str, use: Callable[[Server], Awaitable[Any]], key: str | None = None) -> Any:
    async def main() -> Any:
        server = await connect(url_of(sim, dialect), dialect, key)
        try:
            return await use(server)
        finally:
            await server.close()

    return asyncio.run(main())


each = pytest.mark.parametrize("dialect", ALL)


def test_every_dialect_is_under_contract() -> None:
    assert set(ALL) | {"embedded"} == set(DIALECTS)


@each
def test_it_satisfies_the_protocol(dialect: str) -> None:
    server = open_server(dialect, Address(url="http://127.0.0.1:9/v1/"))
    assert isinstance(server, Server)
    assert (server.info.dialect, server.info.url, server.info.local) == (dialect, "http://127.0.0.1:9", True)


@pytest.mark.slow
@each
def test_it_identifies_itself(start: Start, dialect: str) -> None:
    async def use(server: Server) -> Any:
        return await server.identify()

    info = using(start(), dialect, use)
    assert info.dialect == dialect
    assert info.url == url_of(start(), dialect)
    if dialect not in ("lmstudio", "mlx", "openai"):  # these do not tell
        assert info.version
    if dialect not in ("mlx", "openai"):
        assert "alpha:7b" in info.loaded


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
def test_it_is_recognised_by_its_bodies(start: Start, dialect: str) -> None:
    async def main() -> str:
        server = await connect(start().url(dialect))
        await server.close()
        return server.info.dialect

    assert asyncio.run(main()) == dialect


@each
def test_it_lists_and_describes_its_models(start: Start, dialect: str) -> None:
    async def use(server: Server) -> Any:
        listed = await server.models()
        return listed, await server.describe(listed[0].name)

    listed, model = using(start(), dialect, use)
    assert model.name == "alpha:7b"
    assert model.name in {each.name for each in listed}
    if dialect in ("ollama", "lmstudio", "llamacpp"):
        assert (model.quantization, model.parameters, model.loaded) == ("Q4_K_M", 7_000_000_000, True)
        exact = dialect != "lmstudio"  # which tells parameters in rounded words
        assert model.bits_per_weight == (pytest.approx(4.8) if exact else None)
        assert (model.context_loaded, model.context_max) == (8192, 32768)
        assert {"tools", "schema"} <= set(model.capabilities)
    if dialect == "ollama":
        assert (model.moe, len(model.digest)) == (False, 64)


@pytest.mark.parametrize("dialect", ["ollama", "lmstudio"])
def test_experts_and_active_parameters(start: Start, dialect: str) -> None:
    model = using(start(), dialect, lambda server: server.describe("beta:30b-a3b"))
    assert model.moe is True
    assert model.parameters == pytest.approx(30e9, rel=0.02)
    assert model.active_parameters == pytest.approx(3e9, rel=0.02)
    assert ACTIVE_BY_NAME not in model.notes


@pytest.mark.parametrize("dialect", ["openai", "vllm", "sglang", "mlx"])
def test_active_parameters_that_only_the_name_tells_are_said_to_be_so(start: Start, dialect: str) -> None:
    sim = start(models=(MODELS[1], MODELS[0]))
    model = using(sim, dialect, lambda server: server.describe("beta:30b-a3b"))
    assert (model.active_parameters, ACTIVE_BY_NAME in model.notes) == (3_000_000_000, True)
    plain = using(start(), dialect, lambda server: server.describe("alpha:7b"))
    assert ACTIVE_BY_NAME not in plain.notes


@each
def test_an_exchange(start: Start, dialect: str) -> None:
    request = ask_for(
        "alpha:7b", "Tell me something.", max_tokens=6, seed=3, temperature=0.0, request_id=f"x-{dialect}"
    )
    exchange = using(start(), dialect, lambda server: server.send(request))
    (true,) = [entry for entry in start().truth() if entry["request_id"] == request.request_id]
    assert (exchange.ending, exchange.finish_reason, exchange.status) == ("ok", "length", 200)
    assert exchange.text.strip()
    assert exchange.model_served == "alpha:7b"
    assert exchange.usage.output_tokens == true["output_tokens"] == 6
    assert exchange.usage.prompt_tokens == true["prompt_tokens"]
    assert exchange.events.kinds.count("c") == 6
    times = exchange.events.t_ns
    assert list(times) == sorted(times)
    assert exchange.timeline.sent_ns <= times[0] <= times[-1] <= exchange.timeline.closed_ns
    if dialect in ("ollama", "llamacpp", "lmstudio"):
        assert exchange.timings is not None


@each
def test_asking_and_reading_are_two_things(start: Start, dialect: str) -> None:
    request = ask_for("alpha:7b", max_tokens=4, seed=1)

    async def use(server: Server) -> Any:
        capture = await server.ask(request, scheduled_ns=123)
        whole = capture.opened()
        return capture, server.read(request, whole), server.read(request, whole)

    capture, first, second = using(start(), dialect, use)
    assert capture.timeline.scheduled_ns == 123
    assert first == second
    assert first.ending == "ok"


@each
def test_a_model_that_is_not_there(start: Start, dialect: str) -> None:
    with pytest.raises(ModelNotFound, match="alhpa:7b") as caught:
        using(start(), dialect, lambda server: server.describe("alhpa:7b"))
    assert "alpha:7b" in caught.value.remedy


@pytest.mark.slow
@each
@pytest.mark.parametrize("name", ["a/b:c", "../..", "a b", "🦙", "y" * 300])
def test_odd_names_reach_the_server_whole(start: Start, dialect: str, name: str) -> None:
    with pytest.raises(ModelNotFound):
        using(start(), dialect, lambda server: server.describe(name))


@pytest.mark.parametrize("dialect", ["openai", "vllm", "llamacpp", "lmstudio"])
def test_a_wrong_key(start: Start, dialect: str) -> None:
    sim = start(api_key="right-key")
    for key in ("wrong-key", None):
        with pytest.raises(Unauthorized) as caught:
            using(sim, dialect, lambda server: server.models(), key)
        assert "wrong-key" not in f"{caught.value} {caught.value.remedy}"
    assert using(sim, dialect, lambda server: server.models(), "right-key")


async def sent_unlooked(url: str, dialect: str) -> Any:
    """What becomes of a request to a server of which nothing is known but where it should be."""
    server = open_server("openai" if dialect == "simulator" else dialect, Address(url=url))
    exchange = await server.send(ask_for("alpha:7b", timeouts=PATIENT))
    await server.close()
    return exchange


@each
def test_a_dead_port(dialect: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    async def main() -> Any:
        url = f"http://127.0.0.1:{port}"
        with pytest.raises(NoServer):
            await connect(url, dialect)
        with pytest.raises(NoServer):
            await connect(url)
        return await sent_unlooked(url, dialect)

    exchange = asyncio.run(main())
    assert exchange.ending == "connect_error"
    assert exchange.error


@each
def test_a_server_that_dies_is_counted_and_raises_nothing(dialect: str) -> None:
    async def main() -> Any:
        with running(SimConfig(models=MODELS)) as sim:
            server = await connect(url_of(sim, dialect), dialect)
        known = await server.send(ask_for("alpha:7b", timeouts=PATIENT))
        unknown = await server.send(ask_for("not-there", timeouts=PATIENT))
        await server.close()
        return known, unknown

    for exchange in asyncio.run(main()):
        assert exchange.ending == "connect_error"
        assert exchange.error


@each
def test_asking_for_a_model_that_is_not_there_raises_nothing(start: Start, dialect: str) -> None:
    exchange = using(start(), dialect, lambda server: server.send(ask_for("not-there", max_tokens=2)))
    assert exchange.ending in ("http_error", "wrong_model")  # it answered: no failure on the way
    assert exchange.error


@each
def test_a_web_server_is_no_model_server(start: Start, dialect: str) -> None:
    sim = start("not_a_model_server")
    with pytest.raises(NotAModelServer) as caught:
        using(sim, dialect, lambda server: server.models())
    assert caught.value.remedy


@each
def test_a_web_page_in_place_of_an_answer_is_said(start: Start, dialect: str) -> None:
    exchange = asyncio.run(sent_unlooked(url_of(start("not_a_model_server"), dialect), dialect))
    assert exchange.ending == "http_error"
    assert "a web page answered, not a model server" in exchange.error


@pytest.mark.slow
@each
@pytest.mark.parametrize(
    ("fault", "endings"),
    [
        ("error_midstream@/1", {"error_midstream", "truncated"}),
        ("disconnect=2", {"error_midstream", "truncated"}),
        ("reset=2", {"error_midstream"}),
        ("no_finish", {"truncated"}),
        ("empty_200", {"empty"}),
        ("error_500", {"http_error"}),
        ("busy_503", {"http_error"}),
        ("drop", {"connect_error", "error_midstream"}),
        ("wrong_model=other-model", {"wrong_model"}),
        ("stall_first=20000", {"timeout_first_byte"}),
        ("stall=20000", {"timeout_gap"}),
    ],
)
def test_bad_endings_are_told_apart(start: Start, dialect: str, fault: str, endings: set[str]) -> None:
    limits = HASTY.get(fault.partition("=")[0], PATIENT)
    request = ask_for("alpha:7b", max_tokens=6, timeouts=limits)
    exchange = using(start(*fault.split()), dialect, lambda server: server.send(request))
    assert exchange.ending in endings
    assert exchange.error
    assert "\n" not in (exchange.error or "")


@pytest.mark.slow
@each
@pytest.mark.parametrize("served", ["alpha:7b-mini", "alpha:7b-2507", "alpha", "alpha:8b"])
def test_a_near_name_is_another_model_or_said(start: Start, dialect: str, served: str) -> None:
    request = ask_for("alpha:7b", max_tokens=2)
    exchange = using(start(f"wrong_model={served}"), dialect, lambda server: server.send(request))
    if dialect == "openai" and served != "alpha:8b":
        assert (exchange.ending, exchange.notes) == ("ok", (LOAD_UNTOLD, f"answered_by:{served}"))
    else:
        assert exchange.ending == "wrong_model"


@pytest.mark.slow
@each
@pytest.mark.parametrize("fault", ODD_STREAMS)
def test_odd_streams_are_read(start: Start, dialect: str, fault: str) -> None:
    request = ask_for("alpha:7b", max_tokens=5, seed=2)
    exchange = using(start(fault), dialect, lambda server: server.send(request))
    assert (exchange.ending, exchange.usage.output_tokens) == ("ok", 5)
    assert exchange.text


@each
def test_what_it_can_do_is_what_it_does(start: Start, dialect: str) -> None:
    async def use(server: Server) -> Any:
        counted = await server.count_tokens("alpha:7b", "one two three")
        assert (counted is not None) == ("tokenize" in server.can)
        if counted is not None:
            assert counted.prompt_tokens > 0
            assert counted.source == "tokenize"
        if "load" not in server.can:
            with pytest.raises(Unsupported):
                await server.load("alpha:7b")
            with pytest.raises(Unsupported):
                await server.unload("alpha:7b")

    using(start(), dialect, use)


@pytest.mark.parametrize("dialect", ["ollama", "lmstudio", "llamacpp", "simulator"])
def test_in_and_out_of_memory(dialect: str) -> None:
    async def use(server: Server) -> Any:
        assert {"load", "unload"} <= server.can
        await server.unload("beta:30b-a3b")
        first = await server.load("beta:30b-a3b")
        again = await server.load("beta:30b-a3b")
        there = await server.describe("beta:30b-a3b")
        await server.unload("beta:30b-a3b")
        gone = await server.describe("beta:30b-a3b")
        with pytest.raises(ModelNotFound):
            await server.load("not-there")
        return first, again, there, gone

    with slow_router() as started:
        first, again, there, gone = using(started, dialect, use)
    assert (first.was_loaded, again.was_loaded) == (False, True)
    assert first.load_ms >= 55
    assert (there.loaded, gone.loaded) == (True, False)


@pytest.mark.parametrize("dialect", ["ollama", "lmstudio", "llamacpp"])
@best_of()
def test_a_request_that_waits_for_the_load_is_cold_and_has_no_prefill_rate(dialect: str) -> None:
    async def use(server: Server) -> Any:
        warm = await server.send(ask_for("alpha:7b", max_tokens=4))
        first = await server.send(ask_for("beta:30b-a3b", "another text", max_tokens=4))
        again = await server.send(ask_for("beta:30b-a3b", "something else " * 200, max_tokens=4))
        return warm, first, again

    with slow_router() as started:
        warm, first, again = using(started, dialect, use)
    assert ["cold" in exchange.notes for exchange in (warm, first, again)] == [False, True, False]
    found = measure(first)
    if dialect == "lmstudio":  # neither how long it loaded nor how long it read is told
        assert found.prefill_tps is None
    assert measure(again).prefill_tps is not None


def slow_router() -> Any:
    """A simulator that takes its time to load, with llama-server in router mode."""
    return running(SimConfig(models=MODELS, router=True))


@pytest.mark.parametrize("dialect", ["ollama", "lmstudio", "llamacpp", "vllm", "sglang", "openai"])
def test_a_schema_is_kept(start: Start, dialect: str) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    request = ask_for("alpha:7b", max_tokens=200, response_format=wanted)
    exchange = using(start(), dialect, lambda server: server.send(request))
    assert exchange.ending == "ok"
    assert isinstance(json.loads(exchange.text)["n"], int)


@each
def test_tools_are_called(start: Start, dialect: str) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": parameters}}
    exchange = using(
        start(), dialect, lambda server: server.send(ask_for("alpha:7b", tools=(tool,), max_tokens=200))
    )
    (call,) = exchange.tool_calls
    assert call.name == "get_weather"
    assert "city" in json.loads(call.arguments)
    assert "t" in exchange.events.kinds


ODD_CALLS = (
    *(
        "tool_index=missing",
        "tool_index=zero",
        "tool_index=repeated",
        "tool_arguments=object",
        "tool_arguments=string",
    ),
    *("tool_name=repeated", "tool_name=empty"),
)


@pytest.mark.slow
@each
@pytest.mark.parametrize("fault", ODD_CALLS)
def test_parallel_calls_are_put_together_whatever_a_server_does_to_them(
    start: Start, dialect: str, fault: str
) -> None:
    parameters = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    tools = tuple(
        {"type": "function", "function": {"name": name, "parameters": parameters}} for name in ("a", "b", "c")
    )
    caller = SimModel(name="alpha:7b", loaded=True, calls=3, **FAST)
    request = ask_for("alpha:7b", tools=tools, max_tokens=200)
    sim = start(fault, models=(caller,))
    exchange = using(sim, dialect, lambda server: server.send(request))
    assert exchange.ending == "ok"
    assert [call.name for call in exchange.tool_calls] == ["a", "b", "c"]
    assert all(set(json.loads(call.arguments)) == {"n"} for call in exchange.tool_calls)


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["ollama", "llamacpp", "vllm", "sglang", "mlx", "simulator"])
def test_thinking_on_off_and_anyway(start: Start, dialect: str) -> None:
    def ask(think: bool, *faults: str) -> Any:
        request = ask_for("gamma:4b", think=think, max_tokens=60, seed=1)
        return using(start(*faults, models=THINKERS), dialect, lambda server: server.send(request))

    assert ask(True).reasoning
    assert not ask(False).reasoning
    assert "thinking_despite_off" in ask(False, "think_anyway").notes
    assert "thinking_despite_off" not in ask(True, "think_anyway").notes


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["openai", "lmstudio"])
def test_who_cannot_be_told_not_to_think_does_not_disobey(start: Start, dialect: str) -> None:
    request = ask_for("gamma:4b", think=False, max_tokens=60, seed=1)
    sim = start("think_anyway", models=THINKERS)
    exchange = using(sim, dialect, lambda server: server.send(request))
    assert exchange.reasoning
    assert "thinking_not_to_be_off" in exchange.notes
    assert "thinking_despite_off" not in exchange.notes


@pytest.mark.slow
@each
def test_a_prompt_cut_in_silence_is_noticed(start: Start, dialect: str) -> None:
    request = ask_for("alpha:7b", " ".join(f"word{i}" for i in range(300)), max_tokens=3)
    cut = using(start("truncate_context=64"), dialect, lambda server: server.send(request))
    whole = using(start(), dialect, lambda server: server.send(request))
    assert "context_truncated" in cut.notes
    assert "context_truncated" not in whole.notes


@pytest.mark.parametrize("dialect", ["llamacpp", "vllm", "sglang"])
def test_fixed_length_and_honest_prefill(start: Start, dialect: str) -> None:
    text = "the very same words " * 20
    request = ask_for("alpha:7b", text, max_tokens=40, ignore_eos=True, cache_prompt=False)

    async def use(server: Server) -> Any:
        return await server.send(request), await server.send(request)

    for exchange in using(start(), dialect, use):
        assert exchange.usage.output_tokens == 40
        assert not exchange.usage.cached_tokens
