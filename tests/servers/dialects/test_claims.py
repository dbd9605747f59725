"""What an answer gives away."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.servers.dialects.conftest import ask_for, captured
from tiltyard.records import Exchange, Usage
from tiltyard.servers.claims import judged

WORDS = " ".join(["word"] * 200)


def answer(text: str = WORDS, tokens: int | None = None, ending: str = "ok", **more: object) -> Exchange:
    request = ask_for("m", text, think=False)
    usage = Usage(prompt_tokens=tokens)
    exchange = Exchange(request=request, timeline=captured(b"").timeline, ending=ending, usage=usage, **more)
    return judged(request, exchange)


@pytest.mark.parametrize(
    ("tokens", "cut"), [(64, True), (149, True), (150, False), (400, False), (0, False), (None, False)]
)
def test_fewer_tokens_than_words(tokens: int | None, cut: bool) -> None:
    assert ("context_truncated" in answer(tokens=tokens).notes) is cut


def test_short_prompts_many_spaces_and_failures_prove_nothing() -> None:
    assert answer("a b c", tokens=1).notes == ()
    assert answer(" " * 500 + "word", tokens=3).notes == ()
    assert answer(tokens=3, ending="truncated").notes == ()


def test_thinking_though_asked_not_to_is_said_once() -> None:
    assert answer(tokens=300, reasoning="hm").notes == ("thinking_despite_off",)
    assert answer(tokens=300, reasoning="hm", notes=("thinking_despite_off",)).notes == (
        "thinking_despite_off",
    )


@pytest.mark.parametrize(
    ("due", "tokens", "shared", "cut"),
    [(512, 450, False, True), (512, 480, False, False), (60, 40, False, False), (512, 450, True, False)],
)
def test_fewer_tokens_than_the_servers_own_counts_promised(
    due: int, tokens: int, shared: bool, cut: bool
) -> None:
    request = replace(ask_for("m", "short words"), prompt_tokens=due, prefix_shared=shared)
    exchange = Exchange(
        request=request, timeline=captured(b"").timeline, ending="ok", usage=Usage(prompt_tokens=tokens)
    )
    assert ("context_truncated" in judged(request, exchange).notes) is cut
