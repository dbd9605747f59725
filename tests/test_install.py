"""The command that adds a package names the tool that made the environment: real interpreters say it."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

PROGRAM = """
import sys
sys.path += {more!r}
from tiltyard.errors import install
print(install('tiltyard[x]'))
"""


def remedy(folder: Path, *, shell: bool = False) -> str:
    """What an interpreter of the environment there says; `shell`: its own programs come first in PATH."""
    scripts = folder / ("Scripts" if sys.platform == "win32" else "bin")
    python = scripts / ("python.exe" if sys.platform == "win32" else "python")
    path = os.pathsep.join([str(scripts)] * shell + [os.environ["PATH"]])
    program = PROGRAM.format(more=[str(Path(__file__).parents[1] / "src")])
    done = subprocess.run(
        [str(python), "-c", program],
        capture_output=True, text=True, env={**os.environ, "PATH": path}, check=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("uv-receipt.toml", 'uv tool install --force "tiltyard[x]"'),
        ("pipx_metadata.json", 'pipx install --force "tiltyard[x]"'),
    ],
)
def test_the_tool_that_made_the_environment(tmp_path: Path, mark: str, words: str) -> None:
    venv.create(tmp_path / "made", symlinks=sys.platform != "win32")
    (tmp_path / "made" / mark).write_text("")
    assert remedy(tmp_path / "made") == words


def test_an_environment_that_uvx_made(tmp_path: Path) -> None:
    venv.create(tmp_path / "archive-v0" / "abc", symlinks=sys.platform != "win32")
    assert remedy(tmp_path / "archive-v0" / "abc") == 'uvx "tiltyard[x]"'


@pytest.mark.slow
def test_pip_is_named_with_its_python_unless_the_shell_finds_it(tmp_path: Path) -> None:
    made = tmp_path / "made"
    venv.create(made, symlinks=sys.platform != "win32")
    assert remedy(made).startswith('uv pip install --python "')  # it has no pip of its own
    venv.create(made, with_pip=True, symlinks=sys.platform != "win32")
    assert remedy(made).endswith('" -m pip install "tiltyard[x]"')
    assert remedy(made, shell=True) == 'pip install "tiltyard[x]"'
