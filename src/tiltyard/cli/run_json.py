"""`tiltyard run json`: the options of the structured-output suite.

What they mean is in `suites/structured/`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tiltyard.cli.conducting import run_suite
from tiltyard.cli.run_graded import check_opponent, graded_options, split_options
from tiltyard.errors import UsageError
from tiltyard.records import Json
from tiltyard.reports.words import clean

MODES = ("prompt", "json_object", "json_schema")  # as in suites/structured/, which help need not import

EPILOG = """\b
Examples:
  tiltyard run json --model qwen3:8b                     all shipped cases, three modes side by side
  tiltyard run json -m M --modes prompt                  without any help from the server
  tiltyard run json -m M --schema-dir ./schemas          your own schemas
  tiltyard run json -m M --level 1-3 --json              the easier ones, for programs"""


@click.command("json", epilog=EPILOG)
@click.option("--modes", metavar="A,B", help=f"Which of {', '.join(MODES)}; all unless set.")
@click.option(
    "--schema-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of your own: *.json, each a schema or a case.",
)
@click.option("--level", metavar="1-5", help="Only cases of this difficulty, such as 2 or 1-3.")
@click.option("--probe/--no-probe", default=None, help="Find out first whether the server keeps to schemas.")
@graded_options
def json_(modes: str | None, schema_dir: Path | None, **options: Any) -> None:
    """Does it give the JSON that was asked for, and is it right?"""
    common, settings = split_options(options)
    if modes is not None and len(chosen := chosen_modes(modes)) < len(MODES):
        settings["modes"] = chosen
    settings |= content(schema_dir, settings.get("level"))
    check_opponent("json", settings, common)
    run_suite("json", settings, common)


def chosen_modes(text: str) -> list[str]:
    """The modes in their usual order; raises UsageError for another one."""
    names = {name.strip() for name in text.split(",") if name.strip()}
    if not names or names - set(MODES):
        raise UsageError(f"--modes {text!r} names no mode", f"choose from: {', '.join(MODES)}")
    return [mode for mode in MODES if mode in names]


def content(folder: Path | None, level: str | None) -> dict[str, Json]:
    """What is asked, by place and by content. Raises UsageError for a set that does not hold."""
    from tiltyard.suites.structured.cases import read_cases, set_hash

    place = None if folder is None else str(folder.resolve())
    cases, left_out = read_cases(place, level)
    for broken in left_out:
        click.echo(f"left out: {clean(str(broken), 400)}", err=True)
        click.echo(f"  try: {clean(broken.remedy, 200)}", err=True)
    files = {} if place is None else {"schemas": place}
    return {"files": files, "items": set_hash(cases), "item_count": len(cases)}


def defaults() -> dict[str, Json]:
    """The settings of a run of the shipped cases without any options."""
    return content(None, None)
