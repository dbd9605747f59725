"""The values that every package shares: what was asked, what arrived and when, and what it means.

Everything here is a frozen value that knows nothing about sockets, storage or screens, and imports
nothing of ours. Times are nanoseconds of one monotonic clock (`servers/clock.py`) unless the name
says otherwise; `None` always means "not known", never zero.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec
from msgspec.structs import replace

Dialect = str  # a name in `servers.DIALECTS` or of a third party's; what is read back may be of any

Ending = Literal[
    "ok",  # a finish reason was seen
    "truncated",  # the stream ended without one
    "error_midstream",  # an error arrived inside a 200 stream, or the connection broke in it
    "http_error",  # the server answered with an error status
    "connect_error",  # no connection, or none that lived until the first byte
    "timeout_first_byte",
    "timeout_gap",  # silence between two arrivals, or an answer without an end
    "cancelled",
    "wrong_model",  # another model answered
    "empty",  # a 200 answer without a single choice
]

Outcome = Literal["correct", "partial", "wrong", "unparsed", "truncated", "refused", "unsupported", "error"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
UNJUDGED: frozenset[Outcome] = frozenset(("unsupported", "error"))  # never score, in either direction
PAYLOAD = "crtf"  # the letters of events that carry a part of the answer

RunState = Literal["running", "finished", "interrupted", "failed"]

TokenSource = Literal["server", "server-native", "tokenize", "local", "estimate"]

Json = Any  # a JSON value: None, bool, int, float, str, list or dict


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all values: immutable, keyword-only, JSON-encodable by msgspec."""


# ------------------------------------------------------------------ who answers


class ServerInfo(Record, frozen=True):
    """A running inference endpoint and the dialect it speaks."""

    dialect: Dialect
    url: str  # base address without a trailing slash and without any credential
    version: str | None = None
    slots: int | None = None  # requests it works on at once
    loaded: tuple[str, ...] = ()  # names of the models in memory
    local: bool = True  # on this machine: its telemetry is ours to read
    notes: tuple[str, ...] = ()


class Model(Record, frozen=True):
    """What a server serves. A name is not an identity; a digest is."""

    name: str
    digest: str | None = None
    architecture: str | None = None
    moe: bool | None = None
    parameters: int | None = None
    active_parameters: int | None = None
    quantization: str | None = None
    bits_per_weight: float | None = None  # effective: size_bytes * 8 / parameters
    context_max: int | None = None
    context_loaded: int | None = None
    size_bytes: int | None = None
    memory_bytes: int | None = None  # taken in memory at the moment: weights, KV cache, buffers; not stored
    vram_bytes: int | None = None  # the GPU's part of memory_bytes: the rest runs on the CPU
    loaded: bool | None = None
    capabilities: tuple[str, ...] | None = None  # of: tools, thinking, vision, schema, completion, embedding
    engine: str | None = None
    engine_version: str | None = None
    path: str | None = None
    remote: bool = False  # served by somebody's cloud: kept off local boards
    notes: tuple[str, ...] = ()


# ------------------------------------------------------------------ what is asked


class ToolCall(Record, frozen=True):
    """A call the model made. `arguments` is the raw JSON text as sent (or as re-encoded from an object)."""

    name: str
    arguments: str
    id: str | None = None
    arguments_kind: Literal["string", "object"] = "string"


class Message(Record, frozen=True):
    role: Literal["system", "user", "assistant", "tool"]
    content: str
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


class Request(Record, frozen=True):
    """One thing to send, in no dialect. None leaves a choice to the server (and is recorded as such)."""

    model: str
    messages: tuple[Message, ...]
    max_tokens: int | None = None
    ignore_eos: bool = False  # ask for exactly max_tokens where the server can do that
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    think: bool | str | None = None  # False, True or an effort word; dialects that must be told are told
    context: int | None = None
    cache_prompt: bool | None = None  # False: ask for an honest prefill
    prompt_tokens: int | None = None  # what this server will count, where its own counts made the prompt
    template_tokens: int | None = None  # how many of those are the chat template's
    prefix_shared: bool = False  # another request begins alike: a cache may have spared some of the prefill
    tools: tuple[Mapping[str, Json], ...] = ()
    tool_choice: str | None = None
    response_format: Mapping[str, Json] | None = (
        None  # {"type": "json_object"} or {"type": "json_schema", ...}
    )
    logprobs: int | None = None
    request_id: str | None = None  # sent as X-Request-Id; the simulator logs its true times under it
    timeouts: Timeouts | None = None

    @property
    def limits(self) -> Timeouts:
        """How long what may take, the whole answer included."""
        return (self.timeouts or Timeouts()).of_answer(self.max_tokens)


SLOWEST_TOKEN_S = 10.0  # on average over an answer; models that are read from disk need a few seconds


class Timeouts(Record, frozen=True):
    """Seconds. The first byte may wait for a model to load, and so may the first words after a role or a ping
    that is sent ahead of them; a gap may not.
    """

    connect_s: float = 5.0
    first_byte_s: float = 600.0
    gap_s: float = 60.0
    total_s: float | None = None
    max_tokens: int | None = None  # the limit of the answer that is waited for

    def of_answer(self, max_tokens: int | None) -> Timeouts:
        """The same with an end, for an answer of at most so many tokens: a server may ignore that, or send
        pings for ever. An answer within the other limits is not cut off, slow as it may be.
        """
        if max_tokens is None or self.total_s is not None:
            return self
        words_s = (max_tokens + 1) * min(self.gap_s, SLOWEST_TOKEN_S)
        total_s = self.first_byte_s + self.before_words_s + words_s
        return replace(self, total_s=total_s, max_tokens=max_tokens)

    @property
    def most_bytes(self) -> int | None:
        """An answer of more has no end. A model may think for tens of thousands of tokens beyond a limit that
        is not for its thoughts, and a token with all that servers put round it takes some hundred bytes.
        """
        return None if self.max_tokens is None else (16 << 20) + (4 << 10) * self.max_tokens

    @property
    def endless(self) -> str:
        """What to say of an answer of more."""
        return f"the answer did not end at its limit of {self.max_tokens} tokens"

    @property
    def before_words_s(self) -> float:
        """The longest silence in an answer of which nothing but a role or pings came."""
        return max(self.first_byte_s, self.gap_s)


# ------------------------------------------------------------------ what arrived


class Timeline(Record, frozen=True):
    """When things happened to one request; all in ns of the monotonic clock."""

    scheduled_ns: int  # when it was meant to start (the schedule's absolute time)
    started_ns: int  # when the client took it up
    connected_ns: int | None = None  # the connection was ready
    reused: bool = False  # it was an old connection
    sent_ns: int | None = None  # the first byte was handed to the kernel: every latency starts here
    headers_ns: int | None = None  # the status line and headers were complete
    arrivals_ns: tuple[int, ...] = ()  # one per read that held body bytes
    arrivals_end: tuple[int, ...] = ()  # body bytes received by then (after transfer decoding)
    closed_ns: int | None = None  # the end of the body or of the connection, or when we gave up
    clock: Literal["kernel", "user"] = "user"  # who stamped the arrivals
    origin_unix_ns: int = 0  # add to any stamp for Unix time

    @property
    def heard_ns(self) -> int:
        """When the server was last heard of; the start, where it never was."""
        return self.arrivals_ns[-1] if self.arrivals_ns else self.started_ns

    @property
    def over_ns(self) -> int:
        """When its stream was free again."""
        return max(self.closed_ns or 0, self.heard_ns)


class Capture(Record, frozen=True):
    """One HTTP answer as it came off the wire, not yet interpreted.

    The wire may hand it over sealed: then status, failure and error are there, and `opened` works out the
    body and the arrivals. That takes a while, and the next request should not have to wait for it.
    """

    timeline: Timeline
    status: int | None = None
    headers: Mapping[str, str] = {}  # lower-case names
    body: bytes = b""
    failure: Ending | None = None  # connect_error, timeout_*, cancelled, error_midstream (connection broke)
    error: str | None = None  # one line, no credentials
    notes: tuple[str, ...] = ()  # what only the asker knew, e.g. cold (the model was not in memory)
    held: int = 0  # raw bytes kept by a sealed capture
    unseal: Callable[[], Capture] | None = None

    @property
    def size(self) -> int:
        """Bytes that it keeps in memory, about."""
        return self.held or len(self.body)

    def opened(self) -> Capture:
        """The whole capture; itself where it is not sealed. What was added to the sealed one stays."""
        if self.unseal is None:
            return self
        whole = self.unseal()
        failure, error = self.failure or whole.failure, self.error or whole.error
        return msgspec.structs.replace(whole, notes=self.notes, failure=failure, error=error)


class Events(Record, frozen=True):
    """The decoded stream as parallel columns, one entry per event that the server sent.

    `kinds` has one letter per event: c content, r reasoning, t tool call, f refusal, o other (role, usage,
    finish, empty), p ping or comment. `texts` is what a payload event carried. `tokens` is the number of
    tokens in each event where the server says so, else -1.
    """

    t_ns: Sequence[int] = ()
    kinds: str = ""
    texts: tuple[str, ...] = ()
    tokens: tuple[int, ...] | None = None


class Usage(Record, frozen=True):
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    source: TokenSource = "server"


class ServerTimings(Record, frozen=True):
    """The server's own claims about one request, in its own definitions; kept beside the client's."""

    source: str  # "ollama", "llamacpp", "lmstudio-v0", ...
    load_ms: float | None = None
    queue_ms: float | None = None
    prefill_tokens: int | None = None  # tokens really processed, the cached ones left out
    prefill_ms: float | None = None
    prefill_tps: float | None = None
    decode_tokens: int | None = None
    decode_ms: float | None = None
    decode_tps: float | None = None
    ttft_ms: float | None = None
    total_ms: float | None = None
    draft_tokens: int | None = None
    draft_accepted: int | None = None


class TokenChoice(Record, frozen=True):
    """One generated token and what the server said it might have been. Natural logarithms."""

    text: str
    logprob: float
    others: tuple[tuple[str, float], ...] = ()  # the likeliest tokens, the chosen one among them


class Exchange(Record, frozen=True):
    """One request and its streamed answer: what was sent, every arrival, what was claimed, how it ended."""

    request: Request
    timeline: Timeline
    ending: Ending
    status: int | None = None
    events: Events = Events()
    text: str = ""
    reasoning: str = ""
    reasoning_source: str | None = None  # reasoning_content | reasoning | thinking | tags
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    model_served: str | None = None
    engine_version: str | None = None
    usage: Usage | None = None
    timings: ServerTimings | None = None
    logprobs: tuple[TokenChoice, ...] = ()  # of the content's tokens, where they were asked for and given
    error: str | None = None
    notes: tuple[str, ...] = ()  # e.g. context_truncated, thinking_despite_off, token_repeat
    raw: bytes | None = None  # the body, kept when the ending is not ok


# ------------------------------------------------------------------ what it means


class Measures(Record, frozen=True):
    """Every figure of one exchange (`load/metrics.py` has the formulas). None: not measurable here."""

    queue_ms: float | None = None  # scheduled start to first byte sent
    connect_ms: float | None = None
    ttfb_ms: float | None = None
    first_event_ms: float | None = None
    ttft_ms: float | None = None
    ttfo_ms: float | None = None
    ttft_scheduled_ms: float | None = None
    e2e_ms: float | None = None
    e2e_scheduled_ms: float | None = None
    close_ms: float | None = None
    tail_ms: float | None = None
    itl_ms: float | None = None
    decode_tps: float | None = None
    e2e_tps: float | None = None
    prefill_tps: float | None = None
    prefill_kind: Literal["cold", "warm", "unknown"] = "unknown"
    load_ms: float | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    chunks: int | None = None  # payload events
    tokens_per_chunk: float | None = None
    tokens_source: TokenSource | None = None
    rate_source: Literal["client", "server", "client-chunked", "client-estimated"] | None = None
    rate_bias: float | None = None  # a guessed client rate may be wrong by 1 + this
    server_prefill_tps: float | None = None
    server_decode_tps: float | None = None
    server_ttft_ms: float | None = None
    server_total_ms: float | None = None
    transport_ms: float | None = None  # client's total less the server's own: transport and client


class Grade(Record, frozen=True):
    """A judgement with its reasons. Speed suites give none.

    `details` is what the judge saw, by names of the suite's own (its page in docs/ lists them): flags,
    counts, the letter that was found. Flags and numbers there become rates and columns.
    """

    outcome: Outcome
    score: float  # 0..1
    points: float | None = None
    reasons: tuple[str, ...] = ()
    rule: str | None = None
    details: Mapping[str, Json] = {}


class Item(Record, frozen=True):
    """One thing to ask, with a stable id and the hash of its content.

    Where the same thing is asked in several ways, id and hash end with the way, `invoice json_schema` and
    `HASH/json_schema`: for comparisons all of them are one item.
    """

    id: str
    content_hash: str
    spec: Mapping[str, Json] = {}
    repetition: int | None = None  # None: the core counts how often it came


class Attempt(Record, frozen=True):
    """One try at one item in one stage of a run."""

    run_id: str
    stage: str
    item_id: str
    item_hash: str
    repetition: int
    started_at: str  # ISO-8601 UTC
    exchanges: tuple[Exchange, ...]
    measures: Measures
    grade: Grade | None = None
    try_no: int = 1
    session: int = 1  # which sitting of the run: no window of time spans an interruption
    client_bound: bool = False  # the client was the bottleneck while this ran

    @property
    def ended_well(self) -> bool:
        """Only then does it have latencies and rates."""
        return bool(self.exchanges) and self.exchanges[-1].ending == "ok"


class Figure(Record, frozen=True):
    """A sample summarised. `ci95` is the 95 % interval of the mean; null with the reason in `why`."""

    n: int
    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None  # null below 100 samples, where it would be the maximum
    min: float | None = None
    max: float | None = None
    ci95: tuple[float, float] | None = None
    why: str | None = None
    missing: int = 0  # values that were left out: not measured, NaN or infinite


class Run(Record, frozen=True):
    """Model x suite x settings, with a fingerprint; it holds attempts."""

    id: str
    suite: str
    suite_version: str
    model: Model
    server: ServerInfo
    settings: Mapping[str, Json]
    fingerprint: str
    started_at: str
    command: str  # reproduces it
    state: RunState = "running"
    ended_at: str | None = None
    machine: Mapping[str, Json] = {}
    calibration: Mapping[str, Json] | None = None
    notes: tuple[str, ...] = ()
    summary: Mapping[str, Json] | None = None  # the last line of `--json`, whole


class Sample(Record, frozen=True):
    """One reading of the machine. Unknown is None, never 0."""

    t_ns: int
    device: str  # "gpu0", "cpu", "ram", "package0" ...
    utilisation: float | None = None  # percent
    memory_bytes: int | None = None
    memory_total_bytes: int | None = None
    power_w: float | None = None
    energy_j: float | None = None  # counter
    temperature_c: float | None = None
    clock_mhz: float | None = None


def content_hash(value: Json) -> str:
    """Stable hash (16 hex digits of SHA-256) of a JSON value."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
