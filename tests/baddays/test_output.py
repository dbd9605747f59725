"""Outputs that take no more, files that cannot be written, and Ctrl+C: nothing that was answered is lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.baddays.conftest import Tiltyard, fixed, refused, simulated
from tests.patience import best_of

Spawn = Callable[..., subprocess.Popen[bytes]]
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="descriptors and signals are POSIX's")


@pytest.fixture
def stocked(tiltyard: Tiltyard, healthy: str) -> Tiltyard:
    """A store with one run of sixty attempts."""
    assert tiltyard(*fixed(healthy, "--requests", "60")).code == 0
    return tiltyard


@posix_only
@pytest.mark.parametrize("command", [["export", "--format", "jsonl"], ["show", "latest"], ["runs", "--json"]])
def test_a_reader_that_has_seen_enough(stocked: Tiltyard, spawn: Spawn, command: list[str]) -> None:
    process = spawn(*command)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(1)
    process.stdout.close()
    assert process.wait(120) in (0, 130)  # 0 where all of it fitted into the pipe
    assert process.stderr.read() == b""


@posix_only
@pytest.mark.parametrize("words", [["runs"], ["board"], ["doctor"], ["run", "--fresh"]])
def test_words_for_people_that_nobody_reads(
    stocked: Tiltyard, spawn: Spawn, healthy: str, words: list[str]
) -> None:
    """As `tiltyard ... | head -0`: the code is the one of the pages, whoever does the printing."""
    process = spawn(*(fixed(healthy, "--fresh") if words[0] == "run" else words))
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(120) == 130
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()
    assert json.loads(stocked("runs", "--json").out)["runs"][0]["state"] == "finished"


@pytest.mark.slow
@posix_only
def test_a_run_whose_reader_goes_away_stops_and_can_be_carried_on(
    tiltyard: Tiltyard, spawn: Spawn, healthy: str
) -> None:
    command = fixed(healthy, "--requests", "150", "--output-tokens", "20", "--json")
    process = spawn(*command)
    assert process.stdout is not None
    assert process.stderr is not None
    for line in process.stdout:
        if b'"progress"' in line:
            break
    process.stdout.close()
    assert process.wait(120) == 130
    assert b"the output takes no more" in process.stderr.read()
    run = json.loads(tiltyard("runs", "--json").out)["runs"][0]
    assert run["state"] == "interrupted"
    assert 0 < run["attempts"] < 150
    summary = tiltyard(*command).summary()
    assert (summary["run_id"], summary["requests"]["total"]) == (run["id"], 150)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_an_output_on_a_full_disk(stocked: Tiltyard, spawn: Spawn, healthy: str) -> None:
    for command in (["board"], ["board", "--json"], ["export"], ["--help"], ["runs"]):
        with open("/dev/full", "wb") as full:
            process = spawn(*command, stdout=full)
        assert process.wait(120) == 1, command
        assert process.stderr is not None
        assert b"error: cannot write the output: No space left" in process.stderr.read()
    with open("/dev/full", "wb") as full:
        process = spawn(*fixed(healthy, "--fresh", "--json"), stdout=full)
    assert process.wait(120) == 130


@pytest.mark.slow
@posix_only
def test_a_closed_output(stocked: Tiltyard, healthy: str, clean_env: dict[str, str], tmp_path: Path) -> None:
    """As `tiltyard ... >&-` in a shell."""
    for command in (["board"], ["export"], fixed(healthy, "--fresh", "--json"), ["nonsense"]):
        for closed in (">&-", "2>&-", ">&- 2>&-"):
            script = f'exec "$@" {closed}'
            words = ["sh", "-c", script, "sh", sys.executable, "-m", "tiltyard", *command]
            done = subprocess.run(
                words, env=clean_env, cwd=tmp_path, capture_output=True, timeout=120, check=False
            )
            assert done.returncode == (2 if command == ["nonsense"] else 0), (command, closed, done.stderr)
            assert b"Traceback" not in done.stderr
    assert len(json.loads(stocked("runs", "--json").out)["runs"]) == 4


@pytest.mark.slow
def test_a_terminal_that_cannot_show_everything(stocked: Tiltyard, spawn: Spawn) -> None:
    for encoding in ("ascii", "cp1252"):
        for command in (["board"], ["runs"], ["show", "latest"]):
            process = spawn(*command, env={"PYTHONIOENCODING": encoding})
            out, err = process.communicate(timeout=120)
            assert process.returncode == 0, err
            assert b"m" in out


def test_files_that_cannot_be_written(stocked: Tiltyard, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    refused(stocked("report", "--output", "file/report.html"), 2, "cannot write", "--output")
    refused(stocked("report", "--output", "folder"), 2, "folder")
    for kind in ("csv", "jsonl"):
        refused(stocked("export", "--format", kind, "--output", "file/x"), 2, "cannot write", "--output")
        refused(stocked("export", "--format", kind, "--output", "folder"), 2, "cannot write", "--output")
    assert list((tmp_path / "folder").iterdir()) == []
    assert not list(tmp_path.glob("*.partial"))


@posix_only
def test_what_is_no_plain_file_stays_what_it_is(stocked: Tiltyard, spawn: Spawn, tmp_path: Path) -> None:
    pipe, link, real = tmp_path / "pipe", tmp_path / "link.csv", tmp_path / "real.csv"
    subprocess.run(["mkfifo", str(pipe)], check=True)
    real.write_text("before")
    link.symlink_to(real)
    process = spawn("export", "--format", "csv", "--output", str(pipe))
    text = pipe.read_bytes()
    assert process.wait(60) == 0
    assert pipe.is_fifo()
    done = stocked("export", "--format", "csv", "--output", str(link))
    assert done.code == 0, done.err
    assert link.is_symlink()
    assert real.read_bytes() == text
    assert b",m," in text
    assert not list(tmp_path.glob("*.partial"))


@posix_only
def test_a_file_for_which_there_is_no_room(
    stocked: Tiltyard, clean_env: dict[str, str], tmp_path: Path
) -> None:
    """A limit of 50 kB fails as late as a full disk does."""
    command = [sys.executable, "-m", "tiltyard", "export", "--format", "jsonl", "-o", "x.jsonl"]
    words = ["sh", "-c", 'ulimit -f 100; exec "$@"', "sh", *command]
    done = subprocess.run(
        words, env=clean_env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "error: cannot write x.jsonl: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("x.*"))


@pytest.mark.slow
def test_a_bundle_that_is_none(stocked: Tiltyard, tmp_path: Path) -> None:
    whole = stocked("export", "--format", "jsonl").out
    for number, text in enumerate(
        ("", "hello", "{}", whole[: len(whole) // 2], whole.replace('"run"', '"rum"'))
    ):
        (tmp_path / f"{number}.jsonl").write_text(text, encoding="utf-8")
        there = {"TILTYARD_DATA_DIR": str(tmp_path / f"there{number}")}
        done = stocked("import", f"{number}.jsonl", env=there)
        refused(done, 2, f"{number}.jsonl")
        assert "no runs yet" in stocked("runs", env=there).out  # whole or not at all


@posix_only
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
@best_of()
def test_stopped_while_a_server_does_not_answer(
    tiltyard: Tiltyard, spawn: Spawn, sign: signal.Signals, patience: Callable[[float], float]
) -> None:
    with simulated("stall_first") as simulator:
        run = spawn("run", "speed", "--server", simulator.url("openai"), "-m", "m", "--json")
        assert run.stdout is not None
        for line in run.stdout:
            if b"first word" in line:
                break
        time.sleep(0.2)
        began = time.monotonic()
        run.send_signal(sign)
        _, err = run.communicate(timeout=120)
    took = time.monotonic() - began
    assert took < patience(2.0)
    assert b"Traceback" not in err
    assert run.returncode == 130, err
    assert b"the same command carries on" in err
    runs = json.loads(tiltyard("runs", "--json").out)["runs"]
    assert {each["state"] for each in runs} == {"interrupted"}


INTERRUPTED_IMPORT = """
import os, signal, sys

awaited = sys.argv.pop(1)

class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == awaited:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Impatient())
from tiltyard.__main__ import main
main()
"""


def interrupted_at_import(name: str, *args: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """The command line `args`, with a Ctrl+C when it imports `name`."""
    command = [sys.executable, "-c", INTERRUPTED_IMPORT, name, *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **more)


@posix_only
def test_ctrl_c_before_anything_is_imported_ends_it_without_a_word() -> None:
    done = interrupted_at_import("click", "board")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


@posix_only
@pytest.mark.parametrize("name", ["uvloop", "tiltyard.cli.choosing", "tiltyard.servers.connect"])
def test_ctrl_c_while_a_run_starts_says_what_any_ctrl_c_does(
    clean_env: dict[str, str], tmp_path: Path, healthy: str, name: str
) -> None:
    done = interrupted_at_import(name, *fixed(healthy), env=clean_env, cwd=tmp_path)
    assert done.returncode == 130, done.stderr
    assert [line[:8] for line in done.stderr.splitlines()] == ["error: i", "   try: "]
