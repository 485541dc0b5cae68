"""What the signals here share: a check, and rows of the past."""

from __future__ import annotations

import numbers

import numpy as np
from numpy.typing import NDArray

import backtester as bt


def whole(key: str, value: object, least: int = 1) -> int:
    """``value`` if it is a whole number of at least ``least``; else a ConfigError that names ``key``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise bt.ConfigError(f"{key} is {value!r}; it must be a whole number, at least {least}.")
    return int(value)


def lagged(values: NDArray[np.float64], rows: NDArray[np.int64], lag: int) -> NDArray[np.float64]:
    """``values[rows - lag]``, (R, N); NaN before row 0, where a negative row would count from the end."""
    found: NDArray[np.float64] = values[np.maximum(rows - lag, 0)]
    found[rows < lag] = np.nan
    return found
