"""What an answer gives away about what the server did: thinking though asked not to, cutting the prompt.

Each finding is a note on the exchange; none of them changes its ending.
"""

from __future__ import annotations

from msgspec.structs import replace

from tiltyard.records import PAYLOAD, Exchange, Request
from tiltyard.servers.notes import (
    COLD,
    CUT,
    LOAD_UNTOLD,
    MAYBE_CUT,
    NOT_STREAMED,
    THINKING_DESPITE_OFF,
    THINKING_HIDDEN,
    THINKING_NOT_TO_BE_OFF,
)

# A word is at least one token in every tokenizer in use; a quarter is left for exotic ones. In fewer words
# than these, templates and counting habits blur the comparison.
FEWEST_WORDS, SHARE = 48, 0.75
# A prompt was cut where the server tells less than this share of the tokens that its own counts promised, and
# that many fewer.
DUE_SHARE, DUE_LESS = 0.9, 32
# It may have been cut already at these: the words that only one prompt has are 16 tokens, too.
SUSPECT_SHARE, SUSPECT_LESS = 0.98, 16
ONE_EACH = 1.02  # tokens per piece of text up to which each piece is a token
TEMPLATE_TOKENS = 32  # a cached part up to this size is the chat template's head, not the prompt
COLD_SHARE = 0.1  # of a prompt; what came from a cache beyond that makes it a warm one
# An answer was held back where its words came within this share of the time in which the server says that it
# made them; shorter times than these ms may be merged by the way itself, and so may a few pieces.
HELD_SHARE, HELD_MS, HELD_PIECES, HELD_CHARACTERS = 0.1, 50.0, 3, 40


def judged(request: Request, exchange: Exchange, *more: str, told: bool = True) -> Exchange:
    """The exchange with the notes that it deserves, `more` included, each once.

    `told`: this server can be told not to think, so the model that thinks does so against a word.
    """
    ok = exchange.ending == "ok"
    if not ok:  # no wait was measured, so no load is part of it
        kept = tuple(note for note in exchange.notes if note not in (COLD, LOAD_UNTOLD))
        exchange = exchange if kept == exchange.notes else replace(exchange, notes=kept)
    found = list(more)
    hidden = thinking_was_hidden(exchange)
    if hidden:
        found.append(THINKING_HIDDEN)
    if request.think is False and (hidden or exchange.reasoning.strip()):
        found.append(THINKING_DESPITE_OFF if told else THINKING_NOT_TO_BE_OFF)
    if ok and not hidden and was_held_back(exchange):
        found.append(NOT_STREAMED)
    if ok and prompt_was_cut(request, exchange):
        found.append(CUT)
    elif ok and prompt_is_short(request, exchange):
        found.append(MAYBE_CUT)
    fresh = tuple(note for note in dict.fromkeys(found) if note not in exchange.notes)
    return replace(exchange, notes=(*exchange.notes, *fresh)) if fresh else exchange


def thinking_was_hidden(exchange: Exchange) -> bool:
    """Does the server count reasoning of which it showed nothing? Where there are as many pieces of text as
    tokens, it is among the words.
    """
    usage, kinds = exchange.usage, exchange.events.kinds
    if usage is None or not usage.reasoning_tokens or "r" in kinds:
        return False
    pieces = sum(kinds.count(kind) for kind in PAYLOAD)
    n = usage.output_tokens
    return n is None or usage.reasoning_tokens > n or pieces * ONE_EACH < n


def was_held_back(exchange: Exchange) -> bool:
    """Did several tokens come at once, though the server took its time to make them, as behind a proxy that
    passes on whole answers?

    Not where all of it is a tool call: servers themselves keep one back until they know that it is one.
    """
    made_ms = exchange.timings.decode_ms if exchange.timings else None
    if made_ms is None or made_ms < HELD_MS:
        return False
    t_ns, kinds, texts = exchange.events.t_ns, exchange.events.kinds, exchange.events.texts
    spoken = [i for i, kind in enumerate(kinds) if kind in PAYLOAD]
    if not spoken or all(kinds[i] == "t" for i in spoken):
        return False
    several = len(spoken) >= HELD_PIECES or sum(len(texts[i]) for i in spoken) > HELD_CHARACTERS
    return several and t_ns[spoken[-1]] - t_ns[spoken[0]] < HELD_SHARE * made_ms * 1e6


def prompt_was_cut(request: Request, exchange: Exchange) -> bool:
    """Did the server count far fewer prompt tokens than its own counts promised, or than there are words?

    A word (a run of characters without a space) is at least one token. Cached tokens are counted in by every
    dialect that reports a number worth comparing, but older Ollamas leave them out: a prompt whose beginning
    was sent before is held to its words alone. An absent or zero count proves nothing.
    """
    reported, due = exchange.usage.prompt_tokens if exchange.usage else None, request.prompt_tokens
    if not reported:
        return False
    if due and not request.prefix_shared and reported < min(due * DUE_SHARE, due - DUE_LESS):
        return True
    spaces = sum(message.content.count(" ") + message.content.count("\n") for message in request.messages)
    if spaces < FEWEST_WORDS or reported >= spaces * SHARE:
        return False
    words = sum(len(message.content.split()) for message in request.messages)
    return words >= FEWEST_WORDS and reported < words * SHARE


def prompt_is_short(request: Request, exchange: Exchange) -> bool:
    """Did the server count some tokens less than its own counts promised? The beginning may be cut."""
    reported, due = exchange.usage.prompt_tokens if exchange.usage else None, request.prompt_tokens
    if not reported or not due or request.prefix_shared:
        return False
    return reported < min(due * SUSPECT_SHARE, due - SUSPECT_LESS)
