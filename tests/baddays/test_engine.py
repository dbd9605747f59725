"""The embedded engine: files without a template, contexts too small, its death, and no orphan ever."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.baddays.conftest import Tiltyard, refused
from tests.patience import best_of
from tiltyard.servers.tiny import TinySpec, write_model

pytestmark = pytest.mark.engine
Spawn = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture(autouse=True)
def _own_cache(clean_env: dict[str, str], tmp_path: Path) -> None:
    clean_env["XDG_CACHE_HOME"] = str(tmp_path / "cache")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model that babbles, where the command runs."""
    path = tmp_path / "tiny.gguf"
    write_model(path, TinySpec(name="tiny", mean_tokens=2000))
    return path


def engines(run: subprocess.Popen[bytes], within_s: float = 60.0) -> list[psutil.Process]:
    """The children of a run, once there are any."""
    end = time.monotonic() + within_s
    while time.monotonic() < end and run.poll() is None:
        children = psutil.Process(run.pid).children()
        if children:
            return children
        time.sleep(0.005)
    raise AssertionError("no engine was started")


def is_gone(process: psutil.Process, within_s: float = 60.0) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_a_file_without_a_chat_template_is_measured_and_noted(
    tiltyard: Tiltyard, model: Path, tmp_path: Path
) -> None:
    whole = model.read_bytes()
    assert whole.count(b"tokenizer.chat_template") == 1
    bare = tmp_path / "bare.gguf"
    bare.write_bytes(whole.replace(b"tokenizer.chat_template", b"tokenizer.chat_nothing_"))
    done = tiltyard("run", "speed", "-m", "./bare.gguf", "--budget", "1", "--json")
    assert done.code == 0, done.err
    assert any("no chat template" in note for note in done.summary()["notes"])


def test_what_does_not_fit_into_the_loaded_context(tiltyard: Tiltyard, model: Path) -> None:
    head = ["run", "speed", "-m", f"./{model.name}", "--output-tokens", "500"]
    more = ["--profile", "fixed", "--requests", "2", "--prompt-tokens", "4000"]
    refused(tiltyard(*head, *more), 2, "which is 4096 tokens", "--context 4564")
    refused(tiltyard(*head, "--context", "256"), 2, "which is 256 tokens", "--context 1076")
    refused(tiltyard(*head, "--context", "999999"), 2, "at most 32768", "--context 32768 or less")


def test_the_engine_is_killed_during_a_run(tiltyard: Tiltyard, model: Path, spawn: Spawn) -> None:
    command = ["run", "speed", "-m", f"./{model.name}", "--profile", "fixed", "--requests", "400"]
    command += ["--prompt-tokens", "64", "--output-tokens", "400", "--json"]
    run = spawn(*command)
    assert run.stdout is not None
    for line in run.stdout:
        if b'"progress"' in line:
            break
    (engine,) = engines(run)
    engine.kill()
    out, err = run.communicate(timeout=120)
    assert run.returncode == 1, err
    assert b"Traceback" not in err
    assert err.count(b"error: ") == 1
    assert b"the engine's process ended" in err
    summary = json.loads(out.splitlines()[-1])
    kept = summary["requests"]["ok"]
    assert 0 < kept < 400
    assert summary["requests"]["total"] == 400
    listed = json.loads(tiltyard("show", summary["run_id"], "--json").out)["attempts"]
    assert sum(attempt["ending"] == "ok" for attempt in listed) == kept


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("wait_s", [0.0, 0.1, 0.6])
@best_of()
def test_stopped_while_the_engine_starts_or_works(
    model: Path, spawn: Spawn, sign: signal.Signals, wait_s: float, patience: Callable[[float], float]
) -> None:
    """Before its weights are loaded, while it loads, and while it answers."""
    run = spawn("run", "speed", "-m", f"./{model.name}", "--budget", "30", "--json")
    children = engines(run)
    time.sleep(wait_s)
    children += psutil.Process(run.pid).children()
    began = time.monotonic()
    run.send_signal(sign)
    _, err = run.communicate(timeout=120)
    took = time.monotonic() - began
    assert took < patience(2.5)
    assert b"Traceback" not in err
    assert run.returncode == (-signal.SIGKILL if sign == signal.SIGKILL else 130), err
    assert all(is_gone(child) for child in children)
