"""The speed part of a summary: counts, endings, tokens, rates, and a figure with its interval for every
metric.

Takes attempts one by one and keeps some numbers of each, not the attempts. Latencies and rates come from
requests that ended ok; percentiles of chunk gaps are over all gaps, their interval over requests. The shape
is documented in docs/metrics.md and versioned by the caller.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from math import fsum
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from tiltyard.load.metrics import attribute, chunk_gaps_ms, too_short, why_no_rate
from tiltyard.load.payload import find_payload
from tiltyard.load.prefill import maybe_cached, maybe_loaded, prompt_cut, waits_for_more
from tiltyard.load.schedule import Load
from tiltyard.load.slo import Slo, goodput
from tiltyard.records import Attempt, Exchange, Figure, Json
from tiltyard.servers.notes import COLD, CUT, HEAD_MAYBE_CACHED
from tiltyard.settings import hide_keys
from tiltyard.stats.figures import figure, pooled
from tiltyard.stats.proportions import wilson_in_rounds
from tiltyard.stats.queues import QUEUED, why_no_interval
from tiltyard.stats.rounds import Rounds, joined, rounds_of

NAN = float("nan")
# what a prompt decides
WAITS = (
    "ttft_ms",
    "ttfo_ms",
    "ttft_scheduled_ms",
    "ttfb_ms",
    "first_event_ms",
    "prefill_tps",
    "prefill_warm_tps",
)
RATES = ("decode_tps", "itl_ms")
COUNTED = ("e2e_tps", "tokens_per_chunk")  # of token counts, whoever counted
CHOSEN = 0.1  # share of answers too fast for the clock above which the rates of the others mislead
ERRORS_KEPT, ERRORS_SHOWN = 50, 5  # different reasons of failures
# always there, null where not measurable
MAIN = ("ttft_ms", "ttfo_ms", "itl_ms", "e2e_ms", "queue_ms", "decode_tps")
# beside them
MORE = (
    "ttfb_ms",
    "first_event_ms",
    "ttft_scheduled_ms",
    "e2e_scheduled_ms",
    "close_ms",
    "tail_ms",
    "e2e_tps",
    "load_ms",
    "tokens_per_chunk",
    "server_decode_tps",
    "transport_ms",
)


class Window(NamedTuple):
    """A stage, as far as a summary is concerned."""

    name: str
    load: Load
    attempts: Sequence[Attempt]
    wall_s: float


class Tally:
    """What is kept of the attempts: a few numbers of each, and every chunk gap."""

    def __init__(self) -> None:
        self.loads: list[
            tuple[Rounds, int]
        ] = []  # of each: the rounds of its answers, and how many there are
        self.endings: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.values = {name: array("d") for name in (*MAIN, *MORE)}
        self.prefill = {kind: array("d") for kind in ("cold", "warm", "unknown")}
        self.prefilled = {kind: array("l") for kind in self.prefill}  # which answers these are of
        self.gaps = array("d")
        self.gap_sums, self.gap_counts = array("d"), array("l")  # of each attempt that has any
        self.gapped = array("l")  # which answers these are
        self.prompt_tokens: int | None = 0  # None once a request is in whose tokens nobody told
        self.cached_tokens: int | None = 0
        self.output_tokens: int | None = None  # uncounted are answers without a text
        self.token_sources: Counter[str] = Counter()
        self.rate_sources: Counter[str] = Counter()
        self.prefill_sources: Counter[str] = Counter()
        self.rate_bias: float | None = None
        self.rate_biases = 0.0  # their sum
        self.total = self.client_bound = 0
        self.rated = 0  # answers that have a rate
        self.too_fast = 0  # answers that have no rate because they arrived within less than the clock tells
        self.reasons: dict[str, Counter[str]] = {}  # why a figure lacks a request
        self.parts: defaultdict[str, float] = defaultdict(float)  # where the time went, in ms
        self.timed = 0  # exchanges that these are of

    def add(self, attempt: Attempt, alone: bool) -> None:
        """`alone`: no other request was under way, so that a wait for a first token tells of its prompt."""
        self.total += 1
        self.client_bound += attempt.client_bound
        ending = ending_of(attempt)
        self.endings[ending] += 1
        if ending != "ok":
            self.failed(attempt)
            return
        measures = attempt.measures
        for name, values in self.values.items():
            value = getattr(measures, name)
            values.append(NAN if value is None else value)
        estimated = measures.server_prefill_tps is None
        if measures.prefill_tps is not None and (alone or not estimated):
            self.prefill[measures.prefill_kind].append(measures.prefill_tps)
            self.prefilled[measures.prefill_kind].append(self.endings["ok"] - 1)
            self.prefill_sources["client" if estimated else "server"] += 1
        self.prompt_tokens = all_of(self.prompt_tokens, measures.prompt_tokens)
        self.output_tokens = plus(self.output_tokens, measures.output_tokens)
        self.cached_tokens = all_of(self.cached_tokens, measures.cached_tokens)
        self.token_sources[measures.tokens_source or "none"] += 1
        self.rate_sources[measures.rate_source or "none"] += 1
        if measures.rate_bias is not None:
            self.rate_bias = max(self.rate_bias or 0.0, measures.rate_bias)
            self.rate_biases += measures.rate_bias
        self.too_fast += too_fast(attempt)
        self.rated += measures.decode_tps is not None
        for name, why in missing(attempt, alone):
            self.reasons.setdefault(name, Counter())[why] += 1
        gaps: list[float] = []
        for exchange in attempt.exchanges:
            self.split(exchange)
            gaps += chunk_gaps_ms(exchange)
        if gaps:
            self.gaps.extend(gaps)
            self.gap_sums.append(fsum(gaps))
            self.gap_counts.append(len(gaps))
            self.gapped.append(self.endings["ok"] - 1)

    def of_window(self, window: Window) -> None:
        """All answers since the last call are of this one."""
        answers = self.endings["ok"] - sum(before for _, before in self.loads)
        self.loads.append((rounds_in(window.load, answers, window.attempts), answers))

    @cached_property
    def rounds(self) -> Rounds:
        return joined(self.loads)

    def split(self, exchange: Exchange) -> None:
        """Add up where the time of one exchange went."""
        parts = {name: ms for name, ms in attribute(exchange).items() if ms is not None}
        if "total" in parts:
            self.timed += 1
            for name, ms in parts.items():
                self.parts[name] += ms

    @cached_property
    def figures(self) -> dict[str, Json]:
        """Every metric as a figure; null where nothing could be measured. To be read when all are in."""
        found = {name: as_json(self.figure_of(name)) for name in (*MAIN, *MORE)}
        if why_withheld(self.too_fast, self.rated):
            found |= dict.fromkeys(RATES)
        others = {
            "chunk_gap_ms": self.gap_figure(),
            "prefill_tps": self.prefill_figure("cold", "unknown"),
            "prefill_warm_tps": self.prefill_figure("warm"),
        }
        return found | {name: as_json(self.sure(name, one)) for name, one in others.items()}

    def gap_figure(self) -> Figure:
        sums, counts = defaultdict[int, float](float), Counter[int]()
        for place, total, n in zip(self.gapped, self.gap_sums, self.gap_counts, strict=True):
            unit = place if self.rounds.ids is None else self.rounds.ids[place]
            sums[unit] += total
            counts[unit] += n
        return pooled(self.gaps, [*sums.values()], [*counts.values()])

    def prefill_figure(self, *kinds: str) -> Figure:
        values = [value for kind in kinds for value in self.prefill[kind]]
        ids = self.rounds.ids
        if ids is None:
            return figure(values)
        return figure(values, clusters=[ids[place] for kind in kinds for place in self.prefilled[kind]])

    def figure_of(self, name: str) -> Figure:
        found = figure(self.values[name], clusters=self.rounds.ids)
        if name in RATES and self.rated:
            found = widened(found, self.rate_biases / self.rated)
        found = self.sure(name, found)
        estimated = self.rate_sources["client-estimated"] if name in RATES else self.token_sources["estimate"]
        return guessed(found) if estimated and name in (*RATES, *COUNTED) else found

    def sure(self, name: str, found: Figure) -> Figure:
        """The figure without its interval where the requests depended on each other."""
        why = None if found.ci95 is None else why_no_interval(name, self.rounds.why)
        return found if why is None else replace(found, ci95=None, why=why)

    def sources(self) -> dict[str, Json]:
        """Who counted and who timed."""
        return {
            "rate_source": leading(self.rate_sources),
            "rate_bias": self.rate_bias,
            "prefill_source": leading(self.prefill_sources),
            "attribution_ms": {name: ms / self.timed for name, ms in self.parts.items()},
            "prefill_kinds": {kind: len(values) for kind, values in self.prefill.items()},
        }

    def unmeasured(self) -> dict[str, Json]:
        """What of the main figures is missing, of how many requests that ended well, and why (the commonest
        reason).
        """
        if not self.endings["ok"]:
            why = "no request ended well"
            return {name: {"requests": 0, "why": why} for name in (*MAIN, "chunk_gap_ms", "prefill_tps")}
        found: dict[str, Json] = {
            name: {"requests": counted.total(), "why": counted.most_common(1)[0][0]}
            for name, counted in self.reasons.items()
        }
        ok = self.endings["ok"]
        if withheld := why_withheld(self.too_fast, self.rated):
            found |= {name: {"requests": ok, "why": withheld} for name in RATES}
        return found

    def failed(self, attempt: Attempt) -> None:
        """Count the reason, while there are not too many different ones."""
        reason = hide_keys(attempt.exchanges[-1].error or "") if attempt.exchanges else ""
        if reason and (reason in self.errors or len(self.errors) < ERRORS_KEPT):
            self.errors[reason] += 1


def too_fast(attempt: Attempt) -> bool:
    """Has an answer no rate because it arrived within less than its clock can tell? One token has none in any
    case, nor has what the server does not stream: a whole answer, or a call.
    """
    measures, last = attempt.measures, attempt.exchanges[-1]
    if measures.decode_tps is not None or measures.output_tokens == 1 or measures.ttft_ms is None:
        return False
    return too_short(last) and not (measures.chunks == 1 and "t" in last.events.kinds)


def why_withheld(fast: int, rated: int) -> str | None:
    """Why there is no rate although some answers have one: so many others were too fast for the clock that
    these are a choice of slow ones. None where that is not so.
    """
    if not rated or fast <= CHOSEN * (fast + rated):
        return None
    return f"{fast} of {fast + rated} answers came too fast for the clock; the others are the late ones"


def plus(total: int | None, more: int | None) -> int | None:
    """A sum of what is known; None while nothing is."""
    return total if more is None else (total or 0) + more


def all_of(total: int | None, more: int | None) -> int | None:
    """A sum, None where a part of it is unknown."""
    return None if total is None or more is None else total + more


def guessed(found: Figure) -> Figure:
    """A figure of estimated tokens, without its interval: that would leave out how wrong the estimate is,
    which is more than the requests differ.
    """
    return replace(found, ci95=None, why="token counts are estimates")


def widened(found: Figure, error: float) -> Figure:
    """A figure whose values rest on guesses, and may be wrong by a factor of 1 + `error` either way: with
    what that makes of its mean added to its interval. It is the same way in every request, so that more
    requests do not take it away.
    """
    if found.ci95 is None or found.mean is None:
        return found
    (low, high), more = found.ci95, error * found.mean
    return replace(found, ci95=(max(low - more / (1 + error), min(low, 0.0)), high + more))


def missing(attempt: Attempt, alone: bool) -> list[tuple[str, str]]:
    """Main figures that an attempt which ended well does not have, each with the reason."""
    measures, found = attempt.measures, list[tuple[str, str]]()
    at_once = "the answer came in one piece" if measures.chunks else "nothing of the answer was streamed"
    if measures.ttft_ms is None:
        found += [("ttft_ms", at_once), ("ttfo_ms", at_once)]
    elif measures.ttfo_ms is None:
        found.append(("ttfo_ms", "the answer was reasoning alone"))
    if measures.decode_tps is None:
        why = why_no_rate(attempt.exchanges[-1])
        found += [("decode_tps", why), ("itl_ms", why)]
    if measures.ttft_ms is None or (measures.chunks or 0) < 2:
        found.append(("chunk_gap_ms", at_once))
    if measures.prefill_tps is None or (measures.server_prefill_tps is None and not alone):
        found.append(("prefill_tps", why_no_prefill(attempt, alone)))
    elif measures.prefill_kind == "warm":
        found.append(("prefill_tps", "most of the prompt came from a cache: prefill_warm_tps"))
    return found


def why_no_prefill(attempt: Attempt, alone: bool) -> str:
    """Why there is no prefill rate where the server gives none of its own."""
    if attempt.measures.prompt_tokens is None:
        return "nobody counted the prompt's tokens"
    exchange = attempt.exchanges[-1]
    if prompt_cut(exchange):
        return f"the server {'cut' if CUT in exchange.notes else 'may have cut'} the prompt"
    if find_payload(exchange.events) is None:
        return "nothing of the answer was streamed"
    if maybe_loaded(exchange):
        if COLD in exchange.notes:
            return "the wait held the loading of the model"
        return "the first answer may have waited for the model to load: the server does not say"
    if attempt.measures.cached_tokens is None and HEAD_MAYBE_CACHED in exchange.notes:
        return "the prompt is short, and the server does not say how much of its template was cached"
    if attempt.measures.cached_tokens is None and maybe_cached(exchange):
        return "the prompt was sent before, and the server does not say what of it was cached"
    if (attempt.measures.cached_tokens or 0) >= attempt.measures.prompt_tokens:
        return "all of the prompt came from a cache"
    if not alone:
        return "the server does not time it, and the wait may have held other requests"
    if waits_for_more(exchange, find_payload(exchange.events), attempt.measures.output_tokens):
        return "the wait held the answer, or the beginning of a tool call"
    return "the wait was no longer than the load"


def of_endings(endings: Counter[str]) -> dict[str, int]:
    """Truncated answers are counted apart from failures."""
    ok, truncated, total = endings["ok"], endings["truncated"], endings.total()
    return {"ok": ok, "failed": total - ok - truncated, "truncated": truncated, "total": total}


def as_json(found: Figure) -> Json:
    """A figure as JSON values; None where nothing was measured."""
    return None if found.n == 0 else msgspec.to_builtins(found)


def leading(counts: Counter[str]) -> str | None:
    """The one source, or `mixed`; None where there is none."""
    named = [name for name, n in counts.items() if n and name != "none"]
    if not named:
        return None
    return named[0] if len(named) == 1 else "mixed"


def shares(windows: Sequence[Window]) -> dict[str, Json]:
    """Of all requests, those that failed and those that were cut, with Wilson's 95 % interval over rounds."""
    endings = [ending_of(attempt) for window in windows for attempt in window.attempts]
    rounds = rounds_of_all(windows)
    kinds = {
        "error_rate": [ending not in ("ok", "truncated") for ending in endings],
        "truncation_rate": [ending == "truncated" for ending in endings],
    }
    found: dict[str, Json] = {}
    for name, kind in kinds.items():
        interval = wilson_in_rounds(kind, rounds)
        value = {"value": sum(kind) / len(kind) if kind else None, "ci95": interval and list(interval)}
        found[name] = {**value, "why": rounds.why} if rounds.why else value
    return found


def ending_of(attempt: Attempt) -> str:
    return attempt.exchanges[-1].ending if attempt.exchanges else "cancelled"


def tally(windows: Iterable[Window]) -> Tally:
    counted = Tally()
    for window in windows:
        for attempt in window.attempts:
            counted.add(attempt, window.load.one_at_a_time)
        counted.of_window(window)
    return counted


def rounds_in(load: Load, answers: int, attempts: Iterable[Attempt] | None) -> Rounds:
    """The rounds of a load's answers; there are none where requests arrived whatever the others did, unless
    each was due after all before it were over.
    """
    if load.kind == "closed":
        return rounds_of(load.concurrency, answers)
    return Rounds(None, QUEUED if attempts is None or overlapped(attempts) else None)


def overlapped(attempts: Iterable[Attempt]) -> bool:
    """Was a request due before one that ended earlier was over? They come in the order of their ends."""
    over = dict[int, int]()  # of each sitting, which has a clock of its own
    for attempt in attempts:
        if not attempt.exchanges:
            continue
        last = attempt.exchanges[-1].timeline.over_ns
        if attempt.exchanges[0].timeline.scheduled_ns < over.get(attempt.session, 0):
            return True
        over[attempt.session] = max(last, over.get(attempt.session, last))
    return False


def summarise(
    windows: Sequence[Window],
    *,
    headline: str | None = None,
    waits_from: str | None = None,
    slo: Slo | None = None,
) -> dict[str, Json]:
    """The speed part of the summary object.

    Requests and endings are of all stages. Everything else at the top is of the stage named `headline`, or of
    all stages pooled where none is named; `stages` has each by itself. Where the headline's prompts say
    nothing about waiting (a stage for decoding), waits and prefill are those of the stage `waits_from`.
    """
    tallies = [tally([window]) for window in windows]
    chosen = [i for i, window in enumerate(windows) if headline is None or window.name == headline]
    top = tallies[chosen[0]] if len(chosen) == 1 else tally([windows[i] for i in chosen])
    wall_s = sum(windows[i].wall_s for i in chosen)
    endings = sum((counted.endings for counted in tallies), Counter[str]())
    errors = sum((counted.errors for counted in tallies), Counter[str]())
    found: dict[str, Json] = {
        "requests": of_endings(endings),
        "endings": dict(endings),
        "errors": dict(errors.most_common(ERRORS_SHOWN)),
        **shares(windows),
        "figures_from": headline or "all stages",
        **of_window(top, wall_s),
        **top.figures,
        **top.sources(),
        "unmeasured": top.unmeasured(),
        **waits_of(windows, tallies, waits_from, top),
        "goodput": None,
        "stages": [of_stage(w, t, slo) for w, t in zip(windows, tallies, strict=True)],
    }
    if slo is not None:
        found["goodput"] = goodput_of([windows[i] for i in chosen], wall_s, slo)
    return found


def goodput_of(windows: Sequence[Window], wall_s: float, slo: Slo) -> dict[str, Json]:
    attempts = [attempt for window in windows for attempt in window.attempts]
    return goodput(slo, attempts, wall_s, rounds_of_all(windows))


def rounds_of_all(windows: Sequence[Window]) -> Rounds:
    """The rounds of all requests of some stages, however they ended."""
    return joined([(rounds_in(w.load, len(w.attempts), w.attempts), len(w.attempts)) for w in windows])


def waits_of(
    windows: Sequence[Window], tallies: Sequence[Tally], name: str | None, top: Tally
) -> dict[str, Json]:
    """What the stage of that name says about waiting and prefill; nothing where there is none."""
    for window, counted in zip(windows, tallies, strict=True):
        if window.name == name:
            sources = counted.sources()
            found = {key: counted.figures[key] for key in WAITS}
            found |= {key: sources[key] for key in ("prefill_source", "prefill_kinds")}
            others = {key: why for key, why in top.unmeasured().items() if key not in WAITS}
            own = {key: why for key, why in counted.unmeasured().items() if key in WAITS}
            return {**found, "unmeasured": others | own, "waits_from": name}
    return {}


def of_window(counted: Tally, wall_s: float) -> dict[str, Json]:
    """Tokens and rates that need a window of time: ok requests only, first start to last end."""
    return {
        "tokens": {
            "prompt": counted.prompt_tokens if counted.endings["ok"] else None,
            "output": counted.output_tokens,
            "cached": counted.cached_tokens if counted.endings["ok"] else None,
            "source": leading(counted.token_sources),
        },
        "wall_s": wall_s,
        "output_tps": counted.output_tokens / wall_s if counted.output_tokens and wall_s > 0 else None,
        "request_rate": counted.endings["ok"] / wall_s if wall_s > 0 else None,
    }


def of_load(load: Load, attempts: Iterable[Attempt]) -> dict[str, Json]:
    """How requests arrived. `burst`, `rate_to` and `overlapped` only where they mean something."""
    streams = load.concurrency if load.kind == "closed" else None
    found: dict[str, Json] = {"kind": load.kind, "concurrency": streams, "rate": load.rate}
    if load.kind != "closed":
        found["overlapped"] = overlapped(attempts)
    if load.kind == "burst":
        found["burst"] = load.burst
    if load.kind == "ramp":
        found |= {"rate_to": load.rate_to, "seconds": load.stop.seconds}
    return found


def of_stage(window: Window, counted: Tally, slo: Slo | None) -> dict[str, Json]:
    load = window.load
    return {
        "name": window.name,
        "load": of_load(load, window.attempts),
        "requests": of_endings(counted.endings),
        "client_bound": counted.client_bound,
        **of_window(counted, window.wall_s),
        **counted.figures,
        **counted.sources(),
        "goodput": None if slo is None else goodput_of([window], window.wall_s, slo),
    }
