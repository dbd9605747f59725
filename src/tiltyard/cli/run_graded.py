"""The options that all graded suites share, and what becomes of them.

A suite's own options are in its own file; what the settings mean is in `suites/graded.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from tiltyard.cli.data_dir import in_words, open_store
from tiltyard.cli.options import ABOVE_ZERO, Common, Filled, Number, common_options
from tiltyard.errors import UsageError
from tiltyard.records import Json

Command = TypeVar("Command", bound=Callable[..., Any])

OPTIONS = (
    click.option(
        "--concurrency", type=click.IntRange(1), help="Questions at once; the server's slots unless set."
    ),
    click.option("--temperature", type=Number(min=0), help="Sampling temperature; 0 unless set."),
    click.option("--top-p", type=Number(0, 1), help="Nucleus sampling."),
    click.option("--seed", type=int, help="Seed of sampling, of orders and of draws; 0 unless set."),
    click.option("--max-tokens", type=click.IntRange(1), help="Limit of an answer, thinking included; 2048."),
    click.option("--think/--no-think", default=None, help="Let a thinking model think, or tell it not to."),
    click.option(
        "--repeats",
        type=click.IntRange(1),
        help="Ask every item so many times; at temperature 0 that measures the noise.",
    ),
    click.option("--limit", type=click.IntRange(1), help="Only so many items, drawn by the seed."),
    click.option(
        "--stop-when",
        type=Filled(),
        metavar="RULE",
        help="End early: `decided`, or `width=0.02` for an interval that narrow.",
    ),
    click.option(
        "--against",
        type=Filled(),
        metavar="RUN",
        help="The run that `decided` is about; the best other model's over the same items unless set.",
    ),
    click.option(
        "--retries", type=click.IntRange(0), help="Further tries where a request fails on its way; 2."
    ),
    click.option(
        "--retry-delay", "retry_delay_s", type=ABOVE_ZERO, help="Seconds before the first retry; 2."
    ),
)


def graded_options(command: Command) -> Command:
    """Add the options that every graded suite has, and those that every suite has."""
    for option in reversed(OPTIONS):
        command = option(command)
    return common_options(command)


def split_options(options: dict[str, Any]) -> tuple[Common, dict[str, Json]]:
    """What concerns every suite, and the settings of this one: those that were given.

    Raises UsageError for a stop rule that is none and for too many streams, before anything is asked.
    """
    from tiltyard.suites.graded import Asking, read_asking

    common = Common.taken_from(options)
    settings = {name: value for name, value in options.items() if value is not None}
    if common.context is not None:
        settings["context"] = common.context
    early = ("stop_when", "against", "concurrency")
    read_asking({name: settings[name] for name in early if name in settings}, Asking)
    return common, settings


def check_opponent(suite: str, settings: Mapping[str, Json], common: Common) -> None:
    """Tell how many of the run's items the one that `--against` names has scores of, unless of all.

    A suite that cannot tell its items beforehand is left alone.
    Raises UsageError where they are too few to decide anything, before a server is looked for.
    """
    if not settings.get("against"):
        return
    from tiltyard.suites.opposing import in_common

    with open_store(common.data_dir) as store:
        run = store.run(str(settings["against"]))
        scores = store.scores(run.id)
    if scores is None:
        raise UsageError(f"run {run.id} has no scores to compare with", "name a finished graded run")
    found = in_common(suite, settings, scores)
    if found is None:
        return
    said = f"run {run.id} scored {found.shared or 'none'} of this run's {found.asked} items"
    if not found.enough:
        why = "too few to ever decide anything" if found.shared else "nothing could ever be decided"
        there = in_words(common.data_dir)
        raise UsageError(
            f"{said}: {why}", f"name a run that asked the same items: tiltyard runs --suite {suite}{there}"
        )
    if found.shared < found.asked:
        click.echo(f"{said}: only those can decide", err=True)
