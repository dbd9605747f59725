"""Prompts hit their size by a server's own count, and are unlike each other from the first word on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tiltyard.errors import UsageError
from tiltyard.load.prompts import (
    TASK,
    Filler,
    Prompts,
    Scale,
    find_scale,
    nonce,
    on_target,
    quiet_scale,
    vocabulary,
)
from tiltyard.records import Message, Request
from tiltyard.servers import Address, Server
from tiltyard.servers.llamacpp import LlamaCpp
from tiltyard.servers.ollama import Ollama
from tiltyard.servers.openai import OpenAI
from tiltyard.servers.simulator import SimConfig, SimModel, running

WORDS = Scale(fixed=12, per_word=1.0, rung="estimate")
CLIENTS: dict[str, Callable[[Address], Server]] = {"llamacpp": LlamaCpp, "openai": OpenAI, "ollama": Ollama}


def test_the_words_are_even() -> None:
    assert len(set(vocabulary())) == 256
    assert {len(word) for word in vocabulary()} == {4}


def test_a_stretch_of_filler_has_exactly_its_words() -> None:
    filler = Filler(3)
    for words in (0, 1, 11, 12, 13, 59, 60, 61, 500, 20_000):
        assert len(filler.take(words).split()) == words
    assert Filler(3).take(300) == Filler(3).take(300) != Filler(4).take(300)


def test_prompts_differ_at_the_very_start() -> None:
    prompts = Prompts(WORDS, Filler(1))
    texts = [prompts.sized(512) for _ in range(200)]
    assert len({" ".join(text.split()[:8]) for text in texts}) == 200
    assert len({len(text.split()) for text in texts}) == 1
    assert nonce() != nonce()


def test_the_same_seed_still_gives_other_prompts() -> None:
    """A seed repeated tomorrow must not meet today's prefix cache."""
    assert Prompts(WORDS, Filler(1)).sized(512)[:39] != Prompts(WORDS, Filler(1)).sized(512)[:39]


def test_shared_prompts_differ_at_the_end_alone() -> None:
    prompts = Prompts(WORDS, Filler(), shared=True)
    one, two = prompts.sized(512), prompts.sized(512)
    assert one != two
    same = next(i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b)
    assert same > 0.9 * len(one) * 0.9


def test_a_depth_is_one_context_with_fresh_ends() -> None:
    prompts = Prompts(WORDS, Filler())
    one, two, alone = prompts.on_top(1024, 512), prompts.on_top(1024, 512), prompts.on_top(1024, 0)
    context = alone.split("\n")[0]
    assert one.startswith(context)
    assert two.startswith(context)
    assert one != two
    assert len(one.split()) - len(alone.split()) == 512


@pytest.mark.parametrize("depth", [64, 128, 512, 4096])
def test_what_a_cache_holds_of_a_depth_is_the_depth(depth: int) -> None:
    """The beginning that two prompts share, with half of what the template adds, is `depth` tokens."""
    scale = Scale(fixed=30.0, per_word=1.0, task=42.0, rung="server")
    prompts = Prompts(scale, Filler())
    one, two = prompts.on_top(depth, 512).split(), prompts.on_top(depth, 512).split()
    shared = next(i for i, (a, b) in enumerate(zip(one, two, strict=True)) if a != b)
    assert abs(shared + scale.fixed / 2 - depth) <= 2
    words = len(one) - len(TASK.split())
    assert abs(words + scale.fixed + scale.task - depth - 512) <= 1


@pytest.mark.parametrize("dialect", sorted(CLIENTS))
def test_sizes_hold_by_the_servers_count(dialect: str) -> None:
    model = SimModel(name="m", context=20_000, context_max=40_000, loaded=True)

    async def main(url: str) -> None:
        server = CLIENTS[dialect](Address(url=url, context=20_000))
        filler = Filler()
        scale = await find_scale(
            server, Request(model="m", messages=(), max_tokens=1, context=20_000), filler
        )
        assert scale.rung in ("server", "server-native")
        prompts = Prompts(scale, filler)
        for tokens in (32, 63, 64, 100, 512, 5000):
            request = Request(
                model="m",
                messages=(Message(role="user", content=prompts.sized(tokens)),),
                max_tokens=1,
                context=20_000,
            )
            exchange = await server.send(request)
            assert exchange.usage is not None
            assert exchange.usage.prompt_tokens is not None
            assert on_target(tokens, exchange.usage.prompt_tokens), (tokens, exchange.usage)
        await server.close()

    with running(SimConfig(models=(model,), delay=False)) as sim:
        asyncio.run(main(sim.url(dialect)))


def test_without_asking_the_model_its_servers_tokenizer_counts() -> None:
    async def main(url: str, plain: str) -> None:
        server = LlamaCpp(Address(url=url))
        scale = await quiet_scale(server, "m", Filler())
        assert scale.rung == "tokenize"
        assert scale.per_word == pytest.approx(2.0, abs=0.2)  # the simulator's tokens have four characters
        text = Prompts(scale, Filler()).sized(128)
        counted = await server.count_chat(Request(model="m", messages=(Message(role="user", content=text),)))
        assert counted is not None
        assert on_target(128, counted.prompt_tokens or 0)  # its template included
        await server.close()
        other = OpenAI(Address(url=plain))
        assert (await quiet_scale(other, "m", Filler())).rung == "estimate"
        await other.close()

    with running(SimConfig(models=(SimModel(name="m", loaded=True),), delay=False)) as sim:
        asyncio.run(main(sim.url("llamacpp"), sim.url("openai")))


def test_a_tokenizer_file_is_the_rung_before_the_estimate(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    wrong = tmp_path / "wrong.json"
    wrong.write_text("[1]")

    async def main(url: str) -> None:
        server = OpenAI(Address(url=url))
        scale = await quiet_scale(server, "m", Filler(), str(path))
        assert scale.rung == "local"
        assert scale.per_word == pytest.approx(13 / 12)
        for bad in (wrong, tmp_path / "none.json"):
            with pytest.raises(UsageError):
                await quiet_scale(server, "m", Filler(), str(bad))
        await server.close()

    with running(SimConfig(models=(SimModel(name="m"),), delay=False)) as sim:
        asyncio.run(main(sim.url("openai")))


def test_on_target() -> None:
    assert on_target(32, 36)
    assert not on_target(32, 37)
    assert on_target(1000, 1020)
    assert not on_target(1000, 979)
