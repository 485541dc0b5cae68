"""Tests of a mean and of a line: against statsmodels, by hand, and on noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from research_noise import KINDS, MARKETS, POINTS, UNIFORM, markets, sums
from scipy import stats

from backtester.errors import ConfigError, DataError
from backtester.research.hac import Line, Mean, automatic_lags, line_test, mean_test

NAN = math.nan
# Sums of some hundred products of size 1 are right to 1e-14 of their sizes; cancelling over 40 lags costs two digits.
CLOSE = 1e-11


def slow_series(seed: int, count: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(count)
    result, last = np.empty(count), 0.0
    for t in range(count):
        last = 0.5 * last + noise[t]
        result[t] = last
    return result


@pytest.mark.parametrize("count", [5, 60, 300])
@pytest.mark.parametrize("lags", [0, 1, 4, 40])
def test_the_error_of_a_mean_is_that_of_statsmodels(count: int, lags: int) -> None:
    x = 0.3 + slow_series(count, count)
    used = min(lags, count - 1)
    want = sm.OLS(x, np.ones(count)).fit(cov_type="HAC", cov_kwds={"maxlags": used, "use_correction": True})
    got = mean_test(x, lags=lags)
    assert got.mean == pytest.approx(want.params[0], rel=CLOSE)
    assert got.error == pytest.approx(want.bse[0], rel=CLOSE)
    assert got.t == pytest.approx(want.tvalues[0], rel=CLOSE)
    assert (got.lags, got.count) == (used, count)


@pytest.mark.parametrize("count", [6, 60, 300])
@pytest.mark.parametrize("lags", [0, 1, 5, 40])
def test_the_errors_of_a_line_are_those_of_statsmodels(count: int, lags: int) -> None:
    x = 2.0 + slow_series(1, count)
    y = 0.1 - 0.7 * x + slow_series(2, count) * (1.0 + 0.3 * x**2)
    used = min(lags, count - 1)
    want = sm.OLS(y, sm.add_constant(x)).fit(cov_type="HAC", cov_kwds={"maxlags": used, "use_correction": True})
    got = line_test(y, x, lags=lags)
    assert (got.alpha.mean, got.beta.mean) == pytest.approx(tuple(want.params), rel=CLOSE)
    assert (got.alpha.error, got.beta.error) == pytest.approx(tuple(want.bse), rel=1e-9)  # alpha: far from x = 0
    assert got.r_squared == pytest.approx(want.rsquared, rel=CLOSE)
    assert (got.alpha.lags, got.beta.count) == (used, count)


def test_by_hand() -> None:
    # mean 3, deviations -2 -1 1 2; squares 10, neighbours 2 - 1 + 2 = 3; with one lag 10 + 2 * (1 - 1/2) * 3 = 13;
    # divided by n (n - 1) = 12. b = 2 / 4, so the root is 1 - 1/2 + 1/12 = 7/12 and there are 3 degrees of freedom.
    got = mean_test([1.0, 2.0, 4.0, 5.0], lags=1)
    error = math.sqrt(13 / 12)
    assert got.error == pytest.approx(error, rel=1e-15)
    assert got.t == pytest.approx(3 / error, rel=1e-15)
    law = stats.t(3)
    assert got.p == pytest.approx(2 * law.sf(3 / error * math.sqrt(7 / 12)), rel=1e-12)
    away = law.ppf(0.975) / math.sqrt(7 / 12) * error
    assert (got.low, got.high) == pytest.approx((3 - away, 3 + away), rel=1e-12)


def test_without_lags_it_is_the_common_error() -> None:
    x = np.random.default_rng(3).standard_normal(400)
    assert mean_test(x, lags=0).error == pytest.approx(stats.sem(x), rel=1e-13)
    # The common test has t with 399 degrees of freedom, this one with 600: nothing that one would see.
    assert mean_test(x, lags=0).p == pytest.approx(stats.ttest_1samp(x, 0.0).pvalue, abs=0.002)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1, 0.2])
@pytest.mark.parametrize(
    ("level", "terms"),
    [
        (0.80, (1.2816, 1.3040, 0.5135, -0.3386)),
        (0.90, (1.6449, 2.1859, 0.3142, -0.3427)),
        (0.95, (1.9600, 2.9694, 0.4160, -0.5324)),
    ],
)
def test_critical_values_are_the_published_ones(share: float, level: float, terms: tuple[float, ...]) -> None:
    """Kiefer and Vogelsang (2005), table 1, Bartlett: a cubic in b for each quantile, itself a fit to simulations."""
    count = 1000
    got = mean_test(np.random.default_rng(0).standard_normal(count), lags=round(share * count) - 1, level=level)
    published = sum(term * share**power for power, term in enumerate(terms))
    assert (got.high - got.mean) / got.error == pytest.approx(published, rel=0.015)


def test_critical_values_beyond_are_cautious() -> None:
    got = mean_test(np.random.default_rng(0).standard_normal(1000), lags=499)
    assert (got.high - got.mean) / got.error > 3.482  # the published one for b = 0.5


def test_how_many_lags() -> None:
    # 1.3 * sqrt(1250) = 45.96; 4 * 20 = 80, less than 1250 / 4
    assert (automatic_lags(1250), automatic_lags(1250, 4), automatic_lags(1250, 20)) == (46, 46, 80)
    # 1.3 * sqrt(252) = 20.6; 80 is more than 252 / 4 = 63, and a quarter of 60 is less than 20
    assert (automatic_lags(252), automatic_lags(252, 20), automatic_lags(60, 20)) == (21, 63, 20)
    assert [automatic_lags(count, 20) for count in (0, 1, 2, 10)] == [0, 0, 1, 9]
    x = slow_series(0, 1250)
    assert (mean_test(x).lags, mean_test(x, least=20).lags, mean_test(x, least=20, lags=3).lags) == (46, 80, 3)
    assert line_test(x, slow_series(1, 1250), least=20).beta.lags == 80


def test_what_the_weights_miss_of_overlapping_sums() -> None:
    """The reason for four times the overlap: what the docstring says of sums over h sessions, worked out exactly."""
    h = 21
    for lags, missed in ((h, 1 / 3), (4 * h, 1 / 12)):
        ks = np.arange(1, h)
        counted = 1 + 2 * ((1 - ks / h) * (1 - ks / (lags + 1))).sum()
        assert 1 - counted / h == pytest.approx(missed, rel=0.06)


def test_nan_is_left_out() -> None:
    x, y = slow_series(0, 50), slow_series(1, 50)
    gaps = np.insert(x, [3, 3, 20], [NAN, math.inf, NAN])
    assert mean_test(gaps) == mean_test(x)
    wide_x, wide_y = np.insert(x, [0, 10], [NAN, 5.0]), np.insert(y, [0, 10], [1.0, NAN])
    assert line_test(wide_y, wide_x) == line_test(y, x)


@pytest.mark.parametrize("x", [[], [NAN], [1.0], [NAN, 1.0]])
def test_too_little_to_say(x: list[float]) -> None:
    got = mean_test(x)
    assert all(math.isnan(one) for one in (got.error, got.low, got.high, got.t, got.p))
    assert got.lags == 0


@pytest.mark.parametrize(("y", "x"), [([], []), ([1.0, 2.0], [1.0, 3.0]), ([1.0, 2.0, 4.0], [0.1, 0.1, 0.1])])
def test_too_little_for_a_line(y: list[float], x: list[float]) -> None:
    got = line_test(y, x)
    assert math.isnan(got.alpha.mean)
    assert math.isnan(got.beta.p)
    assert math.isnan(got.r_squared)


def test_two_values_are_enough_for_a_mean() -> None:
    # deviations -1 and 1: 2 + 2 * (1 - 1/2) * -1 = 1, divided by 2
    assert mean_test([1.0, 3.0]).error == pytest.approx(math.sqrt(1 / 2))


def test_what_does_not_vary() -> None:
    got = mean_test(np.full(20, 0.1))
    assert (got.error, got.low, got.high) == (0.0, got.mean, got.mean)
    assert got.mean == pytest.approx(0.1)
    assert math.isnan(got.t)
    assert math.isnan(got.p)
    x = np.arange(20.0)
    straight = line_test(3.0 - 0.5 * x, x)
    assert (straight.alpha.mean, straight.beta.mean, straight.r_squared) == pytest.approx((3.0, -0.5, 1.0))
    assert straight.beta.error == 0.0
    assert math.isnan(straight.beta.p)
    flat = line_test(np.full(20, 2.0), x)
    assert flat.beta.mean == pytest.approx(0.0, abs=1e-15)
    assert math.isnan(flat.r_squared)


@pytest.mark.parametrize("seed", range(20))
def test_the_interval_leaves_out_zero_where_p_says_so(seed: int) -> None:
    x = 0.2 + slow_series(seed, 200)
    for level in (0.5, 0.95):
        got = mean_test(x, level=level)
        assert (got.p < 1 - level) == (got.low > 0 or got.high < 0)
    assert mean_test(x, level=0.99).low < mean_test(x).low


def test_mistakes_are_told() -> None:
    with pytest.raises(DataError, match="3 and 2"):
        line_test([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(DataError, match="shape"):
        mean_test(np.zeros((3, 2)))
    for wrong in ({"lags": -1}, {"least": -1}, {"level": 1.0}, {"level": 95}):
        with pytest.raises(ConfigError):
            mean_test([1.0, 2.0], **wrong)
        with pytest.raises(ConfigError):
            line_test([1.0, 2.0], [1.0, 2.0], **wrong)


def _uniform(tests: list[Mean]) -> tuple[float, float]:
    """Kolmogorov and Smirnov's p, and how often 0 is in the interval."""
    inside = [one.low <= 0.0 <= one.high for one in tests]
    return float(stats.kstest([one.p for one in tests], "uniform").pvalue), float(np.mean(inside))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_p_of_a_mean_is_uniform_on_noise(kind: str) -> None:
    p, covered = _uniform([mean_test(x) for x in markets(kind)])
    print(f"mean_test, {kind}: KS p {p:.3f}, covers {covered:.3f}")
    assert p > UNIFORM
    assert abs(covered - 0.95) <= POINTS


@pytest.mark.slow
@pytest.mark.parametrize("over", [5, 10, 21])
def test_p_of_a_mean_is_uniform_where_labels_overlap(over: int) -> None:
    p, covered = _uniform([mean_test(x, least=over - 1) for x in sums(over)])
    print(f"mean_test, sums over {over}: KS p {p:.3f}, covers {covered:.3f}")
    assert p > UNIFORM
    assert abs(covered - 0.95) <= POINTS


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_p_of_a_line_is_uniform_on_noise(kind: str) -> None:
    both = markets(kind, count=2 * MARKETS)
    lines: list[Line] = [line_test(y, x) for y, x in zip(both[:MARKETS], both[MARKETS:], strict=True)]
    for what, tests in (("alpha", [one.alpha for one in lines]), ("beta", [one.beta for one in lines])):
        p, covered = _uniform(tests)
        print(f"line_test, {what}, {kind}: KS p {p:.3f}, covers {covered:.3f}")
        assert p > UNIFORM
        assert abs(covered - 0.95) <= POINTS
