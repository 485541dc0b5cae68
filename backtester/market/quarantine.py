"""The list of rows that an import could not use, with the reason of each."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from backtester.market.tables import Table

COLUMNS = ("table", "file", "row", "reason", "text")


class Refused(NamedTuple):
    """One row that was set aside."""

    table: str  # bars, actions, sectors, members or ends
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
        for k, position in enumerate(positions):
            reason = reasons if isinstance(reasons, str) else reasons[k]
            text = json.dumps(source.raw(int(position)), ensure_ascii=False)
            self._rows.append(Refused(table, source.name, int(source.row[position]), reason, text))

    def add_broken(self, table: str, source: Table) -> None:
        """Set aside the lines of a CSV that do not have one field per column."""
        for number, text in source.broken:
            self._rows.append(Refused(table, source.name, number, "not one field per column", text))

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
        """Words about the first row of a table, for a message; '' if there is none."""
        for row in self.rows:
            if row.table == table:
                return f" The first: {row.file}, row {row.row}, {row.reason}: {row.text}"
        return ""

    def to_csv(self) -> bytes:
        """The file ``quarantine.csv``."""
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(self.rows)
        return out.getvalue().encode()
