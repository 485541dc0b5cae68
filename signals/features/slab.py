"""A stretch of sessions with the history that its features need, and sums over what lies behind each row."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

import backtester as bt

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# A spread below this part of the values' size is rounding.
_ROUNDING = 1e-12
# A filter that goes on for ever is cut where its first average weighs less than this.
SEED_WEIGHT = 0.01


class Slab:
    """Rows ``first .. last`` of a panel, R of them, and the ``depth - 1`` rows before them.

    Its series have ``depth - 1 + R`` rows; those before row 0 of the panel are NaN, so that what reaches too far back
    is unknown. Each is made once, however many features use it.
    """

    def __init__(self, panel: bt.Panel, first: int, last: int, depth: int) -> None:
        """Nothing is computed yet."""
        self.panel = panel
        self.first, self.last, self.depth = first, last, depth
        self.rows = last - first + 1

    def past(self, values: Floats) -> Floats:
        """The rows of an array of the panel that the slab spans."""
        start = self.first - self.depth + 1
        if start >= 0:
            return values[start : self.last + 1]
        return np.concatenate((np.full((-start, values.shape[1]), np.nan), values[: self.last + 1]))

    def now(self, values: Floats) -> Floats:
        """The R rows themselves of an array of the panel."""
        return values[self.first : self.last + 1]

    @cached_property
    def scored(self) -> Mask:
        """``(R, N)``: members of the universe with a known close. Only they have features, and are compared."""
        mask: Mask = self.panel.member[self.first : self.last + 1] & np.isfinite(self.now(self.panel.close))
        return mask

    @cached_property
    def close(self) -> Floats:
        """Total-return-adjusted closes."""
        return self.past(self.panel.adj_close)

    @cached_property
    def factor(self) -> Floats:
        """What a price of the row is multiplied by, to be on the scale of `close`."""
        return self.close / self.past(self.panel.close)

    @cached_property
    def dollars(self) -> Floats:
        """Close times volume as they stood on the day, in the currency of the prices."""
        return self.past(self.panel.close) * self.past(self.panel.volume)

    @cached_property
    def changes(self) -> Floats:
        """Adjusted close less that of the row before; the first row is NaN."""
        changes = np.full(self.close.shape, np.nan)
        np.subtract(self.close[1:], self.close[:-1], out=changes[1:])
        return changes

    @cached_property
    def true_range(self) -> Floats:
        """``max(high, previous close) - min(low, previous close)`` of adjusted prices: Wilder (1978).

        The same as the largest of high less low, and the distances of either from the previous close.
        """
        high, low = self.past(self.panel.high) * self.factor, self.past(self.panel.low) * self.factor
        ranges = np.full(high.shape, np.nan)
        before = self.close[:-1]
        np.subtract(np.maximum(high[1:], before), np.minimum(low[1:], before), out=ranges[1:])
        return ranges


def lagged(series: Floats, rows: int, lag: int) -> Floats:
    """The values ``lag`` rows before each of the last ``rows`` rows of a series: ``(rows, N)``."""
    stop = len(series) - lag
    if stop < rows:  # a negative row would count from the end
        raise ValueError(f"{lag} rows back from {rows} rows of {len(series)}: the depth of this feature is too small.")
    return series[stop - rows : stop]


def weighted(series: Floats, rows: int, weights: Floats) -> Floats:
    """``sum(weights[j] * x[t - j])`` for each of the last ``rows`` rows; NaN if any of those values is.

    Row by row in one order, so that a row alone has the same bits as in a batch.
    """
    total = np.zeros((rows, series.shape[1]))
    product = np.empty_like(total)
    for lag, weight in enumerate(weights.tolist()):
        np.multiply(lagged(series, rows, lag), weight, out=product)
        total += product
    return total


def distances(series: Floats, rows: int, weights: Floats, base: int = 0) -> Floats:
    """``sum(weights[j] * (x[t - j] - x[t - base]))``: by default how far a weighted mean is from the row's own value.

    Exactly 0 for a series that stands still, where a mean of it would carry rounding.
    """
    total = np.zeros((rows, series.shape[1]))
    product = np.empty_like(total)
    zero = lagged(series, rows, base)
    for lag, weight in enumerate(weights.tolist()):
        np.subtract(lagged(series, rows, lag), zero, out=product)
        product *= weight
        total += product
    return total


def moments(series: Floats, rows: int, window: int) -> tuple[Floats, Floats]:
    """Distance of the mean over ``window`` rows from the row's own value, and the standard deviation (ddof=0)."""
    mean = distances(series, rows, np.full(window, 1.0 / window))
    own = lagged(series, rows, 0)
    total = np.zeros_like(mean)
    for lag in range(window):
        distance = lagged(series, rows, lag) - own
        distance -= mean
        distance *= distance
        total += distance
    total /= window
    return mean, np.sqrt(total, out=total)


def standardised(series: Floats, rows: int, window: int) -> Floats:
    """``(x[t] - mean) / std`` over the ``window`` rows up to the row, ddof=0; 0 where they do not vary."""
    mean, spread = moments(series, rows, window)
    size = np.zeros_like(mean)
    for lag in range(window):
        np.maximum(size, np.abs(lagged(series, rows, lag)), out=size)
    varies = spread > _ROUNDING * size
    scores: Floats = np.where(varies, -mean / np.where(varies, spread, 1.0), 0.0 * mean)
    return scores


def smoothing(window: int, decay: float) -> Floats:
    """Weights of an exponential mean that begins with a simple one, from the newest value to the oldest.

    The first average is the simple mean of ``window`` values; each later value ``x`` makes it ``average + decay * (x -
    average)``. Begun anew for every row, as many values back that the first average weighs less than `SEED_WEIGHT`:
    the row then depends on those values alone, wherever the panel begins.
    """
    if decay >= 1.0:
        return np.ones(1)
    steps = int(np.ceil(np.log(SEED_WEIGHT) / np.log1p(-decay)))
    kept = (1.0 - decay) ** np.arange(steps + 1)
    return np.concatenate((decay * kept[:-1], np.full(window, kept[-1] / window)))


def wilder(window: int) -> Floats:
    """`smoothing` with decay ``1 / window``: Wilder (1978). 77 weights for 14."""
    return smoothing(window, 1.0 / window)


def exponential(window: int) -> Floats:
    """`smoothing` with decay ``2 / (window + 1)``: the usual exponential moving average. 86 weights for 26."""
    return smoothing(window, 2.0 / (window + 1.0))
