"""The list of rows that an import could not use, with the reason of each."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from backtester.market.dates import HOW
from backtester.market.tables import Table

COLUMNS = ("table", "file", "row", "reason", "text")

# What helps when no row at all can be used.
_HELP = {
    "not a date": f" To be read, {HOW}.",
    "not a number": " Numbers are digits with a decimal point, without signs of currency and separators of thousands.",
    "of the same date and symbol that differ": " Files of several symbols need a column of them, or a file for each.",
    "not one field per column": (
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
    text: str  # the fields of the row as they stand in the file, as JSON


class Quarantine:
    """Rows set aside, in order of table, file and row."""

    def __init__(self) -> None:
        """Start with none."""
        self._rows: list[Refused] = []

    def add(self, table: str, source: Table, positions: Iterable[int], reasons: Sequence[str] | str) -> None:
        """Set rows of a file aside.

        Args:
            table: what the file is.
            source: the file.
            positions: positions in the arrays of `source`.
            reasons: one for all, or one for each.
        """
        listed = [int(position) for position in positions]
        for k, (number, fields) in enumerate(zip(source.row[listed].tolist(), source.raw(listed), strict=True)):
            reason = reasons if isinstance(reasons, str) else reasons[k]
            text = json.dumps(fields, ensure_ascii=False)
            self._rows.append(Refused(table, source.name, number, reason, text))

    def add_lines(self, table: str, file: str, lines: Iterable[tuple[int, str]]) -> None:
        """Set aside the lines of a CSV that do not have one field per column: number and text of each."""
        for number, text in lines:
            self._rows.append(Refused(table, file, number, "not one field per column", text))

    def add_text(self, table: str, file: str, row: int, reason: str, fields: dict[str, str]) -> None:
        """Set aside a row, or one field of a wide file, whose fields are at hand."""
        self._rows.append(Refused(table, file, row, reason, json.dumps(fields, ensure_ascii=False)))

    def __len__(self) -> int:
        """Number of rows set aside."""
        return len(self._rows)

    @property
    def rows(self) -> list[Refused]:
        """All rows, sorted."""
        return sorted(self._rows)

    def counts(self) -> dict[str, int]:
        """Number of rows by ``table: reason``, sorted by that."""
        return dict(sorted(Counter(f"{row.table}: {row.reason}" for row in self._rows).items()))

    def first(self, table: str) -> str:
        """Words about the first row of a table and what helps, for a message; '' if there is none."""
        for row in self.rows:
            if row.table == table:
                help_ = next((words for reason, words in _HELP.items() if row.reason.endswith(reason)), "")
                return f" The first: {row.file}, row {row.row}, {row.reason}: {row.text}.{help_}"
        return ""

    def to_csv(self) -> bytes:
        """The file ``quarantine.csv``."""
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(self.rows)
        return out.getvalue().encode()
