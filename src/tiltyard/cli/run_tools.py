"""`tiltyard run tools`: the options of the tool-calling suite.

What they mean together is in `suites/tools/`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tiltyard.cli.conducting import run_suite
from tiltyard.cli.options import Filled
from tiltyard.cli.run_graded import check_opponent, graded_options, split_options
from tiltyard.records import Json
from tiltyard.reports.words import clean

EPILOG = """\b
Examples:
  tiltyard run tools --model qwen3:8b                    the shipped cases
  tiltyard run tools --model gemma3n --text-tools        a model without an interface for tools
  tiltyard run tools -m qwen3:8b --bfcl ./bfcl_eval/data --categories simple_python,parallel"""


@click.command(epilog=EPILOG)
@click.option(
    "--text-tools",
    is_flag=True,
    default=None,
    help="Describe the tools in the prompt and read the calls out of the text.",
)
@click.option(
    "--bfcl",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Ask the questions of the Berkeley Function Calling Leaderboard from this folder.",
)
@click.option(
    "--categories",
    type=Filled(),
    metavar="A,B,C",
    help="Only these groups of cases, or categories of --bfcl.",
)
@graded_options
def tools(**options: Any) -> None:
    """Does each model call the right tools, with the right arguments, and only when it should?"""
    from tiltyard.suites.tools.asked import asked_settings

    bfcl = options.pop("bfcl")
    names = (name.strip() for name in (options.pop("categories") or "").split(","))
    common, settings = split_options(options)
    items, folder = asked_settings(bfcl, tuple(name for name in names if name))
    if folder is not None and folder.skipped:
        names_of = ", ".join(folder.skipped)
        click.echo(
            f"not asked, since they are not single questions in Python: {clean(names_of, 400)}", err=True
        )
    for broken in folder.broken if folder is not None else ():
        click.echo(f"left out: {clean(broken, 400)}", err=True)
    settings = {**items, **settings}
    check_opponent("tools", settings, common)
    run_suite("tools", settings, common)


def defaults() -> dict[str, Json]:
    """The settings of a run without options: the shipped cases."""
    from tiltyard.suites.tools.asked import asked_settings

    return asked_settings(None, ())[0]
