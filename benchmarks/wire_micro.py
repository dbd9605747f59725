"""The measuring client alone against the yardstick: errors of its times, CPU per token, tokens per second.

python -m benchmarks.wire_micro [paced|flat|slow] [--loop NAME] [--streams N] [--tokens N] [--spread-ms T]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import time
from collections.abc import Sequence

import msgspec

from benchmarks.yardstick import CLIENT_CORE, MODEL, Yardstick, yardstick
from tiltyard.records import Exchange, Message, Request
from tiltyard.servers import Address
from tiltyard.servers.chat import chat_body, read_chat
from tiltyard.servers.wire import Wire

MODES = {"paced": (200.0, 20.0, 256, 1), "flat": (0.0, 0.0, 64, 60), "slow": (200.0, 20.0, 1, 1)}


def quantile(values: Sequence[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


async def ask_all(
    url: str, streams: int, rounds: int, tokens: int, spread_s: float
) -> tuple[list[Exchange], float, float]:
    """The exchanges, wall seconds and own CPU seconds."""
    wire = Wire(Address(url=url))
    request = Request(model=MODEL, messages=(Message(role="user", content="hi"),), max_tokens=tokens)
    body = chat_body(request)
    exchanges: list[Exchange] = []

    async def one(stream: int) -> None:
        await asyncio.sleep(spread_s * stream / streams)
        for i in range(rounds):
            sealed = await wire.stream("/v1/chat/completions", body, request_id=f"{stream}-{i}")
            capture = sealed.opened()
            exchanges.append(read_chat(msgspec.structs.replace(request, request_id=f"{stream}-{i}"), capture))

    await wire.stream("/v1/chat/completions", body, request_id="warm")
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(one(i) for i in range(streams)))
    result = exchanges, time.perf_counter() - wall, time.process_time() - cpu
    await wire.close()
    return result


def errors_ms(exchanges: Sequence[Exchange], server: Yardstick) -> tuple[list[float], list[float]]:
    """(TTFT errors, token delays): ours less the server's, per request and per token."""
    truth = {entry["request_id"]: entry for entry in server.truth()}
    ttft: list[float] = []
    delay: list[float] = []
    for exchange in exchanges:
        entry = truth[exchange.request.request_id]
        t = [t for t, k in zip(exchange.events.t_ns, exchange.events.kinds, strict=True) if k == "c"]
        writes = [w[0] for w in entry["writes"]]
        assert len(t) == len(writes)
        sent = exchange.timeline.sent_ns or 0
        ttft.append(((t[0] - sent) - (writes[0] - entry["received_ns"])) / 1e6)
        delay += [(a - w) / 1e6 for a, w in zip(t, writes, strict=True)]
    return ttft, delay


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=sorted(MODES), default="paced", nargs="?")
    parser.add_argument("--loop", default="uvloop")
    parser.add_argument("--streams", type=int)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--spread-ms", type=float, default=0.0, help="start the streams over this time")
    options = parser.parse_args()
    ttft_ms, token_ms, streams, rounds = MODES[options.mode]
    streams = options.streams or streams
    os.sched_setaffinity(0, {CLIENT_CORE})
    with yardstick(ttft_ms, token_ms) as server:
        if options.loop == "uvloop":
            import uvloop

            run = uvloop.run
        else:
            run = asyncio.run
        gc.collect()
        exchanges, wall, cpu = run(
            ask_all(server.url, streams, rounds, options.tokens, options.spread_ms / 1000)
        )
        tokens = sum(e.events.kinds.count("c") for e in exchanges)
        out = {
            "ok": sum(e.ending == "ok" for e in exchanges),
            "tokens": tokens,
            "cpu_us_per_token": round(cpu / tokens * 1e6, 2),
            "cpu_share": round(cpu / wall, 4),
            "tokens_per_s": round(tokens / wall),
            "requests_per_s": round(len(exchanges) / wall),
            "clock": sorted({e.timeline.clock for e in exchanges}),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        if rounds == 1:
            ttft, delay = errors_ms(exchanges, server)
            out["ttft_error_ms"] = [round(quantile(ttft, q), 4) for q in (0.5, 0.99, 1)]
            out["token_delay_ms"] = [round(quantile(delay, q), 4) for q in (0.5, 0.99, 0.999, 1)]
    print(json.dumps(out))


if __name__ == "__main__":
    main()
