"""BFCL's files and rules: read with file and line in every complaint, judged as its own checker judges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.suites.openings import openings
from tests.suites.tools.bfcl_files import asked, truth, write_bfcl, write_lines
from tiltyard.errors import UsageError
from tiltyard.records import Attempt, Grade, Item, Measures, Outcome, ToolCall
from tiltyard.stats.proportions import mean_of_groups, wilson
from tiltyard.suites.graded import read_asking
from tiltyard.suites.tally import Tally
from tiltyard.suites.tools import Tools, ToolsAsking, folder_of
from tiltyard.suites.tools.bfcl import CATEGORIES, open_folder
from tiltyard.suites.tools.bfcl_check import check
from tiltyard.suites.tools.bfcl_items import bfcl_items, known_bad
from tiltyard.suites.tools.bfcl_scores import bfcl_rates, bfcl_scores
from tiltyard.suites.tools.bfcl_tools import tools_for
from tiltyard.suites.verify import answered

# ------------------------------------------------------------------ reading


def test_categories_in_their_order(tmp_path: Path) -> None:
    folder = open_folder(write_bfcl(tmp_path, count=3))
    assert [category.name for category in folder.categories] == [
        "simple_python",
        "live_simple",
        "irrelevance",
    ]
    assert folder.skipped == ("multi_turn_base", "simple_java")
    assert len(folder) == 9
    category, place = folder.find(4)
    question, answer = category.read(place)
    assert question.id == "live_simple_1"
    assert answer is not None
    assert answer.ground_truth == [{"geo.area": {"base": [1], "unit": ["cm", ""]}}]
    assert folder.find(8)[0].read(2)[1] is None


def test_version_3_has_older_names(tmp_path: Path) -> None:
    folder = open_folder(write_bfcl(tmp_path, version=3, simple="simple"))
    assert folder.categories[0].name == "simple_python"


def test_below_the_given_folder_too(tmp_path: Path) -> None:
    write_bfcl(tmp_path / "bfcl_eval" / "data")
    assert len(open_folder(tmp_path)) == 18


def test_only_what_was_wanted_and_another_hash(tmp_path: Path) -> None:
    write_bfcl(tmp_path)
    some = open_folder(tmp_path, ("irrelevance",))
    assert [category.name for category in some.categories] == ["irrelevance"]
    assert some.hash != open_folder(tmp_path).hash
    before = open_folder(tmp_path).hash
    path = tmp_path / "possible_answer" / "BFCL_v4_simple_python.json"
    path.write_text(path.read_text().replace('"cm"', '"mm"'))
    assert open_folder(tmp_path).hash != before


def test_items_are_read_one_by_one_and_any_order(tmp_path: Path) -> None:
    folder = open_folder(write_bfcl(tmp_path, count=3))
    items = bfcl_items(folder, [8, 0], repeats=2, text=False)
    assert [(item.id, item.repetition, item.spec["group"]) for item in items] == [
        ("irrelevance_2", 0, "irrelevance"),
        ("irrelevance_2", 1, "irrelevance"),
        ("simple_python_0", 0, "simple_python"),
        ("simple_python_0", 1, "simple_python"),
    ]


BASE = {
    "id": "x",
    "question": [[{"role": "user", "content": "?"}]],
    "function": [{"name": "f", "parameters": {}}],
}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{broken", "malformed"),
        ("[]", "object"),
        (json.dumps({**BASE, "question": "What?"}), "question"),
        (json.dumps({**BASE, "question": [[{"role": "user"}]]}), "content"),
        (json.dumps({**BASE, "question": [[], []]}), "2 turns"),
        (json.dumps({**BASE, "function": []}), "no function"),
        (json.dumps({**BASE, "function": [{"name": "f"}]}), "parameters"),
        (
            json.dumps({**BASE, "function": [{"name": "f", "parameters": {"properties": []}}]}),
            "parameters of f",
        ),
        (json.dumps({**BASE, "function": [{"name": "f", "parameters": {"required": 1}}]}), "parameters of f"),
        (json.dumps({**BASE, "id": "simple_python_0"}), "twice"),
        ("[" * 100_000, "line 2"),
        ("\x00", "malformed"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    write_bfcl(tmp_path, count=1)
    path = tmp_path / "BFCL_v4_simple_python.json"
    path.write_text(path.read_text() + line + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"BFCL_v4_simple_python\.json, line 2") as caught:
        open_folder(tmp_path, ("simple_python",))
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (None, "missing"),
        ([], "no answer to simple_python_0"),
        ([{"id": "simple_python_0", "ground_truth": ["geo.area(base=1)"]}], "line 1"),
        ([{"id": "simple_python_0", "ground_truth": [{"a": {}, "b": {}}]}], "one function per call"),
        ([{"id": "simple_python_0", "ground_truth": []}], "one function per call"),
    ],
)
def test_broken_answers_are_named(tmp_path: Path, answers: list[Any] | None, said: str) -> None:
    write_bfcl(tmp_path, count=1)
    path = tmp_path / "possible_answer" / "BFCL_v4_simple_python.json"
    if answers is None:
        path.unlink()
    else:
        write_lines(path, answers)
    with pytest.raises(UsageError, match=said):
        open_folder(tmp_path, ("simple_python",))


def test_what_holds_is_asked_beside_what_does_not(tmp_path: Path) -> None:
    write_bfcl(tmp_path, count=2)
    whole = open_folder(tmp_path)
    path = tmp_path / "BFCL_v4_simple_python.json"
    path.write_text("{}\n", encoding="utf-8")
    (tmp_path / "BFCL_v2_multiple.json").write_text("{}", encoding="utf-8")
    folder = open_folder(tmp_path)
    names = [category.name for category in folder.categories]
    assert names == [category.name for category in whole.categories if category.name != "simple_python"]
    assert folder.hash != whole.hash
    old, cut = folder.broken
    assert "BFCL_v2_multiple.json: of a version that is not known" in old
    assert "BFCL_v4_simple_python.json, line 1" in cut
    assert not open_folder(tmp_path, ("irrelevance",)).broken  # nothing of it was left out
    with pytest.raises(UsageError, match="line 1"):
        open_folder(tmp_path, ("simple",))  # the third version's name
    with pytest.raises(UsageError, match="only single questions in Python"):
        open_folder(tmp_path, ("java",))


def test_what_is_asked_whole_is_read_once(tmp_path: Path) -> None:
    write_bfcl(tmp_path, count=2)
    everything = [category.name for category in open_folder(tmp_path).categories]
    for categories in ((), everything, ["simple", *everything[1:]]):
        asking = read_asking({"files": {"bfcl": str(tmp_path)}, "categories": categories}, ToolsAsking)
        with openings() as names:
            folder = folder_of(asking)
        assert folder == open_folder(tmp_path)
        assert names.count("BFCL_v4_irrelevance.json") == 1


def test_a_question_that_is_answered_twice_is_left_out(tmp_path: Path) -> None:
    write_bfcl(tmp_path, count=3)
    path = tmp_path / "possible_answer" / "BFCL_v4_simple_python.json"
    answers = [
        *(truth(f"simple_python_{n}", n) for n in (0, 1, 2, 1)),
        truth("another", 1),
        truth("another", 2),
    ]
    write_lines(path, [*answers, truth("simple_python_1", 7)])
    folder = open_folder(tmp_path)
    (said,) = folder.broken
    assert said == (
        f"{path}, line 4: simple_python_1 is answered twice, and which answer is meant cannot be told: "
        "the question is not asked"
    )
    category = folder.categories[0]
    read = [category.read(number) for number in range(len(category.places))]
    assert [(question.id, answer and answer.id) for question, answer in read] == [
        ("simple_python_0", "simple_python_0"),
        ("simple_python_2", "simple_python_2"),
    ]
    assert open_folder(tmp_path, ("simple_python",)).broken == folder.broken
    write_lines(path, [truth(f"simple_python_{n % 3}", n) for n in range(6)])
    with pytest.raises(UsageError, match="line 4: simple_python_0 is answered twice"):
        open_folder(tmp_path, ("simple_python",))


def test_files_with_a_byte_order_mark(tmp_path: Path) -> None:
    plain = open_folder(write_bfcl(tmp_path, count=2))
    for file in (*tmp_path.glob("*.json"), *tmp_path.glob("possible_answer/*.json")):
        file.write_text(file.read_text(encoding="utf-8"), encoding="utf-8-sig")
    marked = open_folder(tmp_path)
    assert (marked.hash, marked.broken) == (plain.hash, ())
    for number in range(len(plain)):
        category, place = marked.find(number)
        same, at = plain.find(number)
        assert (category.name, place) == (same.name, at)
        question, answer = category.read(place)
        assert answer is None or answer.id == question.id


def test_folders_that_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no files"):
        open_folder(tmp_path)
    with pytest.raises(UsageError, match="no folder"):
        open_folder(tmp_path / "nowhere")
    (tmp_path / "BFCL_v9_simple_python.json").write_text("{}")
    with pytest.raises(UsageError, match="version"):
        open_folder(tmp_path)
    write_lines(tmp_path / "BFCL_v4_simple_java.json", [{}])
    with pytest.raises(UsageError, match="none of its files"):
        open_folder(tmp_path)
    with pytest.raises(UsageError, match="cannot be asked"):
        open_folder(tmp_path, ("multi_turn_base",))
    with pytest.raises(UsageError, match="no file for parallel"):
        open_folder(write_bfcl(tmp_path), ("parallel",))
    (tmp_path / "BFCL_v2_parallel.json").write_text("{}")
    with pytest.raises(
        UsageError, match=r"no file for parallel: .*BFCL_v2_parallel\.json: of a version"
    ) as old:
        open_folder(tmp_path, ("parallel",))
    assert old.value.remedy == "known are versions 3 and 4"
    (tmp_path / "BFCL_v4_simple_python.json").write_text("\n")
    with pytest.raises(UsageError, match="empty"):
        open_folder(tmp_path, ("simple_python",))


# ------------------------------------------------------------------ tools


def test_functions_become_tools(tmp_path: Path) -> None:
    function: dict[str, Any] = {
        "name": "a.b",
        "description": "Does it.",
        "parameters": {
            "type": "dict",
            "required": ["f"],
            "properties": {
                "f": {"type": "float", "description": "A number."},
                "t": {"type": "tuple", "items": {"type": "dict", "properties": {"x": {"type": "any"}}}},
                "d": {"type": "dict", "properties": {"y": {"type": "float"}}},
                "n": {"description": "No type."},
                "l": {"type": "array", "items": {"type": "float"}, "description": "Numbers."},
            },
        },
    }
    write_lines(tmp_path / "BFCL_v4_irrelevance.json", [{**asked("i", "?"), "function": [function]}])
    question, _ = open_folder(tmp_path).categories[0].read(0)
    (tool,) = tools_for(question, dotted=False)
    assert tool["function"]["name"] == "a_b"
    assert tools_for(question, dotted=True)[0]["function"]["name"] == "a.b"
    assert tool["function"]["description"].startswith("Does it.")
    assert tool["function"]["parameters"]["type"] == "object"
    fields = tool["function"]["parameters"]["properties"]
    assert fields["f"] == {
        "type": "number",
        "format": "float",
        "description": "A number. This is a float type value.",
    }
    assert fields["l"] == {"type": "array", "items": {"type": "number"}, "description": "Numbers."}
    assert fields["t"]["type"] == "array"
    assert fields["t"]["items"]["properties"]["x"]["type"] == "string"
    assert fields["d"]["properties"]["y"]["type"] == "number"
    assert fields["n"]["type"] == "string"
    assert function["parameters"]["type"] == "dict"  # the file's own stays as it was


# ------------------------------------------------------------------ rules


def accepts(kind: dict[str, Any], values: list[Any], value: Any) -> bool:
    functions = {"f": {"properties": {"p": kind}, "required": []}}
    return check(functions, [("f", {"p": value})], [{"f": {"p": values}}], dotted=False).valid


@pytest.mark.parametrize(
    ("kind", "values", "right", "wrong"),
    [
        ("integer", [3], [3], [3.0, "3", True, None]),
        ("float", [3.0], [3.0, 3], ["3.0", 3.0000001, True]),
        ("boolean", [True], [True], [1, "true"]),
        ("string", ["New York"], ["new york", "New-York", "NEW_YORK.", "*New^York"], ["New\tYork", 1]),
        ("string", ["50"], ["-5.0", "50", "5/0"], [50]),
        ("string", ["x", ""], ["", "-", "X"], ["y"]),
        ("any", ["5"], ["5"], [5]),
        ("any", [5], [5], ["5"]),
        ("integer", [None, ""], [None], [0, ""]),
        ("integer", ["x"], ["x"], ["X", 1]),
        ("dict", [{"a": [1], "b": ["B", ""]}], [{"a": True, "b": "b"}], [{}, {"a": 2}, {"a": 1, "c": 1}]),
    ],
)  # fmt: skip
def test_values(kind: str, values: list[Any], right: list[Any], wrong: list[Any]) -> None:
    for value in right:
        assert accepts({"type": kind}, values, value), value
    for value in wrong:
        assert not accepts({"type": kind}, values, value), value


def test_lists() -> None:
    floats = {"type": "array", "items": {"type": "float"}}
    assert not accepts(floats, [[1.0, 2.0]], [1, 2])
    assert accepts(floats, [[1, 2]], [1, 2])
    texts = {"type": "array", "items": {"type": "string"}}
    assert accepts(texts, [["A b"]], ["a-B"])
    assert not accepts(texts, [["a", "b"]], ["b", "a"])
    assert accepts(texts, [["a"], ""], [])
    nested = {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}
    assert not accepts(nested, [[["A"]]], [["a"]])
    objects = {"type": "array", "items": {"type": "dict"}}
    assert accepts(objects, [[{"a": [1]}, {"a": [2]}]], [{"a": 1}, {"a": 2}])
    assert not accepts(objects, [[{"a": [1]}, {"a": [2]}]], [{"a": 2}, {"a": 1}])


@pytest.mark.parametrize("name", ["number", "object", "list", "bool", "unheard-of", None, ["string", "null"]])
def test_types_that_the_reference_crashes_on(name: Any) -> None:
    value = {"number": 1.5, "object": {"a": 1}, "list": [1], "bool": True}.get(str(name), "x")
    accepted = {"a": [1]} if name == "object" else value
    assert accepts({"type": name}, [accepted], value)
    assert not accepts({"type": name}, [accepted], None)
    assert accepts({"type": "array"}, [[1, 2]], [1, 2])  # without `items`


def test_names_parameters_and_counts() -> None:
    functions = {
        "a.f": {"properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}, "required": ["x"]}
    }
    accepted = [{"a.f": {"x": [1, ""], "y": [2, ""]}}]
    assert check(functions, [("a_f", {"x": 1})], accepted, dotted=False).valid
    assert not check(functions, [("a.f", {"x": 1})], accepted, dotted=False).valid
    assert check(functions, [("a.f", {"x": 1})], accepted, dotted=True).valid
    assert "missing" in check(functions, [("a_f", {"y": 2})], accepted, dotted=False).reason
    assert "not expected" in check(functions, [("a_f", {"x": 1, "z": 1})], accepted, dotted=False).reason
    assert "0 calls" in check(functions, [], accepted, dotted=False).reason
    assert not check(functions, [("a_f", {"x": 1})] * 2, accepted, dotted=False).valid


def test_matching_is_optimal_and_greedy_is_told() -> None:
    functions = {"f": {"properties": {"x": {"type": "integer"}}, "required": []}}
    accepted = [{"f": {"x": [1, 2]}}, {"f": {"x": [1]}}]
    verdict = check(functions, [("f", {"x": 1}), ("f", {"x": 2})], accepted, dotted=False)
    assert verdict.valid
    assert not verdict.greedy
    assert check(functions, [("f", {"x": 2}), ("f", {"x": 1})], accepted, dotted=False).greedy


# ------------------------------------------------------------------ grades and scores


def one(tmp_path: Path, category: str, text: bool = False) -> Item:
    folder = open_folder(write_bfcl(tmp_path, count=1), (category,))
    return next(bfcl_items(folder, [0], 1, text))


@pytest.mark.parametrize(
    ("arguments", "outcome", "lenient"),
    [
        ({"base": 0}, "correct", True),
        ({"base": 0, "unit": "CM"}, "correct", True),
        ({"base": "0"}, "wrong", True),
        ({"base": 0.0}, "wrong", True),
        ('"{\\"base\\": 0}"', "wrong", True),
        ({"base": 1}, "wrong", False),
        ("{", "wrong", False),
        ("[0]", "wrong", False),
    ],
)
def test_grades(tmp_path: Path, arguments: Any, outcome: Outcome, lenient: bool) -> None:
    said = arguments if isinstance(arguments, str) else json.dumps(arguments)
    grade = Tools().grade(
        one(tmp_path, "simple_python"), answered("", (ToolCall(name="geo_area", arguments=said),))
    )
    assert grade.outcome == outcome
    assert grade.score == float(outcome == "correct")
    assert grade.details["exact_call_lenient"] is lenient


def test_what_the_answer_accepts_is_not_malformed(tmp_path: Path) -> None:
    write_bfcl(tmp_path, count=1)
    accepted = {"id": "simple_python_0", "ground_truth": [{"geo.area": {"base": [1], "unit": [None, "cm"]}}]}
    write_lines(tmp_path / "possible_answer" / "BFCL_v4_simple_python.json", [accepted])
    item = next(bfcl_items(open_folder(tmp_path, ("simple_python",)), [0], 1, False))
    for unit, right in ((None, True), (5, False)):
        said = json.dumps({"base": 1, "unit": unit})
        grade = Tools().grade(item, answered("", (ToolCall(name="geo_area", arguments=said),)))
        assert grade.details["exact_call"] is right
        assert grade.details["malformed_call"] is not right


def test_names_in_words_keep_their_dots(tmp_path: Path) -> None:
    item = one(tmp_path, "simple_python", text=True)
    assert Tools().grade(item, answered("geo.area(0)", ())).outcome == "correct"
    assert (
        Tools().grade(item, answered('{"name": "geo.area", "arguments": {"base": 0}}', ())).outcome
        == "correct"
    )


@pytest.mark.parametrize(
    ("text", "calls", "outcome"),
    [
        ("Canberra.", (), "correct"),
        ("", (), "unparsed"),
        ("", (ToolCall(name="geo_area", arguments="{}"),), "wrong"),
        ("", (ToolCall(name="geo_area", arguments="not json"),), "wrong"),
        ('geo_area("x', (), "unparsed"),
        ('[search_web("capital of France")]', (), "unparsed"),
        ('[geo_area("a"), other("b")]', (), "unparsed"),
    ],
)
def test_irrelevance_needs_an_answer(
    tmp_path: Path, text: str, calls: tuple[ToolCall, ...], outcome: Outcome
) -> None:
    assert Tools().grade(one(tmp_path, "irrelevance"), answered(text, calls)).outcome == outcome


def test_relevance_is_any_call(tmp_path: Path) -> None:
    write_lines(tmp_path / "BFCL_v4_live_relevance.json", [asked("r", "Area?")])
    item = next(bfcl_items(open_folder(tmp_path), [0], 1, False))
    assert (
        Tools().grade(item, answered("", (ToolCall(name="geo_area", arguments="{}"),))).outcome == "correct"
    )
    empty = ToolCall(name="geo_area", arguments="{}")
    broken = ToolCall(name="geo_area", arguments="x")
    for text, calls in (("", (broken,)), ("", (empty, broken)), ("It is 3.", ())):
        assert Tools().grade(item, answered(text, calls)).outcome == "wrong"
    for text, calls in (("", (empty,)), ("It is 3.", ()), ("", ())):  # there is no exact one, right or wrong
        assert not {"right_tool", "exact_call"} & set(Tools().grade(item, answered(text, calls)).details)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [("", None), ("geo_area(1", None), ("", "{"), ("", '{"base": 0}'), ("It is 3.", None)],
)
def test_known_bad_items_stay_out_whatever_came(tmp_path: Path, text: str, arguments: str | None) -> None:
    calls = () if arguments is None else (ToolCall(name="geo_area", arguments=arguments),)
    for known in ("simple_python_17", "simple_17"):  # the latter in version 3 of the files
        item = replace(one(tmp_path, "simple_python"), id=known)
        assert Tools().grade(item, answered(text, calls)).details["known_bad"] is True
    assert Tools().grade(one(tmp_path, "simple_python"), answered(text, calls)).details["known_bad"] is False


def test_a_broken_call_of_the_right_tool_is_told_as_such(tmp_path: Path) -> None:
    item = one(tmp_path, "simple_python")
    twice = ToolCall(name="geo_area", arguments='{"base": 0, "base": 1}')
    assert Tools().grade(item, answered("", (twice,))).reasons == ("geo_area: duplicate_key",)


def tallied(*scores: tuple[str, str, float, bool]) -> Tally:
    """(category, id, score, known to be bad) of each answer."""
    tally = Tally()
    for number, (group, name, score, bad) in enumerate(scores):
        grade = Grade(
            outcome="correct" if score else "wrong", score=score, rule="bfcl",
            details={"known_bad": bad, "greedy": False},
        )  # fmt: skip
        attempt = Attempt(
            run_id="r", stage="bfcl", item_id=name, item_hash="h", repetition=0, started_at="now",
            exchanges=(), measures=Measures(), grade=grade,
        )  # fmt: skip
        item = Item(id=name, content_hash="h", spec={"number": number, "group": group})
        tally.add(item, attempt)
    return tally


def test_aggregates_as_the_leaderboard_has_them() -> None:
    scores = bfcl_scores(
        tallied(
            ("simple_python", "a", 1, False),
            ("parallel", "b", 0, False),
            ("parallel", "c", 1, False),
            ("live_simple", "d", 1, False),
            ("live_multiple", "e", 0, True),
            ("live_multiple", "f", 0, False),
            ("irrelevance", "g", 1, False),
            ("live_irrelevance", "h", 0, False),
            ("live_irrelevance", "i", 1, False),
        )
    )
    assert scores["non_live"] == pytest.approx((1 + 0.5) / 2)
    assert scores["live"] == pytest.approx(1 / 3)
    assert scores["irrelevance"] == pytest.approx((1 + 0.5) / 2)
    assert scores["relevance"] is None
    half = wilson(1, 2)
    assert half is not None
    assert scores["categories"]["parallel"] == {"value": 0.5, "ci95": [half.low, half.high], "n": 2}
    assert scores["known_bad"] == 1
    assert scores["score_without_known_bad"] == pytest.approx(5 / 8)
    assert scores["without_known_bad"]["live"] == pytest.approx(1 / 2)
    assert scores["greedy"] == {"lost": 5}


def test_each_rate_is_over_its_own_items() -> None:
    rates = bfcl_rates(
        tallied(
            ("simple_python", "a", 1, False),
            ("multiple", "b", 0, False),
            ("multiple", "c", 1, True),
            ("live_simple", "d", 1, False),
            ("live_multiple", "e", 0, False),
            ("live_multiple", "f", 0, False),
            ("irrelevance", "g", 1, False),
            ("irrelevance", "h", 0, False),
            ("live_relevance", "i", 1, False),
        )
    )
    assert {name: rate["n"] for name, rate in rates.items()} == {
        "score_without_known_bad": 8,
        "bfcl_non_live": 3,
        "bfcl_live": 3,
        "bfcl_irrelevance": 2,
        "bfcl_relevance": 1,
    }
    both = mean_of_groups([([1.0], None), ([0.0, 1.0], None)])  # a mean of two categories
    assert both is not None
    assert rates["bfcl_non_live"] == {"value": 0.75, "ci95": [both.low, both.high], "n": 3}
    for name, right, n in (("live", 1, 3), ("irrelevance", 1, 2), ("relevance", 1, 1)):
        found = wilson(right, n)
        assert found is not None
        expected = {"value": pytest.approx(right / n), "ci95": [found.low, found.high], "n": n}
        assert rates[f"bfcl_{name}"] == expected
    none = bfcl_rates(tallied(("simple_python", "a", 1, False)))["bfcl_live"]
    assert none == {"value": None, "ci95": None, "n": 0}


def test_nothing_evaluated_is_null_and_not_zero() -> None:
    scores = bfcl_scores(Tally())
    assert (
        scores["non_live"]
        is scores["live"]
        is scores["irrelevance"]
        is scores["score_without_known_bad"]
        is None
    )
    assert scores["categories"] == {}


def test_known_bad_items_say_why() -> None:
    assert len(known_bad()) == 27
    assert known_bad()["live_multiple_964-207-0"].startswith("no call can pass: ")
    assert all(name.rsplit("_", 1)[0] in CATEGORIES for name in known_bad())


def test_a_truth_that_names_no_function_fails_and_does_not_crash(tmp_path: Path) -> None:
    write_bfcl(tmp_path, count=1)
    wrong = {"id": "simple_python_0", "ground_truth": [{"other": {"base": [1]}}]}
    write_lines(tmp_path / "possible_answer" / "BFCL_v4_simple_python.json", [wrong, truth("more", 1)])
    item = next(bfcl_items(open_folder(tmp_path, ("simple_python",)), [0], 1, False))
    grade = Tools().grade(item, answered("", (ToolCall(name="geo_area", arguments="{}"),)))
    assert grade.outcome == "wrong"
