"""Addresses as people write them: made into what one can connect to, shown without logins, compared.

Nothing is looked up here, neither names nor settings.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from tiltyard.errors import UsageError

Place = tuple[str, int | None]


def connectable(text: str, default_port: int | None) -> str:
    """An address one can connect to, from what servers are told to listen on.

    `0.0.0.0` and `::` become the loopback address, a missing scheme http, a missing host 127.0.0.1. The port
    is `default_port` only where no scheme was written, as Ollama reads its OLLAMA_HOST.
    """
    text = text.strip().strip("\"'").strip()
    if not text:
        raise UsageError(
            "an address must not be empty", "write it like http://127.0.0.1:11434, or leave it out"
        )
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = "http", text
    if "@" in rest.partition("/")[0]:
        raise UsageError(
            f"the address {without_login(text)} holds a user name or password",
            "use an API key: docs/settings.md",
        )
    if found:
        default_port = None
    elif rest.count(":") > 1 and not rest.startswith("["):
        rest = f"[{rest}]"  # a bare IPv6 address
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        host, port = parts.hostname or "127.0.0.1", parts.port
    except ValueError:
        raise UsageError(
            f"{without_login(text)!r} is no address: its host or port cannot be read",
            "write it like http://127.0.0.1:11434",
        ) from None
    if scheme not in ("http", "https") or any(char.isspace() for char in host):
        raise UsageError(
            f"{without_login(text)!r} is no http address", "write it like http://127.0.0.1:11434"
        )
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    shown = f"[{host}]" if ":" in host else host
    port = port if port is not None else default_port
    return f"{scheme}://{shown}" + (f":{port}" if port is not None else "") + parts.path.rstrip("/")


def without_login(text: str) -> str:
    """An address as it may be shown: what stands before an @ can be a password."""
    before, at, rest = text.rpartition("@")
    scheme, found, _ = before.partition("://")
    return f"{scheme if found else ''}{found}***@{rest}" if at else text


def is_local(host: str) -> bool:
    """Is this host name the machine itself?"""
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def place_of(url: str) -> Place:
    """Host and port; an empty host for what is no address: whoever connects will say so."""
    try:
        parts = urlsplit(url)
        return (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return "", None


def searched(place: Place) -> Place:
    """A place as a search writes it (`servers/discover.py`)."""
    return ("127.0.0.1", place[1]) if place[0] == "localhost" else place
