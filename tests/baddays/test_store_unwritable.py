"""Nothing can be written where the store lies: what is in it is shown and carried away all the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.baddays.conftest import Tiltyard, fixed, refused
from tiltyard.store.store import FILE

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("small_disk", [12_000], indirect=True)]

READING = (
    ["board", "--json"],
    ["board"],
    ["runs"],
    ["show", "latest"],
    ["show", "latest", "1"],
    ["export", "--format", "jsonl"],
    ["export", "--format", "csv", "--output", "x.csv"],
    ["report", "--output", "x.html"],
    ["results", "stats"],
    ["results", "list"],
    ["results", "consolidate"],
)
WRITING = (["rm", "latest", "--yes"], ["results", "clear-cache", "--yes"])

KILLED = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("UPDATE runs SET state = 'running', owner_pid = 0")  # it had asked again, and was killed
db.execute("INSERT INTO calibrations (made_at, result) VALUES ('2026-01-01', '{}')")
os._exit(0)
"""


def fill(disk: Path) -> None:
    with (disk / "fill").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(1024)):
            pass


def forbid(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def checks(tiltyard: Tiltyard, topic: str, env: dict[str, str]) -> list[dict[str, object]]:
    done = tiltyard("doctor", "--json", env=env)
    return [check for check in json.loads(done.out)["checks"] if check["topic"] == topic]


@pytest.mark.parametrize("happens", [fill, forbid])
def test_reading_works_and_writing_says_why_not(
    tiltyard: Tiltyard, healthy: str, small_disk: Path, happens: Callable[[Path], None]
) -> None:
    env = {"TILTYARD_DATA_DIR": str(small_disk)}
    assert tiltyard(*fixed(healthy), env=env).code == 0
    assert tiltyard(*fixed(healthy, "--output-tokens", "5"), env=env).code == 0
    shown = tiltyard("runs", env=env).out
    two = [run["id"] for run in json.loads(tiltyard("runs", "--json", env=env).out)["runs"]]
    happens(small_disk)
    assert tiltyard("runs", env=env).out == shown
    for command in (*READING, ["compare", *two]):
        done = tiltyard(*command, env=env)
        assert done.code == 0, (command, done.err)
    for command in (*WRITING, fixed(healthy, "--fresh")):
        refused(tiltyard(*command, env=env), 4, str(small_disk / FILE), "check the")
    (store,) = checks(tiltyard, "store", env)
    assert (store["state"], store["remedy"]) == ("ok", "")
    (disk,) = checks(tiltyard, "disk", env)
    assert disk["essential"]
    assert disk["remedy"]


def test_a_log_that_cannot_be_read_is_not_passed_over(
    tiltyard: Tiltyard, healthy: str, small_disk: Path
) -> None:
    env = {"TILTYARD_DATA_DIR": str(small_disk)}
    assert tiltyard(*fixed(healthy), env=env).code == 0
    subprocess.run([sys.executable, "-c", KILLED, str(small_disk / FILE)], check=True)
    forbid(small_disk)
    assert tiltyard("runs", env=env).code == 0  # all is there that the log is read by
    assert tiltyard("board", env=env).code == 0
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    (small_disk / f"{FILE}-shm").unlink()
    forbid(small_disk)
    refused(tiltyard("runs", env=env), 4, f"part of it is in {FILE}-wal", "copy its folder")
