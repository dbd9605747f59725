"""`tiltyard run SUITE`: words become a plan, a plan becomes runs, and the ending becomes an exit code.

What every suite shares is here: choosing models and servers, the progress display, interruption, the closing
summary. Each suite's own options are in a file of its own, named in `suite_commands.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import shlex
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from tiltyard.cli.data_dir import DATA_DIR, in_words, open_store
from tiltyard.errors import Interrupted, RunFailed, ServerError
from tiltyard.records import Json, Record

T = TypeVar("T")
# Both look at a command's words, joined by zeros: the login in an address, and its query.
LOGIN = re.compile(r"(\0--(?:server|base-url)[=\0](?:[a-zA-Z]+://)?|://)[^/\0]*@")
QUERY = re.compile(r"(\0--(?:server|base-url)[=\0][^?#\0]*)[?#][^\0]*")
REFUSED = ("HTTP 401", "HTTP 403")


class Number(click.FloatRange):
    """A number within a range. NaN is within none, and nothing here may be infinite."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


MOST_FILES = 65_536  # open at once
ABOVE_ZERO = Number(min=0, min_open=True)
Command = TypeVar("Command", bound=Callable[..., Any])
Listener = Callable[[Mapping[str, Json]], None]


class Common(Record, frozen=True):
    """The options that every suite's command takes."""

    model: tuple[str, ...] = ()
    models: str | None = None
    all_models: bool = False
    server: str | None = None
    dialect: str | None = None
    api_key_env: str | None = None
    context: int | None = None
    slots: int | None = None
    fresh: bool = False
    as_json: bool = False
    min_success: float = 1.0
    baseline: float = 0.0
    first_byte_timeout: float | None = None
    gap_timeout: float | None = None
    data_dir: Path | None = None
    metrics_port: int | None = None
    metrics_host: str | None = None


OPTIONS = (
    click.option(
        "--model", "-m", multiple=True, help="Model name, or the path of a GGUF file. May be repeated."
    ),
    click.option("--models", metavar="A,B,C", help="Several models, separated by commas."),
    click.option("--all", "all_models", is_flag=True, help="Every model of every server found."),
    click.option("--server", metavar="URL", help="Where the server is; found by itself when left out."),
    click.option("--dialect", help="What it speaks; found out when left out."),
    click.option(
        "--api-key-env", metavar="NAME", help="Environment variable that holds the server's API key."
    ),
    click.option("--context", type=click.IntRange(1), help="Context to load the model with, in tokens."),
    click.option("--slots", type=click.IntRange(1), help="Parallel requests of an engine that we start."),
    click.option(
        "--fresh/--skip-cached",
        default=False,
        help="Measure again what is already in the store, or not (as usual).",
    ),
    click.option("--json", "as_json", is_flag=True, help="JSON lines on standard output, for programs."),
    click.option(
        "--min-success",
        type=Number(0, 1),
        default=1.0,
        show_default=True,
        help="Share of requests that must succeed for exit code 0.",
    ),
    click.option(
        "--baseline",
        type=Number(min=0),
        default=0.0,
        metavar="SECONDS",
        help="Idle time to measure power in first.",
    ),
    click.option(
        "--first-byte-timeout",
        type=ABOVE_ZERO,
        metavar="SECONDS",
        help="Wait for a first byte; 600 unless set.",
    ),
    click.option(
        "--gap-timeout",
        type=ABOVE_ZERO,
        metavar="SECONDS",
        help="Longest silence in an answer; 60 unless set.",
    ),
    DATA_DIR,
    click.option(
        "--metrics-port",
        type=click.IntRange(0, 65535),
        help="Serve /metrics there during the run, and after it until Ctrl+C.",
    ),
    click.option("--metrics-host", help="Address that /metrics listens on; 127.0.0.1 unless set."),
)


def common_options(command: Command) -> Command:
    """Add the options that every suite shares."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


class SuiteGroup(click.Group):
    """Suites as subcommands, imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from tiltyard.suites import known_suites

        return known_suites()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if "," in cmd_name:
            from tiltyard.cli.run_several import several

            return several(cmd_name)
        from tiltyard.cli.suite_commands import command_of

        return command_of(cmd_name) if cmd_name in self.list_commands(ctx) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from tiltyard.cli.suite_commands import short_help

        names = self.list_commands(ctx)
        limit = formatter.width - 6 - max(map(len, names))
        with formatter.section("Commands"):
            formatter.write_dl([(name, short_help(name, limit)) for name in names])


EPILOG = """\b
Examples:
  tiltyard run speed --model qwen3:8b
  tiltyard run speed,json,tools --models a,b,c       several suites, one model after the other"""


@click.group(cls=SuiteGroup, epilog=EPILOG)
def run() -> None:
    """Put models through a suite. Stop at any time; the same command carries on."""


class Telling:
    """Passes events on and keeps the summaries. An output that takes no more ends the run as Ctrl+C does."""

    def __init__(self, listener: Listener, also: Sequence[Listener] = ()) -> None:
        self.listener, self.also = listener, also
        self.summaries: list[Mapping[str, Json]] = []
        self.main: asyncio.Task[Any] | None = None
        self.error: OSError | None = None

    def __call__(self, event: Mapping[str, Json]) -> None:
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


def run_suite(
    suite: str,
    settings: Mapping[str, Json],
    common: Common,
    preflight: bool = True,
    also: Sequence[Listener] = (),
) -> None:
    """Run one suite; prints, and raises what decides the exit code. No listener of `also` may raise."""
    run_suites({suite: settings}, common, preflight, also)


def run_suites(
    suites: Mapping[str, Mapping[str, Json]],
    common: Common,
    preflight: bool = True,
    also: Sequence[Listener] = (),
) -> None:
    """Run several suites, by name with their settings, over the chosen models: models outermost."""
    with serving(common) as heard:
        run_jobs(suites, common, preflight, (*also, *heard))


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
    """The runs themselves, without anything that outlives them."""
    from tiltyard.cli.progress import listening

    store = open_store(common.data_dir)
    there = in_words(common.data_dir)
    try:
        with listening(common.as_json) as listener:
            tell = Telling(listener, also)
            kept = tell.summaries
            loop_run(conduct(suites, common, (store, tell), preflight))
    except (KeyboardInterrupt, asyncio.CancelledError):
        why = f"the output takes no more ({tell.error.strerror})" if tell.error else "interrupted"
        again = "the same command without --fresh" if common.fresh else "the same command"
        raise Interrupted(f"{why}; everything that was answered is kept", f"{again} carries on") from None
    except ServerError:  # the first one; those of later models are told here
        if not common.as_json:
            show_summaries([summary for summary in kept if "error" not in summary], there)
            for summary in [summary for summary in kept if "error" in summary][1:]:
                click.echo(f"  failed too: {summary['error']}", err=True)
        raise
    finally:
        store.close()
    if not common.as_json:
        show_summaries(kept, there)
    check_success(kept, common.min_success, there)


async def conduct(
    suites: Mapping[str, Mapping[str, Json]], common: Common, ends: tuple[Any, Telling], preflight: bool
) -> None:
    """Choose the models, run the plan, close the servers whatever happens."""
    from tiltyard.cli.choosing import chosen_jobs
    from tiltyard.records import Timeouts
    from tiltyard.run import Plan, execute
    from tiltyard.servers import Address
    from tiltyard.settings import load_settings

    store, tell = ends
    tell.main = asyncio.current_task()
    assert tell.main is not None
    with contextlib.suppress(NotImplementedError, AttributeError):  # Windows has no such signal
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, tell.main.cancel)
    flags = {"first_byte_timeout_s": common.first_byte_timeout, "gap_timeout_s": common.gap_timeout}
    known = load_settings(flags)
    like = Address(
        url="",
        context=common.context,
        slots=common.slots,
        loading_s=known.first_byte_timeout_s,
        say=lambda text: tell({"event": "say", "text": text}),
    )
    jobs = await chosen_jobs(suites, common, like)
    plan = Plan(
        jobs=jobs,
        command=kept_command(sys.argv[1:]),
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
    finally:
        for server in {id(job.server): job.server for job in jobs}.values():
            await server.close()


def kept_command(words: Sequence[str]) -> str:
    """What was typed, as it is stored: an address has no user, password or query in it."""
    text = "\0".join(["tiltyard", *words])
    return shlex.join(LOGIN.sub(r"\1", QUERY.sub(r"\1", text)).split("\0"))


def allow_open_files() -> None:
    """As many as the system lets us have: each stream is one. POSIX only; Windows has no such limit."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS has a lower limit that it does not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def loop_run(main: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where there is one; Ctrl+C cancels the main task, which tidies up first."""

    async def heeding() -> T:
        """A Ctrl+C that came while something was tidied up, and was swallowed there, still counts."""
        found = await main
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError
        return found

    heeded = heeding()
    try:
        factory: Callable[[], asyncio.AbstractEventLoop] | None = None
        if sys.platform != "win32":
            import uvloop

            allow_open_files()
            factory = uvloop.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(heeded)
    finally:  # a Ctrl+C may come before either has begun; Python complains of what is never begun
        heeded.close()
        main.close()


def show_summaries(summaries: Sequence[Mapping[str, Json]], there: str) -> None:
    """The closing words for a person."""
    from rich.console import Console

    from tiltyard.reports.terminal import render_summary

    console = Console()
    for summary in summaries:
        render_summary(summary, console, there)
        if summary.get("cached"):
            console.print("measured before under the same settings; --fresh measures again", style="dim")


def graded_requests(summary: Mapping[str, Json]) -> Mapping[str, Json]:
    """The same with requests counted as a graded suite sees them: only errors are failures."""
    total, failed = summary["n"], summary["outcomes"]["error"]
    return {**summary, "requests": {"total": total, "ok": total - failed}, "endings": {"error": failed}}


def check_success(summaries: Sequence[Mapping[str, Json]], min_success: float, there: str) -> None:
    """Raise RunFailed unless enough requests of every run succeeded, and something could be scored."""
    from tiltyard.servers.replies import KEY_REMEDY

    for summary in summaries:
        if "outcomes" in summary and summary["score"] is None:
            counts = [f"{count} {name}" for name, count in summary["outcomes"].items() if count]
            reason = next(iter(summary.get("errors") or ()), None)
            raise RunFailed(
                f"{summary['model']}: nothing could be scored ({', '.join(counts) or 'nothing was asked'})"
                + (f": {reason}" if reason else ""),
                f"`tiltyard show {summary['run_id']}{there}` has each reason",
            )
        if "outcomes" in summary:
            summary = graded_requests(summary)  # noqa: PLW2901 - what a server refuses is a finding there
        requests = summary["requests"]
        total, ok = requests["total"], requests["ok"]
        if total == 0 or ok / total < min_success:
            endings = [f"{count} {name}" for name, count in summary["endings"].items() if name != "ok"]
            reason = next(iter(summary.get("errors") or ()), None)
            each = f"`tiltyard show {summary['run_id']}{there}` has each reason; --min-success sets the share"
            raise RunFailed(
                f"{summary['model']}: only {ok} of {total} requests succeeded "
                f"({', '.join(endings) or 'none was sent'})" + (f": {reason}" if reason else ""),
                KEY_REMEDY if (reason or "").startswith(REFUSED) else each,
            )
        if summary.get("gave_up"):
            raise RunFailed(
                f"{summary['model']}: a part was given up, since nothing but failures came back",
                f"`tiltyard show {summary['run_id']}{there}` has each reason; the same command asks again",
            )
