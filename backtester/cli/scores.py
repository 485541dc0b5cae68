"""Scores from a file, and fitted to a panel."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backtester.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from backtester.market.panel import Panel

COLUMNS = ("date", "symbol", "score")


@dataclass(frozen=True)
class Scores:
    """A file of scores: its values as dates by symbols, a pair that is not there NaN, and the hash of its bytes."""

    file: Path
    values: pd.DataFrame
    sha256: str

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
    import pandas as pd
    import pyarrow as pa

    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        near = (other.name for other in file.parent.glob("*.parquet")) if file.parent.is_dir() else ()
        raise DataError(
            f"Cannot read the scores {file}: there is no such file.{did_you_mean(file.name, near)}"
        ) from error
    except OSError as error:
        raise DataError(f"Cannot read the scores {file}: {error.strerror or error}.") from error
    if content[:4] != b"PAR1":
        raise DataError(
            f"Cannot read the scores {file}: it is no Parquet file, and only Parquet is read. To convert a CSV: "
            "pandas.read_csv(...).to_parquet(...)."
        )
    try:
        frame = pd.read_parquet(io.BytesIO(content))
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"Cannot read the scores {file}: {error}") from error
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        found = ", ".join(map(str, frame.columns))
        raise DataError(f"The scores {file} have no column {missing[0]!r}; they have {found}.")
    for column in ("date", "symbol"):
        unknown = int(frame[column].isna().sum())
        if unknown:
            raise DataError(f"The scores {file} have {_count(unknown, 'row')} without a {column}.")
    twice = frame.duplicated(["date", "symbol"])
    if twice.any():
        date, symbol = frame.loc[twice, ["date", "symbol"]].iloc[0]
        many = _count(int(twice.sum()), "row")
        raise DataError(f"The scores {file} hold {symbol} on {date} more than once ({many} too many).")
    try:
        dates = pd.DatetimeIndex(pd.to_datetime(frame["date"], format="ISO8601"))
    except (TypeError, ValueError) as error:
        raise DataError(f"The scores {file} have something that is no date: {error}") from error
    if dates.tz is not None:
        raise DataError(f"The scores {file} have dates in the time zone {dates.tz}; write plain session dates.")
    values = frame.assign(date=dates).pivot(index="date", columns="symbol", values="score")
    return Scores(file, values, hashlib.sha256(content).hexdigest())


def _count(number: int, noun: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
