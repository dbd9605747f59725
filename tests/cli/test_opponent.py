"""`--against RUN`: a run that could never decide is refused at once; part of one is told beforehand."""

import pytest

from tests.cli.conftest import FAST
from tests.cli.stocked import stock, tiltyard
from tests.reports.graded import graded
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.store.store import FILE, Store

pytestmark = pytest.mark.slow


def runs_in(folder):
    with Store.open(folder / FILE) as store:
        return store.runs()


def ask(folder, url, suite, *more):
    return tiltyard(folder, "run", suite, "--server", url, "--dialect", "openai", "--model", "m", *more)


def against(folder, url, suite, *more):
    newest = runs_in(folder)[0].id
    return ask(folder, url, suite, "--stop-when", "decided", "--against", newest, *more)


@pytest.mark.parametrize("suite", ["mcq", "json", "tools"])
def test_part_of_the_items_is_told_beforehand(tmp_path, url, suite):
    """What is told before a run is what the run then finds: the opponent's items, and no others."""
    assert ask(tmp_path, url, suite, "--limit", "12").returncode == 0
    known = runs_in(tmp_path)[0]
    done = against(tmp_path, url, suite, "--limit", "12", "--repeats", "2")
    assert done.returncode == 0, done.stderr
    assert "only those can decide" not in done.stderr
    done = ask(tmp_path, url, suite, "--stop-when", "decided", "--against", known.id)
    assert f"run {known.id} scored 12 of this run's " in done.stderr
    assert "items: only those can decide" in done.stderr
    assert [run.summary["stopping"]["pairs"] for run in runs_in(tmp_path)[:2]] == [12, 12]


def test_what_could_never_decide_is_refused_at_once(tmp_path, url):
    assert ask(tmp_path, url, "tools", "--categories", "types", "--limit", "8").returncode == 0
    nowhere = "http://127.0.0.1:9/v1"  # it is refused before a server is looked for
    done = against(tmp_path, nowhere, "tools", "--categories", "parallel")
    assert done.returncode == 2
    assert "scored none of this run's 13 items: nothing could ever be decided" in done.stderr
    assert "try: name a run that asked the same items: tiltyard runs --suite tools" in done.stderr
    done = against(tmp_path, nowhere, "tools")
    assert done.returncode == 2
    assert "scored 8 of this run's 105 items: too few to ever decide anything" in done.stderr
    assert against(tmp_path, nowhere, "json").returncode == 2
    assert against(tmp_path, nowhere, "mcq,tools").returncode == 2
    assert len(runs_in(tmp_path)) == 1


def test_a_run_without_scores_is_no_opponent(tmp_path, url):
    nothing = graded("a", 0.8, n=5, errors=5)
    stock(tmp_path, [(nothing, nothing.run())])
    done = against(tmp_path, "http://127.0.0.1:9/v1", "mcq")
    assert done.returncode == 2
    assert "has no scores to compare with" in done.stderr


def test_who_was_asked_everything_is_the_opponent_of_a_part(tmp_path):
    models = tuple(SimModel(name=name, **FAST) for name in ("m", "n"))
    with running(SimConfig(models=models, dialects=("openai",))) as sim:
        assert ask(tmp_path, sim.url("openai"), "mcq").returncode == 0
        known = runs_in(tmp_path)[0]
        more = ("--model", "n", "--stop-when", "decided", "--limit", "12")
        words = ("run", "mcq", "--server", sim.url("openai"), "--dialect", "openai", *more)
        assert tiltyard(tmp_path, *words).returncode == 0
        assert tiltyard(tmp_path, *words, "--no-shuffle").returncode == 0
    other_way, found = (run.summary["stopping"] for run in runs_in(tmp_path)[:2])
    assert (found["against"], found["pairs"]) == (known.id, 12)
    assert other_way["against"] is None
