"""What a session does to the book before anybody decides anything: law 3, steps 1 to 7."""

from __future__ import annotations

import math

from backtester.engine.charges import borrow_fee, interest, row_of, weighted_shorts
from backtester.engine.compile import kernel
from backtester.engine.fills import fill_moment
from backtester.engine.orders import cancel, cancel_symbol, compact, cut
from backtester.engine.tape import record_event
from backtester.engine.types import (
    AT_CLOSE,
    AT_OPEN,
    BORROW,
    BORROW_ROW,
    CASH,
    CREDIT,
    DEBIT,
    E_DIVIDEND,
    E_ORDER_SPLIT,
    E_SETTLEMENT,
    E_SPLIT,
    EQUITY,
    EXPLICIT,
    L_BORROW,
    L_CASH,
    L_DIVIDENDS,
    L_EQUITY,
    L_INTEREST,
    L_LONG,
    L_PRICE_PNL,
    L_SHORT,
    LOT,
    PREVIOUS_EQUITY,
    SHORT_VALUE,
    SLOT_SYMBOL,
)


@kernel
def run_session(state, market, rules, tape, t):
    """Session ``t`` from the carry to the mark."""
    tape.ledger[t, :] = 0.0
    state.used[:] = 0.0
    state.f[PREVIOUS_EQUITY] = state.f[EQUITY]
    if t > 0:
        days = market.days[t] - market.days[t - 1]
        short_value = state.f[SHORT_VALUE]
        yearly = rules.f[BORROW] * short_value
        row = row_of(rules, BORROW_ROW, t - 1)  # of the evening before
        if row >= 0:
            yearly = weighted_shorts(rules.table[row], state.shares, state.mark)
        fee = borrow_fee(yearly, days)
        earned = interest(rules.f[CREDIT], rules.f[DEBIT], state.f[CASH] - short_value, days)
        state.f[CASH] += earned - fee
        tape.ledger[t, L_BORROW] = fee
        tape.ledger[t, L_INTEREST] = earned
    # What rarely happens is asked for here: handing on the tuples would cost more than most sessions' actions.
    if market.action_first[t] < market.action_first[t + 1]:
        _corporate_actions(state, market, rules, tape, t)
    if market.end_first[t] < market.end_first[t + 1]:
        _settlements(state, market, tape, t)
    fill_moment(state, market, rules, tape, t, AT_OPEN, market.open[t])
    fill_moment(state, market, rules, tape, t, AT_CLOSE, market.close[t])
    if state.i[EXPLICIT] > 0:
        compact(state)
    tape.ledger[t, L_PRICE_PNL] += _mark(state.shares, state.mark, market.close[t])
    take_stock(state, tape.ledger[t])


@kernel
def _corporate_actions(state, market, rules, tape, t):
    for k in range(market.action_first[t], market.action_first[t + 1]):
        i = market.action_symbol[k]
        if market.action_split[k] != 1.0:
            _split(state, rules, tape, t, i, market.action_split[k])
        dividend = market.action_dividend[k]
        if dividend != 0.0 and state.shares[i] != 0.0:
            cash = state.shares[i] * dividend
            state.f[CASH] += cash
            tape.ledger[t, L_DIVIDENDS] += cash
            record_event(state, tape, t, E_DIVIDEND, i, state.shares[i], dividend, cash)


@kernel
def _split(state, rules, tape, t, i, ratio):
    unit = min(rules.f[LOT], 1.0)  # round lots may break up; shares may not
    state.mark[i] /= ratio
    held = state.shares[i]
    if held != 0.0:
        whole = cut(held * ratio, unit)
        cash = (held * ratio - whole) * state.mark[i]
        state.f[CASH] += cash
        state.shares[i] = whole
        state.average_cost[i] = state.average_cost[i] / ratio if whole != 0.0 else 0.0
        record_event(state, tape, t, E_SPLIT, i, held, whole, cash)
    n = state.shares.size
    _split_order(state, tape, t, i, ratio, unit)
    for slot in range(n, n + state.i[EXPLICIT]):
        if state.order_i[slot, SLOT_SYMBOL] == i:
            _split_order(state, tape, t, slot, ratio, unit)


@kernel
def _split_order(state, tape, t, slot, ratio, unit):
    before = state.order_shares[slot]
    if before == 0.0 or math.isnan(before):
        return
    after = cut(before * ratio, unit)
    record_event(state, tape, t, E_ORDER_SPLIT, state.order_i[slot, SLOT_SYMBOL], before, after, ratio)
    state.order_shares[slot] = after
    if after == 0.0:
        cancel(state, tape, t, slot)


@kernel
def _settlements(state, market, tape, t):
    for k in range(market.end_first[t], market.end_first[t + 1]):
        i = market.end_symbol[k]
        held = state.shares[i]
        if held != 0.0:
            cash = held * state.mark[i] * (1.0 + market.end_return[k])
            state.f[CASH] += cash
            tape.ledger[t, L_PRICE_PNL] += held * state.mark[i] * market.end_return[k]
            record_event(state, tape, t, E_SETTLEMENT, i, held, market.end_return[k], cash)
            state.shares[i] = 0.0
            state.average_cost[i] = 0.0
        cancel_symbol(state, tape, t, i)
        state.ended[i] = 1


@kernel
def _mark(shares, mark, close):
    """Move every mark to a known close; return what the positions gained by it."""
    gained = 0.0
    for i in range(close.size):
        known = 0.0 < close[i] < math.inf
        change = shares[i] * (close[i] - mark[i])
        gained += change if known and shares[i] != 0.0 else 0.0
        mark[i] = close[i] if known else mark[i]
    return gained


@kernel
def take_stock(state, row):
    """Value the book at its marks, into the state and the ledger's row."""
    shares, mark = state.shares, state.mark
    long_value = 0.0
    short_value = 0.0
    for i in range(shares.size):
        value = shares[i] * mark[i]  # NaN where no close has been known, and nothing can be held
        long_value += value if value > 0.0 else 0.0
        short_value -= value if value < 0.0 else 0.0
    equity = state.f[CASH] + (long_value - short_value)
    state.f[EQUITY] = equity
    state.f[SHORT_VALUE] = short_value
    row[L_EQUITY] = equity
    row[L_CASH] = state.f[CASH]
    row[L_LONG] = long_value
    row[L_SHORT] = short_value
