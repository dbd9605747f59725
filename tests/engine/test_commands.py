"""`make-model` and `doctor` as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Finished

pytestmark = pytest.mark.engine

Command = Callable[..., Finished]


@pytest.fixture
def alone(tmp_path: Path) -> dict[str, str]:
    """An environment with a cache of its own."""
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_make_model_says_what_it_wrote(tiltyard: Command, tmp_path: Path, alone: dict[str, str]) -> None:
    made = tiltyard("make-model", "a b.gguf", "--examples", env=alone)
    assert made.code == 0, made.err
    assert "7 known answers" in made.out
    assert (tmp_path / "a b.gguf").stat().st_size < 3e6
    again = tiltyard("make-model", "c.gguf", "--preset", "tilt-swift", "--json", env=alone)
    identity = json.loads(again.out)
    assert (identity["name"], identity["architecture"], identity["quantization"]) == ("c", "llama", "F16")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--dim", "100"], "multiple of 64"),
        (["--preset", "tilt-heavy", "--layers", "2"], "leave out"),
        (["--answers", "none.json"], "check the path"),
        (["--mean-tokens", "1"], "use 2 to"),
        (["--mean-tokens", "nan"], "use 2 to"),
        (["--mean-tokens", "inf"], "use 2 to"),
    ],
)
def test_make_model_refuses_in_words(
    tiltyard: Command, tmp_path: Path, alone: dict[str, str], args: list[str], says: str
) -> None:
    made = tiltyard("make-model", "x.gguf", *args, env=alone)
    assert made.code == 2
    assert says in made.err
    assert not (tmp_path / "x.gguf").exists()


def test_make_model_overwrites_nothing_but_its_own(
    tiltyard: Command, tmp_path: Path, alone: dict[str, str]
) -> None:
    made = tmp_path / "x.gguf"
    for seed in ("1", "2"):
        assert tiltyard("make-model", "x.gguf", "--seed", seed, env=alone).code == 0
    foreign = {
        "another.gguf": made.read_bytes().replace(b"made by tiltyard", b"made by somebody"),
        "cut.gguf": made.read_bytes()[:1000],
        "notes.txt": b"dear diary",
        "empty.gguf": b"",
    }
    for name, content in foreign.items():
        (tmp_path / name).write_bytes(content)
        done = tiltyard("make-model", name, env=alone)
        assert done.code == 2
        assert done.err.startswith(f"error: {name} is there already")
        assert (tmp_path / name).read_bytes() == content


def test_the_doctor_lists_everything(tiltyard: Command, home: Path, alone: dict[str, str]) -> None:
    done = tiltyard("doctor", "--json", env=alone)
    assert done.code == 0, done.out + done.err
    report = json.loads(done.out)
    assert report["ok"] is True
    topics = {check["topic"]: check for check in report["checks"]}
    assert set(topics) >= {
        "python",
        "engine",
        "servers",
        "gpu",
        "disk",
        "store",
        "clock",
        "event loop",
        "toolchains",
    }
    assert topics["engine"]["state"] == "ok"
    assert "starts in" in topics["engine"]["found"]
    assert topics["store"]["state"] == "ok"
    assert all(check["remedy"] for check in report["checks"] if check["state"] != "ok")
    assert not list(home.iterdir())  # looking changes nothing


def test_the_doctor_finds_a_damaged_store(tiltyard: Command, home: Path, alone: dict[str, str]) -> None:
    (home / "tiltyard.sqlite3").write_bytes(b"this is no database, but a text of some length " * 100)
    done = tiltyard("doctor", env=alone)
    assert done.code == 1
    assert "not ready: store" in done.err
    assert "broken" in done.out


def test_a_folder_whose_name_is_no_utf_8(
    clean_env: dict[str, str], tmp_path: Path, alone: dict[str, str]
) -> None:
    folder = tmp_path / os.fsdecode(b"odd \xff")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system has only names in UTF-8")
    speed = ("run", "speed", "--model", "m.gguf", "--profile", "fixed", "--requests", "2", "--json")
    for words in (
        ("make-model", "m.gguf", "--json"),
        ("models", "m.gguf"),
        ("models", "m.gguf", "--json"),
        speed,
    ):
        done = subprocess.run(
            [sys.executable, "-m", "tiltyard", *words],
            capture_output=True,
            env=clean_env | alone,
            cwd=folder,
            check=False,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.decode().splitlines()[-1])
    assert summary["endings"] == {"ok": 2}
    assert summary["server"]["url"] == str(tmp_path / "odd \ufffd" / "m.gguf")
