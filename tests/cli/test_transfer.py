"""Exports are safe for where they go, and a bundle arrives whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from tests.store.conftest import failed, make_attempt, make_run
from tiltyard.cli import app
from tiltyard.errors import UsageError
from tiltyard.records import OUTCOMES, Grade, Model, Outcome, Sample
from tiltyard.reports.bundle import Packed, write_bundle
from tiltyard.reports.export import cell, guarded
from tiltyard.store.store import FILE, Store


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with two runs, one of them with a nasty name."""
    monkeypatch.setenv("TILTYARD_DATA_DIR", str(tmp_path / "here"))
    with Store.open() as store:
        for run_id, name in (("r1", "qwen"), ("r2", '=HYPERLINK("x")|\n<b>`\u2028\x1b[31m')):
            store.claim(make_run(run_id, model=Model(name=name)))
            store.add([make_attempt(run_id), make_attempt(run_id, repetition=1, exchanges=(failed(),))])
            store.add([make_attempt(run_id, repetition=1, try_no=2)])
            store.add_samples(run_id, [Sample(t_ns=5, device="gpu0", power_w=100.0)])
            store.finish(run_id, "finished", {"decode_tps": {"n": 2, "mean": 5.0}, "text": "a\u2028b"})
    return tmp_path


def call(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def export(kind: str, path: Path, *runs: str) -> str:
    result = call("export", "--format", kind, "--output", str(path), *runs)
    assert result.exit_code == 0, result.output
    return path.read_bytes().decode()


def test_json_holds_runs_and_attempts(folder: Path) -> None:
    found = json.loads(export("json", folder / "x.json"))
    assert found["schema"] == "tiltyard.export/1"
    assert [(one["run"]["id"], len(one["attempts"])) for one in found["runs"]] == [("r2", 2), ("r1", 2)]
    assert found["runs"][0]["attempts"][1]["ending"] == "ok"  # the newest try
    assert found["runs"][0]["run"]["summary"]["decode_tps"] == {"n": 2, "mean": 5.0}
    assert len(json.loads(export("json", folder / "y.json", "r1"))["runs"]) == 1


def test_csv_is_safe_to_open_in_a_spreadsheet(folder: Path) -> None:
    text = export("csv", folder / "x.csv")
    rows = list(csv.DictReader(text.splitlines(keepends=True)))
    assert len(rows) == 4
    assert rows[0]["model"].startswith("'=HYPERLINK")
    assert (rows[2]["model"], rows[2]["ttft_ms"], rows[2]["ending"]) == ("qwen", "200.0", "ok")
    for text in ("=1+1", "+1", "-1", "@x", "\tx", "\r=x", " =x", "\ufeff=x"):
        assert guarded(text).startswith("'")
    assert guarded(-1.5) == -1.5
    assert guarded("a=b") == "a=b"


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_what_has_no_score_is_not_exported_as_score_0(folder: Path, outcome: Outcome) -> None:
    grade = Grade(outcome=outcome, score=0.0, reasons=("http 500",))
    with Store.open() as store:
        store.claim(make_run("r3", suite="mcq"))
        store.add([make_attempt("r3", grade=grade)])
        store.finish("r3", "finished", {})
    scored = None if outcome in ("error", "unsupported") else 0.0
    (row,) = csv.DictReader(export("csv", folder / "x.csv", "r3").splitlines(keepends=True))
    assert (row["outcome"], row["score"]) == (outcome, "" if scored is None else "0.0")
    (attempt,) = json.loads(export("json", folder / "x.json", "r3"))["runs"][0]["attempts"]
    assert (attempt["grade"]["outcome"], attempt["grade"]["score"]) == (outcome, scored)
    for words, one in ((("r3",), lambda found: found["attempts"][0]), (("r3", "1"), lambda found: found)):
        assert one(json.loads(call("show", *words, "--json").output))["grade"]["score"] == scored
    said = f"{outcome}, {'no score' if scored is None else 'score 0'}"
    assert said in call("show", "r3", "1").output
    export("jsonl", folder / "x.jsonl", "r3")  # which is taken in again, and so is the record itself
    assert call("rm", "r3", "--yes").exit_code == 0
    assert call("import", str(folder / "x.jsonl")).exit_code == 0
    with Store.open() as store:
        assert store.attempt("r3", 1).grade == grade


def test_markdown_cells_hold_what_is_in_them(folder: Path) -> None:
    lines = export("md", folder / "x.md").rstrip("\n").split("\n")
    assert len(lines) == 4
    assert all(line.count("|") == lines[0].count("|") for line in lines)
    assert "\x1b" not in "".join(lines)
    assert cell("a|b*c_d`<x>\ny") == "a&#124;b\\*c\\_d&#96;&#60;x&#62; y"


def test_a_bundle_arrives_whole_and_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "x.jsonl"
    export("jsonl", path)
    with Store.open() as store:
        before = [(run, store.attempts(run.id, True, True), store.samples(run.id)) for run in store.runs()]
    monkeypatch.setenv("TILTYARD_DATA_DIR", str(folder / "there"))
    assert "2 runs taken in, 0 were here already" in call("import", str(path)).output
    with Store.open() as store:
        after = [(run, store.attempts(run.id, True, True), store.samples(run.id)) for run in store.runs()]
        assert len(store.board()) == 2
    assert after == before
    assert json.loads(call("import", str(path), "--json").output) == {
        "imported": [],
        "updated": [],
        "already_there": 2,
        "fewer_here": {},
    }


def carry_on(run_id: str, more: int, score: float) -> None:
    """What the same command does on the machine where the run was broken off."""
    with Store.open() as store:
        first = store.counts([run_id])[run_id]
        store.add([make_attempt(run_id, repetition=first + number) for number in range(more)])
        store.finish(run_id, "finished", {"decode_tps": {"n": first + more, "mean": score}})


def test_a_run_that_was_carried_on_elsewhere_is_brought_up_to_date(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = folder / "old.jsonl", folder / "new.jsonl"
    export("jsonl", old)
    carry_on("r1", 3, 9.0)
    export("jsonl", new)
    with Store.open() as store:
        before = [(run, store.attempts(run.id, True, True), store.samples(run.id)) for run in store.runs()]
    monkeypatch.setenv("TILTYARD_DATA_DIR", str(folder / "there"))
    call("import", str(old))
    said = call("import", str(new)).output
    assert "0 runs taken in, 1 brought up to date, 1 was here already" in said
    with Store.open() as store:
        after = [(run, store.attempts(run.id, True, True), store.samples(run.id)) for run in store.runs()]
        assert sorted(row.decode_tps.mean for row in store.board() if row.decode_tps) == [5.0, 9.0]
        assert store.whole()
        with store.reading() as db:
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    assert after == before
    assert json.loads(call("import", str(old), "--json").output)["already_there"] == 2  # it knows less
    assert json.loads(call("runs", "--json").output)["runs"][1]["attempts"] == 5


def test_an_import_never_changes_a_run_that_was_measured_here(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = folder / "old.jsonl", folder / "new.jsonl"
    export("jsonl", old)
    monkeypatch.setenv("TILTYARD_DATA_DIR", str(folder / "there"))
    call("import", str(old))
    carry_on("r1", 3, 9.0)  # there it was resumed, so it is partly theirs now
    export("jsonl", new)
    monkeypatch.setenv("TILTYARD_DATA_DIR", str(folder / "here"))
    assert json.loads(call("import", str(new), "--json").output) == {
        "imported": [],
        "updated": [],
        "already_there": 2,
        "fewer_here": {"r1": [2, 5]},
    }
    said = call("import", str(new)).output
    assert "r1 is here with 2 attempts, 5 in the file: what was measured here stays" in said
    assert "tiltyard rm r1" in said
    with Store.open() as store:
        assert store.counts(["r1"]) == {"r1": 2}


def spoiled(lines: list[bytes], how: str) -> list[bytes]:
    if how == "cut off":
        return lines[:-1]
    if how == "cut in a line":
        return [*lines[:3], lines[3][: len(lines[3]) // 2]]
    if how == "changed":
        return [lines[0], lines[1].replace(b"qwen", b"owen").replace(b"HYPER", b"hyper"), *lines[2:]]
    if how == "line lost":
        return [*lines[:3], *lines[4:]]
    if how == "newer format":
        return [lines[0].replace(b"bundle/1", b"bundle/9"), *lines[1:]]
    if how == "wrong type":
        return [*lines[:2], lines[2].replace(b'"repetition":0', b'"repetition":"no"'), *lines[3:]]
    if how == "stray attempt":
        return [lines[0], *lines[2:]]
    if how == "more":
        return [*lines, lines[1]]
    return {"empty": [], "other file": [b'{"a": 1}\n'], "binary": [b"\xff\xfe\x00"]}[how]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("cut off", "the file is cut off"),
        ("cut in a line", "line 4"),
        ("changed", "were changed or lost"),
        ("line lost", "were changed or lost"),
        ("newer format", "bundle/9"),
        ("wrong type", "line 3: Expected"),
        ("stray attempt", "line 2"),
        ("more", "more after the end"),
        ("empty", "is empty"),
        ("other file", "no Tiltyard bundle"),
        ("binary", "no Tiltyard bundle"),
    ],
)
def test_nothing_is_half_imported(
    folder: Path, monkeypatch: pytest.MonkeyPatch, how: str, words: str
) -> None:
    path = folder / "x.jsonl"
    export("jsonl", path)
    path.write_bytes(b"".join(spoiled(lines_of(path), how)))
    monkeypatch.setenv("TILTYARD_DATA_DIR", str(folder / "there"))
    result = call("import", str(path))
    assert isinstance(result.exception, UsageError)
    assert words in str(result.exception)
    assert "x.jsonl" in str(result.exception)
    with closing(sqlite3.connect(folder / "there" / FILE)) as db, db:
        assert db.execute("SELECT count(*) FROM runs").fetchone() == (0,)
    db.close()


def lines_of(path: Path) -> list[bytes]:
    """Lines as the file has them: U+2028 and the like end none."""
    with path.open("rb") as file:
        return list(file)


def test_a_place_that_cannot_be_written(folder: Path) -> None:
    result = call("export", "--output", str(folder / "no" / "such" / "x.json"))
    assert isinstance(result.exception, UsageError)
    assert "cannot write" in str(result.exception)


GRADED = {"n": 1, "score": 1.0, "outcomes": {**dict.fromkeys(OUTCOMES, 0), "correct": 1}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": "../../etc/passwd"}, "is no run id"),
        ({"id": ""}, "is no run id"),
        ({"id": "x'; DROP TABLE runs;--"}, "is no run id"),
        ({"id": "a" * 10_000}, "is no run id"),
        ({"started_at": "yesterday"}, "started_at is no moment in time: 'yesterday'"),
        ({"ended_at": "2026-01-01"}, "ended_at is no moment in time"),
        ({"summary": {"decode_tps": {"n": 1, "mean": "NaN"}}}, "its summary is none: Expected"),
        ({"summary": {"machine": 5}}, "$.machine"),
        ({"summary": {"stages": "x"}}, "$.stages"),
        ({"summary": {"requests": {"ok": "many"}}}, "$.requests"),
        ({"summary": {"speed": {"ttft_ms": 3}}}, "$.speed"),
        ({"summary": {"score": 5.0}}, "$.score"),
        ({"summary": {"ci95": [3, 9]}}, "$.ci95"),
        ({"summary": {"n": -3}}, "$.n"),
        ({"summary": {"n": 1, "outcomes": {"correct": 1}}}, "it lacks `n`, or a count of one of correct"),
        ({"summary": {"n": 1, "outcomes": {"correct": -1}}}, "$.outcomes"),
        ({"summary": {"outcomes": dict.fromkeys(OUTCOMES, 0)}}, "it lacks `n`"),
        ({"summary": {"cap_hit": "x"}}, "$.cap_hit"),
        ({"summary": {"rates": {"exact": 3}}}, "$.rates"),
        ({"summary": {"rates": {"exact": {"value": "x"}}}}, "$.rates"),
        ({"summary": {"schema_honesty": 3}}, "$.schema_honesty"),
        ({"summary": {"repeats": 3}}, "$.repeats"),
        ({"summary": {**GRADED, "repeats": {"k": 2}}}, "its summary cannot be shown: KeyError"),
        ({"summary": {**GRADED, "stopping": 7}}, "its summary cannot be shown: "),
        ({"summary": {**GRADED, "groups": [{"score": "x"}] * 2}}, "its summary cannot be shown: "),
        ({"summary": {**GRADED, "calls_per_answer": {"value": "x"}}}, "its summary cannot be shown: "),
        ({"summary": {"findings": {"curve": [3]}}}, "its summary cannot be shown: "),
    ],
)
def test_a_run_that_cannot_be_meant_is_not_taken_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], words: str
) -> None:
    """However well the file's sum fits."""
    path = folder / "x.jsonl"
    run = replace(make_run("r9"), **change)
    path.write_text("".join(write_bundle([Packed(run=run)])), encoding="utf-8")
    monkeypatch.setenv("TILTYARD_DATA_DIR", str(folder / "there"))
    result = call("import", str(path))
    assert isinstance(result.exception, UsageError)
    assert words in str(result.exception)
    assert "line 2" in str(result.exception)
    assert len(str(result.exception)) < 400
    assert json.loads(call("runs", "--json").output) == {"runs": []}


def test_a_graded_run_is_taken_in_with_what_is_needed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "x.jsonl"
    path.write_text("".join(write_bundle([Packed(run=make_run("r9", summary=GRADED))])), encoding="utf-8")
    monkeypatch.setenv("TILTYARD_DATA_DIR", str(folder / "there"))
    assert call("import", str(path)).exception is None
    assert json.loads(call("runs", "--json").output)["runs"][0]["id"] == "r9"


def test_an_attempt_whose_score_is_none_is_not_taken_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "x.jsonl"
    forged = make_attempt("r9", item_id="q1", grade=Grade(outcome="correct", score=7.5))
    path.write_text("".join(write_bundle([Packed(run=make_run("r9"), attempts=(forged,))])), encoding="utf-8")
    monkeypatch.setenv("TILTYARD_DATA_DIR", str(folder / "there"))
    result = call("import", str(path))
    assert isinstance(result.exception, UsageError)
    assert "'q1' has a score that is none: 7.5" in str(result.exception)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
@pytest.mark.parametrize("kind", ["csv", "md", "json", "jsonl"])
def test_a_terminal_gets_nothing_that_it_obeys(folder: Path, kind: str) -> None:
    """Names such as this one's come from servers."""
    ours, theirs = os.openpty()
    process = subprocess.Popen([sys.executable, "-m", "tiltyard", "export", "--format", kind], stdout=theirs)
    os.close(theirs)
    seen = b""
    with suppress(OSError):  # the other side has gone
        while part := os.read(ours, 1 << 16):
            seen += part
    os.close(ours)
    assert process.wait(120) == 0
    assert b"HYPERLINK" in seen
    assert b"\x1b" not in seen
    assert "\u2028".encode() not in seen
