"""What all sites of one simulator share: settings, timers, truth, faults, and who it is.

It listens nowhere; that is the business of `server.py`.
"""

from __future__ import annotations

from tiltyard import __version__
from tiltyard.servers.simulator.config import SimConfig
from tiltyard.servers.simulator.connection import Connection, Reply, Request, json_reply
from tiltyard.servers.simulator.faults import FAULTS, Fault, choose, parse_fault
from tiltyard.servers.simulator.pace import Pacer
from tiltyard.servers.simulator.shapes import Prepared
from tiltyard.servers.simulator.truth import Truth


class World:
    """The state behind every port."""

    def __init__(self, config: SimConfig, pacer: Pacer) -> None:
        self.config = config
        self.pacer = pacer
        self.truth = Truth(config.truth_requests, config.truth_writes)
        self.prepared = Prepared()
        self.connections: set[Connection] = set()
        self.faults: list[Fault] = [parse_fault(text) for text in config.faults]
        self.always = [fault for fault in self.faults if fault[2:] == (None, None, None)]
        self.standing = choose(self.always, None, 0, config.seed)
        self.number = 0
        self.urls: dict[str, str] = {}
        self._seen: dict[int, int] = {}

    def occurrence(self, key: int) -> int:
        """How often this very prompt came before: repetitions differ, yet in a way that can be repeated."""
        if len(self._seen) > 100_000:
            self._seen.clear()
        before = self._seen.get(key, 0)
        self._seen[key] = before + 1
        return before

    def about(self, request: Request) -> Reply:
        """`/tiltyard`, `/tiltyard/truth`, `/tiltyard/faults`."""
        if request.path == "/tiltyard/truth":
            if request.method == "DELETE":
                self.truth.reset()
                self._seen.clear()
                self.number = 0
                return json_reply({"reset": True})
            since = request.query.get("since", "0")
            return json_reply(self.truth.read(int(since) if since.isdigit() else 0, request.query.get("id")))
        if request.path == "/tiltyard/faults":
            return json_reply(dict(FAULTS))
        if request.path != "/tiltyard":
            return json_reply({"error": "there are /tiltyard, /tiltyard/truth and /tiltyard/faults"}, 404)
        models = [
            {"name": model.name, "digest": model.digest, "quantization": model.quantization}
            for model in self.config.models
        ]
        return json_reply(
            {"server": "tiltyard-simulator", "version": __version__, "models": models, "urls": self.urls}
        )
