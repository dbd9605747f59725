"""Machines made of files and programs: a tree of /sys and /proc, and commands that print as real ones do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Tree = Callable[[Mapping[str, str]], Path]
Command = Callable[[str, str], str]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Writes files under a root; the keys are paths."""

    def write(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n", encoding="utf-8")
        return tmp_path / "root"

    return write


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Writes an executable Python script and returns its path."""

    def write(name: str, body: str) -> str:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!{sys.executable}\nimport sys\n{body}", encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    return write
