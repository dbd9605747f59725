"""Numbers that a case allows to be off by so much: what floats add to that."""

from __future__ import annotations

import math


def slack(wanted: float, reach: float) -> float:
    """What the nearest floats are off by: as text 20.1 is within 0.1 of 20, as float it is not.

    Raises OverflowError for an integer beyond all floats.
    """
    return 4 * math.ulp(abs(wanted) + reach)
