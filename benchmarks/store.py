"""The store's rate and the board's time, from `benchmarks/store_bench.py`, run in a process of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.child import run


def store() -> dict[str, Any]:
    """Its figures; raises RuntimeError when it fails or is not there."""
    program = Path(__file__).with_name("store_bench.py")
    if not program.exists():
        raise RuntimeError(f"{program.name} is not here")
    cost = run([sys.executable, "-m", "benchmarks.store_bench", "--json"], limit_s=300)
    if cost.rc != 0:
        raise RuntimeError(cost.stderr.strip()[-500:])
    figures: dict[str, Any] = json.loads(cost.stdout.strip().splitlines()[-1])
    return figures
