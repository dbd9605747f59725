"""What one exchange's events say about time: the first and last payload, how it was chunked, how many tokens
came first.

A *payload* event carries text of the answer: content, reasoning, a tool call or a refusal. Role chunks,
usage, finish and pings are events, not payload. Payload that arrived at one instant is one chunk, however
many events the server cut it into: that is what a reader of the stream sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tiltyard.records import PAYLOAD, Events
from tiltyard.servers.claims import ONE_EACH

VISIBLE = "ctf"  # all but reasoning
MORE_PIECES = 1.1  # pieces of text per token from which one of both counts is not believed
FEW_PIECES = 2  # that many more may be a server's own: the parts of a tool call's opening
LIKE_THE_OTHERS = 0.5  # a first chunk within 50 % of the mean in characters counts as a mean one
OPENING = 0.25  # how much of an answer may hide in the opening of a tool call before its rate is unknown


class Payload(NamedTuple):
    """Positions in `Events` and counts; no times are computed here that nobody asks for."""

    first: int  # first payload event
    last: int
    visible: int | None  # first one that is not reasoning
    events: int  # payload events
    chunks: int  # distinct times at which payload arrived


class FirstChunk(NamedTuple):
    """How many tokens the first chunk held, how many came after it, and how that is known."""

    tokens: float
    after: float  # tokens that arrived later, up to the last payload
    chunked: bool  # a guess, since chunks hold several tokens and nothing says how many
    bias: float | None  # the decode rate may be wrong by a factor of 1 + bias, either way


def find_payload(events: Events) -> Payload | None:
    """Where the payload lies; None when there is none."""
    kinds = events.kinds
    found = [i for k in PAYLOAD if (i := kinds.find(k)) >= 0]
    if not found:
        return None
    first = min(found)
    last = max(kinds.rfind(k) for k in PAYLOAD)
    visible = min((i for k in VISIBLE if (i := kinds.find(k)) >= 0), default=None)
    count = sum(kinds.count(k) for k in PAYLOAD)
    return Payload(first, last, visible, count, len(set(payload_times(events, first, last, count))))


def payload_times(events: Events, first: int, last: int, count: int) -> Sequence[int]:
    """Arrival times of the payload events."""
    if last - first + 1 == count:  # nothing in between: the common case
        return events.t_ns[first : last + 1]
    kinds = events.kinds
    return tuple(t for i, t in enumerate(events.t_ns[first : last + 1], first) if kinds[i] in PAYLOAD)


def counted_tokens(events: Events, payload: Payload) -> int | None:
    """Sum of the server's per-event counts over payload; None unless it gave one for every payload event."""
    if events.tokens is None:
        return None
    mine = [n for k, n in zip(events.kinds, events.tokens, strict=True) if k in PAYLOAD]
    return None if not mine or min(mine) < 0 else sum(mine)


def first_chunk_tokens(events: Events, payload: Payload, output_tokens: int) -> FirstChunk:
    """Tokens that had arrived with the first payload chunk (`n_first` of the decode rate), best source first:

    1. the server's counts of the events that arrived at the first instant;
    2. as many payload events as tokens (within 2 %): one token each; many more events than tokens: a guess,
       see `_in_pieces`;
    3. an answer that begins with a tool call: see `_after_an_opening`;
    4. a guess from the chunks: N / chunks where the first holds about as many characters as the others, else
       N in proportion to its characters (speculative decoding starts with a single token). The bias then is
       the larger error of the rate when the first chunk really held one token, or twice the guess.
    """
    start = events.t_ns[payload.first]
    end = payload.first
    while end <= payload.last and events.t_ns[end] == start:
        end += 1
    n = output_tokens
    counted = _counted_first(events, payload, end)
    if counted is not None and counted.tokens + counted.after <= max(n * ONE_EACH, n + 1):
        return counted  # more than were generated are no counts of this answer
    first = sum(k in PAYLOAD for k in events.kinds[payload.first : end])
    if more_pieces(payload.events, n):
        return _in_pieces(payload, first, n)
    if n <= payload.events * ONE_EACH:
        uncertain = max(n - payload.events, 0)
        return FirstChunk(first, n - first, False, uncertain / (n - 1) if uncertain and n > 1 else None)
    if events.kinds[payload.first] == "t":
        return _after_an_opening(payload, first, n)
    guess = n / payload.chunks
    total = sum(map(len, events.texts[payload.first : payload.last + 1]))
    if total:
        share = n * sum(map(len, events.texts[payload.first : end])) / total
        if abs(share - guess) > LIKE_THE_OTHERS * guess:
            guess = min(max(share, 1.0), n - 1.0)
    after = n - guess
    bias = max((n - 1) / after - 1, guess / (n - 2 * guess) if n > 2 * guess else 1.0)
    return FirstChunk(guess, after, True, bias)


def more_pieces(pieces: int, tokens: int) -> bool:
    """Are there more pieces of text than tokens can have made? A token may be part of a letter, and no piece,
    but hardly ever two pieces: the count is too low, or the server cuts the text anew.
    """
    return pieces > max(tokens * MORE_PIECES, tokens + FEW_PIECES)


def _in_pieces(payload: Payload, opening: int, n: int) -> FirstChunk:
    """Tokens spread evenly over the pieces, if the server cuts the text anew. The bias is that of the rate if
    each piece was a token that the count leaves out.
    """
    first = n * opening / payload.events
    return FirstChunk(first, n - first, True, payload.events / n - 1)


def _after_an_opening(payload: Payload, opening: int, n: int) -> FirstChunk:
    """A tool call opens with marks and a name that a server keeps back until it knows what they are, so its
    first event holds tokens which no text shows; its characters tell nothing.

    The arguments after it come a token at a time, so `after` is the number of later payload events. The bias
    is that of the rate if the opening held one token only; beyond `OPENING` nobody can tell what the events
    held, and `after` is 0: there is no rate.
    """
    after = payload.events - opening
    bias = (n - 1) / after - 1 if after else 1.0
    if bias > OPENING:
        return FirstChunk(n, 0, True, None)
    return FirstChunk(n - after, after, True, bias)


def _counted_first(events: Events, payload: Payload, end: int) -> FirstChunk | None:
    """Source 1; tokens of events without text (a hidden marker between payload) took their time and count."""
    if events.tokens is None:
        return None
    span = slice(payload.first, payload.last + 1)
    if any(n < 0 and k in PAYLOAD for n, k in zip(events.tokens[span], events.kinds[span], strict=True)):
        return None
    first = sum(n for n in events.tokens[payload.first : end] if n > 0)
    after = sum(n for n in events.tokens[end : payload.last + 1] if n > 0)
    return FirstChunk(first, after, False, None) if first else None
