"""What an answer gives away about what the server did: thinking though asked not to, cutting the prompt.

Each finding is a note on the exchange; none of them changes its ending.
"""

from __future__ import annotations

from msgspec.structs import replace

from tiltyard.records import Exchange, Request

FEWEST_WORDS = 48  # below, templates and counting habits blur the comparison
SHARE = 0.75  # every tokenizer in use gives a word at least one token; a quarter is left for exotic ones


def judged(request: Request, exchange: Exchange, *more: str) -> Exchange:
    """The exchange with the notes that it deserves, `more` included, each once."""
    found = list(more)
    if request.think is False and exchange.reasoning:
        found.append("thinking_despite_off")
    if exchange.ending == "ok" and prompt_was_cut(request, exchange):
        found.append("context_truncated")
    fresh = tuple(note for note in dict.fromkeys(found) if note not in exchange.notes)
    return replace(exchange, notes=(*exchange.notes, *fresh)) if fresh else exchange


def prompt_was_cut(request: Request, exchange: Exchange) -> bool:
    """Did the server count fewer prompt tokens than the prompt has words?

    A word (a run of characters without a space) is at least one token. Cached tokens are counted in by every
    dialect that reports a number worth comparing; an absent or zero count proves nothing.
    """
    reported = exchange.usage.prompt_tokens if exchange.usage else None
    if not reported:
        return False
    spaces = sum(message.content.count(" ") + message.content.count("\n") for message in request.messages)
    if spaces < FEWEST_WORDS or reported >= spaces * SHARE:
        return False
    words = sum(len(message.content.split()) for message in request.messages)
    return words >= FEWEST_WORDS and reported < words * SHARE
