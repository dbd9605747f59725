"""Another process holds the store for longer than a blink: a run waits for it and loses nothing."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.baddays.conftest import QUICK_MODEL, Gated, Tiltyard, fixed, refused, simulated
from tests.patience import wait_for
from tiltyard.servers.simulator import SimModel
from tiltyard.store.store import FILE

Spawn = Callable[..., subprocess.Popen[bytes]]
WAITS = "waiting for another process that writes"

pytestmark = pytest.mark.slow


@contextmanager
def held(home: Path) -> Iterator[None]:
    """Somebody else's transaction."""
    with closing(sqlite3.connect(home / FILE, isolation_level=None, timeout=60)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def events_until(run: subprocess.Popen[bytes], wanted: Callable[[dict[str, Any]], bool]) -> None:
    """Read on to the event that is wanted."""
    assert run.stdout is not None
    for line in run.stdout:
        if wanted(json.loads(line)):
            return
    raise AssertionError(f"it ended before that: {run.stderr.read() if run.stderr else b''!r}")


def waits(event: dict[str, Any]) -> bool:
    return event["event"] == "say" and WAITS in event["text"]


def kept(home: Path) -> int:
    with closing(sqlite3.connect(home / FILE)) as db:
        return int(db.execute("SELECT count(*) FROM attempts").fetchone()[0])


@pytest.fixture
def gated() -> Iterator[Gated]:
    """Answers a few questions; the rest of them once its gate is open."""
    with Gated(free=5) as server:
        yield server
        server.gate.set()


def asking(server: Gated, *more: str) -> list[str]:
    return fixed(server.url, "--dialect", "openai", "--requests", "40", *more)


def test_a_run_waits_for_a_store_that_is_held_while_it_measures(
    spawn: Spawn, home: Path, gated: Gated
) -> None:
    run = spawn(*asking(gated, "--json"))
    wait_for(lambda: gated.questions > gated.free)  # it has asked, and waits for the answer
    with held(home):
        gated.gate.set()
        events_until(run, waits)
    out, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    said = [json.loads(line) for line in out.splitlines()]
    assert not any(map(waits, said))  # once is enough
    assert (said[-1]["event"], said[-1]["requests"]["ok"]) == ("summary", 40)
    assert kept(home) == 40


def test_a_plan_waits_for_its_next_run(spawn: Spawn, home: Path) -> None:
    names = "first", "second"
    models = tuple(SimModel(name=name, ttft_ms=5.0, token_ms=1.0, slots=64, loaded=True) for name in names)
    with simulated(models=models) as simulator:
        url = simulator.url("openai")
        run = spawn(*fixed(url, "--model", "second", "--json", model="first"))
        events_until(run, lambda event: event["event"] == "summary")
        with held(home):
            events_until(run, waits)
        out, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["model"] == "second"
    assert kept(home) == 6


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_interrupting_a_run_that_waits_for_the_store_ends_it_and_says_what_is_so(
    tiltyard: Tiltyard, spawn: Spawn, home: Path, gated: Gated
) -> None:
    run = spawn(*asking(gated, "--fresh", "--json"))
    wait_for(lambda: gated.questions > gated.free)
    with held(home):
        before = kept(home)
        gated.gate.set()
        events_until(run, waits)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)
    assert run.returncode == 4, err
    assert b"being written by another process" in err
    assert b"wait for it to end; the same command without --fresh carries on" in err
    assert b"Traceback" not in err
    assert kept(home) == before < 40
    again = tiltyard(*asking(gated, "--json"))
    assert (again.code, again.summary()["requests"]["ok"]) == (0, 40), again.err
    assert kept(home) == 40


def test_a_command_that_measures_nothing_says_so_soon(tiltyard: Tiltyard, home: Path) -> None:
    with simulated(models=(QUICK_MODEL,)) as simulator:
        assert tiltyard(*fixed(simulator.url("openai"))).code == 0
    with held(home):
        refused(tiltyard("rm", "latest", "--yes"), 4, "being written by another process", "wait for it")
    assert kept(home) == 3
