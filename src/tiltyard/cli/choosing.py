"""From `--model`, `--all`, `--server` and `--dialect` to the jobs of a plan, models outermost.

Which server has a name that was given without an address is decided in `servers/choose.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from tiltyard import settings as configuration
from tiltyard.cli.options import Common
from tiltyard.errors import ModelNotFound, NotAModelServer, UsageError
from tiltyard.records import Json, Model
from tiltyard.run import Job
from tiltyard.servers import Address, Server
from tiltyard.servers.choose import choose, connect, discover
from tiltyard.servers.connect import open_server
from tiltyard.servers.discover import Found

LISTED = 8  # names in an error message


async def chosen_jobs(suites: Mapping[str, Mapping[str, Json]], common: Common, like: Address) -> list[Job]:
    """One job per model and suite, models outermost. Every model is described before the first is asked.

    `like` holds what every server's address has besides where it is and the key.
    """
    first, *others = suites
    found = await jobs_of(first, suites[first], common, like)
    return [
        each
        for job in found
        for each in (job, *(replace(job, suite=s, settings=suites[s], cold=False) for s in others))
    ]


async def jobs_of(suite: str, settings: Mapping[str, Json], common: Common, like: Address) -> list[Job]:
    """One job per model."""
    url = common.server or configuration.load_settings().server
    key = (
        configuration.api_key(url, common.dialect, common.api_key_env) if url and common.api_key_env else None
    )
    jobs: list[Job] = []
    try:
        if url is None:
            found = () if needs_no_search(common) else await discover()
            for name in wanted_names(common, found):
                server, model = await choose(
                    name, None, common.dialect, key, like=like, found=found if found else None
                )
                jobs.append(Job(server=server, model=model, suite=suite, settings=settings))
            return jobs
        server = await connected(url, common, key, like)
        listed = [] if wanted(common) else await offered(server)
        for name in wanted(common) or wanted_of(listed, common, server.info.url):
            model = await described(server, name, common)
            jobs.append(Job(server=server, model=model, suite=suite, settings=settings))
    except BaseException:
        for job in jobs:
            await job.server.close()
        raise
    return jobs


def wanted(common: Common) -> list[str]:
    """The models named on the command line, in order, each once."""
    several = [name.strip() for name in (common.models or "").split(",") if name.strip()]
    return list(dict.fromkeys([*common.model, *several]))


def needs_no_search(common: Common) -> bool:
    """Do all names stand for files?"""
    from tiltyard.servers.gguf_file import is_model_path

    names = wanted(common)
    return bool(names) and all(is_model_path(name) for name in names)


async def connected(url: str, common: Common, key: str | None, like: Address) -> Server:
    """The server at an address. One that lists no models is taken at its word when the dialect is named."""
    try:
        return await connect(url, common.dialect, key, like=like)
    except NotAModelServer:
        if common.dialect is None or not wanted(common):
            raise
        key = key or configuration.api_key(url, common.dialect)
        return open_server(common.dialect, Address(url=url, api_key=key))


async def described(server: Server, name: str, common: Common) -> Model:
    """A model's identity; on a server that lists nothing, its name."""
    try:
        return await server.describe(name)
    except ModelNotFound:
        if common.dialect is not None and not await server.models():
            return Model(name=name, notes=("the server lists no models: nothing is known but the name",))
        raise


async def offered(server: Server) -> list[Model]:
    return [model for model in await server.models() if usable(model)]


def usable(model: Model) -> bool:
    """Can it chat, and does it run on the user's own hardware?"""
    return not model.remote and (model.capabilities is None or "embedding" not in model.capabilities)


def wanted_names(common: Common, found: Sequence[Found]) -> list[str]:
    """The models to measure when no server is named."""
    names = wanted(common)
    if names:
        return names
    models = [model for each in found for model in each.models if usable(model)]
    return wanted_of(models, common, "the servers found")


def wanted_of(models: Sequence[Model], common: Common, where: str) -> list[str]:
    """Without names: all with --all; else the only one there is, or the only one in memory."""
    names = list(dict.fromkeys(model.name for model in models))
    if not names:
        raise UsageError(
            f"no model found on {where}",
            "start a model server, or name a GGUF file: tiltyard run speed --model ./model.gguf",
        )
    in_memory = list(dict.fromkeys(model.name for model in models if model.loaded))
    if common.all_models or len(names) == 1:
        return names
    if len(in_memory) == 1:
        return in_memory
    shown = ", ".join(names[:LISTED]) + (" ..." if len(names) > LISTED else "")
    raise UsageError(f"which of {len(names)} models? {shown}", "name some with --model, or take --all")
