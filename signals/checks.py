"""What the signals here share: a check, what a name means, and rows of the past."""

from __future__ import annotations

import importlib
import numbers
import pkgutil
from typing import Any

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from backtester.errors import did_you_mean


def whole(key: str, value: object, least: int = 1) -> int:
    """``value`` if it is a whole number of at least ``least``; else a ConfigError that names ``key``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise bt.ConfigError(f"{key} is {value!r}; it must be a whole number, at least {least}.")
    return int(value)


def found(name: str, key: str) -> Any:
    """What ``package.module:Name`` means."""
    module, colon, attribute = name.rpartition(":")
    if not colon or not module:
        raise bt.ConfigError(f"{key} is {name!r}; write package.module:Name, such as 'sklearn.linear_model:Ridge'.")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        package = module.partition(".")[0]
        here = {one.name for one in pkgutil.iter_modules()}
        hint = "" if package in here else did_you_mean(package, here)
        raise bt.ConfigError(f"{key} is {name!r}, and {module} cannot be imported: {error}.{hint}") from error
    except AttributeError as error:
        hint = did_you_mean(attribute, dir(importlib.import_module(module)))
        raise bt.ConfigError(f"{key} is {name!r}, and {module} has no {attribute}.{hint}") from error


def lagged(values: NDArray[np.float64], rows: NDArray[np.int64], lag: int) -> NDArray[np.float64]:
    """``values[rows - lag]``, (R, N); NaN before row 0, where a negative row would count from the end."""
    found: NDArray[np.float64] = values[np.maximum(rows - lag, 0)]
    found[rows < lag] = np.nan
    return found
