"""Turning resting orders into fills at one moment of a session. Rules: docs/semantics.md, section 3."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.charges import commission_due, lagged_volatilities, lagged_volumes, row_of
from backtester.engine.compile import kernel
from backtester.engine.orders import FRACTION, cut, difference, record_order, shrinking, size
from backtester.engine.tape import record_event
from backtester.engine.types import (
    BARRED_ROW,
    CAP_ON,
    CAP_ON_SESSION,
    CASH,
    COMMISSION,
    COMMISSION_MAX,
    COMMISSION_MIN,
    COMMISSION_SHARE,
    E_NO_HISTORY,
    E_NO_PRICE,
    E_REFUSED_REDUCING,
    E_VOLUME_CAP,
    E_WAITS_SHORT,
    E_ZERO_VOLUME,
    EXPLICIT,
    FILL_COMMISSION,
    FILL_MOMENT,
    FILL_ORDER,
    FILL_ORIGIN,
    FILL_PRICE,
    FILL_SESSION,
    FILL_SHARES,
    FILL_SLIPPAGE,
    FILL_SYMBOL,
    IMPACT,
    L_COMMISSION,
    L_PRICE_PNL,
    L_SLIPPAGE,
    L_TRADED,
    LOT,
    REDUCING,
    SIZE_AT,
    SIZE_AT_FILL,
    SLIPPAGE,
    SLIPPAGE_ROW,
    SLOT_CHARGED,
    SLOT_ID,
    SLOT_MOMENT,
    SLOT_NOTIONAL,
    SLOT_ORIGIN,
    SLOT_PLAIN,
    SLOT_SYMBOL,
    SLOT_WEIGHT,
    STATUS,
    TAPE_FILLS,
    VOLUME_CAP,
)


@kernel
def fill_moment(state, market, rules, tape, t, moment, prices):
    """Try every order for ``moment`` at ``prices`` (N,): target orders by symbol, then explicit orders as submitted."""
    # One long function on purpose: handing the tuples on for every order would cost more than filling it (types.py).
    left, slot_i, slot_f = state.order_shares, state.order_i, state.order_f
    shares, mark, cost = state.shares, state.mark, state.average_cost
    fill_i, fill_f, row = tape.fill_i, tape.fill_f, tape.ledger[t]
    volume = market.volume[t]
    capped = rules.f[VOLUME_CAP] < math.inf
    cap, on_session, lot = rules.f[VOLUME_CAP], rules.i[CAP_ON] == CAP_ON_SESSION, rules.f[LOT]
    impact = rules.f[IMPACT]
    used, counters, order_i, order_f = state.used, state.i, tape.order_i, tape.order_f
    rate, a_share = rules.f[COMMISSION], rules.f[COMMISSION_SHARE]
    minimum, maximum, slippage = rules.f[COMMISSION_MIN], rules.f[COMMISSION_MAX], rules.f[SLIPPAGE]
    table, slippage_row, barred_row = rules.table, row_of(rules, SLIPPAGE_ROW, t), row_of(rules, BARRED_ROW, t)
    reducing, some_barred = state.i[STATUS] == REDUCING, barred_row >= 0
    partial = capped or some_barred
    equity = equity_at(state, prices) if rules.i[SIZE_AT] == SIZE_AT_FILL else math.nan
    k = state.i[TAPE_FILLS]
    spent = commissions = slipped = traded = gained = 0.0
    taken = np.empty(left.size, np.int64)  # the slots with an order, picked out without branches
    count = 0
    for slot in range(shares.size + state.i[EXPLICIT]):
        taken[count] = slot
        count += left[slot] != 0.0
    history = count if (capped and not on_session) or impact > 0.0 else 0
    symbols = np.empty(history, np.int64)
    averages = np.empty(history)
    volatilities = np.empty(history)
    if history > 0:
        for n in range(count):
            symbols[n] = slot_i[taken[n], SLOT_SYMBOL]
        lagged_volumes(market, t, symbols, averages)
        if impact > 0.0:
            lagged_volatilities(market.returns, t, symbols, volatilities)
    for n in range(count):
        slot = taken[n]
        if slot_i[slot, SLOT_MOMENT] != moment:
            continue
        i = slot_i[slot, SLOT_SYMBOL]
        price = prices[i]
        if not (math.isfinite(price) and price > 0.0):
            _wait(state, tape, t, slot, E_NO_PRICE)
            continue
        if volume[i] == 0.0:
            _wait(state, tape, t, slot, E_ZERO_VOLUME)
            continue

        room, reason, worse = math.inf, E_VOLUME_CAP, table[slippage_row, i] if slippage_row >= 0 else slippage
        if capped:
            base = volume[i] if on_session else averages[n]
            room = cut(max(cap * base - used[i], 0.0), lot) if math.isfinite(base) else 0.0
            if room <= 0.0:
                _wait(state, tape, t, slot, E_VOLUME_CAP)
                continue
        if impact > 0.0 and (not averages[n] > 0.0 or math.isnan(volatilities[n])):
            _wait(state, tape, t, slot, E_NO_HISTORY)
            continue
        wanted = left[slot]
        unsized = math.isnan(wanted)
        if unsized:
            wanted = difference(size(slot_f[slot, SLOT_WEIGHT], equity, price, lot), shares[i])
        if reducing and wanted != 0.0:
            asked, wanted = wanted, shrinking(shares[i], wanted)
            if wanted != asked:
                record_event(state, tape, t, E_REFUSED_REDUCING, i, asked, wanted, 0.0)
        if wanted == 0.0:
            left[slot] = 0.0
            continue
        side = math.copysign(1.0, wanted)
        quantity = wanted if abs(wanted) <= room * (1.0 + FRACTION) else side * room
        if some_barred and table[barred_row, i] == 1.0 and -quantity > max(0.0, shares[i]) * (1.0 + FRACTION):
            held = max(0.0, shares[i])
            saleable = cut(held, lot)
            saleable = saleable if difference(held, saleable) != 0.0 else held  # no rounding is left behind
            if saleable < -quantity:
                quantity, reason = -saleable, E_WAITS_SHORT
                if saleable == 0.0:
                    _wait(state, tape, t, slot, reason)
                    continue
        left[slot] = wanted
        if unsized:
            origin = slot_i[slot, SLOT_ORIGIN]
            slot_i[slot, SLOT_ID] = record_order(counters, order_i, order_f, t, i, moment, origin, wanted)
        if impact > 0.0:
            worse += impact * volatilities[n] * math.sqrt(abs(quantity) / averages[n])
        worse = worse if side > 0.0 else min(worse, 1.0)  # a sale cannot bring in less than nothing
        paid = price * (1.0 + side * worse)
        lost = quantity * price * (side * worse)
        notional = quantity * side * paid
        slot_f[slot, SLOT_NOTIONAL] += notional
        slot_f[slot, SLOT_PLAIN] += rate * notional + a_share * abs(quantity)
        due = commission_due(slot_f[slot, SLOT_PLAIN], slot_f[slot, SLOT_NOTIONAL], minimum, maximum)
        commission = due - slot_f[slot, SLOT_CHARGED]
        slot_f[slot, SLOT_CHARGED] = due

        spent += quantity * paid + commission
        cost[i] = average_cost(cost[i], shares[i], quantity, paid)
        shares[i] += quantity
        left[slot] -= quantity
        commissions += commission
        slipped += lost
        traded += notional
        # The mark of the session will add (new mark - old mark) for all shares then held; these came at `price`.
        gained += quantity * (mark[i] - price)

        fill_i[k, FILL_SESSION] = t
        fill_i[k, FILL_SYMBOL] = i
        fill_i[k, FILL_ORDER] = slot_i[slot, SLOT_ID]
        fill_i[k, FILL_ORIGIN] = slot_i[slot, SLOT_ORIGIN]
        fill_i[k, FILL_MOMENT] = moment
        fill_f[k, FILL_SHARES] = quantity
        fill_f[k, FILL_PRICE] = paid
        fill_f[k, FILL_COMMISSION] = commission
        fill_f[k, FILL_SLIPPAGE] = lost
        k += 1
        if capped:
            used[i] += abs(quantity)
        if partial and left[slot] != 0.0:
            record_event(state, tape, t, reason, i, left[slot] + quantity, left[slot], 0.0)
    state.i[TAPE_FILLS] = k
    state.f[CASH] -= spent
    row[L_COMMISSION] += commissions
    row[L_SLIPPAGE] += slipped
    row[L_TRADED] += traded
    row[L_PRICE_PNL] += gained


@kernel
def average_cost(cost, held, quantity, paid):
    """Average cost per share after a fill of ``quantity`` shares at ``paid``."""
    after = held + quantity
    mean = (held * cost + quantity * paid) / after  # without branches: which case it is cannot be foretold
    same_side = mean if held * quantity > 0.0 else cost
    open_ = paid if held * after <= 0.0 else same_side
    return 0.0 if after == 0.0 else open_


@kernel
def equity_at(state, prices):
    """Cash plus positions at ``prices``, or at their mark where the price is not known."""
    value = 0.0
    for i in range(state.shares.size):
        if state.shares[i] != 0.0:
            price = prices[i]
            if not (math.isfinite(price) and price > 0.0):
                price = state.mark[i]
            value += state.shares[i] * price
    return state.f[CASH] + value


@kernel
def _wait(state, tape, t, slot, code):
    left = state.order_shares[slot]
    record_event(state, tape, t, code, state.order_i[slot, SLOT_SYMBOL], left, left, 0.0)
