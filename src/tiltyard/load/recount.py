"""Counts an answer's tokens where its server did not: by its tokenizer, by a local one, else by its length.

The count is of the text as it is; tokens that a template hides are not in it. The source is stored with it,
so that an estimate is never taken for a count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from tiltyard.errors import ServerError
from tiltyard.load.prompts import local_counts
from tiltyard.records import Exchange, TokenSource, Usage

if TYPE_CHECKING:
    from tiltyard.servers import Server

CHARACTERS = 4.2  # per token of English prose in today's vocabularies; within a fifth of the truth for most


def is_uncounted(exchange: Exchange) -> bool:
    """Did it end well with text, and did nobody say how many tokens that was?"""
    if exchange.ending != "ok" or not (exchange.text or exchange.reasoning or exchange.tool_calls):
        return False
    if exchange.timings is not None and exchange.timings.decode_tokens is not None:
        return False
    return exchange.usage is None or exchange.usage.output_tokens is None


async def recounted(server: Server, exchange: Exchange, tokenizer: str | None = None) -> Exchange:
    """The exchange with a count of its output; unchanged where the server gave one. Raises UsageError for a
    tokenizer file that is none.
    """
    if not is_uncounted(exchange):
        return exchange
    text = exchange.reasoning + exchange.text + "".join(c.name + c.arguments for c in exchange.tool_calls)
    count, source = await count_text(server, exchange.request.model, text, tokenizer)
    usage = exchange.usage or Usage()
    return replace(exchange, usage=replace(usage, output_tokens=count, source=source))


async def count_text(server: Server, model: str, text: str, tokenizer: str | None) -> tuple[int, TokenSource]:
    """Tokens of a text, and who counted."""
    if "tokenize" in server.can:
        try:
            usage = await server.count_tokens(model, text)
        except ServerError:  # it has ended well before; the count can do without the server
            usage = None
        if usage is not None and usage.prompt_tokens is not None:
            return usage.prompt_tokens, "tokenize"
    if tokenizer is not None:
        return local_counts(tokenizer, [text])[0], "local"
    return max(round(len(text) / CHARACTERS), 1), "estimate"
