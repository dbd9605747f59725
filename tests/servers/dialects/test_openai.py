"""The plain OpenAI dialect and its nearer relatives: vLLM, SGLang, mlx_lm."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers.dialects.conftest import Canned, Page, ask_for, captured, chunk, events, run
from tests.servers.scripted import ScriptedServer, head
from tests.servers.scripted import chunk as a_chunk
from tiltyard.errors import ModelNotFound, NotAModelServer, Unauthorized
from tiltyard.servers import Address
from tiltyard.servers.clock import now_ns
from tiltyard.servers.mlx import MAX_TOKENS, Mlx
from tiltyard.servers.notes import LOAD_UNTOLD
from tiltyard.servers.openai import OpenAI
from tiltyard.servers.sglang import SGLang
from tiltyard.servers.vllm import Vllm

Serve = Callable[..., Canned]
STREAM = Page(events(chunk("m", content="x"), chunk("m", finish="stop")), kind="text/event-stream")
LIST = {"object": "list", "data": [{"id": "m", "object": "model", "created": 1}]}
NOWHERE = "http://127.0.0.1:1"


# ------------------------------------------------------------------ openai


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/"])
def test_any_way_to_write_the_base_url(serve: Serve, end: str) -> None:
    canned = serve({"GET /v1/models": LIST, "POST /v1/chat/completions": STREAM})
    server = OpenAI(Address(url=canned.url + end, api_key="k3y"))
    _, exchange = run(server, server.identify, lambda: server.send(ask_for("m")))
    assert exchange.ending == "ok"
    assert canned.asked[-1].headers["Authorization"] == "Bearer k3y"
    assert "k3y" not in repr(server.address)
    assert "k3y" not in repr(server.info)


def test_a_base_path_and_a_server_without_v1(serve: Serve) -> None:
    canned = serve({"GET /api/openai/models": LIST, "POST /api/openai/chat/completions": STREAM})
    server = OpenAI(Address(url=canned.url + "/api/openai"))
    _, exchange = run(server, server.identify, lambda: server.send(ask_for("m")))
    assert exchange.ending == "ok"


def test_a_choice_of_tools_is_sent_with_tools_alone(serve: Serve) -> None:
    """vLLM answers 400 to `tool_choice` without `tools`."""
    canned = serve({"POST /v1/chat/completions": STREAM})
    server = OpenAI(Address(url=canned.url))
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    run(
        server,
        lambda: server.send(ask_for("m", tools=(tool,), tool_choice="auto")),
        lambda: server.send(ask_for("m", tool_choice="auto")),
    )
    first, second = (asked.body for asked in canned.asked)
    assert (first["tools"], first["tool_choice"]) == ([tool], "auto")
    assert not {"tools", "tool_choice"} & set(second)


def test_a_web_page_is_no_list_of_models(serve: Serve) -> None:
    canned = serve({}, missing=Page(b"<html>hello</html>", kind="text/html"))
    with pytest.raises(NotAModelServer):
        run(server := OpenAI(Address(url=canned.url)), server.identify)


def test_odd_lists_are_survived(serve: Serve) -> None:
    canned = serve({"GET /v1/models": {"data": [None, {"id": 3}, {"id": "m", "max_model_len": "big"}]}})
    (models,) = run(server := OpenAI(Address(url=canned.url)), server.models)
    assert [(each.name, each.context_max) for each in models] == [("m", None)]


def test_a_wrong_key_is_told(serve: Serve) -> None:
    canned = serve({}, missing=Page({"error": {"message": "Incorrect API key provided: k***"}}, 401))
    with pytest.raises(Unauthorized, match="Incorrect API key") as caught:
        run(server := OpenAI(Address(url=canned.url, api_key="wrong")), server.identify)
    assert "TILTYARD_API_KEY" in caught.value.remedy


def test_a_cloud_is_marked_and_a_neighbour_is_not() -> None:
    assert OpenAI(Address(url="https://api.example.com/v1")).model_of({"id": "gpt"}).remote
    assert not OpenAI(Address(url="http://192.168.1.9:8000")).model_of({"id": "gpt"}).remote


def test_gateways_have_names_of_their_own() -> None:
    server = OpenAI(Address(url=NOWHERE))
    assert server.accepts("llama-3-8b", "meta-llama/Llama-3-8B-Instruct")
    assert not server.accepts("llama-3-8b", "mistral-7b")


@pytest.mark.parametrize(
    ("served", "ending", "notes"),
    [
        ("org/Fast-7B", "ok", (LOAD_UNTOLD,)),
        ("fast:7b-mini", "ok", (LOAD_UNTOLD, "answered_by:fast:7b-mini")),
        ("fast", "ok", (LOAD_UNTOLD, "answered_by:fast")),
        ("fast:7b-listed", "wrong_model", ()),
        ("slow:7b", "wrong_model", ()),
    ],
)
def test_a_name_that_may_be_another_models_is_said(
    serve: Serve, served: str, ending: str, notes: tuple[str, ...]
) -> None:
    body = events(chunk(served, content="x"), chunk(served, finish="stop"))
    listed = {"data": [{"id": "fast:7b"}, {"id": "fast:7b-listed"}]}
    canned = serve(
        {"GET /v1/models": listed, "POST /v1/chat/completions": Page(body, kind="text/event-stream")}
    )
    server = OpenAI(Address(url=canned.url))
    _, exchange = run(server, server.models, lambda: server.send(ask_for("fast:7b")))
    assert (exchange.ending, exchange.notes) == (ending, notes)


def test_the_first_answer_may_have_waited_for_a_load(serve: Serve) -> None:
    body = events(chunk("m", content="x"), chunk("m", finish="stop"))
    canned = serve({"POST /v1/chat/completions": Page(body, kind="text/event-stream")})
    server = OpenAI(Address(url=canned.url))
    first, second = run(server, *[lambda: server.send(ask_for("m"))] * 2)
    assert (first.notes, second.notes) == ((LOAD_UNTOLD,), ())


def test_a_cloud_lists_snapshots_beside_their_model() -> None:
    server = OpenAI(Address(url="https://api.example.com/v1"))
    server.catalogue = frozenset({"gpt-4", "gpt-4-0613"})
    assert server.accepts("gpt-4", "gpt-4-0613")
    assert server.doubts("gpt-4", "gpt-4-0613")


def test_strict_servers_are_sent_nothing_unusual() -> None:
    server = OpenAI(Address(url=NOWHERE))
    assert server.extra(ask_for("m", think=False, ignore_eos=True, cache_prompt=False)) == {}
    assert server.extra(ask_for("m", think="low")) == {"reasoning_effort": "low"}


def test_the_limit_has_another_name_where_it_was_renamed() -> None:
    server = OpenAI(Address(url="https://api.openai.com/v1"))
    assert server.extra(ask_for("m", max_tokens=5)) == {"max_tokens": None, "max_completion_tokens": 5}
    assert OpenAI(Address(url=NOWHERE)).extra(ask_for("m", max_tokens=5)) == {}


def test_an_error_that_became_an_empty_chunk_is_no_success() -> None:
    empty = {"object": "chat.completion.chunk", "model": "", "choices": [{"index": 0, "delta": {}}]}
    body = events(chunk("m", content="x"), empty, done=False)
    exchange = OpenAI(Address(url=NOWHERE)).read(ask_for("m"), captured(body))
    assert (exchange.ending, exchange.model_served) == ("truncated", "m")


@pytest.mark.parametrize("counted", [True, False])
def test_a_connection_closed_after_the_finish_reason_loses_nothing(counted: bool) -> None:
    usage = {"model": "m", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
    said = [chunk("m", content="x"), chunk("m", finish="stop"), *([usage] if counted else [])]
    sent = head(more=b"Transfer-Encoding: chunked\r\n") + a_chunk(events(*said, done=False))
    with ScriptedServer(lambda _: [sent, "close"]) as broken:
        server = OpenAI(Address(url=broken.url))
        (exchange,) = run(server, lambda: server.send(ask_for("m")))
    assert (exchange.ending, exchange.text, exchange.notes[1:]) == ("ok", "x", ("closed_roughly",))
    assert (exchange.usage is not None) is counted


# ------------------------------------------------------------------ vllm


def test_vllm_fixed_length_salt_and_counts_in_every_chunk() -> None:
    server = Vllm(Address(url=NOWHERE))
    request = ask_for("m", ignore_eos=True, max_tokens=9, cache_prompt=False, think=True)
    one, two = server.extra(request), server.extra(request)
    assert one["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}
    assert (one["ignore_eos"], one["min_tokens"]) == (True, 9)
    assert one["chat_template_kwargs"] == {"enable_thinking": True}
    assert one["cache_salt"] != two["cache_salt"]
    assert "cache_salt" not in server.extra(ask_for("m"))


def test_vllm_role_chunk_is_no_first_token() -> None:
    server = Vllm(Address(url=NOWHERE))
    exchange = server.read(
        ask_for("m"), captured(events(chunk(role="assistant", content=""), chunk(content="x")))
    )
    assert exchange.events.kinds == "oc"
    assert exchange.ending == "truncated"


def test_vllm_answers_under_the_first_of_a_models_names(serve: Serve) -> None:
    named = [("big", "/m/qwen"), ("qwen", "/m/qwen"), ("tuned", "/m/lora")]
    listed = {"data": [{"id": name, "root": root} for name, root in named]}
    canned = serve({"GET /v1/models": listed})
    run(server := Vllm(Address(url=canned.url)), server.identify)
    assert server.accepts("qwen", "big")
    assert server.accepts("qwen", "/m/qwen")
    assert not server.accepts("qwen", "tuned")
    assert not server.accepts("qwen", "/m/lora")


def test_vllm_context_and_version(serve: Serve) -> None:
    item = {"id": "Qwen/Qwen2.5-7B-Instruct-AWQ", "owned_by": "vllm", "max_model_len": 8192}
    tokenized = {"count": 3, "tokens": [1, 2, 3]}
    canned = serve(
        {
            "GET /v1/models": {"data": [item]},
            "GET /version": {"version": "0.17.1"},
            "POST /tokenize": tokenized,
        }
    )
    server = Vllm(Address(url=canned.url))
    info, models, usage = run(
        server, server.identify, server.models, lambda: server.count_tokens("m", "a b c")
    )
    assert (info.version, info.loaded) == ("0.17.1", (item["id"],))
    assert (models[0].context_loaded, models[0].quantization) == (8192, "AWQ")
    assert (usage.prompt_tokens, usage.source) == (3, "tokenize")


# ------------------------------------------------------------------ sglang


@pytest.mark.parametrize("page", ["/server_info", "/get_server_info"])
def test_sglang_has_two_names_for_its_facts(serve: Serve, page: str) -> None:
    facts = {"version": "0.5.6", "max_running_requests": 8, "context_length": 4096}
    canned = serve(
        {f"GET {page}": facts, "GET /get_model_info": {"model_path": "/m/qwen"}, "GET /v1/models": LIST}
    )
    server = SGLang(Address(url=canned.url))
    info, model = run(server, server.identify, lambda: server.describe("m"))
    assert (info.version, info.slots) == ("0.5.6", 8)
    assert (model.context_max, model.path) == (4096, "/m/qwen")


def test_the_weights_of_a_new_sglang_are_on_its_page_of_facts(serve: Serve) -> None:
    canned = serve({"GET /server_info": {"model_path": "/m/qwen"}, "GET /v1/models": LIST})
    server = SGLang(Address(url=canned.url))
    _, model = run(server, server.identify, lambda: server.describe("m"))
    assert model.path == "/m/qwen"


def test_sglang_flushes_its_cache_when_an_honest_prefill_is_asked_for(serve: Serve) -> None:
    canned = serve({"POST /v1/chat/completions": STREAM, "POST /flush_cache": Page(b"Cache flushed.")})
    server = SGLang(Address(url=canned.url))
    run(server, lambda: server.ask(ask_for("m")), lambda: server.ask(ask_for("m", cache_prompt=False)))
    assert [each.path for each in canned.asked] == [
        "/v1/chat/completions",
        "/flush_cache",
        "/v1/chat/completions",
    ]


def sglang_load(server: SGLang, *batches: int) -> list[Any]:
    """So many requests at once, then so many ..., each due when its batch begins."""

    async def main() -> list[Any]:
        found: list[Any] = []
        try:
            for count in batches:
                due_ns = now_ns()
                asks = (server.ask(ask_for("m", cache_prompt=False), due_ns) for _ in range(count))
                found += await asyncio.gather(*asks)
            return found
        finally:
            await server.close()

    return asyncio.run(main())


def test_sglang_does_not_flush_amid_a_load(serve: Serve) -> None:
    """Streams that start together, also again and again, wait for no flush but the first of them."""
    canned = serve({"POST /v1/chat/completions": STREAM, "POST /flush_cache": Page(b"Cache flushed.")})
    sglang_load(SGLang(Address(url=canned.url)), 4, 4, 4)
    assert [each.path for each in canned.asked].count("/flush_cache") == 1


@pytest.mark.slow
def test_sglang_flushes_again_where_requests_come_one_at_a_time(serve: Serve) -> None:
    canned = serve({"POST /v1/chat/completions": STREAM, "POST /flush_cache": Page(b"Cache flushed.")})
    sglang_load(SGLang(Address(url=canned.url)), 3, 1, 1, 1)
    assert [each.path for each in canned.asked][-5:] == [
        "/v1/chat/completions",
        "/flush_cache",
        "/v1/chat/completions",
        "/flush_cache",
        "/v1/chat/completions",
    ]


@pytest.mark.slow
def test_a_flush_is_no_wait_for_sglang(serve: Serve) -> None:
    flush_s = 0.2

    def flush(_: Any) -> Page:
        time.sleep(flush_s)
        return Page(b"Cache flushed.")

    canned = serve({"POST /v1/chat/completions": STREAM, "POST /flush_cache": flush})
    began_ns = now_ns()
    (capture,) = sglang_load(SGLang(Address(url=canned.url)), 1)
    timeline = capture.opened().timeline
    assert timeline.scheduled_ns - began_ns >= flush_s * 1e9
    assert timeline.started_ns >= timeline.scheduled_ns


# ------------------------------------------------------------------ mlx


def test_mlx_is_told_every_default_that_would_surprise() -> None:
    server = Mlx(Address(url=NOWHERE))
    assert server.extra(ask_for("m")) == {"max_tokens": MAX_TOKENS, "temperature": 0.0}
    assert server.extra(ask_for("m", max_tokens=5, temperature=0.7)) == {"max_tokens": 5, "temperature": 0.7}


def test_mlx_is_never_asked_for_what_it_did_not_list(serve: Serve) -> None:
    canned = serve({"GET /v1/models": LIST, "POST /v1/chat/completions": STREAM})
    server = Mlx(Address(url=canned.url))
    (capture,) = run(server, lambda: server.ask(ask_for("somebody/else"), scheduled_ns=7))
    assert (capture.failure, capture.timeline.scheduled_ns) == ("http_error", 7)
    assert "has no model 'somebody/else'" in capture.error
    with pytest.raises(ModelNotFound):
        run(server, lambda: server.describe("somebody/else"))
    assert canned.bodies("/v1/chat/completions") == []
    run(server, lambda: server.send(ask_for("m")), lambda: server.send(ask_for("default_model")))
    assert len(canned.bodies("/v1/chat/completions")) == 2


def test_mlx_gets_usage_options_whole_and_no_schema(serve: Serve) -> None:
    canned = serve({"GET /v1/models": LIST, "POST /v1/chat/completions": STREAM})
    server = Mlx(Address(url=canned.url))
    (exchange,) = run(server, lambda: server.send(ask_for("m", response_format={"type": "json_object"})))
    (body,) = canned.bodies("/v1/chat/completions")
    assert body["stream_options"] == {"include_usage": True}  # without the key it fails in mid-stream
    assert "response_format" not in body
    assert "schema_not_sent" in exchange.notes
    assert "Content-Length" in canned.asked[-1].headers  # it takes no chunked bodies


def test_mlx_usage_comes_in_an_object_of_another_name_after_pings() -> None:
    usage = {"prompt_tokens": 8, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 0}}
    body = b": keepalive 2048/8192\n\n" + events(
        chunk(role="assistant", reasoning="hm"),
        chunk(role="assistant", content="x"),
        chunk(role="assistant", finish="stop"),
        {"object": "chat.completion", "model": "m", "choices": [], "usage": usage},
    )
    exchange = Mlx(Address(url=NOWHERE)).read(ask_for("m"), captured(body))
    assert (exchange.ending, exchange.events.kinds[:3], exchange.reasoning_source) == (
        "ok",
        "prc",
        "reasoning",
    )
    assert exchange.usage is not None
    assert exchange.usage.prompt_tokens == 8


def test_mlx_failing_in_mid_stream_just_closes() -> None:
    body = events(chunk(role="assistant", content="x"), done=False)
    assert Mlx(Address(url=NOWHERE)).read(ask_for("m"), captured(body)).ending == "truncated"


def test_a_fingerprint_is_the_engine_s_version_on_mlx_alone() -> None:
    said = {**chunk("m", content="x"), "system_fingerprint": "0.32.0-0.30.1-macOS"}
    capture = captured(events(said, chunk("m", finish="stop")))
    found = [
        dialect(Address(url=NOWHERE)).read(ask_for("m"), capture).engine_version
        for dialect in (Mlx, OpenAI, Vllm, SGLang)
    ]
    assert found == ["0.32.0-0.30.1-macOS", None, None, None]
