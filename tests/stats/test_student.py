"""The distributions agree with scipy, which only the tests may use."""

import pytest

from tiltyard.stats.student import incomplete_beta, normal_cdf, normal_quantile, t_cdf, t_quantile

special = pytest.importorskip("scipy.special")

PROBABILITIES = (1e-9, 1e-4, 0.005, 0.025, 0.1, 0.4, 0.4999, 0.5, 0.5001, 0.6, 0.9, 0.975, 0.995, 0.9999)
FREEDOMS = (0.5, 1, 1.5, 2, 2.7, 3, 4, 5, 9, 29.3, 100, 999, 1000, 1001, 12_345.6, 1e6, 1e9, 1e12)


@pytest.mark.parametrize("df", FREEDOMS)
@pytest.mark.parametrize("p", PROBABILITIES)
def test_t_quantile_is_scipys(p, df):
    assert t_quantile(p, df) == pytest.approx(special.stdtrit(df, p), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("df", [0.5, 1, 2, 3.3, 10, 100, 5_000, 1e6])
@pytest.mark.parametrize("t", [-40, -3.1, -1, -0.01, 0, 0.5, 2, 8])
def test_t_cdf_is_scipys(t, df):
    assert t_cdf(t, df) == pytest.approx(special.stdtr(df, t), rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("p", [1e-300, 1e-12, *PROBABILITIES])
def test_normal_quantile_is_scipys(p):
    assert normal_quantile(p) == pytest.approx(special.ndtri(p), rel=1e-12, abs=1e-12)
    assert normal_cdf(normal_quantile(p)) == pytest.approx(p, rel=1e-10)


@pytest.mark.parametrize(("a", "b", "x"), [(0.5, 0.5, 0.3), (2, 3, 0.9), (50, 0.5, 0.99), (8, 120, 0.02)])
def test_incomplete_beta_is_scipys(a, b, x):
    assert incomplete_beta(a, b, x) == pytest.approx(special.betainc(a, b, x), rel=1e-11)
    assert incomplete_beta(a, b, 0) == 0
    assert incomplete_beta(a, b, 1) == 1


def test_no_quantile_where_there_is_none():
    for p, df in ((0, 3), (1, 3), (0.5, 0), (0.5, -1)):
        with pytest.raises(ValueError):
            t_quantile(p, df)
