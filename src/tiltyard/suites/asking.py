"""Asks the items of one stage and turns what comes back into attempts.

The load decides when each request starts and the server's client stamps what arrives. Reading, grading and
recording happen here, after the last byte, and give way while the loop is busy receiving: a saturated client
must not spend its time on answers that are already in. `record` takes the attempts, wherever they go.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from msgspec import field
from msgspec.structs import replace

from tiltyard.errors import UsageError
from tiltyard.load.generator import Ticket, drive
from tiltyard.load.lag import ClientMeter
from tiltyard.load.metrics import measure
from tiltyard.load.recount import recounted
from tiltyard.load.schedule import Load, left_of
from tiltyard.records import Attempt, Capture, Grade, Item, Record, Request
from tiltyard.servers.clock import now_ns, unix_offset_ns, utc_at
from tiltyard.servers.notes import ARRIVALS_MERGED, CLOCK_SET
from tiltyard.suites import Bench, Stage, StageResult, Suite
from tiltyard.suites.despair import Despair
from tiltyard.suites.keeping import rare_collections, without_words
from tiltyard.suites.narrow_enough import NarrowEnough
from tiltyard.suites.observed import seen_in
from tiltyard.suites.patience import Batches, failed_on_the_way, wait_s
from tiltyard.suites.resuming import Key, Remaining, in_order, outage
from tiltyard.suites.spans import Spans, spans_of
from tiltyard.suites.telling import Teller

AHEAD = 16  # requests made ahead of time, at least
PAUSE_S = 0.003  # between two looks at whether there is time to read
BUSY_NS = 1_000_000  # a loop that comes back later than this is busy receiving
BUSY_FOR_NS = 10_000_000  # the loop counts as busy for that long after it came back late
BACKLOG_BYTES = 256 << 20  # unread answers kept while the loop is busy
BACKLOG_NS = 5_000_000_000  # the longest that an unread answer waits for a busy loop
QUIET_NS = 3_000_000  # waited after an answer, in case the next one ends right behind it
THICK_NS = 250_000_000  # the longest that answers coming in thick keep one waiting
CLOCK_SET_NS = 10_000_000_000  # a clock that is off by more was set: none runs so wrong by itself
LONG_BYTES = 16_384  # of an answer: reading it takes so long that another's first words may come meanwhile
UNREAD_GRADED = 4  # unread answers per stream, in stages with a tally


class Question(NamedTuple):
    """A request that is ready to be sent."""

    item: Item
    repetition: int
    request: Request


class Answer(NamedTuple):
    """A finished request that nobody has read yet."""

    question: Question
    capture: Capture
    ended_ns: int
    tried: int = 1  # in this sitting
    again: bool = False  # it is asked again: not the last word


class Sitting(Record, frozen=True):
    """What one sitting of a run shares between its stages."""

    run_id: str
    session: int
    record: Callable[[Attempt], Awaitable[None]]
    done: Mapping[Key, Attempt]  # answered in an earlier sitting: not asked again
    tries: Mapping[Key, int]  # tries already spent on what was not
    meter: ClientMeter
    teller: Teller
    origin_unix_ns: int = field(default_factory=unix_offset_ns)  # add to any stamp for this sitting's dates
    failed: Mapping[Key, Attempt] = {}  # failed in an earlier sitting: asked again in what is left


class StageAsker:
    """One stage under way: hands out items, keeps unread answers, makes attempts."""

    def __init__(self, stage: Stage, suite: Suite, bench: Bench, sitting: Sitting) -> None:
        self.stage, self.suite, self.bench, self.sitting = stage, suite, bench, sitting
        self.unread: deque[Answer] = deque()
        self.unread_bytes = 0
        self.work = asyncio.Event()  # an answer to read, or room for a request made ahead
        self.all_read = asyncio.Event()
        self.over = False
        self.busy_until_ns = 0
        self.attempts: list[Attempt] = []
        self.notes: Counter[str] = Counter()
        self.spans = Spans(stage.load)
        self.total = 0  # attempts
        self.ended = False  # by its own rule, with nothing left to ask
        self.despair = Despair(stage.patience)
        self.narrow_enough = NarrowEnough(stage.load)
        self.left = Remaining(stage, sitting.done, sitting.failed, self.count)
        earlier = [*sitting.done.values(), *sitting.failed.values()] if self.left.failed else []
        self.lost = outage(self.left.failed.values(), earlier)  # what failed since the server had gone
        self.batches = Batches(stage.load.concurrency, stage.patience.pause_s)
        self.ready: deque[Question] = deque()
        self.ahead = max(stage.load.streams, AHEAD)
        self.made = 0

    def prepare(self) -> bool:
        """Make one more request ahead of time; False when there are enough, or nothing is left to ask."""
        if len(self.ready) >= self.ahead:
            return False
        found = self.left.next(self.decided)
        if found is None:
            return False
        self.made += 1
        name = f"{self.sitting.run_id}-{self.sitting.session}-{self.stage.name}-{self.made}"
        request = self.suite.request(found[0], self.bench)
        request = replace(request, request_id=name, timeouts=self.bench.timeouts)
        self.ready.append(Question(*found, request))
        return True

    def next_question(self) -> Question | None:
        """The next request; of a stage that is decided only those that failed in an earlier sitting."""
        while self.ready or self.prepare():
            question = self.ready.popleft()
            self.work.set()
            if not self.decided or self.left.failed_before(question.item, question.repetition):
                return question
        return None

    async def fire(self, ticket: Ticket) -> bool:
        """Ask one item, again where its request fails on the way; False when nothing is left to ask."""
        patience = self.stage.patience
        while self.crowded:  # the store is behind
            await asyncio.sleep(PAUSE_S)
        await self.batches.enter(ticket.number)
        question = self.next_question()
        if question is None:
            return False
        number = self.despair.sent()
        capture = await self.bench.server.ask(question.request, scheduled_ns=ticket.scheduled_ns)
        for tried in range(patience.retries):
            if not failed_on_the_way(capture):
                break
            self.hand_over(Answer(question, capture, now_ns(), tried + 1, again=True))
            await asyncio.sleep(wait_s(capture, patience, tried))
            capture = await self.bench.server.ask(question.request)
        else:
            tried = patience.retries
        self.hand_over(Answer(question, capture, now_ns(), tried + 1))
        self.despair.arrived(number, capture)
        self.batches.leave()
        if self.stage.load.one_at_a_time and capture.size > LONG_BYTES:  # nothing arrives meanwhile
            await self.all_read.wait()
        if self.stage.load.kind == "closed" and (rest_s := self.despair.rest_s):  # others start on time
            await asyncio.sleep(rest_s)
        return True

    def hand_over(self, answer: Answer) -> None:
        """To be read when there is time."""
        self.unread.append(answer)
        self.unread_bytes += answer.capture.size
        self.all_read.clear()
        self.work.set()

    def take(self, item: Item | None, attempt: Attempt) -> None:
        """Count an attempt of this sitting, and what it says of the chance of the next ones."""
        self.left.asked(attempt)
        self.count(item, attempt)
        self.despair.took(attempt)

    def count(self, item: Item | None, attempt: Attempt) -> None:
        """Count an attempt, and keep it or hand it to the stage's tally."""
        self.total += 1
        self.notes.update(seen_in(attempt, self.stage.tally is not None))
        self.spans.add(attempt)
        self.despair.known(attempt)
        if self.stage.tally is None:
            self.attempts.append(without_words(attempt))
        elif item is not None:
            self.stage.tally(item, attempt)

    async def finish(self, answer: Answer) -> None:
        """Read, grade, measure and record one answer."""
        item, repetition, request = answer.question
        exchange = self.bench.server.read(request, answer.capture.opened())
        exchange = await recounted(self.bench.server, exchange, self.bench.settings.get("tokenizer"))
        if self.stage.tally is None and self.sitting.meter.held_up(exchange):
            exchange = replace(exchange, notes=(*exchange.notes, ARRIVALS_MERGED))
        timeline, origin_unix_ns = exchange.timeline, self.sitting.origin_unix_ns
        if abs(timeline.origin_unix_ns - origin_unix_ns) > CLOCK_SET_NS:
            exchange = replace(exchange, notes=(*exchange.notes, CLOCK_SET))
        key = (self.stage.name, item.id, repetition)
        try:
            grade = self.suite.grade(item, exchange)
        except Exception:  # noqa: BLE001 - a grader's bug must not lose the answer it stumbled over
            grade = Grade(outcome="error", score=0.0, reasons=(traceback.format_exc(),), rule="grader_failed")
        attempt = Attempt(
            run_id=self.sitting.run_id,
            stage=self.stage.name,
            item_id=item.id,
            item_hash=item.content_hash,
            repetition=repetition,
            started_at=utc_at(timeline.started_ns, origin_unix_ns),
            exchanges=(exchange,),
            measures=measure(exchange, alone=self.stage.load.one_at_a_time),
            grade=grade,
            try_no=self.sitting.tries.get(key, 0) + answer.tried,
            session=self.sitting.session,
            client_bound=self.sitting.meter.was_bound(timeline.scheduled_ns, answer.ended_ns),
        )
        await self.sitting.record(attempt)
        self.sitting.meter.saw(attempt)
        if answer.again:
            self.left.waits(item, attempt)
            self.sitting.teller.again(attempt)
            return
        self.take(item, attempt)
        self.sitting.teller.saw(self.stage, attempt)

    async def finish_all(self) -> None:
        """Work off the answers, one per turn of the loop while the stage runs, the rest when it is over."""
        while self.unread or not self.over:
            if not self.unread:
                self.work.clear()
                while not self.work.is_set() and self.prepare():
                    await asyncio.sleep(0)  # requests are made while nothing else is to do
                await self.work.wait()
                continue
            before = now_ns()
            await asyncio.sleep(0)
            if not self.over and not self.crowded and self.must_wait(now_ns() - before):
                await asyncio.sleep(PAUSE_S)
                continue
            await self.finish_oldest()
            while self.crowded:  # without a turn of the loop between them
                await self.finish_oldest()

    async def finish_oldest(self) -> None:
        oldest = self.unread.popleft()
        self.unread_bytes -= oldest.capture.size
        await self.finish(oldest)
        if not self.unread:
            self.all_read.set()

    @property
    def crowded(self) -> bool:
        """Are there more unread answers than a stage of any length should keep?

        A graded stage is not about the last token per second, and its memory must not grow.
        """
        return self.stage.tally is not None and len(self.unread) > UNREAD_GRADED * self.stage.load.concurrency

    def must_wait(self, turn_ns: int) -> bool:
        """Is something more urgent than reading the oldest answer under way? `turn_ns` took the loop's turn.

        A busy loop is receiving. And streams that began together end together: while answers are coming in
        thick, the requests that follow them go first.
        """
        now = now_ns()
        oldest = self.unread[0]
        age = now - oldest.ended_ns
        if oldest.capture.size > LONG_BYTES:
            if self.stage.load.one_at_a_time:
                return False  # the next request waits for it
            if age < THICK_NS and self.bench.server.unspoken():
                return True  # first words would merge with the next ones, and the wait for them seem longer
        if turn_ns > BUSY_NS:
            self.busy_until_ns = now + BUSY_FOR_NS
        if now < self.busy_until_ns:
            return age < BACKLOG_NS and self.unread_bytes < BACKLOG_BYTES
        return age < THICK_NS and now - self.unread[-1].ended_ns < QUIET_NS

    def settle(self) -> None:
        """Count what is known of the items that this sitting did not come to, or to ask again.

        Not what failed since the server had gone, where the load has come to its own end without it.
        """
        lost = set(map(id, self.lost)) if self.ended and not self.despair.gave_up else ()
        for item, attempt in self.left.settle():
            if id(attempt) in lost:
                continue
            if self.stage.tally is None:
                self.take(None, attempt)
            else:
                self.count(item, attempt)

    def result(self) -> StageResult:
        asked_all = self.decided or (self.stage.expected is not None and self.total >= self.stage.expected)
        return StageResult(
            stage=self.stage,
            attempts=in_order(self.attempts),
            wall_s=self.spans.wall_s,
            total=self.total,
            notes=self.notes,
            gave_up=self.despair.gave_up and not asked_all,
            owed=len(outage(self.attempts, self.attempts)),
        )

    def end(self) -> None:
        """Nothing more will be asked."""
        self.over = True
        self.work.set()

    async def warm_up(self) -> None:
        """Ask the first items without recording them, so that measurement starts on a warm server."""
        for item in self.left.first(self.stage.warmup):
            request = replace(self.suite.request(item, self.bench), timeouts=self.bench.timeouts)
            await self.bench.server.ask(request)

    def load(self) -> Load | None:
        """What is left of the stage's load after earlier sittings; None: nothing.

        Failures that nobody grades are results of a load: asked again alone, under less of it, they would
        succeed. Only those after its server had gone are not: its load, too, ends where they begin; nor are
        those of a load that was broken off before anything was answered.
        """
        load, failed = self.stage.load, list(self.left.failed.values())
        ungraded = [attempt for attempt in failed if attempt.grade is None]
        asked = self.left.already + len(ungraded)
        ended = left_of(load, asked, spans_of(load, [*self.attempts, *failed]).wall_s) is None
        lost = set(map(id, self.lost))
        if ended or self.attempts:
            self.left.keep(attempt for attempt in ungraded if id(attempt) not in lost)
            self.attempts = in_order(self.attempts)  # failures were counted after all answers
        spent_s = spans_of(load, [*self.attempts, *failed], self.lost).wall_s
        return None if self.was_narrow() else left_of(load, self.left.already, spent_s)

    def was_narrow(self) -> bool:
        """Had an earlier sitting ended for the width of the interval? Its last two looks are taken again."""
        values = self.watched()
        self.narrow_enough.look(values[:-1])
        return self.narrow_enough.look(values)

    def watched(self) -> list[float | None]:
        """The figure whose interval may end the stage, of each answer."""
        return [getattr(attempt.measures, self.stage.load.stop.metric) for attempt in self.attempts]

    @property
    def decided(self) -> bool:
        """Need nothing be asked that never was? What failed in an earlier sitting still is."""
        return self.stage.decided is not None and self.stage.decided()

    def should_stop(self) -> bool:
        """Has the stage given up or decided, or is the watched figure's interval narrow enough?"""
        if self.despair.decide() or (self.decided and not self.left.failed):
            return True
        return self.stage.load.stop.width is not None and self.narrow_enough.look(self.watched())


async def put_through(suite: Suite, bench: Bench, sitting: Sitting, results: list[StageResult]) -> None:
    """The suite's stages in order; each result is sent back in, for the next stage may depend on it."""
    stages = suite.stages(bench)
    try:
        stage = await anext(stages)
        while True:
            stage = await stages.asend(await ask_stage(stage, suite, bench, sitting, results))
    except StopAsyncIteration:
        return
    finally:
        await stages.aclose()


async def ask_stage(
    stage: Stage, suite: Suite, bench: Bench, sitting: Sitting, results: list[StageResult]
) -> StageResult:
    """Run one stage to its end; what an earlier sitting answered counts as answered.

    The result is appended to `results` even when the stage is interrupted or fails. Raises UsageError for a
    name that an earlier stage had: its attempts would pass for those.
    """
    if any(result.stage.name == stage.name for result in results):
        raise UsageError(f"two stages are called {stage.name!r}", "each needs a name of its own")
    asker = StageAsker(stage, suite, bench, sitting)
    load = asker.load()
    sitting.teller.start(stage, already=asker.left.already, spent_s=load.spent_s if load else 0.0)
    try:
        if load is not None and not (asker.attempts and asker.should_stop()):
            await asker.warm_up()
            while asker.prepare():
                await asyncio.sleep(0)
            if load.kind == "closed":
                await bench.server.open_connections(min(load.streams, len(asker.ready)))
            finisher = asyncio.create_task(asker.finish_all())
            driver = asyncio.create_task(drive(load, asker.fire, asker.should_stop))
            try:
                with rare_collections():
                    await asyncio.wait((driver, finisher), return_when=asyncio.FIRST_COMPLETED)
                    if driver.done():  # else nothing can be kept any more, and nothing more is asked
                        await driver
            finally:
                driver.cancel()
                await asyncio.wait((driver,))
                asker.end()
                await finisher
        asker.ended = True
    finally:
        asker.settle()
        results.append(asker.result())
    return results[-1]
