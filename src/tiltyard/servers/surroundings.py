"""What the environment of a server's process says, where its API is silent: settings that change results.

Only of a process on this machine whose environment we may read; of all others nothing is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit


def environment_of(url: str, names: Sequence[str]) -> dict[str, str]:
    """The named variables of whoever listens at a local address; empty where nobody may look."""
    import psutil

    port = urlsplit(url).port
    try:
        sockets = psutil.net_connections("tcp")
        pids = {s.pid for s in sockets if s.status == psutil.CONN_LISTEN and s.laddr and s.laddr.port == port}
        found = [psutil.Process(pid).environ() for pid in pids if pid is not None]
    except (psutil.Error, OSError):
        return {}
    return {name: each[name] for each in found for name in names if each.get(name)}
