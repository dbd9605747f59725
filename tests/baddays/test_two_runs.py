"""Two runs on one server at once: neither is taken out of memory under the other, and both say so."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.baddays.conftest import Tiltyard, fixed, quick
from tests.patience import wait_for
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.store.store import FILE

Spawn = Callable[..., subprocess.Popen[bytes]]
MODEL = SimModel(name="m", ttft_ms=5.0, token_ms=1.0, slots=8, loaded=True)


def test_a_second_run_leaves_the_model_in_memory_and_both_tell(
    tiltyard: Tiltyard, spawn: Spawn, home: Path
) -> None:
    with running(SimConfig(models=(MODEL,), dialects=("ollama",))) as simulator:
        url = simulator.url("ollama")
        slow = spawn(*fixed(url, "--requests", "2000", "--concurrency", "2", "--json"))

        def under_way() -> bool:
            store = home / FILE
            if not store.exists():
                return False
            with closing(sqlite3.connect(store)) as db:
                there = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'attempts'").fetchone()[0]
                return bool(there and db.execute("SELECT count(*) FROM attempts").fetchone()[0])

        wait_for(under_way)
        second = tiltyard(*quick(url, "--json"))
        slow.send_signal(2)
        out, _ = slow.communicate()
    first = json.loads(out.decode().strip().splitlines()[-1])
    assert second.code == 0, second.err
    assert "unloading" not in second.err + second.out
    for summary, other in ((second.summary(), first), (first, second.summary())):
        assert any(
            note.startswith(f"not alone: {other['run_id']} ran on this server") for note in summary["notes"]
        ), summary["notes"]
