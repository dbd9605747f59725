"""One chat request from receipt to close: queue, load, prefill, tokens, end, with the faults that befall it.

`Turn.play` is a generator: what it yields is the time at which it wants to go on. It decides when bytes
leave; what they look like is the shape's business, and how they are framed the stream's.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Generator, Iterator
from typing import Protocol

from tiltyard.servers.simulator.answer import Answer, Ask, Piece, pieces
from tiltyard.servers.simulator.config import SimConfig, SimModel
from tiltyard.servers.simulator.connection import Reply, Request, now_ns
from tiltyard.servers.simulator.engine import Engine, Slot
from tiltyard.servers.simulator.faults import ERROR_FORMS
from tiltyard.servers.simulator.pace import Pacer
from tiltyard.servers.simulator.shapes import Prepared, Shape, Spent
from tiltyard.servers.simulator.stream import Stream
from tiltyard.servers.simulator.truth import Entry, Truth

# Faults that need every event in its own hands; without them babble goes out as prepared bytes.
_BY_HAND = frozenset(
    {"error_midstream", "stall", "disconnect", "reset", "pings", "empty_200", "odd_choices", "token_repeat"}
)
_FIRST_CHUNK = 2048  # prompt tokens in vLLM's first engine step


class Place(Protocol):
    """Where turns are served: what a `Site` has for them."""

    config: SimConfig
    pacer: Pacer
    truth: Truth
    prepared: Prepared

    def engine(self, model: SimModel) -> Engine:
        """The state of a model."""

    def take_in(self, engine: Engine) -> None:
        """A model is in memory now."""


class Turn:
    """One request being answered."""

    def __init__(self, site: Place, request: Request, entry: Entry, shape: Shape) -> None:
        self.site = site
        self.request = request
        self.entry = entry
        self.shape = shape
        self.ask: Ask = shape.ask
        self.answer: Answer = shape.answer
        self.faults = shape.faults
        self.engine: Engine = site.engine(self.ask.model)
        self.spent = Spent(prompt=len(self.ask.prompt))
        self.stream = Stream(request.connection, entry, self.faults, shape.content_type)
        self.stream.per_event = site.config.http_chunk == "event"
        self.stream.merge = self.engine.timeless
        self.running: Iterator[int] | None = None
        self.slot: Slot | None = None
        self.waited = False
        self.dead = False
        self.opened = False
        self.mute = "empty_200" in self.faults and not shape.has_choices  # the stream has no event at all
        self.due = 0  # when the event in hand should leave
        self.index = 0  # tokens sent

    def begin(self) -> bool:
        """Take a slot or a place in the queue; False when that is full."""
        self.request.connection.on_lost = self.lost
        started = self.engine.acquire(self.ask.prompt, self.start)
        self.waited = started and self.slot is None
        return started

    def start(self, slot: Slot) -> None:
        """The slot is ours."""
        self.slot = slot
        if self.dead:
            self._leave()
            return
        self.entry.started_ns = now_ns() if self.waited else self.request.received_ns
        self.spent.queue_ns = self.entry.queue_ns = self.entry.started_ns - self.request.received_ns
        self.running = self.play()
        self.site.pacer.start(self.running, self.stream.settle)

    def lost(self) -> None:
        """The client went away."""
        self.dead = True
        self.stream.close_entry(False)
        if self.running is None:
            self.engine.forget(self.start)
        elif hasattr(self.running, "close"):
            self.running.close()

    def _leave(self) -> None:
        slot, self.slot = self.slot, None
        if slot is None:
            return
        if self.index:
            slot.cached = (
                [*self.ask.prompt, *self.answer.content] if not self.engine.timeless else self.ask.prompt
            )
        self.engine.decoded += self.index
        self.engine.prefilled += self.spent.fresh
        self.engine.decode_ns += self.spent.decode_ns
        self.engine.prefill_ns_spent += self.spent.prefill_ns
        self.entry.output_tokens = self.index
        self.entry.reasoning_tokens = min(self.index, len(self.answer.reasoning))
        self.site.truth.close(self.entry)
        following = self.engine.release(slot)
        if following is not None:
            asyncio.get_running_loop().call_soon(following[0], following[1])

    def play(self) -> Iterator[int]:
        """The whole answer; the slot is given back whatever happens."""
        try:
            yield from self._before()
            if not self.ask.stream:
                yield from self._silently()
            else:
                broken = yield from self._speak()
                if not broken:
                    yield from self._finish()
        finally:
            self._leave()

    # ---- before the first token

    def _before(self) -> Iterator[int]:
        faults, received = self.faults, self.request.received_ns
        at = self.entry.started_ns or received
        ahead = sorted(self._ahead())
        if "stall_first" in faults or "jit_load" in faults:
            at += (
                faults.ms("stall_first", 60_000) if "stall_first" in faults else faults.ms("jit_load", 3_000)
            )
            yield at
        greeting = self.shape.greeting() if self.ask.stream else None
        if greeting is not None:
            self.stream.put(greeting)
            self.stream.flush()
        loading = 0
        if not self.engine.resident or "load_ms" in faults:
            loading = self.engine.load_ns(faults)
        if loading:
            yield from self._telling(at, loading)
            at += loading
        self.site.take_in(self.engine)
        if "jit_load" in faults:
            loading += faults.ms("jit_load", 3_000)
        self.spent.load_ns = self.entry.load_ns = loading
        slot = self.slot
        cached = self.engine.cached(slot, self.ask.prompt, self.ask.cache) if slot is not None else 0
        self.spent.cached = self.entry.cached_tokens = cached
        self.entry.prompt_tokens = self.spent.prompt
        self.spent.prefill_ns = self.engine.prefill_ns(cached, self.spent.prompt, faults)
        self.due = at + self.spent.prefill_ns
        if self.ask.stream:
            ahead = sorted([*ahead, *self._during(at)])
            for moment, event in ahead:
                yield moment
                if event:
                    self.stream.put(event)
                    self.stream.flush()
                else:
                    self.stream.open()
        yield self.due

    def _telling(self, start: int, length: int) -> Iterator[int]:
        """Wait for a load, telling of it where the dialect does."""
        for share in (0.0, 0.5, 1.0):
            yield start + int(length * share)
            event = self.shape.loading(share, length) if self.ask.stream else None
            if event is not None:
                self.stream.put(event)
                self.stream.flush()

    def _ahead(self) -> list[tuple[int, bytes]]:
        """Events at times counted from receipt; empty bytes are the bare headers."""
        out: list[tuple[int, bytes]] = []
        if not self.ask.stream:
            return out
        received = self.request.received_ns
        if "early_headers" in self.faults or self.request.connection.http10:
            out.append((received + self.faults.ms("early_headers", 0), b""))
        if "role_first" in self.faults:
            role = self.shape.role() or self.shape.empty()
            out.append((received + self.faults.ms("role_first", 20), role))
        return out

    def _during(self, start: int) -> list[tuple[int, bytes]]:
        """Events during prefill, which ends at `self.due`."""
        out: list[tuple[int, bytes]] = []
        length, spent = self.spent.prefill_ns, self.spent
        if self.shape.role_early and "role_first" not in self.faults and spent.fresh > _FIRST_CHUNK:
            role = self.shape.role()
            if role is not None:
                out.append((start + length * _FIRST_CHUNK // spent.fresh, role))
        period = (
            self.faults.ms("pings", 10) if "pings" in self.faults else int(self.site.config.pings_ms * 1e6)
        )
        if period > 0:
            moments = range(start + period, self.due, period)[:10_000]  # sliced first: there may be billions
            out += [(moment, self.shape.ping()) for moment in moments]
        steps = max(1, -(-spent.fresh // _FIRST_CHUNK))
        for step in range(steps + 1):
            event = self.shape.progress(spent.fresh * step // steps, spent)
            if event is not None:
                out.append((start + length * step // steps, event))
        return out

    # ---- tokens

    def _speak(self) -> Generator[int, None, bool]:
        """All tokens. Returns whether the stream has broken off."""
        if self._prepared():
            yield from self._prepared_tokens()
            return False
        return (yield from self._tokens_by_hand())

    def _open(self) -> None:
        """What goes out together with the first token."""
        if self.opened:
            return
        self.opened = True
        early = self.shape.role_early and self.spent.fresh > _FIRST_CHUNK
        if "role_first" not in self.faults and not early:
            for event in self.shape.opening():
                self.stream.put(event)
        if "empty_first" in self.faults:
            for _ in range(int(self.faults.number("empty_first", 3))):
                self.stream.put(self.shape.empty())

    def _prepared(self) -> bool:
        answer = self.answer
        return (
            self.stream.prepared_ok
            and not self.shape.variable
            and not answer.calls
            and not _BY_HAND & self.faults.keys()
            and (answer.content_variant is not None or not answer.content)
            and (answer.reasoning_variant is not None or not answer.reasoning)
        )

    def _per_chunk(self) -> int:
        return (
            max(1, int(self.faults.number("tokens_per_chunk", 4)))
            if "tokens_per_chunk" in self.faults
            else max(1, self.ask.model.tokens_per_chunk)
        )

    def _prepared_tokens(self) -> Iterator[int]:
        per, stream = self._per_chunk(), self.stream
        framed = stream.chunked and stream.per_event
        timed = not self.engine.timeless or "ttft_ms" in self.faults or "token_ms" in self.faults
        for kind, said, variant in (
            ("r", self.answer.reasoning, self.answer.reasoning_variant),
            ("c", self.answer.content, self.answer.content_variant),
        ):
            if not said or variant is None:
                continue
            blob, ends = self.site.prepared.events(self.shape, kind, variant, len(said), (per, framed))
            if timed:
                start = 0
                for end in ends:
                    yield from self._wait(per)
                    self._open()
                    stream.put_framed(blob[start:end])
                    self._sent(per)
                    start = end
            elif ends:
                self._open()
                stream.put_framed(blob)
                self._sent(per * len(ends))
            left = len(said) % per
            if left:
                yield from self._wait(left)
                self._open()
                stream.put(self.shape.piece(Piece(kind, "".join(said[-left:]), left), self.spent))
                self._sent(left)

    def _wait(self, tokens: int) -> Iterator[int]:
        """Wait for the next event of so many tokens."""
        faults, model = self.faults, self.ask.model
        first = self.index == 0
        ttft_given = "ttft_ms" in faults or model.ttft_ms is not None
        # With a programmed time to first token the first event leaves then, however many tokens it holds:
        # the others were made before, so what the server claims of its prefill is that much less.
        count = 1 if first and ttft_given else tokens
        one = self.engine.token_ns(self.spent.prompt + self.index, faults)
        step, before = count * one, (tokens - count) * one
        self.spent.decode_ns += before
        self.spent.prefill_ns = max(self.spent.prefill_ns - before, 0)
        if model.jitter:
            draw = random.Random(f"{self.ask.number}|{self.index}|{self.site.config.seed}").random()
            step = int(step * (1 + model.jitter * (2 * draw - 1)))
        self.spent.decode_ns += step
        self.due += step
        if step:
            yield self.due

    def _sent(self, tokens: int) -> None:
        self.stream.flush(self.index, tokens)
        self.index += tokens
        self.spent.output = self.index

    def _tokens_by_hand(self) -> Generator[int, None, bool]:
        faults, stream, shape = self.faults, self.stream, self.shape
        stall_at = 2 if "stall" in faults else -1
        error_at = self._after("error_midstream") if "error_midstream" in faults else -1
        break_at = min((self._after(name) for name in ("disconnect", "reset") if name in faults), default=-1)
        for number, piece in enumerate(pieces(self.answer, self._per_chunk(), shape.whole_calls)):
            if 0 <= break_at <= self.index:
                stream.settle()
                stream.open()
                stream.break_off("reset" in faults)
                return True
            if 0 <= error_at <= self.index:
                return self._fail()
            if 0 < stall_at <= self.index:
                stall_at = -1
                self.due += faults.ms("stall", 60_000)
                stream.settle()
            yield from self._wait(piece.tokens)
            self._open()
            if "pings" in faults and number % 4 == 3:
                stream.put(shape.ping())
            odd = shape.odd() if "odd_choices" in faults else None
            if odd is not None:
                stream.put(odd)
            self.spent.output = self.index + piece.tokens
            if faults.get("reasoning") == "tags" and piece.kind == "r":
                piece = piece._replace(kind="c")  # noqa: PLW2901
            if not self.mute:
                stream.put(shape.piece(piece, self.spent))
            self._sent(piece.tokens)
            if stream.rest:
                yield now_ns() + 2_000_000
                stream.write_rest()
        if error_at >= 0:
            return self._fail()
        return False

    def _after(self, name: str) -> int:
        return int(self.faults.number(name, 2))

    def _fail(self) -> bool:
        form = self.faults.get("error_midstream")
        if form not in ERROR_FORMS:  # a number, or nothing
            form = self.shape.error_form
        events = self.shape.error(form)
        for event in events:
            self.stream.put(event)
        self.stream.flush()
        if events and form != "close":
            self.stream.end()
        else:
            self.stream.break_off()
        return True

    # ---- the end

    def _finish(self) -> Iterator[int]:
        faults, stream = self.faults, self.stream
        now = now_ns()
        self.spent.total_ns = now - self.request.received_ns
        if "late_finish" in faults:
            self.due = max(self.due, now) + faults.ms("late_finish", 500)
            stream.settle()
            yield self.due
        silent = self.answer.repeats or "no_finish" in faults or self.mute
        events = [] if silent else self.shape.closing(self.spent)
        if "no_done" in faults and events and b"[DONE]" in events[-1]:
            del events[-1]
        if "unterminated" in faults and events:
            for event in events[:1]:
                stream.put(event.rstrip(b"\r\n"))
        else:
            for event in events:
                stream.put(event)
        stream.flush()
        if "late_close" in faults:
            stream.settle()
            yield now_ns() + faults.ms("late_close", 500)
        if stream.rest:
            yield now_ns() + 2_000_000
            stream.write_rest()
        stream.end_now()

    def _silently(self) -> Iterator[int]:
        """Without streaming: the same time passes, then the whole answer."""
        for piece in pieces(self.answer, self._per_chunk(), self.shape.whole_calls):
            yield from self._wait(piece.tokens)
            self.index += piece.tokens
        self.spent.output = self.index
        self.spent.total_ns = now_ns() - self.request.received_ns
        body = self.shape.whole(self.spent)
        self.request.connection.reply(Reply(200, body), self.entry, self.index)
        self.stream.close_entry(True)
