"""A programme that cannot be is refused in one line before anything listens, wherever it comes from."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from tests.simulator.conftest import FAST, call, chat_body
from tests.simulator.test_command import run
from tiltyard.errors import UsageError
from tiltyard.servers.simulator import FAULTS, Question, Say, SimConfig, SimModel, Simulator, running
from tiltyard.servers.simulator.config import CONFIG_RANGES, MODEL_RANGES
from tiltyard.servers.simulator.faults import ARGUMENTS, parse_fault


def refused(**config: Any) -> UsageError:
    """The complaint of a simulator about its programme."""
    with pytest.raises(UsageError) as caught:
        Simulator(SimConfig(**config))
    assert "\n" not in str(caught.value)
    assert caught.value.remedy
    return caught.value


def made(name: str = "m", **fields: Any) -> SimModel:
    return SimModel(name=name, **fields)


def served(**config: Any) -> None:
    Simulator(SimConfig(**config))


def numeric(kind: type) -> dict[str, set[type]]:
    """The fields of a struct that hold a number."""
    hints = get_type_hints(kind)
    kinds = {name: {hint, *get_args(hint)} & {int, float} for name, hint in hints.items()}
    return {name: found for name, found in kinds.items() if found and not name.startswith("__")}


def test_every_number_has_a_range() -> None:
    assert set(numeric(SimModel)) == set(MODEL_RANGES)
    # Any whole number is a seed, and ports have names.
    assert set(numeric(SimConfig)) - {"seed", "ports"} == set(CONFIG_RANGES)
    for kind, ranges in ((SimModel, MODEL_RANGES), (SimConfig, CONFIG_RANGES)):
        for name, types in numeric(kind).items():
            assert name not in ranges or ranges[name].whole == (float not in types), name


@pytest.mark.slow
@pytest.mark.parametrize("name", MODEL_RANGES)
def test_a_model_beyond_its_ranges(name: str) -> None:
    span = MODEL_RANGES[name]
    for value in (span.low - 1, span.high + 1, -math.inf, math.inf, math.nan):
        error = refused(models=(made("odd", **{name: value}),))
        assert f"model 'odd': {name} " in str(error)
        assert str(span) in f"{error} {error.remedy}"


@pytest.mark.parametrize("name", CONFIG_RANGES)
def test_a_simulator_beyond_its_ranges(name: str) -> None:
    span = CONFIG_RANGES[name]
    for value in (span.low - 1, span.high + 1, math.inf, math.nan):
        error = refused(**{name: value})
        assert name in str(error)
        assert str(span) in error.remedy


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("decode_tps", 0), ("prefill_tps", 0), ("slots", 0), ("half_depth", 0), ("knee", 0), ("queue", -1)),
        *(("tokens_per_chunk", 0), ("jitter", 5), ("vram_fraction", 3), ("ability", 1.5), ("slots", 1.5)),
    ],
)
def test_impossible_values(field: str, value: Any) -> None:
    assert f"model 'm': {field} is {value}" in str(refused(models=(made(**{field: value}),)))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"experts": 8, "experts_used": 8}, "experts_used is 8 of 8"),
        ({"experts_used": 2}, "experts_used is 2 of None"),
        ({"experts": 8, "experts_used": 4, "active_parameters": 1, "parameters": 100}, "is 1 of 100"),
        ({"experts": 8, "experts_used": 4, "active_parameters": 101, "parameters": 100}, "is 101 of 100"),
    ],
)
def test_experts_that_do_not_add_up(fields: dict[str, Any], says: str) -> None:
    assert says in str(refused(models=(made(**fields),)))


@pytest.mark.parametrize("name", sorted(set(MODEL_RANGES) - {"experts", "experts_used", "active_parameters"}))
def test_the_ends_of_a_range_are_in_it(name: str) -> None:
    low, high, _ = MODEL_RANGES[name]
    served(models=(made("low", **{name: low}), made("high", **{name: high})))


def test_a_library_user_hears_it_too() -> None:
    with (
        pytest.raises(UsageError, match="model 'odd': slots is 0"),
        running(SimConfig(models=(SimModel(name="odd", slots=0),))),
    ):
        pass


@pytest.mark.parametrize(
    ("chances", "says"),
    [
        ([0.7, 0.7], "add up to 1.4"),
        ([0.5, 0.4], "add up to 0.9"),
        ([1.5, -0.5], "is 1.5"),
        ([math.nan, 0.5], "is nan"),
        ([], "add up to 0"),
    ],
)
def test_chances_of_a_script(chances: list[float], says: str) -> None:
    script = (Say(when="coin", say=tuple((chance, "x") for chance in chances)),)
    error = refused(models=(SimModel(name="m", script=script),))
    assert "model 'm'" in str(error)
    assert "'coin'" in str(error)
    assert says in str(error)


def test_chances_that_are_rounded_thirds() -> None:
    thirds = tuple((0.333, word) for word in "abc")
    served(models=(SimModel(name="m", script=(Say(when="die", say=thirds),)),))


def test_a_question_without_a_wrong_answer() -> None:
    question = Question(when="2+2", right="4", wrong=())
    assert "'2+2'" in str(refused(models=(SimModel(name="m", answers=(question,)),)))


def test_names_of_models() -> None:
    assert "two models are called 'a'" in str(refused(models=(SimModel(name="a"), SimModel(name="a"))))
    assert "two models are called 'a'" in str(refused(models=(SimModel(name="a"), SimModel(name="a:latest"))))
    for empty in ("", "  "):
        assert "without a name" in str(refused(models=(SimModel(name="a"), SimModel(name=empty))))
    assert "no model" in str(refused(models=()))


def test_where_it_listens() -> None:
    assert "no dialect" in str(refused(dialects=()))
    assert "'openai'" in str(refused(dialects=("openai", "mlx", "openai")))
    assert "host" in str(refused(host=""))
    assert "'klingon'" in str(refused(ports={"klingon": 1}))
    assert "70000" in str(refused(ports={"openai": 70_000}))
    served(ports={"all": 0, "mlx": 65_535})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stall=abc", "a number from 0 to"),
        ("stall=", "a number from 0 to"),
        ("stall=nan", "a number from 0 to"),
        ("stall=-5", "a number from 0 to"),
        ("ttft_ms", "a number from 0 to"),
        ("output_tokens", "a whole number from 1 to"),
        ("truncate_context=0", "a whole number from 1 to"),
        ("shred=2.5", "a whole number from 1 to"),
        ("html_error=9", "a whole number from 200 to 599"),
        ("error_midstream=lama", "llamacpp, ollama, vllm, mlx, openai"),
        ("error_midstream=-1", "a whole number from 0 to"),
        ("usage=bogus", "none, finish, trailing"),
        ("usage", "none, finish, trailing"),
        ("stats=bogus", "none, finish, trailing, both"),
        ("reasoning=bogus", "reasoning_content, reasoning, thinking, tags, hidden"),
        ("tool_index=one", "missing, zero, repeated"),
        ("tool_arguments=list", "object, string"),
        ("tool_name=none", "repeated, empty"),
        ("schema=maybe", "ignored, refused"),
        ("wrong_model=", "a name"),
        ("crlf=1", "without an argument"),
        ("stall@", "NAME@3"),
        ("stall@0", "NAME@3"),
        ("stall@-3", "NAME@3"),
        ("stall@/0", "NAME@3"),
        ("stall@/-2", "NAME@3"),
        ("stall@p5", "NAME@p0.1"),
        ("stall@p-1", "NAME@p0.1"),
        ("stall@pnan", "NAME@p0.1"),
        ("stall@p", "NAME@p0.1"),
    ],
)
def test_faults_that_cannot_be(text: str, says: str) -> None:
    error = refused(models=(FAST,), faults=("crlf", text))
    assert text in str(error)
    assert says in f"{error} {error.remedy}"


@pytest.mark.parametrize(
    "text",
    [
        *("stall", "stall=0", "stall=2e3", "stall=2.5@p0", "stall@p1", "stall@/1", "stall@1", "schema"),
        *("error_midstream", "error_midstream=0", "error_midstream=mlx", "wrong_model=other", "reasoning"),
        *("long_line=300000", "usage=finish", "disconnect=0", "load_ms=0"),
    ],
)
def test_faults_that_can_be(text: str) -> None:
    assert parse_fault(text).name == text.partition("=")[0].partition("@")[0]


def test_the_list_of_faults_names_every_argument_and_word() -> None:
    assert {name for name, text in FAULTS.items() if text.startswith("=")} == set(ARGUMENTS)
    for name, argument in ARGUMENTS.items():
        assert "|".join(argument.words) in FAULTS[name]
        assert ("(" in FAULTS[name].partition(":")[0]) <= (not argument.needed), name


@pytest.mark.parametrize("fault", ["stall=nan", "usage=bogus", "meteor", "ttft_ms=5@3"])
def test_a_header_that_cannot_be(fault: str) -> None:
    with running(SimConfig(models=(FAST,), dialects=("openai",), delay=False)) as sim:
        answer = call(sim.url(), "/v1/chat/completions", chat_body(), {"X-Sim-Fault": f"crlf,{fault}"})
        assert answer.status == 400
        assert fault.partition("=")[0] in answer.json()["error"]
        assert call(sim.url(), "/v1/chat/completions", chat_body()).status == 200


def test_comments_without_end_end() -> None:
    model = SimModel(name="m", ttft_ms=60.0, token_ms=0.0)
    with running(SimConfig(models=(model,), dialects=("llamacpp",), pings_ms=0.00001)) as sim:
        body = call(sim.url(), "/v1/chat/completions", chat_body("m")).body
        assert 0 < body.count(b"\n:") <= 10_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--model", "m:slots=0"), "model 'm': slots is 0"),
        (("--model", ":ttft_ms=5"), "without a name"),
        (("--model", "a", "--model", "a"), "two models are called 'a'"),
        (("--model", "a:ttft_ms=nan"), "model 'a': ttft_ms is nan"),
        (("--fault", "usage=bogus"), "none, finish, trailing"),
        (("--speedup", "nan"), "speedup is nan"),
        (("--speedup", "inf"), "speedup is inf"),
        (("--speedup", "-1"), "--speedup"),
        (("--dialect", "mlx", "--only", "openai"), "exclude each other"),
        (("--dialect", "mlx", "--port", "1", "--port-base", "2"), "exclude each other"),
        (("--only", ","), "no dialect"),
    ],
)
def test_the_command_says_it_before_it_serves(arguments: tuple[str, ...], says: str) -> None:
    done = run(*arguments, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("suffix", "text", "says"),
    [
        ("toml", "[[models]]\nname = 'lab'\ntoken_ms = inf", "model 'lab': token_ms is inf"),
        ("toml", "speedup = nan", "speedup is nan"),
        ("toml", "faults = ['stall=abc']", "stall=abc"),
        ("json", json.dumps({"models": [{"name": "lab", "slots": 0}]}), "model 'lab': slots is 0"),
        ("json", json.dumps({"models": [{"name": ""}]}), "without a name"),
    ],
)
def test_a_file_is_checked_too(tmp_path: Path, suffix: str, text: str, says: str) -> None:
    path = tmp_path / f"odd.{suffix}"
    path.write_text(text)
    done = run("--config", str(path), "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
