"""Records to rows and back, exactly. Everything that becomes text passes `clean` first.

A lone surrogate is half a character; SQLite's text cannot hold it and no other tool could read it, so it is
kept as U+FFFD. Knows the columns; knows nothing of connections and transactions.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from tiltyard.records import (
    OUTCOMES,
    Attempt,
    Exchange,
    Grade,
    Json,
    Measures,
    Model,
    Record,
    Run,
    RunState,
    Sample,
    ServerInfo,
    ServerTimings,
    Timeline,
    TokenChoice,
    ToolCall,
    Usage,
)
from tiltyard.store.timelines import Expanded, pack, unpack

Row = tuple[Any, ...]
Columns = Mapping[str, Any]
T = TypeVar("T")
M = TypeVar("M", Model, ServerInfo)
_STATES = get_args(RunState)

# Failures that are not the model's doing: asked again when the run is resumed.
OUTSIDE = frozenset(
    ("connect_error", "timeout_first_byte", "timeout_gap", "error_midstream", "cancelled", "http_error")
)
REFUSED_FOR_GOOD = frozenset((400, 413, 422))  # the request itself was judged: asking again changes nothing
_OF_THE_SERVER = re.compile(r"no models? (?:is |are )?loaded|not loaded|unloaded|crashed", re.IGNORECASE)

_encoder = msgspec.json.Encoder()


def clean(text: str) -> str:
    """The same text without lone surrogates; surrogate pairs become the character they spell."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def to_json(value: Any) -> str:
    """JSON text of a record or of plain values."""
    try:
        return _encoder.encode(value).decode()
    except UnicodeEncodeError:
        return _encoder.encode(_cleaned(msgspec.to_builtins(value))).decode()


def _cleaned(value: Json) -> Json:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): _cleaned(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(entry) for entry in value]
    return value


def _maybe_json(value: Any) -> str | None:
    return to_json(value) if value else None


def _known(word: Any, words: Sequence[str]) -> Any:
    """The word, which is one of these in a file without damage."""
    if word not in words:
        raise ValueError(f"{word!r} is none of {', '.join(words)}")
    return word


def from_json(text: str | None, kind: type[T]) -> T | None:
    return None if text is None else msgspec.json.decode(text, type=kind)


# ------------------------------------------------------------------ attempts

MEASURE_COLUMNS = Measures.__struct_fields__  # a new one needs a migration
ATTEMPT_COLUMNS = (
    "run_key, stage, item_id, item_hash, repetition, try_no, session, started_at, client_bound, "
    "ending, failed_outside, outcome, score, points, reasons, rule, details, " + ", ".join(MEASURE_COLUMNS)
)


def failed_outside(attempt: Attempt) -> bool:
    """Did something other than the model end it (a dead server, a cut line, the user)?"""
    if not attempt.exchanges:
        return False
    last = attempt.exchanges[-1]
    outcome = None if attempt.grade is None else attempt.grade.outcome
    if outcome in ("wrong", "unparsed"):  # the model's fault, whatever the server calls it
        return False
    unjudged = outcome == "error" and last.ending != "ok"
    for_good = last.status in REFUSED_FOR_GOOD and not _OF_THE_SERVER.search(last.error or "")
    return (last.ending in OUTSIDE or unjudged) and not for_good


def attempt_row(run_key: int, attempt: Attempt) -> Row:
    grade, last = attempt.grade, attempt.exchanges[-1] if attempt.exchanges else None
    judged = (
        (None,) * 6
        if grade is None
        else (
            *(grade.outcome, grade.score, grade.points, _maybe_json(grade.reasons), grade.rule),
            _maybe_json(grade.details),
        )
    )
    return (
        run_key,
        clean(attempt.stage),
        clean(attempt.item_id),
        attempt.item_hash,
        attempt.repetition,
        attempt.try_no,
        attempt.session,
        attempt.started_at,
        attempt.client_bound,
        None if last is None else last.ending,
        failed_outside(attempt),
        *judged,
        *[getattr(attempt.measures, name) for name in MEASURE_COLUMNS],
    )


def attempt_of(run_id: str, row: Columns, exchanges: tuple[Exchange, ...]) -> Attempt:
    grade = None
    if row["outcome"] is not None:
        grade = Grade(
            outcome=_known(row["outcome"], OUTCOMES),
            score=row["score"],
            points=row["points"],
            reasons=from_json(row["reasons"], tuple[str, ...]) or (),
            rule=row["rule"],
            details=from_json(row["details"], dict[str, Any]) or {},
        )
    return Attempt(
        run_id=run_id,
        stage=row["stage"],
        item_id=row["item_id"],
        item_hash=row["item_hash"],
        repetition=row["repetition"],
        started_at=row["started_at"],
        exchanges=exchanges,
        measures=Measures(**{name: row[name] for name in MEASURE_COLUMNS}),
        grade=grade,
        try_no=row["try_no"],
        session=row["session"],
        client_bound=bool(row["client_bound"]),
    )


# ------------------------------------------------------------------ exchanges and timelines

EXCHANGE_COLUMNS = (
    "attempt_id, number, request_id, options_id, messages, tails, ending, status, text, reasoning, "
    "reasoning_source, tool_calls, finish_reason, model_served, engine_version, usage, timings, notes, "
    "error, raw, logprobs"
)
TIMELINE_COLUMNS = (
    "exchange_id, scheduled_ns, started_ns, connected_ns, reused, sent_ns, headers_ns, closed_ns, clock, "
    "origin_unix_ns, arrivals"
)


def exchange_row(attempt_id: int, number: int, exchange: Exchange, request: Row) -> Row:
    """`request` is (request_id, options_id, messages, tails): see `requests.py`."""
    return (
        attempt_id,
        number,
        *request,
        exchange.ending,
        exchange.status,
        clean(exchange.text),
        clean(exchange.reasoning),
        exchange.reasoning_source,
        _maybe_json(exchange.tool_calls),
        None if exchange.finish_reason is None else clean(exchange.finish_reason),
        None if exchange.model_served is None else clean(exchange.model_served),
        None if exchange.engine_version is None else clean(exchange.engine_version),
        _maybe_json(exchange.usage),
        _maybe_json(exchange.timings),
        _maybe_json(exchange.notes),
        None if exchange.error is None else clean(exchange.error),
        None if exchange.raw is None else zlib.compress(exchange.raw, 1),
        _maybe_json(exchange.logprobs),
    )


def timeline_row(exchange_id: int, exchange: Exchange) -> Row:
    timeline, events = exchange.timeline, exchange.events
    text, reasoning = clean(exchange.text), clean(exchange.reasoning)
    if clean("".join(events.texts)) != "".join(events.texts):
        events = msgspec.structs.replace(events, texts=tuple(clean(part) for part in events.texts))
    packed = pack(timeline, events, text, reasoning)
    return (
        exchange_id,
        timeline.scheduled_ns,
        timeline.started_ns,
        timeline.connected_ns,
        timeline.reused,
        timeline.sent_ns,
        timeline.headers_ns,
        timeline.closed_ns,
        timeline.clock,
        timeline.origin_unix_ns,
        packed,
    )


def exchange_of(row: Columns, request: Any) -> Exchange:
    """`row` is an exchange joined with its timeline; `request` is the rebuilt Request."""
    expanded: Expanded = unpack(row["arrivals"], row["text"], row["reasoning"])
    timeline = Timeline(
        scheduled_ns=row["scheduled_ns"],
        started_ns=row["started_ns"],
        connected_ns=row["connected_ns"],
        reused=bool(row["reused"]),
        sent_ns=row["sent_ns"],
        headers_ns=row["headers_ns"],
        arrivals_ns=expanded.arrivals_ns,
        arrivals_end=expanded.arrivals_end,
        closed_ns=row["closed_ns"],
        clock=row["clock"],
        origin_unix_ns=row["origin_unix_ns"],
    )
    return Exchange(
        request=request,
        timeline=timeline,
        ending=row["ending"],
        status=row["status"],
        events=expanded.events,
        text=row["text"],
        reasoning=row["reasoning"],
        reasoning_source=row["reasoning_source"],
        tool_calls=from_json(row["tool_calls"], tuple[ToolCall, ...]) or (),
        finish_reason=row["finish_reason"],
        model_served=row["model_served"],
        engine_version=row["engine_version"],
        usage=from_json(row["usage"], Usage),
        timings=from_json(row["timings"], ServerTimings),
        error=row["error"],
        notes=from_json(row["notes"], tuple[str, ...]) or (),
        raw=None if row["raw"] is None else zlib.decompress(row["raw"]),
        logprobs=from_json(row["logprobs"], tuple[TokenChoice, ...]) or (),
    )


# ------------------------------------------------------------------ models, servers, runs, samples

MODEL_FIELDS = tuple(name for name in Model.__struct_fields__ if name != "memory_bytes")
SERVER_FIELDS = ServerInfo.__struct_fields__
KEPT = {Model: MODEL_FIELDS, ServerInfo: SERVER_FIELDS}
SAMPLE_COLUMNS = (
    "run_key, t_ns, device, utilisation_percent, memory_bytes, memory_total_bytes, power_w, energy_j, "
    "temperature_c, clock_mhz"
)


def struct_row(record: Model | ServerInfo) -> Row:
    """One value per field that is kept; tuples become JSON."""
    values = []
    for name in KEPT[type(record)]:
        value = getattr(record, name)
        if isinstance(value, tuple):
            value = to_json(value)
        elif isinstance(value, str):
            value = clean(value)
        values.append(value)
    return tuple(values)


def _fields_with(kind: type[Record], wanted: type) -> frozenset[str]:
    """The fields whose type is `wanted` or, as in `tuple[str, ...] | None`, may be."""
    found = {}
    for field in msgspec.structs.fields(kind):
        kinds = get_args(field.type) if isinstance(field.type, UnionType) else (field.type,)
        found[field.name] = {get_origin(each) or each for each in kinds}
    return frozenset(name for name, kinds in found.items() if wanted in kinds)


_AS_JSON = {kind: _fields_with(kind, tuple) for kind in (Model, ServerInfo)}
_AS_INTEGER = {kind: _fields_with(kind, bool) for kind in (Model, ServerInfo)}


def _struct_of(kind: type[M], row: Columns, prefix: str) -> M:
    values = {name: row[prefix + name] for name in KEPT[kind]}
    for name in _AS_JSON[kind]:
        values[name] = None if values[name] is None else msgspec.json.decode(values[name])
    for name in _AS_INTEGER[kind]:
        values[name] = None if values[name] is None else bool(values[name])
    return msgspec.convert(values, kind)


def run_of(row: Columns) -> Run:
    """`row` is a run joined with its model (columns `m_...`) and its server (`s_...`)."""
    return Run(
        id=row["id"],
        suite=row["suite"],
        suite_version=row["suite_version"],
        model=_struct_of(Model, row, "m_"),
        server=_struct_of(ServerInfo, row, "s_"),
        settings=from_json(row["settings"], dict[str, Any]) or {},
        fingerprint=row["fingerprint"],
        started_at=row["started_at"],
        command=row["command"],
        state=_known(row["state"], _STATES),
        ended_at=row["ended_at"],
        machine=from_json(row["machine"], dict[str, Any]) or {},
        calibration=from_json(row["calibration"], dict[str, Any]),
        notes=from_json(row["notes"], tuple[str, ...]) or (),
        summary=from_json(row["summary"], dict[str, Any]),
    )


def sample_row(run_key: int, sample: Sample) -> Row:
    return (run_key, *[getattr(sample, name) for name in Sample.__struct_fields__])


def sample_of(row: Columns) -> Sample:
    return Sample(
        t_ns=row["t_ns"],
        device=row["device"],
        utilisation=row["utilisation_percent"],
        memory_bytes=row["memory_bytes"],
        memory_total_bytes=row["memory_total_bytes"],
        power_w=row["power_w"],
        energy_j=row["energy_j"],
        temperature_c=row["temperature_c"],
        clock_mhz=row["clock_mhz"],
    )
