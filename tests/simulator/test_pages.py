"""The servers' less used pages, as the facts about the real ones give them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import urlsplit

import pytest

from tests.simulator.conftest import FAST, call, chat_body
from tiltyard.records import Exchange, Message
from tiltyard.records import Request as Ask
from tiltyard.servers.connect import connect
from tiltyard.servers.simulator import Running, SimConfig, SimModel, running
from tiltyard.servers.simulator import tokens as tokenizer
from tiltyard.servers.simulator.config import SimDialect

PROMPT = {"model": "fast", "prompt": "hello there", "max_tokens": 4}
QUIET = {"model": "fast", "prompt": "hi", "think": False, "options": {"num_predict": 2}}


@pytest.mark.parametrize("dialect", ["openai", "ollama", "mlx", "sglang"])
def test_one_entry_of_the_list_of_models(sim: Running, dialect: str) -> None:
    url = sim.url(dialect)
    listed = call(url, "/v1/models").json()["data"]
    assert call(url, "/v1/models/moe:30b").json() == listed[1]
    assert call(url, "/v1/models/none").status == 404


def test_a_name_with_a_folder_is_one_name() -> None:
    model = SimModel(name="lab/fast")
    with running(SimConfig(models=(model,), dialects=("openai", "lmstudio"))) as sim:
        assert call(sim.url("openai"), "/v1/models/lab/fast").json()["id"] == "lab/fast"
        assert call(sim.url("lmstudio"), "/api/v0/models/lab/fast").json()["id"] == "lab/fast"
        assert call(sim.url("all"), "/v1/models/lab/fast").json()["id"] == "lab/fast"


# ---- LM Studio


def test_lmstudio_one_model(sim: Running) -> None:
    url = sim.url("lmstudio")
    listed = call(url, "/api/v0/models").json()["data"]
    assert call(url, "/api/v0/models/fast").json() == listed[0]
    assert "error" in call(url, "/api/v0/models/none").json()


def test_lmstudio_text_completions_with_stats(sim: Running) -> None:
    url = sim.url("lmstudio")
    whole = call(url, "/api/v0/completions", PROMPT).json()
    assert whole["object"] == "text_completion"
    assert tokenizer.count(whole["choices"][0]["text"]) == whole["usage"]["completion_tokens"] == 4
    assert whole["stats"]["stop_reason"] == "maxPredictedTokensReached"
    assert (whole["model_info"]["format"], bool(whole["runtime"]["version"])) == ("gguf", True)
    *events, done = call(url, "/api/v0/completions", {**PROMPT, "stream": True}).events()
    assert done == "[DONE]"
    assert tokenizer.count("".join(event["choices"][0]["text"] for event in events)) == 4
    assert events[-1]["stats"]["tokens_per_second"] > 0


def test_lmstudio_keeps_answers_unless_told_not_to(sim: Running) -> None:
    body = {"model": "fast", "input": "hi", "max_output_tokens": 2}
    assert call(sim.url("lmstudio"), "/api/v1/chat", body).json()["response_id"].startswith("resp_")
    assert "response_id" not in call(sim.url("lmstudio"), "/api/v1/chat", {**body, "store": False}).json()


# ---- Ollama


@pytest.fixture
def library() -> Iterator[str]:
    """An Ollama of its own: what is deleted is gone for all."""
    models = (FAST, SimModel(name="other:7b", loaded=True))
    with running(SimConfig(models=models, dialects=("ollama",))) as sim:
        yield sim.url()


def names(url: str, page: str = "/api/tags") -> list[str]:
    return [row["name"] for row in call(url, page).json()["models"]]


@pytest.mark.slow
def test_ollama_deletes_and_pulls(library: str) -> None:
    assert call(library, "/api/delete", {"model": "other:7b"}, method="DELETE").status == 200
    assert (names(library), names(library, "/api/ps")) == (["fast"], ["fast"])
    chat = {"model": "other:7b", "messages": [{"role": "user", "content": "hi"}], "stream": False}
    assert call(library, "/api/chat", chat).json() == {"error": "model 'other:7b' not found"}
    assert call(library, "/api/show", {"model": "other:7b"}).status == 404
    assert call(library, "/api/delete", {"model": "other:7b"}, method="DELETE").status == 404
    assert call(library, "/v1/chat/completions", chat_body("other:7b")).status == 404
    steps = call(library, "/api/pull", {"model": "other:7b"}).events()
    assert [step["status"].split(" ")[0] for step in steps] == [
        *("pulling", "pulling", "pulling", "pulling", "verifying", "writing", "success")
    ]
    size = steps[1]["total"]
    assert [step.get("completed") for step in steps if "digest" in step] == [None, size // 2, size]
    assert names(library) == ["fast", "other:7b"]
    assert call(library, "/api/chat", chat).status == 200


def test_ollama_cannot_pull_what_nobody_has(library: str) -> None:
    answer = call(library, "/api/pull", {"model": "none"})
    assert (answer.status, "error" in answer.events()[-1]) == (200, True)
    assert call(library, "/api/pull", {"model": "fast", "stream": False}).json() == {"status": "success"}
    assert call(library, "/api/pull", {}).json() == {"error": "model is required"}


def test_ollama_refuses_a_strange_host(sim: Running) -> None:
    url = sim.url("ollama")
    strange = call(url, "/api/tags", headers={"Host": "evil.example.com"})
    assert (strange.status, strange.body) == (403, b"")
    for host in ("localhost:1", "box.local", "192.168.1.5:11434", "[::1]:11434"):
        assert call(url, "/api/tags", headers={"Host": host}).status == 200


def test_ollama_shows_the_prompt_instead_of_running_it(sim: Running) -> None:
    messages = [{"role": "user", "content": "hello there"}]
    body = {"model": "fast", "messages": messages, "_debug_render_only": True}
    answer = call(sim.url("ollama"), "/api/chat", body).json()
    assert "hello there" in answer["_debug_info"]["rendered_template"]


def test_ollama_tells_no_context_of_a_raw_prompt(sim: Running) -> None:
    lines = call(sim.url("ollama"), "/api/generate", {**QUIET, "raw": True}).events()
    assert (lines[-1]["done"], "context" in lines[-1]) == (True, False)
    assert "context" in call(sim.url("ollama"), "/api/generate", QUIET).events()[-1]


def test_ollamas_openai_layer_has_errors_of_its_form(sim: Running) -> None:
    url = sim.url("ollama")
    error = call(url, "/v1/chat/completions", chat_body("none")).json()["error"]
    assert (error["type"], error["param"], error["code"]) == ("not_found_error", None, None)
    long = chat_body("fast", messages=[{"role": "user", "content": "abcd " * 9_000}])
    assert call(url, "/v1/chat/completions", long).json()["error"]["type"] == "invalid_request_error"
    busy = call(url, "/v1/chat/completions", chat_body(), {"X-Sim-Fault": "busy_503"})
    assert (busy.status, busy.json()["error"]["type"]) == (503, "api_error")


@pytest.mark.parametrize("given", ["hello there", ["hello there", "red fox"]])
def test_ollama_embeds(sim: Running, given: object) -> None:
    url = sim.url("ollama")
    answer = call(url, "/api/embed", {"model": "fast", "input": given}).json()
    assert len(answer["embeddings"]) == (1 if isinstance(given, str) else 2)
    assert sum(part * part for part in answer["embeddings"][0]) == pytest.approx(1)
    assert answer["prompt_eval_count"] == (4 if isinstance(given, str) else 6)
    old = call(url, "/api/embeddings", {"model": "fast", "prompt": "hello there"}).json()
    layer = call(url, "/v1/embeddings", {"model": "fast", "input": "hello there"}).json()
    assert old["embedding"] == layer["data"][0]["embedding"] == answer["embeddings"][0]
    assert layer["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    assert call(url, "/api/embed", {"model": "none", "input": "x"}).status == 404


# ---- the end of the context

SMALL = SimModel(name="small", loaded=True, context=32, ttft_ms=1.0, token_ms=0.1)


@pytest.mark.parametrize(
    ("dialect", "page", "reason"),
    [
        ("llamacpp", "/v1/chat/completions", "length"),
        ("openai", "/v1/chat/completions", "length"),
        ("lmstudio", "/v1/chat/completions", "stop"),
        ("lmstudio", "/api/v0/chat/completions", "stop"),
    ],
)
def test_an_answer_ends_where_the_context_does(dialect: SimDialect, page: str, reason: str) -> None:
    with running(SimConfig(models=(SMALL,), dialects=(dialect,))) as sim:
        answer = call(sim.url(), page, chat_body("small", max_tokens=99, stream=False)).json()
    assert (answer["usage"]["total_tokens"], answer["choices"][0]["finish_reason"]) == (32, reason)
    assert answer.get("stats", {}).get("stop_reason", "contextLengthReached") == "contextLengthReached"


def test_ollama_shifts_its_context_unless_told_not_to() -> None:
    with running(SimConfig(models=(SMALL,), dialects=("ollama",))) as sim:
        body = {"model": "small", "messages": chat_body()["messages"], "options": {"num_predict": 99}}
        shifted = call(sim.url(), "/api/chat", {**body, "stream": False}).json()
        ended = call(sim.url(), "/api/chat", {**body, "stream": False, "shift": False}).json()
    assert shifted["eval_count"] == 99
    assert (ended["prompt_eval_count"] + ended["eval_count"], ended["done_reason"]) == (32, "length")


def test_a_full_context_of_lmstudio_is_noticed() -> None:
    async def main(url: str) -> Exchange:
        server = await connect(url)
        try:
            messages = (Message(role="user", content="hello there"),)
            return await server.send(Ask(model="small", messages=messages, max_tokens=99))
        finally:
            await server.close()

    with running(SimConfig(models=(SMALL,), dialects=("lmstudio",))) as sim:
        exchange = asyncio.run(main(sim.url()))
    assert (exchange.ending, exchange.finish_reason) == ("ok", "length")
    assert "context_length_reached" in exchange.notes


# ---- the others


def test_llama_server_native_completion(sim: Running) -> None:
    url, body = sim.url("llamacpp"), {"prompt": "hello there", "n_predict": 3}
    whole = call(url, "/completion", body).json()
    assert tokenizer.count(whole["content"]) == whole["tokens_predicted"] == 3
    assert (whole["stop"], whole["stop_type"], whole["truncated"]) == (True, "limit", False)
    assert whole["tokens_evaluated"] == whole["timings"]["cache_n"] + whole["timings"]["prompt_n"] == 4
    events = call(url, "/completion", {**body, "stream": True}).events()
    assert [event["stop"] for event in events] == [False, False, False, True]
    assert tokenizer.count("".join(event["content"] for event in events)) == 3
    assert events[-1]["timings"]["predicted_n"] == 3
    assert "[DONE]" not in events


def test_sglang_native_generate(sim: Running) -> None:
    url = sim.url("sglang")
    body = {"text": "hello there", "sampling_params": {"max_new_tokens": 3, "ignore_eos": True}}
    whole = call(url, "/generate", body).json()
    assert tokenizer.count(whole["text"]) == whole["meta_info"]["completion_tokens"] == 3
    assert whole["meta_info"]["prompt_tokens"] == 4
    assert whole["meta_info"]["finish_reason"] == {"type": "length", "length": 3}
    *events, done = call(url, "/generate", {**body, "stream": True}).events()
    assert done == "[DONE]"
    assert [event["meta_info"]["completion_tokens"] for event in events] == [1, 2, 3, 3]
    assert [event["meta_info"]["finish_reason"] is None for event in events] == [True, True, True, False]
    texts = [event["text"] for event in events]
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))


def test_mlx_closes_on_a_parameter_of_a_wrong_type(sim: Running) -> None:
    parts, body = urlsplit(sim.url("mlx")), json.dumps(chat_body(max_tokens="many")).encode()
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as sock:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
        sock.sendall(head.encode() + body)
        assert sock.recv(1_000) == b""
