"""From a command's words to its runs: models and servers are chosen, the plan is run, an interruption told.

Whoever has settings of a suite and the options in common calls `run_suite` or `run_suites`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tiltyard.cli.data_dir import in_words, open_store
from tiltyard.cli.ending import check_success, show_summaries
from tiltyard.cli.loop import loop_run
from tiltyard.cli.options import Common
from tiltyard.cli.progress import Listener, listening
from tiltyard.cli.reproducing import whole_command
from tiltyard.errors import Interrupted, ServerError, StoreError
from tiltyard.records import Json, Timeouts

if TYPE_CHECKING:
    from tiltyard.store.store import Store


class Telling:
    """Passes events on and keeps the summaries. An output that takes no more ends the run as Ctrl+C does."""

    def __init__(self, listener: Listener, also: Sequence[Listener]) -> None:
        self.listener, self.also = listener, also
        self.summaries: list[Mapping[str, Json]] = []
        self.main: asyncio.Task[Any] | None = None
        self.error: OSError | None = None
        self.begun = False  # is there a run that the same command could carry on with?

    def __call__(self, event: Mapping[str, Json]) -> None:
        self.begun |= "run_id" in event
        if event["event"] == "summary":
            self.summaries.append(event)
        for other in self.also:
            other(event)
        if self.error is not None:
            return
        try:
            self.listener(event)
        except OSError as error:
            self.error = error
            if self.main is not None:
                self.main.cancel()


def run_suite(suite: str, settings: Mapping[str, Json], common: Common, preflight: bool = True) -> None:
    """Run one suite; prints, and raises what decides the exit code."""
    run_suites({suite: settings}, common, preflight)


def run_suites(suites: Mapping[str, Mapping[str, Json]], common: Common, preflight: bool = True) -> None:
    """Run several suites, by name with their settings, over the chosen models: models outermost."""
    with serving(common) as heard:
        run_jobs(suites, common, preflight, heard)


@contextmanager
def serving(common: Common) -> Iterator[Sequence[Listener]]:
    """With `--metrics-port`, serve what the listeners hear. Raises UsageError before the block begins."""
    if common.metrics_port is None:
        yield ()
        return
    from tiltyard.cli.serve import serving_run

    with serving_run(common.metrics_host, common.metrics_port) as listener:
        yield (listener,)


def run_jobs(
    suites: Mapping[str, Mapping[str, Json]], common: Common, preflight: bool, also: Sequence[Listener]
) -> None:
    """The runs themselves, without anything that outlives them. No listener of `also` may raise."""
    store = open_store(common.data_dir)
    there = in_words(common.data_dir)
    again = "the same command without --fresh" if common.fresh else "the same command"
    try:
        with listening(common.as_json) as listener:
            tell = Telling(listener, also)
            kept = tell.summaries
            loop_run(conduct(suites, common, preflight, store, tell))
    except KeyboardInterrupt:
        if not common.as_json and tell.error is None:
            show_summaries([summary for summary in kept if summary["requests"]["total"]], there)
        why = f"the output takes no more ({tell.error.strerror})" if tell.error else "interrupted"
        raise Interrupted(f"{why}; everything that was answered is kept", f"{again} carries on") from None
    except ServerError as error:  # the first one
        if not common.as_json:
            show_summaries([summary for summary in kept if "error" not in summary], there)
        check_success(kept, common.min_success, there, again, error)
    except StoreError as error:
        if error.first and tell.begun:
            error.remedy = f"{error.first}; {again} carries on"
        raise
    finally:
        store.close()
    if not common.as_json:
        show_summaries(kept, there)
    check_success(kept, common.min_success, there, again)


async def conduct(
    suites: Mapping[str, Mapping[str, Json]], common: Common, preflight: bool, store: Store, tell: Telling
) -> None:
    """Choose the models, run the plan, close the servers whatever happens."""
    from tiltyard.cli.choosing import chosen_jobs
    from tiltyard.jobs.plan import Plan
    from tiltyard.run import execute
    from tiltyard.servers import Address
    from tiltyard.settings import load_settings

    tell.main = asyncio.current_task()
    flags = {"first_byte_timeout_s": common.first_byte_timeout, "gap_timeout_s": common.gap_timeout}
    known = load_settings(flags)
    like = Address(
        url="",
        context=common.context,
        slots=common.slots,
        loading_s=known.first_byte_timeout_s,
        say=lambda text: tell({"event": "say", "text": text}),
    )
    jobs, untold = await chosen_jobs(suites, common, like)
    plan = Plan(
        jobs=jobs,
        command=whole_command(sys.argv[1:], common, known),
        fresh=common.fresh,
        preflight=preflight,
        baseline_s=common.baseline,
        timeouts=Timeouts(
            connect_s=known.connect_timeout_s,
            first_byte_s=known.first_byte_timeout_s,
            gap_s=known.gap_timeout_s,
        ),
    )
    try:
        await execute(plan, store, tell)
        if untold is not None:
            raise untold
    finally:
        for server in {id(job.server): job.server for job in jobs}.values():
            await server.close()
