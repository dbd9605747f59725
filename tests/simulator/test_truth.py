"""The model of time: what was programmed is what happens, and what is logged is what happened."""

from __future__ import annotations

import json
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest

from tests.patience import best_of, eventually, wait_for
from tests.simulator.conftest import FAST, call, chat_body
from tiltyard.servers.simulator import Running, SimConfig, SimModel, running
from tiltyard.servers.simulator.config import SimDialect


def ask(sim: Running, request_id: str, dialect: str = "llamacpp", **extra: object) -> None:
    path = "/v1/chat/completions"
    answer = call(sim.url(dialect), path, chat_body(**extra), {"X-Request-Id": request_id})
    assert answer.status == 200, answer.body


def one(model: SimModel, *dialects: SimDialect, **options: object) -> SimConfig:
    return SimConfig(models=(model,), dialects=dialects or ("llamacpp",), **options)  # type: ignore[arg-type]


def token_times(sim: Running, request_id: str) -> list[float]:
    """ms from receipt to each token."""
    entry = sim.truth(request_id)[-1]
    return [(at - entry["received_ns"]) / 1e6 for at, _, tokens in entry["writes"] if tokens]


@pytest.mark.parametrize("dialect", ["openai", "llamacpp", "vllm", "lmstudio", "ollama", "mlx", "sglang"])
def test_writes_follow_the_programmed_times(sim: Running, dialect: str) -> None:
    def check(turn: int) -> None:
        name = f"times-{dialect}-{turn}"
        ask(sim, name, dialect, max_tokens=8)
        times = token_times(sim, name)
        assert len(times) == 8
        late = [at - (40 + 5 * place) for place, at in enumerate(times)]
        assert 0 <= min(late) < 1
        assert sorted(late)[4] < 2

    eventually(check)


def test_stamps_are_the_clients_clock(sim: Running) -> None:
    eventually(lambda turn: stamps_are_the_clients_clock(sim, f"clock-{turn}"))


def stamps_are_the_clients_clock(sim: Running, name: str) -> None:
    parts = urlsplit(sim.url("openai"))
    body = json.dumps(chat_body()).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nX-Request-Id: {name}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as sock:
        sent = time.perf_counter_ns()
        sock.sendall(head.encode() + body)
        got = sock.recv(65_536)
        seen = time.perf_counter_ns()
        entry = sim.truth(name)[0]
        assert sent < entry["received_ns"] < entry["writes"][0][0] < seen
        assert entry["closed_ns"] is None  # it is read while it is written
        while b"\r\n0\r\n\r\n" not in got:
            got += sock.recv(65_536)
    wait_for(lambda: sim.truth(name)[0]["closed_ns"])
    entry = sim.truth(name)[0]
    assert entry["complete"]
    assert entry["closed_ns"] >= entry["writes"][-1][0]
    assert [write[1:] for write in entry["writes"] if write[2]] == [[place, 1] for place in range(4)]


def test_a_client_that_leaves_is_logged_and_frees_its_slot() -> None:
    model = SimModel(name="m", slots=1, ttft_ms=10, token_ms=50)
    with running(one(model, "openai")) as sim:
        parts = urlsplit(sim.url())
        body = json.dumps(chat_body("m", max_tokens=1000)).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nX-Request-Id: left\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as sock:
            sock.sendall(head.encode() + body)
            sock.recv(100)
        ask(sim, "next", "openai", model="m", max_tokens=1)
        assert token_times(sim, "next")[0] < 20_000  # the one who left would have taken 50 s
        entry = sim.truth("left")[0]
        assert not entry["complete"]
        assert entry["closed_ns"] is not None


def test_rates_slow_with_depth() -> None:
    model = SimModel(name="m", prefill_tps=10_000, decode_tps=500, half_depth=1_000, context=8_192)
    with running(one(model)) as sim:
        prompt = "abc " * 999  # "abc", " abc", ...: one token each
        messages = [{"role": "user", "content": prompt.strip()}]
        answer = call(
            sim.url(), "/v1/chat/completions", chat_body("m", messages=messages, stream=False)
        ).json()
        timings = answer["timings"]
        n = timings["prompt_n"]
        assert timings["prompt_ms"] == pytest.approx((n + n * n / 2_000) / 10, rel=1e-3)
        expected = sum(2 * (1 + (n + place) / 1_000) for place in range(4))
        assert timings["predicted_ms"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("streams", "total"), [(1, 400), (2, 800), (8, 800)])
def test_total_throughput_stops_at_the_knee(streams: int, total: int) -> None:
    model = SimModel(name="m", slots=8, prefill_tps=1e6, decode_tps=400, knee=2)
    with running(one(model)) as sim:

        def check(turn: int) -> None:
            assert _rate(sim, streams, turn) == pytest.approx(total, rel=0.15)

        eventually(check)


def _rate(sim: Running, streams: int, turn: int) -> float:
    """Total output tokens per second over the time in which all streams ran."""
    names = [f"knee-{turn}-{number}" for number in range(streams)]
    threads = [
        threading.Thread(target=ask, args=(sim, name), kwargs={"model": "m", "max_tokens": 40})
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writes = [[write[0] for write in sim.truth(name)[0]["writes"] if write[2]] for name in names]
    start, end = max(each[0] for each in writes), min(each[-1] for each in writes)
    return sum(sum(start < at <= end for at in each) for each in writes) / ((end - start) / 1e9)


@best_of()
def test_queue_is_first_come_and_its_wait_is_known() -> None:
    model = SimModel(name="m", slots=1, queue=2, ttft_ms=50, token_ms=1)
    with running(one(model)) as sim:
        statuses: list[int] = []

        def fire(name: str) -> None:
            answer = call(
                sim.url(), "/v1/chat/completions", chat_body("m", max_tokens=1), {"X-Request-Id": name}
            )
            statuses.append(answer.status)

        threads = [threading.Thread(target=fire, args=(f"q{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
            time.sleep(0.008)
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [200, 200, 200, 503]
        waits = [sim.truth(f"q{number}")[0]["queue_ns"] / 1e6 for number in range(3)]
        assert waits[0] == 0
        assert 25 < waits[1] < waits[2] - 25


def test_prefix_cache() -> None:
    model = SimModel(name="m", slots=2, prefill_tps=20_000, decode_tps=10_000)
    with running(one(model)) as sim:
        long = "one two three four five six " * 20

        def cached(text: str, **extra: object) -> tuple[int, int]:
            messages = [{"role": "user", "content": text}]
            timings = call(
                sim.url(), "/v1/chat/completions", chat_body("m", messages=messages, **extra)
            ).events()[-2]
            return timings["timings"]["cache_n"], timings["timings"]["prompt_n"]

        assert cached(long)[0] == 0
        again = cached(long)
        assert again[1] == 1  # all but the last token, which is always evaluated
        assert cached(long, cache_prompt=False)[0] == 0
        assert cached("zq81 " + long)[0] < 8  # a nonce at the start defeats it
        assert cached(long + " and more")[0] >= again[0] - 4


@best_of()
def test_loading_takes_its_time_once() -> None:
    model = SimModel(name="m", load_ms=80, ttft_ms=10, token_ms=1)
    with running(one(model, "ollama")) as sim:
        ask(sim, "cold", "ollama", model="m")
        ask(sim, "warm", "ollama", model="m")
        assert sim.truth("cold")[0]["load_ns"] == 80_000_000
        assert token_times(sim, "cold")[0] >= 90
        assert sim.truth("warm")[0]["load_ns"] == 0
        assert token_times(sim, "warm")[0] < token_times(sim, "cold")[0]


@best_of()
def test_speedup_and_no_delay() -> None:
    slow = SimModel(name="m", ttft_ms=1_000, token_ms=100)
    with running(one(slow, speedup=50.0)) as sim:
        ask(sim, "fast", model="m")
        assert 20 <= token_times(sim, "fast")[0] < 500
    with running(one(slow, delay=False)) as sim:
        ask(sim, "none", model="m", max_tokens=300)
        entry = sim.truth("none")[0]
        assert entry["writes"][0][1:] == [0, 300]  # one write, and the log says so
        assert entry["output_tokens"] == 300
        answer = call(sim.url(), "/v1/chat/completions", chat_body("m", max_tokens=300))
        assert len([event for event in answer.events() if event != "[DONE]"]) == 302


@pytest.mark.slow
def test_jitter_is_seeded_and_keeps_the_mean() -> None:
    model = SimModel(name="m", ttft_ms=5, token_ms=4, jitter=0.5)
    gaps = []
    for _ in range(2):
        with running(one(model)) as sim:
            timings = call(sim.url(), "/v1/chat/completions", chat_body("m", max_tokens=40)).events()[-2][
                "timings"
            ]
            gaps.append(timings["predicted_ms"])
    assert gaps[0] == gaps[1]
    assert gaps[0] != 160
    assert gaps[0] == pytest.approx(160, rel=0.15)


def test_bursts_of_tokens() -> None:
    model = SimModel(name="m", ttft_ms=20, token_ms=5, tokens_per_chunk=4)
    with running(one(model)) as sim:

        def check(turn: int) -> None:
            ask(sim, f"burst-{turn}", model="m", max_tokens=10)
            entry = sim.truth(f"burst-{turn}")[0]
            assert [write[1:] for write in entry["writes"] if write[2]] == [[0, 4], [4, 4], [8, 2]]
            times = token_times(sim, f"burst-{turn}")
            assert times[0] == pytest.approx(20, abs=3)
            assert times[1] - times[0] == pytest.approx(20, abs=3)

        eventually(check)


def test_truth_over_http_can_be_read_in_parts_and_reset() -> None:
    with running(one(FAST, "openai", delay=False, truth_requests=3)) as sim:
        for number in range(5):
            ask(sim, f"r{number}", "openai")
        read = call(sim.url(), "/tiltyard/truth").json()
        assert [entry["request_id"] for entry in read] == ["r2", "r3", "r4"]
        assert [entry["request_id"] for entry in call(sim.url(), "/tiltyard/truth?since=4").json()] == ["r4"]
        assert len(call(sim.url(), "/tiltyard/truth?id=r3").json()) == 1
        assert call(sim.url(), "/tiltyard/truth", method="DELETE").json() == {"reset": True}
        assert call(sim.url(), "/tiltyard/truth").json() == []
        about = call(sim.url(), "/tiltyard").json()
        assert about["server"] == "tiltyard-simulator"
        assert about["models"][0]["name"] == "fast"
