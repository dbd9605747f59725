"""What grading costs: whole runs of the graded suites against a server that answers at once.

Items are made up here and the server always says the same (in the json suite, what is right), so the scores
mean nothing; the cost does. The peers are asked the same items on the same server (`graded_peers.py`).
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.child import run
from benchmarks.measurements import median_rows
from benchmarks.tool import command
from benchmarks.yardstick import CLIENT_CORE, SERVER_CORE, pinned

MODEL = "grader"
STREAMS = 16
MCQ_ITEMS = 1531  # as many as the validation set of MMLU
FEW, MANY = 1_000, 100_000  # items, for memory
REPEATS = 8
Row = dict[str, Any]

SERVER = f"""
import sys
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.servers.simulator.config import Say
script = [Say(when="", say="Answer: B")]
if sys.argv[1:] == ["json"]:  # right answers, since a judge has most to do with those
    from tiltyard.suites.structured.cases import case_set
    cases = case_set(None, None)
    script = [Say(when=case.words.partition("\\n")[0], say=case.expected_text) for case in cases]
model = SimModel(name={MODEL!r}, slots=4096, loaded=True, script=tuple(script))
with running(SimConfig(models=(model,), dialects=("openai",), delay=False)) as simulator:
    print(simulator.url("openai"), flush=True)
    sys.stdin.read()
"""


@contextmanager
def answering(core: int | None = SERVER_CORE, suite: str = "") -> Iterator[str]:
    """A simulator that answers everything at once, with the same words unless it is json; its address."""
    place = [] if core is None else pinned(core)
    words = [*place, sys.executable, "-c", SERVER, suite]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        url = child.stdout.readline().strip()
        if not url:
            raise RuntimeError("the simulator did not start")
        yield url
    finally:
        child.terminate()
        child.communicate()


def questions(count: int) -> Iterator[tuple[str, list[str], str]]:
    """Sums with four options each: question, options, right letter."""
    for number in range(count):
        left, right = number % 97 + 3, number % 89 + 5
        options = [str(left + right + step) for step in (0, 1, 10, -1)]
        place = number % 4
        options[0], options[place] = options[place], options[0]
        yield f"Number {number}: what is {left} + {right}?", options, "ABCD"[place]


def write_csv(path: Path, count: int) -> None:
    """A headerless six-column file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([text, *options, letter] for text, options, letter in questions(count))


def measured(words: Sequence[str], folder: Path, *, core: int | None = None) -> Row:
    """One run of Tiltyard; `n` items, cost per item, and the requests per second that it reached."""
    place = [] if core is None else pinned(core)
    line = [*place, *command(), "run", *words, "--fresh", "--json", "--min-success", "0"]
    cost = run(line, env={"TILTYARD_DATA_DIR": str(folder / "data")}, cwd=folder, limit_s=300)
    lines = cost.stdout.strip().splitlines()
    summary = json.loads(lines[-1]) if lines else {}
    if "outcomes" not in summary or summary["outcomes"]["error"]:
        raise RuntimeError(f"tiltyard ended with {cost.rc}: {cost.stderr.strip()[-400:]}")
    n = summary["requests"]["total"]
    return {
        "items": n,
        "wall_s": cost.wall_s,
        "cpu_s": cost.cpu_s,
        "cpu_ms_per_item": cost.cpu_s / n * 1e3,
        "requests_per_s": summary["request_rate"],
        "peak_mb": cost.peak_mb,
    }


def asked(url: str, suite: str, *more: str) -> list[str]:
    words = [suite, "--server", url, "--dialect", "openai", "--model", MODEL]
    return [*words, "--concurrency", str(STREAMS), *more]


def mcq(count: int = MCQ_ITEMS, *, core: int | None = None) -> Row:
    """Four-option items from a CSV file, on both cores."""
    with tempfile.TemporaryDirectory(prefix="tiltyard-bench-") as text, answering(None) as url:
        folder = Path(text)
        write_csv(folder / "items.csv", count)
        words = [*asked(url, "mcq"), str(folder / "items.csv")]
        return measured(words, folder, core=core)


def shipped(suite: str, *more: str) -> Row:
    """A suite's own items, several times over."""
    with tempfile.TemporaryDirectory(prefix="tiltyard-bench-") as text, answering(None, suite) as url:
        again = ("--repeats", str(REPEATS), "--temperature", "1")
        return measured(asked(url, suite, *again, *more), Path(text))


def memory() -> Row:
    """Peak memory with a hundred times as many items."""
    few, many = mcq(FEW, core=CLIENT_CORE), mcq(MANY, core=CLIENT_CORE)
    return {
        "items_few": FEW,
        "items_many": MANY,
        "peak_mb_few": few["peak_mb"],
        "peak_mb_many": many["peak_mb"],
        "bytes_per_item": (many["peak_mb"] - few["peak_mb"]) * 1e6 / (MANY - FEW),
        "cpu_ms_per_item_many": many["cpu_ms_per_item"],
    }


def graded(repeat: int = 3) -> dict[str, Row]:
    """Every measurement of this file."""
    return {
        "mcq": median_rows([mcq() for _ in range(repeat)]),
        "json": median_rows([shipped("json", "--no-probe") for _ in range(repeat)]),
        "tools": median_rows([shipped("tools") for _ in range(repeat)]),
        "memory": memory(),
    }
