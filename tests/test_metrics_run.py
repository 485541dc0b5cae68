"""All figures of a run: what they are made from, and what they are at every edge."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from curves import DATES, EMPTY, NAN, ROOT, curve, ledger_of

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
)


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
