"""Retries, and rests between batches: which failures are asked again, and who waits for whom.

Only what failed on its way is asked again. What a model answered, however wrong, is its answer.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from tiltyard.records import Capture
from tiltyard.suites import Patience

TIMEOUTS = frozenset(("timeout_first_byte", "timeout_gap"))
ON_THE_WAY = TIMEOUTS | {"connect_error", "error_midstream"}
MOST_SAID_S = 30.0  # a server may ask for hours
TRY_LATER = frozenset((408, 425, 429, 502, 503, 504))  # HTTP: busy, restarting, or nobody behind the proxy


def failed_on_the_way(capture: Capture) -> bool:
    """Did the connection fail, or did the server ask to come back later?"""
    return capture.failure in ON_THE_WAY or capture.status in TRY_LATER


def wait_s(capture: Capture, patience: Patience, tried: int) -> float:
    """Seconds until a failed request is asked again, for the `tried`-th time after the first: the server's
    word counts where it asks for more than the settings.
    """
    return max(patience.retry_delay_s * 2.0**tried, said_s(capture.headers.get("retry-after", "")))


def said_s(text: str) -> float:
    """What `Retry-After` asks for, a number of seconds or a date, up to `MOST_SAID_S`; else 0."""
    try:
        wanted = float(text) if text[:1].isdigit() else until(text)
    except ValueError:
        return 0.0
    return min(max(wanted, 0.0), MOST_SAID_S)


def until(date: str) -> float:
    """Seconds from now to a date as HTTP writes it; ValueError for what is none."""
    from email.utils import parsedate_to_datetime  # few servers send one: the import would take the longest

    found = parsedate_to_datetime(date)
    return (found.replace(tzinfo=found.tzinfo or UTC) - datetime.now(UTC)).total_seconds()


class Batches:
    """Lets requests through in batches of `size`, with a rest after each; without a rest it does nothing."""

    def __init__(self, size: int, pause_s: float) -> None:
        self.size, self.pause_s = size, pause_s
        self.allowed, self.left = size, 0
        self.opened = asyncio.Event()

    async def enter(self, number: int) -> None:
        """Wait until the batch of request `number` may start."""
        while self.pause_s and number >= self.allowed:
            self.opened.clear()
            await self.opened.wait()

    def leave(self) -> None:
        """A request has ended; the last one of a batch lets the next in after the rest."""
        self.left += 1
        if self.pause_s and self.left % self.size == 0:
            asyncio.get_running_loop().call_later(self.pause_s, self._open)

    def _open(self) -> None:
        self.allowed += self.size
        self.opened.set()
