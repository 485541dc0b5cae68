"""What the statistics of this room take: series of one value a session, and levels."""

from __future__ import annotations

from typing import Any

import numpy as np

from backtester.errors import ConfigError, DataError
from backtester.metrics.returns import Floats


def as_series(x: Any) -> Floats:
    """The values as (T,) float64.

    Raises:
        DataError: they have another number of dimensions.
    """
    values = np.asarray(x, dtype=np.float64)
    if values.ndim != 1:
        raise DataError(f"a series has one value a session; this has shape {values.shape}.")
    return values


def known_values(x: Any) -> Floats:
    """The finite values of a series, (n,), in their order: NaN and infinite ones are unknown.

    Raises:
        DataError: ``x`` is not a series.
    """
    values = as_series(x)
    return values[np.isfinite(values)]


def known_pairs(one: Any, other: Any) -> tuple[Floats, Floats]:
    """Two series in the sessions in which both are finite, (n,) each.

    Raises:
        DataError: they are not two series of the same length.
    """
    first, second = as_series(one), as_series(other)
    if first.shape != second.shape:
        raise DataError(f"the series have {first.size} and {second.size} sessions; both must have the same.")
    both = np.isfinite(first) & np.isfinite(second)
    return first[both], second[both]


def check_level(level: float) -> None:
    """Raises ConfigError unless ``level`` is between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise ConfigError(f"level is {level}; it must be between 0 and 1, such as 0.95.")
