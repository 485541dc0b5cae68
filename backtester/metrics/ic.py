"""How well scores order what followed: the rank information coefficient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.cross_section import average_ranks, demeaned
from backtester.errors import DataError
from backtester.scores import Scores

Floats = NDArray[np.float64]


def rank_ic(scores: Any, labels: Any, *, min_names: int = 3) -> Floats:
    """Spearman's rank correlation of scores and labels over the symbols of each session: ``(T',)``, no unit.

    The correlation of the ranks, ties sharing the mean of theirs (Spearman, 1904; Grinold and Kahn call it the
    information coefficient). Only symbols with both a score and a label are ranked. NaN for a session with fewer than
    ``min_names`` of them, or in which either does not vary. Not annualised.

    Of pure chance, the mean over ``T'`` sessions has a standard error of about ``1 / sqrt((N - 1) * T')`` where labels
    do not overlap, as with a horizon of 1. With a horizon of ``h``, neighbouring sessions share most of their labels:
    of slow scores the error is up to ``sqrt(h)`` times that. Take every ``h``-th session to be rid of it.

    Args:
        scores: (T', N), an array, `Scores`, or a DataFrame of dates by symbols; NaN is no opinion.
        labels: the same of the same sessions and symbols, such as from `bt.labels`; NaN is unknown.
        min_names: fewest symbols, at least 2.

    Raises:
        DataError: the shapes differ, or the dates or symbols do where both have them.
    """
    one_place, given = _parted(scores)
    other_place, followed = _parted(labels)
    if given.shape != followed.shape or given.ndim != 2:
        raise DataError(f"scores have shape {given.shape} and labels {followed.shape}; both must be the same (T', N).")
    if one_place is not None and other_place is not None:
        for what, one, other in zip(("dates", "symbols"), one_place, other_place, strict=True):
            if not np.array_equal(one, other):
                raise DataError(f"scores and labels have other {what}; bring both to the same sessions and symbols.")
    both = np.isfinite(given) & np.isfinite(followed)
    left = demeaned(average_ranks(np.where(both, given, np.nan)))
    right = demeaned(average_ranks(np.where(both, followed, np.nan)))
    left, right = np.where(both, left, 0.0), np.where(both, right, 0.0)
    spread = np.sqrt((left * left).sum(axis=1) * (right * right).sum(axis=1))
    known = (both.sum(axis=1) >= max(min_names, 2)) & (spread > 0.0)
    result = np.full(len(given), np.nan)
    np.divide((left * right).sum(axis=1), spread, out=result, where=known)
    return result


def _parted(table: Any) -> tuple[tuple[Any, Any] | None, Floats]:
    """Dates and symbols, where they are told, and the values."""
    if isinstance(table, Scores):
        return (table.dates, np.array(table.symbols)), table.values
    if hasattr(table, "columns"):  # a DataFrame; pandas need not be imported for it
        index = table.index.to_numpy()
        dates = index.astype("datetime64[D]") if index.dtype.kind == "M" else index
        return (dates, np.array(table.columns.astype(str))), table.to_numpy(dtype=np.float64)
    return None, np.asarray(table, dtype=np.float64)
