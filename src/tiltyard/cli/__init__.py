"""The command line: words in, one function per command, errors as one line with the remedy.

`COMMANDS` is the whole list. A command's module is imported when it is used (or asked for its own help),
so that `tiltyard --help` stays fast.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import NamedTuple

import click

from tiltyard import __version__
from tiltyard.errors import TiltyardError


class Entry(NamedTuple):
    target: str  # "module:function"
    help: str


COMMANDS: Mapping[str, Entry] = {
    "run": Entry("tiltyard.cli.run:run", "Measure: `tiltyard run speed --model NAME`."),
    "servers": Entry("tiltyard.cli.servers:servers", "Find the model servers on this machine."),
    "models": Entry("tiltyard.cli.servers:models", "Show every model with its identity."),
    "board": Entry("tiltyard.cli.results:board", "The leaderboard over everything stored."),
    "runs": Entry("tiltyard.cli.results:runs", "List runs, newest first."),
    "show": Entry("tiltyard.cli.results:show", "One run, one attempt, or one exchange's timeline."),
    "compare": Entry("tiltyard.cli.compare:compare", "Is B really faster than A?"),
    "report": Entry("tiltyard.cli.report:report", "Write one self-contained HTML file."),
    "export": Entry("tiltyard.cli.transfer:export", "Write results as JSON, CSV, Markdown or JSONL."),
    "import": Entry("tiltyard.cli.transfer:import_", "Take in a bundle from another machine."),
    "rm": Entry("tiltyard.cli.results:rm", "Delete runs."),
    "doctor": Entry("tiltyard.cli.doctor:doctor", "Check every part of this set-up; say what to do."),
    "calibrate": Entry("tiltyard.cli.calibrate:calibrate", "Measure the instrument itself on this machine."),
    "demo": Entry("tiltyard.cli.demo:demo", "See it work on tiny models, without any server."),
    "simulate": Entry("tiltyard.cli.simulate:simulate", "Serve made-up models whose true speed is known."),
    "make-model": Entry("tiltyard.cli.make_model:make_model", "Write a tiny GGUF of known ability."),
    "config": Entry("tiltyard.cli.config:config", "Show each setting and where its value comes from."),
}


class LazyGroup(click.Group):
    """A group that imports a command only when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, name = entry.target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


EPILOG = """\b
Examples:
  tiltyard servers                                what runs here
  tiltyard run speed --model qwen3:8b             how fast is it, in about a minute
  tiltyard run speed --model ./qwen3-8b-q4.gguf   the same without any server
  tiltyard board                                  which is best"""


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tiltyard")
def app() -> None:
    """Which of my models, on my machine, is best for my work, how fast, and how sure can I be?"""


def main() -> None:
    """The console entry point: our errors become one line, a remedy and an exit code."""
    try:
        code = app.main(standalone_mode=False)
    except TiltyardError as error:
        click.echo(f"error: {error}", err=True)
        if error.remedy:
            click.echo(f"   try: {error.remedy}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    if isinstance(code, int) and code:  # what a command's `ctx.exit` asked for
        sys.exit(code)
