"""Makes exchanges with known times, for tests of arithmetic. Times in ms after the first byte was sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tiltyard.records import Events, Exchange, Request, Timeline, Usage

SENT_NS = 5_000_000_000


def at(ms: float) -> int:
    return SENT_NS + round(ms * 1e6)


def make_exchange(
    events: Sequence[tuple[float, str, str]],
    *,
    usage: Usage | None = None,
    closed_ms: float | None = None,
    tokens: tuple[int, ...] | None = None,
    **more: Any,
) -> Exchange:
    """`events`: (ms, kind, text)."""
    last = max((ms for ms, _, _ in events), default=0.0)
    timeline = Timeline(
        scheduled_ns=at(-7),
        started_ns=at(-3),
        connected_ns=at(-1),
        sent_ns=SENT_NS,
        headers_ns=at(1),
        closed_ns=at(last if closed_ms is None else closed_ms),
    )
    fields: dict[str, Any] = {
        "request": Request(model="m", messages=()),
        "timeline": timeline,
        "ending": "ok",
        "usage": usage,
        "events": Events(
            t_ns=tuple(at(ms) for ms, _, _ in events),
            kinds="".join(kind for _, kind, _ in events),
            texts=tuple(text for _, _, text in events),
            tokens=tokens,
        ),
    }
    return Exchange(**(fields | more))


def steady(
    n: int, *, first: float = 300.0, gap: float = 40.0, kind: str = "c", text: str = "word"
) -> list[tuple[float, str, str]]:
    """`n` payload events."""
    return [(first + i * gap, kind, text) for i in range(n)]
