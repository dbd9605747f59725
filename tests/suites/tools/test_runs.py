"""Whole runs of `tiltyard run tools` as processes against the simulator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Finished
from tests.suites.tools.bfcl_files import write_bfcl
from tests.suites.tools.scripts import FAST, native, wordy
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.servers.simulator.config import DIALECT_NAMES, Say
from tiltyard.servers.simulator.server import Running
from tiltyard.stats.proportions import wilson
from tiltyard.store.store import Store
from tiltyard.suites.tools.cases import cases

pytestmark = pytest.mark.slow  # end to end, in every dialect

Tiltyard = Callable[..., Finished]

SEVERAL = sum(len(case.calls) > 1 for case in cases())
FIVE: dict[str, tuple[str, dict[str, Any]]] = {
    "weather-new-york": ("get_weather", {"location": "New York, NY", "unit": "fahrenheit"}),
    "tip-on-85-50": ("calculate_tip", {"bill_amount": 85.5, "tip_percentage": "20"}),
    "mail-to-john": (
        "send_email",
        {
            "to": "john@example.com",
            "subject": "meeting tomorrow",
            "body": "At 10:00, room 4. (Be there=true)",
        },
    ),
    "weather-los-angeles-celsius": ("get_weather", {"location": "Los Angeles", "unit": "celsius"}),
    "tip-on-42-75": ("calculate_tip", {"bill_amount": 42.75, "tip_percentage": 18.0}),
}


@pytest.fixture(scope="module")
def sim() -> Iterator[Running]:
    models = (
        native(),
        wordy(name="wordy"),
        SimModel(**{**FAST, "name": "none", "script": (Say(when="", say="I am not sure."),)}),
        native(name="deaf", capabilities=("completion",)),
    )
    with running(SimConfig(models=models)) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def five() -> Iterator[Running]:
    """A model that answers the first five prompts, once with a number as text and once with a whole float."""
    script = tuple(
        Say(when=str(case.messages[0]["user"]), call=FIVE[case.id][0], arguments=FIVE[case.id][1])
        for case in cases()
        if case.id in FIVE
    )
    with running(SimConfig(models=(native(script=script),))) as simulator:
        yield simulator


def command(sim: Running, model: str, *more: str, dialect: str = "openai") -> list[str]:
    where = ["--server", sim.url(dialect), "--dialect", dialect, "--model", model]
    return ["run", "tools", *where, "--fresh", "--json", *more]


def nonzero(summary: dict[str, Any]) -> dict[str, int]:
    return {name: count for name, count in summary["outcomes"].items() if count}


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
def test_every_case_in_every_dialect(sim: Running, tiltyard: Tiltyard, dialect: str) -> None:
    done = tiltyard(*command(sim, "m", dialect=dialect))
    assert done.code == 0, done.err
    summary = done.summary()
    assert summary["n"] == len(cases())
    assert nonzero(summary) == {"correct": len(cases()) - SEVERAL, "partial": SEVERAL}
    rates = summary["rates"]
    assert rates["needless_call"]["value"] == 0.0
    assert rates["malformed_call"]["value"] == 0.0
    assert rates["missing_call"]["value"] == pytest.approx(SEVERAL / rates["missing_call"]["n"])
    assert rates["told_result"]["value"] == rates["asked_back"]["value"] == 1.0
    assert {group["name"] for group in summary["groups"]} == {case.group for case in cases()}


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
def test_the_five_prompts_strictly_and_leniently(
    five: Running, tiltyard: Tiltyard, dialect: str, home: Path
) -> None:
    done = tiltyard(*command(five, "m", dialect=dialect))
    with Store.open(home / "tiltyard.sqlite3") as store:
        attempts = {a.item_id: a.grade for a in store.attempts(done.summary()["run_id"])}
    for name in FIVE:
        grade = attempts[name]
        assert grade is not None
        text_number = name == "tip-on-85-50"
        assert grade.outcome == ("partial" if text_number else "correct"), name
        assert grade.details["exact_call_lenient"], name
        assert grade.details["exact_call"] is not text_number


@pytest.mark.parametrize("dialect", ["openai", "ollama"])
def test_calls_in_words(sim: Running, tiltyard: Tiltyard, dialect: str) -> None:
    done = tiltyard(*command(sim, "wordy", "--text-tools", dialect=dialect))
    summary = done.summary()
    assert nonzero(summary) == {"correct": len(cases())}
    assert summary["score"] == 1.0
    assert summary["rates"]["exact_call"]["value"] == 1.0


@pytest.mark.parametrize("dialect", ["openai", "ollama"])
@pytest.mark.parametrize(
    ("said", "more", "outcomes", "cut"),
    [
        ("<seed:think>Is a tool due? get_time(x=1)</seed:think>Canberra.", (), {"correct"}, 0.0),
        (
            "[THINK]Is a tool due? It may well be that one of them is.",
            ("--max-tokens", "6"),
            {"truncated"},
            1.0,
        ),
        ("◁think▷Is a tool due? It may well be.", (), {"unparsed"}, 0.0),
    ],
)
def test_thoughts_in_the_text_of_an_answer(
    tiltyard: Tiltyard, dialect: str, said: str, more: tuple[str, ...], outcomes: set[str], cut: float
) -> None:
    model = SimModel(**{**FAST, "script": (Say(when="", say=said),)})
    with running(SimConfig(models=(model,))) as sim:
        done = tiltyard(*command(sim, "m", "--categories", "none needed", *more, dialect=dialect))
    summary = done.summary()
    assert set(nonzero(summary)) == outcomes
    assert (summary["thought"]["value"], summary["cap_hit"]["value"]) == (1.0, cut)


def test_a_model_without_tools_is_unsupported_and_not_bad(sim: Running, tiltyard: Tiltyard) -> None:
    done = tiltyard(*command(sim, "deaf", dialect="ollama"))
    summary = done.summary()
    assert set(nonzero(summary)) == {"unsupported"}
    assert summary["score"] is None
    assert done.code != 0
    assert "does not support tools" in done.err or "unsupported" in done.err


def test_words_only_get_what_words_deserve(sim: Running, tiltyard: Tiltyard) -> None:
    summary = tiltyard(*command(sim, "none")).summary()
    idle = sum(case.free for case in cases())
    assert summary["outcomes"]["correct"] == idle
    assert summary["rates"]["missing_call"]["value"] == 1.0
    assert summary["rates"]["malformed_call"]["value"] is None
    assert summary["calls_per_answer"]["value"] == 0.0


def test_a_dead_server_scores_nothing_on_irrelevance(tiltyard: Tiltyard, tmp_path: Path) -> None:
    folder = write_bfcl(tmp_path / "bfcl", count=8)
    with running(SimConfig(models=(native(),), faults=("drop",))) as dead:
        where = ["--bfcl", str(folder), "--categories", "irrelevance", "--retry-delay", "0.01"]
        done = tiltyard(*command(dead, "m", *where))
    assert done.code != 0
    summary = done.summary()
    assert set(nonzero(summary)) <= {"error"}
    assert summary["score"] is None


def test_a_server_that_says_nothing_scores_nothing_on_irrelevance(tiltyard: Tiltyard, tmp_path: Path) -> None:
    folder = write_bfcl(tmp_path / "bfcl", count=8)
    silent = SimModel(**{**FAST, "script": (Say(when="", say=""),)})
    with running(SimConfig(models=(silent,))) as sim:
        summary = tiltyard(*command(sim, "m", "--bfcl", str(folder), "--categories", "irrelevance")).summary()
    assert summary["outcomes"]["correct"] == 0
    assert summary["outcomes"]["unparsed"] + summary["outcomes"]["error"] == 8


def test_bfcl_from_files_to_scores(sim: Running, tiltyard: Tiltyard, tmp_path: Path) -> None:
    folder = write_bfcl(tmp_path / "bfcl", count=6)
    script = (
        *(Say(when=f"area {n} of", call="geo_area", arguments={"base": n, "unit": "CM"}) for n in range(5)),
        Say(when="capital", say="Canberra."),
    )
    model = SimModel(**{**FAST, "script": script})
    with running(SimConfig(models=(model,))) as own:
        done = tiltyard(*command(own, "m", "--bfcl", str(folder)))
        text = tiltyard(*(word for word in command(own, "m", "--bfcl", str(folder)) if word != "--json"))
    assert done.code == 0, done.err
    assert "multi_turn_base" in done.err
    summary = done.summary()
    assert summary["n"] == 18
    scores = summary["bfcl"]
    assert scores["skipped"] == ["multi_turn_base", "simple_java"]
    five, six = wilson(5, 6), wilson(6, 6)
    assert five is not None
    assert six is not None
    most = {"value": pytest.approx(5 / 6), "ci95": [five.low, five.high], "n": 6}
    assert scores["categories"] == {
        "simple_python": most,
        "live_simple": most,
        "irrelevance": {"value": 1.0, "ci95": [six.low, six.high], "n": 6},
    }
    assert scores["non_live"] == scores["live"] == pytest.approx(5 / 6)
    assert scores["irrelevance"] == 1.0
    assert scores["relevance"] is None
    assert "bfcl non live" in text.out


def test_what_was_left_out_of_a_folder_is_said_with_the_run(
    sim: Running, tiltyard: Tiltyard, tmp_path: Path
) -> None:
    folder = write_bfcl(tmp_path / "bfcl", count=2)
    (folder / "BFCL_v2_multiple.json").write_text("{}", encoding="utf-8")
    (folder / "BFCL_v4_parallel.json").write_text("{}\n", encoding="utf-8")
    (folder / "possible_answer" / "BFCL_v4_live_simple.json").unlink()
    done = tiltyard(*command(sim, "m", "--bfcl", str(folder)))
    summary = done.summary()
    old, parallel, live = summary["left_out"]
    assert "BFCL_v2_multiple.json: of a version that is not known" in old
    assert "BFCL_v4_parallel.json, line 1: " in parallel
    assert "BFCL_v4_live_simple.json is missing" in live
    assert summary["n"] == 4
    shown = tiltyard("show", summary["run_id"], "--json").out
    for words in ("BFCL_v2_multiple.json", "BFCL_v4_parallel.json", "BFCL_v4_live_simple.json"):
        assert words in done.err
        assert words in shown
        assert words in tiltyard("show", summary["run_id"]).out.replace("\n", "")
    some = tiltyard(*command(sim, "m", "--bfcl", str(folder), "--categories", "irrelevance")).summary()
    assert some["left_out"] == []


def test_limit_seed_and_repeats(sim: Running, tiltyard: Tiltyard) -> None:
    drawn = [
        tiltyard(*command(sim, "m", "--limit", "12", "--seed", seed)).summary() for seed in ("1", "1", "2")
    ]
    assert [each["n"] for each in drawn] == [12, 12, 12]
    assert drawn[0]["groups"] == drawn[1]["groups"] != drawn[2]["groups"]
    again = tiltyard(*command(sim, "m", "--limit", "6", "--repeats", "3")).summary()
    assert again["n"] == 18
    assert again["repeats"]["flips"]["value"] == 0.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--categories", "irrelevance"], "--bfcl"),
        (["--bfcl", ".", "--categories", "one call"], "one call"),
        (["--bfcl", "nowhere"], "nowhere"),
        (["--bfcl", "."], "BFCL_v4"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_asked(
    tiltyard: Tiltyard, words: list[str], said: str
) -> None:
    done = tiltyard("run", "tools", "--model", "m", "--server", "http://127.0.0.1:9", *words)
    assert done.code == 2
    assert said in done.err
    assert len(done.err.splitlines()) <= 2


def test_only_some_groups(sim: Running, tiltyard: Tiltyard) -> None:
    done = tiltyard(*command(sim, "m", "--categories", "one call, nested"))
    summary = done.summary()
    assert {group["name"] for group in summary["groups"]} == {"one call", "nested"}
    assert summary["n"] == sum(case.group in ("one call", "nested") for case in cases())


def test_help_has_an_example(tiltyard: Tiltyard) -> None:
    done = tiltyard("run", "tools", "--help")
    assert done.code == 0
    assert "--text-tools" in done.out
    assert "tiltyard run tools --model" in done.out


def test_the_summary_has_the_shape_for_programs(sim: Running, tiltyard: Tiltyard) -> None:
    summary = tiltyard(*command(sim, "m", "--limit", "20")).summary()
    assert summary["suite"] == "tools"
    assert list(summary["outcomes"]) == [
        "correct", "partial", "wrong", "unparsed", "truncated", "refused", "unsupported", "error",
    ]  # fmt: skip
    for name in ("model", "n", "score", "score_completed", "bounds", "ci95", "speed", "rates", "groups"):
        assert name in summary, name
    for name, rate in summary["rates"].items():
        assert set(rate) == {"value", "ci95", "n"}, name
    json.dumps(summary, allow_nan=False)


@pytest.mark.parametrize(
    ("dialect", "fault"),
    [
        ("openai", "tool_arguments=object"),
        ("openai", "tool_name=repeated"),
        ("openai", "tool_index=missing"),
        ("ollama", "tool_arguments=string"),
        ("lmstudio", "tool_name=empty"),
    ],
)
def test_what_servers_do_to_calls_is_not_the_models_fault(
    tiltyard: Tiltyard, dialect: str, fault: str
) -> None:
    with running(SimConfig(models=(native(),), faults=(fault,))) as sim:
        summary = tiltyard(*command(sim, "m", "--categories", "one call,nested", dialect=dialect)).summary()
    assert set(nonzero(summary)) == {"correct"}


def test_five_megabytes_of_arguments_are_one_wrong_answer(tiltyard: Tiltyard) -> None:
    first, second = (case for case in cases() if case.id in ("weather-new-york", "share-price"))
    script = (
        Say(when=str(first.messages[0]["user"]), call="get_weather", arguments={"location": "x" * 5_000_000}),
        Say(when=str(second.messages[0]["user"]), call="get_stock_price", arguments={"symbol": "NVDA"}),
        Say(when="", say="I do not know."),
    )
    room = {"context": 9_999_999, "context_max": 9_999_999}
    model = native(script=script, tokens_per_chunk=100_000, **room)
    with running(SimConfig(models=(model,), delay=False)) as sim:
        done = tiltyard(*command(sim, "m", "--categories", "one call", "--max-tokens", "9000000"))
    summary = done.summary()
    assert summary["outcomes"]["correct"] == 1
    assert summary["outcomes"]["error"] == 0
    assert summary["rates"]["malformed_call"] | {"ci95": None} == {"value": 0.5, "ci95": None, "n": 2}


def test_stopping_early(sim: Running, tiltyard: Tiltyard) -> None:
    words = ["--stop-when", "width=0.5", "--repeats", "4", "--concurrency", "2", "--temperature", "1"]
    summary = tiltyard(*command(sim, "m", *words)).summary()
    assert summary["stopping"]["decided"]
    assert summary["n"] < 4 * len(cases())
    assert summary["ci_method"] == "always_valid"
