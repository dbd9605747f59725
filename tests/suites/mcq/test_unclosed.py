"""Quotes that nobody closed cost their own line and no good row; line breaks within quotes stay."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pytest

from tiltyard.suites.mcq.reading import QuestionSet

HEAD = "question,A,B,C,D,answer"
NOTED = HEAD + ",note"
GPQA = "Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect Answer 3"


def rows(name: str, count: int = 10, rest: str = "a,b,c,d,B") -> list[str]:
    return [f"{name}{number},{rest}" for number in range(count)]


def noted(name: str, count: int = 10) -> list[str]:
    return rows(name, count, "a,b,c,d,B,n")


def read(folder: Path, lines: Sequence[str], name: str = "x.csv") -> QuestionSet:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return QuestionSet([path])


def questions(found: QuestionSet) -> list[str]:
    return [found.row(number).question for number in range(len(found))]


def written(*cells: Sequence[str]) -> list[str]:
    """Rows as a program writes them."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(cells)
    return text.getvalue().splitlines()


@pytest.mark.parametrize(
    ("before", "opened", "between", "closing", "after"),
    [
        ([NOTED, *noted("P")], '"Q,a,b,c,d,B,n', noted("R"), 'Screen of 15",a,b,c,d,C', noted("T")),
        ([HEAD, *rows("P")], '"Q,a,b,c,d,B', rows("R", 30), 'How long?,5",6",7",8",A', rows("T")),
        ([HEAD], '"Q,a,b,c,d,B', rows("R"), 'How long?,5",6",7",8",A', []),
        ([], '"Q,a,b,c,d,B', rows("R"), 'How long?,5",6",7",8",A', rows("T")),
        ([NOTED, *noted("P")], 'Q,a,b,c,d,B,"open', noted("R"), 'X,a,b,c,d,C,"fine"', noted("T")),
        ([NOTED, *noted("P")], 'Q,a,b,c,d,B,"open', noted("R"), 'X,a,b,c,d,C,5" long', noted("T")),
        ([NOTED, *noted("P")], 'Q,a,b,c,d,B,"open', noted("R"), 'X,a,b,c,d,C,long 5"', noted("T")),
        ([NOTED, *noted("P")], 'Q,"a,b,c,d,B,n', noted("R"), 'X,a,b,c,d,C,long 5"', noted("T")),
        ([NOTED, *noted("P")], 'Q,"a,b,c,d,B,n', noted("R"), 'X,a,b,c,d,C,"fine"', noted("T")),
        ([NOTED, *noted("P")], 'Q,a,b,c,d,B,"open', noted("R"), 'X,a,b,c,d,C,""', noted("T")),
        ([HEAD, *rows("P")], '"Q, with a comma,a,b,c,d,B', rows("R"), '"X, too",a,b,c,d,C', rows("T")),
        # one row beside it, or none
        ([NOTED, *noted("P")], '"Q,a,b,c,d,B,n', noted("R", 1), 'Screen of 15",a,b,c,d,C', noted("T")),
        ([NOTED, *noted("P")], '"Q,a,b,c,d,B,n', [], 'Screen of 15",a,b,c,d,C', noted("T")),
        ([HEAD, *rows("P")], '"Q,a,b,c,d,B', [], 'How long?,5",6",7",8",A', rows("T")),
        ([NOTED, *noted("P")], '"Q, of 1, 2,a,b,c,d,B,n', [], 'Screen of 15",a,b,c,d,C,n', noted("T")),
        ([HEAD, *rows("P")], '"Q,a,b,c,d,B', [], '"X",a,b,c,d,C', rows("T")),
        # to the end of the file
        ([NOTED, *noted("P")], 'Q,a,b,c,d,B,"open', noted("R"), "X,a,b,c,d,C,n", []),
        # rows that leave their last cells out, and answers that are no letters
        ([NOTED + ",more", *rows("P")], '"Q,a,b,c,d,B', rows("R"), 'Screen of 15",a,b,c,d,C', rows("T")),
        ([HEAD, *rows("P", 10, "a,b,c,d,d")], '"Q,a,b,c,d,b', rows("R", 5, "a,b,c,d,c"), '5",a,b,c,d,a', []),
        ([HEAD, *rows("P", 9, "a,b,c,d,0")], '"Q,a,b,c,d,1', rows("R", 5, "a,b,c,d,3"), '5",a,b,c,d,2', []),
        ([GPQA, *rows("P", 10, "a,b,c,d")], '"Q,a,b,c,d', rows("R", 5, "a,b,c,d"), 'How 5",a,b,c,d', []),
    ],
)
def test_no_good_row_is_lost_to_a_quote_that_nobody_closed(
    tmp_path: Path, before: list[str], opened: str, between: list[str], closing: str, after: list[str]
) -> None:
    found = read(tmp_path, [*before, opened, *between, closing, *after])
    (reported,) = found.bad
    assert reported.line == len(before) + 1
    assert "a quote is opened and not closed" in reported.reason
    header = bool(before)
    assert len(found) == len(before) - header + len(between) + 1 + len(after)
    assert not any("\n" in question for question in questions(found))


@pytest.mark.parametrize("opened", ['Q,a,b,c,d,"B', 'Q,a,b,c,"d,B', 'Q,a,b,"c,d,B'])
def test_a_row_over_lines_behind_a_quote_that_nobody_closed_stays(tmp_path: Path, opened: str) -> None:
    found = read(tmp_path, [HEAD, *rows("P"), opened, '"X, and ""Y""', 'too",a,b,c,d,C', *rows("T")])
    assert [each.line for each in found.bad] == [12]
    assert questions(found)[10] == 'X, and "Y"\ntoo'
    assert len(found) == 21


def test_a_question_over_two_lines_without_its_second_quote(tmp_path: Path) -> None:
    lines = [
        HEAD,
        *rows("P"),
        '"Which',
        "of these?,a,b,c,d,B",
        *rows("R"),
        '15" screen,a,b,c,d,C',
        *rows("T"),
    ]
    found = read(tmp_path, lines)
    assert [each.line for each in found.bad] == [12]
    assert not any("\n" in question for question in questions(found))
    assert questions(found)[-11] == '15" screen'


CODE = """What does this print?
def f(a, b, c, d, e):
    return a, b, c, d, e
print(f(1, 2, 3, 4, 5), "x, y", [1, 2, 3, 4, 5])"""
QUOTED = """What is in the second row?
"Q1","a","b","c","d","A"
"Q2, or 3",a,b,c,d,B"""
TABLE = """The data are
1,2,3,4,5
6,7,8,9,10
11,12,13,14,15
What is their mean?"""
TRUTH = """P,Q,P and Q
T,T,T,T
T,F,F,F
F,T,F,F
Which is it?"""
PROSE = """In a box, dark, cold, closed, and small,
the gas, hot, thin, red, and light, is
heated, cooled, moved, and, at last, freed.
What is it?"""
SEQUENCES = """Which of these is the odd one?
A,C,G,T,A,C
G,C,T,A,T,C
T,T,T,A,A,G"""

SERIES = """What comes next? B, A, B, C, D, A
Choose one, please."""
GRADES = """Given this CSV file:
name,math,physics,chem,bio,grade
Ann,90,85,88,92,A
Bob,70,75,72,78,B

Who has the best mean?"""
ONE = """One record:
Ann,90,85,88,92,A
What is the mean?"""
LETTERED = """Table:
x,y,z,u,v,A
1,2,3,4,5,B
6,7,8,9,10,C
Which?"""
TABLES = [GRADES, ONE, LETTERED]
TEXTS = [CODE, QUOTED, TABLE, TRUTH, PROSE, SEQUENCES, SERIES, *TABLES, "Two\n\n\nlines, or\nthree"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    ("head", "rest"),
    [
        (None, ["a", "b", "c", "d", "B"]),
        (HEAD, ["a\n, b, or c", "b, c", "c", "d", "B"]),
        (HEAD, ["a", "b", "c", "d", "d"]),
        (NOTED, ["a", "b", "c", "d", "B", "a note, of\ntwo, or\nthree lines, a, b, c, A"]),
        (NOTED + ",more,columns", ["a", "b", "c", "d", "B"]),
        ("question,A,B,answer", ["a", "b", "B"]),
        ("question,A,B,answer", ["T", "F", "T"]),
        (GPQA, ["a", "b", "c", "d"]),
        (GPQA, ["a\nb, c", "b", "c", "d"]),
    ],
)
def test_line_breaks_in_quotes_are_part_of_the_row(
    tmp_path: Path, head: str | None, rest: list[str], text: str
) -> None:
    plain = [cell.replace("\n", " ") for cell in rest]
    lines = written(["One?", *plain], [text, *rest], [f"More. {text}", *rest], ["Two?", *plain])
    found = read(tmp_path, [*([head] if head else []), *lines])
    assert found.bad == []
    assert questions(found) == ["One?", text, f"More. {text}", "Two?"]


@pytest.mark.parametrize("head", [[], [HEAD]])
@pytest.mark.parametrize("text", TABLES)
@pytest.mark.parametrize(("before", "after"), [(4, 4), (0, 8), (8, 0)])
def test_a_table_in_a_question_is_part_of_it_wherever_the_question_stands(
    tmp_path: Path, head: list[str], text: str, before: int, after: int
) -> None:
    asked = written([text, "Ann", "Bob", "Cy", "Nobody", "A"])
    found = read(tmp_path, [*head, *rows("P", before), *asked, *rows("T", after)])
    assert found.bad == []
    assert questions(found)[before] == text
    assert len(found) == 9


def test_a_file_of_nothing_but_questions_with_tables(tmp_path: Path) -> None:
    asked = [f"{LETTERED}{number}" for number in range(5)]
    found = read(tmp_path, written(*([text, "p", "q", "r", "s", "B"] for text in asked)))
    assert found.bad == []
    assert questions(found) == asked


def test_a_table_in_an_explanation_behind_the_answer(tmp_path: Path) -> None:
    asked = [[f"Q{number}", *"abcd", "ABCD"[number % 4], "See:\nz,1,2,3,4,A\nok"] for number in range(8)]
    found = read(tmp_path, [HEAD + ",explanation", *written(*asked)])
    assert found.bad == []
    assert questions(found) == [f"Q{number}" for number in range(8)]


def test_a_quote_that_nobody_closed_in_a_row_without_its_answer(tmp_path: Path) -> None:
    found = read(tmp_path, [NOTED, *noted("P"), '"Q,a,b,c,d', *noted("R"), 'X,5",b,c,d,C', *noted("T")])
    assert [each.line for each in found.bad] == [12]
    assert len(found) == 31


def test_quotes_that_are_not_doubled_do_not_break_a_question_over_lines(tmp_path: Path) -> None:
    found = read(tmp_path, [HEAD, '"He said', '"no" twice. Why?",a,b,c,d,B', *rows("T", 2)])
    assert len(found) == 3
    assert found.bad == []


def test_a_bad_row_over_lines_is_one_bad_row(tmp_path: Path) -> None:
    found = read(tmp_path, ['"Which', 'of these, a or b?",a,b,c,A', *rows("T", 3)])
    assert [(each.line, each.reason) for each in found.bad] == [
        (1, "5 columns instead of 6 (question, A, B, C, D, letter)")
    ]
    assert len(found) == 3


def test_carriage_returns_within_a_cell_are_text(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    text = "P,a,b,c,d,A\r,b,c\nQ,a,b,c,d,A\rB,C\nR, or\rS"
    path.write_bytes(f'"{text}",a,b,c,d,B\nX,a,b,c,d,C\n'.encode())
    found = QuestionSet([path])
    assert questions(found) == [text, "X"]


def test_tabs_alike(tmp_path: Path) -> None:
    lines = [HEAD, *rows("P"), '"Q,a,b,c,d,B', *rows("R"), 'How long?,5",6",7",8",A', *rows("T")]
    found = read(tmp_path, [line.replace(",", "\t") for line in lines], "x.tsv")
    assert (len(found), [each.line for each in found.bad]) == (31, [12])


ESSAY = (
    "a line of an essay, of two, that goes on and on and says nothing\n" * 20_000
)  # more than a cell may hold


@pytest.mark.slow
@pytest.mark.parametrize("head", [[], [HEAD]])
@pytest.mark.parametrize("before", [0, 5])
@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ((f"Q1 {ESSAY}", *"abcdA"), f"a cell of {len(ESSAY) + 3:,} characters"),
        (("Q1", *"abc", ESSAY, "A"), f"a cell of {len(ESSAY):,} characters"),
        ((f"Q1 {ESSAY}", *"abcdeA"), f"a cell of {len(ESSAY) + 3:,} characters"),
        ((f"{GRADES}\n\0", *"abcdA"), "it holds NUL characters"),
        ((f"{CODE}\n\0", *"abcdA"), "it holds NUL characters"),
    ],
)
def test_a_cell_over_lines_that_cannot_be_used_is_one_bad_row(
    tmp_path: Path, head: list[str], before: int, cells: tuple[str, ...], why: str
) -> None:
    found = read(tmp_path, [*head, *rows("P", before), *written(cells), *rows("T", 8)])
    (reported,) = found.bad
    assert (reported.line, reported.reason.startswith(why)) == (len(head) + before + 1, True)
    assert len(found) == before + 8


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 400])  # of each row: all of them could be one cell, or could not
@pytest.mark.parametrize("opened", ['"Q,a,b,c,d,B', '"Which', 'Q,a,b,c,d,"B', '"Q\0,a,b,c,d,B'])
@pytest.mark.parametrize(
    "closing", ['Screen of 15",a,b,c,d,C', 'Screen of 15",a', '5",a,b,c,d,C', 'X,a,b,c,d,C,5"', ""]
)
def test_a_quote_that_nobody_closed_costs_no_row_however_much_it_opens(
    tmp_path: Path, opened: str, length: int, closing: str
) -> None:
    long = rows("R" * length, 3_000)
    found = read(tmp_path, [HEAD, *rows("P"), opened, *long, closing, *rows("T")])
    assert len(found) == len(long) + 20 + (",C" in closing)
    assert found.bad[0].line == 12
    assert found.bad_count == 1 + closing.endswith(",a")
