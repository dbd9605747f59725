"""What simulated models say: known lengths, known ability, valid values, the same again for the same seed."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

from tests.simulator.conftest import call, chat_body
from tiltyard.servers.simulator import Question, Say, SimConfig, SimModel, running, tokens
from tiltyard.servers.simulator.schema import example


@pytest.mark.parametrize(
    "text", ["", "a", "hello world", " \n\n x", "naïve 日本語 text", "supercalifragilistic"]
)
def test_tokens_give_the_text_back(text: str) -> None:
    assert "".join(tokens.split(text)) == text
    assert tokens.text_of(tokens.ids(text)) == text
    assert tokens.count(text) == len(tokens.ids(text))


def test_counts_add_up_at_whitespace() -> None:
    rng = random.Random(5)
    for _ in range(50):
        words = [" " + "x" * rng.randint(1, 9) for _ in range(rng.randint(1, 20))]
        assert tokens.count("".join(words)) == sum(map(tokens.count, words))


def test_common_prefix() -> None:
    rng = random.Random(7)
    for _ in range(200):
        a = [rng.choice("ab") for _ in range(rng.randint(0, 12))]
        b = [rng.choice("ab") for _ in range(rng.randint(0, 12))]
        plain = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        assert tokens.common_prefix(a, b) == plain


def valid(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """A small judge of its own for the schemas below."""
    if "$ref" in schema:
        target: Any = root
        for part in schema["$ref"].lstrip("#/").split("/"):
            target = target[part]
        return valid(value, target, root)
    if "anyOf" in schema:
        return any(valid(value, each, root) for each in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return value in schema.get("enum", [schema.get("const")])
    kind = schema["type"]
    if kind == "object":
        if not isinstance(value, dict):
            return False
        named = schema.get("properties", {})
        return all(name in value for name in schema.get("required", ())) and all(
            valid(each, named[name], root) for name, each in value.items() if name in named
        )
    if kind == "array":
        size = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 99)
        unique = not schema.get("uniqueItems") or len({json.dumps(each) for each in value}) == len(value)
        return size and unique and all(valid(each, schema["items"], root) for each in value)
    if kind == "string":
        size = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 9_999)
        return size and re.search(schema.get("pattern", ""), value) is not None
    if kind in ("integer", "number"):
        low, high = schema.get("minimum", -1e9), schema.get("maximum", 1e9)
        above = value > schema.get("exclusiveMinimum", -1e9) and value < schema.get("exclusiveMaximum", 1e9)
        whole = isinstance(value, int) or kind == "number"
        return low <= value <= high and above and whole and value % schema.get("multipleOf", value or 1) == 0
    return isinstance(value, bool) if kind == "boolean" else value is None


SCHEMAS: list[dict[str, Any]] = [
    {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
        "required": ["a", "b"],
    },
    {"type": "array", "items": {"type": "integer", "minimum": 3, "maximum": 5}, "minItems": 4, "maxItems": 6},
    {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 2, "maxItems": 3, "uniqueItems": True},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5},
    {"type": "integer", "multipleOf": 7, "minimum": 10, "maximum": 40},
    {"type": "string", "minLength": 10, "maxLength": 12},
    {"type": "string", "pattern": "^[A-Z]{3}-\\d{2}$"},
    {"type": "string", "pattern": "^(red|green)$"},
    {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
    {"const": {"x": 1}},
    {
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/node"}},
        "required": ["tree"],
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "value": {"type": "integer"},
                    "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                },
                "required": ["value", "next"],
            }
        },
    },
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:40])
def test_values_satisfy_their_schema(schema: dict[str, Any]) -> None:
    for seed in range(30):
        value = example(schema, random.Random(seed))
        assert valid(value, schema, schema), value


def test_schema_is_honoured_in_every_dialect_that_has_it() -> None:
    schema = SCHEMAS[0]
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    with running(SimConfig(models=(SimModel(name="m"),), delay=False)) as sim:
        for dialect in ("openai", "llamacpp", "vllm", "sglang", "lmstudio"):
            body = chat_body("m", response_format=wanted, max_tokens=99)
            assert valid(
                json.loads(call(sim.url(dialect), "/v1/chat/completions", body).said()), schema, schema
            )
        body = {
            "model": "m",
            "messages": [{"role": "user", "content": "x"}],
            "format": schema,
            "stream": False,
        }
        said = call(sim.url("ollama"), "/api/chat", body).json()["message"]["content"]
        assert valid(json.loads(said), schema, schema)


def say(url: str, text: str, **extra: object) -> str:
    body = chat_body("m", messages=[{"role": "user", "content": text}], max_tokens=200, **extra)
    return call(url, "/v1/chat/completions", body).said()


def test_scripts() -> None:
    script = (
        Say(when="capital of France", say="Paris."),
        Say(when="coin", say=((0.5, "heads"), (0.5, "tails"))),
        Say(when="weather", call="weather", arguments={"city": "Oslo"}),
    )
    model = SimModel(name="m", script=script)
    with running(SimConfig(models=(model,), dialects=("openai",), delay=False)) as sim:
        assert say(sim.url(), "What is the capital of France?") == "Paris."
        tosses = [say(sim.url(), "Toss a coin") for _ in range(40)]
        assert set(tosses) == {"heads", "tails"}
        tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
        body = chat_body("m", messages=[{"role": "user", "content": "weather?"}], tools=tools, stream=False)
        made = call(sim.url(), "/v1/chat/completions", {**body, "max_tokens": 99}).json()["choices"][0]
        assert json.loads(made["message"]["tool_calls"][0]["function"]["arguments"]) == {"city": "Oslo"}
        assert made["finish_reason"] == "tool_calls"
        after = [*body["messages"], {"role": "tool", "content": "rain", "tool_call_id": "x"}]
        assert call(sim.url(), "/v1/chat/completions", {**body, "messages": after}).json()["choices"][0][
            "message"
        ]["content"]


@pytest.mark.slow
def test_known_ability_and_determinism() -> None:
    model = SimModel(name="m", ability=0.7, answers=(Question(when="sum", right="42", wrong=("41", "43")),))
    config = SimConfig(models=(model,), dialects=("openai",), delay=False)
    runs = []
    for _ in range(2):
        with running(config) as sim:
            runs.append([say(sim.url(), f"sum {number}") for number in range(200)])
    assert runs[0] == runs[1]
    assert 120 < runs[0].count("42") < 160
    assert set(runs[0]) == {"42", "41", "43"}


def test_lengths() -> None:
    model = SimModel(name="m", stops_at=30, natural_tokens=50)
    with running(SimConfig(models=(model, SimModel(name="n", natural_tokens=50)), delay=False)) as sim:
        url = sim.url("vllm")

        def run(**extra: object) -> tuple[int, str]:
            body = {"messages": [{"role": "user", "content": "x"}], **extra}
            answer = call(url, "/v1/chat/completions", body).json()
            said = answer["choices"][0]["message"]["content"]
            assert tokens.count(said) == answer["usage"]["completion_tokens"]
            return answer["usage"]["completion_tokens"], answer["choices"][0]["finish_reason"]

        assert run(model="m") == (30, "stop")
        assert run(model="m", max_tokens=10) == (10, "length")
        assert run(model="m", max_tokens=100) == (30, "stop")
        assert run(model="m", max_tokens=100, min_tokens=60) == (60, "stop")
        assert run(model="m", max_tokens=100, ignore_eos=True) == (100, "length")
        assert run(model="n", max_tokens=10) == (10, "length")
        natural = run(model="n")
        assert 25 <= natural[0] <= 75
        assert natural[1] == "stop"


def test_same_seed_same_bytes_other_seed_others() -> None:
    bodies = []
    for seed in (1, 1, 2):
        with running(
            SimConfig(models=(SimModel(name="m"),), dialects=("openai",), delay=False, seed=seed)
        ) as sim:
            bodies.append([say(sim.url(), f"tell me {number}") for number in range(5)])
    assert bodies[0] == bodies[1]
    assert bodies[0] != bodies[2]


@pytest.mark.slow
def test_an_answer_is_no_longer_than_its_context_however_much_is_asked() -> None:
    """Were it made before it is cut, this would take all memory."""
    endless = 999_999_999
    model = SimModel(name="fast", context=512, ttft_ms=0.0, token_ms=0.0)
    with running(SimConfig(models=(model,))) as sim:
        body = chat_body(max_tokens=endless, ignore_eos=True, stream=False)
        done = call(sim.url("openai"), "/v1/chat/completions", body).json()
        ollama = {"model": "fast", "prompt": "hello", "stream": False, "options": {"num_predict": endless}}
        shifted = call(sim.url("ollama"), "/api/generate", ollama).json()
        kept = call(sim.url("ollama"), "/api/generate", {**ollama, "shift": False}).json()
    assert done["usage"]["total_tokens"] == 512
    assert done["choices"][0]["finish_reason"] == "length"
    assert (shifted["eval_count"], shifted["done_reason"]) == (5_120, "length")
    assert kept["prompt_eval_count"] + kept["eval_count"] == 512
