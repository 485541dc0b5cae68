"""Rates that differ by symbol and by date: docs/semantics.md, section 3."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtester.engine.types import COST_WINDOW
from backtester.errors import ConfigError, DataError, did_you_mean
from backtester.market.panel import Panel
from backtester.portfolio.rows import Floats, Ints, Rows, first_session, ordered, read_columns, repeated

Bytes = NDArray[np.uint8]

# Columns of a table of rates, and of a not-shortable list, beside the symbol.
RATES, SPANS = ("date", "rate"), ("start", "end")


@dataclass(frozen=True, slots=True)
class Tier:
    """A rate for symbols that are large and dear enough, as they were in the sessions before.

    Attributes:
        rate: the rate, in the unit of the setting; at least 0.
        min_dollar_volume: least mean of ``close * volume`` over the 20 sessions before, in currency; at least 0.
        min_price: least last close, in currency; at least 0.

    Raises:
        ConfigError: a value is no finite number of at least 0.
    """

    rate: float
    min_dollar_volume: float = 0.0
    min_price: float = 0.0

    def __post_init__(self) -> None:
        """Check every field."""
        for key in ("rate", "min_dollar_volume", "min_price"):
            object.__setattr__(self, key, _rate(getattr(self, key), f"Tier.{key}"))


@dataclass(frozen=True, slots=True)
class Rates:
    """A rate for every symbol in every session: the first of table, symbols, tiers and default that has one.

    The unit is that of the setting: basis points for ``slippage_bps``, a fraction per year for ``borrow_rate``. Two are
    equal, and have the same hash, if they say the same, in whatever form and order they were given.

    Attributes:
        default: where nothing else says more; at least 0.
        symbols: symbol -> rate, for all sessions, or pairs of them; kept as sorted pairs. Every symbol must be one of
            the panel's.
        table: rows ``(symbol, rate, date)``, a DataFrame with these columns or a sequence of tuples: the rate from that
            day on, until the symbol's next row. Without a date it holds from the beginning; a missing rate (NaN, None)
            ends what came before. Symbols that the panel does not have are left out, but not all may be. Kept as
            :class:`~backtester.portfolio.rows.Rows`, or None.
        tiers: the first whose bounds a symbol reaches counts; what it reaches is taken from the sessions before. While
            its price or volume has never been known, none does.

    Raises:
        ConfigError: a rate is negative or not finite, or the table has two rates for one symbol and date. The message
            names symbol, date and value.
    """

    default: float
    symbols: Mapping[str, float] | Sequence[tuple[str, float]] | None = None
    table: Any = None
    tiers: Sequence[Tier] = ()

    def __post_init__(self) -> None:
        """Check everything and bring it into one form."""
        object.__setattr__(self, "default", _rate(self.default, "Rates.default"))
        object.__setattr__(self, "symbols", _by_symbol(self.symbols))
        table = self.table.expect(RATES, "Rates.table") if isinstance(self.table, Rows) else _table(self.table)
        object.__setattr__(self, "table", table if table is not None and len(table) else None)
        tiers = self.tiers
        if isinstance(tiers, Tier) or not isinstance(tiers, Sequence) or not all(isinstance(t, Tier) for t in tiers):
            raise ConfigError(f"Rates.tiers is {tiers!r}; it must be a sequence of bt.Tier.")
        object.__setattr__(self, "tiers", tuple(tiers))

    def describe(self, panel: Panel | None = None) -> dict[str, Any]:
        """What it says as plain JSON data; of a table its size and hash, and what does not concern ``panel``."""
        return {
            "default": self.default,
            "symbols": dict(self.symbols or ()),
            "table": None if self.table is None else describe(self.table, panel),
            "tiers": [
                {"rate": tier.rate, "min_dollar_volume": tier.min_dollar_volume, "min_price": tier.min_price}
                for tier in self.tiers
            ],
        }


def describe(value: Any, panel: Panel | None = None) -> Any:
    """A setting as plain JSON data: of a table its size and hash, and how much of it does not concern ``panel``."""
    if isinstance(value, Rates):
        return value.describe(panel)
    if isinstance(value, Rows):
        return value.describe() | ({} if panel is None else value.left_out(panel))
    return list(value) if isinstance(value, tuple) else value


def table_of(value: Any) -> Rows | None:
    """The table that a setting holds, if it holds one."""
    return value.table if isinstance(value, Rates) else value if isinstance(value, Rows) else None


def resolve(rates: Rates, panel: Panel) -> tuple[Floats, Ints]:
    """The rate of every symbol in every session: rows ``(K, N)``, and the row of each session ``(T,)``.

    Rows change where the table does, so K is one more than the sessions in which it does; with tiers K is T.

    Raises:
        DataError: a name in ``symbols``, or every one in ``table``, is not a symbol of the panel.
    """
    sessions, count = panel.shape
    base = np.full(count, rates.default)
    named = np.zeros(count, dtype=bool)
    for symbol, rate in dict(rates.symbols or ()).items():
        if symbol not in panel.columns:
            hint = did_you_mean(symbol, panel.symbols)
            raise DataError(f"Rates.symbols names {symbol!r}, which is not a symbol of the panel.{hint}")
        base[panel.columns[symbol]] = rate
        named[panel.columns[symbol]] = True
    begins, column, given = _changes(rates.table, panel)
    if rates.tiers:
        rows, of_session = _tiers(rates, panel), np.arange(sessions)
        rows[:, named] = base[named]
    else:
        starts = np.union1d([0], begins).astype(np.int64)
        rows = np.tile(base, (len(starts), 1))
        of_session = np.searchsorted(starts, np.arange(sessions), "right") - 1
        begins = np.searchsorted(starts, begins)
    edges = np.searchsorted(begins, np.arange(len(rows) + 1))
    current = np.full(count, np.nan)  # what the table says
    for k in range(len(rows)):
        here = slice(edges[k], edges[k + 1])
        current[column[here]] = given[here]
        np.copyto(rows[k], current, where=~np.isnan(current))
    return rows, of_session.astype(np.int64)


def _changes(table: Rows | None, panel: Panel) -> tuple[Ints, Ints, Floats]:
    """Session, column and rate (NaN: it ends) of the table's changes, by session; one a session and column."""
    if table is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    here, column = table.placed(panel, "Rates.table")
    date, rate = (values[here] for values in table.columns)
    session = first_session(panel.dates, date, 0)
    order = np.lexsort((np.arange(len(session)), column, session))  # of those that meet in a session the last counts
    session, column, rate = session[order], column[order], rate[order]
    last = np.ones(len(session), dtype=bool)
    last[:-1] = (session[1:] != session[:-1]) | (column[1:] != column[:-1])
    last &= session < panel.shape[0]
    return session[last], column[last], rate[last]


def _tiers(rates: Rates, panel: Panel) -> Floats:
    """The rate by tiers, else the default, (T, N)."""
    sessions, count = panel.shape
    rows = np.full((sessions, count), rates.default)
    price = np.full(count, np.nan)
    window = np.full((COST_WINDOW, count), np.nan)  # close * volume of the sessions before, the latest last
    for t in range(sessions):
        if t > 0:
            close = panel.close[t - 1]
            price = np.where(np.isfinite(close), close, price)
            window[:-1] = window[1:]
            window[-1] = close * panel.volume[t - 1]
        known = np.isfinite(window)
        number = known.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            money = np.where(known, window, 0.0).sum(axis=0) / number
        for tier in reversed(rates.tiers):  # NaN reaches nothing
            rows[t][(money >= tier.min_dollar_volume) & (price >= tier.min_price)] = tier.rate
    return rows


def bar_shorts(spans: tuple[str, ...] | Rows, panel: Panel) -> tuple[Bytes, Ints]:
    """Where symbols are not shortable: rows ``(K, N)`` of 0 and 1, and the row of each session ``(T,)``.

    Raises:
        DataError: a name of a plain list, or every one of a table, is not a symbol of the panel.
    """
    where = "Costs.not_shortable"
    if isinstance(spans, tuple):
        for symbol in spans:
            if symbol not in panel.columns:
                hint = did_you_mean(symbol, panel.symbols)
                raise DataError(f"{where} names {symbol!r}, which is not a symbol of the panel.{hint}")
        barred = np.zeros((1, panel.shape[1]), np.uint8)
        barred[0, [panel.columns[symbol] for symbol in spans]] = 1
        return barred, np.zeros(panel.shape[0], np.int64)
    sessions, count = panel.shape
    here, column = spans.placed(panel, where)
    start, end = (values[here] for values in spans.columns)
    first, stop = first_session(panel.dates, start, 0), first_session(panel.dates, end, sessions)
    starts = np.union1d([0], np.concatenate((first, stop)))
    starts = starts[starts < sessions].astype(np.int64)
    change = np.zeros((len(starts) + 1, count), np.int64)
    np.add.at(change, (np.searchsorted(starts, first), column), 1)
    np.add.at(change, (np.searchsorted(starts, stop), column), -1)
    rows = (np.cumsum(change[:-1], axis=0) > 0).astype(np.uint8)
    return rows, (np.searchsorted(starts, np.arange(sessions), "right") - 1).astype(np.int64)


def plain_number(value: Any) -> float:
    """A real number as a float, minus zero as zero; NaN where it is none or too large for one."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return math.nan
    try:
        return float(value) + 0.0
    except OverflowError:
        return math.nan


def _rate(value: Any, what: str) -> float:
    number = plain_number(value)
    if 0.0 <= number < math.inf:
        return number
    raise ConfigError(f"{what} is {value!r}; it must be a finite number at least 0.")


def _by_symbol(symbols: Any) -> tuple[tuple[str, float], ...]:
    try:
        pairs = list(symbols.items() if isinstance(symbols, Mapping) else symbols or ())
        named = dict(pairs)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"Rates.symbols is {symbols!r}; it must be a mapping of symbols to rates.") from error
    for symbol in named:
        if not isinstance(symbol, str) or not symbol:
            raise ConfigError(f"Rates.symbols holds the symbol {symbol!r}; a symbol is text.")
    if len(named) < len(pairs):
        given = [symbol for symbol, _ in pairs]
        twice = next(symbol for symbol in named if given.count(symbol) > 1)
        raise ConfigError(f"Rates.symbols names {twice!r} twice; keep one.")
    return tuple((str(symbol), _rate(named[symbol], f"Rates.symbols[{symbol!r}]")) for symbol in sorted(named))


def _table(table: Any) -> Rows | None:
    """A table of rates in its one form: columns date and rate."""
    if table is None:
        return None
    where = "Rates.table"
    names, symbol, found = read_columns(table, ("symbol", "rate"), ("date",), where)
    given = found["rate"]
    rate = given.astype(np.float64) if given.dtype.kind in "fiu" else np.array([_table_rate(v) for v in given], float)
    wrong = np.flatnonzero((rate < 0) | np.isinf(rate))
    if len(wrong):
        row = wrong[0]
        day = found["date"][row]
        raise ConfigError(
            f"{where} has the rate {given[row]!r} for {names[symbol[row]]!r}"
            f"{'' if np.isnat(day) else f' on {day}'}; it must be a finite number at least 0, or missing."
        )
    rate = np.where(np.isnan(rate), math.nan, rate) + 0.0  # one NaN and one zero, so that the hash is by what is said
    symbol, (date, rate) = ordered(symbol, found["date"], rate)
    twice = repeated(symbol, date)
    differs = np.flatnonzero(twice & ~repeated(symbol, date, rate))
    if len(differs):
        row = differs[0]
        day = "without a date" if np.isnat(date[row]) else f"on {date[row]}"
        raise ConfigError(
            f"{where} has two rates for {names[symbol[row]]!r} {day}: {rate[row - 1]:g} and {rate[row]:g}; keep one."
        )
    return Rows(names, symbol[~twice], (date[~twice], rate[~twice]), RATES)


def _table_rate(value: Any) -> float:
    """A number; NaN where it is missing; infinity, which is refused, where it is no number."""
    if value is None or value is pd.NA:
        return math.nan
    if not isinstance(value, Real) or isinstance(value, bool):
        return math.inf
    try:
        return float(value)
    except OverflowError:
        return math.inf


def read_spans(spans: Any) -> tuple[str, ...] | Rows:
    """A not-shortable list in its one form: sorted names, or a table with the columns start and end.

    A table is what has dates, and every DataFrame. In a table NaT is where a span does not begin, or does not end.

    Raises:
        ConfigError: it is no list of symbols and no table ``symbol[, start][, end]``, or a span ends before it begins.
    """
    where = "Costs.not_shortable"
    if isinstance(spans, Rows):
        return spans.expect(SPANS, where)
    if isinstance(spans, str):
        raise ConfigError(f"{where} is {spans!r}; it must be a list of symbols or a table.")
    if isinstance(spans, tuple) and not spans:
        return ()  # what most runs have
    if isinstance(spans, set | frozenset):
        spans = sorted(spans, key=str)
    names, symbol, found = read_columns(spans, ("symbol",), SPANS, where)
    if not len(symbol) or not (isinstance(spans, pd.DataFrame) or any((~np.isnat(found[key])).any() for key in SPANS)):
        return names
    empty = np.flatnonzero(found["end"] <= found["start"])
    if len(empty):
        row = empty[0]
        raise ConfigError(
            f"{where} has the span {found['start'][row]} to {found['end'][row]} for {names[symbol[row]]!r}; "
            "the end is the first day on which the symbol is shortable again and comes after the start."
        )
    symbol, (start, end) = ordered(symbol, found["start"], found["end"])
    twice = repeated(symbol, start, end)
    return Rows(names, symbol[~twice], (start[~twice], end[~twice]), SPANS)
