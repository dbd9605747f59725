"""Is it the same machine? What the kernel leaves of its memory is told anew by every start."""

from __future__ import annotations

from typing import Any

import pytest

from tiltyard.stats.machines import as_known, hardware, served_on

GIB = 1 << 30
CARD = {"name": "RTX 4090", "vendor": "nvidia", "driver": "570.1", "memory_bytes": 24 * GIB}
HERE = {"cpu": "Ryzen", "kernel": "6.12", "ram_bytes": 31 * GIB, "gpus": [CARD]}


def moved(ram: int = 0, card: int = 0, **changes: Any) -> dict[str, Any]:
    cards = [{**CARD, "memory_bytes": 24 * GIB + card, **changes}]
    return {**HERE, "ram_bytes": 31 * GIB + ram, "gpus": cards}


@pytest.mark.parametrize("ram", [0, -4096, 4096, 300 << 20, -(300 << 20)])
@pytest.mark.parametrize("card", [0, -(12 << 20)])
def test_memory_that_moved_a_little_is_known_as_it_was(ram: int, card: int) -> None:
    now = moved(ram, card)
    found = as_known(now, HERE)
    assert found is not None
    assert hardware(found) == hardware(HERE)
    assert {name: found[name] for name in now} == now  # what was read stays


def test_sizes_on_either_side_of_every_round_number_are_one_machine() -> None:
    for size in range(GIB, 128 * GIB, GIB // 4):
        one, other = ({"cpu": "c", "ram_bytes": ram} for ram in (size, size - 4096))
        found = as_known(other, one)
        assert found is not None
        assert served_on(found, True, "") == served_on(one, True, "")


def test_memory_that_moves_again_and_again_is_known_as_it_was_first() -> None:
    found = as_known(moved(-(800 << 20)), HERE)
    assert found is not None
    further = as_known(moved(-(1600 << 20)), found)
    assert further is not None
    assert hardware(further) == hardware(HERE)


def test_a_new_driver_is_known_in_a_machine_that_is_known() -> None:
    found = as_known(moved(-4096, driver="580.2"), HERE)
    assert found is not None
    assert hardware(found) == {**hardware(HERE), "gpus": [{**CARD, "driver": "580.2"}]}


@pytest.mark.parametrize(
    "other",
    [
        moved(16 * GIB),
        moved(-(2 * GIB)),
        moved(card=-8 * GIB),
        moved(name="RTX 4080"),
        {**HERE, "cpu": "Xeon"},
        {**HERE, "gpus": [CARD, CARD]},
        {**HERE, "ram_bytes": None},
        {},
    ],
)
def test_other_parts_are_another_machine(other: dict[str, Any]) -> None:
    assert as_known(other, HERE) is None
