"""How many answers of a load were generated at the same time, and what that says of its waits.

Where a closed load has more streams than the server has slots, each request waits for the ends of others. No
server need tell its slots for that to show: answers between their first token and their last are never as
many as the streams. Where waits take much of the time, prompts may wait for each other to be read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from tiltyard.load.schedule import Load
from tiltyard.records import Attempt
from tiltyard.stats.queues import IN_LINE, IN_TURN, QUEUED

MOST = 256  # streams of a load that are counted, unless it is told how many there are
GENERATING = 0.85  # of the time of several streams; below it, prompts read in turn hold each other up
LOOKED_BACK = 8  # answers for each stream, among whose ends the overlaps of a new one are looked for


class AtOnce:
    """Takes attempts in the order in which they ended. `enough`: streams; to count on tells nothing more."""

    def __init__(self, enough: int = MOST) -> None:
        self.most = self.answers = 0
        self.answered_ms = self.generated_ms = 0.0  # in all, from sending and from the first token to the end
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
    waiting = seen.generated_ms < GENERATING * seen.answered_ms
    return IN_TURN if waiting and load.concurrency > 1 and seen.answers > 1 else None


def waited_in(load: Load, attempts: Iterable[Attempt]) -> str | None:
    """The same of all the attempts of a load."""
    seen = AtOnce(load.concurrency)
    for attempt in attempts:
        seen.add(attempt)
    return waited(load, seen)
