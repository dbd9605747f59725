"""The options that every suite's command has, and what they come to.

Those of all graded suites are in `run_graded.py`, a suite's own beside its command.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

import click

from tiltyard.cli.data_dir import DATA_DIR
from tiltyard.errors import UsageError
from tiltyard.records import Record

Command = TypeVar("Command", bound=Callable[..., Any])


class Number(click.FloatRange):
    """A number within a range. NaN is within none, and nothing here may be infinite."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


class Filled(click.types.StringParamType):
    """A text that is not empty: one that a script left empty was meant to say something."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = super().convert(value, param, ctx)
        if not text.strip():
            self.fail("it is empty; leave the option out, or give it a value", param, ctx)
        return text


ABOVE_ZERO = Number(min=0, min_open=True)


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
    environment: tuple[str, ...] = ()  # no option: the words that would say what the environment decided

    @classmethod
    def taken_from(cls, options: dict[str, Any]) -> Self:
        """Those of a command's options that are here; the others are left in `options`. Raises UsageError."""
        found = cls(**{name: options.pop(name) for name in cls.__struct_fields__ if name in options})
        if found.all_models and (found.model or found.models):
            raise UsageError("either --all or --model, not both", "leave one of them out")
        return found


OPTIONS = (
    click.option(
        "--model",
        "-m",
        type=Filled(),
        multiple=True,
        help="Model name, or the path of a GGUF file. May be repeated.",
    ),
    click.option("--models", type=Filled(), metavar="A,B,C", help="Several models, separated by commas."),
    click.option("--all", "all_models", is_flag=True, help="Every model of every server found."),
    click.option("--server", metavar="URL", help="Where the server is; found by itself when left out."),
    click.option("--dialect", type=Filled(), help="What it speaks; found out when left out."),
    click.option(
        "--api-key-env",
        type=Filled(),
        metavar="NAME",
        help="Environment variable that holds the server's API key.",
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
    click.option(
        "--metrics-host",
        type=Filled(),
        help="Address that /metrics listens on; 127.0.0.1 unless set.",
    ),
)


def common_options(command: Command) -> Command:
    """Add the options that every suite shares."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command
