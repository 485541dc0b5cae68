"""Round trips and the two sides of the book, worked out by hand. ``attribution.py`` adds them up on every run."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from attribution import check_attribution
from results import empty_result, make_result
from small import DATES, panel, run

import backtester as bt
from backtester.engine import legs as lg
from backtester.errors import RunError

RISING = np.column_stack([np.arange(10.0, 18.0), np.full(8, 10.0), np.full(8, 10.0)])  # AA is 10 + t
FREE = {"commission_bps": 0.0, "slippage_bps": 0.0, "borrow_rate": 0.0, "credit_rate": 0.0, "debit_rate": 0.0}
COLUMNS = [
    "symbol", "side", "opened", "closed", "sessions", "shares", "entry", "exit", "gross", "dividends", "commission",
    "slippage", "costs", "net", "return",
]  # fmt: skip


def trading(orders, **options):
    """A run that orders shares of a symbol after the closes of some sessions: they fill at the next open."""
    return run(lambda view: [bt.Order(*order) for order in orders.get(view.t, [])], **options)


def crossing(**costs):
    """10 + 10 bought at 11 and 12, 5 sold at 13, 25 at 14, so 15 close and 10 open, 10 bought back at 16."""
    orders = {0: [("AA", 10)], 1: [("AA", 10)], 2: [("AA", -5)], 3: [("AA", -25)], 5: [("AA", 10)]}
    return trading(orders, on=panel(RISING), costs=bt.Costs(**FREE | costs))


def test_a_round_trip_is_from_zero_to_zero_or_across():
    trades = crossing().trades
    assert list(trades.columns) == COLUMNS
    long, short = trades.to_dict("records")
    assert (long["symbol"], long["side"], long["opened"], long["closed"]) == ("AA", "long", DATES[1], DATES[4])
    assert (short["side"], short["opened"], short["closed"]) == ("short", DATES[4], DATES[6])
    assert (long["sessions"], short["sessions"]) == (3, 2)
    assert (long["shares"], short["shares"]) == (20.0, 10.0)
    assert (long["entry"], short["entry"]) == (11.5, 14.0)  # (110 + 120) / 20
    assert (long["exit"], short["exit"]) == (13.75, 16.0)  # (5 * 13 + 15 * 14) / 20
    assert (long["gross"], short["gross"]) == (45.0, -20.0)
    assert (long["net"], short["net"]) == (45.0, -20.0)
    assert long["return"] == pytest.approx(45 / 230)
    assert short["return"] == pytest.approx(-20 / 140)


def test_a_fill_across_zero_shares_out_its_commission():
    # 1 %: 1.1, 1.2, 0.65, 3.5 for 15 shares that close and 10 that open: 2.1 and 1.4, 1.6
    trades = crossing(commission_bps=100.0).trades
    assert trades["commission"].tolist() == pytest.approx([1.1 + 1.2 + 0.65 + 2.1, 1.4 + 1.6])
    assert trades["net"].tolist() == pytest.approx([45 - 5.05, -20 - 3.0])


def test_slippage_is_in_the_prices_and_not_in_the_gross():
    # 1 % against: bought at 11.11 and 12.12, sold at 12.87 and 13.86, bought at 16.16
    trades = crossing(slippage_bps=100.0).trades
    assert trades["entry"].tolist() == pytest.approx([(111.1 + 121.2) / 20, 13.86])
    assert trades["exit"].tolist() == pytest.approx([(5 * 12.87 + 15 * 13.86) / 20, 16.16])
    assert trades["gross"].tolist() == pytest.approx([45.0, -20.0])
    assert trades["slippage"].tolist() == pytest.approx([1.1 + 1.2 + 0.65 + 2.1, 1.4 + 1.6])


def test_the_sides_of_the_book():
    result = crossing(commission_bps=100.0, slippage_bps=100.0)
    legs = result.legs
    # AA gains 1 a session: 10 shares in session 2, 20 in 3, 15 that close at the open of 4; then short 10 in 5 and 6
    assert legs["long_price_pnl"].tolist() == pytest.approx([0, 0, 10, 20, 15, 0, 0, 0])
    assert legs["short_price_pnl"].tolist() == pytest.approx([0, 0, 0, 0, 0, -10, -10, 0])
    assert legs["long_slippage"].tolist() == pytest.approx([0, 1.1, 1.2, 0.65, 2.1, 0, 0, 0])
    assert legs["short_slippage"].tolist() == pytest.approx([0, 0, 0, 0, 1.4, 0, 1.6, 0])
    # of the money paid: 111.1, 121.2, 64.35, 13.86 * 15, 13.86 * 10, 161.6
    assert legs["long_commission"].tolist() == pytest.approx([0, 1.111, 1.212, 0.6435, 2.079, 0, 0, 0])
    assert legs["short_commission"].tolist() == pytest.approx([0, 0, 0, 0, 1.386, 0, 1.616, 0])
    assert legs["long_names"].tolist() == [0, 1, 1, 1, 0, 0, 0, 0]
    assert legs["short_names"].tolist() == [0, 0, 0, 0, 1, 1, 0, 0]
    assert legs["largest"].tolist() == [0, 110, 240, 195, 140, 150, 0, 0]
    assert legs["squares"].tolist() == [0, 110**2, 240**2, 195**2, 140**2, 150**2, 0, 0]


def test_the_sides_in_the_figures():
    result = crossing(commission_bps=100.0, slippage_bps=100.0, borrow_rate=0.36)
    figures = result.metrics
    assert figures["return_long"] + figures["return_short"] == pytest.approx(figures["return_gross"], rel=1e-12)
    costs = figures["cost_commission"] + figures["cost_slippage"] + figures["cost_borrow"]
    assert figures["cost_long"] + figures["cost_short"] == pytest.approx(costs, rel=1e-12)
    assert figures["cost_borrow"] > 0
    assert (figures["trades"], figures["trades_open"], figures["holding_period"]) == (2, 0, 2.5)
    assert (figures["trade_hit_rate"], figures["names_long"]) == (0.5, 3 / 5)  # 5 sessions with a position


def test_an_open_round_trip_is_worth_its_last_mark():
    result = trading({0: [("AA", 10)], 2: [("BB", -4)]}, on=panel(RISING))
    trades = result.trades
    assert trades["closed"].isna().all()
    assert trades["sessions"].tolist() == [6, 4]  # opened in 1 and 3, the last session is 7
    assert trades["exit"].tolist() == [17.0, 10.0]
    assert trades["net"].tolist() == [60.0, 0.0]
    assert (result.metrics["trades"], result.metrics["trades_open"]) == (0, 2)
    assert np.isnan(result.metrics["holding_period"])


def test_splits_fractions_and_dividends_belong_to_the_round_trip():
    close = np.full((8, 3), 10.0)
    close[2:, 0] = 22.0
    actions = pd.DataFrame(
        {"date": DATES[[2, 3]], "symbol": ["AA", "AA"], "split": [0.5, np.nan], "dividend": [np.nan, 1.0]}
    )
    result = trading({0: [("AA", 3)], 3: [("AA", -1)]}, on=panel(close, actions=actions))
    (trade,) = result.trades.to_dict("records")
    # 3 bought at 10; 1 for 2 makes 1.5 of them, 0.5 is paid out at 20; 1 gets a dividend of 1 and is sold at 22
    assert (trade["opened"], trade["closed"], trade["shares"]) == (DATES[1], DATES[4], 1.5)
    assert trade["entry"] == pytest.approx(20.0)
    assert trade["exit"] == pytest.approx((10 + 22) / 1.5)
    assert (trade["dividends"], trade["gross"], trade["net"]) == (1.0, 3.0, 3.0)
    assert result.legs["long_dividends"].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]


@pytest.mark.parametrize(("shares", "side"), [(10, "long"), (-10, "short")])
def test_a_settlement_closes_a_round_trip(shares, side):
    close = np.full((8, 1), 10.0)
    close[4:] = np.nan
    ends = pd.DataFrame({"symbol": ["BB"], "end": [DATES[3]], "delisting_return": [-0.5]})
    bars = {"open": close, "high": None, "low": None, "close": close, "volume": close * 1e5}
    result = trading({0: [("BB", shares)]}, on=bt.Panel.from_arrays(DATES, ["BB"], ends=ends, **bars))
    (trade,) = result.trades.to_dict("records")
    assert (trade["side"], trade["closed"], trade["sessions"], trade["exit"]) == (side, DATES[4], 3, 5.0)
    assert trade["gross"] == -5.0 * shares
    assert result.legs[f"{side}_price_pnl"].tolist() == [0, 0, 0, 0, -5.0 * shares, 0, 0, 0]


def test_a_split_that_leaves_no_share_closes_a_round_trip():
    close = np.full((8, 3), 10.0)
    close[3:, 2] = 100.0
    actions = pd.DataFrame({"date": [DATES[3]], "symbol": ["CC"], "split": [0.1], "dividend": [0.0]})
    result = trading({0: [("CC", -4)], 4: [("CC", 2)]}, on=panel(close, actions=actions))
    trades = result.trades
    # 4 sold at 10 become 0.4, bought in at 100; then 2 more bought at 100 and kept
    assert trades["closed"].tolist() == [DATES[3], pd.NaT]
    assert trades["side"].tolist() == ["short", "long"]
    assert trades["exit"].tolist() == pytest.approx([100.0, 100.0])
    assert trades["gross"].tolist() == pytest.approx([0.0, 0.0])


def test_a_round_trip_within_a_session():
    close = np.full((4, 1), 10.0)
    prices = bt.Panel.from_arrays(
        DATES[:4], ["AA"], open=close - 1, high=None, low=None, close=close, volume=np.full((4, 1), 1e6)
    )
    result = trading({0: [("AA", 10, "open"), ("AA", -10, "close")]}, on=prices)
    (trade,) = result.trades.to_dict("records")
    assert (trade["opened"], trade["closed"], trade["sessions"]) == (DATES[1], DATES[1], 0)
    assert (trade["entry"], trade["exit"], trade["net"]) == (9.0, 10.0, 10.0)
    assert result.legs["long_price_pnl"].tolist() == [0.0, 10.0, 0.0, 0.0]


def test_what_they_earned_cannot_be_changed():
    result = crossing()
    for array in result.attribution:
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1
    trades = result.trades
    trades.loc[0, "net"] = 0.0
    assert result.trades.loc[0, "net"] == 45.0


def test_no_fill_no_round_trip():
    trades = trading({}).trades
    assert list(trades.columns) == COLUMNS
    assert len(trades) == 0


def test_without_the_market_they_are_not_known():
    for table in ("trades", "legs"):
        with pytest.raises(RunError, match="made without its market data"):
            getattr(make_result(), table)
    assert np.isnan(make_result().metrics["trades"])


def test_saved_and_loaded_they_are_the_same(tmp_path):
    result = crossing(commission_bps=100.0)
    result.save(tmp_path / "run")
    loaded = bt.Result.load(tmp_path / "run")
    assert loaded == result
    pd.testing.assert_frame_equal(loaded.trades, result.trades)
    pd.testing.assert_frame_equal(loaded.legs, result.legs)
    assert loaded.metrics == result.metrics


@pytest.mark.parametrize("change", ["price_pnl", "largest", "trade", "days", "shares"])
def test_the_check_of_every_run_sees_what_is_wrong(change):
    result = crossing(commission_bps=100.0)
    parts = result.attribution._replace(**{name: array.copy() for name, array in result.attribution._asdict().items()})
    if change == "price_pnl":
        parts.legs[3, lg.LONG_PRICE_PNL] += 1e-6
    elif change == "largest":
        parts.legs[3, lg.LARGEST] += 1e-6
    elif change == "trade":
        parts.trade_f[0, lg.TRADE_PRICE_PNL] += 1e-4
    elif change == "days":
        parts.trade_i[0, lg.TRADE_CLOSED] += 1
    else:
        parts.trade_f[1, lg.SHARES_IN] *= 1.001
    check_attribution(result)
    with pytest.raises(AssertionError):
        check_attribution(dataclasses.replace(result, parts=parts))


def test_returns_by_session_and_month():
    result = trading({0: [("AA", 50)]}, on=panel(RISING), cash=1000.0)
    # bought at 11 in session 1, gains 50 a session from then on: all of January 2020
    assert result.returns.tolist() == pytest.approx([0, 0, 0.05, 50 / 1050, 50 / 1100, 50 / 1150, 50 / 1200, 50 / 1250])
    assert result.returns.index.equals(result.equity.index)
    monthly = result.monthly
    assert monthly.index.tolist() == [2020]
    assert monthly.columns.tolist() == [*range(1, 13), "year"]
    assert monthly.loc[2020, 1] == monthly.loc[2020, "year"] == pytest.approx(0.3)
    assert monthly.loc[2020].isna().sum() == 11


def test_months_and_years_compound():
    dates = np.array(["2019-12-30", "2019-12-31", "2020-01-02", "2020-02-03", "2020-02-04"], dtype="datetime64[D]")
    result = _with_equity([110.0, 99.0, 108.9, 0.0, 5.0], dates)
    monthly = result.monthly
    assert monthly.index.tolist() == [2019, 2020]
    assert monthly.loc[2019, 12] == monthly.loc[2019, "year"] == pytest.approx(-0.01)
    assert monthly.loc[2020, 1] == pytest.approx(0.1)
    assert monthly.loc[2020, 2] == pytest.approx(5 / 108.9 - 1)
    assert monthly.loc[2020, "year"] == pytest.approx(5 / 99 - 1)
    wiped = _with_equity([110.0, 0.0, 5.0, 6.0, 7.0], dates).monthly
    assert wiped.loc[2019, "year"] == -1.0
    assert wiped.loc[2020, [1, "year"]].isna().all()  # nothing to earn on
    assert wiped.loc[2020, 2] == pytest.approx(0.4)


def test_drawdowns_have_dates():
    dates = np.arange("2024-01-01", "2024-01-07", dtype="datetime64[D]")
    table = _with_equity([90.0, 100.0, 120.0, 108.0, 120.0, 60.0], dates).drawdowns
    # from 120 to 60, not back; from the start to 90; from 120 to 108
    assert list(table.columns) == ["depth", "peak", "trough", "recovered", "sessions", "recovery_sessions"]
    assert table["depth"].tolist() == pytest.approx([0.5, 0.1, 0.1])
    days = [pd.Timestamp(day) for day in dates]
    assert table["peak"].tolist() == [days[4], pd.NaT, days[2]]
    assert table["trough"].tolist() == [days[5], days[0], days[3]]
    assert table["recovered"].tolist() == [pd.NaT, days[1], days[4]]
    assert table["sessions"].tolist() == [1, 2, 2]
    assert table["recovery_sessions"].tolist() == [pd.NA, 1, 1]


def test_tables_of_an_empty_run():
    result = empty_result()
    assert (len(result.returns), len(result.monthly), len(result.drawdowns)) == (0, 0, 0)
    assert result.monthly.columns.tolist() == [*range(1, 13), "year"]


def _with_equity(equity, dates):
    result = make_result()
    ledger = np.zeros((len(dates), result.tape.ledger.shape[1]))
    ledger[:, 0] = equity
    tape = result.tape._replace(
        ledger=ledger,
        fill_i=result.tape.fill_i[:0],
        fill_f=result.tape.fill_f[:0],
        event_i=result.tape.event_i[:0],
        event_f=result.tape.event_f[:0],
    )
    return make_result(tape=tape, dates=dates, cash=100.0)
