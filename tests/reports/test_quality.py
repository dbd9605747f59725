"""Graded runs in the report and the exports: boards, ranks, outcomes, groups, and hostile names."""

import pytest
from msgspec.structs import replace

from tests.cli.stocked import stock
from tests.reports import made
from tests.reports.graded import Graded, graded
from tests.reports.test_html import HOSTILE
from tiltyard.reports import export
from tiltyard.reports.html import render
from tiltyard.reports.quality import quality_boards, quality_headline, quality_view
from tiltyard.stats.ranks import Rank
from tiltyard.store.store import FILE, Store


def boards_of(folder, makers, **more):
    """As a store ranks them."""
    runs = [maker.run(**more) for maker in makers]
    stock(folder, zip(makers, runs, strict=True))
    with Store.open(folder / FILE) as store:
        return quality_boards(runs, store.ranks([run.id for run in runs]), {})


@pytest.mark.slow
def test_ranks_are_of_the_same_items(tmp_path):
    makers = [graded("a", 0.9), graded("b", 0.88, seed=2), graded("c", 0.4)]
    (board,) = boards_of(tmp_path, makers)
    assert {row.name: row.rank for row in board.rows} == {"a": "1-2", "b": "1-2", "c": "3"}
    assert f"mcq: {board.rows[0].name} with" in quality_headline([board])
    assert "not to be told from 1 other" in quality_headline([board])
    runs = [maker.run() for maker in makers]
    assert "best" not in quality_headline(quality_boards(runs, {}, {}))  # nobody has compared them
    one, other = graded("a", 0.9), graded("b", 0.4)
    apart = quality_boards([one.run(items="x"), other.run(items="y")], {}, {})
    assert [board.title for board in apart] == ["mcq: shipped, items x", "mcq: shipped, items y"]
    assert [row.rank for board in apart for row in board.rows] == ["", ""]


def test_a_tie_of_more_than_are_ranked_says_at_least():
    runs = [graded(f"m{n}", 0.5, n=3).run() for n in range(3)]
    (board,) = quality_boards(runs, {run.id: Rank(1, 2) for run in runs[:2]}, {})
    assert "not to be told from at least 1 other." in quality_headline([board])


def test_partial_scores_and_missing_items_are_ranked_too(tmp_path):
    makers = [graded("a", 0.9, partial=True), graded("b", 0.3, partial=True), graded("c", 0.9, errors=5)]
    (board,) = boards_of(tmp_path, makers)
    ranks = {row.name: row.rank for row in board.rows}
    assert ranks["b"] == "3"
    assert {ranks["a"], ranks["c"]} <= {"1-2", "1", "2"}
    assert {row.name: row.left_out for row in board.rows}["c"] == "5 error"


def test_a_view_says_what_a_score_hides():
    view = quality_view(graded("a", 0.8, errors=2, truncated=10).run(stop_when="width=0.3"))
    assert view is not None
    words = " ".join(view.notes)
    assert "answers that could be judged" in words
    assert "Between " in words
    assert "10 truncated" in view.outcomes
    assert [row.name for row in view.groups] == ["history", "physics", "law"]
    assert {row.name for row in view.rates} == {"position bias", "hit the token limit", "failed"}
    assert quality_view(made.quick().run()) is None


def test_a_view_says_what_stands_in_the_place_of_an_interval():
    rates = {"bias": {"value": 0.08, "ci95": None, "why": "no bias shown"}, "b": {"value": 0.1, "ci95": None}}
    view = quality_view(graded("a").run(rates=rates))
    assert [row.interval for row in view.rates][:2] == ["no bias shown", "no interval"]


def test_nothing_scored_is_said():
    maker = graded("a", 0.8, n=5, errors=5)
    run = maker.run()
    assert run.summary["score"] is None
    (board,) = quality_boards([run], {}, {})
    assert (board.rows[0].score, board.rows[0].interval, board.rows[0].rank) == ("–", "no interval", "")
    assert "nothing could be scored" in quality_headline([board])


@pytest.fixture(scope="module")
def page():
    speed = made.quick("qwen3:8b")
    makers = [graded("qwen3:8b", 0.9), graded(HOSTILE, 0.5), Graded("j", 40).answers(60, 0.7, partial=True)]
    runs = [speed.run(), makers[0].run(), makers[1].run(), makers[2].run(suite="json", items=HOSTILE)]
    attempts = {maker.id: maker.attempts for maker in (speed, *makers)}
    samples = {maker.id: made.answer(maker, HOSTILE, HOSTILE) for maker in (speed, *makers)}
    return render(runs, attempts.__getitem__, samples.__getitem__, {})


def test_the_page_has_speed_and_quality(page):
    for part in ("Decode, tok/s", "mcq: what they get right", "json: what they get right", "Score of 100"):
        assert part in page
    assert "<script" not in page.replace("&lt;script", "")
    assert page.count("points of 100") == 6  # as a name and as a title
    assert "Groups, score of 100" in page


def test_a_page_of_graded_runs_alone():
    maker = graded("qwen3:8b", 0.9)
    alone = render([maker.run()], lambda _: maker.attempts, lambda _: None, {})
    assert "What they get right" in alone
    assert "Decode, tok/s" not in alone
    assert "No decode speed" not in alone


@pytest.mark.slow
def test_many_graded_runs_stay_under_the_bound():
    makers = [graded(f"m{n}", 0.5, n=30) for n in range(60)]
    runs = [replace(maker.run(), started_at="2026-01-01T00:00:00+00:00") for maker in makers]
    attempts = {maker.id: maker.attempts for maker in makers}
    assert len(render(runs, attempts.__getitem__, lambda _: None, {}).encode()) < 500_000


def test_exports_carry_scores():
    maker = graded("qwen3:8b", 0.9, errors=2)
    run = maker.run()
    table = "".join(export.as_markdown([run], lambda _: ()))
    assert "| score | 95 % |" in table
    assert "2 error" in table
    lines = "".join(export.as_csv([run], lambda _: [(attempt, "ok") for attempt in maker.attempts[:3]]))
    head, first, *_ = lines.splitlines()
    assert {"outcome", "score", "rule", "details"} <= set(head.split(","))
    assert '"{""letter"":""B""}"' in first


def test_a_view_says_what_a_server_makes_of_schemas():
    honesty = {"const": {"verdict": "enforced"}, "<b>": {"verdict": "ignored", "got": "{}"}, "enum": {}}
    maker = graded("a")
    run = maker.run(suite="json", schema_honesty=honesty)
    view = quality_view(run)
    assert view is not None
    assert "Schema keywords enforced by the server: const." in view.notes
    page = render([run], lambda _: maker.attempts, lambda _: None, {})
    assert "Schema keywords ignored by the server: &lt;b&gt;." in page
