"""How fast scores change: the correlation of their ranks over time, and the names that come and go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from backtester.cross_section import average_ranks
from backtester.metrics.ic import pearson_ic
from backtester.research.quality.ic import known_mean

Floats: TypeAlias = NDArray[np.float64]
Groups: TypeAlias = NDArray[np.int64]

LAGS = (1, 5, 10, 21)


def rank_autocorrelation(scores: Floats, lags: Sequence[int] = LAGS) -> dict[int, float]:
    """Correlation of a session's ranks with those of ``lag`` sessions before, mean over the sessions; no unit.

    Scores are ranked among all names of their own session, ties sharing the mean of their ranks; the correlation is
    Pearson's, over the names with a score in both sessions (alphalens' factor rank autocorrelation). Sessions are those
    of the panel: one without scores is a gap, not left out of the count. Sessions with fewer than three names in both
    do not count; NaN where none does.

    Args:
        scores: (R, N), consecutive sessions; NaN is no opinion.
        lags: sessions, at least 1 each.
    """
    ranks = average_ranks(scores)
    return {lag: known_mean(pearson_ic(ranks[lag:], ranks[: max(len(ranks) - lag, 0)])) for lag in lags}


def quantile_turnover(groups: Groups, group: int, lag: int = 1) -> float:
    """Share of the names of a group that were not in it ``lag`` sessions before, mean over the sessions; 0 to 1.

    A name that was in no group before, or in another, is new (alphalens' quantile turnover). A session counts where it
    and the one ``lag`` before it have groups at all. NaN where none does.

    Args:
        groups: (R, N), consecutive sessions, as `quantile_groups` makes them; -1: in no group.
        group: which one, from 0.
        lag: sessions, at least 1.
    """
    inside = groups == group
    now, before = inside[lag:], inside[: max(len(inside) - lag, 0)]
    names = now.sum(axis=1)
    both = (names > 0) & before.any(axis=1)
    return float(((now & ~before).sum(axis=1)[both] / names[both]).mean()) if both.any() else np.nan
