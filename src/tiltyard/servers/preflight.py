"""What is checked before minutes are spent, and the cold start, which is a measurement of its own.

Everything that fails here fails with a remedy. Nothing here is part of a run's figures but the load time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from tiltyard.errors import ServerError, Unauthorized, Unsupported, UsageError
from tiltyard.records import Ending, Exchange, Json, Message, Model, Record, Request, Timeouts
from tiltyard.servers import SAY_EVERY_S, Loading, Server
from tiltyard.servers.error_text import FULL, WEB_PAGE
from tiltyard.servers.nearby import nearby
from tiltyard.servers.replies import KEY_REMEDY, cloud_refusal

PROBE = "Reply with one word."
PAUSES_S = (0.2, 0.6)  # before a first word is asked for again
LOADING_POLL_S = 1.0
UNAVAILABLE = 503
TOO_MANY = 429

# What servers say, in lower case, and what to do about it.
REMEDIES = (
    (
        ("chat template", "chat_template", "jinja"),
        "serve it with a chat template (llama-server and vLLM: --chat-template), or take its chat version",
    ),
    (
        ("context length", "context size", "context window", "maximum context", "available context"),
        "ask for less with --prompt-tokens and --output-tokens, or load the model with more: --context",
    ),
    (("no models loaded", "no model is loaded", "no model loaded"), "load the model on the server first"),
    (
        ("out of memory", "not enough memory", "requires more system memory"),
        "take a smaller model or context",
    ),
    ((WEB_PAGE,), "check the address and the port: `tiltyard servers` lists the model servers that run here"),
    (
        ("did not end at its limit",),
        "look at the server's log: it seems to ignore `max_tokens`, so none of its answers would have an end",
    ),
    (
        ("the whole answer took longer",),
        "look at the server's log; where it is only slow, --first-byte-timeout SECONDS gives it longer",
    ),
    (("loading",), "wait for it; where it is only slow, --first-byte-timeout SECONDS gives it longer"),
    (FULL, "wait until the server is less busy"),
    (("does not support chat", "does not support generate"), "take a model that chats: `tiltyard models`"),
)


class Ready(Record, frozen=True):
    """What preflight found out about a model that can be measured."""

    notes: tuple[str, ...] = ()
    load: Mapping[str, Json] | None = None  # the cold start; None where the server has no way to unload
    model: Model | None = None  # as it is in memory after the cold start: context, GPU memory


async def prepare(
    server: Server,
    model: Model,
    context: int | None,
    timeouts: Timeouts | None,
    say: Callable[[str], None],
    loading: Loading | None = None,
) -> Ready:
    """Ask for a first word, after the cold start (`loading`), if there was one; raises what stands in the
    way, with the remedy.

    The context has been checked before (`check_context`), as far as it was known.
    """
    there = {"also in the server's memory: ": await neighbours(server, model)}
    there["also in memory on this machine: "] = await nearby(server)
    notes = tuple(said + ", ".join(others) for said, others in there.items() if others)
    say(f"asking {model.name} for a first word")
    await probe(server, model, timeouts or Timeouts(), say)
    if "load" not in server.can:
        return Ready(notes=notes)
    seen = await server.describe(model.name)
    if context is not None and seen.context_loaded is not None and seen.context_loaded < context:
        raise ServerError(*too_small(server, seen.name, seen.context_loaded, context))
    if loading is None:
        return Ready(notes=notes, model=seen)
    load = {"load_ms": loading.load_ms, "source": loading.source, "cold": not loading.was_loaded}
    return Ready(notes=notes, model=seen, load=load)


def check_context(server: Server, model: Model, context: int | None, loads: bool = True) -> None:
    """Refuse a context that the model cannot have, or not on this server; raises UsageError.

    `loads`: the model is loaded before the run.
    """
    limit, loaded = model.context_max, model.context_loaded
    if context is not None and limit is not None and context > limit:
        raise UsageError(
            f"{model.name} has a context of at most {limit} tokens, {context} were asked for",
            f"use --context {limit} or less",
        )
    if context is not None and loaded is None and "load" not in server.can:
        raise UsageError(
            f"{model.name}: {server.info.dialect} servers cannot be told a context, "
            "and this one does not tell its own",
            "leave --context out, and set it where the server is started",
        )
    told = can_be_told(server, loads)
    if context is not None and context > (loaded or 0) and "load" in server.can and not loads and not told:
        there = "is not in memory" if loaded is None else f"was loaded with a context of {loaded} tokens"
        raise UsageError(
            f"{model.name} {there}, {context} were asked for, and this profile loads nothing",
            "leave --context out, or take another profile",
        )
    if context is not None and loaded is not None and context > loaded and not told:
        raise UsageError(*too_small(server, model.name, loaded, context))


def check_thinking(server: Server, model: Model, think: Json) -> None:
    """Refuse to have a model think that cannot, where that is known and would be asked for; raises
    UsageError.
    """
    abilities = model.capabilities
    if think and abilities is not None and "thinking" not in abilities and "think" in server.can:
        raise UsageError(
            f"{model.name} cannot think: its server does not list that among its abilities",
            "leave --think out, or take a model that thinks: `tiltyard models`",
        )


def too_small(server: Server, name: str, loaded: int, context: int) -> tuple[str, str]:
    """What to say where less was loaded than was asked for, and the remedy."""
    said = f"{name} was loaded with a context of {loaded} tokens, {context} were asked for"
    if "fixed_context" in server.can:
        where = "set it where the router is started (-c, or ctx-size in its preset)"
    else:
        where = "it may lack the memory for more" if "load" in server.can else "start the server with more"
    joint = ": " if can_be_told(server) else ", or "
    return said, f"{where}{joint}use --context {loaded} or less"


def can_be_told(server: Server, loads: bool = True) -> bool:
    """Does it load with the context that it is told: before the run, else (not `loads`) by its requests?"""
    if "load" not in server.can or "fixed_context" in server.can:
        return False
    return loads or "own_context" not in server.can


def chooses_context(server: Server) -> bool:
    """Does it decide by itself with which context it loads, unless it is told one?"""
    return not server.can.isdisjoint({"own_context", "fixed_context"})


async def neighbours(server: Server, model: Model) -> tuple[str, ...]:
    """Other models in the server's memory: they take room and, when used, time. Where a server cannot load
    any, one of the same path is this one by another of its names; else it was loaded twice.
    """
    others = [each for each in await server.models() if each.loaded and each.name != model.name]
    same = model.path if "load" not in server.can else None
    return tuple(sorted(each.name for each in others if same is None or each.path != same))


async def cold_start(
    server: Server, model: Model, context: int | None, say: Callable[[str], None]
) -> Loading | None:
    """Take the model out of memory and bring it back, timed; None where the server has no way to do that."""
    if not {"load", "unload"} <= server.can:
        return None
    try:
        say(f"unloading {model.name}")
        await server.unload(model.name)
        say(f"loading {model.name}")
        return await server.load(model.name, context)
    except Unsupported:
        return None


async def probe(server: Server, model: Model, timeouts: Timeouts, say: Callable[[str], None]) -> Exchange:
    """One short answer: is the model really there and able to chat? Raises ServerError with the remedy.

    A server that says that it is loading is waited for, as long as for a first byte.
    """
    request = first_word(model, timeouts)
    began, told_s = time.monotonic(), -SAY_EVERY_S
    while True:
        exchange = await ask(server, request)
        if exchange.ending == "ok":
            return exchange
        waited_s = time.monotonic() - began
        if not is_loading(exchange) or waited_s > timeouts.first_byte_s:
            raise refusal(server, model, exchange)
        if waited_s - told_s >= SAY_EVERY_S:
            say(f"the server is still loading {model.name}")
            told_s = waited_s
        await asyncio.sleep(LOADING_POLL_S)


def first_word(model: Model, timeouts: Timeouts | None) -> Request:
    """As short a request as there is."""
    return Request(
        model=model.name,
        messages=(Message(role="user", content=PROBE),),
        max_tokens=4,
        temperature=0.0,
        think=False if "thinking" in (model.capabilities or ()) else None,
        timeouts=timeouts,
    )


async def ask(server: Server, request: Request) -> Exchange:
    """Send a request on which all others stand: a failure that may be chance is asked again, twice."""
    for pause_s in PAUSES_S:
        exchange = await server.send(request)
        if not by_chance(exchange):
            return exchange
        await asyncio.sleep(pause_s)
    return await server.send(request)


def is_loading(exchange: Exchange) -> bool:
    """Does the server say that the model will be there?"""
    return exchange.status == UNAVAILABLE and "loading" in (exchange.error or "").casefold()


def by_chance(exchange: Exchange) -> bool:
    """May the same request succeed a moment later?"""
    if exchange.ending == "http_error":
        status = exchange.status or 0
        return (status >= 500 and not is_loading(exchange)) or status == TOO_MANY
    return exchange.ending in ("connect_error", "error_midstream", "truncated", "empty")


def refusal(server: Server, model: Model, exchange: Exchange) -> ServerError:
    """What to raise about a first word that did not come."""
    reason = exchange.error or exchange.ending.replace("_", " ")
    where = f"{server.info.dialect} at {server.info.url}"
    cloud = cloud_refusal(exchange.status, exchange.raw or b"")
    if cloud is not None:
        return ServerError(f"{model.name} on {where} does not answer: {cloud[0]}", cloud[1])
    if exchange.status in (401, 403):
        return Unauthorized(f"{where} refuses the key: {reason}", KEY_REMEDY)
    if exchange.ending == "wrong_model":
        return ServerError(
            f"{where} answered with {exchange.model_served} when asked for {model.name}",
            "load the model on the server first, or name the one that it serves",
        )
    return ServerError(
        f"{model.name} on {where} does not answer: {reason}", what_to_do(exchange.ending, reason)
    )


def what_to_do(ending: Ending, reason: str) -> str:
    """The next step after a request that failed, from how it ended and what was said."""
    said = reason.casefold()
    for words, remedy in REMEDIES:
        if any(word in said for word in words):
            return remedy
    if ending == "timeout_first_byte":
        return "look at the server's log; where it is only slow, --first-byte-timeout SECONDS gives it longer"
    if ending == "timeout_gap":
        return "look at the server's log; where it is only slow, --gap-timeout SECONDS gives it longer"
    return "look at the server's own log; `tiltyard doctor` checks each part on this side"
