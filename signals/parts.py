"""What signals that are made of other signals share: parts by name, the mean of what is known."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from backtester.errors import did_you_mean
from signals.checks import found

Floats = NDArray[np.float64]


def made(name: str, arguments: Mapping[str, Any], key: str) -> bt.Signal:
    """A signal by the name of its class, ``package.module:Class``.

    Args:
        name: of the class.
        arguments: of the class.
        key: the setting that names it, for messages.

    Raises:
        ConfigError: there is no such class, it is no signal, or it refuses its arguments.
    """
    kind = found(name, key)
    if not (isinstance(kind, type) and issubclass(kind, bt.Signal)):
        raise bt.ConfigError(f"{key} names {name!r}, which is no class of a signal, such as 'signals:MLP'.")
    takes = inspect.signature(kind).parameters
    for argument in arguments:
        if argument not in takes and not any(one.kind is one.VAR_KEYWORD for one in takes.values()):
            raise bt.ConfigError(
                f"{key}: {name} has no setting {argument!r}; it takes {', '.join(takes) or 'none'}."
                f"{did_you_mean(argument, takes)}"
            )
    try:
        return kind(**arguments)
    except TypeError as error:
        raise bt.ConfigError(f"{key}: {name} refused its arguments {dict(arguments)}: {error}") from error


def mean_of_known(sheets: Sequence[Floats]) -> Floats:
    """The mean over sheets (R, N) of what each says: what is NaN is left out, and NaN where all are."""
    stacked = np.stack(list(sheets))
    known = np.isfinite(stacked)
    count = known.sum(axis=0)
    total = np.where(known, stacked, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
