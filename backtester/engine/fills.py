"""Turning resting orders into fills at one moment of a session. Rules: docs/semantics.md, section 3."""

from __future__ import annotations

import math

from backtester.engine.charges import commission_due, trailing_volatility, trailing_volume
from backtester.engine.compile import kernel
from backtester.engine.orders import cut, difference, record_order, size
from backtester.engine.tape import record_event
from backtester.engine.types import (
    CAP_ON,
    CAP_ON_SESSION,
    CASH,
    COMMISSION,
    COMMISSION_MIN,
    E_NO_HISTORY,
    E_NO_PRICE,
    E_VOLUME_CAP,
    E_ZERO_VOLUME,
    EXPLICIT,
    IMPACT,
    L_COMMISSION,
    L_PRICE_PNL,
    L_SLIPPAGE,
    L_TRADED,
    LOT,
    SIZE_AT,
    SIZE_AT_FILL,
    SLIPPAGE,
    SLOT_CHARGED,
    SLOT_ID,
    SLOT_MOMENT,
    SLOT_NOTIONAL,
    SLOT_ORIGIN,
    SLOT_SYMBOL,
    SLOT_WEIGHT,
    TAPE_FILLS,
    VOLUME_CAP,
)


@kernel
def fill_moment(state, market, rules, tape, t, moment, prices):
    """Try every order that waits for ``moment``, at ``prices`` (N,): target orders by symbol, then explicit orders as submitted."""
    left, slot_i, slot_f = state.order_shares, state.order_i, state.order_f
    shares, mark, cost = state.shares, state.mark, state.average_cost
    fill_i, fill_f, row = tape.fill_i, tape.fill_f, tape.ledger[t]
    volume = market.volume[t]
    capped = rules.f[VOLUME_CAP] < math.inf
    impact = rules.f[IMPACT]
    rate, minimum, slippage = rules.f[COMMISSION], rules.f[COMMISSION_MIN], rules.f[SLIPPAGE]
    equity = equity_at(state, prices) if rules.i[SIZE_AT] == SIZE_AT_FILL else math.nan
    k = state.i[TAPE_FILLS]
    for slot in range(shares.size + state.i[EXPLICIT]):
        if left[slot] == 0.0 or slot_i[slot, SLOT_MOMENT] != moment:
            continue
        i = slot_i[slot, SLOT_SYMBOL]
        price = prices[i]
        if not (math.isfinite(price) and price > 0.0):
            _wait(state, tape, t, slot, E_NO_PRICE)
            continue
        if volume[i] == 0.0:
            _wait(state, tape, t, slot, E_ZERO_VOLUME)
            continue

        room, worse = math.inf, slippage
        if capped or impact > 0.0 or math.isnan(left[slot]):
            room, worse = _prepare(state, market, rules, tape, t, slot, price, equity)
            if room == 0.0:
                continue
        side = 1.0 if left[slot] > 0.0 else -1.0
        if side < 0.0:
            worse = min(worse, 1.0)  # a sale cannot bring in less than nothing
        quantity = side * min(abs(left[slot]), room)
        paid = price * (1.0 + side * worse)
        lost = quantity * price * (side * worse)
        notional = quantity * side * paid
        slot_f[slot, SLOT_NOTIONAL] += notional
        due = commission_due(rate, minimum, slot_f[slot, SLOT_NOTIONAL])
        commission = due - slot_f[slot, SLOT_CHARGED]
        slot_f[slot, SLOT_CHARGED] = due

        state.f[CASH] -= quantity * paid + commission
        cost[i] = average_cost(cost[i], shares[i], quantity, paid)
        shares[i] += quantity
        left[slot] -= quantity
        row[L_COMMISSION] += commission
        row[L_SLIPPAGE] += lost
        row[L_TRADED] += notional
        # The mark of the session will add (new mark - old mark) for all shares then held; these came at `price`.
        row[L_PRICE_PNL] += quantity * (mark[i] - price)

        fill_i[k, 0] = t
        fill_i[k, 1] = i
        fill_i[k, 2] = slot_i[slot, SLOT_ID]
        fill_i[k, 3] = slot_i[slot, SLOT_ORIGIN]
        fill_i[k, 4] = moment
        fill_f[k, 0] = quantity
        fill_f[k, 1] = paid
        fill_f[k, 2] = commission
        fill_f[k, 3] = lost
        k += 1
        if capped:
            state.used[i] += abs(quantity)
            if left[slot] != 0.0:
                record_event(state, tape, t, E_VOLUME_CAP, i, left[slot] + quantity, left[slot], 0.0)
    state.i[TAPE_FILLS] = k


@kernel
def average_cost(cost, held, quantity, paid):
    """Average cost per share after a fill of ``quantity`` shares at ``paid``."""
    after = held + quantity
    if after == 0.0:
        return 0.0
    if held * after <= 0.0:
        return paid
    if held * quantity > 0.0:
        return (held * cost + quantity * paid) / after
    return cost


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


@kernel
def _prepare(state, market, rules, tape, t, slot, price, equity):
    """What needs more than a price: the volume cap, impact, sizing at the fill.

    Returns the most shares that may trade and the slippage rate; 0 shares if the order has to wait, or turned out to be nothing.
    """
    i = state.order_i[slot, SLOT_SYMBOL]
    lot = rules.f[LOT]
    impact = rules.f[IMPACT]
    average = trailing_volume(market.volume, t, i)
    room = math.inf
    if rules.f[VOLUME_CAP] < math.inf:
        base = market.volume[t, i] if rules.i[CAP_ON] == CAP_ON_SESSION else average
        room = rules.f[VOLUME_CAP] * base - state.used[i] if math.isfinite(base) else 0.0
        room = cut(max(room, 0.0), lot)
        if room <= 0.0:
            _wait(state, tape, t, slot, E_VOLUME_CAP)
            return 0.0, 0.0
    volatility = 0.0
    if impact > 0.0:
        volatility = trailing_volatility(market.returns, t, i)
        if not (average > 0.0) or math.isnan(volatility):
            _wait(state, tape, t, slot, E_NO_HISTORY)
            return 0.0, 0.0
    left = state.order_shares[slot]
    if math.isnan(left):
        left = difference(size(state.order_f[slot, SLOT_WEIGHT], equity, price, lot), state.shares[i])
        state.order_shares[slot] = left
        if left == 0.0:
            return 0.0, 0.0
        moment, origin = state.order_i[slot, SLOT_MOMENT], state.order_i[slot, SLOT_ORIGIN]
        state.order_i[slot, SLOT_ID] = record_order(state.i, tape.order_i, tape.order_f, t, i, moment, origin, left)
    worse = rules.f[SLIPPAGE]
    if impact > 0.0:
        worse += impact * volatility * math.sqrt(min(abs(left), room) / average)
    return room, worse
