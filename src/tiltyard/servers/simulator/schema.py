"""A value that satisfies a JSON schema, seeded: what a model under constrained decoding would say.

Handles type, enum, const, properties, required, items, bounds, anyOf/oneOf/allOf, local $ref, format and
simple patterns. What it does not know it ignores.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

import msgspec

_WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "islet", "jetty")
_FORMATS = {
    "date": "2026-03-14",
    "date-time": "2026-03-14T09:26:53Z",
    "time": "09:26:53Z",
    "email": "sim@example.org",
    "uri": "https://example.org/sim",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
    "ipv4": "192.0.2.1",
    "hostname": "example.org",
}
_DEEPEST = 12


def example(schema: Any, rng: random.Random) -> Any:
    """A value valid under `schema`."""
    return _Writer(schema if isinstance(schema, Mapping) else {}, rng).value(schema, 0)


class _Writer:
    def __init__(self, root: Mapping[str, Any], rng: random.Random) -> None:
        self._root = root
        self._rng = rng

    def value(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, Mapping):
            return {}
        schema = self._resolve(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._rng.choice(list(schema["enum"]))
        for key in ("anyOf", "oneOf"):
            if schema.get(key):
                options = list(schema[key])
                # Deep down the last option is taken: it is the null or the leaf of recursive schemas.
                return self.value(options[-1] if depth > 4 else self._rng.choice(options), depth + 1)
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((each for each in kind if each != "null"), "null")
        if kind is None:
            kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        if kind == "string":
            return self._string(schema)
        if kind in ("integer", "number"):
            return self._number(schema, kind == "integer")
        return bool(self._rng.getrandbits(1)) if kind == "boolean" else None

    def _resolve(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        for _ in range(_DEEPEST):
            ref = schema.get("$ref")
            if not isinstance(ref, str) or not ref.startswith("#"):
                break
            target: Any = self._root
            for part in ref.lstrip("#").strip("/").split("/"):
                key = part.replace("~1", "/").replace("~0", "~")
                target = target.get(key, {}) if key and isinstance(target, Mapping) else target
            schema = target if isinstance(target, Mapping) else {}
        if schema.get("allOf"):
            merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
            for part in schema["allOf"]:
                resolved = self._resolve(part)
                properties = {**merged.get("properties", {}), **resolved.get("properties", {})}
                required = [*merged.get("required", []), *resolved.get("required", [])]
                merged = {**merged, **resolved, "properties": properties, "required": required}
            return merged
        return schema

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        required = set(schema.get("required") or ())
        out = {}
        for name, sub in properties.items():
            if name in required or (depth < 3 and self._rng.random() < 0.5):
                out[name] = self.value(sub, depth + 1)
        for name in required - set(properties):
            out[name] = self._rng.choice(_WORDS)
        extra = schema.get("additionalProperties")
        while len(out) < schema.get("minProperties", 0):
            out[f"key{len(out)}"] = self.value(
                extra if isinstance(extra, Mapping) else {"type": "string"}, depth + 1
            )
        return out

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        low = int(schema.get("minItems", 0 if depth > 4 else 1))
        high = int(schema.get("maxItems", max(low, 3 if depth < 4 else low)))
        prefix = schema.get("prefixItems") or []
        out = [self.value(sub, depth + 1) for sub in prefix[:high]]
        wanted = self._rng.randint(low, max(low, high))
        items = schema.get("items", {"type": "string"})
        for _ in range(200):
            if len(out) >= wanted or items is False:
                break
            item = self.value(items, depth + 1)
            if not schema.get("uniqueItems") or item not in out:
                out.append(item)
        return out

    def _string(self, schema: Mapping[str, Any]) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        if isinstance(schema.get("pattern"), str):
            made = self._pattern(schema["pattern"])
            if re.search(schema["pattern"], made):
                return made
        low = int(schema.get("minLength", 0))
        high = int(schema.get("maxLength", max(low, 24)))
        text = self._rng.choice(_WORDS)
        while len(text) < low:
            text += " " + self._rng.choice(_WORDS)
        return text[:high]

    def _number(self, schema: Mapping[str, Any], whole: bool) -> int | float:
        step = schema.get("multipleOf")
        unit: float = step or (1 if whole else 0.5)
        low = schema.get("minimum")
        high = schema.get("maximum")
        if isinstance(schema.get("exclusiveMinimum"), (int, float)):
            low = schema["exclusiveMinimum"] + (unit if whole or step else 1e-3)
        if isinstance(schema.get("exclusiveMaximum"), (int, float)):
            high = schema["exclusiveMaximum"] - (unit if whole or step else 1e-3)
        if low is None:
            low = 0 if high is None or high >= 0 else high - 100
        if high is None:
            high = low + 100
        if whole or step:
            first, last = -int(-low // unit), int(high // unit)
            number = self._rng.randint(first, max(first, last)) * unit
            return int(number) if whole else number
        return round(self._rng.uniform(low, high), 3) if high - low > 0.01 else float(low)

    def _pattern(self, pattern: str) -> str:
        """A string for a pattern of literals, classes and counts; anything cleverer may come out wrong."""
        out = []
        atom = r"\[[^\]]+\]|\\.|\((?:\?:)?[^()]*\)|."
        for found in re.finditer(rf"({atom})(\{{\d+(?:,\d*)?\}}|[*+?])?", pattern.strip("^$")):
            piece, times = found[1], found[2] or ""
            number = int(re.findall(r"\d+", times)[0]) if times.startswith("{") else 1
            out.append("".join(self._atom(piece) for _ in range(number)))
        return "".join(out)

    def _atom(self, piece: str) -> str:
        if piece.startswith("("):
            return self._pattern(self._rng.choice(piece.strip("()").removeprefix("?:").split("|")))
        if piece.startswith("\\"):
            return {"d": str(self._rng.randint(0, 9)), "w": "a", "s": " "}.get(piece[1], piece[1])
        if piece.startswith("["):
            return self._rng.choice(
                [char for char in map(chr, range(33, 127)) if re.fullmatch(piece, char)] or ["a"]
            )
        return "a" if piece == "." else piece


def encode_tools(tools: Any) -> str:
    """Tools or calls as the prompt holds them."""
    return msgspec.json.encode(tools).decode()
