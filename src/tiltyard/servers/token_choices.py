"""Log-probabilities as servers send them, read into token choices; whatever has another shape is left out.

OpenAI's chat, llama-server, vLLM and Ollama share one shape: token, logprob and a list of top_logprobs.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tiltyard.records import Json, TokenChoice

MOST = 20_000  # tokens of one answer


class _Other(msgspec.Struct, gc=False):
    token: str
    logprob: float


class Entry(msgspec.Struct, gc=False):
    token: str
    logprob: float
    top_logprobs: list[_Other] | None = None


def token_choices(entries: Sequence[Json]) -> list[TokenChoice]:
    """One choice per entry that names a token and its log-probability."""
    try:
        return chosen(msgspec.convert(entries[:MOST], list[Entry]))
    except msgspec.ValidationError:
        return chosen([entry for entry in map(_tolerant, entries[:MOST]) if entry is not None])


def chosen(entries: Sequence[Entry]) -> list[TokenChoice]:
    """The same of entries that were decoded as such."""
    return [_choice(entry) for entry in entries[:MOST]]


def _choice(entry: Entry) -> TokenChoice:
    others = tuple([(other.token, other.logprob) for other in entry.top_logprobs or ()])
    return TokenChoice(text=entry.token, logprob=entry.logprob, others=others)


def _tolerant(entry: Json) -> Entry | None:
    """An entry without those of its alternatives that cannot be read; None where it cannot itself."""
    others = entry.get("top_logprobs") if isinstance(entry, dict) else None
    try:
        own = msgspec.convert({**entry, "top_logprobs": None} if others is not None else entry, Entry)
    except msgspec.ValidationError:
        return None
    own.top_logprobs = [o for other in others if (o := _other(other))] if isinstance(others, list) else None
    return own


def _other(value: Json) -> _Other | None:
    try:
        return msgspec.convert(value, _Other)
    except msgspec.ValidationError:
        return None
