"""Charts are well-formed, keep their scales, and say in words what they show."""

import math
import xml.etree.ElementTree as ET

import pytest

from tests.reports import made
from tiltyard.reports import charts, svg
from tiltyard.reports.charts import Curve
from tiltyard.reports.svg import Axis, Point, Scale
from tiltyard.reports.views import model_view, ranks
from tiltyard.reports.ways import Side
from tiltyard.reports.words import clean
from tiltyard.stats.figures import figure


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 10, [0, 2, 4, 6, 8, 10]),
     (38, 43, [38, 39, 40, 41, 42, 43]), (0, 0.9, [0, 0.2, 0.4, 0.6, 0.8]), (3, 3, [3])],
)  # fmt: skip
def test_ticks_are_round(low, high, ticks):
    assert svg.nice_ticks(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize(("low", "high"), [(1, 64), (0.01, 9_000), (11, 14), (5, 5_000_000)])
def test_log_ticks_are_few_inside_and_rising(low, high):
    ticks = svg.log_ticks(low, high)
    assert 2 <= len(ticks) <= 9
    assert all(low * 0.99 <= t <= high * 1.01 for t in ticks)
    assert ticks == sorted(ticks)


@pytest.mark.parametrize("kind", ["linear", "log", "sqrt"])
def test_scales_keep_order_and_ends(kind):
    scale = Scale(Axis("", 1, 100, kind), 10, 210)
    values = [scale(v) for v in (1, 2, 50, 100)]
    assert values == sorted(values)
    assert (values[0], values[-1], scale(-5), scale(1e9)) == (10, 210, 10, 210)


def test_every_chart_is_xml_with_words_and_without_style_attributes():
    for maker, run in made.everything():
        view = model_view(Side(run=run, attempts=maker.attempts), "m1", made.answer(maker))
        assert len(view.charts) >= 3
        for chart in view.charts:
            root = ET.fromstring(chart.svg)
            assert root.find("title").text
            assert root.find("desc").text == clean(chart.caption, 500)
            assert not [e for e in root.iter() if "style" in e.attrib or e.tag in ("script", "image", "a")]
            numbers = [
                float(v) for e in root.iter() for k, v in e.attrib.items() if k in ("x", "y", "cx", "cy")
            ]
            assert all(math.isfinite(v) and -60 <= v <= 600 for v in numbers)


def test_every_profile_has_its_own_curve():
    titles = {}
    for maker, run in made.everything():
        view = model_view(Side(run=run, attempts=maker.attempts), "m1", None)
        titles[run.settings["profile"]] = [c.title for c in view.charts]
    assert titles["depth"][:2] == ["Prefill speed by depth", "Decode speed by depth"]
    assert titles["concurrency"][:2] == ["Throughput by parallel streams", "What throughput costs in waiting"]
    assert titles["serve"][0] == "Rate asked, rate answered"
    assert titles["soak"][0] == "Decode speed over time"
    assert titles["quick"] == ["Decode speed", "Time to first token", "Gaps between chunks"]


def test_waits_of_survivors_are_said_to_be_so():
    maker = made.concurrency()
    for place, failed in ((2, 1), (3, 11)):
        maker.stages[place]["requests"] = {"ok": 12 - failed, "failed": failed, "truncated": 0, "total": 12}
    run = maker.run(profile="concurrency")
    view = model_view(Side(run=run, attempts=maker.attempts), "m1", None)
    charted = {chart.title: chart.caption for chart in view.charts}
    caption = charted["What throughput costs in waiting"]
    assert caption.startswith("From 1 to 32 streams, the wait for the first token goes from ")
    said = " Waits are of the requests that were answered: 1 of 12 failed at 4 streams, 11 of 12 failed at 8."
    assert caption.endswith(said)
    whole = charts.trade_off([("1", 1, 2), ("2", 2, 3)], "t")
    assert "failed" not in whole.caption


def test_a_hostile_name_stays_text():
    chart = charts.trade_off([("</text><script>x</script>", 1, 2), ("b\u202e", 2, 3)], "<b>t</b>")
    assert "<script" not in chart.svg
    assert "\u202e" not in chart.svg
    ET.fromstring(chart.svg)


def test_too_little_is_not_drawn():
    assert charts.distribution([1.0, 2.0], figure([1.0, 2.0]), "t", "ms") is None
    assert charts.distribution([2.0] * 9, figure([2.0] * 9), "t", "ms") is None
    assert charts.curve([Curve("a", [Point(0, 1)])], "t", "x", "y") is None
    assert charts.quantile_rows([], "t", "ms") is None
    assert charts.soak([1.0], [1.0], None, "t") is None


def test_a_distribution_of_a_million_is_thinned():
    values = [1 + i / 1e6 for i in range(1_000_000)]
    assert len(charts.distribution(values, figure(values), "t", "ms").svg) < 10_000


def test_ranks_call_ties_ties():
    runs = [made.quick(n, d, n=30).run() for n, d in (("a", 100), ("b", 60.0), ("c", 60.1), ("d", 20))]
    runs.sort(key=lambda r: -r.summary["decode_tps"]["mean"])
    assert ranks(runs) == ["1", "2=", "2=", "4"]
    wide = made.quick("w", 15).run(decode_tps={"mean": 15.0, "ci95": [0.0, 140.0], "n": 3})
    unsure = made.quick("u", 10).run(decode_tps={"mean": 10.0, "ci95": None, "n": 1})
    assert ranks([*runs, wide, unsure]) == ["1=", "2=", "2=", "4", "1=", "1="]
    broken = made.quick("e").run(decode_tps=None)
    assert ranks([*runs, broken])[-1] == ""


@pytest.mark.parametrize("top", [5_100.0, 5_000.0, 2_050.0, 9_000.0])
def test_the_scale_over_a_column_is_not_cut_off_at_its_end(top):
    words = ET.fromstring(charts.axis_in_head(top)).findall("text")
    for each in words:
        x, size, anchor = float(each.get("x")), 7 * len(each.text), each.get("text-anchor")
        end = x + {"start": size, "middle": size / 2, "end": 0}[anchor]
        assert end <= 200, (top, each.text)
