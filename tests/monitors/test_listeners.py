"""Finding the process behind a port."""

from __future__ import annotations

import os
import socket

from tiltyard.monitors.watch import listeners


def test_the_process_behind_a_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert listeners(server.getsockname()[1]) == {os.getpid()}


def test_a_port_without_a_listener_has_none() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert listeners(unused.getsockname()[1]) is None
