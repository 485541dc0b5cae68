"""The figures of a finished run, each with its definition.

``T`` sessions. ``equity`` is the equity at the close of every session, ``cash`` the equity before the first one,
``returns[t] = equity[t] / equity[t-1] - 1`` with ``equity[-1] = cash``. A year has 252 sessions. Nothing is
subtracted as a risk-free rate: interest on cash is part of the returns.

Three cases are the same everywhere. **NaN** is unknown and is left out. **Wiped out**: after a session that ends
with no equity, or less, a return has no meaning and is NaN, so such sessions are left out of everything that is
divided by equity. **Too little to say** (an empty run, one session where two are needed, no variation) gives NaN,
never 0 and never an error.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backtester.engine.types import (
    L_BORROW,
    L_COMMISSION,
    L_DIVIDENDS,
    L_EQUITY,
    L_INTEREST,
    L_LONG,
    L_PRICE_PNL,
    L_SHORT,
    L_SLIPPAGE,
    L_TRADED,
    SESSIONS_PER_YEAR,
)

Floats: TypeAlias = NDArray[np.float64]
Metrics: TypeAlias = dict[str, Any]  # float, int or str


class Drawdown(NamedTuple):
    """The deepest fall of an equity curve."""

    depth: float  # fraction of the peak lost, positive; above 1 if equity went below 0; 0 if it never fell
    peak: int  # row of the peak before it; -1 is the start, before row 0
    trough: int  # row of the deepest point; -1 if equity never fell
    recovered: int  # first row at which the peak was reached again; -1 if it never was


def equity_before(equity: Floats, cash: float) -> Floats:
    """The equity at the close before each session, ``(T,)``: ``cash``, then ``equity[:-1]``."""
    return np.concatenate(([cash], equity))[:-1].astype(np.float64)


def simple_returns(equity: Floats, cash: float) -> Floats:
    """``equity[t] / equity[t-1] - 1``, ``(T,)``; NaN where the equity before is not positive."""
    return _fraction(equity, equity_before(equity, cash)) - 1.0


def total_return(equity: Floats, cash: float) -> float:
    """``equity[T-1] / cash - 1``: -1 when all is lost, less when more than that. NaN for an empty run."""
    return float(equity[-1] / cash - 1.0) if equity.size else math.nan


def cagr(equity: Floats, cash: float) -> float:
    """Compound annual growth, ``(equity[T-1] / cash) ** (252 / T) - 1``.

    -1 for an account that ends with nothing or less. NaN for an empty run. From few sessions it is a large
    extrapolation; it is not hidden for that.
    """
    if not equity.size:
        return math.nan
    growth = float(equity[-1] / cash)
    if growth <= 0.0:
        return -1.0
    with np.errstate(over="ignore"):
        return float(np.float64(growth) ** (SESSIONS_PER_YEAR / equity.size) - 1.0)


def annual_volatility(returns: Floats) -> float:
    """``std(returns, ddof=1) * sqrt(252)``. NaN returns are left out; fewer than two known ones give NaN."""
    known = returns[np.isfinite(returns)]
    return float(known.std(ddof=1) * math.sqrt(SESSIONS_PER_YEAR)) if known.size >= 2 else math.nan


def sharpe_ratio(returns: Floats) -> float:
    """``mean(returns) / std(returns, ddof=1) * sqrt(252)`` (Sharpe 1994, with a risk-free rate of 0).

    NaN returns are left out. NaN with fewer than two known returns, or if they do not vary beyond rounding.
    """
    known = returns[np.isfinite(returns)]
    if known.size < 2:
        return math.nan
    mean, spread = float(known.mean()), float(known.std(ddof=1))
    if spread <= 1e-14 * (1.0 + abs(mean)):
        return math.nan
    return mean / spread * math.sqrt(SESSIONS_PER_YEAR)


def max_drawdown(equity: Floats, cash: float) -> Drawdown:
    """The largest ``1 - equity[t] / max(cash, equity[0..t])``, the first one if there are several.

    The start counts as a peak, so a run that only falls has one. An empty run and one that never falls have depth 0.
    """
    curve = np.concatenate(([cash], equity))
    peaks = np.fmax.accumulate(curve)
    depths = np.nan_to_num(1.0 - curve / peaks, nan=0.0)
    trough = int(depths.argmax())
    depth = float(depths[trough])
    if depth <= 0.0:
        return Drawdown(0.0, -1, -1, -1)
    peak = int(np.flatnonzero(curve[:trough] == peaks[trough])[-1])
    back = np.flatnonzero(curve[trough:] >= peaks[trough])
    return Drawdown(depth, peak - 1, trough - 1, trough - 1 + int(back[0]) if back.size else -1)


def per_year(flow: Floats, equity: Floats, cash: float) -> float:
    """A flow of money as return per year: ``252 * mean(flow[t] / equity[t-1])``, arithmetic.

    Being arithmetic, the returns per year of the parts of a profit add up to that of the profit. Sessions that start
    without positive equity are left out; NaN if there is no other.
    """
    parts = _fraction(flow, equity_before(equity, cash))
    known = parts[np.isfinite(parts)]
    return float(known.mean() * SESSIONS_PER_YEAR) if known.size else math.nan


def annual_turnover(traded: Floats, equity: Floats, cash: float) -> float:
    """One-sided turnover per year: ``252 * mean(traded[t] / 2 / equity[t-1])``.

    ``traded`` is the notional of a session, purchases and sales together. Half of it, since replacing the whole of a
    book buys once and sells once: a turnover of 1 replaces a book of gross exposure 1 once a year. NaN as in
    :func:`per_year`.
    """
    return per_year(traded, equity, cash) / 2.0


def hit_rate(returns: Floats) -> float:
    """The share of positive returns among those that are known and not 0; NaN if there is none."""
    moved = returns[np.isfinite(returns) & (returns != 0.0)]
    return float((moved > 0.0).mean()) if moved.size else math.nan


def average_exposure(value: Floats, equity: Floats) -> float:
    """``mean(value[t] / equity[t])`` over the sessions that end with positive equity; NaN if there is none.

    With ``value`` the long plus the short value this is the gross exposure, with long minus short the net exposure.
    """
    parts = _fraction(value, equity)
    known = parts[np.isfinite(parts)]
    return float(known.mean()) if known.size else math.nan


def run_metrics(dates: NDArray[np.datetime64], ledger: Floats, cash: float, fills: int) -> Metrics:
    """Every figure of a run by name, as plain numbers and ISO dates that any file format can hold.

    ``return_gross + interest - cost_commission - cost_slippage - cost_borrow = return_net``, all per year and
    arithmetic (law 6 divided by the equity before). A date is ``""`` where there is none, and ``"start"`` for a peak
    before the first session. ``first_position`` is the first session that closes with a position, and
    ``sessions_before_position`` the number of sessions before it, all of them where there is none: they count in every
    figure.

    Args:
        dates: (T,) the sessions.
        ledger: (T, LEDGER) the tape's ledger, columns as in ``engine.types``.
        cash: equity before the first session, positive.
        fills: number of fills.
    """
    equity = ledger[:, L_EQUITY]
    returns = simple_returns(equity, cash)
    fall = max_drawdown(equity, cash)
    sold_short = ledger[:, L_SHORT]
    invested = np.flatnonzero((ledger[:, L_LONG] != 0.0) | (sold_short != 0.0))
    first = int(invested[0]) if invested.size else -1
    profit = ledger[:, L_PRICE_PNL] + ledger[:, L_DIVIDENDS]
    paid = {
        "cost_commission": per_year(ledger[:, L_COMMISSION], equity, cash),
        "cost_slippage": per_year(ledger[:, L_SLIPPAGE], equity, cash),
        "cost_borrow": per_year(ledger[:, L_BORROW], equity, cash),
        "interest": per_year(ledger[:, L_INTEREST], equity, cash),
    }
    return {
        "sessions": int(equity.size),
        "start_equity": float(cash),
        "end_equity": float(equity[-1]) if equity.size else float(cash),
        "total_return": total_return(equity, cash),
        "cagr": cagr(equity, cash),
        "volatility": annual_volatility(returns),
        "sharpe": sharpe_ratio(returns),
        "max_drawdown": fall.depth,
        "max_drawdown_peak": ("start" if fall.peak < 0 else _day(dates, fall.peak)) if fall.trough >= 0 else "",
        "max_drawdown_trough": _day(dates, fall.trough),
        "max_drawdown_recovered": _day(dates, fall.recovered),
        "hit_rate": hit_rate(returns),
        "turnover": annual_turnover(ledger[:, L_TRADED], equity, cash),
        "return_gross": per_year(profit, equity, cash),
        **paid,
        "return_net": per_year(np.diff(equity, prepend=cash), equity, cash),
        "exposure_gross": average_exposure(ledger[:, L_LONG] + sold_short, equity),
        "exposure_net": average_exposure(ledger[:, L_LONG] - sold_short, equity),
        "fills": int(fills),
        "first_position": _day(dates, first),
        "sessions_before_position": first if first >= 0 else int(equity.size),
    }


def _fraction(part: Floats, whole: Floats) -> Floats:
    """``part / whole``, NaN where the whole is not positive."""
    result = np.full(part.shape, np.nan)
    np.divide(part, whole, out=result, where=whole > 0.0)
    return result


def _day(dates: NDArray[np.datetime64], row: int) -> str:
    """A session as ISO text; nothing for row -1."""
    return str(dates[row].astype("datetime64[D]")) if row >= 0 else ""
