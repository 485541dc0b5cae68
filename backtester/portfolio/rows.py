"""Tables by symbol that a setting is given: read from frames and tuples, put in order, and never changed again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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
        titles: what the columns are called.
        sha256: of all of it, as hex.
    """

    names: tuple[str, ...]
    symbol: Ints
    columns: tuple[NDArray[Any], ...]
    titles: tuple[str, ...]
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

    def __reduce__(self) -> tuple[Any, ...]:
        """Made anew from its fields, since arrays do not stay read-only where an object is sent to another process."""
        return Rows, (self.names, self.symbol, self.columns, self.titles)

    def expect(self, titles: tuple[str, ...], where: str) -> Rows:
        """Itself, if its columns are the ones that ``where`` takes.

        Raises:
            ConfigError: it is a table of something else.
        """
        if self.titles != titles:
            found, wanted = (", ".join(("symbol", *names)) for names in (self.titles, titles))
            raise ConfigError(f"{where} is a table of {found}; it must be one of {wanted}.")
        return self

    def describe(self) -> dict[str, Any]:
        """As plain JSON data, by which two tables can be told apart."""
        return {"rows": len(self), "symbols": len(self.names), "sha256": self.sha256}

    def left_out(self, panel: Panel) -> dict[str, int]:
        """How many rows, and symbols, are about symbols that the panel does not have."""
        absent = np.array([name not in panel.columns for name in self.names], bool)
        return {"rows_left_out": int(absent[self.symbol].sum()), "symbols_left_out": int(absent.sum())}

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


class Columns(NamedTuple):
    """A table as it was given, its symbols as indices."""

    names: tuple[str, ...]  # the symbols that occur, sorted by code point
    symbol: Ints  # (R,) index in names
    by_name: dict[str, NDArray[Any]]  # the other columns, (R,): days as datetime64[D], others as they came


def read_columns(table: Any, needed: Sequence[str], dates: Sequence[str], where: str) -> Columns:
    """The columns of a frame, or of a sequence of tuples ``(*needed, *dates)`` whose last entries may be absent.

    Args:
        table: what was given.
        needed: names of the columns that must be there, the symbol first.
        dates: names of further columns with days; an empty field, like a column that is not there, is NaT.
        where: what it is, for messages.

    Raises:
        ConfigError: a column is missing, unknown or there twice, a tuple is of another length, a symbol is no text, a
            date no date.
    """
    every = (*needed, *dates)
    if isinstance(table, pd.DataFrame):
        unknown = [str(name) for name in table.columns if name not in every]
        missing = [name for name in needed if name not in table.columns]
        if missing or unknown:
            what = f"lacks the column {missing[0]!r}" if missing else f"has the column {unknown[0]!r}"
            hint = did_you_mean((missing or unknown)[0], unknown if missing else every)
            raise ConfigError(f"{where} {what}; its columns are {', '.join(every)}.{hint}")
        if not table.columns.is_unique:
            raise ConfigError(f"{where} has the column {table.columns[table.columns.duplicated()][0]!r} twice.")
        frame = table
    else:
        frame = _frame_of_tuples(table, needed, every, where)
    names, symbol = _codes_of(frame[needed[0]], where)
    found: dict[str, NDArray[Any]] = {name: frame[name].to_numpy() for name in needed[1:]}
    for name in dates:
        values = frame[name] if name in frame.columns else np.full(len(frame), NAT)
        try:
            found[name] = as_days(np.asarray(values), f"{where}, {name}", missing=True)
        except DataError as error:
            raise ConfigError(str(error)) from error
    return Columns(names, symbol, found)


def _codes_of(symbols: pd.Series, where: str) -> tuple[tuple[str, ...], Ints]:
    """The names that occur, sorted by code point, and the index of each symbol among them."""
    try:
        codes, found = pd.factorize(symbols, use_na_sentinel=False)
    except TypeError as error:  # something that has no hash
        raise ConfigError(f"{where} holds a symbol that is no text: {error}.") from error
    for k, symbol in enumerate(found):
        if not isinstance(symbol, str) or not symbol:
            given = symbols.iloc[int(np.argmax(codes == k))]  # factorize has made None a NaN
            raise ConfigError(f"{where} holds the symbol {given!r}; a symbol is text.")
    names = tuple(sorted(map(str, found)))
    place = {name: k for k, name in enumerate(names)}
    return names, np.array([place[name] for name in found], np.int64)[codes]


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


def ordered(symbol: Ints, *columns: NDArray[Any]) -> tuple[Ints, list[NDArray[Any]]]:
    """Symbol codes and columns sorted by all of them in turn (missing days first, missing numbers last)."""
    keys = [symbol, *map(_sortable, columns)]
    if _in_order(keys):  # as long tables mostly are
        return symbol, list(columns)
    order = np.lexsort(keys[::-1])
    return symbol[order], [column[order] for column in columns]


def _in_order(keys: Sequence[NDArray[Any]]) -> bool:
    """Whether the rows ascend by all of ``keys`` in turn; False where a missing number would have to say."""
    undecided = np.ones(max(len(keys[0]) - 1, 0), dtype=bool)
    for key in keys:
        if (undecided & ~(key[1:] >= key[:-1])).any():
            return False
        undecided &= key[1:] == key[:-1]
    return True


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
