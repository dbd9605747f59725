"""A value that satisfies a JSON schema, seeded: what a model under constrained decoding would say.

Handles type, enum, const, properties, required, items, bounds, anyOf/oneOf/allOf, local $ref, dependencies,
if/then/else over constants, format and simple patterns. What it does not know it ignores.
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
    "ipv6": "2001:db8::1",
    "hostname": "example.org",
}
_DEEPEST = 12
_BOTTOM = 60
_REFERENCE = re.compile(r"'\$ref'")


def example(schema: Any, rng: random.Random) -> Any:
    """A value valid under `schema`."""
    return _Writer(schema if isinstance(schema, Mapping) else {}, rng).value(schema, 0)


class _Writer:
    def __init__(self, root: Mapping[str, Any], rng: random.Random) -> None:
        self._root = root
        self._rng = rng

    def value(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, Mapping) or depth > _BOTTOM:
            return {}
        schema = self._resolve(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._rng.choice(list(schema["enum"]))
        for key in ("anyOf", "oneOf"):
            if schema.get(key):
                options = [self._both(schema, option, key) for option in schema[key]]
                if depth > 4:  # deep down a leaf is taken, where recursion has one
                    options = [o for o in options if not _REFERENCE.search(str(o))] or options[-1:]
                return self.value(self._rng.choice(options), depth + 1)
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
            if ref[1:] and not ref.startswith("#/"):
                schema = self._anchored(ref[1:])
                continue
            target: Any = self._root
            for part in ref.lstrip("#").strip("/").split("/"):
                key = part.replace("~1", "/").replace("~0", "~")
                target = target.get(key, {}) if key and isinstance(target, Mapping) else target
            schema = target if isinstance(target, Mapping) else {}
        parts = schema.get("allOf")
        if parts:
            schema = {key: value for key, value in schema.items() if key != "allOf"}
            for part in parts:
                schema = self._both(schema, part)
        return schema

    def _both(self, schema: Mapping[str, Any], part: Any, without: str = "") -> Mapping[str, Any]:
        """A schema and a part of it at once, less one keyword."""
        rest = {key: value for key, value in schema.items() if key != without}
        if not isinstance(part, Mapping):
            return rest
        both = {**rest, **self._resolve(part)}
        if "properties" in rest and "properties" in both:
            both["properties"] = {**rest["properties"], **both["properties"]}
        if "required" in rest and "required" in both:
            both["required"] = [*rest["required"], *both["required"]]
        return both

    def _anchored(self, name: str) -> Mapping[str, Any]:
        """The definition with that anchor."""
        found = [*(self._root.get("$defs") or {}).values(), *(self._root.get("definitions") or {}).values()]
        return next((one for one in found if isinstance(one, Mapping) and one.get("$anchor") == name), {})

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        schema = self._branch(schema)
        properties = schema.get("properties") or {}
        required = set(schema.get("required") or ())
        out = {}
        for name, sub in properties.items():
            if name in required or (depth < 3 and self._rng.random() < 0.5):
                out[name] = self.value(sub, depth + 1)
        for name in required - set(properties):
            out[name] = self._rng.choice(_WORDS)
        for name in self._dependent(schema, out):
            out.setdefault(name, self.value(properties.get(name, {"type": "string"}), depth + 1))
        extra = schema.get("additionalProperties")
        pattern, named = next(iter((schema.get("patternProperties") or {}).items()), (None, None))
        pattern = (schema.get("propertyNames") or {}).get("pattern", pattern)
        sub = named if named is not None else extra if isinstance(extra, Mapping) else {"type": "string"}
        for number in range(100):
            if len(out) >= schema.get("minProperties", 0):
                break
            out[f"key{number}" if pattern is None else self._pattern(pattern)] = self.value(sub, depth + 1)
        return out

    def _branch(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """One side of `if`, where that asks for constants."""
        test = schema.get("if")
        if not isinstance(test, Mapping):
            return schema
        rest = {key: value for key, value in schema.items() if key not in ("if", "then", "else")}
        if self._rng.random() < 0.5:
            return self._both(self._both(rest, test), schema.get("then", {}))
        properties = dict(rest.get("properties") or {})
        for name, part in (test.get("properties") or {}).items():
            if "const" in part and "enum" in properties.get(name, {}):
                others = [value for value in properties[name]["enum"] if value != part["const"]]
                properties[name] = {**properties[name], "enum": others}
        return self._both({**rest, "properties": properties}, schema.get("else", {}))

    def _dependent(self, schema: Mapping[str, Any], present: Mapping[str, Any]) -> list[str]:
        """The keys that those present ask for."""
        rules = {**(schema.get("dependencies") or {}), **(schema.get("dependentRequired") or {})}
        rules |= schema.get("dependentSchemas") or {}
        wanted = [rule for name, rule in rules.items() if name in present]
        lists = [rule.get("required", []) if isinstance(rule, Mapping) else rule for rule in wanted]
        return [name for names in lists for name in names]

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        low = int(schema.get("minItems", 0 if depth > 4 else 1))
        high = int(schema.get("maxItems", max(low, 3 if depth < 4 else low)))
        items = schema.get("items", {"type": "string"})
        prefix = items if isinstance(items, list) else schema.get("prefixItems") or []
        out = [self.value(sub, depth + 1) for sub in prefix[:high]]
        if "contains" in schema:
            out += [self.value(schema["contains"], depth + 1) for _ in range(schema.get("minContains", 1))]
        wanted = self._rng.randint(low, max(low, high))
        for _ in range(200):
            if len(out) >= wanted or not isinstance(items, Mapping):
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
