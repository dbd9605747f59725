"""The structured log of a run: it rotates, each line is one JSON object, and no key is in it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Finished
from tiltyard.cli.run_log import KEPT, MAX_BYTES, logging_to
from tiltyard.cli.run_mcq import SHOWN
from tiltyard.errors import NoServer
from tiltyard.servers.simulator import SimConfig, SimModel, running

pytestmark = pytest.mark.slow

KEY = "sk-a-key-that-nobody-may-read"
ODD = 'two\nlines\r, "quotes", \u2028\u2029\x85\x1b[2J, half a character \ud800, \x00 and 🦊'


def lines(path: Path) -> list[dict[str, object]]:
    """Every line as its own object; what is not one fails the test."""
    assert path.read_bytes().endswith(b"\n")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_it_rotates_and_keeps_so_many(tmp_path: Path) -> None:
    filler, log = "x" * 500_000, logging.getLogger("tiltyard.run")
    count = (KEPT + 2) * MAX_BYTES // len(filler)
    with logging_to(tmp_path, verbose=False) as path:
        for number in range(count):
            log.info("answer", extra={"fields": {"number": number, "text": filler}})
    older = [tmp_path / f"{path.name}.{number}" for number in range(1, KEPT + 1)]
    assert sorted(tmp_path.iterdir()) == sorted([path, *older])
    found = []
    for each in [*reversed(older), path]:
        assert 0 < each.stat().st_size <= MAX_BYTES
        found += [entry["number"] for entry in lines(each)]
    assert found == list(range(count - len(found), count))  # the newest, in order, each once


@pytest.mark.parametrize("verbose", [False, True])
def test_each_line_is_one_object_and_holds_no_key(
    tmp_path: Path, verbose: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TILTYARD_API_KEY", KEY)
    log = logging.getLogger("tiltyard.run")
    with logging_to(tmp_path, verbose) as path:
        log.info("asked with %s", KEY, extra={"fields": {"item": ODD, "headers": {"Authorization": KEY}}})
        log.debug("only for --verbose")
        log.warning(ODD, extra={"fields": {"error": f"Bearer {KEY} is wrong"}})
    entries = lines(path)
    assert len(entries) == (3 if verbose else 2)
    for entry in entries:
        assert {"asctime", "levelname", "filename", "lineno", "message"} <= entry.keys()
    assert entries[0]["item"] == entries[-1]["message"] == ODD
    shown = capsys.readouterr()
    assert KEY not in path.read_text(encoding="utf-8") + shown.err + shown.out
    assert "Traceback" not in shown.err


def test_the_error_that_ends_a_run_is_in_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TILTYARD_API_KEY", KEY)
    with pytest.raises(NoServer), logging_to(tmp_path, verbose=False) as path:
        raise NoServer(f"nobody knows {KEY} at http://me:hidden1@h:1, me:hidden2@h:1", "ask again")
    (entry,) = lines(path)
    assert (entry["levelname"], entry["remedy"]) == ("ERROR", "ask again")
    assert str(entry["error"]).startswith("nobody knows ")
    assert str(entry["error"]).endswith(" at http://***@h:1, ***@h:1")
    assert KEY not in path.read_text(encoding="utf-8") + capsys.readouterr().err


FULL = """
import logging, resource, sys
from pathlib import Path
from tiltyard.cli.run_log import logging_to

log = logging.getLogger("tiltyard.run")
with logging_to(Path(sys.argv[1]), verbose=False):
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    for number in range(300):
        log.info("answer", extra={"fields": {"number": number}})
print("the run goes on")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file's size")
def test_a_log_that_takes_no_more_is_said_once_and_ends_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "o")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "the run goes on\n"), done.stderr
    (said,) = done.stderr.splitlines()
    (path,) = (tmp_path / "o").iterdir()
    assert said.startswith(f"warning: the log {path} ends here (")
    *kept, half = path.read_text(encoding="utf-8").split("\n")
    assert [json.loads(line)["number"] for line in kept] == list(range(len(kept)))
    assert len(kept) > 10
    assert len(half) < 200


@pytest.mark.parametrize("bad", [0, 1, SHOWN + 3])
def test_rows_that_are_skipped_are_in_the_log(
    tiltyard: Callable[..., Finished], tmp_path: Path, bad: int
) -> None:
    rows = ["What is one and one?,1,2,3,4,B", *(["What is two and two?,1,,3,4,D"] * bad)]
    (tmp_path / "q.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    models = (SimModel(name="m", stops_at=6, loaded=True),)
    with running(SimConfig(models=models, dialects=("openai",), delay=False)) as sim:
        place = ("--server", sim.url("openai"), "--dialect", "openai", "--output-dir", "o", "--verbose")
        done = tiltyard("run", "mcq", "q.csv", "--lenient", *place)
    assert done.code == 0, done.err
    (path,) = (tmp_path / "o").iterdir()
    entries = [entry for entry in lines(path) if str(entry["message"]).startswith("row")]
    each = [entry for entry in entries if entry["message"] == "row skipped"]
    assert len(each) == min(bad, SHOWN)
    for number, entry in enumerate(each):
        assert (entry["file"], entry["line"]) == (str(tmp_path / "q.csv"), number + 2)
        assert (entry["levelname"], entry["reason"]) == ("WARNING", "option B is empty")
    totals = [(entry["total"], entry["logged"]) for entry in entries if entry["message"] == "rows skipped"]
    assert totals == ([(bad, min(bad, SHOWN))] if bad else [])
    assert "row skipped" not in done.err  # the screen has them once, also with --verbose
    assert done.err.count("skipped: ") == min(bad, SHOWN + 1)
