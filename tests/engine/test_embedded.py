"""The embedded engine as a server: identity, cold starts, failures in words, and no orphan ever."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.engine.test_ability import all_of, prompt, with_engine
from tiltyard.errors import EngineError, ModelNotFound, Unsupported, install
from tiltyard.records import Message, Request
from tiltyard.servers import Address, Server
from tiltyard.servers.embedded import Embedded
from tiltyard.servers.engine_process import EXTRA, EngineProcess, Launch
from tiltyard.servers.tiny import TinySpec, write_model

pytestmark = pytest.mark.engine

ENGINE = "tiltyard.servers.engine_process"
PARENT = """
import asyncio, sys, time
from tiltyard.servers import Address
from tiltyard.servers.embedded import Embedded

async def main():
    server = Embedded(Address(url=sys.argv[1], slots=1))
    await server.load("known")
    print(server._process.pid, flush=True)
    {then}

asyncio.run(main())
"""


def is_gone(pid: int, within_s: float = 60.0) -> bool:
    """Ended, if perhaps not yet collected by whoever adopted it."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def parent_of_an_engine(model: Path, then: str) -> tuple[subprocess.Popen[str], int]:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(then=then), str(model)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


def test_it_is_a_server(known: Path) -> None:
    async def look(server: Embedded) -> None:
        assert isinstance(server, Server)
        info = await server.identify()
        assert info.dialect == "embedded"
        assert info.url == str(known)
        assert info.version is not None
        assert info.version.startswith("xllamacpp 20")
        assert info.loaded == ()
        model = await server.describe(str(known))
        assert model == await server.describe("known")
        assert model.loaded is False
        assert model.capabilities is not None
        assert "schema" in model.capabilities
        assert model.engine_version == info.version
        with pytest.raises(ModelNotFound) as caught:
            await server.describe("knwon")
        assert "known" in caught.value.remedy

    with_engine(known, look)


def test_load_is_a_cold_start_and_unload_its_end(known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-1")

    async def work(server: Embedded) -> None:
        first = await server.load("known")
        assert not first.was_loaded
        assert first.server_load_ms is not None
        assert 0 < first.server_load_ms < first.load_ms
        assert (await server.load("known")).was_loaded
        model = await server.describe("known")
        assert (model.loaded, model.context_loaded) == (True, 4096)
        assert server.info.loaded == ("known",)
        pid = server._process.pid if server._process else None
        assert pid is not None
        assert "OPENAI_API_KEY" not in psutil.Process(pid).environ()
        await server.unload("known")
        assert is_gone(pid)
        assert (await server.describe("known")).loaded is False
        wider = await server.load("known", context=8192)
        assert not wider.was_loaded
        assert (await server.describe("known")).context_loaded == 8192
        with pytest.raises(Unsupported, match="at most 32768"):
            await server.load("known", context=99_999)

    with_engine(known, work, slots=1)


def test_who_waits_for_a_load_hears_of_it(known: Path) -> None:
    said: list[str] = []

    async def work() -> None:
        server = Embedded(Address(url=str(known), slots=1, say=said.append))
        loading = asyncio.create_task(server.load("known"))
        async with asyncio.timeout(60):
            while not (engines := [c for c in psutil.Process().children() if ENGINE in c.cmdline()]):
                await asyncio.sleep(0)
            engines[0].suspend()
            while not said:
                await asyncio.sleep(0.02)
            engines[0].resume()
        await loading
        await server.close()

    asyncio.run(work())
    assert said[0].startswith("loading known, ")


def test_two_engines_at_once(known: Path, other: Path) -> None:
    async def both() -> tuple[str, str]:
        servers = [Embedded(Address(url=str(path), slots=1)) for path in (known, other)]
        asked = Message(role="user", content="Who are you? The capital of France?")
        try:
            one, two = await asyncio.gather(
                *(s.send(Request(model=str(s.path), messages=(asked,), max_tokens=50)) for s in servers)
            )
        finally:
            await asyncio.gather(*(server.close() for server in servers))
        assert (one.ending, two.ending) == ("ok", "ok"), (one.error, two.error)
        assert two.request.model == str(other)
        return one.text, two.text

    assert asyncio.run(both()) == ("The capital of France is Paris.", "Another one.")


def test_context_overflow_is_the_engines_own_error(known: Path) -> None:
    async def ask(server: Embedded) -> None:
        exchange = await server.send(prompt("many words " * 5000))
        assert exchange.ending == "http_error"
        assert exchange.status == 400
        assert "context" in (exchange.error or "")

    with_engine(known, ask, slots=1)


def test_an_engine_that_dies_is_reported_not_restarted(known: Path) -> None:
    async def work(server: Embedded) -> None:
        assert (await server.send(prompt("capital of France"))).ending == "ok"
        assert server._process is not None
        assert server._process.pid is not None
        os.kill(server._process.pid, signal.SIGTERM)
        assert await asyncio.to_thread(is_gone, server._process.pid)
        for _ in range(2):
            exchange = await server.send(prompt("capital of France"))
            assert exchange.ending == "connect_error"
            assert "the engine's process ended" in (exchange.error or "")
        assert (await server.describe("known")).loaded is False
        assert not (await server.load("known")).was_loaded
        assert (await server.send(prompt("capital of France"))).ending == "ok"

    with_engine(known, work, slots=1)


def test_a_file_that_the_engine_refuses(tmp_path: Path) -> None:
    path = tmp_path / "odd.gguf"
    path.write_bytes(b"GGUF but nothing more")

    async def start() -> None:
        launch = Launch(model=str(path), alias="odd", context=512, slots=1, threads=1)
        await EngineProcess(launch, tmp_path / "log").start()

    with pytest.raises(EngineError) as caught:
        asyncio.run(start())
    assert "\n" not in str(caught.value)
    assert "could not start odd" in str(caught.value)
    assert "failed to load model" in str(caught.value)  # the engine's own words
    assert str(tmp_path / "log") in caught.value.remedy


def test_a_missing_wheel_says_what_to_install(
    known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "xllamacpp.py").write_text("raise ModuleNotFoundError('no wheel here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # before the installed one, in the child
    launch = Launch(model=str(known), alias="known", context=512, slots=1, threads=1)
    with pytest.raises(EngineError, match="not installed") as caught:
        asyncio.run(EngineProcess(launch, tmp_path / "log").start())
    assert caught.value.remedy == install(EXTRA)


def test_a_failed_start_is_a_failed_exchange(known: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone.gguf"
    gone.write_bytes(known.read_bytes())

    async def work(server: Embedded) -> None:
        await server.identify()
        gone.unlink()
        exchange = await server.send(prompt("capital of France"))
        assert exchange.ending == "connect_error"
        assert "could not start gone" in (exchange.error or "")

    with_engine(gone, work)


def test_a_start_that_takes_too_long_is_ended(known: Path, tmp_path: Path) -> None:
    launch = Launch(model=str(known), alias="known", context=512, slots=1, threads=1)
    process = EngineProcess(launch, tmp_path / "log")

    async def start() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(process.start(), timeout=0.02)

    asyncio.run(start())
    assert process.pid is not None
    assert not process.alive


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_orphan_when_the_parent_is_killed(known: Path, sign: signal.Signals) -> None:
    parent, child = parent_of_an_engine(known, "await asyncio.sleep(60)")
    with parent:
        assert psutil.pid_exists(child)
        parent.send_signal(sign)
        parent.wait(60)
        assert is_gone(child)


def test_no_orphan_when_the_parent_forgets_it(known: Path) -> None:
    parent, child = parent_of_an_engine(known, "sys.exit(0)")
    with parent:
        assert parent.wait(60) == 0
        assert is_gone(child)


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="elsewhere the child ends once it has loaded"
)
def test_no_orphan_when_the_parent_is_killed_while_weights_load(tmp_path: Path) -> None:
    path = tmp_path / "deep.gguf"
    write_model(path, TinySpec(name="deep", layers=100))
    code = PARENT.format(then="pass").replace('"known"', '"deep"')
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.DEVNULL) as parent:
        end = time.monotonic() + 60
        children: list[psutil.Process] = []
        while not children and time.monotonic() < end:
            children = psutil.Process(parent.pid).children()
            time.sleep(0.01)
        time.sleep(0.15)  # the interpreter is up, the weights are not
        parent.kill()
        parent.wait(60)
        assert children
        assert is_gone(children[0].pid)


def test_the_pipe_alone_ends_the_child(known: Path) -> None:
    """As on systems whose kernel does not kill children with their parents."""
    launch = '{"model": "%s", "alias": "a", "context": 512, "slots": 1, "threads": 1}' % known  # noqa: UP031
    command = [sys.executable, "-m", "tiltyard.servers.engine_process", launch]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert b'"url":"http://127.0.0.1:' in child.stdout.readline()
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(60) == 0


def test_a_connection_for_each_stream_and_nothing_sent_twice(known: Path) -> None:
    """The engine ends its connections after each stream: whoever asks on one again is asked to ask twice."""
    got = with_engine(known, lambda server: all_of(server, [prompt("Recite", max_tokens=2)] * 60))
    assert {(exchange.ending, exchange.notes) for exchange in got} == {("ok", ())}
