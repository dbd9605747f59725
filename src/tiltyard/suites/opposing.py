"""How many items a run has in common with the one that it is to decide against, before anything is asked.

Items meet as they do while the run asks (`stopping.py`): in stage, id and wording. A run that shares too few
could never decide anything, and would ask everything for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tiltyard.records import Item, Json
from tiltyard.stats.pairing import Scores, item_key, unit_of
from tiltyard.stats.sequential import log_evidence
from tiltyard.suites.graded import read_asking
from tiltyard.suites.stopping import order_of

DECIDED = math.log(20.0)  # evidence: 5 % over all looks


class Common(NamedTuple):
    """Items of a run, and how many of them the opponent has scores of."""

    shared: int
    asked: int

    @property
    def enough(self) -> bool:
        """Could they decide, if one of the two were right in all of them and the other in none?"""
        return log_evidence(self.shared, 0.0) >= DECIDED


def in_common(suite: str, settings: Mapping[str, Json], opponent: Scores) -> Common:
    """Counts items, however often and in however many ways each is asked; reads the files of the settings."""
    stage, items = ASKED[suite](settings)
    keys = {item_key(stage, item.id, item.content_hash) for item in items}
    shared = {unit_of(key) for key in keys.intersection(opponent.keys)}
    return Common(len(shared), len({unit_of(key) for key in keys}))


def of_mcq(settings: Mapping[str, Json]) -> tuple[str, Iterator[Item]]:
    from tiltyard.suites.mcq.questions import Choosing, items_of, question_set, shots_of, tested

    asking = read_asking({**settings, "repeats": 1, "rotations": False}, Choosing)
    questions = question_set(asking.files.get("questions") or (), asking.answers)
    return "mcq", items_of(questions, tested(questions, shots_of(asking, questions), asking), asking)


def of_json(settings: Mapping[str, Json]) -> tuple[str, Iterator[Item]]:
    from tiltyard.suites.structured import Shaping, items_of
    from tiltyard.suites.structured.cases import case_set

    asking = read_asking({**settings, "repeats": 1}, Shaping)
    cases = case_set(asking.files.get("schemas"), asking.level)
    order: Sequence[int] = order_of(len(cases), asking.limit, asking.seed, shuffled=True)
    return "json", items_of(cases, order, asking)


def of_tools(settings: Mapping[str, Json]) -> tuple[str, Iterator[Item]]:
    from tiltyard.suites.tools import ToolsAsking, asked_items, folder_of

    asking = read_asking({**settings, "repeats": 1}, ToolsAsking)
    name, items, _ = asked_items(asking, folder_of(asking))
    return name, items


ASKED = {"mcq": of_mcq, "json": of_json, "tools": of_tools}
