"""What the sides and the round trips of a run earned, held to its ledger, fills and events."""

from __future__ import annotations

import numpy as np

from backtester.engine import legs as lg
from backtester.engine import types as et


def check_attribution(result) -> None:
    """Raise AssertionError unless both sides add up to the ledger, and the round trips to the change of equity.

    By session to 1e-12 of |cash| + gross + notional, as law 6 (yesterday's gross too, since a fall is of its size);
    over the run to 1e-9 of the largest such sum.
    """
    ledger, parts = result.tape.ledger, result.attribution
    gross = ledger[:, et.L_LONG] + ledger[:, et.L_SHORT]
    scale = np.abs(ledger[:, et.L_CASH]) + gross + ledger[:, et.L_TRADED] + np.append(0.0, gross)[:-1]
    for told, long, short in (
        (et.L_PRICE_PNL, lg.LONG_PRICE_PNL, lg.SHORT_PRICE_PNL),
        (et.L_DIVIDENDS, lg.LONG_DIVIDENDS, lg.SHORT_DIVIDENDS),
        (et.L_COMMISSION, lg.LONG_COMMISSION, lg.SHORT_COMMISSION),
        (et.L_SLIPPAGE, lg.LONG_SLIPPAGE, lg.SHORT_SLIPPAGE),
    ):
        off = np.abs(parts.legs[:, long] + parts.legs[:, short] - ledger[:, told])
        t = int((off - 1e-12 * scale).argmax()) if off.size else 0
        assert (off <= 1e-12 * scale).all(), f"{et.LEDGER_COLUMNS[told]} of {result.dates[t]}: off by {off[t]}"
    held = result.positions.to_numpy()
    assert np.array_equal(parts.legs[:, lg.LONG_NAMES], (held > 0).sum(axis=1))
    assert np.array_equal(parts.legs[:, lg.SHORT_NAMES], (held < 0).sum(axis=1))

    # One position is all of the gross; of several, the square of the sum is above the sum of the squares.
    alone = (held != 0).sum(axis=1) == 1
    assert (np.abs(parts.legs[alone, lg.LARGEST] - gross[alone]) <= 1e-12 * scale[alone]).all()
    assert (parts.legs[:, lg.LARGEST] <= gross + 1e-12 * scale).all()
    assert (parts.legs[:, lg.SQUARES] <= gross**2 + 1e-12 * scale**2).all()

    largest = max(result.cash, float(scale.max(initial=0.0)))
    earned = result.trades["net"].sum() + (ledger[:, et.L_INTEREST] - ledger[:, et.L_BORROW]).sum()
    change = (ledger[-1, et.L_EQUITY] if len(ledger) else result.cash) - result.cash
    assert abs(earned - change) <= 1e-9 * largest, f"round trips and carry earn {earned}, the equity {change}"
    _check_symbols(result, held, largest)
    _check_trips(result, held, largest)


def _check_symbols(result, held, largest) -> None:
    """The round trips of a symbol earn what it paid and brought in, from fills and events, and is worth at the end."""
    money = dict.fromkeys(result.symbols, 0.0)
    for fill in result.fills.itertuples():
        money[fill.symbol] -= fill.shares * fill.price + fill.commission
    for event in result.events.itertuples():
        if event.event in ("split", "dividend", "settlement"):
            money[event.symbol] += event.amount
    trades = result.trades
    net = trades.groupby("symbol")["net"].sum()
    still = trades[trades["closed"].isna()].set_index("symbol")
    for k, symbol in enumerate(result.symbols):
        left = held[-1, k] if len(held) else 0.0
        assert (left != 0.0) == (symbol in still.index), symbol
        worth = left * result.attribution.trade_f[_row(result, k), lg.LAST_MARK] if left else 0.0
        assert abs(net.get(symbol, 0.0) - money[symbol] - worth) <= 1e-9 * largest, symbol


def _row(result, symbol: int) -> int:
    """The open round trip of a symbol."""
    codes = result.attribution.trade_i
    (row,) = np.flatnonzero((codes[:, lg.TRADE_SYMBOL] == symbol) & (codes[:, lg.TRADE_CLOSED] < 0))
    return int(row)


def _check_trips(result, held, largest) -> None:
    """Of each round trip: shares, prices and costs give its net, and it was held from its opening to its closing."""
    f, codes = result.attribution.trade_f, result.attribution.trade_i
    came, went = f[:, lg.SHARES_IN], f[:, lg.SHARES_OUT] + f[:, lg.SHARES_LEFT]
    assert (np.abs(came - went) <= 1e-9 * came).all()
    trades = result.trades
    side = np.where(trades["side"] == "long", 1.0, -1.0)
    told = side * (trades["exit"] - trades["entry"]) * trades["shares"] + trades["dividends"] - trades["commission"]
    assert (np.abs(told - trades["net"]) <= 1e-9 * largest).all()
    assert np.array_equal(trades["gross"] - trades["costs"], trades["net"])
    for (symbol, way, opened, closed), days in zip(codes.tolist(), trades["sessions"], strict=True):
        end = closed if closed >= 0 else len(held)
        assert (np.sign(held[opened:end, symbol]) == way).all()
        assert days == min(end, len(held) - 1) - opened
