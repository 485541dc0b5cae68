"""What trading and holding cost: pure arithmetic on numbers. Formulas: docs/semantics.md, sections 1 and 3."""

from __future__ import annotations

import math

from backtester.engine.compile import kernel
from backtester.engine.types import COST_WINDOW


@kernel
def trailing_volume(volume, t, i):
    """Mean of the known volumes of symbol ``i`` in the sessions before ``t`` (at most COST_WINDOW); NaN if none is known."""
    total = 0.0
    known = 0
    for k in range(max(0, t - COST_WINDOW), t):
        v = volume[k, i]
        if math.isfinite(v):
            total += v
            known += 1
    return total / known if known > 0 else math.nan


@kernel
def trailing_volatility(returns, t, i):
    """Standard deviation (ddof = 1) of the known returns in the sessions before ``t``; NaN if fewer than two are known."""
    first = max(0, t - COST_WINDOW)
    total = 0.0
    known = 0
    for k in range(first, t):
        r = returns[k, i]
        if math.isfinite(r):
            total += r
            known += 1
    if known < 2:
        return math.nan
    mean = total / known
    squares = 0.0
    for k in range(first, t):
        r = returns[k, i]
        if math.isfinite(r):
            squares += (r - mean) * (r - mean)
    return math.sqrt(squares / (known - 1))


@kernel
def commission_due(rate, minimum, notional):
    """Commission of one order over its life, for what has been filled so far (``notional`` > 0)."""
    return max(minimum, rate * notional)


@kernel
def borrow_fee(rate, short_value, days):
    """Fee for ``days`` calendar days on the value of the short positions, actual/360."""
    return rate * short_value * days / 360.0


@kernel
def interest(credit_rate, debit_rate, free_cash, days):
    """Interest for ``days`` calendar days on cash less short value, actual/360; negative when that is negative."""
    rate = credit_rate if free_cash > 0.0 else debit_rate
    return rate * free_cash * days / 360.0
