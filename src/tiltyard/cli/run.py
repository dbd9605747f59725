"""`tiltyard run SUITE`: the group of all suites' commands.

What a suite's command does is in `conducting.py`; where it is found, in `suite_commands.py`.
"""

from __future__ import annotations

import click

from tiltyard.cli.run_several import several
from tiltyard.cli.suite_commands import command_of, short_help
from tiltyard.errors import UsageError
from tiltyard.suites import SUITES, known_suites


class SuiteGroup(click.Group):
    """Suites as subcommands, imported when they are used."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The suite's name comes first: whoever left it out is told where it stands."""
        known = self.list_commands(ctx)
        try:
            return super().parse_args(ctx, list(args))
        except click.NoSuchOption as error:
            suite = next((each for each in args if each in known), known[0])
            raise UsageError(
                f"the name of a suite comes before {error.option_name}",
                f"tiltyard run {suite} {error.option_name} ...; suites: {', '.join(known)}",
            ) from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return known_suites()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if "," in cmd_name:
            return several(cmd_name)
        known = cmd_name in SUITES or cmd_name in self.list_commands(ctx)
        return command_of(cmd_name) if known else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
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
