"""A capture of OpenAI chat completions read into an exchange: pure, after the last byte.

Serves every dialect that speaks `/v1/chat/completions`; what is Ollama's own is in `ollama.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

from msgspec.structs import replace

from tiltyard.records import (
    PAYLOAD,
    Capture,
    Ending,
    Events,
    Exchange,
    Json,
    Request,
    ServerTimings,
    Usage,
)
from tiltyard.servers.chat_body import chat_body
from tiltyard.servers.chat_claims import (
    believable,
    llamacpp_timings,
    lmstudio_timings,
    runtime_version,
    usage_of,
)
from tiltyard.servers.chat_events import ChatEvents
from tiltyard.servers.decoding import json_in
from tiltyard.servers.error_text import (
    EMPTY_ANSWER,
    NOT_WHOLE,
    error_in,
    error_of_body,
    one_line,
    short_text,
    unframed_error,
    web_page,
)
from tiltyard.servers.names import same_model
from tiltyard.servers.notes import (
    CACHE_UNBELIEVED,
    CONTEXT_REACHED,
    ERROR_TOLD,
    NOT_STREAMED,
    REFUSAL,
    STOP_REASON,
    UNTERMINATED,
    USAGE_UNBELIEVED,
)
from tiltyard.servers.stream import (
    BOM,
    after_the_end,
    arrival_times,
    lost_words,
    plain_ends,
    plain_payloads,
    sse,
    unterminated,
)
from tiltyard.servers.thinking import split_tags

__all__ = ["Accept", "chat_body", "read_chat"]

# A connection that breaks or stays open after the finish reason loses nothing of the answer.
AFTER_THE_END = ("error_midstream", "timeout_gap")
# What servers and gateways call it when something went wrong on their side.
BROKEN_OFF = frozenset(
    ("error", "server_error", "abort", "aborted", "cancelled", "canceled", "insufficient_system_resource")
) | {"failed", "modelUnloaded", "userStopped"}  # LM Studio's, whose finish reason may be a plain "stop"
LIMIT_REACHED = "maxPredictedTokensReached"  # LM Studio's, likewise
Accept = Callable[[str], bool] | Collection[str]


def read_chat(
    request: Request, capture: Capture, *, accept: Accept | None = None, versioned: bool = False
) -> Exchange:
    """Interpret one captured answer.

    `accept` turns on the check of the served model's name: names that may stand for the asked one (its own
    is always among them), or a function that says whether a served name may. None: not checked.
    `versioned`: the server's `system_fingerprint` is its engine's version; others put anything there.
    """
    body = capture.body
    if capture.status is None or capture.status >= 300:
        return _without_stream(request, capture)
    page = web_page(capture.headers.get("content-type", ""), body)
    if page is not None:
        return _failed(request, capture, "http_error", page)
    events = ChatEvents()
    notes = list(capture.notes)
    whole = _whole_json(body)
    if whole is not None:
        error = error_in(whole)
        if error is not None:
            return _failed(request, capture, "http_error", error)
        events.add(body.removeprefix(BOM).strip(), len(body))
        notes.append(NOT_STREAMED)
    else:
        payloads = plain_payloads(body)
        if payloads is not None:
            events.add_payloads(payloads, plain_ends(payloads))
        else:
            for event in sse(body):
                if event.comment:
                    events.add_comment(event.end)
                else:
                    events.add(event.data, event.end, event.name)
            if unterminated(body):
                notes.append(UNTERMINATED)
        if events.finish_reason is None and events.error is None:
            events.error = unframed_error(body)
    exchange = _exchange(request, capture, events, (notes, accept))
    if versioned and exchange.engine_version is None:
        exchange = replace(exchange, engine_version=events.fingerprint)
    return exchange


def _exchange(
    request: Request,
    capture: Capture,
    said: ChatEvents,
    rest: tuple[list[str], Accept | None],
) -> Exchange:
    notes, accept = rest
    kinds = "".join(said.kinds)
    texts = said.texts
    source = said.reasoning_field
    text = _of_kind(kinds, texts, "c")
    reasoning = _of_kind(kinds, texts, "r") if "r" in kinds else ""
    if text and not reasoning:
        split = split_tags(text, kinds, texts)
        if split is not None:
            text, reasoning, kinds = split
            source = "tags"
    if "f" in kinds:
        notes.append(REFUSAL)
        text = text or _of_kind(kinds, texts, "f")
    usage, timings = _believed(said, request.max_tokens, notes)
    told = _told_error(said)
    ending, error = ("error_midstream", told) if told is not None else _ending(request, capture, said, accept)
    notes += after_the_end(ending, capture)
    return Exchange(
        request=request,
        timeline=capture.timeline,
        ending=ending,
        status=capture.status,
        events=Events(
            t_ns=tuple(arrival_times(said.ends, capture.timeline)),
            kinds=kinds,
            texts=tuple(texts),
            tokens=said.tokens(),
        ),
        text=text,
        reasoning=reasoning,
        reasoning_source=source,
        tool_calls=said.tool_calls.finished() if len(said.tool_calls) else (),
        finish_reason="length" if LIMIT_REACHED in _reasons(said).values() else said.finish_reason,
        model_served=_served(request, said, accept),
        engine_version=runtime_version(said.runtime),
        usage=usage,
        timings=timings,
        logprobs=tuple(said.logprobs),
        error=error,
        notes=(
            *notes,
            *said.notes,
            *_stop_notes(said),
            *((ERROR_TOLD,) if told is not None or error == NOT_WHOLE else ()),
        ),
        raw=None if ending == "ok" else capture.body,
    )


def _of_kind(kinds: str, texts: list[str], kind: str) -> str:
    if not any(other in kinds for other in PAYLOAD.replace(kind, "")):  # nothing else has text
        return "".join(texts)
    return "".join([t for k, t in zip(kinds, texts, strict=True) if k == kind])


def _ending(
    request: Request, capture: Capture, said: ChatEvents, accept: Accept | None
) -> tuple[Ending, str | None]:
    """How an answer ended in which the server told of no error."""
    finished = said.finish_reason is not None
    if capture.failure is not None and not (finished and capture.failure in AFTER_THE_END):
        return capture.failure, capture.error
    if lost_words(said.unread, said.kinds):
        return "error_midstream", NOT_WHOLE
    if not said.choices_seen:
        return "empty", _nothing(capture.body, said)
    served = _served(request, said, accept)
    if accept is not None and served and not _accepted(request.model, served, accept):
        return "wrong_model", f"asked for {request.model}, answered by {served}"
    if not finished:
        return "truncated", "the stream ended without a finish reason"
    return "ok", None


def _nothing(body: bytes, said: ChatEvents) -> str:
    """What to say of an answer without choices; a short text that is no stream speaks for itself."""
    if not body.strip():
        return EMPTY_ANSWER
    quoted = None if said.ends or b"data:" in body else short_text(body)
    return "the answer holds no choices" + (f": {quoted}" if quoted else "")


def _reasons(said: ChatEvents) -> dict[str, str | None]:
    """Why the answer ended, in each place where that is told."""
    own = (said.stats or {}).get("stop_reason")
    return {"finish_reason": said.finish_reason, "stop_reason": own if isinstance(own, str) else None}


def _served(request: Request, said: ChatEvents, accept: Accept | None) -> str | None:
    """Who answered: of all names in the answer one that will not do, else one that was not asked for."""
    others = [name for name in said.models if name != request.model]
    if accept is not None:
        others.sort(key=lambda name: not _accepted(request.model, name, accept))
    return others[-1] if others else said.model


def _accepted(asked: str, served: str, accept: Accept) -> bool:
    if callable(accept):
        return accept(served)
    return any(same_model(name, served) for name in (asked, *accept))


def _believed(
    said: ChatEvents, most: int | None, notes: list[str]
) -> tuple[Usage | None, ServerTimings | None]:
    """What the server claims, without counts that the answer's length, or the prompt's, contradicts."""
    usage, timings = usage_of(said.usage, said.timings), _timings(said)
    length = sum(map(len, said.texts))
    if usage is not None and not believable(usage.output_tokens, length, most):
        usage = replace(usage, output_tokens=None)
        notes.append(USAGE_UNBELIEVED)
    if usage is not None and (usage.cached_tokens or 0) > (usage.prompt_tokens or math.inf):
        usage = replace(usage, cached_tokens=None)
        notes.append(CACHE_UNBELIEVED)
    if timings is not None and not believable(timings.decode_tokens, length, most):
        timings = replace(timings, decode_tokens=None)
    return usage, timings


def _timings(said: ChatEvents) -> ServerTimings | None:
    if said.timings is not None:
        return llamacpp_timings(said.timings)
    if said.stats is not None:
        return lmstudio_timings(said.stats)
    return None


def _told_error(said: ChatEvents) -> str | None:
    """What the server itself says went wrong."""
    if said.error is not None:
        return said.error
    for name, reason in _reasons(said).items():
        if reason in BROKEN_OFF:
            return f"the server ended the answer with {name} {reason!r}"
    return None


def _stop_notes(said: ChatEvents) -> tuple[str, ...]:
    """LM Studio's own stop reason, where the finish reason hides it."""
    reason = _reasons(said)["stop_reason"]
    if reason == "contextLengthReached":
        return (CONTEXT_REACHED,)
    return (f"{STOP_REASON}{reason}",) if reason in BROKEN_OFF else ()


def _whole_json(body: bytes) -> Json:
    """The value of an answer that is one JSON document instead of a stream, whatever its content type says;
    None when it is a stream.
    """
    body = body.removeprefix(BOM)
    if not body.lstrip().startswith(b"{"):
        return None
    return json_in(body)


def _without_stream(request: Request, capture: Capture) -> Exchange:
    if capture.status is None:
        return _failed(request, capture, capture.failure or "connect_error", capture.error)
    said = error_of_body(capture.status, capture.body)
    if capture.status < 400 and "location" in capture.headers:
        said += f": it sends its callers to {one_line(capture.headers['location'])}"
    return _failed(request, capture, "http_error", said)


def _failed(request: Request, capture: Capture, ending: Ending, error: str | None) -> Exchange:
    return Exchange(
        request=request,
        timeline=capture.timeline,
        ending=ending,
        status=capture.status,
        error=error,
        notes=capture.notes,
        raw=capture.body or None,
    )
