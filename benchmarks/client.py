"""Tiltyard's client alone, without run, store or display.

`python -m benchmarks.client [STREAMS [REQUESTS [TOKENS]]]`: a look at the heart by itself, for those who work
on it. The figures are the whole tool's, less what the tool adds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from benchmarks.child import run
from benchmarks.tool import errors_row
from benchmarks.yardstick import CLIENT_CORE, MODEL, Yardstick, pinned, yardstick
from tiltyard.load.calibrate import errors_of
from tiltyard.load.generator import Ticket, drive
from tiltyard.load.schedule import Load, Stop
from tiltyard.records import Capture, Message, Request
from tiltyard.servers import Address
from tiltyard.servers.loops import new_loop
from tiltyard.servers.openai import OpenAI


async def ask(url: str, streams: int, requests: int, tokens: int) -> dict[str, Any]:
    """Ask everything, then read everything, then compare with the log."""
    server = OpenAI(Address(url=url))
    captures: list[tuple[Request, Capture]] = []

    async def fire(ticket: Ticket) -> bool:
        words = (Message(role="user", content="x " * 32),)
        request = Request(model=MODEL, messages=words, max_tokens=tokens, request_id=f"r{ticket.number}")
        captures.append((request, await server.ask(request, ticket.scheduled_ns)))
        return True

    began, cpu = time.perf_counter(), time.process_time()
    await drive(Load(concurrency=streams, stop=Stop(count=requests)), fire, lambda: False)
    wall_s = time.perf_counter() - began
    asking = time.process_time() - cpu
    exchanges = [server.read(request, capture.opened()) for request, capture in captures]
    cpu = time.process_time() - cpu
    await server.close()
    seen = sum(len(exchange.events.t_ns) for exchange in exchanges)
    errors = errors_of(exchanges, Yardstick(url, "").truth())
    return {
        "clock": exchanges[0].timeline.clock,
        "endings": sorted({exchange.ending for exchange in exchanges}),
        "tokens_per_s": requests * tokens / wall_s,
        "requests_per_s": requests / wall_s,
        "asking_cpu_us_per_token": asking / (requests * tokens) * 1e6,
        "cpu_us_per_token": cpu / (requests * tokens) * 1e6,
        "events": seen,
        **errors_row(errors),
    }


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] == "--child":
        streams, requests, tokens = map(int, sys.argv[3:])
        with asyncio.Runner(loop_factory=new_loop) as runner:
            print(json.dumps(runner.run(ask(sys.argv[2], streams, requests, tokens))))
        return
    sizes = [int(word) for word in sys.argv[1:]]
    plans = [(200.0, 20.0, 256, 256, 128), (0.0, 0.0, 64, 2048, 128)]
    for ttft_ms, token_ms, *usual in plans:
        size = [*sizes, *usual[len(sizes) :]]
        with yardstick(ttft_ms, token_ms) as server:
            words = [sys.executable, "-m", "benchmarks.client", "--child", server.url, *map(str, size)]
            cost = run([*pinned(CLIENT_CORE), *words])
            print(
                f"TTFT {ttft_ms:g} ms, token {token_ms:g} ms, {size}: {cost.rc}, peak {cost.peak_mb:.0f} MB"
            )
            print(cost.stdout.strip() or cost.stderr.strip()[-1500:])


if __name__ == "__main__":
    main()
