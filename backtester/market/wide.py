"""Wide files: dates down, symbols across, one file a field."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from backtester.errors import DataError
from backtester.market.actions import Floats, Ints
from backtester.market.clean import Reasons, Settings, refuse_comma
from backtester.market.columns import ALIASES, BARS, PRICES, RESERVED, fold_name
from backtester.market.dates import Days
from backtester.market.day_text import MISSING, OpenDates, resolve, settle_together, unlikely
from backtester.market.fields import UNKNOWN, Mask, UnusableError, controlled, days_of, numbers_of
from backtester.market.gather import Bars, Gathered, check_closes, ranked, shrunk
from backtester.market.layout import is_number, refuse_turned, text_in, wide_dates
from backtester.market.quarantine import Quarantine, short
from backtester.market.tables import Block, Head, Progress, as_table, in_order, parse

_NAMED = ("open", "high", "low", "close", "volume", "adj_close_vendor")
_KEY = pa.dictionary(pa.int32(), pa.string())


class Field(NamedTuple):
    """One wide file: the field that it holds, and its columns."""

    head: Head
    key: str
    date: int
    symbols: dict[int, str]  # position -> symbol


class _Part(NamedTuple):
    date: Ints  # (n,) days, some with the order of day and month still open
    row: Ints  # (n,) number of the row in the block
    values: Floats  # (n, m)
    bad: list[tuple[int, int, str, str]]  # row and column in values, why, field
    refused: list[tuple[int, str, dict[str, str]]]  # number of the row, why, fields
    broken: list[tuple[int, str]]
    rows: int


def wide_fields(heads: Sequence[Head]) -> tuple[list[Field], list[tuple[str, str, str]]]:
    """The field of each file, from its name, and columns that are left out: name, file, why.

    A single file is the close, unless its name says otherwise.

    Raises:
        DataError: No file is the close, a file's name does not say what it holds, or a file has no column of dates.
    """
    fields, left_out = [], []
    for head in heads:
        refuse_turned(head)
        key = _key_of(head)
        if key is None and len(heads) == 1:
            key = "close"
        if key is None:
            key = fold_name(head.source.stem)
            if key in RESERVED or not key:
                raise DataError(
                    f"{head.source.name}: its name cannot be that of a column; name the file after the field."
                )
        at = wide_dates(head)
        symbols: dict[int, str] = {}
        taken: set[str] = set()
        for k in head.data:
            name = head.names[k].strip()
            if k == at:
                continue
            if name in taken:
                raise DataError(f"{head.source.name}: column {name!r} is there twice; give each symbol one column.")
            if controlled([name]).any():
                left_out.append((short(name), head.source.name, "its name has a control character"))
            elif _all_text(head, k):
                left_out.append((name, head.source.name, text_in(head, k)))
            else:
                symbols[k] = name
                taken.add(name)
        if not symbols:
            raise DataError(f"{head.source.name} has no column of numbers beside its dates.")
        fields.append(Field(head, key, at, symbols))
    if "close" not in {field.key for field in fields}:
        names = ", ".join(f"{field.head.source.name} is {field.key!r}" for field in fields[:5])
        raise DataError(f"no file of closes: {names}. Name the wide file that holds them close.csv.")
    return fields, left_out


def _key_of(head: Head) -> str | None:
    """The field that the name of a file, or of its folder, says."""
    path = PurePosixPath(head.source.name)
    for name in (head.source.stem, *(part for part in reversed(path.parts[:-1]))):
        folded = fold_name(name)
        for key in _NAMED:
            if folded in ALIASES[key]:
                return key
        words = set(folded.split("_"))
        said = [key for key in _NAMED if words & set(ALIASES[key][:1])]
        if "adj" in words or "adjusted" in words:
            said = ["adj_close_vendor"] if "close" in said else said
        if len(said) == 1:
            return said[0]
    return None


def _all_text(head: Head, k: int) -> bool:
    known = [row[k].strip() for row in head.sample if row and row[k].strip().casefold() not in UNKNOWN]
    return bool(known) and not any(is_number(text) for text in known)


def gather_wide(
    fields: Sequence[Field],
    settings: Settings,
    quarantine: Quarantine,
    progress: Progress = None,
    others: OpenDates | None = None,
) -> Gathered:
    """Read and clean wide files together.

    A cell that is empty in every file is no bar. If a cell of open, high, low, close or volume cannot be used, the bar
    of that date and symbol is set aside as a whole.

    Raises:
        DataError: A file cannot be used, a date is there twice, or no bar is left.
    """
    parts, before, rows = _read(fields, settings, quarantine, progress)
    order = _order(fields, parts, before, settings.order, others)
    days = [resolve(part.date, order) for _, part in parts]
    if not sum(map(len, days)):
        raise DataError(f"no bar could be used from {fields[0].head.source.name}.{quarantine.first('bars')}")
    sessions, place = ranked(np.concatenate(days))
    symbols = sorted({name for field in fields for name in field.symbols.values()})
    column = {name: k for k, name in enumerate(symbols)}
    shape = (len(sessions), len(symbols))
    keys = list(dict.fromkeys([*BARS, *sorted({field.key for field in fields})]))
    values = {key: np.full(shape, np.nan) for key in keys}
    seen = [np.zeros(shape[0], dtype=bool) for _ in fields]  # sessions of each file
    refused = np.zeros(shape, dtype=bool)
    first = 0
    for (k, part), start in zip(parts, before, strict=True):
        field = fields[k]
        at = place[first : first + len(part.date)]
        first += len(part.date)
        columns = np.array([column[name] for name in field.symbols.values()], dtype=np.int64)
        _check_dates(field, at, part.row + start, sessions, seen[k])
        _check_cells(field, at, part.row + start, sessions, values[field.key][np.ix_(at, columns)], part.values)
        values[field.key][np.ix_(at, columns)] = np.where(
            np.isnan(part.values), values[field.key][np.ix_(at, columns)], part.values
        )
        for i, j, why, text in part.bad:
            name = symbols[columns[j]]
            fields_said = {"date": str(sessions[at[i]]), "symbol": name, field.key: text}
            quarantine.add_text(
                "bars", field.head.source.name, int(part.row[i]) + start, f"{field.key}: {why}", fields_said
            )
            # What is wrong in a further column says nothing about the bar.
            refused[at[i], columns[j]] |= field.key in BARS
    for array in values.values():
        array[refused] = np.nan
    present = np.zeros(shape, dtype=bool)
    for array in values.values():
        present |= ~np.isnan(array)
    if not present.any():
        raise DataError(f"no bar could be used from {fields[0].head.source.name}.{quarantine.first('bars')}")
    bars = shrunk(Bars(sessions, symbols, present, values))
    check_closes(bars, [field.head for field in fields if field.key == "close"])
    return Gathered(bars, [], rows, [], int(present.sum()) + int(refused.sum()), order)


def _check_dates(field: Field, at: Ints, row: Ints, sessions: Days, seen: Mask) -> None:
    """Raise `DataError` if a date is there twice in a file; note the dates that it has."""
    distinct, first, count = np.unique(at, return_index=True, return_counts=True)
    again = np.flatnonzero((count > 1) | seen[distinct])
    if len(again):
        day, number = sessions[distinct[again[0]]], int(row[first[again[0]]])
        raise DataError(
            f"{field.head.source.name}: {day} is there more than once (row {number} is one of them); keep one row a "
            "date."
        )
    seen[distinct] = True


def _check_cells(field: Field, at: Ints, row: Ints, sessions: Days, there: Floats, given: Floats) -> None:
    """Raise `DataError` if two files of a field have values for the same date and symbol."""
    both = ~np.isnan(there) & ~np.isnan(given)
    if both.any():
        i, j = np.argwhere(both)[0]
        raise DataError(
            f"{field.head.source.name}, row {row[i]}: {list(field.symbols.values())[j]} on {sessions[at[i]]} has a "
            f"{field.key} in another file too; keep one of them."
        )


def _read(
    fields: Sequence[Field], settings: Settings, quarantine: Quarantine, progress: Progress
) -> tuple[list[tuple[int, _Part]], list[int], list[int]]:
    field_of = {id(field.head): field for field in fields}

    def work(block: Block) -> _Part | UnusableError:
        try:
            return _read_part(block, field_of[id(block.head)], settings)
        except UnusableError as error:
            return error

    parts: list[tuple[int, _Part]] = []
    before: list[int] = []
    rows = [0] * len(fields)
    with closing(in_order([field.head for field in fields], work, progress)) as results:
        for k, part in results:
            name = fields[k].head.source.name
            if isinstance(part, UnusableError):
                raise DataError(f"{name}, row {rows[k] + part.position}, {part.words}")
            quarantine.add_lines("bars", name, [(number + rows[k], text) for number, text in part.broken])
            for number, why, said in part.refused:
                quarantine.add_text("bars", name, number + rows[k], why, said)
            parts.append((k, part))
            before.append(rows[k])
            rows[k] += part.rows
    return parts, before, rows


def _read_part(block: Block, field: Field, settings: Settings) -> _Part:
    try:
        wanted = {field.date: _KEY} | dict.fromkeys(field.symbols, pa.float64())
        columns, row, broken = parse(block, wanted, settings.decimal)
    except pa.ArrowException:
        columns, row, broken = parse(block)
    try:
        days = days_of(columns[field.date], settings.order)
    except UnusableError as error:
        words = f"column {field.head.names[field.date]!r}: {error.words}"
        raise UnusableError(int(row[error.position]), words) from None
    reasons = Reasons(len(row))
    reasons.mark(days.bad, "date: not a date")
    reasons.mark(days.code == MISSING, "date: missing")
    for words, wrong in unlikely(days.code):
        reasons.mark(wrong, words)
    dated = reasons.ok
    values = np.empty((len(row), len(field.symbols)))
    bad: list[tuple[int, int, str, str]] = []
    for j, (k, symbol) in enumerate(field.symbols.items()):
        numbers, unreadable = numbers_of(columns[k], settings.decimal)
        if settings.decimal == "." and unreadable.any():
            refuse_comma(columns[k], row, symbol)
        values[:, j] = numbers
        if unreadable.any():
            bad += [(int(i), j, "not a number", str(columns[k][int(i)].as_py())) for i in np.flatnonzero(unreadable)]
    for why, wrong in _wrong(values, field.key):
        bad += [(int(i), int(j), why, f"{values[i, j]:g}") for i, j in np.argwhere(wrong)]
        values[wrong] = np.nan
    refused: list[tuple[int, str, dict[str, str]]] = []
    if not dated.all():
        at, why_not = reasons.refused()
        for i, words, said in zip(at, why_not, as_table(block).raw(at.tolist()), strict=True):
            refused.append((int(row[i]), words, said))
        moved = np.cumsum(dated) - 1
        bad = [(int(moved[i]), j, why, text) for i, j, why, text in bad if dated[i]]
    return _Part(days.code[dated], row[dated], values[dated], bad, refused, broken, len(row) + len(broken))


def _wrong(values: Floats, key: str) -> list[tuple[str, np.ndarray]]:
    out = [("infinite", np.isinf(values))]
    if key in PRICES:
        out.append(("not positive", values <= 0))
    elif key == "volume":
        out.append(("negative", values < 0))
    return [(why, wrong) for why, wrong in out if wrong.any()]


def _order(
    fields: Sequence[Field],
    parts: list[tuple[int, _Part]],
    before: list[int],
    order: str | None,
    others: OpenDates | None,
) -> str:
    def place(code: int) -> str:
        j = next(j for j, (_, part) in enumerate(parts) if (part.date == code).any())
        k, part = parts[j]
        return f"{fields[k].head.source.name}, row {before[j] + int(part.row[np.argmax(part.date == code)])}"

    return settle_together((part.date for _, part in parts), order, others, place)
