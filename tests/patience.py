"""For what only time can tell, on a machine that others use too: right once is right.

A disturbance (the processor was away) makes a measured time wrong now and then; a defect makes it wrong every
time. Only tests about time itself use this; whatever can be told by order, count or a log is told by that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

TRIES = 8
REST_S = (0.0, 0.1, 0.3, 1.0, 2.0, 4.0, 4.0)  # a burst of other work on the machine is over by then


def best_of(tries: int = TRIES) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """The whole test again, at most `tries` times in all, as long as an assertion fails."""

    def wrap(test: Callable[P, None]) -> Callable[P, None]:
        @wraps(test)
        def again(*args: P.args, **named: P.kwargs) -> None:
            eventually(lambda _: test(*args, **named), tries)

        return again

    return wrap


def eventually(check: Callable[[int], T], tries: int = TRIES) -> T:
    """The result of `check(turn)`, for turn 0, 1, ...: the first that raises no AssertionError."""
    for turn in range(tries - 1):
        try:
            return check(turn)
        except AssertionError:
            time.sleep(REST_S[min(turn, len(REST_S) - 1)])
    return check(tries - 1)


def wait_for(holds: Callable[[], object], within_s: float = 60.0) -> None:
    """Until `holds()` is true; the limit is for defects, not for slow machines."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, f"it did not come to hold within {within_s:g} s"
        time.sleep(0.005)
