"""Fields are compared one by one, with the freedoms that a case allows and no others."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tiltyard.suites.structured.values import compare


@pytest.mark.parametrize(
    ("expected", "said", "accuracy"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, 1.0),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, 0.5),
        ({"a": 1, "b": 2}, {"a": 1}, 0.5),
        ({"a": 1}, {"a": 1, "b": 2}, 0.5),  # one too many
        ({"a": 5}, {"a": 5.0}, 1.0),
        ({"a": 0.3}, {"a": 0.1 + 0.2}, 1.0),
        ({"a": 1700000000000}, {"a": 1700000001700.0}, 0.0),
        ({"a": 39.5}, {"a": 39.50000003}, 0.0),
        ({"a": 9000000000}, {"a": 9e9}, 1.0),
        ({"a": 1}, {"a": True}, 0.0),
        ({"a": True}, {"a": 1}, 0.0),
        ({"a": "5"}, {"a": 5}, 0.0),
        ({"a": None}, {}, 0.0),
        ({"a": None}, {"a": None}, 1.0),
        ({"a": []}, {"a": []}, 1.0),
        ({"a": []}, {"a": {}}, 0.0),
        ({"a": []}, {"a": [1]}, 0.0),
        ([1, 2, 3], [1, 2], 2 / 3),
        ([1, 2], [2, 1], 0.0),
        ({"a": "x"}, {"a": "X"}, 0.0),
        ({"a": {"b": 1}}, {"a": 1}, 0.0),
        ([{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 3}], 0.5),
        (7, 7, 1.0),
        ({"a": 1}, [1], 0.0),
    ],
)
def test_accuracy(expected: Any, said: Any, accuracy: float) -> None:
    found = compare(expected, said, {})
    assert found.accuracy == pytest.approx(accuracy)
    assert found.exact == (accuracy == 1.0)
    assert bool(found.wrong) == (accuracy < 1.0)


def test_freedoms() -> None:
    assert compare({"t": "Dracula"}, {"t": " dracula "}, {"/t": "text"}).exact
    assert not compare({"t": "Dracula"}, {"t": "Emma"}, {"/t": "text"}).exact
    for said in ("H.G. Wells", "h. g. wells.", " H. G.  WELLS"):
        assert compare({"t": "H. G. Wells"}, {"t": said}, {"/t": "text"}).exact
    assert not compare({"t": "H. G. Wells"}, {"t": "HG Wells"}, {"/t": "text"}).exact
    assert compare({"t": "x"}, {"t": "whatever"}, {"/t": "any"}).exact
    assert not compare({"t": "x"}, {}, {"/t": "any"}).exact
    for said in ({"b": 2, "c": 3}, [], [1, 2], {}, 5, None):  # a part that may be anything is one field
        assert compare({"t": {"b": 1}, "u": 1}, {"t": said, "u": 1}, {"/t": "any"}).exact
        assert compare({"t": {"b": 1}, "u": 1}, {"t": said, "u": 2}, {"/t": "any"}).accuracy == 0.5
    swapped = compare(
        [{"k": 1, "x": []}, {"k": 2, "x": [0]}],
        [{"k": 2, "x": 5}, {"k": 1, "x": {"y": 1}}],
        {"": "set", "/*/x": "any"},
    )
    assert swapped.exact
    assert compare({"n": 0.1}, {"n": 0.105}, {"/n": "within:0.01"}).exact
    assert not compare({"n": 0.1}, {"n": 0.12}, {"/n": "within:0.01"}).exact
    assert compare({"l": ["a", "b"]}, {"l": ["b", "a"]}, {"/l": "set"}).exact
    assert compare({"l": ["a", "b", "c"]}, {"l": ["c", "x", "a"]}, {"/l": "set"}).accuracy == pytest.approx(
        2 / 3
    )
    pairs = {"edges": [["a", "b"], ["b", "c"]]}
    assert compare(pairs, {"edges": [["b", "c"], ["a", "b"]]}, {"/edges": "set"}).exact
    books = [{"title": "Emma", "year": 1815}]
    assert compare(books, [{"title": "EMMA", "year": 1815}], {"/*/title": "text"}).exact
    assert not compare(books, [{"title": "Emma", "year": 1816}], {"/*/title": "text"}).exact


COLOURS = ["red", "green", "blue"]
GRAPH = {"nodes": 3, "edges": [["a", "b"], ["b", "c"]]}
FREE = {"": "set", "/*": "set"}
CLOSE = {"": "set", "/*": "within:0.1"}


@pytest.mark.parametrize(
    ("expected", "said", "rules", "right", "total"),
    [
        (COLOURS, ["green", "blue"], {"": "set"}, 2, 3),  # whichever is missing
        (COLOURS, ["red", "blue"], {"": "set"}, 2, 3),
        (COLOURS, ["red", "green"], {"": "set"}, 2, 3),
        (COLOURS, ["blue"], {"": "set"}, 1, 3),
        (COLOURS, [], {"": "set"}, 0, 4),
        (COLOURS, ["blue", "pink", "grey", "red", "black"], {"": "set"}, 2, 5),
        (GRAPH, {"nodes": 3, "edges": [["b", "c"]]}, {"/edges": "set"}, 3, 5),
        ([["a", "b"], ["c", "d"]], [["d", "c"], ["b", "a"]], FREE, 4, 4),  # at every level
        ([["a", "b"], ["c", "d"]], [["d", "c"]], FREE, 2, 4),
        ([[["a", "b"], ["c"]], []], [[], [["c"], ["b", "a"]]], {**FREE, "/*/*": "set"}, 4, 4),
        (
            [{"of": ["a", "b"]}, {"of": ["a"]}],
            [{"of": ["a"]}, {"of": ["b", "a"]}],
            {"": "set", "/*/of": "set"},
            3,
            3,
        ),
        ([1.0, 1.1], [1.1, 1.15], CLOSE, 2, 2),  # the first that fits is another's
        ([1.0, 1.1], [1.05, 0.95], CLOSE, 2, 2),
        ([1.0, 1.15, 1.1], [1.08, 0.95, 1.22], CLOSE, 3, 3),
        ([{"k": 1, "v": 1}, {"k": 2, "v": 2}], [{"k": 2, "v": 9}, {"k": 1, "v": 9}], {"": "set"}, 2, 4),
        ([{"a": 1}, {"a": 1, "b": 2}], [{"a": 1, "b": 9}, {"a": 1}], {"": "set"}, 2, 3),
        ([[n, -n] for n in range(100)], [[-n, n] for n in reversed(range(100))], FREE, 200, 200),  # long ones
        (list(range(100)), list(range(1, 100)), {"": "set"}, 99, 100),
    ],
)
def test_lists_whose_order_is_free(expected: Any, said: Any, rules: Any, right: int, total: int) -> None:
    found = compare(expected, said, rules)
    assert (found.right, found.accuracy) == (right, pytest.approx(right / total))
    assert found.exact is (right == total)


@pytest.mark.slow
def test_lists_of_lists_whose_order_is_free_are_compared_in_good_time() -> None:
    for size in (14, 64, 100):
        expected = [[f"{row} {column}" for column in range(size)] for row in range(size)]
        said = [row[::-1] for row in reversed(expected)]
        started = time.process_time()
        assert compare(expected, said, FREE).exact
        assert time.process_time() - started < 20  # every order tried would take for ever


def test_what_is_wrong_is_named_in_order() -> None:
    found = compare({"a": 1, "b": {"c": "x"}}, {"a": 2, "b": {"c": "y"}, "z": 0}, {})
    assert found.wrong == ("/a: expected 1, got 2", "/b/c: expected 'x', got 'y'", "/z: was not asked for")


def test_a_deep_value_is_no_danger() -> None:
    deep: Any = 1
    for _ in range(5_000):
        deep = [deep]
    assert compare({"a": 1}, deep, {}).accuracy == 0.0


@pytest.mark.parametrize(
    ("wanted", "said", "within", "right"),
    [
        (20, 20.1, "0.1", True),
        (20, 19.9, "0.1", True),
        (1.0, 1.01, "0.01", True),
        (1_000_000, 1_000_000.01, "0.01", True),
        (20, 20.1000001, "0.1", False),
        (1.0, 1.0101, "0.01", False),
        (20, float("inf"), "0.1", False),
        (20, 10**400, "0.1", False),
    ],
)
def test_the_edge_of_within_is_in_it(wanted: float, said: float, within: str, right: bool) -> None:
    assert compare({"n": wanted}, {"n": said}, {"/n": f"within:{within}"}).exact is right


def objects(count: int, fields: int) -> list[dict[str, str]]:
    return [{f"f{n}": f"{number}-{n}" for n in range(fields)} for number in range(count)]


@pytest.mark.parametrize(("count", "fields"), [(14, 14), (20, 14), (64, 3), (65, 3), (90, 4)])
def test_a_long_list_of_free_order_with_one_field_of_each_wrong_loses_those_fields(count, fields):
    said = [{**each, "f0": "other"} for each in reversed(objects(count, fields))]
    found = compare({"a": objects(count, fields)}, {"a": said}, {"/a": "set"})
    assert found.accuracy == pytest.approx((fields - 1) / fields)
