"""`python -m benchmarks [--repeat N] [--only NAME ...]`: measure Tiltyard and write benchmarks/results.md."""

from __future__ import annotations

import argparse
import compileall
import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tiltyard
from benchmarks import table
from benchmarks.graded import graded
from benchmarks.install import install
from benchmarks.measurements import SINGLE, growth, median_rows
from benchmarks.store import store

OTHERS: dict[str, Callable[[], Any]] = {
    "growth": growth,
    "store": store,
    "install": install,
    "graded": graded,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--repeat", type=int, default=3, help="repetitions of each; medians are kept")
    parser.add_argument("--only", nargs="+", choices=[*SINGLE, *OTHERS], help="these alone; the rest is kept")
    asked = parser.parse_args()
    compileall.compile_dir(Path(tiltyard.__file__).parent, quiet=1)  # as an installer leaves it
    results, failed = table.read(table.RESULTS), 0
    results["load_before"] = round(os.getloadavg()[0], 2)
    for name in asked.only or [*SINGLE, *OTHERS]:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            if name in OTHERS:
                results[name] = OTHERS[name]()
            else:
                results[name] = median_rows([SINGLE[name]() for _ in range(asked.repeat)])
        except (RuntimeError, OSError) as error:
            failed += 1
            print(f"  failed: {error}", file=sys.stderr)
            continue
        print(json.dumps(results[name]), file=sys.stderr)
    results["at"] = datetime.now(UTC).isoformat(timespec="minutes")
    table.RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    table.write()
    print(table.page(results, table.read(table.PEERS), table.read(table.GRADED_PEERS)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
