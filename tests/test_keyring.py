"""API keys out of the platform's keyring: real processes, a keyring backend of our own, and broken ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.scripted import Script, ScriptedServer, chunked, sized

pytestmark = pytest.mark.slow

pytest.importorskip("keyring", reason="needs the extra `keyring`")

SECRET = "sk-from-the-keyring-0123456789"
BACKEND = f"""
import time
from keyring.backend import KeyringBackend

asked, heard = [], []

class Ours(KeyringBackend):
    priority = 1
    def get_password(self, service, username):
        asked.append(username)
        time.sleep(0.1)  # so long that whoever else was refused asks, too
        heard.append(time.perf_counter_ns())  # the clock of every request
        known = [("tiltyard", "models.example"), ("tiltyard", "127.0.0.1")]
        return {SECRET!r} if (service, username) in known else None
    def set_password(self, service, username, password):
        raise NotImplementedError
    def delete_password(self, service, username):
        raise NotImplementedError
"""
PROGRAM = f"""
import sys
from tiltyard import settings
for url in sys.argv[1:]:
    print(settings.api_key(url.removeprefix("named:"), "openai", named=url.startswith("named:")))
print(settings.hide_keys("it is {SECRET}"))
"""
CONNECTING = f"""
import asyncio, sys
from tiltyard import settings
from tiltyard.errors import Unauthorized
from tiltyard.records import Message, Request
from tiltyard.servers.connect import connect

async def main(url, named):
    try:
        server = await connect(url, named=named)
    except Unauthorized as error:
        return print(error)
    request = Request(model="m", messages=(Message(role="user", content="Hello"),))
    for exchange in await asyncio.gather(*(server.send(request) for _ in range(3))):
        print(exchange.text or exchange.status)
    await server.close()

asyncio.run(main(sys.argv[1], sys.argv[2] == "named"))
print(len(sys.modules["our_keyring"].asked) if "keyring" in sys.modules else "never")
print(settings.hide_keys("it is {SECRET}"))
"""
DUE = """
import asyncio, sys
from tiltyard.records import Message, Request
from tiltyard.servers.clock import now_ns
from tiltyard.servers.connect import connect

async def main(url):
    server = await connect(url, named=True)
    request = Request(model="m", messages=(Message(role="user", content="Hello"),))
    asked = await server.send(request, now_ns())
    heard = sys.modules["our_keyring"].heard[0]
    print("before" if asked.timeline.scheduled_ns < heard else "after")
    again = now_ns() - 5
    print((await server.send(request, again)).timeline.scheduled_ns - again)
    await server.close()

asyncio.run(main(sys.argv[1]))
"""


def asked(
    tmp_path: Path, backend: str, *words: str, program: str = PROGRAM, more: dict[str, str] | None = None
) -> list[str]:
    """What each address gets as its key, then a sentence with the key in it as we would print it."""
    (tmp_path / "our_keyring.py").write_text(BACKEND)
    ours = ("KEY", "DBUS", "TILTYARD", "OLLAMA")
    kept = {name: value for name, value in os.environ.items() if not any(each in name for each in ours)}
    env = (
        kept
        | (more or {})
        | {
            "PYTHON_KEYRING_BACKEND": backend,
            "PYTHONPATH": str(tmp_path),
            "XDG_CONFIG_HOME": str(tmp_path),
            "XDG_DATA_HOME": str(tmp_path),
        }
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        env=env,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_key_of_a_host_and_of_no_other(tmp_path: Path) -> None:
    urls = ("https://models.example/v1", "https://other.example", "http://127.0.0.1:8000")
    assert asked(tmp_path, "our_keyring.Ours", *urls) == [SECRET, "None", "None", "it is ***"]


LISTED = b'{"object":"list","data":[{"id":"m","object":"model"}]}'
SAID = b'data: {"choices":[{"delta":{"content":"hello"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
ANSWERS = ["hello"] * 3


@contextmanager
def guarded(key: str | None, page: bytes = b"") -> Iterator[ScriptedServer]:
    """A server of one model that shows what is under `page` to who knows the key; None: to everybody."""

    def answer(number: int) -> Script:
        request = server.requests[number]
        target = request.split()[1]
        if key is not None and target.startswith(page) and f"Bearer {key}".encode() not in request:
            return [sized(b'{"error":"who are you?"}', status=b"401 Unauthorized")]
        if target == b"/v1/chat/completions":
            return [chunked(SAID)]
        return [sized(LISTED) if target == b"/v1/models" else sized(b"{}", status=b"404 No")]

    with ScriptedServer(answer) as server:
        yield server


@pytest.mark.parametrize("page", [b"/", b"/v1/chat/completions"], ids=["everything", "chat"])
@pytest.mark.parametrize("by_setting", [False, True])
def test_a_server_named_on_this_machine_gets_it_once_it_refused_us(
    tmp_path: Path, by_setting: bool, page: bytes
) -> None:
    with guarded(SECRET, page) as server:
        more, how = ({"TILTYARD_SERVERS": server.url}, "found") if by_setting else ({}, "named")
        words = (server.url, how)
        said = asked(tmp_path, "our_keyring.Ours", *words, program=CONNECTING, more=more)
    assert said == [*ANSWERS, "1", "it is ***"]
    shown_to = {request.split()[1] for request in server.requests if b"Authorization" in request}
    assert b"Authorization" not in server.requests[0]
    assert page == b"/" or shown_to == {page}


def test_a_request_that_waited_for_the_keyring_is_due_anew(tmp_path: Path) -> None:
    """That wait is not the server's. Requests after it are due when they were due."""
    with guarded(SECRET, b"/v1/chat/completions") as server:
        assert asked(tmp_path, "our_keyring.Ours", server.url, program=DUE) == ["after", "0"]


def test_the_keyring_is_not_asked_for_a_server_here_that_wants_no_key(tmp_path: Path) -> None:
    place = "http://127.0.0.1:8000"
    assert asked(tmp_path, "our_keyring.Ours", f"named:{place}") == ["None", f"it is {SECRET}"]
    with guarded(None) as server:
        said = asked(tmp_path, "our_keyring.Ours", server.url, "named", program=CONNECTING)
    assert said == [*ANSWERS, "never", f"it is {SECRET}"]


@pytest.mark.parametrize("page", [b"/", b"/v1/chat/completions"], ids=["everything", "chat"])
def test_nor_for_one_that_was_only_found_or_was_shown_another_key(tmp_path: Path, page: bytes) -> None:
    refusal = ["the server lets nobody in without its key (HTTP 401: who are you?)"]
    with guarded(SECRET, page) as server:
        ways: list[tuple[str, dict[str, str]]] = [("found", {}), ("named", {"TILTYARD_API_KEY": "another-1"})]
        for how, more in ways:
            said = asked(tmp_path, "our_keyring.Ours", server.url, how, program=CONNECTING, more=more)
            assert said == [*(refusal if page == b"/" else ["401"] * 3), "never", f"it is {SECRET}"]


def test_a_server_that_wants_another_key_than_the_keyring_holds_refuses_us(tmp_path: Path) -> None:
    with guarded("quite-another-key", b"/v1/chat/completions") as server:
        said = asked(tmp_path, "our_keyring.Ours", server.url, "named", program=CONNECTING)
    assert said == [*["401"] * 3, "1", "it is ***"]
    assert [b"Bearer" in request for request in server.requests].count(True) == 3  # each once more, not again


@pytest.mark.parametrize(
    "backend",
    [
        "keyring.backends.fail.Keyring",  # what it takes where the platform has none
        "keyring.backends.null.Keyring",
        "keyring.backends.SecretService.Keyring",  # no desktop session here
        "not_there.Backend",
    ],
)
def test_a_keyring_that_cannot_be_asked_holds_no_key(tmp_path: Path, backend: str) -> None:
    assert asked(tmp_path, backend, "https://models.example") == ["None", f"it is {SECRET}"]
