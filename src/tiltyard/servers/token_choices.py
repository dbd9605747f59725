"""Log-probabilities as servers send them, read into token choices; whatever has another shape is left out.

OpenAI's chat, llama-server, vLLM and Ollama share one shape: token, logprob and a list of top_logprobs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tiltyard.records import Json, TokenChoice

MOST = 20_000  # tokens of one answer


def token_choices(entries: Sequence[Json]) -> list[TokenChoice]:
    """One choice per entry that names a token and its log-probability."""
    found = []
    for entry in entries[:MOST]:
        own = _pair(entry)
        if own is None:
            continue
        others = entry.get("top_logprobs")
        pairs = [pair for other in others if (pair := _pair(other))] if isinstance(others, list) else []
        found.append(TokenChoice(text=own[0], logprob=own[1], others=tuple(pairs)))
    return found


def _pair(entry: Json) -> tuple[str, float] | None:
    if not isinstance(entry, dict):
        return None
    text, logprob = entry.get("token"), entry.get("logprob")
    if not isinstance(text, str) or isinstance(logprob, bool) or not isinstance(logprob, int | float):
        return None
    return (text, float(logprob)) if math.isfinite(logprob) else None
