"""Two runs on one server at once: neither is taken out of memory under the other, and both say so."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.baddays.conftest import Tiltyard, fixed, quick
from tests.patience import wait_for
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.store.store import FILE

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
Spawn = Callable[..., subprocess.Popen[bytes]]
MODEL = SimModel(name="m", ttft_ms=5.0, token_ms=1.0, slots=8, loaded=True)


def begun(home: Path) -> bool:
    """Is an answer in the store?"""
    store = home / FILE
    if not store.exists():
        return False
    with closing(sqlite3.connect(store)) as db:
        there = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'attempts'").fetchone()[0]
        return bool(there and db.execute("SELECT count(*) FROM attempts").fetchone()[0])


@posix_only
def test_what_ran_between_two_sittings_was_no_company(tiltyard: Tiltyard, spawn: Spawn, home: Path) -> None:
    """A resumed run is older than those that began while it rested."""
    with running(SimConfig(models=(MODEL,), dialects=("ollama",))) as simulator:
        url = simulator.url("ollama")
        words = fixed(url, "--requests", "400", "--json")
        first = spawn(*words)
        wait_for(lambda: begun(home))
        first.send_signal(signal.SIGINT)
        out, _ = first.communicate()
        assert json.loads(out.decode().strip().splitlines()[-1])["state"] == "interrupted"
        between = tiltyard(*fixed(url, "--json"))
        again = tiltyard(*words)
    for done in (between, again):
        assert done.code == 0, done.err
        assert not any("not alone" in note for note in done.summary()["notes"]), done.summary()["notes"]
    assert again.summary()["run_id"] != between.summary()["run_id"]
    assert again.summary()["requests"]["ok"] == 400


@posix_only
def test_a_second_run_leaves_the_model_in_memory_and_both_tell(
    tiltyard: Tiltyard, spawn: Spawn, home: Path
) -> None:
    with running(SimConfig(models=(MODEL,), dialects=("ollama",))) as simulator:
        url = simulator.url("ollama")
        slow = spawn(*fixed(url, "--requests", "2000", "--concurrency", "2", "--json"))

        wait_for(lambda: begun(home))
        second = tiltyard(*quick(url, "--json"))
        slow.send_signal(signal.SIGINT)
        out, _ = slow.communicate()
    first = json.loads(out.decode().strip().splitlines()[-1])
    assert second.code == 0, second.err
    assert "unloading" not in second.err + second.out
    for summary, other in ((second.summary(), first), (first, second.summary())):
        assert any(
            note.startswith(f"not alone: {other['run_id']} ran on this server") for note in summary["notes"]
        ), summary["notes"]
