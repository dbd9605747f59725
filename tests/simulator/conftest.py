"""A raw client for the simulator's tests: what is on the wire, byte by byte."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from tiltyard.servers.simulator import Running, SimConfig, SimModel, running

FAST = SimModel(
    name="fast",
    loaded=True,
    ttft_ms=40.0,
    token_ms=5.0,
    slots=8,
    capabilities=("completion", "tools", "thinking"),
    thinking_tokens=4,
)


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """The JSON of each SSE event (joined data lines) or NDJSON line; [DONE] as a string."""
        text = self.body.decode("utf-8", "replace").removeprefix("\ufeff")
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if "ndjson" in self.headers.get("content-type", ""):
            return [json.loads(line) for line in text.split("\n") if line.strip()]
        out = []
        for block in text.split("\n\n"):
            data = [line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
            if data:
                whole = "\n".join(data)
                out.append(whole if whole == "[DONE]" else json.loads(whole))
        return out

    def said(self) -> str:
        return "".join(
            (event["choices"][0].get("delta") or {}).get("content") or ""
            for event in self.events()
            if event != "[DONE]" and event.get("choices") and event["choices"][0]
        )


def call(
    url: str,
    path: str,
    payload: Any = None,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
) -> Answer:
    """One request on a connection of its own."""
    parts = urlsplit(url)
    client = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        body = None if payload is None else json.dumps(payload).encode()
        given = {"Content-Type": "application/json", **(headers or {})}
        client.request(method or ("GET" if body is None else "POST"), path, body, given)
        with client.getresponse() as reply:
            names = {name.lower(): value for name, value in reply.getheaders()}
            return Answer(reply.status, names, reply.read())
    finally:
        client.close()


def raw(url: str, path: str, payload: Any, fault: str = "") -> bytes:
    """Everything the server sends until it closes or falls silent for a moment, framing included."""
    parts = urlsplit(url)
    body = json.dumps(payload).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: sim\r\nContent-Length: {len(body)}\r\n"
    head += f"X-Sim-Fault: {fault}\r\nConnection: close\r\n\r\n"
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as sock:
        sock.sendall(head.encode() + body)
        out = b""
        try:
            while part := sock.recv(65_536):
                out += part
        except ConnectionResetError:
            out += b"<reset>"
        return out


def chat_body(model: str = "fast", **extra: Any) -> dict[str, Any]:
    """A streaming chat request in OpenAI's form."""
    messages = [{"role": "user", "content": "hello there"}]
    return {"model": model, "messages": messages, "stream": True, "max_tokens": 4, **extra}


@pytest.fixture(scope="session")
def sim() -> Iterator[Running]:
    """All dialects with one fast model and a slow-to-load, thoughtless MoE one."""
    moe = SimModel(
        name="moe:30b",
        experts=128,
        experts_used=8,
        parameters=30_500_000_000,
        active_parameters=3_300_000_000,
        load_ms=60.0,
        prefill_tps=20_000.0,
        decode_tps=1_000.0,
    )
    with running(SimConfig(models=(FAST, moe))) as started:
        yield started
