"""When a stage asks no more because failures are all that comes: the next one would tell nothing new.

Refusals are counted as they arrive, before anybody reads them: a server may refuse faster than that.
"""

from __future__ import annotations

from tiltyard.records import Attempt, Capture
from tiltyard.suites import HOPE, HOPELESS_TIMEOUTS, Patience

REFUSED_FROM = 400  # HTTP status


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
        self.promising = False  # has one come that must be read?

    def arrived(self, capture: Capture) -> None:
        """Take an answer that nobody has read yet."""
        if not capture.failure and (capture.status or 0) < REFUSED_FROM:
            self.promising = True
        how = (capture.failure, capture.status)
        self.refused = (how, self.refused[1] + 1 if how == self.refused[0] else 1)

    def known(self, attempt: Attempt) -> None:
        """Take an attempt of any sitting."""
        self.hopeful = self.hopeful or not nothing_known(attempt)

    def took(self, attempt: Attempt) -> None:
        """Take the newest attempt of this sitting, which is known by now, and decide."""
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
        """Have too many in a row failed to go on, or has nothing else happened since the beginning?"""
        patience, ending = self.patience, self.alike[0]
        late = ending.startswith("timeout")
        if patience.give_up_after is not None:
            hope = HOPE if self.answered and not late else 1
            return self.lost >= patience.give_up_after * hope
        if patience.hopeless_after is None or self.hopeful:
            return False
        times, refused = min(self.alike[1], self.lost), 0 if self.promising else self.refused[1]
        return (late and times >= HOPELESS_TIMEOUTS) or max(times, refused) >= patience.hopeless_after


def nothing_known(attempt: Attempt) -> bool:
    """Did it fail without a verdict on what the model would have said?"""
    return attempt.exchanges[-1].ending != "ok" and (
        attempt.grade is None or attempt.grade.outcome == "error"
    )
