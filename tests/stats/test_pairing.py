"""Scores by what was asked: packed and unpacked, averaged, found again, and the same for the same items."""

from __future__ import annotations

import pytest

from tiltyard.stats.pairing import Scores, item_key, shared


def test_a_key_is_of_stage_item_and_wording() -> None:
    keys = {
        item_key(*parts) for parts in (("s", "a", "h"), ("s", "ah", ""), ("t", "a", "h"), ("s", "a", "i"))
    }
    assert len(keys) == 4
    assert all(0 <= key < 2**63 for key in keys)
    assert item_key("s", "a", "h") == item_key("s", "a", "h")


@pytest.mark.parametrize("values", [[1.0, 0.0, 1.0], [0.25, 1.0, 0.5], [], [0.0] * 17])
def test_what_is_packed_comes_back(values: list[float]) -> None:
    scores = Scores.of((item_key("s", str(n), "h"), value) for n, value in enumerate(values))
    again = Scores.unpacked(*scores.packed())
    assert (again.keys, again.values) == (scores.keys, scores.values)
    assert sorted(again.values) == sorted(values)


def test_right_and_wrong_take_one_bit_each() -> None:
    scores = Scores.of((number, float(number % 3 == 0)) for number in range(1000))
    keys, body = scores.packed()
    assert len(keys) == 8000
    assert len(body) == 126


def test_repetitions_are_averaged_and_found() -> None:
    scores = Scores.of([(7, 1.0), (5, 0.0), (7, 0.5)])
    assert list(scores.keys) == [5, 7]
    assert scores.score_of(7) == 0.75
    assert scores.score_of(6) is None
    assert Scores.of([]).score_of(1) is None


def test_the_hash_is_of_the_items_alone() -> None:
    a, b = Scores.of([(1, 1.0), (2, 0.0)]), Scores.of([(2, 1.0), (1, 0.5)])
    assert a.items_hash() == b.items_hash()
    assert a.items_hash() != Scores.of([(1, 1.0)]).items_hash()


def test_only_shared_items_are_paired() -> None:
    a, b = Scores.of([(1, 1.0), (2, 0.0), (3, 1.0)]), Scores.of([(2, 1.0), (3, 0.5), (4, 0.0)])
    assert shared(a, b) == ([0.0, 1.0], [1.0, 0.5])


@pytest.mark.parametrize("body", [b"", b"x123", b"b" * 0, b"f"])
def test_what_was_not_packed_is_refused(body: bytes) -> None:
    with pytest.raises(Exception, match=r"no packed scores|incomplete"):
        Scores.unpacked(b"\0" * 8, body)
