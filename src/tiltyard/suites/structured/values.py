"""How much of what was said is right? Field by field against the expected value, with the case's freedoms.

Shape is no matter here (`judge.py`). A field is a leaf: a string, number, boolean, null, or an empty object
or array. Fields too many count as wrong ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import islice
from typing import NamedTuple

from tiltyard.records import Json
from tiltyard.suites.matching import MOST as MOST_ENTRIES
from tiltyard.suites.matching import assign
from tiltyard.suites.nearness import slack

SHOWN = 3
MOST = 10_000  # fields of an answer that are counted, beside twice the expected ones
Rules = Mapping[str, str]  # path pattern, such as /items/*/name -> any | text | set | within:0.01
NO_RULES: Rules = {}
MOST_PAIRS = 400_000  # of an expected and a said leaf, of all lists that are matched in the best way
HOLE: Json = object()  # where a list whose order is free has nothing for an expected entry


class Compared(NamedTuple):
    """`accuracy`: right leaves / (expected leaves and those too many); `exact`: all right, none too many.

    `right`: the number of right leaves.
    """

    accuracy: float
    exact: bool
    wrong: tuple[str, ...] = ()
    right: int = 0


def compare(expected: Json, said: Json, rules: Rules) -> Compared:
    """Compare two values leaf by leaf. Paths are like /pets/0/name."""
    if "set" in rules.values():
        said = arranged(expected, said, rules, "", Budget())
    both = side_by_side(expected, said, rules, "")
    missed = [path for path in both.wanted if path not in both.right]
    words = [
        f"{path or '/'}: expected {short(both.wanted[path])}, got {got(both.found, path)}" for path in missed
    ]
    words += [f"{path}: was not asked for" for path in both.extra[:SHOWN]]
    total = len(both.wanted) + len(both.extra)
    return Compared(len(both.right) / total, not words, tuple(words[:SHOWN]), len(both.right))


class Budget:
    """How many pairs of an expected and a said leaf may still be compared to find the best order."""

    def __init__(self) -> None:
        self.left = MOST_PAIRS

    def allows(self, expected: Json, said: Json) -> bool:
        """Take the pairs of two values, if there are so many left."""
        wanted = sum(1 for _ in leaves(expected, ""))
        most = self.left // wanted
        found = sum(1 for _ in islice(leaves(said, ""), most + 1))
        if found > most:
            return False
        self.left -= wanted * found
        return True


class Sides(NamedTuple):
    """The leaves of an expected and a said value by path; which of them are right, and which too many."""

    wanted: Mapping[str, Json]
    found: Mapping[str, Json]
    right: Collection[str]
    extra: Sequence[str]


def side_by_side(expected: Json, said: Json, rules: Rules, path: str) -> Sides:
    """Two values at a path, lists in the order they have."""
    wanted = dict(leaves(expected, path, rules))
    found = dict(islice(leaves(said, path, rules), MOST + 2 * len(wanted)))
    free = {place for place in found if rules and rule_at(rules, place) == "any"}
    right = {p for p, leaf in wanted.items() if p in free or (p in found and same(leaf, found[p], rules, p))}
    return Sides(
        wanted, found, right, [place for place in found if place not in wanted and place not in free]
    )


def leaves(value: Json, path: str, rules: Rules = NO_RULES) -> Iterator[tuple[str, Json]]:
    """Every leaf with its path, in order; what may be anything is one as a whole.

    No recursion: models nest as deep as they like.
    """
    stack = [iter(((path, value),))]
    some_free = "any" in rules.values()
    while stack:
        for place, entry in stack[-1]:
            whole = some_free and rule_at(rules, place) == "any"
            if isinstance(entry, dict | list) and entry and not whole:
                stack.append(parts(place, entry))
                break
            yield place, entry
        else:
            stack.pop()


def is_beyond(value: Json, many: int, deep: int) -> bool:
    """Has a value more leaves, or more levels? Looks no further than it must."""
    stack: list[Iterator[Json]] = [iter((value,))]
    count = 0
    while stack:
        for entry in stack[-1]:
            if isinstance(entry, dict | list) and entry:
                stack.append(iter(entry.values() if isinstance(entry, dict) else entry))
                break
            count += 1
        else:
            stack.pop()
        if count > many or len(stack) > deep + 1:
            return True
    return False


def parts(place: str, value: dict[str, Json] | list[Json]) -> Iterator[tuple[str, Json]]:
    """What an object or array holds, with paths."""
    if isinstance(value, dict):
        return ((f"{place}/{escaped(key)}", part) for key, part in value.items())
    return ((f"{place}/{number}", part) for number, part in enumerate(value) if part is not HOLE)


def rule_at(rules: Rules, path: str) -> str | None:
    """The rule of a path; a `*` in a pattern stands for one part of it."""
    for pattern, rule in rules.items():
        parts, names = path.split("/"), pattern.split("/")
        if len(parts) == len(names) and all(map(fnmatchcase, parts, names)):
            return rule
    return None


def same(wanted: Json, said: Json, rules: Rules, path: str) -> bool:
    """Are two leaves the same? Numbers by value (5 is 5.0), booleans never as numbers, text to the letter."""
    rule = rule_at(rules, path)
    if isinstance(wanted, bool) or isinstance(said, bool) or wanted is None or said is None:
        return wanted is said
    if isinstance(wanted, int | float) and isinstance(said, int | float):
        reach = float(rule[7:]) if rule is not None and rule.startswith("within:") else 0.0
        if isinstance(wanted, int) and isinstance(said, int) and not reach:
            return wanted == said
        try:
            nearest = reach + slack(wanted, reach)
            return wanted == said or abs(wanted - said) <= nearest
        except OverflowError:  # an integer beyond all floats
            return False
    if rule == "text" and isinstance(wanted, str) and isinstance(said, str):
        return folded(wanted) == folded(said)
    return type(wanted) is type(said) and wanted == said


def folded(text: str) -> str:
    """Without case and spaces: H.G. Wells is H. G. Wells."""
    return "".join(text.casefold().split()).rstrip(".")


def arranged(expected: Json, said: Json, rules: Rules, path: str, budget: Budget) -> Json:
    """The same value with lists whose order is free (`set`) put into the expected order, at every level."""
    if isinstance(expected, Mapping) and isinstance(said, Mapping):
        return {
            key: arranged(expected[key], part, rules, f"{path}/{escaped(key)}", budget)
            if key in expected
            else part
            for key, part in said.items()
        }
    if not (isinstance(expected, list) and isinstance(said, list)):
        return said
    if said and rule_at(rules, path) == "set":
        return in_order(expected, said, rules, path, budget)
    pairs = zip(expected, said, strict=False)
    head = [arranged(e, s, rules, f"{path}/{number}", budget) for number, (e, s) in enumerate(pairs)]
    return [*head, *said[len(head) :]]


def in_order(expected: list[Json], said: list[Json], rules: Rules, path: str, budget: Budget) -> list[Json]:
    """What was said, each entry at the place of the expected one that it is for, with a hole for each that
    has none; what is too many comes last.
    """
    short = len(expected) <= MOST_ENTRIES and len(said) <= MOST_ENTRIES
    order = best_order if short and budget.allows(expected, said) else first_fit
    return order(expected, said, rules, path, budget)


def best_order(expected: list[Json], said: list[Json], rules: Rules, path: str, budget: Budget) -> list[Json]:
    """The order with the most right leaves; of several such the one with the fewest that are too many."""
    weights: list[list[float]] = []
    turned: list[list[Json]] = []  # each entry as it would be in each place
    least = 1 / (1 + sum(1 for _ in leaves(said, path)))
    for number, wanted in enumerate(expected):
        place = f"{path}/{number}"
        turned.append([arranged(wanted, entry, rules, place, budget) for entry in said])
        sides = [side_by_side(wanted, entry, rules, place) for entry in turned[-1]]
        weights.append([len(each.right) + least * (len(each.found) - len(each.extra)) for each in sides])
    pairs = dict(assign(weights))
    placed = [turned[row][pairs[row]] if row in pairs else HOLE for row in range(len(expected))]
    used = set(pairs.values())
    return placed + [entry for column, entry in enumerate(said) if column not in used]


def first_fit(expected: list[Json], said: list[Json], rules: Rules, path: str, budget: Budget) -> list[Json]:
    """For long lists: each expected entry takes the first unused one that is like it, then those that have
    none the nearest of the rest.
    """
    rest = list(said[:1000])
    placed = list(fits(expected, rest, rules, path))
    for number, wanted in enumerate(expected):
        here = f"{path}/{number}"
        if placed[number] is HOLE and rest:
            placed[number] = rest.pop(
                nearest(wanted, rest, rules, here) if budget.allows(wanted, rest) else 0
            )
        placed[number] = arranged(wanted, placed[number], rules, here, budget)
    return placed + rest + list(said[1000:])


def nearest(wanted: Json, rest: list[Json], rules: Rules, path: str) -> int:
    """Which of them has the most right leaves; the first of several."""
    right = [len(side_by_side(wanted, entry, rules, path).right) for entry in rest]
    return right.index(max(right))


def fits(expected: list[Json], rest: list[Json], rules: Rules, path: str) -> Iterator[Json]:
    """For each expected entry the first that is like it, which `rest` then has no more, or a hole."""
    for number, wanted in enumerate(expected):
        here = f"{path}/{number}"
        fit = next((at for at, entry in enumerate(rest) if alike(wanted, entry, rules, here)), None)
        yield HOLE if fit is None else rest.pop(fit)


def alike(wanted: Json, said: Json, rules: Rules, path: str) -> bool:
    """Is an entry the same in all its fields? Goes no deeper than what is expected."""
    rule = rule_at(rules, path)
    if rule == "any":
        return True
    if isinstance(wanted, dict) and isinstance(said, dict):
        return wanted.keys() == said.keys() and all(
            alike(part, said[key], rules, f"{path}/{escaped(key)}") for key, part in wanted.items()
        )
    if isinstance(wanted, list) and isinstance(said, list):
        if len(wanted) != len(said):
            return False
        if rule == "set":
            return all(entry is not HOLE for entry in fits(wanted, list(said), rules, path))
        return all(
            alike(w, s, rules, f"{path}/{n}") for n, (w, s) in enumerate(zip(wanted, said, strict=True))
        )
    return same(wanted, said, rules, path)


def escaped(key: str) -> str:
    """A key as part of a path, as in a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1") if "/" in key or "~" in key else key


def short(value: Json) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def got(found: Mapping[str, Json], path: str) -> str:
    return short(found[path]) if path in found else "nothing"
