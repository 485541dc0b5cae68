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
    begin = np.arange(sessions)[:, None] * symbols
    cells = np.argsort(filled, axis=1)  # ties share a rank, so their order does not matter
    cells += begin  # places in the whole, which are quicker than places in a row
    ordered = filled.reshape(-1)[cells]
    tied = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] < np.inf)
    place: Floats | Ints = np.broadcast_to(np.arange(1, symbols + 1), values.shape)
    if tied.any():
        # A run of equal values begins where the value differs from the one before, and ends before the next run.
        begins = np.ones(values.shape, dtype=bool)
        begins[:, 1:] = ~tied
        first = np.flatnonzero(begins)
        length = np.diff(first, append=begins.size)
        place = np.repeat(first + (length + 1) / 2.0, length).reshape(values.shape) - begin
    ranks = np.empty(values.shape)
    ranks.reshape(-1)[cells] = place
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
