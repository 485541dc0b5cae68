"""The check that the signals here share."""

from __future__ import annotations

import numbers

import backtester as bt


def whole(key: str, value: object, least: int = 1) -> int:
    """``value`` if it is a whole number of at least ``least``; else a ConfigError that names ``key``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise bt.ConfigError(f"{key} is {value!r}; it must be a whole number, at least {least}.")
    return int(value)
