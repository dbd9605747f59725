"""Two fields of a chat request that some servers refuse by name, and what is sent in their place.

Newer models call `max_tokens` `max_completion_tokens`; strict gateways do not know `stream_options`, and then
send no token counts. Which of them a server refuses is learned from its own error, before a run.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from tiltyard.records import Exchange, Request

LIMIT, COUNTS = "max_tokens", "stream_options"
STATUSES = (400, 422)
NAMED = {
    LIMIT: re.compile(r"(?<!\w)max_?tokens(?!\w)", re.IGNORECASE),
    COUNTS: re.compile(r"(?<!\w)stream_options(?!\w)", re.IGNORECASE),
}
NOT_TAKEN = re.compile(
    r"unsupported|not support|n.t support|unrecogni[sz]ed|unknown|unexpected|not (?:permitted|allowed)",
    re.IGNORECASE,
)
# A limit that is too large is no reason to write it otherwise: who ignores the other name has no limit.
ABOUT_ITS_VALUE = re.compile(
    r"value|exceed|too (?:large|high|long|many|big)|at most|maximum|greater|less than|between", re.IGNORECASE
)


def refused_field(exchange: Exchange) -> str | None:
    """Which of the two fields the server's error refuses; None where it is about something else."""
    said = exchange.error or ""
    if exchange.ending != "http_error" or exchange.status not in STATUSES:
        return None
    field = next((field for field, name in NAMED.items() if name.search(said)), None)
    if not NOT_TAKEN.search(said) or (field == LIMIT and ABOUT_ITS_VALUE.search(said)):
        return None
    return field


def without(extra: dict[str, Any], request: Request, refused: Collection[str]) -> dict[str, Any]:
    """A dialect's own part of the body, in which the refused fields are left out or written otherwise."""
    if LIMIT in refused:
        limit = extra.get(LIMIT, request.max_tokens)
        extra = {**extra, LIMIT: None, "max_completion_tokens": limit}
    return {**extra, COUNTS: None} if COUNTS in refused else extra
