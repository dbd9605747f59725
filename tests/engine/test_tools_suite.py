"""The tools suite on the real engine, by its interface for tools and in words: what it knows is right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tiltyard.records import Model
from tiltyard.servers import Address
from tiltyard.servers.embedded import Embedded
from tiltyard.servers.tiny import TinySpec
from tiltyard.suites import Bench
from tiltyard.suites.known import known_answers, write_known
from tiltyard.suites.tools import Tools
from tiltyard.suites.tools.cases import cases

pytestmark = [pytest.mark.engine, pytest.mark.slow]

GROUPS = "one call,parallel"


@pytest.mark.parametrize("in_words", [False, True])
def test_a_model_that_knows_the_cases(in_words: bool, tmp_path: Path) -> None:
    path = tmp_path / "knows.gguf"
    settings = {"max_tokens": 400, "text_tools": in_words}
    bench = Bench(server=Embedded(Address(url=str(path))), model=Model(name="knows"), settings=settings)
    answers = known_answers(Tools(), bench, 1.0, sure=True)
    write_known(path, TinySpec(name="knows", answers=answers))
    more = ["--text-tools"] if in_words else []
    summary = run(path, tmp_path, "--categories", GROUPS, *more)
    asked = [case for case in cases() if case.group in GROUPS.split(",")]
    assert {name: count for name, count in summary["outcomes"].items() if count} == {"correct": len(asked)}
    assert summary["score"] == 1.0
    assert summary["rates"]["malformed_call"]["value"] == 0.0
    assert summary["calls_per_answer"]["value"] > 1.0


def run(path: Path, folder: Path, *more: str) -> dict[str, Any]:
    words = ["run", "tools", "--model", str(path), "--max-tokens", "400", "--json", "--data-dir", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "tiltyard", *words, *more],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return summary
