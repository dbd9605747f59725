"""Does the server keep its word about schemas? Each keyword is tried with one that no model meets by chance.

`enforced`: every answer met it. `ignored`: one did not, though the server took the schema. `refused`: the
server said no. `unknown`: no answer could be had (`said`), or nothing could be told from it (`why`). Servers
that drop a grammar in silence are found out before a whole run rests on them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import NamedTuple

from msgspec.structs import replace

from tiltyard.records import Exchange, Json, Message, Request
from tiltyard.servers.notes import SCHEMA_NOT_SENT
from tiltyard.suites import Bench
from tiltyard.suites.graded import Asking
from tiltyard.suites.structured.extract import NOTHING, parsed
from tiltyard.suites.structured.judge import judge_of
from tiltyard.suites.verdict import answer_cut, unsupported

TOKENS = 300
TRIES = 2  # where an answer could meet the schema by luck
OPEN_TRIES = 4  # to see one key too many where it may be there
SHOWN = 200  # characters of an answer that broke the schema
NOT_TEMPTED = "no key too many where one may be, either"
GONE = frozenset(("connect_error", "timeout_first_byte", "timeout_gap"))
REFUSALS = frozenset((400, 404, 422, 501))  # HTTP; of 500 only what speaks of schemas


class Trial(NamedTuple):
    """The schema of the value under the key `v`, and words that ask for something else."""

    part: Mapping[str, Json]
    words: str
    more: Mapping[str, Json] = {}  # beside `properties`
    luck: bool = False  # could an answer meet it without the server's help?
    closed: bool = False  # are further keys what is tried?


def trials() -> dict[str, Trial]:
    """By keyword. The nonsense is new each time: nothing can be learnt by heart.

    What comes first to a lazy mind (0, "", [], {}, true, null, a short word) meets none of them: a highest
    value has a lowest one beside it, which such an answer breaks. What `additionalProperties` forbids can
    only be left out, so there it takes an answer without the keyword to tell (`tempted`).
    """
    word, other = f"zq{secrets.token_hex(3)}", f"xv{secrets.token_hex(3)}"
    city = "Which city is the capital of Italy?"
    sentence = "Describe the sea in a whole sentence of at least ten words."
    legs, whole_number = "How many legs has a dog?", {"type": "integer"}
    numbers, nonsense = {"type": "array", "items": whole_number}, {"const": word}
    types = {"a": whole_number, "b": {"type": "boolean"}, "c": {"type": "null"}}
    unlike = {"type": "object", "properties": types, "required": [*types], "additionalProperties": False}
    somebody = "Give name, age, town and street of some person, each under a key of its own."
    odd = {"$defs": {"odd": nonsense}}
    return {
        "type": Trial(unlike, sentence, luck=True),
        "const": Trial(nonsense, city),
        "enum": Trial({"type": "string", "enum": [word, other]}, city),
        "required": Trial({"type": "boolean"}, city, {"required": ["v", word]}, luck=True),
        "additionalProperties": Trial({"type": "boolean"}, somebody, luck=True, closed=True),
        "minLength": Trial({"type": "string", "minLength": 60}, "Answer with the one word: yes.", luck=True),
        "maxLength": Trial({"type": "string", "minLength": 20, "maxLength": 20}, sentence, luck=True),
        "pattern": Trial({"type": "string", "pattern": "^zq[0-9]{7}$"}, city),
        "format": Trial({"type": "string", "format": "date"}, sentence),
        "minimum": Trial({"type": "integer", "minimum": 7_000_000}, legs, luck=True),
        "exclusiveMaximum": Trial({"type": "integer", "exclusiveMaximum": -6_000_000}, legs, luck=True),
        "maximum": Trial({"type": "integer", "maximum": -5_000_000}, legs, luck=True),
        "multipleOf": Trial({"type": "integer", "minimum": 1, "multipleOf": 7_919}, legs, luck=True),
        "items": Trial({"type": "array", "items": nonsense, "minItems": 1}, "Name three colours."),
        "minItems": Trial({**numbers, "minItems": 9}, "Name two even numbers.", luck=True),
        "maxItems": Trial({**numbers, "minItems": 4, "maxItems": 4}, "Count from one to twelve.", luck=True),
        "anyOf": Trial({"anyOf": [nonsense, {"const": other}]}, city),
        "allOf": Trial({"allOf": [holding("a", nonsense), holding("b", nonsense)]}, city),
        "$ref": Trial({"$ref": "#/$defs/odd"}, city, odd),
    }


def holding(key: str, part: Mapping[str, Json]) -> dict[str, Json]:
    """The schema of an object that holds something under a key."""
    return {"type": "object", "properties": {key: part}, "required": [key]}


def sent(trial: Trial) -> dict[str, Json]:
    """The trial's schema as servers get it: an object with one key, since some take no other root."""
    more = dict(trial.more)
    required = more.pop("required", ["v"])
    properties = {name: {"type": "boolean"} for name in required} | {"v": dict(trial.part)}
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        **more,
    }


def judged(trial: Trial) -> dict[str, Json]:
    """What an answer is judged by: the keyword that is tried alone; a key too many is another's fault."""
    schema = sent(trial)
    if not trial.closed:
        del schema["additionalProperties"]
    return schema


async def probe(bench: Bench, asking: Asking) -> dict[str, Json]:
    """Every keyword's verdict; `said`: the server's words where it refused, `got`: what broke the schema."""
    gate = asyncio.Semaphore(asking.concurrency or bench.server.info.slots or 1)
    lost: Json = None

    async def one(name: str, trial: Trial) -> tuple[str, Json]:
        nonlocal lost
        async with gate:
            if lost is None:
                found = await verdict_of(bench, asking, trial)
                lost = found if "lost" in found else None
                return name, found
            return name, lost  # a server that does not answer is not asked twenty times

    return dict(await asyncio.gather(*(one(name, trial) for name, trial in trials().items())))


async def verdict_of(bench: Bench, asking: Asking, trial: Trial) -> Json:
    """Ask until it is clear."""
    thinks = asking.think is not False and "thinking" in (bench.model.capabilities or ())
    judge, form = judge_of(judged(trial)), {"name": "probe", "schema": sent(trial), "strict": True}
    request = Request(
        model=bench.model.name,
        messages=(Message(role="user", content=f"{trial.words} Answer in JSON."),),
        max_tokens=asking.max_tokens if thinks else min(TOKENS, asking.max_tokens),
        temperature=asking.temperature,
        seed=asking.seed,
        think=asking.think,
        context=asking.context,
        response_format={"type": "json_schema", "json_schema": form},
        timeouts=bench.timeouts,
    )
    seen, why = "unknown", ""
    for number in range(TRIES if trial.luck else 1):
        if number:  # another answer, where the first may have been lucky
            request = replace(request, seed=asking.seed + number, temperature=1.0)
        exchange = await answer(bench, request, asking.max_tokens)
        if unsupported(exchange) or (exchange.ending == "http_error" and exchange.status in REFUSALS):
            return {"verdict": "refused", "said": exchange.error}
        if exchange.ending in GONE:
            return {"verdict": "unknown", "said": exchange.error, "lost": exchange.ending}
        if exchange.ending != "ok" or SCHEMA_NOT_SENT in exchange.notes:
            return {"verdict": "unknown", "said": exchange.error}
        value = parsed(exchange.text)
        if value is not NOTHING and judge.judge(value).formats:
            seen = "enforced"
        elif not open_ended(exchange):
            return {"verdict": "ignored", "got": exchange.text[:SHOWN]}
        elif seen == "unknown":
            why = f"cut off at {exchange.request.max_tokens} tokens"
    if seen == "enforced" and trial.closed and not await tempted(bench, request, trial, asking.max_tokens):
        seen, why = "unknown", NOT_TEMPTED
    return {"verdict": seen} if seen != "unknown" else {"verdict": seen, "why": why}


async def tempted(bench: Bench, request: Request, trial: Trial, most: int) -> bool:
    """Does the model write a key too many where it may? If not, that it writes none says nothing."""
    form = {"name": "probe", "schema": {**sent(trial), "additionalProperties": True}, "strict": True}
    open_format: Json = {"type": "json_schema", "json_schema": form}
    for number in range(OPEN_TRIES):
        asked = replace(request, seed=(request.seed or 0) + number, response_format=open_format)
        exchange = await answer(bench, asked, most)
        value = parsed(exchange.text)
        if exchange.ending == "ok" and isinstance(value, dict) and value.keys() - {"v"}:
            return True
        if answer_cut(exchange) and len("".join(exchange.text.split())) > len('{"v":false}'):
            return True  # inside of what should not be there
    return False


async def answer(bench: Bench, request: Request, most: int) -> Exchange:
    """One answer, with the run's whole limit where a short one was spent on thinking."""
    exchange = await bench.server.send(request)
    if answer_cut(exchange) and not exchange.text.strip() and most > (request.max_tokens or 0):
        exchange = await bench.server.send(replace(request, max_tokens=most))
    return exchange


def open_ended(exchange: Exchange) -> bool:
    """Was it cut off where it could still have become an object with a key? Then it says nothing."""
    start = "".join(exchange.text[:SHOWN].split())
    return answer_cut(exchange) and (start.startswith('{"') or not start)
