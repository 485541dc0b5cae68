"""What an estimator sees of each symbol after each close."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from backtester.cross_section import centred_ranks, standard_scores
from signals.checks import lagged

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
# A vendor restates its adjusted close whenever a split or dividend comes: a value of it knows the future (law 15).
RESTATED = ("adj_close_vendor",)
SCALES = {"rank": centred_ranks, "zscore": standard_scores}


def default_features(panel: bt.Panel, rows: Rows, lookbacks: Sequence[int], scale: str) -> Floats:
    """Total returns over each look-back, and the extra columns of the panel by name, compared over the session.

    A vendor's adjusted close is left out, since later splits and dividends have changed it.

    Each feature is compared over the members of its session that have a close: as ranks from -0.5 to 0.5, or as
    standard scores. An unknown value counts as 0, the middle. A symbol that is no member, or has no close, has no
    features at all: NaN.

    Returns:
        (R, N, F) with F look-backs, then extra columns in alphabetical order.
    """
    close = panel.adj_close
    scored = panel.member[rows] & np.isfinite(close[rows])
    found = [close[rows] / lagged(close, rows, lookback) - 1.0 for lookback in lookbacks]
    found += [panel.extra[name][rows] for name in sorted(panel.extra) if name not in RESTATED]
    features = np.empty((*scored.shape, len(found)))
    for k, values in enumerate(found):
        compared = SCALES[scale](np.where(scored, values, np.nan))
        features[:, :, k] = np.where(scored, np.nan_to_num(compared, nan=0.0), np.nan)
    return features
