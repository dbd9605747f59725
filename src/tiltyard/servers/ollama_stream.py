"""Reads Ollama's native chat stream: one JSON object per line, durations in nanoseconds, zeroes left out.

Lines are not tokens (its parsers buffer), so events carry no token counts. How a request is made is in
`ollama.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from tiltyard.records import (
    Capture,
    Ending,
    Events,
    Exchange,
    Json,
    Request,
    ServerTimings,
    TokenChoice,
    ToolCall,
    Usage,
)
from tiltyard.servers.chat_claims import integer
from tiltyard.servers.claims import COLD_SHARE, TEMPLATE_TOKENS
from tiltyard.servers.decoding import json_in, may_be_deep
from tiltyard.servers.error_text import EMPTY_ANSWER, FULL, NOT_WHOLE, error_in, error_of_body, web_page
from tiltyard.servers.names import same_model
from tiltyard.servers.notes import (
    COLD,
    ERROR_TOLD,
    HEAD_MAYBE_CACHED,
    NO_DONE_REASON,
    NOT_STREAMED,
    PREFILL_HIGH,
    PREFILL_MAYBE_CACHED,
    PREFIX_SEEN,
    SERVER_BUSY,
    SERVER_LOADING,
    TOKEN_REPEAT,
    UNREADABLE_EVENT,
    USAGE_MISSES_THINKING,
)
from tiltyard.servers.replies import cloud_refusal, table, word
from tiltyard.servers.stream import after_the_end, arrival_times, lost_words, ndjson
from tiltyard.servers.thinking import split_tags
from tiltyard.servers.token_choices import token_choices

WHOLE = 0.75  # of the time in which words came, that a count of all of them was made in
REPEATS = 30  # the server aborts without a word when one piece comes more often than this in a row
UNAVAILABLE = 503


class Said(msgspec.Struct):
    """The message in a line."""

    content: str | None = None
    thinking: str | None = None
    tool_calls: list[Json] | None = None


class Line(msgspec.Struct):
    """A line of the stream; everything may be absent."""

    model: str | None = None
    message: Said | None = None
    done: bool = False
    done_reason: str | None = None
    error: Json = None
    logprobs: Json = None
    total_duration: int | None = None
    load_duration: int | None = None
    prompt_eval_count: int | None = None
    prompt_eval_duration: int | None = None
    eval_count: int | None = None
    eval_duration: int | None = None


NUMBERS = Line.__struct_fields__[-6:]
DECODER = msgspec.json.Decoder(Line)


class Story:
    """What the lines add up to."""

    def __init__(self) -> None:
        self.t_ns: list[int] = []
        self.kinds: list[str] = []
        self.texts: list[str] = []
        self.content: list[str] = []
        self.thinking: list[str] = []
        self.calls: list[ToolCall] = []
        self.model: str | None = None  # the last one named
        self.models: dict[str, None] = {}  # all that were, in order
        self.logprobs: list[TokenChoice] = []
        self.last: Line | None = None  # the one with done: true
        self.error: str | None = None
        self.unread: list[bytes] = []  # lines that could not be read before the end
        self.objects = 0  # that are lines of this dialect

    def add(self, t_ns: int, line: Line) -> None:
        kind, text = "o", ""
        said = line.message
        self.objects += said is not None or line.done or line.error is not None
        if line.error is not None:
            self.error = error_in({"error": line.error}) or "an error without a text"
        elif said is not None:
            if said.tool_calls:
                calls = [call for each in said.tool_calls if (call := tool_call(each))]
                self.calls += calls
                kind, text = "t", "".join(call.arguments for call in calls)
            if said.thinking:
                self.thinking.append(said.thinking)
                kind, text = "r", said.thinking
            if said.content:
                self.content.append(said.content)
                kind, text = "c", said.content
                if isinstance(line.logprobs, list):
                    self.logprobs += token_choices(line.logprobs)
        if line.model:
            self.model = line.model
            self.models[line.model] = None
        if line.done:
            self.last = line
        self.t_ns.append(t_ns)
        self.kinds.append(kind)
        self.texts.append(text)

    @property
    def in_one_piece(self) -> bool:
        """Was it no stream but one object, which holds the words and the end?"""
        return self.last is not None and self.objects == 1 and not set(self.kinds).isdisjoint("crt")

    @property
    def repeats_itself(self) -> bool:
        """Was the same piece sent more often in a row than the server lets pass?"""
        pieces = [text for kind, text in zip(self.kinds, self.texts, strict=True) if kind in "cr"]
        return len(pieces) >= REPEATS and len(set(pieces[-REPEATS:])) == 1

    def tells_half(self, request: Request) -> bool:
        """Are its figures those of the second of two completions, which thinking with a format makes?

        They are too few for the time in which words came; newer versions may count both.
        """
        if self.last is None or not self.thinking or request.response_format is None:
            return False
        spoken = [t for t, kind in zip(self.t_ns, self.kinds, strict=True) if kind in "crt"]
        window = spoken[-1] - spoken[0]
        return not window or (self.last.eval_duration or 0) < WHOLE * window


def decode(data: bytes) -> Line | None:
    """A line, read tolerantly: what has the wrong type counts as absent. None for what is no JSON object."""
    try:
        line = DECODER.decode(data)
        if not may_be_deep(data):
            return believed(line) if line.done else line
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # read again, slowly
        pass
    value = json_in(data)
    if not isinstance(value, dict):
        return None
    message = table(value.get("message"))
    calls = message.get("tool_calls")
    said = Said(
        content=word(message.get("content")),
        thinking=word(message.get("thinking")),
        tool_calls=calls if isinstance(calls, list) else None,
    )
    line = Line(
        model=word(value.get("model")),
        message=said,
        done=value.get("done") is True,
        done_reason=word(value.get("done_reason")),
        error=value.get("error"),
        logprobs=value.get("logprobs"),
        **{name: integer(value.get(name)) for name in NUMBERS},
    )
    return believed(line)


def believed(line: Line) -> Line:
    """The line without numbers below nothing; and there is no prompt of no tokens."""
    for name in NUMBERS:
        if (getattr(line, name) or 0) < 0:
            setattr(line, name, None)
    line.prompt_eval_count = line.prompt_eval_count or None
    return line


def tool_call(value: Json) -> ToolCall | None:
    """One whole call; its arguments are an object (some proxies send text)."""
    call = table(value)
    function = table(call.get("function"))
    name, arguments = word(function.get("name")), function.get("arguments")
    if name is None:
        return None
    if isinstance(arguments, str):
        return ToolCall(name=name, arguments=arguments, id=word(call.get("id")))
    encoded = msgspec.json.encode({} if arguments is None else arguments).decode()
    return ToolCall(name=name, arguments=encoded, id=word(call.get("id")), arguments_kind="object")


def read_ollama(request: Request, capture: Capture) -> Exchange:
    """Interpret a capture of POST /api/chat."""
    lines = ndjson(capture.body)
    times = arrival_times([line.end for line in lines], capture.timeline)
    story = Story()
    whole = len(capture.body) - (not capture.body.endswith((b"\n", b"\r")))  # a line beyond was cut off
    for line, t_ns in zip(lines, times, strict=True):
        decoded = decode(line.data) if line.data.strip() else None
        if decoded is not None:
            story.add(t_ns, decoded)
        elif story.last is None and line.end <= whole:
            story.unread.append(line.data)
    ending, error = ending_of(request, capture, story)
    last, kinds, text = story.last, "".join(story.kinds), "".join(story.content)
    reasoning, source = "".join(story.thinking), "thinking" if story.thinking else None
    tagged = None if reasoning else split_tags(text, kinds, story.texts)
    if tagged is not None:
        text, reasoning, kinds, source = *tagged, "tags"
    half = story.tells_half(request)
    timings = timings_of(last, capture.notes, request) if last else None
    if half and timings is not None:  # its rate is right all the same
        timings = replace(timings, prefill_tokens=None, prefill_tps=None, decode_tokens=None, queue_ms=None)
    return Exchange(
        request=request,
        timeline=capture.timeline,
        ending=ending,
        status=capture.status,
        events=Events(t_ns=tuple(story.t_ns), kinds=kinds, texts=tuple(story.texts)),
        text=text,
        reasoning=reasoning,
        reasoning_source=source,
        tool_calls=tuple(story.calls),
        finish_reason=(last.done_reason or None) if last else None,
        model_served=story.model,
        usage=None if half else usage_of(last),
        timings=timings,
        logprobs=tuple(story.logprobs),
        error=error,
        notes=(
            *notes_of(request, capture, story, ending),
            *((USAGE_MISSES_THINKING,) if half else ()),
            *((UNREADABLE_EVENT,) if story.unread and story.objects else ()),
            *((ERROR_TOLD,) if error is not None and error in (story.error, NOT_WHOLE) else ()),
        ),
        raw=capture.body if ending != "ok" else None,
    )


def ending_of(request: Request, capture: Capture, story: Story) -> tuple[Ending, str | None]:
    """How it ended, and the error in one line. What came after `done: true` does not matter any more."""
    if capture.status is not None and capture.status >= 400:
        cloud = cloud_refusal(capture.status, capture.body)
        return "http_error", cloud[0] if cloud else error_of_body(capture.status, capture.body)
    if story.error is not None:
        return "error_midstream", story.error
    failed = capture.failure is not None and story.last is None
    if not failed and story.objects and lost_words(story.unread, story.kinds):
        return "error_midstream", NOT_WHOLE
    if story.last is not None:
        other = next((name for name in story.models if not same_model(request.model, name)), None)
        if other is not None:
            return "wrong_model", f"{other} answered"
        if story.last.done_reason in ("load", "unload"):
            return "empty", f"the server says it did nothing but {story.last.done_reason} the model"
        return "ok", None
    if capture.failure is not None:
        return capture.failure, capture.error
    if not story.objects:
        page = web_page(capture.headers.get("content-type", ""), capture.body)
        if page is not None:
            return "http_error", page
        other = "the answer holds no line as Ollama sends them"
        return "empty", other if capture.body.strip() else EMPTY_ANSWER
    return "truncated", "the stream ended without done: true"


def usage_of(last: Line | None) -> Usage | None:
    """Counts from the last line; an absent prompt count is unknown (older versions left cached ones out)."""
    if last is None or (last.prompt_eval_count is None and last.eval_count is None):
        return None
    return Usage(prompt_tokens=last.prompt_eval_count, output_tokens=last.eval_count, source="server-native")


def timings_of(last: Line, notes: Sequence[str], request: Request) -> ServerTimings:
    """The server's durations, in ms.

    `load_duration` is not zero for a warm model (it holds the scheduler's time), so it counts as a load
    only if the model was seen to be out of memory. What the total has beyond its parts is waiting: for the
    scheduler, for a slot. `prompt_eval_count` holds cached tokens while the duration does not: the tokens
    really processed are known only when no prompt with the same beginning was sent before, and the head of
    the template, which all share, is a small part of them.
    """

    def ms(value: int | None) -> float | None:
        return value / 1e6 if value else None

    fresh = is_new(request, notes) and head_share(request, last) <= COLD_SHARE
    prefill_tokens = last.prompt_eval_count if fresh else None
    prefill_ms, decode_ms, total_ms = map(
        ms, (last.prompt_eval_duration, last.eval_duration, last.total_duration)
    )
    load_ms = ms(last.load_duration) if COLD in notes else None
    parts_ms = sum(part or 0.0 for part in (load_ms, prefill_ms, decode_ms))
    return ServerTimings(
        source="ollama",
        load_ms=load_ms,
        queue_ms=None if total_ms is None else max(total_ms - parts_ms, 0.0),
        prefill_tokens=prefill_tokens,
        prefill_ms=prefill_ms,
        prefill_tps=prefill_tokens / prefill_ms * 1e3 if prefill_tokens and prefill_ms else None,
        decode_tokens=last.eval_count,
        decode_ms=decode_ms,
        decode_tps=last.eval_count / decode_ms * 1e3 if last.eval_count and decode_ms else None,
        total_ms=total_ms,
    )


def is_new(request: Request, notes: Sequence[str]) -> bool:
    """Is nothing of the prompt known to the server but the template's head?"""
    return not (PREFIX_SEEN in notes or request.cache_prompt or request.prefix_shared)


def head_share(request: Request, last: Line) -> float:
    """The largest share of the prompt that may be a cached head of the template, which all requests share."""
    head = TEMPLATE_TOKENS if request.template_tokens is None else request.template_tokens
    return head / last.prompt_eval_count if last.prompt_eval_count else 1.0


def head_note(share: float) -> list[str]:
    """What to say of a head that was counted as read, though it may have been cached."""
    if share > COLD_SHARE:
        return [HEAD_MAYBE_CACHED]
    percent = share / (1 - share) * 100
    return [f"{PREFILL_HIGH}{math.ceil(percent)}"] if percent >= 1 else []


def notes_of(request: Request, capture: Capture, story: Story, ending: Ending) -> tuple[str, ...]:
    notes = [*capture.notes, *after_the_end(ending, capture)]
    if ending == "truncated" and story.repeats_itself:
        notes.append(TOKEN_REPEAT)
    if capture.status == UNAVAILABLE:
        notes += unavailable(error_of_body(capture.status, capture.body).casefold())
    if story.last is not None and not story.last.done_reason:
        notes.append(NO_DONE_REASON)
    if story.in_one_piece:
        notes.append(NOT_STREAMED)
    last = story.last
    if ending == "ok" and PREFIX_SEEN in capture.notes:
        notes.append(PREFILL_MAYBE_CACHED)
    elif ending == "ok" and last is not None and last.prompt_eval_count and is_new(request, notes):
        notes += head_note(head_share(request, last))
    return tuple(notes)


def unavailable(said: str) -> list[str]:
    """Why a server could not answer, where its words tell."""
    if any(word in said for word in FULL):
        return [SERVER_BUSY]
    return [SERVER_LOADING] if "loading" in said else []
