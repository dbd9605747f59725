"""`tiltyard report` as a user runs it: one file, the right runs in it."""

import json
import re

import pytest
from msgspec.structs import replace

from tests.cli.stocked import stock, tiltyard
from tests.reports import made
from tests.reports.graded import graded

pytestmark = pytest.mark.slow


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


def on_port(maker, port, **more):
    run = maker.run(**more)
    return maker, replace(run, server=replace(run.server, dialect="openai", url=f"http://127.0.0.1:{port}"))


def written(folder):
    """The page without its style, and the ids of the runs that the board shows."""
    done = tiltyard(folder, "report")
    assert done.returncode == 0, done.stderr
    text = (folder / "tiltyard-report.html").read_text(encoding="utf-8")
    shown = tiltyard(folder, "board", "--json")
    assert shown.returncode == 0, shown.stderr
    return text, [row["run_id"] for row in json.loads(shown.stdout)["rows"]]


def test_models_of_one_name_on_several_servers_are_all_there_as_on_the_board(tmp_path):
    ports = range(8001, 8006)
    pairs = [on_port(made.quick("toy", 90 + 5 * (port - 8000), seed=port), port) for port in ports]
    older = on_port(made.quick("toy", 200, seed=1), 8001)
    stock(tmp_path, [older, *pairs])
    text, shown = written(tmp_path)
    assert sorted(shown) == sorted(maker.id for maker, _ in pairs)
    assert all(f"Run {run_id}," in text for run_id in shown)
    assert f"Run {older[0].id}," not in text
    assert "5 models" in text
    for port in ports:
        assert f">toy (openai 127.0.0.1:{port})</a>" in text
        assert re.search(rf"<h2 id=[^>]*>toy \(openai 127.0.0.1:{port}\)</h2>", text)


def test_a_run_that_mostly_failed_does_not_take_the_place_of_a_better_one_as_on_the_board(tmp_path):
    good, bad = made.quick("toy", 90, seed=1), made.quick("toy", 120, seed=2)
    stock(tmp_path, [(good, good.run()), (bad, bad.run(endings={"ok": 1, "connect_error": 13}))])
    text, shown = written(tmp_path)
    assert shown == [good.id]
    assert f"Run {good.id}," in text
    assert f"Run {bad.id}," not in text


def test_a_model_without_a_finished_run_is_there_with_its_unfinished_one(tmp_path):
    whole, part = made.quick("whole", 90), made.quick("part", 80)
    stock(tmp_path, [(whole, whole.run()), (part, part.run(state="interrupted"))])
    text, shown = written(tmp_path)
    assert shown == [whole.id]
    assert f"Run {part.id}," in text
    assert ">interrupted<" in text


def test_every_graded_run_has_the_rank_that_the_board_gives_it(tmp_path):
    """Far more than have a section of their own, beside as many that were measured for speed."""
    fast = [made.quick(f"model-{n:02d}", 90, n=3) for n in range(14)]
    able = [graded(f"model-{n:02d}", 0.9 if n < 20 else 0.2, n=40, seed=9 + n) for n in range(30)]
    stock(tmp_path, [(maker, maker.run()) for maker in (*fast, *able)])
    text, _ = written(tmp_path)
    table = text.partition("Score of 100")[2].partition("</table>")[0]
    rows = re.findall(r'<td class="rank">(.*?)</td>.*?(model-\d\d)', table, re.S)
    shown = tiltyard(tmp_path, "board", "--suite", "mcq", "--json")
    ranks = {row["model"]: row["rank"] for row in json.loads(shown.stdout)["rows"]}
    assert len(ranks) == 30
    assert {name: rank for rank, name in rows} == {name: f"{a}-{b}" for name, (a, b) in ranks.items()}
    best = sum(rank.startswith("1-") for rank, _ in rows) - 1
    assert best > 12
    assert f"not to be told from {best} others." in text


def test_runs_that_are_named_are_ranked_among_themselves(tmp_path):
    able = [graded(f"model-{n}", ability, n=40, seed=n) for n, ability in enumerate((0.9, 0.9, 0.2))]
    stock(tmp_path, [(maker, maker.run()) for maker in able])
    done = tiltyard(tmp_path, "report", able[0].id, able[2].id)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "tiltyard-report.html").read_text(encoding="utf-8")
    assert re.findall(r'<td class="rank">(.*?)</td>', text) == ["1", "2"]
    assert "best is model-0 with" in text
