"""A conversation with calls and results in it, as each family of dialects wants it."""

from __future__ import annotations

import json

from tiltyard.records import Message, Request, ToolCall
from tiltyard.servers.chat_body import chat_body
from tiltyard.servers.ollama import chat_payload

REQUEST = Request(
    model="m",
    messages=(
        Message(role="user", content="Rome and Oslo?"),
        Message(
            role="assistant",
            content="",
            tool_calls=(
                ToolCall(name="get_weather", arguments='{"location": "Rome"}', id="c1"),
                ToolCall(name="get_time", arguments='{"zone": "Oslo"}', id="c2"),
            ),
        ),
        Message(role="tool", content="sunny", tool_call_id="c1"),
        Message(role="tool", content="noon", tool_call_id="c2"),
    ),
    tools=({"type": "function", "function": {"name": "get_weather", "parameters": {}}},),
)


def test_openai_ties_results_by_id_and_sends_arguments_as_text() -> None:
    body = json.loads(chat_body(REQUEST))
    _, said, first, second = body["messages"]
    assert said["content"] is None
    assert [call["function"]["arguments"] for call in said["tool_calls"]] == [
        '{"location": "Rome"}',
        '{"zone": "Oslo"}',
    ]
    assert [call["id"] for call in said["tool_calls"]] == ["c1", "c2"]
    assert (first["role"], first["tool_call_id"], second["tool_call_id"]) == ("tool", "c1", "c2")
    assert body["tools"][0]["function"]["name"] == "get_weather"


def test_ollama_names_the_tool_and_sends_arguments_as_objects() -> None:
    payload = chat_payload(REQUEST, 4096)
    _, said, first, second = payload["messages"]
    assert said["content"] == ""
    assert [call["function"]["arguments"] for call in said["tool_calls"]] == [
        {"location": "Rome"},
        {"zone": "Oslo"},
    ]
    assert (first["tool_name"], second["tool_name"]) == ("get_weather", "get_time")
    assert (first["tool_call_id"], second["tool_call_id"]) == ("c1", "c2")


def test_a_result_without_its_call_has_no_name() -> None:
    request = Request(model="m", messages=(Message(role="tool", content="x", tool_call_id="gone"),))
    assert "tool_name" not in chat_payload(request, 4096)["messages"][0]
