"""Scores by what was asked: packed and unpacked, averaged, found again, and the same for the same items."""

from __future__ import annotations

import random
from statistics import fmean

import pytest

from tiltyard.stats.pairing import Scores, item_key, item_set, shared, unit_of


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


@pytest.mark.slow
def test_many_pairs_are_averaged_as_few_are() -> None:
    """From some size on they are put in order by other means."""
    rng = random.Random(1)
    pairs = [(rng.getrandbits(14), rng.random()) for _ in range(40_000)]
    of_key: dict[int, list[float]] = {}
    for key, score in pairs:
        of_key.setdefault(key, []).append(score)
    scores = Scores.of(pairs)
    assert list(scores.keys) == sorted(of_key)
    assert list(scores.values) == pytest.approx([fmean(of_key[key]) for key in scores.keys])


def test_the_hash_is_of_the_items_alone() -> None:
    a, b = Scores.of([(1, 1.0), (2, 0.0)]), Scores.of([(2, 1.0), (1, 0.5)])
    assert a.items_hash() == b.items_hash()
    assert a.items_hash() != Scores.of([(1, 1.0)]).items_hash()


def test_only_shared_items_are_paired() -> None:
    a, b = Scores.of([(1, 1.0), (2, 0.0), (3, 1.0)]), Scores.of([(2, 1.0), (3, 0.5), (4, 0.0)])
    assert shared(a, b) == ([0.0, 1.0], [1.0, 0.5])


def way(case: str, mode: str, wording: str = "h") -> int:
    return item_key("json", f"{case} {mode}", f"{wording}/{mode}")


def test_the_ways_of_asking_an_item_are_one_item() -> None:
    keys = [way("a", "x"), way("a", "y"), way("b", "x"), way("a", "x", "i")]
    assert len(set(keys)) == 4
    assert unit_of(keys[0]) == unit_of(keys[1])
    assert len({unit_of(key) for key in keys}) == 3
    scores = Scores.of(zip(keys, (1.0, 0.0, 0.25, 1.0), strict=True))
    assert dict(zip(scores.units(), scores.means(), strict=True)) == {
        unit_of(keys[0]): 0.5,
        unit_of(keys[2]): 0.25,
        unit_of(keys[3]): 1.0,
    }


def test_items_are_paired_over_the_ways_in_which_both_were_asked() -> None:
    a = Scores.of([(way("a", "x"), 1.0), (way("a", "y"), 0.0), (way("b", "x"), 1.0), (way("b", "y"), 0.5)])
    b = Scores.of([(way("a", "x"), 0.0), (way("b", "x"), 1.0), (way("b", "y"), 1.0), (way("b", "z"), 0.0)])
    mine, theirs = shared(a, b)
    assert sorted(zip(mine, theirs, strict=True)) == [(0.75, 1.0), (1.0, 0.0)]


def test_runs_that_are_to_ask_the_same_share_an_item_set() -> None:
    whole = {"items": "h", "item_count": 300, "seed": 3, "stop_when": "decided", "repeats": 2}
    assert item_set(whole) == item_set({"items": "h"}) == "h"
    assert item_set({**whole, "limit": 300}) == "h"
    parts = [{"limit": 5}, {"limit": 6}, {"limit": 5, "seed": 4}, {"modes": ["prompt"]}, {"few_shot": 5}]
    parts += [{"text_tools": True}]
    assert len({item_set({**whole, **part}) for part in parts} | {"h"}) == 7
    assert item_set({"items": "h", "limit": 5}) == item_set({"items": "h", "limit": 5, "seed": 0})


def test_another_way_of_asking_is_another_set() -> None:
    """The template is always in the settings: one of the user's own is that whose file is named."""
    usual = {"items": "h", "item_count": 300, "prompt": "{question}", "files": {"questions": ["q.csv"]}}
    assert item_set({**usual, "shuffle": True, "cot": False, "few_shot": 0}) == item_set(usual) == "h"
    assert item_set({**usual, "prompt": "of another version"}) == "h"
    own = {"files": {**usual["files"], "prompt": "/p.txt"}}  # type: ignore[dict-item]
    ways = [{"shuffle": False}, {"cot": True}, {"rotations": True}, own, {**own, "prompt": "Q: {question}"}]
    ways += [{"few_shot": 3}, {"few_shot": 3, "examples": "e"}, {"few_shot": 3, "examples": "f"}]
    ways += [{"few_shot": 4, "examples": "e"}, {"examples": "e"}]
    assert len({item_set({**usual, **way}) for way in ways} | {"h"}) == 11
    moved = {"files": {"prompt": "/elsewhere/p.txt"}}
    assert item_set({**usual, **moved}) == item_set({**usual, **own})


def test_speed_runs_of_one_load_share_an_item_set() -> None:
    quick = {"profile": "quick", "budget_s": 4.0, "requests": 3, "slo": "ttft=1s", "cached": False}
    assert item_set(quick) == item_set({"profile": "quick"}) == "quick"
    fixed = {"profile": "fixed", "prompt_tokens": 32, "concurrency": 64}
    assert item_set(fixed) == "fixed, 32 tokens in, 64 streams"
    others = [{"concurrency": 32}, {"rate": 5}, {"cached": True}, {"prompt": "x"}, {"prompt": "y"}]
    assert len({item_set({**fixed, **other}) for other in others} | {item_set(fixed)}) == 6


@pytest.mark.parametrize("body", [b"", b"x123", b"b" * 0, b"f"])
def test_what_was_not_packed_is_refused(body: bytes) -> None:
    with pytest.raises(Exception, match=r"no packed scores|incomplete"):
        Scores.unpacked(b"\0" * 8, body)
