"""Ollama's native dialect: what is said in a request, what a stream and the listings mean."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.servers.dialects.conftest import NOT_FOUND, Canned, Page, ask_for, captured, lines, run, spread
from tiltyard.errors import ModelNotFound, NotAModelServer, ServerError, Unauthorized, Unsupported
from tiltyard.load.metrics import measure
from tiltyard.records import Message, Request, ToolCall
from tiltyard.servers import Address
from tiltyard.servers.names import ACTIVE_BY_NAME
from tiltyard.servers.notes import COLD, LOAD_UNTOLD, MAYBE_CUT, PREFIX_SEEN
from tiltyard.servers.ollama import (
    CONTEXT,
    Ollama,
    capabilities,
    chat_payload,
    detailed,
    draft_tokens,
    listed_model,
)
from tiltyard.servers.ollama_stream import decode, read_ollama

Serve = Callable[..., Canned]
MS = 1_000_000
LAST = {
    "model": "m",
    "created_at": "2026-01-01T00:00:00Z",
    "message": {"role": "assistant", "content": ""},
    "done": True,
    "done_reason": "stop",
    "total_duration": 1000 * MS,
    "load_duration": 30 * MS,
    "prompt_eval_count": 4000,
    "prompt_eval_duration": 50 * MS,
    "eval_count": 20,
    "eval_duration": 400 * MS,
}
VERSION = {"version": "0.32.7"}


def said(content: str = "", **message: Any) -> dict[str, Any]:
    return {"model": "m", "message": {"role": "assistant", "content": content, **message}, "done": False}


# ------------------------------------------------------------------ requests


def test_everything_that_it_would_choose_by_itself_is_said() -> None:
    payload = chat_payload(ask_for("m"), 2048)
    assert payload["think"] is False  # unset would mean yes on a thinking model
    assert payload["truncate"] is False  # unset would cut the prompt in silence
    assert payload["options"] == {"num_ctx": 2048}  # unset would depend on its VRAM
    assert payload["stream"] is True
    assert payload["keep_alive"]


def test_options_have_the_types_that_it_insists_on() -> None:
    request = ask_for(
        "m", max_tokens=5, temperature=0, top_p=1, seed=7, stop=("x",), think="high", logprobs=99
    )
    payload = chat_payload(request, 10)
    assert json.dumps(payload["options"]["temperature"]) == "0.0"
    assert payload["options"] | {"num_predict": 5, "seed": 7, "stop": ["x"]} == payload["options"]
    assert payload["think"] == "high"
    assert payload["top_logprobs"] == 20


def test_tool_calls_go_back_as_objects() -> None:
    turn = Message(
        role="assistant", content="", reasoning="hm", tool_calls=(ToolCall(name="f", arguments='{"a": 1}'),)
    )
    result = Message(role="tool", content="ok", tool_call_id="1")
    payload = chat_payload(Request(model="m", messages=(turn, result), tools=({"type": "function"},)), 10)
    assert payload["messages"][0]["tool_calls"][0]["function"]["arguments"] == {"a": 1}
    assert payload["messages"][0]["thinking"] == "hm"
    assert payload["messages"][1]["tool_call_id"] == "1"
    assert payload["tools"] == [{"type": "function"}]


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        ({"type": "json_object"}, "json"),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
            {"type": "object"},
        ),
    ],
)
def test_a_schema_is_the_format(wanted: dict[str, Any], sent: Any) -> None:
    assert chat_payload(ask_for("m", response_format=wanted), 10)["format"] == sent


# ------------------------------------------------------------------ streams


def test_a_plain_answer() -> None:
    exchange = read_ollama(ask_for("m"), captured(lines(said("Hel"), said("lo"), LAST)))
    assert (exchange.ending, exchange.text, exchange.finish_reason) == ("ok", "Hello", "stop")
    assert (exchange.events.kinds, exchange.events.texts) == ("cco", ("Hel", "lo", ""))
    assert exchange.events.tokens is None  # chunks are not tokens
    assert exchange.usage is not None
    assert (exchange.usage.prompt_tokens, exchange.usage.output_tokens) == (4000, 20)
    assert exchange.raw is None


def test_a_key_that_comes_in_pieces_is_starred() -> None:
    key = "sk-0123456789-abc"
    said = [{"message": {"content": part}} for part in ("It is ", key[:5], key[5:], "!")]
    body = lines(*said, {"message": {"content": ""}, "done": True, "done_reason": "stop"})
    for sent, kept in ((key, "*" * len(key)), (None, key), ("sk-another-98765", key)):
        exchange = Ollama(Address(url="http://127.0.0.1:1", api_key=sent)).read(ask_for("m"), captured(body))
        assert exchange.text == f"It is {kept}!"
        assert exchange.events.texts == ("It is ", kept[:5], kept[5:], "!", "")
    broken = Ollama(Address(url="http://127.0.0.1:1", api_key=key)).read(ask_for("m"), captured(lines(*said)))
    assert (broken.ending, broken.raw) == ("truncated", None)  # the pieces are in the bytes still


def test_durations_are_nanoseconds() -> None:
    timings = read_ollama(ask_for("m"), captured(lines(said("x"), LAST))).timings
    assert timings is not None
    assert (timings.prefill_ms, timings.prefill_tokens, timings.prefill_tps) == (50.0, 4000, 80_000.0)
    assert (timings.decode_ms, timings.decode_tokens, timings.decode_tps) == (400.0, 20, 50.0)
    assert timings.total_ms == 1000.0
    assert timings.queue_ms == 1000.0 - 50.0 - 400.0  # what its parts do not account for is waiting


def test_a_load_counts_only_when_the_model_was_seen_to_be_out() -> None:
    body = lines(said("x"), LAST)
    warm = read_ollama(ask_for("m"), captured(body)).timings
    cold = read_ollama(ask_for("m"), captured(body, notes=(COLD,))).timings
    assert warm is not None
    assert cold is not None
    assert (warm.load_ms, cold.load_ms) == (None, 30.0)


def test_a_repeated_beginning_makes_the_prefill_unknown() -> None:
    exchange = read_ollama(ask_for("m"), captured(lines(said("x"), LAST), notes=(PREFIX_SEEN,)))
    assert exchange.timings is not None
    assert (exchange.timings.prefill_tokens, exchange.timings.prefill_tps) == (None, None)
    assert "prefill_may_be_cached" in exchange.notes


@pytest.mark.parametrize(
    ("prompt", "template", "note"),
    [
        (8, None, "head_maybe_cached"),
        (319, None, "head_maybe_cached"),
        (320, None, "prefill_high_by:12"),
        (512, 75, "head_maybe_cached"),
        (512, 25, "prefill_high_by:6"),
        (512, 2, None),
        (40, 4, "prefill_high_by:12"),
        (4000, None, None),
    ],
)
def test_the_cached_head_of_the_template_is_counted_as_read(
    prompt: int, template: int | None, note: str | None
) -> None:
    last = {**LAST, "prompt_eval_count": prompt}
    request = replace(ask_for("m"), template_tokens=template)
    exchange = read_ollama(request, captured(lines(said("x"), last)))
    assert exchange.usage is not None
    assert exchange.usage.prompt_tokens == prompt
    assert exchange.notes == ((note,) if note else ())
    assert (measure(exchange).prefill_tps is None) == (note == "head_maybe_cached")


def test_a_zero_is_absent_and_unknown() -> None:
    last = {k: v for k, v in LAST.items() if not k.startswith("prompt_eval") and k != "load_duration"}
    exchange = read_ollama(ask_for("m"), captured(lines(said("x"), last)))
    assert exchange.usage is not None
    assert exchange.usage.prompt_tokens is None
    assert exchange.timings is not None
    assert exchange.timings.prefill_tps is None


def test_thinking_comes_in_a_field_of_its_own() -> None:
    exchange = read_ollama(ask_for("m", think=True), captured(lines(said(thinking="Hmm"), said("Yes"), LAST)))
    assert (exchange.reasoning, exchange.text, exchange.reasoning_source) == ("Hmm", "Yes", "thinking")
    assert exchange.events.kinds == "rco"


def test_thinking_in_tags_is_told_apart() -> None:
    exchange = read_ollama(
        ask_for("m"), captured(lines(said("<think>Hmm"), said("</think>"), said("Yes"), LAST))
    )
    assert (exchange.reasoning, exchange.text, exchange.reasoning_source) == ("Hmm", "Yes", "tags")


def test_thinking_though_not_asked_is_said() -> None:
    server = Ollama(Address(url="http://127.0.0.1:1"))
    for think, noted in ((False, True), (None, True), (True, False)):
        exchange = server.read(
            ask_for("m", think=think), captured(lines(said(thinking="Hm"), said("x"), LAST))
        )
        assert ("thinking_despite_off" in exchange.notes) is noted


def test_thinking_with_a_schema_is_two_completions_and_the_count_of_the_second_is_not_used() -> None:
    """The server's rate is that of one completion: right. Its count over our time would be far too low."""
    request = ask_for("m", think=True, response_format={"type": "json_object"})
    last = {**LAST, "eval_count": 5, "eval_duration": 50 * MS}
    thoughts, words = [said(thinking=f"t{n}") for n in range(40)], [said(f"c{n}") for n in range(5)]
    body = lines(*thoughts, *words, last)
    exchange = read_ollama(request, spread(body, step_ms=10))
    assert "usage_misses_thinking" in exchange.notes
    assert exchange.usage is None
    found = measure(exchange)
    assert (found.decode_tps, found.rate_source, found.output_tokens) == (100.0, "server", None)
    assert (found.prefill_tps, found.server_total_ms) == (None, 1000.0)


def test_a_count_that_holds_the_thinking_is_used() -> None:
    request = ask_for("m", think=True, response_format={"type": "json_object"})
    last = {**LAST, "eval_count": 45, "eval_duration": 450 * MS}
    thoughts, words = [said(thinking=f"t{n}") for n in range(40)], [said(f"c{n}") for n in range(5)]
    exchange = read_ollama(request, spread(lines(*thoughts, *words, last), step_ms=10))
    assert "usage_misses_thinking" not in exchange.notes
    assert (exchange.usage.output_tokens, measure(exchange).output_tokens) == (45, 45)


def test_tool_calls_are_objects_and_add_up_over_chunks() -> None:
    def call(name: str, arguments: Any) -> dict[str, Any]:
        return {"id": name, "function": {"index": 0, "name": name, "arguments": arguments}}

    body = lines(
        said(tool_calls=[call("a", {"city": "Tokyo"})]),
        said(tool_calls=[call("b", {}), call("c", "{}")]),
        LAST,
    )
    exchange = read_ollama(ask_for("m"), captured(body))
    assert [(each.name, each.arguments, each.arguments_kind) for each in exchange.tool_calls] == [
        ("a", '{"city":"Tokyo"}', "object"),
        ("b", "{}", "object"),
        ("c", "{}", "string"),
    ]
    assert exchange.finish_reason == "stop"
    assert exchange.events.kinds == "tto"


def test_an_error_line_in_a_200_stream() -> None:
    exchange = read_ollama(ask_for("m"), captured(lines(said("x"), {"error": "out of memory"})))
    assert (exchange.ending, exchange.error, exchange.status) == ("error_midstream", "out of memory", 200)
    assert exchange.raw is not None


def test_an_end_without_done_is_no_success_and_no_crash() -> None:
    exchange = read_ollama(ask_for("m"), captured(lines(said("a"), said("b"))))
    assert (exchange.ending, exchange.notes) == ("truncated", ())


def test_the_guard_against_repetition_is_recognised() -> None:
    exchange = read_ollama(ask_for("m"), captured(lines(*[said("ha ")] * 31)))
    assert (exchange.ending, exchange.notes) == ("truncated", ("token_repeat",))
    finished = read_ollama(ask_for("m"), captured(lines(*[said("ha ")] * 31, LAST)))
    assert (finished.ending, finished.notes) == ("ok", ())


def test_done_without_a_reason_is_still_done() -> None:
    last = {k: v for k, v in LAST.items() if k != "done_reason"}
    exchange = read_ollama(ask_for("m"), captured(lines(said("x"), last)))
    assert (exchange.ending, exchange.finish_reason, exchange.notes) == ("ok", None, ("no_done_reason",))


@pytest.mark.parametrize("reason", ["load", "unload"])
def test_loading_is_no_answer(reason: str) -> None:
    assert read_ollama(ask_for("m"), captured(lines({**LAST, "done_reason": reason}))).ending == "empty"


@pytest.mark.parametrize("body", [b"", b"\n"])
def test_a_200_that_holds_nothing_is_no_answer(body: bytes) -> None:
    exchange = read_ollama(ask_for("m"), captured(body))
    assert (exchange.ending, exchange.error) == ("empty", "the server sent an empty answer")


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'{"status":"ok"}', b"hello", b'{"model":"m","choices":[]}', b"data: [DONE]\n\n"]
)
def test_a_200_in_another_dialect_is_no_answer(body: bytes) -> None:
    exchange = read_ollama(ask_for("m"), captured(body))
    assert (exchange.ending, exchange.error) == ("empty", "the answer holds no line as Ollama sends them")


def test_an_answer_of_no_tokens_is_one() -> None:
    exchange = read_ollama(ask_for("m"), captured(lines(LAST)))
    assert (exchange.ending, exchange.text, exchange.finish_reason) == ("ok", "", "stop")


@pytest.mark.parametrize(
    ("status", "body", "note"),
    [
        (
            503,
            b'{"error":"server busy, please try again.  maximum pending requests exceeded"}',
            ("server_busy",),
        ),
        (503, b'{"error":"server is loading the model"}', ("server_loading",)),
        (503, b'{"error":"no backend"}', ()),
        (404, b'{"error":"model \'xyz\' not found"}', ()),
        (400, b'{"error":"the input length exceeds the context length"}', ()),
    ],
)
def test_an_error_before_the_first_byte(status: int, body: bytes, note: tuple[str, ...]) -> None:
    exchange = read_ollama(ask_for("m"), captured(body, status=status))
    assert (exchange.ending, exchange.notes) == ("http_error", note)
    assert json.loads(body)["error"].split()[0] in (exchange.error or "")


def test_another_model_in_the_answer() -> None:
    body = lines({**said("x"), "model": "other:1b"}, {**LAST, "model": "other:1b"})
    assert read_ollama(ask_for("m"), captured(body)).ending == "wrong_model"
    half = lines({**said("x"), "model": "other:1b"}, {**said("y"), "model": "m"}, {**LAST, "model": "m"})
    assert read_ollama(ask_for("m"), captured(half)).ending == "wrong_model"


def test_a_broken_connection_after_done_loses_nothing() -> None:
    body = lines(said("x"), LAST)
    assert read_ollama(ask_for("m"), captured(body, failure="error_midstream")).ending == "ok"
    assert (
        read_ollama(ask_for("m"), captured(lines(said("x")), failure="timeout_gap")).ending == "timeout_gap"
    )


def test_line_separators_inside_text_split_nothing() -> None:
    text = "a\u2028b\u0085c\x0bd"
    body = json.dumps(said(text), ensure_ascii=False).encode() + b"\r\n" + lines(LAST)
    assert read_ollama(ask_for("m"), captured(body)).text == text


def test_what_has_the_wrong_type_counts_as_absent() -> None:
    line = decode(
        b'{"model": 7, "message": {"content": null, "tool_calls": {}}, "done": "yes", "eval_count": "9"}'
    )
    assert line is not None
    assert (line.model, line.done, line.eval_count) == (None, False, None)
    assert decode(b"[1]") is None
    assert decode(b"{broken") is None
    assert decode(b'{"message": {"content": "a\xff"}}') is not None


# ------------------------------------------------------------------ a server


def ollama(serve: Serve, **pages: Any) -> tuple[Canned, Ollama]:
    base = {
        "GET /api/version": VERSION,
        "GET /api/tags": {"models": [{"name": "m:latest", "size": 100}]},
        "GET /api/ps": {"models": []},
        "POST /api/chat": Page(lines(said("x"), {**LAST, "model": "m:latest"}), kind="application/x-ndjson"),
    }
    canned = serve(base | pages)
    return canned, Ollama(Address(url=canned.url))


def test_the_context_is_that_of_the_loaded_model_and_never_flips(serve: Serve) -> None:
    canned, server = ollama(
        serve, **{"GET /api/ps": {"models": [{"name": "m:latest", "context_length": 777}]}}
    )
    run(server, lambda: server.send(ask_for("m:latest")), lambda: server.send(ask_for("m:latest")))
    assert [each["options"]["num_ctx"] for each in canned.bodies("/api/chat")] == [777, 777]


def test_a_context_that_was_asked_for_is_sent_whatever_is_loaded(serve: Serve) -> None:
    canned, _ = ollama(serve, **{"GET /api/ps": {"models": [{"name": "m:latest", "context_length": 777}]}})
    server = Ollama(Address(url=canned.url, context=600))
    run(server, lambda: server.send(ask_for("m:latest")))
    assert [each["options"]["num_ctx"] for each in canned.bodies("/api/chat")] == [600]


def test_a_model_out_of_memory_gets_our_context_and_is_cold_once(serve: Serve) -> None:
    canned, server = ollama(serve)
    first, second = run(
        server, lambda: server.send(ask_for("m", "one")), lambda: server.send(ask_for("m", "two"))
    )
    assert canned.bodies("/api/chat")[0]["options"]["num_ctx"] == CONTEXT
    assert (COLD in first.notes, COLD in second.notes) == (True, False)
    assert first.timings.load_ms == 30.0


@pytest.mark.parametrize("page", [Page(b"<h1>It works!</h1>"), {"error": "Unexpected endpoint"}, NOT_FOUND])
def test_who_does_not_tell_what_is_in_memory_is_not_said_to_be_cold(serve: Serve, page: Any) -> None:
    _, server = ollama(serve, **{"GET /api/ps": page})
    (exchange,) = run(server, lambda: server.send(ask_for("m")))
    assert (exchange.ending, exchange.notes) == ("ok", (LOAD_UNTOLD,))


@pytest.mark.parametrize(("context", "notes"), [(4000, (MAYBE_CUT,)), (4001, ())])
def test_a_prompt_that_takes_all_of_the_context_may_be_cut(context: int, notes: tuple[str, ...]) -> None:
    server = Ollama(Address(url="http://127.0.0.1:1"))
    exchange = server.read(ask_for("m", context=context), captured(lines(said("x"), LAST)))
    assert (exchange.usage.prompt_tokens, exchange.notes) == (4000, notes)


def test_the_same_prompt_twice_is_noticed(serve: Serve) -> None:
    _, server = ollama(serve)
    first, second = run(server, *[lambda: server.send(ask_for("m", "same words"))] * 2)
    assert first.timings.prefill_tokens == 4000
    assert second.timings.prefill_tokens is None


def test_requests_that_start_together_look_once(serve: Serve) -> None:
    canned, server = ollama(serve)

    async def burst() -> Any:
        return await asyncio.gather(*(server.send(ask_for("m", f"{i} words")) for i in range(5)))

    (exchanges,) = run(server, burst)
    assert [COLD in each.notes for each in exchanges] == [True] * 5
    assert sum(each.path == "/api/ps" for each in canned.asked) == 1


def test_a_load_is_timed_and_its_context_read_back(serve: Serve) -> None:
    canned, server = ollama(
        serve, **{"POST /api/chat": {"done": True, "done_reason": "load", "load_duration": 5 * MS}}
    )

    def loaded(asked: Any) -> Any:
        chats = [each for each in canned.asked if each.path == "/api/chat"]
        return {"models": [{"name": "m:latest", "context_length": 500}] if chats else []}

    canned.pages["GET /api/ps"] = loaded
    (loading,) = run(server, lambda: server.load("m", 512))
    assert (loading.was_loaded, loading.server_load_ms, loading.source) == (False, 5.0, "client")
    assert loading.load_ms > 0
    body = canned.bodies("/api/chat")[0]
    assert (body["messages"], body["options"]) == ([], {"num_ctx": 512})
    assert server.contexts["m"] == 500


def test_an_unload_waits_until_the_model_is_out(serve: Serve) -> None:
    canned, server = ollama(serve, **{"POST /api/chat": {"done": True, "done_reason": "unload"}})
    looks = iter([["m:latest"], ["m:latest"], []])
    canned.pages["GET /api/ps"] = lambda _: {"models": [{"name": name} for name in next(looks)]}
    run(server, lambda: server.unload("m:latest"))
    assert canned.bodies("/api/chat") == [
        {"model": "m:latest", "messages": [], "stream": False, "keep_alive": 0}
    ]
    assert next(looks, None) is None


def test_what_cannot_be_loaded_says_why(serve: Serve) -> None:
    canned, server = ollama(serve, **{"POST /api/chat": Page({"error": "model 'x' not found"}, 404)})
    with pytest.raises(ModelNotFound):
        run(server, lambda: server.load("mm"))
    canned.pages["POST /api/chat"] = Page({"error": "no memory"}, 500)
    with pytest.raises(ServerError, match="no memory"):
        run(server, lambda: server.load("m"))


def test_a_refused_host_header_is_explained(serve: Serve) -> None:
    _, server = ollama(serve, **{"GET /api/version": Page(b"", 403)})
    with pytest.raises(Unauthorized, match="Host header"):
        run(server, server.identify)


def test_a_version_page_alone_is_no_ollama(serve: Serve) -> None:
    _, server = ollama(serve, **{"GET /api/tags": {"tags": []}})
    with pytest.raises(NotAModelServer):
        run(server, server.identify)


# ------------------------------------------------------------------ identity

TAG = {
    "name": "qwen3:8b",
    "size": 5_000_000_000,
    "digest": "sha256:" + "ab" * 32,
    "details": {"family": "qwen3", "parameter_size": "8B", "quantization_level": "Q4_K_M"},
}


def test_a_model_from_the_listings() -> None:
    model = listed_model(TAG, {"size_vram": 4_000_000_000, "context_length": 4096}, "0.32.7")
    assert (model.digest, model.parameters, model.quantization) == ("ab" * 32, 8_000_000_000, "Q4_K_M")
    assert (model.bits_per_weight, model.loaded, model.context_loaded) == (None, True, 4096)  # 8B is rounded
    assert (model.vram_bytes, model.engine_version) == (4_000_000_000, "0.32.7")
    assert listed_model(TAG, {"size_vram": 0}, None).vram_bytes == 0  # wholly on the CPU, which is known
    assert listed_model(TAG, {"size": 0, "size_vram": 0}, None).vram_bytes is None  # nobody measured it
    assert listed_model(TAG, None, None).vram_bytes is None


@pytest.mark.parametrize("said", ["0" * 64, "sha256:" + "0" * 64, "sha256:sglang000", "", None, 7])
def test_what_is_no_digest_is_none(said: Any) -> None:
    assert listed_model(TAG | {"digest": said}, None, None).digest is None


def test_a_digest_that_models_of_different_size_share_is_none(serve: Serve) -> None:
    shared, own = "ab" * 32, "cd" * 32
    listed = [("a", shared, 1), ("b", shared, 2), ("c", own, 3), ("copy-of-c", own, 3)]
    tags = {"models": [{"name": name, "digest": digest, "size": size} for name, digest, size in listed]}
    _, server = ollama(serve, **{"GET /api/tags": tags})
    (models,) = run(server, server.models)
    assert [model.digest for model in models] == [None, None, own, own]


def test_a_quantization_that_it_does_not_know_is_the_tags() -> None:
    unknown = {"details": {"quantization_level": "unknown"}}
    for name, quant in (("hf.co/unsloth/Qwen3-8B-GGUF:UD-Q4_K_XL", "UD-Q4_K_XL"), ("qwen3:8b", None)):
        model = listed_model(TAG | unknown | {"name": name}, None, None)
        assert (model.quantization, detailed(model, unknown).quantization) == (quant, quant)


def test_what_a_model_takes_in_memory_is_not_its_file() -> None:
    """Weights, KV cache and buffers: more than the file, or less where a part of it is left unread."""
    for size in (6_000_000_000, 4_600_000_000):
        model = listed_model(TAG, {"size": size, "size_vram": 4_500_000_000}, None)
        assert (model.size_bytes, model.memory_bytes) == (5_000_000_000, size)
    assert listed_model(TAG, None, None).memory_bytes is None


@pytest.mark.parametrize(
    "item",
    [
        {"remote_host": "https://ollama.com"},
        {"remote_model": "x"},
        {"name": "q:cloud"},
        {"name": "q:480b-cloud"},
    ],
)
def test_cloud_models_are_marked(item: dict[str, Any]) -> None:
    assert listed_model(TAG | item, None, None).remote
    assert not listed_model(TAG, None, None).remote


def test_details_come_from_the_tensors() -> None:
    shown = {
        "parameters": "temperature 0.6\ndraft_num_predict              4",
        "model_info": {
            "general.architecture": "qwen3moe",
            "qwen3moe.expert_count": 4,
            "qwen3moe.expert_used_count": 2,
            "qwen3moe.context_length": 40960,
        },
        "tensors": [
            {"name": "a", "type": "Q4_K", "shape": [600]},
            {"name": "b_exps.weight", "shape": [10, 10, 4]},
        ],
        "capabilities": ["completion", "tools", "thinking"],
        "details": {"family": "qwen3", "quantization_level": "Q4_K_M"},
    }
    listed = listed_model(TAG | {"name": "m:30b-a3b"}, None, None)
    assert ACTIVE_BY_NAME in listed.notes
    model = detailed(listed, shown)
    assert ACTIVE_BY_NAME not in model.notes
    assert (model.architecture, model.moe, model.parameters, model.active_parameters) == (
        "qwen3moe",
        True,
        1000,
        800,
    )
    assert model.context_max == 40960
    assert model.capabilities == ("completion", "tools", "thinking", "schema")
    assert any("draft_num_predict 4" in note for note in model.notes)


def test_a_dense_model_works_with_all_its_parameters() -> None:
    info = {"general.architecture": "llama", "llama.block_count": 2, "general.parameter_count": 3_000}
    shown = {"model_info": info, "tensors": []}
    model = detailed(listed_model(TAG, None, None), shown)
    assert (model.moe, model.parameters, model.active_parameters) == (False, 3000, 3000)
    assert model.bits_per_weight == 5_000_000_000 * 8 / 3000
    old = listed_model(TAG | {"details": {"parameter_size": "8x7B"}}, None, None)
    assert (old.moe, old.parameters, old.bits_per_weight) == (True, None, None)


def test_who_tells_no_layers_does_not_say_that_a_model_is_dense() -> None:
    info = {"general.architecture": "llamacpp", "llamacpp.context_length": 4096}
    shown = {"model_info": info, "tensors": [{"name": "a", "shape": [9]}]}
    model = detailed(listed_model(TAG, None, None), shown)
    assert (model.moe, model.active_parameters) == (None, None)


def test_a_projector_of_its_own_leaves_bits_a_weight_unknown() -> None:
    """Its size is in the file's and its parameters are not in the model's."""
    info = {"general.architecture": "llama", "llama.block_count": 2, "general.parameter_count": 3_000}
    for projector, bits in (({"general.architecture": "clip"}, None), ({}, 5_000_000_000 * 8 / 3000)):
        shown = {"model_info": info, "projector_info": projector}
        assert detailed(listed_model(TAG, None, None), shown).bits_per_weight == bits


def test_odd_details_are_survived() -> None:
    assert (
        detailed(listed_model(TAG, None, None), {"model_info": [], "tensors": {}, "capabilities": 1}).moe
        is None
    )
    assert capabilities(["embedding"]) == ("embedding",)
    assert draft_tokens("draft_num_predict x") is None


def test_who_only_imitates_it_is_told_apart(serve: Serve) -> None:
    """The remedy is its other dialect, whatever it lacks: a page, or all of them."""
    _, server = ollama(serve, **{"POST /api/show": Page({"detail": "Not Found"}, 404)})
    with pytest.raises(ServerError, match="HTTP 404: Not Found") as missing:
        run(server, lambda: server.describe("m"))
    plain = serve({"GET /v1/models": {"data": [{"id": "m", "object": "model"}]}})
    with pytest.raises(Unsupported, match="lists its models under /v1 alone") as alone:
        run(other := Ollama(Address(url=plain.url)), other.identify)
    for caught in (missing, alone):
        assert "--dialect openai" in caught.value.remedy


def test_the_digest_of_who_only_imitates_ollama_is_not_believed() -> None:
    """KoboldCpp tells the same one whatever it has loaded."""
    tags = {"models": [{"name": "koboldcpp", "size": 394998579, "digest": "b5dc5e784f2a3ee1", "details": {}}]}
    listed = [{"id": "koboldcpp/Qwen3", "object": "model", "owned_by": "koboldcpp"}]
    pages: dict[str, Any] = {"GET /api/version": {"version": "0.7.0"}, "GET /api/tags": tags}
    pages |= {"GET /api/ps": tags, "POST /api/show": {"model_info": {}}}

    def digest() -> str | None:
        canned = Canned(pages)
        try:
            server = Ollama(Address(url=canned.url))
            found: str | None = run(server, server.identify, lambda: server.describe("koboldcpp"))[1].digest
            return found
        finally:
            canned.close()

    assert digest() == "b5dc5e784f2a3ee1"
    pages["GET /v1/models"] = {"data": listed}
    assert digest() is None
