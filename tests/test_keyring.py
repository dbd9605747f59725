"""API keys out of the platform's keyring: real processes, a keyring backend of our own, and broken ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.scripted import Script, ScriptedServer, sized

pytest.importorskip("keyring", reason="needs the extra `keyring`")

SECRET = "sk-from-the-keyring-0123456789"
BACKEND = f"""
from keyring.backend import KeyringBackend

class Ours(KeyringBackend):
    priority = 1
    def get_password(self, service, username):
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
from tiltyard.servers.connect import connect

async def main(url, named):
    try:
        await (await connect(url, named=named)).close()
        print("let in")
    except Unauthorized as error:
        print(error)

asyncio.run(main(sys.argv[1], sys.argv[2] == "named"))
print("keyring" in sys.modules)
print(settings.hide_keys("it is {SECRET}"))
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


@contextmanager
def guarded(key: str | None) -> Iterator[ScriptedServer]:
    """A server of one model that lets in who shows this key; None: everybody."""
    listed = sized(b'{"object":"list","data":[{"id":"m","object":"model"}]}')

    def answer(number: int) -> Script:
        if key is not None and f"Bearer {key}".encode() not in server.requests[number]:
            return [sized(b'{"error":"who are you?"}', status=b"401 Unauthorized")]
        return [listed if b" /v1/models " in server.requests[number] else sized(b"{}", status=b"404 No")]

    with ScriptedServer(answer) as server:
        yield server


@pytest.mark.parametrize("by_setting", [False, True])
def test_a_server_named_on_this_machine_gets_it_once_it_refused_us(tmp_path: Path, by_setting: bool) -> None:
    with guarded(SECRET) as server:
        more, how = ({"TILTYARD_SERVERS": server.url}, "found") if by_setting else ({}, "named")
        words = (server.url, how)
        said = asked(tmp_path, "our_keyring.Ours", *words, program=CONNECTING, more=more)
    assert said == ["let in", "True", "it is ***"]
    assert b"Authorization" not in server.requests[0]


def test_the_keyring_is_not_asked_for_a_server_here_that_wants_no_key(tmp_path: Path) -> None:
    place = "http://127.0.0.1:8000"
    assert asked(tmp_path, "our_keyring.Ours", f"named:{place}") == ["None", f"it is {SECRET}"]
    with guarded(None) as server:
        said = asked(tmp_path, "our_keyring.Ours", server.url, "named", program=CONNECTING)
    assert said == ["let in", "False", f"it is {SECRET}"]


def test_nor_for_one_that_was_only_found_or_was_shown_another_key(tmp_path: Path) -> None:
    refusal = "the server lets nobody in without its key (HTTP 401: who are you?)"
    with guarded(SECRET) as server:
        ways: list[tuple[str, dict[str, str]]] = [("found", {}), ("named", {"TILTYARD_API_KEY": "another-1"})]
        for how, more in ways:
            said = asked(tmp_path, "our_keyring.Ours", server.url, how, program=CONNECTING, more=more)
            assert said == [refusal, "False", f"it is {SECRET}"]


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
