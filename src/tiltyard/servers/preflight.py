"""What is checked before minutes are spent, and the cold start, which is a measurement of its own.

Everything that fails here fails with a remedy. Nothing here is part of a run's figures but the load time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tiltyard.errors import ServerError, Unauthorized, Unsupported, UsageError
from tiltyard.records import Ending, Exchange, Json, Message, Model, Record, Request, Timeouts
from tiltyard.servers import Loading, Server
from tiltyard.servers.error_text import WEB_PAGE

PROBE = "Reply with one word."

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
    (("overloaded", "too many requests", "queue is full"), "wait until the server is less busy"),
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
    cold: bool = True,
) -> Ready:
    """Check, start cold (unless not `cold`), ask for a first word; raises what stands in the way, with the
    remedy.
    """
    check_context(server, model, context)
    others = await neighbours(server, model)
    notes = ("also in the server's memory: " + ", ".join(others),) if others else ()
    loading = await cold_start(server, model, context, say) if cold else None
    say(f"asking {model.name} for a first word")
    await probe(server, model, timeouts)
    if loading is None:
        return Ready(notes=notes)
    return Ready(
        notes=notes,
        model=await server.describe(model.name),
        load={"load_ms": loading.load_ms, "source": loading.source, "cold": not loading.was_loaded},
    )


def check_context(server: Server, model: Model, context: int | None) -> None:
    """Refuse a context that the model cannot have, or not on this server; raises UsageError."""
    limit, loaded = model.context_max, model.context_loaded
    if context is not None and limit is not None and context > limit:
        raise UsageError(
            f"{model.name} has a context of at most {limit} tokens, {context} were asked for",
            f"use --context {limit} or less",
        )
    if context is not None and loaded is None and "load" not in server.can:
        raise UsageError(
            f"{server.info.dialect} servers cannot be told a context, and this one does not tell its own",
            "leave --context out, and set it where the server is started",
        )
    if context is not None and loaded is not None and context > loaded and "load" not in server.can:
        raise UsageError(
            f"{model.name} was loaded with a context of {loaded} tokens, {context} were asked for",
            f"start the server with more, or use --context {loaded} or less",
        )


async def neighbours(server: Server, model: Model) -> tuple[str, ...]:
    """Other models in the server's memory: they take room and, when used, time."""
    listed = await server.models()
    return tuple(sorted(other.name for other in listed if other.loaded and other.name != model.name))


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


async def probe(server: Server, model: Model, timeouts: Timeouts | None) -> Exchange:
    """One short answer: is the model really there and able to chat? Raises ServerError with the remedy."""
    request = Request(
        model=model.name,
        messages=(Message(role="user", content=PROBE),),
        max_tokens=4,
        temperature=0.0,
        think=False if "thinking" in (model.capabilities or ()) else None,
        timeouts=timeouts,
    )
    exchange = await server.send(request)
    if exchange.ending == "ok":
        return exchange
    reason = exchange.error or exchange.ending.replace("_", " ")
    where = f"{server.info.dialect} at {server.info.url}"
    if exchange.status in (401, 403):
        raise Unauthorized(
            f"{where} refuses the key: {reason}", "set TILTYARD_API_KEY or name it with --api-key-env"
        )
    if exchange.ending == "wrong_model":
        raise ServerError(
            f"{where} answered with {exchange.model_served} when asked for {model.name}",
            "load the model on the server first, or name the one that it serves",
        )
    raise ServerError(
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
