"""docs/for-programs.md says which fields stand in whose summary: held against real runs of every suite."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Finished
from tiltyard.servers.simulator import SimConfig, running

pytestmark = pytest.mark.slow

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = {  # of what a suite has besides
    "speed": ("metrics.md",),
    "mcq": ("mcq.md",),
    "json": ("json.md",),
    "tools": ("tools.md",),
}
NOT_ALWAYS = {"cached", "error", "waits_from"}  # the page says when


def rows() -> Iterator[tuple[str, set[str]]]:
    """S, G or nothing, and the fields, of each row of the table."""
    page = (DOCS / "for-programs.md").read_text(encoding="utf-8")
    table = page.partition("\n## The summary\n")[2].partition("\nA **figure** is")[0]
    for names, meaning in re.findall(r"^\| (`.*?) \| (.*) \|$", table, re.MULTILINE):
        mark = meaning[0] if re.match("[SG]: ", meaning) else ""
        yield mark, set(re.findall(r"`(\w+)`", names))


def told(*pages: str) -> set[str]:
    """Every word that stands as code on these pages, up to its first mark."""
    text = "\n".join((DOCS / page).read_text(encoding="utf-8") for page in pages)
    return set(re.findall(r"`(\w+)[^`\n]*`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)))


@pytest.mark.parametrize("suite", PAGES)
def test_every_field_stands_where_the_page_says(tiltyard: Callable[..., Finished], suite: str) -> None:
    few = ("--requests", "3") if suite == "speed" else ("--limit", "3")
    with running(SimConfig(dialects=("openai",), delay=False)) as sim:
        done = tiltyard(
            "run", suite, *few, "--server", sim.url("openai"), "--model", "sim-dense:7b", "--json"
        )
    assert done.code == 0, done.err
    fields = set(done.summary()) - {"event", "schema"}
    others = "G" if suite == "speed" else "S"
    due = set().union(*(names for mark, names in rows() if mark != others)) - NOT_ALWAYS
    named = set().union(*(names for _, names in rows()))
    assert due - fields == set()
    assert {name for mark, names in rows() if mark == others for name in names} & fields == set()
    assert fields - named - told("for-programs.md", *PAGES[suite]) == set()
