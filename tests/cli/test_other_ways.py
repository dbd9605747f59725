"""The same questions asked in another way: a table of its own on the board, and a word in `compare`."""

import json

import pytest

from tests.cli.stocked import tiltyard
from tiltyard.store.store import FILE, Store

pytestmark = pytest.mark.slow


def test_a_way_of_asking_has_a_table_and_a_warning(tmp_path, url):
    for name in ("law.jsonl", "shots.jsonl"):
        rows = [{"question": f"{name} {n}", "options": ["a", "b", "c"], "answer": "a"} for n in range(12)]
        (tmp_path / name).write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "p.txt").write_text("{question} {options} {letters}", encoding="utf-8")
    ways = [["--prompt", "p.txt"], ["--no-shuffle"], ["--cot"], []]
    ways += [["--examples", "shots.jsonl", "--few-shot", "1"]]
    for way in ways:
        done = tiltyard(
            tmp_path, "run", "mcq", "law.jsonl", *way, "--server", url, "--dialect", "openai", "--model", "m",
            "--fresh",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    with Store.open(tmp_path / FILE) as store:
        newest = store.runs()
        assert len({row.item_set for row in store.board()}) == 5
    said = tiltyard(tmp_path, "board", "--all").stdout
    for words in ("options in the file's order", "with reasoning", "1 example (", "a prompt of its own ("):
        assert f"law.jsonl, {words}" in said
    assert "shots.jsonl" not in said
    found = json.loads(tiltyard(tmp_path, "compare", newest[1].id, newest[3].id, "--json").stdout)
    ways = "A in the usual way; B options in the file's order"
    assert f"asked in different ways, which may make the difference: {ways}" in found["warnings"]
    for key in ("cot", "shuffle"):  # by the switch alone, of which one side was not touched
        found = json.loads(tiltyard(tmp_path, "compare", "--by", key, "--json").stdout)
        assert newest[1].id in (found["a"], found["b"])
