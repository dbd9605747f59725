"""The store's rate and the board's speed: `python -m benchmarks.store_bench`.

The rate is of finished attempts as a run makes them (128 tokens, their arrivals and their text). The board is
timed as its users see it, in a process of its own, over a store filled with rows made up by SQL.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tiltyard.records import (
    Attempt,
    Events,
    Exchange,
    Measures,
    Message,
    Model,
    Request,
    Run,
    ServerInfo,
    Timeline,
    Usage,
)
from tiltyard.store.figures import put_figures
from tiltyard.store.store import FILE, Store
from tiltyard.store.writer import BATCH

BATCHES = 80
SUITES = {1: "mcq", 3: "json"}  # of every two hundred runs; the others are of speed
WORDS = ("the", "of", "and", "to", "in", "is", "was", "for", "that", "with", "as", "it", "on", "by")


def made_up_run(run_id: str, model: str, fingerprint: str) -> Run:
    return Run(
        id=run_id,
        suite="speed",
        suite_version="1",
        model=Model(name=model, digest=model, quantization="Q4_K_M", size_bytes=4_700_000_000),
        server=ServerInfo(dialect="ollama", url="http://127.0.0.1:11434"),
        settings={"profile": "quick"},
        fingerprint=fingerprint,
        started_at="2026-01-02T03:04:05.000+00:00",
        command="tiltyard run speed",
    )


def made_up_attempt(run_id: str, repetition: int, chance: random.Random, tokens: int = 128) -> Attempt:
    """128 tokens, 20 ms apart with 0.3 ms of jitter, each with a word of its own."""
    start = 10**15 + repetition * 10**9
    arrivals = tuple(start + 200_000_000 + i * 20_000_000 + chance.randrange(300_000) for i in range(tokens))
    texts = tuple(f" {chance.choice(WORDS)}" for _ in range(tokens))
    prompt = Message(role="user", content=f"{chance.randrange(1 << 60):016x} Tell me a story.")
    exchange = Exchange(
        request=Request(
            model="m", messages=(prompt,), max_tokens=tokens, request_id=f"{run_id}-1-{repetition}"
        ),
        timeline=Timeline(
            scheduled_ns=start,
            started_ns=start,
            sent_ns=start,
            arrivals_ns=arrivals,
            arrivals_end=tuple(range(300, 300 + 190 * tokens, 190)),
            closed_ns=arrivals[-1],
        ),
        ending="ok",
        status=200,
        events=Events(t_ns=arrivals, kinds="c" * tokens, texts=texts),
        text="".join(texts),
        finish_reason="length",
        usage=Usage(prompt_tokens=20, output_tokens=tokens),
    )
    return Attempt(
        run_id=run_id,
        stage="tg128",
        item_id="decode",
        item_hash="h",
        repetition=repetition,
        started_at="2026-01-02T03:04:06.000+00:00",
        exchanges=(exchange,),
        measures=Measures(ttft_ms=200.0, itl_ms=20.0, decode_tps=50.0, output_tokens=tokens),
    )


def rate(folder: Path) -> dict[str, Any]:
    """Attempts per second as the writer makes transactions, and what the index of a first search costs."""
    chance = random.Random(1)
    kinds = [made_up_attempt("r", number, chance) for number in range(BATCH)]
    with Store.open(folder / "rate.sqlite3") as store:
        store.claim(made_up_run("r", "m", "f"))
        rates, cpu = [], time.process_time()
        for batch in range(BATCHES):
            attempts = [replace(kind, repetition=batch * BATCH + i) for i, kind in enumerate(kinds)]
            before = time.perf_counter()
            store.add(attempts)
            rates.append(BATCH / (time.perf_counter() - before))
        cpu = time.process_time() - cpu
        before = time.perf_counter()
        store.search("story")
        index_s = time.perf_counter() - before
    count = BATCH * BATCHES
    return {
        "attempts_per_s": round(statistics.median(rates)),
        "attempts_per_s_best": round(max(rates)),
        "attempts_per_s_worst_batch": round(min(rates)),
        "cpu_us_per_attempt": round(cpu / count * 1e6, 1),
        "bytes_per_attempt": round((folder / "rate.sqlite3").stat().st_size / count),
        "first_search_us_per_answer": round(index_s / count * 1e6, 1),
    }


def fill(path: Path, runs: int, attempts: int) -> None:
    """Many finished runs, half of them graded; their attempts are copies made inside SQLite."""
    kinds = Measures.__annotations__
    columns = ", ".join(kinds)
    values = ", ".join("n.value % 97 + 0.5" if "float" in kind else "NULL" for kind in kinds.values())
    figure = {"n": attempts, "mean": 50.0, "p50": 50.0, "ci95": [49.0, 51.0], "min": 1.0, "max": 99.0}
    with Store.open(path) as store:
        for number in range(runs):
            run_id = f"run{number:05d}"
            run = made_up_run(run_id, f"model-{number % 50}", f"f{number % 200}")
            if suite := SUITES.get(number // 50 % 4):
                run = replace(run, suite=suite, settings={"items": f"{attempts} of {suite}"})
            store.claim(run, fresh=True)
            stages = [{"name": name, "decode_tps": figure, "ttft_ms": figure} for name in ("pp512", "tg128")]
            figures = dict.fromkeys(("decode_tps", "ttft_ms", "prefill_tps", "e2e_ms", "itl_ms"), figure)
            store.finish(run_id, "finished", {"event": "summary", **figures, "stages": stages})
        with store.writing() as db:
            db.execute(
                "WITH RECURSIVE n(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n WHERE value + 1 < ?) "
                "INSERT INTO attempts (run_key, stage, item_id, item_hash, repetition, try_no, session, "
                f"started_at, client_bound, ending, failed_outside, {columns}) "
                "SELECT key, 'tg128', 'decode', 'h', n.value, 1, 1, started_at, 0, 'ok', 0, "
                f"{values} FROM runs, n",
                (attempts,),
            )
            for key, suite, model in db.execute(
                "SELECT runs.key, suite, models.name FROM runs JOIN models ON models.id = model_id"
            ).fetchall():
                if suite != "speed":
                    put_graded(db, key, suite, 0.4 + int(model.partition("-")[2]) / 100)


def put_graded(db: sqlite3.Connection, key: int, suite: str, ability: float) -> None:
    """Verdicts on a run's attempts: right or wrong in one suite, partial too in the other."""
    chance = random.Random(key)
    some = (0.0, 0.25, 0.5) if suite == "json" else (0.0,)
    ids = [row[0] for row in db.execute("SELECT id FROM attempts WHERE run_key = ? ORDER BY id", (key,))]
    scores = [1.0 if chance.random() < ability else chance.choice(some) for _ in ids]
    db.executemany(
        "UPDATE attempts SET item_id = 'q' || repetition, repetition = 0, score = ?, outcome = ? "
        "WHERE id = ?",
        [
            (score, "correct" if score == 1 else "wrong", place)
            for score, place in zip(scores, ids, strict=True)
        ],
    )
    mean, n = sum(scores) / len(scores), len(scores)
    (text,) = db.execute("SELECT summary FROM runs WHERE key = ?", (key,)).fetchone()
    graded = {"n": n, "score": mean, "ci95": [mean - 0.03, mean + 0.03], "outcomes": {"correct": n}}
    put_figures(db, key, {**json.loads(text), **graded})


def timed(folder: Path, *words: str, times: int = 7) -> dict[str, float]:
    """Wall seconds of a whole process, as of an installed program: compiled once, in the first run."""
    environment = {**os.environ, "TILTYARD_DATA_DIR": str(folder), "COLUMNS": "120"}
    environment["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    taken = []
    for _ in range(times + 1):
        before = time.perf_counter()
        command = [sys.executable, "-m", "tiltyard", *words]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - before)
    del taken[0]
    return {"median_s": round(statistics.median(taken), 3), "best_s": round(min(taken), 3)}


def store(runs: int = 1000, attempts: int = 1000) -> dict[str, Any]:
    """All of it; takes about half a minute and 300 MB of disk."""
    with tempfile.TemporaryDirectory(prefix="tiltyard-bench-") as name:
        folder = Path(name)
        found = rate(folder)
        before = time.perf_counter()
        fill(folder / FILE, runs, attempts)
        found |= {"runs": runs, "attempts": runs * attempts, "fill_s": round(time.perf_counter() - before, 1)}
        found["store_mb"] = round((folder / FILE).stat().st_size / 1e6)
        for words in (
            ("board",),
            ("board", "--by-model"),
            ("board", "--json"),
            ("runs",),
            ("show", "latest"),
        ):
            taken = timed(folder, *words)
            found |= {
                f"{'_'.join(words).replace('--', '').replace('-', '_')}_{key}": value
                for key, value in taken.items()
            }
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store_bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--attempts", type=int, default=1000, help="per run")
    parser.add_argument("--json", action="store_true", help="on one line")
    asked = parser.parse_args()
    print(json.dumps(store(asked.runs, asked.attempts), indent=None if asked.json else 1))
