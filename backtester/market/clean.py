"""Rows of files as clean tables: what cannot be used goes to the quarantine, nothing else is dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.errors import DataError
from backtester.market.actions import Floats, Ints
from backtester.market.columns import BARS, PRICES, RESERVED, fold_name, match_columns
from backtester.market.dates import Days
from backtester.market.quarantine import Quarantine
from backtester.market.tables import Table, days_of, numbers_of, texts_of

Mask = NDArray[np.bool_]
TWICE = "the same row again"
CONFLICT = "several rows of the same date and symbol that differ"


class Bars(NamedTuple):
    """Clean bars, sorted by date, then symbol; one row a date and symbol."""

    date: Days  # (n,)
    symbol: Ints  # (n,) positions in symbols
    symbols: list[str]  # sorted by code point; those with at least one bar
    values: dict[str, Floats]  # open, high, low, close, volume and extra columns, each (n,)


class Row(NamedTuple):
    """One row of a small table that can be read, with the place that it comes from."""

    source: Table
    position: int  # in the arrays of source
    symbol: str
    fields: dict[str, Any]


def clean_bars(tables: Sequence[Table], quarantine: Quarantine) -> tuple[Bars, list[Row], list[str]]:
    """Clean the bars of all files together.

    A field that is empty is unknown. A row is set aside if its date or symbol is missing, if a field is no number, a
    price not positive, a volume negative or a value infinite. Of rows that say the same of one date and symbol the
    first is kept; if they differ, nobody knows which is right, and all are set aside.

    Returns:
        The bars; splits and dividends that stand in their rows (a split of 0 there means none); and one note for each
        column that was left out because it is not numeric.

    Raises:
        DataError: A column is missing, a date has a time of day or a time zone, or no row is left.
    """
    notes: list[str] = []
    parts = [_read_bars(table, quarantine, notes) for table in tables]
    names = sorted({name for part in parts for name in part.names})
    place = {name: k for k, name in enumerate(names)}
    keys = list(dict.fromkeys([*BARS, *sorted({key for part in parts for key in part.values})]))
    date = np.concatenate([part.date for part in parts])
    symbol = np.concatenate([_recode(part, place) for part in parts])
    values = {
        key: np.concatenate([part.values.get(key, np.full(len(part.date), np.nan)) for part in parts]) for key in keys
    }
    position = np.concatenate([part.position for part in parts])
    origin = np.repeat(np.arange(len(parts)), [len(part.date) for part in parts])

    _, row = np.unique(date, return_inverse=True)
    cell = row * len(names) + symbol
    keep, again, conflict = _split_repeats(cell, np.argsort(cell, kind="stable"), list(values.values()))
    for refused, reason in ((again, TWICE), (conflict, CONFLICT)):
        for k in refused:
            quarantine.add("bars", tables[origin[k]], [position[k]], reason)
    if not len(keep):
        sources = ", ".join(table.name for table in tables)
        raise DataError(f"no bar could be used from {sources}.{quarantine.first('bars')}")
    present, symbol = np.unique(symbol[keep], return_inverse=True)
    bars = Bars(
        date=date[keep],
        symbol=symbol,
        symbols=[names[k] for k in present],
        values={key: array[keep] for key, array in values.items()},
    )
    return bars, [row for part in parts for row in part.actions], notes


class _Part(NamedTuple):
    """What one file of bars gives."""

    date: Days
    code: Ints
    names: list[str]
    values: dict[str, Floats]
    position: Ints  # in the table
    actions: list[Row]


def _read_bars(table: Table, quarantine: Quarantine, notes: list[str]) -> _Part:
    quarantine.add_broken("bars", table)
    found = match_columns(
        table.names,
        ("date", "symbol", *BARS, "split", "dividend", "adj_close_vendor"),
        ("date", "symbol", "open", "close", "volume"),
        table.name,
    )
    days, bad_day = days_of(table.columns[found["date"]], table.where(found["date"]))
    code, names = texts_of(table.columns[found["symbol"]], table.where(found["symbol"]))
    reasons = Reasons(len(days))
    reasons.mark(bad_day, "date: not a date")
    reasons.mark(np.isnat(days), "date: missing")
    reasons.mark(code < 0, "symbol: missing")
    values: dict[str, Floats] = {}
    for key in BARS:
        if key not in found:  # high and low only
            values[key] = np.full(len(days), np.nan)
            continue
        numbers, unreadable = numbers_of(table.columns[found[key]])
        reasons.mark(unreadable, f"{key}: not a number")
        reasons.mark(np.isinf(numbers), f"{key}: infinite")
        if key in PRICES:
            reasons.mark(numbers <= 0, f"{key}: not positive")
        else:
            reasons.mark(numbers < 0, f"{key}: negative")
        values[key] = numbers
    values.update(_extra_columns(table, found, notes))
    quarantine.add("bars", table, *reasons.refused())
    ok = reasons.ok
    return _Part(
        date=days[ok],
        code=code[ok],
        names=names,
        values={key: array[ok] for key, array in values.items()},
        position=np.flatnonzero(ok),
        actions=_actions_in_bars(table, found, days, code, names, ok, quarantine),
    )


def _extra_columns(table: Table, found: Mapping[str, int], notes: list[str]) -> dict[str, Floats]:
    """The other columns that hold nothing but finite numbers and empty fields."""
    out: dict[str, Floats] = {}
    key_of = {position: key for key, position in found.items()}
    for k, name in enumerate(table.names):
        key = key_of.get(k, fold_name(name))
        if k in key_of and key != "adj_close_vendor":
            continue
        numbers, unreadable = numbers_of(table.columns[k])
        wrong = np.flatnonzero(unreadable | np.isinf(numbers))
        why = ""
        if key in RESERVED:
            why = "another column has its meaning"
        elif len(wrong):
            why = f"row {table.row[wrong[0]]} holds {table.raw(int(wrong[0]))[name]!r}, which is no finite number"
        elif np.isnan(numbers).all():
            why = "it is empty"
        if why:
            notes.append(f"column {name!r} of {table.name} left out: {why}")
        else:
            out[key] = numbers
    return out


def _actions_in_bars(
    table: Table, found: Mapping[str, int], days: Days, code: Ints, names: list[str], ok: Mask, quarantine: Quarantine
) -> list[Row]:
    """Splits and dividends that stand in the rows of bars. An unreadable one is set aside, and its bar kept."""
    numbers = {}
    for key, none in (("split", 1.0), ("dividend", 0.0)):
        numbers[key] = np.full(len(days), none)
        if key in found:
            given, unreadable = numbers_of(table.columns[found[key]])
            quarantine.add("actions", table, np.flatnonzero(unreadable & ok), f"{key}: not a number")
            numbers[key] = np.where(np.isnan(given) | ((given == 0) & (key == "split")), none, given)
    acts = np.flatnonzero(((numbers["split"] != 1) | (numbers["dividend"] != 0)) & ok)
    return [
        Row(table, int(k), names[code[k]], {"date": days[k], **{key: float(numbers[key][k]) for key in numbers}})
        for k in acts
    ]


def _recode(part: _Part, place: Mapping[str, int]) -> Ints:
    table = np.array([place[name] for name in part.names], dtype=np.int64)
    return table[part.code] if len(table) else part.code


class Reasons:
    """The first reason of each row of a file to be set aside."""

    def __init__(self, n: int) -> None:
        """Start with `n` rows that are all right."""
        self._code = np.zeros(n, dtype=np.int16)
        self._words = [""]

    def mark(self, bad: Mask, words: str) -> None:
        """Set rows aside that have not been so far."""
        self._words.append(words)
        self._code[bad & (self._code == 0)] = len(self._words) - 1

    @property
    def ok(self) -> Mask:
        """Rows that have not been set aside."""
        ok: Mask = self._code == 0
        return ok

    def refused(self) -> tuple[Ints, list[str]]:
        """Positions of the rows to be set aside, and the reason of each."""
        refused = np.flatnonzero(self._code)
        return refused, [self._words[k] for k in self._code[refused]]


def _split_repeats(cell: Ints, order: Ints, values: Sequence[Floats]) -> tuple[Ints, Ints, Ints]:
    """Rows to keep (sorted by cell), rows that repeat a kept one, and rows that conflict, by position."""
    none = np.empty(0, dtype=np.int64)
    if not len(order):
        return none, none, none
    ordered = cell[order]
    start = np.r_[True, ordered[1:] != ordered[:-1]]
    if start.all():
        return order, none, none
    group = np.cumsum(start) - 1
    first = order[start][group]  # for each row the first of its group
    differs = np.zeros(len(order), dtype=bool)
    rows = np.flatnonzero(~start)
    for array in values:
        a, b = array[order[rows]], array[first[rows]]
        differs[rows] |= ~((a == b) | (np.isnan(a) & np.isnan(b)))
    conflict = np.bincount(group[differs], minlength=int(group[-1]) + 1)[group] > 0
    return order[start & ~conflict], np.sort(order[~start & ~conflict]), np.sort(order[conflict])
