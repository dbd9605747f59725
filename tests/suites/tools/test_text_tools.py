"""A conversation with tools, told in words."""

from __future__ import annotations

import json

from tiltyard.records import Message
from tiltyard.suites.tools.cases import cases, messages_of, tools_of
from tiltyard.suites.tools.text_tools import in_words


def told(name: str) -> list[Message]:
    case = next(case for case in cases() if case.id == name)
    return in_words(messages_of(case), tools_of(case))


def test_tools_are_described_before_anything_else() -> None:
    messages = told("weather-new-york")
    assert [message.role for message in messages] == ["system", "user"]
    lines = [json.loads(line) for line in messages[0].content.splitlines() if line.startswith('{"name"')]
    assert [line["name"] for line in lines] == ["get_weather", "calculate_tip", "send_email"]
    assert lines[0]["parameters"]["required"] == ["location"]


def test_a_system_message_stays_in_front() -> None:
    messages = told("none-system-said")
    assert messages[0].content.startswith("You work at the help desk of a library.")
    assert [message.role for message in messages] == ["system", "user"]


def test_calls_and_results_become_words() -> None:
    messages = told("result-two")
    assert [message.role for message in messages] == ["system", "user", "assistant", "user", "user"]
    assert [call["arguments"]["symbol"] for call in json.loads(messages[2].content)] == ["ABC", "XYZ"]
    assert messages[3].content.startswith("Result of get_stock_price: ")
    assert all(not message.tool_calls and message.tool_call_id is None for message in messages)


def test_results_are_tied_to_their_calls() -> None:
    case = next(case for case in cases() if case.id == "result-two")
    messages = messages_of(case)
    made = [call.id for message in messages for call in message.tool_calls]
    assert len(set(made)) == 2
    assert [message.tool_call_id for message in messages if message.role == "tool"] == made
