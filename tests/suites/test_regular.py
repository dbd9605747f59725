"""What is no regular file is refused by name at once, wherever a file of the user's is read."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Finished
from tests.suites.tools.bfcl_files import write_bfcl

pytestmark = pytest.mark.slow

Tiltyard = Callable[..., Finished]
TEMPLATE = "{question}\n{options}\n"


@pytest.fixture
def special(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """One of each kind, by its name in words."""
    os.mkfifo(tmp_path / "pipe")
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket"))  # whose path may be no longer than 107 bytes
        yield {"a device": Path("/dev/zero"), "a pipe": tmp_path / "pipe", "a socket": tmp_path / "socket"}


def refused(done: Finished, path: Path, kind: str) -> None:
    assert done.code == 2, (done.out, done.err)
    assert f"{path} is not a regular file, but {kind}" in done.err.splitlines()[-2], done.err


@pytest.mark.parametrize("option", [(), ("--examples",), ("--prompt",)])
def test_questions_examples_and_templates(
    option: tuple[str, ...], special: dict[str, Path], tiltyard: Tiltyard
) -> None:
    for kind, path in special.items():
        done = tiltyard("run", "mcq", *option, str(path), "--model", "m", timeout_s=60)
        refused(done, path, kind)


def test_a_file_that_the_system_will_not_read_is_named(tiltyard: Tiltyard) -> None:
    path = Path("/proc/self/mem")
    if not path.exists():
        pytest.skip("there is no such file here")
    for words in (("run", "mcq", str(path), "--model", "m"), ("import", str(path))):
        done = tiltyard(*words, timeout_s=60)
        assert done.code == 2
        assert done.err.startswith("error: /proc/"), done.err
        assert "cannot be read: " in done.err.splitlines()[0]


def test_an_entry_of_a_schema_folder(tmp_path: Path, special: dict[str, Path], tiltyard: Tiltyard) -> None:
    for kind, path in (*special.items(), ("a folder", tmp_path)):
        folder = tmp_path / f"schemas of {kind}"
        folder.mkdir()
        (folder / "a.json").symlink_to(path)
        done = tiltyard("run", "json", "--schema-dir", str(folder), "--model", "m", timeout_s=60)
        refused(done, folder / "a.json", kind)


@pytest.mark.parametrize("place", ["BFCL_v4_live_simple.json", "possible_answer/BFCL_v4_live_simple.json"])
def test_a_file_of_the_leaderboard(
    place: str, tmp_path: Path, special: dict[str, Path], tiltyard: Tiltyard
) -> None:
    folder = write_bfcl(tmp_path / "bfcl")
    for kind, path in (*special.items(), ("a folder", tmp_path)):
        (folder / place).unlink()
        (folder / place).symlink_to(path)
        words = ["run", "tools", "--bfcl", str(folder), "--categories", "live_simple", "--model", "m"]
        refused(tiltyard(*words, timeout_s=60), folder / place, kind)


def test_a_bundle_through_a_pipe_of_the_shell(clean_env: dict[str, str], tmp_path: Path) -> None:
    ours = f"{sys.executable} -m tiltyard"
    written = f"{ours} export --format jsonl --data-dir '{tmp_path / 'elsewhere'}'"
    for command in (f"{written} | {ours} import /dev/stdin", f"{ours} import <({written})"):
        done = subprocess.run(
            ["bash", "-c", command], env=clean_env, capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout == "0 runs taken in, 0 were here already\n"


def test_a_bundle(special: dict[str, Path], tiltyard: Tiltyard) -> None:
    for kind, path in special.items():
        refused(tiltyard("import", str(path), timeout_s=60), path, kind)
