"""Turns finished attempts into progress events: how far, tokens per second now, time left.

At most two events a second, whatever the rate of answers; the display is the command line's.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from statistics import median

from tiltyard.records import Attempt, Json
from tiltyard.suites import Stage

EVERY_S = 0.5
RECENT = 8  # attempts that "now" looks back on


class Teller:
    """Counts one job's attempts and tells about them."""

    def __init__(self, tell: Callable[[Mapping[str, Json]], None], fixed: Mapping[str, Json]) -> None:
        self.tell, self.fixed = tell, fixed
        self.told_s = 0.0
        self.recent: list[float] = []
        self.retries = 0
        self.outcomes: Counter[str] = Counter()  # of graded attempts, those of earlier sittings left out
        self.timed, self.durations_ms = 0, 0.0
        self.done = self.failed = self.before = self.failed_before = 0  # of the stage, of those before it
        self.start(None, 0)

    def say(self, text: str) -> None:
        """A sentence for a person: what is going on."""
        self.tell({"event": "say", **self.fixed, "text": text})

    def start(self, stage: Stage | None, already: int, spent_s: float = 0.0) -> None:
        """A stage begins, `already` of its items answered in an earlier sitting, over `spent_s` seconds."""
        self.spent_s = spent_s
        self.stage, self.already = stage, already
        self.before, self.failed_before = self.before + self.done, self.failed_before + self.failed
        self.done, self.failed = already, 0
        self.began_s = time.monotonic()
        if stage is not None:
            place = {"stage": stage.name, "expected": stage.expected, "done": already}
            self.tell({"event": "stage", **self.fixed, **place, **self.of_run()})

    def of_run(self) -> Mapping[str, Json]:
        """Counts over the stages so far."""
        return {"run_done": self.before + self.done, "run_failed": self.failed_before + self.failed}

    def again(self, attempt: Attempt) -> None:
        """A request failed on its way and is asked again."""
        self.retries += 1
        reason = attempt.exchanges[-1].error or attempt.exchanges[-1].ending
        self.tell({"event": "retry", **self.fixed, "item": attempt.item_id, "reason": reason})

    def saw(self, stage: Stage, attempt: Attempt) -> None:
        """An attempt ended."""
        self.done += 1
        self.failed += attempt.exchanges[-1].ending != "ok"
        if attempt.grade is not None:
            self.outcomes[attempt.grade.outcome] += 1
        if attempt.measures.e2e_ms is not None:
            self.timed += 1
            self.durations_ms += attempt.measures.e2e_ms
        if attempt.measures.decode_tps is not None:
            self.recent = [*self.recent[-RECENT + 1 :], attempt.measures.decode_tps]
        now_s = time.monotonic()
        if now_s - self.told_s < EVERY_S and self.done != stage.expected:
            return
        self.told_s = now_s
        elapsed_s = now_s - self.began_s
        self.tell(
            {
                "event": "progress",
                **self.fixed,
                "stage": stage.name,
                "done": self.done,
                "failed": self.failed,
                **self.of_run(),
                "expected": stage.expected,
                "elapsed_s": round(elapsed_s, 2),
                "left_s": self.left_s(stage, elapsed_s),
                "decode_tps": median(self.recent) if self.recent else None,
                "outcomes": dict(self.outcomes) or None,
                "mean_duration_s": self.durations_ms / self.timed / 1e3 if self.timed else None,
            }
        )

    def left_s(self, stage: Stage, elapsed_s: float) -> float | None:
        """Seconds to go at the present pace, and at most what the load allows; None when nobody knows."""
        bounds = []
        new = self.done - self.already
        if stage.expected and new:
            bounds.append((stage.expected - self.done) * elapsed_s / new)
        if stage.load.stop.seconds is not None:
            bounds.append(max(stage.load.stop.seconds - self.spent_s - elapsed_s, 0.0))
        return round(min(bounds), 1) if bounds else None
