"""Two classics that need nothing but prices, and nothing to learn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from signals.checks import lagged, whole

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


class Momentum(bt.Signal):
    """The total return from ``lookback`` to ``skip`` sessions ago: Jegadeesh and Titman (1993).

    NaN where the close of either session is unknown, or that of today.
    """

    def __init__(self, lookback: int = 252, skip: int = 21, *, horizon: int = 1) -> None:
        """The last ``skip`` sessions are left out, as they tend to reverse."""
        self.lookback, self.skip = whole("lookback", lookback), whole("skip", skip, least=0)
        if self.skip >= self.lookback:
            raise bt.ConfigError(f"skip is {skip}, lookback {lookback}; skip must be below lookback.")
        self.horizon, self.warmup = whole("horizon", horizon), self.lookback + 1

    def predict(self, panel: bt.Panel, rows: Rows) -> Floats:
        """The return of the look-back window."""
        return _return(panel, rows, self.lookback, self.skip)


class Reversal(bt.Signal):
    """What fell over the last ``lookback`` sessions, in total return, rises again (Lehmann, 1990).

    NaN where the close of today or of ``lookback`` sessions ago is unknown.
    """

    def __init__(self, lookback: int = 5, *, horizon: int = 1) -> None:
        """Returns are total returns."""
        self.lookback, self.horizon = whole("lookback", lookback), whole("horizon", horizon)
        self.warmup = self.lookback + 1

    def predict(self, panel: bt.Panel, rows: Rows) -> Floats:
        """The return of the look-back window, upside down."""
        return -_return(panel, rows, self.lookback, 0)


def _return(panel: bt.Panel, rows: Rows, first: int, last: int) -> Floats:
    """Total return from ``first`` to ``last`` sessions before each row.

    NaN where that is before row 0, and where today's close is unknown.
    """
    index = panel.adj_close
    change: Floats = lagged(index, rows, last) / lagged(index, rows, first) - 1.0
    return np.where(np.isfinite(index[rows]), change, np.nan)
