"""One model on one simulated server: residency, slots with a queue, prefix cache and the model of time.

Durations are nanoseconds of real time, so `speedup` and the no-delay mode are already in them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tiltyard.servers.simulator.config import SimConfig, SimModel
from tiltyard.servers.simulator.faults import Faults
from tiltyard.servers.simulator.tokens import common_prefix

_SIMILAR = 0.1  # a slot is taken for its cache when it shares this much of the prompt
_LOOKED_AT = 16  # of very many free slots only the latest are compared


class Slot:
    """A place to work; it remembers the tokens of its last prompt and answer."""

    __slots__ = ("busy", "cached", "number", "tasks")

    def __init__(self, number: int) -> None:
        self.number = number
        self.busy = False
        self.cached: list[str] = []
        self.tasks = 0


class Engine:
    """The state of one model. `resident` models answer at once, the others are loaded first."""

    def __init__(self, model: SimModel, config: SimConfig, resident: bool) -> None:
        self.model = model
        self.resident = resident
        self.context = model.context
        self.expires: float | None = None  # Unix time at which Ollama would drop it
        self.busy = 0
        self.decoded = 0
        self.prefilled = 0
        self.decode_ns = 0
        self.prefill_ns_spent = 0
        self._scale = 1e9 / config.speedup if config.delay else 0.0
        self.slots = [Slot(number) for number in range(model.slots)]
        self._waiting: deque[tuple[list[str], Callable[[Slot], None]]] = deque()
        self._free = list(self.slots)  # the one idle longest first

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def loadable(self, context: int) -> int:
        """How much of a context it loads with."""
        return min(context, self.model.context_most or context)

    def acquire(self, prompt: list[str], start: Callable[[Slot], None]) -> bool:
        """Call `start` with a slot, now or later in turn; False when the queue is full."""
        if self.busy < len(self.slots):
            start(self._take(prompt))
            return True
        if len(self._waiting) >= self.model.queue:
            return False
        self._waiting.append((prompt, start))
        return True

    def forget(self, start: Callable[[Slot], None]) -> None:
        """Take a waiting request out of the queue."""
        self._waiting = deque(entry for entry in self._waiting if entry[1] != start)

    def release(self, slot: Slot) -> tuple[Callable[[Slot], None], Slot] | None:
        """Free the slot; gives what is next in the queue with its slot, for the caller to start."""
        slot.busy = False
        self.busy -= 1
        self._free.append(slot)
        if not self._waiting:
            return None
        prompt, start = self._waiting.popleft()
        return start, self._take(prompt)

    def _take(self, prompt: list[str]) -> Slot:
        """As llama-server: the free slot that shares most with the prompt, else the one idle longest."""
        free = self._free
        slot = free[0]
        if self.model.prefix_cache:
            most = max(1, len(prompt) * _SIMILAR)
            for each in free[-_LOOKED_AT:]:
                shared = common_prefix(each.cached, prompt)
                if shared >= most:
                    slot, most = each, shared
        free.remove(slot)
        slot.busy = True
        slot.tasks += 1
        self.busy += 1
        return slot

    def flush_cache(self) -> None:
        for slot in self.slots:
            slot.cached = []

    def cached(self, slot: Slot, prompt: list[str], allowed: bool) -> int:
        """Prompt tokens that need no work. At least one is always evaluated, for its logits."""
        if not allowed or not self.model.prefix_cache or not prompt:
            return 0
        return min(common_prefix(slot.cached, prompt), len(prompt) - 1)

    def load_ns(self, faults: Faults) -> int:
        if "load_ms" in faults:
            return faults.ms("load_ms", self.model.load_ms)
        return int(self.model.load_ms / 1e3 * self._scale)

    def prefill_ns(self, cached: int, prompt: int, faults: Faults) -> int:
        """Closed form of the integral over depth; see SimModel. An override counts to the first token."""
        if "ttft_ms" in faults or self.model.ttft_ms is not None:
            first = (
                faults.ms("ttft_ms", 0)
                if "ttft_ms" in faults
                else int((self.model.ttft_ms or 0) / 1e3 * self._scale)
            )
            return max(0, first - self.token_ns(prompt, faults))
        work: float = prompt - cached
        if self.model.half_depth:
            work += (prompt * prompt - cached * cached) / (2 * self.model.half_depth)
        return int(work / self.model.prefill_tps * self._scale)

    def token_ns(self, depth: int, faults: Faults) -> int:
        """The time of one token at this depth, with as many streams as are busy now."""
        if "token_ms" in faults:
            return faults.ms("token_ms", 0)
        if self.model.token_ms is not None:
            return int(self.model.token_ms / 1e3 * self._scale)
        factor = 1.0 + depth / self.model.half_depth if self.model.half_depth else 1.0
        if self.model.knee and self.busy > self.model.knee:
            factor *= self.busy / self.model.knee
        return int(factor / self.model.decode_tps * self._scale)

    @property
    def timeless(self) -> bool:
        return self._scale == 0.0
