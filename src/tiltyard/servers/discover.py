"""Finds the servers that run here: known ports side by side, the whole sweep within a second.

A port that accepts and never answers costs its own deadline and delays nobody else. What cannot be used is
reported with the reason, so that a wrong key or a hung server is not mistaken for none.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from tiltyard import settings
from tiltyard.errors import NoServer, ServerError, Unauthorized
from tiltyard.records import Model, Record, ServerInfo
from tiltyard.servers import Address
from tiltyard.servers.connect import connect
from tiltyard.servers.replies import base_url

PORTS: tuple[int, ...] = (
    11434,  # Ollama
    1234,  # LM Studio
    8080,  # llama-server so far, mlx_lm.server
    9931,  # llama-server to be
    8000,  # vLLM
    30000,  # SGLang
)
DEADLINE_S = 0.8
LOCALHOST = re.compile(r"(?<=:)//localhost(?=[:/]|\Z)")
SILENT = "something accepts connections here but does not answer in time"


class Found(Record, frozen=True):
    """Somebody at an address: a server with its models, or the reason why it cannot be used."""

    url: str
    info: ServerInfo | None = None
    models: tuple[Model, ...] = ()
    problem: str | None = None  # one line
    remedy: str = ""
    refused: bool = False  # it is there, and did not let us in


def addresses() -> list[str]:
    """Where to look: what the settings name (OLLAMA_HOST included), then the known ports of this machine."""
    known = settings.load_settings()
    ports = [f"http://127.0.0.1:{port}" for port in PORTS]
    return list(dict.fromkeys([*named_in_settings(), *map(as_searched, [known.ollama_url, *ports])]))


def named_in_settings() -> list[str]:
    """The servers that the user has set down."""
    known = settings.load_settings()
    return [as_searched(url) for url in (known.server, *known.servers) if url]


def as_searched(url: str) -> str:
    return LOCALHOST.sub("//127.0.0.1", base_url(url))


async def survey(
    urls: Sequence[str] | None = None,
    timeout_s: float = DEADLINE_S,
    api_key: str | None = None,
    named: bool = True,
) -> list[Found]:
    """Everybody at these addresses (None: `addresses()`), side by side, within `timeout_s` in all.

    Whoever cannot be used is there with the reason; where nobody listens there is no entry, but for servers
    that the settings name. Only at addresses that are given here and `named` by the user, or that a setting
    names, is a key shown that is for what the user names.
    """
    places = addresses() if urls is None else list(dict.fromkeys(base_url(url, login=True) for url in urls))
    looked = await asyncio.gather(
        *(look(url, timeout_s, api_key, named and urls is not None) for url in places)
    )
    return [each for each in looked if each is not None]


async def look(url: str, timeout_s: float, api_key: str | None, named: bool) -> Found | None:
    """Who is at one address; None for nobody."""
    shown = base_url(url)
    server = None
    try:
        async with asyncio.timeout(timeout_s):
            like = Address(url=url, loading_s=0)
            server = await connect(url, api_key=api_key, like=like, named=named)
            return Found(url=shown, info=server.info, models=tuple(await server.models()))
    except TimeoutError:
        return Found(url=shown, problem=SILENT, remedy="it may hang: look at its log")
    except NoServer as error:
        expected = "certificate" in str(error) or (not named and shown in named_in_settings())
        return Found(url=shown, problem=str(error), remedy=error.remedy) if expected else None
    except ServerError as error:
        refused = isinstance(error, Unauthorized)
        return Found(url=shown, problem=str(error), remedy=error.remedy, refused=refused)
    finally:
        if server is not None:
            await server.close()
