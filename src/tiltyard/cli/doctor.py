"""`tiltyard doctor`: the checklist. What is there, what is missing, and the exact next step for each.

Every line is tried, not guessed: the engine really runs a tiny model, the store's pages are really read.
Nothing is changed, but a store that does not exist yet is not made either.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import click
from msgspec.structs import replace

from tiltyard.errors import TiltyardError, install
from tiltyard.records import Record

State = Literal["ok", "missing", "broken", "optional"]
MARKS = {"ok": ("✓", "green"), "missing": ("✗", "red"), "broken": ("✗", "red"), "optional": ("–", "yellow")}
ROOM_WANTED = 1 << 30  # bytes: a store of some hundred thousand exchanges
ROOM_NEEDED = 50 << 20
ANSWERS_WITHIN_S = 5.0  # a container engine whose service is up
OLDEST_PYTHON = (3, 11)


class Check(Record, frozen=True):
    """One line of the list. `essential`: without it nothing can be measured or kept."""

    topic: str
    state: State
    found: str
    remedy: str = ""
    essential: bool = False


class Tool(NamedTuple):
    names: tuple[str, ...]  # any of them will do
    use: str
    apt: str
    brew: str
    winget: str


TOOLS = (
    Tool(("node",), "TypeScript, JavaScript and Vue exercises", "nodejs npm", "node", "OpenJS.NodeJS.LTS"),
    Tool(("go",), "Go exercises", "golang-go", "go", "GoLang.Go"),
    Tool(("cargo",), "Rust exercises", "cargo", "rust", "Rustlang.Rustup"),
    Tool(("javac",), "Java exercises", "default-jdk-headless", "openjdk", "Microsoft.OpenJDK.21"),
    Tool(("g++", "clang++", "cl"), "C++ exercises", "g++ cmake", "llvm cmake", "LLVM.LLVM"),
    Tool(
        ("bwrap", "podman", "docker"),
        "a sandbox for code that models write",
        "bubblewrap",
        "podman",
        "RedHat.Podman",
    ),
)


@click.command(epilog="Example:  tiltyard doctor --json")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def doctor(as_json: bool) -> None:
    """Check servers, models, GPU, engine, disk, store and clock; say what to do about each.

    The exit code is 0 unless something essential is missing or broken.
    """
    checks = examine()
    failed = [each for each in checks if each.essential and each.state in ("missing", "broken")]
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode({"ok": not failed, "checks": checks}).decode())
    else:
        show(checks)
    if failed:
        topics = ", ".join(dict.fromkeys(check.topic for check in failed))
        raise TiltyardError(f"not ready: {topics}", "do what the lines marked ✗ say")
    if not as_json:
        click.echo("ready: tiltyard run speed --model NAME")


def examine() -> list[Check]:
    """The whole list, in the order in which things are needed."""
    checks = [python()]
    engine_there = engine()
    found = list(servers())
    usable = any(each.state == "ok" for each in [engine_there, *found])
    if not usable:  # either would do: with neither there is nothing to measure
        engine_there = replace(engine_there, essential=True)
    return [*checks, engine_there, *found, *gpus(), disk(), store(), clock(), loop(), *toolchains()]


# ------------------------------------------------------------------ one function per topic


def python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Check(
            topic="python",
            state="broken",
            found=version,
            remedy="install Python 3.11 or newer",
            essential=True,
        )
    return Check(topic="python", state="ok", found=f"{version} at {sys.executable}")


def engine() -> Check:
    """Runs a tiny model: an engine that is installed may still not start on this processor."""
    from tiltyard.cli.loop import loop_run
    from tiltyard.servers.embedded import wheel_version
    from tiltyard.servers.engine_process import EXTRA

    version = wheel_version()
    if version is None:
        return Check(
            topic="engine",
            state="missing",
            found="the embedded engine is not installed",
            remedy=install(EXTRA),
        )
    try:
        with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
            load_ms, tps = loop_run(_try_engine(Path(folder) / "doctor.gguf"))
    except TiltyardError as error:
        return Check(topic="engine", state="broken", found=f"{version}: {error}", remedy=error.remedy)
    speed = f", {tps:,.0f} tok/s on a tiny model" if tps else ""
    return Check(topic="engine", state="ok", found=f"{version} starts in {load_ms:.0f} ms{speed}")


async def _try_engine(path: Path) -> tuple[float, float | None]:
    from tiltyard.errors import EngineError
    from tiltyard.records import Message, Request
    from tiltyard.servers import Address
    from tiltyard.servers.embedded import Embedded
    from tiltyard.servers.tiny import TinySpec, write_model

    model = write_model(path, TinySpec(name="doctor"))
    server = Embedded(Address(url=str(path), slots=1))
    try:
        loading = await server.load(model.name)
        asking = (Message(role="user", content="How are you?"),)
        answer = await server.send(Request(model=model.name, messages=asking, max_tokens=32, ignore_eos=True))
    finally:
        await server.close()
    if answer.ending != "ok":
        raise EngineError(f"it does not answer ({answer.error or answer.ending})", "reinstall the wheel")
    return loading.load_ms, answer.timings.decode_tps if answer.timings else None


def servers() -> Iterator[Check]:
    from tiltyard.cli.loop import loop_run
    from tiltyard.cli.servers import beside_address
    from tiltyard.reports.words import counted
    from tiltyard.servers.discover import survey

    places = loop_run(survey())
    if not any(place.info or place.refused for place in places):
        yield Check(
            topic="servers",
            state="optional",
            found="none runs on the known ports",
            remedy="start one, name it with --server URL, or give a GGUF file as the model",
        )
    for place in places:
        if place.info is None:
            state: State = "missing" if place.refused else "broken"  # what is missing is a way in
            said = f"{place.url}: {beside_address(place)}"
            yield Check(topic="servers", state=state, found=said, remedy=place.remedy)
            continue
        who = f"{place.info.dialect} {place.info.version or ''}".strip()
        models = counted(len(place.models), "model")
        if any(model.loaded is not None for model in place.models):
            models += f", {len(place.info.loaded)} in memory"
        yield Check(topic="servers", state="ok", found=f"{who} at {place.url}: {models}")
        if not place.models:
            remedy = "load or pull one first, e.g. `ollama pull qwen3:8b`"
            yield Check(topic="models", state="missing", found=f"{place.url} has no models", remedy=remedy)


def gpus() -> Iterator[Check]:
    from tiltyard.monitors.machine import describe_machine

    found = describe_machine().get("gpus") or []
    for gpu in found:
        memory = gpu.get("memory_bytes")
        driver, size = gpu.get("driver"), f", {memory / 2**30:.0f} GiB" if memory else ""
        kind = " unified" if gpu.get("unified_memory") else ""
        yield Check(
            topic="gpu",
            state="ok",
            found=f"{gpu.get('name')}{size}{kind}, driver {driver or 'version not told'}",
        )
    if not found:
        remedy = (
            "if there is a GPU, install its driver; `nvidia-smi` (NVIDIA) or `macmon` (Apple) must run"
            if sys.platform != "darwin"
            else "to read power and load of Apple chips: brew install macmon"
        )
        yield Check(
            topic="gpu", state="optional", found="none can be read: CPU only, or no driver", remedy=remedy
        )


def disk() -> Check:
    from tiltyard import settings

    folder = settings.data_dir()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        return Check(topic="disk", state="broken", found=f"{there}: {error.strerror}", essential=True)
    if not there.is_dir():
        remedy = "move it away, or set TILTYARD_DATA_DIR to a folder"
        said = f"{there} is no folder: the store has no place"
        return Check(topic="disk", state="broken", found=said, remedy=remedy, essential=True)
    if not os.access(there, os.W_OK):
        remedy = "check the rights on the folder, or set TILTYARD_DATA_DIR to another"
        said = f"{there} cannot be written"
        return Check(topic="disk", state="broken", found=said, remedy=remedy, essential=True)
    said = f"{free / 2**30:.1f} GiB free for {folder}"
    if free >= ROOM_WANTED:
        return Check(topic="disk", state="ok", found=said)
    remedy = "make room, or set TILTYARD_DATA_DIR to another disk"
    return Check(topic="disk", state="missing", found=said, remedy=remedy, essential=free < ROOM_NEEDED)


def store() -> Check:
    from tiltyard import settings
    from tiltyard.store.connection import RECOVER
    from tiltyard.store.store import FILE, Store

    path = settings.data_dir() / FILE
    if not path.exists() and not path.is_symlink():
        if disk().state == "broken":  # which says why
            return Check(topic="store", state="missing", found=f"not there yet, and {path} cannot be made")
        return Check(topic="store", state="ok", found=f"not there yet; the first run makes {path}")
    try:
        with Store.open(path, to_read=True) as opened:
            if not opened.whole():
                return Check(
                    topic="store",
                    state="broken",
                    found=f"{path} has damaged pages",
                    remedy=RECOVER,
                    essential=True,
                )
            runs = len(opened.runs())
            unwritable = opened.unwritable
    except TiltyardError as error:
        return Check(topic="store", state="broken", found=str(error), remedy=error.remedy, essential=True)
    size = path.stat().st_size / 1e6
    said = f"{path}: sound, {runs} runs listed, {size:.1f} MB"
    if unwritable is None or disk().essential:  # which says why
        return Check(topic="store", state="ok", found=said)
    said = f"{said}; it can only be read ({unwritable.__cause__})"
    return Check(topic="store", state="broken", found=said, remedy=unwritable.remedy, essential=True)


def clock() -> Check:
    """Who stamps arrivals, and the finest step of the clock that every figure comes from."""
    from tiltyard.servers.clock import KernelClock, now_ns

    steps = []
    for _ in range(200):
        before = after = now_ns()
        while after == before:
            after = now_ns()
        steps.append(after - before)
    finest = f"clock step {min(steps)} ns"
    with socket.socket() as sock:
        stamped = KernelClock().enable(sock)
    if stamped:
        return Check(topic="clock", state="ok", found=f"arrivals are stamped by the kernel; {finest}")
    return Check(
        topic="clock",
        state="optional",
        found=f"arrivals are stamped in the read callback (no kernel stamps here); {finest}",
        remedy="figures stay right to about 1 ms; Linux has kernel stamps",
    )


def loop() -> Check:
    if sys.platform == "win32":
        return Check(topic="event loop", state="ok", found="asyncio (uvloop does not exist for Windows)")
    try:
        version = importlib.metadata.version("uvloop")
    except importlib.metadata.PackageNotFoundError:
        found = "asyncio: more CPU for each token"
        return Check(topic="event loop", state="missing", found=found, remedy=install("tiltyard"))
    return Check(topic="event loop", state="ok", found=f"uvloop {version}")


def toolchains() -> Iterator[Check]:
    yield Check(topic="toolchains", state="ok", found="`run speed` needs none")
    for tool in TOOLS:
        path = next((where for name in tool.names if (where := shutil.which(name))), None)
        if path and (why := not_working(path)):
            yield Check(
                topic="toolchains",
                state="optional",
                found=f"{path} is there, and does not work ({why}): for {tool.use}",
                remedy=f"start its service, or {_installing(tool)}",
            )
        elif path:
            yield Check(topic="toolchains", state="ok", found=f"{path}, for {tool.use}")
        else:
            yield Check(
                topic="toolchains",
                state="optional",
                found=f"no {' or '.join(tool.names)}: for {tool.use}, in suites that run code",
                remedy=_installing(tool),
            )


def not_working(path: str) -> str | None:
    """What a container engine says that can run nothing, as where its service is not up; None for others."""
    from tiltyard.reports.words import clean

    if Path(path).stem not in ("docker", "podman"):
        return None
    try:
        done = subprocess.run(
            [path, "info"], capture_output=True, text=True, timeout=ANSWERS_WITHIN_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return type(error).__name__
    lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
    return clean(lines[-1], 100) if done.returncode else None


def _installing(tool: Tool) -> str:
    if sys.platform == "darwin":
        return f"brew install {tool.brew}"
    if sys.platform == "win32":
        return f"winget install {tool.winget}"
    if shutil.which("apt-get"):
        return f"apt-get install {tool.apt}"
    return f"install {' or '.join(tool.names)} with this system's package manager"


# ------------------------------------------------------------------ showing


def show(checks: Sequence[Check]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for column in ("state", "topic", "found"):
        table.add_column(column, no_wrap=column != "found", overflow="fold")
    last = ""
    for check in checks:
        mark, colour = MARKS[check.state]
        said = Text(check.found)
        if check.remedy:
            said.append(f"\n→ {check.remedy}", style="dim")
        topic = check.topic if check.topic != last else ""
        last = check.topic
        table.add_row(Text(f"{mark} {check.state}", style=colour), topic, said)
    Console(highlight=False, markup=False, emoji=False).print(table)
