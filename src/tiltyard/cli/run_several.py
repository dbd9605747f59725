"""`tiltyard run speed,json,tools --models a,b,c`: several suites in one command, models outermost.

Options that all graded suites share go to those; everything else is as usual, and whoever wants it otherwise
runs that suite by itself. What was measured before under the same settings is not measured again.
"""

from __future__ import annotations

from typing import Any

import click

from tiltyard.cli.conducting import run_suites
from tiltyard.cli.options import common_options
from tiltyard.cli.run_graded import check_opponent, graded_options, split_options
from tiltyard.cli.suite_commands import command_of, defaults_of, is_graded
from tiltyard.errors import UsageError
from tiltyard.records import Json
from tiltyard.suites import SUITES, known_suites


def several(text: str) -> click.Command:
    """The command for suites separated by commas; raises UsageError for a name that is none."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in SUITES and name not in known_suites()]
    if unknown or not names:
        raise UsageError(
            f"there is no suite called {', '.join(unknown) or repr(text)}",
            "choose from: " + ", ".join(known_suites()),
        )

    graded = [name for name in names if is_graded(command_of(name))]
    words = f"Run {', '.join(names)}, each with its usual settings, model after model."
    if graded and len(graded) < len(names):
        words += f" Options about answers are for {' and '.join(graded)}."

    @click.command(text, help=words)
    @click.argument("files", nargs=-1, metavar="")
    @(graded_options if graded else common_options)
    def command(files: tuple[str, ...], **options: Any) -> None:
        if files:
            raise UsageError(
                "several suites in one command take no files: each asks its own items",
                f"run that suite by itself: tiltyard run {graded[0] if graded else names[0]} --help",
            )
        common, asking = split_options(options)
        context: dict[str, Json] = {} if common.context is None else {"context": common.context}
        more = {name: asking if name in graded else context for name in names}
        suites = {name: {**defaults_of(name), **more[name]} for name in names}
        for name in graded:
            check_opponent(name, suites[name], common)
        run_suites(suites, common)

    return command
