"""The metrics endpoint over real sockets: JSON, Prometheus, odd clients, and through a whole run."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from tests.store.conftest import failed, make_attempt, make_run
from tiltyard.cli.serve import StoreFigures, announce
from tiltyard.errors import UsageError
from tiltyard.load.schedule import Load, Stop
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.servers.simulator.config import Say
from tiltyard.store.store import Store
from tiltyard.suites import Stage
from tiltyard.suites.telling import Teller
from tiltyard.web.figures import Figures, flat
from tiltyard.web.metrics import AT_ONCE, MetricsServer

SCRAPER = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
TEXT = "text/plain;version=0.0.4"
HOSTILE = 'x"} 1\nevil_metric{a="\\ \u2028 🦊'
PROGRESS = {
    "event": "progress",
    "run_id": "r1",
    "suite": "mcq",
    "model": HOSTILE,
    "stage": "mcq",
    "done": 4,
    "run_done": 4,
    "expected": 10,
    "failed": 1,
    "run_failed": 1,
    "left_s": 3.5,
    "outcomes": {"correct": 2, "wrong": 1, "error": 1},
    "mean_duration_s": 0.25,
}
SUMMARY = {
    **{name: PROGRESS[name] for name in ("run_id", "suite", "model")},
    "event": "summary",
    "state": "finished",
    "n": 10,
    "requests": {"ok": 9, "failed": 1, "total": 10},
    "outcomes": {"correct": 6, "wrong": 2, "unsupported": 1, "error": 1},
    "score": 0.75,
    "ci95": [0.4, 0.9],
    "tokens": {"output": 321},
    "speed": {"ttft_ms": {"mean": 120.0}, "decode_tps": {"mean": 40.0}, "e2e_ms": {"mean": 500.0}},
}


SPEED = {
    **{"event": "summary", "run_id": "s", "suite": "speed", "model": "m", "ttft_ms": {"mean": 50.0}},
    "requests": {"ok": 3, "failed": 1, "total": 4},
}


def get(url: str, accept: str | None = None, method: str = "GET") -> tuple[int, str, str]:
    request = urllib.request.Request(url, method=method, headers={"Accept": accept} if accept else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, reply.headers["Content-Type"], reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


@contextmanager
def serving() -> Iterator[tuple[Figures, str]]:
    figures = Figures()
    with MetricsServer(figures.all, port=0) as server:
        yield figures, server.url


def samples(text: str, parse: Any = plain) -> dict[tuple[str, str | None], float]:
    return {
        (sample.name, sample.labels.get("outcome")): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def test_before_any_run() -> None:
    with serving() as (_, url):
        assert json.loads(get(url)[2]) == {"status": "no metrics available yet"}
        assert get(url, TEXT)[0] == 200
        status, kind, body = get(url.replace("/metrics", "/healthz"))
        assert (status, kind, json.loads(body)) == (200, "application/json", {"status": "ok"})


def test_json_has_the_plain_names() -> None:
    with serving() as (figures, url):
        figures.tell(PROGRESS)
        figures.tell({**PROGRESS, "event": "retry", "item": "q1"})
        during = json.loads(get(url)[2])
        assert (during["total_tests"], during["passed_tests"], during["failed_tests"]) == (4, 2, 2)
        assert during["accuracy"] == pytest.approx(100 * 2 / 3)
        assert during["error_rate"] == 25.0
        assert (during["average_duration"], during["total_retries"]) == (0.25, 1)
        assert (during["state"], during["expected"], during["left_s"]) == ("running", 10, 3.5)
        figures.tell(SUMMARY)
        after = json.loads(get(url)[2])
        assert (after["total_tests"], after["passed_tests"], after["accuracy"]) == (10, 6, 75.0)
        assert (after["score"], after["ci95"], after["state"]) == (0.75, [0.4, 0.9], "finished")
        assert (after["average_duration"], after["total_retries"]) == (0.5, 1)
        assert after["model"] == HOSTILE
        assert len(after["runs"]) == 1


def test_a_suite_without_grades() -> None:
    figures = Figures()
    with MetricsServer(figures.all, port=0) as server:
        figures.tell(SPEED)
        found = json.loads(get(server.url)[2])
    assert (found["total_tests"], found["passed_tests"], found["error_rate"]) == (4, 3, 25.0)
    assert found["outcomes"] is None


def test_a_run_under_way_in_the_store_tells_what_failed(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.sqlite3") as store:
        store.claim(make_run())
        well = [make_attempt(repetition=n, grade=None) for n in range(2)]
        store.add([*well, make_attempt(repetition=2, grade=None, exchanges=(failed("truncated"),))])
        found = flat(StoreFigures(store)())
    assert (found["total_tests"], found["passed_tests"], found["failed_tests"]) == (3, 2, 1)
    assert (found["state"], found["expected"]) == ("running", None)


def test_what_was_cut_off_has_not_passed() -> None:
    """While it goes on, and when it was broken off: 20 were to be asked."""
    place = {"run_id": "s", "suite": "speed", "model": "m"}
    progress = {"event": "progress", **place, "run_done": 12, "run_failed": 3}
    requests = {"ok": 9, "failed": 1, "truncated": 2, "total": 12}
    summary = {"event": "summary", **place, "requests": requests, "state": "interrupted", "expected": 20}
    with serving() as (figures, url):
        for event in (progress, summary):
            figures.tell(event)
            found = json.loads(get(url)[2])
            assert (found["total_tests"], found["passed_tests"], found["failed_tests"]) == (12, 9, 3)
            assert found["error_rate"] == 25.0
            assert samples(get(url, TEXT)[2])["tiltyard_requests_failed_total", None] == 3
        assert found["expected"] == 20
        assert samples(get(url, TEXT)[2])["tiltyard_items_expected", None] == 20
        figures.tell({**summary, "expected": None})
        assert json.loads(get(url)[2])["expected"] is None
        assert ("tiltyard_items_expected", None) not in samples(get(url, TEXT)[2])


def test_of_several_stages_the_run_is_counted_and_the_stage_beside_it() -> None:
    """How many a run of several stages will ask is not known before its end."""
    with serving() as (figures, url):
        told: list[Any] = []

        def tell(event: Mapping[str, Any]) -> None:
            figures.tell(event)
            told.append(json.loads(get(url)[2]))

        teller = Teller(tell, {"run_id": "s", "suite": "speed", "model": "m"})
        for name, count, well in (("1 stream", 3, 3), ("2 streams", 4, 3)):
            stage = Stage(name=name, load=Load(stop=Stop(count=count)), items=(), expected=count)
            teller.start(stage, 0)
            for number in range(count):
                ended = {} if number < well else {"exchanges": (failed(),)}
                teller.saw(stage, make_attempt("s", repetition=number, grade=None, **ended))
        found, scraped = told[-1], samples(get(url, TEXT)[2])
    assert (found["stage"], found["stage_done"], found["stage_expected"]) == ("2 streams", 4, 4)
    assert (found["done"], found["expected"], found["left_s"]) == (7, None, None)
    assert (found["total_tests"], found["passed_tests"], found["failed"]) == (7, 6, 1)
    begun = next(each for each in told if each.get("stage") == "2 streams")
    assert (begun["done"], begun["stage_done"]) == (3, 0)
    assert scraped["tiltyard_items_done", None] == 7
    assert ("tiltyard_items_expected", None) not in scraped
    assert scraped["tiltyard_stage_items_done", None] == scraped["tiltyard_stage_items_expected", None] == 4


@pytest.mark.parametrize(("accept", "parse"), [(TEXT, plain), (SCRAPER, openmetrics)])
def test_prometheus_reads_it(accept: str, parse: Any) -> None:
    with serving() as (figures, url):
        figures.tell(SUMMARY)
        status, kind, body = get(url, accept)
    assert status == 200
    assert kind.startswith("application/openmetrics-text" if parse is openmetrics else "text/plain")
    found = samples(body, parse)
    assert found["tiltyard_questions_total", "correct"] == 6
    assert found["tiltyard_score_ratio", None] == 0.75
    assert found["tiltyard_ttft_mean_seconds", None] == 0.12
    assert found["tiltyard_output_tokens_total", None] == 321
    families = list(parse(body))
    named = [sample.labels for f in families for sample in f.samples if "build" not in f.name]
    assert {labels["model"] for labels in named} == {HOSTILE}
    for family in families:  # as promtool checks
        assert re.fullmatch(r"[a-z][a-z0-9_]*", family.name)
        assert family.documentation
        assert family.type != "unknown"
        names = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples]
        assert len(set(names)) == len(names)
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)
        assert "_ms" not in family.name


def test_other_paths_and_methods() -> None:
    with serving() as (_, url):
        assert get(url.replace("/metrics", "/"))[0] == 404
        assert get(url.replace("/metrics", "/metrics/../etc/passwd"))[0] == 404
        assert get(url, method="POST")[0] == 405
        assert get(url, method="DELETE")[0] == 405
        status, kind, body = get(url, method="HEAD")
        assert (status, kind, body) == (200, "application/json", "")
        assert get(url + "?x=1")[0] == 200


def test_a_client_that_holds_on_keeps_nobody_waiting() -> None:
    with serving() as (figures, url):
        figures.tell(SUMMARY)
        place = (url.split("/")[2].rpartition(":")[0], int(url.split("/")[2].rpartition(":")[2]))
        held = [socket.create_connection(place) for _ in range(AT_ONCE // 2)]
        held[0].sendall(b"GET /metr")  # and no more
        for _ in range(5):
            assert json.loads(get(url)[2])["total_tests"] == 10
        for connection in held:
            connection.close()


def test_too_many_clients_are_turned_away_and_room_comes_back() -> None:
    with serving() as (_, url):
        host, _, port = url.split("/")[2].rpartition(":")
        held = [socket.create_connection((host, int(port))) for _ in range(AT_ONCE + 8)]
        for connection in held:
            connection.close()
        deadline = time.monotonic() + 60
        while True:
            try:
                assert get(url)[0] == 200
                break
            except (OSError, urllib.error.URLError):
                assert time.monotonic() < deadline
                time.sleep(0.05)


def test_a_port_that_is_taken() -> None:
    with serving() as (_, url):
        port = int(url.split("/")[2].rpartition(":")[2])
        with pytest.raises(UsageError, match="cannot listen") as caught:
            MetricsServer(list, port=port)
    assert "--metrics-port" in caught.value.remedy


@pytest.mark.parametrize("host", ["999.1.1.1", "192.0.2.1", "no such name", "::zz", "\u00e4" * 70])
def test_an_address_that_is_not_this_machines(host: str) -> None:
    with pytest.raises(UsageError, match="cannot listen") as caught:
        MetricsServer(list, host=host, port=0)
    assert "--metrics-host" in caught.value.remedy
    assert "--metrics-port" not in caught.value.remedy


@pytest.mark.parametrize(
    ("host", "open_to_others"),
    [("127.0.0.1", False), ("127.0.0.2", False), ("::1", False), ("localhost", False), ("0.0.0.0", True)],
)
def test_who_can_see_it_is_said(host: str, open_to_others: bool, capsys: pytest.CaptureFixture[str]) -> None:
    announce("http://here/metrics", host)
    assert ("everybody who reaches this machine" in capsys.readouterr().err) is open_to_others


def test_clients_that_trickle_make_room_for_those_that_ask() -> None:
    with serving() as (_, url):
        host, port = url.split("/")[2].split(":")
        slow = [socket.create_connection((host, int(port))) for _ in range(AT_ONCE)]
        over = threading.Event()

        def trickle() -> None:
            while not over.wait(0.1):
                for connection in slow:
                    with contextlib.suppress(OSError):
                        connection.sendall(b"G")

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            for _ in range(5):
                assert get(url)[0] == 200
        finally:
            over.set()
            thread.join()
            for connection in slow:
                connection.close()


def start(words: list[str], folder: Path) -> tuple[subprocess.Popen[str], str]:
    """A tiltyard process that serves metrics, and the address that it names."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tiltyard", *words, "--metrics-port", "0", "--data-dir", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert child.stderr is not None
    for line in child.stderr:
        found = re.search(r"metrics: (http://\S+/metrics)$", line.strip())
        if found:
            return child, found[1]
    raise AssertionError(f"it ended with {child.wait()}")


def wait_for(url: str, state: str) -> dict[str, Any]:
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        found: dict[str, Any] = json.loads(get(url)[2])
        if found.get("state") == state:
            return found
        time.sleep(0.05)
    raise AssertionError(f"never {state}")


@pytest.mark.slow
def test_a_run_is_scraped_while_it_goes_on_and_after(tmp_path: Path) -> None:
    questions = "".join(f"Question {n}?,one,two,three,four,B\n" for n in range(400))
    (tmp_path / "set.csv").write_text(questions)
    script = (Say(when="", say="Answer: B"),)
    model = SimModel(name="m", loaded=True, slots=4, ttft_ms=10, token_ms=5, script=script)
    with running(SimConfig(models=(model,), dialects=("openai",))) as sim:
        words = ["run", "mcq", str(tmp_path / "set.csv"), "--server", sim.url("openai"), "--json"]
        words += ["--dialect", "openai", "--model", "m", "--concurrency", "4"]
        child, url = start(words, tmp_path)
        try:
            during = wait_for(url, "running")
            assert during["suite"] == "mcq"
            assert samples(get(url, TEXT)[2])["tiltyard_run_active", None] == 1.0
            after = wait_for(url, "finished")
            assert (after["total_tests"], after["error_rate"]) == (400, 0.0)
            assert after["passed_tests"] + after["failed_tests"] == 400
            scraped = samples(get(url, SCRAPER)[2], openmetrics)
            assert scraped["tiltyard_questions_total", "correct"] == after["passed_tests"]
            assert scraped["tiltyard_run_active", None] == 0.0
            assert child.poll() is None  # it stays until it is told to end
            assert child.stderr is not None
            assert any("goes on until Ctrl+C" in line for line in child.stderr)
        finally:
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    summary = json.loads(out.splitlines()[-1])
    assert (summary["event"], summary["started_at"]) == ("summary", after["started_at"])


@pytest.mark.slow
def test_serve_shows_the_store(tmp_path: Path) -> None:
    child, url = start(["serve"], tmp_path)
    model = SimModel(name="m", loaded=True)
    try:
        assert json.loads(get(url)[2]) == {"status": "no metrics available yet"}
        with running(SimConfig(models=(model,), dialects=("openai",), delay=False)) as sim:
            words = ["run", "speed", "--profile", "fixed", "--requests", "3", "--output-tokens", "4"]
            words += ["--model", "m", "--server", sim.url("openai"), "--data-dir", str(tmp_path)]
            command = [sys.executable, "-m", "tiltyard", *words]
            subprocess.run(command, check=True, capture_output=True, timeout=100)
        found = wait_for(url, "finished")
        assert (found["suite"], found["total_tests"], found["model"]) == ("speed", 3, "m")
        assert samples(get(url, TEXT)[2])["tiltyard_items_done", None] == 3
    finally:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
    assert child.returncode == 0


def test_a_taken_port_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    with serving() as (_, url):
        port = url.split("/")[2].rpartition(":")[2]
        words = ["run", "speed", "--server", "http://127.0.0.1:9", "--model", "m", "--metrics-port", port]
        command = [sys.executable, "-m", "tiltyard", *words, "--data-dir", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2


@pytest.mark.slow
def test_the_error_of_a_model_is_said_once(tmp_path: Path) -> None:
    models = (SimModel(name="m", loaded=True),)
    with running(SimConfig(models=models, dialects=("openai",), faults=("error_500",))) as sim:
        words = ["run", "speed", "--profile", "fixed", "--requests", "3", "--output-tokens", "4"]
        words += ["--model", "m", "--server", sim.url("openai"), "--dialect", "openai"]
        child, _ = start(words, tmp_path)
        assert child.stderr is not None
        said = []
        for line in child.stderr:
            said.append(line)
            if "goes on until Ctrl+C" in line:
                break
        child.send_signal(signal.SIGINT)
        said += child.communicate(timeout=60)[1].splitlines()
    assert child.returncode == 1
    assert len([line for line in said if line.startswith("error: ")]) == 1, said
    assert len([line for line in said if line.startswith("   try: ")]) == 1, said


@pytest.mark.slow
def test_nothing_is_said_to_go_on_where_the_port_is_taken(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_text("Question?,one,two,three,four,B\n")
    asked = ["run", "mcq", "set.csv", "--server", "http://127.0.0.1:9", "--model", "m"]
    with serving() as (_, url):
        port = url.split("/")[2].rpartition(":")[2]
        for words in (asked, ["serve"]):
            command = [sys.executable, "-m", "tiltyard", *words, "--metrics-port", port]
            command += ["--data-dir", str(tmp_path)]
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
            )
            assert (done.returncode, done.stdout) == (2, "")
            said, remedy = done.stderr.strip().splitlines()
            assert said.startswith(f"error: /metrics cannot listen on 127.0.0.1:{port}")
            assert "--metrics-port" in remedy
