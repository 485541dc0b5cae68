"""Metrics against values worked out by hand."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
from curves import EMPTY, ROOT, curve

from backtester import metrics as m

FUNCTIONS = {name: getattr(m, name) for name in m.__all__ if inspect.isfunction(getattr(m, name))}
FIGURES = [name for name, one in FUNCTIONS.items() if inspect.signature(one).return_annotation == "float"]


def test_returns_start_from_the_cash() -> None:
    assert m.simple_returns(curve(110, 99), 100.0) == pytest.approx([0.10, -0.10])


def test_returns_after_a_wipe_out_are_unknown() -> None:
    got = m.simple_returns(curve(50, 0, 10, -5, 20), 100.0)
    # 50/100-1, 0/50-1, then divided by 0: unknown, -5/10-1, then divided by -5: unknown
    assert got[[0, 1, 3]] == pytest.approx([-0.5, -1.0, -1.5])
    assert np.isnan(got[[2, 4]]).all()


def test_total_return_and_cagr() -> None:
    assert m.total_return(curve(110, 121), 100.0) == pytest.approx(0.21)
    # 252 sessions that end 21 % up are one year; 126 are half a year: 1.21 ** 2 - 1
    assert m.cagr(np.full(252, 121.0), 100.0) == pytest.approx(0.21)
    assert m.cagr(np.full(126, 121.0), 100.0) == pytest.approx(0.4641)
    assert m.cagr(np.full(504, 121.0), 100.0) == pytest.approx(0.10)


def test_cagr_of_a_wiped_out_account_is_all_lost() -> None:
    assert m.cagr(curve(50, 0), 100.0) == -1.0
    assert m.cagr(curve(50, -20), 100.0) == -1.0
    assert m.total_return(curve(50, -20), 100.0) == pytest.approx(-1.2)


def test_cagr_of_one_wild_session_is_infinite_and_not_an_error() -> None:
    assert m.cagr(curve(1e9), 1.0) == math.inf


def test_volatility_and_sharpe() -> None:
    returns = curve(0.01, -0.01, 0.02, 0.0)
    # mean 0.005; squared deviations 25e-6, 225e-6, 225e-6, 25e-6 sum to 5e-4; / 3; root
    spread = math.sqrt(5e-4 / 3)
    assert m.annual_volatility(returns) == pytest.approx(spread * math.sqrt(252))
    assert m.sharpe_ratio(returns) == pytest.approx(0.005 / spread * math.sqrt(252))


def test_unknown_returns_are_left_out() -> None:
    known, gaps = curve(0.01, -0.02, 0.03), curve(0.01, math.nan, -0.02, 0.03, math.nan)
    figures = (
        m.annual_volatility, m.downside_deviation, m.sharpe_ratio, m.sortino_ratio, m.omega_ratio, m.skewness,
        m.value_at_risk, m.conditional_value_at_risk, m.tail_ratio, m.stability, m.hit_rate, m.best_session,
        m.worst_session,
    )  # fmt: skip
    for figure in figures:
        assert figure(gaps) == figure(known), figure
    assert m.excess_kurtosis(curve(*gaps, 0.01)) == m.excess_kurtosis(curve(*known, 0.01))


@pytest.mark.parametrize("returns", [EMPTY, curve(0.01), curve(math.nan, 0.01)])
def test_volatility_and_sharpe_need_two_returns(returns: np.ndarray) -> None:
    assert math.isnan(m.annual_volatility(returns))
    assert math.isnan(m.sharpe_ratio(returns))


@pytest.mark.parametrize("value", [0.0, 0.001, -0.1])
def test_a_constant_return_has_no_sharpe_ratio(value: float) -> None:
    assert m.annual_volatility(np.full(10, value)) == 0.0
    assert math.isnan(m.sharpe_ratio(np.full(10, value)))


def test_a_spread_of_rounding_is_none() -> None:
    steady = m.simple_returns(100.0 * 1.01 ** np.arange(1, 50), 100.0)
    assert np.ptp(steady) > 0.0  # the dust that a standard deviation would be made of
    assert m.annual_volatility(steady) == 0.0
    assert m.tracking_error(steady + 0.01, steady) == 0.0
    assert math.isnan(m.information_ratio(steady + 0.01, steady))
    # a millionth of a basis point is no rounding
    assert m.annual_volatility(curve(0.0, 1e-10)) == pytest.approx(1e-10 / math.sqrt(2) * ROOT, rel=1e-12)


def test_drawdown_with_its_rows() -> None:
    #          0    1    2   3   4    5    6
    equity = curve(110, 120, 90, 96, 121, 100, 130)
    # 120 -> 90 loses a quarter; 121 -> 100 loses 0.1736
    assert m.max_drawdown(equity, 100.0) == m.Drawdown(0.25, 1, 2, 4)


def test_drawdown_from_the_start() -> None:
    assert m.max_drawdown(curve(80, 90), 100.0) == m.Drawdown(pytest.approx(0.2), -1, 0, -1)


def test_drawdown_starts_at_the_last_time_the_peak_was_seen() -> None:
    assert m.max_drawdown(curve(120, 120, 60, 120), 100.0) == m.Drawdown(0.5, 1, 2, 3)


def test_drawdown_of_an_account_below_zero() -> None:
    assert m.max_drawdown(curve(100, -50), 100.0) == m.Drawdown(1.5, 0, 1, -1)


@pytest.mark.parametrize("equity", [EMPTY, curve(100), curve(100, 100, 101)])
def test_no_drawdown(equity: np.ndarray) -> None:
    assert m.max_drawdown(equity, 100.0) == m.Drawdown(0.0, -1, -1, -1)


def test_turnover_is_one_sided() -> None:
    # sell 100 and buy 100 of a book of 100, once in 2 sessions: 1 / 2 sessions * 252
    assert m.annual_turnover(curve(0, 200), curve(100, 100), 100.0) == pytest.approx(126.0)


def test_flows_are_divided_by_the_equity_before() -> None:
    # 1 / 100 and 2 / 50: mean 0.025, times 252
    assert m.per_year(curve(1, 2), curve(50, 70), 100.0) == pytest.approx(6.3)


def test_flows_without_equity_are_left_out() -> None:
    assert m.per_year(curve(1, 5), curve(0, 0), 100.0) == pytest.approx(2.52)
    assert math.isnan(m.per_year(EMPTY, EMPTY, 100.0))


RETURNS = curve(0.03, -0.02, 0.01, -0.04, 0.02)


def test_downside_counts_every_session() -> None:
    # 0.0004 + 0.0016 over all five; mean return 0
    assert m.downside_deviation(RETURNS) == pytest.approx(math.sqrt(0.002 / 5) * math.sqrt(252))
    assert m.sortino_ratio(RETURNS) == pytest.approx(0.0, abs=1e-13)
    # mean 0.01; one loss of 0.01 in 4: sqrt(0.0001 / 4) = 0.005; 0.01 / 0.005 * sqrt(252)
    assert m.sortino_ratio(curve(0.02, -0.01, 0.03, 0.0)) == pytest.approx(2 * math.sqrt(252))


def test_calmar() -> None:
    assert m.calmar_ratio(0.12, 0.3) == pytest.approx(0.4)
    assert math.isnan(m.calmar_ratio(0.12, 0.0))
    assert math.isnan(m.calmar_ratio(math.nan, 0.0))


def test_omega_and_profit_factor() -> None:
    assert m.omega_ratio(RETURNS) == pytest.approx(0.06 / 0.06)
    assert m.omega_ratio(curve(0.03, -0.01, 0.0)) == pytest.approx(3.0)
    # + 10 %, then - 10 %: returns say 1, money 10 made and 11 lost
    assert m.omega_ratio(curve(0.1, -0.1)) == pytest.approx(1.0)
    assert m.profit_factor(curve(10, -11)) == pytest.approx(10 / 11)
    assert m.profit_factor(curve(-5, -6)) == 0.0


def test_skewness() -> None:
    # 0, 0, 3: mean 1, squared deviations 1, 1, 4 sum to 6, / 2 = 3; cubes -1, -1, 8 sum to 6; 3 / (2 * 1) * 6 / 3**1.5
    assert m.skewness(curve(0, 0, 3)) == pytest.approx(math.sqrt(3))
    assert m.skewness(curve(-1, 0, 1)) == pytest.approx(0.0)


def test_kurtosis() -> None:
    # -1, 1, -1, 1: squared deviations sum to 4, / 3; fourth powers 4 / (4/3)**2 = 2.25;
    # 4 * 5 / (3 * 2 * 1) * 2.25 - 3 * 9 / (2 * 1) = 7.5 - 13.5
    assert m.excess_kurtosis(curve(-1, 1, -1, 1)) == pytest.approx(-6.0)


def test_value_at_risk_and_beyond() -> None:
    returns = np.arange(-20, 21) / 100.0  # 41 values: the 5 % quantile is the third lowest, -0.18
    assert m.value_at_risk(returns) == pytest.approx(0.18)
    assert m.conditional_value_at_risk(returns) == pytest.approx((0.20 + 0.19 + 0.18) / 3)
    assert m.tail_ratio(returns) == pytest.approx(1.0)
    # 0.05 * 4 = 0.2 of the way from -0.04 to -0.02; the mean of the lowest one; 0.95 * 4 = 3.8: 0.02 + 0.8 * 0.01
    assert m.value_at_risk(RETURNS) == pytest.approx(0.036)
    assert m.conditional_value_at_risk(RETURNS) == pytest.approx(0.04)
    assert m.tail_ratio(RETURNS) == pytest.approx(0.028 / 0.036)


def test_a_loss_that_cannot_be_is_a_gain() -> None:
    assert m.value_at_risk(curve(0.01, 0.02)) == pytest.approx(-0.0105)
    assert m.conditional_value_at_risk(curve(0.01, 0.02)) == pytest.approx(-0.01)


def test_stability() -> None:
    assert m.stability(np.full(7, 0.01)) == pytest.approx(1.0)
    assert m.stability(np.full(7, -0.01)) == pytest.approx(1.0)
    # running logs 1, 0, 1 at 0, 1, 2: no slope
    assert m.stability(np.expm1(curve(1, -1, 1))) == pytest.approx(0.0, abs=1e-15)
    # running logs 1, 2, 2 at 0, 1, 2: covariance 1 of 2 * 2/3, so 1 / (4/3)
    assert m.stability(np.expm1(curve(1, 1, 0))) == pytest.approx(0.75)
    assert math.isnan(m.stability(curve(0.1, -1.0, 0.2)))


def test_the_best_and_the_worst_session() -> None:
    assert (m.best_session(RETURNS), m.worst_session(RETURNS)) == (0.03, -0.04)


def test_every_drawdown() -> None:
    #          0    1   2    3    4    5    6    7
    equity = curve(90, 100, 120, 108, 120, 125, 100, 110)
    # from the start 10 %, back in row 1; 120 to 108, 10 % too, back in row 4; 125 to 100, 20 %, not back
    tenth = pytest.approx(0.1)
    assert m.drawdowns(equity, 100.0) == [
        m.Drawdown(pytest.approx(0.2), 5, 6, -1),
        m.Drawdown(tenth, -1, 0, 1),
        m.Drawdown(tenth, 2, 3, 4),
    ]
    assert m.longest(m.drawdowns(equity, 100.0), equity.size) == 2
    assert m.longest([], 5) == 0


def test_concentration() -> None:
    # 4 equal positions of 10; then one of 30 and one of 10: 1600 / 1000; then none
    gross, squares = curve(40, 40, 0), curve(400, 1000, 0)
    assert m.effective_names(gross, squares) == pytest.approx((4.0 + 1.6) / 2)
    assert m.largest_weight(curve(10, 30, 0), curve(100, 50, -5)) == pytest.approx(0.6)
    assert m.average_names(curve(4, 2, 0)) == pytest.approx(2.0)


def test_round_trips() -> None:
    net = curve(10, -4, 0, 6)
    assert m.trade_hit_rate(net) == pytest.approx(2 / 3)
    assert m.trade_profit_factor(net) == pytest.approx(4.0)
    assert m.holding_period(curve(1, 4)) == pytest.approx(2.5)


def test_hit_rate_leaves_out_sessions_without_a_move() -> None:
    assert m.hit_rate(curve(0.0, 0.01, -0.01, 0.02, 0.0)) == pytest.approx(2 / 3)
    assert math.isnan(m.hit_rate(np.zeros(3)))
    assert math.isnan(m.hit_rate(EMPTY))


def test_exposure() -> None:
    assert m.average_exposure(curve(50, 150), curve(100, 100)) == pytest.approx(1.0)
    assert m.average_exposure(curve(50, 150), curve(100, -1)) == pytest.approx(0.5)
    assert math.isnan(m.average_exposure(EMPTY, EMPTY))


@pytest.mark.parametrize("name", FIGURES)
def test_every_definition_says_its_year_and_what_is_unknown(name: str) -> None:
    text = inspect.getdoc(FUNCTIONS[name]) or ""
    assert "NaN" in text
    assert any(word in text for word in ("252", "annualised", "a year", "whole run"))
