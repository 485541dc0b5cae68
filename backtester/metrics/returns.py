"""Figures of a series of returns.

``equity`` ``(T,)`` is the equity at the close of every session, ``cash`` the equity before the first one,
``returns[t] = equity[t] / equity[t-1] - 1`` with ``equity[-1] = cash``. NaN returns are unknown and are left
out: ``n`` returns are known. ``mean`` and ``std`` (``ddof = 1``) are theirs.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from backtester.engine.types import SESSIONS_PER_YEAR

Floats: TypeAlias = NDArray[np.float64]

# The share of sessions beyond the value at risk.
TAIL = 0.05
# A spread of this share of the values is what adding them up leaves behind: they do not vary.
_ROUNDING = 1e-14


def equity_before(equity: Floats, cash: float) -> Floats:
    """The equity at the close before each session, ``(T,)``: ``cash``, then ``equity[:-1]``."""
    return np.concatenate(([cash], equity))[:-1].astype(np.float64)


def simple_returns(equity: Floats, cash: float) -> Floats:
    """``equity[t] / equity[t-1] - 1``, ``(T,)``, of a session; NaN where the equity before is not positive."""
    return fraction(equity, equity_before(equity, cash)) - 1.0


def fraction(part: Floats, whole: Floats) -> Floats:
    """``part / whole``, NaN where the whole is not positive."""
    result = np.full(part.shape, np.nan)
    np.divide(part, whole, out=result, where=whole > 0.0)
    return result


def total_return(equity: Floats, cash: float) -> float:
    """``equity[T-1] / cash - 1``, of the whole run: -1 when all is lost, less when more than that.

    NaN for an empty run.
    """
    return float(equity[-1] / cash - 1.0) if equity.size else math.nan


def cagr(equity: Floats, cash: float) -> float:
    """Compound annual growth, ``(equity[T-1] / cash) ** (252 / T) - 1``: what growth each year would have led there.

    -1 for an account that ends with nothing or less. NaN for an empty run. From few sessions it is a large
    extrapolation; it is not hidden for that.
    """
    return growth_per_year(float(equity[-1] / cash), equity.size) if equity.size else math.nan


def growth_per_year(growth: float, steps: int, per_year: float = SESSIONS_PER_YEAR) -> float:
    """``growth ** (per_year / steps) - 1``; -1 if ``growth`` is 0 or less. At least one step."""
    if growth <= 0.0:
        return -1.0
    with np.errstate(over="ignore"):
        return float(np.float64(growth) ** (per_year / steps) - 1.0)


def annual_volatility(returns: Floats, per_year: float = SESSIONS_PER_YEAR) -> float:
    """``std(returns) * sqrt(252)``; exactly 0 for returns that do not vary beyond rounding.

    ``per_year`` is how many of such returns a year has. NaN with fewer than two known returns.
    """
    known = _known(returns)
    if known.size < 2:
        return math.nan
    spread = float(known.std(ddof=1))
    return spread * math.sqrt(per_year) if varies(spread, float(known.mean())) else 0.0


def downside_deviation(returns: Floats) -> float:
    """``sqrt(mean(min(returns, 0) ** 2)) * sqrt(252)``: all ``n`` sessions count, and the target is 0.

    Sortino and Price (1994). 0 if no return is negative. NaN with fewer than two known returns.
    """
    known = _known(returns)
    if known.size < 2:
        return math.nan
    return float(np.sqrt(np.square(np.minimum(known, 0.0)).mean()) * math.sqrt(SESSIONS_PER_YEAR))


def sharpe_ratio(returns: Floats, per_year: float = SESSIONS_PER_YEAR) -> float:
    """``mean(returns) / std(returns) * sqrt(252)`` (Sharpe 1994, with a risk-free rate of 0).

    ``per_year`` is how many of such returns a year has. NaN with fewer than two known returns, or if they do not vary
    beyond rounding.
    """
    known = _known(returns)
    if known.size < 2:
        return math.nan
    mean, spread = float(known.mean()), float(known.std(ddof=1))
    return mean / spread * math.sqrt(per_year) if varies(spread, mean) else math.nan


def sortino_ratio(returns: Floats) -> float:
    """``252 * mean(returns) / downside deviation`` (Sortino and Price 1994, with a target of 0).

    NaN with fewer than two known returns, or if none is negative.
    """
    downside = downside_deviation(returns)
    return float(_known(returns).mean()) * SESSIONS_PER_YEAR / downside if downside > 0.0 else math.nan


def calmar_ratio(growth: float, depth: float) -> float:
    """CAGR / largest drawdown, a year, over the whole run (Young 1991 has the last 36 months).

    NaN if there was no drawdown or the CAGR is unknown.
    """
    return growth / depth if depth > 0.0 else math.nan


def omega_ratio(returns: Floats) -> float:
    """``sum(max(returns, 0)) / sum(max(-returns, 0))``, not annualised (Keating and Shadwick 2002, threshold 0).

    NaN with fewer than two known returns, or if none is negative.
    """
    known = _known(returns)
    return gain_to_loss(known) if known.size >= 2 else math.nan


def gain_to_loss(values: Floats) -> float:
    """The sum of what is positive over that of what is negative, as a positive number; NaN if nothing is negative."""
    lost = -float(values[values < 0.0].sum())
    return float(values[values > 0.0].sum()) / lost if lost > 0.0 else math.nan


def profit_factor(changes: Floats) -> float:
    """The money made in the sessions that gained over the money lost in those that lost.

    Of the changes of equity, where :func:`omega_ratio` is of returns: a session weighs what the account was worth in
    it. Not annualised. NaN if no session lost.
    """
    return gain_to_loss(_known(changes))


def skewness(returns: Floats) -> float:
    """``n / ((n-1) (n-2)) * sum(((returns - mean) / std) ** 3)``: the adjusted Fisher-Pearson coefficient, G1.

    Joanes and Gill (1998). 0 for a normal distribution; not annualised. NaN with fewer than three known returns, or if
    they do not vary beyond rounding.
    """
    known = _known(returns)
    n = known.size
    spread = float(known.std(ddof=1)) if n >= 3 else 0.0
    if not varies(spread, float(known.mean()) if n else 0.0):
        return math.nan
    return float(n / ((n - 1) * (n - 2)) * (((known - known.mean()) / spread) ** 3).sum())


def excess_kurtosis(returns: Floats) -> float:
    """The kurtosis beyond that of a normal distribution, without bias for one: G2 of Joanes and Gill (1998).

    ``n (n+1) / ((n-1) (n-2) (n-3)) * sum(((returns - mean) / std) ** 4) - 3 (n-1)**2 / ((n-2) (n-3))``, not annualised.
    NaN with fewer than four known returns, or if they do not vary beyond rounding.
    """
    known = _known(returns)
    n = known.size
    spread = float(known.std(ddof=1)) if n >= 4 else 0.0
    if not varies(spread, float(known.mean()) if n else 0.0):
        return math.nan
    fourth = float((((known - known.mean()) / spread) ** 4).sum())
    scale = n * (n + 1) / ((n - 1) * (n - 2) * (n - 3))
    return scale * fourth - 3.0 * (n - 1) ** 2 / ((n - 2) * (n - 3))


def value_at_risk(returns: Floats) -> float:
    """What the worst 5 % of the sessions lose at least: minus the 5 % quantile of the returns, not annualised.

    Historical: the quantile of the known returns, between two of them by straight line (Hyndman and Fan 1996, type 7).
    A loss is positive. NaN if no return is known.
    """
    known = _known(returns)
    return 0.0 - float(np.quantile(known, TAIL)) if known.size else math.nan


def conditional_value_at_risk(returns: Floats) -> float:
    """What the worst 5 % of the sessions lose on average: minus the mean of the returns not above their 5 % quantile.

    These are the ``floor(0.05 (n-1)) + 1`` lowest. Historical and not annualised, as :func:`value_at_risk`; the
    expected shortfall of Rockafellar and Uryasev (2002), to a whole number of sessions. NaN if no return is known.
    """
    known = np.sort(_known(returns))
    return 0.0 - float(known[: int(TAIL * (known.size - 1)) + 1].mean()) if known.size else math.nan


def tail_ratio(returns: Floats) -> float:
    """The size of the 95 % quantile over that of the 5 % quantile, quantiles as in :func:`value_at_risk`.

    Not annualised; so defined by the empyrical library. NaN if no return is known, or the 5 % quantile is 0.
    """
    known = _known(returns)
    if not known.size:
        return math.nan
    low, high = (abs(float(np.quantile(known, level))) for level in (TAIL, 1.0 - TAIL))
    return high / low if low > 0.0 else math.nan


def stability(returns: Floats) -> float:
    """How straight the way was: R squared of a line through the running sum of ``log(1 + returns)``, 0 to 1.

    The line is fitted by least squares, a known return being one step; so defined by the empyrical library. Not
    annualised. NaN with fewer than two known returns, if one
    is -1 or less (a wiped-out account has no logarithm), or if the sum does not vary.
    """
    known = _known(returns)
    if known.size < 2 or known.min() <= -1.0:
        return math.nan
    path = np.log1p(known).cumsum()
    line = correlation(np.arange(known.size, dtype=np.float64), path)
    return line * line


def correlation(one: Floats, other: Floats) -> float:
    """Pearson's correlation of two series without gaps. NaN with fewer than two values, or if one does not vary."""
    if one.size < 2:
        return math.nan
    a, b = one - one.mean(), other - other.mean()
    sizes = [math.sqrt(float((part * part).mean())) for part in (a, b)]
    if not (varies(sizes[0], float(one.mean())) and varies(sizes[1], float(other.mean()))):
        return math.nan
    return float(np.clip((a * b).mean() / (sizes[0] * sizes[1]), -1.0, 1.0))


def hit_rate(returns: Floats) -> float:
    """The share of positive returns among those that are known and not 0, not annualised; NaN if there is none."""
    moved = returns[np.isfinite(returns) & (returns != 0.0)]
    return float((moved > 0.0).mean()) if moved.size else math.nan


def best_session(returns: Floats) -> float:
    """The largest return of a session, not annualised; NaN if none is known."""
    known = _known(returns)
    return float(known.max()) if known.size else math.nan


def worst_session(returns: Floats) -> float:
    """The smallest return of a session, not annualised; NaN if none is known."""
    known = _known(returns)
    return float(known.min()) if known.size else math.nan


def varies(spread: float, mean: float) -> bool:
    """Whether a standard deviation is more than rounding: above ``1e-14 * (1 + |mean|)``."""
    return spread > _ROUNDING * (1.0 + abs(mean))


def _known(values: Floats) -> Floats:
    return values[np.isfinite(values)]
