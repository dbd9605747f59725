"""What leaves the store: runs of dialects that nobody here knows, and cells that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from tests.store.conftest import make_attempt, make_exchange, make_run
from tiltyard.cli import app
from tiltyard.records import Measures, Model
from tiltyard.reports import export, llmperf
from tiltyard.servers import DIALECTS
from tiltyard.store.store import Store

FOREIGN = ("mine", "Mine 2\x1b[31m<b>|", "")
FORMULAS = (
    *("=1+1", "+1", "-1", "@x", "\t=x", "\tx", "\r=x", " =1+1", "\n=1+1", "\ufeff=1+1", "\xa0=x", "\u3000=x"),
    *("\u200b=x", " \u2060\n-x", "\x0b=x", "\x1f=x", "\x01=x", "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20x"),
)
HARMLESS = ("", " ", "a=b", "1-2", "x\n=1", "'=1+1", "\x00=1+1", 'Zoë, "said"; no', "🦙")
FIGURES = {"decode_tps": {"n": 2, "mean": 5.0}, "requests": {"ok": 1, "failed": 0, "total": 1}}


def call(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def fill(dialects: tuple[str, ...]) -> None:
    """A run for each dialect in the store that the settings name."""
    with Store.open() as store:
        for number, dialect in enumerate(dialects):
            run = make_run(f"r{number}")
            store.claim(replace(run, server=replace(run.server, dialect=dialect)))
            store.add([make_attempt(run.id)])
            store.finish(run.id, "finished", FIGURES)


def dialects_here() -> list[str]:
    with Store.open() as store:
        return sorted(run.server.dialect for run in store.runs())


@pytest.mark.slow
def test_a_run_of_a_dialect_that_nobody_knows_is_a_run_like_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TILTYARD_DATA_DIR", str(tmp_path / "here"))
    monkeypatch.setenv("COLUMNS", "200")
    assert not set(FOREIGN) & set(DIALECTS)
    fill((*FOREIGN, "ollama"))
    assert dialects_here() == sorted((*FOREIGN, "ollama"))
    assert all(f"r{number}" in call("runs", "--json") for number in range(4))
    for words in (("runs",), ("show", "r0"), ("show", "r1"), ("show", "r1", "1"), ("board",)):
        shown = call(*words)
        assert "\x1b" not in shown
    assert "mine" in call("show", "r0")
    for kind in ("json", "csv", "md"):
        assert "r1" in call("export", "--format", kind)
    page = tmp_path / "report.html"
    call("report", "--output", str(page))
    assert "<b>|" not in page.read_text(encoding="utf-8")

    bundle = tmp_path / "runs.jsonl"
    call("export", "--format", "jsonl", "--output", str(bundle))
    monkeypatch.setenv("TILTYARD_DATA_DIR", str(tmp_path / "there"))
    assert json.loads(call("import", str(bundle), "--json"))["already_there"] == 0
    assert dialects_here() == sorted((*FOREIGN, "ollama"))
    call("runs")


def models_read(lines: Iterable[str]) -> list[str]:
    """The column `model` of a CSV text."""
    return [row["model"] for row in csv.DictReader(io.StringIO("".join(lines), newline=""))]


def test_no_writer_of_csv_lets_a_formula_out() -> None:
    names = (*FORMULAS, *HARMLESS)
    runs = [replace(make_run(), model=Model(name=name)) for name in names]
    ours = models_read(export.as_csv(runs, lambda _: [(make_attempt(exchanges=()), "ok")]))
    found = [row for run in runs for row in llmperf.rows(run, [make_attempt()], lambda *_: {})]
    known = models_read(llmperf.as_csv(found))
    wanted = [f"'{name}" for name in FORMULAS] + list(HARMLESS)
    assert ours == known == [text.replace("\x00", "\u2400") for text in wanted]
    assert export.guarded(-1.5) == -1.5


@pytest.mark.parametrize(
    ("settings", "streams"),
    [
        ({"profile": "fixed", "concurrency": "4"}, 4),
        ({"profile": "quick"}, 1),
        ({"profile": "concurrency", "concurrency": "1,2,4"}, None),
        ({"profile": "fixed", "rate": 5}, None),
        ({"concurrency": 2}, 2),
    ],
)
def test_streams_are_a_number_for_readers_of_llmperfs_files(settings, streams) -> None:
    assert llmperf.streams_of(replace(make_run(), settings=settings)) == streams


def test_what_failed_is_no_part_of_the_sizes_in_a_files_name() -> None:
    good = replace(make_attempt(), measures=Measures(prompt_tokens=100, output_tokens=20))
    cut = make_attempt(exchanges=(make_exchange(2, ending="truncated"),))
    broken = replace(cut, measures=Measures(prompt_tokens=100, output_tokens=900))
    found = list(llmperf.rows(make_run(), [good, broken], lambda *_: {}))
    assert "_100_20_" in llmperf.json_stem(make_run(), found)


@pytest.mark.parametrize(
    ("summary", "per_minute"),
    [
        ({"wall_s": 1.0, "stages": [{"name": "1", "wall_s": 1.0}, {"name": "2", "wall_s": 3.0}]}, 30.0),
        ({"wall_s": 4.0}, 30.0),  # of a graded run, which has no stages
        ({}, None),
    ],
)
def test_totals_are_over_the_time_of_all_stages(summary, per_minute) -> None:
    run = make_run(summary=summary)
    rows = list(llmperf.rows(run, [make_attempt(stage=name) for name in ("1", "2")], lambda *_: {}))
    found = llmperf.summary(run, rows)
    assert found["results_num_completed_requests_per_min"] == per_minute
    tokens = None if per_minute is None else 256 * per_minute / 120
    assert found["results_mean_output_throughput_token_per_s"] == tokens


@pytest.mark.parametrize("graded", [False, True])
def test_a_rate_that_a_summary_withholds_is_in_no_other_summary(graded: bool) -> None:
    timed = replace(make_attempt(), measures=Measures(itl_ms=0.2, ttft_ms=30.0))
    figures = {"itl_ms": None, "ttft_ms": {"n": 1, "mean": 30.0}}
    why = {"itl_ms": {"requests": 1, "why": "too fast for the clock"}}
    summary = {**({"speed": figures} if graded else figures), "unmeasured": why}
    run = make_run(summary=summary)
    rows = list(llmperf.rows(run, [timed], lambda *_: {}))
    found = llmperf.summary(run, rows)
    assert found["results_inter_token_latency_s_mean"] is None
    assert found["results_ttft_s_mean"] == 0.03
    known = make_run(summary={**summary, "unmeasured": {}})
    assert llmperf.summary(known, rows)["results_inter_token_latency_s_mean"] == 0.0002
