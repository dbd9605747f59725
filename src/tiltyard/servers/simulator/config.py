"""What the simulator is told: models with programmed speed and ability, dialects, ports and faults.

Everything is a frozen value and can come from a TOML or JSON file (`load_config`), from flags
(`parse_model`) or from Python. Unknown keys are errors. Times are milliseconds, rates tokens per second.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from tiltyard.errors import UsageError
from tiltyard.servers.simulator.ranges import (
    COUNT,
    MILLISECONDS,
    RATE,
    SHARE,
    SIZE,
    SOME_TOKENS,
    TOKENS,
    Range,
)

SimDialect = Literal["ollama", "lmstudio", "llamacpp", "mlx", "vllm", "sglang", "openai"]

DIALECT_NAMES: tuple[SimDialect, ...] = ("ollama", "lmstudio", "llamacpp", "mlx", "vllm", "sglang", "openai")


class Say(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scripted answer: the first whose `when` occurs in the last message is used."""

    when: str
    say: str | tuple[tuple[float, str], ...] = ""  # exact text, or [probability, text] pairs, in sum 1
    think: str | None = None  # the reasoning before it
    call: str | None = None  # name of a tool to call instead of speaking
    arguments: Mapping[str, Any] | None = None  # of that call; None: generated to satisfy the tool's schema


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question of known answers: the right one comes with the model's `ability` as probability."""

    when: str
    right: str
    wrong: tuple[str, ...] = ("I do not know.",)


class SimModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A made-up model: who it says it is, how fast it is, what it says.

    Time of one request: queue for a slot, load when not resident, prefill, then one step per token.
    Prefill of tokens c..p takes (p - c + (p² - c²) / (2 half_depth)) / prefill_tps.
    The token at depth d takes (1 + d / half_depth) / (decode_tps * min(1, knee / busy slots)), the first
    one too. So total output never exceeds knee * decode_tps.
    """

    name: str
    architecture: str = "simllama"
    parameters: int = 7_000_000_000
    experts: int | None = None  # routed experts; None: dense
    experts_used: int | None = None
    active_parameters: int | None = None
    quantization: str = "Q4_K_M"
    size_bytes: int | None = None  # None: from parameters at 4.8 bits each
    vram_fraction: float = 1.0  # the GPU's share of what it takes in memory
    context_max: int = 32_768
    context: int = 8_192  # loaded context when the request or the load names none
    context_most: int | None = None  # more is not loaded, whatever is asked for
    capabilities: tuple[str, ...] = ("completion", "tools")  # also: thinking, vision, embedding
    remote: bool = False  # listed as somebody's cloud model
    loaded: bool = False  # resident at the start (Ollama, LM Studio and router; the others always are)
    # speed
    load_ms: float = 300.0
    prefill_tps: float = 2_000.0
    decode_tps: float = 50.0
    half_depth: float | None = None  # tokens of depth at which the rates have halved; None: never
    knee: float | None = None  # streams at which the total stops growing; None: never
    slots: int = 4
    queue: int = 512  # requests that may wait; one more gets "busy"
    prefix_cache: bool = True
    ttft_ms: float | None = None  # overrides prefill: the first token after this time
    token_ms: float | None = None  # overrides decode: every later token after this time
    jitter: float = 0.0  # each step is multiplied by a seeded factor in 1 ± jitter
    tokens_per_chunk: int = 1
    # words
    stops_at: int | None = None  # speaks exactly this long unless max_tokens is less or EOS is ignored
    natural_tokens: int = 120  # mean length without max_tokens: seeded between 0.5 and 1.5 times this
    thinking_tokens: int = 20  # reasoning before the answer, where the model can think and should
    calls: int = 1  # tool calls in one answer when tools are given; 0: never without being told
    script: tuple[Say, ...] = ()
    ability: float = 1.0  # probability of the right one in `answers`
    confidence: float = 0.9  # of each token that is said, where log-probabilities are asked for
    answers: tuple[Question, ...] = ()

    @property
    def size(self) -> int:
        return self.size_bytes if self.size_bytes is not None else int(self.parameters * 0.6)

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.name}|{self.quantization}|{self.parameters}".encode()).hexdigest()

    @property
    def thinks(self) -> bool:
        return "thinking" in self.capabilities

    @property
    def billions(self) -> str:
        return f"{self.parameters / 1e9:.1f}B" if self.parameters >= 1e9 else f"{self.parameters / 1e6:.0f}M"


MODEL_RANGES: Mapping[str, Range] = {
    "parameters": SIZE,
    "experts": Range(1, 100_000, whole=True),
    "experts_used": Range(1, 100_000, whole=True),
    "active_parameters": SIZE,
    "size_bytes": SIZE,
    "vram_fraction": SHARE,
    "context_max": COUNT,
    "context": COUNT,
    "context_most": COUNT,
    "load_ms": MILLISECONDS,
    "prefill_tps": RATE,
    "decode_tps": RATE,
    "half_depth": Range(1, 1_000_000_000_000),
    "knee": Range(1, 1_000_000),
    "slots": Range(1, 65_536, whole=True),
    "queue": Range(0, 1_000_000, whole=True),
    "ttft_ms": MILLISECONDS,
    "token_ms": MILLISECONDS,
    "jitter": SHARE,
    "tokens_per_chunk": TOKENS,
    "stops_at": SOME_TOKENS,
    "natural_tokens": TOKENS,
    "thinking_tokens": SOME_TOKENS,
    "calls": Range(0, 1_000, whole=True),
    "ability": SHARE,
    "confidence": SHARE,
}

DEFAULT_MODELS: tuple[SimModel, ...] = (
    SimModel(name="sim-dense:7b", loaded=True, half_depth=32_768.0, knee=3.0),
    SimModel(
        name="sim-moe:30b-a3b",
        architecture="simmoe",
        parameters=30_500_000_000,
        active_parameters=3_300_000_000,
        experts=128,
        experts_used=8,
        quantization="Q5_K_M",
        context_max=131_072,
        capabilities=("completion", "tools", "thinking"),
        load_ms=900.0,
        prefill_tps=1_200.0,
        decode_tps=80.0,
        half_depth=65_536.0,
        knee=2.0,
    ),
    SimModel(
        name="sim-think:4b",
        architecture="simthink",
        parameters=4_000_000_000,
        quantization="Q8_0",
        size_bytes=4_300_000_000,
        capabilities=("completion", "tools", "thinking"),
        load_ms=200.0,
        prefill_tps=4_000.0,
        decode_tps=100.0,
    ),
    SimModel(
        name="sim-eye:12b",
        architecture="simvision",
        parameters=12_200_000_000,
        quantization="IQ4_XS",
        vram_fraction=0.7,
        capabilities=("completion", "vision"),
        load_ms=500.0,
        prefill_tps=800.0,
        decode_tps=25.0,
        slots=2,
    ),
)


class SimConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One simulator: models, who it pretends to be, and how badly it behaves."""

    models: tuple[SimModel, ...] = DEFAULT_MODELS
    dialects: tuple[SimDialect, ...] = DIALECT_NAMES
    host: str = "127.0.0.1"
    ports: Mapping[str, int] = {}  # dialect, or "all" -> port; without an entry a free one is taken
    api_key: str | None = None  # asked for by openai, vllm, llamacpp and lmstudio; others ignore it
    router: bool = False  # llama-server without a model of its own
    max_loaded: int = 3  # resident models per server, the oldest goes first
    seed: int = 0
    delay: bool = True  # False: no model time at all, as fast as the machine can
    speedup: float = 1.0  # model time runs this much faster
    faults: tuple[str, ...] = ()  # NAME[=ARG][@WHEN], see FAULTS
    http_chunk: Literal["event", "write"] = "event"  # one HTTP chunk per event, or per write
    truth_requests: int = 50_000  # remembered requests and writes; the oldest go first
    truth_writes: int = 2_000_000
    native_metrics: bool = True  # llama-server --metrics
    pings_ms: float = 30_000.0  # llama-server's comment lines during a long prefill

    def model(self, name: str) -> SimModel | None:
        for model in self.models:
            if name == model.name or name + ":latest" == model.name or model.name + ":latest" == name:
                return model
        return None


CONFIG_RANGES: Mapping[str, Range] = {
    "max_loaded": Range(1, 1_000, whole=True),
    "speedup": Range(0.001, 1_000_000),
    "truth_requests": Range(0, 100_000_000, whole=True),
    "truth_writes": Range(0, 1_000_000_000, whole=True),
    "pings_ms": MILLISECONDS,
}


def load_config(path: Path) -> SimConfig:
    """Read a `.toml` or `.json` file; raises UsageError with the place of the mistake."""
    try:
        data = path.read_bytes()
        if path.suffix == ".toml":
            return msgspec.toml.decode(data, type=SimConfig)
        return msgspec.json.decode(data, type=SimConfig)
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}", "check the path given to --config"
        ) from None
    except (msgspec.DecodeError, ValueError) as error:
        raise UsageError(f"{path}: {error}", "keys are those of SimConfig and SimModel") from None


def parse_model(text: str) -> SimModel:
    """`NAME` or `NAME:key=value,key=value`, over the defaults of SimModel or of that default model."""
    found = re.match(r"^(.*?)(?::(\w+=.*))?$", text, re.DOTALL)
    name, rest = (found[1], found[2]) if found else (text, None)
    base = next((model for model in DEFAULT_MODELS if model.name == name), SimModel(name=name))
    pairs: dict[str, Any] = {}
    for part in (rest or "").split(","):
        if not part:
            continue
        key, _, value = part.partition("=")
        pairs[key.strip()] = tuple(value.split("+")) if key.strip() == "capabilities" else value.strip()
    try:
        changed = msgspec.to_builtins(base) | pairs
        return msgspec.convert(changed, SimModel, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"--model {text}: {error}", "as in --model fast:ttft_ms=200,token_ms=20") from None
