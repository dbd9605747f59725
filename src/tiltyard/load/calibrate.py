"""How wrong is the instrument itself? Our client against a server that logs the true time of its writes.

The same client, driver and formulas that measure models are run against the simulator in a process of its
own; what they say is compared, request by request (X-Request-Id), with what happened. Where the embedded
engine is there, client and engine are compared as well. Nothing is stored here; the caller does that.
"""

from __future__ import annotations

import asyncio
import importlib.util
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from tiltyard import __version__
from tiltyard.errors import ServerError
from tiltyard.load.generator import Ticket, drive
from tiltyard.load.metrics import measure
from tiltyard.load.schedule import Load, Stop
from tiltyard.records import PAYLOAD, Capture, Exchange, Json, Message, Record, Request
from tiltyard.servers import Address, Server
from tiltyard.stats.figures import percentile

SCHEMA = "tiltyard.calibration/1"
MODEL = "calibration"
STREAMS, TOKENS, TTFT_MS, TOKEN_MS = 64, 50, 100.0, 20.0
CEILING_STREAMS, CEILING_TOKENS, CEILING_REQUESTS = 64, 256, 2_000
CLIENT_BUSY = 0.9  # of a core: above this the client was what limited the rate
ENGINE_TOKENS = 128

Tell = Callable[[str], None]


class Errors(Record, frozen=True):
    """What the client said less what happened, over the exchanges that the log knows. All lists ascend."""

    ttft_ms: tuple[float, ...]  # TTFT, less (first write - request received)
    ttft_pct: tuple[float, ...]  # the same in % of the true one
    first_ms: tuple[float, ...]  # first token's arrival, less its write
    token_ms: tuple[float, ...]  # every token's arrival, less its write
    gaps_ms: tuple[float, ...]  # between arrivals of consecutive tokens of a stream
    true_gaps_ms: tuple[float, ...]  # between their writes
    decode_pct: tuple[float, ...]  # decode rate in % of the true one, less 100; absolute
    tpot_ms: tuple[float, ...]  # time per output token less the true one; absolute
    exchanges: int
    lost: int  # tokens that were written and not seen, or the other way round


def errors_of(exchanges: Iterable[Exchange], truth: Iterable[Mapping[str, Json]]) -> Errors:
    """Compare exchanges with a log (`GET /tiltyard/truth`). Whatever did not arrive whole counts as lost."""
    known = {entry["request_id"]: entry for entry in truth}
    found: dict[str, list[float]] = {name: [] for name in Errors.__struct_fields__[:8]}
    count = lost = 0
    for exchange in exchanges:
        entry = known.get(exchange.request.request_id or "")
        if entry is None:
            continue
        count += 1
        writes = [t for t, _, tokens in entry["writes"] if tokens]
        events = exchange.events
        arrivals = [t for t, kind in zip(events.t_ns, events.kinds, strict=True) if kind in PAYLOAD]
        lost += abs(len(arrivals) - len(writes))
        if len(arrivals) != len(writes) or not writes:
            continue
        note(found, exchange, entry["received_ns"], (arrivals, writes))
    return Errors(**{k: tuple(sorted(v)) for k, v in found.items()}, exchanges=count, lost=lost)


def note(
    found: dict[str, list[float]], exchange: Exchange, received: int, times: tuple[list[int], list[int]]
) -> None:
    """Add one exchange's errors to the lists."""
    arrivals, writes = times
    sent = exchange.timeline.sent_ns
    if sent is not None:
        true_ttft = writes[0] - received
        error = arrivals[0] - sent - true_ttft
        found["ttft_ms"].append(error / 1e6)
        if true_ttft > 0:
            found["ttft_pct"].append(error / true_ttft * 100)
    found["first_ms"].append((arrivals[0] - writes[0]) / 1e6)
    found["token_ms"] += [(a - w) / 1e6 for a, w in zip(arrivals, writes, strict=True)]
    found["gaps_ms"] += [(b - a) / 1e6 for a, b in pairwise(arrivals)]
    found["true_gaps_ms"] += [(b - a) / 1e6 for a, b in pairwise(writes)]
    span = writes[-1] - writes[0]
    said = measure(exchange).decode_tps
    if span > 0 and said:
        true_tps = (len(writes) - 1) / span * 1e9
        found["decode_pct"].append(abs(said / true_tps - 1) * 100)
        found["tpot_ms"].append(abs(1000 / said - 1000 / true_tps))


def spread(values: Sequence[float]) -> dict[str, Json]:
    """Count, median, 99th percentile and worst of an ascending sample."""
    if not values:
        return {"n": 0, "p50": None, "p99": None, "max": None}
    return {
        "n": len(values),
        "p50": round(percentile(values, 0.5), 4),
        "p99": round(percentile(values, 0.99), 4),
        "max": round(values[-1], 4),
    }


def report_of(errors: Errors) -> dict[str, Json]:
    """The errors as the JSON object that is stored and shown."""
    gap_p99 = None
    if errors.gaps_ms:
        gap_p99 = round(percentile(errors.gaps_ms, 0.99) - percentile(errors.true_gaps_ms, 0.99), 4)
    return {
        "ttft_error_ms": spread(errors.ttft_ms),
        "ttft_error_pct": spread(errors.ttft_pct),
        "first_token_error_ms": spread(errors.first_ms),
        "token_error_ms": spread(errors.token_ms),
        "gap_p99_error_ms": gap_p99,
        "tpot_error_ms": spread(errors.tpot_ms),
        "decode_error_pct": spread(errors.decode_pct),
        "exchanges": errors.exchanges,
        "lost_tokens": errors.lost,
    }


async def calibrate(seconds: float = 15.0, tell: Tell = lambda _: None) -> dict[str, Json]:
    """Measure the instrument. `seconds` is what is spent on measuring; starting the servers comes on top."""
    tell("timing: 64 streams at 50 tokens a second each")
    async with simulated(delay=True) as (server, base):
        timed = await timing(server, base, seconds * 0.4)
    async with simulated(delay=False) as (server, _):
        tell("ceiling: 64 streams without any delay")
        top = await ceiling(server, seconds * 0.25)
        tell("ceiling: short requests")
        requests = await request_rate(server, seconds * 0.1)
    tell("engine: a tiny model on the embedded llama.cpp")
    engine = await against_engine(seconds * 0.25)
    return {
        "schema": SCHEMA,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "tiltyard": __version__,
        "loop": type(asyncio.get_running_loop()).__module__.partition(".")[0],
        **timed,
        "ceiling": top,
        "requests": requests,
        "engine": engine,
    }


# ------------------------------------------------------------------ the simulator, in a process of its own


@asynccontextmanager
async def simulated(delay: bool) -> AsyncIterator[tuple[Server, str]]:
    """A simulator as a child process, a client for it, and its address."""
    from tiltyard.servers.openai import OpenAI
    from tiltyard.servers.simulator import SimConfig, SimModel, spawn

    model = SimModel(name=MODEL, ttft_ms=TTFT_MS, token_ms=TOKEN_MS, slots=1024, loaded=True)
    config = SimConfig(models=(model,), dialects=("openai",), delay=delay)
    with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
        path = Path(folder) / "simulator.json"
        path.write_bytes(msgspec.json.encode(config))
        with spawn(path) as simulator:
            server = OpenAI(Address(url=simulator.url("openai")))
            try:
                yield server, simulator.url("openai")
            finally:
                await server.close()


async def truth_of(base: str) -> list[Mapping[str, Json]]:
    from tiltyard.servers.wires import open_wire

    wire = open_wire(Address(url=base))
    try:
        reply = await wire.call("GET", "/tiltyard/truth", timeout_s=30)
    finally:
        await wire.close()
    value = reply.json()
    if not isinstance(value, list):
        raise ServerError(f"{base} keeps no log of its writes", "calibrate against the simulator")
    return value


def request_of(number: int, tokens: int, model: str = MODEL) -> Request:
    return Request(
        model=model,
        messages=(Message(role="user", content=f"{number} Say something."),),
        max_tokens=tokens,
        ignore_eos=True,
        request_id=f"calibrate-{number}",
    )


async def gather(server: Server, load: Load, tokens: int, first: int) -> tuple[list[Exchange], float]:
    """Drive a load; exchanges (read after the last byte of all) and the seconds that the asking took."""
    captures: list[tuple[Request, Capture]] = []

    async def fire(ticket: Ticket) -> bool:
        request = request_of(first + ticket.number, tokens)
        captures.append((request, await server.ask(request, ticket.scheduled_ns)))
        return True

    began = time.perf_counter()
    await drive(load, fire, lambda: False)
    took = time.perf_counter() - began
    return [server.read(request, capture.opened()) for request, capture in captures], took


# ------------------------------------------------------------------ the parts


async def timing(server: Server, base: str, seconds: float) -> dict[str, Json]:
    """Errors at part load: rounds of staggered streams, so that the simulator's own queue does not count."""
    exchanges: list[Exchange] = []
    cpu = 0.0
    await gather(
        server, Load(concurrency=STREAMS, stop=Stop(count=STREAMS)), 2, 1_000_000
    )  # open connections
    end = time.perf_counter() + seconds
    while not exchanges or time.perf_counter() < end:
        load = Load(kind="constant", rate=STREAMS * 2.0, stop=Stop(count=STREAMS))
        began = time.process_time()
        found, _ = await gather(server, load, TOKENS, len(exchanges))
        cpu += time.process_time() - began
        exchanges += found
    errors = errors_of(exchanges, await truth_of(base))
    chunks = sum(len(exchange.events.t_ns) for exchange in exchanges)
    return {
        "clock": exchanges[0].timeline.clock,
        **report_of(errors),
        "part_load": {
            "streams": STREAMS,
            "chunks": chunks,
            "cpu_us_per_chunk": round(cpu / chunks * 1e6, 2) if chunks else None,
        },
    }


async def ceiling(server: Server, seconds: float) -> dict[str, Json]:
    """Most chunks a second: the best of several rounds without delay, reading the answers included in CPU."""
    rates: list[float] = []
    chunks, reads, cpu, wall = 0, 0, 0.0, 0.0
    end = time.perf_counter() + seconds
    while not rates or time.perf_counter() < end:
        began, start = time.process_time(), time.perf_counter()
        load = Load(concurrency=CEILING_STREAMS, stop=Stop(count=CEILING_STREAMS))
        exchanges, took = await gather(server, load, CEILING_TOKENS, 0)
        count = sum(len(exchange.events.t_ns) for exchange in exchanges)
        reads += sum(len(exchange.timeline.arrivals_ns) for exchange in exchanges)
        rates.append(count / took)
        chunks, cpu, wall = (
            chunks + count,
            cpu + time.process_time() - began,
            wall + time.perf_counter() - start,
        )
    busy = cpu / wall
    return {
        "chunks_per_s": round(max(rates)),
        "chunks_per_read": round(chunks / reads, 2),  # a saturated stream arrives in larger pieces
        "cpu_us_per_chunk": round(cpu / chunks * 1e6, 2),
        "client_busy": round(busy, 2),
        "limited_by": "client" if busy >= CLIENT_BUSY else "simulator",
    }


async def request_rate(server: Server, seconds: float) -> dict[str, Json]:
    """Most requests a second: one-token answers, 64 at a time."""
    began = time.process_time()
    load = Load(concurrency=CEILING_STREAMS, stop=Stop(count=CEILING_REQUESTS, seconds=seconds))
    exchanges, took = await gather(server, load, 1, 0)
    cpu = time.process_time() - began
    return {
        "per_s": round(len(exchanges) / took, 1),
        "cpu_us_per_request": round(cpu / len(exchanges) * 1e6, 1),
        "failed": sum(exchange.ending != "ok" for exchange in exchanges),
    }


async def against_engine(seconds: float) -> dict[str, Json] | None:
    """Our decode rate beside llama.cpp's own, on a tiny model; None where the engine is not installed."""
    if importlib.util.find_spec("xllamacpp") is None:
        return None
    from tiltyard.servers.embedded import Embedded
    from tiltyard.servers.tiny import TinySpec, write_model

    with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
        path = Path(folder) / "calibration.gguf"
        await asyncio.to_thread(write_model, path, TinySpec(name=MODEL))
        server = Embedded(Address(url=str(path)))
        try:
            await server.identify()
            return await engine_part(server, seconds)
        finally:
            await server.close()


async def engine_part(server: Server, seconds: float) -> dict[str, Json]:
    model = (await server.models())[0].name
    rows: list[dict[str, Any]] = []
    end = time.perf_counter() + seconds
    while len(rows) < 3 or (time.perf_counter() < end and len(rows) < 50):
        exchange = await server.send(request_of(len(rows), ENGINE_TOKENS, model))
        said = measure(exchange)
        if exchange.ending != "ok":
            raise ServerError(f"the engine's answer ended with {exchange.ending}", "see `tiltyard doctor`")
        if said.decode_tps and said.server_decode_tps:
            rows.append({"client": said.decode_tps, "server": said.server_decode_tps})
        elif time.perf_counter() > end:
            break
    apart = sorted(abs(row["client"] / row["server"] - 1) * 100 for row in rows)
    return {
        "version": server.info.version,
        "requests": len(rows),
        "decode_tps": round(percentile(sorted(row["client"] for row in rows), 0.5), 1) if rows else None,
        "server_decode_tps": round(percentile(sorted(row["server"] for row in rows), 0.5), 1)
        if rows
        else None,
        "apart_pct": spread(apart),
    }
