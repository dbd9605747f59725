"""How much of what was said is right? Field by field against the expected value, with the case's freedoms.

Shape is no matter here (`judge.py`). A field is a leaf: a string, number, boolean, null, or an empty object
or array. Fields too many count as wrong ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from tiltyard.records import Json

SHOWN = 3
Rules = Mapping[str, str]  # path pattern, such as /items/*/name -> any | text | set | within:0.01


class Compared(NamedTuple):
    """`accuracy`: right leaves / (expected leaves and those too many); `exact`: all right, none too many."""

    accuracy: float
    exact: bool
    wrong: tuple[str, ...] = ()


def compare(expected: Json, said: Json, rules: Rules) -> Compared:
    """Compare two values leaf by leaf. Paths are like /pets/0/name."""
    said = arranged(expected, said, rules, "")
    wanted, found = dict(leaves(expected, "")), dict(leaves(said, ""))
    free = {path for path in found if rule_at(rules, path) == "any"}
    right = [p for p, leaf in wanted.items() if p in free or (p in found and same(leaf, found[p], rules, p))]
    extra = [path for path in found if path not in wanted and path not in free]
    total = len(wanted) + len(extra)
    missed = [path for path in wanted if path not in right]
    words = [f"{path or '/'}: expected {short(wanted[path])}, got {got(found, path)}" for path in missed]
    words += [f"{path}: was not asked for" for path in extra]
    return Compared(len(right) / total, not words, tuple(words[:SHOWN]))


def leaves(value: Json, path: str) -> Iterator[tuple[str, Json]]:
    """Every leaf with its path. No recursion: models nest as deep as they like."""
    stack = [(path, value)]
    while stack:
        place, entry = stack.pop()
        if isinstance(entry, Mapping) and entry:
            stack.extend((f"{place}/{key}", part) for key, part in entry.items())
        elif isinstance(entry, list) and entry:
            stack.extend((f"{place}/{number}", part) for number, part in enumerate(entry))
        else:
            yield place, entry


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
        return math.isclose(wanted, said, rel_tol=1e-9, abs_tol=reach)
    if rule == "text" and isinstance(wanted, str) and isinstance(said, str):
        return folded(wanted) == folded(said)
    return type(wanted) is type(said) and wanted == said


def folded(text: str) -> str:
    """Without case, and with single spaces."""
    return " ".join(text.casefold().split()).rstrip(".")


def arranged(expected: Json, said: Json, rules: Rules, path: str) -> Json:
    """The same value with lists whose order is free (`set`) put into the expected order, where they match."""
    if isinstance(expected, Mapping) and isinstance(said, Mapping):
        return {
            key: arranged(expected[key], part, rules, f"{path}/{key}") if key in expected else part
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
            if compare(wanted, entry, {}).exact:
                placed[number], filled[number] = rest.pop(place), True
                break
    for number in range(len(expected)):
        if not filled[number] and rest:
            placed[number], filled[number] = rest.pop(0), True
    return [entry for entry, there in zip(placed, filled, strict=True) if there] + rest + list(said[1000:])


def short(value: Json) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def got(found: Mapping[str, Json], path: str) -> str:
    return short(found[path]) if path in found else "nothing"
