"""Looking after what is stored: counts, files under other names, clearing up, asking again."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.store.conftest import make_attempt, make_run
from tiltyard.records import Attempt, Exchange, Grade, Item, ToolCall
from tiltyard.reports.llmperf import COLUMNS
from tiltyard.store.store import Store
from tiltyard.suites import Suite, load_suite
from tiltyard.suites.tabled import beside

pytestmark = pytest.mark.slow

OLD = (datetime.now(UTC) - timedelta(days=30)).isoformat(timespec="milliseconds")
NEW = datetime.now(UTC).isoformat(timespec="milliseconds")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with an old run of `json`, a new one of `tools`, and a broken request."""
    with Store.open(tmp_path / "tiltyard.sqlite3") as store:
        for name, suite, began in (("old1", "json", OLD), ("new1", "tools", NEW)):
            store.claim(replace(make_run(name), suite=suite, started_at=began, fingerprint=name))
            store.add([attempt(name, number) for number in range(3)])
            store.finish(name, "finished", {"wall_s": 2.0, "requests": {"ok": 2, "failed": 1, "total": 3}})
    return tmp_path


def attempt(run_id: str, number: int) -> Attempt:
    made = make_attempt(run_id, repetition=number)
    if number < 2:
        errors = ["/a: no", "/b: no"]
        details = {"extracted": True, "format_valid": number == 0, "validation_errors": errors}
        outcome = "correct" if number == 0 else "partial"
        grade = Grade(outcome=outcome, score=1.0 - number / 2, details=details)  # type: ignore[arg-type]
        return replace(made, grade=grade)
    broken: Exchange = replace(
        made.exchanges[-1], ending="http_error", status=503, error="busy, =1+1", text="=x"
    )
    return replace(made, exchanges=(broken,), grade=Grade(outcome="error", score=0.0))


def tiltyard(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "TILTYARD_DATA_DIR": str(folder), "COLUMNS": "120"}
    command = [sys.executable, "-m", "tiltyard", *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=env, stdin=subprocess.DEVNULL
    )


def test_stats_and_list(folder: Path) -> None:
    found = json.loads(tiltyard(folder, "results", "stats", "--json").stdout)
    assert (found["runs"], found["attempts"]) == (2, 6)
    assert found["bytes"] > 10_000
    assert {(e["suite"], e["runs"], e["attempts"]) for e in found["by_suite_and_model"]} == {
        ("json", 1, 3),
        ("tools", 1, 3),
    }
    assert [entry["finished"] for entry in found["by_suite_and_model"]] == [1, 1]
    assert not any(isinstance(entry["finished"], bool) for entry in found["by_suite_and_model"])
    shown = tiltyard(folder, "results", "stats").stdout
    assert "2 runs, 6 attempts" in shown
    listed = json.loads(tiltyard(folder, "results", "list", "--json").stdout)
    assert [(run["run"], run["cached"]) for run in listed] == [("new1", "partly"), ("old1", "partly")]
    assert json.loads(tiltyard(folder / "empty", "results", "list", "--json").stdout) == []
    assert tiltyard(folder, "results", "list", "--test-type", "json").stdout.count("old1") == 1


def test_consolidate_writes_the_known_columns(folder: Path) -> None:
    target = folder / "all.csv"
    assert tiltyard(folder, "results", "consolidate", "-o", str(target)).returncode == 0
    with target.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 6
    first, second, broken = rows[:3]
    assert (first["test_type"], first["json_schema_valid"], second["json_schema_valid"]) == (
        "json",
        "True",
        "False",
    )
    assert second["validation_errors"] == "/a: no; /b: no"
    assert (broken["error_code"], broken["error_msg"], broken["accuracy_score"]) == ("503", "busy, =1+1", "")
    assert broken["generated_text"] == "'=x"
    assert float(first["ttft_s"]) > 0
    assert rows[3]["tool_call_success"] == "True"
    assert rows[3]["tool_call_accuracy"] == "1.0"
    assert rows[0]["tool_call_success"] == ""


def test_consolidate_without_a_name_overwrites_nothing(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = tmp_path_factory.mktemp("here")
    env = {**os.environ, "TILTYARD_DATA_DIR": str(folder)}
    command = [sys.executable, "-m", "tiltyard", "results", "consolidate"]
    said = []
    for more in ((), (), (), ("--test-type", "json")):
        done = subprocess.run(
            [*command, *more], capture_output=True, text=True, timeout=60, check=True, env=env, cwd=here
        )
        said.append(done.stderr.split()[0])
        if said == ["consolidated.csv"]:
            (here / "consolidated.csv").write_text("mine now", encoding="utf-8")
    assert said == ["consolidated.csv", "consolidated_2.csv", "consolidated_3.csv", "consolidated_json.csv"]
    assert sorted(path.name for path in here.iterdir()) == sorted(said)
    assert (here / "consolidated.csv").read_text(encoding="utf-8") == "mine now"
    counts = [len((here / name).read_text(encoding="utf-8").splitlines()) for name in said[1:]]
    assert counts == [7, 7, 4]


def judged(item: Item, suite: Suite, text: str, calls: tuple[ToolCall, ...] = ()) -> Attempt:
    made = make_attempt(suite.name)
    answer = replace(made.exchanges[-1], text=text, tool_calls=calls)
    grade = suite.grade(item, answer)
    return replace(made, item_id=item.id, item_hash=item.content_hash, exchanges=(answer,), grade=grade)


def test_the_value_read_and_the_call_due_stand_beside_the_answer() -> None:
    json_suite, tools_suite = load_suite("json"), load_suite("tools")
    asked = next(iter(json_suite.proofs())).item  # type: ignore[attr-defined]
    spoken = judged(asked, json_suite, 'Here you are:\n```json\n{"name": "Zoë", "n": 1.50}\n```')
    assert beside("json", spoken)["parsed_json"] == '{"name": "Zoë", "n": 1.5}'
    assert beside("json", spoken)["json_valid"] is True
    among = judged(asked, json_suite, 'It is {"name": "Ann"}, as asked.')
    assert beside("json", among)["parsed_json"] == '{"name": "Ann"}'
    half = judged(asked, json_suite, '{"name": "\\ud83d"}')  # half of a pair, which no file can hold
    assert beside("json", half)["parsed_json"] == '{"name": "\\ud83d"}'
    assert "parsed_json" not in beside("json", judged(asked, json_suite, '{"n": 1e999}'))  # beyond all floats
    own = replace(among, item_hash="a schema of one's own")
    assert beside("json", own)["parsed_json"] == '{"name": "Ann"}'
    assert among.grade is not None
    of_old = {name: value for name, value in among.grade.details.items() if name != "root_types"}
    older = replace(own, grade=replace(among.grade, details=of_old))
    assert "parsed_json" not in beside("json", older)  # found by which schema?
    assert "parsed_json" not in beside("json", judged(asked, json_suite, "no"))
    proof = next(proof for proof in tools_suite.proofs() if proof.tool_calls)  # type: ignore[attr-defined]
    called = judged(proof.item, tools_suite, "", proof.tool_calls)
    found = beside("tools", called)
    assert called.grade is not None
    assert called.grade.outcome == "correct"
    assert found["expected_tool"] == proof.tool_calls[0].name
    assert json.loads(found["expected_args"]) == json.loads(proof.tool_calls[0].arguments)
    assert "expected_tool" not in beside("tools", replace(called, item_hash="other"))
    made = {"name": proof.tool_calls[0].name, "arguments": proof.tool_calls[0].arguments}
    assert json.loads(str(found["extracted_calls"])) == [made]
    in_words = json.dumps([{**made, "arguments": json.loads(made["arguments"])}])
    written = judged(replace(proof.item, spec={**proof.item.spec, "text": True}), tools_suite, in_words)
    (read,) = json.loads(str(beside("tools", written)["extracted_calls"]))
    assert (read["name"], json.loads(read["arguments"])) == (made["name"], json.loads(made["arguments"]))
    assert set(found) | {"parsed_json"} < set(COLUMNS)
    assert beside("mcq", called) == beside("gone", called) == {}


def test_an_unknown_suite_or_an_empty_store_writes_no_file(folder: Path) -> None:
    target = folder / "none.csv"
    unknown = tiltyard(folder, "results", "consolidate", "--test-type", "jsno", "-o", str(target))
    assert unknown.returncode == 2
    assert "no suite called 'jsno'" in unknown.stderr
    empty = tiltyard(folder, "results", "consolidate", "--test-type", "mcq", "-o", str(target))
    assert empty.returncode != 0
    assert "no run of mcq is stored" in empty.stderr
    assert not target.exists()
    assert tiltyard(folder, "runs", "--suite", "jsno").returncode == 2


def test_files_as_llmperf_names_them(folder: Path) -> None:
    target = folder / "out"
    done = tiltyard(folder, "export", "--format", "llmperf", "-o", str(target))
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in target.iterdir())
    assert len(names) == 6
    summaries = [json.loads(path.read_text()) for path in target.glob("*_summary.json")]
    for summary in summaries:
        assert (summary["results_num_requests_started"], summary["results_num_completed_requests"]) == (3, 2)
        assert summary["results_error_code_frequency"] == "{'503': 1}"
        assert summary["results_num_completed_requests_per_min"] == 60.0
        assert summary["mean_output_tokens"] == summary["results_number_output_tokens_mean"]
        assert {"version", "name", "model", "timestamp", "mean_input_tokens"} <= set(summary)
        assert summary["results_ttft_s_quantiles_p50"] <= summary["results_ttft_s_quantiles_p99"]
        assert summary["results_ttft_s_stddev"] is not None
    (rows,) = [json.loads(p.read_text()) for p in target.glob("*old1_individual_responses.json")]
    assert [row["outcome"] for row in rows] == ["correct", "partial", "error"]


def test_clean_deletes_what_is_old_and_asks_first(folder: Path) -> None:
    refused = tiltyard(folder, "results", "clean", "--days", "7")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    done = tiltyard(folder, "results", "clean", "--days", "7", "--yes")
    assert (done.returncode, done.stdout) == (0, "1 run deleted\n")
    with Store.open(folder / "tiltyard.sqlite3") as store:
        assert [run.id for run in store.runs()] == ["new1"]
    assert "nothing is older" in tiltyard(folder, "results", "clean", "--days", "7", "--yes").stdout


def test_more_days_than_there_are_dates_are_refused(folder: Path) -> None:
    far = tiltyard(folder, "results", "clean", "--days", "1000000", "--yes")
    assert far.returncode == 2
    assert "Traceback" not in far.stderr
    assert "36500" in far.stderr
    assert "nothing is older" in tiltyard(folder, "results", "clean", "--days", "36500", "--yes").stdout


def test_clear_cache_asks_again_and_deletes_nothing(folder: Path) -> None:
    with Store.open(folder / "tiltyard.sqlite3") as store:
        store.claim(replace(make_run("good"), suite="tools", fingerprint="good"))
        store.add([attempt("good", 0)])
        store.finish("good", "finished", {"wall_s": 1.0})
        run = replace(make_run("next"), suite="tools", fingerprint="good")
        assert store.claim(run).finished
    done = tiltyard(folder, "results", "clear-cache", "--test-type", "tools", "--yes")
    assert done.returncode == 0, done.stderr
    with Store.open(folder / "tiltyard.sqlite3") as store:
        assert len(store.runs()) == 3
        claim = store.claim(run)
        assert (claim.run.id, claim.finished, claim.resumed) == ("next", False, False)
        assert store.forgotten() == {"new1", "good"}
    assert (
        "no finished run is cached"
        in tiltyard(folder, "results", "clear-cache", "--test-type", "tools").stdout
    )
