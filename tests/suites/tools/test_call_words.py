"""What the words around a call say of it: not made, made again, left out before, a draft, wrong."""

from __future__ import annotations

import json

import pytest

from tests.suites.tools.test_call_fences import NOTATIONS, SCHEMAS
from tests.suites.tools.test_grading import judged
from tiltyard.suites.tools.text_calls import find_calls

DENIED = [
    "I will not call PARIS.",
    "I won't call PARIS since it rains.",
    "I won’t use PARIS.",
    "I can answer without calling PARIS.",
    "No need for PARIS here.",
    "There is no need to call PARIS.",
    "It is not necessary to use the function PARIS.",
    "Instead of calling PARIS, I answer: it is sunny.",
    "I can't call PARIS.",
    "I cannot call PARIS, as I do not know the place.",
    "I'm not able to call PARIS.",
    "I am not going to use PARIS.",
    "I should never call PARIS.",
    "I'd avoid calling PARIS here.",
    "I will not call PARIS or ROME.",
    "PARIS is not needed here.",
    "PARIS isn't necessary.",
    "Calling PARIS would not help.",
    "PARIS would be unnecessary.",
    "I will not call the function:\nPARIS",
    "I will not use:\n- PARIS\n- ROME",
    "Wrong:\nPARIS",
    "Not like this: PARIS",
]
SAID = [
    ("I won't guess; I'll call PARIS.", "Paris"),
    ("I don't know the weather, so I will call PARIS", "Paris"),
    ("I can't know that without calling PARIS.", "Paris"),
    ("Don't hesitate: PARIS", "Paris"),
    ("I must not forget to call PARIS", "Paris"),
    ("I will not only call PARIS but also ROME", "Paris Rome"),
    ("Why not call PARIS?", "Paris"),
    ("I do not need to call anything but PARIS", "Paris"),
    ("PARIS is needed here.", "Paris"),
    ("The unit is not needed:\nPARIS", "Paris"),
    ("The unit is optional, so not required: PARIS", "Paris"),
    ("I can't use tools directly, but this is the call: PARIS", "Paris"),
    ("You did not name a unit. Not using any:\nPARIS", "Paris"),
    ("I will not call:\nLONDON\nInstead:\nPARIS", "Paris"),
    ("Calling PARIS would help.", "Paris"),
    ("Should I call LONDON? No.\nPARIS", "Paris"),
    ("Shall I call PARIS? Now I do.", "Paris"),
    ("PARIS\n\nROME\n\nSummary of the calls:\n- PARIS\n- ROME", "Paris Rome"),
    ("I won't call LONDON; I'll call PARIS instead.", "Paris"),
    ("Instead of LONDON I would call PARIS.", "Paris"),
    ("Rather than calling LONDON, I call PARIS.", "Paris"),
    ("Wrong: LONDON\nRight: PARIS", "Paris"),
    ("Incorrect:\nLONDON\n\nCorrect:\nPARIS", "Paris"),
    ("Correct:\nPARIS\nWrong:\nLONDON", "Paris"),
    ("Not like this:\nLONDON\nBut like this:\nPARIS", "Paris"),
    ("PARIS\nagain:\nPARIS", "Paris Paris"),
    ("PARIS\nand then call it again:\nPARIS", "Paris Paris"),
    ("PARIS\nNow once more:\nPARIS", "Paris Paris"),
    ("PARIS\nI repeat the call:\nPARIS", "Paris Paris"),
    ("PARIS\nRun it a second time:\nPARIS", "Paris Paris"),
    ("PARIS\nHere it is again:\nPARIS", "Paris"),
    ("PARIS\nThe call again:\nPARIS", "Paris"),
    ("PARIS\nAgain, the call is:\nPARIS", "Paris"),
    ("PARIS\nTo repeat, the call is:\nPARIS", "Paris"),
    ("PARIS\nOops, I forgot Rome:\nROME", "Paris Rome"),
    ("PARIS\nOops! I forgot Rome:\nROME", "Paris Rome"),
    ("PARIS\nOops, I forgot the other city. Here it is:\nROME", "Paris Rome"),
    ("PARIS\nWait, I forgot to check Rome:\nROME", "Paris Rome"),
    ("PARIS\nThe next one should be:\nROME", "Paris Rome"),
    ("PARIS\nThe second one should be:\nROME", "Paris Rome"),
    ("PARIS\nActually, there is one city left:\nROME", "Paris Rome"),
    ("PARIS\nHmm, Rome is still missing:\nROME", "Paris Rome"),
    ("LONDON\nOops, I forgot that you asked for Paris:\nPARIS", "Paris"),
    ("LONDON\nI forgot the name. Corrected:\nPARIS", "Paris"),
    ("LONDON\nOops, wrong city. It should be:\nPARIS", "Paris"),
    ("LONDON\nWait, that's wrong:\nPARIS", "Paris"),
    ("First attempt:\nLONDON\nThe second attempt:\nPARIS", "Paris"),
    ("First attempt:\nLONDON\nAnd finally:\nPARIS", "Paris"),
    ("Draft:\nLONDON\n\nThen the final one:\nPARIS", "Paris"),
    ("Draft:\nLONDON\nAnd now the answer:\nPARIS", "Paris"),
    ("For example:\nLONDON\nNow for your request:\nPARIS", "Paris"),
    ("For example:\nLONDON\n\nPARIS\nROME", "Paris Rome"),
    ("Draft:\nLONDON\n\nPARIS", "Paris"),
]


def places(said: str, notation: str) -> list[str]:
    for place in ("London", "Paris", "Rome"):
        said = said.replace(place.upper(), NOTATIONS[notation](place))
    found = find_calls(said, SCHEMAS)
    assert not found.garbled
    return [json.loads(call.arguments)["location"] for call in found.calls]


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("said", DENIED)
def test_a_call_that_is_said_not_to_be_made_is_none(said: str, notation: str) -> None:
    assert places(said, notation) == []


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize(("said", "meant"), SAID)
def test_what_the_words_around_say(said: str, meant: str, notation: str) -> None:
    assert places(said, notation) == meant.split()


def test_who_denies_the_call_that_is_due_has_not_made_it() -> None:
    text = "There is no need to call get_weather(location='New York City')."
    grade = judged("weather-new-york", text=text, words=True)
    assert (grade.outcome, grade.details["calls"]) == ("wrong", 0)


def test_words_that_deny_a_call_are_words() -> None:
    text = "You are welcome! I will not call get_weather(location='Paris') for that."
    for words in (True, False):
        assert judged("none-thanks", text=text, words=words).outcome == "correct"


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [
        ({"location": "Paris"}, {"location": "Paris", "unit": "celsius"}, 1),  # an argument
        ({"location": "Paris", "unit": "kelvin"}, {"location": "Rome", "unit": "kelvin"}, 2),
        ({"location": "Paris"}, {"location": "Rome", "unit": "celsius"}, 2),
    ],
)
def test_an_argument_that_was_forgotten_is_no_second_call(
    first: dict[str, str], second: dict[str, str], left: int
) -> None:
    one, other = (json.dumps({"name": "get_weather", "arguments": given}) for given in (first, second))
    assert len(find_calls(f"{one}\nOops, I forgot something:\n{other}", SCHEMAS).calls) == left


def test_a_broken_call_whose_end_was_forgotten_is_replaced() -> None:
    whole = NOTATIONS["fence"]("Paris")
    text = f"{whole.replace('}', '')}\nOops, I forgot the closing braces:\n{whole}"
    assert [call.name for call in find_calls(text, SCHEMAS).calls] == ["get_weather"]


@pytest.mark.parametrize("namespace", ["functions", "tools", "default_api"])
def test_a_namespace_before_a_name(namespace: str) -> None:
    name = f"{namespace}.get_weather"
    arguments = '{"location": "Paris"}'
    for text in (
        f"{name}(location='Paris')",
        f"[{name}(location='Paris')]",
        f"I will call {name}(location='Paris').",
        f"```tool_code\nprint({name}(location='Paris'))\n```",
        f'{{"name": "{name}", "arguments": {arguments}}}',
        f'{{"{name}": {arguments}}}',
        f"<function={name}>{arguments}</function>",
        f'<tool_call>{{"name": "{name}", "arguments": {arguments}}}</tool_call>',
    ):
        (call,) = find_calls(text, SCHEMAS).calls
        assert (call.name, json.loads(call.arguments)) == ("get_weather", json.loads(arguments)), text


def test_an_object_that_holds_all_arguments() -> None:
    schemas = {
        "tip": {"properties": {"bill": {"type": "number"}, "rate": {"type": "number"}}},
        "keep": {"properties": {"record": {"type": "object"}, "bill": {"type": "number"}}},
        "free": {"properties": {"bill": {}}},
    }
    for text, arguments in (
        ('functions.tip({"bill": 5, "rate": 2})', {"bill": 5, "rate": 2}),
        ("tip({'bill': 5})", {"bill": 5}),
        ('tip({"other": 5})', {"bill": {"other": 5}}),
        ("tip({})", {"bill": {}}),
        ('tip({"bill": 5}, 2)', {"bill": {"bill": 5}, "rate": 2}),
        ('keep({"bill": 5})', {"record": {"bill": 5}}),
        ('free({"bill": 5})', {"bill": {"bill": 5}}),
    ):
        (call,) = find_calls(text, schemas).calls
        assert json.loads(call.arguments) == arguments, text


def test_a_namespace_is_part_of_a_name_where_the_tool_is_called_so() -> None:
    schemas = {"functions.f": {}, "f": {}}
    for name in schemas:
        (call,) = find_calls(f'{{"name": "{name}", "arguments": {{}}}}', schemas).calls
        assert call.name == name
    (call,) = find_calls('{"name": "functions.other", "arguments": {}}', schemas).calls
    assert call.name == "functions.other"
