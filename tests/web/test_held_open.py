"""Clients that hold /metrics open, many at once: others are served, runs end, and Ctrl+C ends the rest."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.web.test_metrics import SUMMARY, TEXT, get, serving, start, wait_for
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.servers.simulator.config import Say

pytestmark = pytest.mark.slow

MANY = 200  # within what a process may open everywhere


@contextmanager
def held(url: str, said: bytes, count: int = MANY) -> Iterator[list[socket.socket]]:
    """Connections that say this much, take nothing, and stay."""
    host, port = url.split("/")[2].split(":")
    with ExitStack() as stack:
        kept = []
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection((host, int(port)), timeout=60))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            kept.append(connection)
            if said:
                connection.sendall(said)
        yield kept


@pytest.mark.parametrize(
    "said", [b"", b"GET /metr", b"GET /metrics HTTP/1.1\r\nAccept: ", b"\x16\x03\x01" * 9]
)
def test_half_a_request_keeps_nobody_waiting(said: bytes) -> None:
    with serving() as (figures, url):
        figures.tell(SUMMARY)
        with held(url, said):
            for accept in (None, TEXT) * 3:
                assert get(url, accept)[0] == 200


def test_an_answer_that_nobody_takes_keeps_nobody_waiting() -> None:
    with serving() as (figures, url):
        for number in range(3000):  # more than sockets hold
            figures.tell({**SUMMARY, "run_id": str(number)})
        with held(url, b"GET /metrics HTTP/1.0\r\n\r\n", 40):
            assert len(json.loads(get(url)[2])["runs"]) == 3000


def test_the_server_ends_while_it_is_held() -> None:
    with ExitStack() as stack:
        with serving() as (_, url):
            (one, *_) = stack.enter_context(held(url, b"GET /metr"))
            host, port = one.getpeername()
        with pytest.raises(OSError, match=r"refused|reset"):
            socket.create_connection((host, port), timeout=60)


def test_a_run_goes_on_and_ends_while_it_is_held(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_text("".join(f"Question {n}?,one,two,three,four,B\n" for n in range(60)))
    model = SimModel(name="m", loaded=True, slots=4, token_ms=5, script=(Say(when="", say="Answer: B"),))
    with running(SimConfig(models=(model,), dialects=("openai",))) as sim:
        words = ["run", "mcq", str(tmp_path / "set.csv"), "--server", sim.url("openai"), "--json"]
        child, url = start([*words, "--dialect", "openai", "--model", "m"], tmp_path)
        try:
            with held(url, b"GET /metr"), held(url, b"GET /metrics HTTP/1.0\r\n\r\n", 40):
                after = wait_for(url, "finished")
                assert (after["total_tests"], after["error_rate"]) == (60, 0.0)
                assert child.stderr is not None
                assert any("goes on until Ctrl+C" in line for line in child.stderr)
                child.send_signal(signal.SIGINT)
                out, err = child.communicate(timeout=60)
        finally:
            child.kill()
    assert child.returncode == 0, err
    assert "Traceback" not in err
    assert json.loads(out.splitlines()[-1])["n"] == 60
