"""A third party's suite, as docs/add-a-suite.md has it, through every command from the run to the report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Finished
from tiltyard.servers.simulator import SimConfig, SimModel, running

pytestmark = pytest.mark.slow

PAGE = Path(__file__).resolve().parents[2] / "docs" / "add-a-suite.md"
PLAIN = """
from tiltyard.load.schedule import Load, Stop
from tiltyard.records import Item, Message, Request
from tiltyard.suites import Stage


class Plain:
    name, version = "haiku", "2"

    async def stages(self, bench):
        items = [Item(id=f"{n}", content_hash=f"{n}") for n in range(3)]
        yield Stage(name="three", load=Load(concurrency=1, stop=Stop(count=3)), items=items)

    def request(self, item, bench):
        return Request(model=bench.model.name, messages=(Message(role="user", content=item.id),))

    def grade(self, item, exchange):
        return None

    def summarise(self, results, bench):
        return {"topics": len(results[0].attempts)}
"""
COMMAND = '''
import click
from tiltyard.cli.conducting import run_suite
from tiltyard.cli.run_graded import graded_options, split_options


@click.command("haiku", epilog="Example:  tiltyard run haiku --lines 3")
@click.option("--lines", type=int)
@graded_options
def haiku(lines, **options):
    """Ours."""
    common, settings = split_options(options)
    run_suite("haiku", {**settings, "lines": lines}, common)
'''

Call = Callable[..., Finished]


def example() -> str:
    """The suite of the page."""
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]


def install(folder: Path, module: str, entries: str, name: str = "haiku") -> None:
    """What `pip install` leaves behind: a module, and the words about it."""
    facts = folder / f"{name}-1.0.dist-info"
    facts.mkdir(parents=True)
    (folder / f"{name}_suite.py").write_text(module, encoding="utf-8")
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (facts / "entry_points.txt").write_text(entries, encoding="utf-8")


SUITE = "[tiltyard.suites]\nhaiku = haiku_suite:Haiku\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site"


@pytest.fixture
def ours(tiltyard: Call, site: Path) -> Call:
    """Tiltyard where the folder `site` is installed."""
    return lambda *words: tiltyard(*words, env={"PYTHONPATH": str(site)})


@pytest.fixture
def asking() -> Iterator[Callable[..., tuple[str, ...]]]:
    """Words that name the simulator's models."""
    models = tuple(SimModel(name=name, stops_at=6, loaded=True) for name in ("a", "b"))
    with running(SimConfig(models=models, dialects=("openai",), delay=False)) as sim:
        place = ("--server", sim.url("openai"), "--dialect", "openai")
        yield lambda *names: (*place, "--models", ",".join(names or ("a",)))


def every_command(ours: Call, a: str, b: str) -> dict[str, Finished]:
    """All that reads the runs; none may fail."""
    said = {
        "runs": ours("runs", "--suite", "haiku"),
        "show": ours("show", a),
        "one": ours("show", a, "1"),
        "board": ours("board"),
        "rows": ours("board", "--json"),
        "by model": ours("board", "--by-model"),
        "compare": ours("compare", a, b),
        "report": ours("report", "-o", "r.html"),
        **{kind: ours("export", "--format", kind) for kind in ("json", "csv", "md", "jsonl")},
        "llmperf": ours("export", "--format", "llmperf", "-o", "rows"),
        "consolidate": ours("results", "consolidate", "--test-type", "haiku", "-o", "all.csv"),
        "stats": ours("results", "stats"),
        "verify": ours("verify", "haiku"),
    }
    assert {name: done.err for name, done in said.items() if done.code} == {}
    return said


def test_the_page_s_suite_goes_through_every_command(
    ours: Call, site: Path, asking: Callable[..., tuple[str, ...]], tmp_path: Path
) -> None:
    install(site, example(), SUITE)
    done = ours("run", "haiku", *asking("a", "b"), "--json")
    assert done.code == 0, done.err
    summaries = [line for line in done.lines() if line["event"] == "summary"]
    assert [(s["suite"], s["model"], s["n"], s["score"]) for s in summaries] == [
        ("haiku", "a", 3, 0.0),
        ("haiku", "b", 3, 0.0),
    ]
    told = [line for line in done.lines() if "expected" in line]
    assert {line["event"] for line in told} == {"stage", "progress", "summary"}
    assert {line["expected"] for line in told} == {3}
    a, b = (summary["run_id"] for summary in summaries)
    said = every_command(ours, a, b)
    for name in ("runs", "show", "rows", "json", "md"):
        assert "haiku" in said[name].out, said[name].out
    assert re.search("haiku, (rain|a keyboard|the first token)", said["one"].out)
    assert "score" in said["compare"].out
    assert "haiku" in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "haiku: 3 items: reference answers get full marks" in said["verify"].out


def test_a_model_that_knows_the_page_s_suite(ours: Call, site: Path) -> None:
    install(site, example(), SUITE)
    done = ours("make-model", "known.gguf", "--knows", "haiku=1")
    assert done.code == 0, done.err
    assert "3 known answers" in done.out


def test_a_suite_without_proofs_is_said_to_have_none(ours: Call, site: Path) -> None:
    install(site, example().replace("def proofs(self)", "def reference(self)"), SUITE)
    assert "haiku: offers no `proofs()`: there is nothing to prove" in ours("verify", "haiku").out
    done = ours("make-model", "known.gguf", "--knows", "haiku=1")
    assert done.code == 2
    assert "haiku offers no `proofs()`" in done.err


def test_every_suite_is_verified_those_of_packages_too(ours: Call, site: Path) -> None:
    install(site, example(), SUITE)
    done = ours("verify")
    assert done.code == 0, done.err
    assert "✓ mcq: " in done.out
    assert "✓ haiku: 3 items: reference answers get full marks" in done.out


@pytest.mark.parametrize("module", ["import nothing_of_that_name", "def :"])
def test_a_suite_that_cannot_be_loaded_does_not_hold(ours: Call, site: Path, module: str) -> None:
    install(site, module, SUITE)
    done = ours("verify")
    assert done.code == 1
    assert "✓ tools: " in done.out
    assert "✗ haiku: 0 items, faults: 1" in done.out
    assert "the suite 'haiku' of the package haiku cannot be loaded: " in done.out
    assert "error: the content of haiku does not hold" in done.err
    assert len(ours("verify", "haiku", "--json").lines()[0]["faults"]) == 1
    assert ours("verify", "haikus").code == 2


def test_help_lists_it_without_importing_it(ours: Call, site: Path) -> None:
    install(site, "raise RuntimeError('imported')", SUITE)
    done = ours("run", "--help")
    assert done.code == 0, done.err
    assert re.search(r"haiku +From the package haiku\.", done.out), done.out
    assert re.search(r"speed +How fast", done.out), done.out


def test_its_own_help_is_its_docstring(ours: Call, site: Path) -> None:
    install(site, example(), SUITE)
    done = ours("run", "haiku", "--help")
    assert "Haiku: three lines, and the grader counts them." in done.out
    assert "Example:  tiltyard run haiku" in done.out
    assert "--min-success" in done.out
    assert "--stop-when" in done.out


def test_several_at_once(ours: Call, site: Path, asking: Callable[..., tuple[str, ...]]) -> None:
    install(site, example(), SUITE)
    done = ours("run", "speed,haiku,tools", *asking(), "--limit", "2", "--json")
    assert done.code == 0, done.err
    found = [(line["suite"], line.get("n")) for line in done.lines() if line["event"] == "summary"]
    assert found == [("speed", None), ("haiku", 2), ("tools", 2)]
    assert ours("run", "haiku,poems", *asking()).err.startswith("error: there is no suite called poems")


def test_one_that_only_measures(
    ours: Call, site: Path, asking: Callable[..., tuple[str, ...]], tmp_path: Path
) -> None:
    install(site, PLAIN, SUITE.replace("Haiku", "Plain"))
    done = ours("run", "haiku", *asking("a", "b"), "--json")
    assert done.code == 0, done.err
    a, b = (line for line in done.lines() if line["event"] == "summary")
    assert (a["topics"], a["requests"]["ok"], b["endings"]) == (3, 3, {"ok": 3})
    said = every_command(ours, a["run_id"], b["run_id"])
    assert "haiku" in said["rows"].out
    assert "--stop-when" not in ours("run", "haiku", "--help").out


def test_other_items_are_another_run(ours: Call, site: Path, asking: Callable[..., tuple[str, ...]]) -> None:
    install(site, example(), SUITE)
    first = ours("run", "haiku", *asking(), "--json").summary()
    again = ours("run", "haiku", *asking(), "--json").summary()
    assert again["cached"]
    assert ours("run", "haiku,speed", *asking(), "--json").lines()[1]["run_id"] == first["run_id"]
    module = site / "haiku_suite.py"
    module.write_text(example().replace("a keyboard", "a mouse"), encoding="utf-8")
    other = ours("run", "haiku", *asking(), "--json").summary()
    assert (other.get("cached"), other["n"]) == (None, 3)


def test_the_run_it_is_decided_against_is_checked(
    ours: Call, site: Path, asking: Callable[..., tuple[str, ...]]
) -> None:
    many = example().replace("TOPICS = (", "TOPICS = tuple(map(str, range(30)))\nFEW = (")
    install(site, many, SUITE)
    done = ours("run", "haiku", *asking(), "--limit", "20", "--json")
    assert done.code == 0, done.err
    assert done.summary()["n"] == 20
    decided = ("--stop-when", "decided", "--against", done.summary()["run_id"])
    assert (
        "scored 20 of this run's 30 items: only those can decide"
        in ours("run", "haiku", *asking("b"), *decided).err
    )
    few = ours("run", "haiku", *asking("b"), "--limit", "2", *decided)
    assert few.code == 2
    assert "of this run's 2 items: " in few.err


def test_its_own_command(ours: Call, site: Path, asking: Callable[..., tuple[str, ...]]) -> None:
    entries = f"{SUITE}\n[tiltyard.commands]\nhaiku = haiku_suite:haiku\n"
    install(site, example() + COMMAND, entries)
    done = ours("run", "haiku", *asking(), "--lines", "3", "--limit", "2", "--json")
    assert done.code == 0, done.err
    shown = json.loads(ours("show", done.summary()["run_id"], "--json").out)
    assert shown["run"]["settings"] == {"limit": 2, "lines": 3}
    done = ours("run", "haiku,speed", *asking(), "--limit", "2", "--json")
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("module", "entries"),
    [("import nothing_of_that_name", SUITE), ("", SUITE), ("", SUITE.replace(":Haiku", ""))],
)
def test_one_that_cannot_be_loaded_is_an_error_in_a_line(
    ours: Call, site: Path, module: str, entries: str
) -> None:
    install(site, module, entries)
    done = ours("run", "haiku", "--model", "a")
    assert done.code == 2
    assert done.err.startswith("error: the suite 'haiku' of the package haiku cannot be loaded: ")
    assert "  try: " in done.err
