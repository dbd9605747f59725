"""`--data-dir`: every command finds the store that a run used, those that are printed as they stand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Finished
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.store.store import FILE, Store

pytestmark = pytest.mark.slow

Call = Callable[..., Finished]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "my results"


@pytest.fixture
def said(tiltyard: Call, folder: Path) -> str:
    """What a run into the folder says."""
    model = SimModel(name="a", stops_at=6, loaded=True)
    with running(SimConfig(models=(model,), dialects=("openai",), delay=False)) as sim:
        words = ("--server", sim.url("openai"), "--dialect", "openai", "--model", "a", "--limit", "3")
        for fresh in ("--skip-cached", "--fresh"):
            done = tiltyard("run", "tools", *words, fresh, "--data-dir", str(folder))
            assert done.code == 0, done.err
    return done.out


def runs_in(folder: Path) -> list[str]:
    with Store.open(folder / FILE) as store:
        return [run.id for run in store.runs()]


def printed(text: str) -> list[list[str]]:
    """The words of each command in a text."""
    found = re.findall(r"tiltyard ((?!run )(?:'[^']*'|[^'·;,\n])+)", text)
    return [shlex.split(words) for words in found]


def test_the_commands_that_are_printed_find_it(tiltyard: Call, folder: Path, said: str) -> None:
    newest = runs_in(folder)[0]
    commands = printed(said)
    assert [words[0] for words in commands] == ["show", "board", "compare", "report"]
    for words in commands:
        done = tiltyard(*words)
        assert done.code == 0, done.err
        for more in printed(done.out):
            again = tiltyard(*more)
            assert again.code == 0, (more, again.err)
    assert newest in tiltyard(*commands[0]).out
    assert tiltyard("show", newest).code == 2  # it is in no other store


def test_every_command_on_the_store_takes_it(tiltyard: Call, folder: Path, said: str, tmp_path: Path) -> None:
    there = ("--data-dir", str(folder))
    newest, other = runs_in(folder)
    listed = tiltyard("runs", *there).out
    assert newest in listed
    assert other in listed
    done = tiltyard("export", "--format", "jsonl", "-o", "all.jsonl", newest, *there)
    assert done.code == 0, done.err
    done = tiltyard("rm", "--yes", newest, *there)
    assert done.code == 0, done.err
    assert runs_in(folder) == [other]
    done = tiltyard("import", "all.jsonl", *there)
    assert done.code == 0, done.err
    assert set(runs_in(folder)) == {newest, other}
    assert [tiltyard(*words).code for words in printed(done.out)] == [0]
    done = tiltyard("runs", "--recover", *there)
    assert (done.code, str(folder / FILE) in done.err) == (2, True)


def test_what_failed_is_found_too(tiltyard: Call, folder: Path) -> None:
    model = SimModel(name="a", loaded=True)
    with running(SimConfig(models=(model,), dialects=("openai",), faults=("error_500",))) as sim:
        words = ("--server", sim.url("openai"), "--dialect", "openai", "--model", "a", "--requests", "2")
        done = tiltyard("run", "speed", "--profile", "fixed", *words, "--data-dir", str(folder))
    assert done.code == 1, done.err
    (words_of,) = [re.search(r"`tiltyard (.*?)`", done.err)]
    assert words_of is not None
    assert tiltyard(*shlex.split(words_of[1])).code == 0
