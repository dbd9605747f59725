"""Models of known ability for graded suites: tiny files that answer a suite's own items rightly with
probability p.

They prove the whole pipeline: a grader that scores such a model outside the interval around p is wrong. The
weights are `servers/tiny/`'s; running the model is the caller's.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from tiltyard.errors import UsageError
from tiltyard.records import Model, Request, ToolCall
from tiltyard.servers.tiny import Answer, Call, Say, TinySpec, write_model
from tiltyard.suites import Bench, Suite
from tiltyard.suites.proof import Proof, Provable
from tiltyard.suites.verify import answered

WRONG = "I have no idea, to be honest."
NO_VALUE = "{}"
DIMS = (128, 256, 384, 512, 768, 1024)
SHORTEST = (16, 24, 32, 48, 64, 96, 128, 192, 256)  # characters


def proofs_of(suite: Suite) -> list[Proof]:
    """Raises UsageError for a suite without reference answers."""
    if not isinstance(suite, Provable):
        raise UsageError(
            f"{suite.name} offers no `proofs()`: nobody can know its answers",
            "choose another suite, or add them: docs/add-a-suite.md",
        )
    return list(suite.proofs())


def known_answers(
    suite: Suite, bench: Bench, ability: float, *, sure: bool = False, beside: Sequence[str] = ()
) -> tuple[Answer, ...]:
    """What a model must know to answer each of the suite's items rightly with probability `ability`.

    At temperature 1 that is the chance of every answer. `sure` makes each item known or unknown for good
    instead, as near to a share of `ability` as whole items come, so that it holds at every temperature. An
    item is recognised by the beginning of its last message, as far as no other item holds it, nor any of the
    texts `beside`. Raises UsageError where two items cannot be told apart.
    """
    answers: dict[str, Answer] = {}
    proofs = proofs_of(suite)
    asked = [(proof, suite.request(proof.item, bench)) for proof in proofs]
    texts = [*(everything(request) for _, request in asked), *beside]
    drawn = sorted(proofs, key=lambda proof: random.Random(f"{bench.model.name}|{proof.item.id}").random())
    known = {proof.item.id for proof in drawn[: round(ability * len(proofs))]}
    for number, (proof, request) in enumerate(asked):
        when = telling(request.messages[-1].content, texts)
        if when in answers:
            raise UsageError(f"{proof.item.id} asks what another item asks", "tiltyard verify")
        right = Say(text=proof.text, tool_calls=calls_of(proof))
        wrong = wrong_say(suite, proof, request, [*proofs[number + 1 :], *proofs[:number]])
        if sure:
            say: tuple[Say, ...] = (right,) if proof.item.id in known else (wrong,)
        else:
            say = (replace(right, p=ability), replace(wrong, p=1 - ability))
        answers[when] = Answer(when=when, say=say)
    return tuple(answers.values())


def write_known(path: Path, spec: TinySpec) -> Model:
    """Write a model of this spec, as wide as its answers need. Raises UsageError where none is."""
    for dim in DIMS:
        if dim < spec.dim:
            continue
        try:
            return write_model(path, replace(spec, dim=dim))
        except UsageError:
            if dim == DIMS[-1]:
                raise
    return write_model(path, spec)


def texts_of(suite: Suite, bench: Bench) -> list[str]:
    """All that a model reads with each of the suite's items."""
    return [everything(suite.request(proof.item, bench)) for proof in proofs_of(suite)]


def everything(request: Request) -> str:
    """All that the model will read: earlier turns and tools may hold another item's beginning."""
    tools = msgspec.json.encode(list(request.tools)).decode()
    return "\n".join([*(message.content for message in request.messages), tools])


def telling(text: str, texts: Sequence[str]) -> str:
    """The shortest beginning of a text that none of the other texts holds; the text where there is none."""
    for length in (*SHORTEST, len(text)):
        if sum(text[:length] in other for other in texts) == 1:
            return text[:length]
    return text  # it stands inside a longer one, whose own beginning is longer and found first


def calls_of(proof: Proof) -> tuple[Call, ...]:
    """The proof's tool calls, as a tiny model makes them."""
    return tuple(Call(name=c.name, arguments=msgspec.json.decode(c.arguments)) for c in proof.tool_calls)


def wrong_say(suite: Suite, proof: Proof, request: Request, others: Sequence[Proof]) -> Say:
    """An answer that the suite's grader calls wrong: idle words, a call where words are right, an empty JSON
    object, or what is right for one of the `others`; else one that it gives nothing for.

    Raises UsageError where each deserves something.
    """
    name = next((tool["function"]["name"] for tool in request.tools), "nothing")
    tries = (
        (Say(text=WRONG), answered(WRONG, ())),
        (Say(tool_calls=(Call(name=name),)), answered("", (ToolCall(name=name, arguments="{}"),))),
        *(
            (Say(text=text), answered(text, ()))
            for text in (NO_VALUE, *dict.fromkeys(o.text for o in others))
        ),
    )
    worthless = None
    for say, exchange in tries:
        grade = suite.grade(proof.item, exchange) if say.raw() else None
        if grade is None or grade.score != 0.0 or grade.outcome == "error":
            continue
        if grade.outcome == "wrong":
            return say
        worthless = worthless or say
    if worthless is None:
        raise UsageError(f"{proof.item.id}: no wrong answer is known", "tiltyard verify")
    return worthless
