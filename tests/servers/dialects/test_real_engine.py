"""The same promises by the `llamacpp`, `openai` and `embedded` clients against the real engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.dialects.conftest import ask_for
from tiltyard.errors import ModelNotFound
from tiltyard.servers import Server
from tiltyard.servers.choose import choose
from tiltyard.servers.connect import connect
from tiltyard.servers.engine_process import EngineProcess, Launch
from tiltyard.servers.tiny import Answer, Say, TinySpec, write_model

pytestmark = pytest.mark.engine
ALL = ("llamacpp", "openai", "embedded")
each = pytest.mark.parametrize("dialect", ALL)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where each dialect is served: one llama-server for two of them, and the file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        path = tmp_path_factory.mktemp("models") / "tiny.gguf"
        answer = Answer(when="Recite", say=(Say(text="one two three", p=1.0),))
        write_model(path, TinySpec(name="tiny", mean_tokens=60, answers=(answer,)))
        launch = Launch(model=str(path), alias="tiny", context=2048, slots=2, threads=1)
        engine = EngineProcess(launch, tmp_path_factory.mktemp("logs") / "engine.log")
        try:
            started = asyncio.run(engine.start(None))
            yield {"llamacpp": started.url, "openai": started.url, "embedded": str(path)}
        finally:
            engine.stop()


def using(places: dict[str, str], dialect: str, use: Callable[[Server], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        server = await connect(places[dialect], dialect)
        try:
            return await use(server)
        finally:
            await server.close()

    return asyncio.run(main())


def test_it_is_recognised(places: dict[str, str]) -> None:
    async def main() -> tuple[str, str]:
        server = await connect(places["llamacpp"])
        await server.close()
        file, model = await choose(places["embedded"])
        await file.close()
        return server.info.dialect, f"{file.info.dialect} {model.name}"

    assert asyncio.run(main()) == ("llamacpp", "embedded tiny")


@each
def test_identity(places: dict[str, str], dialect: str) -> None:
    model = using(places, dialect, lambda server: server.describe("tiny"))
    assert model.name == "tiny"
    if dialect != "openai":
        assert (model.architecture, model.moe, model.quantization) == ("llama", False, "F16")
        assert len(model.digest) == 64
        assert {"completion", "schema"} <= set(model.capabilities)


@each
def test_an_exchange(places: dict[str, str], dialect: str) -> None:
    request = ask_for("tiny", "Recite", max_tokens=8, temperature=0.0, seed=1)
    exchange = using(places, dialect, lambda server: server.send(request))
    assert (exchange.ending, exchange.text.strip()) == ("ok", "one two three")
    assert exchange.usage.output_tokens >= 3
    assert exchange.timings.decode_tokens == exchange.usage.output_tokens
    assert exchange.model_served == "tiny"
    assert exchange.timeline.sent_ns < exchange.events.t_ns[0]


@pytest.mark.parametrize("dialect", ["llamacpp", "embedded"])
def test_fixed_length_honest_prefill_and_exact_counts(places: dict[str, str], dialect: str) -> None:
    text = "some words to be counted"
    request = ask_for("tiny", text, max_tokens=24, ignore_eos=True, cache_prompt=False)

    async def use(server: Server) -> Any:
        return await server.send(request), await server.send(request), await server.count_tokens("tiny", text)

    first, second, counted = using(places, dialect, use)
    for exchange in (first, second):
        assert (exchange.ending, exchange.finish_reason, exchange.usage.output_tokens) == ("ok", "length", 24)
        assert exchange.timings.prefill_tokens == exchange.usage.prompt_tokens
    assert 0 < counted.prompt_tokens < first.usage.prompt_tokens


@each
def test_a_schema_is_kept(places: dict[str, str], dialect: str) -> None:
    schema = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    request = ask_for("tiny", max_tokens=200, temperature=0.0, seed=1, response_format=wanted)
    exchange = using(places, dialect, lambda server: server.send(request))
    if exchange.finish_reason == "stop":  # a babbling model may fill the room with white space
        assert isinstance(json.loads(exchange.text)["yes"], bool)
    else:
        assert exchange.text.lstrip()[:1] in ("{", "")


@each
def test_a_context_that_overflows_is_told(places: dict[str, str], dialect: str) -> None:
    request = ask_for("tiny", "word " * 40_000, max_tokens=4)
    exchange = using(places, dialect, lambda server: server.send(request))
    assert (exchange.ending, exchange.status) == ("http_error", 400)
    assert "context" in exchange.error


@each
def test_a_model_that_is_not_there(places: dict[str, str], dialect: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        using(places, dialect, lambda server: server.describe("tinny"))
    assert "tiny" in caught.value.remedy


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        asyncio.run(choose(str(tmp_path / "missing.gguf"), found=[]))
