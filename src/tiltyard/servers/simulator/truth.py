"""What really happened: the time of receipt and of every write of every request, in a bounded ring.

Times are `time.perf_counter_ns()`, which on Linux and macOS is one monotonic clock for all processes of the
machine. A write's stamp is taken immediately BEFORE the bytes are handed to the kernel.
"""

from __future__ import annotations

from array import array
from collections import deque
from typing import Any


class Entry:
    """The truth about one request. `writes` is flat: time, first token, number of tokens, three by three."""

    __slots__ = (
        "cached_tokens",
        "closed_ns",
        "complete",
        "dialect",
        "faults",
        "index",
        "load_ns",
        "model",
        "output_tokens",
        "path",
        "prompt_tokens",
        "queue_ns",
        "reasoning_tokens",
        "received_ns",
        "request_id",
        "started_ns",
        "writes",
    )

    def __init__(self, request_id: str, received_ns: int, dialect: str, path: str) -> None:
        self.index = 0
        self.request_id = request_id
        self.received_ns = received_ns
        self.dialect = dialect
        self.path = path
        self.model = ""
        self.faults: list[str] = []
        self.writes: array[int] = array("q")
        self.prompt_tokens = 0
        self.output_tokens = 0
        self.cached_tokens = 0
        self.reasoning_tokens = 0
        self.queue_ns = 0
        self.load_ns = 0
        self.started_ns: int | None = None
        self.closed_ns: int | None = None
        self.complete = False

    def as_json(self) -> dict[str, Any]:
        flat = self.writes
        return {
            "index": self.index,
            "request_id": self.request_id,
            "dialect": self.dialect,
            "path": self.path,
            "model": self.model,
            "faults": self.faults,
            "received_ns": self.received_ns,
            "queue_ns": self.queue_ns,
            "load_ns": self.load_ns,
            "started_ns": self.started_ns,
            "writes": [[flat[i], flat[i + 1], flat[i + 2]] for i in range(0, len(flat), 3)],
            "prompt_tokens": self.prompt_tokens,
            "cached_tokens": self.cached_tokens,
            "output_tokens": self.output_tokens,
            "reasoning_tokens": self.reasoning_tokens,
            "closed_ns": self.closed_ns,
            "complete": self.complete,
        }


class Truth:
    """The ring of entries, oldest first."""

    def __init__(self, requests: int, writes: int) -> None:
        self._entries: deque[Entry] = deque()
        self._requests = requests
        self._writes = writes
        self._kept_writes = 0
        self._next = 0

    def open(self, entry: Entry) -> None:
        entry.index = self._next
        self._next += 1
        self._entries.append(entry)
        while len(self._entries) > self._requests or self._kept_writes > self._writes:
            self._kept_writes -= len(self._entries.popleft().writes) // 3
            if not self._entries:
                self._kept_writes = 0

    def close(self, entry: Entry) -> None:
        self._kept_writes += len(entry.writes) // 3

    def read(self, since: int = 0, request_id: str | None = None) -> list[dict[str, Any]]:
        """Entries from index `since` on, or those of one request id; those still open have no closed_ns."""
        return [
            entry.as_json()
            for entry in list(self._entries)
            if entry.index >= since and (request_id is None or entry.request_id == request_id)
        ]

    def reset(self) -> None:
        self._entries.clear()
        self._kept_writes = 0
