"""From the blocks of all files to the one table of bars: sessions by symbols, one row a date and symbol."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np

from backtester.errors import DataError
from backtester.market.actions import Floats, Ints
from backtester.market.clean import Part, Settings, read_part
from backtester.market.columns import BARS
from backtester.market.dates import Days
from backtester.market.day_text import OpenDates, resolve, settle_together
from backtester.market.fields import Codes, Mask, UnusableError
from backtester.market.import_report import many, some
from backtester.market.layout import NO_NUMBER, Plan, key_of_extra
from backtester.market.quarantine import Quarantine, short
from backtester.market.sources import Source
from backtester.market.tables import Block, Head, Progress, Table, in_order, rows_of

# A table of more cells than this has to be filled to one part in so many.
_MOST_CELLS = 50_000_000
_SPARSE = 100
TWICE = "the same row again"
CONFLICT = "several rows of the same date and symbol that differ"


class Bars(NamedTuple):
    """Clean bars as sessions by symbols; one row of the files a date and symbol at most."""

    sessions: Days  # (T,) dates with at least one row
    symbols: list[str]  # (N,) sorted by code point; those with at least one row
    present: Mask  # (T, N) whether the files have a row
    values: dict[str, Floats]  # open, high, low, close, volume and extra columns, each (T, N)


class Row(NamedTuple):
    """One row of a small table that can be read, with the place that it comes from."""

    source: Table
    position: int  # in the arrays of source
    symbol: str
    fields: dict[str, Any]


class Gathered(NamedTuple):
    """What all files of bars give."""

    bars: Bars
    actions: list[Row]  # splits and dividends that stand in the rows of bars
    rows: list[int]  # of each file
    left_out: list[tuple[str, str, str]]  # column, file, why it is not among the extra columns
    read: int  # bars in the files, those set aside included
    order: str  # of day and month, as all dates together settled it


def gather_bars(
    plans: Sequence[Plan],
    settings: Settings,
    quarantine: Quarantine,
    progress: Progress = None,
    others: OpenDates | None = None,
) -> Gathered:
    """Read and clean the bars of all files together.

    Of rows that say the same of one date and symbol the first is kept; if they differ, nobody knows which is right, and
    all are set aside.

    Raises:
        DataError: A file cannot be used, the order of day and month stays open, or no row is left.
    """
    parts, rows, left_out = read_parts(plans, settings, quarantine, "bars", progress)
    _check_one_symbol(plans, parts)
    names = sorted({name for part in parts.all for name in part.names})
    extra = sorted({key for part in parts.all for key in part.values} - set(BARS))
    order = settled_order(plans, parts, settings.order, others)
    days = days_of_parts(parts, order)
    actions = _actions(parts, order, quarantine)
    place = {name: k for k, name in enumerate(names)}
    symbol = np.concatenate(
        [np.array([place[name] for name in part.names], dtype=np.int32)[part.code] for part in parts.all]
        or [np.empty(0, dtype=np.int32)]
    )
    if not len(days):
        sources = ", ".join(plan.head.source.name for plan in plans[:5]) + (", ..." * (len(plans) > 5))
        why = quarantine.first("bars") or " There is no row below the header."
        raise DataError(f"no bar could be used from {sources}.{why}")
    sessions, row = ranked(days)
    check_dense(len(days), len(sessions), symbol, plans)
    cell = row * len(names) + symbol
    del row, symbol
    keep = unique_rows(cell, len(sessions) * len(names), parts, plans, quarantine, "bars")
    shape = (len(sessions), len(names))
    present = np.zeros(shape, dtype=bool)
    present.reshape(-1)[cell if keep is None else cell[keep]] = True
    values: dict[str, Floats] = {}
    for key in (*BARS, *extra):
        values[key] = np.full(shape, np.nan)
        flat = values[key].reshape(-1)
        # Filled part by part, and each part forgotten: no second copy of a column is in memory.
        first = 0
        for part in parts.all:
            stop = first + len(part.date)
            given = part.values.pop(key, None)
            if given is not None:
                kept = slice(None) if keep is None else keep[first:stop]
                flat[cell[first:stop][kept]] = given[kept]
            first = stop
    known = {key: not np.isnan(values[key]).all() for key in extra}
    bars = shrunk(Bars(sessions, names, present, values))
    for key in extra:
        if not known[key]:
            del bars.values[key]
            where = next(plan for plan in plans if key in plan.extra)
            left_out.append((where.head.names[where.extra[key]], where.head.source.name, "it is empty"))
    if not bars.symbols:
        same = _same_symbol(plans)
        raise DataError(f"no bar could be used.{quarantine.first('bars', helped=not same)}{same}")
    check_closes(bars, [plan.head for plan in plans])
    return Gathered(bars, actions, rows, left_out, sum(rows), order)


def check_dense(rows: int, sessions: int, symbol: Codes, plans: Sequence[Plan]) -> None:
    """Raise `DataError` if a table of dates by symbols would be huge and all but empty.

    Something else than symbols has been taken for symbols then.
    """
    names = int(np.count_nonzero(np.bincount(symbol)))
    if sessions * names > _MOST_CELLS and rows < sessions * names / _SPARSE:
        plan = plans[0]
        column = repr(plan.head.names[plan.found["symbol"]]) if "symbol" in plan.found else "the name of each file"
        raise DataError(
            f"{plan.head.source.name}: {names:,} symbols with {many(round(rows / names), 'row')} each, on {sessions:,} "
            f"dates: is {column} right for the symbol?"
        )


def check_closes(bars: Bars, heads: Sequence[Head]) -> None:
    """Raise `DataError` if no close at all is known."""
    if np.isnan(bars.values["close"]).all():
        raise DataError(f"no close is known in {some([head.source.name for head in heads], 3)}: the column is empty.")


def _same_symbol(plans: Sequence[Plan]) -> str:
    """Words about files that are named after the same symbol."""
    first: dict[str, Source] = {}
    for plan in plans:
        one, two = first.setdefault(plan.symbol, plan.head.source), plan.head.source
        if "symbol" not in plan.found and one is not two:
            a, b = (one.name, two.name) if one.name != two.name else (one.path, two.path)
            return f" {a} and {b} both hold {plan.symbol}; keep the right one."
    return ""


class Parts(NamedTuple):
    """Parts of all files in their order, with the file of each and the rows of that file before it."""

    all: list[Part]
    file: list[int]
    before: list[int]

    def numbers(self, here: Sequence[int], starts: Ints, chosen: Mask) -> Ints:
        """Numbers in their file of the chosen rows of some parts of it."""
        rows = [self.all[j].row[chosen[starts[j] : starts[j + 1]]].astype(np.int64) + self.before[j] for j in here]
        return np.concatenate(rows)

    def of_files(self) -> dict[int, list[int]]:
        """Positions of the parts of each file."""
        out: dict[int, list[int]] = {}
        for j, k in enumerate(self.file):
            out.setdefault(k, []).append(j)
        return out


def read_parts(
    plans: Sequence[Plan],
    settings: Settings,
    quarantine: Quarantine,
    table: str,
    progress: Progress,
) -> tuple[Parts, list[int], list[tuple[str, str, str]]]:
    """Read all blocks of all files; set rows aside; drop extra columns that turn out not to be numbers."""
    plan_of = {id(plan.head): plan for plan in plans}

    def work(block: Block) -> Part | UnusableError:
        try:
            return read_part(block, plan_of[id(block.head)], settings)
        except UnusableError as error:
            return error

    parts = Parts([], [], [])
    rows = [0] * len(plans)
    wrong: dict[tuple[int, str], tuple[int, str]] = {}
    with closing(in_order([plan.head for plan in plans], work, progress)) as results:
        for k, part in results:
            name = plans[k].head.source.name
            if isinstance(part, UnusableError):
                raise DataError(f"{name}, row {rows[k] + part.position}, {part.words}")
            if part.refused is not None:
                moved = part.refused._replace(row=part.refused.row + rows[k])
                quarantine.add(table, moved, range(len(moved.row)), part.reasons)
            quarantine.add_lines(table, name, [(number + rows[k], text) for number, text in part.broken])
            for key, (number, text) in part.left_out.items():
                wrong.setdefault((k, key), (number + rows[k], text))
            parts.all.append(part._replace(refused=None))
            parts.file.append(k)
            parts.before.append(rows[k])
            rows[k] += part.rows
    left_out = [(name, plan.head.source.name, why) for plan in plans for name, why in plan.left_out.items()]
    for (k, key), (number, text) in wrong.items():
        column, file = plans[k].head.names[plans[k].extra[key]], plans[k].head.source.name
        left_out.append((column, file, f"row {number} holds {short(text)!r}, {NO_NUMBER}"))
    # A column that one file cannot use is used from none: how rows are cut into files does not matter.
    unusable = {key_of_extra(name) for name, _, why in left_out if why.endswith(NO_NUMBER)}
    for part in parts.all:
        for key in unusable & part.values.keys() - set(BARS):
            del part.values[key]
    return parts, rows, left_out


def settled_order(plans: Sequence[Plan], parts: Parts, order: str | None, others: OpenDates | None = None) -> str:
    """The one order of day and month in all files; see `settle_together`."""

    def place(code: int) -> str:
        k = next(k for k, part in enumerate(parts.all) if (part.date == code).any())
        part, name = parts.all[k], plans[parts.file[k]].head.source.name
        return f"{name}, row {parts.before[k] + int(part.row[np.argmax(part.date == code)])}"

    return settle_together((part.date for part in parts.all), order, others, place)


def days_of_parts(parts: Parts, order: str) -> Days:
    """The days of all rows."""
    return resolve(np.concatenate([part.date for part in parts.all] or [np.empty(0, dtype=np.int64)]), order)


def _check_one_symbol(plans: Sequence[Plan], parts: Parts) -> None:
    """A file without a symbol column in which dates repeat holds several symbols, whose names are missing."""
    for k, here in parts.of_files().items():
        plan = plans[k]
        if plan.symbol and "symbol" not in plan.found:
            dates = np.concatenate([parts.all[j].date for j in here])
            days = len(np.unique(dates))
            if len(dates) > 2 * days:
                raise DataError(
                    f"{plan.head.source.name} has {len(dates):,} rows of {days:,} dates and no column of symbols (the "
                    f"columns are {', '.join(plan.head.names)}); name the one that holds them 'symbol'."
                )


def _actions(parts: Parts, order: str, quarantine: Quarantine) -> list[Row]:
    """Splits and dividends that stand in the rows of bars."""
    out: list[Row] = []
    for part, before in zip(parts.all, parts.before, strict=True):
        if part.acting is None:
            continue
        table = part.acting._replace(row=part.acting.row + before)
        for position, why in part.unread:
            quarantine.add("actions", table, [position], why)
        days = resolve(np.array([act[1] for act in part.acts], dtype=np.int64), order)
        for position, (symbol, _, split, dividend) in enumerate(part.acts):
            if split != 1 or dividend != 0:
                fields = {"date": days[position], "split": split, "dividend": dividend}
                out.append(Row(table, position, symbol, fields))
    return out


def ranked(days: Days) -> tuple[Days, Ints]:
    """The distinct days, sorted, and the place of each among them, without a sort: days lie close together."""
    numbers = days.view(np.int64)
    first, last = int(numbers.min()), int(numbers.max())
    if last - first > 10_000_000:
        sessions, row = np.unique(days, return_inverse=True)
        return sessions, row
    seen = np.zeros(last - first + 1, dtype=bool)
    seen[numbers - first] = True
    rank = np.cumsum(seen) - 1
    return (np.flatnonzero(seen) + first).view("datetime64[D]"), rank[numbers - first]


def unique_rows(
    cell: Ints, cells: int, parts: Parts, plans: Sequence[Plan], quarantine: Quarantine, kind: str
) -> Mask | None:
    """Which rows are kept, None if all are: the first of those that say the same, none of those that differ."""
    owner = np.full(cells, -1, dtype=np.int32)
    owner[cell[::-1]] = np.arange(len(cell) - 1, -1, -1, dtype=np.int32)  # the first row of a cell is written last
    if int((owner >= 0).sum()) == len(cell):
        return None
    first = owner[cell]
    again = np.flatnonzero(first != np.arange(len(cell)))
    first_row: Ints = first[again].astype(np.int64)
    differs = np.zeros(len(again), dtype=bool)
    starts = np.cumsum([0] + [len(part.date) for part in parts.all])
    for key in {key for part in parts.all for key in part.values}:
        a, b = _values_at(parts, starts, key, again), _values_at(parts, starts, key, first_row)
        differs |= ~((a == b) | (np.isnan(a) & np.isnan(b)))
    conflicting = np.zeros(cells, dtype=bool)
    conflicting[cell[again[differs]]] = True
    conflict = conflicting[cell]
    keep = ~conflict
    keep[again] = False
    twice = np.zeros(len(cell), dtype=bool)
    twice[again] = True
    marked = ((twice & ~conflict, TWICE), (conflict, CONFLICT))
    for k, here in parts.of_files().items():
        for chosen, reason in marked:
            set_aside(kind, plans[k].head, parts.numbers(here, starts, chosen), reason, quarantine)
    return keep


def set_aside(kind: str, head: Head, numbers: Ints, reason: str, quarantine: Quarantine) -> None:
    """Set rows of a file aside by their numbers; the text of the first ones is read again."""
    texts = quarantine.room(kind, head.source.name, reason)
    if texts and len(numbers):
        table = rows_of(head, numbers[:texts])
        quarantine.add(kind, table, range(len(table.row)), reason)
    quarantine.add_bare(kind, head.source.name, numbers[texts:], reason)


def _values_at(parts: Parts, starts: Ints, key: str, at: Ints) -> Floats:
    out = np.full(len(at), np.nan)
    part_of = np.searchsorted(starts, at, side="right") - 1
    for j in np.unique(part_of):
        given = parts.all[j].values.get(key)
        if given is not None:
            here = part_of == j
            out[here] = given[at[here] - starts[j]]
    return out


def shrunk(bars: Bars) -> Bars:
    """Bars without the sessions and symbols of which conflicts have left nothing."""
    rows: Mask = np.logical_or.reduce(bars.present, axis=1)
    columns: Mask = np.logical_or.reduce(bars.present, axis=0)
    if rows.all() and columns.all():
        return bars
    grid = np.ix_(rows, columns)
    return Bars(
        bars.sessions[rows],
        [name for name, used in zip(bars.symbols, columns, strict=True) if used],
        np.ascontiguousarray(bars.present[grid]),
        {key: np.ascontiguousarray(array[grid]) for key, array in bars.values.items()},
    )
