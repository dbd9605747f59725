"""From an exchange to a grade: what an answer deserves, strictly and leniently, or that nobody answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from tests.store.conftest import make_attempt
from tiltyard.records import Events, Exchange, Grade, Item, Outcome, ToolCall
from tiltyard.store.rows import failed_outside
from tiltyard.suites.tools import Tools, item_of
from tiltyard.suites.tools.calls import read_call
from tiltyard.suites.tools.cases import ExpectedCall, cases, tools_of
from tiltyard.suites.tools.judging import judge_calls
from tiltyard.suites.verify import answered, verify

SUITE = Tools()
NUMBERS = {case.id: number for number, case in enumerate(cases())}


def item(name: str, text: bool = False) -> Item:
    return item_of(cases()[NUMBERS[name]], NUMBERS[name], 0, text)


def call(name: str, arguments: Any) -> ToolCall:
    return ToolCall(name=name, arguments=arguments if isinstance(arguments, str) else json.dumps(arguments))


def judged(name: str, *calls: tuple[str, Any], text: str = "", words: bool = False, **more: Any) -> Grade:
    exchange = answered(text, tuple(call(tool, arguments) for tool, arguments in calls))
    return SUITE.grade(item(name, words), replace(exchange, **more))


WEATHER = "weather-new-york"
TIP = "tip-on-85-50"


def test_the_shipped_cases_prove_themselves() -> None:
    found = verify(Tools())
    assert found is not None
    assert found.faults == ()
    assert found.items >= 65
    last = [json.dumps(case.messages[-1]) for case in cases()]
    assert len(set(last)) == len(last)


def test_shapes_of_the_shipped_cases() -> None:
    counts = {len(case.tools) for case in cases()}
    assert {5, 10, 20} <= counts
    for case in cases():
        schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools_of(case)}
        for expected in case.calls:
            known = set(schemas[expected.name]["properties"])
            due = {name for name, want in expected.arguments.items() if not want.get("optional")}
            assert set(schemas[expected.name]["required"]) <= due, case.id
            assert set(expected.example) >= due, case.id
            assert set(expected.arguments) - known <= {"unit", "label", "name"}, case.id


def test_needless_calls_are_counted_over_all_answers_that_say_something() -> None:
    answers: list[tuple[Any, bool | None]] = [
        ({"text": "Canberra."}, False),
        ({"text": ""}, None),
        ({"text": "The capital is", "finish_reason": "length"}, None),
        ({"text": "", "events": Events(t_ns=(1,), kinds="f", texts=("no",))}, False),
        ({"text": '<tool_call>{"name": "get_time", "arguments": {}}</tool_call>'}, True),
        ({"text": "get_time(timezone=Canberra)", "words": True}, True),
        ({"text": '[{"name": "get_time", "arguments": {}}]', "words": True}, True),
    ]
    for said, needless in answers:
        assert judged("none-capital", **said).details.get("needless_call") is needless, said
    assert judged("none-capital", ("get_time", {})).details["needless_call"]
    assert "needless_call" not in judged(WEATHER, text="get_time(timezone=x)", words=True).details


@pytest.mark.parametrize("place", ["New York City", "New York, NY", "NYC", "new york", "New York, USA"])
def test_new_york_is_new_york(place: str) -> None:
    grade = judged(WEATHER, ("get_weather", {"location": place}))
    assert (grade.outcome, grade.score, grade.rule) == ("correct", 1.0, "exact")


def test_numbers_as_text_are_strictly_partial_and_leniently_right() -> None:
    grade = judged(TIP, ("calculate_tip", {"bill_amount": 85.5, "tip_percentage": "20"}))
    assert (grade.outcome, grade.score) == ("partial", 0.5)
    assert grade.details["exact_call_lenient"]
    assert not grade.details["exact_call"]
    assert grade.details["lenient"] == 1.0
    assert grade.details["malformed_call"]
    assert grade.details["right_tool"]
    assert not grade.details["right_arguments"]


@pytest.mark.parametrize(("sent", "right"), [("30", True), ("31", False), ("thirty", False)])
def test_a_number_as_text_where_the_schema_allows_both(sent: str, right: bool) -> None:
    filters = [{"column": "age", "operator": ">", "value": sent}]
    arguments = {"table": "people", "columns": ["name", "age"], "filters": filters}
    grade = judged("nested-query", ("query_database", arguments))
    assert not grade.details["exact_call"]
    assert grade.details["exact_call_lenient"] == right


@pytest.mark.parametrize("kinds", [["integer", "string"], ["string", "integer"]])
@pytest.mark.parametrize(
    ("want", "sent", "score", "lenient"),
    [
        ({"text": ["02139"]}, "02139", 1.0, 1.0),
        ({"text": ["02139"]}, 2139, 0.0, 0.0),
        ({"number": [2139]}, 2139, 1.0, 1.0),
        ({"number": [2139]}, "2139", 0.0, 1.0),
    ],
)
def test_the_order_of_a_schemas_types_means_nothing(
    kinds: list[str], want: Any, sent: Any, score: float, lenient: float
) -> None:
    schemas = {"find": {"type": "object", "properties": {"zip": {"type": kinds}, "most": {"type": kinds}}}}
    wants = {"zip": want, "most": {"number": [7]}}
    read = read_call(call("find", {"zip": sent, "most": "7"}), schemas)
    grade = judge_calls([ExpectedCall(name="find", arguments=wants)], [read])
    assert grade.score == score / 2
    assert grade.details["lenient"] == (lenient + 1) / 2


@pytest.mark.parametrize(
    ("arguments", "score", "lenient"),
    [
        ({"bill_amount": 85.5, "tip_percentage": 20.0}, 1.0, 1.0),
        ({"bill_amount": 85.5, "tip_percentage": 0.2}, 0.5, 0.5),
        ({"bill_amount": 85.5, "tip_percentage": 20, "currency": "USD"}, 2 / 3, 2 / 3),
        ({"bill_amount": 85.5, "tip_percentage": 20, "currency": None}, 2 / 3, 1.0),
        ({"bill_amount": 85.5}, 0.5, 0.5),
        ({"bill": 85.5, "tip": 20}, 0.0, 0.0),
        ({"bill_amount": True, "tip_percentage": "twenty"}, 0.0, 0.0),
        ('"{\\"bill_amount\\": 85.5, \\"tip_percentage\\": 20}"', 0.0, 1.0),
        ('{"bill_amount": 85.5, "tip_percentage": 20', 0.0, 0.0),
        ("[85.5, 20]", 0.0, 0.0),
        ("null", 0.0, 0.0),
        ('{"bill_amount": 85.5, "tip_percentage": 17.1 + 2.9}', 0.0, 0.0),
        ("x" * 5_000_000, 0.0, 0.0),
        ('{"a":' * 900 + "1" + "}" * 900, 0.0, 0.0),
    ],
)
def test_shares_of_a_call(arguments: Any, score: float, lenient: float) -> None:
    grade = judged(TIP, ("calculate_tip", arguments))
    assert grade.score == pytest.approx(score)
    assert grade.details["lenient"] == pytest.approx(lenient)
    assert grade.outcome == ("correct" if score == 1 else "partial" if score else "wrong")


def test_a_whole_number_as_float_is_lenient_where_the_schema_says_integer() -> None:
    grade = judged("choice-10-unlock", ("unlock_account", {"user_id": 5521.0}))
    assert grade.outcome == "wrong"
    assert grade.details["exact_call_lenient"]


def test_an_enum_in_other_letters_breaks_the_schema() -> None:
    grade = judged(
        "weather-los-angeles-celsius", ("get_weather", {"location": "Los Angeles", "unit": "Celsius"})
    )
    assert (grade.outcome, grade.score) == ("partial", 0.5)
    assert not grade.details["exact_call_lenient"]


@pytest.mark.parametrize(
    ("calls", "reasons"),
    [
        ([], ["no call of calculate_tip"]),
        (
            [("get_weather", {"location": "x"})],
            ["no call of calculate_tip", "a needless call of get_weather"],
        ),
        ([("calculate_tip", "{")], ["calculate_tip: not_json"]),
        (
            [("calculate_tip", '{"bill_amount": 85.5, "tip_percentage": 15, "tip_percentage": 20}')],
            ["calculate_tip: duplicate_key"],
        ),
        (
            [("calculate_tip", {"bill_amount": "85.5", "currency": 1})],
            [
                "calculate_tip: schema",
                "calculate_tip: bill_amount is '85.5'",
                "calculate_tip: tip_percentage is missing",
                "calculate_tip: currency was not wanted",
            ],
        ),
    ],
)
def test_reasons_say_what_is_wrong(calls: list[tuple[str, Any]], reasons: list[str]) -> None:
    assert list(judged(TIP, *calls, text="Well." if not calls else "").reasons) == reasons


def test_another_tool_and_one_that_does_not_exist() -> None:
    wrong = judged(TIP, ("get_weather", {"location": "Rome"}))
    assert (wrong.outcome, wrong.rule) == ("wrong", "tools")
    assert not wrong.details["malformed_call"]
    made_up = judged(TIP, ("tip_calculator", {"bill_amount": 85.5, "tip_percentage": 20}))
    assert made_up.outcome == "wrong"
    assert made_up.details["malformed_call"]


PARIS, ROME = ("get_weather", {"location": "Paris"}), ("get_weather", {"location": "Rome"})


@pytest.mark.parametrize(
    ("calls", "score", "outcome"),
    [
        ((PARIS, ROME), 1.0, "correct"),
        ((ROME, PARIS), 1.0, "correct"),
        ((PARIS,), 0.5, "partial"),
        ((PARIS, PARIS), 0.5, "partial"),
        ((PARIS, ROME, ROME), 2 / 3, "partial"),
        ((PARIS, ("send_email", {})), 0.5, "partial"),
        ((("get_weather", {"location": "Paris and Rome"}),), 0.0, "wrong"),
        ((PARIS, ("get_weather", "{")), 0.5, "partial"),
    ],
)
def test_parallel_calls(calls: tuple[tuple[str, Any], ...], score: float, outcome: Outcome) -> None:
    grade = judged("parallel-weather-two", *calls)
    assert grade.score == pytest.approx(score)
    assert grade.outcome == outcome
    assert grade.details["calls"] == len(calls)
    assert grade.details["missing_call"] is (len(calls) < 2)


def test_a_thousand_calls_are_no_better_than_one() -> None:
    grade = judged("parallel-weather-two", *([PARIS, ROME] * 500))
    assert grade.outcome == "partial"
    assert grade.score == pytest.approx(2 / 1000)


MUGS = {"items": [{"sku": "PLATE-7", "quantity": 1}, {"sku": "MUG-01", "quantity": 3}]}
INES = {"name": "Ines Vogt"}


@pytest.mark.parametrize(
    ("arguments", "outcome", "lenient"),
    [
        ({**MUGS, "customer": INES}, "correct", True),
        ({**MUGS, "customer": {**INES, "email": ""}}, "partial", True),
        ({**MUGS, "customer": {**INES, "email": None}, "shipping": {}}, "partial", True),
        ({**MUGS, "customer": {**INES, "email": "ines@example.com"}}, "partial", False),
        ({**MUGS, "customer": {**INES, "phone": ""}}, "partial", False),  # no field of the schema
        ({**MUGS, "customer": {"name": ""}}, "partial", False),
    ],
)
def test_empty_optional_fields_are_forgiven_leniently(
    arguments: dict[str, Any], outcome: Outcome, lenient: bool
) -> None:
    grade = judged("nested-order", ("create_order", arguments))
    assert grade.outcome == outcome
    assert (grade.details["lenient"] == 1.0) is lenient


@pytest.mark.parametrize(
    ("name", "text", "outcome", "rule"),
    [
        ("none-capital", "Canberra.", "correct", "no_call_due"),
        ("none-train", "I'm sorry, but I can't help with train tickets.", "correct", "no_call_due"),
        ("none-capital", "", "unparsed", "empty"),
        ("none-capital", " \n", "unparsed", "empty"),
        ("missing-tip-percentage", "Which percentage would you like?", "correct", "asked_back"),
        ("missing-tip-percentage", "Please tell me the percentage.", "correct", "asked_back"),
        ("missing-tip-percentage", "The tip is $9.", "wrong", "asked_back"),
        ("missing-tip-percentage", "Anything else?", "wrong", "asked_back"),
        ("result-weather", "It feels 7 degrees colder, with light snow.", "correct", "facts"),
        ("result-weather", "It is snowing.", "partial", "facts"),
        ("result-weather", "It is 13 degrees.", "wrong", "facts"),
        (TIP, "The tip is $17.10.", "wrong", "no_call"),
        (TIP, "I'm sorry, but I can't help with that.", "refused", "refusal"),
        (
            TIP,
            '<tool_call>{"name": "calculate_tip", "arguments": {}}</tool_call>',
            "unparsed",
            "call_in_text",
        ),
        (TIP, "calculate_tip(bill_amount=85.5, tip_percentage=20)", "unparsed", "call_in_text"),
        (TIP, "The call is send_email(to=John", "unparsed", "call_in_text"),
        (
            "none-capital",
            "Canberra; get_weather(location='Canberra') has its weather.",
            "correct",
            "no_call_due",
        ),
        ("none-capital", "get_weather(location='Canberra')", "unparsed", "call_in_text"),
        ("none-capital", '{"name": "get_weather", "arguments": {}}', "unparsed", "call_in_text"),
    ],
)
def test_words(name: str, text: str, outcome: Outcome, rule: str) -> None:
    grade = judged(name, text=text)
    assert (grade.outcome, grade.rule) == (outcome, rule)


def test_a_call_where_none_is_due_is_needless() -> None:
    for name in ("none-capital", "missing-tip-percentage", "result-weather"):
        tool = tools_of(cases()[NUMBERS[name]])[0]["function"]["name"]
        grade = judged(name, (tool, {}), text="It is -3 °C with snow. Which percentage? Canberra.")
        assert (grade.outcome, grade.rule) == ("wrong", "needless_call")
        assert grade.details["needless_call"]
    assert not judged("none-capital", text="Canberra.").details["needless_call"]


@pytest.mark.parametrize(
    ("name", "flag"), [("missing-tip-percentage", "asked_back"), ("result-weather", "told_result")]
)
def test_who_calls_in_place_of_words_has_not_said_them(name: str, flag: str) -> None:
    called = judged(name, ("get_weather", {}), text="It is -3 °C with snow. Which percentage?")
    assert called.details[flag] is False
    tools = replace(answered("", ()).request, tools=tools_of(cases()[0]))
    broken = judged(name, request=tools, error=OLLAMA, ending="http_error", status=500)
    assert (broken.outcome, broken.details[flag]) == ("wrong", False)
    other = "told_result" if flag == "asked_back" else "asked_back"
    for grade in (called, broken, judged("none-capital", ("get_weather", {}))):
        assert other not in grade.details
    for grade in (judged(name), judged(name, text='get_weather(location="Rome")')):  # unparsed: nobody knows
        assert flag not in grade.details


@pytest.mark.parametrize("ending", ["connect_error", "timeout_gap", "error_midstream", "truncated", "empty"])
@pytest.mark.parametrize("name", ["none-capital", TIP])
def test_a_dead_server_scores_nothing(ending: Any, name: str) -> None:
    grade = judged(name, ending=ending, error="gone")
    assert grade.outcome == "error"
    assert grade.details == {}


def test_without_tools_is_unsupported_only_where_the_server_says_so() -> None:
    exchange = answered("", ())
    request = replace(exchange.request, tools=tools_of(cases()[0]))
    for said, outcome in (("m does not support tools", "unsupported"), ("out of memory", "error")):
        failed = replace(exchange, request=request, ending="http_error", status=400, error=said)
        assert SUITE.grade(item("none-capital"), failed).outcome == outcome


OLLAMA = """error parsing tool call: raw='{"bill_amount": 85.', err=unexpected end of JSON input"""
LLAMACPP = "Failed to parse input at pos 13: <tool_call>{"


@pytest.mark.parametrize(
    ("said", "how", "outcome"),
    [
        (OLLAMA, {"ending": "error_midstream", "status": 200}, "wrong"),
        (f"HTTP 500: {OLLAMA}", {"ending": "http_error", "status": 500}, "wrong"),
        (LLAMACPP, {"ending": "error_midstream", "status": 200}, "unparsed"),
        (f"HTTP 500: {LLAMACPP}", {"ending": "http_error", "status": 500}, "unparsed"),
        (
            "HTTP 500: Failed to parse tool call arguments as JSON",
            {"ending": "http_error", "status": 500},
            "wrong",
        ),
        ("out of memory", {"ending": "error_midstream", "status": 200}, "error"),
        (f"HTTP 400: {OLLAMA}", {"ending": "http_error", "status": 400}, "error"),
        (OLLAMA, {"ending": "timeout_gap", "status": 200}, "error"),
    ],
)
def test_a_call_that_the_server_could_not_read_is_the_models(
    said: str, how: dict[str, Any], outcome: Outcome
) -> None:
    exchange = answered("", ())
    request = replace(exchange.request, tools=tools_of(cases()[0]))
    grade = SUITE.grade(item(TIP), replace(exchange, request=request, error=said, **how))
    assert (grade.outcome, grade.score) == (outcome, 0.0)
    flags = [grade.details.get(name) for name in ("malformed_call", "exact_call", "needless_call")]
    assert flags == ([None] * 3 if outcome == "error" else [True, False, None])
    failed = replace(exchange, request=request, error=said, **how)
    made = replace(make_attempt("m"), exchanges=(failed,), grade=grade)
    assert failed_outside(made) is (outcome == "error" and how["status"] != 400)  # asked again on resume?
    needless = SUITE.grade(item("none-capital"), replace(exchange, request=request, error=said, **how))
    assert needless.details.get("needless_call") is (None if outcome == "error" else True)
    in_words = SUITE.grade(item(TIP, text=True), replace(exchange, error=said, **how))
    assert in_words.outcome == "error"


def cut(text: str = "", *calls: tuple[str, Any], **more: Any) -> Exchange:
    exchange = answered(text, tuple(call(tool, arguments) for tool, arguments in calls))
    return replace(exchange, finish_reason="length", **more)


@pytest.mark.parametrize(
    ("name", "exchange", "outcome"),
    [
        (TIP, cut(reasoning="The bill is"), "truncated"),
        (TIP, cut("Let me"), "truncated"),
        (TIP, cut("", ("calculate_tip", '{"bill_amount": 85.')), "truncated"),
        (TIP, cut("", ("calculate_tip", {"bill_amount": 85.5, "tip_percentage": 20})), "correct"),
        (TIP, cut("", ("calculate_tip", {"bill_amount": 85.5, "tip_percentage": 3})), "partial"),
        ("parallel-weather-two", cut("", PARIS), "truncated"),
        ("parallel-weather-two", cut("", PARIS, ROME), "correct"),
        ("none-capital", cut("The capital of"), "truncated"),
        ("none-capital", cut("", ("get_weather", {"location": "Sydney"})), "wrong"),
        ("result-weather", cut("Light snow, and it feels 7 degrees colder, so"), "correct"),
        ("result-weather", cut("It is snowing"), "truncated"),
    ],
)
def test_answers_that_were_cut(name: str, exchange: Exchange, outcome: Outcome) -> None:
    assert SUITE.grade(item(name), exchange).outcome == outcome


@pytest.mark.parametrize("name", [TIP, "none-capital", "missing-tip-percentage", "result-weather"])
@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>\n{"name": "get_weather", "arguments": {"loc',
        '<function=get_weather>{"location": "Ro',
        "<tool_call>\n<function=get_weather>\n<parameter=location>\nRo",
        '<invoke name="get_weather"><parameter name="loc',
        '```json\n[{"name": "get_weather", "arguments": {"loc',
        '[{"name": "get_weather", "arguments": {"location": "Ro',
        '{"name": "get_weather", "arguments": {"location": "Ro',
        '[get_weather(location="Ro',
        'get_weather(location="Ro',
        '[TOOL_CALLS]get_weather{"loc',
        "Action: get_weather\nAction Input: {",
    ],
)
def test_what_was_cut_inside_its_first_call_is_truncated(name: str, words: bool, text: str) -> None:
    grade = SUITE.grade(item(name, words), cut(text))
    assert (grade.outcome, grade.rule, grade.reasons) == ("truncated", "cut", ())
    assert SUITE.grade(item(name, words), answered(text, ())).outcome in ("unparsed", "wrong")


def test_a_whole_call_in_words_before_the_cut_is_one_that_was_not_made() -> None:
    grade = SUITE.grade(item("none-capital"), cut('get_weather(location="Rome")\nget_wea'))
    assert (grade.outcome, grade.rule) == ("unparsed", "call_in_text")


def test_the_servers_own_refusal_field() -> None:
    words = "I cannot do that."  # the client shows a refusal as the answer's text
    for name in ("none-capital", "missing-tip-percentage", "result-weather", TIP):
        told = replace(answered(words, ()), events=Events(t_ns=(1,), kinds="f", texts=(words,)))
        grade = SUITE.grade(item(name), told)
        assert (grade.outcome, grade.rule) == ("refused", "refusal_field")
    spoken = replace(
        answered("Canberra.", ()), events=Events(t_ns=(1, 2), kinds="cf", texts=("Canberra.", words))
    )
    assert SUITE.grade(item("none-capital"), spoken).outcome == "correct"
    refused = replace(answered("", ()), events=Events(t_ns=(1,), kinds="f", texts=("no",)))
    assert SUITE.grade(item(TIP), refused).outcome == "refused"


@pytest.mark.parametrize(
    ("name", "text", "outcome"),
    [
        (
            TIP,
            '[{"name": "calculate_tip", "arguments": {"bill_amount": 85.5, "tip_percentage": 20}}]',
            "correct",
        ),
        (TIP, "calculate_tip(85.5, 20)", "correct"),
        (TIP, "```python\ncalculate_tip(bill_amount=85.5, tip_percentage=20)\n```", "correct"),
        (TIP, "calculate_tip(bill_amount=171/2, tip_percentage=20)", "unparsed"),
        (TIP, "calculate_tip(bill_amount=__import__('os').getpid(), tip_percentage=20)", "unparsed"),
        (TIP, "The tip is 17.10.", "wrong"),
        ("parallel-weather-two", 'get_weather("Rome")\nget_weather("Paris")', "correct"),
        ("none-capital", "Canberra.", "correct"),
        ("none-capital", "[]", "correct"),
        ("none-capital", '[{"name": "get_weather", "arguments": {}}]', "wrong"),
        ("missing-tip-percentage", "[]", "wrong"),
    ],
)
def test_calls_in_words(name: str, text: str, outcome: Outcome) -> None:
    assert judged(name, text=text, words=True).outcome == outcome


@pytest.mark.parametrize(
    ("more", "strict"),
    [
        ({"repeat": []}, True),  # what the case itself takes as right is right, though empty
        ({"label": ""}, True),
        ({"repeat": [], "label": "Wake up"}, True),
        ({"repeat": None}, False),
        ({"repeat": ""}, False),
        ({"label": None}, False),
    ],
)
def test_an_empty_argument_that_is_wanted_is_right(more: dict[str, Any], strict: bool) -> None:
    grade = judged("choice-5-alarm", ("set_alarm", {"time": "06:30", **more}))
    assert (grade.outcome, grade.score) == (("correct", 1.0) if strict else ("partial", 0.5))
    assert grade.details["exact_call_lenient"] is True
