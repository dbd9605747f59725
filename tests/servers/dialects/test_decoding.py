"""JSON as servers really send it: nested without end, half characters, numbers that are none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers.dialects.conftest import Canned, Page, ask_for, captured, lines
from tests.servers.scripted import ScriptedServer, head
from tests.servers.test_chat import END, body_of, piece, read, words
from tiltyard.errors import NotAModelServer
from tiltyard.records import Capture
from tiltyard.servers import Address
from tiltyard.servers.chat_claims import usage_of
from tiltyard.servers.decoding import DEEPEST, json_in
from tiltyard.servers.discover import survey
from tiltyard.servers.error_text import NOT_WHOLE, error_of_body
from tiltyard.servers.ollama import arguments_object
from tiltyard.servers.ollama_stream import read_ollama
from tiltyard.servers.tls import TlsWire
from tiltyard.servers.wire import LARGEST_REPLY, Wire

Serve = Callable[..., Canned]
ABYSS = "[" * 100_000 + "]" * 100_000
DEPTHS = (DEEPEST - 5, DEEPEST + 5, 900, 1_500, 100_000)


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def depth_of(value: Any) -> int:
    depth = 0
    while isinstance(value, dict):
        depth, value = depth + 1, value.get("a")
    return depth


# ------------------------------------------------------------------ nesting


@pytest.mark.parametrize("depth", DEPTHS)
def test_what_nests_too_deep_is_cut_and_the_rest_is_kept(depth: int) -> None:
    value = json_in(f'{{"id": "m]}}", "a": {nested(depth)}, "b": 2}}'.encode())
    assert (value["id"], value["b"]) == ("m]}", 2)
    assert depth_of(value) == min(depth + 1, DEEPEST)


@pytest.mark.parametrize(
    "text",
    [
        *(ABYSS[:-1], ABYSS + "]", "[" * 100_000, '{"a":' * 5_000, nested(900)[:-1]),
        "[" * 2_000 + '"' + '\\"' * 400_000,  # in a text that does not end either
    ],
    ids=range(6),
)
def test_what_never_closes_is_no_json(text: str) -> None:
    assert json_in(text.encode()) is None


def test_a_long_page_of_shallow_objects_is_not_cut() -> None:
    page = [{"id": str(number), "more": [[number]]} for number in range(1_000)]
    assert json_in(json.dumps(page).encode()) == page


def test_a_page_that_nests_without_end_is_no_model_server_and_harms_no_other(serve: Serve) -> None:
    good = {"GET /v1/models": {"data": [{"id": "good", "object": "model"}]}}
    bad = {f"GET {path}": Page(ABYSS.encode()) for path in ("/v1/models", "/props", "/api/tags", "/health")}
    one, other = asyncio.run(survey([serve(good).url, serve(bad).url], timeout_s=30))
    assert [model.name for model in one.models] == ["good"]
    assert other.info is None
    assert "not as a model server" in (other.problem or "")


def test_an_event_that_nests_without_end_is_noted_and_the_answer_is_read() -> None:
    exchange = read([*words("a"), f"data: {ABYSS}", *words("b")[1:], END])
    assert (exchange.ending, exchange.text) == ("ok", "ab")
    assert "unreadable_event" in exchange.notes


@pytest.mark.parametrize("depth", DEPTHS)
def test_words_beside_an_abyss_are_kept(depth: int) -> None:
    deep = json.dumps(piece({"content": "b"}))[:-1] + f', "timings": {nested(depth)}}}'
    exchange = read([*words("a"), f"data: {deep}", *words(*"cdef")[1:], END])
    assert (exchange.ending, exchange.text) == ("ok", "abcdef")


@pytest.mark.slow
@pytest.mark.parametrize("depth", DEPTHS)
def test_errors_that_nest_without_end_are_told_in_one_line(depth: int) -> None:
    inner = '{"error":' * depth + '"boom"' + "}" * depth
    for body in (inner, f'{{"error":{ABYSS}}}', ABYSS):
        assert error_of_body(500, body.encode()).startswith("HTTP 500")
        read([f"data: {body}"])
        read([body], done=False)


@pytest.mark.parametrize("depth", DEPTHS)
def test_arguments_that_nest_without_end_are_kept_as_far_as_possible(depth: int) -> None:
    line = '{"model":"m","message":{"tool_calls":[{"function":{"name":"f","arguments":%s}}]},"done":false}\n'
    body = (line % nested(depth)).encode() + lines({"model": "m", "done": True, "done_reason": "stop"})
    exchange = read_ollama(ask_for("m"), captured(body))
    assert (exchange.ending, [call.name for call in exchange.tool_calls]) == ("ok", ["f"])
    assert depth_of(json.loads(exchange.tool_calls[0].arguments)) > DEEPEST - 10
    whole = json.dumps(piece({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": 0}}]}))
    exchange = read(["data: " + whole.replace('"arguments": 0', f'"arguments": {nested(depth)}'), END])
    assert [call.name for call in exchange.tool_calls] == ["f"]
    assert isinstance(arguments_object(nested(depth)), dict)


# ------------------------------------------------------------------ half characters, odd numbers


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ('"\\ud83d "', "\ufffd "),
        ('"a\\ude00b"', "a\ufffdb"),
        ('"\\ud83d\\ude00 \\ud83d"', "\U0001f600 \ufffd"),
        ('"\\\\ud83d"', "\\ud83d"),
    ],
)
def test_half_characters_are_replaced(sent: str, text: str) -> None:
    assert json_in(f'{{"{sent[1:-1]}": [{sent}]}}'.encode()) == {text: [text]}


def content(text: str, **more: Any) -> str:
    return "data: " + json.dumps(piece({"content": "HERE"}, **more)).replace("HERE", text)


def test_half_a_character_costs_nothing_but_itself() -> None:
    exchange = read(
        [*words("a", "b", "c"), content("\\ud83d"), content("\\ude00"), *words(*"defgh")[1:], END]
    )
    assert (exchange.ending, exchange.text) == ("ok", "abc\ufffd\ufffddefgh")
    assert exchange.events.kinds == "occcccccccco"
    line = b'{"model":"m","message":{"content":"\\ud83d "},"done":true,"done_reason":"stop"}\n'
    assert read_ollama(ask_for("m"), captured(line)).text == "\ufffd "


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_none_costs_nothing_but_itself(number: str) -> None:
    bad = content("b").replace('"finish_reason": null', f'"finish_reason": null, "score": {number}')
    last = "data: " + json.dumps(END)[:-1] + f', "timings": {{"predicted_ms": {number}, "predicted_n": 3}}}}'
    exchange = read([*words("a"), bad, *words(*"cdef")[1:], last])
    assert (exchange.ending, exchange.text) == ("ok", "abcdef")
    assert exchange.timings is not None
    assert (exchange.timings.decode_ms, exchange.timings.decode_tokens) == (None, 3)
    line = '{"model":"m","message":{"content":"hi"},"done":true,"done_reason":"stop","eval_duration":%s}\n'
    native = read_ollama(ask_for("m"), captured((line % number).encode()))
    assert (native.ending, native.text) == ("ok", "hi")
    assert native.timings is not None
    assert native.timings.decode_ms is None


# ------------------------------------------------------------------ raw control characters, broken events

RAW = "w\x01\t\x00 "  # which JSON has escaped
LINE = b'{"model":"m","message":{"content":"%s"},"done":false}\n'
DONE = b'{"model":"m","done":true,"done_reason":"stop"}\n'


def test_raw_control_characters_in_a_text_are_text() -> None:
    exchange = read([*words(*"abc"), content(RAW), *words(*"def")[1:], END])
    assert (exchange.ending, exchange.text, exchange.notes) == ("ok", f"abc{RAW}def", ())
    only = read([*[content(RAW)] * 5, END])
    assert (only.ending, only.text, only.events.kinds) == ("ok", RAW * 5, "ccccco")
    whole = json.dumps({"model": "m", "choices": [{"message": {"content": "HERE"}, "finish_reason": "stop"}]})
    assert read([whole.replace("HERE", RAW)], done=False).text == RAW
    native = read_ollama(ask_for("m"), captured(LINE % b"a" + LINE % RAW.encode() + DONE))
    assert (native.ending, native.text, native.notes) == ("ok", "a" + RAW, ())


TORN = 'data: {"choices": [{"index": 0, "delta": {"content": "b\\x"}}]}'  # no such escape


@pytest.mark.parametrize(
    "chunks",
    [
        [*words("a"), TORN, *words("c")[1:], END],
        [*words("a"), content("b\nc"), *words("d")[1:], END],  # a raw line break ends the event's line
        [TORN, TORN, END],
        [TORN, TORN],
        [piece({"role": "assistant"}), "data: some words", "data: without a frame", END],
    ],
    ids=("a hole", "a line break", "no word", "no end", "no frame"),
)
def test_an_answer_of_which_a_part_cannot_be_read_is_the_server_s_failure(chunks: list[Any]) -> None:
    exchange = read(chunks)
    assert (exchange.ending, exchange.error) == ("error_midstream", NOT_WHOLE)
    assert {"unreadable_event", "error_told"} <= set(exchange.notes)
    assert exchange.raw is not None


@pytest.mark.parametrize(
    "chunks",
    [
        [*words("a"), END, TORN],
        [*words("a"), END, "data: keep-alive"],
        [*words("a"), "data: keep-alive", END],
        [*words("a"), "data: null", END],
    ],
    ids=("torn after the end", "noise after it", "noise within", "a value"),
)
def test_what_cannot_be_read_and_held_no_words_is_only_noted(chunks: list[Any]) -> None:
    exchange = read(chunks)
    assert (exchange.ending, exchange.text, exchange.notes) == ("ok", "a", ("unreadable_event",))


def test_an_empty_answer_beside_empty_events_is_one() -> None:
    assert read([*words(), "data:", "data: ", END]).ending == "ok"


@pytest.mark.parametrize(
    ("body", "ending"),
    [
        (LINE % b"a" + LINE % b"b\\x" + LINE % b"c" + DONE, "error_midstream"),
        (LINE % b"a\nb" + DONE, "error_midstream"),
        (b"some words\n" + DONE, "error_midstream"),
        (LINE % b"a" + b"keep-alive\n" + DONE, "ok"),
        (LINE % b"a" + DONE + LINE % b"b\\x", "ok"),
        (LINE % b"a" + (LINE % b"b")[:-9], "truncated"),  # cut there: nothing is broken but the end
    ],
    ids=("a hole", "a line break", "no frame", "noise", "after the end", "cut"),
)
def test_the_same_of_lines(body: bytes, ending: str) -> None:
    exchange = read_ollama(ask_for("m"), captured(body))
    assert exchange.ending == ending
    assert (exchange.error == NOT_WHOLE) is ("error_told" in exchange.notes) is (ending == "error_midstream")


def test_a_broken_name_in_a_list_hides_no_other_model(serve: Serve) -> None:
    page = Page(b'{"data": [{"id": "a\\ud800b", "object": "model"}, {"id": "good", "object": "model"}]}')
    (found,) = asyncio.run(survey([serve({"GET /v1/models": page}).url], timeout_s=30))
    assert [model.name for model in found.models] == ["a\ufffdb", "good"]


# ------------------------------------------------------------------ told twice, told late, told wrong


def whole(finish: str | None = "stop", **more: Any) -> dict[str, Any]:
    chunk = piece(finish=finish)
    chunk["choices"][0]["message"] = {"role": "assistant", "content": "abcde", **more}
    return chunk


def test_the_whole_message_beside_the_finish_reason_is_not_said_again() -> None:
    without = whole()
    del without["choices"][0]["delta"]
    for last in (whole(), without):
        exchange = read([*words(*"abcde"), last])
        assert (exchange.ending, exchange.text, exchange.tool_calls) == ("ok", "abcde", ())
        assert exchange.events.kinds == "occccco"


def test_a_message_is_taken_where_nothing_came_before() -> None:
    assert read([piece({"role": "assistant"}), whole()]).text == "abcde"
    pieces = [{"choices": [{"index": 0, "message": {"content": text}}]} for text in "abc"]
    assert read([*pieces, END]).text == "abc"


def test_what_comes_after_the_end_is_no_answer() -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5}}
    exchange = read([*words(*"abcde"), END, "data: [DONE]", *words("late"), usage, "data: [DONE]"])
    assert (exchange.ending, exchange.text) == ("ok", "abcde")
    assert exchange.events.kinds == "occccc" + "oooo"
    assert exchange.usage is not None
    assert exchange.usage.output_tokens == 5


def test_counts_below_nothing_are_not_believed() -> None:
    said = {
        "prompt_tokens": -5,
        "completion_tokens": -1,
        "prompt_tokens_details": {"cached_tokens": -3},
        "completion_tokens_details": {"reasoning_tokens": -2},
    }
    usage = usage_of(said, None)
    assert usage is not None
    assert {usage.prompt_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens} == {None}
    timed = usage_of(None, {"prompt_n": -5, "cache_n": -1, "predicted_n": 3})
    assert timed is not None
    assert (timed.prompt_tokens, timed.output_tokens, timed.cached_tokens) == (None, 3, None)
    good = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5}}
    told = read([*words(*"abcde"), END, good, {"choices": [], "usage": said}]).usage
    assert told is not None
    assert (told.prompt_tokens, told.output_tokens) == (9, 5)
    running = [piece({"content": text}, usage={"completion_tokens": n}) for n, text in enumerate("ab", -7)]
    assert read([*running, END]).events.tokens is None


def test_counts_below_nothing_are_not_believed_of_ollama_either() -> None:
    last = {"model": "m", "message": {"content": "hi"}, "done": True, "done_reason": "stop"}
    counts = {"prompt_eval_count": -5, "eval_count": -1, "eval_duration": -3, "prompt_eval_duration": -2}
    exchange = read_ollama(ask_for("m"), captured(lines({**last, **counts})))
    assert exchange.usage is None
    assert exchange.timings is not None
    assert (exchange.timings.decode_ms, exchange.timings.prefill_ms) == (None, None)


# ------------------------------------------------------------------ pages without an end


RADIO = [head(b"audio/mpeg"), *[b"\0" * (1 << 20)] * 2_000]


@pytest.mark.slow
@pytest.mark.parametrize("wire_kind", [Wire, TlsWire])
def test_a_page_without_an_end_is_broken_off(wire_kind: type[Wire]) -> None:
    async def call(url: str) -> None:
        wire = wire_kind(Address(url=url))
        try:
            await wire.call("GET", "/v1/models", timeout_s=300)
        finally:
            await wire.close()

    with ScriptedServer(lambda _: RADIO) as server:
        with pytest.raises(NotAModelServer, match="answers, but not as a model server"):
            asyncio.run(call(server.url))
        assert sum(len(data) for _, data in server.writes) < 2 * LARGEST_REPLY


@pytest.mark.slow
@pytest.mark.parametrize("wire_kind", [Wire, TlsWire])
def test_answers_may_be_larger_than_pages(wire_kind: type[Wire]) -> None:
    async def ask(url: str) -> Capture:
        wire = wire_kind(Address(url=url))
        try:
            return (await wire.stream("/v1/chat/completions", b"{}")).opened()
        finally:
            await wire.close()

    pings = [b": ping" + b" " * (1 << 20) + b"\n\n"] * (LARGEST_REPLY // (1 << 20) + 2)
    with ScriptedServer(lambda _: [head(), *pings, body_of([*words("a"), END]), "close"]) as server:
        capture = asyncio.run(ask(server.url))
    assert capture.failure is None
    assert len(capture.body) > LARGEST_REPLY
