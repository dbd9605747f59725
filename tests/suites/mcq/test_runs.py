"""Whole runs of `tiltyard run mcq` as processes against the simulator, in every dialect."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Finished
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.servers.simulator.config import DIALECT_NAMES, Say
from tiltyard.servers.simulator.server import Running

pytestmark = pytest.mark.slow  # end to end, in every dialect

Tiltyard = Callable[..., Finished]

WORDS = ("amber", "birch", "cedar", "daisy", "ember", "fjord", "grove", "heath")


def questions(path: Path, count: int = 24, seed: int = 1) -> Path:
    """A headerless six-column file; the right option of a question with an even number is its second word."""
    chance = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        for number in range(count):
            options = chance.sample(WORDS, 4)
            right = chance.randrange(4)
            kind = "known" if number % 2 == 0 else "hard"
            csv.writer(file).writerow([f"Q{number} <{kind}>\nWhich word is it?", *options, "ABCD"[right]])
    return path


def model(**more: Any) -> SimModel:
    """Says B to everything that it knows, and nothing useful to the rest."""
    script = (Say(when="<known>", say="Answer: B"), Say(when="<hard>", say="This is a difficult question."))
    settings: dict[str, Any] = {
        "script": script,
        "loaded": True,
        "slots": 4,
        "prefill_tps": 1e6,
        "decode_tps": 1e5,
    }
    return SimModel(name="m", **{**settings, **more})


@pytest.fixture(scope="module")
def sim() -> Iterator[Running]:
    with running(SimConfig(models=(model(),))) as simulator:
        yield simulator


def command(sim: Running, *more: str, dialect: str = "openai") -> list[str]:
    url = sim.url(dialect)
    return ["run", "mcq", *more, "--server", url, "--dialect", dialect, "--model", "m", "--fresh", "--json"]


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
def test_every_dialect(tiltyard: Tiltyard, sim: Running, tmp_path: Path, dialect: str) -> None:
    path = questions(tmp_path / "law.csv")
    done = tiltyard(*command(sim, str(path), dialect=dialect))
    assert done.code == 0, done.err
    summary = done.summary()
    assert (summary["suite"], summary["model"], summary["n"]) == ("mcq", "m", 24)
    outcomes = {name: count for name, count in summary["outcomes"].items() if count}
    assert outcomes["unparsed"] == 12
    assert outcomes.get("correct", 0) + outcomes.get("wrong", 0) == 12
    assert summary["score"] == pytest.approx(outcomes.get("correct", 0) / 24)
    assert summary["bounds"][1] - summary["bounds"][0] == pytest.approx(0.5)
    assert summary["rates"]["answered"]["value"] == 0.5
    assert summary["rules"] == {"labelled": 12, "none": 12}
    assert summary["confidence"]["n"] == 12
    assert summary["confidence"]["confidence"] == pytest.approx(0.9 / 0.998, abs=1e-3)


def test_several_files_give_results_by_file(tiltyard: Tiltyard, sim: Running, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    questions(folder / "law.csv", 10, 1)
    questions(folder / "art.csv", 6, 2)
    (folder / "notes.txt").write_text("not this one", encoding="utf-8")
    summary = tiltyard(*command(sim, str(folder))).summary()
    groups = {group["name"]: group for group in summary["groups"]}
    assert {name: group["n"] for name, group in groups.items()} == {"art": 6, "law": 10}
    for group in groups.values():
        assert group["passed"] + group["failed"] == group["n"]
        assert group["average_duration_s"] > 0
    assert summary["passed"] + summary["failed"] == summary["total"] == 16


@pytest.mark.slow
def test_the_same_items_stand_in_the_same_order_for_every_model(
    tiltyard: Tiltyard, sim: Running, tmp_path: Path
) -> None:
    path = questions(tmp_path / "law.csv")
    seen = []
    for seed in ("0", "5"):
        summary = tiltyard(*command(sim, str(path), "--seed", seed)).summary()
        seen.append({row["letter"]: row["n"] for row in summary["letters"]})
    assert seen[0] == seen[1]


def test_rotations(tiltyard: Tiltyard, sim: Running, tmp_path: Path) -> None:
    summary = tiltyard(*command(sim, str(questions(tmp_path / "law.csv")), "--rotations")).summary()
    assert summary["n"] == 96
    assert summary["outcomes"]["correct"] == 12  # B is right in one of four rotations
    rates = summary["rates"]
    assert (rates["consistent"]["value"], rates["consistent"]["n"]) == (0.0, 12)  # half say no letter
    assert rates["right_in_all_rotations"]["value"] == 0.0
    recall = {row["letter"]: row["recall"]["value"] for row in summary["letters"]}
    assert recall == {"A": 0.0, "B": 0.5, "C": 0.0, "D": 0.0}
    assert rates["position_bias"]["value"] == pytest.approx(0.2165, abs=1e-3)
    assert rates["position_bias"]["by_chance"] < 0.12
    assert summary["ci_method"] == "wilson_clustered"


def test_rotations_of_questions_that_have_one_order_beside_several(
    tiltyard: Tiltyard, sim: Running, tmp_path: Path
) -> None:
    path = tmp_path / "set.csv"
    rows = (
        "question,option 1,option 2,option 3,option 4,answer",
        "Q1 <known>?,x,y,z,Both A and C,D",
        "Q2 <known>?,x,y,z,w,B",
        "Q3 <known>?,x,All of the above,,,B",
    )
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    done = tiltyard(*command(sim, str(path), "--rotations", "--repeats", "2"))
    assert done.code == 0, done.err
    summary = done.summary()
    assert summary["n"] == 2 * (1 + 4 + 1)
    assert summary["outcomes"]["correct"] == 2 * (0 + 1 + 1)  # it always says B
    rates, orders = summary["rates"], summary["rotations"]
    assert (rates["consistent"]["value"], rates["consistent"]["n"]) == (0.0, 1)
    assert (rates["right_in_all_rotations"]["value"], rates["right_in_all_rotations"]["n"]) == (0.0, 1)
    assert rates["position_bias"]["value"] is None
    assert orders == {"several_orders": 1, "one_order": 2, "one_order_ids": ["set:2", "set:4"]}
    repeats = summary["repeats"]
    assert (repeats["k"], repeats["items"], repeats["flips"]["value"]) == (2, 6, 0.0)
    assert repeats["pass_every"]["2"]["value"] == pytest.approx(2 / 6)


def test_rotations_of_questions_that_all_have_one_order(
    tiltyard: Tiltyard, sim: Running, tmp_path: Path
) -> None:
    path = tmp_path / "set.csv"
    path.write_text("Q1 <known>?,x,y,z,Both A and C,D\n", encoding="utf-8")
    summary = tiltyard(*command(sim, str(path), "--rotations")).summary()
    assert summary["rotations"] == {"several_orders": 0, "one_order": 1, "one_order_ids": ["set:1"]}
    assert (summary["rates"]["consistent"]["value"], summary["rates"]["consistent"]["n"]) == (None, 0)


def test_a_model_without_a_bias_is_consistent(tiltyard: Tiltyard, tmp_path: Path) -> None:
    path = questions(tmp_path / "law.csv", 8)
    known = tuple(
        Say(when=f"Q{n} <", say=row[1 + "ABCD".index(row[5])])
        for n, row in enumerate(csv.reader(path.read_text(encoding="utf-8").splitlines(keepends=True)))
    )
    with running(SimConfig(models=(model(script=known),), dialects=("openai",))) as clever:
        summary = tiltyard(*command(clever, str(path), "--rotations")).summary()
    assert summary["score"] == 1.0
    assert summary["rates"]["consistent"]["value"] == 1.0
    assert summary["rates"]["right_in_all_rotations"]["value"] == 1.0
    assert summary["rules"] == {"option_text": 32}


@pytest.mark.slow
def test_examples_are_shown_and_not_asked(tiltyard: Tiltyard, sim: Running, tmp_path: Path) -> None:
    path = questions(tmp_path / "law.csv")
    done = tiltyard(*command(sim, str(path), "--few-shot", "3"))
    assert done.summary()["n"] == 21
    other = questions(tmp_path / "dev.csv", 5, 9)
    with_others = tiltyard(*command(sim, str(path), "--examples", str(other))).summary()
    assert (with_others["n"], with_others["questions"]["notes"]) == (24, [])
    other.write_text(other.read_text(encoding="utf-8") + path.read_text(encoding="utf-8"), encoding="utf-8")
    leaking = tiltyard(*command(sim, str(path), "--examples", str(other), "--few-shot", "6"))
    assert leaking.code == 2
    assert "5 examples that are not among the questions" in leaking.err
    assert tiltyard(*command(sim, str(path), "--few-shot", "24")).code == 2


def test_a_limit_draws_by_the_seed(tiltyard: Tiltyard, sim: Running, tmp_path: Path) -> None:
    path = questions(tmp_path / "law.csv")
    assert tiltyard(*command(sim, str(path), "--limit", "7")).summary()["n"] == 7


def test_it_stops_early_when_told(tiltyard: Tiltyard, sim: Running, tmp_path: Path) -> None:
    path = questions(tmp_path / "law.csv", 400)
    summary = tiltyard(*command(sim, str(path), "--stop-when", "width=0.3", "--rotations")).summary()
    assert 40 < summary["n"] < 1600
    assert summary["stopping"]["decided"]


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("--no-logprobs", "not asked for: --no-logprobs"),
        ("--cot", "not asked for with --cot: --logprobs asks"),
    ],
)
def test_who_asks_for_no_log_probabilities_is_told_so(
    tiltyard: Tiltyard, sim: Running, tmp_path: Path, word: str, why: str
) -> None:
    summary = tiltyard(*command(sim, str(questions(tmp_path / "law.csv")), word)).summary()
    assert (summary["confidence"]["n"], summary["confidence"]["why"]) == (0, why)


def test_a_server_that_is_silent_about_log_probabilities_is_waited_for_as_long_as_told(
    tiltyard: Tiltyard, tmp_path: Path
) -> None:
    """Once: it is the second request, after the first word."""
    path = questions(tmp_path / "law.csv")
    with running(
        SimConfig(models=(model(),), dialects=("openai",), faults=("stall_first=900000@2",))
    ) as silent:
        summary = tiltyard(*command(silent, str(path), "--first-byte-timeout", "1")).summary()
    assert (summary["n"], summary["requests"]["failed"]) == (24, 0)
    assert summary["confidence"]["why"].endswith("the server took no request for log-probabilities")


def test_the_sample_set_and_a_prompt_of_ones_own(tiltyard: Tiltyard, sim: Running, tmp_path: Path) -> None:
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("<known> {question}\n{options}\nOnly a letter, {tone}.", encoding="utf-8")
    done = tiltyard(*command(sim, "--prompt", str(prompt)))
    assert f"warning: {prompt}: {{tone}}: sent as it stands; filled in are {{question}}, " in done.err
    summary = done.summary()
    assert summary["n"] == 128
    assert len(summary["groups"]) == 8
    assert summary["rates"]["answered"]["value"] == 1.0


@pytest.mark.slow
def test_bad_rows_are_told_and_many_of_them_stop_the_run(
    tiltyard: Tiltyard, sim: Running, tmp_path: Path
) -> None:
    path = questions(tmp_path / "law.csv")
    path.write_text(path.read_text(encoding="utf-8") + "five,a,b,c,A\n", encoding="utf-8")
    done = tiltyard(*command(sim, str(path)))
    assert done.code == 0, done.err
    assert "law.csv, line 49: 5 columns instead of 6" in done.err
    assert done.summary()["questions"]["bad_rows"] == [
        {"file": str(path), "line": 49, "reason": "5 columns instead of 6 (question, A, B, C, D, letter)"}
    ]
    path.write_text(path.read_text(encoding="utf-8") + "wrong,a,b,c,d,F\n", encoding="utf-8")
    done = tiltyard(*command(sim, str(path)))
    assert done.code == 2
    assert "2 of 26 rows are bad (8%)" in done.err
    assert tiltyard(*command(sim, str(path), "--lenient")).summary()["n"] == 24


@pytest.mark.parametrize("content", ["", "\n\n", "only,five,columns,in,it\n"])
def test_nothing_to_ask(tiltyard: Tiltyard, sim: Running, tmp_path: Path, content: str) -> None:
    (tmp_path / "x.csv").write_text(content, encoding="utf-8")
    done = tiltyard(*command(sim, str(tmp_path / "x.csv")))
    assert done.code == 2
    assert "not one question was found" in done.err


def test_an_empty_folder(tiltyard: Tiltyard, sim: Running, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = tiltyard(*command(sim, str(tmp_path / "empty")))
    assert done.code == 2
    assert "holds no file like *.csv or *.jsonl" in done.err


def test_plain_settings_from_environment_and_dotenv(tiltyard: Tiltyard, sim: Running, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    questions(folder / "law_val.csv", 10)
    questions(folder / "law_dev.csv", 4)
    dotenv = f"MODEL_NAME=nobody\nOUTPUT_DIR={tmp_path / 'results'}\nBATCH_SIZE=2\n"
    dotenv += "MAX_RETRIES=1\nCSV_PATTERN=*_val.csv\n"
    (tmp_path / ".env").write_text(dotenv, encoding="utf-8")
    environment = {
        "OLLAMA_BASE_URL": sim.url("ollama"),
        "MODEL_NAME": "m",
        "RATE_LIMIT_DELAY": "0.01",
        "VERBOSE": "true",
    }
    done = tiltyard("run", "mcq", str(folder), "--json", env=environment)
    assert done.code == 0, done.err
    summary = done.summary()
    assert (summary["model"], summary["server"]["dialect"], summary["n"]) == ("m", "ollama", 10)
    assert "item=law_val:1 " in done.err
    assert f"not read, in {folder}: 1 file (.csv 1): name it or set --csv-pattern\n" in done.err
    (log,) = (tmp_path / "results").glob("test_run_*.log")
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert all({"asctime", "levelname", "filename", "lineno", "message"} <= set(entry) for entry in entries)
    answered = [entry for entry in entries if entry["message"] == "answered"]
    assert len(answered) == 10
    assert {"item", "outcome", "letter", "expected", "duration_s", "reply"} <= set(answered[0])
    shown = tiltyard("config", "show", "--json", env=environment)
    variables = {row["name"]: row for row in json.loads(shown.out)["run_mcq"]}
    assert (variables["MODEL_NAME"]["value"], variables["MODEL_NAME"]["origin"]) == ("m", "environment")
    assert (variables["BATCH_SIZE"]["value"], variables["BATCH_SIZE"]["origin"]) == ("2", ".env")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("BATCH_SIZE", "many", "it must be a whole number, 1 or more"),
        ("BATCH_SIZE", "1e3", "it must be a whole number, 1 or more"),
        ("BATCH_SIZE", "0", "it must be a whole number, 1 or more"),
        ("MAX_RETRIES", "4.0", "it must be a whole number, 0 or more"),
        ("MAX_RETRIES", "-1", "it must be a whole number, 0 or more"),
        ("METRICS_PORT", "80.0", "it must be a port: a whole number from 0 to 65535"),
        ("METRICS_PORT", "65536", "it must be a port: a whole number from 0 to 65535"),
        ("RATE_LIMIT_DELAY", "1s", "it must be a number"),
        ("RATE_LIMIT_DELAY", "-1", "it must be a finite number, 0 or more"),
        ("RATE_LIMIT_DELAY", "inf", "it must be a finite number, 0 or more"),
        ("RATE_LIMIT_DELAY", "nan", "it must be a finite number, 0 or more"),
        ("VERBOSE", "maybe", "it must be true or false"),
    ],
)
def test_a_plain_setting_that_cannot_be_meant(tiltyard: Tiltyard, name: str, text: str, words: str) -> None:
    done = tiltyard("run", "mcq", "--model", "m", env={name: text})
    assert done.code == 2
    assert f"({name}): {text!r}: {words}" in done.err


def test_what_fails_is_logged_and_asked_again(tiltyard: Tiltyard, tmp_path: Path) -> None:
    path = questions(tmp_path / "law.csv", 6)
    with running(SimConfig(models=(model(),), dialects=("openai",), faults=("busy_503@/3",))) as busy:
        done = tiltyard(
            *command(
                busy,
                str(path),
                "--max-retries",
                "6",
                "--retry-delay",
                "0.01",
                "--output-dir",
                str(tmp_path / "o"),
            )
        )
    assert done.code == 0, done.err
    (log,) = (tmp_path / "o").glob("*.log")
    messages = [json.loads(line)["message"] for line in log.read_text(encoding="utf-8").splitlines()]
    assert messages.count("answered") == 6
    assert "asked again" in messages
    assert (messages[0], messages[-1]) == ("run begins", "run ends")


def test_the_log_of_a_run_that_could_not_begin_says_why(
    tiltyard: Tiltyard, sim: Running, tmp_path: Path
) -> None:
    for number, environment in enumerate(
        (
            {"OLLAMA_BASE_URL": "http://127.0.0.1:9"},
            {"OLLAMA_BASE_URL": sim.url("ollama"), "MODEL_NAME": "zzz"},
        )
    ):
        out = tmp_path / str(number)
        done = tiltyard("run", "mcq", "--output-dir", str(out), env={"MODEL_NAME": "m", **environment})
        assert done.code == 3
        (log,) = out.glob("*.log")
        entry = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
        assert f"error: {entry['error']}\n" in done.err


def test_what_failed_is_asked_again_on_resume_and_answers_are_not(tiltyard: Tiltyard, tmp_path: Path) -> None:
    path = questions(tmp_path / "law.csv", 12)
    more = ("--retries", "0", "--concurrency", "1", "--no-logprobs")
    with running(SimConfig(models=(model(),), dialects=("openai",), faults=("error_500@3",))) as broken:
        url = broken.url("openai")
        words = ["run", "mcq", str(path), "--dialect", "openai", "--model", "m", "--json", *more, "--server"]
        first = tiltyard(*words, url)
        assert first.code == 1
        assert first.summary()["outcomes"]["error"] == 1
        second = tiltyard(*words, url)
    assert second.code == 0, second.err
    summary = second.summary()
    assert summary["run_id"] == first.summary()["run_id"]
    assert (summary["n"], summary["outcomes"]["error"], summary["passed"] + summary["failed"]) == (12, 0, 12)
    started = next(line for line in second.lines() if line["event"] == "stage")
    assert started["done"] == 11


def test_a_resumed_run_asks_no_item_again_to_look_for_log_probabilities(
    tiltyard: Tiltyard, tmp_path: Path
) -> None:
    path = questions(tmp_path / "law.csv", 12)
    with running(SimConfig(models=(model(),), dialects=("openai",), faults=("error_500@6",))) as broken:
        words = ["run", "mcq", str(path), "--server", broken.url("openai"), "--dialect", "openai"]
        words += ["--model", "m", "--json", "--retries", "0", "--concurrency", "1"]
        first = tiltyard(*words).summary()
        before = items_asked(broken)
        second = tiltyard(*words).summary()
        after = items_asked(broken)
    assert (first["outcomes"]["error"], second["outcomes"]["error"], second["n"]) == (1, 0, 12)
    assert second["run_id"] == first["run_id"]
    assert first["confidence"]["n"] > 0
    assert (before, after) == (11, 12)


def items_asked(simulator: Running) -> int:
    """Requests that were answered and held a question with its options: no first word is as long."""
    return sum(entry["prompt_tokens"] > 20 for entry in simulator.truth())
