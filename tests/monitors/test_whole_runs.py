"""Whole runs, by the command line, on a machine whose GPU tells its power: `nvidia-smi` is made here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.monitors.conftest import Command
from tests.monitors.test_nvidia_smi import TWO_GPUS
from tiltyard.servers.simulator import SimConfig, SimModel, running

# the one thing that is not as on such a machine: the driver's traces are looked for among what is here
WITH_A_DRIVER = (
    "from tiltyard.monitors import providers; providers.NVIDIA_TRACES = ('proc/self',)\n"
    "from tiltyard.__main__ import main; main()"
)
Call = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the traces of a driver are Linux's")


@pytest.fixture
def call(command: Command, tmp_path: Path) -> Call:
    path = Path(command("nvidia-smi", TWO_GPUS)).parent

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}", "TILTYARD_DATA_DIR": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-c", WITH_A_DRIVER, *words],
            env=env, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip

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
