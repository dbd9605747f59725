"""What graded suites share before the answers: their common settings, requests and stages.

Sampling is greedy unless asked otherwise, since one reply per item is judged. What is asked and who judges is
in the suites.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Any, TypeVar

import msgspec

from tiltyard.errors import UsageError
from tiltyard.load.open_files import check_at_once
from tiltyard.load.schedule import Load, Stop
from tiltyard.records import Item, Json, Message, Record, Request, content_hash
from tiltyard.suites import Bench, Patience, Stage
from tiltyard.suites.stopping import Stopping, checked_rule
from tiltyard.suites.tally import Tally

MOST = 1_000_000_000
GIVE_UP_AFTER = 5


class Asking(Record, frozen=True):
    """Settings that every graded suite has. They are part of the fingerprint, but for how hard to push."""

    temperature: float = 0.0
    top_p: float | None = None
    seed: int = 0
    max_tokens: int = 2048
    think: bool | None = None  # None: as the server does by itself
    context: int | None = None
    concurrency: int | None = None  # None: as many as the server has slots
    repeats: int = 1
    limit: int | None = None  # so many items, drawn by the seed
    stop_when: str | None = None  # decided | width=0.02
    against: str | None = (
        None  # id of the run that `decided` is about; filled in by the best one of the store
    )
    against_best: int | bool = 1  # out of so many runs; 1 where the user named it, earlier `true` else
    retries: int = 2
    retry_delay_s: float = 2.0
    pause_s: float = 0.0


Settings = TypeVar("Settings", bound=Asking)


def read_asking(settings: Mapping[str, Json], kind: type[Settings]) -> Settings:
    """The settings as a record; raises UsageError for what cannot be meant."""
    try:
        found = msgspec.convert(dict(settings), kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"a setting cannot be meant: {error}") from None
    check_at_once("--concurrency", found.concurrency or 1)
    rule = checked_rule(found.stop_when)
    if found.against and (rule is None or rule.kind != "decided"):
        raise UsageError("--against belongs to --stop-when decided", "add --stop-when decided")
    return found


def request_of(item: Item, messages: Sequence[Message], asking: Asking, bench: Bench, **more: Any) -> Request:
    """A request with the common settings.

    Above temperature 0 each item and repetition has a seed of its own: with one seed for all, engines draw
    the same number for every prompt, and all answers would be lucky or unlucky together.
    """
    return Request(
        model=bench.model.name,
        messages=tuple(messages),
        max_tokens=asking.max_tokens,
        temperature=asking.temperature,
        top_p=asking.top_p,
        seed=asking.seed if asking.temperature == 0 else seed_of(item, asking.seed),
        think=asking.think,
        context=asking.context,
        prefix_shared=True,  # one template, the same tools, examples ...
        **more,
    )


def seed_of(item: Item, seed: int) -> int:
    """31 bits that an item, its repetition and the run's seed determine."""
    return int(content_hash([seed, item.id, item.repetition or 0])[:8], 16) >> 1


def graded_stage(
    name: str, items: Iterable[Item], bench: Bench, asking: Asking, tally: Tally, asks: int | None = None
) -> Stage:
    """A stage that asks every item once and keeps the tally only; `replace` adds `expected` where `items`,
    repetitions among them, have no length.

    `asks`: how often each item is asked under one `number`; as often as `repeats` says unless given. With
    `stop_when` the items must come in random order (`order_of`), all repetitions of one item together.
    """
    streams = asking.concurrency or bench.server.info.slots or 1
    rule = checked_rule(asking.stop_when)
    tally.repeats = asking.repeats
    if rule is not None and tally.stopping is None:
        tally.stopping = Stopping(
            rule, asks or asking.repeats, bench.opponent, asking.against, int(asking.against_best)
        )
        if bench.stopping is not None:
            tally.stopping.recall(bench.stopping)
    return Stage(
        name=name,
        load=Load(concurrency=streams, stop=Stop(count=MOST)),
        items=items,
        expected=len(items) if isinstance(items, Sized) else None,
        tally=tally.add,
        decided=None if tally.stopping is None else tally.stopping.decided,
        patience=Patience(
            retries=asking.retries,
            retry_delay_s=asking.retry_delay_s,
            pause_s=asking.pause_s,
            give_up_after=GIVE_UP_AFTER * streams,
        ),
    )
