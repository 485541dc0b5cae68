"""Scores of a file, fitted to a panel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backtester.errors import DataError, did_you_mean
from backtester.scores import read_long

if TYPE_CHECKING:
    import pandas as pd

    from backtester.market.panel import Panel


@dataclass(frozen=True)
class Scores:
    """A file of scores: its values as dates by symbols, a pair that is not there NaN, and the hash of its bytes.

    ``not_causal``: whether they know what came after them, as far as the file says.
    """

    file: Path
    values: pd.DataFrame
    sha256: str
    not_causal: bool = False

    def fit(self, panel: Panel) -> tuple[pd.DataFrame, list[str]]:
        """The scores without those that lie outside the panel, and a line for the reader if there are any.

        Outside are symbols that the panel does not have, and dates before its first or after its last session. Other
        dates that are no session stay: `bt.run` refuses them.

        Raises:
            DataError: nothing is left.
        """
        known = self.values.notna().to_numpy()
        days = self.values.index.to_numpy().astype("datetime64[D]")
        foreign = np.array([symbol not in panel.columns for symbol in self.values.columns], dtype=bool)
        strangers = list(self.values.columns[foreign])
        first, last = panel.dates[0], panel.dates[-1]
        before, after = days < first, days > last
        left = self.values.loc[~(before | after), ~foreign]
        parts = [
            f"{known[rows][:, ~foreign].sum():,} {where}"
            for rows, where in ((before, f"before {first}"), (after, f"after {last}"))
            if rows.any()
        ]
        if strangers:
            names = ", ".join(map(str, strangers[:3])) + (", ..." if len(strangers) > 3 else "")
            what = f"{_count(len(strangers), 'symbol')} that the panel does not have ({names})"
            parts.append(f"{known[:, foreign].sum():,} of {what}")
        if left.empty:
            hint = did_you_mean(str(strangers[0]), panel.symbols) if strangers else ""
            found = f"of its scores, {' and '.join(parts)}" if parts else "it is empty"
            raise DataError(f"The scores {self.file} hold nothing for the panel, {first} to {last}: {found}.{hint}")
        total = int(known.sum() - left.notna().to_numpy().sum())
        return left, [f"{self.file.name}: {_count(total, 'score')} left out: {', '.join(parts)}."] if parts else []


def read_scores(file: Path) -> Scores:
    """Scores from a long Parquet file (date, symbol, score).

    Raises:
        DataError: the file cannot be read, misses a column, or holds a pair twice.
    """
    found = read_long(file)
    return Scores(file, found.scores, found.sha256, bool((found.note.get("origin") or {}).get("not_causal")))


def _count(number: int, noun: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
