"""The dates of one sitting come from one reading of the machine's clock, which somebody may set meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.suites.speed_runs import FAST
from tiltyard.load.lag import ClientMeter
from tiltyard.records import Attempt
from tiltyard.servers import Address
from tiltyard.servers.clock import now_ns, unix_offset_ns, utc_at
from tiltyard.servers.notes import CLOCK_SET
from tiltyard.servers.openai import OpenAI
from tiltyard.servers.simulator import SimConfig, running
from tiltyard.suites import Bench, StageResult
from tiltyard.suites.asking import Sitting, put_through
from tiltyard.suites.observed import observed
from tiltyard.suites.speed import Speed
from tiltyard.suites.telling import Teller

HOUR_NS = 3_600_000_000_000
SETTINGS = {"profile": "fixed", "requests": 6, "output_tokens": 4}


async def asked(url: str, **origin: int) -> tuple[list[Attempt], list[StageResult]]:
    """Six requests of one sitting."""
    kept: list[Attempt] = []
    results: list[StageResult] = []

    async def record(attempt: Attempt) -> None:
        kept.append(attempt)

    server = OpenAI(Address(url=url))
    try:
        bench = Bench(server=server, model=await server.describe("m"), settings=SETTINGS)
        async with ClientMeter() as meter:
            fixed: Mapping[str, Any] = {"run_id": "r", "session": 1, "done": {}, "tries": {}}
            teller = Teller(lambda event: None, {})
            sitting = Sitting(**fixed, record=record, meter=meter, teller=teller, **origin)
            await put_through(Speed(), bench, sitting, results)
    finally:
        await server.close()
    return kept, results


@pytest.mark.parametrize("hours", [0, 1, -1])
def test_a_clock_that_is_set_moves_no_date_and_is_said(hours: int) -> None:
    """It was set right after the sitting's reading, which was `hours` more."""
    began = now_ns()
    with running(SimConfig(models=(FAST,), dialects=("openai",))) as simulator:
        origin = {"origin_unix_ns": unix_offset_ns() + hours * HOUR_NS} if hours else {}
        kept, results = asyncio.run(asked(simulator.url("openai"), **origin))
    began_at = datetime.now(UTC) - timedelta(seconds=(now_ns() - began) / 1e9) + timedelta(hours=hours)
    starts = [datetime.fromisoformat(attempt.started_at) for attempt in kept]
    assert len(starts) == 6
    assert starts == sorted(starts)
    assert timedelta(minutes=-1) < starts[0] - began_at < timedelta(minutes=2)
    noted = [CLOCK_SET in exchange.notes for attempt in kept for exchange in attempt.exchanges]
    assert noted == [bool(hours)] * 6
    said = [words for words in observed(results) if "clock was set" in words]
    assert len(said) == bool(hours)


def test_a_date_is_its_stamp_and_the_distance_of_the_clocks() -> None:
    assert utc_at(1_500_000_000, 1_700_000_000_000_000_000) == "2023-11-14T22:13:21.500+00:00"
