"""The simulator as a whole: one site per dialect and port, all in one loop, with one truth.

`Simulator` runs in the loop that starts it; `running` gives it a thread of its own for tests,
`spawn` a process of its own for measurements.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tiltyard.errors import TiltyardError, UsageError
from tiltyard.servers.loops import new_loop
from tiltyard.servers.simulator.checks import check
from tiltyard.servers.simulator.config import SimConfig
from tiltyard.servers.simulator.connection import Connection
from tiltyard.servers.simulator.pace import Pacer
from tiltyard.servers.simulator.site import Hub, Site, reachable
from tiltyard.servers.simulator.world import World
from tiltyard.settings import child_environment


class Simulator:
    """All sites. `async with Simulator(config) as sim:` listens until the end of the block."""

    def __init__(self, config: SimConfig) -> None:
        self.config = config
        self.sites: dict[str, Site] = {}
        self.shared_port = 0
        self._servers: list[asyncio.Server] = []
        check(config)

    def url(self, dialect: str | None = None) -> str:
        """Base address of a dialect's server, of "all" behind one port, or without a name of the first."""
        return self.urls()[dialect or self.config.dialects[0]]

    def urls(self) -> dict[str, str]:
        found = {name: site.url for name, site in self.sites.items()}
        return {**found, "all": self._url(self.shared_port)} if self.shared_port else found

    def _url(self, port: int) -> str:
        return f"http://{reachable(self.config.host)}:{port}"

    async def __aenter__(self) -> Simulator:
        loop = asyncio.get_running_loop()
        self.world = World(self.config, Pacer(loop))
        try:
            for dialect in self.config.dialects:
                site = Site(self.world, dialect)
                port = self.config.ports.get(dialect, 0)
                site.port = await self._listen(loop, site.connect, port)
                self.sites[dialect] = site
            if len(self.sites) > 1:
                hub = Hub(self.sites)
                port = self.config.ports.get("all", 0)
                self.shared_port = await self._listen(loop, lambda: self._connection(hub), port)
        except (OSError, UnicodeError) as error:  # the latter of a host that can be no name
            await self.__aexit__()
            why = getattr(error, "strerror", None) or error
            raise UsageError(f"cannot listen: {why}", "choose another --port-base or --host") from None
        self.world.urls = self.urls()
        return self

    def _connection(self, hub: Hub) -> Connection:
        connection = Connection(hub.handle, "simulator")
        connection.log = self.world.connections
        return connection

    async def _listen(
        self, loop: asyncio.AbstractEventLoop, make: Callable[[], Connection], port: int
    ) -> int:
        server = await loop.create_server(make, self.config.host, port, backlog=2048)
        self._servers.append(server)
        number: int = server.sockets[0].getsockname()[1]
        return number

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        self.world.pacer.close()
        for connection in list(self.world.connections):
            connection.transport.abort()
        await asyncio.sleep(0)
        for server in self._servers:
            await server.wait_closed()


class Running:
    """A simulator in a thread of its own. All methods may be called from any thread."""

    def __init__(self, simulator: Simulator, loop: asyncio.AbstractEventLoop) -> None:
        self._simulator = simulator
        self._loop = loop

    def url(self, dialect: str | None = None) -> str:
        return self._simulator.url(dialect)

    def truth(self, request_id: str | None = None) -> list[dict[str, Any]]:
        """What really happened, oldest first; see `truth.py`."""

        async def read() -> list[dict[str, Any]]:
            return self._simulator.world.truth.read(0, request_id)

        return asyncio.run_coroutine_threadsafe(read(), self._loop).result(10)


@contextlib.contextmanager
def running(config: SimConfig | None = None) -> Iterator[Running]:
    """Serve in a thread until the end of the block."""
    ready: list[Running] = []
    failed: list[BaseException] = []
    event = threading.Event()
    stop: list[Callable[[], object]] = []

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        stop.append(lambda: loop.call_soon_threadsafe(over.set))
        async with Simulator(config or SimConfig()) as simulator:
            ready.append(Running(simulator, loop))
            event.set()
            await over.wait()

    def main() -> None:
        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(serve())
        except (TiltyardError, OSError, ImportError) as error:  # handed to the caller's thread below
            failed.append(error)
        finally:
            event.set()

    thread = threading.Thread(target=main, name="simulator", daemon=True)
    thread.start()
    event.wait(10)
    if not ready:
        raise failed[0] if failed else TimeoutError("the simulator did not start")
    try:
        yield ready[0]
    finally:
        stop[0]()
        thread.join(10)


class Spawned:
    """A simulator in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], urls: Mapping[str, str]) -> None:
        self.process = process
        self.urls = urls
        self.pid = process.pid

    def url(self, dialect: str | None = None) -> str:
        return self.urls[dialect] if dialect else next(iter(self.urls.values()))


@contextlib.contextmanager
def spawn(config_path: Path, *arguments: str) -> Iterator[Spawned]:
    """`tiltyard simulate --config PATH --json ARGUMENTS` as a child, stopped at the end of the block, or when
    this process is no more: either closes its standard input.
    """
    command = [
        sys.executable,
        "-m",
        "tiltyard",
        "simulate",
        "--config",
        str(config_path),
        "--json",
        "--end-with-input",
        *arguments,
    ]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=child_environment())
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.strip():
            raise UsageError("the simulator did not start", " ".join(command))
        yield Spawned(process, json.loads(line)["urls"])
    finally:
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
