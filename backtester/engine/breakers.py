"""The circuit breakers: law 16, docs/semantics.md section 6."""

from __future__ import annotations

import math

from backtester.engine.compile import kernel
from backtester.engine.limits import exceeds
from backtester.engine.orders import cancel, compact, place, shrinking
from backtester.engine.tape import record_event
from backtester.engine.types import (
    ACTIVE,
    AT_OPEN,
    BOOK,
    COOLDOWN,
    E_CUT_REDUCING,
    E_GUARD_EQUAL,
    E_GUARD_GROSS,
    E_GUARD_NET,
    E_GUARD_STALE,
    E_GUARD_UNSCORED,
    E_HALT_DAILY_LOSS,
    E_HALT_DRAWDOWN,
    E_HALT_PERIOD_LOSS,
    E_REARMED,
    EQUAL_SCORES,
    EQUITY,
    EXPLICIT,
    FROM_HALT,
    GUARD_GROSS,
    GUARD_HALTS,
    GUARD_NET,
    GUARDED,
    HALTED,
    L_EQUITY,
    L_LONG,
    L_SHORT,
    MAX_DAILY_LOSS,
    MAX_DRAWDOWN,
    MAX_PERIOD_LOSS,
    MAX_UNSCORED,
    MEMBER,
    MIN_FRESH,
    PEAK,
    PERIOD,
    PREVIOUS_EQUITY,
    REARMED_ON,
    REDUCING,
    S_EQUAL,
    S_UNSCORED,
    SLOT_ORIGIN,
    SLOT_SYMBOL,
    START_EQUITY,
    STATUS,
    TRIPPED_ON,
)

# A share that is below its limit by less than this is so by rounding.
ROUNDING = 1e-12


@kernel
def check_breakers(state, eligible, close, rules, tape, t):
    """Evaluate the breakers on the mark of session ``t``. Returns whether one tripped.

    ``eligible`` and ``close`` (N,) are the market's of the session.
    """
    cooldown = rules.i[COOLDOWN]
    if state.i[STATUS] != ACTIVE and cooldown > 0 and t - state.i[TRIPPED_ON] >= cooldown:
        rearm(state, tape, t, float(cooldown))
    if state.i[STATUS] == HALTED:
        return False
    equity, previous = state.f[EQUITY], state.f[PREVIOUS_EQUITY]
    peak = max(state.f[PEAK], equity)
    state.f[PEAK] = peak
    since = max(t - rules.i[PERIOD], state.i[REARMED_ON])
    before = tape.ledger[since, L_EQUITY] if since >= 0 else state.f[START_EQUITY]
    code, base, limit = _loss(
        equity, previous, peak, before, rules.f[MAX_DAILY_LOSS], rules.f[MAX_DRAWDOWN], rules.f[MAX_PERIOD_LOSS]
    )
    if code >= 0:
        record_event(state, tape, t, code, BOOK, base, equity, limit)
        _halt(state, tape, t)
        return True
    if rules.i[GUARDED] == 1 and state.i[STATUS] == ACTIVE and _guard_met(state, eligible, close, rules, tape, t):
        if rules.i[GUARD_HALTS] == 1:
            _halt(state, tape, t)
        else:
            _reduce(state, tape, t)
        return True
    return False


@kernel
def rearm(state, tape, t, cooldown):
    """Back to ACTIVE, after a ``cooldown`` or (0) by the strategy; losses are counted from today's equity on."""
    record_event(state, tape, t, E_REARMED, BOOK, state.f[PEAK], state.f[EQUITY], cooldown)
    state.i[STATUS] = ACTIVE
    state.i[REARMED_ON] = t
    state.f[PEAK] = state.f[EQUITY]


@kernel
def _loss(equity, previous, peak, before, daily, drawdown, period):
    """The first loss that halts the book: the event's code (-1: none does), what equity is compared with, the limit."""
    if daily < math.inf and previous > 0.0 and equity <= (1.0 - daily) * previous:
        return E_HALT_DAILY_LOSS, previous, daily
    if drawdown < math.inf and peak > 0.0 and equity <= (1.0 - drawdown) * peak:
        return E_HALT_DRAWDOWN, peak, drawdown
    if period < math.inf and before > 0.0 and equity <= (1.0 - period) * before:
        return E_HALT_PERIOD_LOSS, before, period
    return BOOK, 0.0, 0.0


@kernel
def _guard_met(state, eligible, close, rules, tape, t):
    """Whether a guard is met; the first that is stands on the tape."""
    equity = state.f[EQUITY]
    long_value, short_value = tape.ledger[t, L_LONG], tape.ledger[t, L_SHORT]
    cap = rules.f[GUARD_GROSS]
    gross = _exposure(long_value + short_value, equity)
    if exceeds(gross, cap):
        record_event(state, tape, t, E_GUARD_GROSS, BOOK, gross, equity, cap)
        return True
    cap = rules.f[GUARD_NET]
    net = _exposure(abs(long_value - short_value), equity)
    if exceeds(net, cap):
        record_event(state, tape, t, E_GUARD_NET, BOOK, net, equity, cap)
        return True
    least = rules.f[MIN_FRESH]
    if least > 0.0:
        fresh = _fresh(state.mark, state.ended, eligible, close)
        if fresh < least - ROUNDING:
            record_event(state, tape, t, E_GUARD_STALE, BOOK, fresh, equity, least)
            return True
    if rules.signal.shape[0] > 0:
        unscored, equal = rules.signal[t, S_UNSCORED], rules.signal[t, S_EQUAL]
        if exceeds(unscored, rules.f[MAX_UNSCORED]):
            record_event(state, tape, t, E_GUARD_UNSCORED, BOOK, unscored, equity, rules.f[MAX_UNSCORED])
            return True
        if rules.i[EQUAL_SCORES] == 1 and equal >= 2.0:
            record_event(state, tape, t, E_GUARD_EQUAL, BOOK, equal, equity, 0.0)
            return True
    return False


@kernel
def _exposure(money, equity):
    """``money`` in units of equity; infinite if there is some and no equity."""
    if equity > 0.0:
        return money / equity
    return math.inf if money > 0.0 else 0.0


@kernel
def _fresh(mark, ended, eligible, close):
    """Share of the listed members with a close today; NaN while nothing is listed."""
    listed = 0.0
    fresh = 0.0
    for i in range(mark.size):
        here = (eligible[i] & MEMBER != 0) & (ended[i] == 0) & (not math.isnan(mark[i]))
        listed += here
        fresh += here & (0.0 < close[i] < math.inf)
    return fresh / listed


@kernel
def _halt(state, tape, t):
    """HALTED: what rests is cancelled, and every position gets an order to zero."""
    state.i[STATUS] = HALTED
    state.i[TRIPPED_ON] = t
    n = state.shares.size
    for slot in range(n + state.i[EXPLICIT]):
        if state.order_shares[slot] != 0.0:
            cancel(state, tape, t, slot)
    state.i[EXPLICIT] = 0
    for i in range(n):
        if state.shares[i] != 0.0:
            place(state, tape, t, i, i, AT_OPEN, FROM_HALT, -state.shares[i])


@kernel
def _reduce(state, tape, t):
    """REDUCING: what rests is cut to what makes positions smaller, slot by slot."""
    state.i[STATUS] = REDUCING
    state.i[TRIPPED_ON] = t
    left = state.order_shares
    held = state.shares.copy()  # as it will be once the slots before have filled
    for slot in range(held.size + state.i[EXPLICIT]):
        before = left[slot]
        if before == 0.0 or math.isnan(before):
            continue
        i = state.order_i[slot, SLOT_SYMBOL]
        after = before if state.order_i[slot, SLOT_ORIGIN] == FROM_HALT else shrinking(held[i], before)
        if after != before:
            record_event(state, tape, t, E_CUT_REDUCING, i, before, after, 0.0)
            left[slot] = after
        held[i] += after
    compact(state)
