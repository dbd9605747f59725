"""A server that plays scenarios on time and logs each write. One thread per connection; no code of ours
inside.

The scenario is named by the request's model: `m:NAME`. Stamps are taken right before the bytes go to the
kernel.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.conformance.scenarios import SCENARIOS, Scenario
from tests.conformance.voices import Voice

HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n"
BY_NAME: Mapping[str, Scenario] = {scenario.name: scenario for scenario in SCENARIOS}
V0_MODEL = {
    "id": "m",
    "type": "llm",
    "arch": "llama",
    "state": "loaded",
    "compatibility_type": "gguf",
    "max_context_length": 4096,
    "loaded_context_length": 4096,
}
PAGES = {
    "/api/ps": {"models": []},
    "/api/v0/models": {"data": [V0_MODEL]},
    "/v1/models": {"object": "list", "data": [{"id": "m", "object": "model"}]},
}


class Scripted:
    """Plays one dialect."""

    def __init__(self, dialect: str, scale: float) -> None:
        self.dialect, self.scale = dialect, scale
        self.writes: dict[str, list[tuple[float, int]]] = {}  # scenario -> (ms of the step, ns of the write)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.open = True
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self) -> None:
        while self.open:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def close(self) -> None:
        self.open = False
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread: a number is never closed under it
        self.thread.join(60)
        self.listener.close()

    def serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(ConnectionError), sock, sock.makefile("rb") as lines:
            while first := lines.readline():
                length = 0
                while header := lines.readline().strip():
                    name, _, value = header.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                body = lines.read(length)
                if first.startswith(b"GET") or not self.answer(sock, first, body):
                    if not first.startswith(b"GET"):
                        return
                    self.page(sock, first.split()[1].decode())

    def page(self, sock: socket.socket, path: str) -> None:
        found = PAGES.get(path)
        body = json.dumps(found if found is not None else {"error": "not here"}).encode()
        status = b"200 OK" if found is not None else b"404 Not Found"
        sock.sendall(
            b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (status, len(body), body)
        )

    def answer(self, sock: socket.socket, first: bytes, body: bytes) -> bool:
        """Play the scenario; False when the connection is to be closed after it."""
        received = time.perf_counter_ns()
        payload = json.loads(body)
        if b"/tokenize" in first:
            words = (payload.get("content") or payload.get("prompt")).split()
            reply = json.dumps({"tokens": words, "count": len(words)}).encode()
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(
                reply
            )
            sock.sendall(head + reply)
            return True
        scenario = BY_NAME[payload["messages"][0]["content"]]
        voice = Voice(self.dialect, scenario, self.scale)
        log = self.writes.setdefault(scenario.name, [])
        kind = b"application/x-ndjson" if self.dialect == "ollama" else b"text/event-stream"
        head = HEADERS % kind
        if not scenario.headers_late:
            sock.sendall(head)
            head = b""
        times = sorted({step.ms for step in scenario.steps})
        for ms in times:
            now = [step for step in scenario.steps if step.ms == ms]
            data = b"".join(voice.say(step) for step in now if step.kind != "cut")
            rest = b""
            if ms in scenario.split_at:
                at = data.index("é".encode()) + 1
                data, rest = data[:at], data[at:]
            wait_until(received + round(ms * self.scale * 1e6))
            if data:
                sent = time.perf_counter_ns()
                sock.sendall(head + chunk(data))
                head = b""
            if rest:
                wait_until(received + round((ms + 40) * self.scale * 1e6))
                sent = time.perf_counter_ns()
                sock.sendall(chunk(rest))
            if data:
                log.append((ms, sent))
        sock.sendall(b"0\r\n\r\n")
        return True


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def wait_until(t_ns: int) -> None:
    while (left := t_ns - time.perf_counter_ns()) > 0:
        time.sleep(left / 1e9)


@contextmanager
def scripted(dialect: str, scale: float) -> Iterator[Scripted]:
    server = Scripted(dialect, scale)
    try:
        yield server
    finally:
        server.close()
