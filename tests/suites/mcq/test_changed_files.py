"""Question files that are deleted or edited while their run is under way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Finished
from tests.servers.scripted import Script, ScriptedServer, chunked, sized

pytestmark = pytest.mark.slow

Tiltyard = Callable[..., Finished]
COUNT = 400  # more than a file's buffer holds
WHEN = 30  # questions are answered by then
LISTED = b'{"object":"list","data":[{"id":"m","object":"model"}]}'
ANSWERED = chunked(
    b'data: {"choices":[{"index":0,"delta":{"content":"Answer: A"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


def line(number: int, name: str = "set") -> str:
    return f"What is number {number} of the long list called {name}?,this,that,these,those,A\n"


class Exam(ScriptedServer):
    """Answers every question; does something before it answers one of them, or lists its models."""

    def __init__(self, at: int | None, happens: Callable[[], object]) -> None:
        super().__init__(self.reply)
        self.at, self.happens = at, happens
        self.asked = 0

    def reply(self, number: int) -> Script:
        request = self.requests[number]
        if re.search(rb"number \d+ of", request):
            self.asked += 1
            if self.asked == self.at:
                self.happens()
            return [ANSWERED]
        if request.startswith(b"GET /v1/models"):
            if self.at is None:
                self.happens()
            return [sized(LISTED)]
        return [ANSWERED if request.startswith(b"POST") else sized(b"{}", status=b"404 Not Found")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The questions of most tests."""
    found = tmp_path / "set.csv"
    found.write_text("".join(map(line, range(COUNT))), encoding="utf-8")
    return found


def command(exam: Exam, *paths: Path) -> list[str]:
    more = ["--no-shuffle", "--no-logprobs", "--concurrency", "1", "--json"]
    return [
        "run",
        "mcq",
        *map(str, paths),
        "--server",
        exam.url,
        "--dialect",
        "openai",
        "--model",
        "m",
        *more,
    ]


def summary(done: Finished) -> dict[str, Any]:
    """The last line, however the command ended."""
    found: dict[str, Any] = json.loads(done.out.strip().splitlines()[-1])
    assert found["event"] == "summary"
    return found


@pytest.mark.skipif("sys.platform == 'win32'", reason="an open file cannot be deleted there")
def test_a_file_that_is_deleted_costs_nothing(tiltyard: Tiltyard, path: Path) -> None:
    with Exam(WHEN, path.unlink) as exam:
        done = tiltyard(*command(exam, path))
    found = summary(done)
    assert (done.code, found["state"], found["n"]) == (0, "finished", COUNT), done.err
    assert (found["questions"]["good"], found["questions"]["bad"]) == (COUNT, 0)


def test_lines_that_are_added_are_none_of_the_run(tiltyard: Tiltyard, path: Path) -> None:
    def add() -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write("broken\n" * 3)

    with Exam(WHEN, add) as exam:
        done = tiltyard(*command(exam, path))
        found = summary(done)
        assert (done.code, found["state"], found["n"]) == (0, "finished", COUNT), done.err
        assert (found["questions"]["good"], found["questions"]["bad"]) == (COUNT, 0)
        again = summary(tiltyard(*command(exam, path)))
        assert (again["cached"], again["run_id"], exam.asked) == (True, found["run_id"], COUNT)


def cut_short(path: Path) -> None:
    with path.open("rb+") as file:
        file.truncate(COUNT * 40)


def cut_at_a_line(path: Path) -> None:
    path.write_text("".join(map(line, range(COUNT // 2))), encoding="utf-8")


def reword(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace("list", "tale"), encoding="utf-8")


@pytest.mark.parametrize("change", [cut_short, cut_at_a_line, reword])
def test_a_question_that_has_changed_ends_the_run_and_it_can_be_carried_on(
    tiltyard: Tiltyard, path: Path, change: Callable[[Path], None]
) -> None:
    before = path.read_bytes()
    with Exam(WHEN, lambda: change(path)) as exam:
        done = tiltyard(*command(exam, path))
        found = summary(done)
        assert done.code == 2
        assert f"error: {path} has changed while it was in use" in done.err
        assert "Traceback" not in done.err
        assert (found["state"], found["error"]) == ("failed", f"{path} has changed while it was in use")
        assert WHEN - 1 <= found["n"] < COUNT
        path.write_bytes(before)
        whole = tiltyard(*command(exam, path)).summary()
    assert (whole["run_id"], whole["n"], whole["score"]) == (found["run_id"], COUNT, 1.0)


def test_a_file_that_is_gone_before_its_turn(tiltyard: Tiltyard, path: Path, tmp_path: Path) -> None:
    other = tmp_path / "a.csv"
    other.write_text("".join(line(number, "a") for number in range(60)), encoding="utf-8")
    with Exam(WHEN, path.unlink) as exam:
        done = tiltyard(*command(exam, other, path))
    found = summary(done)
    assert (done.code, found["state"]) == (2, "failed")
    assert f"error: {path} cannot be read" in done.err
    assert found["n"] >= WHEN
    assert found["questions"]["good"] == 60 + COUNT


@pytest.mark.parametrize("deleted", [False, True])
def test_other_questions_than_those_that_were_planned_are_not_asked(
    tiltyard: Tiltyard, path: Path, deleted: bool
) -> None:
    """They would stand in the store as if they were those."""

    def change() -> None:
        if deleted:
            path.unlink(missing_ok=True)
        else:
            path.write_text("".join(map(line, range(COUNT + 1))), encoding="utf-8")

    with Exam(None, change) as exam:
        done = tiltyard(*command(exam, path))
        assert exam.asked == 0
    assert done.code == 2
    assert f"error: {path} {'cannot be read' if deleted else 'has changed while it was in use'}" in done.err
    assert (summary(done)["state"], summary(done)["n"]) == ("failed", 0)
