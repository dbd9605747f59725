"""The command line: words in, one function per command, errors as one line with the remedy.

`COMMANDS` is the whole list. A command's module is imported when it is used (or asked for its own help),
so that `tiltyard --help` stays fast.
"""

from __future__ import annotations

import errno
import gc
import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import click

from tiltyard import __version__
from tiltyard.cli.signals import heard, interruptible
from tiltyard.errors import TiltyardError, UsageError

NOBODY_READS = 130
LINE = 60  # characters of a name in an error
OUTPUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EBADF)  # of a write


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
    "serve": Entry("tiltyard.cli.serve:serve", "Serve the newest figures at /metrics, for Prometheus."),
    "report": Entry("tiltyard.cli.report:report", "Write one self-contained HTML file."),
    "export": Entry("tiltyard.cli.transfer:export", "Write results as JSON, CSV, Markdown or JSONL."),
    "import": Entry("tiltyard.cli.transfer:import_", "Take in a bundle from another machine."),
    "results": Entry("tiltyard.cli.results_group:results", "Look after what is stored."),
    "rm": Entry("tiltyard.cli.results:rm", "Delete runs."),
    "doctor": Entry("tiltyard.cli.doctor:doctor", "Check every part of this set-up; say what to do."),
    "calibrate": Entry("tiltyard.cli.calibrate:calibrate", "Measure the instrument itself on this machine."),
    "verify": Entry("tiltyard.cli.verify:verify", "Prove the content of the quality suites."),
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
    """The command line: our errors become one line, a remedy and an exit code."""
    occupy_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names come from servers: no terminal can show them all
            stream.reconfigure(errors="replace")
    code = outcome()
    gc.freeze()  # what is left ends with the process: nobody need look through it for cycles first
    sys.exit(code)


def occupy_closed() -> None:
    """Standard streams that the caller closed: their numbers must not go to files of ours, and what is
    written to the output must fail as it does on a full disk.
    """
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    while (number := os.open(os.devnull, os.O_RDONLY)) <= 2:
        pass
    os.close(number)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8")  # noqa: SIM115


def outcome() -> int:
    """Run the command; the exit code."""
    try:
        with interruptible():
            check_arguments(sys.argv[1:])
            code = app.main(prog_name="tiltyard", standalone_mode=False)
            sys.stdout.flush()
        return code if isinstance(code, int) else 0  # what a command's `ctx.exit` asked for
    except TiltyardError as error:
        return refused(str(error), error.remedy, error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "tiltyard"
        return refused(error.format_message(), f"{path} --help", error.exit_code)
    except click.ClickException as error:
        return refused(error.format_message(), "tiltyard --help", error.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return interrupted()
    except (BrokenPipeError, SystemExit):  # the latter is how click and rich say it, and nothing else
        silence()
        return NOBODY_READS
    except Exception as error:
        if heard:  # some imports of Python's own turn an interruption into another error
            return interrupted()
        if isinstance(error, OSError) and error.filename is None and error.errno in OUTPUT_ERRORS:
            silence()
            return refused(f"cannot write the output: {error.strerror}", "look at where it is sent to", 1)
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            return refused(
                f"no file can have this name, which is too long: {shortened(error)}", "shorten it", 2
            )
        raise


def shortened(error: OSError) -> str:
    """The name that an error is about, in as many characters as a line has room for."""
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    return name if len(name) <= LINE else f"{name[: LINE - 1]}…"


def interrupted() -> int:
    """Say so; without an import, which may be what was interrupted."""
    say("interrupted", "")
    return 130


def refused(message: str, remedy: str, code: int) -> int:
    """Say what is wrong in one line, and in another what to do."""
    from tiltyard.settings import hide_keys

    say(hide_keys(message), hide_keys(remedy))
    return code


def say(message: str, remedy: str) -> None:
    """An error and its remedy, if there is one, behind what was written to the output."""
    for head, text in (("error", message), ("   try", remedy)):
        line = "".join(char if char.isprintable() else " " for char in text)
        if line:
            with suppress(OSError):  # nobody can be told
                click.echo(f"{head}: {line}", err=True)
    try:
        sys.stdout.flush()
    except OSError:
        silence()


def check_arguments(arguments: Sequence[str]) -> None:
    """Refuse bytes that are no text: they could be neither sent, stored nor shown."""
    for argument in arguments:
        if not argument.isascii() and any("\ud800" <= char <= "\udfff" for char in argument):
            shown = argument.encode("utf-8", "replace").decode()
            raise UsageError(f"{shown!r} is not UTF-8", "write it in UTF-8; a file can be renamed")


def silence() -> None:
    """Keep the interpreter from writing what is left to an output that takes no more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
