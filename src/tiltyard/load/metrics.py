"""Every figure of one exchange: one function each, with its formula, unit and edge cases.

Latencies count from `sent_ns`, the moment the first byte of the request was handed to the kernel; the
`*_scheduled` ones from the schedule, so that a client or server that stalls cannot hide. Only exchanges that
ended `ok` have latencies and rates. Summaries over many exchanges are in `summary.py`; what a number means to
a reader is in docs/metrics.md.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple

from tiltyard.load.payload import Payload, counted_tokens, find_payload, first_chunk_tokens, payload_times
from tiltyard.records import Exchange, Measures, ServerTimings, Timeline, TokenSource
from tiltyard.servers.claims import COLD_SHARE, TEMPLATE_TOKENS
from tiltyard.servers.notes import COLD, CUT, HEAD_MAYBE_CACHED, LOAD_UNTOLD, MAYBE_CUT, PREFILL_MAYBE_CACHED

MS = 1e6  # nanoseconds
# a rate needs a time that the clock can tell to a tenth: ten times twice its error at p99
SHORTEST_NS = {"kernel": 400_000, "user": 5_000_000}
SHORTEST_MS = 0.4  # of a server's own claims, whatever its clock
VAGUE = 0.02  # a guessed rate with a larger bias gives way to the server's own

RateSource = Literal["client", "server", "client-chunked", "client-estimated"]
PrefillKind = Literal["cold", "warm", "unknown"]


class Decode(NamedTuple):
    """A decode rate, where it comes from, and how wrong a guess about chunks can make it."""

    tps: float | None
    source: RateSource | None
    bias: float | None


class Prefill(NamedTuple):
    tps: float | None
    kind: PrefillKind


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


def ttft_ms(exchange: Exchange, payload: Payload | None) -> float | None:
    """Time to first token: first non-empty content, reasoning, tool call or refusal - sent. None without
    payload.
    """
    return None if payload is None else _since(exchange.timeline.sent_ns, exchange.events.t_ns[payload.first])


def ttfo_ms(exchange: Exchange, payload: Payload | None) -> float | None:
    """Time to first output that a user sees: first payload that is not reasoning - sent. None if all was
    reasoning.
    """
    if payload is None or payload.visible is None:
        return None
    return _since(exchange.timeline.sent_ns, exchange.events.t_ns[payload.visible])


def ttft_scheduled_ms(exchange: Exchange, payload: Payload | None) -> float | None:
    """First payload - scheduled start: what a user who arrived on schedule waited (coordinated omission)."""
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


def close_ms(timeline: Timeline) -> float | None:
    """End of the body - sent."""
    return _since(timeline.sent_ns, timeline.closed_ns)


def tail_ms(exchange: Exchange, payload: Payload | None) -> float | None:
    """End of the body - last payload: how long the server kept the stream open for nothing."""
    return (
        None if payload is None else _since(exchange.events.t_ns[payload.last], exchange.timeline.closed_ns)
    )


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


def decode(exchange: Exchange, payload: Payload | None, tokens: int | None) -> Decode:
    """Decode rate in tokens/s: (N - n_first) / (t_last_payload - t_first_payload).

    N: output tokens. n_first: tokens of the first chunk (`first_chunk_tokens`). `client` when n_first is
    known; when it is a guess, or N an estimate, the server's own rate is taken if it gave one (`server`),
    else the guess with its bias (`client-chunked`, `client-estimated`). None when everything arrived within
    the clock's resolution (`SHORTEST_NS`), nothing counted the tokens, or too many of them may hide in the
    opening of a tool call, unless the server gave a rate; `why_no_rate` says which.
    """
    server = server_decode_tps(exchange.timings, tokens)
    if payload is None or tokens == 1:  # one token has no rate, whatever a server divides
        return Decode(None, None, None)
    events = exchange.events
    window = events.t_ns[payload.last] - events.t_ns[payload.first]
    if window >= SHORTEST_NS[exchange.timeline.clock] and tokens is not None and tokens > 1:
        first = first_chunk_tokens(events, payload, tokens)
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
    if payload.chunks < 2:
        return "the whole answer arrived at once"
    if not too_short(exchange) and first_chunk_tokens(exchange.events, payload, tokens).after <= 0:
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


def cached_tokens(exchange: Exchange, prompt_tokens: int | None) -> int | None:
    """Prompt tokens that the server did not process again: its own word, else prompt - processed. Of a prompt
    that was cut nobody but the server knows what was new.
    """
    usage, timings = exchange.usage, exchange.timings
    if usage is not None and usage.cached_tokens is not None:
        return usage.cached_tokens
    if prompt_cut(exchange):
        return None
    if timings is not None and timings.prefill_tokens is not None and prompt_tokens is not None:
        return max(prompt_tokens - timings.prefill_tokens, 0)
    return None


def prefill_kind(prompt_tokens: int | None, cached: int | None) -> PrefillKind:
    """cold: at most a tenth of the prompt came from a cache, or no more than a chat template's head (32
    tokens, and half the prompt); warm: more did; unknown: the server does not say.
    """
    if prompt_tokens is None or cached is None:
        return "unknown"
    head = min(TEMPLATE_TOKENS, prompt_tokens // 2)
    return "cold" if cached <= max(prompt_tokens * COLD_SHARE, head) else "warm"


def prefill(
    exchange: Exchange, ttft: float | None, prompt_tokens: int | None, cached: int | None, alone: bool = True
) -> Prefill:
    """Prefill rate in tokens/s: the server's processed tokens / its prefill time where it gives them, else
    the client's estimate (prompt - cached) / (TTFT - load), which holds a queue, one decode step and the
    network too.

    `ttft` is None where the wait held more than the prompt (`waits_for_more`).
    `Measures.server_prefill_tps` is set exactly when the figure is the server's. None when all was cached, or
    some may have been (`maybe_cached`) and nobody says how much. Not `alone`, a wait holds other
    requests: then only the server's figure counts. A prompt that was cut has none at all.
    """
    if prompt_cut(exchange):
        return Prefill(None, "unknown")
    kind = prefill_kind(prompt_tokens, cached)
    server = server_prefill_tps(exchange.timings)
    if server is not None:
        return Prefill(server, kind)
    load = load_ms(exchange.timings)
    unknown = cached is None and maybe_cached(exchange)
    if not alone or maybe_loaded(exchange) or unknown or ttft is None or prompt_tokens is None:
        return Prefill(None, kind)
    fresh = prompt_tokens - (cached or 0)
    wait = ttft - (load or 0.0)
    return Prefill(fresh / wait * 1000.0 if fresh > 0 and wait > 0 else None, kind)


def waits_for_more(exchange: Exchange, payload: Payload | None, tokens: int | None) -> bool:
    """Does the wait for the first payload hold the making of several tokens? A tool call is kept back until
    its name is known, and some servers keep back the whole answer.
    """
    if payload is None:
        return False
    at_once = payload.chunks == 1 and (tokens is None or tokens > 2)  # a letter and its end are no wait
    return at_once or exchange.events.kinds[payload.first] == "t"


def prompt_cut(exchange: Exchange) -> bool:
    """Was the prompt cut, or may it have been, where nobody says what of the rest came from a cache?"""
    told = exchange.usage is not None and exchange.usage.cached_tokens is not None
    return CUT in exchange.notes or (MAYBE_CUT in exchange.notes and not told)


def maybe_cached(exchange: Exchange) -> bool:
    """Did another request begin with the same words, so that a prefix cache may have known them? Of a short
    prompt the template's are enough.
    """
    noted = PREFILL_MAYBE_CACHED in exchange.notes or HEAD_MAYBE_CACHED in exchange.notes
    return exchange.request.prefix_shared or noted


def maybe_loaded(exchange: Exchange) -> bool:
    """Did the wait hold a load, as far as anybody can tell, and nobody says for how long?"""
    notes = exchange.notes
    return load_ms(exchange.timings) is None and (COLD in notes or LOAD_UNTOLD in notes)


def load_ms(timings: ServerTimings | None) -> float | None:
    """What the server says it spent on loading; not zero on a warm server (its scheduler counts too)."""
    return None if timings is None else timings.load_ms


def server_prefill_tps(timings: ServerTimings | None) -> float | None:
    """The server's prefill rate: processed tokens / prefill time, else the rate that it prints. None where it
    claims a time that no clock tells (`SHORTEST_MS`).
    """
    if timings is None:
        return None
    if timings.prefill_tokens and timings.prefill_ms:
        return claimed(timings.prefill_tokens, timings.prefill_tokens / timings.prefill_ms * 1000.0)
    return claimed(timings.prefill_tokens, timings.prefill_tps)


def claimed(tokens: int | None, tps: float | None) -> float | None:
    """A server's rate, unless the time behind it is too short to be a measurement."""
    if not tps or (tokens and tokens / tps * 1000.0 < SHORTEST_MS):
        return None
    return tps


def server_decode_tps(timings: ServerTimings | None, tokens: int | None = None) -> float | None:
    """The server's decode rate by its own definition: as printed, else tokens / decode time. None where it
    claims a time that no clock tells (`SHORTEST_MS`). `tokens`: of the answer, where its timings have none.
    """
    if timings is None:
        return None
    if timings.decode_tps:
        return claimed(timings.decode_tokens or tokens, timings.decode_tps)
    if timings.decode_tokens and timings.decode_ms:
        return claimed(timings.decode_tokens, timings.decode_tokens / timings.decode_ms * 1000.0)
    return None


def server_total_ms(timings: ServerTimings | None) -> float | None:
    """The server's total, else the sum of the parts that it names; None when it names neither prefill nor
    decode.
    """
    if timings is None:
        return None
    if timings.total_ms is not None:
        return timings.total_ms
    if timings.prefill_ms is None or timings.decode_ms is None:
        return None
    return (timings.load_ms or 0.0) + (timings.queue_ms or 0.0) + timings.prefill_ms + timings.decode_ms


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
    waited, closed = queue_ms(timeline), close_ms(timeline)
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


def prefill_claim_ms(timings: ServerTimings | None) -> float | None:
    """The server's prefill time; of one that only tells its own time to first token, that (its queue too)."""
    if timings is None:
        return None
    return timings.ttft_ms if timings.prefill_ms is None else timings.prefill_ms


def chunk_gaps_ms(exchange: Exchange) -> list[float]:
    """Times between consecutive arrivals of payload, in ms: chunks - 1 values, none of them zero.

    What arrived at one instant is one chunk. These are gaps between chunks, never called ITL: a chunk may
    hold several tokens (`Measures.tokens_per_chunk`). Empty unless the exchange ended ok.
    """
    if exchange.ending != "ok":
        return []
    events = exchange.events
    payload = find_payload(events)
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
    reasoning = None if usage is None else usage.reasoning_tokens
    chunks = None if payload is None else payload.events
    if exchange.ending != "ok":
        return Measures(
            queue_ms=queue_ms(timeline),
            connect_ms=connect_ms(timeline),
            prompt_tokens=prompt,
            output_tokens=tokens,
            cached_tokens=cached,
            reasoning_tokens=reasoning,
            chunks=chunks,
            tokens_source=source,
        )
    ttft, e2e, closed = ttft_ms(exchange, payload), e2e_ms(exchange, payload), close_ms(timeline)
    rate = decode(exchange, payload, tokens)
    wait = None if waits_for_more(exchange, payload, tokens) else ttft
    filling = prefill(exchange, wait, prompt, cached, alone)
    server_total = server_total_ms(timings)
    return Measures(
        queue_ms=queue_ms(timeline),
        connect_ms=connect_ms(timeline),
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
        prompt_tokens=prompt,
        output_tokens=tokens,
        cached_tokens=cached,
        reasoning_tokens=reasoning,
        chunks=chunks,
        tokens_per_chunk=None if payload is None or tokens is None else tokens / payload.chunks,
        tokens_source=source,
        rate_source=rate.source,
        rate_bias=rate.bias,
        server_prefill_tps=None if prompt_cut(exchange) else server_prefill_tps(timings),
        server_decode_tps=server_decode_tps(timings, tokens),
        server_ttft_ms=None if timings is None else timings.ttft_ms,
        server_total_ms=server_total,
        transport_ms=transport_ms(closed, server_total),
    )
