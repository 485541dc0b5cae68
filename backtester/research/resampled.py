"""The figures of many series of returns at once: those of ``backtester.metrics``, one row a series.

Every figure equals the function of ``metrics.returns`` or ``metrics.drawdowns`` of the row's returns and of the equity
that they compound to from 1; a test holds each against it. Rows are ``(R, T)`` simple returns, known and above -1. The
extremes (``best_session``, ``worst_session``) are left out, since a resample cannot go beyond them, and so are ``skew``
and ``kurtosis``, whose intervals would rest on a handful of sessions.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from backtester.engine.types import SESSIONS_PER_YEAR
from backtester.metrics import returns as rt
from backtester.metrics.drawdowns import max_drawdown
from backtester.metrics.returns import TAIL, Floats

_YEAR = math.sqrt(SESSIONS_PER_YEAR)


def figures_of(returns: Floats) -> dict[str, float]:
    """The figures of one series of known returns, by the functions of ``metrics`` themselves.

    Keys and order are those of :func:`figures_of_rows`. ``cagr`` takes the known sessions for all there were.
    """
    equity: Floats = np.cumprod(1.0 + returns, dtype=np.float64)
    growth, fall = rt.cagr(equity, 1.0), max_drawdown(equity, 1.0).depth
    single: dict[str, Callable[[Floats], float]] = {
        "volatility": rt.annual_volatility,
        "downside_deviation": rt.downside_deviation,
        "sharpe": rt.sharpe_ratio,
        "sortino": rt.sortino_ratio,
        "omega": rt.omega_ratio,
        "hit_rate": rt.hit_rate,
        "var_95": rt.value_at_risk,
        "cvar_95": rt.conditional_value_at_risk,
        "tail_ratio": rt.tail_ratio,
        "stability": rt.stability,
    }
    path = {
        "total_return": rt.total_return(equity, 1.0),
        "cagr": growth,
        "max_drawdown": fall,
        "calmar": rt.calmar_ratio(growth, fall),
    }
    return path | {name: figure(returns) for name, figure in single.items()}


def figures_of_rows(rows: Floats) -> dict[str, Floats]:
    """Every figure of every row: (R,) each, from rows (R, T), T at least 2. NaN where ``metrics`` has NaN."""
    return _path(rows) | _moments(rows) | _tails(np.sort(rows, axis=1))


def sharpe_of_rows(rows: Floats) -> Floats:
    """``metrics.returns.sharpe_ratio`` of every row of known returns: (R,) from (R, T)."""
    mean, spread = _mean_spread(rows)
    return _over(mean * _YEAR, spread)


def _path(rows: Floats) -> dict[str, Floats]:
    """What depends on the order of the sessions."""
    equity = np.cumprod(1.0 + rows, axis=1)
    last = equity[:, -1].copy()
    with np.errstate(over="ignore"):
        growth = last ** (SESSIONS_PER_YEAR / rows.shape[1]) - 1.0
    peaks = np.maximum(np.maximum.accumulate(equity, axis=1), 1.0)
    depth = (1.0 - equity / peaks).max(axis=1)
    return {"total_return": last - 1.0, "cagr": growth, "max_drawdown": depth, "calmar": _over(growth, depth)}


def _moments(rows: Floats) -> dict[str, Floats]:
    mean, spread = _mean_spread(rows)
    gains, losses = (np.maximum(part, 0.0) for part in (rows, -rows))
    downside = np.sqrt(np.square(losses).mean(axis=1)) * _YEAR
    up, down = (rows > 0.0).sum(axis=1), (rows < 0.0).sum(axis=1)
    return {
        "volatility": spread * _YEAR,
        "downside_deviation": downside,
        "sharpe": _over(mean * _YEAR, spread),
        "sortino": _over(mean * SESSIONS_PER_YEAR, downside),
        "omega": _over(gains.sum(axis=1), losses.sum(axis=1)),
        "hit_rate": _over(up.astype(np.float64), (up + down).astype(np.float64)),
        "stability": _stability(rows),
    }


def _tails(ordered: Floats) -> dict[str, Floats]:
    """What is read from the sorted rows."""
    low, high = (_quantile(ordered, level) for level in (TAIL, 1.0 - TAIL))
    worst = int(TAIL * (ordered.shape[1] - 1)) + 1
    return {
        "var_95": 0.0 - low,
        "cvar_95": 0.0 - ordered[:, :worst].mean(axis=1),
        "tail_ratio": _over(np.abs(high), np.abs(low)),
    }


def _mean_spread(rows: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation (ddof 1) of every row, the latter 0 where it is only rounding."""
    mean, spread = rows.mean(axis=1), rows.std(axis=1, ddof=1)
    return mean, np.where(_vary(spread, mean), spread, 0.0)


def _stability(rows: Floats) -> Floats:
    path = np.log1p(rows).cumsum(axis=1)
    middle = path.mean(axis=1)
    path -= middle[:, None]
    step = np.arange(rows.shape[1], dtype=np.float64)
    step -= step.mean()
    squares = (path * path).sum(axis=1)
    line = np.square(path @ step)
    known = _vary(np.sqrt(squares / rows.shape[1]), middle)
    return np.minimum(_over(line, np.where(known, squares * (step @ step), 0.0)), 1.0)


def _quantile(ordered: Floats, level: float) -> Floats:
    """The quantile of every sorted row, between two values by straight line (Hyndman and Fan 1996, type 7)."""
    place = level * (ordered.shape[1] - 1)
    below = int(place)
    above = min(below + 1, ordered.shape[1] - 1)
    lower = ordered[:, below]
    return np.asarray(lower + (ordered[:, above] - lower) * (place - below))


def _vary(spread: Floats, mean: Floats) -> NDArray[np.bool_]:
    """``metrics.returns.varies`` of every row."""
    return np.array([rt.varies(one, middle) for one, middle in zip(spread.tolist(), mean.tolist(), strict=True)])


def _over(part: Floats, whole: Floats) -> Floats:
    """``part / whole``, NaN where the whole is not positive."""
    return rt.fraction(part, whole)
