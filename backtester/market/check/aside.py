"""Rows that an import set aside, as problems of the data."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from backtester.errors import DataError
from backtester.market.check.kinds import KINDS
from backtester.market.check.report import Example, Problem
from backtester.market.columns import ALIASES, fold_name
from backtester.market.quarantine import COLUMNS, Refused

# Reasons of a quarantine by what they contain, the first that fits.
_REASONS = (
    ("same row again", "repeated_rows"),
    ("several rows of the same date", "conflicting_rows"),
    ("not positive", "not_positive"),
    ("negative", "not_positive"),
    ("infinite", "not_positive"),
)


def check_aside(rows: Iterable[Refused], keep: int) -> list[Problem]:
    """Group the rows of a quarantine by what is wrong with them.

    Args:
        rows: the rows, in the order of the quarantine.
        keep: examples to keep of each kind; the first ones.
    """
    groups: dict[str, list[Refused]] = {}
    for row in rows:
        groups.setdefault(_kind(row), []).append(row)
    return [_problem(kind, groups[kind], keep) for kind in KINDS if kind in groups]


def read_aside(path: Path) -> list[Refused]:
    """The rows of a ``quarantine.csv``.

    Raises:
        DataError: It cannot be read, or is no such file.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.reader(stream)
            if tuple(next(reader, ())) != COLUMNS:
                raise DataError(f"{path} is damaged: its columns are not {', '.join(COLUMNS)}; import again.")
            return [Refused(table, file, int(number), *rest) for table, file, number, *rest in reader]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} cannot be read ({error}); import the dataset again.") from error


def _kind(row: Refused) -> str:
    if "has no bars" in row.reason:
        return "entries_without_bars"
    kind = next((kind for words, kind in _REASONS if words in row.reason), "")
    if row.table == "bars" or kind == "repeated_rows":
        return kind or "unparsable"
    return "unusable_extras" if row.table in ("sectors", "extra") else "unusable_entries"


def _problem(kind: str, rows: list[Refused], keep: int) -> Problem:
    what = KINDS[kind]
    symbols = sorted({symbol for row in rows if (symbol := _field(row, "symbol"))})
    return Problem(
        kind, what.severity, len(rows), what.unit, what.explanation, what.advice, tuple(symbols),
        tuple(_example(row) for row in rows[:keep]),
    )  # fmt: skip


def _example(row: Refused) -> Example:
    column, colon, _ = row.reason.partition(": ")
    value = _field(row, column) if colon else ""
    return Example(
        symbol=_field(row, "symbol") or None,
        date=_field(row, "date") or None,
        column=column if colon else None,
        value=value or None,
        detail=f"{row.reason}; {row.table}, {row.file}, row {row.row}",
    )


def _field(row: Refused, key: str) -> str:
    """A field of the row as it stands in the file, under any of its usual names; '' if it cannot be told."""
    try:
        fields = json.loads(row.text)
    except ValueError:
        return ""
    name = _name_of(key, tuple(fields)) if isinstance(fields, dict) else None
    return "" if name is None or fields[name] is None else str(fields[name])


@lru_cache(maxsize=256)
def _name_of(key: str, names: tuple[str, ...]) -> str | None:
    """Which of the names of a file's columns means `key`."""
    folded = {fold_name(name): name for name in names}
    return next((folded[alias] for alias in ALIASES.get(key, (key,)) if alias in folded), None)
