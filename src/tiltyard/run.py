"""READ FIRST. The main path: claim, preflight, cold start, ask, read, grade, record, summarise.

A plan is a list of jobs, models outermost, since loading is what costs. A job becomes one run in the store;
what was already answered under the same fingerprint is not asked again. Choosing servers and models is the
command line's part; what to ask is the suite's; when to ask it is the load's.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit

from tiltyard import __version__
from tiltyard.errors import ServerError
from tiltyard.load.lag import ClientMeter
from tiltyard.monitors.machine import describe_machine
from tiltyard.monitors.watch import Watch
from tiltyard.records import Json, Model, Record, Run, RunState, Timeouts, content_hash
from tiltyard.servers import Loading, Server
from tiltyard.servers.preflight import check_context, cold_start, neighbours, probe
from tiltyard.store.store import Claim, Store
from tiltyard.store.writer import Writer
from tiltyard.suites import Bench, StageResult, Suite, load_suite
from tiltyard.suites.asking import Sitting, ask_stage
from tiltyard.suites.observed import observed
from tiltyard.suites.telling import Teller

SCHEMA = "tiltyard.summary/1"
Listener = Callable[[Mapping[str, Json]], None]  # takes progress events; a job's last one is its summary


class Job(Record, frozen=True):
    """One model on one server, to be put through one suite."""

    server: Server
    model: Model
    suite: str
    settings: Mapping[str, Json]


class Plan(Record, frozen=True):
    jobs: Sequence[Job]  # models outermost
    command: str  # reproduces it
    fresh: bool = False  # measure again what is already there
    preflight: bool = True  # cold start and probe; off: send exactly the load asked for
    baseline_s: float = 0.0  # idle seconds whose power is taken off the energy
    timeouts: Timeouts | None = None


async def execute(plan: Plan, store: Store, tell: Listener) -> list[Mapping[str, Json]]:
    """Run every job; returns the summaries in order. Cancelling it keeps everything that finished.

    A model that a server cannot serve does not keep the next ones from being measured; it raises at the end.
    """
    summaries: list[Mapping[str, Json]] = []
    failures: list[ServerError] = []
    for number, job in enumerate(plan.jobs):
        place = {"number": number + 1, "jobs": len(plan.jobs)}
        tell({"event": "job", **place, "suite": job.suite, "model": job.model.name})
        suite = load_suite(job.suite)
        claim = store.claim(new_run(plan, job, suite), plan.fresh)
        if claim.finished and claim.run.summary is not None:
            summary: Mapping[str, Json] = {**claim.run.summary, "cached": True}
            tell(summary)
            summaries.append(summary)
        else:
            try:
                summaries.append(await run_job(plan, job, suite, claim, (store, tell)))
            except ServerError as error:
                failures.append(error)
        following = plan.jobs[number + 1] if number + 1 < len(plan.jobs) else job
        if plan.preflight and following.model.name != job.model.name and "unload" in job.server.can:
            with suppress(ServerError):  # the next run notes who is still there
                await job.server.unload(job.model.name)  # one resident at a time
    if failures:
        raise failures[0]
    return summaries


async def run_job(
    plan: Plan, job: Job, suite: Suite, claim: Claim, ends: tuple[Store, Listener]
) -> Mapping[str, Json]:
    """One run from its first request, or from where it was left, to its summary."""
    store, tell = ends
    bench = Bench(
        server=job.server, model=job.model, settings=job.settings, calibration=claim.run.calibration
    )
    teller = Teller(tell, {"run_id": claim.run.id, "suite": job.suite, "model": job.model.name})
    watch = Watch(server_local=job.server.info.local, port=urlsplit(job.server.info.url).port)
    results: list[StageResult] = []
    facts: dict[str, Json] = {"notes": list(job.model.notes), "load": None}
    state: RunState = "failed"
    async with ClientMeter() as meter, Writer(store) as writer:
        try:
            if plan.preflight:
                await prepare(plan, job, facts, teller)
            if plan.baseline_s:
                teller.say(f"measuring the idle machine for {plan.baseline_s:.0f} s")
                await watch.baseline(plan.baseline_s)
            watch.start()
            sitting = Sitting(
                run_id=claim.run.id,
                session=claim.session,
                record=writer.put,
                done=store.done(claim.run.id) if claim.resumed else {},
                tries=store.tries(claim.run.id) if claim.resumed else {},
                meter=meter,
                teller=teller,
                timeouts=plan.timeouts,
            )
            await put_through(suite, bench, sitting, results)
            state = "finished"
        except asyncio.CancelledError:
            state = "interrupted"
            raise
        except ServerError as error:
            facts["error"] = str(error)
            raise
        finally:
            readings = watch.stop()
            await writer.flush()
            facts |= {"run_id": claim.run.id, "state": state, **suite.summarise(results, bench)}
            facts["notes"] += observed(results)
            facts |= {"client": meter.summary(results)}
            facts |= {"machine": readings.summary((facts.get("tokens") or {}).get("output"))}
            summary = {**describe_job(job, suite), **facts}
            store.finish(claim.run.id, state, summary, tuple(facts["notes"]))
            store.add_samples(claim.run.id, readings.samples)
            tell(summary)
    return summary


async def put_through(suite: Suite, bench: Bench, sitting: Sitting, results: list[StageResult]) -> None:
    """The suite's stages in order; each result is sent back in, for the next stage may depend on it."""
    stages = suite.stages(bench)
    try:
        stage = await anext(stages)
        while True:
            stage = await stages.asend(await ask_stage(stage, suite, bench, sitting, results))
    except StopAsyncIteration:
        return
    finally:
        await stages.aclose()


async def prepare(plan: Plan, job: Job, facts: dict[str, Json], teller: Teller) -> None:
    """What fails here fails before minutes are spent; the cold start is measured, the probe is not."""
    context = job.settings.get("context")
    check_context(job.server, job.model, context)
    others = await neighbours(job.server, job.model)
    if others:
        facts["notes"].append("also in the server's memory: " + ", ".join(others))
    loading: Loading | None = await cold_start(job.server, job.model, context, teller.say)
    if loading is not None:
        facts["load"] = {"load_ms": loading.load_ms, "source": loading.source, "cold": not loading.was_loaded}
    teller.say(f"asking {job.model.name} for a first word")
    await probe(job.server, job.model, plan.timeouts)


def describe_job(job: Job, suite: Suite) -> dict[str, Json]:
    """The head of the summary line."""
    info = job.server.info
    return {
        "event": "summary",
        "schema": SCHEMA,
        "tiltyard": __version__,
        "suite": suite.name,
        "model": job.model.name,
        "server": {"dialect": info.dialect, "version": info.version, "url": info.url},
    }


def new_run(plan: Plan, job: Job, suite: Suite) -> Run:
    """A run that has not begun, with the fingerprint of everything that can change its result."""
    model, info, machine = job.model, job.server.info, describe_machine()
    movable = {"load", "unload"} <= job.server.can  # then the context in memory is what we will ask for
    parts = {
        "suite": [suite.name, suite.version],
        "settings": job.settings,
        "model": [model.digest or model.name, model.quantization],
        "engine": [info.dialect, model.engine, model.engine_version or info.version],
        "context": job.settings.get("context") if movable else model.context_loaded,
        "machine": {key: machine.get(key) for key in ("cpu", "ram_bytes", "gpus")}
        if info.local
        else info.url,
    }
    return Run(
        id=secrets.token_hex(4),
        suite=suite.name,
        suite_version=suite.version,
        model=model,
        server=info,
        settings=job.settings,
        fingerprint=content_hash(parts),
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        command=plan.command,
        machine=machine,
    )
