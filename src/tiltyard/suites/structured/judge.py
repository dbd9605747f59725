"""Is a value valid under a schema? By `jsonschema-rs`, in the schema's own draft, with and without formats.

References to anywhere outside of the schema are refused when it is read, and never fetched. A judge is
compiled once and used for every answer.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from tiltyard.records import Json
from tiltyard.suites.structured.values import is_beyond

ERRORS = 3  # named for each answer
MANY, DEEP = 1_000, 8  # leaves of a long value; levels of a deep one
DRAFTS = {"draft-03": "draft 3", "draft-02": "draft 2", "draft-01": "draft 1"}  # nobody judges by these
COUNT = re.compile(r"\{\d+,?\d*\}")  # of repetitions in a pattern


class Verdict(NamedTuple):
    shape: bool  # valid, formats left out
    formats: bool  # valid, formats too
    errors: tuple[str, ...] = ()


class Judge(NamedTuple):
    """Two validators of one schema."""

    plain: Any
    strict: Any

    def judge(self, value: Json) -> Verdict:
        """Never raises: what a validator cannot take is not valid."""
        try:
            if self.strict.is_valid(value):
                return Verdict(True, True)
            return Verdict(self.plain.is_valid(value), False, self.errors_of(value))
        except (ValueError, RecursionError, OverflowError) as error:
            return Verdict(False, False, (str(error)[:200],))

    def errors_of(self, value: Json) -> tuple[str, ...]:
        """The first errors.

        The validator works out all of them at once: too many in a long value, and in a deep one (of a
        recursive schema with alternatives) more than can ever be. Those get one word.
        """
        if is_beyond(value, MANY, DEEP):
            return ("does not fit the schema; too long or too deep to say where",)
        found = []
        for error in islice(self.strict.iter_errors(value), ERRORS):
            place = "/".join(map(str, error.instance_path))
            found.append(f"/{place}: {error.message}"[:200])
        return tuple(found)


class BadSchemaError(ValueError):
    """`str` is what is wrong, with the place in the schema."""


def judge_of(schema: Json) -> Judge:
    """Compile a schema. Raises BadSchemaError with the place of what is wrong."""
    import jsonschema_rs

    if not isinstance(schema, dict | bool):
        raise BadSchemaError("a schema is an object, or true or false")
    draft = str(schema.get("$schema", "")) if isinstance(schema, Mapping) else ""
    for name, words in DRAFTS.items():
        if name in draft:
            raise BadSchemaError(f"/$schema: {words} is too old; draft 4 to 2020-12 can be judged")
    try:
        return Judge(
            jsonschema_rs.validator_for(schema, validate_formats=False, offline=True),
            jsonschema_rs.validator_for(schema, validate_formats=True, offline=True),
        )
    except jsonschema_rs.ValidationError as error:
        raise BadSchemaError(why_bad(schema, error)) from None
    except (jsonschema_rs.ReferencingError, ValueError, RecursionError) as error:
        words = str(error).splitlines()[0][:300]
        too_deep = "recursion" in words.lower()  # both Python's word and the compiler's
        raise BadSchemaError("nested too deeply to be judged" if too_deep else words) from None


def why_bad(schema: Json, error: Any) -> str:
    """Place and reason; the compiler itself has no place for references that lead nowhere."""
    if "meta-schema" in error.message and isinstance(schema, Mapping) and "$schema" in schema:
        return f"/$schema: {str(schema['$schema'])[:200]!r} is no draft that can be judged by (4 to 2020-12)"
    if error.instance_path:
        large = getattr(error.kind, "format", None) == "regex" and is_large(error.instance)
        said = f"{error.instance[:80]!r} is a pattern too large to be judged by" if large else error.message
        return f"/{'/'.join(map(str, error.instance_path))}: {said}"[:300]
    for place, reference in references(schema):
        if reference in error.message or reference.lstrip("#") in error.message:
            return f"{place}: a reference to {reference[:80]!r}, which is not in the schema itself"
    away = [(place, reference) for place, reference in references(schema) if not reference.startswith("#")]
    if away and "retriev" in error.message.lower():
        place, reference = away[0]
        return f"{place}: a reference to {reference[:80]!r}, which is not in the schema itself"
    return f"/: {error.message}"[:300]


def is_large(pattern: str) -> bool:
    """Is it a regex, and one that could be judged by if its parts were repeated less often?"""
    import jsonschema_rs

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what other versions of Python will read otherwise
            re.compile(pattern)
        jsonschema_rs.validator_for({"pattern": COUNT.sub("{1,2}", pattern)}, offline=True)
    except (jsonschema_rs.ValidationError, re.error, OverflowError, RecursionError):
        return False
    return True


def references(schema: Json) -> Iterator[tuple[str, str]]:
    """Every `$ref` and its place, wherever a schema may hold one; values of `const` and `enum` are data."""
    stack: list[tuple[str, Any]] = [("", schema)]
    while stack:
        place, value = stack.pop()
        if isinstance(value, Mapping):
            for key, entry in value.items():
                here = f"{place}/{key}"
                if key in ("$ref", "$dynamicRef", "$recursiveRef") and isinstance(entry, str):
                    yield here, entry
                elif key not in ("const", "enum", "default", "examples"):
                    stack.append((here, entry))
        elif isinstance(value, list):
            stack.extend((f"{place}/{number}", entry) for number, entry in enumerate(value))
