"""The list of rows that an import could not use, with the reason of each."""

from __future__ import annotations

import csv
import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backtester.market.actions import Ints
from backtester.market.dates import HOW
from backtester.market.tables import Table

COLUMNS = ("table", "file", "row", "reason", "text")
RAGGED = "not one field per column"
UNCLOSED = "a quote that is not closed on its line"
# Rows of a file and reason that keep their text; of the others the number is kept.
MOST_TEXTS = 10_000

# What helps when no row at all can be used.
_HELP = {
    "not a date": f" To be read, {HOW}.",
    "not a number": " Numbers are digits with a decimal point, without signs of currency and separators of thousands.",
    "of the same date and symbol that differ": " Files of several symbols need a column of them, or a file for each.",
    RAGGED: (
        " Every row needs as many fields as the header has columns; a comma within a number needs quotes around it, or "
        "another separator of fields."
    ),
}


class Refused(NamedTuple):
    """One row that was set aside."""

    table: str  # bars, extra, actions, sectors, members or ends
    file: str
    row: int  # number of the row in its file; the first below a header is 1, blank lines do not count
    reason: str
    text: str  # the fields of the row as they stand in the file, as JSON; '' where it is not kept


class Quarantine:
    """Rows set aside, in order of table, file and row.

    Of the first rows of each file and reason the text is kept, of all others the number alone: a file given twice
    must not need its own size in memory again.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._rows: list[Refused] = []
        self._bare: dict[tuple[str, str, str], list[Ints]] = {}  # numbers of rows without text
        self._count: Counter[tuple[str, str, str]] = Counter()

    def add(self, table: str, source: Table, positions: Iterable[int], reasons: Sequence[str] | str) -> None:
        """Set rows of a file aside.

        Args:
            table: what the file is.
            source: the file.
            positions: positions in the arrays of `source`.
            reasons: one for all, or one for each.
        """
        listed = np.array(list(positions), dtype=np.int64)
        given = [reasons] * len(listed) if isinstance(reasons, str) else list(reasons)
        for reason in dict.fromkeys(given):
            here = listed[[said == reason for said in given]]
            room = self.room(table, source.name, reason)
            texts = [json.dumps(fields, ensure_ascii=False) for fields in source.raw(here[:room].tolist())]
            for number, text in zip(source.row[here[:room]].tolist(), texts, strict=True):
                self._add(Refused(table, source.name, number, reason, text))
            self.add_bare(table, source.name, source.row[here[room:]], reason)

    def add_lines(self, table: str, file: str, lines: Iterable[tuple[int, str]]) -> None:
        """Set aside the lines of a CSV that do not have one field per column: number and text of each."""
        for number, text in lines:
            self._add(Refused(table, file, number, UNCLOSED if text.count('"') % 2 else RAGGED, text))

    def add_text(self, table: str, file: str, row: int, reason: str, fields: dict[str, str]) -> None:
        """Set aside a row, or one field of a wide file, whose fields are at hand."""
        self._add(Refused(table, file, row, reason, json.dumps(fields, ensure_ascii=False)))

    def add_bare(self, table: str, file: str, rows: Ints, reason: str) -> None:
        """Set rows aside by their numbers, without text."""
        if len(rows):
            self._bare.setdefault((table, file, reason), []).append(np.asarray(rows, dtype=np.int64))
            self._count[table, file, reason] += len(rows)

    def room(self, table: str, file: str, reason: str) -> int:
        """How many more rows of a file keep their text."""
        return max(0, MOST_TEXTS - self._count[table, file, reason])

    def number(self, table: str, file: str, reason: str) -> int:
        """How many rows of a file are set aside for a reason."""
        return self._count[table, file, reason]

    def _add(self, row: Refused) -> None:
        if self.room(*(row.table, row.file, row.reason)):
            self._rows.append(row)
            self._count[row.table, row.file, row.reason] += 1
        else:
            self.add_bare(row.table, row.file, np.array([row.row]), row.reason)

    def __len__(self) -> int:
        """Number of rows set aside."""
        return self._count.total()

    @property
    def rows(self) -> Iterator[Refused]:
        """All rows, sorted, one after the other."""
        return heapq.merge(sorted(self._rows), *(self._bare_rows(key) for key in sorted(self._bare)))

    def _bare_rows(self, key: tuple[str, str, str]) -> Iterator[Refused]:
        table, file, reason = key
        for number in np.sort(np.concatenate(self._bare[key])):
            yield Refused(table, file, int(number), reason, "")

    def counts(self) -> dict[str, int]:
        """Number of rows by ``table: reason``, sorted by that."""
        out: Counter[str] = Counter()
        for (table, _, reason), count in self._count.items():
            if count:
                out[f"{table}: {reason}"] += count
        return dict(sorted(out.items()))

    def first(self, table: str, *, helped: bool = True) -> str:
        """Words about the first row of a table and, if asked, what helps, for a message; '' if there is none."""
        row = next((row for row in self.rows if row.table == table), None)
        if row is None:
            return ""
        help_ = next((words for reason, words in _HELP.items() if helped and row.reason.endswith(reason)), "")
        return f" The first: {row.file}, row {row.row}, {row.reason}: {short(row.text, 400)}.{help_}"

    def write(self, path: Path) -> None:
        """Write the file ``quarantine.csv``."""
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(self.rows)


def short(text: str, most: int = 40) -> str:
    """A text of a file as it may be shown: not too long, and without what a terminal would obey."""
    shown = "".join(mark if mark.isprintable() else "?" for mark in text[:most])
    return shown + ("..." if len(text) > most else "")
