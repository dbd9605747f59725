"""How many answers of a load were generated at the same time, and what that says of its waits.

Where a closed load has more streams than the server has slots, each request waits for the ends of others. No
server need tell its slots for that to show: answers between their first token and their last are never as
many as the streams. Where they are, and waits take much of the time, prompts may wait for each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from tiltyard.load.schedule import Load
from tiltyard.records import Attempt
from tiltyard.stats.queues import IN_LINE, IN_TURN, QUEUED

MOST = 256  # streams of a load that are counted, unless it is told how many there are
# Prompts that are read in turn hold each other up where streams spend less than this share of the time on
# being answered, and each wait is like the one before: correlated by so much, of waits that vary by a tenth.
GENERATING, ALIKE, VARYING = 0.85, 0.25, 0.1
LOOKED_BACK = 8  # answers for each stream, among whose ends the overlaps of a new one are looked for


class Neighbours:
    """Takes values one by one. Is each like the one before it?"""

    def __init__(self) -> None:
        self.n = 0
        self._origin = 0.0  # the first: sums are of differences from it, so that nothing cancels
        self._last = self._sum = self._squares = self._products = 0.0

    def add(self, value: float) -> None:
        self._origin = self._origin if self.n else value
        value -= self._origin
        self.n += 1
        self._sum += value
        self._squares += value * value
        self._products += value * self._last
        self._last = value

    @property
    def alike(self) -> bool:
        """A correlation of neighbours of ALIKE or more, of values that vary by VARYING of their mean."""
        if self.n < 2:
            return False
        mean = self._sum / self.n
        spread = self._squares - self.n * mean * mean
        if spread <= (self.n - 1) * (VARYING * (self._origin + mean)) ** 2:
            return False
        together = self._products - mean * (2 * self._sum - self._last) + (self.n - 1) * mean * mean
        return together >= ALIKE * spread


class AtOnce:
    """Takes attempts in the order in which they ended. `enough`: streams; to count on tells nothing more."""

    def __init__(self, enough: int = MOST) -> None:
        self.most = self.answers = 0
        self.answered_ms = self.generated_ms = 0.0  # in all, from sending and from the first token to the end
        self.waits = Neighbours()
        self.enough = enough
        self._session = 0
        self._ends = deque[list[float]](maxlen=LOOKED_BACK * enough)  # ns, and how many were generated then

    def add(self, attempt: Attempt) -> None:
        measures, session = attempt.measures, attempt.session
        sent_ns = attempt.exchanges[-1].timeline.sent_ns if attempt.exchanges else None
        if sent_ns is None or measures.ttft_ms is None or measures.e2e_ms is None:
            return
        self.answers += 1
        self.answered_ms += measures.e2e_ms
        self.generated_ms += measures.e2e_ms - measures.ttft_ms
        self.waits.add(measures.ttft_ms)
        if self.most >= self.enough:
            return
        if session != self._session:  # another sitting may have another clock
            self._session = session
            self._ends.clear()
        first, last = sent_ns + measures.ttft_ms * 1e6, sent_ns + measures.e2e_ms * 1e6
        self._ends.append([last, 0])
        for end in reversed(self._ends):
            if end[0] < first:
                break
            end[1] += 1
            self.most = max(self.most, int(end[1]))


def waited(load: Load, seen: AtOnce) -> str | None:
    """Why the waits of a load are not independent; None where nothing speaks against it."""
    if load.kind != "closed":
        return QUEUED
    if seen.most < min(load.concurrency, seen.answers, seen.enough):
        return IN_LINE
    waiting = load.concurrency > 1 and seen.generated_ms < GENERATING * seen.answered_ms
    return IN_TURN if waiting and seen.waits.alike else None


def waited_in(load: Load, attempts: Iterable[Attempt]) -> str | None:
    """The same of all the attempts of a load."""
    seen = AtOnce(load.concurrency)
    for attempt in attempts:
        seen.add(attempt)
    return waited(load, seen)
