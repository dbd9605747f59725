"""Behaviours and faults by name, and the choice of the ones that befall a request.

Written `NAME[=ARG][@WHEN]`: WHEN is `3` (only the third chat request), `/3` (each third), `p0.1` (each with
that probability, seeded) or missing (all). The header `X-Sim-Fault: NAME=ARG,...` chooses for one request.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tiltyard.errors import UsageError

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
    "reasoning": "=reasoning_content|reasoning|thinking|tags: thinks, in that field",
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


class Fault(NamedTuple):
    name: str
    argument: str | None
    only: int | None = None
    each: int | None = None
    probability: float | None = None


class Faults(dict[str, str | None]):
    """The faults of one request, by name; an argument of None stands for the default."""

    def number(self, name: str, default: float) -> float:
        """The argument of `name` as a number, else `default`."""
        text = self.get(name)
        try:
            return float(text) if text is not None else default
        except ValueError:
            return default

    def ms(self, name: str, default: float) -> int:
        """The argument of `name` in ms, as ns."""
        return int(self.number(name, default) * 1e6)


def parse_fault(text: str) -> Fault:
    """Read one `NAME[=ARG][@WHEN]`; raises UsageError."""
    body, _, when = text.strip().partition("@")
    name, given, argument = body.partition("=")
    if name not in FAULTS:
        raise UsageError(f"unknown fault {name!r}", "tiltyard simulate --list-faults")
    fault = Fault(name, argument if given else None)
    try:
        if when.startswith("/"):
            return fault._replace(each=max(1, int(when[1:])))
        if when.startswith("p"):
            return fault._replace(probability=float(when[1:]))
        return fault._replace(only=int(when)) if when else fault
    except ValueError:
        raise UsageError(
            f"fault {text!r}: {when!r} is no time", "write NAME@3, NAME@/3 or NAME@p0.1"
        ) from None


def choose(faults: Sequence[Fault], header: str | None, number: int, seed: int) -> Faults:
    """The faults of chat request `number` (from 1). The header adds to the configured ones and wins."""
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
        name, given, argument = part.strip().partition("=")
        if name in FAULTS:
            chosen[name] = argument if given else None
    return chosen
