"""API keys out of the platform's keyring: real processes, a keyring backend of our own, and broken ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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


def asked(tmp_path: Path, backend: str, *urls: str) -> list[str]:
    """What each address gets as its key, then a sentence with the key in it as we would print it."""
    (tmp_path / "our_keyring.py").write_text(BACKEND)
    kept = {name: value for name, value in os.environ.items() if "KEY" not in name and "DBUS" not in name}
    env = kept | {
        "PYTHON_KEYRING_BACKEND": backend,
        "PYTHONPATH": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *urls],
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


def test_this_machine_has_a_key_for_the_server_that_was_named(tmp_path: Path) -> None:
    place = "http://127.0.0.1:8000"
    assert asked(tmp_path, "our_keyring.Ours", place, f"named:{place}") == ["None", SECRET, "it is ***"]


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
