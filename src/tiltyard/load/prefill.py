"""The prefill rate of one exchange: the server's own, else what the wait for the first token lets one say.

A rate needs a wait of its own: one that held this prompt, all of it, and nothing else
(docs/decisions/0019-a-rate-needs-its-own-wait.md).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from tiltyard.load.payload import Payload
from tiltyard.load.server_claims import load_ms, server_prefill_tps
from tiltyard.records import Exchange
from tiltyard.servers.claims import COLD_SHARE, TEMPLATE_TOKENS
from tiltyard.servers.notes import (
    COLD,
    CUT,
    HEAD_MAYBE_CACHED,
    LOAD_UNTOLD,
    MAYBE_CUT,
    NOT_STREAMED,
    PREFILL_MAYBE_CACHED,
    THINKING_HIDDEN,
)

PrefillKind = Literal["cold", "warm", "unknown"]


class Prefill(NamedTuple):
    tps: float | None
    kind: PrefillKind


def cached_tokens(exchange: Exchange, prompt_tokens: int | None) -> int | None:
    """Prompt tokens that the server did not process again: its own word, else prompt - processed. Of a prompt
    that was cut nobody but the server knows what was new; nor does Ollama say it of the template's head.
    """
    usage, timings = exchange.usage, exchange.timings
    if usage is not None and usage.cached_tokens is not None:
        return usage.cached_tokens
    if prompt_cut(exchange):
        return None
    if timings is None or timings.source == "ollama":
        return None
    if timings.prefill_tokens is not None and prompt_tokens is not None:
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
    timings = exchange.timings
    if timings is not None and timings.source == "ollama" and timings.prefill_tokens is not None:
        kind = "cold"  # it was read as a whole, but for the template's head
    server = server_prefill_tps(timings)
    if server is not None:
        return Prefill(server, kind)
    load = load_ms(timings)
    unknown = cached is None and maybe_cached(exchange)
    if not alone or maybe_loaded(exchange) or unknown or ttft is None or prompt_tokens is None:
        return Prefill(None, kind)
    fresh = prompt_tokens - (cached or 0)
    wait = ttft - (load or 0.0)
    return Prefill(fresh / wait * 1000.0 if fresh > 0 and wait > 0 else None, kind)


def waits_for_more(exchange: Exchange, payload: Payload | None, tokens: int | None) -> bool:
    """Does the wait for the first payload hold the making of several tokens? A tool call is kept back until
    its name is known, and some servers keep back the reasoning or the whole answer.
    """
    if payload is None:
        return False
    at_once = payload.chunks == 1 and (tokens is None or tokens > 2)  # a letter and its end are no wait
    kept = NOT_STREAMED in exchange.notes or THINKING_HIDDEN in exchange.notes
    return at_once or kept or exchange.events.kinds[payload.first] == "t"


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
