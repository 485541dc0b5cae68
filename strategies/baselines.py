"""What a signal has to beat: holding everything, and luck."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from strategies.checks import whole


class EqualWeight(bt.Strategy):
    """Buy every tradable member in equal parts and hold: one decision, or one every ``every`` sessions if given."""

    def __init__(self, every: int | None = None) -> None:
        """Without ``every`` it buys when it holds nothing, and keeps what it has bought."""
        self.rebalance = every is not None
        self.every = 1 if every is None else whole("every", every)

    def decide(self, view: bt.View) -> NDArray[np.float64] | None:
        """Equal weights; none where something is to be kept, or on its way."""
        if not self.rebalance and (view.book.shares.any() or view.book.resting.any()):
            return None
        held = view.tradable & view.member
        if not held.any():
            return None
        target: NDArray[np.float64] = held / held.sum()
        return target


class Placebo(bt.Strategy):
    """Rank random scores: what the same book earns without knowing anything."""

    def __init__(self, seed: int = 0, *, long: float = 50, short: float = 50, every: int = 1) -> None:
        """``seed`` and the date determine the scores, wherever a run starts."""
        bt.Ranking(long, short)  # refuses what cannot be ranked
        self.seed, self.every = whole("seed", seed, least=0), whole("every", every)
        self.long, self.short = long, short

    def decide(self, view: bt.View) -> NDArray[np.float64]:
        """Rank scores drawn for today."""
        today = int(view.date.astype("datetime64[D]").astype(np.int64))
        score = np.random.default_rng((self.seed, today)).normal(size=len(view.symbols))
        return bt.rank_long_short(score, view.tradable & view.member, long=self.long, short=self.short)
