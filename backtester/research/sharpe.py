"""How sure a Sharpe ratio is, and what is left of it once all that was tried is counted.

The standard error of a ratio ``SR`` a session from ``n`` returns with skewness ``g3`` and kurtosis ``g4`` (3 for a
normal distribution, not in excess) is (Mertens 2002, Comments on variance of the IID estimator in Lo; Bailey and Lopez
de Prado 2012, The Sharpe ratio efficient frontier)::

    sqrt((1 - g3 SR + (g4 - 1) / 4 SR^2) / (n - 1))

**The form used** is that of Bailey and Lopez de Prado 2012 and 2014: the error is taken at the ratio that was
estimated. Lopez de Prado, Lipton and Zoonekynd (2025, How to use the Sharpe ratio) take it at the ratio of the null
hypothesis and divide by ``n``: that form is **not used** here. Against 0 its error is ``1 / sqrt(n)``, and the example
of 2012 (see the tests) comes to 0.987 where the form used gives 0.913. Both agree where the ratio is near the
benchmark.

The formula takes returns as independent of each other; where they are not, an interval of ``research.bootstrap`` says
more. Moments are those of the sample without correction for bias, as in these papers: skewness ``m3 / m2^1.5`` and
kurtosis ``m4 / m2^2`` of the central moments ``m_k`` (g1 and b2 of Joanes and Gill 1998, so they are not the ``skew``
and ``kurtosis`` of a run's metrics). The ratio itself is ``metrics.sharpe_ratio`` (``ddof = 1``), a session of it being
``1 / sqrt(252)`` of the annual one. Functions that begin with ``of_`` take moments and ratios of one period, whatever
that period is; the others take returns of sessions, ``(T,)``, NaN left out, and annualised benchmarks.

NaN is given wherever there is too little to say: fewer than two known returns, returns that do not vary, or an account
that was wiped out (a return of -1 or less has no session after it to speak of).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from backtester.engine.types import SESSIONS_PER_YEAR
from backtester.errors import ConfigError
from backtester.metrics.returns import sharpe_ratio
from backtester.research.series import check_level, known_values

_YEAR = math.sqrt(SESSIONS_PER_YEAR)


class Moments(NamedTuple):
    """What the formulas need of some returns; NaN where there is too little to say."""

    sharpe: float  # of one period, not annualised
    skewness: float
    kurtosis: float  # 3 for a normal distribution
    periods: int


def moments(returns: Any) -> Moments:
    """The moments of the known returns, (T,), as the module defines them.

    Raises:
        DataError: the returns are not a series.
    """
    known = known_values(returns)
    ratio = sharpe_ratio(known, 1.0)
    if not math.isfinite(ratio) or known.min() <= -1.0:
        return Moments(math.nan, math.nan, math.nan, known.size)
    off = known - known.mean()
    second, third, fourth = (float((off**k).mean()) for k in (2, 3, 4))
    return Moments(ratio, third / second**1.5, fourth / second**2, known.size)


def of_error(one: Moments) -> float:
    """The standard error of ``one.sharpe``, of one period; NaN with fewer than two returns."""
    if one.periods < 2:
        return math.nan
    return math.sqrt(_spread(one) / (one.periods - 1))


def of_probability(one: Moments, benchmark: float = 0.0) -> float:
    """The probabilistic Sharpe ratio, ``Phi((SR - benchmark) / error)``; the benchmark is of one period."""
    error = of_error(one)
    if not error > 0.0:
        return math.nan
    return float(ndtr((one.sharpe - benchmark) / error))


def of_track_record(one: Moments, benchmark: float = 0.0, level: float = 0.95) -> float:
    """The fewest periods after which :func:`of_probability` reaches ``level``, all moments staying as they are.

    ``1 + (1 - g3 SR + (g4 - 1) / 4 SR^2) (z(level) / (SR - benchmark))^2`` (Bailey and Lopez de Prado 2012), not
    rounded. Infinite where the ratio is not above the benchmark.
    """
    check_level(level)
    if not math.isfinite(one.sharpe):
        return math.nan
    if one.sharpe <= benchmark:
        return math.inf
    return 1.0 + _spread(one) * (float(ndtri(level)) / (one.sharpe - benchmark)) ** 2


def standard_error(returns: Any) -> float:
    """The standard error of the annualised Sharpe ratio of some returns."""
    return of_error(moments(returns)) * _YEAR


def probabilistic_sharpe(returns: Any, benchmark: float = 0.0) -> float:
    """How sure it is that the true Sharpe ratio is above a benchmark: 0 to 1.

    The probabilistic Sharpe ratio of Bailey and Lopez de Prado (2012): one less the one-sided p-value that it is not.

    Args:
        returns: (T,) simple returns of sessions; NaN is left out.
        benchmark: an annualised Sharpe ratio.

    Raises:
        DataError: the returns are not a series.
    """
    return of_probability(moments(returns), benchmark / _YEAR)


def minimum_track_record(returns: Any, benchmark: float = 0.0, level: float = 0.95) -> float:
    """How many sessions such a Sharpe ratio needs until it is above the benchmark at this level; not rounded.

    The minimum track record length of Bailey and Lopez de Prado (2012). Infinite where the ratio is not above the
    benchmark.

    Args:
        returns: (T,) simple returns of sessions; NaN is left out.
        benchmark: an annualised Sharpe ratio.
        level: how sure, one-sided.

    Raises:
        ConfigError: a level that is not between 0 and 1.
        DataError: the returns are not a series.
    """
    return of_track_record(moments(returns), benchmark / _YEAR, level)


def expected_maximum_sharpe(trials: float, variance: float) -> float:
    """What the best of so many trials shows on average if none of them is worth anything.

    ``sqrt(variance) ((1 - c) z(1 - 1 / N) + c z(1 - 1 / (N e)))``, ``c`` Euler's constant and ``z`` the normal quantile
    (Bailey and Lopez de Prado 2014, The deflated Sharpe ratio); in the unit of the ratios whose variance it is, and
    not below 0. It approximates the mean of the largest of ``N`` independent normal numbers to 0.045 of their standard
    deviation: that of 2 is too low by this much, from 3 on it is too high by at most 0.036. A single trial was not
    chosen: 0.

    Args:
        trials: how many independent trials there were, at least 1 (a number in between is allowed, as an estimate of
            how many independent ones a larger number is worth).
        variance: of the trials' Sharpe ratios, not negative; NaN is unknown, and so is the result of several trials.

    Raises:
        ConfigError: fewer than one trial, or a negative variance.
    """
    if not trials >= 1 or variance < 0.0:
        raise ConfigError(f"there must be at least one trial and no negative variance: {trials}, {variance}.")
    if trials == 1:
        return 0.0
    first, second = (float(ndtri(1.0 - 1.0 / (trials * scale))) for scale in (1.0, math.e))
    return max(math.sqrt(variance) * ((1.0 - np.euler_gamma) * first + np.euler_gamma * second), 0.0)


def deflated_sharpe(returns: Any, trials: float, variance: float) -> float:
    """The probabilistic Sharpe ratio against what the best of all trials shows by chance: 0 to 1.

    The deflated Sharpe ratio of Bailey and Lopez de Prado (2014). ``returns`` are those of the trial that was chosen.

    Args:
        returns: (T,) simple returns of sessions; NaN is left out.
        trials: how many independent trials the chosen one was taken from, it included.
        variance: of the trials' Sharpe ratios **a session**: that of annualised ones divided by 252.

    Raises:
        ConfigError: fewer than one trial, or a negative variance.
        DataError: the returns are not a series.
    """
    return of_probability(moments(returns), expected_maximum_sharpe(trials, variance))


def _spread(one: Moments) -> float:
    """The variance of the estimated ratio times ``n - 1``.

    It cannot be negative: kurtosis is never below ``skewness^2 + 1``, which makes this at least ``(1 - g3 SR / 2)^2``.
    """
    return max(1.0 - one.skewness * one.sharpe + (one.kurtosis - 1.0) / 4.0 * one.sharpe**2, 0.0)
