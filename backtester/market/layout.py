"""Which layout files have, told from their heads: long, one file per symbol, or wide; and which column means what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from backtester.errors import DataError, did_you_mean
from backtester.market.columns import ALIASES, BARS, RESERVED, fold_name, match_columns
from backtester.market.day_text import read_day
from backtester.market.fields import UNKNOWN, is_text
from backtester.market.quarantine import short
from backtester.market.sources import Source
from backtester.market.tables import Head, NoTableError, read_head

NO_NUMBER = "which is no finite number"
LAYOUTS = ("long", "per-symbol", "wide")
_MATCHED = ("date", "symbol", *BARS, "split", "dividend", "adj_close_vendor")
_FIELDS = (*BARS, "adj_close_vendor")
_BY_OPTION = "Say which with layout='{}' or layout='{}' (--layout on the command line)."
# Partitions that only say a part of what the date column says.
_PARTS_OF_DATES = ("year", "month", "day", "quarter")


class Plan(NamedTuple):
    """How the rows of a long or per-symbol file are read."""

    head: Head
    found: dict[str, int]  # the package's name -> position of the column
    symbol: str  # of the whole file; '' if a column has it
    date: str  # of the whole file; '' if a column has it
    extra: dict[str, int]  # further columns that look numeric -> position
    left_out: dict[str, str]  # name of a column that cannot be used -> why


def read_heads(sources: Sequence[Source]) -> tuple[list[Head], list[str]]:
    """The beginnings of files, and notes about texts that are no tables and were not given by name.

    A README.txt among the files of a folder, a zip or a pattern is left alone; any other file that is no table is an
    error.
    """
    heads: list[Head] = []
    others: list[str] = []
    for source in sources:
        try:
            head = read_head(source)
        except NoTableError:
            if not _may_be_prose(source):
                raise
            others.append(source.name)
            continue
        if _may_be_prose(source) and not head.source.fixed and not _dated(head):
            others.append(source.name)
        else:
            heads.append(head)
    if not heads and sources:
        read_head(sources[0])  # raises, unless it has columns
        raise DataError(f"{sources[0].name} holds no table of bars: none of its columns holds dates.")
    return heads, [f"{name} left alone: it holds no table" for name in others]


def _may_be_prose(source: Source) -> bool:
    return source.found and (source.member or source.path.name).casefold().endswith(".txt")


def _dated(head: Head) -> bool:
    named = any(fold_name(name) in ALIASES["date"] for name in head.names)
    return named or any(_is_date(text) for row in [head.names, *head.sample] for text in row[:8])


def detect_layout(heads: Sequence[Head], stated: str | None) -> str:
    """The layout that all files share.

    Raises:
        DataError: Files have different layouts, one may be read in two ways, or is in none of the three.
    """
    if stated is not None:
        if stated not in LAYOUTS:
            raise DataError(f"layout {stated!r} is none of {', '.join(LAYOUTS)}.{did_you_mean(str(stated), LAYOUTS)}")
        return stated
    first: dict[str, str] = {}
    for head in heads:
        first.setdefault(_layout_of(head), head.source.name)
    if len(first) > 1:
        (one, a), (two, b) = list(first.items())[:2]
        raise DataError(
            f"the files have different layouts: {a} looks {_WORDS[one]}, {b} {_WORDS[two]}. Import them apart, give "
            "the files by name or with a pattern such as DIR/*.csv, or settle it with layout=... (--layout on the "
            "command line)."
        )
    return next(iter(first))


_WORDS = {
    "long": "long (a row a date and symbol)",
    "per-symbol": "like the bars of one symbol (no symbol column)",
    "wide": "wide (a column a symbol)",
}


def _layout_of(head: Head) -> str:
    refuse_turned(head)
    names = [head.names[k] for k in head.data]
    folded = {fold_name(name) for name in names}
    found = {key for key in (*_FIELDS, "symbol") if folded & set(ALIASES[key])}
    fixed = {key for key in ("symbol", "date") for name in head.source.fixed if fold_name(name) in ALIASES[key]}
    known = {alias for key in (*_MATCHED, "sector") for alias in ALIASES[key]}
    others = [name for name in names if fold_name(name) not in known]
    fields = found & set(_FIELDS)
    if "symbol" in fixed or ("symbol" in found and "close" in found):
        return "long"
    if "symbol" in found:
        # There are companies whose tickers are SYM, NAME or CODE.
        column = next(k for k in head.data if fold_name(head.names[k]) in ALIASES["symbol"])
        if not fields and others and _all_numbers(head, column):
            _refuse_ambiguous(head, f"{head.names[column]!r} may be the column of symbols or a symbol", "long", "wide")
        return "long"
    if "close" in found:
        return "per-symbol"
    if others and not fields:
        return "wide"
    if others and not {"open", "high", "low"} <= fields:
        # LOW and OPEN are tickers too.
        if len(others) >= 3 * len(fields):
            return "wide"
        listed = ", ".join(repr(name) for name in names if fold_name(name) in known - set(ALIASES["date"]))
        _refuse_ambiguous(head, f"there is no close, and {listed} may name parts of a bar or symbols", "long", "wide")
    return "long" if "symbol" in found else "per-symbol"  # which then say what column is missing


def _refuse_ambiguous(head: Head, why: str, one: str, two: str) -> None:
    columns = ", ".join(head.names[:8]) + (", ..." if len(head.names) > 8 else "")
    raise DataError(
        f"{head.source.name}: the layout is not clear: {why} (the columns are {columns}). {_BY_OPTION.format(one, two)}"
    )


def _all_numbers(head: Head, column: int) -> bool:
    texts = [row[column].strip() for row in head.sample if row]
    return bool(texts) and all(text.casefold() in UNKNOWN or is_number(text) for text in texts)


def is_number(text: str) -> bool:
    """Whether a text is a number, with a decimal point or comma."""
    try:
        float(text.replace(",", ".", 1))
    except ValueError:
        return False
    return "_" not in text


def _is_date(text: str) -> bool:
    try:
        return bool(text.strip()) and read_day(text.strip()) is not None
    except DataError:  # a date with a time
        return True


def refuse_turned(head: Head) -> None:
    """Raise `DataError` about a header that is none, is of two lines, or has dates across."""
    name, dated = head.source.name, [_is_date(column) for column in head.names]
    if sum(dated) > 1:
        raise DataError(
            f"{name}: dates run across ({head.names[dated.index(True)]}, ...); turn the table, so that each date is a "
            "row and each symbol a column."
        )
    if any(dated):
        raise DataError(
            f"{name} has no header line: row 1 is {head.names[dated.index(True)]!r} and so on. Put a line above it "
            "that names the columns, such as date,symbol,open,high,low,close,volume."
        )
    if (
        head.sample
        and head.sample[0]
        and fold_name(head.sample[0][0]) == "ticker"
        and fold_name(head.names[0]) != "ticker"
    ):
        raise DataError(
            f"{name} has two header lines, {', '.join(head.names[:3])}, ... and {', '.join(head.sample[0][:3])}, ..., "
            "as yfinance writes them. Write it with one: yfinance.download(..., multi_level_index=False) for one "
            "symbol, frame.stack('Ticker').reset_index().to_csv(...) for several."
        )


def date_column(head: Head) -> int | None:
    """The column of dates when none has its name: a first one without a name that holds dates."""
    for k in (0, len(head.names) - 1):  # pandas writes an index first in a CSV, last in Parquet
        if k not in head.data and head.sample and all(_is_date(row[k]) for row in head.sample if row):
            return k
    return None


def wide_dates(head: Head) -> int:
    """The column of dates of a wide file: by its name, or because it comes first and holds dates.

    Raises:
        DataError: There is none.
    """
    folded = {fold_name(head.names[k]): k for k in reversed(range(len(head.names)))}
    named = next((folded[alias] for alias in ALIASES["date"] if alias in folded), None)
    for k in (named, 0, len(head.names) - 1):  # pandas writes an index first in a CSV, last in Parquet
        if k is not None and head.sample and all(_is_date(row[k]) for row in head.sample[:5] if row):
            return k
    if named is None:
        raise DataError(
            f"{head.source.name} has no column of dates (the columns are {', '.join(head.names[:8])}); name it 'date'."
        )
    return named


def plan_long(head: Head, layout: str, *, close_only: bool) -> Plan:
    """How to read a file of bars with a row a date and symbol.

    Raises:
        DataError: A column is missing, or two have the same name.
    """
    refuse_turned(head)
    name = head.source.name
    fixed: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for key, value in head.source.fixed.items():
        meaning = next((key_ for key_ in ("date", "symbol") if fold_name(key) in ALIASES[key_]), None)
        if meaning:
            fixed[meaning] = value
        elif fold_name(key) not in _PARTS_OF_DATES:
            left_out[key] = "it is the name of a folder"
    if layout == "per-symbol":
        fixed["symbol"] = head.source.stem.strip()
    found = find(head, _MATCHED, ())
    if layout == "per-symbol":
        found.pop("symbol", None)
    required = [key for key in ("date", "symbol", "open", "close", "volume") if key not in fixed]
    if close_only:
        required = [key for key in required if key not in ("open", "volume")]
    if any(key not in found for key in required):
        _refuse_missing(head, layout, [key for key in required if key not in found])
    for key in fixed.keys() & found.keys():
        fixed.pop(key)  # what the rows say is nearer
    extra: dict[str, int] = {}
    used = set(found.values()) - {found.get("adj_close_vendor")}
    for k in head.data:
        if k in used:
            continue
        key = "adj_close_vendor" if k == found.get("adj_close_vendor") else fold_name(head.names[k])
        why = "another column has its meaning" if key in RESERVED else text_in(head, k)
        if why:
            left_out[head.names[k]] = why
        else:
            extra[key] = k
    if not fixed.get("symbol", "x"):
        raise DataError(f"{name}: its name gives no symbol; name the file after it, as AAPL.csv.")
    return Plan(head, found, fixed.get("symbol", ""), fixed.get("date", ""), extra, left_out)


def key_of_extra(name: str) -> str:
    """The package's name of an extra column; a vendor's adjusted close has one of its own."""
    folded = fold_name(name)
    return "adj_close_vendor" if folded in ALIASES["adj_close_vendor"] else folded


def find(head: Head, wanted: Sequence[str], required: Sequence[str]) -> dict[str, int]:
    """As `match_columns`, on the columns that are data, and with dates that an index of pandas holds."""
    names = [head.names[k] for k in head.data]
    found = {key: head.data[k] for key, k in match_columns(names, wanted, (), head.source.name).items()}
    index = date_column(head)
    if "date" in wanted and "date" not in found and index is not None:
        found["date"] = index
    missing = [key for key in required if key not in found]
    if missing:
        match_columns(names, wanted, missing, head.source.name)  # raises
    return found


def _refuse_missing(head: Head, layout: str, missing: list[str]) -> None:
    names = [head.names[k] for k in head.data]
    try:
        match_columns(names, _MATCHED, missing[:1], head.source.name)
    except DataError as error:
        more = ""
        adjusted = [name for name in names if key_of_extra(name) == "adj_close_vendor"]
        if missing[0] == "close" and adjusted:
            raise DataError(
                f"{head.source.name}: no close, only {adjusted[0]!r}. That is no price of its day: the vendor restates "
                "it at every later dividend, so it is never taken for the close. Give the closes that were traded, or, "
                "if every price of the file is adjusted alike, name it 'close' and state the basis total_return."
            ) from None
        if "Did you mean" in str(error):
            pass  # a slip of the pen, most likely
        elif missing[0] in ("open", "volume"):
            more = " If the data has none, say so with close_only=True (--close-only on the command line)."
        elif missing[0] == "symbol":
            more = " If each file holds one symbol and is named after it, say layout='per-symbol'."
        elif missing[0] == "date":
            more = " If it is no file of bars, leave it out: name the others, or give a pattern, DIR/prices*.csv."
        raise DataError(f"{error}{more}") from None


def text_in(head: Head, k: int) -> str:
    """Why a column cannot be one of numbers, as far as the first rows tell; '' if it can."""
    kind = head.types[k] if head.types else None
    if kind is not None and not is_text(kind.value_type if pa.types.is_dictionary(kind) else kind):
        return ""
    for number, row in enumerate(head.sample, 1):
        text = row[k].strip() if row else ""
        if text.casefold() not in UNKNOWN and not is_number(text):
            return f"row {number} holds {short(row[k])!r}, {NO_NUMBER}"
    return ""
