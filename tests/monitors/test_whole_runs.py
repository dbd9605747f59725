"""Whole runs, by the command line, on a machine whose GPU tells its power: `nvidia-smi` is made here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.monitors.conftest import Command
from tests.monitors.test_nvidia_smi import TWO_GPUS
from tests.patience import wait_for
from tiltyard.servers.simulator import SimConfig, SimModel, running

# the one thing that is not as on such a machine: the driver's traces are looked for among what is here
WITH_A_DRIVER = (
    "from tiltyard.monitors import providers; providers.NVIDIA_TRACES = ('proc/self',)\n"
    "from tiltyard.__main__ import main; main()"
)
Start = Callable[..., "subprocess.Popen[str]"]
Call = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the traces of a driver are Linux's")


@pytest.fixture
def start(command: Command, tmp_path: Path) -> Start:
    path = Path(command("nvidia-smi", TWO_GPUS)).parent
    env = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}", "TILTYARD_DATA_DIR": str(tmp_path)}

    def begin(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", WITH_A_DRIVER, *words],
            env=env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return begin


@pytest.fixture
def call(start: Start) -> Call:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        process = start(*words)
        out, err = process.communicate(timeout=100)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("baseline", [(), ("--baseline", "1")], ids=["no baseline", "baseline"])
def test_a_gpu_that_tells_its_power_is_part_of_a_run(call: Call, baseline: tuple[str, ...]) -> None:
    """One of the two tells no memory; nobody tells a counter."""
    model = SimModel(name="m", loaded=True, ttft_ms=20, token_ms=5)
    with running(SimConfig(models=(model,), dialects=("openai",))) as simulator:
        words = ["--server", simulator.url("openai"), "--model", "m", "--json", *baseline]
        load = ["--profile", "fixed", "--requests", "2", "--output-tokens", "100"]
        done = call("run", "speed", *load, *words)
        assert done.returncode == 0, done.stderr
        machine: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])["machine"]
        again = call("run", "mcq", "--limit", "2", "--max-tokens", "8", *words)
        assert again.returncode == 0, again.stderr
    assert machine["energy_of"] == ["gpu0", "gpu1"]
    assert machine["energy_j"] > 0
    assert (machine["energy_net_j"] is None) == (not baseline)
    assert machine["tokens_per_joule"] > 0
    assert machine["devices"]["gpu0"]["power_w"]["mean"] == 301.55
    for shown in (["board"], ["show", "latest"], ["report"], ["export"], ["compare", "latest", "previous"]):
        done = call(*shown)
        assert "Traceback" not in done.stderr, (shown, done.stderr)
        assert done.returncode in (0, 2), (shown, done.stderr)


HANGING = """import os, time
with open({asked!r}, "a") as file: file.write(str(os.getpid()) + "\\n")
time.sleep(60)
"""
TWO_MODELS = SimConfig(models=(SimModel(name="m"), SimModel(name="n")), dialects=("openai",))
TWO_RUNS = ["run", "speed", "--all", "--profile", "fixed", "--requests", "2", "--output-tokens=4", "--json"]


@pytest.mark.slow
def test_a_driver_that_hangs_is_asked_once_and_said(call: Call, command: Command, tmp_path: Path) -> None:
    command("nvidia-smi", HANGING.format(asked=str(tmp_path / "asked")))
    with running(TWO_MODELS) as simulator:
        done = call(*TWO_RUNS, "--server", simulator.url("openai"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"event":"summary"') == 2
    assert done.stdout.count("driver") == 1
    assert len((tmp_path / "asked").read_text().splitlines()) == 1


@pytest.mark.slow
def test_ctrl_c_is_heard_while_a_driver_hangs(start: Start, command: Command, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    command("nvidia-smi", HANGING.format(asked=str(asked)))
    with running(TWO_MODELS) as simulator:
        halted = start(*TWO_RUNS, "--server", simulator.url("openai"))
        wait_for(lambda: asked.exists() and asked.read_text().endswith("\n"))
        halted.send_signal(signal.SIGINT)
        halted.communicate(timeout=100)
    psutil.Process(int(asked.read_text())).kill()  # it is there still: nobody waited for its patience to end
    assert halted.returncode == 130
