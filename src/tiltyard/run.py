"""READ FIRST. The main path: claim, preflight, cold start, ask, read, grade, record, summarise.

A plan is a list of jobs, models outermost, since loading is what costs. A job becomes one run in the store;
what was already answered under the same fingerprint is not asked again. Choosing servers and models is the
command line's part; what to ask is the suite's; when to ask it is the load's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

from msgspec.structs import replace

from tiltyard.errors import ServerError, UsageError
from tiltyard.jobs.ending import (
    describe_job,
    keep,
    known_to,
    overtaken,
    retold,
    said_of_others,
    summed_up,
    without_outage,
)
from tiltyard.jobs.identity import engine_unknown, identified, with_version
from tiltyard.jobs.plan import Job, Plan, whose
from tiltyard.load.lag import ClientMeter
from tiltyard.monitors.watch import Watch
from tiltyard.records import Json, Model, RunState
from tiltyard.servers.clock import now_ns, unix_offset_ns, utc_at
from tiltyard.servers.preflight import (
    Ready,
    check_context,
    check_thinking,
    cold_start,
    prepare,
)
from tiltyard.settings import hide_keys
from tiltyard.store.opponents import opponents_limits
from tiltyard.store.patience import Patience
from tiltyard.store.sittings import Claim
from tiltyard.store.store import Store
from tiltyard.store.writer import Writer
from tiltyard.suites import Bench, StageResult, Suite, load_suite
from tiltyard.suites.asking import Sitting, put_through
from tiltyard.suites.observed import observed
from tiltyard.suites.telling import Teller

Listener = Callable[[Mapping[str, Json]], None]  # takes progress events; a job's last one is its summary


async def execute(plan: Plan, store: Store, tell: Listener) -> list[Mapping[str, Json]]:
    """Run every job; returns the summaries in order. Cancelling it keeps everything that finished.

    A model that a server cannot serve does not keep the next ones from being measured; it raises at the end.
    """
    summaries: list[Mapping[str, Json]] = []
    failures: list[ServerError] = []
    for job in plan.jobs:  # before anything is measured: the last model's refusal must not cost the first's
        check_context(job.server, job.model, job.settings.get("context"), plan.preflight)
        check_thinking(job.server, job.model, job.settings.get("think"))
    if plan.preflight:
        await clear(plan.jobs)
    versions: dict[tuple[str, str], str | None] = {}
    for number, planned in enumerate(plan.jobs):
        place = {"number": number + 1, "jobs": len(plan.jobs)}
        tell({"event": "job", **place, "suite": planned.suite, "model": planned.model.name})
        job = await with_version(planned, plan.timeouts, versions) if plan.preflight else planned
        suite = load_suite(job.suite)
        say = Teller(tell, {"suite": job.suite, "model": job.model.name}).say
        job, run = await identified(plan, job, suite, store, say)
        job = replace(job, settings=run.settings)
        claiming = partial(store.claim, run, plan.fresh)
        # The first one has nothing to lose yet: that the store is locked is said soon.
        claim = claiming() if number == 0 else await Patience(store, say).through(claiming)
        if claim.finished and engine_unknown(plan, job):
            claim = await Patience(store, say).through(partial(store.claim, run, fresh=True))
        if claim.finished and claim.run.summary is not None:
            known = {"started_at": claim.run.started_at, "cached": True}
            summary: Mapping[str, Json] = {**claim.run.summary, **known}
            tell(summary)
            summaries.append(summary)
        else:
            try:
                summaries.append(await run_job(plan, job, suite, claim, store, tell))
            except ServerError as error:
                failures.append(error)
        following = plan.jobs[number + 1] if number + 1 < len(plan.jobs) else job
        if plan.preflight and whose(following) != whose(job) and "unload" in job.server.can:
            with suppress(ServerError):  # the next run notes who is still there
                await job.server.unload(job.model.name)  # one resident at a time
    if failures:
        raise failures[0]
    return summaries


async def clear(jobs: Sequence[Job]) -> None:
    """Take the models whose turn comes later out of memory; what else is there is noted, and left alone."""
    first = jobs[0]
    later = {job.model.name for job in jobs if job.server is first.server} - {first.model.name}
    if "unload" in first.server.can:
        for name in later & set(first.server.info.loaded):
            with suppress(ServerError):
                await first.server.unload(name)


async def run_job(
    plan: Plan, job: Job, suite: Suite, claim: Claim, store: Store, tell: Listener
) -> Mapping[str, Json]:
    """One run from its first request, or from where it was left, to its summary."""
    bench = bench_of(plan, job, claim, store)
    run = {"run_id": claim.run.id, "started_at": claim.run.started_at}
    teller = Teller(tell, {**run, "suite": job.suite, "model": job.model.name})
    watch = Watch(server_local=job.server.info.local, port=urlsplit(job.server.info.url).port)
    results: list[StageResult] = []
    facts: dict[str, Json] = {"notes": [*job.model.notes, *opponents_limits(claim.run, store)], "load": None}
    state: RunState = "failed"
    origin_unix_ns = unix_offset_ns()
    before = store.last_seen()
    others = store.beside(claim.run, before)
    patience = Patience(store, teller.say)
    async with ClientMeter() as meter, Writer(store, patience) as writer:
        try:
            if plan.preflight:
                ready = await made_ready(plan, job, "server" not in others.values(), teller.say)
                facts |= {"notes": [*facts["notes"], *ready.notes], "load": ready.load}
                if ready.model is not None:
                    bench = replace(bench, model=in_memory(ready.model, job.model))
                    await patience.through(partial(store.seen, claim.run.id, bench.model))
            if plan.baseline_s:
                teller.say(f"measuring the idle machine for {plan.baseline_s:.0f} s")
                await watch.baseline(plan.baseline_s)
            await watch.begin()
            more = {"origin_unix_ns": origin_unix_ns, **known_to(store, claim)}
            sitting = Sitting(record=writer.put, meter=meter, teller=teller, **more)
            await put_through(suite, bench, sitting, results)
            state = "failed" if any(result.gave_up for result in results) else "finished"
            if state == "finished":
                facts["notes"] += await patience.through(partial(without_outage, store, sitting, results))
        except (asyncio.CancelledError, KeyboardInterrupt):  # the latter: Ctrl+C again, wherever we are
            state = "interrupted"
            raise
        except (ServerError, UsageError) as error:
            facts["error"] = hide_keys(str(error))
            raise
        finally:
            readings = watch.stop(in_haste=state not in ("finished", "failed"))
            await writer.flush(soon=state not in ("finished", "failed"))
            lost = not results and overtaken(claim, store)
            if not results and claim.run.summary and not lost:
                summary = retold(claim.run.summary, state, facts.get("error"))
            else:
                found = summed_up(suite, results, bench)
                shared = said_of_others(others | store.beside(claim.run, before)) + writer.notes
                notes = [*facts["notes"], *shared, *found.get("notes", ()), *observed(results)]
                facts |= {**run, "state": state, **found, "notes": notes}
                facts |= {"client": meter.summary(), "machine": readings.summary(meter.output_tokens)}
                summary = {**describe_job(job, suite), **facts, "calibration": claim.run.calibration}
            keeping = partial(keep, store, claim, state, summary, utc_at(now_ns(), origin_unix_ns), lost)
            try:
                await patience.through(keeping)
                await patience.through(partial(store.add_samples, claim.run.id, readings.samples))
            finally:
                tell(summary)
            store.check_place()
    return summary


async def made_ready(plan: Plan, job: Job, alone: bool, say: Callable[[str], None]) -> Ready:
    """Preflight, with a cold start before it unless there was one, or others use the server."""
    context, loading = job.settings.get("context"), job.loading
    if job.cold and loading is None and alone:
        loading = await cold_start(job.server, job.model, context, say)
    return await prepare(job.server, job.model, context, plan.timeouts, say, loading)


def in_memory(seen: Model, planned: Model) -> Model:
    """The model as it was found after its cold start, with the engine's version that an answer had told."""
    return replace(seen, engine_version=seen.engine_version or planned.engine_version)


def bench_of(plan: Plan, job: Job, claim: Claim, store: Store) -> Bench:
    """What the suite may use."""
    against = job.settings.get("against")
    return Bench(
        server=job.server,
        model=job.model,
        settings=job.settings,
        calibration=claim.run.calibration,
        opponent=store.scores(against) if against else None,
        stopping=(claim.run.summary or {}).get("stopping"),
        timeouts=plan.timeouts,
    )
