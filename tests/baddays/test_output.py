"""Outputs that take no more, files that cannot be written, and Ctrl+C: nothing that was answered is lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

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
@pytest.mark.parametrize(
    "command",
    [
        ["export", "--format", "jsonl"],
        ["show", "latest"],
        ["runs", "--json"],
        ["report", "-o", "/dev/stdout"],
        ["results", "consolidate", "-o", "/dev/stdout"],
    ],
)
def test_a_reader_that_has_seen_enough(stocked: Tiltyard, spawn: Spawn, command: list[str]) -> None:
    process = spawn(*command)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(1)
    process.stdout.close()
    code, told = process.wait(120), process.stderr.read()
    # 0 where all of it fitted into the pipe
    assert (code, told) in [(130, b""), (0, b""), (0, b"/dev/stdout  (1 runs)\n")]


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
    """As `tiltyard ... >&-` in a shell: what is written there fails, whatever else the command does."""
    said = b"error: cannot write the output: Bad file descriptor"
    for command, failure in (
        (["board"], (1, said)),
        (["export"], (1, said)),
        (["runs", "--json"], (1, said)),
        (["results", "stats"], (1, said)),
        (["export", "-o", "written.json"], (0, b"")),
        (
            fixed(healthy, "--fresh", "--json"),
            (130, b"error: the output takes no more (Bad file descriptor)"),
        ),
        (["nonsense"], (2, b"error: No such command")),
    ):
        for closed in (">&-", "2>&-", ">&- 2>&-", "<&- >&-"):
            code, line = failure if ">&-" in closed.split() or command == ["nonsense"] else (0, b"")
            script = f'exec "$@" {closed}'
            words = ["sh", "-c", script, "sh", sys.executable, "-m", "tiltyard", *command]
            done = subprocess.run(
                words, env=clean_env, cwd=tmp_path, capture_output=True, timeout=120, check=False
            )
            assert done.returncode == code, (command, closed, done.stderr)
            assert b"Traceback" not in done.stderr
            assert line in done.stderr or "2>" in closed, (command, closed, done.stderr)
    assert json.loads((tmp_path / "written.json").read_text(encoding="utf-8"))["runs"]


@posix_only
def test_a_closed_input_says_no(stocked: Tiltyard, clean_env: dict[str, str], tmp_path: Path) -> None:
    words = ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-m", "tiltyard", "rm", "latest"]
    done = subprocess.run(words, env=clean_env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "nothing was deleted" in done.stderr


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
@pytest.mark.parametrize("sign", ["SIGINT", "SIGTERM", "SIGHUP"])
@best_of()
def test_stopped_while_a_server_does_not_answer(
    tiltyard: Tiltyard, spawn: Spawn, sign: str, patience: Callable[[float], float]
) -> None:
    with simulated("stall_first") as simulator:
        run = spawn("run", "speed", "--server", simulator.url("openai"), "-m", "m", "--json")
        assert run.stdout is not None
        for line in run.stdout:
            if b"first word" in line:
                break
        time.sleep(0.2)
        began = time.monotonic()
        run.send_signal(signal.Signals[sign])
        _, err = run.communicate(timeout=120)
    took = time.monotonic() - began
    assert took < patience(2.0)
    assert b"Traceback" not in err
    assert run.returncode == 130, err
    assert b"the same command carries on" in err
    runs = json.loads(tiltyard("runs", "--json").out)["runs"]
    assert {each["state"] for each in runs} == {"interrupted"}
