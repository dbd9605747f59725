"""Models in the memory of this machine's other servers, looked for once before a run is measured.

They take room and, when used, time, just as those of the measured server do. Only what says that it is in
memory counts; who hangs or wants a key is left alone.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from tiltyard.servers import Server
from tiltyard.servers.replies import is_local

LOOK_S = 0.4  # an idle server tells its models within a few milliseconds, and nobody is a refusal at once


async def nearby(server: Server) -> tuple[str, ...]:
    """Each with its server: `gemma3:4b (ollama at http://127.0.0.1:11434)`. None for a server elsewhere.

    One that listens at the same port is taken for the same server by another name.
    """
    if not server.info.local:
        return ()
    from tiltyard.servers.discover import addresses, survey

    own = urlsplit(server.info.url).port
    places = [url for url in addresses() if is_local(url) and urlsplit(url).port != own]
    return tuple(
        f"{model.name} ({found.info.dialect} at {found.url})"
        for found in await survey(places, LOOK_S, named=False)
        if found.info is not None
        for model in found.models
        if model.loaded and not model.remote
    )
