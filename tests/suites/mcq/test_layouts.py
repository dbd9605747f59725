"""What the rows of a question file mean where two readings are possible: no wrong answer without a word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tiltyard.errors import UsageError
from tiltyard.suites.mcq.reading import QuestionSet


def jsonl(folder: Path, *rows: dict[str, object]) -> QuestionSet:
    path = folder / "x.jsonl"
    path.write_text("\n".join(json.dumps({"question": "Q?", **row}) for row in rows), encoding="utf-8")
    return QuestionSet([path])


def table(folder: Path, *lines: str) -> QuestionSet:
    path = folder / "x.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return QuestionSet([path])


@pytest.mark.parametrize("answer", [0, "0"])
@pytest.mark.parametrize("options", [[3, 1, 0, 2], ["3", "1", "0", "2"]])
def test_a_number_that_is_an_option_and_a_place_is_asked_about(
    tmp_path: Path, options: list[object], answer: object
) -> None:
    with pytest.raises(UsageError, match="several ways"):
        jsonl(tmp_path, {"options": options, "answer": answer})


@pytest.mark.parametrize(
    ("options", "answer", "right"),
    [
        ([10, 20, 30], 20, 1),
        (["10", "20", "30"], 20, 1),
        ([10, 20, 30], "20", 1),
        ([1.5, 2.5], 2.5, 1),
        ([10, 20], 20.0, 1),
        (["a", "b", "c"], 0, 0),
    ],
)
def test_numbers_are_answers_whatever_their_type(
    tmp_path: Path, options: list[object], answer: object, right: int
) -> None:
    found = jsonl(tmp_path, {"options": options, "answer": answer})
    assert (found.bad_count, found.row(0).answer) == (0, right)


def test_what_is_nested_too_deeply_or_too_large_is_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    good = '{"question": "Q?", "options": ["a", "b"], "answer": "B"}'
    deep = '{"question": ' + "[" * 100_000
    large = '{"question": "Q?", "options": ["a", "b"], "answer": "' + "9" * 5_000 + '"}'
    path.write_text("\n".join([good, deep, large, "[" * 100_000]), encoding="utf-8")
    found = QuestionSet([path])
    assert len(found) == 1
    bad = {row.line: row.reason for row in found.bad}
    assert bad[2] == bad[4] == "not JSON: it is nested too deeply"
    assert "is no letter from A to B" in bad[3]


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (["A) red", "B) green", "C) blue"], "B"),
        (["(a) red", "(b) green", "(c) blue"], "green"),
        (["1. red", "2. green", "3. blue"], "2. green"),
        (["A. red", "B. green", "C. blue"], "B. green"),
        (["Option A: red", "Option B: green", "Option C: blue"], "B"),
    ],
)
def test_labels_in_order_are_taken_off_the_options(tmp_path: Path, options: list[str], answer: str) -> None:
    found = jsonl(tmp_path, {"options": options, "answer": answer, "answer text": options[1]})
    assert (found.row(0).options, found.row(0).answer) == (("red", "green", "blue"), 1)
    assert found.notes == ["labels in the options were taken off (questions: 1)"]


def test_an_answer_with_its_label_is_not_read_as_the_letter_behind_it(tmp_path: Path) -> None:
    found = jsonl(tmp_path, {"options": ["A) B", "B) A", "C) O"], "answer": "A) B"})
    assert (found.row(0).options, found.row(0).answer) == (("B", "A", "O"), 0)


def test_labels_out_of_order_stay_and_a_letter_that_means_two_options_is_a_bad_row(tmp_path: Path) -> None:
    options = ["B) red", "A) green"]
    found = jsonl(tmp_path, {"options": options, "answer": "A) green"}, {"options": options, "answer": "A"})
    assert (len(found), found.row(0).options, found.row(0).answer) == (1, ("B) red", "A) green"), 1)
    assert [str(row.reason) for row in found.bad] == [
        "the options have labels of their own in another order: what is 'A'?"
    ]


@pytest.mark.parametrize(
    "options", [["1. May", "2. May"], ["a - b", "b - c"], ["a:b", "b:a"], ["1.5", "2.5"]]
)
def test_what_only_looks_like_labels_stays(tmp_path: Path, options: list[str]) -> None:
    found = jsonl(tmp_path, {"options": options, "answer": options[1]})
    assert (found.row(0).options, found.row(0).answer) == (tuple(options), 1)


def test_gpqas_labels_are_taken_off_in_any_order(tmp_path: Path) -> None:
    head = "Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2"
    found = table(tmp_path, head, "Q?,B) red,A) green,C) blue")
    assert (found.row(0).options, found.row(0).answer) == (("red", "green", "blue"), 0)


def test_an_empty_last_option_among_six_columns_is_a_bad_row(tmp_path: Path) -> None:
    found = table(tmp_path, "One?,a,b,c,d,A", "Two?,a,b,c,,A", "Three?,a,b,c,d,B")
    assert len(found) == 2
    assert [f"{row.line}: {row.reason}" for row in found.bad] == ["2: option D is empty"]


def test_a_column_that_is_empty_everywhere_is_none(tmp_path: Path) -> None:
    found = table(tmp_path, "One?,a,b,c,,A", "Two?,a,b,c,,B")
    assert (len(found), found.bad_count, found.notes) == (2, 0, [])
    assert found.row(1).options == ("a", "b", "c")


def test_under_a_header_questions_with_fewer_options_are_counted(tmp_path: Path) -> None:
    found = table(tmp_path, "question,A,B,C,D,answer", "One?,a,b,c,,A", "Two?,a,b,c,d,A", "Three?,a,,c,d,A")
    assert len(found) == 2
    assert found.notes == [f"{tmp_path / 'x.csv'}: questions with fewer than 4 options: 1"]
    assert [row.reason for row in found.bad] == ["option B is empty"]
