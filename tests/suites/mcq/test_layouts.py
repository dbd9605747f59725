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


HEADERS = [
    "Nr,Frage,A,B,C,Lösung",
    "Nr,Pytanie,A,B,C,Odpowiedź",
    "Nr,Frage,Lösung,A,B,C",
    "Frage,Lösung,A,B,C,D",
    "Nr,Frage,A,B,C,D,Lösung",
    "Frage,A,B,C,Lösung",
    "Fach,Frage,Erste,Zweite,Dritte,Lösung",
    "№,Вопрос,А,Б,В,Ответ",
]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("title", [[], ["Quiz 2024"], ["Quiz 2024,,,,,", ",,,,,", "Teil 1,,,,,"]])
def test_a_header_in_unknown_words_is_refused(tmp_path: Path, header: str, title: list[str]) -> None:
    rows = [f"{n},Which is it now {n}?,Paris,Rome,Berlin,B" for n in range(40)]
    with pytest.raises(UsageError, match=f"line {len(title) + 1} reads like a header") as caught:
        table(tmp_path, *title, header, *rows)
    assert header.split(",")[1] in str(caught.value)
    assert "question, A, B, C, D, answer" in caught.value.remedy


@pytest.mark.parametrize(
    "header", ["id,question,A,B,C,answer", "id,question,answer,A,B,C", "question,options,answer"]
)
def test_a_known_header_below_other_lines_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(UsageError, match="line 2 is a header") as caught:
        table(tmp_path, "Quiz 2024", header, *(f"{n},Which?,x,y,z,B" for n in range(40)))
    assert "first line" in caught.value.remedy
    with pytest.raises(UsageError, match="line 41 is a header"):
        table(
            tmp_path,
            *(f"Which {n}?,x,y,z,u,B" for n in range(40)),
            "id,question,A,B,C,answer",
            "1,Q?,x,y,z,B",
        )


@pytest.mark.parametrize(
    "first",
    [
        "Which letter comes third?,Z,A,B,C,D",
        "Which blood group is it?,AB,O,A,B,C",
        "Which blood group is it,O,A,B,AB,B",
        "Name the best of these,A,B,C,D,A",
        "Pick a number,1,2,3,4,B",
    ],
)
def test_a_first_row_of_letters_is_a_row(tmp_path: Path, first: str) -> None:
    found = table(tmp_path, first, "Next?,a,b,c,d,B")
    assert (len(found), found.bad_count) == (2, 0)


def test_a_header_of_the_usual_columns_in_other_words_costs_its_own_line(tmp_path: Path) -> None:
    found = table(tmp_path, "Frage,A,B,C,D,Antwort", "Eins?,x,y,z,u,B")
    assert (found.row(0).answer, [each.line for each in found.bad]) == (1, [1])


def test_a_question_that_is_a_number_is_none(tmp_path: Path) -> None:
    found = table(tmp_path, "1,Which?,x,y,z,B", "2.,Which now?,x,y,z,C", "12 + 5 = ?,17,18,19,20,A")
    assert len(found) == 1
    reason = (
        "the question is the number 1: is that a column of numbers? Then name the columns in a first line"
    )
    assert found.bad[0].reason == reason


NAMED = {"B": "red", "A": "green", "C": "blue"}


@pytest.mark.parametrize("name", ["label", "key", "id", "letter", "name", "option", "ID", "Code"])
def test_options_go_by_their_names_whatever_the_field(tmp_path: Path, name: str) -> None:
    options = [{name: letter, "text": text} for letter, text in NAMED.items()]
    found = jsonl(
        tmp_path, {"options": options, "answer": "A"}, {"question": "2", "options": options, "answer": "Red"}
    )
    assert [found.row(number).answer for number in range(2)] == [1, 0]
    found = jsonl(tmp_path, {"options": options, "answer": "D"})
    assert [each.reason for each in found.bad] == ["the answer 'D' is none of the options' labels"]


def test_numbers_that_name_options_go_before_their_places(tmp_path: Path) -> None:
    options = [{"id": 2, "text": "x"}, {"id": 1, "text": "y"}, {"id": 0, "text": "z"}]
    assert jsonl(tmp_path, {"options": options, "answer": 2}).row(0).answer == 0
    assert len(jsonl(tmp_path, {"options": options[1:]})) == 0  # names are no marks
    both = [{"id": 2, "label": "1", "text": "x"}, {"id": 1, "label": "2", "text": "y"}]
    found = jsonl(tmp_path, {"options": both, "answer": 2})
    assert [each.reason for each in found.bad] == [
        "the answer '2' names one option by its label, another by its id"
    ]


LETTERS = ["C", "A", "D", "B"]


def test_a_letter_that_may_be_an_option_or_its_place_is_asked_about(tmp_path: Path) -> None:
    for options in (
        LETTERS,
        dict(zip("ABCD", LETTERS, strict=True)),
        [f"{a}) {b}" for a, b in zip("ABCD", LETTERS, strict=True)],
    ):
        with pytest.raises(
            UsageError, match=r"letters that are options too.*\(by letter or as text\)"
        ) as caught:
            jsonl(tmp_path, {"options": options, "answer": "A"})
        assert caught.value.remedy == "say which with --answers letter|text"
    for head, cells in (("answer", "A"), ("answer,label", "A,hard")):
        with pytest.raises(UsageError, match="letters that are options too"):
            table(tmp_path, f"question,A,B,C,D,{head}", f"Which vitamin?,C,A,D,B,{cells}")


@pytest.mark.parametrize(("answers", "right"), [("letter", "C"), ("text", "A")])
def test_what_the_user_says_of_such_letters_holds(tmp_path: Path, answers: str, right: str) -> None:
    for number, options in enumerate((LETTERS, dict(zip("ABCD", LETTERS, strict=True)))):
        path = tmp_path / f"{number}.jsonl"
        path.write_text(json.dumps({"question": "?", "options": options, "answer": "A"}), encoding="utf-8")
        row = QuestionSet([path], answers).row(0)
        assert row.options[row.answer] == right


@pytest.mark.parametrize(("answer", "right"), [("B", "C"), ("two", "A")])
def test_the_other_rows_tell_what_such_a_letter_is(tmp_path: Path, answer: str, right: str) -> None:
    for options, keyed in (
        (["one", "two"], LETTERS),
        ({"A": "one", "B": "two"}, dict(zip("ABCD", LETTERS, strict=True))),
    ):
        found = jsonl(tmp_path, {"options": options, "answer": answer}, {"options": keyed, "answer": "A"})
        assert found.row(1).options[found.row(1).answer] == right


def test_letters_in_their_own_places_are_asked_about_by_nobody(tmp_path: Path) -> None:
    assert jsonl(tmp_path, {"options": ["A", "B", "AB", "O"], "answer": "B"}).row(0).answer == 1


@pytest.mark.parametrize(
    ("fields", "right"),
    [
        ({"answer": "A", "label": 0}, 0),
        ({"answer": "y", "answer_idx": "B"}, 1),
        ({"answer": "y", "label": 2, "answer_idx": "B"}, 1),
        ({"answer": "B", "label": "hard"}, 1),
        ({"answer": "B", "correct": True}, 1),
    ],
)
def test_two_answers_that_agree_are_one(tmp_path: Path, fields: dict[str, object], right: int) -> None:
    found = jsonl(tmp_path, {"options": [*"xyz"], **fields})
    assert (found.bad_count, found.row(0).answer) == (0, right)


@pytest.mark.parametrize(
    ("fields", "other"),
    [
        ({"answer": "A", "answer_idx": "C"}, "answer idx 'C'"),
        ({"answer": "A", "label": 2}, "label '2'"),
        ({"answer": "x", "correct_answer": "y"}, "correct answer 'y'"),
        ({"answer": "A", "target": "Z"}, "target 'Z'"),
    ],
)
def test_two_answers_that_disagree_are_none(tmp_path: Path, fields: dict[str, object], other: str) -> None:
    reason = f"the answer {str(fields['answer'])!r} and its {other} disagree"
    found = jsonl(tmp_path, {"options": [*"xyz"], **fields})
    assert [each.reason for each in found.bad] == [reason]
    found = table(
        tmp_path, f"question,A,B,C,{','.join(fields)}", f"Q?,x,y,z,{','.join(map(str, fields.values()))}"
    )
    assert [each.reason for each in found.bad] == [reason]


def test_a_text_that_is_a_letter_is_told_by_the_letter_beside_it(tmp_path: Path) -> None:
    keyed = dict(zip("ABCD", LETTERS, strict=True))
    found = jsonl(
        tmp_path,
        {"options": keyed, "answer": "D", "answer_idx": "C"},
        {"options": keyed, "answer": "B", "answer_idx": "A"},
        {"options": {"A": "one", "B": "two"}, "answer": "two", "answer_idx": "B"},
    )
    assert [found.row(number).answer for number in range(2)] == [2, 1]
    assert [each.reason for each in found.bad] == ["the answer 'B' and its answer idx 'A' disagree"]


def test_right_and_wrong_answers_beside_a_letter_are_refused(tmp_path: Path) -> None:
    wrong = {"incorrect_answer_1": "Rome", "incorrect_answer_2": "Bonn"}
    found = jsonl(
        tmp_path, {"answer": "B", "correct_answer": "Paris", **wrong}, {"correct_answer": "Paris", **wrong}
    )
    assert (len(found), found.row(0).options[found.row(0).answer]) == (1, "Paris")
    assert [each.reason for each in found.bad] == ["the answer 'B' and its correct answer 'Paris' disagree"]


def test_whole_numbers_with_a_point_are_whole_numbers(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"options": [*"xyz"], "answer": each} for each in (1.0, 0.0, "2.0")]
    assert [(found := jsonl(tmp_path, *rows)).row(number).answer for number in range(3)] == [1, 0, 2]
    found = table(tmp_path, "question,A,B,C,answer", "1?,x,y,z,1.0", "2?,x,y,z,0.0")
    assert [found.row(number).answer for number in range(2)] == [1, 0]
    assert jsonl(tmp_path, {"options": [*"xyz"], "answer": 1.5}).bad_count == 1


@pytest.mark.parametrize("answer", ["B) Paris", "(B) paris", "B. Paris.", "Option B: Paris"])
@pytest.mark.parametrize("options", [["Rome", "Paris"], {"A": "Rome", "B": "Paris"}])
def test_a_letter_with_its_text_names_the_option(tmp_path: Path, answer: str, options: object) -> None:
    found = jsonl(tmp_path, {"options": options, "answer": answer})
    assert (found.bad_count, found.row(0).answer) == (0, 1)
    swapped = {"B": "Paris", "A": "Rome"}
    assert jsonl(tmp_path, {"options": swapped, "answer": answer}).row(0).answer == 0
    found = jsonl(tmp_path, {"options": ["Paris", "Rome"], "answer": answer})
    assert [each.reason for each in found.bad] == [
        f"the answer {answer!r} names one option by its label, another by its text"
    ]


def test_answers_that_are_none_say_so(tmp_path: Path) -> None:
    found = jsonl(
        tmp_path,
        {"options": [*"xyz"], "answer": "B"},
        {"options": [*"xyz"], "answer": -1},
        {"options": [*"xyz"], "answer": "-1"},
        {"options": [*"xyz"], "answer": True},
    )
    hidden = "there is no answer: it is -1, as where a set keeps its answers back"
    assert [each.reason for each in found.bad] == [
        hidden,
        hidden,
        "the answer 'true' is no letter from A to C",
    ]
    assert jsonl(tmp_path, {"options": ["False", "True"], "answer": True}).row(0).answer == 1
    assert jsonl(tmp_path, {"options": [1, 0, -1], "answer": -1}).row(0).answer == 2


def test_letters_of_another_alphabet_are_told_from_those_that_look_alike(tmp_path: Path) -> None:
    russian = {"А": "x", "Б": "y", "В": "z"}
    assert jsonl(tmp_path, {"options": russian, "answer": "В"}).row(0).answer == 2
    found = jsonl(
        tmp_path,
        {"options": [*"xyz"], "answer": "A"},
        {"options": [*"xyz"], "answer": "В"},
        {"options": russian, "answer": "B"},
        {"options": ["А) x", "Б) y", "В) z"], "answer": "B"},
    )
    assert [each.reason for each in sorted(found.bad, key=lambda each: each.line)] == [
        "the answer 'В' is no letter from A to C but CYRILLIC CAPITAL LETTER VE",
        "the answer 'B' is none of the options' labels, of which 'А' is CYRILLIC CAPITAL LETTER A",
        "the options have labels of their own in another alphabet: what is 'B'?",
    ]


@pytest.mark.parametrize("names", ["A,В,C,D", "A,B,C,D,Е", "А,Б,В,Г"])
def test_option_fields_in_another_alphabet_are_refused(tmp_path: Path, names: str) -> None:
    cells = ["x", "y", "z", "u", "v"][: len(names.split(","))]
    with pytest.raises(UsageError, match="CYRILLIC SMALL LETTER"):
        table(tmp_path, f"question,{names},answer", f"Q?,{','.join(cells)},A")
    fields: dict[str, object] = dict(zip(names.split(","), cells, strict=True))
    (bad,) = jsonl(tmp_path, {**fields, "answer": "A"}).bad
    assert bad.reason.startswith("no options in it")
    assert "CYRILLIC SMALL LETTER" in bad.reason


def test_passages_in_front_and_text_that_is_left_out(tmp_path: Path) -> None:
    long = "A long text of which nobody can say what it is for, so that it has to be named."
    row = {"options": ["a", "b"], "answer": "A", "passage": "Short."}
    second = {**row, "question": "2?", "explanation": long}
    found = jsonl(tmp_path, {**row, "notes": long, "lecture": long, "source": "a book"}, second)
    assert found.row(0).question == "Short.\n\nQ?"
    said = "fields with text that is not asked: notes, lecture (docs/mcq.md names those that are)"
    assert found.notes == [f"{tmp_path / 'x.jsonl'}: {said}"]
    found = table(tmp_path, "question,A,B,answer,extra,context,text", f'Q?,x,y,A,"{long}",Read.,"{long}"')
    assert [note.split(": ")[-1] for note in found.notes] == [
        "extra, text (docs/mcq.md names those that are)"
    ]


def test_a_field_of_the_whole_question_is_no_passage(tmp_path: Path) -> None:
    whole = "Q: What is this of yours?\nA) cat\nB) dog\nThe answer is A"
    row = {"question": "What is this of yours?", "options": ["cat", "dog"], "answer": "A", "text": whole}
    assert jsonl(tmp_path, row).row(0).question == row["question"]
    assert jsonl(tmp_path, {**row, "text": "Option A"}).row(0).question == row["question"]
    (bad,) = jsonl(tmp_path, {**row, "options": ["a big cat", "a dog"], "text": "a big cat"}).bad
    assert bad.reason == "the text in front of the question is one of its options: 'a big cat'"
