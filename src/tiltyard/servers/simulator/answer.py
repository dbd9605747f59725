"""What a simulated model says: a request in no dialect (`Ask`) becomes text with known token counts.

Scripts come first, then known questions, tools, schemas, and at last babble: words of one token each, in a
few fixed sequences so that their wire form can be prepared once. Nothing here knows about time or sockets.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from tiltyard.servers.simulator import tokens
from tiltyard.servers.simulator.config import SimModel
from tiltyard.servers.simulator.faults import Faults
from tiltyard.servers.simulator.schema import example

VARIANTS = 8
_TEXT = (
    "the old man saw a red fox run by our mill and we all sat in sun for one day so he did not say why "
    "it was but she had an ice cup of tea at ten to see how far ink can go on dry wax or up oak bark as owl"
)
_SPOKEN = tuple(word for word in _TEXT.split() if len(word) <= 3)


class Call(NamedTuple):
    id: str
    name: str
    arguments: Mapping[str, Any]


class Piece(NamedTuple):
    """One event's worth. `kind`: r reasoning, c content, t a part of tool call number `call`."""

    kind: str
    text: str
    tokens: int
    call: int = -1


class Ask(msgspec.Struct, kw_only=True):
    """A chat or completion request, whatever dialect it came in."""

    model: SimModel
    served: str  # the model's name as the answer shall give it
    prompt: list[str]  # tokens
    last: str  # the text of the last message, which scripts look at
    stream: bool = True
    max_tokens: int | None = None
    shifts: bool = False  # a full context makes room for more, as Ollama's does
    room: int | None = None  # tokens that the context has left, or what a server allows; None: no end to them
    min_tokens: int = 0
    ignore_eos: bool = False
    think: bool = False
    tools: list[Mapping[str, Any]] = []
    tool_choice: Any = None
    schema: Any = None  # None, True for any JSON, or a schema
    answers_tool: bool = False  # the last message is a tool's result
    seed: int = 0
    cache: bool = True
    usage: bool = False
    options: frozenset[str] = (
        frozenset()
    )  # continuous_usage, timings_per_token, return_progress, generate, raw, text, store
    logprobs: int | None = None  # alternatives of each token; None: no log-probabilities
    faults: Faults
    number: int = 0


class Answer(msgspec.Struct, kw_only=True):
    """What will be said. The variants name the fixed sequences used, which allow prepared bytes."""

    reasoning: list[str] = []
    content: list[str] = []
    calls: list[Call] = []
    finish: str = "stop"
    reasoning_variant: int | None = None
    content_variant: int | None = None
    call_tokens: int = 0
    repeats: bool = False  # the token-repeat guard: ends without a finish
    full: bool = False  # ended where the context does

    @property
    def output_tokens(self) -> int:
        return len(self.reasoning) + len(self.content) + self.call_tokens

    @property
    def text(self) -> str:
        return "".join(self.content)

    @property
    def reasoning_text(self) -> str:
        return "".join(self.reasoning)


_babble: dict[int, list[str]] = {}


def babble(variant: int, length: int) -> list[str]:
    """The first `length` tokens of a fixed endless sequence; each word is one token."""
    known = _babble.get(variant)
    if known is None or len(known) < length:
        rng = random.Random(f"babble {variant}")
        known = [f" {rng.choice(_SPOKEN)}" for _ in range(max(1024, 2 * length))]
        known[0] = "So"
        _babble[variant] = known
    return known[:length]


def compose(ask: Ask, seed: int, occurrence: int) -> Answer:
    """Decide the whole answer. The same prompt, seeds and occurrence give the same answer."""
    answer = _composed(ask, seed, occurrence)
    if ask.room is not None and answer.output_tokens > ask.room and not answer.repeats:
        answer = _cut(answer, ask.room)
        answer.full = True
    return answer


def _composed(ask: Ask, seed: int, occurrence: int) -> Answer:
    model, faults = ask.model, ask.faults
    rng = random.Random(f"{seed}|{model.name}|{ask.seed}|{occurrence}|{ask.last}")
    if "token_repeat" in faults:
        return Answer(content=[" the"] * 31, repeats=True)
    spoken = _scripted(ask, rng)
    limit = ask.max_tokens if ask.max_tokens is not None and ask.max_tokens >= 0 else None
    if spoken is None and ask.schema is not None:
        value = example(ask.schema if isinstance(ask.schema, Mapping) else {"type": "object"}, rng)
        spoken = Answer(content=tokens.split(msgspec.json.encode(value).decode()))
    if spoken is None:
        length, finish = _length(ask, limit, rng)
        if ask.room is None or length <= ask.room:
            return _babbled(ask, length, finish, rng)
        spoken = _babbled(ask, ask.room, "length", rng)  # never more: a request may ask for billions
        spoken.full = True
        return spoken
    if ask.think and not spoken.reasoning:
        variant = rng.randrange(VARIANTS)
        spoken.reasoning, spoken.reasoning_variant = babble(variant, model.thinking_tokens), variant
    return _cut(spoken, limit)


def _length(ask: Ask, limit: int | None, rng: random.Random) -> tuple[int, str]:
    model = ask.model
    if "output_tokens" in ask.faults:
        return max(1, int(ask.faults.number("output_tokens", 1))), "stop"
    if ask.ignore_eos and limit is not None:
        return limit, "length"
    if model.stops_at is not None:
        natural: int | None = model.stops_at
    elif limit is None:
        mean = model.natural_tokens
        natural = rng.randint(max(1, mean // 2), max(1, mean * 3 // 2))
    else:
        natural = None
    natural = max(natural, ask.min_tokens) if natural is not None else None
    if natural is None or (limit is not None and natural >= limit):
        return (limit or 0), "length"
    return natural, "stop"


def _babbled(ask: Ask, length: int, finish: str, rng: random.Random) -> Answer:
    reasoning = min(ask.model.thinking_tokens, length) if ask.think else 0
    first, second = rng.randrange(VARIANTS), rng.randrange(VARIANTS)
    return Answer(
        reasoning=babble(first, reasoning),
        content=babble(second, length - reasoning),
        reasoning_variant=first if reasoning else None,
        content_variant=second,
        finish=finish,
    )


def _cut(answer: Answer, limit: int | None) -> Answer:
    if limit is None or answer.output_tokens <= limit:
        return answer
    answer.finish = "length"
    answer.reasoning = answer.reasoning[:limit]
    answer.content = answer.content[: limit - len(answer.reasoning)]
    answer.calls, answer.call_tokens = [], 0
    return answer


def _scripted(ask: Ask, rng: random.Random) -> Answer | None:
    for say in ask.model.script:
        if say.when not in ask.last:
            continue
        thought = tokens.split(say.think) if say.think else []
        if say.call is not None and ask.tools:
            arguments = say.arguments
            tool: Mapping[str, Any] = next((tool for tool in ask.tools if _name(tool) == say.call), {})
            if arguments is None:
                arguments = example(_parameters(tool), rng)
            return _calling([(say.call, arguments)], rng, thought)
        text = say.say if isinstance(say.say, str) else _draw(say.say, rng)
        return Answer(content=tokens.split(text), reasoning=thought)
    for question in ask.model.answers:
        if question.when in ask.last:
            right = rng.random() < ask.model.ability
            return Answer(content=tokens.split(question.right if right else rng.choice(question.wrong)))
    named = ask.tool_choice.get("function", {}).get("name") if isinstance(ask.tool_choice, Mapping) else None
    forced = named is not None or ask.tool_choice == "required"
    if ask.tools and ask.tool_choice != "none" and not ask.answers_tool and (forced or ask.model.calls):
        tools = [tool for tool in ask.tools if named is None or _name(tool) == named] or ask.tools
        chosen = [tools[place % len(tools)] for place in range(max(1, ask.model.calls))]
        return _calling([(_name(tool), example(_parameters(tool), rng)) for tool in chosen], rng, [])
    return None


def _draw(options: tuple[tuple[float, str], ...], rng: random.Random) -> str:
    at = rng.random() * sum(weight for weight, _ in options)
    for weight, text in options:
        at -= weight
        if at < 0:
            return text
    return options[-1][1] if options else ""


def _name(tool: Mapping[str, Any]) -> str:
    function = tool.get("function")
    return str(function.get("name", "")) if isinstance(function, Mapping) else str(tool.get("name", ""))


def _parameters(tool: Mapping[str, Any]) -> Any:
    function = tool.get("function")
    return (
        function.get("parameters", {"type": "object"})
        if isinstance(function, Mapping)
        else {"type": "object"}
    )


def _calling(wanted: list[tuple[str, Mapping[str, Any]]], rng: random.Random, thought: list[str]) -> Answer:
    calls = [Call(f"{rng.getrandbits(36):09x}", name, arguments) for name, arguments in wanted]
    spent = sum(1 + tokens.count(call.name + msgspec.json.encode(call.arguments).decode()) for call in calls)
    return Answer(calls=calls, call_tokens=spent, finish="tool_calls", reasoning=thought)


def pieces(answer: Answer, per_chunk: int, whole_calls: bool) -> Iterator[Piece]:
    """The answer in events of `per_chunk` tokens; tool calls in parts, or each in one piece."""
    for kind, said in (("r", answer.reasoning), ("c", answer.content)):
        for start in range(0, len(said), per_chunk):
            part = said[start : start + per_chunk]
            yield Piece(kind, "".join(part), len(part))
    for index, call in enumerate(answer.calls):
        arguments = msgspec.json.encode(call.arguments).decode()
        spent = 1 + tokens.count(call.name + arguments)
        if whole_calls:
            yield Piece("t", arguments, spent, index)
            continue
        parts = tokens.split(arguments)
        yield Piece("t", "", spent - len(parts), index)
        for start in range(0, len(parts), per_chunk):
            part = parts[start : start + per_chunk]
            yield Piece("t", "".join(part), len(part), index)


def decorate(answer: Answer, faults: Faults) -> None:
    """Put the awkward characters into the content that faults ask for. Token counts stay true."""
    spoken: list[str] = []
    if "split_utf8" in faults:
        spoken += [" né日", " 🦊本", " ü"]
    if "unicode_lines" in faults:
        spoken += ["\u2028of", "\u2029to", "\x85in", "\x0bat"]
    if "control_chars" in faults:
        spoken += [" \x00a", " \x1b[m", " \x07"]
    if "bad_utf8" in faults:
        spoken += [" \ue000x", " ok"]
    if spoken:
        answer.content = [spoken[place % len(spoken)] for place in range(len(answer.content))]
        answer.content_variant = None
    if "long_line" in faults and answer.content:
        answer.content = ["x" * int(faults.number("long_line", 10_000_000)), *answer.content[1:]]
        answer.content_variant = None
    if faults.get("reasoning") == "hidden":
        answer.reasoning, answer.reasoning_variant = [""] * len(answer.reasoning), None
    if faults.get("reasoning") == "tags" and answer.reasoning:
        answer.reasoning = [*answer.reasoning]
        answer.reasoning[0] = "<think>\n" + answer.reasoning[0]
        answer.reasoning[-1] += "\n</think>\n\n"
        answer.reasoning_variant = None
