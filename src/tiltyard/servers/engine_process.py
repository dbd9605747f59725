"""llama.cpp's own HTTP server in a child process: both ends of the pipe between it and us.

`EngineProcess` is the parent's end, `main` the child's (`python -m tiltyard.servers.engine_process JSON`).
The child ends when its standard input does, which the system closes however the parent ends; on Linux the
kernel also kills it with its parent (while weights load, no Python runs in it to watch the pipe).
Models, dialects and requests are not known here.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from tiltyard.errors import EngineError, install
from tiltyard.records import Record
from tiltyard.servers import SAY_EVERY_S
from tiltyard.settings import child_environment

EXTRA = "tiltyard[embedded]"
READY_LIMIT_S = 900.0  # a large model from a slow disk
STOP_LIMIT_S = 1.0  # then it is killed: it holds nothing that could be lost
TAIL_LINES = 3


class Launch(Record, frozen=True):
    """What the child is to run."""

    model: str  # path
    alias: str
    context: int  # tokens for each slot
    slots: int
    threads: int
    parent: int = 0  # its process id; 0: end with the pipe alone


class Report(Record, frozen=True):
    """The one line that the child writes to its standard output."""

    url: str | None = None
    load_ms: float | None = None  # the engine's own start: weights, memory, warm-up
    error: str | None = None
    missing: bool = False  # the wheel is not installed


class Started(Record, frozen=True):
    url: str
    pid: int
    load_ms: float  # process start to a healthy answer
    engine_load_ms: float | None


# ------------------------------------------------------------------ the parent's end

_running: weakref.WeakSet[EngineProcess] = weakref.WeakSet()


class EngineProcess:
    """One child and its log. Start it once; `stop` may be called at any time, from any thread, repeatedly."""

    def __init__(self, launch: Launch, log: Path) -> None:
        self.launch = launch
        self.log = log
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    async def start(self, say: Callable[[str], None] | None = None) -> Started:
        """Start and wait for health, telling `say` every few seconds; raises EngineError.

        On Linux the child dies with the thread that starts it, so this belongs on the main one, or on one
        that lives as long as the engine is wanted.
        """
        started = time.perf_counter()
        self._spawn()
        ready = asyncio.ensure_future(asyncio.to_thread(self._wait_ready))
        try:
            while not ready.done():
                await asyncio.wait({ready}, timeout=SAY_EVERY_S)
                seconds = time.perf_counter() - started
                if not ready.done() and seconds > READY_LIMIT_S:
                    raise EngineError(
                        f"the engine did not load {self.launch.alias} in {READY_LIMIT_S:.0f} s{self.tail()}",
                        f"use a smaller model or context; its log is {self.log}",
                    )
                if say and not ready.done():
                    say(f"loading {self.launch.alias}, {seconds:.0f} s")
            report = ready.result()
        finally:
            if not ready.done() or ready.exception() is not None:
                self.stop()  # which also ends the waiting thread
                await asyncio.wait({ready})
        if report.url is None:
            self.stop()
            raise self._failure(report)
        assert self._child is not None
        load_ms = (time.perf_counter() - started) * 1e3
        return Started(url=report.url, pid=self._child.pid, load_ms=load_ms, engine_load_ms=report.load_ms)

    async def ended(self, within_s: float) -> bool:
        """Is the child gone, after a short wait? Its connections break before its last thread ends."""
        end = time.monotonic() + within_s
        while self.alive and time.monotonic() < end:
            await asyncio.sleep(0.01)
        return not self.alive

    def stop(self) -> None:
        """End the child and wait for its end."""
        child = self._child
        if child is None:
            return
        _running.discard(self)
        with contextlib.suppress(OSError):
            if child.stdin:
                child.stdin.close()
        try:
            child.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        with contextlib.suppress(OSError):
            if self.log.stat().st_size == 0:  # nothing to tell
                self.log.unlink()

    def tail(self) -> str:
        """The end of the log as a part of one line, or nothing."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        said = [line.strip() for line in lines if line.strip()][-TAIL_LINES:]
        return f": {' | '.join(said)}" if said else ""

    def _spawn(self) -> None:
        folder, name = within_reach(self.launch.model)
        launch = msgspec.structs.replace(self.launch, model=name, parent=os.getpid())
        command = [
            sys.executable,
            *(("-P",) if folder else ()),  # what lies beside a model is no module of ours
            "-m",
            "tiltyard.servers.engine_process",
            msgspec.json.encode(launch).decode(),
        ]
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("wb") as log:
                self._child = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    cwd=folder,
                    bufsize=0,
                    env=child_environment(),
                )
        except OSError as error:
            what = f"cannot start the engine's process: {error.strerror or error}"
            raise EngineError(what, f"look at {self.log.parent} and at the limits of this account") from None
        _running.add(self)

    def _wait_ready(self) -> Report:
        """Blocks in a thread of its own until the child reports or ends, then until its health is good."""
        child = self._child
        assert child is not None
        assert child.stdout is not None
        with child.stdout as pipe:
            line = _read_line(pipe)
        if not line:
            code = child.wait()
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            return Report(error=f"its process ended with {how}")
        report = msgspec.json.decode(line, type=Report)
        while report.url and not _is_healthy(report.url):
            if child.poll() is not None:
                return Report(error="its process ended before it was healthy")
            time.sleep(0.02)
        return report

    def _failure(self, report: Report) -> EngineError:
        if report.missing:
            return EngineError("the embedded engine (xllamacpp) is not installed", install(EXTRA))
        what = f"the engine could not start {self.launch.alias} ({report.error}){self.tail()}"
        return EngineError(what, f"check the file and the memory left; the engine's log is {self.log}")


def within_reach(path: str) -> tuple[str | None, str]:
    """Where to start the engine, which takes no path but in UTF-8, and the file's path as seen from there."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.path.split(path)
    return None, path


def _read_line(pipe: IO[bytes]) -> bytes:
    # An engine that prints on its own account must not be taken for the report.
    return next((line for line in pipe if line.startswith(b"{")), b"")


def _is_healthy(url: str) -> bool:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@atexit.register
def _stop_all() -> None:
    for process in list(_running):
        process.stop()


# ------------------------------------------------------------------ the child's end


def main(argument: str) -> None:
    launch = msgspec.json.decode(argument, type=Launch)
    _end_with(launch.parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the parent, which then closes the pipe
    pipe = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever the engine prints goes to the log
    watch = watch_input()
    server, report = _serve(launch)
    pipe.write(msgspec.json.encode(report) + b"\n")
    if report.url is None:
        os._exit(1)
    watch.join()
    # Without the engine's destructors, which may hang; the system takes back what it held.
    del server
    os._exit(0)


def _serve(launch: Launch) -> tuple[object, Report]:
    try:
        import xllamacpp
    except ImportError as error:
        return None, Report(error=str(error), missing=isinstance(error, ModuleNotFoundError))
    params = xllamacpp.CommonParams()
    params.model.path = launch.model
    params.model_alias = {launch.alias}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = launch.slots
    params.n_ctx = launch.context * launch.slots
    params.cpuparams.n_threads = launch.threads
    params.cpuparams_batch.n_threads = launch.threads
    params.use_jinja = True
    params.endpoint_metrics = params.endpoint_props = params.endpoint_slots = True
    params.fit_params = False  # a context smaller than asked for would go unnoticed
    params.cache_ram_mib = 0  # no second prompt cache behind the slots' own
    params.ui = False
    params.verbosity = 1  # errors only
    began = time.perf_counter()
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        return None, Report(error=str(error))
    load_ms = (time.perf_counter() - began) * 1e3
    return server, Report(url=server.listening_address, load_ms=load_ms)


def watch_input() -> threading.Thread:
    """Ends the process at once when standard input does: the parent closed it, or is no more."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os._exit(0)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def _end_with(parent: int) -> None:
    """On Linux, have the kernel kill this process when its parent's thread ends, even while weights load."""
    if not parent or not sys.platform.startswith("linux"):
        return
    import ctypes

    set_parent_death_signal = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>
    with contextlib.suppress(OSError, AttributeError):  # a C library without it: the pipe remains
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the kernel was told
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
