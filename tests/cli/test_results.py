"""The commands that read the store, run as a user runs them: in a process of their own."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.store.conftest import failed, make_attempt, make_exchange, make_run
from tiltyard.records import Measures, Model
from tiltyard.store.store import FILE, Store

pytestmark = pytest.mark.slow

Tiltyard = Callable[..., subprocess.CompletedProcess[str]]
SUMMARY = {
    "event": "summary",
    "schema": "tiltyard.summary/1",
    "suite": "speed",
    "requests": {"ok": 2, "failed": 1, "truncated": 0, "total": 3},
    "endings": {"ok": 2, "connect_error": 1},
    "decode_tps": {"n": 2, "mean": 50.0, "p50": 50.0, "ci95": [49.0, 51.0]},
    "ttft_ms": {"n": 2, "mean": 200.0, "p50": 200.0, "ci95": None},
    "output_tps": 48.0,
    "client": {"bottleneck": True},
}
HOSTILE = "evil\x1b[31m[bold]|=cmd()\u2028name"


@pytest.fixture
def tiltyard(tmp_path: Path) -> Tiltyard:
    """Run `tiltyard ...` on the store in tmp_path."""

    def call(*words: str, columns: int = 120) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "TILTYARD_DATA_DIR": str(tmp_path), "COLUMNS": str(columns)}
        environment |= {"PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"}
        command = [sys.executable, "-m", "tiltyard", *words]
        return subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            cwd=tmp_path,
        )

    return call


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    path = tmp_path / FILE
    with Store.open(path) as store:
        store.claim(make_run("20260101-aaa"))
        exchange = make_exchange(3, text="An answer with \x1b[2J escapes and [red]markup[/]")
        measures = Measures(ttft_ms=200.0, decode_tps=50.0, output_tokens=3, e2e_ms=260.0)
        store.add([make_attempt("20260101-aaa", exchanges=(exchange,), measures=measures)])
        store.add([make_attempt("20260101-aaa", repetition=1, exchanges=(failed(),), measures=Measures())])
        store.finish("20260101-aaa", "finished", {**SUMMARY, "run_id": "20260101-aaa"})
        hostile = make_run(
            "20260102-bbb", model=Model(name=HOSTILE), started_at="2026-01-03T00:00:00.000+00:00"
        )
        store.claim(hostile)
        store.finish("20260102-bbb", "interrupted", None)
    return path


def test_an_empty_store_says_what_to_do(tiltyard: Tiltyard) -> None:
    for command in ("board", "runs"):
        result = tiltyard(command)
        assert result.returncode == 0
        assert "tiltyard run speed" in result.stdout
    result = tiltyard("show", "latest")
    assert result.returncode == 2
    assert result.stderr.startswith("error: no run 'latest'")


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("columns", [80, 120])
def test_the_tables_fit_and_are_harmless(tiltyard: Tiltyard, columns: int) -> None:
    for words in (["board"], ["runs"], ["show", "20260101"], ["show", "latest"], ["show", "20260101", "1"]):
        result = tiltyard(*words, columns=columns)
        assert result.returncode == 0, result.stderr
        assert "\x1b" not in result.stdout
        assert "Traceback" not in result.stderr
        tables = [line for line in result.stdout.splitlines() if "next:" not in line]
        assert max(len(line) for line in tables) <= columns
    board = tiltyard("board", columns=columns).stdout
    assert "qwen2.5-coder:7b-q4_K_M" in board
    assert "50.0 ± 1.0" in board
    assert "the client was the bottleneck" in board


@pytest.mark.usefixtures("filled")
def test_json_for_programs(tiltyard: Tiltyard) -> None:
    board = json.loads(tiltyard("board", "--json").stdout)
    assert board["schema"] == "tiltyard.board/1"
    assert [row["run_id"] for row in board["rows"]] == ["20260101-aaa"]
    assert board["rows"][0]["decode_tps"]["ci95"] == [49.0, 51.0]
    runs = json.loads(tiltyard("runs", "--json").stdout)["runs"]
    assert [(run["id"], run["attempts"], run["state"]) for run in runs] == [
        ("20260102-bbb", 0, "interrupted"),
        ("20260101-aaa", 2, "finished"),
    ]
    assert runs[0]["model"]["name"] == HOSTILE
    shown = json.loads(tiltyard("show", "20260101", "--json").stdout)
    assert shown["run"]["summary"] == {**SUMMARY, "run_id": "20260101-aaa"}
    assert [attempt["ending"] for attempt in shown["attempts"]] == ["ok", "connect_error"]
    one = json.loads(tiltyard("show", "20260101", "1", "--json").stdout)
    assert one["exchanges"][0]["events"]["kinds"] == "occc"


@pytest.mark.usefixtures("filled")
def test_a_list_of_runs_that_is_cut_says_so(tiltyard: Tiltyard) -> None:
    cut = tiltyard("runs", "--limit", "1").stdout
    assert "20260102-bbb" in cut
    assert "20260101-aaa" not in cut
    assert "1 more: --limit 2" in cut
    for words in (["--limit", "2"], ["--limit", "1", "--model", "qwen"], ["--limit", "1", "--json"]):
        assert " more: " not in tiltyard("runs", *words).stdout


@pytest.mark.usefixtures("filled")
def test_board_filters(tiltyard: Tiltyard) -> None:
    assert json.loads(tiltyard("board", "--json", "--min-tps", "60").stdout)["rows"] == []
    assert len(json.loads(tiltyard("board", "--json", "--max-gb", "5", "--sort", "size").stdout)["rows"]) == 1
    assert json.loads(tiltyard("board", "--json", "--suite", "json").stdout)["rows"] == []


@pytest.mark.usefixtures("filled")
def test_one_attempt_down_to_its_timeline(tiltyard: Tiltyard) -> None:
    attempt = tiltyard("show", "20260101", "1").stdout
    assert "Say the words." in attempt
    assert "␛[2J escapes and [red]markup[/]" in attempt
    assert "half an answer" in tiltyard("show", "20260101", "2").stdout
    timeline = tiltyard("show", "20260101", "1", "--timeline").stdout
    assert "220.005   20.008  answer" in timeline
    assert "word2" in timeline
    assert "kernel clock" in timeline
    beyond = tiltyard("show", "20260101", "3")
    assert beyond.returncode == 2
    assert "attempts 1 to 2" in beyond.stderr
    assert tiltyard("show", "20260101", "--timeline").returncode == 2


@pytest.mark.usefixtures("filled")
def test_runs_are_searched(tiltyard: Tiltyard) -> None:
    found = tiltyard("runs", "--search", "answer with").stdout
    assert "20260101-aaa" in found
    assert "20260102-bbb" not in found
    assert "20260102-bbb" in tiltyard("runs", "--search", "=cmd(").stdout
    assert tiltyard("runs", "--search", 'nothing like "this*').stdout == "no such runs\n"


def test_rm_asks_first(tiltyard: Tiltyard, filled: Path) -> None:
    refused = tiltyard("rm", "20260101")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert tiltyard("rm", "2026", "--yes").returncode == 2  # begins two
    assert tiltyard("rm", "20260101", "latest", "--yes").returncode == 0
    with Store.open(filled) as store:
        assert store.runs() == []


def test_a_damaged_store_is_recovered_by_a_command(tiltyard: Tiltyard, filled: Path) -> None:
    whole = tiltyard("runs", "--recover")
    assert whole.returncode == 2
    assert "is whole" in whole.stderr
    with filled.open("r+b") as file:
        file.write(b"garbage garbage garbage")
    broken = tiltyard("board")
    assert broken.returncode == 4
    assert "damaged" in broken.stderr
    assert "tiltyard runs --recover" in broken.stderr
    result = tiltyard("runs", "--recover")
    assert result.returncode == 0, result.stderr
    assert "saved 2 runs with 2 attempts" in result.stdout
    assert "could not be read" not in result.stdout
    assert len(list(filled.parent.glob("*.damaged-*"))) == 1
    assert tiltyard("board").returncode == 0
    with closing(sqlite3.connect(filled)) as db, db:
        db.execute("DELETE FROM models")
    result = tiltyard("runs", "--recover")
    assert "names of 2 models and 0 servers could not be read" in result.stdout


def test_settings_are_shown_with_their_origin(tiltyard: Tiltyard, tmp_path: Path) -> None:
    (tmp_path / "tiltyard.toml").write_text("gap_timeout_s = 5\n[keys]\n'h.example' = 'H_KEY'\n")
    shown = json.loads(tiltyard("config", "show", "--json").stdout)
    assert shown["settings"]["gap_timeout_s"]["value"] == 5.0
    assert shown["settings"]["gap_timeout_s"]["origin"].endswith("tiltyard.toml")
    assert shown["settings"]["data_dir"]["origin"] == "environment (TILTYARD_DATA_DIR)"
    assert shown["api_keys"]["H_KEY"] is None
    heard_by = {row["name"]: row["help"] for row in shown["run_mcq"]}
    assert heard_by["BATCH_SIZE"].startswith("Heard by `run mcq` alone.")
    assert heard_by["METRICS_PORT"].startswith("Heard by `run mcq` and `serve`.")
    assert "gap_timeout_s" in tiltyard("config", "show", columns=80).stdout
    assert str(tmp_path / FILE) in tiltyard("config", "path").stdout
    (tmp_path / "tiltyard.toml").write_text("gap_timout_s = 5\n")
    broken = tiltyard("config", "show")
    assert broken.returncode == 2
    assert "line 1: unknown setting 'gap_timout_s'" in broken.stderr
    assert "did you mean gap_timeout_s?" in broken.stderr
