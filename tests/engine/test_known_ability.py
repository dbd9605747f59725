"""A model made to be right with probability 0.7 scores 0.7, in every graded suite, on the real engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tiltyard.cli.ability import ABILITY, ANSWERS, ability_of, provable, settings_of

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("name", provable())
def test_a_known_ability_is_found_again(name: str, tmp_path: Path) -> None:
    result = asyncio.run(ability_of(name, tmp_path, lambda text: None))
    own = settings_of(name)
    assert result["n"] >= (own["limit"] * own["repeats"] if "repeats" in own else ANSWERS)
    assert result["holds"], result
    low, high = result["ci95"]
    assert low < result["score"] < high
    assert high - low < 0.16
    assert set(result["outcomes"]) <= {"correct", "wrong", "unparsed"}
    assert abs(result["score"] - ABILITY) < 0.1
