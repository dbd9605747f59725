"""Each measurement of Tiltyard itself: one function, one row of figures, no verdicts."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.child import run
from benchmarks.tool import Ask, Outcome, command, errors_row, tiltyard
from benchmarks.yardstick import CLIENT_CORE, build, pinned, yardstick

Row = dict[str, Any]

TTFT_MS, TOKEN_MS = 200.0, 20.0
TIMED = Ask(streams=256, requests=1024)
FLAT_OUT, FLAT_OUT_LESS = Ask(streams=64, requests=8192), Ask(streams=64, requests=1024)
SMALLEST = Ask(streams=1, requests=1, tokens=8)
GROWTH = (1, 4, 16, 64, 256, 1024)


def median_rows(rows: list[Row]) -> Row:
    """Figure by figure; words and counts of the last row."""
    merged: Row = {}
    for key, last in rows[-1].items():
        values = [row[key] for row in rows if isinstance(row.get(key), int | float)]
        number = isinstance(last, int | float) and not isinstance(last, bool)
        merged[key] = statistics.median(values) if number and values else last
    merged["repetitions"] = len(rows)
    return merged


def cost_row(outcome: Outcome) -> Row:
    cost, tokens = outcome.cost, outcome.tokens
    asked = outcome.ask.requests * outcome.ask.tokens
    return {
        "tokens": tokens,
        "undelivered_pct": (1 - tokens / asked) * 100,
        "tokens_per_s": outcome.summary["output_tps"],
        "requests_per_s": outcome.summary["request_rate"],
        "cpu_s": cost.cpu_s,
        "cpu_us_per_token": cost.cpu_s / tokens * 1e6,
        "peak_mb": cost.peak_mb,
        "wall_s": cost.wall_s,
    }


def timed(core: int | None) -> Row:
    """256 streams, TTFT 200 ms, a token every 20 ms."""
    with yardstick(TTFT_MS, TOKEN_MS) as server:
        outcome = tiltyard(server, TIMED, core=core)
        fixed = tiltyard(server, SMALLEST, core=core).cost.cpu_s
    row = {"server": server.kind, **errors_row(outcome.errors), **cost_row(outcome)}
    row["marginal_cpu_us_per_token"] = (outcome.cost.cpu_s - fixed) / outcome.tokens * 1e6
    wave_s = (TTFT_MS + (TIMED.tokens - 1) * TOKEN_MS) / 1e3
    ideal = TIMED.streams * TIMED.tokens / wave_s
    row["load_lost_pct"] = (1 - outcome.summary["output_tps"] / ideal) * 100
    return row


def timed_on_one_core() -> Row:
    """With the same load from a client in C that only reads, right after: the speed of a shared machine
    changes from minute to minute.
    """
    row = timed(CLIENT_CORE)
    if (limit := bare(TIMED, TTFT_MS, TOKEN_MS)) is not None:
        least = limit["cpu_us_per_token"]
        row |= {"c_cpu_us_per_token": least, "cpu_times_c": row["cpu_us_per_token"] / least}
    return row


def timed_on_both_cores() -> Row:
    return timed(None)


def flat_out(simulated: bool = False) -> Row:
    """No delay at all, 64 streams: the ceiling, and what one more token costs."""
    with yardstick(0, 0, simulated=simulated) as server:
        less = tiltyard(server, FLAT_OUT_LESS)
        before = server.cpu_s()
        more = tiltyard(server, FLAT_OUT)
        served_s = more.tokens / more.summary["output_tps"]
        server_busy = (server.cpu_s() - before) / served_s
    row = cost_row(more)
    # Above 90 % the server was the limit.
    row["server_core_pct"] = server_busy * 100
    row["marginal_cpu_us_per_token"] = (more.cost.cpu_s - less.cost.cpu_s) / (more.tokens - less.tokens) * 1e6
    row["client_says_bottleneck"] = more.summary["client"]["bottleneck"]
    return row


def flat_out_joined() -> Row:
    """The same against a server that joins tokens into larger writes and so is not the limit itself."""
    return flat_out(simulated=True)


def flat_out_bare() -> Row:
    """The same from a client in C that only reads: what one core of this machine can receive at all."""
    found = bare(FLAT_OUT, 0, 0)
    if found is None:
        raise RuntimeError("the bare client needs Linux and a C compiler")
    return found


def bare(ask: Ask, ttft_ms: float, token_ms: float) -> Row | None:
    """A load from the client in C; None where that cannot be built."""
    with tempfile.TemporaryDirectory(prefix="tiltyard-bench-") as folder:
        program = build(Path(folder), "sink")
        if program is None:
            return None
        with yardstick(ttft_ms, token_ms) as server:
            port = server.url.rpartition(":")[2]
            words = [str(program), port, *map(str, ask)]
            before, cost = server.cpu_s(), run([*pinned(CLIENT_CORE), *words])
            if cost.rc != 0:
                raise RuntimeError(f"the bare client ended with {cost.rc}")
            busy = (server.cpu_s() - before) / cost.wall_s
            return {**json.loads(cost.stdout), "server_core_pct": busy * 100}


def open_streams() -> Row:
    """Memory of a stream that waits: 1,024 of them against 64, one token each after two seconds."""
    with yardstick(2000, 0) as server:
        many, few = (tiltyard(server, Ask(n, n, 1)).cost.peak_mb for n in (1024, 64))
    return {"kb_per_stream": (many - few) * 1e6 / 1e3 / (1024 - 64), "peak_mb": many, "peak_mb_of_64": few}


def smallest() -> Row:
    """One request of eight tokens: the cost of starting at all."""
    with yardstick(0, 0) as server:
        cost = tiltyard(server, SMALLEST).cost
    return {"cpu_s": cost.cpu_s, "peak_mb": cost.peak_mb, "wall_s": cost.wall_s}


def help_time() -> Row:
    """`tiltyard --help`."""
    cost = run([*pinned(CLIENT_CORE), *command(), "--help"])
    return {"wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "peak_mb": cost.peak_mb}


def waiting() -> Row:
    """One stream with two tokens a second: the share of a core that waiting takes, start-up left out."""
    with yardstick(TTFT_MS, 500) as server:
        long = tiltyard(server, Ask(1, 1, 20))
        short = tiltyard(server, Ask(1, 1, 2))
    share = (long.cost.cpu_s - short.cost.cpu_s) / (long.cost.wall_s - short.cost.wall_s)
    return {"core_share_pct": share * 100, "waited_s": long.cost.wall_s - short.cost.wall_s}


def growth() -> list[Row]:
    """CPU and memory from 1 to 1,024 streams, two waves each."""
    rows = []
    with yardstick(0, 0) as server:
        fixed = tiltyard(server, SMALLEST).cost.cpu_s
    for streams in GROWTH:
        with yardstick(TTFT_MS, TOKEN_MS) as server:
            outcome = tiltyard(server, Ask(streams, 2 * streams))
        marginal = {"marginal_cpu_us_per_token": (outcome.cost.cpu_s - fixed) / outcome.tokens * 1e6}
        rows.append({"streams": streams, **cost_row(outcome), **marginal, **errors_row(outcome.errors)})
    return rows


SINGLE: Mapping[str, Callable[[], Row]] = {
    "timed": timed_on_one_core,
    "timed_both": timed_on_both_cores,
    "flat_out": flat_out,
    "flat_out_joined": flat_out_joined,
    "flat_out_bare": flat_out_bare,
    "open_streams": open_streams,
    "smallest": smallest,
    "help": help_time,
    "waiting": waiting,
}
