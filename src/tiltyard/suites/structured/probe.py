"""Does the server keep its word about schemas? Each keyword is tried with one that no model meets by chance.

`enforced`: every answer met it. `ignored`: one did not, though the server took the schema. `refused`: the
server said no. `unknown`: no answer could be had, or it was cut off. Servers that drop a grammar in silence
are found out before a whole run rests on them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import NamedTuple

from msgspec.structs import replace

from tiltyard.records import Json, Message, Request
from tiltyard.suites import Bench
from tiltyard.suites.graded import Asking
from tiltyard.suites.structured.extract import NOTHING, parsed
from tiltyard.suites.structured.judge import judge_of
from tiltyard.suites.verdict import was_cut

TOKENS = 300
TRIES = 2


class Trial(NamedTuple):
    """The schema of the value under the key `v`, and words that ask for something else."""

    part: Mapping[str, Json]
    words: str
    more: Mapping[str, Json] = {}  # beside `properties`


def trials() -> dict[str, Trial]:
    """By keyword. The nonsense is new each time: nothing can be learnt by heart."""
    word, other = f"zq{secrets.token_hex(3)}", f"xv{secrets.token_hex(3)}"
    city = "Which city is the capital of Italy?"
    sentence = "Describe the sea in a whole sentence of at least ten words."
    return {
        "type": Trial({"type": "integer"}, sentence),
        "const": Trial({"const": word}, city),
        "enum": Trial({"type": "string", "enum": [word, other]}, city),
        "required": Trial({"type": "string"}, city, {"required": ["v", word]}),
        "additionalProperties": Trial(
            {"type": "string"}, "Give name, age, town and street of some person, each under a key of its own."
        ),
        "minLength": Trial({"type": "string", "minLength": 60}, "Answer with the one word: yes."),
        "maxLength": Trial({"type": "string", "maxLength": 3}, sentence),
        "pattern": Trial({"type": "string", "pattern": "^zq[0-9]{7}$"}, city),
        "format": Trial({"type": "string", "format": "date"}, sentence),
        "minimum": Trial({"type": "integer", "minimum": 7_000_000}, "How many legs has a dog?"),
        "maximum": Trial({"type": "integer", "maximum": -5_000_000}, "How many legs has a dog?"),
        "minItems": Trial(
            {"type": "array", "items": {"type": "integer"}, "minItems": 9}, "Name two even numbers."
        ),
        "maxItems": Trial(
            {"type": "array", "items": {"type": "integer"}, "maxItems": 1}, "Count from one to twelve."
        ),
        "anyOf": Trial({"anyOf": [{"const": word}, {"const": other}]}, city),
        "$ref": Trial({"$ref": "#/$defs/odd"}, city, {"$defs": {"odd": {"const": word}}}),
    }


def whole(trial: Trial) -> dict[str, Json]:
    """The trial's schema: an object with one key, since some servers take no other root."""
    more = dict(trial.more)
    required = more.pop("required", ["v"])
    properties = {name: {"type": "string"} for name in required} | {"v": dict(trial.part)}
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        **more,
    }


async def probe(bench: Bench, asking: Asking) -> dict[str, Json]:
    """Every keyword's verdict, with the server's words where it refused."""
    gate = asyncio.Semaphore(asking.concurrency or bench.server.info.slots or 1)

    async def one(name: str, trial: Trial) -> tuple[str, Json]:
        async with gate:
            return name, await verdict_of(bench, asking, trial)

    return dict(await asyncio.gather(*(one(name, trial) for name, trial in trials().items())))


async def verdict_of(bench: Bench, asking: Asking, trial: Trial) -> Json:
    schema = whole(trial)
    judge = judge_of(schema)
    request = Request(
        model=bench.model.name,
        messages=(Message(role="user", content=f"{trial.words} Answer in JSON."),),
        max_tokens=min(TOKENS, asking.max_tokens),
        temperature=asking.temperature,
        think=asking.think,
        context=asking.context,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "probe", "schema": schema, "strict": True},
        },
    )
    seen = "unknown"
    for number in range(TRIES):
        exchange = await bench.server.send(replace(request, seed=asking.seed + number))
        if exchange.ending == "http_error" and exchange.status in (400, 404, 422, 500, 501):
            return {"verdict": "refused", "said": exchange.error}
        if exchange.ending != "ok" or "schema_not_sent" in exchange.notes:
            return {"verdict": "unknown", "said": exchange.error}
        value = parsed(exchange.text)
        if value is not NOTHING and judge.judge(value).formats:
            seen = "enforced"
        elif was_cut(exchange) and judge_prefix(exchange.text):
            continue  # a long value that never came to its end says nothing
        else:
            return {"verdict": "ignored"}
    return {"verdict": seen}


def judge_prefix(text: str) -> bool:
    """Could a text that was cut off still have become an object with the key?"""
    start = "".join(text.split())
    return start.startswith('{"') or not start
