"""What an answer gives away."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.servers.dialects.conftest import ask_for, captured, lines
from tiltyard.records import Events, Exchange, ServerTimings, Usage
from tiltyard.servers.claims import judged
from tiltyard.servers.ollama_stream import read_ollama

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
    ("kinds", "output", "reasoning", "hidden"),
    [
        ("c" * 20, 120, 100, True),
        ("o" * 50 + "c" * 5, 120, 100, True),
        ("r" + "c" * 20, 120, 100, False),  # shown in large pieces
        ("c" * 120, 120, 100, False),  # among the words
        ("c" * 20, 20, 100, True),  # counted apart
        ("c" * 20, 120, 0, False),
        ("c" * 20, 120, None, False),
    ],
)
@pytest.mark.parametrize("think", [None, False])
def test_reasoning_that_is_counted_and_not_shown(
    kinds: str, output: int, reasoning: int | None, hidden: bool, think: bool | None
) -> None:
    request = replace(ask_for("m", "short words"), think=think)
    exchange = Exchange(
        request=request,
        timeline=captured(b"").timeline,
        ending="ok",
        usage=Usage(output_tokens=output, reasoning_tokens=reasoning),
        events=Events(t_ns=tuple(range(len(kinds))), kinds=kinds, texts=("word",) * len(kinds)),
    )
    notes = judged(request, exchange).notes
    assert ("thinking_hidden" in notes) is hidden
    assert ("thinking_despite_off" in notes) is (hidden and think is False)


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


@pytest.mark.parametrize(
    ("made_ms", "step_ms", "kinds", "held"),
    [
        (500.0, 0.0, "oo" + "c" * 50 + "oo", True),
        (500.0, 0.9, "o" + "r" * 25 + "c" * 25 + "o", True),  # in reads of some size
        (500.0, 10.0, "c" * 50, False),
        (500.0, 2.0, "c" * 50, False),  # the clocks differ, but it was a stream
        (20.0, 0.0, "c" * 50, False),  # so fast that any way may merge it
        (None, 0.0, "c" * 50, False),
        (500.0, 0.0, "cco", False),  # a letter and its end, after what nobody shows
        (500.0, 0.0, "ttto", False),  # kept back by the server itself
        (500.0, 0.0, "cctto", True),
        (500.0, 0.0, "oo", False),
    ],
)
def test_an_answer_that_something_held_back_is_said_to_be_no_stream(
    made_ms: float | None, step_ms: float, kinds: str, held: bool
) -> None:
    request = ask_for("m")
    exchange = Exchange(
        request=request,
        timeline=captured(b"").timeline,
        ending="ok",
        events=Events(
            t_ns=tuple(round(i * step_ms * 1e6) for i in range(len(kinds))),
            kinds=kinds,
            texts=tuple("" if kind == "o" else "word" for kind in kinds),
        ),
        timings=ServerTimings(source="llamacpp", decode_ms=made_ms),
    )
    assert judged(request, exchange).notes == (("not_streamed",) if held else ())
    one = Events(t_ns=(0,), kinds="c", texts=("word " * 20,))
    assert judged(request, replace(exchange, events=one)).notes == (
        ("not_streamed",) if (made_ms or 0) > 50 else ()
    )


@pytest.mark.parametrize(
    ("message", "whole"),
    [
        ({"content": "word word"}, True),
        ({"content": "", "thinking": "hm"}, True),
        ({"content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}, True),
        ({"content": ""}, False),  # an answer of no tokens
    ],
)
def test_an_ollama_that_answers_with_one_object_streamed_nothing(
    message: dict[str, object], whole: bool
) -> None:
    end = {"model": "m", "message": message, "done": True, "done_reason": "stop"}
    exchange = read_ollama(ask_for("m"), captured(lines(end)))
    assert (exchange.ending, exchange.notes) == ("ok", ("not_streamed",) if whole else ())
    before = {"model": "m", "message": {"content": "a "}, "done": False}
    assert read_ollama(ask_for("m"), captured(lines(before, end))).notes == ()
