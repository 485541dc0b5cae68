"""Intervals and paired tests from the stationary bootstrap: stretches of sessions are drawn, not single ones.

**How.** A resample is as long as the series and made of stretches of it that begin anywhere, go on past the last
session with the first, and have lengths of a geometric law (Politis and Romano 1994, The stationary bootstrap). What
neighbouring sessions have to do with each other stays within a stretch. The mean length of a stretch is taken from the
data (:func:`block_length`). NaN is unknown and left out before anything is drawn, and what remains moves together.

**Intervals** of single series are those of the percentiles (Efron 1979): of 95 %, the figures of the resamples from
about their 2.5 % to their 97.5 % quantile (by straight line). A little beyond these, since resamples spread less than
the truth: by as much as Student's t is wider than the normal law at the number of stretches that the series holds, and
by what its own mean takes from the variance (:func:`tails`; "expanded percentiles", Hesterberg 2015, What teachers
should know about the bootstrap; here for stretches).

In simulations of 500 series of 1,250 sessions, independent, autocorrelated (0.2), with heavy tails (t with 5 degrees of
freedom) and with volatility in clusters (GARCH with 0.10 and 0.85), they cover the truth of the mean, the CAGR, the
Sharpe, Sortino, omega and tail ratio and the hit rate within 3 points of 95 %. Turned about the figure ("basic") they
miss the skewed ones, such as the total return (87 %), and errors times 1.96 are no better. ``volatility``,
``downside_deviation``, ``var_95`` and ``cvar_95`` are covered at 90 % or more as long as volatility does not come in
clusters; where it does, their intervals are **too narrow** (some 80 %), since five years hold few clusters.

``max_drawdown``, ``calmar``, ``stability`` and ``total_return`` depend on how long and in which order things went.
Their interval is the range in which they would have been in other histories made of the same stretches, not a
statement about one true number; a series whose order was lucky lies at the edge of it, or outside.

**Paired tests** draw the same sessions for both series, so what both have in common drops out. The p-value of "no
difference" is ``(1 + count) / (1 + R)``, ``count`` of the ``R`` resamples being as far from the difference found as
this is from 0 (centred, as in Ledoit and Wolf 2008, Robust performance hypothesis testing with the Sharpe ratio). The
interval goes as far to both sides as the resamples allow, so that it leaves out 0 exactly where ``p <= 1 - level``.
They divide by an error in every resample besides; p-values of noise are uniform without it, so it is not done.

All draws are of ``np.random.default_rng(seed)``: the same seed gives the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from backtester.errors import ConfigError
from backtester.metrics.returns import Floats, sharpe_ratio, varies
from backtester.research.resampled import figures_of, figures_of_rows, sharpe_of_rows
from backtester.research.series import check_level, known_pairs, known_values

Rows: TypeAlias = NDArray[np.int64]

# Numbers in one chunk of resamples. Some twelve arrays of so many are alive at once: 50 MB.
_CHUNK = 500_000
# Fewer values say nothing about how they depend on each other.
_FEWEST = 8
# A difference of this share of what is compared is rounding.
_ROUNDING = 1e-12


class Interval(NamedTuple):
    """A figure with its interval, in the unit of the figure."""

    value: float
    low: float
    high: float


class Paired(NamedTuple):
    """The first less the second, over the sessions that both know."""

    difference: float
    low: float
    high: float
    p: float  # two-sided, that there is no difference; never 0
    block: float  # mean length of the stretches, in sessions
    sessions: int  # that both know


def block_length(x: Any) -> float:
    """The mean length of stretches, in sessions, at which the error of a mean is estimated best; at least 1.

    Politis and White (2004, Automatic block-length selection for the dependent bootstrap) for the stationary
    bootstrap, with the constant as corrected by Patton, Politis and White (2009): ``(n G^2 / S^2)^(1/3)``, where
    ``S = sum w(k) C(k)`` and ``G = sum w(k) |k| C(k)`` over the lags ``-M..M``, ``C`` are autocovariances (divided by
    ``n``) and ``w`` is flat up to ``M / 2`` and falls to 0 at ``M``. ``M`` is twice the first lag from which on
    ``max(5, log10 n)`` autocorrelations are within ``2 sqrt(log10(n) / n)``, at most ``ceil(sqrt(n))`` and that number
    more; this reading of the rule is that of Patton's own program. The length is at most ``3 sqrt(n)`` and ``n / 3``,
    rounded up. 1 for fewer than eight known values, and for values that do not vary.

    Args:
        x: (T,) a series; NaN is left out.

    Raises:
        DataError: ``x`` is not a series.
    """
    values = known_values(x)
    n = values.size
    if n < _FEWEST or not varies(float(values.std()), float(values.mean())):
        return 1.0
    quiet = max(5, int(math.log10(n)))
    furthest = min(math.ceil(math.sqrt(n)) + quiet, n - 1)
    off = values - values.mean()
    covariance = np.array([float(off[k:] @ off[: n - k]) / n for k in range(furthest + 1)])
    reach = _reach(covariance, n, quiet)
    lags = np.arange(1, reach + 1)
    weighed = np.minimum(1.0, 2.0 * (1.0 - lags / reach)) * covariance[1 : reach + 1]
    slope = 2.0 * float((lags * weighed).sum())
    spectrum = float(covariance[0] + 2.0 * weighed.sum())
    most = math.ceil(min(3.0 * math.sqrt(n), n / 3.0))
    if spectrum == 0.0:
        return float(most)
    return float(min(max((n * slope**2 / spectrum**2) ** (1.0 / 3.0), 1.0), most))


def stationary_rows(count: int, length: float, resamples: int, rng: np.random.Generator) -> Rows:
    """Which session stands where in each resample: (resamples, count), whole numbers from 0 to count - 1.

    Each session is followed by the next one of the series (the last by the first) with a probability of
    ``1 - 1 / length``, else by any (Politis and Romano 1994).

    Args:
        count: sessions of the series, and of every resample; at least 1.
        length: mean length of the stretches, at least 1, which draws single sessions.
        resamples: how many.
        rng: where the draws come from.

    Raises:
        ConfigError: a number is below 1.
    """
    if count < 1 or resamples < 1 or not length >= 1.0:
        raise ConfigError(f"sessions, resamples and mean length are at least 1: {count}, {resamples}, {length}.")
    start = rng.integers(0, count, (resamples, count)).reshape(-1)
    begins = rng.random((resamples, count)) * length < 1.0
    begins[:, 0] = True
    cell = np.arange(start.size)
    first = np.maximum.accumulate(np.where(begins.reshape(-1), cell, 0))  # of the stretch that a cell is in
    rows = start[first]
    rows += cell - first
    np.subtract(rows, count, out=rows, where=rows >= count)  # none is as long as two series
    return rows.reshape(resamples, count)


def portfolio_intervals(
    returns: Any, *, resamples: int = 2000, level: float = 0.95, seed: int = 0, length: float | None = None
) -> dict[str, Interval]:
    """The figures of a series of returns with their intervals, all from the same resamples.

    Keys are those of a run's metrics, in this order: ``total_return``, ``cagr``, ``max_drawdown``, ``calmar``,
    ``volatility``, ``downside_deviation``, ``sharpe``, ``sortino``, ``omega``, ``hit_rate``, ``stability``, ``var_95``,
    ``cvar_95``, ``tail_ratio``; defined there, annualised as there. Values are of the known returns: they are those of
    the run where all its returns are known. The module says what an interval means. Resamples in which a figure is
    unknown do not count in its interval. Intervals are NaN for fewer than two known returns, and for an account that
    was wiped out (a return of -1 or less), since its sessions cannot stand in another order.

    Args:
        returns: (T,) simple returns of sessions; NaN is left out.
        resamples: how many.
        level: of the intervals.
        seed: of the draws.
        length: mean length of the stretches in sessions; None: :func:`portfolio_block` of the returns.

    Raises:
        ConfigError: fewer than one resample, a length below 1, or a level that is not between 0 and 1.
        DataError: the returns are not a series.
    """
    return intervals_together([returns], resamples=resamples, level=level, seed=seed, length=length)[0]


def intervals_together(
    many: Sequence[Any], *, resamples: int = 2000, level: float = 0.95, seed: int = 0, length: float | None = None
) -> list[dict[str, Interval]]:
    """:func:`portfolio_intervals` of several series, each as if it were alone.

    Resamples of series that know as many sessions, and have stretches as long, are the same, and drawn once.
    """
    _check(resamples, level)
    known = [known_values(returns) for returns in many]
    told = [{name: Interval(value, math.nan, math.nan) for name, value in figures_of(one).items()} for one in known]
    alike: dict[tuple[int, float], list[int]] = {}
    for k, one in enumerate(known):
        if one.size > 1 and one.min() > -1.0:
            alike.setdefault((one.size, portfolio_block(one) if length is None else length), []).append(k)
    for (count, mean_length), group in alike.items():
        parts: dict[int, list[dict[str, Floats]]] = {k: [] for k in group}
        for rows in _drawn(count, mean_length, resamples, seed):
            for k in group:
                parts[k].append(figures_of_rows(known[k][rows]))
        ends = tails(count, mean_length, level)
        for k in group:
            for name, (value, _, _) in told[k].items():
                told[k][name] = _between(value, np.concatenate([part[name] for part in parts[k]]), ends)
    return told


def portfolio_block(returns: Any) -> float:
    """The mean length of stretches for :func:`portfolio_intervals`, in sessions.

    That of the returns, or of their squared deviations from the mean if it is longer, so that volatility that comes in
    clusters stays together; 1 if nothing is known.
    """
    known = known_values(returns)
    return max(block_length(known), block_length((known - known.mean()) ** 2)) if known.size else 1.0


def interval_of(
    x: Any,
    statistic: Callable[[Floats], Floats],
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    length: float | None = None,
) -> Interval:
    """Any figure of a series with its interval.

    NaN for fewer than two known values, and for a figure that is unknown.

    Args:
        x: (T,) one value a session; NaN is left out.
        statistic: takes series as rows, (R, T), without gaps, and gives the figure of each, (R,).
        resamples: how many.
        level: of the interval.
        seed: of the draws.
        length: mean length of the stretches in sessions; None: :func:`block_length` of the series.

    Raises:
        ConfigError: fewer than one resample, a length below 1, or a level that is not between 0 and 1.
        DataError: ``x`` is not a series.
    """
    known = known_values(x)
    _check(resamples, level)
    if known.size < 2:
        return Interval(math.nan, math.nan, math.nan)
    mean_length = block_length(known) if length is None else length
    drawn = [statistic(known[rows]) for rows in _drawn(known.size, mean_length, resamples, seed)]
    ends = tails(known.size, mean_length, level)
    return _between(float(statistic(known[None, :])[0]), np.concatenate(drawn), ends)


def paired_mean(a: Any, b: Any, *, resamples: int = 2000, level: float = 0.95, seed: int = 0) -> Paired:
    """The difference of two means, such as of daily information coefficients or returns, with its p-value.

    In the unit of the series, not annualised. Stretches are as long as :func:`block_length` of the differences says.
    Two equal series differ by 0 with ``p = 1``. NaN for fewer than two sessions that both know.

    Args:
        a: (T,) one value a session.
        b: (T,) the same sessions.
        resamples: how many.
        level: of the interval.
        seed: of the draws.

    Raises:
        ConfigError: fewer than one resample, or a level that is not between 0 and 1.
        DataError: ``a`` and ``b`` are not two series of the same length.
    """
    first, second = known_pairs(a, b)
    _check(resamples, level)
    apart = _exact(first - second, np.abs(first) + np.abs(second))
    if apart.size < 2:
        return _nothing(apart.size)
    block = block_length(apart)
    drawn = [apart[rows].mean(axis=1) for rows in _drawn(apart.size, block, resamples, seed)]
    return compared(float(apart.mean()), np.concatenate(drawn), level, block, apart.size)


def paired_sharpe(a: Any, b: Any, *, resamples: int = 2000, level: float = 0.95, seed: int = 0) -> Paired:
    """The difference of two annualised Sharpe ratios, with its p-value.

    Ratios are those of ``metrics.sharpe_ratio``. Stretches are as long as :func:`block_length` says of what each
    session adds to the difference, ``z_a - z_b - (S_a z_a^2 - S_b z_b^2) / 2`` with ``z`` the deviations from the mean
    in standard deviations and ``S`` the ratio a session (the influence function, as in Ledoit and Wolf 2008). Two equal
    series differ by 0 with ``p = 1``, and so does a series and the same one with leverage. NaN for fewer than two
    sessions that both know, and where either does not vary in them.

    Args:
        a: (T,) simple returns of sessions.
        b: (T,) of the same sessions.
        resamples: how many.
        level: of the interval.
        seed: of the draws.

    Raises:
        ConfigError: fewer than one resample, or a level that is not between 0 and 1.
        DataError: ``a`` and ``b`` are not two series of the same length.
    """
    first, second = known_pairs(a, b)
    _check(resamples, level)
    ratios = np.array([sharpe_ratio(first), sharpe_ratio(second)])
    if not np.isfinite(ratios).all():
        return _nothing(first.size)
    block = block_length(_exact(influence(first) - influence(second), np.ones(first.size)))
    drawn = []
    for rows in _drawn(first.size, block, resamples, seed):
        one, other = sharpe_of_rows(first[rows]), sharpe_of_rows(second[rows])
        drawn.append(_exact(one - other, np.abs(one) + np.abs(other)))
    difference = float(_exact(ratios[:1] - ratios[1:], np.abs(ratios[:1]) + np.abs(ratios[1:]))[0])
    return compared(difference, np.concatenate(drawn), level, block, first.size)


def tails(count: int, length: float, level: float) -> tuple[float, float]:
    """Which quantiles of the resamples bound an interval.

    ``Phi(-+ t / root)``, ``t`` the quantile of Student's t. A mean of resamples varies by the autocovariances ``C(k)``
    of the series weighed with ``q^k``, ``q = 1 - 1 / length`` (Politis and Romano 1994, lemma 1). Such a sum has
    ``count / (1 + 2 sum q^(2k))`` degrees of freedom (Priestley 1981, Spectral analysis and time series), and of
    independent values it is ``root^2 = 1 - (1 + 2 sum (1 - k / count) q^k) / count`` of the truth on average, as the
    mean comes from the same values. Single sessions (length 1) have Student's t with ``count`` degrees of freedom.

    Args:
        count: sessions, at least 2.
        length: mean length of the stretches.
        level: of the interval.
    """
    k = np.arange(1, count)
    weights = (1.0 - 1.0 / length) ** k
    kept = 1.0 - (1.0 + 2.0 * float(((1.0 - k / count) * weights).sum())) / count
    freedom = count / (1.0 + 2.0 * float((weights * weights).sum()))
    if not kept > 0.0:
        return 0.0, 1.0
    away = float(stdtrit(freedom, 0.5 + level / 2.0)) / math.sqrt(kept)
    return float(ndtr(-away)), float(ndtr(away))


def compared(difference: float, drawn: Floats, level: float, block: float, sessions: int) -> Paired:
    """The p-value of a difference, and its interval that leaves out 0 exactly where ``p <= 1 - level``.

    Resamples without a figure (NaN) do not count.

    Args:
        difference: as found.
        drawn: (R,) that of every resample.
        level: of the interval.
        block: mean length of the stretches, passed on.
        sessions: how many there were, passed on.
    """
    away = np.sort(np.abs(drawn[np.isfinite(drawn)] - difference))
    resamples = away.size
    beyond = resamples - int(np.searchsorted(away, abs(difference)))
    rank = int((1.0 - level) * (1 + resamples) + 1e-9)
    reach = float(away[resamples - rank]) if rank else math.inf
    p = (1.0 + beyond) / (1.0 + resamples)
    return Paired(difference, difference - reach, difference + reach, p, block, sessions)


def influence(x: Floats) -> Floats:
    """What each of the known returns (n,) adds to the Sharpe ratio a session, about its mean: (n,).

    ``z - S z^2 / 2``, ``z`` the deviation from the mean in standard deviations and ``S`` the ratio: its influence
    function up to a constant. The returns must vary.
    """
    z = (x - x.mean()) / x.std(ddof=1)
    return np.asarray(z - sharpe_ratio(x, 1.0) / 2.0 * z * z)


def _reach(covariance: Floats, count: int, quiet: int) -> int:
    """``M`` of :func:`block_length`."""
    furthest = covariance.size - 1
    small = np.abs(covariance[1:]) < 2.0 * math.sqrt(math.log10(count) / count) * covariance[0]
    for lag in range(1, furthest - quiet + 2):
        if small[lag - 1 : lag - 1 + quiet].all():
            return min(2 * lag, furthest)
    return furthest


def _drawn(count: int, length: float, resamples: int, seed: int) -> Iterator[Rows]:
    """The resamples in chunks, whose size depends on the number of sessions only."""
    rng = np.random.default_rng(seed)
    most = max(_CHUNK // count, 1)
    for done in range(0, resamples, most):
        yield stationary_rows(count, length, min(most, resamples - done), rng)


def _between(value: float, drawn: Floats, ends: tuple[float, float]) -> Interval:
    """The interval between two quantiles of what is known of the resamples."""
    known = drawn[np.isfinite(drawn)]
    if not known.size or not math.isfinite(value):
        return Interval(value, math.nan, math.nan)
    low, high = np.quantile(known, ends)
    return Interval(value, float(low), float(high))


def _exact(difference: Floats, size: Floats) -> Floats:
    """Differences, 0 where they are only rounding of what was compared."""
    return np.where(np.abs(difference) <= _ROUNDING * size, 0.0, difference)


def _nothing(sessions: int) -> Paired:
    return Paired(math.nan, math.nan, math.nan, math.nan, math.nan, sessions)


def _check(resamples: int, level: float) -> None:
    check_level(level)
    if resamples < 1:
        raise ConfigError(f"resamples is {resamples}; it must be at least 1.")
