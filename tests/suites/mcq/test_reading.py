"""Question files as people have them, right and wrong ones."""

from __future__ import annotations

import csv
import json
import tracemalloc
from pathlib import Path

import pytest

from tiltyard.errors import UsageError
from tiltyard.stats.pairing import Scores, item_key, unit_of
from tiltyard.suites.mcq.answers import BadRowError
from tiltyard.suites.mcq.files import files_in
from tiltyard.suites.mcq.layouts import draft_of_json
from tiltyard.suites.mcq.questions import Choosing, items_of
from tiltyard.suites.mcq.reading import QuestionSet, Row


def rows(*paths: Path, answers: str | None = None) -> list[Row]:
    found = QuestionSet(paths, answers)
    return [found.row(number) for number in range(len(found))]


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def write_csv(path: Path, *lines: list[str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    return path


def bad(*paths: Path) -> list[str]:
    return [f"{each.line}: {each.reason}" for each in QuestionSet(paths).bad]


def test_headerless_six_columns(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "law.csv",
        ["Which\nof these?", "None", "NA", "nan", "null", "C"],
        ["  Two?  ", "a, b", 'say "x"', "c", "d", " b "],
    )
    first, second = rows(path)
    assert first.question == "Which\nof these?"
    assert first.options == ("None", "NA", "nan", "null")
    assert (first.answer, first.group, first.id) == (2, "law", "law:1")
    assert second.options == ("a, b", 'say "x"', "c", "d")
    assert (second.question, second.answer, second.id) == ("Two?", 1, "law:3")


def test_bad_rows_have_their_real_line_and_reason(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        '"Two\nlines\nhere",a,b,c,d,A\n'
        "five,a,b,c,A\n"
        "\n"
        "seven,a,b,c,d,e,A\n"
        "wrong letter,a,b,c,d,E\n"
        "empty,a,,c,d,A\n"
        "same,a,b,a,d,A\n"
        ",a,b,c,d,A\n"
        "nul,a\0,b,c,d,A\n",
    )
    assert sorted(bad(path), key=lambda line: int(line.split(":")[0])) == [
        "4: 5 columns instead of 6 (question, A, B, C, D, letter)",
        "6: 7 columns instead of 6 (question, A, B, C, D, letter)",
        "7: the answer 'E' is no letter from A to D",
        "8: option B is empty",
        "9: two options are the same: 'a'",
        "10: the question is empty",
        "11: it holds NUL characters",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    text = '"Où est\nle café?",Ä,Ö,Ü,ß,B\r\nNext,1,2,3,4,D\r\n'
    path = write(tmp_path / "x.csv", text, encoding)
    found = QuestionSet([path])
    assert [found.row(n).answer for n in range(2)] == [1, 3]
    assert found.row(0).question == "Où est\nle café?"
    assert found.row(0).options == ("Ä", "Ö", "Ü", "ß")
    assert found.row(1).id == "x:3"
    assert any("CP1252" in note for note in found.notes) == (encoding == "cp1252")


@pytest.mark.parametrize("encoding", ["utf-16le", "utf-16be"])
def test_utf_16_without_a_mark(tmp_path: Path, encoding: str) -> None:
    text = '"Où est\r\nle café?",Ä,Ö,Ü,ß,B\r\n最も高い山は?,一,二,三,四,D\r\n'
    found = QuestionSet([write(tmp_path / "x.csv", text, encoding)])
    assert [found.row(n).answer for n in range(2)] == [1, 3]
    assert found.row(1).options == ("一", "二", "三", "四")
    assert any(f"read as {encoding.upper()}" in note for note in found.notes)


@pytest.mark.parametrize("encoding", ["utf-16le", "utf-16be"])
def test_chinese_in_utf_16_without_a_mark(tmp_path: Path, encoding: str) -> None:
    """Two of its commonest letters have a NUL where Latin ones have theirs in the other order of bytes."""
    question = (
        "中国古代四大发明之一的造纸术最早由哪一位改进并推广到全国各地一直沿用至今的是最有名的哪一个人第{}题"
    )
    text = "".join(question.format(n) + ",蔡伦一,毕昇最,张衡,祖冲之,A\n" for n in range(6))
    found = QuestionSet([write(tmp_path / "x.csv", text, encoding)])
    assert [found.row(n).answer for n in range(6)] == [0] * 6


def test_a_carriage_return_in_a_line_is_said_plainly(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "One?,1,2,3,4,A\nTwo?,1\r2,3,4,5,A\nThree?,1,2,3,4,B\n")
    assert bad(path) == ["2: not CSV: a carriage return within a line"]


def test_old_line_ends(tmp_path: Path) -> None:
    path = write(tmp_path / "mac.csv", "One?,1,2,3,4,A\rTwo?,1,2,3,4,B\r")
    assert [row.answer for row in rows(path)] == [0, 1]


@pytest.mark.slow
def test_a_cell_of_ten_megabytes_is_a_bad_row_and_the_rest_is_read(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "big.csv",
        ["One?", "1", "2", "3", "4", "A"],
        ["x" * 10_000_000, "1", "2", "3", "4", "A"],
        ["Two?", "1", "2", "3", "4", "B"],
    )
    assert [row.question for row in rows(path)] == ["One?", "Two?"]
    assert bad(path) == ["2: a cell of 10,000,000 characters (is a quote missing?)"]


def test_headers(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "h.csv",
        ["ID", "Subject", "QUESTION", "Option A", "option_b", "C", "D", "E", "Answer"],
        ["q7", "logic", "One?", "a", "b", "c", "", "", "b"],
        ["", "", "Two?", "a", "b", "c", "d", "e", "(E)"],
    )
    first, second = rows(path)
    assert (first.id, first.group, first.options, first.answer) == ("h/q7", "logic", ("a", "b", "c"), 1)
    assert (second.id, second.group, len(second.options), second.answer) == ("h:3", "h", 5, 4)


def test_answers_as_text_and_as_indices(tmp_path: Path) -> None:
    head = ["question", "option 1", "option 2", "option 3", "answer"]
    by_text = write_csv(
        tmp_path / "t.csv", head, ["Q1", "red", "green", "blue", "Blue"], ["Q2", "x", "y", "z", "x"]
    )
    from_zero = write_csv(tmp_path / "z.csv", head, ["Q1", "a", "b", "c", "0"], ["Q2", "a", "b", "c", "2"])
    from_one = write_csv(tmp_path / "o.csv", head, ["Q1", "a", "b", "c", "1"], ["Q2", "a", "b", "c", "3"])
    unclear = write_csv(tmp_path / "u.csv", head, ["Q1", "a", "b", "c", "1"], ["Q2", "a", "b", "c", "2"])
    assert [row.answer for row in rows(by_text)] == [2, 0]
    assert [row.answer for row in rows(from_zero)] == [0, 2]
    assert [row.answer for row in rows(from_one)] == [0, 2]
    with pytest.raises(UsageError, match="several ways"):
        rows(unclear)
    assert [row.answer for row in rows(unclear, answers="index0")] == [1, 2]


def test_numbers_as_options_are_not_taken_for_places(tmp_path: Path) -> None:
    head = ["question", "A", "B", "C", "D", "answer"]
    path = write_csv(
        tmp_path / "n.csv",
        head,
        ["6 + 6?", "10", "11", "12", "13", "12"],
        ["1 + 1?", "1", "2", "3", "4", "2"],
    )
    assert [row.answer for row in rows(path)] == [2, 1]


def test_gpqa_columns(tmp_path: Path) -> None:
    head = [
        "Record ID",
        "Question",
        "Incorrect Answer 1",
        "Correct Answer",
        "Incorrect Answer 2",
        "Incorrect Answer 3",
    ]
    (row,) = rows(write_csv(tmp_path / "gpqa.csv", head, ["r1", "Why?", "no", "yes", "never", "maybe"]))
    assert (row.options, row.answer, row.drawn) == (("yes", "no", "never", "maybe"), 0, True)


def write_lines(path: Path, *values: object) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


def test_what_is_not_there_is_no_option(tmp_path: Path) -> None:
    gpqa = {"Question": "Q?", "Correct Answer": 5, "Incorrect Answer 1": 6, "Incorrect Answer 2": None}
    lettered = {"question": "Q?", "A": "x", "B": "y", "C": None, "answer": "B"}
    path = write_lines(tmp_path / "nulls.jsonl", gpqa, lettered)
    assert [(row.options, row.answer) for row in rows(path)] == [(("5", "6"), 0), (("x", "y"), 1)]
    odd = {"Question": "Q?", "Correct Answer": "a", "Incorrect Answer 1": ["b"], "Incorrect Answer 2": "c"}
    with pytest.raises(BadRowError, match="not all text"):
        draft_of_json(json.dumps(odd))


@pytest.mark.parametrize("name", ["article", "Passage", "context"])
def test_a_passage_is_asked_in_front_of_its_question(tmp_path: Path, name: str) -> None:
    value = {name: "The cat sat. ", "question": "Who sat?", "options": ["cat", "dog"], "answer": "A"}
    (line,) = rows(write_lines(tmp_path / "read.jsonl", value))
    head, cells = [name, "question", "A", "B", "answer"], ["The cat sat. ", "Who sat?", "cat", "dog", "A"]
    (row,) = rows(write_csv(tmp_path / "read.csv", head, cells))
    assert line.question == row.question == "The cat sat.\n\nWho sat?"
    (without,) = rows(write_csv(tmp_path / "none.csv", head, [" ", *cells[1:]]))
    assert without.question == "Who sat?"
    with pytest.raises(BadRowError, match="empty"):
        draft_of_json(json.dumps({**value, "question": " "}))
    with pytest.raises(BadRowError, match="passage is not text"):
        draft_of_json(json.dumps({**value, name: ["The", "cat"]}))


def test_files_of_a_folder(tmp_path: Path) -> None:
    for name in ("a.csv", "B.CSV", "c.tsv", "d.jsonl", "e.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in files_in([tmp_path])] == ["B.CSV", "a.csv", "c.tsv", "d.jsonl"]


@pytest.mark.parametrize(
    ("value", "options", "answer"),
    [
        ({"question": "Q", "options": ["a", "b"], "answer": "B"}, ("a", "b"), 1),
        ({"Question": "Q", "choices": {"A": "x", "B": "y", "C": "z"}, "answer": "C"}, ("x", "y", "z"), 2),
        (
            {"question": "Q", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "2"},
            ("x", "y"),
            1,
        ),
        ({"question": "Q", "A": "x", "B": "y", "answer": "A"}, ("x", "y"), 0),
        ({"question": "Q", "options": [1, 2.5, 3], "answer": "2.5"}, ("1", "2.5", "3"), 1),
        ({"question": "Q", "choices": ["x", "y", "z"], "answer": 0}, ("x", "y", "z"), 0),
        (
            {"question": "Q", "options": [f"o{n}" for n in range(26)], "answer": "Z"},
            tuple(f"o{n}" for n in range(26)),
            25,
        ),
    ],
)
def test_json_lines(tmp_path: Path, value: dict[str, object], options: tuple[str, ...], answer: int) -> None:
    (row,) = rows(write(tmp_path / "x.jsonl", json.dumps(value) + "\n"))
    assert (row.options, row.answer) == (options, answer)


def test_bad_json_lines(tmp_path: Path) -> None:
    lines = [
        "{",
        "[]",
        '{"question": "Q", "options": ["a"], "answer": "A"}',
        '{"question": "Q", "options": "ab", "answer": "A"}',
        '{"question": "Q", "options": ["a", "b"]}',
        '{"question": "Q", "options": ["a", "b"], "answer": true}',
        '{"question": "Q", "options": ["a", {}], "answer": "A"}',
        '{"options": ["a", "b"], "answer": "A"}',
        '{"question": "Q", "options": ["a", "b"], "answer": "A", "answer_text": "b"}',
        '{"question": "Q", "options": ["a", "b"], "answer": "A", "answer_text": "a"}',
    ]
    path = write(tmp_path / "x.jsonl", "\n".join(lines))
    assert len(rows(path)) == 1
    assert sorted(each.line for each in QuestionSet([path]).bad) == list(range(1, 10))


def test_a_json_array_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="JSON array"):
        QuestionSet([write(tmp_path / "x.json", '[{"question": "Q"}]')])


def test_a_header_without_an_answer_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", ["question", "A", "B"], ["Q", "a", "b"])
    with pytest.raises(UsageError, match="no column with the answer"):
        QuestionSet([path])


def test_ids_that_occur_twice_are_told_apart_and_reported(tmp_path: Path) -> None:
    line = '{"id": "q1", "question": "%s?", "options": ["a", "b"], "answer": "A"}\n'
    path = write(tmp_path / "x.jsonl", line % "One" + line % "Two" + line % "Three")
    found = QuestionSet([path])
    assert [found.row(n).id for n in range(3)] == ["x/q1", "x/q1@2", "x/q1@3"]
    (note,) = found.notes
    assert (
        note
        == f"rows with an earlier row's id: 2 (told apart by their lines), the first 'q1' in {path}, line 2"
    )


def test_questions_that_occur_twice_are_counted_and_reported(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "x.csv",
        ["One?", "1", "2", "3", "4", "A"],
        ["Two?", "1", "2", "3", "4", "A"],
        ["One?", "1", "2", "3", "4", "A"],
        ["One?", "1", "2", "3", "4", "B"],  # another answer: another question
        ["One?", "1", "2", "3", "5", "A"],
        ["Two?", "1", "2", "3", "4", "A"],
    )
    found = QuestionSet([path])
    assert len(found) == 6
    assert found.copies == {2: 0, 5: 1}
    (note,) = found.notes
    how = "each is asked; in intervals and verdicts they are one"
    assert note == f"rows with an earlier row's question: 2 ({how}), the first in {path}, line 3"


def test_copies_of_a_question_are_one_witness(tmp_path: Path) -> None:
    """The same questions in two files: as many items, and half as many that say anything of their own."""
    rows = [[f"Question {number}?", "1", "2", "3", "4", "A"] for number in range(30)]
    paths = [write_csv(tmp_path / name, *rows) for name in ("one.csv", "two.csv")]
    items = [*items_of(QuestionSet(paths), range(60), Choosing())]
    assert len({(item.id, item.content_hash) for item in items}) == 60
    keys = [item_key("mcq", item.id, item.content_hash) for item in items]
    assert len(set(keys)) == 60
    assert len(set(map(unit_of, keys))) == len({item.spec["unit"] for item in items}) == 30
    assert [item.spec["order"] for item in items[:30]] == [item.spec["order"] for item in items[30:]]
    scores = Scores.of((key, float(place % 30 < 20)) for place, key in enumerate(keys))
    assert (len(scores.means()), sum(scores.means())) == (30, 20.0)


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for folder in ("dev", "test"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "law.csv", f"{folder}?,1,2,3,4,A\n")
    assert [row.group for row in rows(*sorted(tmp_path.glob("*/law.csv")))] == ["dev/law", "test/law"]


def test_the_hash_follows_the_content(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "One?,1,2,3,4,A\n")
    before = QuestionSet([path]).hash
    assert QuestionSet([path]).hash == before
    write(path, "One?,1,2,3,4,B\n")
    assert QuestionSet([path]).hash != before


def test_rows_can_be_read_in_any_order(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "x.csv", *[[f"Question\n{n}?", "1", "2", "3", "4", "ABCD"[n % 4]] for n in range(50)]
    )
    found = QuestionSet([path])
    for number in (49, 0, 17, 3):
        row = found.row(number)
        assert (row.question, row.answer) == (f"Question\n{number}?", number % 4)


def test_folders_and_patterns(tmp_path: Path) -> None:
    for name in ("b.csv", "a.jsonl", "notes.txt"):
        write(tmp_path / name, "")
    assert [path.name for path in files_in([tmp_path])] == ["a.jsonl", "b.csv"]
    assert [path.name for path in files_in([tmp_path], "*.txt")] == ["notes.txt"]
    with pytest.raises(UsageError, match="holds no file like"):
        files_in([tmp_path], "*.tsv")
    with pytest.raises(UsageError, match="there is no file"):
        files_in([tmp_path / "none"])


@pytest.mark.parametrize("broken", ['"open q,one,b,c,d,A', 'open q,"one,b,c,d,A', 'open q,one,b,c,"d,A'])
@pytest.mark.parametrize("closed_later", [False, True])
def test_a_quote_that_is_not_closed_costs_its_own_line_only(
    tmp_path: Path, broken: str, closed_later: bool
) -> None:
    lines = [f"q{number},a,b,c,d,A" for number in range(60)]
    lines[30] = broken
    if closed_later:
        lines[45] = '"q, 45",a,b,c,d,A'
    path = write(tmp_path / "a.csv", "\n".join(lines) + "\n")
    found = QuestionSet([path])
    assert len(found) == 59
    (reported,) = found.bad
    assert reported.line == 31
    assert "a quote is opened and not closed" in reported.reason
    assert [found.row(number).id for number in (29, 30, 58)] == ["a:30", "a:32", "a:60"]


def test_a_row_over_several_lines_may_leave_its_last_cells_out(tmp_path: Path) -> None:
    head = [
        "Record ID",
        "Question",
        "Correct Answer",
        *(f"Incorrect Answer {n}" for n in (1, 2, 3)),
        "Subdomain",
    ]
    gpqa = write_csv(
        tmp_path / "gpqa.csv",
        head,
        ["100", "Why\nso?", "right", "a", "b", "None"],
        ["101", "One line?", "right", "a", "b", "c"],
    )
    named = write_csv(
        tmp_path / "named.csv", ["question", "A", "B", "answer", "subject"], ["Two\nof", *"abA"]
    )
    assert [row.question for row in rows(gpqa, named)] == ["Why\nso?", "One line?", "Two\nof"]
    five = write_csv(tmp_path / "five.csv", ["Which\nof these?", *"abcA"], ["q", *"abcdA"])
    assert bad(five) == ["1: 5 columns instead of 6 (question, A, B, C, D, letter)"]


def test_another_separator_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "q;a;b;c;d;A\n")
    assert bad(path) == [
        "1: 1 column (separated by semicolons? commas, or tabs in a .tsv file) instead of 6 "
        "(question, A, B, C, D, letter)"
    ]


def test_options_that_differ_in_signs_agree_with_their_own_text(tmp_path: Path) -> None:
    line = {"question": "?", "options": ["Co", "CO", "Cu", "O2"], "answer": "B", "answer text": "CO"}
    path = write(tmp_path / "a.jsonl", json.dumps(line))
    assert [row.answer for row in rows(path)] == [1]


def test_a_long_cell_is_read_again_as_it_was_checked(tmp_path: Path) -> None:
    passage = "so it goes " * 20_000
    path = write_csv(tmp_path / "long.csv", [passage, "a", "b", "c", "d", "B"], ["Two?", *"abcd", "A"])
    assert [len(row.question) for row in rows(path)] == [len(passage.strip()), 4]


@pytest.mark.slow
def test_of_a_file_with_many_rows_only_their_places_are_kept(tmp_path: Path) -> None:
    count = 5_000
    path = write_csv(tmp_path / "many.csv", *([f"What is {n}?", *"abcd", "A"] for n in range(count)))
    QuestionSet([path])
    tracemalloc.start()
    try:
        found = QuestionSet([path])
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == count
    assert kept / count < 20


def test_rows_belong_to_their_file_where_others_are_empty(tmp_path: Path) -> None:
    files = {"a": 0, "b": 2, "c": 0, "d": 1, "e": 0}
    for name, count in files.items():
        write_csv(tmp_path / f"{name}.csv", *([f"{name}{n}?", *"abcd", "A"] for n in range(count)))
    found = QuestionSet([tmp_path / f"{name}.csv" for name in files])
    assert [found.row(number).id for number in range(len(found))] == ["b:1", "b:2", "d:1"]
