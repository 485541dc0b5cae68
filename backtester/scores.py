"""Scores as they are handed about: an array with its dates, its symbols and where it comes from; and their file."""

from __future__ import annotations

import hashlib
import io
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.errors import DataError, did_you_mean
from backtester.folds import Fold

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
COLUMNS = ("date", "symbol", "score")
# Where a file of ours keeps folds and origin, beside the columns that any file has.
_NOTE = b"backtester.scores"


class FoldDates(NamedTuple):
    """A fold by its first and last sessions, as ISO text; ``""`` where nothing was learnt."""

    train_first: str
    train_last: str
    test_first: str
    test_last: str

    @classmethod
    def of(cls, fold: Fold, dates: NDArray[np.datetime64]) -> FoldDates:
        """A fold of the panel with these dates."""
        ends = (rows[k] if rows.size else None for rows in (fold.train, fold.test) for k in (0, -1))
        return cls(*("" if row is None else str(dates[row]) for row in ends))


@dataclass(frozen=True, eq=False, repr=False)
class Scores:
    """What a signal thinks of every symbol after every close. Frozen.

    Attributes:
        values: (T, N) float64, read-only; NaN is no opinion. Row ``t`` was known after the close of ``dates[t]``. What
            is given is copied, unless it is read-only already.
        dates: (T,) datetime64[D], strictly increasing.
        symbols: the N symbols.
        folds: how they were made, if by walk-forward.
        origin: where they come from, as plain JSON data: signal, folds and batch, or a file.
        from_cache: whether they were read, not made.
    """

    values: Floats
    dates: NDArray[np.datetime64]
    symbols: tuple[str, ...]
    folds: tuple[FoldDates, ...] = ()
    origin: Mapping[str, Any] = field(default_factory=dict)
    from_cache: bool = False

    def __post_init__(self) -> None:
        """Freeze the array; raise DataError if the parts do not fit together."""
        given = np.ascontiguousarray(self.values, dtype=np.float64)
        values = given.copy() if np.shares_memory(given, self.values) and given.flags.writeable else given.view()
        values.flags.writeable = False
        dates = np.asarray(self.dates).astype("datetime64[D]")
        if values.shape != (len(dates), len(self.symbols)):
            raise DataError(f"scores have shape {values.shape} for {len(dates)} dates and {len(self.symbols)} symbols.")
        if (np.diff(dates) <= np.timedelta64(0, "D")).any():
            raise DataError("scores have dates that do not increase; give each session one row, in order.")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "dates", dates)
        object.__setattr__(self, "symbols", tuple(self.symbols))

    def __repr__(self) -> str:
        """One line: size, span, and how many are known."""
        span = f"{self.dates[0]} to {self.dates[-1]}" if len(self.dates) else "no sessions"
        shape = f"{len(self.dates)} sessions x {len(self.symbols)} symbols"
        return f"Scores({shape}, {span}, {self.known:,} known, {len(self.folds)} folds)"

    @cached_property
    def known(self) -> int:
        """How many scores are no NaN."""
        return int(np.isfinite(self.values).sum())

    @cached_property
    def sha256(self) -> str:
        """Hash of dates, symbols and values, in hex."""
        digest = hashlib.sha256(json.dumps(self.symbols).encode())
        digest.update(self.dates.astype(np.int64).tobytes())
        values = self.values + 0.0  # -0 becomes 0
        values[np.isnan(values)] = np.nan  # and every NaN the same bytes
        digest.update(values.tobytes())
        return digest.hexdigest()

    @property
    def frame(self) -> pd.DataFrame:
        """The values as a table of dates by symbols, a copy."""
        import pandas as pd

        index = pd.DatetimeIndex(self.dates.astype("datetime64[s]"), name="date")
        return pd.DataFrame(self.values.copy(), index=index, columns=pd.Index(self.symbols, name="symbol"))

    @property
    def record(self) -> dict[str, Any]:
        """Origin, hash and number of known scores: what the record of a run says of them."""
        return {**self.origin, "sha256": self.sha256, "known": self.known}

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """Write a long file ``date, symbol, score``: all symbols of every session with a score, whole or not at all.

        Folds and origin are kept in the file's own notes.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        scored = np.flatnonzero(np.isfinite(self.values).any(axis=1))
        codes = pa.array(np.tile(np.arange(len(self.symbols), dtype=np.int32), len(scored)))
        symbols = pa.DictionaryArray.from_arrays(codes, pa.array(self.symbols, pa.string()))
        table = pa.table(
            {
                "date": pa.array(np.repeat(self.dates[scored].astype("datetime64[s]"), len(self.symbols))),
                "symbol": symbols.cast(pa.string()),
                "score": pa.array(self.values[scored].ravel()),
            }
        )
        note = json.dumps({"folds": self.folds, "origin": dict(self.origin)})
        target = Path(path)
        fresh = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}.new")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table.replace_schema_metadata({_NOTE: note.encode()}), fresh, compression="zstd")
            fresh.replace(target)
        finally:
            fresh.unlink(missing_ok=True)

    @classmethod
    def from_parquet(cls, path: str | os.PathLike[str]) -> Scores:
        """Read a long file with the columns ``date``, ``symbol`` and ``score``; a pair that is not there is NaN.

        Dates and symbols are those of the file. `bt.run` fits them to its panel and refuses what that does not have.

        Raises:
            DataError: the file cannot be read, misses a column, or holds a pair twice.
        """
        file = Path(path)
        frame, sha256, note = read_long(file)
        return cls(
            frame.to_numpy(np.float64),
            frame.index.to_numpy(),
            tuple(map(str, frame.columns)),
            tuple(FoldDates(*fold) for fold in note.get("folds", ())),
            {**note.get("origin", {}), "file": {"name": file.name, "sha256": sha256}},
        )


def read_long(file: Path) -> tuple[pd.DataFrame, str, dict[str, Any]]:
    """A long Parquet file of scores as dates by symbols, the hash of its bytes, and the note that ours carry.

    Raises:
        DataError: the file cannot be read, misses a column, or holds a pair twice.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

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
        note = (pq.read_schema(io.BytesIO(content)).metadata or {}).get(_NOTE, b"{}")
        frame = pd.read_parquet(io.BytesIO(content))
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"Cannot read the scores {file}: {error}") from error
    return _wide(frame, file), hashlib.sha256(content).hexdigest(), json.loads(note)


def _wide(frame: pd.DataFrame, file: Path) -> pd.DataFrame:
    """A long table as dates by symbols, checked."""
    import pandas as pd

    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        found = ", ".join(map(str, frame.columns))
        raise DataError(f"The scores {file} have no column {missing[0]!r}; they have {found}.")
    for column in ("date", "symbol"):
        unknown = int(frame[column].isna().sum())
        if unknown:
            raise DataError(f"The scores {file} have {_rows(unknown)} without a {column}.")
    twice = frame.duplicated(["date", "symbol"])
    if twice.any():
        date, symbol = frame.loc[twice, ["date", "symbol"]].iloc[0]
        many = _rows(int(twice.sum()))
        raise DataError(f"The scores {file} hold {symbol} on {date} more than once ({many} too many).")
    try:
        dates = pd.DatetimeIndex(pd.to_datetime(frame["date"], format="ISO8601"))
    except (TypeError, ValueError) as error:
        raise DataError(f"The scores {file} have something that is no date: {error}") from error
    if dates.tz is not None:
        raise DataError(f"The scores {file} have dates in the time zone {dates.tz}; write plain session dates.")
    return frame.assign(date=dates).pivot(index="date", columns="symbol", values="score")


def _rows(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"
