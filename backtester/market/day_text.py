"""Dates as people write them: ISO, with the month's name, or day and month in an order that has to be found out.

A text becomes a whole number: days since 1970, or, for two numbers of which either may be the day, `PENDING` plus the
digits. All pending ones together settle the order: 13/02/2020 can only be the 13th of February.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from backtester.errors import DataError
from backtester.market.actions import Ints
from backtester.market.dates import NAT, Days, parse_day, refuse_time

ORDERS = ("ymd", "dmy", "mdy")
MISSING = int(NAT.view(np.int64))
PENDING = 10**9
FIRST_YEAR = 1800  # no exchange has daily prices of before
_EPOCH = date(1970, 1, 1).toordinal()
_MIDNIGHT = r"(?:[T ]\s*(?:00:00(?::00(?:\.0+)?)?|12:00(?::00)? ?AM))?"
_LOOSE = re.compile(rf"(\d{{4}})([-/.])(\d\d?)\2(\d\d?){_MIDNIGHT}", re.IGNORECASE)
_TURNED = re.compile(rf"(\d\d?)([-/.])(\d\d?)\2(\d{{4}}){_MIDNIGHT}", re.IGNORECASE)
_NAMED = re.compile(
    rf"(?:(?P<d1>\d\d?)[-/. ]*(?P<m1>[a-z]{{3,9}})\.?[-/. ,]*(?P<y1>\d{{4}})"
    rf"|(?P<m2>[a-z]{{3,9}})\.?[-/. ]*(?P<d2>\d\d?),?[-/. ]*(?P<y2>\d{{4}})){_MIDNIGHT}",
    re.IGNORECASE,
)
_TIMED = re.compile(r"\d\d?([-/.])\d\d?\1\d{4}[T ]\s*\d\d?:\d\d.*", re.DOTALL)
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTH = {form: k for k, name in enumerate(_MONTHS, 1) for form in (name, name[:3])} | {"sept": 9}


# The same few thousand texts come in every file.
@lru_cache(maxsize=1 << 16)
def read_day(text: str, order: str | None = None) -> int | None:
    """One date as a number of days, `MISSING` if the text is empty, `PENDING` and more if its order is open.

    Args:
        text: without blanks around it.
        order: how numbers with the year at the end are to be read, if it is known: ``dmy`` or ``mdy``.

    Returns:
        None if the text is no date.

    Raises:
        DataError: The date has a time of day other than midnight, or a time zone.
    """
    day = parse_day(text, "")
    if day is not None:
        return int(day.view(np.int64))
    match = _TURNED.fullmatch(text)
    if match:
        a, b, year = int(match[1]), int(match[3]), int(match[4])
        dmy, mdy = _day(year, b, a), _day(year, a, b)
        if order is not None:
            return {"dmy": dmy, "mdy": mdy}.get(order)
        return None if dmy is None and mdy is None else PENDING + year * 10_000 + a * 100 + b
    if _TIMED.fullmatch(text):
        refuse_time(text, "")
    match = _LOOSE.fullmatch(text)
    if match:
        return _day(int(match[1]), int(match[3]), int(match[4]))
    match = _NAMED.fullmatch(text)
    if match:
        month = _MONTH.get((match["m1"] or match["m2"]).casefold(), 0)
        return _day(int(match["y1"] or match["y2"]), month, int(match["d1"] or match["d2"]))
    return None


def unlikely(codes: Ints) -> list[tuple[str, NDArray[np.bool_]]]:
    """Days that no bar has, with what is wrong: those before 1800 and after today, wherever today has begun."""
    first = date(FIRST_YEAR, 1, 1).toordinal() - _EPOCH
    last = _today() + 1
    year = np.where(codes >= PENDING, (codes - PENDING) // 10_000, 0)
    this = date.fromordinal(last + _EPOCH).year
    early = np.where(year > 0, year < FIRST_YEAR, (codes < first) & (codes != MISSING))
    late = np.where(year > 0, year > this, codes > last)
    return [(f"date: before {FIRST_YEAR}", early), ("date: after today", late)]


def _today() -> int:
    return datetime.now(UTC).date().toordinal() - _EPOCH


def check_order(order: str | None) -> None:
    """Raise `DataError` unless `order` is one of `ORDERS`, or None."""
    if order is not None and order not in ORDERS:
        raise DataError(f"dates {order!r} is none of {', '.join(ORDERS)}: the order of day, month and year.")


def as_written(code: int) -> str:
    """The digits of a pending date."""
    rest, b = divmod(code - PENDING, 100)
    year, a = divmod(rest, 100)
    return f"{a:02d}/{b:02d}/{year}"


class OpenOrderError(Exception):
    """The order of day and month cannot be told; `codes` are pending dates that show it."""

    def __init__(self, codes: list[int]) -> None:
        """Keep the examples."""
        super().__init__()
        self.codes = codes


def settle_order(pending: Iterable[int], order: str | None = None) -> str:
    """The order that makes a date of every pending code; ``ymd`` if there is none pending.

    Raises:
        OpenOrderError: Both orders do, and mean different days (one example); or none does (an example against each).
    """
    codes = sorted(pending)
    if not codes or order in ("dmy", "mdy"):
        return order or "ymd"
    against: dict[str, int] = {}
    for code in codes:
        for name in ("dmy", "mdy"):
            if _resolve(code, name) is None:
                against.setdefault(name, code)
    if len(against) == 2:
        raise OpenOrderError([against["mdy"], against["dmy"]])
    if not against:
        if all(_resolve(code, "dmy") == _resolve(code, "mdy") for code in codes):
            return "dmy"
        raise OpenOrderError([next(code for code in codes if _resolve(code, "dmy") != _resolve(code, "mdy"))])
    return "mdy" if "dmy" in against else "dmy"


# Dates whose order is open by themselves, and where each of them stands.
OpenDates = dict[int, str]


def settle_together(
    dates: Iterable[Ints], order: str | None, others: OpenDates | None, place: Callable[[int], str]
) -> str:
    """The one order of day and month of these dates and those that stand elsewhere.

    Args:
        dates: numbers of dates, pending ones among them.
        order: the stated order.
        others: pending dates of other tables; what settles the order here is noted there, for those that follow.
        place: where a date of `dates` stands, for messages.

    Raises:
        DataError: The order stays open, or dates contradict each other.
    """
    own: set[int] = set()
    for part in dates:
        if len(part) and part.max() >= PENDING:
            own.update(np.unique(part[part >= PENDING]).tolist())
    others = {} if others is None else others
    try:
        settled = settle_order(own | others.keys(), order)
    except OpenOrderError as error:
        where = [place(code) if code in own else others[code] for code in error.codes]
        raise DataError(open_order_message(error.codes, where)) from None
    witness = next(
        (code for code in sorted(own) if (_resolve(code, "dmy") is None) != (_resolve(code, "mdy") is None)), 0
    )
    if witness:
        others[witness] = place(witness)
    return settled


def open_order_message(codes: list[int], where: list[str]) -> str:
    """The message of an `OpenOrderError`, with the place of each of its examples."""
    if len(codes) == 1:
        return (
            f"{where[0]}: {as_written(codes[0])} may be day/month or month/day, and no date read with it settles it. "
            "Say which with dates='dmy' or dates='mdy' (--dates on the command line), or write dates as 2020-01-31."
        )
    return (
        f"{where[0]}: {as_written(codes[0])} can only be day/month, but {where[1]}: {as_written(codes[1])} can only be "
        "month/day. Import files of different orders apart, or write dates as 2020-01-31."
    )


def resolve(codes: Ints, order: str) -> Days:
    """Days ``(n,)`` from numbers that may be pending, by a settled order."""
    codes = codes.copy()
    rows = np.flatnonzero(codes >= PENDING)
    if len(rows):
        distinct, place = np.unique(codes[rows], return_inverse=True)
        days = [_resolve(int(code), order) for code in distinct]
        codes[rows] = np.array([MISSING if day is None else day for day in days], dtype=np.int64)[place]
    return codes.view("datetime64[D]")


def _resolve(code: int, order: str) -> int | None:
    rest, b = divmod(code - PENDING, 100)
    year, a = divmod(rest, 100)
    return _day(year, b, a) if order == "dmy" else _day(year, a, b)


def _day(year: int, month: int, day: int) -> int | None:
    try:
        return date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        return None
