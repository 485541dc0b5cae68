"""Features of one symbol's own prices, all of them total-return-adjusted: ratios of rows are total returns.

Each function takes a slab and gives ``(R, N)``, NaN where a value that it needs is unknown. None depends on the level
at which `Panel.adj_close` begins, which is that of the first known close and means nothing later.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from signals.features.slab import Slab, distances, exponential, lagged, moments, standardised, weighted, wilder

Floats = NDArray[np.float64]
# The logarithm of a distance from a band: one of -1 or less, after a crash or a jump, has none.
_LEAST = -0.99


def total_return(slab: Slab, sessions: int) -> Floats:
    """``adj_close[t] / adj_close[t - sessions] - 1``; only the two closes need to be known."""
    ratio: Floats = lagged(slab.close, slab.rows, 0) / lagged(slab.close, slab.rows, sessions) - 1.0
    return ratio


def rsi(slab: Slab, window: int) -> Floats:
    """Relative strength index of Wilder (1978): ``100 * gain / (gain + loss)``, from 0 to 100.

    ``gain`` and ``loss`` are Wilder's means of the rises and of the falls of the close, cut as in `smoothing`. 100
    without a fall, 0 without a rise, and 50 where the close does not move at all.
    """
    weights = wilder(window)
    gain = weighted(np.maximum(slab.changes, 0.0), slab.rows, weights)
    loss = weighted(np.maximum(-slab.changes, 0.0), slab.rows, weights)
    moved = gain + loss
    still = moved == 0.0
    index: Floats = np.where(still, 50.0, 100.0 * gain / np.where(still, 1.0, moved))
    return index


def bollinger_high(slab: Slab, window: int) -> Floats:
    """``log(1 + (upper - close) / upper)``, with the band two standard deviations (ddof=0) above the mean close.

    Bollinger (2001), in the form of Jansen (2020). The distance counts as at least -0.99, which a close that jumps to
    some thirty times its price reaches.
    """
    mean, spread = moments(slab.close, slab.rows, window)
    above = mean + 2.0 * spread  # of the band, over the close
    return _log1p(above / (lagged(slab.close, slab.rows, 0) + above))


def bollinger_low(slab: Slab, window: int) -> Floats:
    """``log(1 + (close - lower) / close)``, with the band two standard deviations (ddof=0) below the mean close.

    The distance counts as at least -0.99, which a close that falls by two thirds in a session reaches.
    """
    mean, spread = moments(slab.close, slab.rows, window)
    return _log1p((2.0 * spread - mean) / lagged(slab.close, slab.rows, 0))


def atr(slab: Slab, window: int) -> Floats:
    """Average true range of Wilder (1978): his mean of the true ranges, cut as in `smoothing`.

    In the currency of the row's close: prices before it count as adjusted back from the row, as a chart of that day
    shows them.
    """
    return natr(slab, window) / 100.0 * slab.now(slab.panel.close)


def natr(slab: Slab, window: int) -> Floats:
    """Average true range as a percentage of the close: ``100 * ATR / close``."""
    average = weighted(slab.true_range, slab.rows, wilder(window))
    percent: Floats = 100.0 * average / lagged(slab.close, slab.rows, 0)
    return percent


def atr_zscore(slab: Slab, window: int, over: int) -> Floats:
    """The average true range, standardised over its last ``over`` rows (ddof=0); 0 where it does not vary.

    Jansen (2020) standardises over the whole history of the symbol, which knows the future.
    """
    average = weighted(slab.true_range, slab.rows + over - 1, wilder(window))
    return standardised(average, slab.rows, over)


def macd(slab: Slab, fast: int, slow: int) -> Floats:
    """Moving average convergence/divergence of Appel (1979): exponential mean of ``fast`` rows less that of ``slow``.

    In the currency of the row's close, as `atr`. Each mean is cut as in `smoothing`.
    """
    line = _macd(slab, slab.rows, fast, slow)
    scale = slab.now(slab.panel.close) / lagged(slab.close, slab.rows, 0)
    return line * scale


def macd_zscore(slab: Slab, fast: int, slow: int, over: int) -> Floats:
    """`macd`, standardised over its last ``over`` rows (ddof=0); 0 where it does not vary. See `atr_zscore`."""
    return standardised(_macd(slab, slab.rows + over - 1, fast, slow), slab.rows, over)


def ppo(slab: Slab, fast: int, slow: int) -> Floats:
    """Percentage price oscillator: ``100 * (EMA(fast) - EMA(slow)) / EMA(slow)``, each cut as in `smoothing`."""
    base = lagged(slab.close, slab.rows, 0) + distances(slab.close, slab.rows, exponential(slow))
    percent: Floats = 100.0 * _macd(slab, slab.rows, fast, slow) / base
    return percent


def fracdiff(slab: Slab, order: float, width: int) -> Floats:
    """Fractional difference of order ``order`` of the log price over a window of ``width`` rows.

    Lopez de Prado (2018), section 5.5: ``sum(w[k] * x[t - k])`` with the weights of `fracdiff_weights`. ``x`` is the
    log of the adjusted close less that of the window's first row: the weights of a finite window do not add up to 0,
    so that the level would count otherwise.
    """
    return distances(np.log(slab.close), slab.rows, fracdiff_weights(order, width), base=width - 1)


def fracdiff_weights(order: float, width: int) -> Floats:
    """``w[0] = 1``, ``w[k] = -w[k - 1] * (order - k + 1) / k``: the expansion of ``(1 - B)**order``, (width,)."""
    steps = np.arange(1, width)
    weights: Floats = np.concatenate((np.ones(1), np.cumprod(-(order - steps + 1.0) / steps)))
    return weights


def fracdiff_width(order: float, threshold: float) -> int:
    """The number of weights before the first that is smaller than ``threshold`` in size: what the book cuts at.

    Raises:
        ConfigError: the order or the threshold is not above 0, or the threshold is above 1, the first weight.
    """
    if not 0.0 < order < np.inf:
        raise bt.ConfigError(f"order is {order!r}; it must be a number above 0.")
    if not 0.0 < threshold <= 1.0:
        raise bt.ConfigError(f"threshold is {threshold!r}; it must be above 0 and at most 1, the first weight.")
    weight, width = 1.0, 0
    while abs(weight) >= threshold:
        width += 1
        weight *= -(order - width + 1.0) / width
    return width


def _macd(slab: Slab, rows: int, fast: int, slow: int) -> Floats:
    """The line on the scale of the adjusted close."""
    short = distances(slab.close, rows, exponential(fast))
    return short - distances(slab.close, rows, exponential(slow))


def _log1p(distance: Floats) -> Floats:
    return np.log1p(np.maximum(distance, _LEAST))
