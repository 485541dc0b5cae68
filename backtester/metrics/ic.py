"""How well scores order what followed: the rank information coefficient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backtester.cross_section import average_ranks, demeaned
from backtester.errors import DataError

Floats = NDArray[np.float64]


def rank_ic(scores: Floats, labels: Floats, *, min_names: int = 3) -> Floats:
    """Spearman's rank correlation of scores and labels over the symbols of each session: ``(T',)``, no unit.

    The correlation of the ranks, ties sharing the mean of theirs (Spearman, 1904; Grinold and Kahn call it the
    information coefficient). Only symbols with both a score and a label are ranked. NaN for a session with fewer than
    ``min_names`` of them, or in which either does not vary. Not annualised. Of pure chance, the mean over ``T'``
    sessions has a standard error of about ``1 / sqrt((N - 1) * T')``.

    Args:
        scores: (T', N); NaN is no opinion.
        labels: (T', N) of the same sessions and symbols, such as from `bt.labels`; NaN is unknown.
        min_names: fewest symbols, at least 2.

    Raises:
        DataError: the shapes differ.
    """
    if scores.shape != labels.shape or scores.ndim != 2:
        raise DataError(f"scores have shape {scores.shape} and labels {labels.shape}; both must be the same (T', N).")
    both = np.isfinite(scores) & np.isfinite(labels)
    one = demeaned(average_ranks(np.where(both, scores, np.nan)))
    other = demeaned(average_ranks(np.where(both, labels, np.nan)))
    one, other = np.where(both, one, 0.0), np.where(both, other, 0.0)
    spread = np.sqrt((one * one).sum(axis=1) * (other * other).sum(axis=1))
    known = (both.sum(axis=1) >= max(min_names, 2)) & (spread > 0.0)
    result = np.full(len(scores), np.nan)
    np.divide((one * other).sum(axis=1), spread, out=result, where=known)
    return result
