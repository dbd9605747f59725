"""A small graded suite, put through the whole run engine against a simulator, with a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tiltyard.jobs.identity import new_run
from tiltyard.jobs.plan import Job, Plan
from tiltyard.load.lag import ClientMeter
from tiltyard.records import (
    Attempt,
    Capture,
    Exchange,
    Grade,
    Item,
    Json,
    Message,
    Request,
    Timeouts,
    content_hash,
)
from tiltyard.run import run_job
from tiltyard.servers import Address, Server
from tiltyard.servers.openai import OpenAI
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.servers.simulator.config import Say
from tiltyard.store.store import Store
from tiltyard.suites import Bench, Stage, StageResult
from tiltyard.suites.asking import Sitting, put_through
from tiltyard.suites.graded import Asking, graded_stage, read_asking, request_of
from tiltyard.suites.scoring import summarise_graded
from tiltyard.suites.tally import Tally
from tiltyard.suites.telling import Teller
from tiltyard.suites.verdict import answer_cut, settled

QUESTIONS = 12


class Doubling(Asking, frozen=True):
    count: int = QUESTIONS


class Doubles:
    """What is twice N? Right is right; a word is unparsed; every third question belongs to `thirds`."""

    name, version = "doubles", "1"

    def __init__(self) -> None:
        self.tally = Tally()

    async def stages(self, bench: Bench) -> AsyncGenerator[Stage, StageResult]:
        asking = read_asking(bench.settings, Doubling)
        stage = graded_stage("doubles", self.items(asking), bench, asking, self.tally)
        yield replace(stage, expected=asking.count * asking.repeats)

    def items(self, asking: Doubling) -> Iterator[Item]:
        for repetition in range(asking.repeats):
            for number in range(asking.count):
                spec = {"n": number, "number": number, "group": "others" if number % 3 else "thirds"}
                yield Item(
                    id=f"q{number}", content_hash=content_hash(number), spec=spec, repetition=repetition
                )

    def request(self, item: Item, bench: Bench) -> Request:
        asking = read_asking(bench.settings, Doubling)
        prompt = f"What is twice <{item.spec['n']}>?"
        return request_of(item, [Message(role="user", content=prompt)], asking, bench)

    def grade(self, item: Item, exchange: Exchange) -> Grade:
        grade = settled(exchange)
        if grade is not None:
            return grade
        said = exchange.text.strip()
        if not said.isdigit():
            outcome = "truncated" if answer_cut(exchange) else "unparsed"
            return Grade(outcome=outcome, score=0.0, rule="digits")  # type: ignore[arg-type]
        right = int(said) == 2 * item.spec["n"]
        return Grade(
            outcome="correct" if right else "wrong",
            score=float(right),
            rule="digits",
            details={"even": int(said) % 2 == 0, "said": said},
        )

    def summarise(self, results: Sequence[StageResult], bench: Bench) -> Mapping[str, Json]:
        return summarise_graded(self.tally, results)


def clever(**more: Any) -> SimModel:
    """A model that knows every answer but the ones for 7 (wrong) and 8 (no number)."""
    known = {n: str(2 * n) for n in range(QUESTIONS)} | {7: "15", 8: "many"}
    script = tuple(Say(when=f"<{n}>", say=words) for n, words in known.items())
    settings = {"script": script, "loaded": True, "slots": 8, "prefill_tps": 1e6, "decode_tps": 1e5}
    return SimModel(name="m", **{**settings, **more})


def run_doubles(
    path: Path, settings: dict[str, Any], *, faults: tuple[str, ...] = (), model: SimModel | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The summary and all events of one run of the suite into the store at `path`."""
    config = SimConfig(models=(model or clever(),), dialects=("openai",), faults=faults)
    with running(config) as sim:
        return asyncio.run(sitting(path, settings, sim.url("openai")))


async def sitting(
    path: Path,
    settings: dict[str, Any],
    url: str,
    preflight: bool = False,
    events: list[dict[str, Any]] | None = None,
    timeouts: Timeouts | None = None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One sitting; `events` takes what it tells, for one that raises."""
    events = [] if events is None else events
    server: Server = OpenAI(Address(url=url))
    suite = Doubles()
    try:
        with Store.open(path) as store:
            model = replace(await server.describe("m"), digest="d")  # the same wherever it is served
            job = Job(server=server, model=model, suite="doubles", settings=settings)
            plan = Plan(jobs=[job], command="tiltyard run doubles", preflight=preflight, timeouts=timeouts)
            claim = store.claim(new_run(plan, job, suite, store, movable=False))
            summary = await run_job(plan, job, suite, claim, store, lambda event: events.append(dict(event)))
    finally:
        await server.close()
    return dict(summary), events


class Watched(OpenAI):
    """A client that tells of every request before it is sent, and again when its answer is there."""

    def __init__(self, url: str, begun: Callable[[], None], ended: Callable[[], None]) -> None:
        super().__init__(Address(url=url))
        self.begun, self.ended = begun, ended

    async def ask(self, request: Request, scheduled_ns: int | None = None) -> Capture:
        self.begun()
        capture = await super().ask(request, scheduled_ns)
        self.ended()
        return capture


async def asked_before_recorded(url: str, settings: dict[str, Any], record_s: float) -> int:
    """How far a stage ever gets ahead of a store that takes `record_s` for each attempt."""
    begun = recorded = most = 0

    def asked() -> None:
        nonlocal begun
        begun += 1

    async def record(attempt: Attempt) -> None:
        nonlocal recorded, most
        most = max(most, begun - recorded)
        await asyncio.sleep(record_s)
        recorded += 1

    await recorded_by(record, Watched(url, asked, lambda: None), Doubles(), settings)
    assert recorded == begun
    return most


async def made_when_answered(url: str, settings: dict[str, Any]) -> list[int]:
    """How many requests were ready, when each answer came, beyond those that had been sent."""
    sent, ahead = 0, list[int]()

    class Counting(Doubles):
        made = 0

        def request(self, item: Item, bench: Bench) -> Request:
            self.made += 1
            return super().request(item, bench)

    def asked() -> None:
        nonlocal sent
        sent += 1

    async def record(attempt: Attempt) -> None:
        pass

    suite = Counting()
    await recorded_by(record, Watched(url, asked, lambda: ahead.append(suite.made - sent)), suite, settings)
    return ahead


async def read_in_waits(url: str, settings: dict[str, Any]) -> list[bool]:
    """Of each answer: was it read while another one's first words were waited for?"""
    waits: list[bool] = []

    class Reading(OpenAI):
        def read(self, request: Request, capture: Capture) -> Exchange:
            waits.append(self.unspoken())
            return super().read(request, capture)

    async def record(attempt: Attempt) -> None:
        pass

    await recorded_by(record, Reading(Address(url=url)), Doubles(), settings)
    return waits


async def kept_when_cancelled(url: str, settings: dict[str, Any]) -> tuple[int, int]:
    """How many answers came, and how many are kept, of a stage that is cancelled while it keeps the first."""
    entered, came, kept = asyncio.Event(), 0, 0

    def ended() -> None:
        nonlocal came
        came += 1

    async def record(attempt: Attempt) -> None:
        nonlocal kept
        entered.set()
        await asyncio.sleep(0.05)
        kept += 1

    job = asyncio.create_task(recorded_by(record, Watched(url, lambda: None, ended), Doubles(), settings))
    await entered.wait()
    job.cancel()
    await asyncio.wait((job,))
    return came, kept


async def recorded_by(
    record: Callable[[Attempt], Awaitable[None]], server: OpenAI, suite: Doubles, settings: dict[str, Any]
) -> None:
    """Put the suite through, outside of any run."""
    try:
        bench = Bench(server=server, model=await server.describe("m"), settings=settings)
        async with ClientMeter() as meter:
            sitting = Sitting(
                run_id="r",
                session=1,
                record=record,
                done={},
                tries={},
                meter=meter,
                teller=Teller(lambda event: None, {}),
            )
            await put_through(suite, bench, sitting, [])
    finally:
        await server.close()
