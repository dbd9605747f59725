"""The fallback for NVIDIA GPUs, against programs that print what `nvidia-smi` prints."""

from __future__ import annotations

import psutil
import pytest

from tests.monitors.conftest import Command
from tiltyard.monitors.nvidia_smi import FIELDS, NvidiaSmi, number_of

TWO_GPUS = f"""
question = sys.argv[1]
assert sys.argv[2] == "--format=csv,noheader,nounits", sys.argv
if question == "--query-gpu={FIELDS}":
    print("0, GPU-a, NVIDIA GeForce RTX 4090, 37, 12000, 24564, 301.55, 64, 2520, P2")
    print("1, GPU-b, NVIDIA GB10, 41, [N/A], [N/A], 17.90, 48, 2405, P0")
elif question == "--query-gpu=driver_version":
    print("580.95.05"); print("580.95.05")
elif question.startswith("--query-compute-apps="):
    print("GPU-b, 4242, /usr/bin/with, comma/llama-server, 30000")
    print("GPU-b, 4243, [Not Found], [N/A]")
    print("GPU-elsewhere, 1, x, 5")
else:
    sys.exit(2)
"""


def test_the_query_is_the_documented_one() -> None:
    assert FIELDS == (
        "index,uuid,name,utilization.gpu,memory.used,memory.total,power.draw,temperature.gpu,clocks.sm,pstate"
    )


def test_reads_a_card_and_a_unified_memory_chip(command: Command) -> None:
    smi = NvidiaSmi(command("nvidia-smi", TWO_GPUS))
    card, chip = smi.probe()
    assert (card.device, card.driver, card.unified_memory) == ("gpu0", "580.95.05", False)
    assert card.memory_total_bytes == 24564 * 1024 * 1024
    assert chip.unified_memory
    assert chip.memory_total_bytes == psutil.virtual_memory().total
    first, second = smi.sample()
    assert (first.utilisation, first.power_w, first.temperature_c, first.clock_mhz) == (37, 301.55, 64, 2520)
    assert first.memory_bytes == 12000 * 1024 * 1024
    assert first.energy_j is None
    assert second.memory_bytes == 30000 * 1024 * 1024  # what compute processes hold
    assert second.power_w == 17.9


def test_names_processes_without_their_paths(command: Command) -> None:
    smi = NvidiaSmi(command("nvidia-smi", TWO_GPUS))
    smi.probe(first_gpu=2)
    processes = smi.status()["gpu3"].processes
    assert processes is not None
    assert [(p.pid, p.name) for p in processes] == [(4242, "llama-server"), (4243, None)]
    assert processes[1].memory_bytes is None


def test_the_tool_sees_no_key(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = 'import os; print("0, GPU-a, key", "OPENAI_API_KEY" in os.environ, ", 1, 2, 3, 4, 5, 6, P8")'
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-1")
    assert [device.name for device in NvidiaSmi(command("nvidia-smi", seen)).probe()] == ["key False"]


def test_what_is_not_told_is_none_and_never_zero(command: Command) -> None:
    line = "0, GPU-a, Tesla, [N/A], 1, 2, [Not Supported], ERR!, [Unknown Error], P8"
    smi = NvidiaSmi(command("nvidia-smi", f"print({line!r})"))
    smi.probe()
    (sample,) = smi.sample()
    assert (sample.utilisation, sample.power_w, sample.temperature_c, sample.clock_mhz) == (None,) * 4
    assert [number_of(t) for t in ("[N/A]", "[Not Supported]", "ERR!", "", "N/A", "x", "0")] == [None] * 6 + [
        0.0
    ]


def test_a_missing_or_failing_program_sees_nothing(command: Command) -> None:
    assert NvidiaSmi("/nowhere/nvidia-smi").probe() == []
    failing = NvidiaSmi(command("nvidia-smi", 'print("NVIDIA-SMI has failed"); sys.exit(9)'))
    assert failing.probe() == []
    assert failing.sample() == []
    chatty = NvidiaSmi(command("nvidia-smi", 'print("Unable to determine the device handle")'))
    assert chatty.probe() == []
