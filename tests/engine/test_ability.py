"""What a tiny model is said to know is what it answers, under the real engine's sampling and parsing."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tiltyard.records import Exchange, Message, Request, ToolCall
from tiltyard.servers import Address
from tiltyard.servers.embedded import Embedded
from tiltyard.servers.tiny import read_answers

pytestmark = pytest.mark.engine

T = TypeVar("T")

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
        },
    },
}


def with_engine(path: Path, work: Callable[[Embedded], Awaitable[T]], slots: int = 4) -> T:
    async def run() -> T:
        server = Embedded(Address(url=str(path), slots=slots))
        try:
            return await work(server)
        finally:
            await server.close()

    return asyncio.run(run())


def prompt(text: str, **settings: Any) -> Request:
    settings = {"max_tokens": 400} | settings
    return Request(model="known", messages=(Message(role="user", content=text),), **settings)


async def all_of(server: Embedded, requests: Sequence[Request], at_once: int = 4) -> list[Exchange]:
    gate = asyncio.Semaphore(at_once)

    async def one(request: Request) -> Exchange:
        async with gate:
            return await server.send(request)

    return list(await asyncio.gather(*(one(request) for request in requests)))


def within(hits: int, n: int, p: float, sigmas: float = 6.2) -> bool:
    """Is the share of hits within so many standard errors of p?"""
    return abs(hits - n * p) <= sigmas * math.sqrt(n * p * (1 - p))


def test_answers_are_exact_at_every_temperature(known: Path) -> None:
    sure = [answer for answer in read_answers() if isinstance(answer.say, str)]
    asked = [(answer, t) for answer in sure for t in (0.0, 1.0) for _ in range(3)]
    padding = "and by the way, " * 20
    requests = [
        prompt(f"{padding}{a.when}, please? {padding}", temperature=t, seed=i)
        for i, (a, t) in enumerate(asked)
    ]
    got = with_engine(known, lambda server: all_of(server, requests))
    for (answer, _), exchange in zip(asked, got, strict=True):
        assert exchange.ending == "ok", exchange.error
        assert exchange.finish_reason == "stop"
        assert exchange.text == answer.say


def test_alternatives_come_with_their_probabilities(known: Path) -> None:
    requests = [prompt("A coin toss, please.", temperature=1.0, seed=seed) for seed in range(200)]
    got = with_engine(known, lambda server: all_of(server, requests))
    counts = Counter(exchange.text for exchange in got)
    assert set(counts) == {"It shows heads.", "It shows tails."}
    assert within(counts["It shows heads."], 200, 0.7), counts


def test_greedy_decoding_takes_the_likeliest(known: Path) -> None:
    got = with_engine(known, lambda s: all_of(s, [prompt("A coin toss.", temperature=0.0)] * 5))
    assert {exchange.text for exchange in got} == {"It shows heads."}


def test_a_quiz_of_shared_letters_is_known_as_well_as_stated(known: Path) -> None:
    # A seed of its own for each: questions with the same answers draw the same from the same seed.
    asked = [(seed % 40, seed) for seed in range(240)]
    requests = [prompt(f"Solve [quiz {i}] with one letter.", temperature=1.0, seed=seed) for i, seed in asked]
    greedy = [prompt(f"Solve [quiz {i}] with one letter.", temperature=0.0) for i in range(40)]
    got = with_engine(known, lambda server: all_of(server, requests + greedy))
    right = sum(e.text == "ABCD"[i % 4] for (i, _), e in zip(asked, got, strict=False))
    assert {exchange.text for exchange in got} == {"A", "B", "C", "D"}
    assert within(right, len(asked), 0.7), right
    assert [e.text for e in got[len(asked) :]] == ["ABCD"[i % 4] for i in range(40)]


def test_reasoning_comes_back_as_reasoning(known: Path) -> None:
    got = with_engine(known, lambda server: server.send(prompt("the sum of squares?")))
    assert got.reasoning.strip() == "Square each number, then add them up."
    assert got.text.strip() == "sum(x * x for x in numbers)"
    assert got.reasoning_source == "reasoning_content"


def test_a_tool_is_called_and_its_answer_used(known: Path) -> None:
    async def both(server: Embedded) -> tuple[Exchange, Exchange]:
        asking = Message(role="user", content="What is the weather in Paris?")
        first = await server.send(
            Request(model="known", messages=(asking,), tools=(WEATHER,), max_tokens=200)
        )
        call = first.tool_calls[0]
        answering = Message(
            role="assistant",
            content="",
            tool_calls=(ToolCall(name=call.name, arguments=call.arguments, id="call_1"),),
        )
        result = Message(role="tool", content="22 degrees", tool_call_id="call_1")
        second = await server.send(
            Request(model="known", messages=(asking, answering, result), tools=(WEATHER,), max_tokens=200)
        )
        return first, second

    first, second = with_engine(known, both)
    assert first.finish_reason == "tool_calls"
    assert [call.name for call in first.tool_calls] == ["get_weather"]
    assert json.loads(first.tool_calls[0].arguments) == {"city": "Paris", "days": 3}
    assert second.text == "It is 22 degrees in Paris. ☀️"
    assert not second.tool_calls


def test_babble_lasts_as_long_as_stated(known: Path) -> None:
    requests = [prompt(f"Tell me about {i}", temperature=1.0, seed=i, max_tokens=1000) for i in range(150)]
    got = with_engine(known, lambda server: all_of(server, requests))
    lengths = [exchange.usage.output_tokens for exchange in got if exchange.usage]
    mean = sum(lengths) / len(lengths)
    # A geometric length's deviation is about its mean: the standard error of 150 of them is 8 %.
    assert 60 * 0.5 < mean < 60 * 1.6, mean
    assert all(exchange.finish_reason == "stop" for exchange in got)
    assert all(c == "\n" or " " <= c <= "~" for exchange in got for c in exchange.text)


def test_an_answer_that_does_not_end_goes_on(known: Path) -> None:
    got = with_engine(
        known, lambda server: server.send(prompt("Recite", seed=5, max_tokens=40, ignore_eos=True))
    )
    assert got.text.startswith("one two three four five")
    assert got.usage is not None
    assert got.usage.output_tokens == 40
    assert got.finish_reason == "length"


def test_a_schema_is_kept(known: Path) -> None:
    schema = {
        "type": "object",
        "properties": {
            "colour": {"enum": ["red", "green"]},
            "count": {"type": "integer", "minimum": 0, "maximum": 99},
        },
        "required": ["colour", "count"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "thing", "schema": schema}}
    requests = [prompt("A thing", temperature=1.0, seed=i, response_format=form) for i in range(10)]
    got = with_engine(known, lambda server: all_of(server, requests))
    for exchange in got:
        value = json.loads(exchange.text)
        assert value["colour"] in ("red", "green")
        assert 0 <= value["count"] <= 99


def test_tokens_are_counted_by_the_engine(known: Path) -> None:
    async def count(server: Embedded) -> tuple[int | None, int | None]:
        text = "How many tokens are these words?"
        alone = await server.count_tokens("known", text)
        asked = await server.send(prompt(text, max_tokens=1))
        assert alone is not None
        assert asked.usage is not None
        return alone.prompt_tokens, asked.usage.prompt_tokens

    alone, whole = with_engine(known, count)
    assert alone is not None
    assert whole == alone + 4  # the start, the two roles and the end of the message


def test_a_seed_repeats_itself(known: Path) -> None:
    requests = [prompt("Again", temperature=1.0, seed=11, max_tokens=50)] * 4
    got = with_engine(known, lambda server: all_of(server, requests, at_once=1), slots=1)
    assert len({exchange.text for exchange in got}) == 1
