"""What a signal has to beat: holding everything, and luck."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import backtester as bt


class EqualWeight(bt.Strategy):
    """Buy every tradable member in equal parts and hold: one decision, or one every ``every`` sessions if given."""

    def __init__(self, every: int | None = None) -> None:
        """Without ``every`` what is bought once is kept."""
        self.rebalance = every is not None
        self.every = every or 1

    def on_start(self, universe: bt.Universe) -> None:
        """Nothing is held yet."""
        self._bought = False

    def decide(self, view: bt.View) -> NDArray[np.float64] | None:
        """Equal weights, the first time or every time."""
        held = view.tradable & view.member
        if (self._bought and not self.rebalance) or not held.any():
            return None
        self._bought = True
        target: NDArray[np.float64] = held / held.sum()
        return target


class Placebo(bt.Strategy):
    """Rank random scores: what the same book earns without knowing anything."""

    def __init__(self, seed: int = 0, *, long: float = 50, short: float = 50, every: int = 1) -> None:
        """``seed`` and the date determine the scores, wherever a run starts."""
        self.seed, self.long, self.short, self.every = seed, long, short, every

    def decide(self, view: bt.View) -> NDArray[np.float64]:
        """Rank scores drawn for today."""
        today = int(view.date.astype("datetime64[D]").astype(np.int64))
        score = np.random.default_rng((self.seed, today)).normal(size=len(view.symbols))
        return bt.rank_long_short(score, view.tradable & view.member, long=self.long, short=self.short)
