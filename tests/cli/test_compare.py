"""`tiltyard compare` as a user runs it: finds the known truth, calls ties ties, and says what differs."""

import json

import pytest

from tests.cli.stocked import stock, tiltyard
from tests.reports import made
from tests.reports.graded import graded


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
    assert row["ratio"]["paired"] is True


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
    assert "more pairs" in done.stdout


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
        (("--metric", "beauty"), "there is no metric 'beauty'"),
        (("--by", "quantt"), "no run has anything called 'quantt'"),
        (("--by", "engine_version"), "no two like runs differ in 'engine_version'"),
        (("latest", "previous", "--by", "quant"), "--by chooses both runs"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_remedy(folder, words, said):
    done = tiltyard(folder, "compare", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "try: " in done.stderr
    assert "Traceback" not in done.stderr


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
    assert "cannot tell, about" in done.stdout


def test_runs_over_other_items_are_not_alike(tmp_path):
    makers = [
        (graded("m", 0.9, quantization="Q4_K_M"), "set1"),
        (graded("m", 0.9, seed=2, quantization="Q8_0"), "set1"),
        (graded("m", 0.9, seed=3, quantization="Q4_K_M"), "set2"),
    ]
    stock(tmp_path, [(maker, maker.run(items=items)) for maker, items in makers])
    found = json.loads(tiltyard(tmp_path, "compare", "--by", "quant", "--json").stdout)
    assert (found["a"], found["b"]) == (makers[0][0].id, makers[1][0].id)
