"""Made-up runs with everything a report can show, seeded; no server needed."""

import math
import random
from datetime import UTC, datetime, timedelta

import msgspec

from tiltyard.records import Attempt, Exchange, Measures, Message, Model, Request, Run, ServerInfo, Timeline
from tiltyard.stats.figures import figure
from tiltyard.stats.trends import drift

START = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
METRICS = ("decode_tps", "prefill_tps", "ttft_ms", "ttfo_ms", "itl_ms", "e2e_ms", "queue_ms")


def plain(record):
    return msgspec.to_builtins(record)


class Maker:
    """Makes one run: stages of attempts around a true decode speed."""

    def __init__(self, name, decode=40.0, prefill=900.0, seed=1, noise=0.02, **model):
        self.rng = random.Random(f"{name}{seed}")
        self.decode, self.prefill, self.noise = decode, prefill, noise
        self.id = f"{self.rng.getrandbits(64):016x}"
        self.model = Model(name=name, **{"quantization": "Q4_K_M", "parameters": 8_190_000_000, **model})
        self.attempts, self.stages = [], []

    def stage(self, name, n=12, slower=1.0, every_s=5.0, fading=0.0, **load):
        made = []
        for r in range(n):
            speed = self.decode / slower * math.exp(self.rng.gauss(0, self.noise)) * (1 - fading * r / n)
            prefill = self.prefill / slower * math.exp(self.rng.gauss(0, self.noise))
            ttft = 512 / prefill * 1000 + self.rng.expovariate(1 / 12) * slower
            measures = Measures(
                decode_tps=speed, prefill_tps=prefill, ttft_ms=ttft, ttfo_ms=ttft + 3, itl_ms=1000 / speed,
                e2e_ms=ttft + 127_000 / speed, queue_ms=self.rng.uniform(0.05, 0.3), output_tokens=128,
            )  # fmt: skip
            when = START + timedelta(seconds=every_s * (len(self.attempts) + r))
            made.append(
                Attempt(
                    run_id=self.id, stage=name, item_id=name, item_hash="0" * 16, repetition=r,
                    started_at=when.isoformat(), exchanges=(), measures=measures,
                )
            )  # fmt: skip
        self.attempts += made
        streams = load.get("concurrency") or 1
        rate = self.decode / slower * streams * 0.93
        gaps = [1000 / self.decode * slower * self.rng.lognormvariate(0, 0.25) for _ in range(40 * n)]
        self.stages.append(
            {
                "name": name, "load": {"kind": "closed", "concurrency": 1, "rate": None, **load},
                "requests": {"ok": n, "failed": 0, "truncated": 0, "total": n},
                "output_tps": rate, "request_rate": rate / 128, "goodput": None,
                **{m: plain(figure([getattr(a.measures, m) for a in made])) for m in METRICS},
                "chunk_gap_ms": plain(figure(gaps, clusters=[i // 40 for i in range(40 * n)])),
            }
        )  # fmt: skip
        return self

    def rate(self, asked, answered, good):
        self.stage(f"{asked:g}/s", n=8, kind="poisson", rate=asked)
        self.stages[-1].update(request_rate=answered, goodput={"slo": "ttft=2s", "requests_per_s": good})
        return self

    def run(self, profile="quick", endings=None, notes=(), state="finished", **more):
        endings = endings or {"ok": len(self.attempts)}
        total = sum(endings.values())
        gaps = [1000 / self.decode * self.rng.lognormvariate(0, 0.25) for _ in range(400)]
        summary = {
            "event": "summary", "schema": "tiltyard.summary/1", "suite": "speed", "model": self.model.name,
            "run_id": self.id, "state": state,
            "requests": {"ok": endings.get("ok", 0), "failed": total - endings.get("ok", 0), "total": total},
            "endings": endings, "tokens": {"prompt": 6144, "output": 1536, "source": "server"},
            "output_tps": self.stages[0]["output_tps"], "request_rate": 0.3,
            **{m: plain(figure([getattr(a.measures, m) for a in self.attempts])) for m in METRICS},
            "chunk_gap_ms": plain(figure(gaps, clusters=[i // 40 for i in range(400)])),
            "stages": self.stages, "figures_from": "all stages",
            "load": {"load_ms": 2140.0 * 40 / self.decode, "source": "server"},
            "client": {"cpu_s": 0.41, "cpu_us_per_chunk": 9.3, "loop_lag_ms_p99": 0.21, "bottleneck": False},
            "machine": {"telemetry": "ok", "duration_s": 61.2,
                        "devices": {"gpu0": {"name": "NVIDIA GeForce RTX 4090", "kind": "gpu",
                                             "utilisation_pct": {"mean": 96.2, "max": 100.0},
                                             "memory_bytes": {"mean": 6.1e9, "max": 6.12e9},
                                             "power_w": {"mean": 212.0, "max": 340.0}, "energy_j": 4130.0}},
                        "energy_j": 4130.0, "energy_net_j": 3610.0, "tokens_per_joule": 0.4255,
                        "remarks": []},
            "notes": list(notes), "tiltyard": "0.1.0",
        }  # fmt: skip
        summary.update(more)
        return Run(
            id=self.id, suite="speed", suite_version="1", model=self.model,
            server=ServerInfo(dialect="ollama", url="http://127.0.0.1:11434", version="0.14.2", slots=4),
            settings={"profile": profile, "prompt_tokens": 512, "output_tokens": 128, "think": False},
            fingerprint=f"{self.rng.getrandbits(64):016x}", started_at=START.isoformat(),
            ended_at=(START + timedelta(minutes=2)).isoformat(), state=state,
            command=f"tiltyard run speed --profile {profile} --model {self.model.name}",
            machine={"os": "Linux 6.12", "cpu": "AMD Ryzen 9 7950X", "cores": 16, "ram_bytes": 68_000_000_000,
                     "gpus": [{"name": "NVIDIA GeForce RTX 4090", "memory_bytes": 25_757_000_000,
                               "driver": "580.65"}]},
            calibration={"ttft_error_ms_p50": 0.02, "ttft_error_ms_p99": 0.09, "decode_error": 0.0004,
                         "chunks_per_s": 412_000, "cpu_us_per_chunk": 8.7},
            summary=summary,
        )  # fmt: skip


def answer(maker, prompt="Why is the sky blue?", text="Because of Rayleigh scattering."):
    """An attempt with its exchange, as the store reads it back."""
    request = Request(model=maker.model.name, messages=(Message(role="user", content=prompt),))
    timeline = Timeline(scheduled_ns=0, started_ns=0)
    exchange = Exchange(request=request, timeline=timeline, ending="ok", text=text)
    return msgspec.structs.replace(maker.attempts[0], exchanges=(exchange,))


def depth(name="qwen3:8b", decode=41.3, **more):
    maker = Maker(name, decode, 1100, size_bytes=4_920_000_000, architecture="qwen3", **more)
    for depth, slower in ((0, 1.0), (1024, 1.04), (4096, 1.17), (16384, 1.62), (32768, 2.3)):
        maker.stage(f"pp512 @ d{depth}", n=6, slower=slower)
        maker.stage(f"tg128 @ d{depth}", n=10, slower=slower)
    return maker


def concurrency(name="llama3.1:8b", decode=39.0, **more):
    maker = Maker(name, decode, 980, size_bytes=4_920_000_000, architecture="llama", **more)
    for streams, slower in ((1, 1.0), (2, 1.06), (4, 1.2), (8, 1.7), (16, 3.3), (32, 6.8)):
        maker.stage(f"{streams} streams", n=12, slower=slower, concurrency=streams)
    return maker


def with_depths(maker):
    """The depth profile's findings."""
    rows = []
    for pp, tg in zip(maker.stages[::2], maker.stages[1::2], strict=True):
        rows.append({"depth": int(pp["name"].rpartition("d")[2]), "prefill_tps": pp["prefill_tps"],
                     "decode_tps": tg["decode_tps"]})  # fmt: skip
    return {"depths": rows, "notes": ["d65536 left out: it needs a context of 66240 tokens"]}


def with_drift(maker):
    """The soak profile's findings."""
    values = [a.measures.decode_tps for a in maker.attempts]
    return {"drift": {"decode_tps": plain(drift([5.0 * i for i in range(len(values))], values))}, "notes": []}


def with_curve(maker):
    """The concurrency profile's own curve and headline, as the suite writes them."""
    curve = []
    for stage in maker.stages:
        rate = stage["output_tps"]
        figure = {"n": 12, "mean": rate, "ci95": [rate * 0.97, rate * 1.03]}
        curve.append({"streams": stage["load"]["concurrency"], "output_tps": figure})
    first = maker.stages[0]
    figures = {m: first[m] for m in (*METRICS, "chunk_gap_ms")}
    knee = {
        "load": 8,
        "rate": curve[3]["output_tps"]["mean"],
        "peak": 180,
        "resolved": True,
        "growing": False,
    }
    findings = {"curve": curve, "knee": knee, "notes": []}
    return maker, {"profile": "concurrency", "findings": findings, "figures_from": first["name"], **figures}


def serve(name="mistral-small:24b", decode=17.5, **more):
    maker = Maker(name, decode, 420, parameters=23_600_000_000, size_bytes=14_300_000_000, **more)
    for asked, answered, good in (
        (0.5, 0.5, 0.5),
        (1, 1, 0.98),
        (2, 1.97, 1.8),
        (4, 3.3, 1.1),
        (8, 3.4, 0.2),
    ):
        maker.rate(asked, answered, good)
    return maker


def soak(name="gpt-oss:20b", decode=61.0, **more):
    maker = Maker(name, decode, 1900, moe=True, active_parameters=3_600_000_000, parameters=20_900_000_000,
                  size_bytes=13_800_000_000, noise=0.03, **{"quantization": "MXFP4", **more})  # fmt: skip
    return maker.stage("soak with 1 stream", n=300, fading=0.06)


def quick(name="gemma3:1b", decode=118.0, n=14, **more):
    maker = Maker(name, decode, 5200, **{"parameters": 1_000_000_000, "size_bytes": 815_000_000, **more})
    return maker.stage("pp512 + tg128", n)


def everything():
    """Five makers and their runs, of every profile."""
    hot, deep, served = soak(), depth(), serve()
    slo = {"slo": "ttft=2s", "required_share": 0.95, "highest_rate": {"rate": 1, "missed_at": None}}
    makers = [
        (hot, {"profile": "soak", "findings": with_drift(hot)}),
        (deep, {"profile": "depth", "endings": {"ok": 78, "truncated": 1, "timeout_gap": 1},
                "findings": with_depths(deep),
                "notes": ["Another model (gemma3:4b) was in memory during this run."]}),
        with_curve(concurrency()),
        (served, {"profile": "serve", "findings": slo}),
        (quick(), {}),
    ]  # fmt: skip
    return [(maker, maker.run(**words)) for maker, words in makers]
