"""Values compared over the symbols of a session: ranks, distances from the mean, standard scores.

Every function takes and returns ``(R, N)``: a row a session, a column a symbol. What is not finite is unknown, takes no
part, and is NaN in the result.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# A spread below this part of the values' size is rounding.
_ROUNDING = 1e-12


def average_ranks(values: Floats) -> Floats:
    """Ranks from 1 for the smallest to ``n`` for the largest of a row; ties share the mean of their ranks."""
    sessions, symbols = values.shape
    known = np.isfinite(values)
    filled = np.where(known, values, np.inf)
    order = np.argsort(filled, axis=1)  # ties share a rank, so their order does not matter
    ordered = np.take_along_axis(filled, order, axis=1)
    # A run of equal values begins where the value differs from the one before, and ends before the next run.
    place = np.broadcast_to(np.arange(symbols), (sessions, symbols))
    changes = np.ones((sessions, symbols + 1), dtype=bool)
    changes[:, 1:-1] = ordered[:, 1:] != ordered[:, :-1]
    first = np.maximum.accumulate(np.where(changes[:, :-1], place, 0), axis=1)
    last = np.minimum.accumulate(np.where(changes[:, 1:], place, symbols)[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty((sessions, symbols))
    np.put_along_axis(ranks, order, (first + last) / 2.0 + 1.0, axis=1)
    ranks[~known] = np.nan
    return ranks


def centred_ranks(values: Floats) -> Floats:
    """``(rank - 1) / (n - 1) - 0.5``: -0.5 for the smallest of a row, 0.5 for the largest; 0 where it is alone."""
    count = np.isfinite(values).sum(axis=1, keepdims=True)
    ranks = average_ranks(values)
    centred: Floats = (ranks - 1.0) / np.maximum(count - 1, 1) - np.where(count > 1, 0.5, 0.0)
    return centred


def demeaned(values: Floats, groups: Ints | None = None) -> Floats:
    """Distances from the mean of the row, or of the symbol's own group in it.

    Args:
        values: (R, N).
        groups: (N,) numbers of groups from 0; None: all symbols are one.
    """
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    result = np.full(values.shape, np.nan)
    codes = np.zeros(values.shape[1], dtype=np.int64) if groups is None else groups
    for code in np.unique(codes):
        columns = codes == code
        count = known[:, columns].sum(axis=1, keepdims=True)
        mean = filled[:, columns].sum(axis=1, keepdims=True) / np.maximum(count, 1)
        result[:, columns] = np.where(known[:, columns], filled[:, columns] - mean, np.nan)
    return result


def standard_scores(values: Floats) -> Floats:
    """``(value - mean) / std(ddof=0)`` of the row; 0 in a row that does not vary."""
    distance = demeaned(values)
    known = np.isfinite(distance)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    spread = np.sqrt(np.where(known, distance * distance, 0.0).sum(axis=1, keepdims=True) / count)
    size = np.where(known, np.abs(values), 0.0).max(axis=1, keepdims=True, initial=0.0)
    varies = spread > _ROUNDING * size
    scores: Floats = np.where(varies, distance / np.where(varies, spread, 1.0), 0.0 * distance)
    return scores
