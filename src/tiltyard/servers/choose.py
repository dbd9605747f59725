"""From the words `--model` and `--server` to a server and a model.

A GGUF file runs in the embedded engine. A name is looked for on the servers that run; where several have
it, the only one that has it in memory is taken, and otherwise the choice is the user's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tiltyard.errors import ModelNotFound, NoServer, UsageError
from tiltyard.records import Model
from tiltyard.servers import Address, Server
from tiltyard.servers.connect import connect
from tiltyard.servers.discover import SILENT, Found, survey
from tiltyard.servers.gguf_file import is_model_path
from tiltyard.servers.names import match, not_found, shown


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
    if url is None:
        ours = dialect == "embedded" or (dialect is None and is_file(model))
        servers: Sequence[Found] = () if ours else await survey() if found is None else found
        if ours or (dialect is None and is_missing_file(model, servers)):
            url, dialect = str(Path(model).expanduser()), "embedded"
            model = Path(model).stem
        else:
            chosen = choose_among(model, servers, dialect)
            url, dialect = chosen.url, dialect or (chosen.info.dialect if chosen.info else None)
    server = await connect(url, dialect, api_key, like=like)
    try:
        return server, await server.describe(model)
    except BaseException:
        await server.close()
        raise


def is_file(model: str) -> bool:
    """Is the name that of a model file that is there?"""
    return is_model_path(model) and Path(model).expanduser().is_file()


def is_missing_file(model: str, found: Sequence[Found]) -> bool:
    """Can the name only be a file's that is not there? No server's model is called like it."""
    return is_model_path(model) and not any(match(model, names_of(each)) for each in found)


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
        missing = not_found(model, everything, where)
        raise ModelNotFound("; ".join((str(missing), *unusable(shut(found)))), missing.remedy)
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
    if places := unusable(found):
        remedy = next((each.remedy for each in found if each.remedy), "tiltyard servers")
        return NoServer("; ".join((f"no usable {dialect or 'model'} server was found", *places)), remedy)
    what = f"no {dialect} server" if dialect else "no model server"
    for each in found:  # of another dialect than was asked for: a proxy may hide its server's own
        if each.info is not None:
            other = each.info.dialect
            return NoServer(f"{what} was found; {each.url} speaks {other}", f"name that: --dialect {other}")
    return NoServer(
        f"{what} runs on this machine's known ports",
        "start one, give --server URL, or name a GGUF file as the model",
    )


def shut(found: Sequence[Found]) -> list[Found]:
    """Who hangs or wants a key: it may be a model server, with models that are meant."""
    return [each for each in found if each.refused or each.problem == SILENT]


def unusable(found: Sequence[Found]) -> list[str]:
    """Who is there and cannot be used, and why."""
    return [f"{each.url}: {each.problem.removeprefix(each.url).strip()}" for each in found if each.problem]


def is_loaded(found: Found, model: str) -> bool:
    name = match(model, names_of(found))
    return any(each.loaded for each in found.models if each.name == name)
