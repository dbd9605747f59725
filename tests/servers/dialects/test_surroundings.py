"""What Ollama's environment sets, read from its process: the API does not tell it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from tests.store.conftest import make_run
from tiltyard.records import ServerInfo
from tiltyard.servers.connect import connect
from tiltyard.store.fingerprint import fingerprint

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a process's environment is read on Linux")


@contextmanager
def ollama(**variables: str) -> Iterator[str]:
    """A simulated Ollama, in a process of its own with these variables."""
    command = [sys.executable, "-m", "tiltyard", "simulate", "--dialect", "ollama", "--json"]
    with subprocess.Popen(command, env={**os.environ, **variables}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["urls"]["ollama"]
        finally:
            process.terminate()


def identified(url: str) -> ServerInfo:
    async def main() -> ServerInfo:
        server = await connect(url)
        await server.close()
        return server.info

    return asyncio.run(main())


@pytest.mark.slow
def test_settings_of_its_environment_are_known_and_part_of_what_a_run_is() -> None:
    with ollama() as url:
        plain = identified(url)
    with ollama(OLLAMA_KV_CACHE_TYPE="q8_0", OLLAMA_NUM_PARALLEL="4", OLLAMA_HOST="elsewhere") as url:
        small = identified(url)
    assert (plain.notes, plain.slots) == ((), None)
    assert small.notes == ("OLLAMA_KV_CACHE_TYPE=q8_0", "OLLAMA_NUM_PARALLEL=4")
    assert small.slots == 4
    run = make_run()
    hashes = {fingerprint(replace(run, server=info), movable=True) for info in (plain, small)}
    assert len(hashes) == 2
