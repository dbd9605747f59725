"""Which run of the store a job is: its fingerprint, with the engine's version and the context in memory.

A server that tells one of them only when it has answered, or loaded, is asked first.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from msgspec.structs import replace

from tiltyard.errors import ServerError
from tiltyard.jobs.plan import Job, Plan, whose
from tiltyard.monitors.machine import this_machine
from tiltyard.records import Run, ServerInfo, Timeouts
from tiltyard.servers import Server
from tiltyard.servers.discover import LOCALHOST
from tiltyard.servers.preflight import can_be_told, chooses_context, cold_start, first_word
from tiltyard.store.fingerprint import fingerprint
from tiltyard.store.opponents import with_opponent
from tiltyard.store.run_list import known_as
from tiltyard.store.store import Store
from tiltyard.suites import Suite


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


def engine_unknown(plan: Plan, job: Job) -> bool:
    """Do answers alone tell the engine's version, and none was asked for? It may be another one by now."""
    return "version" in job.server.can and not plan.preflight


async def identified(
    plan: Plan, job: Job, suite: Suite, store: Store, say: Callable[[str], None]
) -> tuple[Job, Run]:
    """The job and its run, which has not begun, with the fingerprint of all that can change its result.

    A server that decides by itself with which context it loads tells that only when it has. Where the store
    has no run of what is in memory now that is finished or under way, it is started cold for that.
    """
    plan = replace(plan, machine=await this_machine(say))
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
        machine=plan.machine,
    )


def one_spelling(info: ServerInfo) -> ServerInfo:
    """A server of this machine is one, whether it was called localhost or by its number."""
    return replace(info, url=LOCALHOST.sub("//127.0.0.1", info.url))


def filed(run: Run, plan: Plan, store: Store, movable: bool) -> Run:
    """The run with its opponent and the fingerprint under which it is looked for: that of a stored one where
    the memory of this machine has only moved a little since.
    """
    with store.reading() as db:
        machines = known_as(db, run.machine)
    found = []
    for machine in machines:
        here = replace(run, machine=machine)
        here = replace(here, fingerprint=fingerprint(here, movable))
        found.append(with_opponent(here, store, movable, plan.fresh))
    return next((each for each in found if store.newest(each.fingerprint) is not None), found[0])


def movable(server: Server) -> bool:
    """Can it load a model anew?"""
    return {"load", "unload"} <= server.can
