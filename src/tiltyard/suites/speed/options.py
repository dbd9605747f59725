"""What the speed suite can be told, read from plain settings. Unknown keys and impossible values are errors.

Defaults that differ between profiles are in the profiles, but for the limits of `serve`.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence

import msgspec

from tiltyard.errors import UsageError
from tiltyard.load.open_files import check_at_once
from tiltyard.load.slo import Slo, parse_slo
from tiltyard.records import Json, Record

Numbers = str | int | float | tuple[float, ...]  # one, several, or words such as "0,4k,16k"
# which options about load each profile reads; the rest would do nothing there, and is refused
READS: Mapping[str, frozenset[str]] = {
    "quick": frozenset({"concurrency", "requests", "seconds", "budget_s", "width", "slo"}),
    "depth": frozenset({"depths", "requests", "seconds", "budget_s", "width", "slo"}),
    "concurrency": frozenset({"concurrency", "requests", "seconds", "slo"}),
    "serve": frozenset({"rate", "rates", "poisson", "requests", "seconds", "slo"}),
    "soak": frozenset({"concurrency", "rate", "poisson", "burst", "ramp_to", "requests", "seconds", "slo"}),
    "fixed": frozenset(
        {"concurrency", "rate", "poisson", "burst", "ramp_to", "requests", "seconds", "width", "slo"}
    ),
}
LIMITS = "ttft=2s,itl=100ms"  # of `serve` where none are given: reading speed, and patience
MOST_PROMPT_TOKENS = 20_000_000  # twice the longest context that a model is known for
TOKENS_IN_K = 1024  # of context, as everybody counts it; of anything else a thousand


class SpeedSettings(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `run speed`; None leaves the choice to the profile."""

    profile: str = "quick"
    concurrency: Numbers | None = None  # streams at once; several in the profile `concurrency`
    rate: float | None = None  # requests per second, open loop
    poisson: bool | None = None
    burst: int | None = None  # so many at once, again and again where there is a rate
    ramp_to: float | None = None  # requests per second at the end; `rate` is the beginning
    requests: int | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    prompt: str | None = None  # this text, as it is
    slo: str | None = None
    budget_s: float | None = None
    width: float | None = None  # full width of the 95 % interval relative to the mean
    depths: Numbers | None = None
    rates: Numbers | None = None
    seconds: float | None = None
    cached: bool = False
    temperature: float | None = None
    seed: int | None = None
    think: bool | str | None = None
    context: int | None = None
    tokenizer: str | None = None  # path of a tokenizer.json

    def streams(self) -> list[int]:
        """`concurrency` as a list; empty if not given. Raises UsageError."""
        return whole_numbers("concurrency", self.concurrency, least=1)

    def one_stream_count(self, default: int) -> int:
        """`concurrency` where only one number makes sense."""
        several = self.streams()
        if len(several) > 1:
            raise UsageError(
                f"the profile {self.profile} takes one concurrency, not {len(several)}",
                "use --profile concurrency for several",
            )
        return several[0] if several else default

    def depth_list(self) -> list[int]:
        return whole_numbers("depths", self.depths, least=0, k=TOKENS_IN_K)

    def rate_list(self) -> list[float]:
        found = numbers("rates", self.rates)
        if any(not 0 < rate < math.inf for rate in found):
            raise UsageError("a rate must be above zero", "such as --rates 1,2,4")
        return found

    def limits(self) -> Slo | None:
        """What counts as served; `serve` cannot do without."""
        text = LIMITS if self.slo is None and self.profile == "serve" else self.slo
        return None if text is None else parse_slo(text)


def read_settings(settings: Mapping[str, Json]) -> SpeedSettings:
    """Raises UsageError that names the key, with the nearest known one."""
    known = SpeedSettings.__struct_fields__
    for key in settings:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            raise UsageError(
                f"the speed suite has no setting {key!r}",
                f"did you mean {near[0]!r}?" if near else f"one of: {', '.join(known)}",
            )
    try:
        found = msgspec.convert(dict(settings), SpeedSettings)
    except msgspec.ValidationError as error:
        raise UsageError(f"settings of the speed suite: {error}", "tiltyard run speed --help") from None
    check(found)
    return found


def check(settings: SpeedSettings) -> None:
    """Refuse what cannot be meant; raises UsageError."""
    positive = ("requests", "output_tokens", "prompt_tokens", "seconds", "budget_s", "width")
    for name in (*positive, "rate", "burst", "ramp_to"):
        value = getattr(settings, name)
        if value is not None and not 0 < value < math.inf:
            raise UsageError(f"{name} must be a number above zero, not {value}", "such as 1")
    if settings.prompt is not None and settings.prompt_tokens is not None:
        raise UsageError("a prompt has its own size", "leave out either --prompt or --prompt-tokens")
    check_read(settings)
    check_arrivals(settings)
    if settings.profile == "concurrency":
        settings.streams()
    else:
        settings.one_stream_count(1)
    check_sizes(settings)
    settings.rate_list()
    settings.limits()


def check_sizes(settings: SpeedSettings) -> None:
    """Refuse what this process could not have at once, and prompts that no model takes."""
    for count in settings.streams():
        check_at_once("--concurrency", count)
    check_at_once("--burst", settings.burst or 1)
    named = {"--prompt-tokens": [settings.prompt_tokens or 0], "--depths": settings.depth_list()}
    for option, sizes in named.items():
        if max(sizes, default=0) > MOST_PROMPT_TOKENS:
            raise UsageError(
                f"{option} {max(sizes):,} is longer than any model's context",
                f"take at most {MOST_PROMPT_TOKENS}",
            )


def check_read(settings: SpeedSettings) -> None:
    """Refuse options about load that the profile would not look at. Unknown profiles are told elsewhere."""
    reads = READS.get(settings.profile)
    if reads is None:
        return
    for name in sorted(frozenset().union(*READS.values()) - reads):
        if getattr(settings, name):
            there = [profile for profile, names in READS.items() if name in names]
            option = name.removesuffix("_s").replace("_", "-")
            raise UsageError(
                f"the profile {settings.profile} has no use for --{option}",
                f"leave it out, or use --profile {' or '.join(there)}",
            )


def check_arrivals(settings: SpeedSettings) -> None:
    """Refuse ways of arriving that exclude each other or lack a part."""
    ways = [name for name in ("poisson", "burst", "ramp_to") if getattr(settings, name)]
    if len(ways) > 1:
        raise UsageError(f"requests arrive in one way, not as {' and '.join(ways)}", "leave one of them out")
    if settings.ramp_to is not None and (settings.rate is None or settings.seconds is None):
        raise UsageError("a ramp needs a first rate and a duration", "add --rate 1 --seconds 30")
    if settings.burst is not None and settings.concurrency is not None:
        raise UsageError("either bursts or a concurrency, not both", "leave one of them out")
    if settings.rate is not None and settings.concurrency is not None:
        raise UsageError("either a rate or a concurrency, not both", "leave one of them out")
    if ways and settings.concurrency is not None:
        raise UsageError(f"either {ways[0]} or a concurrency, not both", "leave one of them out")
    if settings.width and (ways or settings.rate is not None):
        remedy = "leave out --width, or ask with --concurrency"
        raise UsageError("figures of arrivals have no interval whose width could end them", remedy)
    if settings.rate is None:
        if settings.poisson and settings.profile != "serve":
            raise UsageError("arrivals at random need a rate", "add --rate REQUESTS_PER_SECOND")
        if settings.burst is not None and (settings.profile == "soak" or settings.seconds is not None):
            raise UsageError("bursts that go on need a rate", "add --rate REQUESTS_PER_SECOND on average")
    check_burst(settings)
    check_levels(settings)


def check_burst(settings: SpeedSettings) -> None:
    """Refuse bursts of another size than is said; without a rate there is a single one."""
    burst, asked = settings.burst, settings.requests
    if burst is None or asked is None or asked == burst or (settings.rate is not None and asked > burst):
        return
    again = ", or add --rate REQUESTS_PER_SECOND for several" if asked > burst else ""
    what = "without a rate there is a single burst of" if asked > burst else "bursts need at least"
    raise UsageError(f"{what} {burst} requests, not {asked}", f"make --burst {asked}{again}")


def check_levels(settings: SpeedSettings) -> None:
    """Refuse a level of more streams than it has requests: they would never all be under way."""
    most, asked = max(settings.streams(), default=1), settings.requests
    if settings.profile == "concurrency" and asked is not None and asked < most:
        raise UsageError(
            f"{most} streams need at least as many requests, not {asked}",
            f"leave --requests out, or make it {2 * most} for a rate while all of them are under way",
        )


def numbers(name: str, value: Numbers | None, k: int = 1000) -> list[float]:
    """`"0,4k,16k"`, one number or several, each once; `k`: how many that is. Raises UsageError."""
    if value is None:
        return []
    if isinstance(value, int | float):
        return [float(value)]
    parts: Sequence[object] = value.replace(" ", "").split(",") if isinstance(value, str) else value
    found = []
    for part in parts:
        text = str(part).lower()
        scale = {"k": k, "m": k * k}.get(text[-1:], 1)
        try:
            found.append(float(text[:-1] if scale > 1 else text) * scale)
        except ValueError:
            raise UsageError(f"cannot read {part!r} in {name}", "such as 1,2,4 or 0,4k,16k") from None
    return list(dict.fromkeys(found))


def whole_numbers(name: str, value: Numbers | None, *, least: int, k: int = 1000) -> list[int]:
    found = numbers(name, value, k)
    if any(not least <= n < math.inf or n != int(n) for n in found):
        raise UsageError(f"{name} must be whole numbers of at least {least}", "such as 1,2,4")
    return [int(n) for n in found]
