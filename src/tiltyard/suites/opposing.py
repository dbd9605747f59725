"""How many items a run has in common with the one that it is to decide against, before anything is asked.

Items meet as they do while the run asks (`stopping.py`): in stage, id and wording. A run that shares too few
could never decide anything, and would ask everything for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from tiltyard.records import Json
from tiltyard.stats.pairing import Scores, item_key, unit_of
from tiltyard.stats.sequential import log_evidence
from tiltyard.suites import Asked, load_suite

DECIDED = math.log(20.0)  # evidence: 5 % over all looks


class Common(NamedTuple):
    """Items of a run, and how many of them the opponent has scores of."""

    shared: int
    asked: int

    @property
    def enough(self) -> bool:
        """Could they decide, if one of the two were right in all of them and the other in none?"""
        return log_evidence(self.shared, 0.0) >= DECIDED


def in_common(suite: str, settings: Mapping[str, Json], opponent: Scores) -> Common | None:
    """Counts items, however often and in however many ways each is asked; reads the files of the settings.

    None for a suite that cannot tell its items beforehand.
    """
    asking = load_suite(suite)
    if not isinstance(asking, Asked):
        return None
    stage, items = asking.asked({**settings, "repeats": 1})
    keys = {item_key(stage, item.id, item.content_hash) for item in items}
    shared = {unit_of(key) for key in keys.intersection(opponent.keys)}
    return Common(len(shared), len({unit_of(key) for key in keys}))
