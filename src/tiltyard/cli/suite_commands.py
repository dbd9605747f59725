"""`tiltyard run NAME` for every suite: its own command where it has one, else one that all have in common.

Own commands are named in `OWN`, those of third parties by the entry-point group `tiltyard.commands`. Beside
its command a module may have `defaults`: the settings of a run without any options.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

import click

from tiltyard.cli.conducting import run_suite
from tiltyard.cli.options import common_options
from tiltyard.cli.run_graded import check_opponent, graded_options, split_options
from tiltyard.records import Json, content_hash
from tiltyard.suites import Asked, Suite, load_offered, load_suite, named, offered, package_of

GROUP = "tiltyard.commands"
OWN: Mapping[str, str] = {
    "speed": "tiltyard.cli.run_speed:speed",
    "mcq": "tiltyard.cli.run_mcq:mcq",
    "json": "tiltyard.cli.run_json:json_",
    "tools": "tiltyard.cli.run_tools:tools",
}


def command_of(suite: str) -> click.Command:
    """The command of a suite that there is. Raises UsageError where a third party's cannot be loaded."""
    if suite in OWN:
        found: click.Command = named(OWN[suite])
        return found
    entry = offered(GROUP).get(suite)
    return plain_command(suite) if entry is None else load_offered(entry, "command")


def defaults_of(suite: str) -> dict[str, Json]:
    """A suite's settings without any options."""
    target = OWN.get(suite)
    if target is None and (entry := offered(GROUP).get(suite)) is not None:
        target = entry.value
    if target is None:
        return content(load_suite(suite))
    module: Any = importlib.import_module(target.partition(":")[0])
    return dict(module.defaults()) if hasattr(module, "defaults") else {}


def content(suite: Suite) -> dict[str, Json]:
    """What a graded suite asks, as its settings: other items make another run, and another table."""
    if not isinstance(suite, Asked):
        return {}
    stage, items = suite.asked({})
    keys = [[item.id, item.content_hash] for item in items]
    return {"items": content_hash([stage, keys]), "item_count": len(keys)}


def is_graded(command: click.Command) -> bool:
    """Has it the options of all graded suites?"""
    return any(param.name == "stop_when" for param in command.params)


def short_help(suite: str, limit: int) -> str:
    """A line about a suite. A third party's is not imported for it."""
    entry = offered().get(suite)
    return f"From the package {package_of(entry)}." if entry else command_of(suite).get_short_help_str(limit)


def plain_command(suite: str) -> click.Command:
    """A command with the options that every suite has, or every graded suite; raises UsageError."""
    made = load_suite(suite)
    module = importlib.import_module(type(made).__module__)
    words = inspect.cleandoc(type(made).__doc__ or module.__doc__ or f"Run the suite {suite}.")

    @click.command(suite, help=words, epilog=f"Example:  tiltyard run {suite} --model qwen3:8b")
    @(graded_options if isinstance(made, Asked) else common_options)
    def command(**options: Any) -> None:
        common, settings = split_options(options)
        settings = {**content(made), **settings}
        check_opponent(suite, settings, common)
        run_suite(suite, settings, common)

    return command
