"""The store's rate and the board's time, from `benchmarks/store_bench.py`, run in a process of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
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
    return dict(flat(json.loads(cost.stdout.strip().splitlines()[-1])))


def flat(figures: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Nested figures as one level, names joined."""
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{before}{name} ")
        else:
            yield before + name, value
