"""What trading and holding cost: pure arithmetic on numbers. Formulas: docs/semantics.md, sections 1 and 3."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.compile import kernel
from backtester.engine.types import COST_WINDOW


@kernel
def lagged_volumes(market, t, symbols, out):
    """Mean of the known volumes of ``symbols`` (K,) in the COST_WINDOW sessions before ``t``, into ``out`` (K,).

    In shares of session ``t``: a volume from before a split counts times its ratio. Fewer sessions at the start; NaN if
    none is known.

    A session's row is read for all symbols before the next: down one symbol's column every step would miss the cache.
    """
    volume = market.volume
    known = np.zeros(out.size)
    scale = np.ones(out.size)
    out[:] = 0.0
    for k in range(t - 1, max(0, t - COST_WINDOW) - 1, -1):
        for a in range(market.action_first[k + 1], market.action_first[k + 2]):
            if market.action_split[a] != 1.0:
                for j in range(out.size):
                    if symbols[j] == market.action_symbol[a]:
                        scale[j] *= market.action_split[a]
        row = volume[k]
        for j in range(out.size):
            v = row[symbols[j]] * scale[j]
            finite = abs(v) < math.inf
            out[j] += v if finite else 0.0
            known[j] += finite
    for j in range(out.size):
        out[j] = out[j] / known[j] if known[j] > 0.0 else math.nan


@kernel
def lagged_volatilities(returns, t, symbols, out):
    """The same for the standard deviation (ddof = 1) of the known returns; NaN if fewer than two are known."""
    first = max(0, t - COST_WINDOW)
    known = np.zeros(out.size)
    mean = np.zeros(out.size)
    for k in range(first, t):
        row = returns[k]
        for j in range(out.size):
            r = row[symbols[j]]
            finite = abs(r) < math.inf
            mean[j] += r if finite else 0.0
            known[j] += finite
    out[:] = 0.0
    for j in range(out.size):
        mean[j] /= known[j]
    for k in range(first, t):
        row = returns[k]
        for j in range(out.size):
            distance = row[symbols[j]] - mean[j]
            out[j] += distance * distance if abs(row[symbols[j]]) < math.inf else 0.0
    for j in range(out.size):
        out[j] = math.sqrt(out[j] / (known[j] - 1.0)) if known[j] >= 2.0 else math.nan


@kernel
def commission_due(plain, notional, minimum, maximum):
    """Commission of one order over its life, for what has been filled so far.

    ``plain`` is what rates alone make of it, ``notional`` the money that changed hands, ``maximum`` a share of that.
    """
    due = max(minimum, plain)
    return min(due, maximum * notional) if maximum < math.inf else due


@kernel
def borrow_fee(yearly, days):
    """Fee for ``days`` calendar days where a year costs so much, actual/360."""
    return yearly * days / 360.0


@kernel
def row_of(rules, column, t):
    """The row of the table of rates that holds in session ``t``: -1 if there is none."""
    return rules.row[t, column] if rules.table.shape[0] > 0 else -1


@kernel
def weighted_shorts(rates, shares, mark):
    """Value of the short positions, each times its rate (N,)."""
    total = 0.0
    for i in range(shares.size):
        value = shares[i] * mark[i]
        total -= rates[i] * value if value < 0.0 else 0.0
    return total


@kernel
def interest(credit_rate, debit_rate, free_cash, days):
    """Interest for ``days`` calendar days on cash less short value, actual/360; negative when that is negative."""
    rate = credit_rate if free_cash > 0.0 else debit_rate
    return rate * free_cash * days / 360.0
