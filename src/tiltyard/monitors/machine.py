"""What this machine is, in facts that can change a measurement. No host name, no user name, no serial number.

Everything is read from files and cheap calls; what a platform does not tell is None.
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tiltyard import __version__
from tiltyard.monitors.providers import find_providers
from tiltyard.monitors.sysfs import text_of
from tiltyard.records import Json
from tiltyard.settings import child_environment

ANSWERED_S = 10.0  # what a driver may need that wakes several sleeping GPUs
SAID_S = 1.0
HYPERVISORS = (
    "KVM",
    "QEMU",
    "VMware",
    "VirtualBox",
    "Virtual Machine",
    "Xen",
    "Google Compute",
    "Amazon EC2",
    "Parallels",
)


def describe_machine(root: Path = Path("/")) -> dict[str, Json]:
    """A JSON object for the run's record; `root` is where /proc and /sys are looked for."""
    thread, found = asked_for_gpus(root)
    thread.join(ANSWERED_S)
    return {**facts(root), "gpus": list(found)}


async def this_machine(say: Callable[[str], None]) -> dict[str, Json]:
    """The same of the machine we are on, without holding up the loop; says for whom it waits."""
    thread, found = asked_for_gpus(Path("/"))
    begun, said = time.perf_counter(), False
    while thread.is_alive() and time.perf_counter() - begun < ANSWERED_S:
        if not said and time.perf_counter() - begun > SAID_S:
            said = True
            say(f"waiting for the GPU's driver to answer, {ANSWERED_S:.0f} s at most")
        await asyncio.sleep(0.002)  # no executor's thread, whose end a Ctrl+C would wait for
    return {**facts(Path("/")), "gpus": list(found)}


def asked_for_gpus(root: Path) -> tuple[threading.Thread, list[Json]]:
    """A thread that asks, and may be left behind: a driver can hang. The list is filled as it ends."""
    found: list[Json] = []
    thread = threading.Thread(target=lambda: found.extend(gpus(root)), daemon=True, name="tiltyard-gpus")
    thread.start()
    return thread, found


def facts(root: Path) -> dict[str, Json]:
    """All but the GPUs."""
    import psutil

    return {
        "os": operating_system(root),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "cpu": cpu_model(root),
        "cores": psutil.cpu_count(logical=False),
        "threads": psutil.cpu_count(),
        "usable_threads": usable_threads(),
        "ram_bytes": int(psutil.virtual_memory().total),
        "virtualised": virtualised(root),
        "governor": text_of(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "python": platform.python_version(),
        "tiltyard": __version__,
    }


def usable_threads() -> int | None:
    """Processors this process may run on; fewer than `threads` in a container or under taskset."""
    ask = getattr(os, "sched_getaffinity", None)
    return len(ask(0)) if ask is not None else os.cpu_count()


def operating_system(root: Path) -> str:
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    if sys.platform == "win32":
        return f"Windows {platform.version()}"
    release = text_of(root / "etc/os-release") or ""
    pretty = re.search(r'^PRETTY_NAME="?(.*?)"?$', release, flags=re.MULTILINE)
    return pretty.group(1) if pretty else platform.system()


def cpu_model(root: Path) -> str | None:
    if sys.platform == "darwin":
        return sysctl("machdep.cpu.brand_string")
    info = text_of(root / "proc/cpuinfo") or ""
    for key in ("model name", "Model", "Hardware", "cpu"):
        named = re.search(rf"^{key}\s*:\s*(.+)$", info, flags=re.MULTILINE)
        if named:
            return named.group(1).strip()
    return text_of(root / "sys/firmware/devicetree/base/model") or platform.processor() or None


def sysctl(name: str) -> str | None:
    try:
        done = subprocess.run(
            ["sysctl", "-n", name],
            capture_output=True,
            text=True,
            timeout=2,
            check=False,
            env=child_environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def virtualised(root: Path) -> str | None:
    """The hypervisor's or container's name, "yes" where only the processor tells, None when nothing does."""
    product = text_of(root / "sys/class/dmi/id/product_name") or ""
    vendor = text_of(root / "sys/class/dmi/id/sys_vendor") or ""
    for word in HYPERVISORS:
        if word.lower() in f"{vendor} {product}".lower():
            return word
    if (root / ".dockerenv").exists() or (root / "run/.containerenv").exists():
        return "container"
    flags = re.search(r"^flags\s*:.*\bhypervisor\b", text_of(root / "proc/cpuinfo") or "", flags=re.MULTILINE)
    if "microsoft" in platform.release().lower():
        return "WSL"
    return "yes" if flags else None


def gpus(root: Path) -> list[Json]:
    """Name, driver and memory of each GPU that can be seen."""
    found: list[Json] = []
    for provider, devices in find_providers(root):
        found += [
            {
                "name": d.name,
                "vendor": d.vendor,
                "driver": d.driver,
                "memory_bytes": d.memory_total_bytes,
                "unified_memory": d.unified_memory,
            }
            for d in devices
            if d.kind == "gpu"
        ]
        provider.close()
    return found
