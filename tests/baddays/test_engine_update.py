"""An engine that was updated between two runs: old figures must not pass for new ones."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.baddays.conftest import Tiltyard, quick, simulated
from tests.servers.middle import Middle

NEWER = {"lmstudio": (b"1.52.0", b"1.99.9"), "mlx": (b"0.32.0", b"0.99.0")}


class Between(Middle):
    """A forwarder that writes a newer version into every answer, once `updated`; sizes stay as they are."""

    def __init__(self, url: str, versions: tuple[bytes, bytes]) -> None:
        self.versions = versions
        self.updated = False
        super().__init__(int(url.rstrip("/").rpartition(":")[2]))
        self.url = f"http://127.0.0.1:{self.port}"

    def serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            back = threading.Thread(target=self._pass, args=(client, server, False), daemon=True)
            back.start()
            self._pass(server, client, True)
            with suppress(OSError):
                client.shutdown(socket.SHUT_RD)
            back.join()

    def _pass(self, source: socket.socket, goal: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 20):
                goal.sendall(data.replace(*self.versions) if answers and self.updated else data)
            goal.shutdown(socket.SHUT_WR)


@contextmanager
def between(dialect: str) -> Iterator[Between]:
    with simulated(dialects=(dialect,)) as simulator:
        made = Between(simulator.url(dialect), NEWER[dialect])
        yield made
        made.close()


@pytest.mark.parametrize("dialect", NEWER)
def test_a_version_that_only_answers_tell_is_part_of_what_a_run_is(tiltyard: Tiltyard, dialect: str) -> None:
    with between(dialect) as server:
        first = tiltyard(*quick(server.url, "--json")).summary()
        again = tiltyard(*quick(server.url, "--json")).summary()
        server.updated = True
        updated = tiltyard(*quick(server.url, "--json")).summary()
    assert (first.get("cached"), again.get("cached"), updated.get("cached")) == (None, True, None)
    assert again["run_id"] == first["run_id"] != updated["run_id"]
    versions = [each["server"]["version"].encode() for each in (first, updated)]
    assert NEWER[dialect][0] in versions[0]
    assert NEWER[dialect][1] in versions[1]
    compared = tiltyard("compare", "--by", "engine_version")
    assert compared.code == 0, compared.err
    assert all(version.decode() in " ".join(compared.out.split()) for version in versions)
