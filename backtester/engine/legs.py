"""What each side of the book and each round trip earned: the tape of a finished run, gone through once more.

The engine's own accounts are those of the whole book, so nothing here is computed while a run is going on. The same
positions, marks and fills are followed in the same order, and every gain and cost is given to the side, and to the
round trip, of the shares that it belongs to. A fill that crosses zero is two: one that closes, one that opens.
"""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.compile import kernel
from backtester.engine.types import (
    E_DIVIDEND,
    E_SETTLEMENT,
    E_SPLIT,
    EVENT_AFTER,
    EVENT_AMOUNT,
    EVENT_CODE,
    EVENT_ITEM,
    EVENT_SESSION,
    FILL_COMMISSION,
    FILL_PRICE,
    FILL_SESSION,
    FILL_SHARES,
    FILL_SLIPPAGE,
    FILL_SYMBOL,
)

# Columns of the legs (T, LEGS): money of the session, costs positive; then what is held at the close.
LONG_PRICE_PNL, SHORT_PRICE_PNL, LONG_DIVIDENDS, SHORT_DIVIDENDS = range(4)
LONG_COMMISSION, SHORT_COMMISSION, LONG_SLIPPAGE, SHORT_SLIPPAGE = range(4, 8)
LONG_NAMES, SHORT_NAMES, SQUARES, LARGEST = range(8, 12)  # positions a side; sum and maximum of value**2 and |value|
LEGS = 12

# Columns of the round trips: the side is 1 or -1; sessions, the last one -1 while it is open.
TRADE_SYMBOL, TRADE_SIDE, TRADE_OPENED, TRADE_CLOSED = range(4)
TRADE_INTS = 4
# Shares that came and went, positive and as of the last session, and the money paid and received for them, at fill
# prices; the shares that are left and their mark; gains at market prices; dividends; costs.
SHARES_IN, MONEY_IN, SHARES_OUT, MONEY_OUT, SHARES_LEFT, LAST_MARK = range(6)
TRADE_PRICE_PNL, TRADE_DIVIDENDS, TRADE_COMMISSION, TRADE_SLIPPAGE = range(6, 10)
TRADE_FLOATS = 10


@kernel
def follow(close, first, symbol, split, fill_i, fill_f, event_i, event_f, sessions, legs, trade_i, trade_f):
    """Fill in the legs and the round trips of the first ``sessions`` sessions; return the number of round trips.

    ``first`` (T+1,), ``symbol`` and ``split`` (A,) are the corporate actions as in ``Market``. ``legs`` has a row a
    session, ``trade_i`` and ``trade_f`` a row a fill, all zero; round trips stand in the order of their opening.
    """
    n = close.shape[1]
    shares, mark, trip = np.zeros(n), np.full(n, math.nan), np.full(n, -1)
    fill = event = count = 0
    for t in range(sessions):
        row = legs[t]
        for k in range(first[t], first[t + 1]):
            if split[k] != 1.0:
                mark[symbol[k]] /= split[k]
                _split_trip(trade_f, trip[symbol[k]], split[k])
        while event < event_i.shape[0] and event_i[event, EVENT_SESSION] == t:
            _apply_event(event_i[event], event_f[event], t, shares, mark, trip, row, trade_i, trade_f)
            event += 1
        for i in range(n):
            if 0.0 < close[t, i] < math.inf:
                if shares[i] != 0.0:
                    row[LONG_PRICE_PNL if shares[i] > 0.0 else SHORT_PRICE_PNL] += shares[i] * (close[t, i] - mark[i])
                mark[i] = close[t, i]
        while fill < fill_i.shape[0] and fill_i[fill, FILL_SESSION] == t:
            i = fill_i[fill, FILL_SYMBOL]
            count = _apply_fill(i, fill_f[fill], t, shares, mark, trip, row, trade_i, trade_f, count)
            fill += 1
        _take_stock(shares, mark, row)
    for i in range(n):
        if shares[i] != 0.0:
            worth = shares[i] * mark[i]
            trade_f[trip[i], SHARES_LEFT] = abs(shares[i])
            trade_f[trip[i], LAST_MARK] = mark[i]
            trade_f[trip[i], TRADE_PRICE_PNL] += worth
    return count


@kernel
def _split_trip(trade_f, k, ratio):
    if k >= 0:
        trade_f[k, SHARES_IN] *= ratio
        trade_f[k, SHARES_OUT] *= ratio


@kernel
def _apply_event(event_i, event_f, t, shares, mark, trip, row, trade_i, trade_f):
    """A split, a dividend or a settlement of a position."""
    code, i = event_i[EVENT_CODE], event_i[EVENT_ITEM]
    amount = event_f[EVENT_AMOUNT]
    if code == E_DIVIDEND:
        row[LONG_DIVIDENDS if shares[i] > 0.0 else SHORT_DIVIDENDS] += amount
        trade_f[trip[i], TRADE_DIVIDENDS] += amount
    elif code in (E_SPLIT, E_SETTLEMENT):
        # What a split leaves over is paid out at the mark and gains nothing; a settlement gains its return.
        side = math.copysign(1.0, shares[i])
        after = event_f[EVENT_AFTER] if code == E_SPLIT else 0.0
        if code == E_SETTLEMENT:
            gained = shares[i] * mark[i] * event_f[EVENT_AFTER]
            row[LONG_PRICE_PNL if shares[i] > 0.0 else SHORT_PRICE_PNL] += gained
        if code == E_SETTLEMENT or amount != 0.0:
            trade_f[trip[i], SHARES_OUT] = trade_f[trip[i], SHARES_IN] - abs(after)
        trade_f[trip[i], MONEY_OUT] += side * amount
        trade_f[trip[i], TRADE_PRICE_PNL] += amount
        shares[i] = after
        if after == 0.0:
            trade_i[trip[i], TRADE_CLOSED] = t
            trip[i] = -1


@kernel
def _apply_fill(i, fill_f, t, shares, mark, trip, row, trade_i, trade_f, count):
    """A fill, the part that closes before the part that opens; return the number of round trips so far."""
    held, quantity = shares[i], fill_f[FILL_SHARES]
    after = held + quantity
    closing = quantity if held * after > 0.0 else -held
    if held * quantity >= 0.0:
        closing = 0.0
    if closing != 0.0:
        _book_part(closing, quantity, held > 0.0, fill_f, mark[i], row, trade_f[trip[i]])
        trade_f[trip[i], SHARES_OUT] += abs(closing)
        trade_f[trip[i], MONEY_OUT] += abs(closing) * fill_f[FILL_PRICE]
    if closing != 0.0 and held * after <= 0.0:
        trade_i[trip[i], TRADE_CLOSED] = t
        trip[i] = -1
    opening = quantity if closing == 0.0 else after if held * after < 0.0 else 0.0
    if opening != 0.0:
        if trip[i] < 0:
            trip[i] = count
            trade_i[count, TRADE_SYMBOL] = i
            trade_i[count, TRADE_SIDE] = 1 if opening > 0.0 else -1
            trade_i[count, TRADE_OPENED] = t
            trade_i[count, TRADE_CLOSED] = -1
            count += 1
        _book_part(opening, quantity, opening > 0.0, fill_f, mark[i], row, trade_f[trip[i]])
        trade_f[trip[i], SHARES_IN] += abs(opening)
        trade_f[trip[i], MONEY_IN] += abs(opening) * fill_f[FILL_PRICE]
    shares[i] = after
    return count


@kernel
def _book_part(part, quantity, long, fill_f, mark, row, trip):
    """Give ``part`` of a fill of ``quantity`` shares, with its share of the costs, to a side and a round trip."""
    share = part / quantity
    commission, slippage = fill_f[FILL_COMMISSION] * share, fill_f[FILL_SLIPPAGE] * share
    market = part * fill_f[FILL_PRICE] - slippage  # the money at the price without slippage
    row[LONG_PRICE_PNL if long else SHORT_PRICE_PNL] += part * mark - market
    row[LONG_COMMISSION if long else SHORT_COMMISSION] += commission
    row[LONG_SLIPPAGE if long else SHORT_SLIPPAGE] += slippage
    trip[TRADE_PRICE_PNL] -= market
    trip[TRADE_COMMISSION] += commission
    trip[TRADE_SLIPPAGE] += slippage


@kernel
def _take_stock(shares, mark, row):
    for i in range(shares.size):
        if shares[i] != 0.0:
            value = abs(shares[i] * mark[i])
            row[LONG_NAMES if shares[i] > 0.0 else SHORT_NAMES] += 1.0
            row[SQUARES] += value * value
            row[LARGEST] = max(row[LARGEST], value)
