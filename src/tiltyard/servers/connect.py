"""From an address to a client of the right dialect, identified; and from a dialect's name to its class.

Third parties add dialects by the entry-point group `tiltyard.servers`. Finding servers is in `discover.py`.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tiltyard import settings
from tiltyard.errors import NoServer, NotAModelServer, ServerError, UsageError
from tiltyard.servers import DIALECTS, Address, Server
from tiltyard.servers.error_text import one_line
from tiltyard.servers.names import nearest
from tiltyard.servers.recognise import PAGES, recognise
from tiltyard.servers.replies import base_url, let_in, not_a_model_server
from tiltyard.servers.wire import Reply
from tiltyard.servers.wires import open_wire

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINTS = "tiltyard.servers"
PROBE_S = 5.0
AT_ONCE = 3
BY_LIST = ("vllm", "mlx")  # dialects that a server is taken for by its list of models
BY_PAGES = ("ollama", "lmstudio", "llamacpp", "sglang")  # those that have pages of their own
HOMES: Mapping[str, str] = {  # where a dialect is when only its name is given
    "ollama": "http://127.0.0.1:11434",
    "lmstudio": "http://127.0.0.1:1234",
    "llamacpp": "http://127.0.0.1:8080",
    "mlx": "http://127.0.0.1:8080",
    "vllm": "http://127.0.0.1:8000",
    "sglang": "http://127.0.0.1:30000",
}


def third_party() -> dict[str, EntryPoint]:
    """Dialects that other packages bring, by name; ours cannot be replaced."""
    from importlib.metadata import entry_points  # every package here is looked at: only where it is asked for

    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS) if entry.name not in DIALECTS}


def open_server(dialect: str, address: Address) -> Server:
    """A client of this dialect, not yet connected; raises UsageError for a dialect nobody knows."""
    target = next((path for name, path in DIALECTS.items() if name == dialect), None)
    if target is not None:
        module, _, name = target.partition(":")
        server: Server = getattr(importlib.import_module(module), name)(address)
        return server
    others = third_party()
    if dialect not in others:
        known = [*DIALECTS, *others]
        near = nearest(dialect, known)
        raise UsageError(
            f"no dialect is called {dialect!r}",
            f"did you mean {near[0]}?" if near else f"one of {', '.join(known)}",
        )
    made: Server = others[dialect].load()(address)
    return made


async def connect(
    url: str | None = None,
    dialect: str | None = None,
    api_key: str | None = None,
    *,
    like: Address | None = None,
    named: bool = False,
) -> Server:
    """A client for an address, identified; the dialect is found out when it is None.

    Without an address the dialect's own default is used. The key is looked up in the settings when it is
    None; some are for an address that is `named`, which means that the user typed it. `like` brings
    everything else of an address, such as the context to start with. Raises NoServer, NotAModelServer (also
    for a dialect that the user named where another is plainly spoken), Unauthorized, UsageError.
    """
    if url is None:
        url = settings.load_settings().ollama_url if dialect == "ollama" else HOMES.get(dialect or "")
    if url is None:
        raise UsageError("neither the address nor the dialect of a server is known", "give --server URL")
    if dialect != "embedded":
        shown, with_login = base_url(url), base_url(url, login=True)
        if api_key and with_login != shown:
            raise UsageError(
                f"two ways to log in at {shown}: a user name in its address, and an API key",
                "give one of them: a request carries no more",
            )
        key = api_key or settings.api_key(shown, dialect, named=named)
        address = Address(url=with_login, api_key=key, named=named)
    else:
        address = Address(url=url)
    if like is not None:
        address = replace(like, url=address.url, api_key=address.api_key, named=named)
    server = open_server(dialect or await find_dialect(address), address)
    try:
        await server.identify()
        if named and dialect in BY_LIST:
            await refuse_another(dialect, address)
    except BaseException:
        await server.close()
        raise
    return server


async def refuse_another(dialect: str, address: Address) -> None:
    """Raises NotAModelServer where a server's own pages say that it speaks something else."""
    try:
        spoken = await find_dialect(address)
    except ServerError:  # it has shown its list of models: that is all which is known
        return
    if spoken in BY_PAGES:
        raise NotAModelServer(f"{base_url(address.url)} speaks {spoken}", f"name that: --dialect {spoken}")


async def find_dialect(address: Address) -> str:
    """Look at the bodies of an unknown server. A refusal counts only if nothing else told who it is.

    Several pages are asked for at once, since some servers take 40 ms over each; not too many, since a
    backlog of 5 connections (Python's own servers) makes the ones too many wait for a second. A page that is
    slow is waited for only where it decides. Raises NoServer where nobody answers the first of them.
    """
    wire = open_wire(address)
    seen: dict[str, Reply] = {}
    failed: list[NoServer] = []
    gate = asyncio.Semaphore(AT_ONCE)

    async def look(path: str) -> Reply:
        try:
            async with gate:
                seen[path] = await wire.call("GET", path, timeout_s=PROBE_S)
        except NoServer as error:  # it may be there, and only have nothing to say about this page
            failed.append(error)
        return seen.get(path, Reply(status=0))

    looks = {path: asyncio.create_task(look(path)) for path in PAGES[:AT_ONCE]}

    async def get(path: str) -> Reply:
        if path not in looks:
            looks[path] = asyncio.create_task(look(path))
        return await looks[path]

    try:
        for answered in asyncio.as_completed(list(looks.values())):
            if (await answered).status:
                break
        else:
            raise failed[0]
        looks |= {path: asyncio.create_task(look(path)) for path in PAGES[AT_ONCE:]}
        dialect = await recognise(get)
    finally:
        for task in looks.values():
            task.cancel()
        try:
            await asyncio.gather(*looks.values(), return_exceptions=True)
        finally:
            await wire.close()
    if dialect is None:
        for reply in seen.values():
            let_in(reply)
        moved = next((reply.headers["location"] for reply in seen.values() if is_moved(reply)), None)
        if moved is not None:
            raise NotAModelServer(
                f"{base_url(address.url)} sends its callers elsewhere: {one_line(moved)}",
                "give the address that it names, without the path of the page",
            )
        raise not_a_model_server(
            base_url(address.url), "none of the pages of a model server has the right shape"
        )
    return dialect


def is_moved(reply: Reply) -> bool:
    return 300 <= reply.status < 400 and "location" in reply.headers
