"""Quantile portfolios, beside pandas, statsmodels and tables worked out by hand."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest

import backtester as bt
from backtester.research.quality.quantiles import NONE, bought, quantile_groups, quantile_returns

NAN = math.nan


@pytest.mark.parametrize("count", [2, 3, 4, 5, 10])
def test_groups_are_those_of_qcut(count: int) -> None:
    for names in range(count, 60):
        scores = np.random.default_rng(names).standard_normal(names)
        expected = pd.qcut(scores, count, labels=False)
        np.testing.assert_array_equal(quantile_groups(scores[None], count)[0], expected)


@pytest.mark.parametrize("count", [2, 5, 6, 7])
def test_groups_are_in_order_and_of_one_size_but_for_one(count: int) -> None:
    for names in range(count, 40):
        groups = quantile_groups(np.arange(names, dtype=float)[None], count)[0]
        assert (np.diff(groups) >= 0).all()
        sizes = np.bincount(groups, minlength=count)
        assert len(sizes) == count
        assert sizes.max() - sizes.min() <= 1


def test_groups_by_hand() -> None:
    """Seven names, five groups: name i falls into ceil(5 i / 6) - 1, at least 0: 0 0 1 2 3 4 4."""
    scores = np.array([[70.0, 10.0, 60.0, 20.0, NAN, 50.0, 30.0, 40.0, math.inf]])
    assert quantile_groups(scores, 5).tolist() == [[4, 0, 4, 0, NONE, 3, 1, 2, NONE]]


def test_of_equal_scores_the_first_in_the_alphabet_stands_higher() -> None:
    scores = np.array([[1.0, 1.0, 1.0, 1.0, 0.0, 2.0], [0.0, -0.0, 0.0, 5.0, NAN, NAN]])
    # in order: 5th (0), then 4th, 3rd, 2nd, 1st (all 1), then the 6th; -0 is 0
    assert quantile_groups(scores, 2).tolist() == [[1, 1, 0, 0, 0, 1], [1, 0, 0, 1, NONE, NONE]]


def test_many_equal_scores_go_by_the_alphabet_too() -> None:
    """One name is lowest; of the 99 that are equal, those from the back of the alphabet fill up the lower groups."""
    scores = np.ones((1, 100))
    scores[0, 0] = 0.0
    expected = [0] + [4] * 20 + [3] * 20 + [2] * 20 + [1] * 20 + [0] * 19
    assert quantile_groups(scores, 5)[0].tolist() == expected


def test_too_few_names_or_none_that_differ_are_no_groups() -> None:
    scores = np.array([[1.0, 2.0, NAN], [3.0, 3.0, 3.0], [NAN] * 3, [1.0, 2.0, 3.0]])
    assert quantile_groups(scores, 3).tolist() == [[NONE] * 3] * 3 + [[0, 1, 2]]
    assert quantile_groups(scores[:0], 3).shape == (0, 3)
    assert quantile_groups(scores[:, :0], 3).shape == (4, 0)


@pytest.mark.parametrize("count", [1, 0, 2.0, True, 101])
def test_groups_are_a_whole_number(count: object) -> None:
    with pytest.raises(bt.ConfigError, match="quantiles is"):
        quantile_groups(np.zeros((1, 3)), count)  # type: ignore[arg-type]


def test_returns_by_hand() -> None:
    groups = np.array([[0, 0, 1, 1, 1, NONE], [0, 1, 0, 1, NONE, NONE], [0, 0, 1, 1, 1, 1]])
    labels = np.array(
        [[0.02, 0.04, 0.01, NAN, 0.07, 9.0], [NAN, 0.01, NAN, 0.02, 5.0, 5.0], [0.0, -0.01, 0.1, 0.1, 0, 0]]
    )
    found = quantile_returns(groups, labels, 2)
    # first: (2 + 4) / 2 and (1 + 7) / 2 per cent, all (2 + 4 + 1 + 7) / 4; second: no label in group 0, left out
    assert found.rows.tolist() == [True, False, True]
    np.testing.assert_allclose(found.each, [[0.03, 0.04], [-0.005, 0.05]])
    np.testing.assert_allclose(found.universe, [0.035, 0.19 / 6])
    np.testing.assert_allclose(found.spread, [0.01, 0.055])


def test_a_name_without_a_label_keeps_its_place() -> None:
    """Groups are cut by what is known at the close: whether a name could be sold later is not."""
    scores = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])
    labels = np.array([[0.1, NAN, 0.2, 0.3, NAN, 0.6]])
    found = quantile_returns(quantile_groups(scores, 3), labels, 3)
    np.testing.assert_allclose(found.each, [[0.1, 0.25, 0.6]])


def test_what_was_bought_by_hand() -> None:
    each = np.array([[0.10, 0.20], [-0.50, 0.10], [0.0, -0.10]])
    groups = np.array([[0, 1]] * 3)
    found = bought(quantile_returns(groups, each, 2))
    np.testing.assert_allclose(
        found.curves, [[0.10, 1.1 * 0.5 - 1, 1.1 * 0.5 - 1], [0.2, 1.2 * 1.1 - 1, 1.2 * 1.1 * 0.9 - 1]]
    )
    np.testing.assert_allclose(found.spread_curve, [0.10, 0.70, 0.60])
    assert [one.mean for one in found.each] == pytest.approx([-0.4 / 3, 0.2 / 3])
    assert found.spread.mean == pytest.approx(0.2)
    assert found.universe == pytest.approx((0.15 - 0.20 - 0.05) / 3)


@pytest.mark.parametrize("seed", range(3))
def test_alpha_and_beta_are_those_of_statsmodels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    market = 0.01 * rng.standard_normal((500, 1))
    betas = np.linspace(0.5, 2.0, 20)
    labels = 0.0005 * np.arange(20) + betas * market + 0.001 * rng.standard_normal((500, 20))
    scores = np.broadcast_to(np.arange(20.0), labels.shape)
    returns = quantile_returns(quantile_groups(scores, 5), labels, 5)
    found = bought(returns)
    np.testing.assert_allclose(returns.spread, labels[:, 16:].mean(axis=1) - labels[:, :4].mean(axis=1), atol=1e-15)
    np.testing.assert_allclose(returns.universe, labels.mean(axis=1), atol=1e-15)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its imports
        from statsmodels.api import OLS, add_constant
    fit = OLS(returns.spread, add_constant(returns.universe)).fit(
        cov_type="HAC", cov_kwds={"maxlags": found.alpha.lags, "use_correction": True}, use_t=True
    )
    assert found.alpha.mean == pytest.approx(252 * fit.params[0], rel=1e-9)
    assert found.alpha.error == pytest.approx(252 * fit.bse[0], rel=1e-9)
    assert (found.alpha.high - found.alpha.low) / found.alpha.error == pytest.approx(
        (found.beta.high - found.beta.low) / found.beta.error
    )
    assert found.beta.mean == pytest.approx(fit.params[1], rel=1e-9)
    assert found.beta.error == pytest.approx(fit.bse[1], rel=1e-9)
    # Planted: the middles of the groups are 16 names apart, of 5 bps and 1.5 / 19 of beta each; the universe has a beta
    # of 1.25 and 9.5 times 5 bps of its own.
    beta = 16 * 1.5 / 19 / 1.25
    assert abs(found.beta.mean - beta) < 4 * found.beta.error
    assert abs(found.alpha.mean - 252 * (16 - 9.5 * beta) * 0.0005) < 4 * found.alpha.error


def test_nothing_bought_is_unknown() -> None:
    found = bought(quantile_returns(np.full((3, 4), NONE), np.zeros((3, 4)), 5))
    assert len(found.each) == 5
    assert found.curves.shape == (5, 0)
    assert all(math.isnan(one.mean) for one in (*found.each, found.spread, found.alpha, found.beta))
    assert math.isnan(found.universe)
