"""Dates of sessions: days without a time of day and without a time zone."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtester.errors import DataError

Days = NDArray[np.datetime64]  # always of unit D

NAT = np.datetime64("NaT", "D")
HOW = "write dates as 2020-01-31 or 20200131"
_DAY = re.compile(r"(\d{4})(?:-(\d\d)-(\d\d)|/(\d\d)/(\d\d)|(\d\d)(\d\d))(.*)", re.DOTALL)
_TIME = re.compile(
    r"(?:[T ]\s*(\d\d(?::\d\d(?::\d\d(?:[.,]\d+)?)?)?))?\s*(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?", re.IGNORECASE
)


def as_days(values: Any, where: str, *, missing: bool = False) -> Days:
    """Turn date-like values into days.

    Args:
        values: ``(n,)`` datetime64, `datetime.date`, timestamps at midnight, ISO text, or ``YYYYMMDD`` as text or
            integer.
        where: what the values are, for messages.
        missing: whether NaT, None, NaN and empty text are allowed; they become NaT.

    Returns:
        ``(n,)`` datetime64[D].

    Raises:
        DataError: A value has a time of day or a time zone, is no date, or is missing though it may not be.
    """
    if not (isinstance(values, np.ndarray) and values.dtype.kind == "M"):
        values = _as_datetimes(values, where)
    days: Days = values.astype("datetime64[D]")
    known = ~np.isnat(days)
    off = np.flatnonzero(known & (days != values))
    if len(off):
        refuse_time(pd.Timestamp(values[off[0]]), where)
    if not missing and not known.all():
        raise DataError(f"{where}: the value at position {int(np.argmin(known))} is missing; every row needs a date.")
    return days


def as_day(value: Any, where: str) -> np.datetime64:
    """Turn one date-like value into a day; see `as_days`."""
    day: np.datetime64 = as_days([value], where)[0]
    return day


def parse_day(text: str, where: str) -> np.datetime64 | None:
    """Read one date from text; NaT if the text is empty, None if it is no date.

    Raises:
        DataError: The date has a time of day other than midnight, or a time zone.
    """
    if not text:
        return NAT
    match = _DAY.fullmatch(text)
    rest = match and _TIME.fullmatch(match[8])
    if match is None or rest is None:
        return None
    if rest[2]:
        refuse_zone(text, where)
    if rest[1] and rest[1].strip("0:.,"):
        refuse_time(text, where)
    try:
        return np.datetime64(date(*(int(part) for part in match.groups()[:7] if part)), "D")
    except ValueError:
        return None


def check_increasing(dates: Days, where: str) -> None:
    """Raise `DataError` unless dates are strictly increasing."""
    wrong = np.flatnonzero(dates[1:] <= dates[:-1])
    if len(wrong):
        k = int(wrong[0])
        what = "is there twice" if dates[k + 1] == dates[k] else f"comes after {dates[k]}"
        raise DataError(f"{where}: {dates[k + 1]} {what}; dates must be sorted and unique.")


def refuse_zone(value: Any, where: str) -> None:
    """Raise the `DataError` about a time zone."""
    raise DataError(
        f"{where}: {value} has a time zone. Sessions are plain dates of the exchange: convert to its local time and "
        "drop the zone, for example with .dt.tz_convert('America/New_York').dt.tz_localize(None).dt.normalize()."
    )


def refuse_time(value: Any, where: str) -> None:
    """Raise the `DataError` about a time of day."""
    raise DataError(
        f"{where}: {value} has a time of day. One row is one session: keep daily bars only and cut the time off, "
        "for example with .dt.normalize()."
    )


def _as_datetimes(values: Any, where: str) -> NDArray[np.datetime64]:
    """Dates of any other type as datetime64 without a zone."""
    series = pd.Series(values)
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        refuse_zone(series.iloc[0] if len(series) else series.dtype, where)
    if pd.api.types.is_datetime64_dtype(series.dtype):
        return series.to_numpy()
    known: dict[Any, np.datetime64] = {}
    out = np.empty(len(series), dtype="datetime64[us]")
    for k, value in enumerate(series):
        day = known.get(value)
        if day is None:
            day = known[value] = _as_datetime(value, where)
        out[k] = day
    return out


def _as_datetime(value: Any, where: str) -> np.datetime64:
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return NAT
    if getattr(value, "tzinfo", None) is not None:
        refuse_zone(value, where)
    if isinstance(value, np.datetime64):
        return value
    if isinstance(value, date):  # a datetime is a date too
        return np.datetime64(value, "us")
    day = None
    if isinstance(value, (str, int, np.integer)) and not isinstance(value, bool):
        day = parse_day(str(value).strip(), where)
    if day is None:
        raise DataError(f"{where}: {value!r} is no date; {HOW}.")
    return day
