"""What every bad day has in common: one clear line, a remedy, an exit code; and servers as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Finished
from tests.servers.scripted import Script, ScriptedServer, chunked, sized
from tiltyard.servers.simulator import SimConfig, SimModel, running

Tiltyard = Callable[..., Finished]

QUICK_MODEL = SimModel(name="m", ttft_ms=5.0, token_ms=1.0, slots=64, loaded=True)


def refused(done: Finished, code: int, *says: str) -> None:
    """It failed with this exit code, in one line that says these words, with one remedy, and no traceback."""
    assert done.code == code, (done.code, done.out, done.err)
    assert "Traceback" not in done.out + done.err
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    remedies = [line for line in done.err.splitlines() if line.startswith("   try: ")]
    assert len(errors) == 1, done.err
    assert len(remedies) == 1, done.err
    assert len(remedies[0]) > len("   try: x")
    for words in says:
        assert words in errors[0] + remedies[0], (words, errors, remedies)


def fixed(url: str, *more: str, model: str = "m") -> list[str]:
    """A short command line that sends three requests."""
    head = ["run", "speed", "--profile", "fixed", "--server", url, "--model", model]
    return [*head, "--requests", "3", "--output-tokens", "4", *more]


def quick(url: str, *more: str, model: str = "m") -> list[str]:
    """The default profile, in a hurry."""
    return ["run", "speed", "--server", url, "--model", model, "--budget", "1", *more]


def simulated(*faults: str, **more: Any) -> Any:
    """A simulator of one quick model in this process."""
    return running(SimConfig(**{"models": (QUICK_MODEL,), "dialects": ("openai",), "faults": faults, **more}))


@pytest.fixture(scope="module")
def healthy() -> Iterator[str]:
    """The address of a server without faults."""
    with simulated() as simulator:
        yield simulator.url("openai")


LISTED = b'{"object":"list","data":[{"id":"m","object":"model","owned_by":"me"}]}'
SAID = (
    b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\ndata: [DONE]\n\n'
)


class Gated(ScriptedServer):
    """Serves a model `m`; answers to its questions wait until `gate` is set, but for the first `free`."""

    def __init__(self, free: int) -> None:
        super().__init__(self.gated)
        self.gate, self.free, self.questions = threading.Event(), free, 0

    def gated(self, number: int) -> Script:
        request = self.requests[number]
        if request.startswith(b"POST"):
            self.questions += 1
            if self.questions > self.free:
                self.gate.wait(300)
            return [chunked(SAID)]
        if request.startswith(b"GET /v1/models"):
            return [sized(LISTED)]
        return [sized(b'{"detail":"Not Found"}')]


class SimulatorProcess:
    """`tiltyard simulate` as a process that can really be killed."""

    def __init__(self, env: dict[str, str], cwd: Path, *args: str) -> None:
        command = [sys.executable, "-m", "tiltyard", "simulate", "--dialect", "openai", "--json", *args]
        self.process = subprocess.Popen(command, env=env, cwd=cwd, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.url: str = json.loads(self.process.stdout.readline())["urls"]["openai"]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of 500 kB, or of as many as the test says; needs the right to mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    size = ["-t", "tmpfs", "-o", f"size={getattr(request, 'param', 500)}k", "tiltyard-test"]
    if subprocess.run(["mount", *size, str(folder)], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def patience(tiltyard: Tiltyard) -> Callable[[float], float]:
    """A limit in seconds, longer where even a command that does nothing takes long, as on a busy machine."""

    def stretched(limit_s: float) -> float:
        began = time.monotonic()
        assert tiltyard("--version").code == 0
        return limit_s * max(1.0, (time.monotonic() - began) / 0.12)

    return stretched


@pytest.fixture
def simulate(clean_env: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., SimulatorProcess]]:
    """Start `tiltyard simulate ARGS`; killed at the end of the test if not before."""
    started: list[SimulatorProcess] = []

    def start(*args: str) -> SimulatorProcess:
        started.append(SimulatorProcess(clean_env, tmp_path, *args))
        return started[-1]

    yield start
    for each in started:
        each.kill()


@pytest.fixture
def spawn(clean_env: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start `tiltyard ARGS` without waiting; killed at the end of the test if it still runs."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*args: str, env: dict[str, str] | None = None, **more: Any) -> subprocess.Popen[bytes]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        command = [sys.executable, "-m", "tiltyard", *args]
        started.append(subprocess.Popen(command, env=clean_env | (env or {}), cwd=tmp_path, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
