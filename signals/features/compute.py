"""Features of rows of a panel: each kind asked for what it makes, and what every feature has in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from backtester.labels import check_rows
from signals.features.kinds import FEATURES, KINDS, SCALES
from signals.features.naming import EXTRA, Named, Names, expand, parse
from signals.features.slab import Slab

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
# Rows computed at a time: memory does not grow with the panel, and what is summed stays in the processor's cache.
_ROWS = 128


def compute(panel: bt.Panel, rows: Rows, names: Names) -> Floats:
    """The features of rows, each from what was known after the close of its session.

    A row depends on the ``warmup_of(names)`` rows that end with it alone, and has the same bits whichever others are
    asked for. NaN is unknown: a value that a feature needs is, or the symbol is no member of the universe or has no
    close in that row, in which case all its features are. Compared are the members with a close and a value. What
    ``rank:`` or ``zscore:`` compares counts as 0, the middle, where it is unknown.

    Args:
        panel: the market; rows after ``rows[-1]`` are not looked at.
        rows: (R,) rows of the panel, strictly increasing.
        names: ``default``, ``ml4t``, a name, or a list of names; all stand in docs/features.md.

    Returns:
        (R, N, F) float64, F as in `feature_names`.

    Raises:
        ConfigError: a name is unknown, wrong, or there twice.
        DataError: these are no rows of the panel in increasing order.
    """
    asked = expand(panel, parse(names, FEATURES), FEATURES)
    at = check_rows(rows, panel)
    found = np.empty((len(at), panel.shape[1], len(asked)))
    depth = max(one.depth for one in asked)
    for piece in _pieces(at, depth):
        first = int(at[piece.start])
        slab = Slab(panel, first, int(at[piece.stop - 1]), depth)
        for k, one in enumerate(asked):
            found[piece, :, k] = _values(slab, one)[at[piece] - first]
    return found


def default_features(panel: bt.Panel, rows: Rows, lookbacks: Sequence[int], scale: str) -> Floats:
    """Total returns over each look-back, and the extra columns of the panel by name, compared over the session.

    A vendor's adjusted close is left out, since later splits and dividends have changed it.

    Each feature is compared over the members of its session that have a close: as ranks from -0.5 to 0.5, or as
    standard scores. An unknown value counts as 0, the middle. A symbol that is no member, or has no close, has no
    features at all: NaN.

    Returns:
        (R, N, F) with F look-backs, then extra columns in alphabetical order.
    """
    once = list(dict.fromkeys(lookbacks))
    found = compute(panel, rows, [*(f"{scale}:return_{lookback}" for lookback in once), f"{scale}:{EXTRA}"])
    columns = [once.index(lookback) for lookback in lookbacks]  # a look-back that is given twice is a column twice
    return found[:, :, columns + list(range(len(once), found.shape[2]))]


def _pieces(rows: Rows, depth: int) -> Iterator[slice]:
    """Slices of the rows that are computed together: near each other, and not too many."""
    start = 0
    for k in range(1, len(rows) + 1):
        if k == len(rows) or rows[k] - rows[start] >= _ROWS or rows[k] - rows[k - 1] > depth:
            yield slice(start, k)
            start = k


def _values(slab: Slab, one: Named) -> Floats:
    """One feature of a slab, (R, N)."""
    if one.kind == EXTRA:
        values = slab.now(slab.panel.extra[one.parameters[0]])
    else:
        values = KINDS[one.kind].values(slab, *one.parameters)
    if one.scale:
        compared = SCALES[one.scale](np.where(slab.scored, values, np.nan))
        values = np.nan_to_num(compared, nan=0.0)
    return np.where(slab.scored, values, np.nan)
