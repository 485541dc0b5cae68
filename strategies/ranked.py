"""Long the best scores, short the worst."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from strategies.checks import whole

Floats = NDArray[np.float64]


class RankedLongShort(bt.Strategy):
    """Hold the ``long`` best and ``short`` worst scored members that are tradable, again every ``every`` sessions.

    The settings are those of `bt.rank_long_short`. Needs scores. Its targets do not depend on the book, so it runs in
    one stride.
    """

    def __init__(
        self,
        long: float = 50,
        short: float = 50,
        *,
        weights: bt.Weighting = "equal",
        gross: float = 1.0,
        min_names: int = 1,
        sector_neutral: bool = False,
        every: int = 1,
        warmup: int = 1,
    ) -> None:
        """See `bt.rank_long_short`; ``every`` and ``warmup`` as in `bt.Strategy`."""
        self.ranking = bt.Ranking(long, short, weights, gross, min_names, sector_neutral)
        self.every, self.warmup = whole("every", every), whole("warmup", warmup)

    def decide(self, view: bt.View) -> Floats:
        """Rank today's scores."""
        today: Floats = self.decide_rows(view.history, view.scores, range(view.t, view.t + 1))[0]
        return today

    def decide_rows(self, panel: bt.Panel, scores: Floats | None, rows: range) -> Floats:
        """Rank the scores of many sessions, each by itself."""
        if scores is None:
            raise bt.StrategyError("RankedLongShort needs scores: pass scores= to bt.run.")
        sessions = slice(rows.start, rows.stop, rows.step)
        return self.ranking.rows(
            scores[sessions],
            panel.tradable[sessions] & panel.member[sessions],
            bt.trailing_volatility(panel.returns, rows) if self.ranking.weights == "inverse_volatility" else None,
            panel.sector_codes if self.ranking.sector_neutral else None,
        )
