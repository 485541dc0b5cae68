"""Each series against each, from one set of resamples: what `bootstrap.paired_mean` says of two, for many at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Literal

import numpy as np

from backtester.engine.types import SESSIONS_PER_YEAR
from backtester.metrics.returns import Floats, sharpe_ratio
from backtester.research.bootstrap import Paired, block_length, compared, influence, stationary_rows

# Numbers in one chunk of resamples.
_CHUNK = 2_000_000


def all_pairs(
    series: Floats,
    figure: Literal["sharpe", "mean"],
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[tuple[int, int], Paired]:
    """The difference of every two columns, of their annualised Sharpe ratios or of their means.

    As `paired_sharpe` and `paired_mean`, but that all pairs share the sessions that every column knows, one mean length
    of the stretches (the longest that `block_length` says of any column), and thus the resamples.

    Args:
        series: (T, M) a column a series; NaN is unknown.
        figure: ``sharpe`` of returns, or ``mean``.
        resamples: how many.
        level: of the intervals.
        seed: of the draws.

    Returns:
        By the places of both, the first below the second: the first less the second. NaN where a figure is unknown, or
        with fewer than two sessions that all know.
    """
    known = series[np.isfinite(series).all(axis=1)]
    count, columns = known.shape
    every = list(combinations(range(columns), 2))
    nothing = Paired(np.nan, np.nan, np.nan, np.nan, np.nan, count)
    if count < 2:
        return dict.fromkeys(every, nothing)
    if figure == "sharpe":
        values = np.array([sharpe_ratio(column) for column in known.T])
        told = np.isfinite(values)
        moved = np.column_stack([influence(column) if ok else column for column, ok in zip(known.T, told, strict=True)])
    else:
        values, moved = known.mean(axis=0), known
    block = max(block_length(column) for column in moved.T)
    drawn = np.concatenate(list(_figures(known, figure, block, resamples, seed)))
    found = {}
    for i, j in every:
        apart = values[i] - values[j]
        if not np.isfinite(apart):
            found[i, j] = nothing
        else:
            away = np.zeros(resamples) if np.array_equal(known[:, i], known[:, j]) else drawn[:, i] - drawn[:, j]
            found[i, j] = compared(float(apart), away, level, block, count)
    return found


def _figures(known: Floats, figure: str, block: float, resamples: int, seed: int) -> Iterator[Floats]:
    """The figure of every column in every resample, (R, M): from how often each session was drawn."""
    rng = np.random.default_rng(seed)
    count = len(known)
    centre = known.mean(axis=0)  # moments are taken about it, so that squares do not cancel
    off = known - centre
    most = max(_CHUNK // count, 1)
    for done in range(0, resamples, most):
        rows = stationary_rows(count, block, min(most, resamples - done), rng)
        places = rows + count * np.arange(len(rows))[:, None]
        times = np.bincount(places.ravel(), minlength=len(rows) * count).reshape(-1, count).astype(np.float64)
        mean = times @ off / count
        if figure == "mean":
            yield centre + mean
            continue
        variance = (times @ (off * off) / count - mean * mean) * count / (count - 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            yield (centre + mean) / np.sqrt(variance) * np.sqrt(SESSIONS_PER_YEAR)
