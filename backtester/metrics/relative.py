"""A run beside a benchmark. Only what both returns are known of counts: ``n`` pairs.

``r`` are the returns of the run, ``b`` those of the benchmark; the risk-free rate is 0. All means and products of
deviations are of those ``n`` pairs.

A benchmark that is not known at every session has returns that go over several of them. Each is paired with what the
run made in the same sessions, compounded, and ``per_year = 252 * n / sessions`` such returns make a year, ``sessions``
being all that they go over. Means times ``per_year`` are then those of a year however long the steps are, and so are
variances where sessions are independent of each other. Daily returns have 252.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.engine.types import SESSIONS_PER_YEAR
from backtester.metrics.returns import Floats, annual_volatility, growth_per_year, sharpe_ratio, varies
from backtester.metrics.returns import correlation as _correlation


class Benchmark(NamedTuple):
    """What a run is held against."""

    name: str
    returns: Floats  # (T,) up to the close of every session; NaN = unknown
    sessions: NDArray[np.int64]  # (T,) how many sessions up to and including this one that return goes over

    def head(self, sessions: int) -> Benchmark:
        """Its first ``sessions`` sessions."""
        return Benchmark(self.name, self.returns[:sessions], self.sessions[:sessions])


def known(benchmark: Benchmark) -> tuple[Floats, int]:
    """The known returns ``(n,)`` and the number of sessions that they go over."""
    there = np.isfinite(benchmark.returns)
    return benchmark.returns[there], int(benchmark.sessions[there].sum())


def pairs(returns: Floats, benchmark: Benchmark) -> tuple[Floats, Floats, int]:
    """``r`` and ``b``, both ``(n,)``, over the same sessions, and the number of these.

    Args:
        returns: (T,) the run's, a session each; NaN = unknown, and so is everything that would be compounded of it.
        benchmark: what it is held against.
    """
    r = returns.copy()
    for t in np.flatnonzero(benchmark.sessions > 1):
        r[t] = np.prod(1.0 + returns[t + 1 - benchmark.sessions[t] : t + 1]) - 1.0
    both = np.isfinite(r) & np.isfinite(benchmark.returns)
    return r[both], benchmark.returns[both], int(benchmark.sessions[both].sum())


def returns_per_year(count: int, sessions: int) -> float:
    """How many of ``count`` returns over ``sessions`` sessions a year has; 252 if there is none."""
    return SESSIONS_PER_YEAR * count / sessions if count else SESSIONS_PER_YEAR


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


def alpha(r: Floats, b: Floats, per_year: float = SESSIONS_PER_YEAR) -> float:
    """``252 * (mean(r) - beta * mean(b))``, arithmetic (Jensen 1968, risk-free rate 0). NaN where :func:`beta` is."""
    slope = beta(r, b)
    r, b = _pairs(r, b)
    return (float(r.mean()) - slope * float(b.mean())) * per_year if math.isfinite(slope) else math.nan


def tracking_error(r: Floats, b: Floats, per_year: float = SESSIONS_PER_YEAR) -> float:
    """``std(r - b, ddof=1) * sqrt(252)``, 0 if ``r - b`` does not vary. NaN with fewer than two pairs."""
    return annual_volatility(r - b, per_year)


def information_ratio(r: Floats, b: Floats, per_year: float = SESSIONS_PER_YEAR) -> float:
    """``mean(r - b) / std(r - b, ddof=1) * sqrt(252)`` (Grinold and Kahn).

    NaN with fewer than two pairs, or if ``r - b`` does not vary beyond rounding.
    """
    return sharpe_ratio(r - b, per_year)


def correlation(r: Floats, b: Floats) -> float:
    """Pearson's, -1 to 1, not annualised.

    NaN with fewer than two pairs, or if one of the two does not vary beyond rounding.
    """
    return _correlation(*_pairs(r, b))


def compounded(b: Floats, per_year: float = SESSIONS_PER_YEAR) -> float:
    """``prod(1 + b) ** (252 / n) - 1`` over the ``n`` known returns; -1 if nothing is left, NaN if none is known.

    ``252`` is ``per_year``.
    """
    there = b[np.isfinite(b)]
    return growth_per_year(float(np.prod(1.0 + there)), there.size, per_year) if there.size else math.nan


def _pairs(r: Floats, b: Floats) -> tuple[Floats, Floats]:
    both = np.isfinite(r) & np.isfinite(b)
    return r[both], b[both]
