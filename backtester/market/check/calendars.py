"""Sessions of a panel against those of an exchange."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from backtester.errors import ConfigError, did_you_mean
from backtester.market.actions import Ints
from backtester.market.dates import Days, as_days

# Without an exchange: sessions on weekends are odd if they are fewer than this share of all,
ODD_WEEKENDS = 0.05
# and sessions that are more than this many calendar days apart leave a hole.
HOLE_DAYS = 11

Exchange = str | Sequence[Any] | np.ndarray


def exchange_days(exchange: Exchange, first: np.datetime64, last: np.datetime64) -> Days:
    """The sessions of an exchange from `first` to `last`, both included.

    Args:
        exchange: a name that the package `exchange_calendars` knows, such as ``XNYS``, or the sessions themselves as
            dates.
        first: first day.
        last: last day.

    Raises:
        ConfigError: The package is not installed, does not know the name, or does not reach so far.
        DataError: Sessions were given that are no dates.
    """
    if isinstance(exchange, str):
        days = _sessions_of(exchange, first, last)
    else:
        days = np.unique(as_days(np.asarray(exchange), "exchange"))
    kept: Days = days[(days >= first) & (days <= last)]
    return kept


def _sessions_of(name: str, first: np.datetime64, last: np.datetime64) -> Days:
    # It warns of what future versions of its own dependencies will do, which is no concern of ours.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import exchange_calendars
        except ImportError as error:
            raise ConfigError(
                f"comparing sessions with the exchange {name} needs the package exchange_calendars, which is not "
                "installed: pip install 'backtester[calendar]'. Everything else is checked without it."
            ) from error
        known = exchange_calendars.get_calendar_names()
        if name not in known:
            raise ConfigError(
                f"no exchange {name!r} in exchange_calendars.{did_you_mean(name, known)} Exchanges go by their market "
                "identifier code: XNYS is New York, XLON London, XTKS Tokyo."
            )
        try:
            calendar = exchange_calendars.get_calendar(name, start=str(first), end=str(last))
        except ValueError as error:
            raise ConfigError(f"exchange_calendars cannot tell the sessions of {name}: {error}") from error
    days: Days = calendar.sessions.to_numpy().astype("datetime64[D]")
    return days


def check_weekdays(dates: Days) -> tuple[Ints, Ints]:
    """Rows of odd sessions on weekends, and rows of sessions that come after a hole."""
    none = np.empty(0, dtype=np.int64)
    if len(dates) < 2:
        return none, none
    weekend = np.flatnonzero(~np.is_busday(dates))
    odd = weekend if len(weekend) < ODD_WEEKENDS * len(dates) else none
    return odd, np.flatnonzero(np.diff(dates).astype(np.int64) > HOLE_DAYS) + 1
