"""Tokens that merged because the client was away are noticed; those that a server sends together are not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.load.exchanges import make_exchange
from tiltyard.load.held_up import HeldUp
from tiltyard.servers.simulator import SimConfig, SimModel, running

MS = 1_000_000


def test_only_what_came_together_in_a_span_and_is_unusual_counts() -> None:
    held = HeldUp()
    merged = make_exchange([(10, "c", "a"), (50, "c", "b"), (50, "c", "c"), (60, "c", "d"), (70, "c", "e")])
    bursts = make_exchange([(t, "c", "x") for t in (10, 10, 50, 50, 90, 90)])
    at = merged.events.t_ns[1]
    assert not held.merged(merged)
    held.add(at + 5 * MS, at + 30 * MS)
    assert not held.merged(merged)
    held.add(at + 40 * MS, at + 50 * MS)
    assert not held.merged(merged)
    held = HeldUp()
    held.add(at - 30 * MS, at + MS)
    assert held.merged(merged)
    assert not held.merged(bursts)
    whole = make_exchange([(50, "c", "a"), (50, "c", "b"), (50, "c", "c")])  # while it was away
    assert held.merged(whole)
    assert not HeldUp().merged(whole)
    times = [t for t in range(10, 410, 10) for _ in range(1 + (t % 40 == 0))]
    pairs = make_exchange([(t, "c", "x") for t in times])  # a server's own, at any time
    held.add(at + 10 * MS, at + 150 * MS)
    assert not held.merged(pairs)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="POSIX only: a process is stopped")
def test_a_client_that_is_stopped_says_so(tmp_path: Path) -> None:
    model = SimModel(name="m", ttft_ms=20, token_ms=10, loaded=True)
    words = ["run", "speed", "--profile", "fixed", "--requests", "2", "--prompt-tokens", "60"]
    words += ["--output-tokens", "100", "--model", "m", "--dialect", "openai", "--json", "--fresh"]

    with running(SimConfig(models=(model,))) as simulator:
        child = subprocess.Popen(
            [sys.executable, "-m", "tiltyard", *words, "--server", simulator.url("openai")],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TILTYARD_DATA_DIR": str(tmp_path)},
        )
        assert child.stdout is not None
        lines = [child.stdout.readline()]
        while child.poll() is None:
            time.sleep(0.2)
            child.send_signal(signal.SIGSTOP)
            time.sleep(0.1)
            child.send_signal(signal.SIGCONT)
        lines += child.communicate()[0].splitlines()
    summary = json.loads(lines[-1])
    assert summary["requests"]["ok"] == 2
    assert [note[-8:] for note in summary["notes"] if "kept Tiltyard waiting" in note] == ["(2 of 2)"]
