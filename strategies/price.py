"""Two classics that need nothing but prices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from strategies.checks import whole


class Momentum(bt.Strategy):
    """Long the best returns from ``lookback`` to ``skip`` bars ago, short the worst: Jegadeesh and Titman (1993)."""

    def __init__(
        self, lookback: int = 252, skip: int = 21, *, long: float = 50, short: float = 50, every: int = 21
    ) -> None:
        """Returns are total returns; the last ``skip`` sessions are left out, as they tend to reverse."""
        bt.Ranking(long, short)  # refuses what cannot be ranked
        self.lookback, self.skip = whole("lookback", lookback), whole("skip", skip, least=0)
        if self.skip >= self.lookback:
            raise bt.ConfigError(f"skip is {skip}, lookback {lookback}; skip must be below lookback.")
        self.long, self.short, self.every = long, short, whole("every", every)
        self.warmup = self.lookback + 1

    def decide(self, view: bt.View) -> NDArray[np.float64]:
        """Rank by the return of the look-back window."""
        score = view.adj_close[-1 - self.skip] / view.adj_close[-1 - self.lookback] - 1
        return bt.rank_long_short(score, view.tradable & view.member, long=self.long, short=self.short)


class Reversal(bt.Strategy):
    """Long what fell most over the last ``lookback`` sessions, short what rose most (Lehmann, 1990)."""

    def __init__(self, lookback: int = 5, *, long: float = 50, short: float = 50, every: int = 1) -> None:
        """Returns are total returns."""
        bt.Ranking(long, short)  # refuses what cannot be ranked
        self.lookback, self.every = whole("lookback", lookback), whole("every", every)
        self.long, self.short = long, short
        self.warmup = self.lookback + 1

    def decide(self, view: bt.View) -> NDArray[np.float64]:
        """Rank by the return of the look-back window, upside down."""
        score = 1 - view.adj_close[-1] / view.adj_close[-1 - self.lookback]
        return bt.rank_long_short(score, view.tradable & view.member, long=self.long, short=self.short)
