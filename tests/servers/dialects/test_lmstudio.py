"""LM Studio: three surfaces, bodies instead of statuses, and what its OpenAI layer hides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers.dialects.conftest import Canned, Page, ask_for, captured, chunk, events, run
from tiltyard.errors import NotAModelServer, ServerError, Unsupported
from tiltyard.servers import Address
from tiltyard.servers.lmstudio import LMStudio, v0_models
from tiltyard.servers.lmstudio_v1 import listed
from tiltyard.servers.names import ACTIVE_BY_NAME

Serve = Callable[..., Canned]
UNKNOWN = Page({"error": "Unexpected endpoint or method. (GET /foo)"})
V1_MODEL = {
    "type": "llm",
    "key": "qwen/qwen3-30b-a3b",
    "architecture": "qwen3moe",
    "quantization": {"name": "Q4_K_M", "bits_per_weight": 4},
    "size_bytes": 18_000_000_000,
    "params_string": "30B-A3B",
    "loaded_instances": [{"id": "qwen/qwen3-30b-a3b", "config": {"context_length": 4096}}],
    "max_context_length": 40960,
    "capabilities": {"vision": False, "trained_for_tool_use": True, "reasoning": {"allowed_options": ["on"]}},
    "variants": ["qwen/qwen3-30b-a3b@q4_k_m", "qwen/qwen3-30b-a3b@q8_0"],
    "selected_variant": "qwen/qwen3-30b-a3b@q4_k_m",
}
V0_MODEL = {
    "id": "phi-4",
    "type": "llm",
    "arch": "phi3",
    "compatibility_type": "gguf",
    "quantization": "Q8_0",
    "state": "not-loaded",
    "max_context_length": 16384,
    "capabilities": ["tool_use"],
}
V1, V0 = {"models": [V1_MODEL]}, {"data": [V0_MODEL]}
ANSWER = events(chunk("phi-4", content="x"), chunk("phi-4", finish="stop"))


def studio(serve: Serve, **pages: Any) -> tuple[Canned, LMStudio]:
    stream = Page(ANSWER, kind="text/event-stream")
    base = {"GET /api/v1/models": V1, "GET /api/v0/models": V0, "POST /api/v0/chat/completions": stream}
    canned = serve({name: page for name, page in (base | pages).items() if page is not None}, missing=UNKNOWN)
    return canned, LMStudio(Address(url=canned.url))


def test_a_page_that_answers_200_to_everything_is_not_believed(serve: Serve) -> None:
    canned = serve({}, missing=UNKNOWN)
    with pytest.raises(NotAModelServer):
        run(server := LMStudio(Address(url=canned.url)), server.identify)


def test_identity_from_v1() -> None:
    (model,) = listed(V1) or []
    assert (model.moe, model.parameters, model.active_parameters) == (True, 30_000_000_000, 3_000_000_000)
    assert (model.bits_per_weight, model.context_loaded, model.loaded) == (None, 4096, True)
    assert model.capabilities == ("completion", "schema", "tools", "thinking")
    assert "2 variants" in model.notes[0]
    assert ACTIVE_BY_NAME not in model.notes
    (silent,) = listed({"models": [{**V1_MODEL, "key": "m-30b-a3b", "params_string": None}]}) or []
    assert (silent.active_parameters, silent.notes[-1]) == (3_000_000_000, ACTIVE_BY_NAME)


def test_words_for_a_size_are_no_count() -> None:
    """Bits a weight would differ from another server's of the same file, and `8x7B` is no 56 B."""
    for words, moe, parameters in (("8x7B", True, None), ("8B", None, 8_000_000_000)):
        item = {**V1_MODEL, "key": "m", "params_string": words, "size_bytes": 26_440_000_000}
        (model,) = listed({"models": [item]}) or []
        assert (model.moe, model.parameters, model.bits_per_weight) == (moe, parameters, None)


def test_identity_from_v0() -> None:
    (model,) = v0_models(V0) or []
    assert (model.architecture, model.quantization, model.loaded) == ("phi3", "Q8_0", False)
    assert model.capabilities == ("completion", "schema", "tools")


@pytest.mark.parametrize(
    "body", [None, [], {"error": "x"}, {"data": [{"id": "m", "object": "model"}]}, {"data": 1}]
)
def test_what_is_no_listing(body: Any) -> None:
    assert v0_models(body) is None
    assert listed(body) is None


def test_embeddings_are_marked() -> None:
    assert (listed({"models": [{**V1_MODEL, "type": "embedding"}]}) or [])[0].capabilities == ("embedding",)


def test_odd_entries_are_survived() -> None:
    (model,) = (
        listed({"models": [{"key": "m", "quantization": None, "loaded_instances": None, "capabilities": []}]})
        or []
    )
    assert (model.quantization, model.loaded) == (None, False)


def test_both_listings_are_merged(serve: Serve) -> None:
    _, server = studio(serve)
    info, models = run(server, server.identify, server.models)
    assert {each.name for each in models} == {"qwen/qwen3-30b-a3b", "phi-4"}
    assert info.loaded == ("qwen/qwen3-30b-a3b",)
    assert {"load", "unload"} <= server.can


def test_v0_generates_and_always_asks_for_usage(serve: Serve) -> None:
    canned, server = studio(serve)
    _, exchange = run(server, server.identify, lambda: server.send(ask_for("phi-4", seed=7)))
    (body,) = canned.bodies("/api/v0/chat/completions")
    assert body["stream_options"] == {"include_usage": True}
    assert body["seed"] == 7
    assert exchange.ending == "ok"


def test_the_openai_surface_is_the_fallback(serve: Serve) -> None:
    canned, server = studio(
        serve,
        **{"GET /api/v0/models": None, "POST /v1/chat/completions": Page(ANSWER, kind="text/event-stream")},
    )
    _, exchange = run(server, server.identify, lambda: server.send(ask_for("phi-4")))
    assert exchange.ending == "ok"
    assert len(canned.bodies("/v1/chat/completions")) == 1


def test_the_token_goes_into_the_header(serve: Serve) -> None:
    canned, _ = studio(serve)
    run(server := LMStudio(Address(url=canned.url, api_key="t0ken")), server.identify)
    assert {each.headers["Authorization"] for each in canned.asked} == {"Bearer t0ken"}


def read(body: bytes, context: int = 100, model: str = "phi-4", **more: Any) -> Any:
    server = LMStudio(Address(url="http://127.0.0.1:1"))
    server.contexts = {model: context}
    return server.read(ask_for(model), captured(body, **more))


def finished(usage: dict[str, int], **more: Any) -> bytes:
    return events(chunk("phi-4", content="x"), {**chunk("phi-4", finish="stop"), "usage": usage, **more})


def test_a_full_context_is_a_length_ending() -> None:
    full = read(finished({"prompt_tokens": 60, "completion_tokens": 40}))
    assert (full.finish_reason, full.notes) == ("length", ("context_length_reached",))
    assert read(finished({"prompt_tokens": 60, "completion_tokens": 39})).finish_reason == "stop"
    told = read(
        finished({"prompt_tokens": 1, "completion_tokens": 1}, stats={"stop_reason": "contextLengthReached"})
    )
    assert (told.finish_reason, told.notes) == ("length", ("context_length_reached",))


def test_stats_are_kept_as_claimed_on_any_chunk() -> None:
    stats = {
        "tokens_per_second": 51.4,
        "time_to_first_token": 0.111,
        "generation_time": 0.954,
        "stop_reason": "eosFound",
    }
    trailing = {
        "model": "phi-4",
        "choices": [],
        "stats": stats,
        "usage": {"prompt_tokens": 9, "completion_tokens": 53},
    }
    for body in (
        finished({"prompt_tokens": 9, "completion_tokens": 53}, stats=stats),
        events(chunk("phi-4", content="x"), chunk("phi-4", finish="stop"), trailing),
    ):
        exchange = read(body)
        assert (exchange.timings.decode_tps, exchange.timings.decode_ms) == (
            51.4,
            954.0,
        )  # not one from the other
        assert exchange.timings.ttft_ms == pytest.approx(111.0)
        assert exchange.usage.output_tokens == 53


def test_runtime_and_its_version() -> None:
    exchange = read(finished({"prompt_tokens": 1}, runtime={"name": "llama.cpp-linux", "version": "1.52.0"}))
    assert exchange.engine_version == "llama.cpp-linux 1.52.0"


def test_a_fingerprint_is_no_version_of_the_engine() -> None:
    assert read(finished({"prompt_tokens": 1}, system_fingerprint="phi-4")).engine_version is None


def test_the_model_that_happens_to_be_loaded_is_not_the_one_asked_for() -> None:
    assert (
        read(events(chunk("llama-3.2-1b", content="x"), chunk("llama-3.2-1b", finish="stop"))).ending
        == "wrong_model"
    )


def test_a_200_with_an_error_is_an_error() -> None:
    exchange = read(UNKNOWN.data, headers={"content-type": "application/json"})
    assert exchange.ending == "http_error"
    assert "Unexpected endpoint" in exchange.error


def test_no_model_loaded() -> None:
    body = b'{"error":{"message":"No models loaded. Please load a model in the developer page","code":null}}'
    exchange = read(body, status=400)
    assert (exchange.ending, exchange.status) == ("http_error", 400)
    assert "No models loaded" in exchange.error


@pytest.mark.slow
def test_variants_share_an_entry(serve: Serve) -> None:
    _, server = studio(serve)
    name = V1_MODEL["key"]
    chosen, other = run(
        server, lambda: server.describe(f"{name}@q4_k_m"), lambda: server.describe(f"{name}@q8_0")
    )
    assert (chosen.name, chosen.quantization, chosen.size_bytes) == (
        f"{name}@q4_k_m",
        "Q4_K_M",
        18_000_000_000,
    )
    assert (other.name, other.quantization, other.size_bytes) == (f"{name}@q8_0", "Q8_0", None)
    assert server.accepts(f"{name}@q8_0", name)
    assert not server.accepts(f"{name}@q8_0", f"{name}@q4_k_m")


def test_a_model_loaded_twice_has_two_names() -> None:
    server = LMStudio(Address(url="http://127.0.0.1:1"))
    assert server.accepts("qwen3-8b", "qwen3-8b:2")
    assert server.accepts("qwen3-8b:2", "qwen3-8b")
    assert not server.accepts("qwen3-8b:2", "qwen3-8b:3")
    assert not server.accepts("qwen3", "qwen3-8b:2")


@pytest.mark.slow
def test_loading_by_v1(serve: Serve) -> None:
    canned, server = studio(
        serve, **{"POST /api/v1/models/load": {"status": "loaded", "load_time_seconds": 1.5}}
    )
    cold, warm = run(server, lambda: server.load("phi-4", 2048), lambda: server.load("qwen/qwen3-30b-a3b"))
    assert (cold.server_load_ms, cold.was_loaded, warm.was_loaded) == (1500.0, False, True)
    (body,) = canned.bodies("/api/v1/models/load")
    assert (body["model"], body["context_length"]) == ("phi-4", 2048)


@pytest.mark.slow
def test_every_instance_is_unloaded(serve: Serve) -> None:
    canned, server = studio(serve)
    left = ["a", "a:2"]

    def unload(asked: Any) -> Any:
        left.remove(asked.body["instance_id"])
        return {"instance_id": asked.body["instance_id"]}

    canned.pages["POST /api/v1/models/unload"] = unload
    canned.pages["GET /api/v1/models"] = lambda _: {
        "models": [
            {**V1_MODEL, "key": "a", "loaded_instances": [{"id": each, "config": {}} for each in left]}
        ]
    }
    run(server, lambda: server.unload("a"))
    assert left == []


def test_a_load_that_fails_says_why(serve: Serve) -> None:
    _, server = studio(
        serve, **{"POST /api/v1/models/load": Page({"error": {"message": "out of memory"}}, 500)}
    )
    with pytest.raises(ServerError, match="out of memory"):
        run(server, lambda: server.load("phi-4"))


def test_versions_before_v1_load_only_when_asked(serve: Serve) -> None:
    _, server = studio(serve, **{"GET /api/v1/models": None})
    with pytest.raises(Unsupported, match=r"0\.4\.0"):
        run(server, lambda: server.load("phi-4"))
    assert "load" not in server.can


NO_CONTEXTS = {"data": [{**V0_MODEL, "state": "loaded"}]}


def looks(canned: Canned) -> int:
    """How often the listings were read."""
    return sum(each.path == "/api/v0/models" for each in canned.asked)


def together(server: LMStudio, model: str, count: int, rounds: int = 1) -> list[Any]:
    async def main() -> list[Any]:
        try:
            return [
                each
                for _ in range(rounds)
                for each in await asyncio.gather(*(server.send(ask_for(model)) for _ in range(count)))
            ]
        finally:
            await server.close()

    return asyncio.run(main())


@pytest.mark.parametrize("model", ["phi-4", "phi-4@q8_0"])
@pytest.mark.parametrize("v1", [None, V1])
def test_a_model_is_looked_for_once_whatever_the_list_tells(serve: Serve, model: str, v1: Any) -> None:
    canned, server = studio(serve, **{"GET /api/v1/models": v1, "GET /api/v0/models": NO_CONTEXTS})
    exchanges = together(server, model, count=4, rounds=3)
    assert {each.ending for each in exchanges} == {"ok"}
    assert looks(canned) == 1


@pytest.mark.slow
def test_a_model_that_its_first_request_loads_is_looked_for_again(serve: Serve) -> None:
    """Until then nobody knows with which context it will be loaded."""
    canned, server = studio(serve)

    def answer(_: Any) -> Page:
        loaded = {**V0_MODEL, "state": "loaded", "loaded_context_length": 4096}
        canned.pages["GET /api/v0/models"] = {"data": [loaded]}
        return Page(ANSWER, kind="text/event-stream")

    canned.pages["POST /api/v0/chat/completions"] = answer
    first, *others = together(server, "phi-4", count=1, rounds=4)
    assert (first.notes, {each.notes for each in others}) == (("cold",), {()})
    assert looks(canned) == 2
    assert server.contexts["phi-4"] == 4096


@pytest.mark.slow
def test_a_list_that_never_changes_is_not_read_for_ever(serve: Serve) -> None:
    canned, server = studio(serve)  # it says "not-loaded" of what has answered, too
    together(server, "phi-4", count=3, rounds=4)
    assert looks(canned) == 2


@pytest.mark.slow
def test_what_was_unloaded_is_looked_for_again(serve: Serve) -> None:
    canned, server = studio(serve, **{"GET /api/v0/models": NO_CONTEXTS})
    before = run(
        server,
        lambda: server.send(ask_for("phi-4")),
        lambda: server.unload("phi-4"),
        lambda: asyncio.sleep(0, looks(canned)),
        lambda: server.send(ask_for("phi-4")),
    )[2]
    assert looks(canned) == before + 1


def test_a_full_context_is_noticed_of_a_variant_too() -> None:
    server = LMStudio(Address(url="http://127.0.0.1:1"))
    server.contexts = {"phi-4": 100}
    body = finished({"prompt_tokens": 60, "completion_tokens": 40})
    assert server.read(ask_for("phi-4@q8_0"), captured(body)).finish_reason == "length"


@pytest.mark.slow
def test_another_variant_has_not_the_context_and_the_note_of_the_chosen_one(serve: Serve) -> None:
    name = V1_MODEL["key"]
    load = {"status": "loaded", "load_time_seconds": 1.5}
    _, server = studio(serve, **{"POST /api/v1/models/load": load})
    other = f"{name}@q8_0"
    before, untold, _, told, after, chosen = run(
        server,
        lambda: server.describe(other),
        lambda: server.is_away(other),
        lambda: server.load(other),
        lambda: server.is_away(other),
        lambda: server.describe(other),
        lambda: server.describe(f"{name}@q4_k_m"),
    )
    assert (before.context_loaded, before.loaded, untold, told) == (None, None, None, False)
    assert before.notes == (f"one of 2 variants: {other}",)
    assert (after.context_loaded, after.loaded, after.notes) == (4096, True, before.notes)  # loaded here
    assert (chosen.context_loaded, chosen.notes) == (4096, (f"one of 2 variants: {name}@q4_k_m",))
