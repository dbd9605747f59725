"""How long a request that failed on its way waits before it is asked again."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.servers.scripted import Script, ScriptedServer, chunked, head, sized
from tests.suites.graded_runs import sitting
from tiltyard.suites.patience import MOST_SAID_S, said_s

MODELS = json.dumps({"object": "list", "data": [{"id": "m", "object": "model"}]}).encode()
EVENT = {"choices": [{"index": 0, "delta": {"content": "0"}, "finish_reason": "stop"}]}
ANSWER = b"data: " + json.dumps(EVENT).encode() + b"\n\ndata: [DONE]\n\n"


def busy_for(seconds: float) -> ScriptedServer:
    """After the first question, one that is asked before the time is over is refused as well."""
    until: list[float] = []
    server: ScriptedServer

    def answer(number: int) -> Script:
        if b"POST" not in server.requests[number].split(b"\r\n", 1)[0]:
            return [sized(MODELS)]
        until.append(time.monotonic() + seconds)
        if len(until) > 1 and time.monotonic() >= until[0]:
            return [chunked(ANSWER)]
        more = b"Retry-After: %d\r\nContent-Length: 2\r\n" % seconds
        return [head(b"application/json", more, b"429 Too Many Requests") + b"{}"]

    server = ScriptedServer(answer)
    return server


@pytest.mark.slow
def test_a_server_that_says_when_to_come_back_is_heard(tmp_path: Path) -> None:
    settings = {"count": 1, "concurrency": 1, "retries": 1, "retry_delay_s": 0.001}
    with busy_for(1) as server:
        summary, events = asyncio.run(sitting(tmp_path / "s.sqlite3", settings, server.url))
    assert [event["event"] for event in events].count("retry") == 1
    assert (summary["outcomes"]["error"], summary["outcomes"]["correct"]) == (0, 1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1", 1.0), ("0.5", 0.5), ("3600", MOST_SAID_S), ("", 0.0), ("soon", 0.0), ("-3", 0.0), ("nan", 0.0)],
)
def test_numbers(text: str, seconds: float) -> None:
    assert said_s(text) == seconds


def test_dates() -> None:
    now = datetime.now(UTC)
    assert said_s(format_datetime(now + timedelta(hours=1), usegmt=True)) == MOST_SAID_S
    assert said_s(format_datetime(now - timedelta(hours=1), usegmt=True)) == 0.0
    assert said_s("Wed, 32 Nov 2026 08:00:00 GMT") == 0.0
    assert said_s("1e400") == MOST_SAID_S
