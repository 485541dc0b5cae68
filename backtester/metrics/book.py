"""Figures of the book: what was held and traded, what it cost, and what each side of it brought in."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.types import SESSIONS_PER_YEAR
from backtester.metrics.returns import Floats, equity_before, fraction, gain_to_loss, hit_rate


def per_year(flow: Floats, equity: Floats, cash: float) -> float:
    """A flow of money as return per year: ``252 * mean(flow[t] / equity[t-1])``, arithmetic.

    Being arithmetic, the returns per year of the parts of a profit add up to that of the profit. Sessions that start
    without positive equity are left out; NaN if there is no other.
    """
    return _mean(fraction(flow, equity_before(equity, cash))) * SESSIONS_PER_YEAR


def annual_turnover(traded: Floats, equity: Floats, cash: float) -> float:
    """One-sided turnover per year: ``252 * mean(traded[t] / 2 / equity[t-1])``.

    ``traded`` is the notional of a session, purchases and sales together. Half of it, since replacing the whole of a
    book buys once and sells once: a turnover of 1 replaces a book of gross exposure 1 once a year. NaN as in
    :func:`per_year`.
    """
    return per_year(traded, equity, cash) / 2.0


def average_exposure(value: Floats, equity: Floats) -> float:
    """``mean(value[t] / equity[t])`` over the sessions that end with positive equity; NaN if there is none.

    Not annualised. With ``value`` the long plus the short value this is the gross exposure, with long minus short the
    net exposure.
    """
    return _mean(fraction(value, equity))


def average_names(names: Floats) -> float:
    """The mean number of positions at the close over the sessions given; NaN if there is none. Not annualised."""
    return float(names.mean()) if names.size else math.nan


def effective_names(gross: Floats, squares: Floats) -> float:
    """How many equal positions would be as concentrated as the book: the mean of ``gross**2 / squares``.

    The inverse of Herfindahl's index (Hirschman 1964), over the sessions that close with a position. Not annualised.
    NaN if none does.

    Args:
        gross: (T,) the sum of the absolute values of the positions at the close.
        squares: (T,) the sum of their squares.
    """
    return _mean(fraction(gross * gross, squares))


def largest_weight(largest: Floats, equity: Floats) -> float:
    """The largest ``largest[t] / equity[t]`` over the sessions that end with positive equity; NaN if there is none.

    Not annualised. ``largest`` (T,) is the largest absolute value of one position at the close.
    """
    weights = fraction(largest, equity)
    known = weights[np.isfinite(weights)]
    return float(known.max()) if known.size else math.nan


def largest_at(value: Floats, equity: Floats) -> int:
    """The session of the largest ``value[t] / equity[t]``, the first of several; -1 if none has positive equity."""
    shares = fraction(value, equity)
    return int(np.nanargmax(shares)) if np.isfinite(shares).any() else -1


def holding_period(sessions: Floats) -> float:
    """The mean number of sessions from opening to closing of the closed round trips.

    Not annualised. NaN if there is none.
    """
    return float(sessions.mean()) if sessions.size else math.nan


def trade_hit_rate(net: Floats) -> float:
    """The share of closed round trips whose ``net`` is above 0 among those where it is not 0.

    After commission and slippage, not annualised. NaN if there is none.
    """
    return hit_rate(net)


def trade_profit_factor(net: Floats) -> float:
    """What closed round trips made over what others lost, after commission and slippage, not annualised.

    NaN if none lost.
    """
    return gain_to_loss(net)


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan
