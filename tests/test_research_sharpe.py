"""The probabilistic and the deflated Sharpe ratio against the figures in the papers, and on noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from research_noise import markets
from scipy import integrate, stats

from backtester.errors import ConfigError, DataError
from backtester.metrics import sharpe_ratio
from backtester.research.sharpe import (
    Moments,
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_track_record,
    moments,
    of_error,
    of_probability,
    of_track_record,
    probabilistic_sharpe,
    standard_error,
)

NAN = math.nan
# Bailey and Lopez de Prado (2012): a hedge fund's 24 months, and the same ratio if returns were normal.
FUND = Moments(0.458, -2.448, 10.164, 24)
FUND_NORMAL = Moments(0.458, 0.0, 3.0, 24)
# Bailey and Lopez de Prado (2014): 1,250 sessions of 250 a year, annual ratio 2.5.
CHOSEN = Moments(2.5 / math.sqrt(250), -3.0, 10.0, 1250)


def returns(seed: int = 0, count: int = 1250) -> np.ndarray:
    return 0.0006 + 0.008 * np.random.default_rng(seed).standard_t(6, count)


def test_the_example_of_2012() -> None:
    assert round(of_probability(FUND), 3) == 0.913
    assert round(of_probability(FUND_NORMAL), 3) == 0.982


def test_the_other_form_would_give_another_figure() -> None:
    """What the docstring says of the form of 2025: 3.6 % a month over 7.9 %, and an error of 1 / sqrt(n) at 0."""
    ratio = 0.036 / 0.079
    assert round(float(stats.norm.cdf(ratio * math.sqrt(24))), 3) == 0.987
    assert round(of_probability(FUND._replace(sharpe=ratio)), 3) == 0.913


@pytest.mark.parametrize(
    ("ratio", "benchmark", "year", "skewness", "kurtosis", "years"),
    [
        (2.0, 1.0, 250, 0.0, 3.0, 2.73),
        (2.0, 1.0, 52, 0.0, 3.0, 2.83),
        (2.0, 1.0, 12, 0.0, 3.0, 3.24),
        (2.0, 1.0, 12, -0.72, 5.78, 4.99),
    ],
)
def test_track_records_of_2012(
    ratio: float, benchmark: float, year: int, skewness: float, kurtosis: float, years: float
) -> None:
    root = math.sqrt(year)
    periods = of_track_record(Moments(ratio / root, skewness, kurtosis, 2), benchmark / root)
    assert round(periods / year, 2) == years


@pytest.mark.parametrize(("trials", "hurdle", "probability"), [(100, 0.1132, 0.9004), (46, 0.1004, 0.9505)])
def test_the_example_of_2014(trials: int, hurdle: float, probability: float) -> None:
    got = expected_maximum_sharpe(trials, 0.5 / 250)
    assert round(got, 4) == hurdle
    assert round(of_probability(CHOSEN, got), 4) == probability


def test_normal_returns_would_have_allowed_more_trials() -> None:
    # 2014: with skewness 0 and kurtosis 3, 88 trials give the same confidence of 0.9505
    normal = CHOSEN._replace(skewness=0.0, kurtosis=3.0)
    assert round(of_probability(normal, expected_maximum_sharpe(88, 0.5 / 250)), 4) == 0.9505


def test_moments_are_those_of_scipy() -> None:
    x = returns()
    got = moments(x)
    assert got.sharpe == pytest.approx(sharpe_ratio(x) / math.sqrt(252), rel=1e-14)
    assert got.skewness == pytest.approx(stats.skew(x), rel=1e-12)
    assert got.kurtosis == pytest.approx(stats.kurtosis(x, fisher=False), rel=1e-12)
    assert got.periods == 1250


def test_functions_of_returns_are_those_of_their_moments() -> None:
    x, root = returns(), math.sqrt(252)
    one = moments(x)
    assert probabilistic_sharpe(x) == of_probability(one)
    assert probabilistic_sharpe(x, 0.5) == of_probability(one, 0.5 / root)
    assert standard_error(x) == pytest.approx(root * of_error(one), rel=1e-15)
    assert minimum_track_record(x, 0.3, 0.9) == of_track_record(one, 0.3 / root, 0.9)
    hurdle = expected_maximum_sharpe(40, 0.001)
    assert deflated_sharpe(x, 40, 0.001) == of_probability(one, hurdle)
    assert deflated_sharpe(x, 1, 0.001) == probabilistic_sharpe(x)
    assert deflated_sharpe(x, 40, 0.001) < probabilistic_sharpe(x)


def test_by_hand() -> None:
    # a ratio of 0.5 of normal returns: 1 + (3 - 1) / 4 * 0.25 = 1.125, over 9 - 1 = 8
    assert of_error(Moments(0.5, 0.0, 3.0, 9)) == pytest.approx(math.sqrt(1.125 / 8), rel=1e-15)
    # skewness -1 adds 0.5
    assert of_error(Moments(0.5, -1.0, 3.0, 9)) == pytest.approx(math.sqrt(1.625 / 8), rel=1e-15)


def test_the_track_record_is_where_the_probability_reaches_the_level() -> None:
    one = moments(returns())
    needed = of_track_record(one, 0.01, 0.99)
    assert of_probability(one._replace(periods=needed), 0.01) == pytest.approx(0.99, rel=1e-12)


def test_no_track_record_is_long_enough_below_the_benchmark() -> None:
    x = returns()
    assert minimum_track_record(x, sharpe_ratio(x) + 0.01) == math.inf
    assert minimum_track_record(x - 2 * x.mean()) == math.inf


@pytest.mark.parametrize("trials", [2, 3, 10, 40, 1000])
def test_the_expected_maximum_is_close_to_the_integral(trials: int) -> None:
    def dense(x: float) -> float:
        return x * trials * float(stats.norm.pdf(x)) * float(stats.norm.cdf(x)) ** (trials - 1)

    exact = integrate.quad(dense, -10, 10)[0]
    off = expected_maximum_sharpe(trials, 1.0) - exact
    assert -0.045 < off < 0.036
    assert (off < 0.0) == (trials == 2)


def test_the_expected_maximum_of_few_trials() -> None:
    assert expected_maximum_sharpe(1, 4.0) == 0.0
    assert expected_maximum_sharpe(1, NAN) == 0.0
    assert expected_maximum_sharpe(1.001, 4.0) == 0.0
    assert expected_maximum_sharpe(40, 0.0) == 0.0
    assert math.isnan(expected_maximum_sharpe(40, NAN))
    assert expected_maximum_sharpe(40, 4.0) == pytest.approx(2 * expected_maximum_sharpe(40, 1.0), rel=1e-15)


def test_nan_is_left_out() -> None:
    x = returns()
    assert moments(np.insert(x, [0, 7], NAN)) == moments(x)


@pytest.mark.parametrize("x", [[], [NAN], [0.01], [0.01] * 9, [0.01, 0.02, -1.0], [0.3, -1.5, 0.1]])
def test_too_little_to_say(x: list[float]) -> None:
    for figure in (probabilistic_sharpe, standard_error, minimum_track_record):
        assert math.isnan(figure(x))
    assert math.isnan(deflated_sharpe(x, 10, 0.01))


def test_mistakes_are_told() -> None:
    for trials, variance in ((0, 1.0), (NAN, 1.0), (10, -1.0)):
        with pytest.raises(ConfigError):
            expected_maximum_sharpe(trials, variance)
    with pytest.raises(ConfigError, match="level"):
        minimum_track_record(returns(), level=95)
    with pytest.raises(DataError, match="shape"):
        probabilistic_sharpe(np.zeros((3, 2)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["independent", "heavy tails"])
def test_the_error_is_the_spread_of_the_ratio(kind: str) -> None:
    """Of 2,000 samples: the spread of their ratios has an error of 1 / sqrt(4000) = 1.6 %; 5 % is three of them."""
    samples = 0.01 * (0.2 + markets(kind, 300, 2000))
    found = np.std([moments(one).sharpe for one in samples], ddof=1)
    stated = np.sqrt(np.mean([of_error(moments(one)) ** 2 for one in samples]))
    print(f"standard error, {kind}: {stated:.4f} stated, {found:.4f} found")
    assert stated == pytest.approx(found, rel=0.05)


@pytest.mark.slow
def test_the_best_of_forty_noises_is_deflated_to_chance() -> None:
    """Above 0.5 as often as the best of 40 is above its approximate mean: 44.5 %, plus or minus 3 points."""
    hits = []
    for seed in range(2000):
        trials = 0.01 * np.random.default_rng(seed).standard_normal((40, 1250))
        ratios = trials.mean(axis=1) / trials.std(axis=1, ddof=1)
        hits.append(deflated_sharpe(trials[ratios.argmax()], 40, float(ratios.var(ddof=1))) > 0.5)
    print(f"deflated Sharpe ratio above 0.5 in {np.mean(hits):.4f} of 2000")
    assert abs(np.mean(hits) - 0.445) <= 0.03
