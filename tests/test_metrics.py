"""Metrics against values worked out by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from backtester import metrics as m
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
    L_TRADED,
    LEDGER,
)

EMPTY = np.zeros(0)


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
    for figure in (m.annual_volatility, m.sharpe_ratio, m.hit_rate):
        assert figure(gaps) == figure(known)


@pytest.mark.parametrize("returns", [EMPTY, curve(0.01), curve(math.nan, 0.01)])
def test_volatility_and_sharpe_need_two_returns(returns: np.ndarray) -> None:
    assert math.isnan(m.annual_volatility(returns))
    assert math.isnan(m.sharpe_ratio(returns))


@pytest.mark.parametrize("value", [0.0, 0.001, -0.1])
def test_a_constant_return_has_no_sharpe_ratio(value: float) -> None:
    assert m.annual_volatility(np.full(10, value)) == pytest.approx(0.0, abs=1e-15)
    assert math.isnan(m.sharpe_ratio(np.full(10, value)))


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


def test_metrics_of_an_empty_run() -> None:
    got = m.run_metrics(DATES[:0], ledger_of([]), 1000.0, fills=0)
    assert (got["sessions"], got["fills"], got["start_equity"], got["end_equity"]) == (0, 0, 1000.0, 1000.0)
    assert (got["max_drawdown"], got["max_drawdown_peak"], got["max_drawdown_trough"]) == (0.0, "", "")
    for name in ("total_return", "cagr", "volatility", "sharpe", "turnover", "return_net", "hit_rate", "exposure_net"):
        assert math.isnan(got[name])


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
