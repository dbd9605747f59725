"""Names and answers that would break a careless program, from the wire to the report."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from pathlib import Path

import pytest

from tests.baddays.conftest import LISTED, QUICK_MODEL, SAID, Tiltyard, fixed, refused, simulated
from tests.servers.scripted import Script, ScriptedServer, chunk, chunked, head, sized
from tiltyard.servers.simulator import SimModel

NAMES = (
    "org/model:8b-q4_K_M@main",
    "../../../etc/passwd",
    "..\\..\\windows",
    "with  two spaces and 'quotes\" $(touch pwned) `x`",
    "🐎 <script>alert(1)</script> & [bold]x[/bold] :star:",
    "=cmd|' /C calc'!A0",
    "bidi\u202eevil\u2028line\nbreak\x1b[31mred\x07",
    "--fresh",
    "n" * 300,
)
ESCAPES = re.compile("[\x00-\x08\x0b-\x1f\x7f\u2028\u2029\u202e]")


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["openai", "ollama"])
def test_any_name_from_the_run_to_the_report(tiltyard: Tiltyard, tmp_path: Path, dialect: str) -> None:
    models = tuple(SimModel(name=name, ttft_ms=2, token_ms=1, load_ms=1, loaded=True) for name in NAMES)
    with simulated(models=models, dialects=(dialect,)) as simulator:
        server = ["--server", simulator.url(dialect), "--requests", "2", "--output-tokens", "3"]
        command = ["run", "speed", "--profile", "fixed", *server]
        done = tiltyard(*command, "--all", "--json")
        assert done.code == 0, done.err
        ran = {line["model"] for line in done.lines() if line["event"] == "summary"}
        assert {name.removesuffix(":latest") for name in ran} == set(NAMES)
        named = tiltyard(*command, *(f"--model={name}" for name in NAMES), "--fresh")
        assert named.code == 0, named.err
        assert not ESCAPES.search(named.out + named.err)
    check_views(tiltyard, tmp_path)
    assert not (tmp_path / "pwned").exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"data", "tiltyard-report.html", "config"}


def check_views(tiltyard: Tiltyard, folder: Path) -> None:
    """Every way to look at what was stored."""
    for command in (
        ["board"],
        ["runs"],
        ["show", "latest"],
        ["show", "latest", "1"],
        ["export", "--format=md"],
    ):
        shown = tiltyard(*command)
        assert shown.code == 0, shown.err
        assert not ESCAPES.search(shown.out), (command, shown.out)
    table = list(csv.DictReader(io.StringIO(tiltyard("export", "--format", "csv").out, newline="")))
    named = {row["model"].removesuffix(":latest") for row in table}
    assert "../../../etc/passwd" in named
    assert "'=cmd|' /C calc'!A0" in named  # no formula for a spreadsheet
    exported = json.loads(tiltyard("export").out)
    assert len(exported["runs"]) == 2 * len(NAMES)
    assert tiltyard("report").code == 0
    page = (folder / "tiltyard-report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page or "&#60;script&#62;" in page


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["openai", "ollama"])
def test_any_text_from_the_answer_to_the_report(tiltyard: Tiltyard, tmp_path: Path, dialect: str) -> None:
    for fault in ("control_chars", "unicode_lines", "bad_utf8", "split_utf8", "shred=1"):
        with simulated(fault, dialects=(dialect,)) as simulator:
            done = tiltyard(*fixed(simulator.url(dialect), "--output-tokens", "12", "--json"))
        assert done.code == 0, done.err
        assert done.summary()["requests"]["ok"] == 3
        assert done.summary()["tokens"]["output"] == 36
        shown = tiltyard("show", done.summary()["run_id"], "1", "--timeline")
        assert shown.code == 0, shown.err
        assert not ESCAPES.search(shown.out), (fault, shown.out)
    for command in (["show", "latest", "1"], ["export", "--format=csv"], ["report"]):
        shown = tiltyard(*command)
        assert shown.code == 0, shown.err
        assert not ESCAPES.search(shown.out), (command, shown.out)
    lines = tiltyard("export", "--format", "jsonl").out.split("\n")
    assert all(json.loads(line) for line in lines if line)
    (tmp_path / "runs.jsonl").write_text("\n".join(lines), encoding="utf-8")
    there = {"TILTYARD_DATA_DIR": str(tmp_path / "there")}
    assert tiltyard("import", "runs.jsonl", env=there).code == 0
    assert tiltyard("export", "--format", "jsonl", env=there).out.split("\n") == lines


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["openai", "ollama"])
def test_ten_megabytes_without_a_newline(tiltyard: Tiltyard, tmp_path: Path, dialect: str) -> None:
    with simulated("long_line", dialects=(dialect,)) as simulator:
        done = tiltyard(*fixed(simulator.url(dialect), "--requests", "2", "--json"))
    assert done.code == 0, done.err
    assert done.summary()["requests"]["ok"] == 2
    shown = tiltyard("show", "latest", "1")
    assert shown.code == 0
    assert len(shown.out) < 100_000
    assert tiltyard("show", "latest", "1", "--timeline").code == 0
    assert len(tiltyard("export", "--format", "csv").out) < 100_000
    assert len(tiltyard("export", "--format", "jsonl").out) > 10_000_000
    assert tiltyard("report").code == 0
    assert (tmp_path / "tiltyard-report.html").stat().st_size < 500_000


def test_an_error_as_long_as_a_book_full_of_escapes(tiltyard: Tiltyard) -> None:
    book = b'{"error":{"message":"' + b"\\u001b[31m\\u202e\\n" * 200_000 + b'"}}'

    def answer(number: int) -> Script:
        if server.requests[number].startswith(b"POST"):
            return [sized(book, status=b"500 Oh\x1b[31m no")]
        if server.requests[number].startswith(b"GET /v1/models"):
            return [sized(LISTED)]
        return [sized(b"{}", status=b"404 Not Found")]

    with ScriptedServer(answer) as server:
        done = tiltyard(*fixed(server.url))
        refused(done, 1, "HTTP 500")
        assert len(done.err) < 2000
        assert not ESCAPES.search(done.out + done.err)
    shown = tiltyard("show", "latest", "1")
    assert shown.code == 0
    assert not ESCAPES.search(shown.out)


def test_an_answer_that_never_ends_its_line_and_dies(tiltyard: Tiltyard) -> None:
    def answer(number: int) -> Script:
        if server.requests[number].startswith(b"POST"):
            return [
                head(more=b"Transfer-Encoding: chunked\r\n"),
                chunk(b'data: {"x":"' + b"\xff" * 3_000_000),
                "reset",
            ]
        if server.requests[number].startswith(b"GET /v1/models"):
            return [sized(LISTED)]
        return [sized(b"{}", status=b"404 Not Found")]

    with ScriptedServer(answer) as server:
        refused(tiltyard(*fixed(server.url)), 1, "3 error_midstream")
    assert tiltyard("show", "latest", "1").code == 0
    assert len(tiltyard("show", "latest", "1").out) < 100_000


LONG = "n" * 300


@pytest.mark.parametrize(
    "command",
    [
        ["run", "speed", "-m", f"{LONG}.gguf"],
        ["run", "mcq", LONG, "-m", "m"],
        ["export", "-o", LONG],
        ["make-model", f"{LONG}.gguf"],
    ],
)
def test_a_name_that_no_file_can_have(tiltyard: Tiltyard, command: list[str]) -> None:
    done = tiltyard(*command)
    refused(done, done.code, "too long")
    assert done.code != 0
    assert len(done.err) < 400


def test_doctor_knows_a_store_folder_that_is_none(tiltyard: Tiltyard, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = tiltyard("doctor", "--json", env={"TILTYARD_DATA_DIR": str(tmp_path / "file")})
    checks = {check["topic"]: check for check in json.loads(done.out)["checks"]}
    assert checks["disk"]["state"] == "broken"
    assert "is no folder" in checks["disk"]["found"]
    assert checks["store"]["state"] == "missing"
    assert done.code != 0


@pytest.mark.skipif(os.name == "nt", reason="the engine is played by a shell script")
@pytest.mark.parametrize(("code", "state"), [(0, "ok"), (1, "optional")])
def test_doctor_asks_a_container_engine_if_it_works(
    tiltyard: Tiltyard, tmp_path: Path, code: int, state: str
) -> None:
    engine = tmp_path / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text(f"#!/bin/sh\necho 'is the daemon running?' >&2\nexit {code}\n", encoding="utf-8")
    engine.chmod(0o755)
    done = tiltyard("doctor", "--json", env={"PATH": str(engine.parent)})
    (check,) = [check for check in json.loads(done.out)["checks"] if "sandbox" in check["found"]]
    assert check["state"] == state
    assert ("is the daemon running?" in check["found"]) == (code == 1)


def test_the_simulated_names_are_served_as_they_are() -> None:
    assert QUICK_MODEL.name == "m"
    assert len(NAMES[-1]) == 300


def event(text: str) -> bytes:
    """A word as it stands, escaped or not."""
    return f'data: {{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}\n\n'.encode()


class Worded(ScriptedServer):
    """A model `m` that answers with these events; the first question, which is no item, with a plain word."""

    def __init__(self, *events: bytes) -> None:
        super().__init__(self.told)
        self.events, self.asked = b"".join(events), 0

    def told(self, number: int) -> Script:
        if not self.requests[number].startswith(b"POST"):
            return [sized(LISTED)]
        self.asked += 1
        said = self.events if self.asked > 1 else event("word")
        return [chunked(said + SAID.partition(b"\n\n")[2])]  # which ends with a word, the reason and counts


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        ((event("Answer: A\x01\t "),), "correct"),  # bytes that JSON has escaped, but they can be read
        ((event("Answer: A"), event("no such escape: \\x")), "error"),
        ((event("Answer: B"), event("no such escape: \\x")), "error"),
    ],
    ids=("control characters", "a hole in a right answer", "a hole in a wrong one"),
)
def test_a_server_whose_events_are_broken_scores_neither_way(
    tiltyard: Tiltyard, tmp_path: Path, events: tuple[bytes, ...], outcome: str
) -> None:
    rows = "".join(f"Which is {n}?,yes,no,maybe,never,A\n" for n in range(5))
    (tmp_path / "set.csv").write_text("question,A,B,C,D,answer\n" + rows, encoding="utf-8")
    with Worded(*events) as server:
        where = ("--server", server.url, "--dialect", "openai", "--model", "m", "--no-shuffle", "--json")
        summary = tiltyard("run", "mcq", "set.csv", *where).summary()
        assert {name: n for name, n in summary["outcomes"].items() if n} == {outcome: 5}
        done = tiltyard(*fixed(server.url, "--dialect", "openai", "--json"))
        broken = outcome == "error"
        assert done.code == broken
        assert done.summary()["requests"]["failed" if broken else "ok"] == 3
        assert (done.summary()["ttft_ms"] is None) is broken
