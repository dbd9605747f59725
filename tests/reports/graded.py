"""Made-up graded runs: real tallies and summaries over seeded answers; no server needed."""

import random

from msgspec.structs import replace

from tests.reports import made
from tiltyard.records import Attempt, Exchange, Grade, Item, Message, Request, Timeline
from tiltyard.stats.sequential import rule_of
from tiltyard.suites.scoring import summarise_graded
from tiltyard.suites.stopping import Stopping
from tiltyard.suites.tally import Tally

GROUPS = ("history", "physics", "law")


class Graded(made.Maker):
    """Answers items `q0`.. of one set; a model of ability 0.8 is right on about 80 % of them.

    What is hard is hard for every model: an item's difficulty comes from its number alone.
    """

    def answers(self, n=200, ability=0.8, *, first=0, partial=False, errors=0, truncated=0, stage="mcq"):
        self.tally = Tally()
        for place in range(first, first + n):
            hard = random.Random(f"item {place}").random()
            right = hard + self.rng.gauss(0, 0.15) < ability
            outcome = "correct" if right else "partial" if partial and self.rng.random() < 0.5 else "wrong"
            if place - first < errors:
                outcome = "error"
            elif place - first < errors + truncated:
                outcome = "truncated"
            score = {"correct": 1.0, "partial": 0.5}.get(outcome, 0.0)
            self.add(place, outcome, score, stage)
        return self

    def add(self, place, outcome, score, stage):
        failed = outcome == "error"
        one = self.stage(stage, n=1).attempts[-1]
        request = Request(
            model=self.model.name, messages=(Message(role="user", content=f"question {place}"),)
        )
        exchange = Exchange(
            request=request, timeline=Timeline(scheduled_ns=0, started_ns=0), text="Answer: B",
            ending="connect_error" if failed else "ok",
            finish_reason="length" if outcome == "truncated" else "stop",
        )  # fmt: skip
        grade = Grade(
            outcome=outcome, score=score, rule="label", reasons=("labelled",), details={"letter": "B"}
        )
        attempt: Attempt = replace(
            one, item_id=f"q{place}", item_hash=f"h{place}", repetition=0, exchanges=(exchange,), grade=grade
        )
        self.attempts[-1] = attempt
        spec = {"number": place, "group": GROUPS[place % 3]}
        self.tally.add(Item(id=f"q{place}", content_hash=f"h{place}", spec=spec), attempt)

    def run(self, suite="mcq", items="set1", stop_when=None, **more):
        if stop_when:
            self.tally.stopping = Stopping(rule_of(stop_when))
        speed = super().run(profile="")
        summary = {
            "event": "summary", "schema": "tiltyard.summary/1", "suite": suite, "model": self.model.name,
            "run_id": self.id, "state": "finished", **summarise_graded(self.tally, ()),
            "rates": {"position_bias": {"value": 0.04, "ci95": [0.01, 0.08], "n": 200}},
            **{key: speed.summary[key] for key in ("client", "machine", "load")}, "notes": [],
        }  # fmt: skip
        settings = {"items": items, "temperature": 0.0, "max_tokens": 2048}
        command = f"tiltyard run {suite} questions.csv --model {self.model.name}"
        run = replace(speed, suite=suite, settings=settings, command=command, summary={**summary, **more})
        self.attempts = [replace(attempt, exchanges=()) for attempt in self.attempts]
        return run


def graded(name="qwen3:8b", ability=0.8, n=200, decode=40.0, *, seed=1, quantization="Q4_K_M", **more):
    maker = Graded(name, decode, seed=seed, size_bytes=4_920_000_000, quantization=quantization)
    return maker.answers(n, ability, **more)
