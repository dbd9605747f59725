"""Other tools against the same server, with the same load: `python -m benchmarks.peers [--only NAME ...]`.

Each is installed by uv into a virtual environment of its own under .venv-peers/, and is bounded in time; a
failure is reported as one. After each repetition Tiltyard does the same: a machine's speed changes by the
hour, ratios hold. A peer's TTFT error is what it reports less what the server's log says, percentile by
percentile, since peers do not say which request is which.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import table
from benchmarks.child import Cost, run
from benchmarks.install import uv
from benchmarks.measurements import TOKEN_MS, TTFT_MS, median_rows
from benchmarks.tool import Ask, tiltyard
from benchmarks.yardstick import CLIENT_CORE, MODEL, Yardstick, pinned, yardstick
from tiltyard.stats.figures import percentile

HOME = Path(__file__).resolve().parent.parent / ".venv-peers"
TIMED, FLAT_OUT, SMALLEST = Ask(256, 1024), Ask(64, 1024), Ask(1, 1, 8)
LIMIT_S = 180.0


class Peer(NamedTuple):
    """How to install a tool, ask a load of it, and read the TTFTs (ms) that it reports."""

    packages: tuple[str, ...]
    distribution: str
    words: Callable[[Yardstick, Ask, Path], list[str]]
    ttfts: Callable[[Path], list[float]]


def evalscope_words(server: Yardstick, ask: Ask, folder: Path) -> list[str]:
    words = [
        "evalscope",
        "perf",
        "--model",
        MODEL,
        "--url",
        f"{server.url}/v1/chat/completions",
        "--api",
        "openai",
    ]
    words += ["--prompt", "x " * 32, "--stream", "--no-timestamp", "--outputs-dir", str(folder / "out")]
    words += ["--parallel", str(ask.streams), "--number", str(ask.requests), "--max-tokens", str(ask.tokens)]
    return [*words, "--no-test-connection", "--log-every-n-query", "100000"]


def evalscope_ttfts(folder: Path) -> list[float]:
    (file,) = folder.rglob("benchmark_data.db")
    database = sqlite3.connect(file)
    try:
        rows = database.execute("SELECT first_chunk_latency FROM result WHERE success = 1").fetchall()
    finally:
        database.close()
    seconds = sorted(row[0] for row in rows)
    unit = 1e3 if seconds and seconds[len(seconds) // 2] < 30 else 1.0  # seconds in older versions
    return [value * unit for value in seconds]


def benchy_words(server: Yardstick, ask: Ask, folder: Path) -> list[str]:
    vocabulary = {"[UNK]": 0, **{f"w{i}": i + 1 for i in range(1000)}}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    words = ["llama-benchy", "--base-url", f"{server.url}/v1", "--model", MODEL, "--pp", "32"]
    words += ["--tokenizer", str(folder / "tokenizer.json"), "--tg", str(ask.tokens), "--exact-tg"]
    words += ["--concurrency", str(ask.streams), "--runs", str(max(1, ask.requests // ask.streams))]
    words += ["--latency-mode", "none", "--no-warmup", "--skip-coherence", "--no-adapt-prompt"]
    return [*words, "--format", "json", "--save-result", str(folder / "result.json")]


def benchy_ttfts(folder: Path) -> list[float]:
    """The time to the first token from the sending on (it calls that e2e_ttft), of each request."""
    found: list[float] = []
    for benchmark in json.loads((folder / "result.json").read_text(encoding="utf-8"))["benchmarks"]:
        found += (benchmark.get("e2e_ttft") or {}).get("values") or []
    return sorted(found)


PEERS: Mapping[str, Peer] = {
    "evalscope": Peer(("evalscope[perf]",), "evalscope", evalscope_words, evalscope_ttfts),
    "llama-benchy": Peer(("llama-benchy",), "llama-benchy", benchy_words, benchy_ttfts),
}


@contextmanager
def book() -> Iterator[str]:
    """A text on loopback, for the tool that wants to fetch a book first."""
    text = " ".join(f"w{i * 7919 % 1000}" for i in range(20_000)).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/book.txt"
    finally:
        server.shutdown()
        server.server_close()


def programs(name: str) -> Path:
    """The folder of a tool's programs; it is installed where it is not yet."""
    return installed(name, PEERS[name].packages)


def installed(name: str, packages: Sequence[str]) -> Path:
    """Install a tool into an environment of its own, once; the folder of its programs."""
    place = HOME / name
    ready = place / ".ready"
    folder = place / ("Scripts" if sys.platform == "win32" else "bin")
    if not ready.exists():
        uv(["venv", "--quiet", "--clear", "--python", sys.executable, str(place)])
        uv(["pip", "install", "--quiet", "--python", str(folder / "python"), *packages])
        ready.touch()
    return folder


def version_of(place: Path, distribution: str) -> str:
    """The version of a distribution in an environment."""
    code = f"import importlib.metadata as m; print(m.version({distribution!r}))"
    python = str(place / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def ask_peer(name: str, server: Yardstick, ask: Ask) -> tuple[Cost, list[float], list[dict[str, Any]]]:
    """Run it once: its cost, the TTFTs it reports, and the log of what happened."""
    peer = PEERS[name]
    with tempfile.TemporaryDirectory(prefix="tiltyard-peer-") as text, book() as url:
        folder = Path(text)
        program, *words = peer.words(server, ask, folder)
        if name == "llama-benchy":
            words += ["--book-url", url]
        line = [*pinned(CLIENT_CORE), str(programs(name) / program), *words]
        quiet = {"HF_HUB_OFFLINE": "1", "HOME": str(folder), "NO_COLOR": "1", "PYTHONWARNINGS": "ignore"}
        cost = run(line, env=quiet, cwd=folder, limit_s=LIMIT_S, tree=True)
        if cost.rc == 124:
            raise RuntimeError(f"not done within {LIMIT_S:g} s")
        if cost.rc != 0:
            last = (cost.stderr.strip() or cost.stdout.strip() or "no words").splitlines()[-1]
            raise RuntimeError(f"ended with {cost.rc}: {last[:160]}")
        return cost, peer.ttfts(folder), server.truth()


def tokens_per_second(truth: Sequence[Mapping[str, Any]]) -> float:
    """Output over the span of the log: what was delivered, not what the tool says."""
    start = min(entry["received_ns"] for entry in truth)
    end = max(entry["writes"][-1][0] for entry in truth)
    return sum(entry["output_tokens"] for entry in truth) / (end - start) * 1e9


def ours() -> dict[str, float]:
    """The figures that are compared, of Tiltyard."""
    with yardstick(TTFT_MS, TOKEN_MS) as server:
        timed = tiltyard(server, TIMED)
    with yardstick(0, 0) as server:
        flat, least = tiltyard(server, FLAT_OUT), tiltyard(server, SMALLEST).cost
    return {
        "cpu_us_per_token": timed.cost.cpu_s / timed.tokens * 1e6,
        "tokens_per_s": flat.summary["output_tps"],
        "smallest_cpu_s": least.cpu_s,
        "smallest_peak_mb": least.peak_mb,
    }


def beside(theirs: Mapping[str, Any], own: Mapping[str, float]) -> dict[str, Any]:
    """A peer's row with our figures of the same minutes, and how many times ours its own are."""
    times = {f"times_ours_{key}": theirs[key] / value for key, value in own.items()}
    return {**theirs, **{f"ours_{key}": value for key, value in own.items()}, **times}


def measure(name: str) -> dict[str, Any]:
    """One repetition of everything."""
    with yardstick(TTFT_MS, TOKEN_MS) as server:
        cost, said, truth = ask_peer(name, server, TIMED)
        tokens = sum(entry["output_tokens"] for entry in truth)
        true = sorted((entry["writes"][0][0] - entry["received_ns"]) / 1e6 for entry in truth)
    row: dict[str, Any] = {
        "cpu_s": cost.cpu_s,
        "cpu_us_per_token": cost.cpu_s / tokens * 1e6,
        "tokens": tokens,
    }
    row["peak_mb"] = cost.peak_mb
    for label, q in (("p50", 0.5), ("p99", 0.99)):
        row[f"ttft_error_ms_{label}"] = percentile(said, q) - percentile(true, q) if said else None
    with yardstick(0, 0) as server:
        cost, _, truth = ask_peer(name, server, FLAT_OUT)
        row["tokens_per_s"] = tokens_per_second(truth)
        cost, _, _ = ask_peer(name, server, SMALLEST)
        row["smallest_cpu_s"], row["smallest_peak_mb"] = cost.cpu_s, cost.peak_mb
    return row


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(PEERS), help="these alone; the rest is kept")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions of each; medians are kept")
    asked = parser.parse_args()
    found, failed = table.read(table.PEERS), 0
    for name in asked.only or PEERS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            row = median_rows([beside(measure(name), ours()) for _ in range(asked.repeat)])
            found[name] = {"version": version_of(HOME / name, PEERS[name].distribution), **row}
        except (RuntimeError, OSError, ValueError, LookupError, sqlite3.Error) as error:
            failed += 1
            found[name] = {"failed": f"failed: {error}"}
        print(json.dumps(found[name]), file=sys.stderr)
        table.PEERS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    table.write()
    print(table.page(table.read(table.RESULTS), found))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
