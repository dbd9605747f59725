"""Runs as lines of JSON, whole, to be carried to another machine and taken in there.

The first line names the format, the last holds the count and the SHA-256 of all lines before it, so that a
cut or changed file is noticed. Between them each run is followed by its attempts and samples. Leaves out the
store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from tiltyard import __version__
from tiltyard.errors import UsageError
from tiltyard.records import Attempt, Record, Run, Sample
from tiltyard.reports.bundle_check import wrong_with, wrong_with_grade

SCHEMA = "tiltyard.bundle/1"
_REMEDY = "nothing was imported; export it again with `tiltyard export --format jsonl`"


class Packed(Record, frozen=True):
    """One run with all that belongs to it."""

    run: Run
    attempts: tuple[Attempt, ...] = ()
    samples: tuple[Sample, ...] = ()


class _Line(Record, frozen=True):
    """Exactly one of these is there."""

    schema: str | None = None
    run: Run | None = None
    attempt: Attempt | None = None
    sample: Sample | None = None
    end: _End | None = None
    tiltyard: str | None = None


class _End(Record, frozen=True):
    lines: int
    sha256: str


def write_bundle(packed: Iterable[Packed]) -> Iterator[str]:
    """The lines of a bundle, each with its line end."""
    digest, lines = hashlib.sha256(), 0
    encode = msgspec.json.Encoder().encode
    for value in _values(packed):
        line = encode(value)
        digest.update(line)
        lines += 1
        yield line.decode() + "\n"
    yield encode({"end": _End(lines=lines, sha256=digest.hexdigest())}).decode() + "\n"


def _values(packed: Iterable[Packed]) -> Iterator[dict[str, Any]]:
    yield {"schema": SCHEMA, "tiltyard": __version__}
    for one in packed:
        yield {"run": one.run}
        for attempt in one.attempts:
            yield {"attempt": attempt}
        for sample in one.samples:
            yield {"sample": sample}


def read_bundle(lines: Iterable[bytes], name: str) -> Iterator[Packed]:
    """The runs of a bundle, one by one. UsageError names the file and the line that is wrong.

    That the file is whole is known only at its end: keep nothing before this iterator is through.
    """
    decoder = msgspec.json.Decoder(_Line)
    digest, ended, number = hashlib.sha256(), False, 0
    run: Run | None = None
    attempts: list[Attempt] = []
    samples: list[Sample] = []
    for number, raw in enumerate(lines, start=1):
        data = raw.rstrip(b"\r\n")
        if ended and data:
            raise UsageError(f"{name}, line {number}: there is more after the end", _REMEDY)
        line = _decoded(decoder, data, name, number) if data or not ended else _Line()
        if line.end is not None:
            ended = True
            if (line.end.lines, line.end.sha256) != (number - 1, digest.hexdigest()):
                raise UsageError(f"{name}, line {number}: the lines above were changed or lost", _REMEDY)
        elif line.run is not None:
            if (wrong := wrong_with(line.run)) is not None:
                raise UsageError(f"{name}, line {number}: {wrong}", _REMEDY)
            if run is not None:
                yield Packed(run=run, attempts=tuple(attempts), samples=tuple(samples))
            run, attempts, samples = line.run, [], []
        elif line.attempt is not None and run is not None and line.attempt.run_id == run.id:
            if (wrong := wrong_with_grade(line.attempt)) is not None:
                raise UsageError(f"{name}, line {number}: {wrong}", _REMEDY)
            attempts.append(line.attempt)
        elif line.sample is not None and run is not None:
            samples.append(line.sample)
        elif number > 1 and data:
            raise UsageError(f"{name}, line {number}: no part of the run above it", _REMEDY)
        digest.update(data)
    if not number:
        raise UsageError(f"{name} is empty", _REMEDY)
    if not ended:
        raise UsageError(f"{name}, line {number}: the file is cut off here", _REMEDY)
    if run is not None:
        yield Packed(run=run, attempts=tuple(attempts), samples=tuple(samples))


def _decoded(decoder: msgspec.json.Decoder[_Line], data: bytes, name: str, number: int) -> _Line:
    try:
        line = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if number == 1:
            raise UsageError(f"{name} is no Tiltyard bundle (line 1: {error})", _REMEDY) from error
        raise UsageError(f"{name}, line {number}: {error}", _REMEDY) from error
    if number == 1 and line.schema != SCHEMA:
        kind = "is no Tiltyard bundle" if line.schema is None else f"is of format {line.schema!r}"
        raise UsageError(
            f"{name} {kind}; this Tiltyard reads {SCHEMA}", "update Tiltyard, or export it again"
        )
    return line
