"""The wall clock jumps: durations do not. (Here it cannot be set; its readings can be given.)"""

from __future__ import annotations

import ast
import asyncio
import struct
from pathlib import Path

from tests.servers.scripted import ScriptedServer, chunked
from tiltyard.load.metrics import measure
from tiltyard.records import Message, Request
from tiltyard.servers import Address
from tiltyard.servers.clock import KernelClock, now_ns
from tiltyard.servers.openai import OpenAI

HOUR = 3_600_000_000_000
MS = 1_000_000
SOURCES = Path(__file__).parents[2] / "src" / "tiltyard"
# Wall clock readings that are no durations: the kernel's stamps are mapped by one, and the simulated servers
# write dates into their answers as the real ones do.
WALL_CLOCK = ("servers/clock.py", "servers/simulator/")


def stamp(clock: KernelClock, t_ns: int, step_ns: int = 0) -> bytes:
    """What the kernel writes for a packet at monotonic `t_ns` while the wall clock is off by `step_ns`."""
    unix = t_ns + clock.distance_ns + step_ns
    return struct.pack("qq", unix // 1_000_000_000, unix % 1_000_000_000)


def test_gaps_survive_a_step_of_an_hour_either_way() -> None:
    for step in (HOUR, -HOUR, 50 * MS, -50 * MS):
        clock = KernelClock()
        start = now_ns() - 400 * MS
        truth = [start + number * 20 * MS for number in range(10)]
        before = [stamp(clock, t) for t in truth[:5]]
        after = [stamp(clock, t, step) for t in truth[5:]]
        clock.note(truth[4] + MS, clock.distance_ns, 0)
        clock.note(truth[4] + 10 * MS, clock.distance_ns + step, 0)
        times, from_kernel = clock.resolve([*before, *after], start - MS)
        assert from_kernel
        assert max(abs(got - true) for got, true in zip(times, truth, strict=True)) < MS, step


def test_an_answer_measured_while_the_clock_jumps_takes_no_hour_and_no_time_backwards() -> None:
    body = (
        b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
        b'data: {"choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    )

    async def ask(url: str) -> float | None:
        server = OpenAI(Address(url=url))
        try:
            request = Request(model="m", messages=(Message(role="user", content="hi"),))
            capture = await server.ask(request)
            exchange = server.read(request, capture.opened())
            assert exchange.timeline.arrivals_ns == tuple(sorted(exchange.timeline.arrivals_ns))
            return measure(exchange).e2e_ms
        finally:
            await server.close()

    with ScriptedServer(lambda _: [0.05, chunked(body)]) as server:
        took = asyncio.run(ask(server.url))
    assert took is not None
    assert 49 < took < HOUR / MS


def test_no_duration_is_taken_from_the_wall_clock() -> None:
    """`time.time` is read nowhere but where the kernel's stamps are mapped; dates come from `datetime`."""
    for path in SOURCES.rglob("*.py"):
        if path.relative_to(SOURCES).as_posix().startswith(WALL_CLOCK):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "time"
            ):
                assert node.attr not in ("time", "time_ns"), path
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                assert not {alias.name for alias in node.names} & {"time", "time_ns"}, path
