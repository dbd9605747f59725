"""Does it depend on the place? What luck alone would show, by dealing the same outcomes to places anew.

A permutation test of recalls by letter: exact for any number of questions, however they hang together. Leaves
out how large a difference is (`suites/mcq/figures.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

Block = tuple[int, int]  # how often an item was asked at one place, and how often that went right
Shape = tuple[tuple[int, ...], tuple[int, ...]]  # of an item, by place: asked, right
Dealt = tuple[int, Block, Any]  # a place, a block, and how many items dealt it there in each draw

DRAWS = 1000


def spreads_by_luck(shapes: Mapping[Shape, int]) -> Any:
    """Standard deviations over places of the share that went right, were no place better than another.

    An item that was asked at several places has its outcomes dealt anew to these; those that were asked at
    one place only exchange theirs among each other. Items of one shape are alike, so only how many of them
    get what is drawn.
    """
    import numpy as np

    rng, width = np.random.default_rng(0), len(next(iter(shapes))[0])
    asked, right = np.zeros((2, width, DRAWS))
    alone, at = Counter[Block](), Counter[int]()
    several: dict[tuple[int, ...], Counter[tuple[Block, ...]]] = {}
    for (tries, hits), count in shapes.items():
        places = tuple(place for place, n in enumerate(tries) if n)
        blocks = tuple(sorted((tries[place], hits[place]) for place in places))
        if len(places) == 1:
            alone[blocks[0]] += count
            at[places[0]] += count
        else:
            several.setdefault(places, Counter())[blocks] += count
    dealt = [_exchanged(alone, at, rng), *(_turned(places, hands, rng) for places, hands in several.items())]
    for place, (tried, hit), times in chain.from_iterable(dealt):
        asked[place] += tried * times
        right[place] += hit * times
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nanstd(right / asked, axis=0)


def _exchanged(alone: Mapping[Block, int], at: Mapping[int, int], rng: Any) -> Iterator[Dealt]:
    """Of items at one place each: every place gets as many of all the blocks as it had."""
    import numpy as np

    left = {block: np.full(DRAWS, count) for block, count in alone.items()}
    for place, size in at.items():
        wanted, others = np.full(DRAWS, size), sum(left.values())
        for block, here in left.items():
            others = others - here
            took = rng.hypergeometric(here, others, wanted)
            left[block], wanted = here - took, wanted - took
            yield place, block, took


def _turned(places: Sequence[int], hands: Mapping[tuple[Block, ...], int], rng: Any) -> Iterator[Dealt]:
    """Of items at all of these places: each deals its own blocks, one to a place, in any order."""
    import numpy as np

    held = {blocks: np.full(DRAWS, count) for blocks, count in hands.items()}
    for place in places:
        following: dict[tuple[Block, ...], Any] = {}
        for blocks, items in held.items():
            kinds = sorted(set(blocks))
            shares = [blocks.count(kind) / len(blocks) for kind in kinds]
            for kind, took in zip(kinds, rng.multinomial(items, shares).T, strict=True):
                yield place, kind, took
                first = blocks.index(kind)
                rest = (*blocks[:first], *blocks[first + 1 :])
                following[rest] = following.get(rest, 0) + took
        held = following
