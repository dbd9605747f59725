"""Runs the speed suite against a simulator in this process, without a store."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from tiltyard.load.lag import ClientMeter
from tiltyard.records import Attempt
from tiltyard.servers import DIALECTS, Address, Server
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.suites import Bench, StageResult
from tiltyard.suites.asking import Sitting, ask_stage
from tiltyard.suites.speed import Speed
from tiltyard.suites.telling import Teller

FAST = SimModel(
    name="m", loaded=True, prefill_tps=200_000, decode_tps=2_000, slots=64, context=40_000, context_max=40_000
)


class Ran(NamedTuple):
    results: list[StageResult]
    summary: dict[str, Any]
    truth: list[dict[str, Any]]


def run_speed(
    settings: dict[str, Any],
    model: SimModel = FAST,
    dialect: str = "llamacpp",
    known: Sequence[Attempt] = (),
    **more: Any,
) -> Ran:
    """`known`: the attempts of an earlier sitting, which this one carries on."""
    with running(SimConfig(models=(model,), dialects=(dialect,), **more)) as sim:  # type: ignore[arg-type]
        results, summary = asyncio.run(conduct(sim.url(dialect), dialect, settings, known))
        return Ran(results, summary, sim.truth())


async def conduct(
    url: str, dialect: str, settings: dict[str, Any], known: Sequence[Attempt] = ()
) -> tuple[list[StageResult], dict[str, Any]]:
    assert dialect in DIALECTS
    module, _, name = DIALECTS[dialect].partition(":")  # type: ignore[index]
    server: Server = getattr(importlib.import_module(module), name)(Address(url=url))
    try:
        await server.identify()
        bench = Bench(server=server, model=await server.describe("m"), settings=settings)
        async with ClientMeter() as meter:
            return await ask_all(bench, meter, known)
    finally:
        await server.close()


async def ask_all(
    bench: Bench, meter: ClientMeter, known: Sequence[Attempt] = ()
) -> tuple[list[StageResult], dict[str, Any]]:
    async def record(attempt: Attempt) -> None:
        return None

    earlier = {(a.stage, a.item_id, a.repetition): a for a in known}
    sitting = Sitting(
        run_id="r",
        session=1 + max((attempt.session for attempt in known), default=0),
        record=record,
        done={key: a for key, a in earlier.items() if a.exchanges[-1].ending == "ok"},
        failed={key: a for key, a in earlier.items() if a.exchanges[-1].ending != "ok"},
        tries={},
        meter=meter,
        teller=Teller(lambda event: None, {}),
    )
    suite, results = Speed(), list[StageResult]()
    stages = suite.stages(bench)
    stage = await anext(stages, None)
    while stage is not None:
        result = await ask_stage(stage, suite, bench, sitting, results)
        try:
            stage = await stages.asend(result)
        except StopAsyncIteration:
            stage = None
    return results, {
        **suite.summarise(results, bench),
        "client": meter.summary(),
        "metered": meter.output_tokens,
    }
