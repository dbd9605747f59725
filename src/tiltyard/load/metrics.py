"""Every figure of one exchange: one function each, with its formula, unit and edge cases.

Latencies count from `sent_ns`, the moment the first byte of the request was handed to the kernel; the
`*_scheduled` ones from the schedule, so that a client or server that stalls cannot hide. Only exchanges that
ended `ok` have latencies and rates. The prefill rate is in `prefill.py`, the server's own figures are in
`server_claims.py`, summaries over many exchanges in `summary.py`; what a number means is in docs/metrics.md.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple

from msgspec.structs import replace

from tiltyard.load.payload import (
    Payload,
    counted_tokens,
    find_payload,
    first_chunk_tokens,
    payload_times,
)
from tiltyard.load.prefill import cached_tokens, prefill, prompt_cut, waits_for_more
from tiltyard.load.server_claims import (
    load_ms,
    prefill_claim_ms,
    server_decode_tps,
    server_prefill_tps,
    server_total_ms,
)
from tiltyard.records import Exchange, Measures, Timeline, TokenSource
from tiltyard.servers.notes import LEFT_OPEN, NOT_STREAMED, THINKING_HIDDEN

MS = 1e6  # nanoseconds
# a rate needs a time that the clock can tell to a tenth: ten times twice its error at p99
SHORTEST_NS = {"kernel": 400_000, "user": 5_000_000}
VAGUE = 0.02  # a guessed rate with a larger bias gives way to the server's own

RateSource = Literal["client", "server", "client-chunked", "client-estimated"]


class Decode(NamedTuple):
    """A decode rate, where it comes from, and how wrong a guess about chunks can make it."""

    tps: float | None
    source: RateSource | None
    bias: float | None


def _since(start_ns: int | None, end_ns: int | None) -> float | None:
    return None if start_ns is None or end_ns is None else (end_ns - start_ns) / MS


def queue_ms(timeline: Timeline) -> float | None:
    """sent - scheduled: what the request waited in the client (dispatch, connection). None if never sent."""
    return _since(timeline.scheduled_ns, timeline.sent_ns)


def connect_ms(timeline: Timeline) -> float | None:
    """connected - started: making the connection. 0 where an old one was used; None if it failed."""
    if timeline.reused:
        return 0.0
    return _since(timeline.started_ns, timeline.connected_ns)


def ttfb_ms(timeline: Timeline) -> float | None:
    """headers - sent: status line and headers are complete. Says nothing about tokens: many servers send
    headers before they begin to think.
    """
    return _since(timeline.sent_ns, timeline.headers_ns)


def first_event_ms(exchange: Exchange) -> float | None:
    """First event of any kind - sent: role chunks, progress reports and pings count here, nowhere else."""
    t_ns = exchange.events.t_ns
    return _since(exchange.timeline.sent_ns, t_ns[0] if t_ns else None)


def timed_payload(exchange: Exchange, payload: Payload | None) -> Payload | None:
    """The payload, if its times are its own: None where the whole answer came in one piece, which tells when
    the last token was there and nothing of the first.
    """
    return None if NOT_STREAMED in exchange.notes else payload


def ttft_ms(exchange: Exchange, payload: Payload | None) -> float | None:
    """Time to first token: first non-empty content, reasoning, tool call or refusal - sent. None without
    payload, and of an answer in one piece.
    """
    payload = timed_payload(exchange, payload)
    return None if payload is None else _since(exchange.timeline.sent_ns, exchange.events.t_ns[payload.first])


def ttfo_ms(exchange: Exchange, payload: Payload | None) -> float | None:
    """Time to first output that a user sees: first payload that is not reasoning - sent. None if all was
    reasoning, and of an answer in one piece.
    """
    payload = timed_payload(exchange, payload)
    if payload is None or payload.visible is None:
        return None
    return _since(exchange.timeline.sent_ns, exchange.events.t_ns[payload.visible])


def ttft_scheduled_ms(exchange: Exchange, payload: Payload | None) -> float | None:
    """First payload - scheduled start: what a user who arrived on schedule waited (coordinated omission).
    None of an answer in one piece.
    """
    payload = timed_payload(exchange, payload)
    return (
        None
        if payload is None
        else _since(exchange.timeline.scheduled_ns, exchange.events.t_ns[payload.first])
    )


def e2e_ms(exchange: Exchange, payload: Payload | None) -> float | None:
    """Last payload - sent. Finish, usage and `[DONE]` come later and are the tail."""
    return None if payload is None else _since(exchange.timeline.sent_ns, exchange.events.t_ns[payload.last])


def e2e_scheduled_ms(exchange: Exchange, payload: Payload | None) -> float | None:
    """Last payload - scheduled start."""
    return (
        None
        if payload is None
        else _since(exchange.timeline.scheduled_ns, exchange.events.t_ns[payload.last])
    )


def close_ms(exchange: Exchange) -> float | None:
    """End of the body - sent. None where the server left it open until the client gave up."""
    return _since(exchange.timeline.sent_ns, _closed_ns(exchange))


def _closed_ns(exchange: Exchange) -> int | None:
    return None if LEFT_OPEN in exchange.notes else exchange.timeline.closed_ns


def tail_ms(exchange: Exchange, payload: Payload | None) -> float | None:
    """End of the body - last payload: how long the server kept the stream open for nothing. None where it did
    so until the client gave up.
    """
    return None if payload is None else _since(exchange.events.t_ns[payload.last], _closed_ns(exchange))


def output_tokens(exchange: Exchange, payload: Payload | None) -> tuple[int | None, TokenSource | None]:
    """Tokens generated, and who counted: usage, else the server's timings, else its per-event counts.

    Chunks are never counted as tokens: without any count there is none, only an estimate that the reader of
    the dialect may have put into usage, labelled as such.
    """
    usage, timings = exchange.usage, exchange.timings
    if usage is not None and usage.output_tokens is not None:
        return usage.output_tokens, usage.source
    if timings is not None and timings.decode_tokens is not None:
        return timings.decode_tokens, "server-native"
    if payload is not None and (counted := counted_tokens(exchange.events, payload)) is not None:
        return counted, "server-native"
    return None, None


def streamed_tokens(exchange: Exchange, payload: Payload | None, tokens: int | None) -> int | None:
    """Output tokens that had an arrival: all, but for reasoning that the server counts and does not show.
    None if unknown, as where it counts what it showed as reasoning. Counts of each event have those in them.
    """
    if tokens is None or payload is None or THINKING_HIDDEN not in exchange.notes:
        return tokens
    hidden = (exchange.usage.reasoning_tokens if exchange.usage else None) or 0
    if hidden > tokens or counted_tokens(exchange.events, payload) is not None:
        return tokens
    return tokens - hidden or None


def decode(exchange: Exchange, payload: Payload | None, tokens: int | None) -> Decode:
    """Decode rate in tokens/s: (N - n_first) / (t_last_payload - t_first_payload).

    N: output tokens that were streamed (`streamed_tokens`). n_first: tokens of the first chunk
    (`first_chunk_tokens`). `client` when n_first is known; when it is a guess, or N an estimate, the server's
    own rate is taken if it gave one (`server`), else the guess with its bias (`client-chunked`,
    `client-estimated`). None when the answer came in one piece or within the clock's resolution
    (`SHORTEST_NS`), nothing counted the tokens, or too many of them may hide in the opening of a tool call,
    unless the server gave a rate; `why_no_rate` says which.
    """
    server = server_decode_tps(exchange.timings, tokens)
    if payload is None or tokens == 1:  # one token has no rate, whatever a server divides
        return Decode(None, None, None)
    events = exchange.events
    window = events.t_ns[payload.last] - events.t_ns[payload.first]
    timed = timed_payload(exchange, payload) is not None and window >= SHORTEST_NS[exchange.timeline.clock]
    shown = streamed_tokens(exchange, payload, tokens)
    if timed and shown is not None and shown > 1:
        first = first_chunk_tokens(events, payload, shown)
        estimated = exchange.usage is not None and exchange.usage.source == "estimate"
        vague = estimated or (first.chunked and (first.bias or 0.0) > VAGUE)
        if first.after > 0 and (server is None or not vague):
            source: RateSource = "client-chunked" if first.chunked else "client"
            if estimated:
                source = "client-estimated"
            return Decode(first.after / window * 1e9, source, first.bias)
    return Decode(server, None if server is None else "server", None)


def why_no_rate(exchange: Exchange) -> str:
    """Why an exchange that ended well has no decode rate, in words."""
    payload = find_payload(exchange.events)
    tokens, _ = output_tokens(exchange, payload)
    if payload is None:
        return "nothing of the answer was streamed"
    if tokens is None:
        return "nobody counted the tokens"
    if tokens <= 1:
        return "one token has no rate"
    shortest = SHORTEST_NS[exchange.timeline.clock] / MS
    if payload.chunks < 2 or timed_payload(exchange, payload) is None:
        return "the whole answer arrived at once"
    shown = streamed_tokens(exchange, payload, tokens)
    if shown is None or shown <= 1:
        return "the server counts as reasoning what it showed as the answer"
    if not too_short(exchange) and first_chunk_tokens(exchange.events, payload, shown).after <= 0:
        return "nothing tells how many tokens the opening of the tool call held"
    return f"the whole answer arrived within {shortest:g} ms: too short for this clock"


def too_short(exchange: Exchange) -> bool:
    """Did the payload of an answer arrive within less than its clock can tell?"""
    payload = find_payload(exchange.events)
    if payload is None:
        return False
    window = exchange.events.t_ns[payload.last] - exchange.events.t_ns[payload.first]
    return window < SHORTEST_NS[exchange.timeline.clock]


def itl_ms(decode_tps: float | None) -> float | None:
    """Inter-token latency of one request: 1000 / decode rate. One number per request, not a gap between
    chunks.
    """
    return None if not decode_tps else 1000.0 / decode_tps


def e2e_tps(tokens: int | None, e2e: float | None) -> float | None:
    """Output tokens / E2E, in tokens/s: the rate with the wait for the first token in it."""
    return None if tokens is None or not e2e or e2e <= 0 else tokens / e2e * 1000.0


def transport_ms(closed: float | None, server_total: float | None) -> float | None:
    """Client's total (to close) - server's total. Below zero where the server counts what the client cannot
    see.
    """
    return None if closed is None or server_total is None else closed - server_total


def attribute(exchange: Exchange) -> dict[str, float | None]:
    """Where the time of one exchange went, in ms, from scheduled start to the end of the body.

    client: until the request was sent, without connecting; transport: connecting, and whatever the server's
    own parts do not cover (network, HTTP, event loop); load, queue, prefill, decode: the server's claims.
    None: not claimed, and then it is inside transport. The parts add up to `total`.
    """
    timeline, timings = exchange.timeline, exchange.timings
    waited, closed = queue_ms(timeline), close_ms(exchange)
    connecting = connect_ms(timeline) or 0.0
    parts: dict[str, float | None] = {
        "load": load_ms(timings),
        "queue": timings.queue_ms if timings else None,
        "prefill": prefill_claim_ms(timings),
        "decode": timings.decode_ms if timings else None,
    }
    claimed = sum(value for value in parts.values() if value is not None)
    parts["transport"] = None if closed is None else connecting + closed - claimed
    parts["client"] = None if waited is None else waited - connecting
    parts["total"] = None if waited is None or closed is None else waited + closed
    return parts


def chunk_gaps_ms(exchange: Exchange) -> list[float]:
    """Times between consecutive arrivals of payload, in ms: chunks - 1 values, none of them zero.

    What arrived at one instant is one chunk. These are gaps between chunks, never called ITL: a chunk may
    hold several tokens (`Measures.tokens_per_chunk`). Empty unless the exchange ended ok, in a stream.
    """
    if exchange.ending != "ok":
        return []
    events = exchange.events
    payload = timed_payload(exchange, find_payload(events))
    if payload is None:
        return []
    times = payload_times(events, payload.first, payload.last, payload.events)
    return [(b - a) / MS for a, b in pairwise(times) if b != a]


def measure(exchange: Exchange, *, alone: bool = True) -> Measures:
    """All of the above for one exchange. Counts are given for every ending, latencies and rates for `ok`
    only. `alone`: no other request was under way.
    """
    timeline, usage, timings = exchange.timeline, exchange.usage, exchange.timings
    payload = find_payload(exchange.events)
    tokens, source = output_tokens(exchange, payload)
    prompt = None if usage is None else usage.prompt_tokens
    cached = cached_tokens(exchange, prompt)
    counts = Measures(
        queue_ms=queue_ms(timeline),
        connect_ms=connect_ms(timeline),
        prompt_tokens=prompt,
        output_tokens=tokens,
        cached_tokens=cached,
        reasoning_tokens=None if usage is None else usage.reasoning_tokens,
        chunks=None if payload is None else payload.events,
        tokens_source=source,
    )
    if exchange.ending != "ok":
        return counts
    ttft, e2e, closed = ttft_ms(exchange, payload), e2e_ms(exchange, payload), close_ms(exchange)
    rate = decode(exchange, payload, tokens)
    shown = streamed_tokens(exchange, payload, tokens)
    wait = None if waits_for_more(exchange, payload, tokens) else ttft
    filling = prefill(exchange, wait, prompt, cached, alone)
    server_total = server_total_ms(timings)
    return replace(
        counts,
        ttfb_ms=ttfb_ms(timeline),
        first_event_ms=first_event_ms(exchange),
        ttft_ms=ttft,
        ttfo_ms=ttfo_ms(exchange, payload),
        ttft_scheduled_ms=ttft_scheduled_ms(exchange, payload),
        e2e_ms=e2e,
        e2e_scheduled_ms=e2e_scheduled_ms(exchange, payload),
        close_ms=closed,
        tail_ms=tail_ms(exchange, payload),
        itl_ms=itl_ms(rate.tps),
        decode_tps=rate.tps,
        e2e_tps=e2e_tps(tokens, e2e),
        prefill_tps=filling.tps,
        prefill_kind=filling.kind,
        load_ms=load_ms(timings),
        tokens_per_chunk=None if payload is None or shown is None else shown / payload.chunks,
        rate_source=rate.source,
        rate_bias=rate.bias,
        server_prefill_tps=None if prompt_cut(exchange) else server_prefill_tps(timings),
        server_decode_tps=server_decode_tps(timings, tokens),
        server_ttft_ms=None if timings is None else timings.ttft_ms,
        server_total_ms=server_total,
        transport_ms=transport_ms(closed, server_total),
    )
