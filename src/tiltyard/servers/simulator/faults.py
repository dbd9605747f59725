"""Behaviours and faults by name, and the choice of the ones that befall a request.

Written `NAME[=ARG][@WHEN]`: WHEN is `3` (only the third chat request), `/3` (each third), `p0.1` (each with
that probability, seeded) or missing (all). The header `X-Sim-Fault: NAME=ARG,...` chooses for one request.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tiltyard.errors import UsageError
from tiltyard.servers.simulator.ranges import COUNT, MILLISECONDS, SHARE, SOME_TOKENS, TOKENS, Range

FAULTS: Mapping[str, str] = {
    # before the answer
    "unknown_200": "every path answers 200 with an error object, as LM Studio does for unknown paths",
    "not_a_model_server": "every path answers 200 with an HTML page",
    "html_error": "=STATUS (502): an HTML page from a proxy",
    "model_404": "the model is not found",
    "loading_503": "the model is still loading",
    "busy_503": "the queue is full",
    "no_model_400": "no model is loaded",
    "unauthorized_401": "the API key is refused",
    "error_500": "an internal error before the stream",
    "asleep": "llama-server has put its weights away at the start: the first request loads them again",
    "max_tokens_400": "a request with `max_tokens` is refused: `max_completion_tokens` is its name",
    "stream_options_422": "a request with `stream_options` is refused",
    "drop": "the connection is closed without an answer",
    "jit_load": "=MS (3000): the model is loaded first, without a word",
    "stall_first": "=MS (60000): silence before the first byte",
    "early_headers": "=MS (0): status and headers go out this long after receipt, ahead of any event",
    # the start of the stream
    "role_first": "=MS (20): a role chunk with empty content, this long after receipt",
    "empty_first": "=N (3): chunks with empty content just before the first token",
    "bom": "a byte order mark starts the body",
    "wrong_model": "=NAME (another-model): the answer names another model",
    # the form of the stream
    "pings": "=MS (10): comments (blank lines in NDJSON) during prefill, and before every fourth token",
    "crlf": "lines end in CR LF",
    "cr": "lines end in CR (not in NDJSON)",
    "no_space": "`data:` without the space",
    "multi_data": "each event's JSON is spread over several data: lines",
    "odd_choices": "chunks with `choices` of [{}] and without a delta in between",
    "shred": "=BYTES (7): every write is cut into TCP writes of this size",
    # the content
    "split_utf8": "content is beyond ASCII, and each event is cut inside a character into two TCP writes",
    "unicode_lines": "U+2028, U+2029 and U+0085 occur unescaped in the content, and VT escaped",
    "control_chars": "escaped control characters, NUL among them, occur in the content",
    "bad_utf8": "bytes that are no UTF-8 occur in the content",
    "long_line": "=BYTES (10000000): the first token is one line of this size",
    # tokens
    "tokens_per_chunk": "=N (4): tokens in each event",
    "ttft_ms": "=MS: the first token exactly then",
    "token_ms": "=MS: every later token this much after the one before",
    "output_tokens": "=N: exactly this long an answer",
    "load_ms": "=MS: loading takes this long",
    "token_repeat": "one piece over and over; at 31 the stream ends without finish or done",
    "truncate_context": "=N (64): the prompt is cut to N tokens, and nobody says so",
    # reasoning
    "reasoning": "=reasoning_content|reasoning|thinking|tags|hidden: thinks, in that field or unseen",
    "think_anyway": "thinks although told not to",
    # tool calls
    "tool_index": "=missing|zero|repeated: the index of parallel calls is absent, always 0, or shared by two",
    "tool_arguments": "=object|string: how arguments are sent",
    "tool_name": "=repeated|empty: the name comes again with each piece, or is then empty",
    # schemas
    "schema": "=ignored|refused: a JSON schema is dropped without a word, or answered with 400",
    # numbers
    "usage": "=none|finish|trailing: where usage is sent, whatever was asked",
    "stats": "=none|finish|trailing|both: where LM Studio's stats and usage are sent",
    "zero_metrics": "Ollama's durations and counts are zero, hence absent",
    # the end
    "error_midstream": "=K (2) or llamacpp|ollama|vllm|mlx|openai: an error inside the 200 stream",
    "stall": "=MS (60000): silence after the second token",
    "disconnect": "=K (2): the connection breaks after K tokens; 0 after the headers",
    "reset": "=K (2): likewise with a TCP reset",
    "late_finish": "=MS (500): finish and usage come this long after the last token",
    "late_close": "=MS (500): the end of the body comes this long after the last event",
    "no_done": "[DONE] is missing",
    "no_finish": "no finish reason and no done object, then the end",
    "unterminated": "the stream stops inside the finish event: its last line is not ended",
    "done_no_reason": "Ollama's done object has no done_reason; elsewhere finish_reason stays null",
    "empty_200": "a 200 stream without a single choice",
}


class Argument(NamedTuple):
    """What may stand after NAME=: a number of this range, one of these words, or with neither a name."""

    range: Range | None = None
    words: tuple[str, ...] = ()
    needed: bool = False  # without one the fault would do nothing, or nobody could say what

    def has(self, text: str) -> bool:
        if self.range is None and not self.words:
            return bool(text.strip())
        return text in self.words or (self.range is not None and self.range.read(text) is not None)

    def __str__(self) -> str:
        words = "one of " + ", ".join(self.words) if self.words else ""
        return " or ".join(each for each in (str(self.range or ""), words) if each) or "a name"


_MS = Argument(MILLISECONDS)
_EXACT_MS = Argument(MILLISECONDS, needed=True)
_AFTER = Argument(SOME_TOKENS)
_BYTES = Argument(Range(1, 100_000_000, whole=True))
_USAGE = ("none", "finish", "trailing")
ERROR_FORMS = ("llamacpp", "ollama", "vllm", "mlx", "openai")

ARGUMENTS: Mapping[str, Argument] = {
    "html_error": Argument(Range(200, 599, whole=True)),
    "jit_load": _MS,
    "stall_first": _MS,
    "early_headers": _MS,
    "role_first": _MS,
    "empty_first": Argument(Range(0, 100_000, whole=True)),
    "wrong_model": Argument(),
    "pings": Argument(Range(1, MILLISECONDS.high)),
    "shred": _BYTES,
    "long_line": _BYTES,
    "tokens_per_chunk": Argument(TOKENS),
    "ttft_ms": _EXACT_MS,
    "token_ms": _EXACT_MS,
    "output_tokens": Argument(TOKENS, needed=True),
    "load_ms": _EXACT_MS,
    "truncate_context": Argument(TOKENS),
    "reasoning": Argument(words=("reasoning_content", "reasoning", "thinking", "tags", "hidden")),
    "tool_index": Argument(words=("missing", "zero", "repeated")),
    "tool_arguments": Argument(words=("object", "string"), needed=True),
    "tool_name": Argument(words=("repeated", "empty")),
    "schema": Argument(words=("ignored", "refused")),
    "usage": Argument(words=_USAGE, needed=True),
    "stats": Argument(words=(*_USAGE, "both"), needed=True),
    "error_midstream": Argument(SOME_TOKENS, ERROR_FORMS),
    "stall": _MS,
    "disconnect": _AFTER,
    "reset": _AFTER,
    "late_finish": _MS,
    "late_close": _MS,
}


class Fault(NamedTuple):
    name: str
    argument: str | None
    only: int | None = None
    each: int | None = None
    probability: float | None = None


class Faults(dict[str, str | None]):
    """The faults of one request, by name; an argument of None stands for the default."""

    def number(self, name: str, default: float) -> float:
        """The argument of `name` as a number; `default` without one, or where a word stands for it."""
        text = self.get(name)
        if text is None or text in ARGUMENTS[name].words:
            return default
        return float(text)

    def ms(self, name: str, default: float) -> int:
        """The argument of `name` in ms, as ns."""
        return int(self.number(name, default) * 1e6)


def parse_fault(text: str) -> Fault:
    """Read one `NAME[=ARG][@WHEN]`; raises UsageError."""
    body, at, when = text.strip().partition("@")
    fault = _parse_body(body, text)
    found = _timed(fault, when) if at else fault
    if found is None:
        raise UsageError(
            f"fault {text!r}: {when!r} is no time",
            "write NAME@3 or NAME@/3 from 1 on, or NAME@p0.1 from 0 to 1",
        )
    return found


def _timed(fault: Fault, when: str) -> Fault | None:
    """The fault at a time; None where there is no such time."""
    if when.startswith("p"):
        chance = SHARE.read(when[1:])
        return None if chance is None else fault._replace(probability=chance)
    count = COUNT.read(when.removeprefix("/"))
    if count is None:
        return None
    return fault._replace(each=int(count)) if when.startswith("/") else fault._replace(only=int(count))


def _parse_body(body: str, text: str) -> Fault:
    """Read `NAME[=ARG]`; `text` is what the user wrote."""
    name, given, argument = body.partition("=")
    if name not in FAULTS:
        raise UsageError(f"unknown fault {name!r}", "tiltyard simulate --list-faults")
    known = ARGUMENTS.get(name)
    if known is None and given:
        raise UsageError(f"fault {text!r}: {name} stands alone", f"write {name} without an argument")
    if known is not None and (not known.has(argument) if given else known.needed):
        said = f"{argument!r} is no argument of {name}" if given else f"{name} needs an argument"
        raise UsageError(f"fault {text!r}: {said}", f"write {name}=ARG, ARG being {known}")
    return Fault(name, argument if given else None)


def choose(faults: Sequence[Fault], header: str | None, number: int, seed: int) -> Faults:
    """The faults of chat request `number` (from 1). The header adds to the configured ones and wins.

    Raises UsageError for a header that cannot be.
    """
    chosen = Faults()
    for place, fault in enumerate(faults):
        if fault.only is not None and fault.only != number:
            continue
        if fault.each is not None and number % fault.each:
            continue
        if fault.probability is not None:
            draw = random.Random(f"{seed}|{place}|{fault.name}|{number}").random()
            if draw >= fault.probability:
                continue
        chosen[fault.name] = fault.argument
    for part in (header or "").split(","):
        if part.strip():
            fault = _parse_body(part.strip(), part.strip())
            chosen[fault.name] = fault.argument
    return chosen
