"""Reference calls made from BFCL's answers, and hundreds of thousands of slightly wrong ones."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

Calls = list[tuple[str, dict[str, Any]]]

OMIT = object()


def picked(values: Sequence[Any], which: int = 0) -> Any:
    """An acceptable value, OMIT where there is none but leaving out."""
    real = [value for value in values if value != ""]
    return real[min(which, len(real) - 1)] if real else OMIT


def plain(value: Any, described: Any) -> Any:
    """An acceptable value as a model would send it: objects there have lists of acceptable values."""
    kind = described.get("type") if isinstance(described, dict) else None
    if isinstance(value, dict):
        fields = {key: picked(each) if isinstance(each, list) else each for key, each in value.items()}
        return {key: each for key, each in fields.items() if each is not OMIT}
    items = described.get("items") if isinstance(described, dict) else None
    if isinstance(value, list) and kind in ("array", "tuple") and isinstance(items, dict):
        return [plain(each, items) if isinstance(each, dict) else each for each in value]
    return value


def reference(
    question: Any, truth: Sequence[Any], which: int = 0, *, lean: bool = False, dotted: bool = False
) -> Calls:
    """Calls that the answers accept. `lean` leaves out what may be left out, `dotted` keeps dots in names."""
    functions = {function.name: function.parameters.get("properties", {}) for function in question.function}
    calls: Calls = []
    for answer in truth:
        ((name, parameters),) = answer.items()
        arguments = {}
        for key, values in parameters.items():
            value = OMIT if lean and "" in values else picked(values, which)
            if value is not OMIT:
                arguments[key] = plain(value, functions.get(name, {}).get(key, {}))
        calls.append((name if dotted else name.replace(".", "_"), arguments))
    return calls


def variants(value: Any) -> Iterator[Any]:
    """Other values near one: of other types, other case, other order."""
    yield from (None, "", [], {}, 0, 1, True, False, "x", 1.5, [1], ["x"], [[]], {"a": 1}, [{}], [None])
    yield from (str(value), [value], {"value": value}, [value, value])
    if isinstance(value, bool):
        yield from (not value, int(value), str(value).lower())
    elif isinstance(value, int | float):
        yield from (value + 1, -value, float(value), int(value), value + 1e-9, str(float(value)))
    elif isinstance(value, str):
        yield from (value.upper(), value.lower(), value.title(), f" {value} ", value + ".", value + "x")
        yield from (value.replace(" ", "_"), value.replace("'", '"'), value.replace(" ", "\t"), value[1:])
        yield from (value.replace(",", ""), f"-{value}/", value.split(), value.split(","))
    elif isinstance(value, list):
        yield from (value[::-1], value[1:], value[:-1], [*value, *value[:1]], tuple_like(value))
        for place, element in enumerate(value[:3]):
            for other in near(element):
                yield [*value[:place], other, *value[place + 1 :]]
    elif isinstance(value, dict):
        yield {**value, "unknown": 1}
        for key in list(value)[:4]:
            yield {name: each for name, each in value.items() if name != key}
            for other in near(value[key]):
                yield {**value, key: other}


def tuple_like(value: list[Any]) -> list[Any]:
    return [[element] for element in value]


def near(value: Any) -> Iterator[Any]:
    """A few values near an inner one."""
    yield from (None, "", "x", 1, True, [], {})
    yield from (str(value), [value])
    if isinstance(value, str):
        yield from (value.upper(), value + " ", value + "x")
    elif isinstance(value, bool):
        yield from (int(value), not value)
    elif isinstance(value, int | float):
        yield from (float(value), value + 1)
    elif isinstance(value, list):
        yield from (value[::-1], [str(element).upper() for element in value])
    elif isinstance(value, dict):
        yield from ({**value, "more": 1}, {key: str(each).upper() for key, each in value.items()})


def mutations(question: Any, truth: Sequence[Any], dotted: bool = False) -> Iterator[Calls]:
    """The reference calls and everything near them."""
    base = reference(question, truth, dotted=dotted)
    yield base
    yield reference(question, truth, which=1, dotted=dotted)
    yield reference(question, truth, which=2, dotted=dotted)
    yield reference(question, truth, lean=True, dotted=dotted)
    yield base[::-1]
    yield base[1:]
    yield [*base, base[0]]
    yield [*base[:-1], base[0]]
    yield [base[-1], *base[1:]]
    yield []
    for place, (name, arguments) in enumerate(base):
        yield from near_calls(base, place, name, arguments)


def near_calls(base: Calls, place: int, name: str, arguments: dict[str, Any]) -> Iterator[Calls]:
    def instead(name: str, arguments: dict[str, Any]) -> Calls:
        return [*base[:place], (name, copy.deepcopy(arguments)), *base[place + 1 :]]

    yield instead(name + "x", arguments)
    yield instead(name.replace("_", "."), arguments)
    yield instead(name.replace(".", "_"), arguments)
    yield instead(name.upper(), arguments)
    yield instead(name, {})
    yield instead(name, {**arguments, "unexpected_one": 1})
    yield instead(name, {key.upper(): value for key, value in arguments.items()})
    for key, value in arguments.items():
        yield instead(name, {other: each for other, each in arguments.items() if other != key})
        for other in variants(value):
            yield instead(name, {**arguments, key: other})
