"""What an estimator sees of each symbol after each close."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from backtester.cross_section import centred_ranks, standard_scores

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
SCALES = {"rank": centred_ranks, "zscore": standard_scores}


def default_features(panel: bt.Panel, rows: Rows, lookbacks: Sequence[int], scale: str) -> Floats:
    """Total returns over each look-back, and every extra column of the panel by name, compared over the session.

    Each feature is compared over the members of its session that have a close: as ranks from -0.5 to 0.5, or as
    standard scores. An unknown value counts as 0, the middle. A symbol that is no member, or has no close, has no
    features at all: NaN.

    Returns:
        (R, N, F) with F look-backs, then extra columns in alphabetical order.
    """
    close = panel.adj_close
    scored = panel.member[rows] & np.isfinite(close[rows])
    found = [close[rows] / close[rows - lookback] - 1.0 for lookback in lookbacks]
    found += [panel.extra[name][rows] for name in sorted(panel.extra)]
    features = np.empty((*scored.shape, len(found)))
    for k, values in enumerate(found):
        compared = SCALES[scale](np.where(scored, values, np.nan))
        features[:, :, k] = np.where(scored, np.nan_to_num(compared, nan=0.0), np.nan)
    return features
