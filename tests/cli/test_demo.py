"""What a newcomer does first: the demo, twice, and the command whose output the README shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Finished

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]

Tiltyard = Callable[..., Finished]
README = Path(__file__).parents[2] / "README.md"
RUN = re.compile(r"(?<=run )[0-9a-f]{8}|(?<=show )[0-9a-f]{8}")
NUMBER = re.compile(r"[\d.,]+")


@pytest.fixture(scope="module")
def shown() -> tuple[str, list[str]]:
    """The README's command and the lines below it."""
    block = README.read_text(encoding="utf-8").split("```\n$ tiltyard ", 1)[1].split("\n```", 1)[0]
    command, *lines = block.splitlines()
    return command, lines


def shape(line: str) -> str:
    """A line without its numbers and names of runs, and with one blank for many."""
    return " ".join(NUMBER.sub("#", RUN.sub("#", line)).split())


def test_the_demo_and_then_the_command_of_the_readme(
    tiltyard: Tiltyard, tmp_path: Path, shown: tuple[str, list[str]]
) -> None:
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    first = tiltyard("demo", env=cache, timeout_s=280)
    assert first.code == 0, first.err
    for words in ("tilt-swift", "tilt-steady", "tilt-heavy", "The report: ", "tiltyard servers"):
        assert words in first.out
    assert (tmp_path / "demo" / "report.html").stat().st_size < 500_000
    again = tiltyard("demo", env=cache)
    assert again.code == 0, again.err
    assert again.out.count("measured before under the same settings") == 3

    command, lines = shown
    done = tiltyard(*command.split(), "--budget", "3", env=cache)
    assert done.code == 0, done.err
    printed = [shape(line) for line in done.out.splitlines()]
    labels = [shape(line).split("#")[0] for line in lines]
    assert [label for label in labels if not any(line.startswith(label) for line in printed)] == []
