"""Noise of four kinds for the calibrations: 500 markets of 1,250 sessions, seeds 0 to 499, stated beforehand."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

MARKETS, SESSIONS = 500, 1250
KINDS = ("independent", "autocorrelated", "heavy tails", "clustered")
# A test of uniformity fails below this p of Kolmogorov and Smirnov; coverage is right within three points.
UNIFORM, POINTS = 0.01, 0.03
# Sessions before the first one, so that a series does not remember how it began.
BEFORE = 300


def markets(kind: str, sessions: int = SESSIONS, count: int = MARKETS, first: int = 0) -> np.ndarray:
    """(count, sessions) of mean 0 and variance 1, one row a seed."""
    rngs = [np.random.default_rng(seed) for seed in range(first, first + count)]
    if kind == "heavy tails":
        return np.array([rng.standard_t(5, sessions) for rng in rngs]) / np.sqrt(5 / 3)
    normal = np.array([rng.standard_normal(sessions + BEFORE) for rng in rngs])
    if kind == "autocorrelated":
        normal = lfilter([np.sqrt(1 - 0.2**2)], [1.0, -0.2], normal, axis=1)
    if kind == "clustered":
        normal = _garch(normal)
    return normal[:, BEFORE:]


def sums(over: int, sessions: int = SESSIONS, count: int = MARKETS) -> np.ndarray:
    """(count, sessions) sums of ``over`` neighbours of independent noise, as labels over so many sessions have them."""
    total = np.cumsum(markets("independent", sessions + over, count), axis=1)
    return total[:, over:] - total[:, :-over]


def _garch(normal: np.ndarray) -> np.ndarray:
    """Variance 0.05 + 0.10 x^2 + 0.85 variance, of the session before (Bollerslev 1986); 1 in the long run."""
    result, variance = np.empty_like(normal), np.ones(len(normal))
    for t in range(normal.shape[1]):
        result[:, t] = np.sqrt(variance) * normal[:, t]
        variance = 0.05 + 0.10 * result[:, t] ** 2 + 0.85 * variance
    return result
