"""Which files of a folder are read, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiltyard.errors import UsageError
from tiltyard.suites.mcq.files import files_in, passed_over
from tiltyard.suites.mcq.reading import QuestionSet


def folder_of(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


def test_endings_count_in_any_case(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.csv", "b.Csv", "c.NDJSON", "d.jsonL", "e.TSV", "f.txt")
    assert [path.name for path in files_in([folder])] == ["a.csv", "b.Csv", "c.NDJSON", "d.jsonL", "e.TSV"]
    assert passed_over([folder]) is None


def test_files_with_endings_in_any_case_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.Csv").write_text("One?,a,b,c,d,B\n", encoding="utf-8")
    line = '{"question": "?", "options": ["a", "b"], "answer": "B"}\n'
    (tmp_path / "b.NdJson").write_text(line, encoding="utf-8")
    found = QuestionSet(files_in([tmp_path]))
    assert [found.row(number).answer for number in range(2)] == [1, 1]


def test_what_a_pattern_passes_over_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    one = folder_of(tmp_path, "a.csv", "b.jsonl", "c.jsonl", "d.Csv", "e.parquet", "f.txt", "g.csv.gz")
    two = folder_of(tmp_path / "sub", "a.csv", "b.XLSX")
    note = passed_over([one, two, one / "a.csv"], "*.csv")
    assert note == (
        "not read, in 2 folders: 6 files (.csv 1, .gz 1, .jsonl 2, .parquet 1, .xlsx 1): name them or set "
        "--csv-pattern; those that are no text are to be saved as CSV or JSONL"
    )
    assert passed_over([one / "b.jsonl", one], "*.csv") == (
        f"not read, in {one}: 4 files (.csv 1, .gz 1, .jsonl 1, .parquet 1): name them or set "
        "--csv-pattern; those that are no text are to be saved as CSV or JSONL"
    )


def test_a_json_file_of_a_folder_is_no_sure_question_file(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.csv", "b.json")
    assert passed_over([folder]) == (f"not read, in {folder}: 1 file (.json 1): name it or set --csv-pattern")


def test_a_folder_without_a_file_to_read_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no file like \*\.csv or \*\.jsonl or \*\.tsv") as caught:
        files_in([folder_of(tmp_path, "a.parquet")])
    assert "but 1 file (.parquet 1)" in str(caught.value)
    assert "CSV or JSONL" in caught.value.remedy


@pytest.mark.parametrize("name", ["a.parquet", "a.csv.gz", "a.XLSX"])
def test_a_file_that_is_no_text_is_refused_by_its_ending(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PAR1\0\0")
    with pytest.raises(UsageError, match="is no text") as caught:
        QuestionSet([tmp_path / name])
    assert "CSV or JSONL" in caught.value.remedy
