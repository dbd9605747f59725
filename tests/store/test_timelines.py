"""A packed timeline expands to exactly what it was, whatever arrived."""

from __future__ import annotations

import random

import pytest

from tests.store.conftest import make_exchange
from tiltyard.errors import StoreCorrupt
from tiltyard.records import Events, Timeline
from tiltyard.store.timelines import pack, pack_column, unpack, unpack_column


@pytest.mark.parametrize(
    "values",
    [
        (),
        (0,),
        (-5, -5, -5),
        (2**62, -(2**62)),
        (0, 127, 0, 128, -128, 256),
        (0, 32_767, 0, -32_768),
        (0, 2**31 - 1, 0, 2**31),
        tuple(range(1000)),
    ],
)
def test_columns_of_every_width(values: tuple[int, ...]) -> None:
    assert unpack_column(pack_column(values)) == values


def test_any_timeline_comes_back() -> None:
    chance = random.Random(3)
    for _ in range(300):
        count = chance.choice((0, 1, 2, 50))
        start = chance.randrange(2**52)
        arrivals = tuple(
            sorted(start + chance.randrange(10 ** chance.randrange(1, 12)) for _ in range(count))
        )
        texts = tuple(
            chance.choice(("", "a", "ß", "\N{LLAMA}", "\0")) * chance.randrange(3) for _ in range(count)
        )
        times = arrivals if chance.random() < 0.5 else tuple(chance.randrange(2**50) for _ in range(count))
        events = Events(
            t_ns=times,
            kinds="".join(chance.choice("crtfop") for _ in range(count)),
            texts=texts,
            tokens=None if chance.random() < 0.5 else tuple(chance.randrange(-1, 9) for _ in range(count)),
        )
        ends = tuple(sorted(chance.randrange(10**7) for _ in range(count)))
        timeline = Timeline(scheduled_ns=0, started_ns=0, arrivals_ns=arrivals, arrivals_end=ends)
        joined = "".join(texts)
        cut = chance.randrange(len(joined) + 1)
        text, reasoning = chance.choice(((joined, ""), (joined[cut:], joined[:cut]), ("other", "")))
        found = unpack(pack(timeline, events, text, reasoning), text, reasoning)
        assert (found.arrivals_ns, found.arrivals_end, found.events) == (arrivals, ends, events)


def test_a_usual_timeline_is_small() -> None:
    exchange = make_exchange(128)
    chance = random.Random(1)
    arrivals = tuple(time + chance.randrange(300_000) for time in exchange.timeline.arrivals_ns)
    timeline = Timeline(scheduled_ns=0, started_ns=0, arrivals_ns=arrivals, arrivals_end=tuple(range(129)))
    events = Events(t_ns=arrivals, kinds=exchange.events.kinds, texts=exchange.events.texts)
    assert len(pack(timeline, events, exchange.text, "")) < 650


@pytest.mark.parametrize("damage", [b"", b"\x02rest", b"\x01not zlib", b"\x01"])
def test_damage_is_named(damage: bytes) -> None:
    with pytest.raises(StoreCorrupt):
        unpack(damage, "", "")
