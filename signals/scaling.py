"""How the inputs of a network are brought to one size: fitted on the rows that are learnt from, and on nothing else."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from backtester.cross_section import centred_ranks
from backtester.errors import did_you_mean

Floats = NDArray[np.float64]
SCALINGS = ("zscore", "minmax", "robust", "rank", "none")
# A spread below this part of a feature's size is rounding: the feature is constant.
_ROUNDING = 1e-9


class Scale(NamedTuple):
    """``(x - shift) * factor`` for each feature. A constant feature becomes 0."""

    shift: Floats  # (F,)
    factor: Floats  # (F,)


def check_scaling(kind: str) -> None:
    """Raise ConfigError unless there is a scaling of this name."""
    if kind not in SCALINGS:
        hint = did_you_mean(str(kind), SCALINGS)
        raise bt.ConfigError(f"scaling is {kind!r}; it must be one of {', '.join(SCALINGS)}.{hint}")


def fit_scale(kind: str, x: Floats, names: tuple[str, ...]) -> Scale:
    """The scale of some samples.

    Args:
        kind: ``zscore``: less the mean, over the standard deviation (ddof=0). ``minmax``: from -1 for the least to 1
            for the greatest. ``robust``: less the median, over the distance of the quartiles, or, where these are the
            same though the feature varies, over the standard deviation. ``rank`` and ``none``: as it is; ranks are
            taken session by session before (`ranked`) and need nothing fitted.
        x: (S, F) samples to fit on; NaN is unknown and takes no part.
        names: of the F features, for the message.

    Raises:
        DataError: a feature is unknown in every sample.
    """
    unknown = ~np.isfinite(x).any(axis=0)
    if unknown.any():
        name = names[int(np.argmax(unknown))]
        raise bt.DataError(
            f"the feature {name!r} is unknown in all {len(x):,} training samples ({int(unknown.sum())} of {len(names)} "
            "features are). Leave it out, begin later, or give its column values."
        )
    count = x.shape[1]
    if kind in ("rank", "none"):
        return Scale(np.zeros(count), np.ones(count))
    size = np.nanmax(np.abs(x), axis=0)
    if kind == "zscore":
        shift, spread = np.nanmean(x, axis=0), np.nanstd(x, axis=0)
    elif kind == "minmax":
        least, greatest = np.nanmin(x, axis=0), np.nanmax(x, axis=0)
        shift, spread = (least + greatest) / 2.0, (greatest - least) / 2.0
    else:
        low, shift, high = np.nanquantile(x, [0.25, 0.5, 0.75], axis=0)
        spread = high - low
        spread = np.where(spread > _ROUNDING * size, spread, np.nanstd(x, axis=0))
    varies = spread > _ROUNDING * size
    return Scale(shift, np.where(varies, 1.0 / np.where(varies, spread, 1.0), 0.0))


def ranked(x: Floats) -> Floats:
    """Every feature as its rank in the session, from -0.5 to 0.5, ties averaged: (R, N, F) to (R, N, F); NaN stays."""
    return np.stack([centred_ranks(x[:, :, k]) for k in range(x.shape[2])], axis=2)
