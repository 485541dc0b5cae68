"""Is the best of many variants better than a benchmark, or only the luckiest? White's reality check and Hansen's SPA.

``gains`` ``(T, M)`` are what each of ``M`` variants had above the benchmark in each of ``T`` sessions: differences of
returns, or of daily information coefficients. ``d[k]`` is the mean gain of variant ``k``. The hypothesis is that no
variant has a mean above 0. How large the largest ``d`` would be then is found by resampling the sessions of all
variants together, in blocks of random length (the stationary bootstrap), so that what they have in common, and their
memory, stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from backtester.errors import DataError
from backtester.metrics.returns import Floats
from backtester.research.bootstrap import block_length, stationary_rows

# So many resamples at once: a row number for each of their sessions is what memory holds.
_AT_ONCE = 250
# A standard deviation below this share of the root mean square is what rounding leaves: the gains do not vary.
_STILL = 1e-7


class Reality(NamedTuple):
    """White's reality check.

    Attributes:
        p: probability of so large a largest mean gain if no variant were better than the benchmark.
        best: column of the variant with the largest mean gain (the first of equals); -1 if nothing is known.
        gain: its mean gain a session, in the unit of the gains.
        statistic: ``sqrt(T) * gain``.
        block: mean length of the blocks, in sessions.
        sessions: how many every variant knows.
        variants: ``M``.
        resamples: how many.
    """

    p: float
    best: int
    gain: float
    statistic: float
    block: float
    sessions: int
    variants: int
    resamples: int


class Superior(NamedTuple):
    """Hansen's test of superior predictive ability.

    Attributes:
        lower: p-value if variants with a negative mean gain are truly as poor as they look: the smallest of the three,
            and too small where they only had bad luck.
        consistent: the one to read: only variants that are clearly worse are set aside.
        upper: p-value under which all variants are as good as the benchmark: the largest, as in White's check.
        best: column of the variant with the largest studentised gain (the first of equals); -1 if nothing is known.
        gain: its mean gain a session, in the unit of the gains.
        statistic: ``max(0, max_k sqrt(T) d[k] / w[k])``.
        block: mean length of the blocks, in sessions.
        sessions: how many every variant knows.
        variants: ``M``.
        still: how many of them were left out, since their gains do not vary.
        resamples: how many.
    """

    lower: float
    consistent: float
    upper: float
    best: int
    gain: float
    statistic: float
    block: float
    sessions: int
    variants: int
    still: int
    resamples: int


def reality_check(gains: Floats, *, resamples: int = 2000, seed: int = 0, length: float | None = None) -> Reality:
    """White's reality check for data snooping.

    The statistic is ``V = max_k sqrt(T) d[k]``, that of a resample ``V* = max_k sqrt(T) (d*[k] - d[k])``, and
    ``p = (1 + number of V* >= V) / (1 + resamples)``, so never 0 (Davison and Hinkley 1997, Bootstrap methods and their
    application, section 4.2). Gains are not studentised: a variant with wild gains can hide another (Hansen 2005); and
    poor variants that are added make ``p`` larger. `superior_ability` mends both.

    A session that one variant does not know is left out for all. With fewer than three sessions left, or without
    variants, figures are NaN.

    White (2000), "A reality check for data snooping", Econometrica 68 (5); Politis and Romano (1994), "The stationary
    bootstrap", JASA 89.

    Args:
        gains: (T, M) above the benchmark, a session; NaN is unknown.
        resamples: how many, at least 1.
        seed: of the random numbers.
        length: mean length of the blocks in sessions, from 1 to ``T``. None: the largest of the variants' automatic
            lengths (`bootstrap.block_length`), one for all, since all are resampled together.

    Raises:
        DataError: ``gains`` is not (T, M).
    """
    known = _known(gains)
    sessions, variants = known.shape
    if sessions < 3 or not variants:
        return Reality(math.nan, -1, math.nan, math.nan, math.nan, sessions, variants, resamples)
    block = _block(known, length)
    mean = known.mean(axis=0)
    best = int(mean.argmax())
    reached = 0
    for drawn in _means(known, block, resamples, seed):
        reached += int(((drawn - mean).max(axis=1) >= mean[best]).sum())
    return Reality(
        p=(1 + reached) / (1 + resamples),
        best=best,
        gain=float(mean[best]),
        statistic=math.sqrt(sessions) * float(mean[best]),
        block=block,
        sessions=sessions,
        variants=variants,
        resamples=resamples,
    )


def superior_ability(gains: Floats, *, resamples: int = 2000, seed: int = 0, length: float | None = None) -> Superior:
    """Hansen's test for superior predictive ability (SPA).

    Gains are studentised: ``w[k]`` is the standard deviation of ``sqrt(T) d[k]`` under the stationary bootstrap, by its
    formula (`long_run_variance`). The statistic is ``max(0, max_k sqrt(T) d[k] / w[k])``, that of a resample
    ``max(0, max_k sqrt(T) (d*[k] - g(d[k])) / w[k])``, with

    - lower: ``g(x) = max(0, x)``;
    - consistent: ``g(x) = x`` if ``x >= -w[k] * sqrt(2 log log T / T)``, else 0;
    - upper: ``g(x) = x``.

    ``p = (1 + number of resamples at or above the statistic) / (1 + resamples)``: never 0, and 1 if no variant has a
    positive mean gain. A variant whose gains do not vary, such as the benchmark itself, is left out. A session that
    one variant does not know is left out for all. With fewer than three sessions left, or without variants that vary,
    figures are NaN. Args and errors as `reality_check`, which draws the same resamples.

    Hansen (2005), "A test for superior predictive ability", Journal of Business and Economic Statistics 23 (4).
    """
    known = _known(gains)
    sessions, variants = known.shape
    varying = _varies(known)
    still = int(variants - varying.sum())
    if sessions < 3 or still == variants:
        nothing = (math.nan, math.nan, math.nan, -1, math.nan, math.nan, math.nan)
        return Superior(*nothing, sessions, variants, still, resamples)
    block = _block(known, length)
    known = known[:, varying]
    mean = known.mean(axis=0)
    error = np.sqrt(long_run_variance(known, block) / sessions)
    scaled = mean / error
    best = int(scaled.argmax())
    statistic = max(0.0, float(scaled[best]))
    bound = -math.sqrt(2.0 * math.log(math.log(sessions)))
    centres = (np.maximum(mean, 0.0), np.where(scaled >= bound, mean, 0.0), mean)
    reached = [0, 0, 0]
    for drawn in _means(known, block, resamples, seed):
        for i, centre in enumerate(centres):
            top = np.maximum(((drawn - centre) / error).max(axis=1), 0.0)
            reached[i] += int((top >= statistic).sum())
    lower, consistent, upper = ((1 + count) / (1 + resamples) for count in reached)
    return Superior(
        lower=lower,
        consistent=consistent,
        upper=upper,
        best=int(np.flatnonzero(varying)[best]),
        gain=float(mean[best]),
        statistic=statistic,
        block=block,
        sessions=sessions,
        variants=variants,
        still=still,
        resamples=resamples,
    )


def long_run_variance(gains: Floats, block: float) -> Floats:
    """The variance of ``sqrt(T)`` times the mean of a stationary resample, ``(M,)``, in the gains' unit squared.

    ``c[0] + 2 sum_i k(i) c[i]`` over the lags ``i`` of 1 to ``T-1``, with ``c[i]`` the autocovariance (divided by
    ``T``), ``q = 1 / block`` and ``k(i) = (1 - i/T) (1-q)**i + (i/T) (1-q)**(T-i)``; no unit of time but the session.
    It is the variance over all resamples, so never negative. NaN in, NaN out.

    Politis and Romano (1994), "The stationary bootstrap", lemma 1; Hansen (2005), section 3.1.
    """
    count = len(gains)
    apart = gains - gains.mean(axis=0)
    lags = np.arange(count)
    stays = (1.0 - 1.0 / block) ** lags
    shares = (1.0 - lags / count) * stays
    # (1-q)**(T-i), which is that of lag T-i; lag 0 has no such part.
    shares[1:] += lags[1:] / count * stays[:0:-1]
    # Autocovariances of all lags by Fourier transform: padded, so that the end does not meet the start.
    size = 1 << (2 * count - 1).bit_length()
    power = np.abs(np.fft.rfft(apart, size, axis=0)) ** 2
    covariance = np.fft.irfft(power, size, axis=0)[:count] / count
    weights = np.where(lags > 0, 2.0 * shares, 1.0)
    return np.asarray(weights @ covariance, dtype=np.float64)


def _known(gains: Floats) -> Floats:
    gains = np.asarray(gains, dtype=np.float64)
    if gains.ndim != 2:
        raise DataError(f"gains have shape {gains.shape}; give (T, M), a column for each variant.")
    return gains[np.isfinite(gains).all(axis=1)]


def _varies(gains: Floats) -> np.ndarray:
    """``(M,)`` whether the gains of a variant vary beyond rounding."""
    if not len(gains):
        return np.zeros(gains.shape[1], dtype=bool)
    return np.asarray(gains.std(axis=0) > _STILL * np.sqrt(np.square(gains).mean(axis=0)))


def _block(gains: Floats, length: float | None) -> float:
    """One mean length for all variants: the largest, since too short a block makes chance look like skill.

    At most ``T``: the variance of a resampled mean vanishes with longer ones.
    """
    lengths = [length] if length is not None else [block_length(gains[:, k]) for k in np.flatnonzero(_varies(gains))]
    return min(max([1.0, *(float(one) for one in lengths if math.isfinite(one))]), float(len(gains)))


def _means(gains: Floats, block: float, resamples: int, seed: int) -> Iterator[Floats]:
    """Mean gains ``(some, M)`` of resamples, some at a time; in all ``resamples`` of them."""
    rng = np.random.default_rng(seed)
    sessions = len(gains)
    for start in range(0, resamples, _AT_ONCE):
        some = min(_AT_ONCE, resamples - start)
        rows = stationary_rows(sessions, block, some, rng)
        # How often each session was drawn: a product then takes the place of a copy of all gains for each resample.
        cells = rows + sessions * np.arange(some)[:, np.newaxis]
        drawn = np.bincount(cells.ravel(), minlength=some * sessions).reshape(some, sessions)
        yield drawn @ gains / sessions
