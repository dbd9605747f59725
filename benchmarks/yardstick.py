"""The server that others are measured against: `yardstick.c` where a C compiler is, else the simulator.

Both log the true time of each of their writes and hand that log out at `/tiltyard/truth`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

MODEL = "yardstick"
SERVER_CORE, CLIENT_CORE = 0, 1


class Yardstick(NamedTuple):
    """A running server."""

    url: str
    kind: str  # "C" or "simulator"
    pid: int = 0

    def cpu_s(self) -> float:
        """CPU time that it has used so far."""
        import psutil

        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def truth(self) -> list[dict[str, Any]]:
        """The log of finished requests; the C server forgets what it has told."""
        with urllib.request.urlopen(f"{self.url}/tiltyard/truth", timeout=60) as answer:
            entries: list[dict[str, Any]] = json.load(answer)
        return entries


def pinned(core: int) -> list[str]:
    """Words before a command that keep it on one core, where the system and its cores allow."""
    if shutil.which("taskset") is None or (os.cpu_count() or 1) <= core:
        return []
    return ["taskset", "--cpu-list", str(core)]


def build(folder: Path, name: str = "yardstick") -> Path | None:
    """Compile the C server, or another program beside it; None without a compiler or off Linux."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return None
    program = folder / name
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run([compiler, "-O2", "-o", str(program), str(source)], check=True)
    return program


@contextmanager
def yardstick(
    ttft_ms: float, token_ms: float, *, core: int | None = SERVER_CORE, simulated: bool = False
) -> Iterator[Yardstick]:
    """Run one, on its own core unless `core` is None. It ends with the block, or with us.

    `simulated`: the simulator in any case. Without delay it joins tokens into larger writes, so that it can
    serve more of them than a server that writes each by itself.
    """
    with tempfile.TemporaryDirectory(prefix="tiltyard-bench-") as folder:
        program = None if simulated else build(Path(folder))
        if program is not None:
            words, kind = [str(program), str(ttft_ms), str(token_ms)], "C"
        else:
            words, kind = [sys.executable, "-c", SIMULATOR, str(ttft_ms), str(token_ms)], "simulator"
        place = [] if core is None else pinned(core)
        child = subprocess.Popen([*place, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert child.stdout is not None
            line = child.stdout.readline().split()
            if len(line) != 2:
                raise RuntimeError(f"the {kind} server did not start")
            yield Yardstick(f"http://127.0.0.1:{line[1]}", kind, child.pid)
        finally:
            child.terminate()
            child.communicate()


SIMULATOR = f"""
import sys
from tiltyard.servers.simulator import SimConfig, SimModel, running
ttft, token = float(sys.argv[1]), float(sys.argv[2])
model = SimModel(name={MODEL!r}, ttft_ms=ttft, token_ms=token, slots=4096, loaded=True)
with running(SimConfig(models=(model,), dialects=("openai",), delay=ttft + token > 0)) as simulator:
    print("listening", simulator.url("openai").rpartition(":")[2].strip("/"), flush=True)
    sys.stdin.read()
"""
