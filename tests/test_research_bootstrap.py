"""The stationary bootstrap: its draws against their law, its figures against the metrics, its tests against others."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from curves import ledger_of
from research_noise import KINDS, MARKETS, POINTS, UNIFORM, markets
from scipy import stats

from backtester import metrics as m
from backtester.engine.types import L_EQUITY
from backtester.errors import ConfigError, DataError
from backtester.research.bootstrap import (
    Interval,
    Paired,
    block_length,
    interval_of,
    intervals_together,
    paired_mean,
    paired_sharpe,
    portfolio_block,
    portfolio_intervals,
    stationary_rows,
    tails,
)
from backtester.research.resampled import figures_of, figures_of_rows, sharpe_of_rows

NAN = math.nan


def series(seed: int, count: int, memory: float = 0.0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(count)
    result, last = np.empty(count), 0.0
    for t in range(count):
        last = memory * last + noise[t]
        result[t] = last
    return result


def returns(seed: int = 0, count: int = 1250) -> np.ndarray:
    return 0.0005 + 0.01 * series(seed, count, 0.1)


def mean_of_rows(rows: np.ndarray) -> np.ndarray:
    return rows.mean(axis=1)


@pytest.mark.parametrize(
    ("x", "want"),
    [
        (series(7, 1250), 2.1703266636952603),
        (series(7, 1250, 0.6), 18.24854890209865),
        (series(7, 100, 0.6), 7.536010647646711),
        (series(7, 400, -0.5), 11.639017399469699),
        (np.sin(np.arange(500.0) / 5) + np.cos(np.arange(500.0) ** 2), 68.0),  # 3 * sqrt(500) = 67.1
    ],
)
def test_block_lengths_are_those_of_another_program(x: np.ndarray, want: float) -> None:
    """From arch 8.0.0, of the same series: ``arch.bootstrap.optimal_block_length(x)["stationary"]``.

    Sums of a thousand products are right to 1e-13, and the third root keeps that.
    """
    assert block_length(x) == pytest.approx(want, rel=1e-11)


def test_block_lengths_of_little() -> None:
    for x in ([], [1.0], np.arange(7.0), np.full(50, 0.3), [NAN] * 20):
        assert block_length(x) == 1.0
    x = series(7, 100, 0.6)
    assert block_length(np.insert(x, 4, NAN)) == block_length(x)
    assert all(1.0 <= block_length(series(seed, 40)) <= 14.0 for seed in range(50))


def test_the_block_of_a_portfolio_minds_clusters_of_volatility() -> None:
    calm_and_wild = returns() * np.repeat([1.0, 4.0, 1.0, 4.0, 1.0], 250)
    assert portfolio_block(calm_and_wild) > 20.0 > block_length(calm_and_wild)
    assert portfolio_block([]) == 1.0


def test_rows_follow_each_other_as_often_as_they_should() -> None:
    count, length, resamples = 40, 5.0, 5000
    rows = stationary_rows(count, length, resamples, np.random.default_rng(0))
    assert rows.shape == (resamples, count)
    assert (rows.min(), rows.max()) == (0, count - 1)
    follows = rows[:, 1:] == (rows[:, :-1] + 1) % count
    # goes on, or begins anew where it would have gone anyway
    share = 1 - 1 / length + 1 / (length * count)
    assert abs(follows.mean() - share) < 5 * math.sqrt(share * (1 - share) / follows.size)
    # each session is drawn as often as any other: those of a stretch come together, so about `length` times the error
    drawn = np.bincount(rows.ravel()) / rows.size * count
    assert abs(drawn - 1).max() < 5 * math.sqrt(2 * length * count / rows.size)


def test_rows_of_the_longest_and_of_the_shortest_stretches() -> None:
    whole = stationary_rows(10, 1e12, 200, np.random.default_rng(0))
    assert ((whole - whole[:, :1]) % 10 == np.arange(10)).all()
    assert len(set(whole[:, 0])) == 10
    single = stationary_rows(1000, 1.0, 100, np.random.default_rng(0))
    assert abs((np.diff(single, axis=1) == 1).mean() - 1 / 1000) < 5e-4
    assert stationary_rows(1, 3.0, 2, np.random.default_rng(0)).tolist() == [[0], [0]]


def test_rows_are_those_of_a_walk_session_by_session() -> None:
    count, length, resamples = 7, 3.0, 40
    rng = np.random.default_rng(0)
    start, luck = rng.integers(0, count, (resamples, count)), rng.random((resamples, count))
    want = np.empty((resamples, count), np.int64)
    for r in range(resamples):
        for t in range(count):
            begins = t == 0 or luck[r, t] < 1.0 / length
            want[r, t] = start[r, t] if begins else (want[r, t - 1] + 1) % count
    np.testing.assert_array_equal(stationary_rows(count, length, resamples, np.random.default_rng(0)), want)


def test_series_together_have_the_intervals_that_each_has_alone() -> None:
    rng = np.random.default_rng(0)
    one, other, less = (0.01 * rng.standard_normal(200) for _ in range(3))
    less[::9] = NAN
    many = [one, other, less, np.full(50, 0.001), np.array([0.1, -1.0, 0.2]), np.array([0.1]), np.array([])]
    for length in (None, 4.0):
        options = {"resamples": 300, "length": length}
        alone = [portfolio_intervals(x, **options) for x in many]
        together = intervals_together(many, **options)
        for key in alone[0]:
            found = [[part[key] for part in parts] for parts in (together, alone)]
            np.testing.assert_array_equal(*found)


def test_the_spread_of_resampled_means_is_the_published_one() -> None:
    """Politis and Romano (1994), lemma 1: the variance of the mean over all resamples, given the series.

    ``(C0 + 2 sum ((1 - k/n) (1-p)^k + (k/n) (1-p)^(n-k)) C(k)) / n``, with circular means and ``C(k)`` divided by n.
    """
    x, length, resamples = series(3, 60, 0.5), 6.0, 20_000
    n, stay = x.size, 1 - 1 / length
    off = x - x.mean()
    wanted = float(off @ off) / n
    for k in range(1, n):
        weight = (1 - k / n) * stay**k + k / n * stay ** (n - k)
        wanted += 2 * weight * float(off[k:] @ off[:-k]) / n
    rows = stationary_rows(n, length, resamples, np.random.default_rng(1))
    found = x[rows].mean(axis=1).var()
    # the error of a variance of so many normal numbers is sqrt(2 / R) = 1 %; five of them
    assert found == pytest.approx(wanted / n, rel=0.05)


AWKWARD = [
    np.zeros(6),
    np.full(6, 0.01),
    np.full(6, -0.01),
    np.array([0.0, 0.01, 0.0, 0.02, 0.0, 0.01]),  # none lost
    np.array([-0.5, 0.0, -0.01, 0.0, 0.0, -0.2]),  # none gained
    np.array([0.03, -0.02, 0.01, -0.04, 0.02, 0.05]),
    np.array([0.1, -0.1, 0.1, -0.1, 0.1, -0.1]),
]


def _same(rows: np.ndarray) -> None:
    """Every figure of every row, to the rounding of sums of a thousand numbers: 1e-13, and of ratios of them."""
    found = figures_of_rows(rows)
    for r, row in enumerate(rows):
        wanted = figures_of(row)
        assert list(wanted) != []
        assert set(wanted) == set(found)
        for name, value in wanted.items():
            assert found[name][r] == pytest.approx(value, rel=1e-10, abs=1e-14, nan_ok=True), (name, r)
    assert sharpe_of_rows(rows) == pytest.approx([m.sharpe_ratio(row) for row in rows], rel=1e-10, nan_ok=True)


def test_figures_of_resamples_are_those_of_the_metrics() -> None:
    x = returns()
    _same(x[stationary_rows(x.size, 5.0, 40, np.random.default_rng(0))])
    _same(np.array(AWKWARD))
    _same(np.array([[0.01, -0.02], [0.02, 0.02]]))


def test_figures_are_those_of_a_run() -> None:
    x = returns(count=300)
    equity = 1e6 * np.cumprod(1.0 + x)
    dates = np.arange("2020-01-01", "2020-10-27", dtype="datetime64[D]")
    run = m.run_metrics(dates, ledger_of([{L_EQUITY: one} for one in equity]), 1e6, 0)
    got = portfolio_intervals(m.simple_returns(equity, 1e6), resamples=50)
    for name, one in got.items():
        # an equity divided by the one before is right to 2e-16, a hundredth of a return is 1e-4 of it: 1e-12
        assert one.value == pytest.approx(run[name], rel=1e-9), name
        assert one.low <= one.high
    missing = {"skew", "kurtosis", "best_session", "worst_session"}
    assert set(run) & missing == missing - set(got)


def test_the_same_seed_gives_the_same_numbers() -> None:
    x = returns()
    assert portfolio_intervals(x, resamples=500) == portfolio_intervals(x, resamples=500, seed=0)
    assert portfolio_intervals(x, resamples=500)["sharpe"] != portfolio_intervals(x, resamples=500, seed=1)["sharpe"]
    assert paired_mean(x, returns(1), seed=3) == paired_mean(x, returns(1), seed=3)
    assert paired_sharpe(x, returns(1), seed=3) == paired_sharpe(x, returns(1), seed=3)


def test_a_wider_level_is_wider() -> None:
    x = returns()
    wide, narrow = (portfolio_intervals(x, resamples=500, level=level) for level in (0.99, 0.8))
    assert all(wide[name].low < narrow[name].low < narrow[name].high < wide[name].high for name in wide)


def test_nan_is_left_out() -> None:
    x = returns(count=100)
    gaps = np.insert(x, [0, 5, 50], [NAN, math.inf, NAN])
    assert portfolio_intervals(gaps, resamples=50) == portfolio_intervals(x, resamples=50)
    assert interval_of(gaps, mean_of_rows, resamples=50) == interval_of(x, mean_of_rows, resamples=50)


@pytest.mark.parametrize("x", [[], [NAN], [0.01], [0.01, -1.0, NAN], [0.5, -1.5, 0.1, 0.2]])
def test_too_little_or_wiped_out_has_no_interval(x: list[float]) -> None:
    got = portfolio_intervals(x)
    assert len(got) == 14
    assert all(math.isnan(one.low) and math.isnan(one.high) for one in got.values())


def test_returns_that_do_not_vary() -> None:
    got = portfolio_intervals(np.full(30, 0.001), resamples=50)
    assert got["total_return"].low == pytest.approx(got["total_return"].high)
    assert got["volatility"] == Interval(0.0, 0.0, 0.0)
    assert all(math.isnan(one) for one in got["sharpe"])


def test_the_interval_of_a_mean_is_the_usual_one() -> None:
    x = 5.0 + series(2, 2000)
    got = interval_of(x, mean_of_rows, length=1.0)
    usual = 1.96 * stats.sem(x)
    # a 2.5 % quantile of 2,000 draws is off by sqrt(0.025 * 0.975 / 2000) / 0.0584 = 0.06 of the error: 3 %; twice that
    assert (got.high - got.low) / 2 == pytest.approx(usual, rel=0.06)
    assert got.value == pytest.approx(x.mean(), rel=1e-15)
    assert interval_of([1.0], mean_of_rows)[1:] == pytest.approx((NAN, NAN), nan_ok=True)


def test_quantiles_lie_beyond_the_level() -> None:
    # length 2: weights 1/2, 1/4, ... about 1 in sum, their squares 1/3; 1250 / (5/3) = 750 degrees of freedom, and
    # 1 - 3 / 1250 of the variance
    away = stats.t(750).ppf(0.975) / math.sqrt(1 - 3 / 1250)
    assert tails(1250, 2.0, 0.95) == pytest.approx((stats.norm.cdf(-away), stats.norm.cdf(away)), rel=1e-4)
    alone = stats.t(20).ppf(0.95) / math.sqrt(1 - 1 / 20)
    assert tails(20, 1.0, 0.9) == pytest.approx((stats.norm.cdf(-alone), stats.norm.cdf(alone)), rel=1e-12)
    assert tails(5, 1e12, 0.95) == (0.0, 1.0)  # whole circles: all means are the same


@pytest.mark.parametrize("count", [1250, 6000])
def test_memory_does_not_grow_with_the_resamples(count: int) -> None:
    x = returns(count=count)
    peaks = []
    for resamples in (500, 2000):
        tracemalloc.start()
        portfolio_intervals(x, resamples=resamples)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 100e6
    assert peaks[1] < 1.3 * peaks[0]


def test_equal_series_differ_by_nothing() -> None:
    x = returns()
    for test in (paired_mean, paired_sharpe):
        assert test(x, x) == Paired(0.0, 0.0, 0.0, 1.0, 1.0, 1250)
    assert paired_mean(x, x * (1.0 + 1e-15)).p == 1.0
    twice = paired_sharpe(x, 2.0 * x)  # leverage does not change the ratio
    assert (twice.difference, twice.low, twice.high, twice.p) == (0.0, 0.0, 0.0, 1.0)
    assert paired_sharpe(x, 3.0 * x).p == 1.0  # though 3 x rounds


def test_the_difference_is_that_of_the_figures() -> None:
    a, b = returns(0), returns(1)
    assert paired_mean(a, b).difference == pytest.approx(a.mean() - b.mean(), rel=1e-11)
    assert paired_sharpe(a, b).difference == pytest.approx(m.sharpe_ratio(a) - m.sharpe_ratio(b), rel=1e-11)
    for test in (paired_mean, paired_sharpe):
        one, other = test(a, b), test(b, a)
        assert other.p == one.p
        assert (other.difference, other.low, other.high) == pytest.approx((-one.difference, -one.high, -one.low))


def test_only_sessions_that_both_know_count() -> None:
    a, b = returns(0, 300), returns(1, 300)
    wide_a, wide_b = np.insert(a, [3, 9], [NAN, 0.5]), np.insert(b, [3, 9], [0.5, NAN])
    for test in (paired_mean, paired_sharpe):
        assert test(wide_a, wide_b, resamples=99) == test(a, b, resamples=99)
        assert test(wide_a, wide_b, resamples=99).sessions == 300


@pytest.mark.parametrize("seed", range(30))
def test_the_interval_leaves_out_zero_where_p_says_so(seed: int) -> None:
    a, b = returns(seed, 200) + 0.001, returns(100 + seed, 200)
    for test in (paired_mean, paired_sharpe):
        for level in (0.5, 0.9, 0.95):
            got = test(a, b, resamples=199, level=level)
            assert (got.p <= 1 - level + 1e-12) == (got.low > 0.0 or got.high < 0.0)
            assert got.low < got.difference < got.high
            assert got.p >= 1 / 200


def test_p_is_never_zero() -> None:
    a = returns()
    assert paired_mean(a + 0.01, a, resamples=400).p == 1 / 401
    assert paired_sharpe(np.abs(a), -np.abs(a), resamples=400).p == 1 / 401
    # so few resamples cannot say that there is a difference, and the interval does not either
    few = paired_mean(a + 0.01, returns(1), resamples=10)
    assert (few.p, few.low, few.high) == (1 / 11, -math.inf, math.inf)


@pytest.mark.parametrize("seed", range(5))
def test_a_pair_of_independent_sessions_is_judged_as_by_students_test(seed: int) -> None:
    a, b = series(seed, 800) + 0.03, series(50 + seed, 800)
    wanted = stats.ttest_rel(a, b)
    got = paired_mean(a, b, resamples=4000)
    # p of 4,000 draws is off by at most sqrt(1 / 4 / 4000) = 0.008, and the error by some per cent as blocks are short
    assert got.p == pytest.approx(wanted.pvalue, abs=0.08)
    interval = wanted.confidence_interval()
    assert got.high - got.low == pytest.approx(interval.high - interval.low, rel=0.12)


def test_the_error_of_a_difference_of_ratios_is_the_published_one() -> None:
    """Jobson and Korkie (1981) as corrected by Memmel (2003), for normal returns; ratios are of a session."""
    rng = np.random.default_rng(4)
    common, own, other = rng.standard_normal((3, 3000))
    a, b = 0.01 * (0.1 + common + own), 0.02 * (0.3 + common + other)
    one, two = (m.sharpe_ratio(x, 1.0) for x in (a, b))
    both = float(np.corrcoef(a, b)[0, 1])
    variance = (2 - 2 * both + (one**2 + two**2 - 2 * one * two * both**2) / 2) / 3000
    got = paired_sharpe(a, b, resamples=4000)
    # 2 % from the quantile of 4,000 draws, some per cent from blocks
    assert (got.high - got.low) / 2 == pytest.approx(1.96 * math.sqrt(252 * variance), rel=0.1)


def test_too_little_for_a_pair() -> None:
    for a, b in (([], []), ([0.1], [0.2]), ([0.1, NAN], [0.2, 0.3])):
        for test in (paired_mean, paired_sharpe):
            assert math.isnan(test(a, b).difference)
            assert math.isnan(test(a, b).p)
    flat = paired_sharpe(returns(0, 50), np.full(50, 0.01))
    assert (math.isnan(flat.p), flat.sessions) == (True, 50)


def test_mistakes_are_told() -> None:
    x = returns(count=20)
    for wrong in ({"resamples": 0}, {"level": 0.0}, {"level": 95}):
        for call in (portfolio_intervals, lambda x, **kw: interval_of(x, mean_of_rows, **kw)):
            with pytest.raises(ConfigError):
                call(x, **wrong)
        for test in (paired_mean, paired_sharpe):
            with pytest.raises(ConfigError):
                test(x, x, **wrong)
    with pytest.raises(ConfigError, match="mean length"):
        portfolio_intervals(x, length=0.5)
    with pytest.raises(DataError, match="20 and 19"):
        paired_mean(x, x[1:])
    for call in (block_length, portfolio_intervals):
        with pytest.raises(DataError, match="shape"):
            call(np.zeros((3, 2)))


# Figures that are covered within three points in every kind of noise, and those that lack some more.
MEANS = ("mean", "sharpe", "sortino", "omega", "cagr", "hit_rate", "tail_ratio")
SPREADS = ("volatility", "downside_deviation", "var_95", "cvar_95")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover_the_truth(kind: str) -> None:
    """500 series leave an error of one point. The truth is that of a million sessions."""
    long = 0.0005 + 0.01 * markets(kind, 2000, first=10_000).ravel()
    truth = figures_of(long) | {"mean": 0.0005, "cagr": math.exp(252 * np.log1p(long).mean()) - 1.0}
    inside = dict.fromkeys((*MEANS, *SPREADS), 0)
    for seed, noise in enumerate(markets(kind)):
        x = 0.0005 + 0.01 * noise
        found = portfolio_intervals(x, resamples=500, seed=seed)
        found["mean"] = interval_of(x, mean_of_rows, resamples=500, seed=seed)
        for name in inside:
            inside[name] += found[name].low <= truth[name] <= found[name].high
    covered = {name: count / MARKETS for name, count in inside.items()}
    print(f"portfolio_intervals, {kind}: {covered}")
    assert {name: covered[name] for name in MEANS if abs(covered[name] - 0.95) > POINTS} == {}
    assert min(covered[name] for name in SPREADS) >= (0.75 if kind == "clustered" else 0.90)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_p_of_a_pair_is_uniform_on_noise(kind: str) -> None:
    """Two series with a common part, equal means and equal ratios: one of them twice the other's size."""
    common, own, other = markets(kind, count=3 * MARKETS).reshape(3, MARKETS, -1)
    for test, scale in ((paired_mean, 1.0), (paired_sharpe, 2.0)):
        tests = [
            test(0.0005 + 0.01 * (c + a), scale * (0.0005 + 0.01 * (c + b)), resamples=1000, seed=seed)
            for seed, (c, a, b) in enumerate(zip(common, own, other, strict=True))
        ]
        p = float(stats.kstest([one.p for one in tests], "uniform").pvalue)
        covered = np.mean([one.low <= 0.0 <= one.high for one in tests])
        print(f"{test.__name__}, {kind}: KS p {p:.3f}, covers {covered:.3f}")
        assert p > UNIFORM
        assert abs(covered - 0.95) <= POINTS
