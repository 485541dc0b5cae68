"""Metrics against values worked out by hand."""

from __future__ import annotations

import inspect
import json
import math

import numpy as np
import pytest

from backtester import metrics as m
from backtester.engine.legs import (
    LARGEST,
    LEGS,
    LONG_COMMISSION,
    LONG_DIVIDENDS,
    LONG_NAMES,
    LONG_PRICE_PNL,
    LONG_SLIPPAGE,
    SHORT_COMMISSION,
    SHORT_DIVIDENDS,
    SHORT_NAMES,
    SHORT_PRICE_PNL,
    SHORT_SLIPPAGE,
    SQUARES,
)
from backtester.engine.types import (
    L_BORROW,
    L_CASH,
    L_COMMISSION,
    L_DIVIDENDS,
    L_EQUITY,
    L_INTEREST,
    L_LONG,
    L_PRICE_PNL,
    L_SHORT,
    L_SLIPPAGE,
    L_STATUS,
    L_TRADED,
    LEDGER,
)

EMPTY = np.zeros(0)
FUNCTIONS = {name: getattr(m, name) for name in m.__all__ if inspect.isfunction(getattr(m, name))}
FIGURES = [name for name, one in FUNCTIONS.items() if inspect.signature(one).return_annotation == "float"]


def curve(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


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


def ledger_of(rows: list[dict[int, float]]) -> np.ndarray:
    ledger = np.zeros((len(rows), LEDGER))
    for t, row in enumerate(rows):
        for column, value in row.items():
            ledger[t, column] = value
    return ledger


DATES = np.array(["2024-01-02", "2024-01-03"], dtype="datetime64[D]")


def test_gross_less_costs_is_net() -> None:
    first = {L_EQUITY: 1009.0, L_CASH: 1100.0, L_LONG: 409.0, L_SHORT: 500.0, L_PRICE_PNL: 14.0, L_COMMISSION: 2.0}
    first |= {L_SLIPPAGE: 3.0, L_TRADED: 900.0}  # 1000 + 14 - 2 - 3 = 1009
    second = {L_EQUITY: 1000.0, L_CASH: 1091.0, L_LONG: 409.0, L_SHORT: 500.0, L_PRICE_PNL: -9.5, L_DIVIDENDS: 1.0}
    second |= {L_INTEREST: 0.5, L_BORROW: 1.0}  # 1009 - 9.5 + 1 + 0.5 - 1 = 1000
    got = m.run_metrics(DATES, ledger_of([first, second]), 1000.0, fills=4)

    half_year = 252 / 2
    assert got["return_gross"] == pytest.approx((14 / 1000 - 8.5 / 1009) * half_year)
    assert got["cost_commission"] == pytest.approx(2 / 1000 * half_year)
    assert got["cost_slippage"] == pytest.approx(3 / 1000 * half_year)
    assert got["cost_borrow"] == pytest.approx(1 / 1009 * half_year)
    assert got["interest"] == pytest.approx(0.5 / 1009 * half_year)
    net = got["return_gross"] + got["interest"]
    net -= got["cost_commission"] + got["cost_slippage"] + got["cost_borrow"]
    assert got["return_net"] == pytest.approx(net, rel=1e-12)
    assert got["turnover"] == pytest.approx(900 / 2 / 1000 * half_year)
    assert got["exposure_gross"] == pytest.approx((909 / 1009 + 909 / 1000) / 2)
    assert got["exposure_net"] == pytest.approx((-91 / 1009 - 91 / 1000) / 2)
    assert got["total_return"] == 0.0
    assert got["end_equity"] == 1000.0
    assert (got["fills"], got["sessions"], got["hit_rate"]) == (4, 2, 0.5)
    assert (got["max_drawdown_peak"], got["max_drawdown_trough"], got["max_drawdown_recovered"]) == (
        "2024-01-02",
        "2024-01-03",
        "",
    )


GROWTH = 1.01 ** np.arange(1, 5)
CASES = {
    "empty": EMPTY,
    "one bar": curve(110),
    "flat": curve(100, 100, 100, 100, 100),
    "steady": 100.0 * GROWTH,  # the same return every session
    "wiped out": curve(50, 0),  # returns -0.5, -1
}
NAN = math.nan
ROOT = math.sqrt(252)
# Cash 100, no position and no fill. A date that is not there is "".
EDGES = {
    #                            empty  one bar          flat  steady         wiped out
    "sessions":                  (0,    1,               5,    4,             2),
    "start_equity":              (100,  100,             100,  100,           100),
    "end_equity":                (100,  110,             100,  104.060401,    0),
    "total_return":              (NAN,  0.1,             0,    0.04060401,    -1),
    "cagr":                      (NAN,  1.1 ** 252 - 1,  0,    1.01**252 - 1, -1),
    "volatility":                (NAN,  NAN,             0,    0,             0.25 * math.sqrt(2) * ROOT),
    "downside_deviation":        (NAN,  NAN,             0,    0,             math.sqrt(1.25 / 2) * ROOT),
    "sharpe":                    (NAN,  NAN,             NAN,  NAN,           -3 / math.sqrt(2) * ROOT),
    "sortino":                   (NAN,  NAN,             NAN,  NAN,           -0.75 / math.sqrt(1.25 / 2) * ROOT),
    "calmar":                    (NAN,  NAN,             NAN,  NAN,           -1),
    "omega":                     (NAN,  NAN,             NAN,  NAN,           0),
    "skew":                      (NAN,  NAN,             NAN,  NAN,           NAN),
    "kurtosis":                  (NAN,  NAN,             NAN,  NAN,           NAN),
    "var_95":                    (NAN,  -0.1,            0,    -0.01,         0.975),
    "cvar_95":                   (NAN,  -0.1,            0,    -0.01,         1),
    "tail_ratio":                (NAN,  1,               NAN,  1,             0.525 / 0.975),
    "stability":                 (NAN,  NAN,             NAN,  1,             NAN),
    "max_drawdown":              (0,    0,               0,    0,             1),
    "max_drawdown_peak":         ("",   "",              "",   "",            "start"),
    "max_drawdown_trough":       ("",   "",              "",   "",            "2024-01-02"),
    "max_drawdown_recovered":    ("",   "",              "",   "",            ""),
    "max_drawdown_sessions":     (0,    0,               0,    0,             2),
    "longest_drawdown_sessions": (0,    0,               0,    0,             2),
    "hit_rate":                  (NAN,  1,               NAN,  1,             0),
    "best_session":              (NAN,  0.1,             0,    0.01,          -0.5),
    "worst_session":             (NAN,  0.1,             0,    0.01,          -1),
    "profit_factor":             (NAN,  NAN,             NAN,  NAN,           0),
    "turnover":                  (NAN,  0,               0,    0,             0),
    "return_gross":              (NAN,  0,               0,    0,             0),
    "cost_commission":           (NAN,  0,               0,    0,             0),
    "cost_slippage":             (NAN,  0,               0,    0,             0),
    "cost_borrow":               (NAN,  0,               0,    0,             0),
    "interest":                  (NAN,  0,               0,    0,             0),
    "return_net":                (NAN,  25.2,            0,    2.52,          -189),
    "return_long":               (NAN,  0,               0,    0,             0),
    "return_short":              (NAN,  0,               0,    0,             0),
    "cost_long":                 (NAN,  0,               0,    0,             0),
    "cost_short":                (NAN,  0,               0,    0,             0),
    "exposure_gross":            (NAN,  NAN,             NAN,  NAN,           NAN),
    "exposure_net":              (NAN,  NAN,             NAN,  NAN,           NAN),
    "exposure_long":             (NAN,  NAN,             NAN,  NAN,           NAN),
    "exposure_short":            (NAN,  NAN,             NAN,  NAN,           NAN),
    "exposure_gross_max":        (NAN,  0,               0,    0,             0),
    "exposure_gross_max_date":   ("",   "",              "",   "",            ""),
    "cash_min":                  (NAN,  0,               0,    0,             0),
    "names_long":                (NAN,  NAN,             NAN,  NAN,           NAN),
    "names_short":               (NAN,  NAN,             NAN,  NAN,           NAN),
    "effective_names":           (NAN,  NAN,             NAN,  NAN,           NAN),
    "largest_weight":            (NAN,  0,               0,    0,             0),
    "fills":                     (0,    0,               0,    0,             0),
    "trades":                    (0,    0,               0,    0,             0),
    "trades_open":               (0,    0,               0,    0,             0),
    "trade_hit_rate":            (NAN,  NAN,             NAN,  NAN,           NAN),
    "trade_profit_factor":       (NAN,  NAN,             NAN,  NAN,           NAN),
    "holding_period":            (NAN,  NAN,             NAN,  NAN,           NAN),
    "first_position":            ("",   "",              "",   "",            ""),
    "sessions_before_position":  (0,    1,               5,    4,             2),
    "sessions_invested":         (0,    0,               0,    0,             0),
    "sharpe_invested":           (NAN,  NAN,             NAN,  NAN,           NAN),
    "volatility_invested":       (NAN,  NAN,             NAN,  NAN,           NAN),
    "halted_since":              ("",   "",              "",   "",            ""),
}  # fmt: skip
NO_TRIPS = m.Trips(EMPTY, EMPTY, np.zeros(0, np.bool_))


@pytest.mark.parametrize("case", CASES)
def test_every_figure_of_every_edge(case: str) -> None:
    equity = CASES[case]
    dates = np.arange("2024-01-01", "2024-01-06", dtype="datetime64[D]")[: equity.size]
    ledger = ledger_of([{L_EQUITY: value} for value in equity])
    got = m.run_metrics(dates, ledger, 100.0, 0, legs=np.zeros((equity.size, LEGS)), trips=NO_TRIPS)
    assert list(got) == list(EDGES)
    k = list(CASES).index(case)
    for name, row in EDGES.items():
        exact = isinstance(row[k], str) or row[k] == 0
        expected = row[k] if exact else pytest.approx(row[k], rel=1e-9, nan_ok=True)
        assert got[name] == expected, name


def test_without_the_market_the_figures_of_the_sides_are_unknown() -> None:
    got = m.run_metrics(DATES, ledger_of([{L_EQUITY: 1000.0}] * 2), 1000.0, fills=0)
    sides = ("return_long", "cost_short", "names_long", "effective_names", "largest_weight", "trades", "trades_open")
    assert all(math.isnan(got[name]) for name in sides)


def test_figures_of_the_sides() -> None:
    row = {L_EQUITY: 1000.0, L_LONG: 600.0, L_SHORT: 300.0, L_BORROW: 1.5, L_COMMISSION: 3.0, L_SLIPPAGE: 7.0}
    row |= {L_PRICE_PNL: 6.0, L_DIVIDENDS: 2.0}
    legs = np.zeros((1, LEGS))
    legs[0, [LONG_PRICE_PNL, SHORT_PRICE_PNL, LONG_DIVIDENDS, SHORT_DIVIDENDS]] = 10, -4, 3, -1
    legs[0, [LONG_COMMISSION, SHORT_COMMISSION, LONG_SLIPPAGE, SHORT_SLIPPAGE]] = 1, 2, 3, 4
    legs[0, [LONG_NAMES, SHORT_NAMES, SQUARES, LARGEST]] = 2, 1, 600**2 / 2 + 300**2, 300
    trips = m.Trips(curve(4, 2, 9), curve(5, -2, 7), np.array([True, True, False]))
    got = m.run_metrics(DATES[:1], ledger_of([row]), 1000.0, fills=4, legs=legs, trips=trips)
    assert got["return_long"] == pytest.approx(13 / 1000 * 252)
    assert got["return_short"] == pytest.approx(-5 / 1000 * 252)
    assert got["return_long"] + got["return_short"] == pytest.approx(got["return_gross"], rel=1e-12)
    assert got["cost_long"] == pytest.approx(4 / 1000 * 252)
    assert got["cost_short"] == pytest.approx((2 + 4 + 1.5) / 1000 * 252)
    costs = got["cost_commission"] + got["cost_slippage"] + got["cost_borrow"]
    assert got["cost_long"] + got["cost_short"] == pytest.approx(costs, rel=1e-12)
    assert (got["exposure_long"], got["exposure_short"]) == (0.6, 0.3)
    assert (got["names_long"], got["names_short"]) == (2.0, 1.0)
    assert got["effective_names"] == pytest.approx(900**2 / (600**2 / 2 + 300**2))  # three positions of 300: 3
    assert got["largest_weight"] == pytest.approx(0.3)
    assert (got["trades"], got["trades_open"], got["holding_period"]) == (2, 1, 3.0)
    assert (got["trade_hit_rate"], got["trade_profit_factor"]) == (0.5, 2.5)


def test_exposure_and_names_are_of_the_sessions_with_a_position() -> None:
    """Two idle sessions, then 3 and 1 names of equal size, then none again: 4 positions' worth in 2 sessions."""
    held = [{}, {}, {L_LONG: 900.0, L_SHORT: 450.0}, {L_LONG: 500.0}, {}]
    cash = [1000.0, 1000.0, 550.0, -20.0, 1000.0]
    ledger = ledger_of([{L_EQUITY: 1000.0, L_CASH: c} | row for c, row in zip(cash, held, strict=True)])
    legs = np.zeros((5, LEGS))
    legs[2, [LONG_NAMES, SHORT_NAMES, SQUARES]] = 2, 1, 3 * 450.0**2
    legs[3, [LONG_NAMES, SQUARES]] = 1, 500.0**2
    dates = np.arange("2024-01-01", "2024-01-06", dtype="datetime64[D]")
    got = m.run_metrics(dates, ledger, 1000.0, 0, legs=legs)
    assert (got["exposure_gross"], got["exposure_long"]) == ((1.35 + 0.5) / 2, (0.9 + 0.5) / 2)
    assert (got["names_long"], got["names_short"], got["sessions_invested"]) == (1.5, 0.5, 2)
    assert got["effective_names"] == pytest.approx(2.0)  # (3 + 1) / 2, as many as there are names
    assert (got["exposure_gross_max"], got["exposure_gross_max_date"], got["cash_min"]) == (1.35, "2024-01-03", -20.0)


def test_figures_since_the_first_position() -> None:
    """Four idle sessions before two returns of 2 % and -1 %: mean 0.5 %, standard deviation 3 % / sqrt(2)."""
    rows = [{L_EQUITY: 1000.0}] * 4 + [{L_EQUITY: 1020.0, L_LONG: 500.0}, {L_EQUITY: 1020.0 * 0.99, L_LONG: 500.0}]
    dates = np.arange("2024-01-01", "2024-01-07", dtype="datetime64[D]")
    got = m.run_metrics(dates, ledger_of(rows), 1000.0, 0)
    spread = 0.03 / math.sqrt(2)
    assert got["volatility_invested"] == pytest.approx(spread * ROOT)
    assert got["sharpe_invested"] == pytest.approx(0.005 / spread * ROOT)
    assert got["sharpe"] < got["sharpe_invested"]


def test_since_when_a_breaker_holds_the_book() -> None:
    dates = np.arange("2024-01-01", "2024-01-06", dtype="datetime64[D]")
    for status, since in (([0, 2, 0, 2, 2], "2024-01-04"), ([0, 1, 1, 1, 1], "2024-01-02"), ([2, 2, 2, 2, 0], "")):
        ledger = ledger_of([{L_EQUITY: 1000.0, L_STATUS: float(word)} for word in status])
        assert m.run_metrics(dates, ledger, 1000.0, 0)["halted_since"] == since


BENCHMARK = curve(0.01, -0.02, 0.03, math.nan)


def beside(b: np.ndarray) -> m.Benchmark:
    """A benchmark known at every session."""
    return m.Benchmark("it", b, np.isfinite(b).astype(np.int64))


def test_beside_a_benchmark() -> None:
    r = curve(0.03, -0.03, 0.05, 0.5)  # 2 b + (0.01, 0.01, -0.01); the last session has no pair
    # b - mean: 0.01 / 3 * (1, -8, 7) with squares 114, r - mean: (4, -14, 10) * 0.05 / 15 -> 0.01 / 3 * (4, -14, 10)
    # products 4 + 112 + 70 = 186
    slope = 186 / 114
    means = 0.05 / 3, 0.02 / 3
    assert m.beta(r, BENCHMARK) == pytest.approx(slope)
    assert m.alpha(r, BENCHMARK) == pytest.approx(252 * (means[0] - slope * means[1]))
    assert m.correlation(r, BENCHMARK) == pytest.approx(186 / math.sqrt(114 * (16 + 196 + 100)))
    # r - b: 0.02, -0.01, 0.02, mean 0.01, squared deviations 1e-4, 4e-4, 1e-4 over 2
    assert m.tracking_error(r, BENCHMARK) == pytest.approx(math.sqrt(3e-4) * ROOT)
    assert m.information_ratio(r, BENCHMARK) == pytest.approx(0.01 / math.sqrt(3e-4) * ROOT)
    assert m.compounded(BENCHMARK) == pytest.approx((1.01 * 0.98 * 1.03) ** (252 / 3) - 1)
    got = m.benchmark_metrics(r, beside(BENCHMARK))
    assert list(got) == [
        "benchmark", "benchmark_sessions", "benchmark_cagr", "benchmark_volatility", "benchmark_sharpe", "alpha",
        "beta", "tracking_error", "information_ratio", "correlation",
    ]  # fmt: skip
    assert (got["benchmark"], got["benchmark_sessions"]) == ("it", 3)
    for name in ("alpha", "beta", "tracking_error", "information_ratio", "correlation"):
        assert got[name] == getattr(m, name)(r, BENCHMARK)


def test_a_benchmark_of_longer_steps_is_held_against_the_same_sessions() -> None:
    # b over sessions 0-1, 2-3 and 4; the run in the same ones 1.1 * 1.1, 0.8 * 1, 1.05
    b = m.Benchmark("it", curve(NAN, 0.2, NAN, -0.1, 0.02), np.array([0, 2, 0, 2, 1]))
    r = curve(0.1, 0.1, -0.2, 0.0, 0.05)
    same, own = curve(0.21, -0.2, 0.05), curve(0.2, -0.1, 0.02)
    got = m.benchmark_metrics(r, b)
    year = 252 * 3 / 5  # three returns over five sessions
    slope = np.cov(same, own)[0, 1] / own.var(ddof=1)
    active = same - own
    assert got.pop("benchmark") == "it"
    assert got == pytest.approx(
        {
            "benchmark_sessions": 5,
            "benchmark_cagr": (1.2 * 0.9 * 1.02) ** (252 / 5) - 1,
            "benchmark_volatility": own.std(ddof=1) * math.sqrt(year),
            "benchmark_sharpe": own.mean() / own.std(ddof=1) * math.sqrt(year),
            "alpha": year * (same.mean() - slope * own.mean()),
            "beta": slope,
            "tracking_error": active.std(ddof=1) * math.sqrt(year),
            "information_ratio": active.mean() / active.std(ddof=1) * math.sqrt(year),
            "correlation": np.corrcoef(same, own)[0, 1],
        }
    )
    # what is not known of the run in one of the sessions is not known of the step
    gone = m.benchmark_metrics(curve(0.1, 0.1, NAN, 0.0, 0.05), b)
    assert (gone["benchmark_sessions"], gone["benchmark_cagr"]) == (3, got["benchmark_cagr"])


def test_a_sampled_benchmark_says_what_the_daily_one_says() -> None:
    noise = np.random.default_rng(0).normal(size=(2, 2520))
    b = 0.0002 + 0.01 * noise[0]
    r = 0.0001 + 0.5 * b + 0.002 * noise[1]
    level = np.cumprod(1.0 + b)
    steps, over = np.full(2520, NAN), np.zeros(2520, np.int64)
    steps[4::5] = level[4::5] / np.concatenate(([1.0], level[4:-5:5])) - 1.0
    over[4::5] = 5
    daily, weekly = m.benchmark_metrics(r, beside(b)), m.benchmark_metrics(r, m.Benchmark("it", steps, over))
    assert weekly["benchmark_sessions"] == daily["benchmark_sessions"] == 2520
    assert weekly["benchmark_cagr"] == pytest.approx(daily["benchmark_cagr"], rel=1e-9)
    # A standard deviation of 504 steps is off by 1 / sqrt(2 * 503), 3 %; four of them. Unscaled they differ by sqrt(5).
    for name in ("benchmark_volatility", "tracking_error"):
        assert weekly[name] == pytest.approx(daily[name], rel=0.13)
    # The residuals are 0.002 to 0.01 of the benchmark: an error of 0.2 / sqrt(503) = 0.009 in beta; four of them.
    assert weekly["beta"] == pytest.approx(daily["beta"], abs=0.036)


@pytest.mark.parametrize(
    ("r", "b", "known"),
    [
        (EMPTY, EMPTY, {}),
        (curve(0.01), curve(0.02), {"benchmark_sessions": 1, "benchmark_cagr": 1.02**252 - 1}),
        (curve(0.01, math.nan), curve(math.nan, 0.02), {"benchmark_cagr": 1.02**252 - 1}),
        # a benchmark that does not move says what the run is beyond it, and nothing else
        (
            curve(0.01, 0.03),
            curve(0, 0),
            {
                "benchmark_sessions": 2,
                "benchmark_cagr": 0,
                "benchmark_volatility": 0,
                "tracking_error": 0.01 * math.sqrt(2) * ROOT,
                "information_ratio": 2 / math.sqrt(2) * ROOT,
            },
        ),
        # a run that is its benchmark has no active return
        (
            curve(0.01, 0.03),
            curve(0.01, 0.03),
            {
                "benchmark_sessions": 2,
                "benchmark_cagr": (1.01 * 1.03) ** 126 - 1,
                "benchmark_volatility": 0.01 * math.sqrt(2) * ROOT,
                "benchmark_sharpe": math.sqrt(2) * ROOT,
                "alpha": 0,
                "beta": 1,
                "tracking_error": 0,
                "correlation": 1,
            },
        ),
        (curve(-0.5, -1), curve(-1, math.nan), {"benchmark_sessions": 1, "benchmark_cagr": -1}),
    ],
    ids=["empty", "one bar", "no pair", "constant", "itself", "wiped out"],
)
def test_every_figure_of_a_benchmark_at_its_edges(r: np.ndarray, b: np.ndarray, known: dict[str, float]) -> None:
    got = m.benchmark_metrics(r, beside(b))
    assert got.pop("benchmark") == "it"
    for name, value in ({"benchmark_sessions": 0} | known).items():
        # alpha of a run that is its benchmark is a difference of means of 252 * 0.02
        exact = value == 0 and name != "alpha"
        assert got.pop(name) == (value if exact else pytest.approx(value, rel=1e-9, abs=1e-14)), name
    assert all(math.isnan(value) for value in got.values())


def test_metrics_of_a_run_that_did_nothing() -> None:
    got = m.run_metrics(DATES, ledger_of([{L_EQUITY: 1000.0, L_CASH: 1000.0}] * 2), 1000.0, fills=0)
    assert (got["total_return"], got["cagr"], got["volatility"], got["turnover"]) == (0.0, 0.0, 0.0, 0.0)
    assert math.isnan(got["sharpe"])
    assert math.isnan(got["hit_rate"])


def test_the_first_position() -> None:
    flat, short = {L_EQUITY: 1000.0, L_CASH: 1000.0}, {L_EQUITY: 1000.0, L_CASH: 1500.0, L_SHORT: 500.0}
    got = m.run_metrics(DATES, ledger_of([flat, short]), 1000.0, fills=1)
    assert (got["first_position"], got["sessions_before_position"]) == ("2024-01-03", 1)
    got = m.run_metrics(DATES, ledger_of([flat, flat]), 1000.0, fills=0)
    assert (got["first_position"], got["sessions_before_position"]) == ("", 2)


def test_metrics_of_one_session_that_falls() -> None:
    got = m.run_metrics(DATES[:1], ledger_of([{L_EQUITY: 900.0}]), 1000.0, fills=1)
    assert got["max_drawdown"] == pytest.approx(0.1)
    assert (got["max_drawdown_peak"], got["max_drawdown_trough"]) == ("start", "2024-01-02")
    assert math.isnan(got["volatility"])


def test_metrics_are_plain_values() -> None:
    got = m.run_metrics(DATES, ledger_of([{L_EQUITY: 1000.0}, {L_EQUITY: 1100.0}]), 1000.0, fills=0)
    assert {type(value) for value in got.values()} == {float, int, str}
    json.dumps(got)


@pytest.mark.parametrize("name", FIGURES)
def test_every_definition_says_its_year_and_what_is_unknown(name: str) -> None:
    text = inspect.getdoc(FUNCTIONS[name]) or ""
    assert "NaN" in text
    assert any(word in text for word in ("252", "annualised", "a year", "whole run"))
