"""`tiltyard board` over graded and speed runs, as a user runs it: ranks, filters, models side by side."""

import csv
import json
import sqlite3
from contextlib import closing

import pytest
from msgspec.structs import replace

from tests.cli.stocked import stock, tiltyard
from tests.reports import made
from tests.reports.graded import Graded
from tiltyard.records import content_hash
from tiltyard.reports.traits import items_name
from tiltyard.store.store import FILE, Store

pytestmark = pytest.mark.slow

MODELS = (("good:8b", 0.85, 41, 4.9e9), ("alike:8b", 0.83, 29, 4.9e9), ("small:1b", 0.4, 118, 0.8e9))
LARGE = 12e9


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("data")
    pairs = []
    for name, ability, tps, size in MODELS:
        speed = made.quick(name, tps, n=12, size_bytes=int(size))
        pairs.append((speed, speed.run()))
        for suite in ("mcq", "tools"):
            maker = Graded(name, tps, seed=suite, size_bytes=int(size))
            maker.answers(120, ability, stage=suite, errors=2, truncated=3 if suite == "mcq" else 0)
            pairs.append((maker, maker.run(suite=suite, items=f"set of {suite}")))
    slow = Graded("large:70b", 6, size_bytes=int(LARGE)).answers(120, 0.99, stage="tools")
    pairs.append((slow, slow.run(suite="tools", items="set of tools")))
    stock(path, pairs)
    return path


def lines(done):
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_table_for_each_suite(folder):
    said = lines(tiltyard(folder, "board"))
    heads = [line for line in said if line in ("speed", "mcq", "tools")]
    assert heads == ["speed", "mcq", "tools"]
    mcq = said[said.index("mcq") : said.index("tools")]
    assert [line.split()[0] for line in mcq[2:5]] == ["1-2", "1-2", "3"]
    assert all("2 error, 2.5 % cut" in line for line in mcq[2:5])
    assert "rank 1-2: cannot be told apart" in " ".join(said)


def test_best_at_tool_calls_among_the_quick_and_small(folder):
    words = ("board", "--suite", "tools", "--min-tps", "30", "--max-gb", "10", "--json")
    rows = json.loads(tiltyard(folder, *words).stdout)["rows"]
    assert [(row["model"], row["rank"]) for row in rows] == [("good:8b", [1, 1]), ("small:1b", [2, 2])]
    best = rows[0]
    assert best["ci95"][0] < best["score"] < best["ci95"][1]
    assert (best["n"], best["outcomes"]["error"], best["ci_method"]) == (120, 2, "wilson")
    everything = json.loads(tiltyard(folder, "board", "--suite", "tools", "--json").stdout)["rows"]
    assert everything[0]["model"] == "large:70b"


def test_models_side_by_side(folder):
    said = "\n".join(lines(tiltyard(folder, "board", "--by-model")))
    for part in ("mcq, rank", "tools, rank", "decode tok/s", "#1-2", "good:8b"):
        assert part in said
    found = json.loads(tiltyard(folder, "board", "--by-model", "--json").stdout)["models"]
    assert {model["model"] for model in found} == {"good:8b", "alike:8b", "small:1b", "large:70b"}
    good = next(model for model in found if model["model"] == "good:8b")
    assert set(good["scores"]) == {"mcq", "tools"}
    assert good["speed"]["suite"] == "speed"
    assert good["scores"]["mcq"]["rank"] == [1, 2]
    large = next(model for model in found if model["model"] == "large:70b")
    assert large["speed"] is None  # it has no speed run, and other requests are no measure beside one
    smallest = json.loads(
        tiltyard(folder, "board", "--by-model", "--sort", "size", "--limit", "1", "--json").stdout
    )
    assert [model["model"] for model in smallest["models"]] == ["small:1b"]


def test_filters_that_nothing_passes_and_a_suite_that_is_none(folder):
    assert lines(tiltyard(folder, "board", "--min-tps", "1e9")) == [
        "no run passes these filters: `tiltyard board` shows all"
    ]
    done = tiltyard(folder, "board", "--suite", "poems")
    assert done.returncode == 2
    assert "there is no suite called 'poems'" in done.stderr
    assert "rank" not in "".join(lines(tiltyard(folder, "board", "--suite", "speed"))[1:])


def test_only_the_same_items_stand_in_one_column(tmp_path):
    pairs = []
    for name, items in (("a:1b", "shipped"), ("b:1b", "shipped"), ("b:1b", "of b"), ("c:1b", "of c")):
        maker = Graded(name, 30, seed=name + items).answers(
            60, 0.5 if items == "shipped" else 0.9, stage="tools"
        )
        pairs.append((maker, maker.run(suite="tools", items=items)))
    stock(tmp_path, pairs)
    done = tiltyard(tmp_path, "board", "--by-model")
    others = "tools: 1 more was asked other items, in another way, or by another version of the suite"
    assert others in " ".join(lines(done))
    found = json.loads(tiltyard(tmp_path, "board", "--by-model", "--json").stdout)["models"]
    scores = {model["model"]: (model["scores"].get("tools"), model["elsewhere"]) for model in found}
    assert {name: row and row["item_set"] for name, (row, _) in scores.items()} == {
        "a:1b": "shipped",
        "b:1b": "shipped",
        "c:1b": None,
    }
    assert [other for _, other in scores.values()] == [[], [], ["tools"]]
    said = lines(tiltyard(tmp_path, "board", "--suite", "tools", "--all"))
    assert [line for line in said if line.startswith("tools")] == [
        f"tools  shipped, items {items}" for items in ("of b", "of c", "shipped")
    ]


def test_a_trial_does_not_stand_in_for_the_whole_run(tmp_path):
    """Part of the items, or one mode of three, is another table; a run that ended early is none."""
    whole = {"items": "0123", "item_count": 200, "files": {"questions": ["big.csv"]}}
    settings = (whole, {**whole, "limit": 5}, {**whole, "stop_when": "decided"})
    pairs = []
    for number, (name, n) in enumerate((("a:1b", 200), ("a:1b", 5), ("b:1b", 60))):
        maker = Graded(name, 30, seed=number).answers(n, 0.9)
        pairs.append((maker, replace(maker.run(), settings=settings[number])))
    shaping = {"items": "4567", "item_count": 97}
    for name, chosen in (("a:1b", shaping), ("b:1b", {**shaping, "modes": ["json_schema"]})):
        maker = Graded(name, 30, seed=name).answers(20, 0.9, stage="json")
        pairs.append((maker, replace(maker.run(suite="json"), settings=chosen)))
    stock(tmp_path, pairs)
    said = lines(tiltyard(tmp_path, "board"))
    heads = [line for line in said if line.startswith(("mcq", "json"))]
    assert sorted(heads) == [
        "json  shipped, items 4567",
        "json  shipped, json_schema only, items 4567",
        "mcq  big.csv, 5 drawn, items 0123",
        "mcq  big.csv, items 0123",
    ]
    rows = json.loads(tiltyard(tmp_path, "board", "--suite", "mcq", "--json").stdout)["rows"]
    sets = {row["n"]: row["item_set"] for row in rows}
    assert set(sets) == {200, 5, 60}
    assert sets[60] == sets[200] == "0123" != sets[5]
    found = json.loads(tiltyard(tmp_path, "board", "--by-model", "--json").stdout)["models"]
    assert {model["model"]: model["scores"]["mcq"]["n"] for model in found} == {"a:1b": 200, "b:1b": 60}


def test_parts_and_ways_of_the_tool_cases_have_tables_of_their_own(tmp_path):
    asked = (
        {"items": "0123"},
        {"items": "0123", "text_tools": True},
        {"items": "4567", "categories": ["parallel"]},
        {"items": "89ab", "categories": ["one call", "choice", "parallel", "types", "nested"]},
    )
    pairs = []
    for number, settings in enumerate(asked):
        maker = Graded("a:1b", 30, seed=number).answers(20 + number, 0.9, stage="tools")
        pairs.append((maker, replace(maker.run(suite="tools"), settings=settings)))
    stock(tmp_path, pairs)
    heads = [
        "shipped, categories one call, choice, parallel and 2 more, items 89ab",
        "shipped, category parallel, items 4567",
        "shipped, calls read from text, items 0123",
        "shipped, items 0123",
    ]
    said = lines(tiltyard(tmp_path, "board", "--all"))
    assert [line for line in said if line.startswith("tools")] == [f"tools  {head}" for head in heads]
    tiltyard(tmp_path, "report", *(maker.id for maker, _ in pairs), "--output", str(tmp_path / "r.html"))
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert all(f"tools: {head}" in page for head in heads)
    table = tiltyard(tmp_path, "export", "--format", "md").stdout
    assert all(f"| tools 1, {head} |" in table for head in heads)


def test_runs_of_other_versions_of_a_suite_share_no_table(tmp_path):
    """Another version may grade by other rules: nothing sets its runs beside those of this one."""
    pairs = []
    for name, version in (("old:1b", "1"), ("both:1b", "1"), ("both:1b", "2"), ("new:1b", "2")):
        maker = Graded(name, 30, seed=name + version).answers(40, 0.7, stage="mcq")
        pairs.append((maker, replace(maker.run(items="0123"), suite_version=version)))
        speed = made.quick(name, 30 + len(pairs), n=8, seed="speed" + version)
        pairs.append((speed, replace(speed.run(), suite_version=version)))
    stock(tmp_path, pairs)
    said = lines(tiltyard(tmp_path, "board"))
    heads = [line for line in said if line.startswith(("mcq", "speed"))]
    versions = ["version 2 of the suite", "version 1 of the suite"]
    assert heads[2:] == [f"mcq  shipped, items 0123, {version}" for version in versions]
    assert [head.endswith(version) for head, version in zip(heads[:2], versions, strict=True)] == [True] * 2
    assert "old:1b" not in "".join(said[said.index(heads[2]) : said.index(heads[3])])
    assert "versions of a suite measure or grade by rules of their own" in " ".join(said)
    rows = json.loads(tiltyard(tmp_path, "board", "--suite", "mcq", "--json").stdout)["rows"]
    found = {row["model"]: (row["suite_version"], row["rank"]) for row in rows}
    assert found["old:1b"] == ("1", [1, 1])  # with nobody beside it
    assert {name: version for name, (version, _) in found.items()} == {
        "new:1b": "2",
        "both:1b": "2",
        "old:1b": "1",
    }
    models = json.loads(tiltyard(tmp_path, "board", "--by-model", "--json").stdout)["models"]
    assert {model["model"]: model["elsewhere"] for model in models}["old:1b"] == ["mcq", "speed"]
    table = tiltyard(tmp_path, "export", "--format", "md").stdout
    assert "| mcq 1, shipped, items 0123 |" in table
    assert "| mcq 2, shipped, items 0123 |" in table
    table = tiltyard(tmp_path, "export", "--format", "csv").stdout
    assert {row["suite_version"] for row in csv.DictReader(table.splitlines())} == {"1", "2"}
    ids = [maker.id for maker, _ in pairs]
    tiltyard(tmp_path, "report", *ids, "--output", str(tmp_path / "r.html"))
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert all(f"mcq: shipped, items 0123, {version}" in page for version in versions)
    done = tiltyard(tmp_path, "compare", ids[2], ids[4])
    assert "suite_version: 1 → 2" in done.stdout
    assert "careful: by different versions of the suite, which measure or grade" in done.stdout


def test_a_set_of_items_is_named_by_its_files():
    files = {"questions": ["/data/law.csv", "C:\\sets\\math.csv", "x.csv", "y.jsonl"]}
    files |= {"examples": "/e/dev.csv"}
    settings = {"files": files, "items": "0123456789abcdef"}
    run = replace(made.quick("a:1b", 9, n=1).run(), settings=settings)
    assert items_name(run) == "law.csv, math.csv, x.csv and 1 more, items 01234567"


def test_a_set_that_was_asked_in_another_way_says_in_which():
    usual = {"files": {"questions": ["/a/law.csv"]}, "items": "0123456789abcdef", "prompt": "{question}"}
    own = {"prompt": "/p.txt", "examples": "/e/dev.csv"}
    run = made.quick("a:1b", 9, n=1).run()

    def name(**settings):
        return items_name(replace(run, settings={**usual, **settings}))

    assert name(shuffle=True) == "law.csv, items 01234567"
    assert name(cot=True, shuffle=False) == (
        "law.csv, with reasoning, options in the file's order, items 01234567"
    )
    assert name(few_shot=1) == "law.csv, first 1 as example, items 01234567"
    assert name(few_shot=5, rotations=True, limit=9) == (
        "law.csv, in every order, first 5 as examples, 9 drawn, items 01234567"
    )
    shots = {"files": {**usual["files"], **own}, "examples": "89abcdef01234567"}
    prompt = "a prompt of its own (" + content_hash("{question}")[:8] + ")"
    assert name(**shots, few_shot=3) == f"law.csv, {prompt}, 3 examples (89abcdef), items 01234567"
    assert name(**shots) == f"law.csv, {prompt}, examples (89abcdef), items 01234567"


def test_sorting_by_speed_keeps_the_tables(folder):
    rows = json.loads(tiltyard(folder, "board", "--suite", "mcq", "--sort", "decode", "--json").stdout)[
        "rows"
    ]
    assert [row["model"] for row in rows] == ["small:1b", "good:8b", "alike:8b"]


@pytest.mark.parametrize("columns", [80, 140])
@pytest.mark.parametrize(
    ("sort", "name"),
    [
        ("prefill", "prefill tok/s"),
        ("load", "load"),
        ("total", "total tok/s"),
        ("size", "size"),
        ("when", "when"),
    ],
)
def test_what_the_rows_are_sorted_by_is_shown(folder, sort, name, columns):
    for words, tables in ((("--suite", "speed"), 1), ((), 3), (("--by-model",), 1)):
        said = lines(tiltyard(folder, "board", "--sort", sort, *words, columns=columns))
        heads = [line for line in said if "decode tok/s" in line and "model" in line]
        assert [name in head for head in heads] == [True] * tables, said
        assert max(map(len, said)) <= columns


def test_runs_and_attempts_show_scores(folder):
    said = "\n".join(lines(tiltyard(folder, "runs", "--suite", "mcq")))
    assert "score" in said
    with Store.open(folder / FILE) as store:
        run = next(run for run in store.runs() if run.suite == "mcq")
    shown = "\n".join(lines(tiltyard(folder, "show", run.id, "5")))
    assert "by rule label" in shown
    assert "letter: B" in shown


def test_a_failed_run_takes_no_good_ones_place_and_is_marked(tmp_path):
    good, bad, half = (made.quick("a:1b", 40, n=12, seed=seed) for seed in ("good", "bad", "half"))
    other = made.quick("b:1b", 50, n=4)
    runs = [
        (good, good.run()),
        (bad, bad.run(endings={"http_error": 12})),
        (half, half.run(endings={"ok": 3, "http_error": 27})),
        (other, other.run(endings={"ok": 30, "timeout_gap": 2})),
    ]
    stock(tmp_path, runs)
    rows = json.loads(tiltyard(tmp_path, "board", "--json").stdout)["rows"]
    assert {row["model"]: row["run_id"] for row in rows} == {"a:1b": good.id, "b:1b": other.id}
    said = "\n".join(lines(tiltyard(tmp_path, "board")))
    assert "2 failed" in said
    assert "12 failed" not in said
    with closing(sqlite3.connect(tmp_path / FILE)) as db, db:  # the same command each time
        db.execute("UPDATE runs SET fingerprint = 'same' WHERE id IN (?, ?, ?)", (good.id, bad.id, half.id))
    rows = json.loads(tiltyard(tmp_path, "board", "--all", "--json").stdout)["rows"]
    assert {row["run_id"] for row in rows} == {good.id, other.id}
    listed = "\n".join(lines(tiltyard(tmp_path, "runs")))
    assert "✗ 12 failed" in listed
    assert "! 27 failed" in listed
    assert "✓ finished" in listed


def test_rows_that_read_alike_say_where_they_are_served(tmp_path):
    pairs = []
    for port in (8000, 8001):
        maker = made.quick("a:1b", port / 200, n=6, seed=str(port))
        run = maker.run()
        pairs.append((maker, replace(run, server=replace(run.server, url=f"http://127.0.0.1:{port}"))))
    stock(tmp_path, pairs)
    said = "\n".join(lines(tiltyard(tmp_path, "board")))
    assert "127.0.0.1:8000" in said
    assert "127.0.0.1:8001" in said


def test_rows_that_differ_by_digest_or_settings_alone_say_so(tmp_path):
    pairs = []
    for digest, temperature in (
        ("sha256:0123456789", 0.0),
        ("sha256:abcdef0123", 0.0),
        ("sha256:abcdef0123", 0.5),
    ):
        maker = Graded("a:1b", 30, seed=digest + str(temperature)).answers(20, 0.5)
        run = maker.run()
        model = replace(run.model, digest=digest)
        settings = {**run.settings, "temperature": temperature}
        pairs.append((maker, replace(run, model=model, settings=settings)))
    stock(tmp_path, pairs)
    newest = lines(tiltyard(tmp_path, "board"))[1:3]
    assert sorted(line.split("a:1b ")[1][:15] for line in newest) == ["digest 01234567", "digest abcdef01"]
    assert not any("run" in line or "127.0.0.1" in line for line in newest)
    everything = "\n".join(lines(tiltyard(tmp_path, "board", "--all")))
    ids = [run.id for _, run in pairs]
    assert [name in everything for name in ids] == [False, True, True]
    by_model = "\n".join(lines(tiltyard(tmp_path, "board", "--by-model")))
    assert "digest 01234567" in by_model
    assert "digest abcdef01" in by_model
    page = tmp_path / "page.html"
    assert tiltyard(tmp_path, "report", *ids, "--output", str(page)).returncode == 0
    shown = page.read_text(encoding="utf-8")
    assert "a:1b (digest 01234567)" in shown
    assert all(f"a:1b (digest abcdef01, run {name})" in shown for name in ids[1:])


@pytest.mark.parametrize("words", [(), ("--by-model",)])
def test_quantizations_are_named_where_they_have_no_column(tmp_path, words):
    pairs = []
    for quant in ("Q4_K_M", "Q8_0", None):
        maker = Graded("a:1b", 30, seed=str(quant)).answers(20, 0.5)
        run = maker.run()
        pairs.append((maker, replace(run, model=replace(run.model, quantization=quant))))
    stock(tmp_path, pairs)
    for columns in (80, 140):
        said = " ".join("\n".join(lines(tiltyard(tmp_path, "board", *words, columns=columns))).split())
        assert [said.count(quant) for quant in ("Q4_K_M", "Q8_0")] == [1, 1], said
        assert ("quantization not" in said) is (columns == 80)


def test_runs_and_the_board_count_a_run_alike(tmp_path):
    maker = Graded("a:1b", 30, seed="u").answers(20, 0.5)
    run = maker.run()
    stock(
        tmp_path, [(maker, replace(run, summary={**run.summary, "n": 90}))]
    )  # 60 were not asked: unsupported
    assert " 90 " in "\n".join(lines(tiltyard(tmp_path, "runs")))


def test_answers_without_a_verdict_are_not_said_to_be_left_out(tmp_path):
    maker = Graded("a:1b", 30).answers(60, 0.9, errors=2)
    for place in range(60, 70):
        maker.add(place, "unparsed", 0.0, "mcq")
    run = maker.run()
    assert run.summary["score"] == pytest.approx(run.summary["outcomes"]["correct"] / 68)
    stock(tmp_path, [(maker, run)])
    said = lines(tiltyard(tmp_path, "board"))
    assert "no verdict, cut" in said[0]
    assert "2 error, 10 unparsed" in said[1]
    assert "error, unsupported: left out of the score; refused, unparsed: count as 0" in said
    table = tiltyard(tmp_path, "export", "--format", "md").stdout
    assert "| n | no verdict, cut |" in table
    assert "| 70 | 2 error, 10 unparsed |" in table
    page = (tmp_path / "page.html").absolute()
    assert tiltyard(tmp_path, "report", "--output", str(page)).returncode == 0
    assert "No verdict, cut" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [(), ("--limit", "1"), ("--by-model",), ("--by-model", "--limit", "1")])
def test_a_cut_board_still_says_which_of_several_it_shows(tmp_path, words):
    pairs = []
    for port, decode in ((8000, 40), (8001, 50)):
        maker = made.quick("lab", decode, n=6, seed=str(port))
        run = maker.run()
        pairs.append((maker, replace(run, server=replace(run.server, url=f"http://127.0.0.1:{port}"))))
    stock(tmp_path, pairs)
    said = "\n".join(lines(tiltyard(tmp_path, "board", "--sort", "decode", *words)))
    assert "127.0.0.1:8001" in said
    assert ("127.0.0.1:8000" in said) == ("--limit" not in words)


def test_speeds_under_different_loads_stand_apart(tmp_path):
    """A model's newest run may be of many streams: that is no decode speed beside others' of one stream."""
    makers = [(made.quick("a:1b", 100), "quick"), (made.quick("b:1b", 80), "quick")]
    makers.append((made.concurrency("a:1b", 40, seed=2), "concurrency"))
    stock(tmp_path, [(maker, maker.run(profile=profile)) for maker, profile in makers])
    said = lines(tiltyard(tmp_path, "board"))
    assert [line for line in said if line.startswith("speed")] == [
        f"speed  {load}, 512 tokens in, 128 out" for load in ("quick", "concurrency")
    ]
    found = json.loads(tiltyard(tmp_path, "board", "--by-model", "--json").stdout)["models"]
    assert {model["model"]: round(model["speed"]["decode_tps"]["mean"]) for model in found} == {
        "a:1b": 100,
        "b:1b": 80,
    }
    lines(tiltyard(tmp_path, "report", "--output", str(tmp_path / "r.html")))
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "quick, 512 tokens in, 128 out: how fast they are" in page
    assert "concurrency, 512 tokens in, 128 out: how fast they are" in page


def test_speeds_that_cannot_be_told_apart_have_an_order_and_no_rank(tmp_path):
    words = "#: their order; where intervals overlap, no difference is shown"
    for folder, rates, overlap in ((tmp_path / "a", (90, 60), False), (tmp_path / "b", (90, 90.01), True)):
        folder.mkdir()
        models = [made.quick(f"m{place}", rate, n=12) for place, rate in enumerate(rates)]
        stock(folder, [(each, each.run()) for each in models])
        assert (words in lines(tiltyard(folder, "board"))) == overlap


def test_sorting_by_score_leaves_speeds_in_their_order(folder):
    """No row of the speed table has a score."""
    for words in ((), ("--suite", "speed")):
        said = lines(tiltyard(folder, "board", "--sort", "score", *words))
        names = [line.split()[1] for line in said if line[:1].isdigit()]
        assert names[:3] == ["small:1b", "good:8b", "alike:8b"]


def test_models_side_by_side_say_under_which_load(folder, tmp_path):
    def last(path):
        said = " ".join(lines(tiltyard(path, "board", "--by-model")))
        return " ".join(said.split()).partition("score of 100")

    load = "under one load for all: quick, 512 tokens in, 128 out"
    assert last(folder)[2].endswith(f"apart; speed: {load}")
    for path, makers in (("speeds", [made.quick("a:1b", 100)]), ("scores", [Graded("a:1b", 30).answers(60)])):
        (tmp_path / path).mkdir()
        stock(tmp_path / path, [(maker, maker.run()) for maker in makers])
    before, scores, _ = last(tmp_path / "speeds")
    assert (scores, before.partition("speed: ")[2]) == ("", load)
    assert last(tmp_path / "scores")[2].endswith("apart; speed: in the requests of mcq")


def test_one_row_of_a_model_and_every_one_cannot_both_be_had(tmp_path):
    done = tiltyard(tmp_path, "board", "--by-model", "--all")
    assert (done.returncode, done.stdout) == (2, "")
    assert "give one of the two" in done.stderr
