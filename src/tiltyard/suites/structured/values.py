"""How much of what was said is right? Field by field against the expected value, with the case's freedoms.

Shape is no matter here (`judge.py`). A field is a leaf: a string, number, boolean, null, or an empty object
or array. Fields too many count as wrong ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any, NamedTuple

from tiltyard.records import Json
from tiltyard.suites.nearness import slack

SHOWN = 3
MOST = 10_000  # fields of an answer that are counted, beside twice the expected ones
Rules = Mapping[str, str]  # path pattern, such as /items/*/name -> any | text | set | within:0.01
NO_RULES: Rules = {}


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
        said = arranged(expected, said, rules, "")
    wanted = dict(leaves(expected, "", rules))
    found = dict(islice(leaves(said, "", rules), MOST + 2 * len(wanted)))
    free = {path for path in found if rules and rule_at(rules, path) == "any"}
    right = {p for p, leaf in wanted.items() if p in free or (p in found and same(leaf, found[p], rules, p))}
    extra = [path for path in found if path not in wanted and path not in free]
    total = len(wanted) + len(extra)
    missed = [path for path in wanted if path not in right]
    words = [f"{path or '/'}: expected {short(wanted[path])}, got {got(found, path)}" for path in missed]
    words += [f"{path}: was not asked for" for path in extra[:SHOWN]]
    return Compared(len(right) / total, not words, tuple(words[:SHOWN]), len(right))


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
    return ((f"{place}/{number}", part) for number, part in enumerate(value))


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
            return math.isclose(wanted, said, rel_tol=1e-9) or abs(wanted - said) <= nearest
        except OverflowError:  # an integer beyond all floats
            return False
    if rule == "text" and isinstance(wanted, str) and isinstance(said, str):
        return folded(wanted) == folded(said)
    return type(wanted) is type(said) and wanted == said


def folded(text: str) -> str:
    """Without case and spaces: H.G. Wells is H. G. Wells."""
    return "".join(text.casefold().split()).rstrip(".")


def arranged(expected: Json, said: Json, rules: Rules, path: str) -> Json:
    """The same value with lists whose order is free (`set`) put into the expected order, where they match."""
    if isinstance(expected, Mapping) and isinstance(said, Mapping):
        return {
            key: arranged(expected[key], part, rules, f"{path}/{escaped(key)}") if key in expected else part
            for key, part in said.items()
        }
    if not (isinstance(expected, list) and isinstance(said, list)):
        return said
    if rule_at(rules, path) == "set":
        said = in_order(expected, said, rules, path)
    pairs = zip(expected, said, strict=False)
    head = [arranged(e, s, rules, f"{path}/{number}") for number, (e, s) in enumerate(pairs)]
    return [*head, *said[len(head) :]]


def in_order(expected: list[Json], said: list[Json], rules: Rules, path: str) -> list[Json]:
    """Each expected entry takes the first unused one that is like it; the rest fill the gaps in order."""
    rest = list(said[:1000])
    placed: list[Any] = [None] * len(expected)
    filled = [False] * len(expected)
    for number, wanted in enumerate(expected):
        for place, entry in enumerate(rest):
            if alike(wanted, entry, rules, f"{path}/0"):
                placed[number], filled[number] = rest.pop(place), True
                break
    for number in range(len(expected)):
        if not filled[number] and rest:
            placed[number], filled[number] = rest.pop(0), True
    return [entry for entry, there in zip(placed, filled, strict=True) if there] + rest + list(said[1000:])


def alike(wanted: Json, said: Json, rules: Rules, path: str) -> bool:
    """Is an entry the same in all its fields? Goes no deeper than what is expected."""
    if rule_at(rules, path) == "any":
        return True
    if isinstance(wanted, dict) and isinstance(said, dict):
        return wanted.keys() == said.keys() and all(
            alike(part, said[key], rules, f"{path}/{escaped(key)}") for key, part in wanted.items()
        )
    if isinstance(wanted, list) and isinstance(said, list):
        return len(wanted) == len(said) and all(
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
