"""Profile `depth`: prefill and decode behind 0, 1k, 4k ... tokens of context, in llama-bench's words.

`pp512 @ d4096`: 512 fresh tokens behind a context of 4,096 that was processed before and is in the server's
prefix cache. `tg128 @ d4096`: 128 tokens generated behind such a context. A server that reuses no prefix, or
does not say whether it does, is measured by difference: 512 / (time of 4,608 cold tokens - time of 4,096),
and marked so. Depth 0 is then too, 512 tokens against 128: a whole wait holds more than prefill, and even the
server's own time of a prefill may have a part that is the same for every prompt.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Mapping, Sequence

from tiltyard.load.prefill import prompt_cut
from tiltyard.load.schedule import Load, Stop
from tiltyard.load.summary import as_json, guessed, widened
from tiltyard.records import Attempt, Figure, Json
from tiltyard.servers.preflight import can_be_told
from tiltyard.stats.figures import figure, t_quantile
from tiltyard.suites import Stage, StageResult
from tiltyard.suites.speed.trial import Trial

DEPTHS = (0, 1024, 4096, 16384, 32768)
ROOM = 64  # tokens kept free for template and task
WIDTH = 0.05
LEAST, MOST = 5, 10
SECONDS = 90.0  # at most, per stage
REUSED = 0.9  # of the context came from the cache: reuse works
FRESH = 0.1  # at most that much did: it does not
SLACK = 32  # tokens either way: a chat template's head, and caches that work in blocks
MOST_OF_THEM = 0.5  # of the requests found their context in the cache: the others are left out
WITHIN_ERROR = "the difference is within its own error"  # no rate then: it could be any
DEFAULT_CONTEXT = 4096  # where neither the server nor the user says


async def stages(trial: Trial) -> AsyncGenerator[Stage, StageResult]:
    """Two stages per depth; depths that do not fit into the loaded context are left out and said. One more,
    of short prompts, where a deeper one is measured by difference: then depth 0 has to be, too.
    """
    reuse = trial.prompts is not None and trial.prompts.scale.reports_cache
    short = 0  # tokens of the short prompts that depth 0 still needs
    lacking: dict[int, int] = {}  # depths that are left out, and the tokens of context that they need
    depths = trial.settings.depth_list() or DEPTHS
    for depth in depths:
        needed = depth + trial.prompt_tokens + trial.output_tokens + ROOM
        size = room(trial)
        if size is not None and needed > size:
            why = why_no_more(trial, size)
            trial.notes.append(f"d{depth} left out: it needs a context of {needed} tokens, {why}")
            lacking[depth] = needed
            continue
        for fresh, output in ((trial.prompt_tokens, 1), (0, trial.output_tokens)):
            item = trial.item(prompt_tokens=fresh, output_tokens=output, depth=depth, reuse=reuse)
            result = yield trial.stage(stage_name(fresh, output, depth), load(trial, fresh), item, warmup=1)
            if fresh and depth and reuse and none_reused(depth, result.attempts):
                reuse = False  # it could tell, and it does not: from here on by difference
            if fresh and not depth:
                short = short_tokens(trial) if max(depths) else 0
            elif short and not reuse:
                item = trial.item(prompt_tokens=short, output_tokens=1, depth=0, reuse=False)
                yield trial.stage(stage_name(short, 1, 0), load(trial, short), item, warmup=1)
                short = 0
    trial.notes += more_room(trial, lacking)


def more_room(trial: Trial, lacking: Mapping[int, int]) -> list[str]:
    """Which context has room for depths that were left out, where the user may still say one. It is not
    taken unasked: with a larger one a model may no longer fit into the GPU, and be slower at every depth.
    """
    limit = trial.bench.model.context_max
    fitting = {depth: needed for depth, needed in lacking.items() if needed <= (limit or needed)}
    if not fitting or trial.settings.context or not can_be_told(trial.bench.server):
        return []
    depths = ", ".join(f"d{depth}" for depth in fitting)
    return [f"--context {max(fitting.values())} has room for {depths}, as far as the GPU's memory allows"]


def short_tokens(trial: Trial) -> int:
    """What 512 tokens are held against at depth 0. A quarter of them, not fewer: a few tokens take as long as
    one does, since the weights are read anyway, and a difference to those would be too small.
    """
    return trial.prompt_tokens // 4


def load(trial: Trial, fresh: int) -> Load:
    settings = trial.settings
    stop = Stop(
        count=settings.requests or MOST,
        seconds=settings.seconds or settings.budget_s or SECONDS,
        width=None if settings.requests else settings.width or WIDTH,
        metric="prefill_tps" if fresh else "decode_tps",
        min_count=LEAST,
    )
    return Load(concurrency=1, stop=stop)


def stage_name(fresh: int, output: int, depth: int) -> str:
    """`pp512 @ d4096`, `tg128 @ d4096`; without the depth where it is 0."""
    test = f"pp{fresh}" if fresh else f"tg{output}"
    return f"{test} @ d{depth}" if depth else test


def room(trial: Trial) -> int | None:
    """Tokens of context that can be counted on. None: depths were asked for by name, and neither the user nor
    the server has said what fits, so the server's answer will.
    """
    model, named = trial.bench.model, trial.settings.depth_list()
    asked = trial.settings.context or model.context_loaded
    if asked is None and named and not can_be_told(trial.bench.server):
        return model.context_max
    asked = asked or DEFAULT_CONTEXT
    return min(asked, model.context_max or asked)


def why_no_more(trial: Trial, size: int) -> str:
    """Where the limit of `room` comes from, and the remedy where it is our own assumption and no other is."""
    model, asked = trial.bench.model, trial.settings.context or trial.bench.model.context_loaded
    if model.context_max == size and size != asked:
        return f"the model has {size}"
    if asked:
        return f"{asked} were asked for" if trial.settings.context else f"{asked} are loaded"
    remedy = "" if can_be_told(trial.bench.server) else ": --depths asks for it anyway"
    return f"{size} are assumed, since the server does not tell{remedy}"


def conclude(trial: Trial, results: Sequence[StageResult]) -> Mapping[str, Json]:
    """One row per depth: both rates, how prefill was measured, and the depth as the server counted it."""
    named = {result.stage.name: [a for a in result.attempts if a.ended_well] for result in results}
    fillings, decodings = {}, {}
    for depth in trial.settings.depth_list() or DEPTHS:
        if (filling := named.get(stage_name(trial.prompt_tokens, 1, depth))) is not None:
            fillings[depth] = filling
            decodings[depth] = named.get(stage_name(0, trial.output_tokens, depth), [])
    short, growth = named.get(stage_name(short_tokens(trial), 1, 0), []), step_growth(decodings)
    rows: list[Json] = []
    for depth, filling in fillings.items():
        decoding = decodings[depth]
        shorter = decoding if depth else short
        rate, method = prefill_at(depth, filling, shorter, growth)
        rows.append(
            {
                "depth": depth,
                "prompt_tokens": trial.prompt_tokens,
                "output_tokens": trial.output_tokens,
                "prefill_tps": rate,
                "prefill_method": method,
                "prefill_source": source_of(method, filling, shorter),
                "ttft_ms": as_json(figure([a.measures.ttft_ms for a in filling])),
                "decode_tps": as_json(decode_figure(decoding)),
                "counted_tokens": as_json(figure([a.measures.prompt_tokens for a in decoding])),
            }
        )
    first = next(iter(named), None)
    return {
        "depths": rows,
        "headline": next((name for name in named if name.startswith("tg")), first),
        "waits_from": first,
    }


def decode_figure(attempts: Sequence[Attempt]) -> Figure:
    found = figure([a.measures.decode_tps for a in attempts])
    if any(a.measures.rate_source == "client-estimated" for a in attempts):
        return guessed(found)
    return widened(found, math.fsum(a.measures.rate_bias or 0.0 for a in attempts) / max(found.n, 1))


def prefill_at(
    depth: int, filling: Sequence[Attempt], shorter: Sequence[Attempt], growth: float = 0.0
) -> tuple[Json, str | None]:
    """The prefill rate behind `depth` tokens and how it was found: direct, cached, difference or None.

    `shorter`: prompts without the tokens that are measured; at depth 0 there are some only where a deeper
    context is measured by difference. Requests that did not find their context in the cache are
    left out while most did. `mixed`, without a rate, where the cache answered now and then.
    """
    if not filling:
        return None, None
    if depth == 0 and not shorter:
        return as_json(figure([a.measures.prefill_tps for a in filling])), "direct"
    if depth == 0:
        return difference(filling, shorter, growth), "difference"
    found = [a for a in filling if reused(depth, a)]
    if len(found) >= MOST_OF_THEM * len(filling):
        return as_json(figure([a.measures.prefill_tps for a in found])), "cached"
    if not none_reused(depth, (*filling, *shorter)):
        return None, "mixed"
    return difference(filling, shorter, growth), "difference"


def source_of(method: str | None, filling: Sequence[Attempt], shorter: Sequence[Attempt]) -> str:
    """Whose times the prefill rate is of: the server's own, or the client's, whose waits hold more than that;
    `mixed`, where now this and now that.
    """
    if method == "difference":
        return "server" if server_timed((*filling, *shorter)) else "client"
    told = {a.measures.server_prefill_tps is not None for a in filling}
    return "mixed" if len(told) == 2 else "server" if True in told else "client"


def server_timed(attempts: Sequence[Attempt]) -> bool:
    """Did the server say of each how long its prefill took, and long enough to be believed?"""
    return all(a.measures.server_prefill_tps is not None and prefill_ms(a) is not None for a in attempts)


def prefill_ms(attempt: Attempt) -> float | None:
    timings = attempt.exchanges[-1].timings
    return None if timings is None else timings.prefill_ms


def reused(depth: int, attempt: Attempt) -> bool:
    """Did the context come from the server's cache, by its own word?"""
    cached = attempt.measures.cached_tokens
    return cached is not None and cached >= REUSED * depth - SLACK


def none_reused(depth: int, attempts: Sequence[Attempt]) -> bool:
    """Was every prompt processed as a whole, as far as the server says?"""
    return all((a.measures.cached_tokens or 0) <= FRESH * depth + SLACK for a in attempts)


def difference(longer: Sequence[Attempt], shorter: Sequence[Attempt], growth: float = 0.0) -> Json:
    """Tokens more / milliseconds more, with the interval of the time turned into one of the rate (Welch).

    By the server's own prefill times where all have one. Else by the waits, each of which may hold a decode
    step or not: those differ by `growth` ms a token, of which half is taken off, and the interval holds both.
    """
    timed = server_timed((*longer, *shorter))
    more = [pair for a in longer if (pair := size_and_wait(a, timed)) is not None]
    less = [pair for a in shorter if (pair := size_and_wait(a, timed)) is not None]
    if not more or not less:
        return None
    tokens = mean([size for size, _ in more]) - mean([size for size, _ in less])
    waits, base = [wait for _, wait in more], [wait for _, wait in less]
    doubt = 0.0 if timed else growth * tokens / 2
    extra = mean(waits) - mean(base) - doubt
    if tokens <= 0:
        return None
    found: dict[str, Json] = {"n": len(more), "mean": None, "ci95": None, "why": WITHIN_ERROR}
    if extra <= 0:
        return found
    rate = tokens / extra * 1000.0
    if len(more) < 2 or len(less) < 2:
        return found | {"mean": rate, "why": "one value: no interval"}
    error, freedom = welch(waits, base)
    reach = t_quantile(0.975, freedom) * error + doubt
    if reach >= extra:
        return found
    found |= {"mean": rate, "why": None}
    return found | {"ci95": [tokens / (extra + reach) * 1000.0, tokens / (extra - reach) * 1000.0]}


def step_growth(decodings: Mapping[int, Sequence[Attempt]]) -> float:
    """Milliseconds by which a decode step grows with each token of context, by the shallowest and the deepest
    that were measured; 0 where it does not, or one depth alone was.
    """
    steps = [
        (mean(sizes), 1000.0 / mean(rates))
        for _, attempts in sorted(decodings.items())
        if (sizes := [float(n) for a in attempts if (n := a.measures.prompt_tokens) is not None])
        and (rates := [rate for a in attempts if (rate := a.measures.decode_tps)])
    ]
    if len(steps) < 2:
        return 0.0
    (shallow, first), (deep, last) = steps[0], steps[-1]
    return max((last - first) / (deep - shallow), 0.0) if deep > shallow else 0.0


def welch(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """Standard error of the difference of two means, and Welch and Satterthwaite's degrees of freedom."""
    parts = [(math.fsum((x - mean(s)) ** 2 for x in s) / (len(s) - 1) / len(s), len(s)) for s in (a, b)]
    total = sum(part for part, _ in parts)
    if total == 0:
        return 0.0, float(len(a) + len(b) - 2)
    return math.sqrt(total), total**2 / sum(part**2 / (n - 1) for part, n in parts)


def size_and_wait(attempt: Attempt, timed: bool) -> tuple[float, float] | None:
    """Tokens of the prompt, and the time for it: the server's for its prefill where that is `timed`."""
    size = attempt.measures.prompt_tokens
    wait = prefill_ms(attempt) if timed else attempt.measures.ttft_ms
    return None if prompt_cut(attempt.exchanges[-1]) or size is None or wait is None else (float(size), wait)


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
