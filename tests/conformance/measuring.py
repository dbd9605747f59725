"""Plays every scenario to every client and sets what Tiltyard says beside what happened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tests.conformance.scenarios import SCENARIOS, Scenario
from tests.conformance.scripted import Scripted, scripted
from tiltyard.load.metrics import chunk_gaps_ms, measure
from tiltyard.load.recount import recounted
from tiltyard.records import Exchange, Measures, Message, Request
from tiltyard.servers import Address, Server
from tiltyard.servers.llamacpp import LlamaCpp
from tiltyard.servers.lmstudio import LMStudio
from tiltyard.servers.mlx import Mlx
from tiltyard.servers.ollama import Ollama
from tiltyard.servers.openai import OpenAI
from tiltyard.servers.sglang import SGLang
from tiltyard.servers.vllm import Vllm

CLIENTS: dict[str, Callable[[Address], Server]] = {
    "openai": OpenAI,
    "llamacpp": LlamaCpp,
    "ollama": Ollama,
    "lmstudio": LMStudio,
    "vllm": Vllm,
    "sglang": SGLang,
    "mlx": Mlx,
}


AT_ONCE = 9
TRIES = 25
REST_S = 0.02  # longer after each disturbed try
PUNCTUAL_MS = 3.0
CLOSE_MS = {"kernel": 0.5, "user": 4.0}  # more is the processor's doing, not the client's


class Truth(NamedTuple):
    """What happened, by the server's log, from the moment the request left; times in ms."""

    ttft_ms: float | None
    ttfo_ms: float | None
    itl_ms: float | None
    e2e_ms: float | None
    tokens: int
    gaps_ms: list[float]
    first_ms: float | None = None  # the first event, which need not be a token
    tail_ms: float | None = None  # from the last token to the last event
    late_ms: float = 0.0  # how far the server was behind its plan at worst


class Case(NamedTuple):
    dialect: str
    scenario: Scenario
    exchange: Exchange
    said: Measures
    truth: Truth
    gaps_ms: list[float]


def truth_of(scenario: Scenario, writes: list[tuple[float, int]], sent_ns: int, scale: float) -> Truth:
    """By the server's log: the time of each payload's write."""
    when = {ms: (ns - sent_ns) / 1e6 for ms, ns in writes}
    if scenario.ending != "ok":
        return Truth(None, None, None, None, scenario.tokens, [])
    payload = scenario.payload
    first, last = payload[0].ms, payload[-1].ms
    seen = first
    if scenario.name == "think_tags":
        seen = next(step.ms for step in payload if "</think>" in step.text)
    elif payload[0].kind == "reasoning":
        seen = next(step.ms for step in payload if step.kind == "content")
    after = sum(step.tokens for step in payload if step.ms > first)
    times = sorted({step.ms for step in payload})
    return Truth(
        ttft_ms=when[first],
        ttfo_ms=when[seen],
        itl_ms=(when[last] - when[first]) / after,
        e2e_ms=when[last],
        tokens=scenario.tokens,
        gaps_ms=[when[b] - when[a] for a, b in pairwise(times)],
        first_ms=min(when.values()),
        tail_ms=max(when.values()) - when[last],
        late_ms=max(at - ms * scale for ms, at in when.items() if ms not in scenario.split_at),
    )


async def play(server: Server, site: Scripted, scenario: Scenario, tokenizer: str | None) -> Case:
    site.writes.pop(scenario.name, None)
    request = Request(model="m", messages=(Message(role="user", content=scenario.name),), max_tokens=64)
    exchange = await recounted(server, await server.send(request), tokenizer)
    sent_ns = exchange.timeline.sent_ns
    assert sent_ns is not None
    truth = truth_of(scenario, site.writes[scenario.name], sent_ns, site.scale)
    return Case(site.dialect, scenario, exchange, measure(exchange), truth, chunk_gaps_ms(exchange))


def scenarios_of(dialect: str) -> Iterator[Scenario]:
    return (s for s in SCENARIOS if not s.only or dialect in s.only)


async def play_all(dialect: str, scale: float, tokenizer: str | None) -> list[Case]:
    """Every scenario that the dialect can express, some at once; a disturbed one is played again, alone."""
    with scripted(dialect, scale) as site:
        server = CLIENTS[dialect](Address(url=site.url))
        wanted = list(scenarios_of(dialect))
        cases: list[Case] = []
        try:
            for i in range(0, len(wanted), AT_ONCE):
                some = [play(server, site, scenario, tokenizer) for scenario in wanted[i : i + AT_ONCE]]
                cases += await asyncio.gather(*some)
            for i, scenario in enumerate(wanted):
                for turn in range(TRIES):
                    if disturbed(cases[i]):
                        await asyncio.sleep(turn * REST_S)
                        cases[i] = await play(server, site, scenario, tokenizer)
        finally:
            await server.close()
    return cases


def disturbed(case: Case) -> bool:
    """Was the processor away in the middle: two writes in one read, or a write late after its stamp?

    That the client reports such a case rightly is no question of a dialect; `tiltyard calibrate` measures it.
    """
    said, truth = case.said, case.truth
    if len(case.gaps_ms) != len(truth.gaps_ms) or truth.late_ms > PUNCTUAL_MS:
        return True
    pairs = [
        (said.ttft_ms, truth.ttft_ms),
        (said.ttfo_ms, truth.ttfo_ms),
        (said.e2e_ms, truth.e2e_ms),
        (said.tail_ms, truth.tail_ms),
        *zip(case.gaps_ms, truth.gaps_ms, strict=True),
    ]
    close = CLOSE_MS[case.exchange.timeline.clock]
    return any(a is not None and b is not None and abs(a - b) > close for a, b in pairs)


def word_tokenizer(folder: Path) -> str | None:
    """A tokenizer file that counts words, as the scripted server does; None without the extra."""
    try:
        from tokenizers import Tokenizer, models, pre_tokenizers
    except ImportError:
        return None
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return str(path)
