"""Every fault is really on the wire, and befalls the requests it was meant for."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.patience import eventually
from tests.simulator.conftest import FAST, Answer, call, chat_body, raw
from tiltyard.errors import UsageError
from tiltyard.servers.simulator import FAULTS, Running, SimConfig, running
from tiltyard.servers.simulator.faults import choose, parse_fault

QUIET = {"chat_template_kwargs": {"enable_thinking": False}}
TOOLS = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in "abc"]

RENAMED = {**chat_body(**QUIET), "max_completion_tokens": 4}
del RENAMED["max_tokens"]
OBJECT = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}


def ask(sim: Running, fault: str, dialect: str = "openai", **extra: object) -> Answer:
    body = chat_body(**{**QUIET, **extra})
    return call(sim.url(dialect), "/v1/chat/completions", body, {"X-Sim-Fault": fault})


def native(sim: Running, fault: str, **extra: object) -> Answer:
    body = {"model": "fast", "messages": [{"role": "user", "content": "hi"}], "options": {"num_predict": 4}}
    return call(sim.url("ollama"), "/api/chat", {**body, "think": False, **extra}, {"X-Sim-Fault": fault})


def wire(sim: Running, fault: str, dialect: str = "openai", **extra: object) -> bytes:
    return raw(sim.url(dialect), "/v1/chat/completions", chat_body(**{**QUIET, **extra}), fault)


def deltas(answer: Answer) -> list[dict[str, object]]:
    return [
        event["choices"][0]["delta"] for event in answer.events() if event != "[DONE]" and event["choices"]
    ]


def refused(name: str, status: int, dialect: str = "openai") -> Callable[[Running], bool]:
    return lambda sim: ask(sim, name, dialect).status == status


def tool_parts(sim: Running, fault: str) -> list[dict[str, object]]:
    model = {"tools": TOOLS, "max_tokens": 50}
    return [part["tool_calls"][0] for part in deltas(ask(sim, fault, **model)) if "tool_calls" in part]  # type: ignore[index]


def between(sim: Running, fault: str, dialect: str = "openai") -> list[float]:
    """ms from receipt to each write."""
    body = chat_body(**QUIET)
    call(sim.url(dialect), "/v1/chat/completions", body, {"X-Sim-Fault": fault, "X-Request-Id": fault})
    entry = sim.truth(fault)[-1]
    return [(write[0] - entry["received_ns"]) / 1e6 for write in entry["writes"]]


def put_away() -> bool:
    """Is the server asleep until it is asked?"""
    with running(SimConfig(models=(FAST,), dialects=("llamacpp",), faults=("asleep",))) as sim:
        sleeping = [call(sim.url(), "/props").json()["is_sleeping"]]
        call(sim.url(), "/v1/chat/completions", chat_body())
        return [*sleeping, call(sim.url(), "/props").json()["is_sleeping"]] == [True, False]


ON_THE_WIRE: dict[str, Callable[[Running], bool]] = {
    "unknown_200": lambda sim: "Unexpected endpoint" in ask(sim, "unknown_200").json()["error"],
    "not_a_model_server": lambda sim: ask(sim, "not_a_model_server").body.startswith(b"<!doctype html>"),
    "html_error": lambda sim: ask(sim, "html_error=504").status == 504,
    "model_404": refused("model_404", 404),
    "loading_503": lambda sim: (
        ask(sim, "loading_503", "llamacpp").json()["error"]["message"] == "Loading model"
    ),
    "busy_503": lambda sim: "maximum pending" in native(sim, "busy_503").json()["error"],
    "no_model_400": lambda sim: (
        "No models loaded" in ask(sim, "no_model_400", "lmstudio").json()["error"]["message"]
    ),
    "unauthorized_401": refused("unauthorized_401", 401),
    "error_500": refused("error_500", 500),
    "asleep": lambda sim: put_away(),
    "max_tokens_400": lambda sim: (
        "max_completion_tokens" in ask(sim, "max_tokens_400").json()["error"]["message"]
        and call(sim.url("openai"), "/v1/chat/completions", RENAMED, {"X-Sim-Fault": "max_tokens_400"})
        .said()
        .count(" ")
        == 3
    ),
    "stream_options_422": lambda sim: (
        ask(sim, "stream_options_422", stream_options={"include_usage": True}).status == 422
        and ask(sim, "stream_options_422").status == 200
    ),
    "drop": lambda sim: wire(sim, "drop") == b"",
    "jit_load": lambda sim: between(sim, "jit_load=60")[0] > 60,
    "stall_first": lambda sim: between(sim, "stall_first=60")[0] > 60,
    "early_headers": lambda sim: between(sim, "early_headers")[0] < between(sim, "ttft_ms=40")[0],
    "role_first": lambda sim: 10 <= between(sim, "role_first=10")[0] < 40,
    "empty_first": lambda sim: (
        [part.get("content") for part in deltas(ask(sim, "empty_first=3"))[:4]] == [""] * 4
    ),
    "bom": lambda sim: ask(sim, "bom").body.startswith(b"\xef\xbb\xbfdata"),
    "wrong_model": lambda sim: ask(sim, "wrong_model=other").events()[0]["model"] == "other",
    "pings": lambda sim: ask(sim, "pings=10").body.count(b": ping\n\n") >= 3,
    "crlf": lambda sim: ask(sim, "crlf").body.count(b"\r\n\r\n") == ask(sim, "crlf").body.count(b"data: "),
    "cr": lambda sim: b"\n" not in ask(sim, "cr").body and ask(sim, "cr").events()[-1] == "[DONE]",
    "no_space": lambda sim: ask(sim, "no_space").body.startswith(b"data:{"),
    "multi_data": lambda sim: b"\ndata:" in ask(sim, "multi_data").body.split(b"\n\n")[0],
    "odd_choices": lambda sim: any(
        e != "[DONE]" and e["choices"] == [{}] for e in ask(sim, "odd_choices").events()
    ),
    "shred": lambda sim: ask(sim, "shred=5").events()[-1] == "[DONE]",
    "split_utf8": lambda sim: ask(sim, "split_utf8").said() == " né日 🦊本 ü né日",
    "unicode_lines": lambda sim: "\u2028".encode() in ask(sim, "unicode_lines").body,
    "control_chars": lambda sim: "\x00" in ask(sim, "control_chars").said(),
    "bad_utf8": lambda sim: b"\xff\xc3(" in ask(sim, "bad_utf8").body,
    "long_line": lambda sim: max(map(len, ask(sim, "long_line=300000").body.split(b"\n"))) > 300_000,
    "tokens_per_chunk": lambda sim: len(deltas(ask(sim, "tokens_per_chunk=2"))) == 4,
    "ttft_ms": lambda sim: 15 <= between(sim, "ttft_ms=15")[0] < 40,
    "token_ms": lambda sim: between(sim, "token_ms=20,ttft_ms=20")[3] >= 80,
    "output_tokens": lambda sim: len(deltas(ask(sim, "output_tokens=7"))) == 9,
    "load_ms": lambda sim: between(sim, "load_ms=30")[0] > 65,
    "token_repeat": lambda sim: (
        native(sim, "token_repeat").body.count(b'" the"') == 31
        and b'"done":true' not in native(sim, "token_repeat").body
    ),
    "truncate_context": lambda sim: native(sim, "truncate_context=3").events()[-1]["prompt_eval_count"] == 3,
    "reasoning": lambda sim: (
        "<think>" in ask(sim, "reasoning=tags").said()
        and "thinking" in deltas(ask(sim, "reasoning=thinking"))[1]
        and not any(deltas(ask(sim, "reasoning=hidden"))[1].values())
    ),
    "think_anyway": lambda sim: "reasoning_content" in deltas(ask(sim, "think_anyway"))[1],
    "tool_index": lambda sim: "index" not in tool_parts(sim, "tool_index=missing")[0],
    "tool_arguments": lambda sim: tool_parts(sim, "tool_arguments=object")[0]["function"]["arguments"] == {},  # type: ignore[index]
    "tool_name": lambda sim: tool_parts(sim, "tool_name=empty")[1]["function"]["name"] == "",  # type: ignore[index]
    "schema": lambda sim: (
        ask(sim, "schema=refused", response_format=OBJECT).status == 400
        and not ask(sim, "schema=ignored", response_format=OBJECT).said().startswith("{")
        and ask(sim, "crlf", response_format=OBJECT, max_tokens=50).said().startswith("{")
    ),
    "usage": lambda sim: ask(sim, "usage=finish").events()[-2]["usage"]["completion_tokens"] == 4,
    "stats": lambda sim: "timings" not in ask(sim, "stats=none", "llamacpp").events()[-2],
    "zero_metrics": lambda sim: "eval_count" not in native(sim, "zero_metrics").events()[-1],
    "error_midstream": lambda sim: "error" in ask(sim, "error_midstream=2").events()[-1],
    "stall": lambda sim: between(sim, "stall=80")[2] >= 40 + 10 + 80,
    "disconnect": lambda sim: wire(sim, "disconnect=2").count(b'"content"') == 3,
    "reset": lambda sim: b'finish_reason":"' not in wire(sim, "reset=2"),
    "late_finish": lambda sim: between(sim, "late_finish=60")[-1] >= 40 + 15 + 60,
    "late_close": lambda sim: ask(sim, "late_close=30").events()[-1] == "[DONE]",
    "no_done": lambda sim: b"[DONE]" not in ask(sim, "no_done").body,
    "no_finish": lambda sim: b'"length"' not in ask(sim, "no_finish").body,
    "unterminated": lambda sim: ask(sim, "unterminated").body.endswith(b'"length"}]}'),
    "done_no_reason": lambda sim: "done_reason" not in native(sim, "done_no_reason").events()[-1],
    "empty_200": lambda sim: not any(e["choices"] for e in ask(sim, "empty_200").events() if e != "[DONE]"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_on_the_wire(sim: Running, name: str) -> None:
    def check(_: int) -> None:  # some are told by their times
        assert ON_THE_WIRE[name](sim), FAULTS[name]

    eventually(check)


@pytest.mark.parametrize(
    ("form", "end"),
    [
        ("llamacpp", b'"type":"server_error"}}\n\n'),
        ("vllm", b"[DONE]\n\n"),
        ("ollama", b'{"error":"simulated failure"}\n'),
    ],
)
def test_error_forms(sim: Running, form: str, end: bytes) -> None:
    assert ask(sim, f"error_midstream={form}").body.endswith(end)


def test_errors_in_each_dialects_own_form(sim: Running) -> None:
    assert native(sim, "error_midstream").events()[-1] == {"error": "simulated failure"}
    assert ask(sim, "error_midstream", "vllm").events()[-1] == "[DONE]"
    broken = raw(sim.url("mlx"), "/v1/chat/completions", chat_body(), "error_midstream")
    assert b"error" not in broken
    assert b"DONE" not in broken
    assert ask(sim, "error_midstream", "ollama").events()[-1]["model"] == ""
    body = {"model": "fast", "input": "hi", "stream": True}
    events = call(sim.url("lmstudio"), "/api/v1/chat", body, {"X-Sim-Fault": "error_midstream"}).events()
    assert [event["type"] for event in events[-2:]] == ["error", "chat.end"]


def test_disconnect_leaves_the_body_unfinished(sim: Running) -> None:
    assert not wire(sim, "disconnect=2").endswith(b"0\r\n\r\n")
    assert wire(sim, "reset=2").endswith(b"<reset>")


def test_split_utf8_really_cuts_a_character(sim: Running) -> None:
    body = chat_body(**QUIET, max_tokens=1)
    call(
        sim.url("openai"),
        "/v1/chat/completions",
        body,
        {"X-Sim-Fault": "split_utf8", "X-Request-Id": "split"},
    )
    entry = sim.truth("split")[0]
    first = next(write for write in entry["writes"] if write[2])
    assert (first[0] - entry["received_ns"]) / 1e6 > 42  # held back 2 ms: the event is complete only then


def test_an_empty_stream_in_the_native_dialect(sim: Running) -> None:
    assert native(sim, "empty_200").body == b""


def test_when() -> None:
    def befallen(text: str) -> list[int]:
        return [number for number in range(1, 101) if choose([parse_fault(text)], None, number, seed=1)]

    assert befallen("stall=5@3") == [3]
    assert befallen("stall@/40") == [40, 80]
    assert 5 < len(befallen("stall@p0.2")) < 40
    assert befallen("stall@p0.2") == befallen("stall@p0.2")
    assert choose([], "stall=7,crlf", 1, 0) == {"stall": "7", "crlf": None}


@pytest.mark.parametrize("text", ["nonsense", "stall@x", "stall@/x", "stall@pq"])
def test_wrong_faults_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_fault(text)


def test_configured_faults_befall_each_kth_request() -> None:
    config = SimConfig(models=(FAST,), dialects=("openai",), faults=("error_500@/2",), delay=False)
    with running(config) as sim:
        body = json.loads(json.dumps(chat_body()))
        found = [call(sim.url(), "/v1/chat/completions", body).status for _ in range(4)]
        assert found == [200, 500, 200, 500]


def test_a_server_that_serves_no_models() -> None:
    with running(SimConfig(models=(FAST,), faults=("not_a_model_server",))) as sim:
        assert call(sim.url("ollama"), "/api/version").headers["content-type"] == "text/html"
        assert call(sim.url("openai"), "/v1/models").body.startswith(b"<!doctype")
    with running(SimConfig(models=(FAST,), dialects=("llamacpp",), faults=("loading_503",))) as sim:
        assert call(sim.url(), "/health").status == 503
