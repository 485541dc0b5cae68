"""How well scores told what followed: the information coefficient, of ranks and of values."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.cross_section import average_ranks
from backtester.errors import DataError
from backtester.scores import Scores

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


# Sets of names of which labels keep their ranks.
_KEPT = 8


class Labels:
    """Labels that many scores are held against: their ranks among the same names are taken once.

    May be asked by several threads.
    """

    def __init__(self, values: Floats) -> None:
        """``values`` is (T', N), NaN where unknown, and must not change any more."""
        self.values = values
        self._ranked: dict[bytes, Floats] = {}

    def distances(self, both: Mask) -> Floats:
        """Distances of the ranks from their mean among the symbols ``both``, 0 for the others: (T', N), read-only."""
        key = hashlib.sha256(np.packbits(both).tobytes()).digest()
        found = self._ranked.get(key)
        if found is None:
            found = _rank_distances(self.values, both)
            found.flags.writeable = False
            if len(self._ranked) < _KEPT:
                self._ranked[key] = found
        return found


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
        labels: the same of the same sessions and symbols, such as from `bt.labels`, or `Labels`; NaN is unknown.
        min_names: fewest symbols, at least 2.

    Raises:
        DataError: the shapes differ, or the dates or symbols do where both have them.
    """
    given, followed = _aligned(scores, labels)
    both = np.isfinite(given) & np.isfinite(followed)
    right = labels.distances(both) if isinstance(labels, Labels) else _rank_distances(followed, both)
    return _correlation(_rank_distances(given, both), right, _enough(both, min_names))


def pearson_ic(scores: Any, labels: Any, *, min_names: int = 3) -> Floats:
    """Pearson's correlation of scores and labels over the symbols of each session: ``(T',)``, no unit.

    ``sum((s - mean s) * (l - mean l)) / sqrt(sum((s - mean s) ** 2) * sum((l - mean l) ** 2))`` (Pearson, 1895; Grinold
    and Kahn, 2000, define the information coefficient by it). Unlike `rank_ic` it weighs names by how far they are from
    the mean: a few large returns can make it. Only symbols with both a score and a label count. NaN for a session with
    fewer than ``min_names`` of them, or in which either is the same for all. Not annualised. What is said of the error
    of the mean of `rank_ic` holds here too.

    Args:
        scores: (T', N), an array, `Scores`, or a DataFrame of dates by symbols; NaN is no opinion.
        labels: the same of the same sessions and symbols, such as from `bt.labels`; NaN is unknown.
        min_names: fewest symbols, at least 2.

    Raises:
        DataError: the shapes differ, or the dates or symbols do where both have them.
    """
    given, followed = _aligned(scores, labels)
    both = np.isfinite(given) & np.isfinite(followed)
    known = _enough(both, min_names) & _varies(given, both) & _varies(followed, both)
    left, right = (_in_units(_distances(values, both)) for values in (given, followed))
    return _correlation(left, right, known)


def _aligned(scores: Any, labels: Any) -> tuple[Floats, Floats]:
    """The values of both, (T', N) each; raises DataError unless they are of the same sessions and symbols."""
    one_place, given = _parted(scores)
    other_place, followed = _parted(labels)
    if given.shape != followed.shape or given.ndim != 2:
        raise DataError(f"scores have shape {given.shape} and labels {followed.shape}; both must be the same (T', N).")
    if one_place is not None and other_place is not None:
        for what, one, other in zip(("dates", "symbols"), one_place, other_place, strict=True):
            if not np.array_equal(one, other):
                raise DataError(f"scores and labels have other {what}; bring both to the same sessions and symbols.")
    return given, followed


def _enough(both: Mask, min_names: int) -> Mask:
    """Whether a session has enough symbols, (T',)."""
    enough: Mask = both.sum(axis=1) >= max(min_names, 2)
    return enough


def _varies(values: Floats, both: Mask) -> Mask:
    """Whether not all values of a session are the same, (T',): asked of the values, as their mean is rounded."""
    low = np.where(both, values, np.inf).min(axis=1, initial=np.inf)
    high = np.where(both, values, -np.inf).max(axis=1, initial=-np.inf)
    varies: Mask = low < high
    return varies


def _rank_distances(values: Floats, both: Mask) -> Floats:
    """`_distances` of the ranks among the symbols that count."""
    return _distances(average_ranks(np.where(both, values, np.nan)), both)


def _distances(values: Floats, both: Mask) -> Floats:
    """Distances from the mean of the session over the symbols that count, 0 for the others, (T', N)."""
    filled = np.where(both, values, 0.0)
    mean = filled.sum(axis=1, keepdims=True) / np.maximum(both.sum(axis=1, keepdims=True), 1)
    np.subtract(filled, mean, out=filled, where=both)
    return filled


def _in_units(distances: Floats) -> Floats:
    """Distances in units of the largest of their session, so that no square is too large or small to be a number.

    A correlation does not depend on the unit.
    """
    largest = np.maximum(distances.max(axis=1, initial=0.0), -distances.min(axis=1, initial=0.0))[:, None]
    np.divide(distances, largest, out=distances, where=largest > 0.0)
    return distances


def _correlation(left: Floats, right: Floats, known: Mask) -> Floats:
    """The cosine of distances from the mean, (T',); NaN where not ``known``, or where either does not vary."""
    spread = np.sqrt((left * left).sum(axis=1) * (right * right).sum(axis=1))
    result = np.full(len(left), np.nan)
    np.divide((left * right).sum(axis=1), spread, out=result, where=known & (spread > 0.0))
    return result


def _parted(table: Any) -> tuple[tuple[Any, Any] | None, Floats]:
    """Dates and symbols, where they are told, and the values."""
    if isinstance(table, Labels):
        return None, table.values
    if isinstance(table, Scores):
        return (table.dates, np.array(table.symbols)), table.values
    if hasattr(table, "columns"):  # a DataFrame; pandas need not be imported for it
        index = table.index.to_numpy()
        dates = index.astype("datetime64[D]") if index.dtype.kind == "M" else index
        return (dates, np.array(table.columns.astype(str))), table.to_numpy(dtype=np.float64)
    return None, np.asarray(table, dtype=np.float64)
