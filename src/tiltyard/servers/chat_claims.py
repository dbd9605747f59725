"""What a server claims in chat chunks about itself: token counts, timings, names.

Nothing is computed from anything else here; what is missing stays None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from tiltyard.records import Json, ServerTimings, TokenSource, Usage
from tiltyard.servers.replies import table

COUNTS = ("prompt_tokens", "completion_tokens")
LONGEST_TOKEN = 40  # characters, on average over an answer: runs of spaces are long, words never
FAR_MORE = 10  # times the tokens that were asked for, or the characters of the answer: no server counts so


def integer(value: Json) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
        return None
    return int(value)


def count(value: Json) -> int | None:
    """A whole number of something: none is below nothing."""
    found = integer(value)
    return None if found is None or found < 0 else found


def number(value: Json) -> float | None:
    """A duration or a rate: none is below nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        return None
    return float(value)


def usage_of(usage: Mapping[str, Json] | None, timings: Mapping[str, Json] | None) -> Usage | None:
    """Token counts: OpenAI's `usage`, completed or replaced by llama.cpp's `timings`."""
    native = timings or {}
    cache_n, prompt_n = count(native.get("cache_n")), count(native.get("prompt_n"))
    predicted_n = count(native.get("predicted_n"))
    source: TokenSource = "server"
    if usage is None:
        if prompt_n is None and predicted_n is None:
            return None
        usage = {"prompt_tokens": (prompt_n or 0) + (cache_n or 0), "completion_tokens": predicted_n}
        source = "server-native"
    prompt_details = table(usage.get("prompt_tokens_details"))
    output_details = table(usage.get("completion_tokens_details"))
    cached = count(prompt_details.get("cached_tokens"))
    if cached is None:
        cached = count(usage.get("prompt_cache_hit_tokens"))
    reasoning = count(output_details.get("reasoning_tokens"))
    return Usage(
        prompt_tokens=count(usage.get("prompt_tokens")) or None,  # there is no prompt of no tokens
        output_tokens=count(usage.get("completion_tokens")),
        cached_tokens=cache_n if cached is None else cached,
        reasoning_tokens=count(usage.get("reasoning_tokens")) if reasoning is None else reasoning,
        source=source,
    )


def believable(tokens: int | None, characters: int, most: int | None) -> bool:
    """May an answer of so many characters have as few tokens as the server says, or as many where `most` were
    asked for? A text has one at least; thinking that is not shown, or a limit that is not kept, makes more.
    """
    if tokens is None:
        return True
    longest = LONGEST_TOKEN * (tokens + 1) if tokens else 0
    return characters <= longest and (most is None or tokens <= FAR_MORE * max(most, characters))


def counts_more(usage: Mapping[str, Json], before: Mapping[str, Json] | None) -> bool:
    """May a later usage replace an earlier one? Gateways add one of their own that holds only zeros."""
    return any(count(usage.get(key)) for key in COUNTS) or not any(
        count((before or {}).get(key)) for key in COUNTS
    )


def llamacpp_timings(timings: Mapping[str, Json]) -> ServerTimings:
    """llama.cpp's `timings`: prompt_n leaves out what came from the cache."""
    return ServerTimings(
        source="llamacpp",
        prefill_tokens=count(timings.get("prompt_n")),
        prefill_ms=number(timings.get("prompt_ms")),
        prefill_tps=number(timings.get("prompt_per_second")),
        decode_tokens=count(timings.get("predicted_n")),
        decode_ms=number(timings.get("predicted_ms")),
        decode_tps=number(timings.get("predicted_per_second")),
        draft_tokens=count(timings.get("draft_n")),
        draft_accepted=count(timings.get("draft_n_accepted")),
    )


def lmstudio_timings(stats: Mapping[str, Json]) -> ServerTimings:
    """LM Studio's v0 `stats`, each as claimed: its rate is not tokens over generation_time."""
    ttft_s = number(stats.get("time_to_first_token"))
    generation_s = number(stats.get("generation_time"))
    return ServerTimings(
        source="lmstudio-v0",
        decode_ms=None if generation_s is None else generation_s * 1000,
        decode_tps=number(stats.get("tokens_per_second")),
        ttft_ms=None if ttft_s is None else ttft_s * 1000,
        draft_tokens=count(stats.get("total_draft_tokens_count")),
        draft_accepted=count(stats.get("accepted_draft_tokens_count")),
    )


def runtime_version(runtime: Json) -> str | None:
    """LM Studio's `runtime{name, version}` as one string."""
    section = table(runtime)
    words = [section.get(key) for key in ("name", "version")]
    return " ".join(word for word in words if isinstance(word, str) and word) or None


def same_letters(asked: str, served: str) -> bool:
    """Whether the names differ only in what gateways change: folders, case, and the marks between words."""
    return _plain_name(asked) == _plain_name(served)


def plainly_another(asked: str, served: str) -> bool:
    """Whether a served name cannot stand for the asked one, even behind a gateway.

    One name within the other is not plain: it may be the same model by a longer name, or its next of kin.
    An empty served name says nothing.
    """
    a, b = _plain_name(asked), _plain_name(served)
    return bool(a) and bool(b) and a not in b and b not in a


def _plain_name(name: str) -> str:
    name = name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].lower()
    name = name.removesuffix(".gguf").removesuffix(":latest")
    return "".join(c for c in name if c.isalnum() or ord(c) > 127)
