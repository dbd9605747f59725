"""A store with known runs in it, and the command line as a real process beside it."""

import os
import subprocess
import sys

from msgspec.structs import replace

from tests.reports import made
from tiltyard.store.store import FILE, Store


def stock(folder, pairs, first=0):
    """Put (maker, run) pairs into the folder's store, in this order of time, numbered from `first`."""
    with Store.open(folder / FILE) as store:
        for i, (maker, run) in enumerate(pairs, first):
            begun = replace(run, state="running", summary=None, ended_at=None, fingerprint=f"{i:016x}",
                            started_at=f"2026-03-14T09:{i // 60:02d}:{i % 60:02d}.000+00:00")  # fmt: skip
            store.claim(begun, fresh=True)
            first = [replace(a, exchanges=made.answer(maker).exchanges) for a in maker.attempts[:1]]
            store.add([*first, *maker.attempts[1:]])
            store.finish(run.id, run.state, run.summary)


def tiltyard(folder, *words, cwd=None, columns=140):
    """Run the command line; returns the finished process."""
    env = {
        **os.environ,
        "TILTYARD_DATA_DIR": str(folder),
        "COLUMNS": str(columns),
        "PYTHONIOENCODING": "utf-8",
    }
    return subprocess.run(
        [sys.executable, "-m", "tiltyard", *words],
        env=env, cwd=cwd or folder, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
