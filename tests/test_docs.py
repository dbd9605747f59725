"""The documentation is complete and true: all a user can say is explained, every link and example holds.

The words are taken from the code itself (click's commands, the records, the dictionaries of dialects, faults
and settings), so that what is added later must be explained too.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from tiltyard.cli import COMMANDS, app
from tiltyard.records import Figure, Measures
from tiltyard.servers import DIALECTS
from tiltyard.suites import SUITES

ROOT = Path(__file__).resolve().parent.parent
# Keys of the summary object that `run ... --json` ends with; programs rely on them.
SUMMARY_KEYS = [
    *["schema", "suite", "model", "server", "run_id", "requests", "endings", "tokens", "output_tps"],
    *["request_rate", "ttft_ms", "ttfo_ms", "itl_ms", "chunk_gap_ms", "e2e_ms", "queue_ms"],
    *["decode_tps", "prefill_tps", "client", "machine"],
]
CLIENT_KEYS = ["cpu_s", "cpu_us_per_chunk", "loop_lag_ms_p99", "bottleneck"]
UNFINISHED = ("TO" + "DO", "FIX" + "ME")


@cache
def pages() -> dict[str, str]:
    files = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
    return {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in files}


def everything() -> str:
    return "\n".join(pages().values())


def page(name: str) -> str:
    assert name in pages(), f"{name} is missing"
    return pages()[name]


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name, groups and their members alike."""

    def inside(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        yield name, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for child in command.list_commands(context):
                member = command.get_command(context, child)
                assert member is not None, f"{name} {child}"
                yield from inside(f"{name} {child}", member)

    for name in COMMANDS:
        command = app.get_command(click.Context(app), name)
        assert command is not None
        yield from inside(name, command)


def long_options(command: click.Command) -> set[str]:
    """Its options as a user types them; `--help` is known to everybody."""
    names: set[str] = set()
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            names |= {o for o in [*parameter.opts, *parameter.secondary_opts] if o.startswith("--")}
    return names


def complain(faults: list[str]) -> None:
    if faults:
        pytest.fail("\n".join(["", *faults]), pytrace=False)


def words_missing(words: Iterator[str] | list[str] | set[str], text: str) -> list[str]:
    return [w for w in words if not re.search(rf"(?<![\w-]){re.escape(w)}(?![\w-])", text)]


def test_every_command_is_documented() -> None:
    text = everything()
    complain([f"`tiltyard {name}` is in no page" for name, _ in commands() if f"tiltyard {name}" not in text])


@pytest.mark.slow
def test_every_option_is_documented() -> None:
    text = everything()
    complain(
        [
            f"tiltyard {name} {option}: in no page"
            for name, command in commands()
            for option in words_missing(sorted(long_options(command)), text)
        ]
    )


def test_every_command_has_help_with_an_example() -> None:
    faults = []
    for name, command in commands():
        if isinstance(command, click.Group):
            continue
        words = f"{command.help or ''}\n{command.epilog or ''}"
        if f"tiltyard {name}" not in words:
            faults.append(f"tiltyard {name} --help shows no example")
    complain(faults)


def test_every_metric_is_explained() -> None:
    metrics = page("docs/metrics.md")
    words = [*Measures.__struct_fields__, *Figure.__struct_fields__, *SUMMARY_KEYS, *CLIENT_KEYS]
    complain([f"docs/metrics.md does not explain {word}" for word in words_missing(words, metrics)])


def test_every_dialect_and_suite_is_documented() -> None:
    text = everything()
    complain([f"{word}: in no page" for word in words_missing([*DIALECTS, *SUITES], text)])


@pytest.mark.slow
def test_every_simulator_fault_is_documented() -> None:
    from tiltyard.servers.simulator.faults import FAULTS

    text = everything()
    complain([f"simulator fault {word}: in no page" for word in words_missing(list(FAULTS), text)])


def test_every_setting_is_documented() -> None:
    from tiltyard.settings import SETTABLE

    complain([f"setting {word}: in no page" for word in words_missing(SETTABLE, everything())])


def headings(text: str) -> set[str]:
    """Anchors as GitHub makes them."""
    found = re.findall(r"^#+\s+(.*?)\s*$", re.sub(r"```.*?```", "", text, flags=re.S), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in found}


def test_relative_links_lead_somewhere() -> None:
    faults = []
    for name, text in pages().items():
        prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r'src="([^"]+)"', prose):
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (ROOT / name).parent / path if path else ROOT / name
            if not file.exists():
                faults.append(f"{name}: {target} leads nowhere")
            elif anchor and file.suffix == ".md" and anchor not in headings(file.read_text(encoding="utf-8")):
                faults.append(f"{name}: {target} names no heading")
    complain(faults)


def examples() -> Iterator[tuple[str, str]]:
    """(page, command line) of each `$ tiltyard ...` in a code block, continued lines joined."""
    for name, text in pages().items():
        for block in re.findall(r"```[^\n]*\n(.*?)```", text, flags=re.S):
            joined = re.sub(r"\\\n\s*", " ", block)
            for line in joined.splitlines():
                match = re.match(r"\s*\$ (?:\w+=\S+ )*(?:uv run |uvx )?(tiltyard\b.*)$", line)
                if match:
                    yield name, match.group(1)


def fault_in(line: str) -> str | None:
    """What is wrong with a command line: an unknown command or option."""
    words = shlex.split(re.split(r"\s[|>&]+\s*|\s#\s", line)[0])[1:]
    command: click.Command = app
    known = {"--version", "--help"}
    for word in words:
        if word.startswith("--"):
            if word.partition("=")[0] not in known | {"--help"}:
                return f"unknown option {word}"
        elif isinstance(command, click.Group) and not word.startswith("-"):
            member = command.get_command(click.Context(command), word)
            if member is None:
                return f"unknown command {word}"
            command, known = member, long_options(member)
    return None


def test_examples_use_commands_and_options_that_exist() -> None:
    complain([f"{name}: `{line}`: {fault}" for name, line in examples() if (fault := fault_in(line))])


def test_readme_gets_to_the_point() -> None:
    start = "\n".join(page("README.md").splitlines()[:40])
    assert "![" in start or "<img" in start, "a picture in the first 40 lines"
    assert "$ tiltyard" in start or "$ make demo" in start, "a command with its output in the first 40 lines"


@pytest.mark.slow
def test_nothing_is_left_for_later() -> None:
    faults = []
    folders = ("src", "docs", "benchmarks", "tests")
    files = [f for d in folders for f in (ROOT / d).rglob("*") if f.suffix in {".py", ".md", ".c", ".toml"}]
    for file in [*files, *ROOT.glob("*.md")]:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            faults += [
                f"{file.relative_to(ROOT)}:{number}: {w}" for w in UNFINISHED if re.search(rf"\b{w}\b", line)
            ]
    complain(faults)
