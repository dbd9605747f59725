"""Servers that refuse `max_tokens` or `stream_options`: learned from the first word, then sent otherwise."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Finished
from tests.servers.dialects.conftest import Asked, Canned, Page, ask_for, chunk, events
from tiltyard.records import Exchange, Model, Timeouts
from tiltyard.servers import Address
from tiltyard.servers.notes import USAGE_REFUSED
from tiltyard.servers.openai import OpenAI
from tiltyard.servers.preflight import probe
from tiltyard.servers.simulator import DIALECT_NAMES, SimConfig, SimModel, running

Serve = Callable[..., Canned]
CHAT = "/v1/chat/completions"
BODY = events(chunk("m", content="x"), chunk("m", finish="stop"))
ANSWER = Page(BODY, kind="text/event-stream")
BOTH = ("max_tokens_400", "stream_options_422")
RENAMED = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. "
    "Use 'max_completion_tokens' instead."
)
EXTRA = {
    "type": "extra_forbidden",
    "loc": ["body", "stream_options"],
    "msg": "Extra inputs are not permitted",
}


def refusing(field: str, error: Any, status: int = 400) -> Callable[[Asked], Page]:
    """Refuses every request that has the field."""
    return lambda asked: Page(error, status) if field in asked.body else ANSWER


def after_a_first_word(canned: Canned, *requests: Any) -> list[Exchange]:
    """The exchanges of measured requests, which come after a first word."""

    async def main() -> list[Exchange]:
        server = OpenAI(Address(url=canned.url))
        try:
            await probe(server, Model(name="m"), Timeouts(), lambda said: None)
            return [server.read(each, (await server.ask(each)).opened()) for each in requests]
        finally:
            await server.close()

    return asyncio.run(main())


@pytest.mark.parametrize(
    "said",
    [
        {"error": {"message": RENAMED, "type": "invalid_request_error", "param": "max_tokens"}},
        {"error": {"message": "this model is not supported MaxTokens, please use MaxCompletionTokens"}},
        {"detail": [{"loc": ["body", "max_tokens"], "msg": "Extra inputs are not permitted"}]},
    ],
)
def test_a_limit_under_its_other_name(serve: Serve, said: Any) -> None:
    canned = serve({f"POST {CHAT}": refusing("max_tokens", said)})
    one, two = after_a_first_word(canned, ask_for("m", max_tokens=9), ask_for("m"))
    assert (one.ending, two.ending) == ("ok", "ok")
    refused, first, *measured = canned.bodies(CHAT)  # each measured request was sent once
    assert (refused["max_tokens"], first["max_completion_tokens"]) == (4, 4)
    assert [each.get("max_completion_tokens") for each in measured] == [9, None]
    assert all("max_tokens" not in each and "stream_options" in each for each in measured)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"detail": [EXTRA]}, 422),
        ({"error": {"message": "Unrecognized request argument supplied: stream_options"}}, 400),
    ],
)
def test_token_counts_that_may_not_be_asked_for(serve: Serve, said: Any, status: int) -> None:
    canned = serve({f"POST {CHAT}": refusing("stream_options", said, status)})
    (exchange,) = after_a_first_word(canned, ask_for("m", max_tokens=9))
    assert (exchange.ending, exchange.notes, exchange.usage) == ("ok", (USAGE_REFUSED,), None)
    bodies = canned.bodies(CHAT)
    assert ["stream_options" in each for each in bodies] == [True, False, False]
    assert bodies[-1]["max_tokens"] == 9


def test_counts_that_come_unasked_need_no_note(serve: Serve) -> None:
    usage = {"model": "m", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    page = Page(events(chunk("m", content="x"), chunk("m", finish="stop"), usage), kind="text/event-stream")
    refusal = Page({"detail": [EXTRA]}, 422)
    canned = serve({f"POST {CHAT}": lambda asked: refusal if "stream_options" in asked.body else page})
    (exchange,) = after_a_first_word(canned, ask_for("m"))
    assert (exchange.ending, exchange.notes) == ("ok", ())
    assert exchange.usage is not None


@pytest.mark.parametrize(
    "said",
    [
        "max_tokens is too large: 4. This model supports at most 2 completion tokens",
        "Unsupported value: 'max_tokens' must be between 1 and 2",
        "tools are not supported",
        "max_tokens and stream_options are fine, the weather is bad",
    ],
)
def test_other_refusals_teach_nothing(serve: Serve, said: str) -> None:
    canned = serve({f"POST {CHAT}": Page({"error": {"message": said}}, 400)})

    async def main() -> Exchange:
        server = OpenAI(Address(url=canned.url))
        try:
            return await server.send(ask_for("m", max_tokens=4))
        finally:
            await server.close()

    exchange = asyncio.run(main())
    assert (exchange.ending, said[:20] in (exchange.error or "")) == ("http_error", True)
    assert len(canned.bodies(CHAT)) == 1


def test_a_lesson_that_does_not_help_is_taken_back(serve: Serve) -> None:
    """The error named the field by the way; another model of the same server knows its own fields."""
    said = {"error": {"message": "tools are not supported, in: {'max_tokens': 9, 'tools': []}"}}
    canned = serve({f"POST {CHAT}": lambda asked: Page(said, 400) if "tools" in asked.body else ANSWER})

    async def main() -> list[Exchange]:
        server = OpenAI(Address(url=canned.url))
        try:
            requests = (ask_for("m", max_tokens=9, tools=({"type": "function"},)), ask_for("m", max_tokens=9))
            return [await server.send(each) for each in requests]
        finally:
            await server.close()

    refused, plain = asyncio.run(main())
    assert (refused.ending, plain.ending) == ("http_error", "ok")
    assert canned.bodies(CHAT)[-1]["max_tokens"] == 9


def test_each_model_has_fields_of_its_own(serve: Serve) -> None:
    page = refusing("max_tokens", {"error": {"message": RENAMED}})
    canned = serve({f"POST {CHAT}": lambda asked: page(asked) if asked.body["model"] == "m" else ANSWER})
    after_a_first_word(canned, ask_for("m", max_tokens=9), ask_for("n", max_tokens=9))
    *_, one, other = canned.bodies(CHAT)
    assert ("max_completion_tokens" in one, "max_tokens" in other) == (True, True)


@pytest.mark.slow
@pytest.mark.parametrize("dialect", [each for each in DIALECT_NAMES if each != "ollama"])
def test_a_run_on_a_server_that_refuses_both(tiltyard: Callable[..., Finished], dialect: str) -> None:
    model = SimModel(name="m", ttft_ms=5.0, token_ms=1.0, loaded=True)
    with running(SimConfig(models=(model,), dialects=(dialect,), faults=BOTH)) as simulator:
        url = simulator.url(dialect)
        command = ("--server", url, "--model", "m", "--fresh", "--json", "--output-tokens", "20")
        done = tiltyard("run", "speed", "--profile", "quick", "--requests", "3", *command)
        refused = tiltyard("run", "speed", "--profile", "fixed", "--requests", "3", *command)
    assert done.code == 0, done.err
    summary = done.summary()
    assert summary["requests"]["failed"] == 0
    counted = {"llamacpp": "server-native", "vllm": "tokenize", "sglang": "tokenize"}
    assert summary["tokens"]["source"] == counted.get(dialect, "estimate")
    said = [note for note in summary["notes"] if "stream_options" in note]
    assert bool(said) is (dialect != "llamacpp"), summary["notes"]  # whose timings count as well
    assert refused.code != 0
    assert "max_completion_tokens" in json.dumps(refused.summary())
