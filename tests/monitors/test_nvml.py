"""NVML through the real binding, in a child process, against a driver library built for the test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ASK = """
import json, msgspec
from tiltyard.monitors.nvml import Nvml
source = Nvml()
devices = source.probe(first_gpu=1)
samples = [source.sample(), source.sample()]
status = source.status()
source.close()
print(json.dumps([msgspec.to_builtins(v) for v in (devices, samples, status)]))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler on Linux")
    folder = tmp_path_factory.mktemp("driver")
    source = Path(__file__).with_name("fake_nvml.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / "libnvidia-ml.so.1", source], check=True)
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env={**os.environ, "LD_LIBRARY_PATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, list)
    return found


@pytest.mark.slow
def test_a_card_tells_everything(answers) -> None:
    devices, samples, status = answers
    card = devices[0]
    assert (card["device"], card["name"], card["driver"]) == ("gpu1", "NVIDIA L4", "580.1")
    assert card["memory_total_bytes"] == 24_000_000_000
    first, second = samples[0][0], samples[1][0]
    assert (first["utilisation"], first["memory_bytes"], first["power_w"]) == (97.0, 6_000_000_000, 71.5)
    assert (first["temperature_c"], first["clock_mhz"]) == (55, 2040)
    assert second["energy_j"] - first["energy_j"] == pytest.approx(0.5)
    assert status["gpu1"]["throttle"] == ["power cap (software)", "thermal (software)"]


def test_a_chip_with_unified_memory_is_flagged(answers) -> None:
    devices, samples, status = answers
    chip = devices[1]
    assert chip["unified_memory"]
    assert chip["memory_total_bytes"] == psutil.virtual_memory().total
    sample = samples[0][1]
    assert sample["memory_bytes"] == 2_000_000_000  # what compute processes hold, as far as they tell
    assert sample["energy_j"] is None
    gone = status["gpu2"]["processes"][1]
    assert (gone["pid"], gone["name"], gone["memory_bytes"]) == (999999999, None, None)


def test_without_a_driver_nothing_is_seen() -> None:
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if not Path("/dev/nvidiactl").exists():
        assert json.loads(done.stdout) == [[], [[], []], {}]
