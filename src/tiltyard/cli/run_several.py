"""`tiltyard run speed,json,tools --models a,b,c`: several suites in one command, models outermost.

Each suite runs with its usual settings; whoever wants others runs it by itself. What was measured before
under the same settings is not measured again.
"""

from __future__ import annotations

import importlib
from typing import Any

import click

from tiltyard.cli.run import SUITE_COMMANDS, Common, common_options, run_suites
from tiltyard.errors import UsageError
from tiltyard.records import Json


def several(text: str) -> click.Command:
    """The command for suites separated by commas; raises UsageError for a name that is none."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in SUITE_COMMANDS]
    if unknown or not names:
        raise UsageError(
            f"there is no suite called {', '.join(unknown) or repr(text)}",
            "choose from: " + ", ".join(SUITE_COMMANDS),
        )

    @click.command(text, help=f"Run {', '.join(names)}, each with its usual settings, model after model.")
    @common_options
    def command(**options: Any) -> None:
        common = Common(**options)
        more: dict[str, Json] = {} if common.context is None else {"context": common.context}
        run_suites({name: {**defaults_of(name), **more} for name in names}, common)

    return command


def defaults_of(name: str) -> dict[str, Json]:
    """A suite's settings without any options."""
    module = importlib.import_module(SUITE_COMMANDS[name].partition(":")[0])
    settings: dict[str, Json] = module.defaults()
    return settings
