"""Tables by symbol that a setting is given: read from frames and tuples, put in order, and never changed again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtester.errors import ConfigError, DataError, did_you_mean
from backtester.market.dates import NAT, Days, as_days
from backtester.market.panel import Panel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rows:
    """``R`` rows, sorted by symbol and day, without repetition. Two are equal if they say the same.

    Attributes:
        names: the symbols that occur, sorted.
        symbol: (R,) index in ``names``.
        columns: arrays (R,) of days or numbers, read-only.
        sha256: of all of it, as hex.
    """

    names: tuple[str, ...]
    symbol: Ints
    columns: tuple[NDArray[Any], ...]
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        """Freeze the arrays and take the hash."""
        digest = hashlib.sha256(repr(self.names).encode())
        for array in (self.symbol, *self.columns):
            array.flags.writeable = False
            digest.update(f"{array.dtype.str}{array.size}".encode() + array.tobytes())
        object.__setattr__(self, "sha256", digest.hexdigest())

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.symbol)

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same rows."""
        return isinstance(other, Rows) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        """By content."""
        return hash(self.sha256)

    def __repr__(self) -> str:
        """How much it is, not what."""
        return f"<{len(self)} rows of {len(self.names)} symbols, sha256 {self.sha256[:12]}>"

    def __deepcopy__(self, memo: Any) -> Rows:
        """Itself: it never changes."""
        return self

    def describe(self) -> dict[str, Any]:
        """As plain JSON data, by which two tables can be told apart."""
        return {"rows": len(self), "symbols": len(self.names), "sha256": self.sha256}

    def placed(self, panel: Panel, where: str) -> tuple[NDArray[np.bool_], Ints]:
        """Which rows concern the panel, (R,), and the panel's column of each of these.

        Raises:
            DataError: none does.
        """
        column = np.array([panel.columns.get(name, -1) for name in self.names], np.int64)
        if len(self) and (column < 0).all():
            hint = did_you_mean(self.names[0], panel.symbols)
            raise DataError(f"{where} names {_few(self.names)}, none of which is a symbol of the panel.{hint}")
        columns = column[self.symbol] if len(self) else self.symbol
        here = columns >= 0
        return here, columns[here]


def read_columns(table: Any, needed: Sequence[str], dates: Sequence[str], where: str) -> dict[str, NDArray[Any]]:
    """The columns of a frame, or of a sequence of tuples ``(*needed, *dates)`` whose last entries may be absent.

    Args:
        table: what was given.
        needed: names of the columns that must be there, the symbol first.
        dates: names of further columns with days; an empty field, like a column that is not there, is NaT.
        where: what it is, for messages.

    Returns:
        By name: symbols as objects, days as datetime64[D], other columns as they came.

    Raises:
        ConfigError: a column is missing or unknown, a tuple is of another length, a symbol is no text, a date no date.
    """
    every = (*needed, *dates)
    if isinstance(table, pd.DataFrame):
        unknown = [str(name) for name in table.columns if name not in every]
        missing = [name for name in needed if name not in table.columns]
        if missing or unknown:
            what = f"lacks the column {missing[0]!r}" if missing else f"has the column {unknown[0]!r}"
            hint = did_you_mean((missing or unknown)[0], unknown if missing else every)
            raise ConfigError(f"{where} {what}; its columns are {', '.join(every)}.{hint}")
        frame = table
    else:
        frame = _frame_of_tuples(table, needed, every, where)
    found: dict[str, NDArray[Any]] = {}
    for name in needed:
        found[name] = frame[name].to_numpy()
    symbols = frame[needed[0]].to_list()
    for symbol in symbols:
        if not isinstance(symbol, str) or not symbol:
            raise ConfigError(f"{where} holds the symbol {symbol!r}; a symbol is text.")
    found[needed[0]] = np.array([str(symbol) for symbol in symbols], dtype=object)
    for name in dates:
        values = frame[name] if name in frame.columns else np.full(len(frame), NAT)
        try:
            found[name] = as_days(np.asarray(values), f"{where}, {name}", missing=True)
        except DataError as error:
            raise ConfigError(str(error)) from error
    return found


def _frame_of_tuples(table: Any, needed: Sequence[str], every: Sequence[str], where: str) -> pd.DataFrame:
    lengths = range(len(needed), len(every) + 1)
    if isinstance(table, str) or not isinstance(table, Sequence):
        raise ConfigError(f"{where} is {table!r}; it must be a DataFrame or a sequence of ({', '.join(every)}).")
    rows = [tuple(row) if isinstance(row, tuple | list) else (row,) for row in table]
    for row in rows:
        if len(row) not in lengths:
            raise ConfigError(f"{where} holds {row!r}; a row is ({', '.join(every)}).")
    padded = [row + (None,) * (len(every) - len(row)) for row in rows]
    return pd.DataFrame(padded, columns=list(every), dtype=object)


def codes_of(symbols: NDArray[Any]) -> tuple[tuple[str, ...], Ints]:
    """The names that occur, sorted by code point, and the index of each symbol among them."""
    names = tuple(sorted(set(symbols.tolist())))
    place = {name: k for k, name in enumerate(names)}
    return names, np.array([place[symbol] for symbol in symbols.tolist()], np.int64)


def ordered(names: tuple[str, ...], symbol: Ints, *columns: NDArray[Any]) -> tuple[Ints, list[NDArray[Any]]]:
    """Symbol codes and columns sorted by all of them in turn (missing days first, missing numbers last)."""
    keys = [_sortable(column) for column in reversed(columns)]
    order = np.lexsort((*keys, symbol))
    return symbol[order], [column[order] for column in columns]


def repeated(*columns: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows, (R,), say the same in all columns as the row before."""
    same = np.ones(len(columns[0]), dtype=bool)
    for column in columns:
        keys = _sortable(column)
        same[1:] &= (keys[1:] == keys[:-1]) | ((keys[1:] != keys[1:]) & (keys[:-1] != keys[:-1]))
    same[:1] = False
    return same


def first_session(dates: Days, days: Days, missing: int) -> Ints:
    """The first session that is not before each day: its row, or the number of sessions; ``missing`` for NaT."""
    rows: Ints = np.where(np.isnat(days), missing, np.searchsorted(dates, days, "left")).astype(np.int64)
    return rows


def _sortable(column: NDArray[Any]) -> NDArray[Any]:
    """Days as integers (NaT is the least), numbers as they are."""
    return column.astype(np.int64) if column.dtype.kind == "M" else column


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")
