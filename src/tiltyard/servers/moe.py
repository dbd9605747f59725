"""Dense or mixture of experts, and how many parameters really work on a token.

Formula: a tensor of experts (`*_exps`; `ffn_gate.3.weight` in old GGUF files; `*.experts.*` in safetensors)
counts used / count of its elements, every other tensor counts whole. Shared experts (`*_shexp`) always work,
so they count whole.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tiltyard.records import Json

EXPERT_TENSOR = re.compile(r"_exps\b|\bffn_(?:gate|up|down)\.\d+\.|\.experts\.")


class Experts(NamedTuple):
    """How a model is made up. None: not known."""

    moe: bool | None
    total: int | None = None
    used: int | None = None


def from_metadata(info: Mapping[str, Json], *, complete: bool = True) -> Experts:
    """From GGUF keys. `<arch>` is `general.architecture`, not the family; a dense model lacks the key, which
    tells nothing where the keys are not `complete`.
    """
    architecture = info.get("general.architecture")
    if not isinstance(architecture, str):
        return Experts(None)
    count, used = (whole(info.get(f"{architecture}.expert{part}_count")) for part in ("", "_used"))
    return Experts(moe=(count or 0) > 1 if complete or count else None, total=count, used=used)


def totals(tensors: Iterable[Json], experts: Experts) -> tuple[int, int | None] | None:
    """(parameters, active parameters) from a list of `{name, type, shape}`; None for an empty or odd list."""
    sizes: list[tuple[str, int]] = []
    for tensor in tensors:
        if not isinstance(tensor, Mapping):
            return None
        name, shape = tensor.get("name"), tensor.get("shape")
        if not isinstance(name, str) or not isinstance(shape, list) or not all(whole(n) for n in shape):
            return None
        sizes.append((name, math.prod(int(n) for n in shape)))
    return counted(sizes, experts)


def counted(sizes: Iterable[tuple[str, int]], experts: Experts) -> tuple[int, int | None] | None:
    """(parameters, active parameters) from tensors' names and elements; None where there are none."""
    total = routed = 0
    for name, elements in sizes:
        total += elements
        if EXPERT_TENSOR.search(name):
            routed += elements
    if not total:
        return None
    if not experts.moe:
        return total, total
    if not (experts.total and experts.used and routed):
        return total, None
    return total, total - routed + round(routed * experts.used / experts.total)


def whole(value: Json) -> int | None:
    """A positive whole number, or None: servers write numbers as floats, strings and null."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value > 0 and math.isfinite(value) else None
