"""Whether a programme can be played at all: every impossible value is told before anything listens.

`check` is asked by the command and by every `Simulator`, so that programmes in Python are held to the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tiltyard.errors import UsageError
from tiltyard.servers.simulator.config import (
    CONFIG_RANGES,
    DIALECT_NAMES,
    MODEL_RANGES,
    Question,
    Say,
    SimConfig,
    SimModel,
)
from tiltyard.servers.simulator.faults import parse_fault
from tiltyard.servers.simulator.ranges import SHARE, Range

_PORT = Range(0, 65_535, whole=True)
_ROUNDED = 0.002  # three probabilities of 0.333 add up to 1


def check(config: SimConfig) -> None:
    """Raise UsageError with the name of the first value that cannot be."""
    _in_range(config, CONFIG_RANGES, "")
    _listening(config)
    _named(config.models)
    for model in config.models:
        _in_range(model, MODEL_RANGES, f"model {model.name!r}: ")
        _experts(model)
        for say in model.script:
            _scripted(say, model.name)
        for question in model.answers:
            _answered(question, model.name)
    for text in config.faults:
        parse_fault(text)


def _in_range(checked: SimModel | SimConfig, ranges: Mapping[str, Range], whose: str) -> None:
    for name, span in ranges.items():
        value: Any = getattr(checked, name)
        if value is not None and not span.has(value):
            raise UsageError(f"{whose}{name} is {value}", f"give {name} {span}")


def _listening(config: SimConfig) -> None:
    if not config.host.strip():
        raise UsageError("the simulator has no host to listen on", "127.0.0.1 is this machine alone")
    if not config.dialects:
        raise UsageError("the simulator has no dialect", "one or more of " + ", ".join(DIALECT_NAMES))
    twice = _twice(config.dialects)
    if twice is not None:
        raise UsageError(f"dialect {twice!r} is given twice", "name each dialect once")
    for name, port in config.ports.items():
        if name != "all" and name not in DIALECT_NAMES:
            raise UsageError(f"ports: unknown dialect {name!r}", "one of all, " + ", ".join(DIALECT_NAMES))
        if not _PORT.has(port):
            raise UsageError(f"ports: {name} is {port}", f"give it {_PORT}; 0 takes a free one")


def _named(models: Sequence[SimModel]) -> None:
    if not models:
        raise UsageError("the simulator has no model", "give it one with --model NAME")
    if not all(model.name.strip() for model in models):
        raise UsageError("there is a model without a name", "as in --model fast:ttft_ms=200,token_ms=20")
    twice = _twice([model.name.removesuffix(":latest") for model in models])
    if twice is not None:
        raise UsageError(
            f"two models are called {twice!r}", "give each a name of its own; NAME:latest is the same as NAME"
        )


def _twice(names: Sequence[str]) -> str | None:
    return next((name for place, name in enumerate(names) if name in names[:place]), None)


def _experts(model: SimModel) -> None:
    """Ollama tells experts by the sizes of tensors, so the numbers have to fit each other."""
    used, experts, active = model.experts_used, model.experts, model.active_parameters
    whose = f"model {model.name!r}: "
    if used is not None and (experts is None or used >= experts):
        raise UsageError(f"{whose}experts_used is {used} of {experts} experts", "use fewer than `experts`")
    if active is None:
        return
    least = 1 if used is None or experts is None else math.ceil(model.parameters * used / experts)
    if not least <= active <= model.parameters:
        raise UsageError(
            f"{whose}active_parameters is {active:,} of {model.parameters:,}",
            f"give active_parameters {Range(least, model.parameters, whole=True)}: with the experts in use",
        )


def _scripted(say: Say, name: str) -> None:
    if isinstance(say.say, str):
        return
    whose = f"model {name!r}, script {say.when!r}: "
    for chance, _ in say.say:
        if not SHARE.has(chance):
            raise UsageError(f"{whose}a probability is {chance}", f"give each answer {SHARE}")
    total = math.fsum(chance for chance, _ in say.say)
    if not math.isclose(total, 1, abs_tol=_ROUNDED):
        raise UsageError(
            f"{whose}the probabilities add up to {total:g}", "let those of all its answers add up to 1"
        )


def _answered(question: Question, name: str) -> None:
    if not question.wrong:
        raise UsageError(
            f"model {name!r}, question {question.when!r}: `wrong` is empty",
            "give it one wrong answer or more, or leave it out",
        )
