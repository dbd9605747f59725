"""Chat streams read into exchanges: each irregularity of each server, and both paths alike."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tiltyard.records import Capture, Exchange, Message, Request, Timeline, ToolCall
from tiltyard.servers.chat import chat_body, read_chat
from tiltyard.servers.chat_claims import plainly_another, same_letters
from tiltyard.servers.chat_events import ChatEvents

REQUEST = Request(model="m", messages=(Message(role="user", content="hi"),))


def piece(delta: Any = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {} if delta is None else delta, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **more}


def words(*texts: str) -> list[dict[str, Any]]:
    return [piece({"role": "assistant", "content": ""}), *(piece({"content": t}) for t in texts)]


END = piece(finish="stop")
USAGE = {"id": "1", "model": "m", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}


def body_of(chunks: list[Any], done: bool = True, line_break: str = "\n") -> bytes:
    parts = [c if isinstance(c, str) else "data: " + json.dumps(c, ensure_ascii=False) for c in chunks]
    if done:
        parts.append("data: [DONE]")
    return "".join(p + line_break * 2 for p in parts).encode()


def capture_of(body: bytes, status: int = 200, kind: str = "text/event-stream", **more: Any) -> Capture:
    """One byte per nanosecond, so that an event's time is the offset of its end."""
    line = Timeline(
        scheduled_ns=0,
        started_ns=0,
        sent_ns=0,
        arrivals_ns=tuple(range(1, len(body) + 1)),
        arrivals_end=tuple(range(1, len(body) + 1)),
        closed_ns=len(body) + 1,
    )
    return Capture(timeline=line, status=status, headers={"content-type": kind}, body=body, **more)


def read(chunks: list[Any], accept: Any = None, **how: Any) -> Exchange:
    return read_chat(REQUEST, capture_of(body_of(chunks, **how)), accept=accept)


def test_a_plain_stream():
    exchange = read([*words("Hel", "lo", " wor", "ld"), END, USAGE])
    assert exchange.ending == "ok"
    assert exchange.text == "Hello world"
    assert exchange.events.kinds == "occccoo"
    assert exchange.events.texts == ("", "Hel", "lo", " wor", "ld", "", "")
    assert exchange.usage is not None
    assert (exchange.usage.prompt_tokens, exchange.usage.output_tokens) == (9, 4)
    assert (exchange.finish_reason, exchange.model_served, exchange.raw) == ("stop", "m", None)
    assert exchange.events.tokens is None


def test_events_have_the_time_of_their_last_byte():
    chunks = [*words("a", "b"), END]
    body = body_of(chunks)
    ends = [body.index(b"\n\n", i) + 2 for i in (m for m in range(len(body)) if body.startswith(b"data:", m))]
    assert list(read(chunks).events.t_ns) == ends[:-1]


VARIANTS: dict[str, list[Any]] = {
    "plain": [*words(*"abcdefghij"), END, USAGE],
    "reasoning first": [*[piece({"reasoning_content": t}) for t in "xyz"], *words(*"abcdef")[1:], END, USAGE],
    "reasoning renamed": [*[piece({"reasoning": t}) for t in "xyz"], *words(*"abcdef")[1:], END],
    "nulls": [
        *[piece({"content": t, "tool_calls": None, "refusal": None}, usage=None) for t in "abcdef"],
        END,
    ],
    "empty deltas": [*words("a", "", "b", "", "c", "", "d"), END, USAGE],
    "tags": [*words("<thi", "nk>", "so", "</th", "ink>", "\n\n", "yes", "!"), END, USAGE],
    "tool": [*words("a", "b"), piece({"tool_calls": [{"index": 0, "function": {"name": "f"}}]}), END, USAGE],
    "error": [*words(*"abcd"), {"error": {"message": "boom"}}],
    "two choices": [
        *words(*"abcd"),
        {"choices": [{"index": 1}]},
        *words("e"),
        END,
    ],
    "continuous": [piece({"content": t}, usage={"completion_tokens": i + 1}) for i, t in enumerate("abcdef")],
    "strange breaks": [*words("a\u2028b", "\u0085", "\x0b", "é😀"), END, USAGE],
    "numbers": [*words(*"abc"), piece({"content": 5}), *words("d"), END],
    "missing delta": [*words(*"abc"), {"model": "m", "choices": [{"index": 0}]}, *words(*"de"), END],
}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_quick_path_and_the_general_one_agree(name):
    """A comment at the start, or CRLF, forces the general path."""
    quick = read(VARIANTS[name])
    general = read_chat(REQUEST, capture_of(b": x\n\n" + body_of(VARIANTS[name])))
    assert general.events.kinds == "p" + quick.events.kinds
    assert [t - 5 for t in general.events.t_ns[1:]] == list(quick.events.t_ns)
    assert general.events.texts[1:] == quick.events.texts
    left = msgspec.structs.asdict(general)
    right = msgspec.structs.asdict(quick)
    for field in set(left) - {"events", "timeline", "raw"}:
        assert left[field] == right[field], field
    assert read(VARIANTS[name], line_break="\r\n").text == quick.text


def test_broken_json_that_joins_up_is_not_taken_for_events():
    good = [*words(*"abcdef"), END]
    body = body_of(good).replace(b'"content": "c"}', b'"content":\n\ndata: "c"}')
    exchange = read_chat(REQUEST, capture_of(body))
    assert exchange.text == "abdef"
    assert "unreadable_event" in exchange.notes


def test_reasoning_in_each_field():
    for field in ("reasoning_content", "reasoning"):
        exchange = read([piece({field: "hm"}), piece({"content": "yes"}), END])
        assert (exchange.reasoning, exchange.text, exchange.reasoning_source) == ("hm", "yes", field)
        assert exchange.events.kinds == "rco"
    both = read([piece({"reasoning_content": "hm", "content": "yes"}), END])
    assert (both.reasoning, both.text, both.events.kinds) == ("hm", "yes", "rco")


@pytest.mark.parametrize(
    ("texts", "kinds", "reasoning", "text"),
    [
        (["<think>", "a", "</think>", "b"], "rrrc", "a", "b"),
        (["<th", "ink>a</th", "ink>", "\n\nb"], "rrrc", "a", "b"),
        (["\n<think>a", "b</think>c", "d"], "rcc", "ab", "cd"),
        (["a", "\n</think>", "\n\nb"], "rrc", "a", "b"),
        (["a", "</think>", " \r\nb"], "rrc", "a", "b"),
        (["</think>", "\n\nb"], "rc", "", "b"),
        (["a\n", "</think>"], "rr", "a", ""),
        (["It ends with `</think>`.", "\n</think>\n", "b"], "rrc", "It ends with `</think>`.", "b"),
        (["a\n</think>\n", "b\n</think>\nc"], "rc", "a", "b\n</think>\nc"),
        (["<think>", "never", "closed"], "rrr", "neverclosed", ""),
        (["<think></think>", "b"], "rc", "", "b"),
        (["Say <think>", " aloud"], "cc", "", "Say <think> aloud"),
        (["The closing tag is `</think>`", ". Done"], "cc", "", "The closing tag is `</think>`. Done"),
        (["The closing tag is `</think>", "`\nDone"], "cc", "", "The closing tag is `</think>`\nDone"),
        (["Write </think>", " at the end"], "cc", "", "Write </think> at the end"),
        (["The tag is", " </think>"], "cc", "", "The tag is </think>"),
        (["So:\n<think>\na", "\n</think>\nb"], "cc", "", "So:\n<think>\na\n</think>\nb"),
        (["So:\n```\n", "</think>\n```\nb"], "cc", "", "So:\n```\n</think>\n```\nb"),
    ],
)
def test_reasoning_in_tags(texts, kinds, reasoning, text):
    exchange = read([*words(*texts), END])
    assert exchange.events.kinds == f"o{kinds}o"
    assert (exchange.reasoning, exchange.text) == (reasoning, text)
    assert exchange.reasoning_source == ("tags" if "r" in kinds else None)


def test_usage_may_sit_anywhere_and_choices_may_be_empty_or_hollow():
    for chunks in (
        [{"choices": [{}], "usage": {"completion_tokens": 4}}, *words("a"), END],
        [*words("a"), piece(finish="stop", usage={"completion_tokens": 4})],
        [*words("a"), END, {"choices": [], "usage": {"completion_tokens": 4}}],
        [*words("a"), END, {"usage": {"completion_tokens": 4}}],
    ):
        exchange = read(chunks)
        assert exchange.ending == "ok"
        assert exchange.usage is not None
        assert exchange.usage.output_tokens == 4
    details = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    usage = read([*words("a"), END, {"choices": [], "usage": details}]).usage
    assert usage is not None
    assert (usage.cached_tokens, usage.reasoning_tokens) == (8, 3)


def test_tokens_per_event_by_running_usage_timings_ids_or_logprobs():
    usage = [piece({"content": "x"}, usage={"completion_tokens": n}) for n in (4, 8, 9)]
    assert read([*usage, END]).events.tokens == (4, 4, 1, 0)
    timings = [piece({"content": "x"}, timings={"predicted_n": n}) for n in (1, 2, 3)]
    assert read([*timings, END]).events.tokens == (1, 1, 1, 0)
    listed = piece({"content": "xy"})
    listed["choices"][0]["logprobs"] = {"content": [{"token": "x"}, {"token": "y"}]}
    assert read([listed, END]).events.tokens == (2, 0)
    gap = [piece({"content": "x"}, usage={"completion_tokens": 2}), *words("y")[1:], usage[1], END]
    assert read(gap).events.tokens == (2, -1, -1, 0)


def test_a_message_beside_deltas_adds_what_they_left_out() -> None:
    """The thoughts came in deltas, the answer and a call in one message; nothing is said twice."""
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    whole = {"reasoning_content": "hm", "content": "Answer: B", "tool_calls": [call]}
    last = {"index": 0, "message": whole, "finish_reason": "tool_calls"}
    found = read([piece({"reasoning_content": "hm"}), {"model": "m", "choices": [last]}])
    assert (found.reasoning, found.text, [each.name for each in found.tool_calls]) == (
        "hm",
        "Answer: B",
        ["f"],
    )
    found = read([*words("Answer", ": B"), {"model": "m", "choices": [last]}])
    assert (found.text, [each.name for each in found.tool_calls]) == ("Answer: B", ["f"])


def entry(token: Any, logprob: Any = -0.5, others: Any = ()) -> dict[str, Any]:
    top = [{"token": t, "logprob": p, "bytes": None} for t, p in others] if others is not None else None
    return {"token": token, "logprob": logprob, "bytes": [1], "top_logprobs": top}


@pytest.mark.parametrize(
    "said",
    [
        [[entry("a", -1, [("a", -1), ("b", -2.5)])], [entry("b"), entry("c", others=None)], None],
        [[], None, [entry("a")]],
        [[entry("a")], [entry("b", "no")], [entry(3)]],
        [[entry("a")], {"content": 3}, [{"token": "c"}]],
    ],
)
@pytest.mark.parametrize("field", ["content", "reasoning", "role"])
def test_logprobs_of_many_events_are_those_of_each(said: list[Any], field: str) -> None:
    """Whether read by their type in one call, or by the general rules where they are not."""
    middle = [piece({field: text}) for text in ("x", "yz", "w")]
    for chunk, entries in zip(middle, said, strict=True):
        chunk["choices"][0]["logprobs"] = entries if isinstance(entries, dict) else {"content": entries}
    chunks = [piece({"role": "assistant"}), *middle, piece({"content": "!"}), END, USAGE]
    payloads = [json.dumps(chunk).encode() for chunk in chunks]
    together, apart = ChatEvents(), ChatEvents()
    together.add_payloads(payloads, range(len(payloads)))
    for end, payload in enumerate(payloads):
        apart.add(payload, end)
    assert together.tokens() == apart.tokens()
    assert together.logprobs == apart.logprobs
    assert (together.kinds, together.texts, together.ends) == (apart.kinds, apart.texts, apart.ends)
    assert bool(together.logprobs) == (field == "content")


def test_llamacpp_timings_and_progress():
    timings = {"cache_n": 6, "prompt_n": 4, "prompt_ms": 8.0, "prompt_per_second": 500.0}
    timings |= {
        "predicted_n": 3,
        "predicted_ms": 30,
        "predicted_per_second": 100.0,
        "draft_n": 5,
        "draft_n_accepted": 2,
    }
    progress = piece({"role": "assistant", "content": None}, prompt_progress={"total": 9, "processed": 4})
    exchange = read([progress, *words("a", "b", "c"), piece(finish="length", timings=timings)])
    assert exchange.events.kinds[:2] == "oo"
    assert exchange.timings is not None
    assert (exchange.timings.source, exchange.timings.prefill_tokens) == ("llamacpp", 4)
    assert (exchange.timings.decode_ms, exchange.timings.draft_accepted) == (30, 2)
    assert exchange.usage is not None
    assert (exchange.usage.prompt_tokens, exchange.usage.cached_tokens) == (10, 6)
    assert (exchange.usage.output_tokens, exchange.usage.source) == (3, "server-native")


@pytest.mark.parametrize("where", ["finish", "trailing", "both"])
def test_lmstudio_stats_on_any_chunk(where):
    extra = {
        "stats": {"tokens_per_second": 51.4, "time_to_first_token": 0.1, "generation_time": 0.954},
        "runtime": {"name": "llama.cpp", "version": "1.2"},
    }
    extra["stats"]["stop_reason"] = "contextLengthReached"
    finish = piece(finish="stop", **(extra if where != "trailing" else {}))
    trailing = {"model": "m", "choices": [], **(extra if where != "finish" else {})}
    exchange = read([*words(*"abcde"), finish, trailing])
    assert exchange.timings is not None
    assert (exchange.timings.decode_tps, exchange.timings.ttft_ms) == (51.4, 100.0)
    assert exchange.engine_version == "llama.cpp 1.2"
    assert "context_length_reached" in exchange.notes


def test_tool_calls():
    chunks = [
        piece({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]}),
        piece({"tool_calls": [{"index": 0, "function": {"arguments": '{"x":1}'}}]}),
        piece({"function_call": {"name": "old", "arguments": ""}}),
        piece(finish="tool_calls"),
    ]
    exchange = read(chunks[:2] + chunks[3:])
    assert exchange.tool_calls == (ToolCall(name="f", arguments='{"x":1}', id="a"),)
    assert (exchange.events.kinds, exchange.events.texts) == ("tto", ("f", '{"x":1}', ""))
    assert read(chunks[2:]).tool_calls[0].name == "old"
    assert read([*words("a"), piece({"tool_calls": []}), END]).tool_calls == ()


def test_content_parts_refusals_and_null():
    parts = piece({"content": [{"type": "text", "text": "a"}, "b", {"type": "image"}]})
    assert read([parts, piece({"content": None}), END]).text == "ab"
    refused = read([piece({"refusal": "I can't"}), END])
    assert (refused.events.kinds, refused.text) == ("fo", "I can't")
    assert "refusal" in refused.notes


ERRORS: dict[str, tuple[list[Any], bool, str]] = {
    "llama.cpp": ([{"error": {"code": 500, "message": "boom"}}], False, "boom"),
    "vLLM": ([{"error": {"message": "boom", "type": "x", "param": None, "code": 400}}], True, "boom"),
    "vLLM, flat": ([{"object": "error", "message": "boom"}], True, "boom"),
    "LM Studio": (['event: error\ndata: {"error":{"message":"boom"}}'], False, "boom"),
    "named event": (['event: error\ndata: {"message":"boom"}'], False, "boom"),
    "text": ([{"error": "boom"}], False, "boom"),
    "named event of plain text": (["event: error\ndata: boom"], False, "boom"),
    "named event of a text in quotes": (['event: error\ndata: "boom"'], False, "boom"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_in_the_stream(name):
    chunks, done, message = ERRORS[name]
    for before in ([], words("a"), words(*"abcdefgh")):
        exchange = read([*before, *chunks], done=done)
        assert (exchange.ending, exchange.error) == ("error_midstream", message)
        assert exchange.raw


def test_an_error_without_the_frame_of_an_event_is_heard_after_words_too():
    bare = '{"error": {"message": "boom"}}'
    broken = read([*words("a"), bare], done=False)
    assert (broken.ending, broken.error, broken.text) == ("error_midstream", "boom", "a")
    assert read([*words("a"), END, bare], done=False).ending == "ok"


def test_streams_that_stop_without_a_finish():
    assert read(words("a", "b"), done=False).ending == "truncated"
    assert read(words("a", "b")).ending == "truncated"
    hollow = {"id": "x", "model": "", "choices": [{"index": 0, "delta": {"content": ""}}]}
    ollama = read([*words("a"), hollow], done=False)
    assert (ollama.ending, ollama.model_served) == ("truncated", "m")
    assert read([*words("a"), piece(finish="")]).ending == "truncated"
    body = body_of([*words("a"), END], done=False)
    cut = read_chat(REQUEST, capture_of(body[:-1]))
    assert (cut.ending, "unterminated" in cut.notes) == ("truncated", True)
    assert read([*words("a"), END], done=False).ending == "ok"


def test_empty_and_not_streamed_answers():
    assert read([": ping", {"choices": []}]).ending == "empty"
    whole = {"model": "m", "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
    unknown = json.dumps({"error": "Unexpected endpoint or method. (POST /foo)"}).encode()
    for mark, kind in ((b"", "application/json"), (b"\xef\xbb\xbf", "text/event-stream")):
        exchange = read_chat(REQUEST, capture_of(mark + json.dumps(whole, indent=1).encode(), kind=kind))
        assert (exchange.ending, exchange.text, "not_streamed" in exchange.notes) == ("ok", "hi", True)
        exchange = read_chat(REQUEST, capture_of(mark + unknown, kind=kind))
        assert (exchange.ending, exchange.error) == (
            "http_error",
            "Unexpected endpoint or method. (POST /foo)",
        )


@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
@pytest.mark.parametrize("body", [b"", b"\r\n\r\n"])
def test_a_200_that_holds_nothing_is_no_answer(body: bytes, kind: str):
    exchange = read_chat(REQUEST, capture_of(body, kind=kind))
    assert (exchange.ending, exchange.error) == ("empty", "the server sent an empty answer")


@pytest.mark.parametrize(
    "body", [b"{}", b'{"status":"ok"}', b"\xff", b"data: {}\n\n", b"data: [DONE]\n\n", b": ping\n\n"]
)
def test_a_200_that_holds_something_else_is_no_answer(body: bytes):
    exchange = read_chat(REQUEST, capture_of(body, kind="application/json"))
    assert (exchange.ending, exchange.error) == ("empty", "the answer holds no choices")


def test_a_short_text_instead_of_a_stream_is_quoted() -> None:
    exchange = read_chat(REQUEST, capture_of(b"\xef\xbb\xbfno healthy\nupstream\n", kind="text/plain"))
    assert (exchange.ending, exchange.error) == (
        "empty",
        "the answer holds no choices: no healthy upstream",
    )
    long = read_chat(REQUEST, capture_of(b"word " * 200, kind="text/plain"))
    assert long.error == "the answer holds no choices"


def test_an_answer_of_no_tokens_is_one():
    """A model may end its turn at once."""
    for chunks in ([piece({"role": "assistant", "content": ""}), END], [END]):
        exchange = read(chunks)
        assert (exchange.ending, exchange.text, exchange.finish_reason) == ("ok", "", "stop")
    whole = {"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]}
    exchange = read_chat(REQUEST, capture_of(json.dumps(whole).encode(), kind="application/json"))
    assert (exchange.ending, exchange.text) == ("ok", "")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":{"message":"no\\nsuch model","type":"x"}}', "no such model"),
        (b'{"error":"model \'x\' not found"}', "model 'x' not found"),
        (b'{"object":"error","message":"flat"}', "flat"),
        (b'{"detail":[{"loc":["body"],"msg":"field required"}]}', "body: field required"),
        (b'{"message":"Not allowed"}', "Not allowed"),
        (b"Not Found", "Not Found"),
        (b"<html><head><title>502 Bad\nGateway</title></head>", "502 Bad Gateway"),
        (b"\xff\x00\x1b[31m", "� [31m"),
        (b"", ""),
    ],
)
def test_http_errors_are_one_clean_line(body, said):
    exchange = read_chat(REQUEST, capture_of(body, status=404, kind="application/json"))
    assert exchange.ending == "http_error"
    assert exchange.error == (f"HTTP 404: {said}" if said else "HTTP 404")


def test_failures_of_the_wire_carry_over():
    for failure in ("timeout_gap", "error_midstream"):
        capture = capture_of(body_of(words("a"), done=False), failure=failure, error="why")
        exchange = read_chat(REQUEST, capture)
        assert (exchange.ending, exchange.error, exchange.text) == (failure, "why", "a")
        note = {"timeout_gap": "left_open", "error_midstream": "closed_roughly"}[failure]
        for chunks in ([*words("a"), END], [*words("a"), END, USAGE]):
            for done in (True, False):
                complete = capture_of(body_of(chunks, done=done), failure=failure, error="why")
                exchange = read_chat(REQUEST, complete)
                assert (exchange.ending, exchange.notes, exchange.text) == ("ok", (note,), "a")
    none = Capture(timeline=Timeline(scheduled_ns=0, started_ns=0), failure="connect_error", error="refused")
    assert read_chat(REQUEST, none).ending == "connect_error"


PAGE = b"\xef\xbb\xbf\n<!DOCTYPE html><html><head><title>Shoes\n&amp; more</title></head><p>Welcome"


@pytest.mark.parametrize(
    ("body", "kind"),
    [(PAGE, "text/html; charset=utf-8"), (PAGE, "text/plain"), (b"<HTML>\n\n</HTML>", ""),
     (b"<!-- by our shop --><html><title>Shoes</title>", "Text/HTML")],
)  # fmt: skip
def test_a_web_page_is_called_one(body: bytes, kind: str):
    exchange = read_chat(REQUEST, capture_of(body, kind=kind))
    assert exchange.ending == "http_error"
    assert exchange.error is not None
    assert exchange.error.startswith("a web page answered, not a model server")
    assert ("Shoes" in exchange.error) == (b"Shoes" in body)
    assert "\n" not in exchange.error
    assert exchange.notes == ()
    assert exchange.raw == body


def test_a_stream_that_calls_itself_a_web_page_is_read_all_the_same():
    body = body_of([*words("<html>"), END])
    assert read_chat(REQUEST, capture_of(body, kind="text/html; charset=utf-8")).text == "<html>"


def test_another_model_is_noticed():
    chunks = [*words("a"), END]
    assert read(chunks, accept=()).ending == "ok"
    for chunk in chunks:
        chunk["model"] = "other"
    exchange = read(chunks, accept=())
    assert (exchange.ending, exchange.error) == ("wrong_model", "asked for m, answered by other")
    assert read(chunks).ending == "ok"
    assert read(chunks, accept=("other",)).ending == "ok"
    assert read(chunks, accept=lambda name: name == "other").ending == "ok"
    assert plainly_another("qwen2.5-7b", "qwen2.5-72b")
    assert same_letters("qwen2.5:7b", "Qwen/Qwen2.5-7B")
    assert not same_letters("qwen2.5:7b", "qwen2.5:7b-mini")
    assert not plainly_another("qwen2.5:7b", "Qwen/Qwen2.5-7B")
    assert not plainly_another("x/my-model.gguf", "/models/my-model-Q4_K_M.gguf")


@pytest.mark.parametrize("count", [1, 20])  # read one by one, and the plain middle in one call
@pytest.mark.parametrize("at", ["first half", "middle", "end"])
def test_another_model_anywhere_in_an_answer_is_noticed(count: int, at: str) -> None:
    chunks = [*words(*["a"] * 2 * count), END, USAGE]
    other = {"first half": chunks[:count], "middle": chunks[count : count + 1], "end": chunks[-1:]}[at]
    for chunk in other:
        chunk["model"] = "other"
    exchange = read(chunks, accept=())
    assert (exchange.ending, exchange.model_served) == ("wrong_model", "other")
    assert read(chunks, accept=("other",)).ending == "ok"


def test_invalid_utf8_and_control_characters():
    body = body_of([*words(*"abcdefgh"), END]).replace(b'"d"', b'"\xff\xfe"').replace(b'"e"', b'"\\u0000"')
    exchange = read_chat(REQUEST, capture_of(body))
    assert exchange.ending == "ok"
    assert exchange.text == "abc\ufffd\ufffd\x00fgh"
    assert "invalid_utf8" in exchange.notes


def test_the_body_of_a_request():
    request = Request(
        model="m",
        messages=(
            Message(role="user", content="hi"),
            Message(role="assistant", content="", tool_calls=(ToolCall(name="f", arguments="{}", id="a"),)),
            Message(role="tool", content="1", tool_call_id="a"),
        ),
        max_tokens=5,
        temperature=0.0,
        stop=("x",),
        logprobs=2,
    )
    body = json.loads(chat_body(request, extra={"cache_prompt": False, "stream_options": None}))
    assert (body["model"], body["stream"], body["max_tokens"], body["temperature"]) == ("m", True, 5, 0.0)
    assert (body["stop"], body["top_logprobs"], body["cache_prompt"]) == (["x"], 2, False)
    assert "stream_options" not in body
    assert "seed" not in body
    assert body["messages"][1]["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}
    assert body["messages"][2] == {"role": "tool", "content": "1", "tool_call_id": "a"}


BROKEN_BY_LMSTUDIO = ["failed", "modelUnloaded", "userStopped"]


@pytest.mark.parametrize("reason", BROKEN_BY_LMSTUDIO)
@pytest.mark.parametrize("where", ["finish", "trailing"])
def test_a_stop_reason_that_names_a_failure_is_one(reason: str, where: str) -> None:
    stats = {"stats": {"tokens_per_second": 50.0, "stop_reason": reason}}
    finish = piece(finish="stop", **(stats if where == "finish" else {}))
    trailing = [] if where == "finish" else [{"model": "m", "choices": [], **stats}]
    exchange = read([*words("a", "b"), finish, *trailing])
    assert exchange.ending == "error_midstream"
    assert exchange.error == f"the server ended the answer with stop_reason {reason!r}"


@pytest.mark.parametrize("reason", ["eosFound", "stopStringFound", "toolCalls", "contextLengthReached", {}])
def test_a_stop_reason_that_names_an_end_is_one(reason: Any) -> None:
    exchange = read([*words("a", "b"), piece(finish="stop", stats={"stop_reason": reason})])
    assert (exchange.ending, exchange.finish_reason) == ("ok", "stop")


def test_an_answer_cut_at_its_limit_says_so_in_the_usual_word() -> None:
    stats = {"stop_reason": "maxPredictedTokensReached"}
    exchange = read([*words("a", "b"), piece(finish="stop", stats=stats)])
    assert (exchange.ending, exchange.finish_reason) == ("ok", "length")
    assert read([*words("a", "b"), piece(finish="maxPredictedTokensReached")]).finish_reason == "length"


@pytest.mark.parametrize(
    "reason", ["error", "abort", "cancelled", "insufficient_system_resource", *BROKEN_BY_LMSTUDIO]
)
def test_a_finish_reason_that_names_a_failure_is_one(reason: str) -> None:
    exchange = read_chat(REQUEST, capture_of(body_of([*words("a", "b"), piece(finish=reason)])))
    assert exchange.ending == "error_midstream"
    assert reason in (exchange.error or "")


def test_an_error_inside_a_choice_is_the_servers_word() -> None:
    broken = piece(finish="error")
    broken["choices"][0]["error"] = {"code": 502, "message": "upstream died"}
    for before in (1, 8):
        exchange = read_chat(REQUEST, capture_of(body_of([*words(*"a" * before), broken, END, USAGE])))
        assert (exchange.ending, exchange.error) == ("error_midstream", "upstream died")


def test_an_error_line_of_older_llama_servers_is_an_error() -> None:
    line = 'error: {"code":500,"message":"out of slots","type":"server_error"}'
    exchange = read_chat(REQUEST, capture_of(body_of([*words("a"), line], done=False)))
    assert (exchange.ending, exchange.error) == ("error_midstream", "out of slots")


@pytest.mark.parametrize(("counted", "believed"), [(0, False), (1, False), (4, True), (30, True)])
def test_a_count_that_an_answer_contradicts_is_not_used(counted: int, believed: bool) -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": counted}}
    exchange = read_chat(REQUEST, capture_of(body_of([*words(*["word " * 2] * 12), END, usage])))
    assert exchange.ending == "ok"
    assert exchange.usage is not None
    assert exchange.usage.prompt_tokens is None
    assert exchange.usage.output_tokens == (counted if believed else None)
    assert ("usage_unbelieved" in exchange.notes) is not believed


@pytest.mark.parametrize(("counted", "believed"), [(900, True), (10**15, False)])
def test_nor_is_one_far_beyond_what_was_asked_for(counted: int, believed: bool) -> None:
    """A limit may not be kept, or not hold for the thinking."""
    usage = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": counted}}
    asked = replace(REQUEST, max_tokens=100)
    exchange = read_chat(asked, capture_of(body_of([*words(*["word "] * 12), END, usage])))
    assert exchange.usage is not None
    assert exchange.usage.output_tokens == (counted if believed else None)
    assert ("usage_unbelieved" in exchange.notes) is not believed


@pytest.mark.parametrize(("cached", "believed"), [(30, True), (31, False)])
def test_no_more_of_a_prompt_is_cached_than_there_is(cached: int, believed: bool) -> None:
    details = {"prompt_tokens_details": {"cached_tokens": cached}}
    usage = {"choices": [], "usage": {"prompt_tokens": 30, "completion_tokens": 1, **details}}
    exchange = read_chat(REQUEST, capture_of(body_of([*words("a"), END, usage])))
    assert exchange.usage is not None
    assert exchange.usage.cached_tokens == (cached if believed else None)
    assert ("cache_unbelieved" in exchange.notes) is not believed


def test_an_empty_answer_may_have_no_tokens() -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 0}}
    exchange = read_chat(REQUEST, capture_of(body_of([*words(), END, usage])))
    assert exchange.usage is not None
    assert (exchange.usage.output_tokens, exchange.notes) == (0, ())


@pytest.mark.parametrize("letters", [1, 40])
def test_no_text_has_no_tokens(letters: int) -> None:
    nothing = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    timings = {"prompt_n": 9, "predicted_n": 0, "predicted_ms": 9.0}
    for said in ({"usage": nothing}, {"timings": timings}):
        exchange = read([*words("a" * letters), END, {"choices": [], **said}])
        assert exchange.usage is not None
        assert (exchange.usage.output_tokens, exchange.notes) == (None, ("usage_unbelieved",))
        assert exchange.timings is None or exchange.timings.decode_tokens is None


@pytest.mark.parametrize("inside", [False, True], ids=["chunk", "choice"])
def test_a_later_usage_of_zeros_replaces_none_with_numbers(inside: bool) -> None:
    counted = piece(finish="stop", usage={"prompt_tokens": 32, "completion_tokens": 8})
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "cost": 0.1}
    trailing = piece() if inside else {"choices": [], "usage": zeros}
    if inside:
        trailing["choices"][0]["usage"] = zeros
    usage = read([*words(*"abcdefgh"), counted, trailing]).usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.output_tokens) == (32, 8)
    more = {"choices": [], "usage": {"prompt_tokens": 33, "completion_tokens": 9}}
    later = read([*words(*"abcdefgh"), counted, more]).usage
    assert later is not None
    assert (later.prompt_tokens, later.output_tokens) == (33, 9)


@pytest.mark.parametrize(
    ("reasons", "kept"),
    [
        (("length", "stop"), "length"),
        (("tool_calls", "STOP"), "tool_calls"),
        (("stop", "length"), "length"),
        (("stop", "stop"), "stop"),
    ],
)
def test_a_plain_end_does_not_undo_what_was_said_of_it(reasons: tuple[str, str], kept: str) -> None:
    exchange = read([*words("a"), *(piece(finish=reason) for reason in reasons), USAGE])
    assert (exchange.ending, exchange.finish_reason) == ("ok", kept)


def test_a_name_in_the_middle_alone_is_who_served():
    texts = [piece({"content": text}, model="m" if text == "b" else None) for text in "abcdef"]
    assert read([*texts, piece(finish="stop", model=None)]).model_served == "m"
