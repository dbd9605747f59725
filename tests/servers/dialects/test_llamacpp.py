"""llama-server: waiting for it, what it is, the router, and what its requests say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.patience import best_of
from tests.servers.dialects.conftest import Canned, Page, ask_for, captured, chunk, events, run
from tiltyard.errors import ModelNotFound, ServerError, Unsupported
from tiltyard.load.metrics import measure
from tiltyard.servers import Address
from tiltyard.servers.llamacpp import LlamaCpp, capabilities, is_loading
from tiltyard.servers.llamacpp_router import argument, entries, is_router
from tiltyard.servers.names import ACTIVE_BY_NAME
from tiltyard.servers.notes import COLD
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.servers.wire import Reply

Serve = Callable[..., Canned]
PROPS = {
    "default_generation_settings": {"n_ctx": 4096, "params": {}},
    "total_slots": 4,
    "model_path": "/models/Qwen3-8B-Q4_K_M.gguf",
    "chat_template": "{% if enable_thinking %}<think>",
    "chat_template_caps": {"supports_tools": True},
    "modalities": {"vision": False},
    "build_info": "b9554-d403f00ec",
    "is_sleeping": False,
}
LIST = {
    "data": [
        {
            "id": "qwen",
            "object": "model",
            "owned_by": "llamacpp",
            "meta": {"n_ctx_train": 40960, "n_params": 8_000_000_000, "size": 5_000_000_000},
        }
    ]
}
LOADING = Page({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, 503)


def llama(serve: Serve, **pages: Any) -> tuple[Canned, LlamaCpp]:
    base = {"GET /health": {"status": "ok"}, "GET /props": PROPS, "GET /v1/models": LIST, "GET /models": LIST}
    canned = serve(base | pages)
    return canned, LlamaCpp(Address(url=canned.url))


def test_who_it_is_and_what_it_serves(serve: Serve) -> None:
    _, server = llama(serve)
    info, model = run(server, server.identify, lambda: server.describe("qwen"))
    assert (info.version, info.slots, info.loaded, info.notes) == ("b9554-d403f00ec", 4, ("qwen",), ())
    assert (model.quantization, model.parameters, model.bits_per_weight) == ("Q4_K_M", 8_000_000_000, 5.0)
    assert (model.context_loaded, model.context_max, model.loaded) == (4096, 40960, True)
    assert model.capabilities == ("completion", "schema", "tools", "thinking")


@pytest.mark.slow
def test_it_is_waited_for_while_the_model_loads(serve: Serve) -> None:
    canned, server = llama(serve)
    health = iter([LOADING, LOADING, Page({"status": "ok"})])
    canned.pages["GET /health"] = lambda _: next(health)
    (info,) = run(server, server.identify)
    assert info.version == "b9554-d403f00ec"
    assert next(health, None) is None


@best_of()
def test_waiting_has_an_end(serve: Serve) -> None:
    canned, _ = llama(serve, **{"GET /health": LOADING})
    said: list[str] = []
    server = LlamaCpp(Address(url=canned.url, loading_s=0.05, say=said.append))
    with pytest.raises(ServerError, match=r"still loading its model after 0\.05 s") as caught:
        run(server, server.identify)
    assert "--first-byte-timeout" in caught.value.remedy
    assert said[0] == f"llamacpp at {canned.url} is loading its model"


def test_a_server_that_is_ready_is_not_waited_for(serve: Serve) -> None:
    canned, _ = llama(serve)
    said: list[str] = []
    run(server := LlamaCpp(Address(url=canned.url, loading_s=0.05, say=said.append)), server.identify)
    assert said == []


def test_only_the_503_of_loading_is_waited_for() -> None:
    assert is_loading(Reply(status=503, body=LOADING.data))
    assert not is_loading(Reply(status=503, body=b"<html>bad gateway</html>"))
    assert not is_loading(Reply(status=200, body=LOADING.data))


def test_a_sleeping_server_is_not_warm(serve: Serve) -> None:
    _, server = llama(serve, **{"GET /props": {**PROPS, "is_sleeping": True}})
    info, model = run(server, server.identify, lambda: server.describe("qwen"))
    assert info.loaded == ()
    assert "asleep" in info.notes[0]
    assert model.loaded is False


def test_the_first_request_to_a_sleeping_server_is_cold() -> None:
    model = SimModel(name="m", load_ms=60.0, ttft_ms=5.0, token_ms=1.0)
    with running(SimConfig(models=(model,), dialects=("llamacpp",), faults=("asleep",))) as sim:
        server = LlamaCpp(Address(url=sim.url()))
        ask = partial(server.send, ask_for("m", max_tokens=2))
        info, first, second, again = run(server, server.identify, ask, ask, server.identify)
    assert (info.loaded, again.loaded) == ((), ("m",))
    assert (COLD in first.notes, COLD in second.notes) == (True, False)
    assert (measure(first).ttft_ms or 0) >= 60


def test_a_list_without_meta_while_loading_is_survived(serve: Serve) -> None:
    _, server = llama(serve, **{"GET /v1/models": {"data": [{"id": "qwen", "meta": None}]}})
    _, model = run(server, server.identify, lambda: server.describe("qwen"))
    assert model.parameters is None


def test_a_gateway_before_several_does_not_give_all_of_them_the_identity_of_one(serve: Serve) -> None:
    both = {"data": [LIST["data"][0], {"id": "other-Q8_0", "object": "model", "owned_by": "llamacpp"}]}
    _, server = llama(serve, **{"GET /v1/models": both, "GET /models": both})
    info, models = run(server, server.identify, server.models)
    assert info.loaded == ()
    assert [(m.name, m.quantization, m.context_loaded, m.loaded) for m in models] == [
        ("qwen", None, None, None),
        ("other-Q8_0", "Q8_0", None, None),
    ]
    assert not server.accepts("qwen", "other-Q8_0")


@pytest.mark.parametrize(
    ("said", "path"), [("/models/gemma-3-4b-Q8_0.gguf", "/models/gemma-3-4b-Q8_0.gguf"), ("alias", None)]
)
def test_an_old_one_tells_its_file_among_its_settings(serve: Serve, said: str, path: str | None) -> None:
    """Whatever it serves, it lists as LLaMA_CPP: without its file, all its models would be one."""
    props = {"total_slots": 1, "default_generation_settings": {"n_ctx": 8192, "model": said}}
    _, server = llama(serve, **{"GET /props": props})
    _, model = run(server, server.identify, lambda: server.describe("qwen"))
    assert (model.path, model.quantization) == (path, path and "Q8_0")


def test_the_path_may_stand_for_the_name(serve: Serve) -> None:
    _, server = llama(serve)
    run(server, server.identify, server.models)
    assert server.accepts("qwen", "/models/Qwen3-8B-Q4_K_M.gguf")
    assert not server.accepts("qwen", "llama")


def test_the_header_of_a_local_file_completes_the_identity(serve: Serve, tmp_path: Path) -> None:
    header = write_gguf(tmp_path / "tiny.gguf")
    _, server = llama(serve, **{"GET /props": {**PROPS, "model_path": str(header)}})
    _, model = run(server, server.identify, lambda: server.describe("qwen"))
    guessed = replace(model, name="qwen-a3b", notes=(ACTIVE_BY_NAME,))
    assert ACTIVE_BY_NAME not in server.located(guessed).notes
    assert (model.name, model.architecture, model.moe) == ("qwen", "llama", False)
    assert model.path == str(header)
    assert len(model.digest or "") == 64
    assert model.context_loaded == 4096


def write_gguf(path: Path) -> Path:
    """A model file of one tensor."""
    import struct

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1)
    head += text("general.architecture") + struct.pack("<I", 8) + text("llama")
    head += text("token_embd.weight") + struct.pack("<IQQIQ", 2, 4, 4, 0, 0)
    path.write_bytes(head + b"\0" * (-len(head) % 32) + b"\0" * 64)
    return path


def test_what_a_request_says() -> None:
    server = LlamaCpp(Address(url="http://127.0.0.1:1"))
    asked = ask_for("m", think=False, cache_prompt=False, ignore_eos=True)
    assert server.extra(asked) == {
        "chat_template_kwargs": {"enable_thinking": False},
        "cache_prompt": False,
        "ignore_eos": True,
    }
    assert server.extra(ask_for("m", think="low")) == {"reasoning_effort": "low"}
    assert server.extra(ask_for("m")) == {}


def test_timings_leave_the_cache_out() -> None:
    server = LlamaCpp(Address(url="http://127.0.0.1:1"))
    timings = {"cache_n": 90, "prompt_n": 10, "prompt_ms": 5.0, "predicted_n": 2, "predicted_ms": 40.0}
    body = events(
        chunk(role="assistant", content=None),
        chunk(content="x"),
        chunk(finish="stop"),
        {
            "model": "m",
            "choices": [],
            "usage": {"prompt_tokens": 100, "completion_tokens": 2},
            "timings": timings,
        },
    )
    exchange = server.read(ask_for("m"), captured(body))
    assert exchange.ending == "ok"
    assert exchange.timings is not None
    assert (exchange.timings.prefill_tokens, exchange.timings.prefill_ms) == (10, 5.0)
    assert exchange.usage is not None
    assert (exchange.usage.prompt_tokens, exchange.usage.cached_tokens) == (100, 90)


def test_a_context_overflow_is_an_error_of_the_request() -> None:
    server = LlamaCpp(Address(url="http://127.0.0.1:1"))
    error = (
        b'{"error":{"code":400,"message":"exceeds the available context size","n_prompt_tokens":9,"n_ctx":4}}'
    )
    exchange = server.read(ask_for("m"), captured(error, status=400))
    assert exchange.ending == "http_error"
    assert "context size" in (exchange.error or "")


def test_exact_counts(serve: Serve) -> None:
    tokenize, count = "POST /tokenize", "POST /v1/chat/completions/input_tokens"
    canned, server = llama(serve, **{tokenize: {"tokens": [1, 2, 3]}, count: {"input_tokens": 11}})
    bare, chat = run(
        server, lambda: server.count_tokens("m", "a b c"), lambda: server.count_chat(ask_for("m"))
    )
    assert (bare.prompt_tokens, bare.source, chat.prompt_tokens) == (3, "tokenize", 11)
    assert canned.bodies("/tokenize") == [{"content": "a b c", "add_special": False}]


def test_capabilities_without_a_template() -> None:
    assert capabilities({}) is None
    assert capabilities({"chat_template": "{{ tools }}"}) == ("completion", "schema", "tools")


# ------------------------------------------------------------------ router


def listed(**status: Any) -> dict[str, Any]:
    return {"data": [{"id": "a-Q8_0", "status": status, "path": "/m/a.gguf"}]}


def test_a_router_is_known_by_states() -> None:
    assert is_router({}, listed(value="unloaded")["data"])
    assert is_router({"role": "router"}, [])
    assert not is_router(PROPS, LIST["data"])


def test_failed_alone_is_no_crash() -> None:
    (unloaded,) = entries(listed(value="unloaded", failed=True, exit_code=0)["data"])
    (crashed,) = entries(listed(value="unloaded", failed=True, exit_code=1)["data"])
    assert (unloaded.crashed, crashed.crashed) == (False, True)
    assert "code 1" in crashed.model().notes[0]


def test_a_router_tells_context_and_quantization() -> None:
    (entry,) = entries(listed(value="loaded", args=["llama-server", "-c", "2048"])["data"])
    model = entry.model()
    assert (model.context_loaded, model.quantization, model.loaded) == (2048, "Q8_0", True)
    assert argument(["-c"], "-c") is None
    assert argument("odd", "-c") is None


def router(serve: Serve) -> tuple[Canned, LlamaCpp]:
    states = {"now": "unloaded"}

    def turn(to: str) -> Callable[[Any], Any]:
        def page(_: Any) -> Any:
            states["now"] = to
            return {"success": True}

        return page

    pages = {"POST /models/load": turn("loaded"), "POST /models/unload": turn("unloaded")}
    canned, server = llama(serve, **pages)
    canned.pages["GET /models"] = lambda _: listed(value=states["now"])
    canned.pages["GET /props"] = {"role": "router", "build_info": "b1"}
    return canned, server


@pytest.mark.slow
def test_a_router_loads_and_unloads(serve: Serve) -> None:
    canned, server = router(serve)
    _, first, again, _ = run(
        server,
        server.identify,
        lambda: server.load("a-Q8_0"),
        lambda: server.load("a-Q8_0"),
        lambda: server.unload("a-Q8_0"),
    )
    assert (first.was_loaded, again.was_loaded) == (False, True)
    assert canned.bodies("/models/load") == [{"model": "a-Q8_0"}]
    assert {"load", "unload"} <= server.can


def test_a_router_says_what_it_has_not(serve: Serve) -> None:
    _, server = router(serve)
    with pytest.raises(ModelNotFound) as caught:
        run(server, server.identify, lambda: server.load("a-Q4_0"))
    assert "a-Q8_0" in caught.value.remedy


def test_a_process_that_dies_while_loading(serve: Serve) -> None:
    canned, server = router(serve)
    canned.pages["GET /models"] = listed(value="unloaded", failed=True, exit_code=1)
    with pytest.raises(ServerError, match="code 1"):
        run(server, server.identify, lambda: server.load("a-Q8_0"))


def test_a_single_model_cannot_be_unloaded(serve: Serve) -> None:
    _, server = llama(serve)
    with pytest.raises(Unsupported):
        run(server, server.identify, lambda: server.unload("qwen"))
