"""Each dialect's shapes on the wire, as the facts about the real servers give them."""

from __future__ import annotations

import http.client
import json
import socket
from urllib.parse import urlsplit

import pytest

from tests.patience import wait_for
from tests.simulator.conftest import FAST, Answer, call, chat_body, raw
from tiltyard.servers.simulator import Running, SimConfig, SimModel, running
from tiltyard.servers.simulator import tokens as tokenizer

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]


def chat(sim: Running, dialect: str, fault: str = "", **extra: object) -> Answer:
    path = "/v1/chat/completions"
    return call(sim.url(dialect), path, chat_body(**extra), {"X-Sim-Fault": fault} if fault else None)


def test_openai_chunks(sim: Running) -> None:
    answer = chat(
        sim, "openai", stream_options={"include_usage": True}, chat_template_kwargs={"enable_thinking": False}
    )
    events = answer.events()
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [len(event["choices"][0]["delta"]["content"]) > 0 for event in events[1:5]] == [True] * 4
    assert events[5]["choices"][0] == {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "length"}
    assert events[6]["choices"] == []
    assert events[6]["usage"]["completion_tokens"] == 4
    assert events[7] == "[DONE]"
    assert len({event["id"] for event in events[:-1]}) == 1


def test_llama_server_role_null_and_timings_on_the_last_chunk(sim: Running) -> None:
    events = chat(sim, "llamacpp", stream_options={"include_usage": True}).events()
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": None}
    assert "timings" not in events[-3]
    timings = events[-2]["timings"]
    assert timings["predicted_n"] == 4
    assert timings["predicted_per_second"] == pytest.approx(200, rel=0.01)
    assert events[1]["choices"][0]["delta"].keys() == {"reasoning_content"}
    assert events[0]["system_fingerprint"] == call(sim.url("llamacpp"), "/props").json()["build_info"]


def test_llama_server_progress_and_timings_per_token(sim: Running) -> None:
    events = chat(sim, "llamacpp", return_progress=True, timings_per_token=True).events()
    progress = [event["prompt_progress"] for event in events if "prompt_progress" in event]
    assert progress[-1]["processed"] == progress[-1]["total"]
    timings = [event["timings"] for event in events if event != "[DONE]" and "timings" in event]
    assert [each["predicted_n"] for each in timings] == [0, 1, 2, 3, 4, 4]


def test_llama_server_counts_agree(sim: Running) -> None:
    url, messages = sim.url("llamacpp"), chat_body()["messages"]
    prompt = call(url, "/apply-template", {"messages": messages}).json()["prompt"]
    counted = len(call(url, "/tokenize", {"content": prompt}).json()["tokens"])
    assert (
        call(url, "/v1/chat/completions/input_tokens", {"messages": messages}).json()["input_tokens"]
        == counted
    )
    timings = chat(sim, "llamacpp", cache_prompt=False).events()[-2]["timings"]
    assert (timings["cache_n"], timings["prompt_n"]) == (0, counted)


def test_llama_server_router() -> None:
    with running(
        SimConfig(models=(FAST, SimModel(name="other", load_ms=20)), router=True, dialects=("llamacpp",))
    ) as sim:
        url = sim.url()
        status = {row["id"]: row["status"]["value"] for row in call(url, "/models").json()["data"]}
        assert status == {"fast": "loaded", "other": "unloaded"}
        assert call(url, "/models/load", {"model": "other"}).json() == {"success": True}
        wait_for(lambda: call(url, "/models").json()["data"][1]["status"]["value"] == "loaded")
        assert call(url, "/models/unload", {"model": "other"}).json() == {"success": True}
        assert call(url, "/models").json()["data"][1]["status"]["value"] == "unloaded"
        assert call(url, "/metrics").status == 400


def test_ollama_chat(sim: Running) -> None:
    body = {"model": "fast", "messages": [{"role": "user", "content": "hi"}], "options": {"num_predict": 6}}
    answer = call(sim.url("ollama"), "/api/chat", body)
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = answer.events()
    assert [bool(line["message"].get("thinking")) for line in lines] == [True] * 4 + [False] * 3
    last = lines[-1]
    assert (last["done"], last["done_reason"], last["eval_count"]) == (True, "length", 6)
    assert last["eval_duration"] == 30_000_000
    assert last["load_duration"] > 0
    quiet = call(sim.url("ollama"), "/api/chat", {**body, "think": False, "stream": False}).json()
    assert "thinking" not in quiet["message"]
    assert tokenizer.count(quiet["message"]["content"]) == 6


def test_ollama_generate_and_tools(sim: Running) -> None:
    body = {"model": "fast", "prompt": "hi", "options": {"num_predict": 5}, "think": False}
    lines = call(sim.url("ollama"), "/api/generate", body).events()
    assert tokenizer.count("".join(line["response"] for line in lines)) == 5
    assert lines[-1]["context"]
    body = {"model": "fast", "messages": [{"role": "user", "content": "hi"}], "tools": TOOLS, "think": False}
    lines = call(sim.url("ollama"), "/api/chat", body).events()
    calls = [made for line in lines for made in line["message"].get("tool_calls", ())]
    assert calls[0]["function"]["name"] == "weather"
    assert isinstance(calls[0]["function"]["arguments"]["city"], str)
    assert lines[-1]["done_reason"] == "stop"


def test_ollama_loads_and_unloads_by_empty_messages(sim: Running) -> None:
    url = sim.url("ollama")

    def resident() -> list[str]:
        return [row["name"] for row in call(url, "/api/ps").json()["models"]]

    loaded = call(url, "/api/chat", {"model": "moe:30b", "messages": [], "stream": False}).json()
    assert loaded["done_reason"] == "load"
    assert "moe:30b" in resident()
    assert (
        call(url, "/api/chat", {"model": "moe:30b", "messages": [], "keep_alive": 0}).json()["done_reason"]
        == "unload"
    )
    assert "moe:30b" not in resident()


def test_ollama_context_and_errors(sim: Running) -> None:
    url = sim.url("ollama")
    long = {"model": "moe:30b", "messages": [{"role": "user", "content": "word " * 400}], "stream": False}
    cut = call(url, "/api/chat", {**long, "options": {"num_ctx": 256, "num_predict": 1}}).json()
    assert cut["prompt_eval_count"] == 255
    refused = call(url, "/api/chat", {**long, "truncate": False, "options": {"num_ctx": 256}})
    assert (refused.status, "context length" in refused.json()["error"]) == (400, True)
    wrong = call(url, "/api/chat", {**long, "options": {"num_ctx": "many"}})
    assert wrong.json()["error"] == 'option "num_ctx" must be of type integer'
    assert call(url, "/api/chat", {"model": "none", "messages": []}).json() == {
        "error": "model 'none' not found"
    }
    assert (
        call(url, "/api/chat", {**long, "think": True}).json()["error"].endswith("does not support thinking")
    )
    assert call(url, "/api/chat", None, method="DELETE").status == 405


def test_ollama_identity(sim: Running) -> None:
    shown = call(sim.url("ollama"), "/api/show", {"model": "moe:30b"}).json()
    assert shown["model_info"]["simllama.expert_count"] == 128
    experts, rest = (tensor["shape"][0] for tensor in shown["tensors"])
    assert experts * 8 / 128 + rest == pytest.approx(3_300_000_000, rel=1e-6)
    dense = call(sim.url("ollama"), "/api/show", {"model": "fast"}).json()
    assert not any("expert" in key for key in dense["model_info"])


def test_lmstudio_v1(sim: Running) -> None:
    url = sim.url("lmstudio")
    body = {"model": "fast", "input": "hi", "stream": True, "max_output_tokens": 6, "store": False}
    answer = call(url, "/api/v1/chat", body)
    names = [event["type"] for event in answer.events()]
    assert names[0] == "chat.start"
    assert (
        names.index("prompt_processing.start")
        < names.index("prompt_processing.end")
        < names.index("reasoning.start")
    )
    assert names.count("reasoning.delta") == 4
    assert names.count("message.delta") == 2
    assert names[-1] == "chat.end"
    assert b"event: message.delta\ndata: {" in answer.body
    assert b"[DONE]" not in answer.body
    stats = answer.events()[-1]["result"]["stats"]
    assert (stats["total_output_tokens"], stats["reasoning_output_tokens"]) == (6, 4)
    assert call(url, "/api/v1/chat", {**body, "seed": 1}).status == 400


def test_lmstudio_loads_and_unloads(sim: Running) -> None:
    url = sim.url("lmstudio")

    def instances() -> list[dict[str, object]]:
        rows = call(url, "/api/v1/models").json()["models"]
        found: list[dict[str, object]] = rows[1]["loaded_instances"]
        return found

    reply = call(url, "/api/v1/models/load", {"model": "moe:30b", "context_length": 2048}).json()
    assert (reply["status"], reply["load_time_seconds"]) == ("loaded", 0.06)
    assert instances()[0]["config"]["context_length"] == 2048  # type: ignore[index]
    assert call(url, "/api/v1/models/unload", {"instance_id": reply["instance_id"]}).status == 200
    assert not instances()
    assert call(url, "/foo").json() == {"error": "Unexpected endpoint or method. (GET /foo)"}


@pytest.mark.parametrize(("mode", "places"), [("none", 0), ("finish", 1), ("trailing", 1), ("both", 2)])
def test_lmstudio_v0_stats_modes(sim: Running, mode: str, places: int) -> None:
    answer = call(
        sim.url("lmstudio"), "/api/v0/chat/completions", chat_body(), {"X-Sim-Fault": f"stats={mode}"}
    )
    with_stats = [event for event in answer.events() if event != "[DONE]" and "stats" in event]
    assert len(with_stats) == places
    if mode in ("trailing", "both"):
        assert with_stats[-1]["choices"] == []
    if places:
        assert with_stats[0]["runtime"]["version"]


def test_mlx_is_http_1_0(sim: Running) -> None:
    wire = raw(sim.url("mlx"), "/v1/chat/completions", chat_body(stream_options={"include_usage": True}))
    head, _, body = wire.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200")
    assert b"Content-Length" not in head
    assert b"chunked" not in head
    assert body.startswith(b": keepalive ")
    assert b'"delta":{"role":"assistant","reasoning":' in body
    usage = next(line for line in body.split(b"\n") if b'"choices":[]' in line)
    assert json.loads(usage[6:])["object"] == "chat.completion"
    parts = urlsplit(sim.url("mlx"))
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as sock:
        sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert b" 411 " in sock.recv(1_000)


def test_vllm_and_sglang(sim: Running) -> None:
    assert call(sim.url("vllm"), "/version").json()["version"]
    assert call(sim.url("vllm"), "/v1/models").json()["data"][0]["owned_by"] == "vllm"
    assert call(sim.url("vllm"), "/tokenize", {"prompt": "hello there"}).json()["count"] == 4
    options = {"include_usage": True, "continuous_usage_stats": True}
    events = chat(sim, "vllm", stream_options=options, ignore_eos=True).events()
    assert [event["usage"]["completion_tokens"] for event in events[:5]] == [0, 1, 2, 3, 4]
    assert "reasoning" in events[1]["choices"][0]["delta"]
    assert call(sim.url("sglang"), "/get_model_info").json()["is_generation"] is True
    assert call(sim.url("sglang"), "/server_info").json()["version"]
    assert call(sim.url("sglang"), "/flush_cache").status == 200


def test_tool_calls_come_in_parts_with_openai_whole_with_mlx(sim: Running) -> None:
    parts = [
        event["choices"][0]["delta"]["tool_calls"][0]
        for event in chat(sim, "openai", tools=TOOLS, max_tokens=99).events()
        if event != "[DONE]" and "tool_calls" in event["choices"][0]["delta"]
    ]
    assert parts[0]["id"].startswith("call_")
    assert all("id" not in part for part in parts[1:])
    assert "city" in json.loads("".join(part["function"]["arguments"] for part in parts))
    whole = [
        event
        for event in chat(sim, "mlx", tools=TOOLS, max_tokens=99).events()
        if event != "[DONE]" and event["choices"] and "tool_calls" in event["choices"][0]["delta"]
    ]
    assert len(whole) == 1


@pytest.mark.slow
def test_without_streaming(sim: Running) -> None:
    for dialect in ("openai", "llamacpp", "vllm", "sglang", "mlx", "lmstudio", "ollama"):
        answer = chat(sim, dialect, stream=False).json()
        assert answer["object"] == "chat.completion"
        assert answer["usage"]["completion_tokens"] == 4
        assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["choices"][0]["message"]["reasoning"]


def test_api_key() -> None:
    with running(SimConfig(models=(FAST,), dialects=("openai", "llamacpp"), api_key="secret")) as sim:
        for dialect in ("openai", "llamacpp"):
            assert call(sim.url(dialect), "/v1/chat/completions", chat_body()).status == 401
            key = {"Authorization": "Bearer secret"}
            assert call(sim.url(dialect), "/v1/chat/completions", chat_body(), key).status == 200


def test_several_requests_on_one_connection_and_a_chunked_body(sim: Running) -> None:
    parts = urlsplit(sim.url("openai"))
    client = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    body = json.dumps(chat_body(stream=False)).encode()
    for number in range(3):
        client.request(
            "POST", "/v1/chat/completions", iter([body[:9], body[9:]]), {"X-Request-Id": f"keep-{number}"}
        )
        assert json.loads(client.getresponse().read())["usage"]
    client.close()
    assert len(sim.truth("keep-2")) == 1


def test_context_overflow(sim: Running) -> None:
    messages = [{"role": "user", "content": "abcd " * 9_000}]
    answer = chat(sim, "llamacpp", messages=messages)
    assert (answer.status, answer.json()["error"]["type"]) == (400, "exceed_context_size_error")
    assert answer.json()["error"]["n_ctx"] == 8192


def test_all_dialects_behind_one_port(sim: Running) -> None:
    url = sim.url("all")
    assert call(url, "/api/version").json()["version"]  # only Ollama knows it
    assert call(url, "/api/v0/models").json()["data"][0]["compatibility_type"] == "gguf"
    assert call(url, "/props").json()["total_slots"] == 8
    assert call(url, "/v1/models").json()["data"][0]["owned_by"] == "simulator"
    assert call(url, "/vllm/v1/models").json()["data"][0]["owned_by"] == "vllm"
    assert call(url, "/llamacpp/v1/chat/completions", chat_body()).events()[-2]["timings"]
    assert call(url, "/nowhere").status == 404
