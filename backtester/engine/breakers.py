"""The circuit breakers: law 16, docs/semantics.md section 6."""

from __future__ import annotations

import math

from backtester.engine.compile import kernel
from backtester.engine.orders import cancel, place
from backtester.engine.tape import record_event
from backtester.engine.types import (
    ACTIVE,
    AT_OPEN,
    BOOK,
    COOLDOWN,
    E_HALT_DAILY_LOSS,
    E_HALT_DRAWDOWN,
    E_REARMED,
    EQUITY,
    EXPLICIT,
    FROM_HALT,
    HALTED,
    HALTED_ON,
    MAX_DAILY_LOSS,
    MAX_DRAWDOWN,
    PEAK,
    PREVIOUS_EQUITY,
    STATUS,
)


@kernel
def check_breakers(state, rules, tape, t):
    """Evaluate the breakers on the mark of session ``t``. Returns whether one tripped."""
    cooldown = rules.i[COOLDOWN]
    if state.i[STATUS] == HALTED and cooldown > 0 and t - state.i[HALTED_ON] >= cooldown:
        rearm(state, tape, t)
    if state.i[STATUS] == HALTED:
        return False
    equity = state.f[EQUITY]
    state.f[PEAK] = max(state.f[PEAK], equity)
    previous = state.f[PREVIOUS_EQUITY]
    loss = rules.f[MAX_DAILY_LOSS]
    drawdown = rules.f[MAX_DRAWDOWN]
    if loss < math.inf and previous > 0.0 and equity <= (1.0 - loss) * previous:
        record_event(state, tape, t, E_HALT_DAILY_LOSS, BOOK, previous, equity, loss)
    elif drawdown < math.inf and equity <= (1.0 - drawdown) * state.f[PEAK]:
        record_event(state, tape, t, E_HALT_DRAWDOWN, BOOK, state.f[PEAK], equity, drawdown)
    else:
        return False
    state.i[STATUS] = HALTED
    state.i[HALTED_ON] = t
    _flatten(state, tape, t)
    return True


@kernel
def rearm(state, tape, t):
    """Back to ACTIVE; drawdown is counted from today's equity on."""
    record_event(state, tape, t, E_REARMED, BOOK, state.f[PEAK], state.f[EQUITY], 0.0)
    state.i[STATUS] = ACTIVE
    state.f[PEAK] = state.f[EQUITY]


@kernel
def _flatten(state, tape, t):
    n = state.shares.size
    for slot in range(n + state.i[EXPLICIT]):
        if state.order_shares[slot] != 0.0:
            cancel(state, tape, t, slot)
    state.i[EXPLICIT] = 0
    for i in range(n):
        if state.shares[i] != 0.0:
            place(state, tape, t, i, i, AT_OPEN, FROM_HALT, -state.shares[i])
