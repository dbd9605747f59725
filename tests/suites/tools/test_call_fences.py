"""Several calls in one answer: which it means, as a careful reader of the words between them would."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.suites.tools.test_grading import item, judged
from tiltyard.suites.tools.cases import tools_of
from tiltyard.suites.tools.text_calls import find_calls

PARALLEL = "parallel-weather-two"  # Paris and Rome
SCHEMAS = {
    tool["function"]["name"]: tool["function"]["parameters"] for tool in tools_of(item(PARALLEL).spec["case"])
}
DEFINITION = next(
    json.dumps(tool["function"], indent=2)
    for tool in tools_of(item(PARALLEL).spec["case"])
    if tool["function"]["name"] == "get_weather"
)


def weather(*places: str, listed: bool = False, language: str = "json") -> str:
    """A fence with one call for each place."""
    calls = [{"name": "get_weather", "arguments": {"location": place}} for place in places]
    body = json.dumps(calls if listed or len(calls) > 1 else calls[0])
    return f"```{language}\n{body}\n```"


def time(zone: str) -> str:
    return f'```json\n{{"name": "get_time", "arguments": {{"timezone": "{zone}"}}}}\n```'


P, R = weather("Paris"), weather("Rome")
BOTH = weather("Paris", "Rome")
RESULT = '{"role": "tool", "name": "get_weather", "content": "12 degrees"}'
CODE = "get_weather(location='Paris')"
REPLIES = [
    (P, "Paris"),
    (BOTH, "Paris Rome"),
    (f"{P}\n{R}", "Paris Rome"),
    (f"{P}{R}", "Paris Rome"),
    (f"{P}\n\n{P}", "Paris"),
    (weather("Paris", "Paris"), "Paris Paris"),  # one list that says it twice
    (f"First, the weather in Paris:\n{P}\nThen the weather in Rome:\n{R}", "Paris Rome"),
    (f"For Paris:\n\n{P}\n\nFor Rome:\n\n{R}\n\nI will compare them.", "Paris Rome"),
    (f"1. Paris\n{P}\n2. Rome\n{R}", "Paris Rome"),
    (f"**Paris**\n{P}\n\n**Rome**\n{R}", "Paris Rome"),
    (f"I'll check Paris.\n{P}\nAnd finally Rome, as you asked:\n{R}", "Paris Rome"),
    (f"{P}\nWait, I also need Rome:\n{R}", "Paris Rome"),
    (f"{P}\nPlease wait while I look up the next one.\n{R}", "Paris Rome"),
    (f"{P}\nThis gets the weather in Paris. Let me know if you need more.\n\nNow Rome:\n{R}", "Paris Rome"),
    (f"Here are the calls in the required JSON format:\n{P}\n{R}", "Paris Rome"),
    (f"Here is an example of how I would do it:\n{P}\n{R}", "Paris Rome"),  # both are
    (f"{P}\n{R}\nFinal answer:\n{BOTH}", "Paris Rome"),
    (f"{P}\n{R}\n\nOr together:\n{BOTH}", "Paris Rome"),
    (f"{P}\nFinal answer:\n{P}", "Paris"),
    (f"```python\n{CODE}\n```\nAs JSON:\n{P}", "Paris"),
    (f"{P}\nFinal answer:\n{BOTH}", "Paris Rome"),
    (f"{weather('Parris')}\nWait, let me correct that.\n{P}", "Paris"),
    (f"{weather('Parris')}\nOops, a typo. It should be:\n{P}", "Paris"),
    (f"{weather('London')}\nActually, you asked for Paris and Rome.\n\n{BOTH}", "Paris Rome"),
    (f"{weather('London')}\nSorry, that is the wrong city. Here it is again:\n{R}", "Rome"),
    (f"{weather('Parris')}\n{R}\nI made a mistake in the first one. Corrected:\n{BOTH}", "Paris Rome"),
    (f"First attempt:\n{weather('Parris')}\n\nBetter:\n{P}", "Paris"),
    (f"A call looks, for example, like this:\n{weather('Oslo')}\nFor your request:\n{BOTH}", "Paris Rome"),
    (f'The format is:\n```json\n{{"name": "tool", "arguments": {{}}}}\n```\nSo:\n{BOTH}', "Paris Rome"),
    (f"{BOTH}\nFor example, for London it would be:\n{weather('London')}", "Paris Rome"),
    (f"{BOTH}\nIf you want London as well, I would call:\n{weather('London')}", "Paris Rome"),
    (f"I will use this function:\n```json\n{DEFINITION}\n```\n{BOTH}", "Paris Rome"),
    (f"{BOTH}\nThe function is defined as:\n```json\n[{DEFINITION}]\n```", "Paris Rome"),
    (f'{P}\nThe result will be:\n```json\n{{"temperature": 12}}\n```\nNext:\n{R}', "Paris Rome"),
    (f'{BOTH}\nIt returns:\n```json\n{{"get_weather": {{"temperature": 12}}}}\n```', "Paris Rome"),
    (
        f'{P}\n```json\n{{"role": "tool", "name": "get_weather", "content": "12 degrees"}}\n```\n{R}',
        "Paris Rome",
    ),
    (f'{BOTH}\n```json\n{{"name": "get_weather", "result": {{"temperature": 12}}}}\n```', "Paris Rome"),
    (f"Attempt 1:\n{weather('Parris')}\nAttempt 2:\n{P}", "Paris"),
    (f"{P}\nWait, none is needed.\n```json\n[]\n```", ""),
    (f"{P}\nThe result so far:\n```json\n[]\n```", "Paris"),
    (f"I do not know London.\n```json\n[]\n```\nParis I do:\n{P}", "Paris"),
    (f"{P}\nThe call should be repeated for Rome:\n{R}", "Paris Rome"),
    (f"{weather('Parris')}\nThe correct call:\n{P}", "Paris"),
    (f"{weather('Parris')}\nThat's misspelt. Let me rethink this.\n{P}", "Paris"),
    (f"{P}\nThe correct call for Rome:\n{R}", "Paris Rome"),
    (f"{P}\nTo get the final result, one thing is left:\n{R}", "Paris Rome"),
    (f"{P}\nThat gives:\n```json\n{RESULT}\n```\nand\n{R}", "Paris Rome"),
    (f"{weather('Parris')}\nWait, the first call should use Paris:\n{P}", "Paris"),
    (f"{P}\nWait, I should also look up Rome:\n{R}", "Paris Rome"),
    (f"Attempt 1:\n{weather('Parris')}\nAttempt 2:\n{P}", "Paris"),
    (f"{P}\n{weather('Roma')}\nWait, let me correct the second:\n{R}", "Paris Rome"),
    (f"{time('Europe/Paris')}\n{weather('Roma')}\nWait, let me correct that:\n{R}", "time Rome"),
    (f"{time('Europe/Paris')}\nWait, let me correct that:\n{R}", "Rome"),
    (f"{time('Europe/Paris')}\n{R}\nOn second thought, only this.\nFinal answer:\n{R}", "Rome"),
    (
        f'{P}\nThen:\n```json\n{{"name": "get_weather", "result": {{"temperature": 12}}}}\n```\n{R}',
        "Paris Rome",
    ),
    (f"{P}\nFor Rome I use Celsius instead of Fahrenheit:\n{R}", "Paris Rome"),
    (f"{P}\nThis call will return the weather in Paris.\n{R}\nAnd this the one in Rome.", "Paris Rome"),
    (f"{P}\nThe result will be used for the comparison.\n\n{R}", "Paris Rome"),
    (f"For the example of Paris:\n{P}\nFor Rome:\n{R}", "Paris Rome"),
    (f"{P}\nThere is no limit, so the second should follow.\n{R}", "Paris Rome"),
    (P.replace("json\n", "json\n// the first\n") + f"\n{R}", "Paris Rome"),
    (f"{P}\n```text\nRunning...\n```\n{R}", "Paris Rome"),
    (f"{P}\nHere is the second call:\n{R}", "Paris Rome"),
    (f"{P}\nI'll actually need another one:\n{R}", "Paris Rome"),
]


@pytest.mark.parametrize(("text", "places"), REPLIES)
def test_the_calls_that_an_answer_means(text: str, places: str) -> None:
    found = find_calls(text, SCHEMAS)
    assert [json.loads(call.arguments).get("location", "time") for call in found.calls] == places.split()
    assert not found.garbled


def test_parallel_calls_in_fences_of_their_own_are_right() -> None:
    grade = judged(PARALLEL, text=f"{P}\n{R}", words=True)
    assert (grade.outcome, grade.details["calls"]) == ("correct", 2)
    assert judged(PARALLEL, text=f"{P}\n{P}\n{R}", words=True).outcome == "correct"
    assert judged(PARALLEL, text=f"{P}\n{R}\n{weather('London')}", words=True).outcome == "partial"


def test_arguments_in_another_order_are_the_same_call() -> None:
    one = '```json\n{"name": "get_weather", "arguments": {"location": "Paris", "unit": "celsius"}}\n```'
    other = "```python\nget_weather(unit='celsius', location='Paris')\n```"
    assert len(find_calls(f"{one}\n{other}", SCHEMAS).calls) == 1


def test_a_call_that_cannot_be_read_is_malformed_before_or_after_one_that_can() -> None:
    broken = '```json\n{"name": "get_weather", "arguments": {"location": Rome}}\n```'
    for text in (f"{P}\n{broken}", f"{broken}\n{P}"):
        assert sorted(call.name for call in find_calls(text, SCHEMAS).calls) == ["", "get_weather"]
    corrected = find_calls(f"{broken}\nWait, let me fix the quotes:\n{R}", SCHEMAS)
    assert [call.name for call in corrected.calls] == ["get_weather"]


def bare(place: str) -> str:
    return f'{{"name": "get_weather", "arguments": {{"location": "{place}"}}}}'


NOTATIONS: dict[str, Callable[[str], str]] = {
    "fence": weather,
    "tags": lambda place: f"<tool_call>\n{bare(place)}\n</tool_call>",
    "json": bare,
    "list": lambda place: f"[{bare(place)}]",
    "python": lambda place: f"get_weather(location='{place}')",
}
SAID = [
    ("Draft:\nLONDON\nFinal answer:\nPARIS", "Paris"),
    ("LONDON\nFinal answer:\nPARIS", "Paris"),
    ("LONDON\nSo the call is:\nPARIS", "Paris"),
    ("LONDON\nThat is not it. Therefore, the function call would be:\n\nPARIS", "Paris"),
    ("PARIS\nSo the call is:\nPARIS", "Paris"),
    ("PARIS\nFor Rome, then, here is the call:\nROME", "Paris Rome"),
    ("PARIS\nSo for Rome the call is:\nROME", "Paris Rome"),
    ("PARIS\nThe user also wants Rome.\nSo the call is:\nROME", "Paris Rome"),
    ("I could call LONDON, so:\nPARIS", "Paris"),
    ("I could start with Paris:\nPARIS\nand then Rome:\nROME", "Paris Rome"),
    ("LONDON\nWait, let me correct that:\nPARIS", "Paris"),
    ("PARIS\nThis is my final answer.\nROME", "Paris Rome"),
    ("PARIS\nThe final answer will follow from it.\nROME", "Paris Rome"),
    ("PARIS\nFor example, for London:\nLONDON", "Paris"),
    ("Step 1:\nPARIS\nStep 2:\nPARIS", "Paris Paris"),
    ("1. PARIS\n2. ROME", "Paris Rome"),
    ("Paris. Here is the call:\nPARIS\nRome. Here is the call:\nROME", "Paris Rome"),
    ("PARIS\nNone is needed after all. Final answer:\n[]", ""),
]


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize(("said", "places"), SAID)
def test_words_mean_the_same_in_every_notation(said: str, places: str, notation: str) -> None:
    for place in ("London", "Paris", "Rome"):
        said = said.replace(place.upper(), NOTATIONS[notation](place))
    found = find_calls(said, SCHEMAS)
    assert [json.loads(call.arguments)["location"] for call in found.calls] == places.split()


@pytest.mark.parametrize("notation", [name for name in NOTATIONS if name != "fence"])
def test_the_same_call_twice_without_words_between_is_made_twice(notation: str) -> None:
    twice = "\n".join([NOTATIONS[notation]("Paris")] * 2)
    assert len(find_calls(twice, SCHEMAS).calls) == 2


@pytest.mark.parametrize("first", NOTATIONS)
@pytest.mark.parametrize("second", NOTATIONS)
def test_notations_may_be_mixed(first: str, second: str) -> None:
    text = f"{NOTATIONS[first]('Paris')}\n\n{NOTATIONS[second]('Rome')}"
    assert len(find_calls(text, SCHEMAS).calls) == 2
    text = f"Draft: {NOTATIONS[first]('Rome')}\n\nFinal answer:\n{NOTATIONS[second]('Paris')}"
    assert [json.loads(call.arguments)["location"] for call in find_calls(text, SCHEMAS).calls] == ["Paris"]


def test_an_alternative_takes_nothing_back() -> None:
    for words in ("or", "or maybe"):
        text = f"I could call {bare('Paris')} {words} {bare('Rome')}."
        assert len(find_calls(text, SCHEMAS).calls) == 2
    for words in ("instead of", "rather than"):
        (call,) = find_calls(f"I could call {bare('Paris')} {words} {bare('Rome')}.", SCHEMAS).calls
        assert "Paris" in call.arguments


def test_a_tag_that_is_empty_or_open() -> None:
    for text in (f"<tool_call>{bare('Paris')}<tool_call>", f"<tool_call>{bare('Paris')}\nI am done."):
        (call,) = find_calls(text, SCHEMAS).calls
        assert call.name == "get_weather"
    text = f"<tool_call>{bare('London')}\nOops, wrong city.\n<tool_call>{bare('Paris')}"
    assert len(find_calls(text, SCHEMAS).calls) == 1
