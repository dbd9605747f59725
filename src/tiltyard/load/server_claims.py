"""What a server says of its own work: its times and rates, by its own definitions, one function each.

They stand beside the client's figures and never replace one without saying so (`rate_source`,
`server_prefill_tps`).
"""

from __future__ import annotations

from tiltyard.records import ServerTimings

SHORTEST_MS = 0.4  # a time that a server claims, whatever its clock


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


def prefill_claim_ms(timings: ServerTimings | None) -> float | None:
    """The server's prefill time; of one that only tells its own time to first token, that (its queue too)."""
    if timings is None:
        return None
    return timings.ttft_ms if timings.prefill_ms is None else timings.prefill_ms
