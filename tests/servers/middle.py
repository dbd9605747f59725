"""Programs between a client and a server, on real sockets: a base that takes in connections."""

from __future__ import annotations

import socket
import threading


class Middle:
    """Listens on a free port and gives each connection to `serve`, in a thread of its own."""

    def __init__(self, target: int) -> None:
        self.target = target  # the port of the server behind it
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def serve(self, client: socket.socket) -> None:
        raise NotImplementedError

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()
