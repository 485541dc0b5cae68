"""A run beside a benchmark. Only sessions in which both returns are known count: ``n`` of them.

``r`` are the returns of the run, ``b`` those of the benchmark, both ``(T,)``; the risk-free rate is 0. All means and
products of deviations are of those ``n`` pairs.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from backtester.engine.types import SESSIONS_PER_YEAR
from backtester.metrics.returns import Floats, annual_volatility, growth_per_year, sharpe_ratio, varies
from backtester.metrics.returns import correlation as _correlation


class Benchmark(NamedTuple):
    """What a run is held against."""

    name: str
    returns: Floats  # (T,) of every session; NaN = unknown


def beta(r: Floats, b: Floats) -> float:
    """``cov(r, b) / var(b)`` (Sharpe 1964), not annualised.

    NaN with fewer than two pairs, or if ``b`` does not vary beyond rounding.
    """
    r, b = _pairs(r, b)
    if b.size < 2:
        return math.nan
    off = b - b.mean()
    variance = float((off * off).mean())
    return float((off * r).mean()) / variance if varies(math.sqrt(variance), float(b.mean())) else math.nan


def alpha(r: Floats, b: Floats) -> float:
    """``252 * (mean(r) - beta * mean(b))``, arithmetic (Jensen 1968, risk-free rate 0). NaN where :func:`beta` is."""
    slope = beta(r, b)
    r, b = _pairs(r, b)
    return (float(r.mean()) - slope * float(b.mean())) * SESSIONS_PER_YEAR if math.isfinite(slope) else math.nan


def tracking_error(r: Floats, b: Floats) -> float:
    """``std(r - b, ddof=1) * sqrt(252)``. NaN with fewer than two pairs."""
    return annual_volatility(r - b)


def information_ratio(r: Floats, b: Floats) -> float:
    """``mean(r - b) / std(r - b, ddof=1) * sqrt(252)`` (Grinold and Kahn).

    NaN with fewer than two pairs, or if ``r - b`` does not vary beyond rounding.
    """
    return sharpe_ratio(r - b)


def correlation(r: Floats, b: Floats) -> float:
    """Pearson's, -1 to 1, not annualised.

    NaN with fewer than two pairs, or if one of the two does not vary beyond rounding.
    """
    return _correlation(*_pairs(r, b))


def compounded(b: Floats) -> float:
    """``prod(1 + b) ** (252 / n) - 1`` over the ``n`` known returns; -1 if nothing is left, NaN if none is known."""
    known = b[np.isfinite(b)]
    return growth_per_year(float(np.prod(1.0 + known)), known.size) if known.size else math.nan


def _pairs(r: Floats, b: Floats) -> tuple[Floats, Floats]:
    both = np.isfinite(r) & np.isfinite(b)
    return r[both], b[both]
