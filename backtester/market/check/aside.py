"""Rows that an import set aside, as problems of the data."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
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
    groups: dict[str, _Group] = {}
    for row in rows:
        group = groups.setdefault(_kind(row), _Group())
        group.count += 1
        group.symbols.add(_field(row, "symbol"))
        if len(group.first) < keep:
            group.first.append(row)
    return [_problem(kind, groups[kind]) for kind in KINDS if kind in groups]


@dataclass
class _Group:
    """Rows of one kind: there may be millions of them."""

    count: int = 0
    symbols: set[str] = field(default_factory=set)
    first: list[Refused] = field(default_factory=list)


def read_aside(path: Path) -> Iterator[Refused]:
    """The rows of a ``quarantine.csv``, one after the other.

    Raises:
        DataError: It cannot be read, or is no such file.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.reader(stream)
            if tuple(next(reader, ())) != COLUMNS:
                raise DataError(f"{path} is damaged: its columns are not {', '.join(COLUMNS)}; import again.")
            for table, file, number, *rest in reader:
                yield Refused(table, file, int(number), *rest)
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


def _problem(kind: str, group: _Group) -> Problem:
    what = KINDS[kind]
    return Problem(
        kind, what.severity, group.count, what.unit, what.explanation, what.advice, tuple(sorted(group.symbols - {""})),
        tuple(_example(row) for row in group.first),
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
