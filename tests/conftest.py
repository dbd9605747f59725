"""Fixtures that every part shares: a private data folder and the command line as a real process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest


class Finished(NamedTuple):
    """A command that ended."""

    code: int
    out: str
    err: str

    def lines(self) -> list[dict[str, Any]]:
        """Standard output as one JSON object per line."""
        return [json.loads(line) for line in self.out.splitlines()]

    def summary(self) -> dict[str, Any]:
        """The last line of `run --json`."""
        last = self.lines()[-1]
        assert last["event"] == "summary", last
        return last


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A private data folder."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def clean_env(home: Path, tmp_path: Path) -> dict[str, str]:
    """An environment without this machine's settings, with a private data folder."""
    ours = ("TILTYARD_", "OLLAMA_", "OPENAI_", "LM_API_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(ours) and not name.lower().endswith("_proxy")
    }
    private = {"TILTYARD_DATA_DIR": str(home), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    return kept | private | {"NO_COLOR": "1", "COLUMNS": "120"}


@pytest.fixture
def tiltyard(clean_env: dict[str, str], tmp_path: Path) -> Callable[..., Finished]:
    """Run `tiltyard ARGS` in a process of its own, in an empty folder."""

    def call(*args: str, timeout_s: float = 240, env: dict[str, str] | None = None) -> Finished:
        done = subprocess.run(
            [sys.executable, "-m", "tiltyard", *args],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env=clean_env | (env or {}),
            cwd=tmp_path,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    return call
