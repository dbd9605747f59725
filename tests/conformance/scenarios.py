"""What a server sends and when, in no dialect, and the truth that follows from it.

Times are in ms after the request was received. Steps of one time are one write. The first six scenarios are
the published comparison of the field; the others are ours.
"""

from __future__ import annotations

from typing import NamedTuple

PAYLOAD = ("content", "reasoning", "tool")


class Step(NamedTuple):
    ms: float
    kind: str  # role, content, reasoning, tool, ping, finish, usage, error, done, cut
    text: str = ""
    tokens: int = 0


class Scenario(NamedTuple):
    name: str
    steps: tuple[Step, ...]
    ending: str = "ok"
    usage: str = "trailing"  # trailing, finish, none
    headers_late: bool = False  # with the first event instead of at once
    only: tuple[str, ...] = ()  # dialects that can express it; none named: all
    split_at: tuple[
        float, ...
    ] = ()  # writes whose last event is cut inside a character, the rest coming then

    @property
    def payload(self) -> list[Step]:
        return [step for step in self.steps if step.kind in PAYLOAD]

    @property
    def tokens(self) -> int:
        return sum(step.tokens for step in self.steps)


def texts(
    n: int, *, first: float = 300.0, gap: float = 40.0, kind: str = "content", tokens: int = 1
) -> list[Step]:
    return [Step(first + i * gap, kind, "word " * tokens, tokens) for i in range(n)]


def ended(steps: list[Step], after: float = 0.0) -> tuple[Step, ...]:
    """With finish, usage and the end of the stream `after` ms later."""
    last = steps[-1].ms + after
    return (*steps, Step(last, "finish"), Step(last, "usage"), Step(last, "done"))


ROLE = Step(20, "role")
SSE = ("openai", "llamacpp", "vllm", "sglang", "mlx", "lmstudio")
JITTER = (0, 13, 95, 101, 180, 190, 260, 333, 340, 480)
BURST = texts(10, gap=160, tokens=4)
TOOL = [Step(300, "tool", "{", 2), *[Step(340 + 40 * i, "tool", '"a"', 1) for i in range(9)]]

OPEN, CLOSE = Step(300, "content", "<think>", 1), Step(700, "content", "</think>yes ", 1)

SCENARIOS = (
    Scenario("role", ended([ROLE, *texts(20)])),
    Scenario("reason", ended([ROLE, *texts(10, kind="reasoning"), *texts(10, first=700)])),
    Scenario("burst", ended([ROLE, *BURST])),
    Scenario("tail", ended([ROLE, *texts(20)], 500)),
    Scenario("nousage", ended([ROLE, *BURST]), usage="none"),
    Scenario("err", (ROLE, *texts(1), Step(340, "error")), ending="error_midstream"),
    Scenario(
        "coalesced", ended([ROLE, *[Step(300 + 160 * (i // 4), "content", "word ", 1) for i in range(40)]])
    ),
    Scenario("speculative", ended([ROLE, *texts(1), *texts(9, first=460, gap=160, tokens=4)])),
    Scenario("split_utf8", ended([ROLE, *texts(19), Step(1060, "content", "né ", 1)]), split_at=(1060,)),
    Scenario("jitter", ended([ROLE, *[Step(300 + ms, "content", "word ", 1) for ms in JITTER]])),
    Scenario("pings", ended([*[Step(50.0 * i, "ping") for i in range(1, 6)], *texts(20)])),
    Scenario("usage_on_finish", ended([ROLE, *texts(20)]), usage="finish", only=SSE),
    Scenario("tool_only", ended([ROLE, *TOOL]), only=SSE),
    Scenario("think_tags", ended([OPEN, *texts(9, first=340), CLOSE, *texts(9, first=740)])),
    Scenario("late_headers", ended([ROLE, *texts(20)]), headers_late=True),
    Scenario("truncated", (ROLE, *texts(10), Step(700, "cut")), ending="truncated"),
    Scenario(
        "no_done", (ROLE, *texts(20), Step(1060, "finish"), Step(1060, "usage"), Step(1060, "cut")), only=SSE
    ),
    Scenario("empty", (Step(300, "done"),), ending="empty", only=SSE),
)
