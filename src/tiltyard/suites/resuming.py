"""What is left to ask of a stage, and what earlier sittings of its run know of it already.

Nothing that was found out is ever lost from the count: an item that this sitting does not come to counts with
its earlier answer, or with its newest failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from heapq import heappop, heappush
from itertools import chain, islice

from tiltyard.records import Attempt, Item
from tiltyard.servers.notes import ERROR_TOLD
from tiltyard.suites import Stage

Key = tuple[str, str, int]  # stage, item id, repetition
Turn = tuple[Item, int]  # an item and its repetition

GONE = frozenset(("connect_error", "error_midstream"))  # as it is for whoever asks a server that is no more


def outage(failed: Iterable[Attempt], all_known: Collection[Attempt]) -> list[Attempt]:
    """The failures after which, in their sitting, nothing came to anything: the server had gone, and of a
    load they tell nothing. Those that a grade tells of are not among them.

    Where connections failed after its last word, answers that were cut after it died with the server.
    """
    there: dict[int, int] = {}  # of each sitting: when the server was last heard of
    for each in all_known:
        if each.exchanges and not (gone(each) or cut(each)):
            there[each.session] = max(there.get(each.session, 0), each.exchanges[-1].timeline.heard_ns)

    def after(attempt: Attempt) -> bool:
        return attempt.exchanges[-1].timeline.over_ns > there.get(attempt.session, 0)

    lost = {each.session for each in all_known if gone(each) and after(each)}
    return [
        each
        for each in failed
        if each.grade is None and each.session in lost and (gone(each) or cut(each)) and after(each)
    ]


def gone(attempt: Attempt) -> bool:
    """Did its connection fail or break? An error that the server tells is a sign of life."""
    last = attempt.exchanges[-1] if attempt.exchanges else None
    return last is not None and last.ending in GONE and ERROR_TOLD not in last.notes


def cut(attempt: Attempt) -> bool:
    """Did the answer stop without a word of why? Without chunks or a length a death looks like an end."""
    return bool(attempt.exchanges) and attempt.exchanges[-1].ending == "truncated"


def in_order(attempts: Iterable[Attempt]) -> list[Attempt]:
    """By sitting, and within each in the order of their ends, on which rounds of several streams rest."""
    return sorted(
        attempts,
        key=lambda each: (each.session, each.exchanges[-1].timeline.over_ns if each.exchanges else 0),
    )


def key_of(attempt: Attempt) -> Key:
    return attempt.stage, attempt.item_id, attempt.repetition


def passed_over(
    done: Mapping[Key, Attempt], failed: Mapping[Key, Attempt], counted: Iterable[Attempt]
) -> list[Key]:
    """What failed in earlier sittings since the server had gone, and has no place in what the run came to.

    A load by time or width needs less of it, or a search went another way.
    """
    met = set(map(key_of, counted))
    lost = outage(failed.values(), [*done.values(), *failed.values()]) if failed else ()
    return [key for each in lost if (key := key_of(each)) not in met]


class Remaining:
    """Hands out a stage's items in order; `count` takes what earlier sittings know of those on the way.

    A stage without a tally has its earlier answers counted before it begins, and may have endless items.
    """

    def __init__(
        self,
        stage: Stage,
        done: Mapping[Key, Attempt],
        failed: Mapping[Key, Attempt],
        count: Callable[[Item | None, Attempt], None],
    ) -> None:
        self.stage, self.done, self.count = stage, done, count
        self.items: Iterator[Item] = iter(stage.items)
        self.seen: Counter[str] = Counter()
        self.already = sum(key[0] == stage.name for key in done)
        self.failed = {key: attempt for key, attempt in failed.items() if key[0] == stage.name}
        self.failed_items: dict[Key, Item] = {}
        self.waiting: dict[Key, Attempt] = {}  # failed on the way in this sitting, and is asked again
        self.put_off: list[tuple[int, int, Turn]] = []  # a heap: what was tried least, and came first
        self.unmet = self.already + len(self.failed)  # not met yet among the items
        if stage.tally is None:
            for key, attempt in done.items():
                if key[0] == stage.name:
                    count(None, attempt)

    def first(self, number: int) -> list[Item]:
        """The first items, which stay to be asked."""
        found = list(islice(self.items, number))
        self.items = chain(found, self.items)
        return found

    def next(self, decided: bool) -> Turn | None:
        """The next one to ask; None when nothing is left.

        With a tally, what failed in an earlier sitting comes last, and last of that what was tried most:
        the same failures again must not keep the rest from being asked. Where the stage is `decided`, nothing
        else is left.
        """
        if decided:
            self.meet_known()
        turn = None if decided else self.unasked()
        return turn or (heappop(self.put_off)[-1] if self.put_off else None)

    def unasked(self) -> Turn | None:
        """The next item that no earlier sitting asked; of a stage without a tally also one that failed."""
        for item in self.items:
            repetition = self.repetition(item)
            key = (self.stage.name, item.id, repetition)
            earlier = self.done.get(key)
            self.unmet -= earlier is not None or key in self.failed
            if earlier is not None:
                if self.stage.tally is not None:
                    self.count(item, earlier)
            elif self.stage.tally is not None and key in self.failed:
                self.failed_items[key] = item
                tried = self.failed[key].try_no
                heappush(self.put_off, (tried, len(self.failed_items), (item, repetition)))
            else:
                return item, repetition
        return None

    def repetition(self, item: Item) -> int:
        """How often the item came before in this stage, where it does not say so itself."""
        if item.repetition is not None:
            return item.repetition
        self.seen[item.id] += 1
        return self.seen[item.id] - 1

    def waits(self, item: Item, attempt: Attempt) -> None:
        """An item is to be asked again. Where this sitting ends before that, its failure counts, as it does
        in the store.
        """
        key = key_of(attempt)
        self.waiting[key], self.failed_items[key] = attempt, item

    def asked(self, attempt: Attempt) -> None:
        """An item has been asked in this sitting: what was known of it before no longer counts."""
        self.failed.pop(key_of(attempt), None)
        self.waiting.pop(key_of(attempt), None)

    def keep(self, attempts: Iterable[Attempt]) -> None:
        """These failures of an earlier sitting stand: they are not asked again."""
        found = {key_of(each): each for each in attempts}
        for key, attempt in found.items():
            self.failed.pop(key)
            self.count(None, attempt)
        self.already += len(found)
        self.done = {**self.done, **found}

    def failed_before(self, item: Item, repetition: int) -> bool:
        """Has it failed in an earlier sitting, and not been asked in this one?"""
        return (self.stage.name, item.id, repetition) in self.failed

    def meet_known(self) -> None:
        """Go on to the last item that an earlier sitting asked; those that none did are passed over."""
        while self.stage.tally is not None and self.unmet > 0 and self.unasked():
            pass

    def settle(self) -> list[tuple[Item | None, Attempt]]:
        """Nothing more is asked: count the answers not met yet; returns the failures not asked again."""
        self.meet_known()
        failed = {**self.failed, **self.waiting}
        return [(self.failed_items.get(key), attempt) for key, attempt in failed.items()]
