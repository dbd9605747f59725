"""Addresses and short answers."""

from __future__ import annotations

import socket

import psutil
import pytest

from tiltyard.errors import ServerError, Unauthorized, UsageError
from tiltyard.servers.replies import base_url, done, is_cloud, is_local, let_in
from tiltyard.servers.wire import Reply


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("localhost:8080", "http://localhost:8080"),
        ("http://h:1/", "http://h:1"),
        ("http://h:1/v1", "http://h:1"),
        ("http://h:1/v1/", "http://h:1"),
        ("https://api.example.com/openai/v1", "https://api.example.com/openai"),
        ("0.0.0.0:11434", "http://127.0.0.1:11434"),
        ("http://[::]:1", "http://[::1]:1"),
        ("http://me:secret@h:1", "http://h:1"),
        ("http://h:1/v1/chat/completions", "http://h:1"),
        ("http://h:1/v1/chat/completions/", "http://h:1"),
        ("h:1/v1/models", "http://h:1"),
        ("http://h:1/v1/completions", "http://h:1"),
        ("http://h:1/chat/completions", "http://h:1"),
        ("http://h:1/completions", "http://h:1"),
        ("http://h:1/api/chat", "http://h:1"),
        ("http://h:1/api/generate", "http://h:1"),
        ("http://h:1/api/tags", "http://h:1"),
        ("http://h:1/api/v0/chat/completions", "http://h:1"),
        ("http://h:1/api/v0/models", "http://h:1"),
        ("http://h:1/api/v1/chat", "http://h:1"),
        ("https://gate.example.com/api/v1/chat/completions", "https://gate.example.com/api"),
        ("https://gate.example.com/api/chat/completions", "https://gate.example.com/api"),
        ("https://gate.example.com/ollama/api/chat", "https://gate.example.com/ollama"),
        ("http://h:1/chat", "http://h:1/chat"),
        ("http://h:1/my-completions", "http://h:1/my-completions"),
    ],
)
def test_addresses_as_people_write_them(written: str, meant: str) -> None:
    assert base_url(written) == meant


def test_a_login_is_kept_for_the_connection_only() -> None:
    assert base_url("http://me:secret@h:1", login=True) == "http://me:secret@h:1"


@pytest.mark.parametrize(
    "written", ["", "ftp://h", "http://", "http://h:99999", "http://a b/", "http://[::1"]
)
def test_what_is_no_address(written: str) -> None:
    with pytest.raises(UsageError):
        base_url(written)


@pytest.mark.parametrize(
    "written", ["http://h:1/v1?api_key=Q7", "h:1?Q7", "http://h:1/#Q7", "http://h:no?Q7", "http://me:x#Q7@h"]
)
def test_a_key_in_an_address_is_refused_and_not_repeated(written: str) -> None:
    with pytest.raises(UsageError) as caught:
        base_url(written)
    assert "Q7" not in f"{caught.value} {caught.value.remedy}"
    assert "--api-key-env" in caught.value.remedy


def test_where_a_server_is() -> None:
    assert is_local("http://127.0.0.1:1")
    assert is_local("http://[::1]:1")
    assert not is_local("http://192.0.2.1:1")  # for documentation: nobody has it
    assert is_cloud("https://api.example.com")
    assert not is_cloud("http://192.168.1.2:1")
    assert not is_cloud("https://box.local")
    assert not is_cloud("https://192.168.1.2")


def test_a_server_on_an_address_of_this_machine_is_here() -> None:
    interfaces = [each for addresses in psutil.net_if_addrs().values() for each in addresses]
    own = [each.address for each in interfaces if each.family == socket.AF_INET]
    outward = [address for address in own if not address.startswith("127.")]
    if not outward:
        pytest.skip("this machine has no address but the loopback's")
    assert is_local(f"http://{outward[0]}:1")


def test_refusals_say_which() -> None:
    with pytest.raises(Unauthorized, match="Host header") as caught:
        let_in(Reply(status=403))
    assert "127.0.0.1" in caught.value.remedy
    with pytest.raises(Unauthorized, match="bad key"):
        let_in(Reply(status=401, body=b'{"error":{"message":"bad key"}}'))


def test_an_order_that_failed_inside_a_200() -> None:
    with pytest.raises(ServerError, match=r"loading m failed.*no room"):
        done(Reply(status=200, body=b'{"error":"no room"}'), "loading m")
