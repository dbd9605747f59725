"""What may be compared: figures that were counted or timed in different ways, and unlike work, never win."""

import pytest
from msgspec.structs import replace

from tests.reports import made
from tiltyard.reports.comparison import compare_runs
from tiltyard.reports.ways import Side

SERVER = {"server_prefill_tps": 900.0}
CLIENT = {"rate_source": "client", "tokens_source": "server", "prompt_tokens": 512}
ESTIMATED = {"rate_source": "client-estimated", "tokens_source": "estimate"}


def side(name, measures=None, rung=None, decode=40.0, stage="soak with 1 stream", **load):
    maker = made.Maker(name, decode).stage(stage, n=30, **load)
    attempts = [replace(x, measures=replace(x.measures, **(measures or {}))) for x in maker.attempts]
    return Side(run=maker.run(prompt={"rung": rung}), attempts=attempts)


def verdicts(a, b, *metrics):
    found = compare_runs(a, b, metrics)
    return {row.metric: row.verdict for row in found.rows}, " ".join(found.warnings), found.rows


@pytest.mark.parametrize(
    ("metric", "of_a", "of_b", "said"),
    [
        ("prefill_tps", SERVER, {}, "A's is the server's own timing, B's is prompt tokens / time to first"),
        ("decode_tps", ESTIMATED, CLIENT, "A's is of tokens estimated from the text, B's is timed by"),
        ("decode_tps", {"rate_source": "server"}, CLIENT, "A's is the server's own timing, B's is timed by"),
        ("output_tps", ESTIMATED, CLIENT, "A's is of tokens estimated from the text, B's is of counted"),
        ("e2e_ms", ESTIMATED, CLIENT, "nobody counted the tokens of A's answers"),
        ("e2e_ms", {}, {"output_tokens": 111}, "A's answers have 128 tokens, B's 111"),
    ],
)  # fmt: skip
def test_no_claim_about_figures_that_were_measured_in_different_ways(metric, of_a, of_b, said):
    found, warnings, [row] = verdicts(side("a", of_a), side("b", of_b, decode=30.0), metric)
    assert found == {metric: "none"}
    assert row.words == "not comparable"
    assert said in row.not_comparable
    assert said in warnings
    assert (row.ratio.low, row.p_adjusted) == (None, None)


@pytest.mark.parametrize("of_both", [SERVER, CLIENT, ESTIMATED, CLIENT | {"rate_source": "server"}])
def test_what_was_measured_alike_is_compared(of_both):
    a, b = side("a", of_both, "server"), side("b", of_both, "server", decode=30.0)
    found, warnings, _ = verdicts(a, b, "decode_tps", "e2e_ms", "prefill_tps")
    assert (found["decode_tps"], found["e2e_ms"]) == ("lower", "higher")
    assert found["prefill_tps"] != "none"
    assert "not comparable" not in warnings


def test_waits_need_prompts_of_one_size():
    counted = side("a", CLIENT, "server")
    found, warnings, _ = verdicts(counted, side("b", CLIENT | {"prompt_tokens": 640}, "server"), "ttft_ms")
    assert found == {"ttft_ms": "none"}
    assert "A's prompts have 512 tokens, B's 640" in warnings
    found, warnings, _ = verdicts(counted, side("b", {"prompt_tokens": None}, "estimate"), "ttft_ms")
    assert found == {"ttft_ms": "none"}
    assert "nobody counted the tokens of B's prompts" in warnings
    found, _, _ = verdicts(counted, side("b", CLIENT | {"prompt_tokens": 514}, "estimate"), "ttft_ms")
    assert found["ttft_ms"] != "none"
    found, _, _ = verdicts(side("a", ESTIMATED, "estimate"), side("b", ESTIMATED, "estimate"), "ttft_ms")
    assert found["ttft_ms"] != "none"


def test_few_values_of_another_way_are_left_out_and_many_forbid_a_claim():
    alike = side("a", CLIENT)
    for n, verdict, left in ((6, "same", 24), (15, "none", 30)):
        odd = [
            replace(x, measures=replace(x.measures, rate_source="server", decode_tps=1e6)) if i < n else x
            for i, x in enumerate(alike.attempts)
        ]
        other = Side(run=side("b").run, attempts=odd)
        found, warnings, [row] = verdicts(alike, other, "decode_tps")
        assert found == {"decode_tps": verdict}
        assert (row.ratio.n_a, row.ratio.n_b) == (30, left)
        assert ("B's was measured in several ways" in warnings) == (verdict == "none")


def test_a_guess_is_no_difference():
    a = side("a", CLIENT)
    for error, verdict in ((0.02, "lower"), (0.6, "unclear")):
        guess = CLIENT | {"rate_source": "client-chunked", "rate_bias": error}
        found, _, [row] = verdicts(a, side("b", guess, decode=30.0), "decode_tps")
        assert found == {"decode_tps": verdict}
        assert ("a guess in the figures may make them wrong by a factor of up to 1.6" in row.words) == (
            verdict == "unclear"
        )


def test_what_servers_define_themselves_is_not_compared_across_dialects():
    a, b = side("a", SERVER), side("b", SERVER | {"server_prefill_tps": 700.0})
    b = replace(b, run=replace(b.run, server=replace(b.run.server, dialect="llamacpp")))
    found, warnings, _ = verdicts(a, b, "server_prefill_tps")
    assert found == {"server_prefill_tps": "none"}
    assert "A's is as ollama defines it, B's is as llamacpp defines it" in warnings


def test_other_work_in_a_stage_of_the_same_name_is_not_compared():
    a, b = (made.Maker(name).stage("1 stream", n=30).stage("2 streams", n=30) for name in "ab")
    of_b = [replace(x, item_id="pp2048-tg128") if x.stage == "1 stream" else x for x in b.attempts]
    sides = Side(run=a.run(), attempts=a.attempts), Side(run=b.run(), attempts=of_b)
    _, warnings, [row] = verdicts(*sides, "ttft_ms")
    assert (row.ratio.n_a, row.ratio.n_b) == (30, 30)
    assert "`1 stream` is left out: A asked 1 stream there and B pp2048-tg128" in warnings


def test_the_only_stage_of_each_is_compared_in_what_other_work_leaves_alike():
    a, b = side("a", rung="estimate"), side("b", rung="estimate", stage="2 streams")
    b = replace(b, attempts=[replace(x, item_id="pp2048-tg128") for x in b.attempts])
    found, warnings, rows = verdicts(a, b, "decode_tps", "ttft_ms", "e2e_ms", "prefill_tps")
    assert found["decode_tps"] != "none"
    assert [found[name] for name in ("ttft_ms", "e2e_ms", "prefill_tps")] == ["none", "none", "none"]
    assert "nobody counted the tokens of A and B's prompts" in rows[1].not_comparable
    assert (
        "A's only stage is `soak with 1 stream` (it asked soak with 1 stream), B's `2 streams` "
        "(it asked pp2048-tg128)"
    ) in warnings
    given = [replace(each, run=replace(each.run, summary={"prompt": {}})) for each in (a, b)]
    assert verdicts(*given, "ttft_ms")[0] == {"ttft_ms": "none"}


def test_the_only_stages_of_other_profiles_are_no_counterparts():
    a, b = side("a"), side("b", stage="1 stream")
    b = replace(b, run=replace(b.run, settings={**b.run.settings, "profile": "fixed"}))
    assert verdicts(a, b, "decode_tps")[2][0].ratio is None


def depth_side(name, rates, methods, waits=(70.0, 80.0), cached=(0, 8192), seed=1):
    """A depth run: prefill rates and waits at 0 and 8k, 128 tokens behind 8 new words, and its findings."""
    maker = made.Maker(name, seed=seed)
    stages = {"pp512": 0, "tg128": 0, "pp512 @ d8192": 1, "tg128 @ d8192": 1}
    for stage in stages:
        maker.stage(stage, n=6)
    attempts = []
    for x in maker.attempts:
        at, fills = stages[x.stage], x.stage.startswith("pp")
        measures = replace(
            x.measures,
            prefill_tps=(rates[at] if fills else 300.0 * (1 + seed)) * (1 + 0.001 * x.repetition),
            ttft_ms=(waits[at] if fills else 8.0 * seed) * (1 + 0.001 * x.repetition),
            prefill_kind="warm" if cached[at] else "cold",
            cached_tokens=cached[at],
            prompt_tokens=(512 if fills else 8) + 8192 * at,
        )
        attempts.append(replace(x, measures=measures))
    rows = [
        {"depth": depth, "prompt_tokens": 512, "output_tokens": 128, "prefill_method": method}
        for depth, method in zip((0, 8192), methods, strict=True)
    ]
    run = maker.run("depth", findings={"depths": rows})
    return Side(run=run, attempts=attempts)


CACHED = ("direct", "cached")


def test_the_prefill_of_a_depth_run_is_of_the_new_words_behind_each_depth():
    flat = depth_side("flat", (7400.0, 7370.0), CACHED)
    steep = depth_side("steep", (7400.0, 2414.0), CACHED, (70.0, 212.0), seed=2)
    rows = {
        (row.metric, row.stage): row
        for row in compare_runs(flat, steep, ["prefill_tps", "ttft_ms"], by_stage=True).rows
    }
    assert rows["prefill_tps", "pp512"].verdict == "same"
    assert rows["prefill_tps", "pp512 @ d8192"].ratio.ratio == pytest.approx(2414 / 7370)
    assert rows["prefill_tps", "pp512 @ d8192"].verdict == "lower"
    assert rows["ttft_ms", "pp512 @ d8192"].verdict == "higher"
    assert {stage for _, stage in rows} == {None, "pp512", "pp512 @ d8192"}


def test_stages_for_decoding_say_nothing_about_prefill_and_waits():
    """Of eight new words the wait is next to nothing: twice that is no difference of the servers."""
    one, other = (depth_side(n, (7400.0, 7370.0), CACHED, seed=n) for n in (1, 2))
    found, _, rows = verdicts(one, other, "prefill_tps", "ttft_ms")
    assert found == {"prefill_tps": "same", "ttft_ms": "same"}
    assert [row.ratio.stages for row in rows] == [2, 2]


def test_a_difference_of_waits_is_no_prefill_rate_of_single_requests():
    cached = depth_side("a", (7400.0, 7370.0), CACHED)
    whole = depth_side("b", (7400.0, 7900.0), ("difference", "difference"), (70.0, 1100.0), (0, 0), seed=2)
    found, warnings, rows = verdicts(cached, whole, "prefill_tps", "ttft_ms")
    assert found == {"prefill_tps": "none", "ttft_ms": "same"}
    assert (rows[0].ratio, rows[1].ratio.stages) == (None, 1)
    assert "prefill speed leaves out `pp512`, `pp512 @ d8192`" in warnings
    assert "waits leave out `pp512 @ d8192`, `tg128 @ d8192`: one of the two had" in warnings


@pytest.mark.parametrize("metric", ["ttft_ms", "e2e_ms"])
def test_no_verdict_on_waits_in_a_queue(metric):
    a, b = (side(n, CLIENT, "server", decode, kind="poisson") for n, decode in (("a", 40.0), ("b", 9.0)))
    found, warnings, [row] = verdicts(a, b, metric)
    assert (found, row.words) == ({metric: "none"}, "not comparable")
    assert row.ratio.low is None
    assert row.not_comparable in warnings
    assert "not independent" in warnings
    found, warnings, [row] = verdicts(a, b, "decode_tps")
    assert (found, row.ratio.low) == ({"decode_tps": "none"}, None)
    assert "share the server" in warnings
