"""From `--model`, `--all`, `--server` and `--dialect` to the jobs of a plan, models outermost.

Which server has a name that was given without an address is decided in `servers/choose.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import click
from msgspec.structs import replace

from tiltyard import settings as configuration
from tiltyard.cli.options import Common
from tiltyard.cli.servers import left_out, named_key
from tiltyard.errors import (
    EngineError,
    ModelNotFound,
    NoServer,
    NotAModelServer,
    ServerError,
    Unauthorized,
    UsageError,
)
from tiltyard.jobs.plan import Job
from tiltyard.records import Json, Model
from tiltyard.servers import Address, Server
from tiltyard.servers.choose import choose, is_file, no_server, shut, unusable
from tiltyard.servers.connect import connect, open_server
from tiltyard.servers.discover import Found, survey
from tiltyard.servers.gguf_file import is_model_path, read_header
from tiltyard.servers.names import match, mistyped, nearest, shown
from tiltyard.servers.openai import OpenAI

DESCRIBED_AT_ONCE = 8
LISTED = 8  # names in an error message
REMEDY = "start a model server, or name a GGUF file: tiltyard run speed --model ./model.gguf"
Pairs = list[tuple[Server, Model]]
Untold = list[tuple[str, ServerError]]  # models that their server could not describe, with what it said


async def chosen_jobs(
    suites: Mapping[str, Mapping[str, Json]], common: Common, like: Address
) -> tuple[list[Job], ServerError | None]:
    """One job per model and suite, models outermost. Every model is described before the first is asked.

    One that its server cannot describe is said and left out; the first such error is to be raised at the end.
    `like` holds what every server's address has besides where it is and the key.
    """
    first, *others = suites
    opened: list[Server] = []
    untold: Untold = []
    url = address_of(common)
    try:
        pairs = await (
            searched(common, like, opened, untold) if url is None else at(url, common, like, opened, untold)
        )
        if untold and not pairs:
            raise untold[0][1]
        if not pairs:
            raise ModelNotFound("no model that chats was found: those that are there only embed", REMEDY)
    except BaseException:
        for server in opened:
            await server.close()
        raise
    for name, error in untold:
        click.echo(left_out(name, error), err=True)
    found = [Job(server=server, model=model, suite=first, settings=suites[first]) for server, model in pairs]
    jobs = [
        each
        for job in found
        for each in (job, *(replace(job, suite=s, settings=suites[s], cold=False) for s in others))
    ]
    return jobs, untold[0][1] if untold else None


async def or_untold(
    describing: Awaitable[tuple[Server, Model]], name: str, untold: Untold
) -> tuple[Server, Model] | None:
    """What is awaited; None, and kept for the end, where the server cannot say who this one model is."""
    try:
        return await describing
    except (ModelNotFound, NoServer, Unauthorized, EngineError):  # a wrong name, or no server for any model
        raise
    except ServerError as error:
        untold.append((name, error))
        return None


async def searched(common: Common, like: Address, opened: list[Server], untold: Untold) -> Pairs:
    """The models where no address is known, each on the server that has it; with --all each on each."""
    if common.api_key_env and not needs_no_search(common):
        named_key((), common.api_key_env)
    found = () if needs_no_search(common) else await survey()
    names = wanted(common)
    if not names and not any(each.info for each in found):
        raise no_server(found)
    models = offered_by(found, common)
    for name in names:
        refuse_folder(name, models)
    for words in () if names else unusable(shut(found)):
        click.echo(f"left out: {words}", err=True)
    if common.all_models and not names and models:
        return await everything(found, common, like, opened, untold)
    pairs: Pairs = []
    if not names and len(models) > 1:
        models = [model for each in found for model in await that_chat_at(each, common, like)]
    for name in names or wanted_of(models, common, "the servers found"):
        choosing = choose(name, None, common.dialect, like=like, found=found or None)
        if pair := await or_untold(choosing, name, untold):
            opened.append(pair[0])
            if names:
                await refuse_embedder(*pair)
            if names or usable(pair[1]):
                pairs.append(pair)
    return pairs


async def everything(
    found: Sequence[Found], common: Common, like: Address, opened: list[Server], untold: Untold
) -> Pairs:
    """Every model of every server found: two that have the same name are two."""
    pairs: Pairs = []
    for each in found:
        models = offered_by([each], common)
        if each.info is not None and models:
            server = await connect(each.url, each.info.dialect, like=like)
            opened.append(server)
            for model in models:
                pair = await or_untold(described(server, model.name, common), model.name, untold)
                if pair and usable(pair[1]):  # Ollama's list may not tell what a model can do
                    pairs.append(pair)
    return pairs


async def at(url: str, common: Common, like: Address, opened: list[Server], untold: Untold) -> Pairs:
    """The models at an address. A file is the embedded engine's, unless the address was typed beside it."""
    key = configuration.api_key(url, common.dialect, common.api_key_env) if common.api_key_env else None
    server = await connected(url, common, key, like)
    opened.append(server)
    names = wanted(common)
    pairs: Pairs = []
    models = [] if names else await offered(server)
    if len(models) > 1 and not common.all_models:
        models = await that_chat(server, models)
    for name in names or wanted_of(models, common, server.info.url):
        if is_file_of_ours(name, common):
            own, model = await choose(name, None, "embedded", like=like)
            opened.append(own)
            pairs.append((own, model))
            continue
        pair = await or_untold(described(server, name, common), name, untold)
        if pair and names:
            await refuse_embedder(*pair)
        if pair and (names or usable(pair[1])):
            pairs.append(pair)
    return pairs


def address_of(common: Common) -> str | None:
    """Where the models are, if that was said; a configured server is not asked for files."""
    if common.server is not None:
        return common.server
    return None if only_files(common) else configuration.load_settings().server


def only_files(common: Common) -> bool:
    """Are all models named, and files that are there?"""
    names = wanted(common)
    return bool(names) and all(is_file_of_ours(name, common) for name in names)


def is_file_of_ours(name: str, common: Common) -> bool:
    """Is the name that of a file that is there, and no server's address typed beside it?"""
    if common.server is not None or common.dialect is not None:
        return common.server is None and common.dialect == "embedded"
    return is_file(name)


def refuse_folder(name: str, models: Sequence[Model]) -> None:
    """Raises ModelNotFound for a folder that no server's model is called like, naming a file in it."""
    path = Path(name).expanduser()
    like_a_path = name.startswith((".", "~")) or "/" in name or "\\" in name
    if like_a_path and path.is_dir() and match(name, [model.name for model in models]) is None:
        read_header(path)


def wanted(common: Common) -> list[str]:
    """The models named on the command line, in order, each once."""
    several = [name.strip() for name in (common.models or "").split(",") if name.strip()]
    return list(dict.fromkeys([*common.model, *several]))


def needs_no_search(common: Common) -> bool:
    """Do all names stand for files?"""
    names = wanted(common)
    return bool(names) and all(is_model_path(name) for name in names)


async def connected(url: str, common: Common, key: str | None, like: Address) -> Server:
    """The server at an address. Only a plain one is taken at the user's word where it lists no models: no
    other is known by its list alone.
    """
    try:
        return await connect(url, common.dialect, key, like=like, named=True)
    except NotAModelServer as error:
        if common.dialect not in (None, "openai"):
            raise NotAModelServer(str(error), f"leave --dialect out, or {error.remedy}") from None
        if common.dialect is None or not wanted(common):
            raise
        key = key or configuration.api_key(url, common.dialect, named=True)
        return open_server(common.dialect, replace(like, url=url, api_key=key, named=True))


async def described(server: Server, name: str, common: Common) -> tuple[Server, Model]:
    """A model's identity, beside its server; or its name alone, where a dialect was named and the list lacks
    it: that of a server that lists nothing, or of a plain one, which may be a gateway. No slip of the keys.
    """
    try:
        return server, await server.describe(name)
    except ModelNotFound:
        if common.dialect is None:
            raise
        listed = [model.name for model in await server.models()]
        plain = isinstance(server, OpenAI) and server.info.dialect == "openai"
        if listed and (not plain or mistyped(name, listed)):
            raise
        if listed:
            near = ", ".join(map(shown, nearest(name, listed)))
            lacks = f"{server.info.url} does not list {shown(name)!r}, which is taken as written"
            click.echo(lacks + (f" (nearest: {near})" if near else ""), err=True)
        if isinstance(server, OpenAI) and plain:
            return server, server.take_at_word(name)
        note = "the server lists no models: nothing is known but the name"
        return server, Model(name=name, notes=(note,))


async def offered(server: Server) -> list[Model]:
    return [model for model in await server.models() if usable(model)]


async def that_chat(server: Server, models: Sequence[Model]) -> list[Model]:
    """Those that do not only embed, by their descriptions where the list does not tell; one that cannot be
    described may chat. Where a single one is in memory and chats, it is the choice, and nobody asks for more.
    """
    in_memory = [model for model in models if model.loaded]
    if len(in_memory) == 1 and await chats(server, in_memory[0]):
        return in_memory
    found: list[Model] = []
    for at in range(0, len(models), DESCRIBED_AT_ONCE):
        some = models[at : at + DESCRIBED_AT_ONCE]
        told = await asyncio.gather(*(chats(server, model) for model in some))
        found += [model for model, yes in zip(some, told, strict=True) if yes]
    return found


async def chats(server: Server, model: Model) -> bool:
    if model.capabilities is None:
        with suppress(ServerError):
            model = await server.describe(model.name)
    return usable(model)


async def that_chat_at(found: Found, common: Common, like: Address) -> list[Model]:
    """The same of a server that a search found."""
    models = offered_by([found], common)
    if found.info is None or all(model.capabilities is not None for model in models):
        return models
    server = await connect(found.url, found.info.dialect, like=like)
    try:
        return await that_chat(server, models)
    finally:
        await server.close()


async def refuse_embedder(server: Server, model: Model) -> None:
    """Raises ModelNotFound for a model that was named and can only embed, naming those that chat."""
    if "embedding" not in (model.capabilities or ()) or "completion" in (model.capabilities or ()):
        return
    others = [each.name for each in await that_chat(server, await offered(server))]
    raise ModelNotFound(
        f"{model.name} on {server.info.url} only embeds: it does not chat",
        f"take a model that chats: {', '.join(others[:LISTED]) or 'this server has none'}",
    )


def usable(model: Model) -> bool:
    """Can it chat, and does it run on the user's own hardware?"""
    return not model.remote and (model.capabilities is None or "embedding" not in model.capabilities)


def offered_by(found: Sequence[Found], common: Common) -> list[Model]:
    """The usable models of the servers that were found, of the dialect that was named."""
    servers = [each for each in found if each.info and common.dialect in (None, each.info.dialect)]
    return [model for each in servers for model in each.models if usable(model)]


def wanted_of(models: Sequence[Model], common: Common, where: str) -> list[str]:
    """Without names: all with --all; else the only one there is, or the only one in memory."""
    names = list(dict.fromkeys(model.name for model in models))
    if not names:
        raise ModelNotFound(f"no model found on {where}", REMEDY)
    in_memory = list(dict.fromkeys(model.name for model in models if model.loaded))
    if common.all_models or len(names) == 1:
        return names
    if len(in_memory) == 1:
        return in_memory
    shown = ", ".join(names[:LISTED]) + (" ..." if len(names) > LISTED else "")
    raise UsageError(f"which of {len(names)} models? {shown}", "name some with --model, or take --all")
