"""What the profiles share: the settings of this run, its prompts, and stages made of them.

Which stages there are and what they mean is in the profiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any

from tiltyard.load.payload import more_pieces
from tiltyard.load.prompts import Filler, Prompts, find_scale, on_target, quiet_scale
from tiltyard.load.schedule import Load, Stop
from tiltyard.load.slo import Slo
from tiltyard.records import Attempt, Item, Json, Message, Request, content_hash
from tiltyard.suites import Bench, Patience, Stage, StageResult
from tiltyard.suites.speed.options import SpeedSettings

PROMPT_TOKENS = 512
OUTPUT_TOKENS = 128
ENDED_EARLY = 0.9  # of the tokens asked for, at most
LONGER = 1.02  # of them, and one more for the end
STRAYS = 0.05  # prompts of another size than asked for that are worth no word
HOPELESS_AFTER = 8  # failures of one kind, and no success
GONE_AFTER_S = 5.0  # a server that is started anew is back sooner


class Trial:
    """One run of the speed suite under way."""

    def __init__(self, bench: Bench, settings: SpeedSettings) -> None:
        self.bench, self.settings = bench, settings
        self.prompts: Prompts | None = None
        self.notes: list[str] = []
        self.prepared = settings.profile != "fixed"  # `fixed` sends nothing but what was asked for

    async def calibrate(self) -> Prompts:
        """Find out how words become tokens here; nothing is asked of the model in `fixed` or for a given
        text.
        """
        settings, server, model = self.settings, self.bench.server, self.bench.model.name
        filler = Filler(settings.seed or 0)
        if self.prepared and settings.prompt is None:
            probe = Request(
                model=model,
                messages=(),
                max_tokens=1,
                temperature=0.0,
                think=self.think,
                context=settings.context,
            )
            scale = await find_scale(server, probe, filler, settings.tokenizer)
        else:
            scale = await quiet_scale(server, model, filler, settings.tokenizer)
        self.prompts = Prompts(scale, filler, shared=settings.cached)
        return self.prompts

    @property
    def think(self) -> bool | str | None:
        """As asked; else off where the model can think, since a server left alone would turn it on."""
        if self.settings.think is not None:
            return self.settings.think
        return False if "thinking" in (self.bench.model.capabilities or ()) else None

    @property
    def prompt_tokens(self) -> int:
        return self.settings.prompt_tokens or PROMPT_TOKENS

    @property
    def output_tokens(self) -> int:
        return self.settings.output_tokens or OUTPUT_TOKENS

    @property
    def limits(self) -> Slo | None:
        """What counts as served, where somebody asks for that."""
        return self.settings.limits()

    def arrivals(self, rate: float, stop: Stop, *, poisson: bool) -> Load:
        """An open loop."""
        return Load(
            kind="poisson" if poisson else "constant", rate=rate, seed=self.settings.seed or 0, stop=stop
        )

    def asked_arrivals(self, stop: Stop) -> tuple[str, Load] | None:
        """The open loop that the settings ask for, with its name; None where they ask for streams."""
        settings = self.settings
        rate, burst, ramp_to = settings.rate, settings.burst, settings.ramp_to
        if burst is not None:
            name = f"burst of {burst}" if rate is None else f"bursts of {burst} at {rate:g}/s"
            return name, Load(kind="burst", burst=burst, rate=rate, stop=stop)
        if rate is None:
            return None
        if ramp_to is not None:
            return f"ramp {rate:g} to {ramp_to:g}/s", Load(kind="ramp", rate=rate, rate_to=ramp_to, stop=stop)
        load = self.arrivals(rate, stop, poisson=bool(settings.poisson))
        return f"{load.kind} {rate:g}/s", load

    def item(self, **more: Json) -> Item:
        """The item that a stage asks again and again; `more` goes into its spec."""
        settings = self.settings
        spec: dict[str, Json] = {"output_tokens": self.output_tokens, **more}
        if settings.prompt is not None:
            spec["prompt"] = settings.prompt
            name = f"text-{content_hash(settings.prompt)[:8]}"
        else:
            spec.setdefault("prompt_tokens", self.prompt_tokens)
            name = f"pp{spec['prompt_tokens']}"
        if settings.cached:
            spec["cached"] = True
        depth = f"-d{spec['depth']}" if "depth" in spec else ""
        return Item(id=f"{name}-tg{spec['output_tokens']}{depth}", content_hash=content_hash(spec), spec=spec)

    def stage(self, name: str, load: Load, item: Item | None = None, warmup: int = 0) -> Stage:
        """A stage that asks one item until the load is over, or nothing but failures comes back.

        A number of requests that `fixed` was asked for is kept to whatever comes.
        """
        items: Iterable[Item] = repeat(item or self.item())
        patience = Patience(
            hopeless_after=HOPELESS_AFTER if self.prepared else None,
            gone_after_s=GONE_AFTER_S if self.prepared or load.stop.count is None else None,
        )
        return Stage(
            name=name, load=load, items=items, warmup=warmup, expected=load.stop.count, patience=patience
        )

    def request(self, item: Item) -> Request:
        """What to send: a fresh prompt of the wanted size, or the given text."""
        spec, settings, bench = item.spec, self.settings, self.bench
        server = bench.server
        return Request(
            model=bench.model.name,
            messages=(Message(role="user", content=self.text(spec)),),
            max_tokens=spec["output_tokens"],
            ignore_eos="ignore_eos" in server.can,
            temperature=0.0 if settings.temperature is None and self.prepared else settings.temperature,
            seed=settings.seed,
            think=self.think,
            context=settings.context,
            cache_prompt=(bool(spec.get("cached")) or bool(spec.get("depth")))
            if "cache_off" in server.can
            else None,
            prompt_tokens=self.tokens_due(spec),
            template_tokens=self.template_tokens,
            prefix_shared="prompt" in spec or bool(spec.get("cached")) or bool(spec.get("reuse")),
        )

    @property
    def template_tokens(self) -> int | None:
        """What the template adds by the server's own count; None where words were counted otherwise."""
        scale = self.prompts.scale if self.prompts else None
        return None if scale is None or scale.rung in ("local", "estimate") else max(round(scale.fixed), 0)

    def tokens_due(self, spec: Mapping[str, Any]) -> int | None:
        """The size that the server will find, where words became tokens by its own count."""
        if "prompt" in spec or self.template_tokens is None:
            return None
        return int(spec["prompt_tokens"] + spec.get("depth", 0)) or None

    def text(self, spec: Mapping[str, Any]) -> str:
        if "prompt" in spec:
            return str(spec["prompt"])
        if self.prompts is None:
            raise RuntimeError("a request before the first stage")
        if spec.get("depth") and spec.get("reuse"):
            return self.prompts.on_top(spec["depth"], spec["prompt_tokens"])
        return self.prompts.sized(spec["prompt_tokens"] + spec.get("depth", 0))

    def prompt_report(self, results: Iterable[StageResult]) -> dict[str, Json]:
        """How prompt sizes were made, and whether the server's own count agrees."""
        scale = self.prompts.scale if self.prompts else None
        counted = missed = total = 0
        for result in results:
            for attempt in result.attempts:
                size = attempt.measures.prompt_tokens
                if size is None or not attempt.ended_well:
                    continue
                counted += 1
                wanted = wanted_tokens(attempt.item_id)
                if wanted is not None and not on_target(wanted, size):
                    missed, total = missed + 1, total + size
        if missed > counted * STRAYS:
            self.notes.append(
                f"{missed} of {counted} prompts were not of the size asked for: {total / missed:.0f} tokens "
                "on average, by the server's count"
            )
        return {
            "rung": None if scale is None or self.settings.prompt is not None else scale.rung,
            "tokens_per_word": None if scale is None else round(scale.per_word, 4),
            "fixed_tokens": None if scale is None else round(scale.fixed, 1),
            "counted": counted,
            "off_target": missed,
        }

    def note_lengths(self, results: Iterable[StageResult]) -> None:
        """Say where answers ended well before the length that was asked for, or went on beyond it, as far as
        somebody counted: an estimate may be a fifth too low.
        """
        sizes = [
            (tokens, answer_tokens(attempt.item_id))
            for attempt, tokens in counted(results)
            if not more_pieces(attempt.measures.chunks or 0, tokens)
        ]
        short = [(said, asked) for said, asked in sizes if asked and said < ENDED_EARLY * asked]
        if short:
            said, asked = (sum(column) / len(short) for column in zip(*short, strict=True))
            can = "ignore_eos" in self.bench.server.can
            why = "although it was told to go on" if can else "this server cannot be told to go on"
            self.notes.append(
                f"{len(short)} of {len(sizes)} answers ended early, at {said:.0f} tokens on average "
                f"instead of {asked:.0f}: {why}"
            )
        long = [(said, asked) for said, asked in sizes if asked and said > LONGER * asked + 1]
        if long:
            said, asked = (sum(column) / len(long) for column in zip(*long, strict=True))
            self.notes.append(
                f"{len(long)} of {len(sizes)} answers were longer than asked for: {said:.0f} tokens on "
                f"average instead of {asked:.0f}"
            )

    def note_empty(self, results: Iterable[StageResult]) -> None:
        """Say of how many answers nothing came, though the server ended them well."""
        whole = [a for result in results for a in result.attempts if a.ended_well]
        empty = sum(a.measures.e2e_ms is None and not a.measures.output_tokens for a in whole)
        if empty:
            said = "answers were empty: the server ended them without a word"
            self.notes.append(f"{empty:,} of {len(whole):,} {said}")

    def note_pieces(self, results: Iterable[StageResult]) -> None:
        """Say where answers came in more pieces of text than the tokens that somebody counted can make."""
        counts = [
            (chunks, tokens)
            for attempt, tokens in counted(results)
            if tokens and (chunks := attempt.measures.chunks)
        ]
        more = [pair for pair in counts if more_pieces(*pair)]
        if more:
            pieces, tokens = (sum(column) / len(more) for column in zip(*more, strict=True))
            self.notes.append(
                f"{len(more)} of {len(counts)} answers came in more pieces than tokens were counted, "
                f"{pieces:.0f} and {tokens:.0f} on average: if the count is too low, so are the rates"
            )


def counted(results: Iterable[StageResult]) -> Iterator[tuple[Attempt, int]]:
    """The answers that ended well and whose tokens somebody counted, with that count; estimates are none."""
    for result in results:
        for attempt in result.attempts:
            tokens = attempt.measures.output_tokens
            if attempt.ended_well and tokens is not None and attempt.measures.tokens_source != "estimate":
                yield attempt, tokens


def answer_tokens(item_id: str) -> int | None:
    """The length that an item of this suite asks for, from its id."""
    size = item_id.rpartition("-tg")[2].partition("-d")[0]
    return int(size) if size.isdecimal() else None


def wanted_tokens(item_id: str) -> int | None:
    """The prompt size that an item of this suite asks for, from its id; None for a given text."""
    if not item_id.startswith("pp"):
        return None
    size, _, rest = item_id[2:].partition("-")
    depth = rest.partition("-d")[2]
    return int(size) + int(depth or 0) or None  # 0: as small as can be
