"""What this machine is, in facts that can change a measurement. No host name, no user name, no serial number.

Everything is read from files and cheap calls; what a platform does not tell is None.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from tiltyard import __version__
from tiltyard.monitors.providers import find_providers
from tiltyard.monitors.sysfs import text_of
from tiltyard.records import Json
from tiltyard.settings import child_environment

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
        "gpus": gpus(root),
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
