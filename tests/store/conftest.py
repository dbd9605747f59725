"""Made-up runs and attempts, as real as records can be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tiltyard.records import (
    Attempt,
    Events,
    Exchange,
    Grade,
    Measures,
    Message,
    Model,
    Request,
    Run,
    ServerInfo,
    ServerTimings,
    Timeline,
    Timeouts,
    ToolCall,
    Usage,
)
from tiltyard.store.store import Store

START = 1_234_567_890_123_456


def make_run(run_id: str = "r1", **changes: Any) -> Run:
    run = Run(
        id=run_id,
        suite="speed",
        suite_version="1",
        model=Model(
            name="qwen2.5-coder:7b-q4_K_M",
            digest="abc",
            architecture="qwen2",
            moe=False,
            parameters=7_600_000_000,
            quantization="Q4_K_M",
            bits_per_weight=4.9,
            size_bytes=4_700_000_000,
            loaded=True,
            capabilities=("tools", "completion"),
        ),
        server=ServerInfo(dialect="ollama", url="http://127.0.0.1:11434", version="0.13", loaded=("a", "b")),
        settings={"profile": "quick", "concurrency": 1},
        fingerprint="f" + run_id,
        started_at="2026-01-02T03:04:05.678+00:00",
        command="tiltyard run speed --model qwen2.5-coder:7b-q4_K_M",
        machine={"cpu": "made-up"},
    )
    return replace(run, **changes)


def make_exchange(tokens: int = 128, **changes: Any) -> Exchange:
    arrivals = tuple(START + 200_000_000 + i * 20_000_000 + (i * 7919) % 40_000 for i in range(tokens + 1))
    texts = tuple(f" word{i}" for i in range(tokens))
    exchange = Exchange(
        request=Request(
            model="qwen2.5-coder:7b-q4_K_M",
            messages=(
                Message(role="system", content="Be brief."),
                Message(role="user", content="Say the words."),
            ),
            max_tokens=tokens,
            temperature=0.0,
            seed=7,
            stop=("END",),
            tools=({"type": "function", "function": {"name": "f", "parameters": {}}},),
            request_id="r1-1-1",
            timeouts=Timeouts(gap_s=5),
        ),
        timeline=Timeline(
            scheduled_ns=START,
            started_ns=START + 1000,
            connected_ns=START + 2000,
            reused=True,
            sent_ns=START + 3000,
            headers_ns=START + 150_000_000,
            arrivals_ns=arrivals,
            arrivals_end=tuple(300 + i * 190 for i in range(tokens + 1)),
            closed_ns=arrivals[-1] + 5,
            clock="kernel",
            origin_unix_ns=1_700_000_000_000_000_000,
        ),
        ending="ok",
        status=200,
        events=Events(t_ns=arrivals, kinds="o" + "c" * tokens, texts=("", *texts), tokens=None),
        text="".join(texts),
        finish_reason="length",
        model_served="qwen2.5-coder:7b-q4_K_M",
        engine_version="0.13",
        usage=Usage(prompt_tokens=20, output_tokens=tokens),
        timings=ServerTimings(source="ollama", decode_tps=50.0),
        tool_calls=(ToolCall(name="f", arguments="{}"),),
        notes=("token_repeat",),
    )
    return replace(exchange, **changes)


def make_attempt(run_id: str = "r1", repetition: int = 0, **changes: Any) -> Attempt:
    attempt = Attempt(
        run_id=run_id,
        stage="tg128",
        item_id="decode",
        item_hash="h1",
        repetition=repetition,
        started_at="2026-01-02T03:04:06.000+00:00",
        exchanges=(make_exchange(),),
        measures=Measures(
            ttft_ms=200.0, decode_tps=50.0, output_tokens=128, prefill_kind="cold", tokens_source="server"
        ),
        grade=Grade(outcome="correct", score=1.0, points=3.0, reasons=("all right",), rule="exact"),
        client_bound=True,
    )
    return replace(attempt, **changes)


def failed(ending: str = "connect_error", **changes: Any) -> Exchange:
    return make_exchange(
        3, ending=ending, status=None, raw=b"half an answer \xff\xfe", error="refused", **changes
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "s.sqlite3") as opened:
        yield opened


def overwrite(path: Path, start: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(data)
