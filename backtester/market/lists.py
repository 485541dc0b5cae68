"""The small tables of an import: corporate actions, sectors, membership and given endings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from backtester.errors import DataError
from backtester.market.actions import check_basis
from backtester.market.clean import PLAIN, Reasons, Settings, mark_symbols
from backtester.market.columns import match_columns
from backtester.market.dates import NAT, Days
from backtester.market.day_text import PENDING, OpenDates, resolve
from backtester.market.fields import DayCodes, Mask, UnusableError, days_of, numbers_of, texts_of
from backtester.market.gather import TWICE, Row
from backtester.market.quarantine import Quarantine
from backtester.market.tables import Table

_DATES = ("date", "start", "end")
_DATES_OF = {"actions": ("date",), "sectors": (), "members": ("start", "end"), "ends": ("end",)}


class Listing(NamedTuple):
    """A symbol in the universe."""

    symbol: str
    start: np.datetime64  # first day; NaT = since ever
    end: np.datetime64  # day of removal, itself no longer inside; NaT = still a member


class Action(NamedTuple):
    """A split, a dividend, or both."""

    date: np.datetime64
    symbol: str
    split: float
    dividend: float


class End(NamedTuple):
    """What a file says of the end of a symbol."""

    date: np.datetime64  # NaT = it goes on
    delisting_return: float


def clean_actions(
    tables: Sequence[Table],
    in_bars: Sequence[Row],
    symbols: Container[str],
    basis: str,
    quarantine: Quarantine,
    settings: Settings = PLAIN,
) -> list[Action]:
    """Corporate actions, sorted by date, then symbol; one a date and symbol.

    A split and a dividend of one day may stand in two rows. Two splits of a day, or two dividends, cannot both be
    believed, nor told from a correction: both are set aside.

    Raises:
        DataError: The price basis already contains such actions; a column is missing; a date has a time or a zone.
    """
    rows = list(in_bars)
    for table in tables:
        rows += _read("actions", table, ("date", "split", "dividend"), ("date",), quarantine, settings)
    good: list[Row] = []
    for row in rows:
        split, dividend = row.fields["split"], row.fields["dividend"]
        split = row.fields["split"] = 1.0 if np.isnan(split) else split
        dividend = row.fields["dividend"] = 0.0 if np.isnan(dividend) else dividend
        if row.symbol not in symbols:
            why = "symbol: has no bars"
        elif not 0 < split < np.inf:
            why = "split: not a positive ratio"
        elif not 0 <= dividend < np.inf:
            why = "dividend: negative or infinite"
        else:
            good.append(row)
            continue
        quarantine.add("actions", row.source, [row.position], why)
    groups: dict[tuple[np.datetime64, str], list[Row]] = defaultdict(list)
    for row in good:
        groups[row.fields["date"], row.symbol].append(row)
    out = []
    for (date, symbol), group in groups.items():
        group = _drop_repeats("actions", group, quarantine)
        splits = [row.fields["split"] for row in group if row.fields["split"] != 1]
        dividends = [row.fields["dividend"] for row in group if row.fields["dividend"] != 0]
        if len(splits) > 1 or len(dividends) > 1:
            _refuse(
                "actions", group, "several splits or dividends of one day; add up those that are all true", quarantine
            )
        else:
            out.append(Action(date, symbol, *(splits or [1.0]), *(dividends or [0.0])))
    out.sort(key=lambda action: action[:2])
    days = np.array([action.date for action in out], dtype="datetime64[D]")
    split, dividend = (np.array([action[k] for action in out]) for k in (2, 3))
    sources = ", ".join(dict.fromkeys(row.source.name for row in rows))
    check_basis(days, [action.symbol for action in out], split, dividend, basis, sources)
    return out


def clean_sectors(tables: Sequence[Table], quarantine: Quarantine, settings: Settings = PLAIN) -> dict[str, str]:
    """Sector by symbol. A symbol with two different sectors has none, and both rows are set aside."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for table in tables:
        found = match_columns(table.names, ("symbol", "sector"), ("symbol", "sector"), table.name)
        code, names = texts_of(table.columns[found["sector"]], table.where(found["sector"]))
        for row in _read("sectors", table, (), (), quarantine, settings):
            sector = code[row.position]
            row.fields["sector"] = names[sector] if sector >= 0 else ""
            groups[row.symbol].append(row)
    out = {}
    for symbol, group in groups.items():
        group = _drop_repeats("sectors", group, quarantine)
        if len(group) > 1:
            _refuse("sectors", group, "several sectors of the same symbol", quarantine)
        else:
            out[symbol] = group[0].fields["sector"]
    return out


def clean_members(tables: Sequence[Table], quarantine: Quarantine, settings: Settings = PLAIN) -> list[Listing]:
    """Membership, sorted by symbol, start and end. Spans that overlap are all kept: together they are one."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for table in tables:
        for row in _read("members", table, ("start", "end"), ("start", "end"), quarantine, settings):
            if row.fields["end"] < row.fields["start"]:
                quarantine.add("members", row.source, [row.position], "end: before the start")
            else:
                groups[row.symbol].append(row)
    out = [
        Listing(row.symbol, row.fields["start"], row.fields["end"])
        for group in groups.values()
        for row in _drop_repeats("members", group, quarantine)
    ]
    return sorted(out, key=lambda listing: (listing.symbol, str(listing.start), str(listing.end)))


def clean_ends(
    tables: Sequence[Table], symbols: Container[str], quarantine: Quarantine, settings: Settings = PLAIN
) -> dict[str, End]:
    """Given endings by symbol; those with no date say that the symbol goes on."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for table in tables:
        for row in _read("ends", table, ("end", "delisting_return"), ("end",), quarantine, settings):
            paid = row.fields["delisting_return"] = _or(row.fields["delisting_return"], 0.0)
            if row.symbol not in symbols:
                quarantine.add("ends", row.source, [row.position], "symbol: has no bars")
            elif not -1 <= paid < np.inf:
                quarantine.add("ends", row.source, [row.position], "delisting_return: below -1 or infinite")
            else:
                groups[row.symbol].append(row)
    out = {}
    for symbol, group in groups.items():
        group = _drop_repeats("ends", group, quarantine)
        if len(group) > 1:
            _refuse("ends", group, "several ends of the same symbol", quarantine)
        else:
            out[symbol] = End(group[0].fields["end"], group[0].fields["delisting_return"])
    return out


def _or(value: float, otherwise: float) -> float:
    return otherwise if np.isnan(value) else value


def _read(
    kind: str,
    table: Table,
    keys: tuple[str, ...],
    required: tuple[str, ...],
    quarantine: Quarantine,
    settings: Settings,
) -> list[Row]:
    """Rows whose symbol is there and whose fields can be read; a column that is absent is unknown throughout."""
    quarantine.add_lines(kind, table.name, table.broken)
    found = match_columns(table.names, ("symbol", *keys), ("symbol", *required), table.name)
    if kind == "actions" and "split" not in found and "dividend" not in found:
        match_columns(table.names, keys, ("split",), table.name)  # raises
    code, names = texts_of(table.columns[found["symbol"]], table.where(found["symbol"]))
    reasons = Reasons(len(code))
    reasons.mark(code < 0, "symbol: missing")
    mark_symbols(reasons, code, names)
    values: dict[str, np.ndarray] = {}
    for key in keys:
        if key not in found:
            values[key] = np.full(len(code), NAT if key in _DATES else np.nan)
            continue
        column = table.columns[found[key]]
        unreadable: np.ndarray
        if key in _DATES:
            values[key], unreadable = _days(table, found[key], settings.order)
            reasons.mark(unreadable, f"{key}: not a date")
        else:
            values[key], unreadable = numbers_of(column, settings.decimal)
            reasons.mark(unreadable, f"{key}: not a number")
    if "date" in values:
        reasons.mark(np.isnat(values["date"]), "date: missing")
    quarantine.add(kind, table, *reasons.refused())
    return [
        Row(table, int(k), names[code[k]], {key: values[key][k] for key in keys}) for k in np.flatnonzero(reasons.ok)
    ]


def open_dates(tables: Mapping[str, Sequence[Table]], order: str | None) -> OpenDates:
    """Dates of all tables, by kind, whose order of day and month they do not say themselves, and where they stand."""
    out: OpenDates = {}
    for kind, table in ((kind, table) for kind, several in tables.items() for table in several):
        for k in match_columns(table.names, _DATES_OF[kind], (), table.name).values():
            codes, _ = _codes(table, k, order)
            for code in np.unique(codes[codes >= PENDING]).tolist():
                out[code] = f"{table.name}, row {table.row[np.argmax(codes == code)]}, column {table.names[k]!r}"
    return out


def _days(table: Table, k: int, order: str | None) -> tuple[Days, Mask]:
    """The days of one column in the order that all files together have settled."""
    codes, bad = _codes(table, k, order)
    return resolve(codes, order or "dmy"), bad


def _codes(table: Table, k: int, order: str | None) -> DayCodes:
    try:
        return days_of(table.columns[k], order)
    except UnusableError as error:
        row = int(table.row[error.position])
        raise DataError(f"{table.name}, row {row}, column {table.names[k]!r}: {error.words}") from None


def _drop_repeats(kind: str, group: list[Row], quarantine: Quarantine) -> list[Row]:
    """The rows of a group without those that say the same as an earlier one, which are set aside."""
    if len(group) == 1:
        return group
    seen: set[tuple[str, ...]] = set()
    out = []
    for row in group:
        said = tuple(str(value) for value in row.fields.values())
        if said in seen:
            quarantine.add(kind, row.source, [row.position], TWICE)
        else:
            seen.add(said)
            out.append(row)
    return out


def _refuse(kind: str, group: list[Row], reason: str, quarantine: Quarantine) -> None:
    for row in group:
        quarantine.add(kind, row.source, [row.position], reason)
