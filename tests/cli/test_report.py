"""`tiltyard report` as a user runs it: one file, the right runs in it."""

import pytest
from msgspec.structs import replace

from tests.cli.stocked import stock, tiltyard
from tests.reports import made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("data")
    older = made.quick("gemma3:1b", 50, seed=7)
    failed = made.quick("gemma3:1b", 1, seed=8)
    pairs = [(older, older.run()), *made.everything(), (failed, replace(failed.run(), state="failed"))]
    stock(path, pairs)
    return path


def test_without_words_it_holds_the_newest_finished_run_of_every_model(folder):
    done = tiltyard(folder, "report")
    assert done.returncode == 0, done.stderr
    text = (folder / "tiltyard-report.html").read_text(encoding="utf-8")
    assert "tiltyard-report.html" in done.stdout
    assert "kB" in done.stdout
    for name in ("gemma3:1b", "gpt-oss:20b", "qwen3:8b", "llama3.1:8b", "mistral-small:24b"):
        assert name in text
    assert "5 models" in text
    assert "Because of Rayleigh scattering." in text
    assert "119" in text.split("</h1>")[0].rsplit("<h1>")[1]


def test_runs_can_be_named_and_the_file_too(folder, tmp_path):
    maker, _ = made.everything()[1]
    out = tmp_path / "deep" / "one.html"
    done = tiltyard(folder, "report", maker.id[:8], "--output", str(out))
    assert done.returncode == 0, done.stderr
    text = out.read_text(encoding="utf-8")
    assert "1 model " in text
    assert "Prefill speed by depth" in text


def test_nothing_to_report_and_nowhere_to_write(folder, tmp_path):
    empty = tiltyard(tmp_path, "report")
    assert empty.returncode == 2
    assert "nothing to report yet" in empty.stderr
    assert "tiltyard run speed" in empty.stderr
    (tmp_path / "file").write_text("x")
    done = tiltyard(folder, "report", "--output", str(tmp_path / "file" / "r.html"))
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr
