"""A later sitting that is killed or under way: what is shown is never the earlier one's as if it were all."""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.baddays.conftest import LISTED, Tiltyard
from tests.patience import wait_for
from tests.servers.scripted import Script, ScriptedServer, chunked, sized
from tiltyard.cli.serve import StoreFigures
from tiltyard.store.sittings import KILLED
from tiltyard.store.store import FILE, Store

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
Spawn = Callable[..., subprocess.Popen[bytes]]
COUNT = 12
ANSWERED = chunked(
    b'data: {"choices":[{"index":0,"delta":{"content":"Answer: A"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


class Exam(ScriptedServer):
    """Answers every question but those that it `fails`; waits for `gate` with those that it `holds`."""

    def __init__(self) -> None:
        super().__init__(self.reply)
        self.fails: set[int] = set()
        self.status = b"500 Internal Server Error"
        self.holds: set[int] = set()
        self.asked: list[int] = []
        self.gate = threading.Event()
        self.loads = True  # else nothing but questions is refused

    def reply(self, number: int) -> Script:
        request = self.requests[number]
        if request.startswith(b"GET /v1/models"):
            return [sized(LISTED)]
        found = re.search(rb"number (\d+)\?", request)
        if found is None and not self.loads:
            return [sized(b'{"error":"out of memory"}', status=b"500 Internal Server Error")]
        if found is None:
            return [ANSWERED if request.startswith(b"POST") else sized(b"{}", status=b"404 Not Found")]
        self.asked.append(int(found[1]))
        if self.asked[-1] in self.holds:
            self.gate.wait(300)
        if self.asked[-1] in self.fails:
            return [sized(b'{"error":"no"}', status=self.status)]
        return [ANSWERED]


@pytest.fixture
def words(tmp_path: Path) -> Callable[[Exam], list[str]]:
    """The command that asks everything, one question after the other."""
    path = tmp_path / "questions.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [f"What is number {n}?", "this", "that", "these", "those", "A"] for n in range(COUNT)
        )
    more = ["--no-shuffle", "--no-logprobs", "--retries", "0", "--concurrency", "1", "--json"]
    return lambda exam: ["run", "mcq", str(path), "--server", exam.url, "--model", "m", *more]


def last_line(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    out, _ = process.communicate()
    return json.loads(out.decode().strip().splitlines()[-1])  # type: ignore[no-any-return]


def stored(tiltyard: Tiltyard, *command: str) -> Any:
    done = tiltyard(*command)
    assert done.code == 0, done.err
    return json.loads(done.out)


def in_store(home: Path, outcome: str) -> int:
    with Store.open(home / FILE) as store:
        return sum(store.so_far(run.id).outcomes.get(outcome, 0) for run in store.runs())


@posix_only
def test_a_finished_run_stays_one_when_its_second_asking_is_killed(
    tiltyard: Tiltyard, spawn: Spawn, home: Path, words: Callable[[Exam], list[str]]
) -> None:
    with Exam() as exam:
        exam.fails = {3, 6, 9}
        first = tiltyard(*words(exam)).summary()
        assert (first["state"], first["outcomes"]["error"], first["score"]) == ("finished", 3, 1.0)
        exam.fails, exam.holds, before = set(), {6, 9}, len(exam.asked)
        again = spawn(*words(exam))
        wait_for(lambda: in_store(home, "error") == 2 and len(exam.asked) > before + 1)
        assert stored(tiltyard, "runs", "--json")["runs"][0]["state"] == "running"
        again.kill()
        again.communicate()
        exam.gate.set()
        (run,) = stored(tiltyard, "runs", "--json")["runs"]
        board = stored(tiltyard, "board", "--json")
        exported = stored(tiltyard, "export", "--format", "json", "latest")
        shown = tiltyard("show", "latest")
        assert run["state"] == "finished"
        assert len(board["rows"]) == 1
        assert KILLED in json.dumps(exported)
        assert "the same command asks the rest" in " ".join(shown.out.split())
        exam.holds = set()
        whole = tiltyard(*words(exam)).summary()
    assert (whole["run_id"], whole["n"], whole["outcomes"]["correct"]) == (first["run_id"], COUNT, COUNT)
    assert KILLED not in whole["notes"]


@posix_only
def test_a_run_that_was_interrupted_and_then_killed_has_no_figures_of_the_first_sitting(
    tiltyard: Tiltyard, spawn: Spawn, home: Path, words: Callable[[Exam], list[str]]
) -> None:
    with Exam() as exam:
        exam.holds = {4}
        first = spawn(*words(exam))
        wait_for(lambda: in_store(home, "correct") == 4)
        first.send_signal(signal.SIGINT)
        assert last_line(first)["outcomes"]["correct"] == 4
        exam.gate.set()
        assert stored(tiltyard, "show", "latest", "--json")["run"]["summary"]["n"] == 4
        exam.gate.clear()
        exam.holds = {8}
        again = spawn(*words(exam))
        wait_for(lambda: in_store(home, "correct") == 8)
        with Store.open(home / FILE) as store:
            (figures,) = StoreFigures(store)()
        assert (figures.state, figures.done, figures.left_s, figures.score) == ("running", 8, None, None)
        assert figures.outcomes is not None
        assert (figures.outcomes["correct"], figures.outcomes["wrong"], len(figures.outcomes)) == (8, 0, 8)
        assert figures.mean_duration_s is not None
        again.kill()
        again.communicate()
        exam.gate.set()
        found = stored(tiltyard, "show", "latest", "--json")["run"]
        assert (found["state"], found["summary"]) == ("interrupted", None)
        exam.holds = set()
        whole = tiltyard(*words(exam)).summary()
    assert (whole["n"], whole["outcomes"]["correct"]) == (COUNT, COUNT)


@posix_only
@pytest.mark.parametrize("interrupted_first", [True, False])
def test_a_sitting_in_which_nothing_can_be_asked_brings_no_old_figures_back(
    tiltyard: Tiltyard, spawn: Spawn, home: Path, words: Callable[[Exam], list[str]], interrupted_first: bool
) -> None:
    """After one that was killed, whether there was a summary before it or none."""
    with Exam() as exam:
        if interrupted_first:
            exam.holds = {4}
            first = spawn(*words(exam))
            wait_for(lambda: in_store(home, "correct") == 4)
            first.send_signal(signal.SIGINT)
            assert last_line(first)["state"] == "interrupted"
            exam.gate.set()
            exam.gate.clear()
        exam.holds = {8}
        killed = spawn(*words(exam))
        wait_for(lambda: in_store(home, "correct") == 8)
        killed.kill()
        killed.communicate()
        exam.gate.set()
        exam.loads = False
        failed = tiltyard(*words(exam))
        assert failed.code != 0
        found = stored(tiltyard, "show", "latest", "--json")["run"]
        (listed,) = stored(tiltyard, "runs", "--json")["runs"]
        assert (found["state"], found["summary"], listed["attempts"]) == ("failed", None, 8)
        exam.loads, exam.holds = True, set()
        whole = tiltyard(*words(exam)).summary()
    assert (whole["n"], whole["outcomes"]["correct"]) == (COUNT, COUNT)


@posix_only
def test_figures_of_a_sitting_that_was_left_before_a_retry_are_told_again(
    tiltyard: Tiltyard, spawn: Spawn, home: Path, words: Callable[[Exam], list[str]]
) -> None:
    """The request that was to be asked again has failed until then, for the summary and the store alike."""
    with Exam() as exam:
        exam.fails, exam.status = {4}, b"503 Service Unavailable"
        patient = [*words(exam), "--retries", "1", "--retry-delay", "300"]
        first = spawn(*patient)
        wait_for(lambda: (in_store(home, "correct"), in_store(home, "error")) == (4, 1))
        first.send_signal(signal.SIGINT)
        before = last_line(first)
        assert (before["n"], before["outcomes"]["correct"], before["outcomes"]["error"]) == (5, 4, 1)
        (listed,) = stored(tiltyard, "runs", "--json")["runs"]
        assert listed["attempts"] == before["requests"]["total"] == 5
        exam.loads = False
        failed = tiltyard(*patient)
        assert failed.code != 0
        after = failed.summary()
        said = {"notes": after["notes"], "error": after["error"], "state": "failed"}
        assert after == {**before, **said}
        assert "nothing could be asked again: " in after["notes"][-1]
        exam.loads, exam.fails = True, set()
        whole = tiltyard(*patient).summary()
    assert (whole["n"], whole["outcomes"]["correct"], whole["retries"]) == (COUNT, COUNT, 1)


@posix_only
def test_what_a_killed_asking_found_out_is_counted_once_all_is_answered(
    tiltyard: Tiltyard, home: Path, words: Callable[[Exam], list[str]]
) -> None:
    """It was killed between the last answer and its summary."""
    with Exam() as exam:
        exam.fails = {3}
        first = tiltyard(*words(exam)).summary()
        assert (first["state"], first["outcomes"]["error"]) == ("finished", 1)
        with Store.open(home / FILE) as store:
            run_id = store.claim(store.run(first["run_id"])).run.id
            attempts = {each.grade.outcome: each for each in store.attempts(run_id, True) if each.grade}
            right = attempts["correct"]
            answered = replace(attempts["error"], exchanges=right.exchanges, grade=right.grade)
            store.add([replace(answered, try_no=2, session=2)])
        with closing(sqlite3.connect(home / FILE)) as db, db:
            db.execute("UPDATE runs SET owner_pid = 999999999")
        exam.fails = set()
        whole = tiltyard(*words(exam)).summary()
    assert (whole["n"], whole["outcomes"]["correct"], whole["outcomes"]["error"]) == (COUNT, COUNT, 0)
    assert KILLED not in whole["notes"]


@posix_only
def test_a_store_that_goes_while_a_run_writes_it(
    spawn: Spawn, home: Path, words: Callable[[Exam], list[str]]
) -> None:
    with Exam() as exam:
        exam.holds = {4}
        process = spawn(*words(exam))
        wait_for(lambda: in_store(home, "correct") == 4)
        shutil.rmtree(home)
        exam.gate.set()
        out, err = process.communicate()
    assert process.returncode == 4, err
    assert json.loads(out.decode().strip().splitlines()[-1])["outcomes"]["correct"] == COUNT
    assert b"was deleted or replaced while it was in use" in err
