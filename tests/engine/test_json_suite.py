"""The json suite on the real engine: its grammar keeps to schemas, and the probe shows it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tiltyard.servers.tiny import TinySpec, write_model

pytestmark = [pytest.mark.engine, pytest.mark.slow]

SURELY = {
    "type",
    "const",
    "enum",
    "required",
    "additionalProperties",
    "maxLength",
    "pattern",
    "anyOf",
    "$ref",
}
LOOSE = {"multipleOf", "minimum"}  # its grammar knows no multiples, and lets 75 pass where 7000000 is least


def test_the_engine_enforces_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "babbler.gguf"
    write_model(path, TinySpec(name="babbler", mean_tokens=40))
    words = [
        "run",
        "json",
        "--model",
        str(path),
        "--level",
        "1",
        "--max-tokens",
        "600",
        "--temperature",
        "1",
        "--json",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tiltyard", *words, "--data-dir", str(tmp_path), "--min-success", "0"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    verdicts = {name: found["verdict"] for name, found in summary["schema_honesty"].items()}
    assert {name for name in SURELY if verdicts[name] != "enforced"} == set()
    broken = {name for name, verdict in verdicts.items() if verdict == "ignored"}
    assert broken <= LOOSE, summary["schema_honesty"]
    assert "multipleOf" in broken
    rates = {mode: found["rates"]["schema_valid"]["value"] for mode, found in summary["modes"].items()}
    assert rates["json_schema"] > 0.8 > rates["prompt"]
    assert summary["differences"]["schema_valid"]["ci95"][0] > 0
