"""Attempts made of exchanges with known times."""

from __future__ import annotations

from collections.abc import Iterable

from tiltyard.load.metrics import measure
from tiltyard.records import Attempt, Exchange


def make_attempt(exchange: Exchange, number: int = 0, stage: str = "s") -> Attempt:
    return Attempt(
        run_id="r",
        stage=stage,
        item_id="pp512-tg20",
        item_hash="h",
        repetition=number,
        started_at="2026-01-01T00:00:00.000+00:00",
        exchanges=(exchange,),
        measures=measure(exchange),
    )


def attempts(exchanges: Iterable[Exchange]) -> list[Attempt]:
    return [make_attempt(exchange, i) for i, exchange in enumerate(exchanges)]
