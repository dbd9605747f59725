"""When a stage asks no more because failures are all that comes: the next one would tell nothing new.

Refusals are counted as they arrive, before anybody reads them: a server may refuse faster than that.
"""

from __future__ import annotations

import math
from collections import deque

from tiltyard.records import Attempt, Capture
from tiltyard.suites import HOPE, HOPELESS_TIMEOUTS, Patience

REFUSED_FROM = 400  # HTTP status
GONE_AFTER = 8  # failures to connect in a row, at least
LONGEST_REST_S = 1.0
AWAY = (502, 503, 504)  # says a gateway, or a server that loads
Span = tuple[int, int]


class Despair:
    """Counts failures in a row and in kind. What was under way when it gave up may still end well."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self.gave_up = False  # decided once
        self.lost = 0  # failures in a row, in this sitting
        self.hopeful = False  # has anything ever succeeded here?
        self.answered = False  # and in this sitting?
        self.alike: tuple[str, int] = ("", 0)  # the ending of the newest attempts, and how many it has been
        self.refused: tuple[object, int] = (None, 0)  # the same of answers that need not be read to see it
        self.cut_off = 0  # failures to connect in a row
        self.gone_ns: Span | None = None  # when the first and the newest of them were sent
        self.away_ns: Span | None = None  # the same of these and all that a server in front of ours answered
        self.asked = self.came = self.read = 0  # requests sent, answers that came, answers read
        self.newest = 0  # number of the newest request with an answer
        self.open: dict[int, None] = {}  # numbers of the requests under way, the oldest first
        self.unread: deque[bool] = deque()  # of each answer that nobody has read yet: may it be a good one?
        self.promising = 0  # how many of them may
        # since there are too many failures: answers to be read, and the last request to be waited for
        self.due: tuple[int, int] | None = None

    def sent(self) -> int:
        """A request is on its way; returns its number."""
        self.asked += 1
        self.open[self.asked] = None
        return self.asked

    def arrived(self, number: int, capture: Capture) -> None:
        """Take an answer that nobody has read yet."""
        self.open.pop(number, None)
        good = not capture.failure and (capture.status or 0) < REFUSED_FROM
        self.came, self.newest = self.came + 1, max(self.newest, number)
        if self.due is not None and number <= self.due[1]:
            self.due = self.came, self.due[1]
        self.unread.append(good)
        self.promising += good
        how = (capture.failure, capture.status)
        before = self.refused[1] if how == self.refused[0] else 0
        self.refused = (how, 0 if good else before + 1)
        sent_ns = capture.timeline.started_ns
        gone = capture.failure == "connect_error"
        self.cut_off = self.cut_off + 1 if gone else 0
        self.gone_ns = widened(self.gone_ns, sent_ns) if gone else None
        self.away_ns = widened(self.away_ns, sent_ns) if gone or capture.status in AWAY else None

    def known(self, attempt: Attempt) -> None:
        """Take an attempt of any sitting."""
        self.hopeful = self.hopeful or not nothing_known(attempt)

    def took(self, attempt: Attempt) -> None:
        """Take the newest attempt of this sitting, which is known by now, and decide."""
        if self.unread:
            self.read, self.promising = self.read + 1, self.promising - self.unread.popleft()
        self.lost = self.lost + 1 if nothing_known(attempt) else 0
        self.answered = self.answered or not self.lost
        ending = attempt.exchanges[-1].ending
        self.alike = (ending, self.alike[1] + 1 if ending == self.alike[0] else 1)
        self.decide()

    def decide(self) -> bool:
        """Is it time to give up?"""
        self.gave_up = self.gave_up or self.hopeless()
        return self.gave_up

    def hopeless(self) -> bool:
        """Are there too many failures, and is no good answer among what had come or was under way by then?

        What lies unread may be good. And a load may be more than a server takes at once: it refuses some
        while it answers those that came before, and these are waited for.
        """
        if not self.too_many():
            self.due = None
            return False
        if self.due is None:
            self.due = self.came, 0 if self.patience.give_up_after is not None else self.newest
        came, newest = self.due
        older = next(iter(self.open), newest + 1) <= newest
        return not older and (not self.promising or self.read >= came)

    def too_many(self) -> bool:
        """Have too many in a row failed to go on, or has nothing else happened since the beginning?"""
        patience, late = self.patience, self.alike[0].startswith("timeout")
        if patience.give_up_after is not None:
            hope = HOPE if self.answered and not late else 1
            return self.lost >= patience.give_up_after * hope
        if self.cut_off >= GONE_AFTER and seconds(self.gone_ns) >= (patience.gone_after_s or math.inf):
            return True
        if patience.hopeless_after is None or self.hopeful:
            return False
        times = min(self.alike[1], self.lost)
        enough = HOPELESS_TIMEOUTS if late else patience.hopeless_after
        return times >= enough or self.refused[1] >= patience.hopeless_after

    @property
    def rest_s(self) -> float:
        """How long a stream waits before it asks again: as long as nobody has been there.

        Refusals cost no time: streams that went on at once would ask thousands of times a second, and have
        given up before a server that is started anew is back.
        """
        return 0.0 if self.patience.gone_after_s is None else min(seconds(self.away_ns), LONGEST_REST_S)


def widened(span: Span | None, at_ns: int) -> Span:
    """The span of time with another moment in it."""
    return (at_ns, at_ns) if span is None else (min(span[0], at_ns), max(span[1], at_ns))


def seconds(span: Span | None) -> float:
    return 0.0 if span is None else (span[1] - span[0]) / 1e9


def nothing_known(attempt: Attempt) -> bool:
    """Did it fail without a verdict on what the model would have said?"""
    return attempt.exchanges[-1].ending != "ok" and (
        attempt.grade is None or attempt.grade.outcome == "error"
    )
