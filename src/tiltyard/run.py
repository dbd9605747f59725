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
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from tiltyard import __version__
from tiltyard.errors import ServerError
from tiltyard.load.lag import ClientMeter
from tiltyard.load.summary import Window, summarise
from tiltyard.monitors.machine import describe_machine
from tiltyard.monitors.watch import Watch
from tiltyard.records import Json, Model, Record, Run, RunState, ServerInfo, Timeouts
from tiltyard.servers import Loading, Server
from tiltyard.servers.clock import now_ns, unix_offset_ns, utc_at
from tiltyard.servers.discover import LOCALHOST
from tiltyard.servers.preflight import (
    can_be_told,
    check_context,
    check_thinking,
    chooses_context,
    cold_start,
    first_word,
    prepare,
)
from tiltyard.settings import hide_keys
from tiltyard.store.fingerprint import fingerprint
from tiltyard.store.opponents import opponents_limits, with_opponent
from tiltyard.store.sittings import Claim
from tiltyard.store.store import Store
from tiltyard.store.writer import Writer
from tiltyard.suites import Bench, StageResult, Suite, load_suite
from tiltyard.suites.asking import Sitting, put_through
from tiltyard.suites.observed import observed
from tiltyard.suites.resuming import cut, gone, key_of, outage, passed_over
from tiltyard.suites.telling import Teller

SCHEMA = "tiltyard.summary/1"
Listener = Callable[[Mapping[str, Json]], None]  # takes progress events; a job's last one is its summary


class Job(Record, frozen=True):
    """One model on one server, to be put through one suite."""

    server: Server
    model: Model
    suite: str
    settings: Mapping[str, Json]
    cold: bool = True  # start it cold; off where the job before was about the same model
    loading: Loading | None = None  # it was started cold already, to see with which context


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
        claim = store.claim(run, plan.fresh)
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


async def with_version(job: Job, timeouts: Timeouts | None, known: dict[tuple[str, str], str | None]) -> Job:
    """The job with the engine's version, where only answers tell it; `known`: of the models asked so far.

    Without it an update of the engine would go unnoticed, and old figures would pass for today's.
    """
    if "version" not in job.server.can:
        return job
    if whose(job) not in known:
        known[whose(job)] = None
        with suppress(ServerError):  # the run itself will say so
            exchange = await job.server.send(first_word(job.model, timeouts))
            known[whose(job)] = exchange.engine_version
    return replace(job, model=replace(job.model, engine_version=known[whose(job)]))


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
    bench = bench_of(job, claim, store)
    fixed = {"run_id": claim.run.id, "suite": job.suite, "model": job.model.name}
    teller = Teller(tell, {**fixed, "started_at": claim.run.started_at})
    watch = Watch(server_local=job.server.info.local, port=urlsplit(job.server.info.url).port)
    results: list[StageResult] = []
    facts: dict[str, Json] = {"notes": [*job.model.notes, *opponents_limits(claim.run, store)], "load": None}
    state: RunState = "failed"
    origin_unix_ns = unix_offset_ns()
    before = store.last_seen()
    others = store.beside(claim.run, before)
    async with ClientMeter() as meter, Writer(store) as writer:
        try:
            if plan.preflight:
                context, loading = job.settings.get("context"), job.loading
                if job.cold and loading is None and "server" not in others.values():
                    loading = await cold_start(job.server, job.model, context, teller.say)
                ready = await prepare(job.server, job.model, context, plan.timeouts, teller.say, loading)
                facts["notes"] += ready.notes
                facts["load"] = ready.load
                if ready.model is not None:
                    bench = replace(bench, model=in_memory(ready.model, job.model))
                    store.seen(claim.run.id, bench.model)
            if plan.baseline_s:
                teller.say(f"measuring the idle machine for {plan.baseline_s:.0f} s")
                await watch.baseline(plan.baseline_s)
            watch.start()
            more = {"timeouts": plan.timeouts, "origin_unix_ns": origin_unix_ns, **known_to(store, claim)}
            sitting = Sitting(record=writer.put, meter=meter, teller=teller, **more)
            await put_through(suite, bench, sitting, results)
            state = "failed" if any(result.gave_up for result in results) else "finished"
            facts["notes"] += without_outage(store, sitting, results) if state == "finished" else []
        except (asyncio.CancelledError, KeyboardInterrupt):  # the latter: Ctrl+C again, wherever we are
            state = "interrupted"
            raise
        except ServerError as error:
            facts["error"] = hide_keys(str(error))
            raise
        finally:
            readings = watch.stop()
            await writer.flush()
            lost = not results and overtaken(claim, store)
            if not results and claim.run.summary and not lost:
                summary = retold(claim.run.summary, state, facts.get("error"))
            else:
                found = summed_up(suite, results, bench)
                shared = said_of_others(others | store.beside(claim.run, before))
                notes = [*facts["notes"], *shared, *found.get("notes", ()), *observed(results)]
                run = {"run_id": claim.run.id, "started_at": claim.run.started_at}
                facts |= {**run, "state": state, **found, "notes": notes}
                facts |= {"client": meter.summary(), "machine": readings.summary(meter.output_tokens)}
                summary = {**describe_job(job, suite), **facts, "calibration": claim.run.calibration}
            keep(store, claim, state, summary, utc_at(now_ns(), origin_unix_ns), lost)
            store.add_samples(claim.run.id, readings.samples)
            tell(summary)
            store.check_place()
    return summary


def said_of_others(others: Mapping[str, str]) -> list[str]:
    """The note on runs that had their share of the server, or of this machine."""
    places = {where: [name for name, place in others.items() if place == where] for where in others.values()}
    return [
        f"not alone: {', '.join(ids[:3])}{' and more' * (len(ids) > 3)} ran on this {where} meanwhile, "
        "so speeds may be lower"
        for where, ids in places.items()
    ]


def without_outage(store: Store, sitting: Sitting, results: Sequence[StageResult]) -> list[str]:
    """Take out of the store what failed since the server had gone, and no part of the finished run needs."""
    counted = (attempt for result in results for attempt in result.attempts)
    over = passed_over(sitting.done, sitting.failed, counted)
    if not over:
        return []
    store.take_out(sitting.run_id, over)
    return [f"left out: what an earlier sitting sent after the server had gone ({len(over):,})"]


def summed_up(suite: Suite, results: Sequence[StageResult], bench: Bench) -> Mapping[str, Json]:
    """The suite's part of the summary. Where it says nothing of requests, endings and speeds are added."""
    there = [n for n, result in enumerate(results) if not all(map(gone, result.attempts))]
    owed = sum(result.owed for result in results[max(there, default=0) :])  # before, it was heard of later
    found = {"owed": owed, **suite.summarise(results, bench)}
    if "requests" in found:
        return found
    windows = [Window(r.stage.name, r.stage.load, r.attempts, r.wall_s) for r in results]
    return {**summarise(windows), "gave_up": any(result.gave_up for result in results), **found}


def known_to(store: Store, claim: Claim) -> dict[str, Any]:
    """Which sitting of which run it is; what earlier ones have done, what failed in them, and how often."""
    sitting = {"run_id": claim.run.id, "session": claim.session}
    if not claim.resumed:
        return {**sitting, "done": {}, "tries": {}}
    done, failed = store.done(claim.run.id), store.failed(claim.run.id)
    died = {key_of(each) for each in outage(filter(cut, done.values()), [*done.values(), *failed.values()])}
    failed |= {key: done.pop(key) for key in died}
    return {**sitting, "done": done, "failed": failed, "tries": store.tries(claim.run.id)}


def in_memory(seen: Model, planned: Model) -> Model:
    """The model as it was found after its cold start, with the engine's version that an answer had told."""
    return replace(seen, engine_version=seen.engine_version or planned.engine_version)


def retold(earlier: Mapping[str, Json], state: RunState, error: str | None) -> Mapping[str, Json]:
    """The summary of the sittings before, where this one was broken off before it could ask anything.

    What was found out is still so, and a run that was finished still is.
    """
    said = "nothing could be asked again"
    notes = [note for note in earlier.get("notes", ()) if not note.startswith(said)]
    kept = {name: value for name, value in earlier.items() if name != "error"}
    kept |= {"state": "finished" if earlier.get("state") == "finished" else state}
    kept |= {"notes": [*notes, said if error is None else f"{said}: {error}"]}
    return kept if error is None else {**kept, "error": error}


def keep(
    store: Store, claim: Claim, state: RunState, summary: Mapping[str, Json], ended_at: str, lost: bool
) -> None:
    """End the sitting, which came to `state`, in the store.

    A finished run whose failures were asked again stays finished where that was broken off, with what was
    found out until then: the same command asks what still fails once more. One that nobody grades had its
    end without a server: interrupted on the way to another, it is. Where the summary has not come to all
    that earlier sittings know, it stays as it was; where there is none that has (`lost`), none is kept.
    """
    if lost:
        store.finish(claim.run.id, state, None, tuple(summary["notes"]), ended_at)
        return
    run_id, earlier = claim.run.id, claim.run.summary or {}
    broken_off = state != "finished" and earlier.get("state") == "finished"
    if broken_off and store.has_failures(run_id):
        graded = "outcomes" in earlier
        if (
            "error" in summary
            or asked_in(summary) < asked_in(earlier)
            or not (graded or state == "interrupted")
        ):
            store.put_back(run_id, ended_at)
            return
        if graded:
            summary = {**summary, "state": "finished", "gave_up": earlier["gave_up"]}
    store.finish(run_id, summary["state"], summary, tuple(summary["notes"]), ended_at)


def overtaken(claim: Claim, store: Store) -> bool:
    """Did a sitting that was killed find out more than any summary tells? Then no figures are better than
    those of the sitting before it.
    """
    earlier = claim.run.summary or {}
    if not claim.resumed or earlier.get("state") == "finished":
        return False
    return store.counts([claim.run.id])[claim.run.id] > (asked_in(earlier) if earlier else 0)


def asked_in(summary: Mapping[str, Json]) -> int:
    """How many attempts a summary counts."""
    return int(summary["n"] if "outcomes" in summary else summary["requests"]["total"])


def whose(job: Job) -> tuple[str, str]:
    """Which memory the job's model is in, and which model: another server's copy is another one."""
    return job.server.info.url, job.model.name


def bench_of(job: Job, claim: Claim, store: Store) -> Bench:
    """What the suite may use."""
    against = job.settings.get("against")
    return Bench(
        server=job.server,
        model=job.model,
        settings=job.settings,
        calibration=claim.run.calibration,
        opponent=store.scores(against) if against else None,
        stopping=(claim.run.summary or {}).get("stopping"),
    )


def describe_job(job: Job, suite: Suite) -> dict[str, Json]:
    """The head of the summary line."""
    info = one_spelling(job.server.info)
    version = info.version or job.model.engine_version
    return {
        "event": "summary",
        "schema": SCHEMA,
        "tiltyard": __version__,
        "suite": suite.name,
        "model": job.model.name,
        "server": {"dialect": info.dialect, "version": version, "url": info.url},
    }


async def identified(
    plan: Plan, job: Job, suite: Suite, store: Store, say: Callable[[str], None]
) -> tuple[Job, Run]:
    """The job and its run, which has not begun, with the fingerprint of all that can change its result.

    A server that decides by itself with which context it loads tells that only when it has. Where the store
    has no run of what is in memory now that is finished or under way, it is started cold for that.
    """
    server, asked = job.server, job.settings.get("context")
    if not movable(server):
        return job, new_run(plan, job, suite, store, movable=False)
    told = asked is not None and can_be_told(server, plan.preflight)
    if told or (plan.preflight and not chooses_context(server)):
        return job, new_run(plan, job, suite, store, movable=True)
    if not plan.preflight:  # nothing is loaded anew: what is in memory answers
        return job, run_by_context(plan, job, suite, store)
    job = await as_loaded(job)
    run = run_by_context(plan, job, suite, store)
    if job.model.context_loaded is not None and (not job.cold or is_taken(run, store, plan.fresh)):
        return job, run
    with suppress(ServerError):  # the run itself will say so
        job = replace(job, loading=await cold_start(server, job.model, asked, say))
    job = await as_loaded(job)
    return job, run_by_context(plan, job, suite, store)


async def as_loaded(job: Job) -> Job:
    """The job with the context that its model has in memory now; None where it is not there."""
    context = None
    with suppress(ServerError):  # the run itself will say so
        context = (await job.server.describe(job.model.name)).context_loaded
    return replace(job, model=replace(job.model, context_loaded=context))


def run_by_context(plan: Plan, job: Job, suite: Suite, store: Store) -> Run:
    """A run whose fingerprint has the context in memory; a stored one of that context may be without."""
    begun = unfiled(plan, job, suite)
    run = filed(begun, plan, store, movable=False)
    if plan.fresh or store.newest(run.fingerprint) is not None:
        return run
    plain = filed(begun, plan, store, movable=True)
    earlier = store.newest(plain.fingerprint)
    if earlier is None:
        return run if plan.preflight else plain
    return plain if earlier.model.context_loaded in (None, job.model.context_loaded) else run


def is_taken(run: Run, store: Store, fresh: bool) -> bool:
    """Would the store's run be shown, with nothing asked again, or is another process measuring it now?"""
    earlier = None if fresh else store.newest(run.fingerprint)
    if earlier is None or earlier.state != "finished":
        return earlier is not None and earlier.state == "running"
    return not store.has_failures(earlier.id)


def new_run(plan: Plan, job: Job, suite: Suite, store: Store, *, movable: bool) -> Run:
    """A run that has not begun, with its opponent and its fingerprint; `movable` as there."""
    return filed(unfiled(plan, job, suite), plan, store, movable)


def unfiled(plan: Plan, job: Job, suite: Suite) -> Run:
    """The same without opponent and fingerprint."""
    return Run(
        id=secrets.token_hex(4),
        suite=suite.name,
        suite_version=suite.version,
        model=job.model,
        server=one_spelling(job.server.info),
        settings=job.settings,
        fingerprint="",
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        command=plan.command,
        machine=describe_machine(),
    )


def one_spelling(info: ServerInfo) -> ServerInfo:
    """A server of this machine is one, whether it was called localhost or by its number."""
    return replace(info, url=LOCALHOST.sub("//127.0.0.1", info.url))


def filed(run: Run, plan: Plan, store: Store, movable: bool) -> Run:
    """The run with its opponent and the fingerprint under which it is looked for."""
    run = replace(run, fingerprint=fingerprint(run, movable))
    return with_opponent(run, store, movable, plan.fresh)


def movable(server: Server) -> bool:
    """Can it load a model anew?"""
    return {"load", "unload"} <= server.can
