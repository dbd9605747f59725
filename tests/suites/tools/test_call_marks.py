"""Calls written as text that the server did not turn into calls: never right, never a plain "no call"."""

from __future__ import annotations

import json

import pytest

from tests.suites.tools.test_grading import judged
from tiltyard.suites.tools.call_marks import looks_like_call
from tiltyard.suites.tools.text_calls import find_calls

SCHEMAS = {"get_weather": {"type": "object", "properties": {"location": {}}}}
ROME = '{"location": "Rome"}'
WRITTEN = [
    f"<function=get_weather>{ROME}</function>",
    f"I will look.\n<function=get_weather>{ROME}</function>",
    "<tool_call>\n<function=get_weather>\n<parameter=location>\nRome\n</parameter>\n</function>\n</tool_call>",
    '<|python_tag|>{"name": "get_weather", "parameters": {"location": "Rome"}}',
    '<|python_tag|>get_weather.call(location="Rome")',
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>"
    f"{ROME}<|tool_call_end|><|tool_calls_section_end|>",
    f"<|tool_call_begin|>functions.get_weather:0 {ROME}",
    f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{ROME}\n```",
    '<invoke name="get_weather"><parameter name="location">Rome</parameter></invoke>',
    f"[TOOL_CALLS]get_weather{ROME}",
    f"[TOOL_CALLS]get_weather[ARGS]{ROME}",
    '[TOOL_CALLS][{"name": "get_weather", "arguments": {"location": "Rome"}}]',
    f"Thought: I should look.\nAction: get_weather\nAction Input: {ROME}",
    f"**Action:** get_weather\n**Action Input:** {ROME}",
    '```tool_code\nprint(get_weather(location="Rome"))\n```',
    '```tool_code\nprint(default_api.get_weather(location="Rome"))\n```',
    '```tool_call\nget_weather: Rome\n```',
    '[get_weather(location="Rome")]',
    '[get_weather(location="Rome"), get_weather(location="Paris")]',
    '[find_capital(country="Australia")]',
    'find_capital(country="Australia")',
    '[search_web("capital of France")]',
    '[get_weather("Rome"), search_web("capital of France")]',
    '[search_web(query)]',
    '[\n  search_web("capital of France"),\n  web.search("France", limit=3),\n]',
    'find_capital(country="Australia"), find_capital(country="France")',
    f"<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{ROME}",
    '{"name": "find_capital", "arguments": {"country": "Aus',
    "<tool_call>get_weather\n<arg_key>location</arg_key>\n<arg_value>Rome</arg_value>\n</tool_call>",
    '{"action": "get_weather", "action_input": {"location": "Rome"}}',
    '```json\n{"action": "get_weather", "action_input": "Rome"}\n```',
    '{"recipient_name": "functions.get_weather", "parameters": {"location": "Rome"}}',
    '{"api": "get_weather", "args": {"location": "Rome"}}',
    f"get_weather\n{ROME}",
    f">>>get_weather\n{ROME}",
    f"call:get_weather{ROME}",
    "<tool>get_weather</tool><args>{}</args>",
    "<start_function_call>call:get_weather{location:<escape>Rome<escape>}<end_function_call>",
]  # fmt: skip
NO_CALLS = [
    "Canberra.",
    'As JSON: {"capital": "Canberra", "country": "Australia"}',
    '```json\n{"name": "Canberra", "population": 467000}\n```',
    "```python\nprint(max([1, 2], key=abs))\n```",
    "print('Canberra')",
    "dict(capital='Canberra')",
    "[x for x in range(3)]",
    "[1, 2, 3]",
    "[]\n[]",
    "[print('Canberra'), max(1, 2)]",
    'find_capital("Australia")',
    "Take action: call the embassy (in Canberra).",
    "Action: none is needed. The capital is Canberra.",
    "I have get_weather and others at hand, but none of them tells capitals. It is Canberra.",
    "A call such as get_weather(location='Canberra') would not help; the capital is Canberra.",
    "Plants turn light into sugar [see photosynthesis(1)].",
    "if a < function = b > c",
    "Canberra [citation needed].",
    "f(x) = x^2 invokes nothing",
    '{"answer": "Canberra", "tool": null}',
    "get_weather and the others do not tell capitals.\n{Canberra}",
]


@pytest.mark.parametrize("text", WRITTEN)
@pytest.mark.parametrize("name", ["none-capital", "weather-new-york"])
def test_a_call_in_words_is_unparsed_where_the_server_has_tools(name: str, text: str) -> None:
    grade = judged(name, text=text)
    assert (grade.outcome, grade.rule) == ("unparsed", "call_in_text")
    assert grade.reasons == ("a call in words that the server did not turn into a call",)


@pytest.mark.parametrize("text", NO_CALLS)
@pytest.mark.parametrize("words", [False, True])
def test_a_normal_reply_is_no_call(text: str, words: bool) -> None:
    assert not looks_like_call(text, SCHEMAS)
    if not words:
        assert judged("none-capital", text=text).outcome == "correct"
        assert judged("weather-new-york", text=text.replace("get_weather", "tool")).rule == "no_call"


@pytest.mark.parametrize(
    "text",
    [
        f"<function=get_weather>{ROME}</function>",
        f"I will look.\n<function=get_weather>\n{ROME}\n</function> Done.",
        f"<function=get_weather>{ROME}",
        '<|python_tag|>{"name": "get_weather", "parameters": {"location": "Rome"}}',
        '<|python_tag|>get_weather(location="Rome")<|eom_id|>',
        '[TOOL_CALLS][{"name": "get_weather", "arguments": {"location": "Rome"}}]',
        '```tool_code\nprint(get_weather(location="Rome"))\n```',
        '```tool_code\nget_weather(location="Rome")\n```',
        '[get_weather(location="Rome")]',
    ],
)
def test_what_is_read_as_a_call_in_words(text: str) -> None:
    found = find_calls(text, SCHEMAS)
    assert [(call.name, json.loads(call.arguments)) for call in found.calls] == [
        ("get_weather", {"location": "Rome"})
    ]
    assert not found.prose


@pytest.mark.parametrize(
    "text",
    [
        "<function=get_weather><parameter=location>Rome</parameter></function>",
        '<invoke name="get_weather"><parameter name="location">Rome</parameter></invoke>',
        f"Action: get_weather\nAction Input: {ROME}",
        f"<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{ROME}<|tool_call_end|>",
        f"[TOOL_CALLS]get_weather[ARGS]{ROME}",
        '[find_capital(country="Australia")]',
        '[find_capital("Australia")]',
        '[get_weather("Rome" + here)]',
    ],
)
def test_what_is_not_read_is_garbled_in_words_too(text: str) -> None:
    found = find_calls(text, SCHEMAS)
    assert (found.calls, found.garbled, found.prose) == ((), True, False)


def test_one_function_tag_that_cannot_be_read_is_a_broken_call_beside_another() -> None:
    text = f"<function=get_weather>{ROME}</function><function=get_weather>Rome</function>"
    assert [call.name for call in find_calls(text, SCHEMAS).calls] == ["get_weather", ""]


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["<function=" * 30_000, "<function=a>" * 30_000, "action:\n" * 30_000, "[a(" * 9_000]
)
def test_hostile_texts(text: str) -> None:
    find_calls(text, SCHEMAS)
