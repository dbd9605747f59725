"""Figures: right numbers, honest intervals (their coverage is simulated), and quick on a million values."""

import math
import random
from array import array

import msgspec
import pytest

from tiltyard.records import Figure
from tiltyard.stats.figures import figure, mean_interval, percentile, pooled, width


def test_the_textbook():
    fig = figure([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])
    assert (fig.n, fig.mean, fig.min, fig.max, fig.p50) == (8, 5.0, 2.0, 9.0, 4.5)
    reach = 2.364624251592785 * math.sqrt(32 / 7 / 8)
    assert fig.ci95 == pytest.approx((5 - reach, 5 + reach))
    assert (fig.p99, fig.why, fig.missing) == (None, None, 0)
    assert width(fig) == pytest.approx(2 * reach / 5)


def test_percentiles_are_type_7_like_numpys():
    np = pytest.importorskip("numpy")
    rng = random.Random(1)
    for n in (1, 2, 3, 10, 99, 100, 1001):
        sample = sorted(rng.lognormvariate(0, 1) for _ in range(n))
        for q in (0, 0.5, 0.9, 0.95, 0.99, 1):
            assert percentile(sample, q) == pytest.approx(float(np.quantile(sample, q)), rel=1e-12)


def test_p99_needs_a_hundred():
    assert figure([float(i) for i in range(99)]).p99 is None
    assert figure([float(i) for i in range(100)]).p99 == pytest.approx(98.01)


def test_what_is_not_a_number_is_left_out_and_counted():
    fig = figure([1.0, None, 2.0, math.nan, 3.0, math.inf])
    assert (fig.n, fig.mean, fig.missing) == (3, 2.0, 3)


@pytest.mark.parametrize(
    ("values", "n", "why"),
    [
        ([], 0, "no values"),
        ([None, math.nan], 0, "not measurable here"),
        ([3.0], 1, "one value: no interval"),
    ],
)
def test_no_interval_says_why(values, n, why):
    fig = figure(values)
    assert (fig.n, fig.ci95, fig.why) == (n, None, why)
    assert width(fig) is None


def test_equal_values_have_no_width_and_say_so():
    fig = figure([0.1] * 7)
    assert (fig.mean, fig.ci95, fig.why) == (0.1, (0.1, 0.1), "every value is the same")


def test_one_cluster_has_no_interval():
    fig = figure([1.0, 2.0, 3.0], clusters=[4, 4, 4])
    assert fig.ci95 is None
    assert "one request" in str(fig.why)


def test_singleton_and_equal_clusters_are_students_interval():
    values = [3.0, 5.0, 4.0, 8.0, 6.0, 4.0]
    assert figure(values, clusters=range(6)).ci95 == pytest.approx(figure(values).ci95)
    pairs = figure(values, clusters=[0, 0, 1, 1, 2, 2]).ci95
    assert pairs == pytest.approx(tuple(mean_interval([4.0, 6.0, 5.0])))


def test_cluster_ids_must_match():
    with pytest.raises(ValueError, match="cluster ids"):
        figure([1.0, 2.0], clusters=[1])


def test_a_figure_is_json():
    fig = figure([1.0, 2.0, 4.0])
    assert msgspec.json.decode(msgspec.json.encode(fig), type=Figure) == fig


@pytest.mark.parametrize("n", [3, 5, 10, 30])
def test_coverage_of_the_t_interval(n):
    rng, tries = random.Random(n), 4_000
    hits = 0
    for _ in range(tries):
        low, high = mean_interval([rng.gauss(10, 2) for _ in range(n)])
        hits += low <= 10 <= high
    assert 0.94 <= hits / tries <= 0.96


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(20,) * 6, (5, 10, 20, 20, 30, 40, 12, 9), (1, 2, 3, 4) * 5])
@pytest.mark.parametrize("between", [0.0, 0.5, 2.0])
def test_coverage_of_the_cluster_interval(sizes, between):
    """Values of one request share a shift; treating them as independent would cover far less."""
    rng, tries, hits, naive = random.Random(len(sizes)), 2_000, 0, 0
    ids = [c for c, m in enumerate(sizes) for _ in range(m)]
    for _ in range(tries):
        shifts = [rng.gauss(0, between) for _ in sizes]
        values = [10 + shifts[c] + rng.gauss(0, 1) for c in ids]
        low, high = figure(values, clusters=ids).ci95
        hits += low <= 10 <= high
        low, high = figure(values).ci95
        naive += low <= 10 <= high
    assert 0.935 <= hits / tries <= 0.97
    if between == 2.0 and sizes[0] == 20:
        assert naive / tries < 0.6


def test_both_ways_of_computing_agree():
    rng = random.Random(3)
    values = [None if i % 1000 == 0 else rng.lognormvariate(1, 0.5) for i in range(60_000)]
    ids = [i // 64 for i in range(60_000)]
    for clusters in (None, ids):
        large = figure(values, clusters=clusters)
        small = _computed_in_plain_python(values, clusters)
        for name in ("n", "missing", "mean", "p50", "p99", "min", "max", "ci95", "why"):
            ours, theirs = getattr(large, name), getattr(small, name)
            assert ours == theirs if ours is None or isinstance(ours, str) else ours == pytest.approx(theirs)


def _computed_in_plain_python(values, clusters):
    from tiltyard.stats import figures

    return figures._small(values, clusters)


@pytest.mark.slow
def test_a_million_gaps_of_a_typed_array():
    values = array("d", ((i * 7919 % 10_007) / 100 for i in range(1_000_000)))
    ids = array("q", (i // 128 for i in range(1_000_000)))
    fig = figure(values, clusters=ids)
    assert (fig.n, fig.missing) == (1_000_000, 0)
    assert fig.mean == pytest.approx(math.fsum(values) / 1e6)
    assert fig.p50 == pytest.approx(50.03, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [[], [1], [40], [3, 1, 1], [40] * 50, [1_000] * 310])
@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_values_of_known_clusters_give_the_same_figure(sizes, spread):
    rng = random.Random(len(sizes))
    parts = [[rng.lognormvariate(3, spread) for _ in range(size)] for size in sizes]
    values = array("d", (value for part in parts for value in part))
    ids = [number for number, part in enumerate(parts) for _ in part]
    known = pooled(values, array("d", map(math.fsum, parts)), array("l", sizes))
    found = figure(values, clusters=ids)
    assert known.n == len(ids)
    for name in ("n", "missing", "mean", "p50", "p90", "p95", "p99", "min", "max", "ci95", "why"):
        ours, theirs = getattr(known, name), getattr(found, name)
        assert ours == theirs if ours is None or isinstance(ours, str) else ours == pytest.approx(theirs)


def test_the_mean_of_what_is_never_below_zero_is_not_either() -> None:
    stalled = figure([50.0] * 20 + [2000.0])
    assert stalled.ci95 is not None
    assert stalled.ci95[0] == 0.0
    assert stalled.ci95[1] > 300
    signed = figure([-1.0, 1.0, 30.0])
    assert signed.ci95 is not None
    assert signed.ci95[0] < 0
