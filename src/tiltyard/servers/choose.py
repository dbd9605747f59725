"""From the words `--model` and `--server` to a server and a model.

A GGUF file runs in the embedded engine. A name is looked for on the servers that run; where several have
it, the only one that has it in memory is taken, and otherwise the choice is the user's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tiltyard.errors import NoServer, UsageError
from tiltyard.records import Model
from tiltyard.servers import Address, Server
from tiltyard.servers.connect import connect
from tiltyard.servers.discover import Found, discover, survey
from tiltyard.servers.gguf_file import is_model_path
from tiltyard.servers.names import match, not_found, shown

__all__ = ["Found", "choose", "choose_among", "connect", "discover"]


async def choose(
    model: str,
    url: str | None = None,
    dialect: str | None = None,
    api_key: str | None = None,
    *,
    like: Address | None = None,
    found: Sequence[Found] | None = None,
) -> tuple[Server, Model]:
    """An identified server and the model on it, described. The caller closes the server.

    `found` spares a second search when several models are chosen. `like` brings the context and the slots
    that an engine or a model is started with. Raises ModelNotFound with the nearest names, NoServer,
    UsageError.
    """
    if url is None and (dialect == "embedded" or (dialect is None and await is_file(model, found))):
        url, dialect = str(Path(model).expanduser()), "embedded"
        model = Path(model).stem
    elif url is None:
        servers = await survey() if found is None else found
        chosen = choose_among(model, servers, dialect)
        url, dialect = chosen.url, dialect or (chosen.info.dialect if chosen.info else None)
    server = await connect(url, dialect, api_key, like=like)
    try:
        return server, await server.describe(model)
    except BaseException:
        await server.close()
        raise


async def is_file(model: str, found: Sequence[Found] | None) -> bool:
    """Is the name a model file's? One in .gguf that is no file may be what a server calls its model."""
    if not is_model_path(model):
        return False
    if Path(model).expanduser().is_file():
        return True
    servers = await discover() if found is None else found
    return not any(match(model, names_of(each)) for each in servers)


def names_of(found: Found) -> list[str]:
    return [model.name for model in found.models]


def choose_among(model: str, found: Sequence[Found], dialect: str | None = None) -> Found:
    """The server that is meant, of those that run; pure. Exact names come before similar ones."""
    servers = [each for each in found if each.info and dialect in (None, each.info.dialect)]
    if not servers:
        raise no_server(found, dialect)
    having = [each for each in servers if model in names_of(each)]
    having = having or [each for each in servers if match(model, names_of(each))]
    if not having:
        everything = [name for each in servers for name in names_of(each)]
        where = " or ".join(f"{each.info.dialect} at {each.url}" for each in servers if each.info)
        raise not_found(model, everything, where)
    if len(having) == 1:
        return having[0]
    in_memory = [each for each in having if is_loaded(each, model)]
    if len(in_memory) == 1:
        return in_memory[0]
    places = ", ".join(f"{each.url} ({each.info.dialect})" for each in having if each.info)
    state = "more than one has it in memory" if in_memory else "none of them has it in memory"
    raise UsageError(
        f"{len(having)} servers have {shown(model)!r}, and {state}", f"choose with --server: {places}"
    )


def no_server(found: Sequence[Found], dialect: str | None = None) -> NoServer:
    """The error for a search that found nobody to ask. Whoever is there and cannot be used is named."""
    unusable = [(each.url, each.problem.removeprefix(each.url).strip()) for each in found if each.problem]
    if unusable:
        places = "; ".join(f"{url}: {problem}" for url, problem in unusable)
        remedy = next((each.remedy for each in found if each.remedy), "tiltyard servers")
        return NoServer(f"no usable {dialect or 'model'} server was found; {places}", remedy)
    what = f"no {dialect} server" if dialect else "no model server"
    for each in found:  # of another dialect than was asked for: a proxy may hide its server's own
        if each.info is not None:
            other = each.info.dialect
            return NoServer(f"{what} was found; {each.url} speaks {other}", f"name that: --dialect {other}")
    return NoServer(
        f"{what} runs on this machine's known ports",
        "start one, give --server URL, or name a GGUF file as the model",
    )


def is_loaded(found: Found, model: str) -> bool:
    name = match(model, names_of(found))
    return any(each.loaded for each in found.models if each.name == name)
