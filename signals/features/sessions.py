"""Features that compare the symbols of a session, and those of the session and the symbol themselves.

Each function takes a slab and gives ``(R, N)``. Compared are the members of the universe that have a close and a value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backtester.cross_section import average_ranks
from signals.features.prices import total_return
from signals.features.slab import Slab, lagged, weighted

Floats = NDArray[np.float64]
_MONDAY = 3  # 1970-01-01, day 0 of a datetime64, was a Thursday


def decile(slab: Slab, sessions: int) -> Floats:
    """Decile of the total return over ``sessions``, from 0 for the lowest tenth of the session to 9 (see `parts`)."""
    return parts(_compared(slab, total_return(slab, sessions)), 10)


def sector_quintile(slab: Slab, sessions: int) -> Floats:
    """Quintile of the total return within the symbol's sector, from 0 to 4; symbols without a sector form one."""
    values = _compared(slab, total_return(slab, sessions))
    found = np.empty(values.shape)
    codes = slab.panel.sector_codes
    for code in np.unique(codes):
        columns = codes == code
        found[:, columns] = parts(np.ascontiguousarray(values[:, columns]), 5)
    return found


def parts(values: Floats, count: int) -> Floats:
    """Which of ``count`` equal parts of its row a value falls into, from 0.

    Part ``k`` reaches from above the quantile ``k / count`` to that of ``(k + 1) / count``, quantiles interpolated
    linearly, and the first one holds the smallest value too: ``max(ceil(count * (rank - 1) / (n - 1)) - 1, 0)``, ranks
    from 1 and ties averaged. A value that is alone counts as the middle, as do values that are all equal.
    """
    known = np.isfinite(values)
    others = np.maximum(known.sum(axis=1, keepdims=True) - 1, 1)
    alone = known.sum(axis=1, keepdims=True) == 1
    # Twice a rank is whole, so that a value on the edge of two parts is placed without rounding.
    twice = np.where(known, 2.0 * average_ranks(values) - 2.0, 0.0).astype(np.int64) + alone
    place = np.maximum(-(-count * twice // (2 * others)) - 1, 0)
    return np.where(known, place.astype(np.float64), np.nan)


def dollar_volume(slab: Slab) -> Floats:
    """``log(1 + close * volume)`` of the row, natural: over symbols it spans decades."""
    return np.log1p(lagged(slab.dollars, slab.rows, 0))


def dollar_volume_rank(slab: Slab, window: int) -> Floats:
    """Rank of the mean dollar volume over ``window`` rows: 1 for the largest, ties averaged."""
    mean = weighted(slab.dollars, slab.rows, np.full(window, 1.0 / window))
    return average_ranks(-_compared(slab, mean))


def sector(slab: Slab) -> Floats:
    """The symbol's position in `Panel.sector_names`, from 0; symbols without a sector share one."""
    return np.broadcast_to(slab.panel.sector_codes.astype(np.float64), slab.scored.shape)


def year(slab: Slab) -> Floats:
    """The year of the session, as 2020."""
    return _dated(slab, slab.panel.dates.astype("datetime64[Y]").astype(np.int64) + 1970)


def month(slab: Slab) -> Floats:
    """The month of the session, from 1 to 12."""
    return _dated(slab, slab.panel.dates.astype("datetime64[M]").astype(np.int64) % 12 + 1)


def weekday(slab: Slab) -> Floats:
    """The day of the week, 0 for Monday."""
    return _dated(slab, (slab.panel.dates.astype(np.int64) + _MONDAY) % 7)


def _dated(slab: Slab, values: NDArray[np.int64]) -> Floats:
    column = values[slab.first : slab.last + 1, None].astype(np.float64)
    return np.broadcast_to(column, slab.scored.shape)


def _compared(slab: Slab, values: Floats) -> Floats:
    return np.where(slab.scored, values, np.nan)
