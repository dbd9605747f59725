"""What is asked for beyond any sense, left empty, or said twice is refused before anybody is asked."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Finished
from tests.servers.middle import Middle
from tiltyard.load.open_files import limit
from tiltyard.servers.simulator import SimConfig, running

pytestmark = pytest.mark.slow

Tiltyard = Callable[..., Finished]
MODEL = ("--model", "m", "--server", "http://127.0.0.1:9")


class Counting(Middle):
    """Hands everything on, both ways, and counts the connections."""

    connections = 0

    def serve(self, client: socket.socket) -> None:
        self.connections += 1
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            back = threading.Thread(target=pump, args=(server, client), daemon=True)
            back.start()
            pump(client, server)
            back.join()


def pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def test_no_more_connections_than_requests(tiltyard: Tiltyard, url: str) -> None:
    middle = Counting(int(url.rpartition(":")[2]))
    place = ("--model", "m", "--server", f"http://127.0.0.1:{middle.port}", "--dialect", "openai")
    load = ("--output-tokens", "3", "--concurrency", "300", "--requests", "5", "--prompt", "hi")
    try:
        done = tiltyard("run", "speed", "--profile", "fixed", *load, *place, "--json")
        assert done.summary()["requests"]["ok"] == 5
        assert middle.connections <= 5 + 10  # with those of preflight
        three = ("--limit", "3", "--concurrency", "300", "--max-tokens", "6")
        before = middle.connections
        tiltyard("run", "mcq", *three, *place, "--json")
        assert middle.connections - before <= 3 + 10
    finally:
        middle.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("speed", "--concurrency", "1000000", "--requests", "5"), "--concurrency 1,000,000 is more than"),
        (("speed", "--profile", "concurrency", "--concurrency", "1,99999999"), "99,999,999 is more than"),
        (("json", "--concurrency", "1000000"), "--concurrency 1,000,000 is more than"),
        (("mcq", "--batch-size", "1000000"), "--concurrency 1,000,000 is more than"),
        (("speed", "--profile", "fixed", "--burst", "99999999"), "--burst 99,999,999 is more than"),
        (("speed", "--prompt-tokens", "99999999"), "longer than any model's context"),
        (("speed", "--profile", "depth", "--depths", "0,99m"), "longer than any model's context"),
    ],
)
def test_more_than_can_be_meant_is_refused_with_the_most(
    tiltyard: Tiltyard, words: tuple[str, ...], said: str
) -> None:
    done = tiltyard("run", *words, *MODEL)
    assert done.code == 2
    assert said in done.err
    assert "try: take at most" in done.err
    assert int(done.err.split()[-1]) <= max(limit(), 20_000_000)


@pytest.mark.parametrize(
    "words",
    [
        ("run", "speed", "--slo", "", *MODEL),
        ("run", "tools", "--categories", "", *MODEL),
        ("run", "tools", "--categories", " ", *MODEL),
        ("run", "mcq", "--stop-when", "", *MODEL),
        ("run", "speed", "--models", "", "--server", "http://127.0.0.1:9"),
        ("run", "speed", "--api-key-env", "", *MODEL),
        ("run", "speed", "--dialect", "", *MODEL),
        ("run", "speed", "--metrics-host", "", *MODEL),
        ("run", "speed", "--model", ""),
        ("serve", "--metrics-host", " "),
        ("servers", "--api-key-env", ""),
        ("models", "--api-key-env", ""),
    ],
)
def test_an_empty_value_is_not_taken_for_none(tiltyard: Tiltyard, words: tuple[str, ...]) -> None:
    done = tiltyard(*words)
    assert done.code == 2
    assert "it is empty" in done.err


@pytest.mark.parametrize("name", ["--model", "--models"])
def test_all_models_and_one_by_name_are_refused(tiltyard: Tiltyard, name: str) -> None:
    for suite in ("speed", "mcq", "speed,json"):
        done = tiltyard("run", suite, "--all", name, "m", "--server", "http://127.0.0.1:9")
        assert done.code == 2
        assert "either --all or --model" in done.err


def test_a_tokenizer_that_is_none_is_refused_whoever_counts(
    tiltyard: Tiltyard, url: str, tmp_path: Path
) -> None:
    (tmp_path / "empty.json").touch()
    for path in ("empty.json", "."):
        done = tiltyard("run", "speed", "-m", "m", "--server", url, "--tokenizer", path)
        assert done.code == 2
        assert "tokenizer" in done.err


def test_a_file_without_examples_is_said_to_hold_none(tiltyard: Tiltyard, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    done = tiltyard("run", "mcq", "--examples", "empty.csv", *MODEL)
    assert done.code == 2
    assert "empty.csv holds no examples" in done.err
    assert "--few-shot" not in done.err


def test_an_option_before_the_suite_is_told_its_place(tiltyard: Tiltyard) -> None:
    done = tiltyard("run", "--model", "m")
    assert done.code == 2
    assert "try: tiltyard run speed --model" in done.err
    assert "try: tiltyard run json --model" in tiltyard("run", "--model", "m", "json").err


@pytest.mark.parametrize("suite", ["foo", "speed"])
def test_only_suites_that_can_be_known_are_offered(tiltyard: Tiltyard, suite: str) -> None:
    done = tiltyard("make-model", "x.gguf", "--knows", f"{suite}=0.5")
    assert done.code == 2
    assert f"there is no graded suite called '{suite}'" in done.err
    assert done.err.split("choose from: ")[1].split() == ["mcq,", "json,", "tools"]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes with names are POSIX's")
@pytest.mark.parametrize("name", ["pipe", "/dev/stdout", "/dev/null"])
def test_a_model_is_written_to_a_regular_file(tiltyard: Tiltyard, tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = tiltyard("make-model", name, timeout_s=60)
    assert (done.code, done.out) == (2, "")
    assert f"error: {name} is there already, and no regular file" in done.err


@pytest.mark.parametrize("command", ["servers", "models"])
def test_who_is_no_model_server_gets_one_remedy_that_there_is(tiltyard: Tiltyard, command: str) -> None:
    with running(SimConfig(faults=("not_a_model_server",), dialects=("openai",))) as web:
        url = web.url("openai")
        done = tiltyard(command, "--server", url, env={"COLUMNS": "300"})
        programs = tiltyard(command, "--server", url, "--json")
    assert (done.out + done.err).count("`tiltyard run ... --dialect openai --server URL`") == 1
    assert programs.err.count("`tiltyard run ... --dialect openai --server URL`") == 1
