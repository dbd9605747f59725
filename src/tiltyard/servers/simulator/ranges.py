"""Which numbers the simulator takes: spans with two ends, never infinite and never NaN.

Upper ends keep a programme from asking for more than a machine can do; they limit no sensible one.
"""

from __future__ import annotations

from typing import NamedTuple


class Range(NamedTuple):
    """All numbers from `low` to `high`, or the whole ones among them."""

    low: float
    high: float
    whole: bool = False

    def has(self, value: float) -> bool:
        return self.low <= value <= self.high and not (self.whole and value % 1)

    def read(self, text: str) -> float | None:
        """The number that a text stands for; None where it is none of these."""
        try:
            if not self.whole:
                value = float(text)
            elif text.isascii() and text.isdigit():
                value = int(text)
            else:
                return None
        except ValueError:
            return None
        return value if self.has(value) else None

    def __str__(self) -> str:
        return f"a {'whole number' if self.whole else 'number'} from {self.low:,} to {self.high:,}"


MILLISECONDS = Range(0, 1_000_000_000)
RATE = Range(0.001, 1_000_000_000_000)  # per second
SHARE = Range(0, 1)
TOKENS = Range(1, 1_000_000, whole=True)
SOME_TOKENS = Range(0, 1_000_000, whole=True)
COUNT = Range(1, 1_000_000_000, whole=True)
SIZE = Range(1, 1_000_000_000_000_000, whole=True)
