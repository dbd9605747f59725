"""`tiltyard compare` as a user runs it: finds the known truth, calls ties ties, and says what differs."""

import json

import pytest
from msgspec.structs import replace

from tests.cli.stocked import stock, tiltyard
from tests.reports import made
from tests.reports.graded import graded
from tiltyard.servers.simulator import SimConfig, SimModel, running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("data")
    makers = [
        made.quick("qwen3:8b", 40, n=30, quantization="Q4_K_M", seed=1),
        made.quick("qwen3:8b", 30, n=30, quantization="Q8_0", seed=2),
        made.quick("other:1b", 90, n=30, seed=3),
        made.quick("qwen3:8b", 40, n=200, quantization="Q4_K_M", seed=4),
        made.quick("qwen3:8b", 40, n=200, quantization="Q4_K_M", seed=5),
    ]
    stock(path, [(maker, maker.run()) for maker in makers])
    path.joinpath("ids").write_text("\n".join(maker.id for maker in makers))
    return path


def ids(folder):
    return folder.joinpath("ids").read_text().split()


def test_a_known_difference_is_found_with_its_reason(folder):
    a, b, *_ = ids(folder)
    done = tiltyard(folder, "compare", a[:6], b[:6])
    assert done.returncode == 0, done.stderr
    assert "slower" in done.stdout
    assert "% more time" in done.stdout
    assert "quant: Q4_K_M → Q8_0" in done.stdout
    found = json.loads(tiltyard(folder, "compare", a, b, "--metric", "decode_tps", "--json").stdout)
    (row,) = found["rows"]
    assert row["verdict"] == "lower"
    assert row["ratio"]["ratio"] == pytest.approx(0.75, abs=0.02)
    assert row["ratio"]["paired"] is False
    assert " + " in done.stdout
    assert "unpaired" in done.stdout


@pytest.mark.parametrize("columns", [20, 30, 40, 60, 80])
def test_no_figure_is_cut_however_narrow(folder, columns):
    a, b, *_ = ids(folder)
    text = tiltyard(folder, "compare", a, b, columns=columns).stdout
    wide = tiltyard(folder, "compare", a, b, columns=200).stdout
    ratio = next(line for line in wide.splitlines() if "decode" in line).split("  0.")[1].split()[0]
    assert "…" not in text
    assert f"0.{ratio}" in text.split()
    assert max(map(len, text.splitlines())) <= columns


def test_latest_and_previous_are_the_default_and_a_tie_is_a_tie(folder):
    *_, a, b = ids(folder)
    found = json.loads(tiltyard(folder, "compare", "--json").stdout)
    assert (found["a"], found["b"]) == (a, b)
    decode = found["rows"][0]
    assert (decode["metric"], decode["verdict"]) == ("decode_tps", "same")
    done = tiltyard(folder, "compare", "previous", "latest")
    assert "no difference above 2 %" in done.stdout
    assert "Nothing differs" in done.stdout


def test_a_narrow_margin_cannot_tell_and_says_how_many_more(folder):
    *_, a, b = ids(folder)
    done = tiltyard(folder, "compare", a, b, "--margin", "0.4", "--metric", "decode_tps")
    assert "cannot tell, about " in done.stdout
    assert "more requests each" in done.stdout


@pytest.mark.parametrize(
    "names",
    [
        ("qwen3:8b-q4_K_M", "qwen3:8b-q8_0"),
        ("qwen3:8b", "qwen3:8b-q8_0"),
        ("Qwen3-8B-Q4_K_M", "Qwen3-8B-Q8_0"),
        ("hf.co/unsloth/Qwen3-8B-GGUF:Q4_K_M", "hf.co/unsloth/Qwen3-8B-GGUF:Q8_0"),
        ("mlx-community/Qwen3-8B-4bit", "mlx-community/Qwen3-8B-8bit"),
    ],
)
@pytest.mark.parametrize("key", ["quant", "quantization"])
def test_by_quantization_finds_it_in_names_too(tmp_path, names, key):
    makers = [
        made.quick(name, speed, n=5, quantization=quant, digest=quant, size_bytes=len(quant))
        for name, speed, quant in zip(names, (40, 30), ("Q4_K_M", "Q8_0"), strict=True)
    ]
    makers += [made.quick("qwen3:4b-q8_0", 90, n=5, quantization="Q8_0")]  # another model
    stock(tmp_path, [(maker, maker.run()) for maker in makers])
    done = tiltyard(tmp_path, "compare", "--by", key, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["a"], found["b"]) == (makers[0].id, makers[1].id)


def test_by_a_quantization_that_nobody_told(tmp_path):
    makers = [made.quick("m", 40, n=5, quantization=None, seed=seed) for seed in (1, 2)]
    stock(tmp_path, [(maker, maker.run()) for maker in makers])
    assert "no run tells its quantization" in tiltyard(tmp_path, "compare", "--by", "quant").stderr


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("engine_version", "no run tells its engine version"),
        ("version", "no run tells its engine version"),
        ("slots", "no run tells its slots"),
        ("bits_per_weight", "no run tells its bits per weight"),
        ("governor", "no run tells its governor"),
        ("settings.top_p", "no run sets its top_p"),
        ("top_p", "no run sets its top_p"),
    ],
)
def test_by_what_nobody_told(tmp_path, key, said):
    maker = made.quick("m", 40, n=5, engine_version=None, bits_per_weight=None)
    run = maker.run()
    run = replace(
        run,
        server=replace(run.server, version=None, slots=None),
        machine={"governor": None},
        settings={**run.settings, "top_p": None},
    )
    stock(tmp_path, [(maker, run)])
    done = tiltyard(tmp_path, "compare", "--by", key)
    assert f"{said}\n" in done.stderr
    assert "name both: tiltyard compare A B" in done.stderr


def test_by_takes_the_newest_two_that_differ(folder):
    _, q8, _, _, newest = ids(folder)
    found = json.loads(tiltyard(folder, "compare", "--by", "quant", "--json").stdout)
    assert (found["a"], found["b"]) == (q8, newest)
    found = json.loads(
        tiltyard(folder, "compare", "--by", "model", "--metric", "decode_tps", "--json").stdout
    )
    assert found["b"] == newest
    assert {d[0] for d in found["differences"]} >= {"model"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nonsense",), "no run 'nonsense'"),
        (("latest", "latest"), "the same run"),
        (("latest",), "is the newest run, and one run by itself is compared with the newest"),
        (("--metric", "beauty"), "there is no metric 'beauty'"),
        (("--by", "quantt"), "no run has anything called 'quantt'"),
        (
            ("--by", "engine_version"),
            "no two runs of the same suite, model and load differ in 'engine_version'",
        ),
        (("latest", "previous", "--by", "quant"), "--by chooses both runs"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_remedy(folder, words, said):
    done = tiltyard(folder, "compare", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "try: " in done.stderr
    assert "Traceback" not in done.stderr


def test_the_newest_run_alone_teaches_how_to_compare_it(folder):
    done = tiltyard(folder, "compare", ids(folder)[-1])
    assert done.returncode == 2
    assert "try: " in done.stderr
    assert "tiltyard compare latest previous" in done.stderr


def test_an_empty_store_says_what_to_do(tmp_path):
    done = tiltyard(tmp_path, "compare")
    assert done.returncode == 2
    assert "tiltyard run speed" in done.stderr


@pytest.fixture(scope="module")
def quality(tmp_path_factory):
    path = tmp_path_factory.mktemp("quality")
    makers = [graded("good:8b", 0.9), graded("poor:1b", 0.5), graded("good:8b", 0.89, seed=9)]
    stock(path, [(maker, maker.run()) for maker in makers])
    path.joinpath("ids").write_text("\n".join(maker.id for maker in makers))
    return path


def test_graded_runs_are_compared_item_by_item(quality):
    a, b, _ = ids(quality)
    done = tiltyard(quality, "compare", a, b)
    assert done.returncode == 0, done.stderr
    assert "points worse" in done.stdout
    assert "200: +" in done.stdout
    assert "decode speed" in done.stdout
    found = json.loads(tiltyard(quality, "compare", a, b, "--metric", "score", "--json").stdout)
    assert found["scores"][0]["verdict"] == "lower"
    assert found["rows"] == []


def test_several_runs_are_compared_with_the_first(quality):
    a, b, c = ids(quality)
    found = json.loads(tiltyard(quality, "compare", a, b, c, "--json").stdout)["comparisons"]
    assert [(each["a"], each["b"]) for each in found] == [(a, b), (a, c)]
    assert [each["scores"][0]["verdict"] for each in found] == ["lower", "unclear"]
    done = tiltyard(quality, "compare", a, b, c)
    assert "cannot tell, at least" in done.stdout


def test_runs_over_other_items_are_not_alike(tmp_path):
    makers = [
        (graded("m", 0.9, quantization="Q4_K_M"), "set1"),
        (graded("m", 0.9, seed=2, quantization="Q8_0"), "set1"),
        (graded("m", 0.9, seed=3, quantization="Q4_K_M"), "set2"),
    ]
    stock(tmp_path, [(maker, maker.run(items=items)) for maker, items in makers])
    found = json.loads(tiltyard(tmp_path, "compare", "--by", "quant", "--json").stdout)
    assert (found["a"], found["b"]) == (makers[0][0].id, makers[1][0].id)


ANOTHER_WAY = [
    {"top_p": 0.5},
    {"seed": 3},
    {"cot": True},
    {"shuffle": False},
    {"rotations": True},
    {"few_shot": 3},
    {"few_shot": 3, "examples": "e"},
    {"text_tools": True},
    {"limit": 100},
    {"prompt": "Well: {question}"},
    {"prompt": "Well: {question}", "files": {"prompt": "/p.txt"}},
]


def asked_in(way, *, seed, quantization="Q4_K_M"):
    maker = graded("m", 0.9, 20, seed=seed, quantization=quantization)
    run = maker.run()
    return maker, replace(run, settings={**run.settings, **way})


@pytest.mark.parametrize("way", ANOTHER_WAY, ids="-".join)
def test_runs_that_were_asked_in_another_way_are_not_alike(tmp_path, way):
    """The newest two that differ were asked in different ways; the two before them in the same."""
    runs = [asked_in({}, seed=1), asked_in({}, seed=2, quantization="Q8_0"), asked_in(way, seed=3)]
    stock(tmp_path, runs)
    found = json.loads(tiltyard(tmp_path, "compare", "--by", "quant", "--json").stdout)
    assert (found["a"], found["b"]) == (runs[0][0].id, runs[1][0].id)


@pytest.mark.parametrize("key", ["cot", "shuffle", "prompt"])
def test_by_a_way_of_asking(tmp_path, key):
    ways = {"cot": (False, True), "shuffle": (True, False), "prompt": ("a", "b")}[key]
    usual = {"prompt": "shipped"}
    runs = [asked_in({**usual, key: way}, seed=seed) for seed, way in enumerate(ways)]
    if key == "cot":  # it has a template of its own
        runs[1][1].settings["prompt"] = "reasons first"
    stock(tmp_path, runs)
    found = json.loads(tiltyard(tmp_path, "compare", "--by", key, "--json").stdout)
    assert (found["a"], found["b"]) == (runs[0][0].id, runs[1][0].id)


@pytest.fixture(scope="module")
def equals(tmp_path_factory):
    """Runs of three servers that are equally fast: one times its prefill, one counts nothing."""
    path = tmp_path_factory.mktemp("equals")
    model = SimModel(name="lab", loaded=True, prefill_tps=5_000, decode_tps=200)
    found = {}
    for name, dialect, faults in (
        ("native", "ollama", ()),
        ("vllm", "vllm", ()),
        ("uncounted", "openai", ("usage=none",)),
    ):
        with running(SimConfig(models=(model,), dialects=(dialect,), faults=faults)) as sim:
            words = ("--server", sim.url(dialect), "-m", "lab", "--budget", "2", "--output-tokens", "32")
            done = tiltyard(path, "run", "speed", *words)
        assert done.returncode == 0, done.stderr
        found[name] = json.loads(tiltyard(path, "runs", "--json").stdout)["runs"][0]["id"]
    return path, found


def test_prefill_by_the_server_and_by_the_client_are_not_compared(equals):
    path, found = equals
    for a, b, who in (
        ("native", "vllm", "A's is the server's own"),
        ("vllm", "native", "A's is prompt tokens"),
    ):
        said = json.loads(tiltyard(path, "compare", found[a], found[b], "--json").stdout)
        rows = {row["metric"]: row for row in said["rows"]}
        assert rows["prefill_tps"]["verdict"] == "none"
        assert rows["prefill_tps"]["not_comparable"].startswith(who)
        assert rows["decode_tps"]["not_comparable"] is None
    shown = tiltyard(path, "compare", found["native"], found["vllm"]).stdout
    assert "careful: prefill speed: not comparable, since A's is the server's own timing" in shown


def test_counted_and_estimated_tokens_are_not_compared(equals):
    path, found = equals
    for pair in (("vllm", "uncounted"), ("uncounted", "native")):
        said = json.loads(tiltyard(path, "compare", *(found[name] for name in pair), "--json").stdout)
        rows = {row["metric"]: row for row in said["rows"]}
        assert {"decode_tps", "ttft_ms", "e2e_ms", "output_tps"} <= set(rows)
        assert {row["words"] for row in said["rows"]} == {"not comparable"}
        assert "estimated from the text" in rows["decode_tps"]["not_comparable"]
        assert "nobody counted the tokens" in rows["ttft_ms"]["not_comparable"]
        assert sum("not comparable" in line for line in said["warnings"]) == 3


def test_previous_is_of_the_same_suite_and_its_lack_says_which(tmp_path):
    only, others = graded("m", 0.9, 40, seed=9), [made.quick("m", 40, n=8, seed=seed) for seed in (1, 2)]
    stock(tmp_path, [*((maker, maker.run()) for maker in others), (only, only.run())])
    done = tiltyard(tmp_path, "compare", "latest", "previous")
    assert done.returncode == 2
    assert f"there is no other `mcq` run to compare {only.id} with" in done.stderr
    assert "tiltyard runs --suite mcq" in done.stderr
    found = json.loads(tiltyard(tmp_path, "compare", others[1].id, "previous", "--json").stdout)
    assert (found["a"], found["b"]) == (others[1].id, others[0].id)


def versioned(maker, version, **words):
    run = maker.run(**words)
    return maker, replace(run, server=replace(run.server, version=version))


def test_by_takes_runs_that_share_a_stage_and_its_load(tmp_path):
    quick = [made.quick("m", 40, n=8, seed=seed) for seed in (1, 2)]
    soak = made.Maker("m", 40, seed=3).stage("soak with 1 stream", n=8)
    more = made.Maker("m", 40, seed=4).stage("soak with 2 streams", n=8, concurrency=2)
    wide = made.Maker("m", 40, seed=5).stage("pp512 + tg128", n=8, concurrency=4)
    pairs = [versioned(quick[0], "1"), versioned(quick[1], "2"), versioned(soak, "1", profile="soak")]
    pairs += [versioned(more, "2", profile="soak"), versioned(wide, "3")]
    stock(tmp_path, pairs)
    found = json.loads(tiltyard(tmp_path, "compare", "--by", "engine_version", "--json").stdout)
    assert (found["a"], found["b"]) == (quick[0].id, quick[1].id)
    assert found["rows"][0]["ratio"] is not None


def test_by_without_a_pair_of_one_load_is_an_error(tmp_path):
    soak = made.Maker("m", 40, seed=3).stage("soak with 1 stream", n=8)
    more = made.Maker("m", 40, seed=4).stage("soak with 2 streams", n=8, concurrency=2)
    stock(tmp_path, [versioned(soak, "1", profile="soak"), versioned(more, "2", profile="soak")])
    done = tiltyard(tmp_path, "compare", "--by", "engine_version")
    assert done.returncode == 2
    assert (
        "no two runs of the same suite, model and load differ in 'engine_version' (it is 1, 2)" in done.stderr
    )
    named = tiltyard(tmp_path, "compare", soak.id, more.id, "--json")  # one stage each: these two are meant
    assert "A's only stage is `soak with 1 stream`" in named.stdout


def test_runs_without_a_shared_stage_are_an_error(tmp_path):
    pairs = [made.quick("m", 40, n=8), made.concurrency("m", seed=2), made.concurrency("m", seed=3)]
    for attempt in range(len(pairs[2].attempts)):
        pairs[2].attempts[attempt] = replace(pairs[2].attempts[attempt], item_id="pp64-tg128")
    stock(tmp_path, [(maker, maker.run()) for maker in pairs])
    apart = tiltyard(tmp_path, "compare", pairs[0].id, "previous")
    other = tiltyard(tmp_path, "compare", "previous", "latest")
    assert (apart.returncode, other.returncode) == (2, 2)
    assert "have no stage in common" in apart.stderr
    assert "asked for other prompts or answers in every stage that both have" in other.stderr


def loaded(seed, stage, load, settings, item="pp512-tg128"):
    """A run of one stage under this load, and its maker."""
    maker = made.Maker("m", 40, seed=seed).stage(stage, n=32, **load)
    maker.attempts = [replace(x, item_id=item) for x in maker.attempts]
    run = maker.run(profile="fixed")
    return maker, replace(run, settings={"profile": "fixed", **settings})


@pytest.mark.parametrize(
    ("key", "of_a", "of_b"),
    [
        ("concurrency", ("2 streams", {"concurrency": 2}, {"concurrency": "2"}),
         ("4 streams", {"concurrency": 4}, {"concurrency": "4"})),
        ("settings.concurrency", ("1 stream", {"concurrency": 1}, {}),
         ("2 streams", {"concurrency": 2}, {"concurrency": "2"})),
        ("rate", ("constant 5/s", {"kind": "constant", "concurrency": None, "rate": 5.0}, {"rate": 5.0}),
         ("constant 9/s", {"kind": "constant", "concurrency": None, "rate": 9.0}, {"rate": 9.0})),
        ("poisson", ("constant 5/s", {"kind": "constant", "rate": 5.0}, {"rate": 5.0}),
         ("poisson 5/s", {"kind": "poisson", "rate": 5.0}, {"rate": 5.0, "poisson": True})),
        ("burst",
         ("bursts of 4 at 5/s", {"kind": "burst", "rate": 5.0, "burst": 4}, {"rate": 5.0, "burst": 4}),
         ("bursts of 8 at 5/s", {"kind": "burst", "rate": 5.0, "burst": 8}, {"rate": 5.0, "burst": 8})),
        ("ramp_to",
         ("ramp 1 to 4/s", {"kind": "ramp", "rate": 1.0, "rate_to": 4.0}, {"rate": 1.0, "ramp_to": 4.0}),
         ("ramp 1 to 8/s", {"kind": "ramp", "rate": 1.0, "rate_to": 8.0}, {"rate": 1.0, "ramp_to": 8.0})),
        ("cached", ("1 stream", {}, {}), ("1 stream", {}, {"cached": True})),
        ("prompt_tokens", ("1 stream", {}, {}), ("1 stream", {}, {"prompt_tokens": 64}, "pp64-tg128")),
        ("output_tokens", ("1 stream", {}, {"output_tokens": 8}, "pp512-tg8"),
         ("1 stream", {}, {"output_tokens": 9}, "pp512-tg9")),
    ],
)  # fmt: skip
def test_by_a_setting_of_the_load(tmp_path, key, of_a, of_b):
    a, b = loaded(1, *of_a), loaded(2, *of_b)
    stock(tmp_path, [a, b])
    found = json.loads(tiltyard(tmp_path, "compare", "--by", key, "--json").stdout)
    assert (found["a"], found["b"]) == (a[0].id, b[0].id)
    rows = {row["metric"]: row for row in found["rows"]}
    arrivals = of_a[1].get("kind", "closed") != "closed"  # their answers share the server: no verdict
    assert rows["decode_tps"]["verdict"] in (("none",) if arrivals else ("same", "unclear"))
    assert rows["decode_tps"]["ratio"] is not None
    assert f"settings.{key.removeprefix('settings.')}" in {name for name, *_ in found["differences"]}
    if of_a[0] != of_b[0]:
        assert f"A's only stage is `{of_a[0]}`, B's `{of_b[0]}`" in found["warnings"]


def test_by_a_setting_of_the_load_that_all_share(tmp_path):
    stock(tmp_path, [loaded(1, "1 stream", {}, {}), loaded(2, "1 stream", {}, {"concurrency": "1"})])
    done = tiltyard(tmp_path, "compare", "--by", "concurrency")
    assert done.returncode == 2
    assert "differ in 'concurrency' (it is 1)" in done.stderr
    done = tiltyard(tmp_path, "compare", "--by", "cached")
    assert "differ in 'cached' (it is not set)" in done.stderr


def test_a_row_over_several_stages_says_of_how_many(tmp_path):
    makers = [made.depth("a:1b", 40), made.depth("b:1b", 90, seed=2)]
    quick = [made.quick("a:1b", 40, seed=3), made.quick("b:1b", 90, seed=4)]
    stock(tmp_path, [(maker, maker.run(profile="depth")) for maker in makers])
    said = tiltyard(tmp_path, "compare", "--metric", "decode_tps").stdout
    assert "over 10 stages; each: --stages" in said
    assert "over 10 stages" not in tiltyard(tmp_path, "compare", "--stages").stdout  # they stand there
    stock(tmp_path, [(maker, maker.run()) for maker in quick], first=2)
    assert "stages" not in tiltyard(tmp_path, "compare").stdout
