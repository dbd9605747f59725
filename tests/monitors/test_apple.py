"""macmon's lines in their older and newer spellings, from a real child process."""

from __future__ import annotations

import pytest

from tests.monitors.conftest import Command
from tests.patience import wait_for
from tiltyard.monitors.apple import Macmon, samples_of

NEWER = """{"timestamp": "2026-05-01T12:00:00+00:00", "temp": {"cpu_temp_avg": 43.7, "gpu_temp_avg": 36.9},
"memory": {"ram_total": 25769803776, "ram_usage": 20985479168, "swap_total": 0, "swap_usage": 0},
"ecpu_usage": [1181, 0.08], "gpu_usage": [461, 0.42], "cpu_power": 0.2, "gpu_power": 0.5, "ane_power": 0.0,
"all_power": 0.7, "sys_power": 5.8, "ram_power": 0.1, "gpu_ram_power": 0.01,
"soc": {"chip_name": "Apple M3 Max"}}
"""
OTHER = {"gpu_active_ratio": 0.25, "gpu_power": 1.5, "all_power": None, "sys_power": 9, "temp": "hot"}


def test_reads_lines_of_a_running_program(command: Command) -> None:
    line = NEWER.replace("\n", "")
    body = f"""
import time
print("macmon starting", flush=True)
print("[1, 2]", flush=True)
while True:
    print('{line}', flush=True)
    time.sleep(0.05)
"""
    source = Macmon([command("macmon", body), "pipe"])
    gpu, package = source.probe()
    assert (gpu.name, gpu.unified_memory, gpu.memory_total_bytes) == ("Apple M3 Max", True, 25769803776)
    assert (package.kind, package.within, gpu.within) == ("package", None, "package0")
    first, second = source.sample()
    assert (first.utilisation, first.clock_mhz, first.power_w, first.temperature_c) == (
        42.0,
        461.0,
        0.5,
        36.9,
    )
    assert first.memory_bytes == 20985479168
    assert second.power_w == 0.7
    wait_for(lambda: source.sample()[0].t_ns > first.t_ns)
    child = source._child
    source.close()
    assert child is not None
    assert child.poll() is not None


def test_the_tool_sees_no_key(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    body = """
import json, os, time
print(json.dumps({"soc": {"chip_name": f"key {'OPENAI_API_KEY' in os.environ}"}}), flush=True)
time.sleep(60)
"""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-1")
    source = Macmon([command("macmon", body)])
    names = [device.name for device in source.probe()]
    source.close()
    assert names[0] == "key False"


def test_other_spellings_and_gaps_are_survived() -> None:
    first, second = samples_of(1, OTHER)
    assert (first.utilisation, first.memory_bytes, first.temperature_c) == (25.0, None, None)
    assert second.power_w == 9
    assert samples_of(1, {})[0].utilisation is None


def test_a_program_that_is_missing_or_says_nothing(command: Command) -> None:
    assert Macmon(["/nowhere/macmon"]).probe() == []
    assert Macmon([command("macmon", "sys.exit('no sensors')")]).probe() == []
