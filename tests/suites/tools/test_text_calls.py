"""Calls in words: every way of writing them that models use, read and never run."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from tiltyard.suites.tools.calls import read_call
from tiltyard.suites.tools.text_calls import find_calls

SCHEMAS = {
    "get_weather": {"type": "object", "properties": {"location": {}, "unit": {}}},
    "tip": {"type": "object", "properties": {"bill": {}, "percent": {}}},
    "math.area": {"type": "object", "properties": {"base": {}, "height": {}}},
}
ONE = [("get_weather", {"location": "Rome"})]
TWO = [*ONE, ("tip", {"bill": 40, "percent": 15})]
ROME = '{"name": "get_weather", "arguments": {"location": "Rome"}}'
TIP = '{"name": "tip", "arguments": {"bill": 40, "percent": 15}}'


@pytest.mark.parametrize(
    ("text", "rule", "calls"),
    [
        (f"[{ROME}]", "json", ONE),
        (f"[{ROME}, {TIP}]", "json", TWO),
        (ROME, "json", ONE),
        (f"Gladly! {ROME} I hope this helps.", "json", ONE),
        (f"{ROME}\n{TIP}", "json", TWO),
        (f'{{"tool_calls": [{{"function": {ROME}}}]}}', "json", ONE),
        ('{"tool": "get_weather", "parameters": {"location": "Rome"}}', "json", ONE),
        ('{"get_weather": {"location": "Rome"}}', "json", ONE),
        (f"```json\n[{ROME}]\n```", "fence", ONE),
        (f"First this:\n```JSON\n{ROME}\n{TIP}\n```\nDone.", "fence", TWO),
        (f'```json\n{{"example": 1}}\n```\nso\n```\n[{ROME}]', "fence", ONE),
        ('```python\nget_weather("Rome")\n```', "fence", ONE),
        (f"<tool_call>\n{ROME}\n</tool_call>", "tags", ONE),
        (f"<tool_call>{ROME}</tool_call>\n<tool_call>{TIP}", "tags", TWO),
        (f"[TOOL_REQUEST]{ROME}[END_TOOL_REQUEST]", "tags", ONE),
        ('<tool_call>get_weather(location="Rome")</tool_call>', "tags", ONE),
        ('get_weather(location="Rome")', "python", ONE),
        ('[get_weather(location="Rome"), tip(40, percent=15)]', "python", TWO),
        ('get_weather("Rome"); tip(40, 15)', "python", TWO),
        ('I will call get_weather(location="Rome") and tip(bill=40, percent=15) now.', "python", TWO),
        ("math.area(10, height=-5.5)", "python", [("math.area", {"base": 10, "height": -5.5})]),
        ("tip(bill={'a': [1, true, None]})", "python", [("tip", {"bill": {"a": [1, True, None]}})]),
        ("[]", "empty_list", []),
        ("```json\n[]\n```", "empty_list", []),
        ("The weather in Rome is fine.", "none", []),
        ("", "none", []),
        ('{"name": "Ada", "age": 36}', "none", []),
    ],
)
def test_ways_of_writing_a_call(text: str, rule: str, calls: list[tuple[str, dict[str, object]]]) -> None:
    found = find_calls(text, SCHEMAS)
    assert [(call.name, json.loads(call.arguments)) for call in found.calls] == calls
    assert found.rule == rule
    assert not found.garbled


@pytest.mark.parametrize(
    "text",
    [
        '[{"name": "get_weather", "arguments": {"location": "Rome"',
        "get_weather(location=Rome)",
        "tip(bill=2*3, percent=1)",
        "tip(bill=f(1))",
        "tip(1, 2, 3)",
        "tip(**more)",
        "tip(bill=1, bill=2)",
        "tip(bill={'a': 1, 'a': 2})",
        "tip(bill=b'x')",
        "<tool_call>get_weather Rome</tool_call>",
        "```json\n[]\n```\n```tool_code\nget_weather(location=Rome)\n```",
    ],
)
def test_what_cannot_be_read_is_garbled_and_never_guessed(text: str) -> None:
    found = find_calls(text, SCHEMAS)
    assert found.calls == ()
    assert found.garbled


@pytest.mark.parametrize(
    "code",
    [
        "__import__('pathlib').Path({path!r}).write_text('x')",
        "open({path!r}, 'w').write('x')",
        "[c for c in [open({path!r}, 'w')]]",
        "(lambda: open({path!r}, 'w'))()",
        "f'{{open({path!r}, chr(119))}}'",
    ],
)
@pytest.mark.parametrize("shape", ["tip(bill={})", "tip({})", "<tool_call>tip(bill={})</tool_call>", "{}"])
def test_nothing_is_ever_executed(code: str, shape: str, tmp_path: Path) -> None:
    victim = tmp_path / "written"
    found = find_calls(shape.replace("{}", code.format(path=str(victim))), SCHEMAS)
    assert found.calls == ()
    assert not victim.exists()


@pytest.mark.parametrize(
    ("text", "prose"),
    [
        ("I could ask get_weather(location='Rome').", True),
        ("I could ask get_weather(location=Rome).", True),
        ("get_weather(location=Rome)", False),
        ("get_weather('Rome')", False),
        ('Here it is: {"name": "get_weather", "arguments": {}}', False),
        ('get_weather(x) or {"name": "get_weather", "argu', False),
    ],
)
def test_prose_is_told_from_calls(text: str, prose: bool) -> None:
    assert find_calls(text, SCHEMAS).prose is prose


def test_what_json_cannot_hold_is_malformed() -> None:
    (call,) = find_calls("tip(bill='\\ud800')", SCHEMAS).calls
    assert read_call(call, SCHEMAS).fault == "not_json"


TWICE = '{"location": "Rome", "location": "Paris"}'


@pytest.mark.parametrize(
    "text",
    [
        f'[{{"name": "get_weather", "arguments": {TWICE}}}]',
        f'So: {{"name": "get_weather", "arguments": {TWICE}}}',
        f'```json\n{{"name": "get_weather", "parameters": {TWICE}}}\n```',
        f'<tool_call>{{"name": "get_weather", "arguments": {TWICE}}}</tool_call>',
        f"<function=get_weather>{TWICE}</function>",
        f'{{"get_weather": {TWICE}}}',
        f'{{"name": "get_weather", "arguments": {{"unit": [{TWICE}]}}}}',
    ],
)
def test_a_key_that_is_there_twice_is_malformed(text: str) -> None:
    (call,) = find_calls(text, SCHEMAS).calls
    assert call.name == "get_weather"
    assert read_call(call, SCHEMAS).fault == "duplicate_key"


def test_a_call_with_two_names_is_garbled() -> None:
    found = find_calls('{"name": "get_weather", "name": "tip", "arguments": {}}', SCHEMAS)
    assert (found.calls, found.garbled) == ((), True)


def test_names_that_are_no_tools_are_words() -> None:
    found = find_calls("print('hello') and range(x=3), also cap(word=1)", SCHEMAS)
    assert found.calls == ()
    assert not found.garbled


def test_an_unknown_tool_in_json_is_a_call_all_the_same() -> None:
    found = find_calls('[{"name": "format_disk", "arguments": {}}]', SCHEMAS)
    assert [call.name for call in found.calls] == ["format_disk"]


def test_one_of_two_tags_broken_keeps_the_other() -> None:
    found = find_calls(f"<tool_call>{ROME}</tool_call><tool_call>{{broken</tool_call>", SCHEMAS)
    assert [call.name for call in found.calls] == ["get_weather", ""]


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "[" * 300_000,
        '{"a":' * 50_000,
        "tip(" * 40_000,
        "tip(" + "(" * 15_000,
        "tip(bill=" + "-" * 15_000 + "1)",
        "tip(bill='" + "\\'" * 50_000,
        "```json\n" * 30_000,
        "<tool_call>" * 30_000,
        '"name": "tip"' * 20_000,
        "tip(bill=" + "9" * 10_000 + ")",
        "tip(bill='\\d')",
        "\ud800 tip(bill='\ud800')",
        "foo(x=1)\n" * 20_000 + "tip(bill=1)",
        "tip(bill=1)\n" + "\t" * 190_000,
        f"{TIP}\nSo the call is:\n" * 3_000,
        f"{TIP}" + ", so " * 40_000 + f": {TIP}",
        f"<tool_call>{TIP}, " * 3_000,
        TIP + "{'name': 'tip', 'x': [" * 8_000,
        "\n" * 190_000 + "tip(bill=1)" + " " * 9_000 + "x",
        "[tip(bill=1)" + ",1" * 60_000 + "]",
        TIP + '{"name": "tip", ' * 12_000,
        "```\nfoo(x=1)\n```\n" * 9_000,
        "".join(
            f'```\n{{"name": "tip", "arguments": {{"bill": {n}}}}}\n```\nWait, no. ' for n in range(4_000)
        ),
        "".join(f'```\n{{"name": "tip", "arguments": {{"bill": {n}}}}}\n```\n' for n in range(4_000)),
        TIP.join(["```json\n", "\n```\n"]) * 3_000,
        f"```json\n{TIP}\n```\n" + "wait, no " * 20_000 + f"\n```json\n{ROME}\n```",
    ],
)
def test_hostile_texts_end_soon(text: str) -> None:
    start = time.thread_time()  # other processes may hold the core
    find_calls(text, SCHEMAS)
    assert time.thread_time() - start < 5


WORDS = "tip get_weather math.area ( ) [ ] { } , : = ' \" \\ ``` json - * ** true None if ... #"
MORE = 'lambda x:|f\'{x}\'|\x00|\ud800|é| |\n|1|1e999|[TOOL_CALLS]|await|:=|print|;|"name"|"arguments"'
PIECES = (*WORDS.split(), *MORE.split("|"), "<tool_call>", "</tool_call>", ROME, TIP)


@pytest.mark.parametrize("seed", range(8))
def test_no_text_is_too_strange(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(400):
        text = "".join(chance.choice(PIECES) for _ in range(chance.randrange(1, 40)))
        found = find_calls(text, SCHEMAS)
        assert not (found.calls and found.garbled)
        for call in found.calls:
            read_call(call, SCHEMAS)
