"""The order table: slot ``i`` holds the target order of symbol ``i``, later slots hold explicit orders."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.compile import kernel
from backtester.engine.tape import record_event
from backtester.engine.types import (
    E_CANCELLED,
    EXPLICIT,
    ORDER_MOMENT,
    ORDER_ORIGIN,
    ORDER_SESSION,
    ORDER_SYMBOL,
    SLOT_CHARGED,
    SLOT_FLOATS,
    SLOT_ID,
    SLOT_INTS,
    SLOT_MOMENT,
    SLOT_NOTIONAL,
    SLOT_ORIGIN,
    SLOT_PLAIN,
    SLOT_SYMBOL,
    SLOT_WEIGHT,
    TAPE_ORDERS,
)

# Law 7's guard: a quotient that should be whole may come out this much too small.
WHOLE = 1e-9
# A difference smaller than this share of the position is rounding.
FRACTION = 1e-12


@kernel
def cut(quantity, lot):
    """``quantity`` cut towards zero to a multiple of ``lot``; unchanged if ``lot`` is 0."""
    if lot == 0.0:
        return quantity
    return math.copysign(np.floor(abs(quantity) / lot + WHOLE) * lot, quantity)


@kernel
def size(weight, equity, price, lot):
    """Shares for ``weight`` of ``equity`` at ``price`` (law 7); 0 for a wiped-out account."""
    shares = cut(weight * equity / price, lot)
    return shares if (weight != 0.0) & (equity > 0.0) else 0.0


@kernel
def difference(desired, held):
    """Shares to trade from ``held`` to ``desired``, without the rounding dust of fractional shares and lots."""
    quantity = desired - held
    if abs(quantity) <= FRACTION * max(abs(desired), abs(held)):
        return 0.0
    return quantity


@kernel
def shrinking(held, quantity):
    """What is left of an order while the book is REDUCING: what makes the position smaller, and no more."""
    if held * quantity >= 0.0:
        return 0.0
    return quantity if abs(quantity) <= abs(held) * (1.0 + FRACTION) else -held


@kernel
def record_order(counters, order_i, order_f, t, symbol, moment, origin, shares):
    """Put an order on the tape (its tables ``order_i``, ``order_f``) once its shares are known; return its id."""
    k = counters[TAPE_ORDERS]
    order_i[k, ORDER_SESSION] = t
    order_i[k, ORDER_SYMBOL] = symbol
    order_i[k, ORDER_MOMENT] = moment
    order_i[k, ORDER_ORIGIN] = origin
    order_f[k] = shares
    counters[TAPE_ORDERS] = k + 1
    return k


@kernel
def fill_slot(left, slot_i, slot_f, slot, symbol, moment, origin, shares, order_id, weight):
    """Put a new order into a slot of the table: with its shares, or with NaN shares and a weight."""
    left[slot] = shares
    slot_i[slot, SLOT_SYMBOL] = symbol
    slot_i[slot, SLOT_MOMENT] = moment
    slot_i[slot, SLOT_ID] = order_id
    slot_i[slot, SLOT_ORIGIN] = origin
    slot_f[slot, SLOT_WEIGHT] = weight
    slot_f[slot, SLOT_NOTIONAL] = 0.0
    slot_f[slot, SLOT_PLAIN] = 0.0
    slot_f[slot, SLOT_CHARGED] = 0.0


@kernel
def place(state, tape, t, slot, symbol, moment, origin, shares):
    """Put a new order of ``shares`` into a slot and on the tape."""
    order_id = record_order(state.i, tape.order_i, tape.order_f, t, symbol, moment, origin, shares)
    fill_slot(state.order_shares, state.order_i, state.order_f, slot, symbol, moment, origin, shares, order_id, 0.0)


@kernel
def cancel(state, tape, t, slot):
    """Cancel what rests in the slot, with an event."""
    symbol = state.order_i[slot, SLOT_SYMBOL]
    record_event(state, tape, t, E_CANCELLED, symbol, state.order_shares[slot], 0.0, 0.0)
    state.order_shares[slot] = 0.0


@kernel
def cancel_symbol(state, tape, t, symbol):
    """Cancel everything that rests for one symbol."""
    if state.order_shares[symbol] != 0.0:
        cancel(state, tape, t, symbol)
    n = state.shares.size
    for slot in range(n, n + state.i[EXPLICIT]):
        if state.order_i[slot, SLOT_SYMBOL] == symbol and state.order_shares[slot] != 0.0:
            cancel(state, tape, t, slot)


@kernel
def compact(state):
    """Close the gaps among the explicit orders, keeping their sequence."""
    n = state.shares.size
    free = n
    for slot in range(n, n + state.i[EXPLICIT]):
        if state.order_shares[slot] != 0.0:
            if free != slot:
                state.order_shares[free] = state.order_shares[slot]
                for k in range(SLOT_INTS):
                    state.order_i[free, k] = state.order_i[slot, k]
                for k in range(SLOT_FLOATS):
                    state.order_f[free, k] = state.order_f[slot, k]
                state.order_shares[slot] = 0.0
            free += 1
    state.i[EXPLICIT] = free - n
