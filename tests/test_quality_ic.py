"""Daily information coefficients and their summaries, beside scipy, statsmodels and what can be worked out by hand."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy import stats

import backtester as bt
from backtester.cross_section import average_ranks
from backtester.metrics.ic import Labels, rank_ic
from backtester.research.hac import mean_test
from backtester.research.quality.ic import by_sector, by_year, known_mean, summary

NAN = math.nan
# Sums of 30 numbers in another order.
NEAR = 1e-13


def drawn(seed: int, sessions: int = 60, symbols: int = 12) -> np.ndarray:
    """Numbers with ties, gaps, and sessions that do not vary or are not there."""
    rng = np.random.default_rng(seed)
    values = np.round(rng.standard_normal((sessions, symbols)), 1)
    values[rng.random(values.shape) < 0.2] = NAN
    values[3] = 0.1
    values[7] = NAN
    values[9, 2:] = NAN
    return values


@pytest.mark.parametrize("seed", range(3))
def test_pearson_ic_is_pearsons(seed: int) -> None:
    scores, labels = drawn(seed), 0.01 * drawn(seed + 10)
    found = bt.pearson_ic(scores, labels)
    told = 0
    for t, (score, label) in enumerate(zip(scores, labels, strict=True)):
        both = np.isfinite(score) & np.isfinite(label)
        if both.sum() < 3 or len(set(score[both])) < 2 or len(set(label[both])) < 2:
            assert np.isnan(found[t])
        else:
            told += 1
            assert found[t] == pytest.approx(stats.pearsonr(score[both], label[both]).statistic, abs=NEAR)
    assert told > 30


def test_pearson_ic_by_hand() -> None:
    """Scores 1 2 3 6 (mean 3), labels 0 2 0 2 (mean 1): products 2 - 1 + 0 + 3 = 4; squares 14 and 4: 4 / sqrt(56)."""
    scores, labels = np.array([[1.0, 2.0, 3.0, 6.0, 9.0]]), np.array([[0.0, 2.0, 0.0, 2.0, NAN]])
    assert bt.pearson_ic(scores, labels) == pytest.approx([4.0 / math.sqrt(56.0)], abs=1e-15)
    assert np.isnan(bt.pearson_ic(scores, labels, min_names=5)).all()
    assert np.isnan(bt.pearson_ic(scores[:, :2], labels[:, :2])).all()
    assert bt.pearson_ic(scores[:, :2], labels[:, :2], min_names=2) == pytest.approx([1.0])
    assert bt.pearson_ic(scores[:0], labels[:0]).shape == (0,)
    assert np.isnan(bt.pearson_ic(scores[:, :0], labels[:, :0])).all()


def test_pearson_ic_of_what_does_not_vary_is_unknown() -> None:
    """The mean of so many times 0.1 is not always 0.1 to the last bit: that is no variation."""
    rounded = 0
    for names in range(3, 60):
        same, other = np.full((1, names), 0.1), np.arange(float(names))[None]
        rounded += same.sum() / names != 0.1
        for one, two in ((same, other), (other, same)):
            assert np.isnan(bt.pearson_ic(one, two)).all()
            assert np.isnan(bt.rank_ic(one, two)).all()
    assert rounded > 0


@pytest.mark.parametrize("unit", [1e-200, 1e-9, 1e9, 1e200])
def test_pearson_ic_has_no_unit(unit: float) -> None:
    """Squares of 1e200 would be infinite, of 1e-200 zero."""
    scores, labels = drawn(0), drawn(10)
    expected = bt.pearson_ic(scores, labels)
    np.testing.assert_allclose(bt.pearson_ic(scores * unit, labels), expected, atol=NEAR)
    np.testing.assert_allclose(bt.pearson_ic(-scores, labels * unit), -expected, atol=NEAR)


def test_pearson_ic_weighs_what_is_far_and_rank_ic_does_not() -> None:
    scores = np.array([[1.0, 2.0, 3.0, 4.0, 100.0]])
    labels = np.array([[4.0, 3.0, 2.0, 1.0, 90.0]])
    assert bt.pearson_ic(scores, labels)[0] > 0.99
    assert bt.rank_ic(scores, labels) == pytest.approx([0.0], abs=1e-15)  # 1 - 6 * (9 + 1 + 1 + 9 + 0) / (5 * 24)


def test_pearson_ic_refuses_what_rank_ic_refuses() -> None:
    with pytest.raises(bt.DataError, match=r"shape \(2, 3\) and labels \(2, 4\)"):
        bt.pearson_ic(np.zeros((2, 3)), np.zeros((2, 4)))
    market = bt.synthetic(5, 30)
    given = bt.Scores(market.score, market.panel.dates, market.panel.symbols)
    expected = bt.pearson_ic(market.score, bt.labels(market.panel))
    np.testing.assert_array_equal(bt.pearson_ic(given, bt.labels(market.panel)), expected)
    assert np.isfinite(expected).sum() > 20
    turned = given.frame[list(market.panel.symbols)[::-1]]
    with pytest.raises(bt.DataError, match="scores and labels have other symbols"):
        bt.pearson_ic(given, turned)


def test_summary_by_hand() -> None:
    ic = np.array([0.1, NAN, -0.1, 0.2, 0.0])
    # mean 0.05; squared distances 25e-4, 225e-4, 225e-4, 25e-4: sum 0.05, / 3; two of four above 0
    found = summary(ic)
    spread = math.sqrt(0.05 / 3)
    assert found.mean == pytest.approx(0.05)
    assert found.std == pytest.approx(spread)
    assert found.ir == pytest.approx(0.05 / spread)
    assert (found.positive, found.sessions) == (0.5, 4)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("horizon", [1, 5, 21])
def test_summary_has_the_error_of_statsmodels(seed: int, horizon: int) -> None:
    """At the lags that were counted; which are enough for labels that overlap."""
    noise = np.random.default_rng(seed).standard_normal(400 + horizon)
    ic = 0.02 + 0.1 * np.convolve(noise, np.ones(horizon) / horizon, mode="valid")
    ic[[5, 80]] = NAN
    found = summary(ic, horizon)
    known = ic[np.isfinite(ic)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its imports
        from statsmodels.api import OLS
    fit = OLS(known, np.ones(known.size)).fit(
        cov_type="HAC", cov_kwds={"maxlags": found.lags, "use_correction": True}, use_t=True
    )
    assert found.lags >= horizon - 1
    assert found.mean == pytest.approx(fit.params[0], rel=1e-12)
    assert found.error == pytest.approx(fit.bse[0], rel=1e-10)
    assert found.t == pytest.approx(found.mean / found.error)
    assert found.low < found.mean < found.high
    assert (found.low + found.high) / 2 == pytest.approx(found.mean)


def test_summary_counts_more_lags_where_labels_overlap_for_longer() -> None:
    ic = np.random.default_rng(0).standard_normal(100)
    assert summary(ic, 60).lags >= 59
    assert summary(ic, 1).lags < 59


def test_too_little_to_sum_up_is_unknown() -> None:
    for ic in (np.array([]), np.full(5, NAN)):
        found = summary(ic)
        assert found.sessions == 0
        assert all(math.isnan(getattr(found, key)) for key in ("mean", "error", "std", "ir", "positive", "low", "p"))
        assert math.isnan(known_mean(ic))
    one = summary(np.array([0.3]))
    assert (one.mean, one.positive, one.sessions) == (0.3, 1.0, 1)
    assert math.isnan(one.std)
    assert math.isnan(one.ir)
    assert math.isnan(summary(np.full(20, 0.1)).ir)  # does not vary


def test_years_are_those_of_the_decisions() -> None:
    dates = np.array(["2019-12-30", "2019-12-31", "2020-01-02", "2020-01-03", "2022-03-01"], dtype="datetime64[D]")
    ic = np.array([0.1, 0.3, NAN, 0.5, NAN])
    found = by_year(dates, ic)
    assert [(one.year, one.sessions) for one in found] == [(2019, 2), (2020, 1)]
    assert [one.mean for one in found] == pytest.approx([0.2, 0.5])
    assert math.isnan(found[1].error)
    assert by_year(dates[:0], ic[:0]) == []


def test_a_year_has_the_error_of_its_own_sessions() -> None:
    dates = np.arange("2018-01-01", "2020-01-01", dtype="datetime64[D]")
    ic = np.random.default_rng(0).standard_normal(dates.size)
    first, second = by_year(dates, ic, 60)
    assert (first.sessions, second.sessions) == (365, 365)
    assert second.error == mean_test(ic[365:], least=59).error
    assert second.error != mean_test(ic[365:]).error


def test_sectors_are_ranked_among_themselves() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.standard_normal((2, 40, 18))
    scores[rng.random(scores.shape) < 0.1] = NAN
    sectors = ["B"] * 7 + ["A"] * 6 + [""] * 3 + ["Few"] * 2
    found = by_sector(sectors, scores, labels, 20)
    assert [one.sector for one in found] == ["A", "B"]
    for one, columns in zip(found, (slice(7, 13), slice(0, 7)), strict=True):
        each, names = [], []
        for score, label in zip(scores[:, columns], labels[:, columns], strict=True):
            both = np.isfinite(score)
            if both.sum() >= 5:
                each.append(stats.spearmanr(score[both], label[both]).statistic)
                names.append(both.sum())
        assert one.sessions == len(each)
        assert one.mean == pytest.approx(np.mean(each), abs=NEAR)
        assert one.names == pytest.approx(np.mean(names))
        assert one.error == pytest.approx(mean_test(np.array(each), least=19).error, rel=1e-10)
        assert one.error != pytest.approx(mean_test(np.array(each)).error, rel=1e-10)


def test_a_score_that_knows_only_the_sector_orders_nothing_within_it() -> None:
    rng = np.random.default_rng(1)
    sectors = ["A"] * 6 + ["B"] * 6
    by = np.repeat(rng.standard_normal((30, 2)), 6, axis=1)
    labels = by + 0.01 * rng.standard_normal((30, 12))
    assert np.nanmean(bt.rank_ic(by, labels)) > 0.8
    assert by_sector(sectors, by, labels) == []  # the same for all of a sector
    assert by_sector([""] * 12, by, labels) == []


def test_labels_that_keep_their_ranks_give_the_same_ic() -> None:
    """For every set of names, also once no more are kept."""
    rng = np.random.default_rng(0)
    values = np.round(rng.standard_normal((30, 20)), 1)
    values[rng.random(values.shape) < 0.1] = np.nan
    kept = Labels(values)
    for share in (0.0, *np.linspace(0.0, 0.5, 12)):
        scores = np.round(rng.standard_normal(values.shape), 1)
        scores[rng.random(values.shape) < share] = np.nan
        np.testing.assert_array_equal(rank_ic(scores, kept), rank_ic(scores, values))
    both = np.isfinite(values)
    assert kept.distances(both) is kept.distances(both.copy())


def test_ranks_are_those_of_another_library() -> None:
    rng = np.random.default_rng(1)
    smooth = rng.standard_normal((20, 31))
    for values in (smooth, np.round(smooth, 1), np.zeros((3, 5)), np.array([[math.inf, 1.0, -math.inf, 1.0, 0.0]])):
        given = np.where(rng.random(values.shape) < 0.1, np.nan, values)
        known = np.where(np.isfinite(given), given, np.nan)
        np.testing.assert_array_equal(average_ranks(given), stats.rankdata(known, axis=1, nan_policy="omit"))
