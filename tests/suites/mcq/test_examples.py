"""Examples of another file: what is also asked is none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiltyard.errors import UsageError
from tiltyard.suites.mcq.questions import Choosing, question_set, shots_of


def write(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


ROWS = ("One?,a,b,c,d,A", "Two?,a,b,c,d,B", "Three?,a,b,c,d,C")


def test_a_row_that_is_asked_is_no_example(tmp_path: Path) -> None:
    asked = write(tmp_path / "test.csv", *ROWS)
    other = write(
        tmp_path / "dev.csv",
        "one?,d,c,b,a,D",  # the same with its options in another order
        "Four?,a,b,c,d,A",
        "Two?,a,b,c,d,B",
        "Two?,a,b,c,e,B",  # another option: another question
        "Five?,a,b,c,d,A",
    )
    questions = question_set([asked])
    shots = shots_of(Choosing(files={"questions": [asked], "examples": other}, few_shot=2), questions)
    assert shots is not None
    assert (list(shots.of_file[0]), shots.left_out) == ([1, 3], 2)
    words = "\n".join(str(message.content) for message in shots.messages(0, "{question}\n{options}", True))
    assert "Four?" in words
    assert "one?" not in words


def test_a_file_whose_rows_are_all_asked_holds_no_examples(tmp_path: Path) -> None:
    asked = write(tmp_path / "test.csv", *ROWS)
    copy = write(tmp_path / "copy.csv", *ROWS)
    for path in (asked, copy):
        settings = Choosing(files={"questions": [asked], "examples": path})
        with pytest.raises(UsageError, match=r"holds 0 examples that are not among the questions .* \(3 are"):
            shots_of(settings, question_set([asked]))


def test_examples_of_their_own_are_all_shown(tmp_path: Path) -> None:
    asked = write(tmp_path / "test.csv", *ROWS[:1])
    other = write(tmp_path / "dev.csv", *ROWS[1:])
    shots = shots_of(Choosing(files={"questions": [asked], "examples": other}), question_set([asked]))
    assert shots is not None
    assert (list(shots.of_file[0]), shots.left_out) == ([0, 1], 0)
