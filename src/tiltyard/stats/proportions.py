"""How sure is a share? The interval for successes out of tries.

Leaves out comparing two shares.
"""

from __future__ import annotations

import math

from tiltyard.stats.figures import Interval
from tiltyard.stats.student import normal_quantile


def wilson(successes: int, tries: int, level: float = 0.95) -> Interval | None:
    """Wilson's score interval of a proportion (Wilson 1927; Brown, Cai and DasGupta 2001 recommend it).

    It stays inside 0..1 and says something useful for 0 of n and n of n. None without a try.
    """
    if tries <= 0:
        return None
    if not 0 <= successes <= tries:
        raise ValueError(f"{successes} of {tries} is not a share")
    z = normal_quantile(0.5 + level / 2)
    share = successes / tries
    scale = 1.0 + z * z / tries
    centre = (share + z * z / (2 * tries)) / scale
    reach = z / scale * math.sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries))
    low = 0.0 if successes == 0 else centre - reach  # exact, where rounding would leave 1e-17
    high = 1.0 if successes == tries else centre + reach
    return Interval(low, high)
