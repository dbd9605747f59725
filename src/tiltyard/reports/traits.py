"""What makes a run what it is, as flat names and values, so that two runs can be told apart in words.

The same names serve `compare --by NAME` and the list of differences. Leaves out what changes by itself
(times, ids, how far a run got).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from tiltyard.records import Json, Run
from tiltyard.reports.words import count, size
from tiltyard.stats.machines import as_known, hardware, without_known
from tiltyard.stats.pairing import WAYS, part_of

_ALIASES = {"quantization": "quant", "name": "model", "version": "engine_version", "server": "dialect"}
NAMED = 3  # files


class Difference(NamedTuple):
    name: str
    a: str
    b: str


def traits(run: Run) -> dict[str, str]:
    """Names to values; what is not known is left out. Settings and machine carry their prefix."""
    return {name: in_words(value) for name, value in all_traits(run).items() if value is not None}


def all_traits(run: Run) -> dict[str, Json]:
    """The same with what is not known, which is None."""
    model, server = run.model, run.server
    machine = {**without_known(run.machine), **hardware(run.machine)}
    return {
        "suite": run.suite,
        "suite_version": run.suite_version,
        "model": model.name,
        "digest": model.digest,
        "architecture": model.architecture,
        "parameters": grouped(model.parameters),
        "quant": model.quantization,
        "bits_per_weight": model.bits_per_weight,
        "size_bytes": grouped(model.size_bytes),
        "context": model.context_loaded,
        "dialect": server.dialect,
        "engine": model.engine,
        "engine_version": model.engine_version or server.version,
        "url": server.url,
        "slots": server.slots,
        "tiltyard": (run.summary or {}).get("tiltyard"),
        **flat({k: v for k, v in run.settings.items() if k != "against_best"}, "settings."),
        **{k: v for k, v in flat(machine, "machine.").items() if k != "machine.tiltyard"},
    }


def in_words(value: Json) -> str:
    """A measured number to four digits; anything else as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def grouped(number: int | None) -> str | None:
    return None if number is None else f"{number:,}"


def flat(values: Mapping[str, Json], prefix: str = "") -> dict[str, Json]:
    """Nested objects as dotted names; a list of plain values is one value, an empty one none."""
    out: dict[str, Json] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            out.update(flat(value, f"{prefix}{name}."))
        elif not isinstance(value, Sequence) or isinstance(value, str):
            out[prefix + name] = value
        elif any(isinstance(part, Mapping | list) for part in value):
            out.update(flat({str(i): part for i, part in enumerate(value)}, f"{prefix}{name}."))
        elif value:
            out[prefix + name] = ", ".join(map(str, value))
    return out


def trait(run: Run, name: str) -> str | None:
    """One trait by its name, by an alias, or by a setting's or machine field's name without the prefix."""
    known = traits(run)
    return next((known[whole] for whole in whole_names(name) if known.get(whole)), None)


def whole_names(name: str) -> tuple[str, ...]:
    """What traits one may mean by it."""
    name = _ALIASES.get(name, name)
    return name, f"settings.{name}", f"machine.{name}"


def differences(a: Run, b: Run) -> list[Difference]:
    """What differs, in the order of importance that `traits` has."""
    b = replace(b, machine=as_known(b.machine, a.machine) or b.machine)  # the same for a few kilobytes less
    of_a, of_b = traits(a), traits(b)
    names = [*of_a, *(name for name in of_b if name not in of_a)]
    return [
        Difference(name, of_a.get(name, absent(name)), of_b.get(name, absent(name)))
        for name in names
        if of_a.get(name) != of_b.get(name)
    ]


def absent(name: str) -> str:
    """What is said of a trait that a run does not have."""
    return "not set" if name.startswith("settings.") else "not known"


def items_name(run: Run) -> str:
    """What a graded run asked, in words: its files, what part of them, the beginning of the items' hash."""
    paths: list[str] = []
    for kind, value in (run.settings.get("files") or {}).items():
        if kind in ("examples", "prompt"):
            continue
        paths += [str(value)] if isinstance(value, str) else map(str, value or ())
    names = [re.split(r"[\\/]", path.rstrip("\\/"))[-1] for path in paths] or ["shipped"]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    asked = (f"{', '.join(names[:NAMED])}{more}", *part_in_words(run.settings))
    return f"{', '.join(asked)}, items {str(run.settings.get('items') or '')[:8]}"


def version_name(version: str, all_of_them: Collection[str]) -> str:
    """Which version of its suite measured a table, where another one measured others."""
    return f"version {version} of the suite" if len(all_of_them) > 1 else ""


def versions_used(runs: Sequence[Run]) -> dict[tuple[str, str], int]:
    """The place of each suite and version, the one last used first."""
    newest_first = sorted(runs, key=lambda run: run.started_at, reverse=True)
    used = dict.fromkeys((run.suite, run.suite_version) for run in newest_first)
    return {version: place for place, version in enumerate(used)}


def listed(names: Sequence[Json]) -> str:
    """`a`, `a and b`, `a, b, c and 4 more`."""
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    *before, last = [*map(str, names[:NAMED]), *more]
    return f"{', '.join(before)} and {last}" if before else last


def part_in_words(settings: Mapping[str, Json]) -> list[str]:
    """Which items a graded run asked, and how, where not all or not in the usual way: `5 drawn`."""
    part, said = part_of(settings), []
    if categories := settings.get("categories"):
        said.append(f"{'category' if len(categories) == 1 else 'categories'} {listed(categories)}")
    said += ways_in_words(part)
    if "limit" in part:
        said.append(f"{part['limit']} drawn" + (f" by seed {part['seed']}" if "seed" in part else ""))
    if "modes" in part:
        said.append(f"{' and '.join(map(str, part['modes']))} only")
    return said


def ways_in_words(part: Mapping[str, Json]) -> list[str]:
    """How items were asked, by `part_of`: `with reasoning`; empty for the usual way."""
    prompt, examples, shots = (part.get(name) for name in ("prompt", "examples", "few_shot"))
    said = {
        "text_tools": "calls read from text",
        "cot": "with reasoning",
        "shuffle": "options in the file's order",
        "prompt": f"a prompt of its own ({str(prompt)[:8]})",
        "rotations": "in every order",
        "few_shot": f"first {shots} as example{'' if shots == 1 else 's'}",
        "examples": f"{shots or ''} example{'' if shots == 1 else 's'} ({str(examples)[:8]})".lstrip(),
    }
    return [said[name] for name in WAYS if name in part and not (name == "few_shot" and examples)]


def other_ways(a: Mapping[str, Json], b: Mapping[str, Json]) -> str | None:
    """How the ways differ in which two runs asked the same items; None where they do not."""
    of_a, of_b = ({k: v for k, v in part_of(each).items() if k in WAYS} for each in (a, b))
    if of_a != of_b:
        said = (", ".join(ways_in_words(way)) or "in the usual way" for way in (of_a, of_b))
        return "; ".join(f"{name} {words}" for name, words in zip("AB", said, strict=True))
    return "their prompts differ" if "profile" not in a and a.get("prompt") != b.get("prompt") else None


def summary_of(run: Run) -> Mapping[str, Json]:
    return run.summary or {}


def fig(run: Run, name: str) -> Mapping[str, Json]:
    """One figure of the summary, or of a graded run's requests, as a mapping; empty where it is null."""
    summary = summary_of(run)
    found = summary.get(name) or (summary.get("speed") or {}).get(name)
    return found if isinstance(found, Mapping) else {}


def identity(run: Run) -> str:
    model = run.model
    parts = [
        f"{count(model.parameters)} parameters" if model.parameters else None,
        f"{count(model.active_parameters)} active" if model.active_parameters and model.moe else None,
        model.quantization,
        size(model.size_bytes) if model.size_bytes else None,
        f"{run.server.dialect} {model.engine_version or run.server.version or ''}".strip(),
        f"profile {profile}" if (profile := run.settings.get("profile")) not in (None, "quick") else None,
    ]
    return " · ".join(p for p in parts if p)
