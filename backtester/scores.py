"""Scores as they are handed about: an array with its dates, its symbols and where it comes from; and their file."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.cross_section import standard_scores
from backtester.errors import DataError, did_you_mean
from backtester.folds import Fold

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
COLUMNS = ("date", "symbol", "score")
# What a row of learning curves says.
LEARNING = ("fold", "model", "epoch", "train_loss", "valid_loss", "valid_ic", "note")
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
        members: the scores of what these are made of, such as the seeds of an ensemble, by name: each (T, N) and
            read-only like `values`. Empty: there are none. No part of the hash: a run depends on `values` alone.
        learning: how it was learnt, in order: a row a fold, model and epoch with the keys ``fold``, ``model``,
            ``epoch``, ``train_loss``, ``valid_loss``, ``valid_ic`` (None: not known) and ``note``.
        by_epoch: (E, T) float64, read-only: the rank IC of every session that the scores would have had after 1, 2, ...
            E epochs of training (`backtester.epochs`); NaN is unknown. (0, T): not asked for, or there are no epochs.
    """

    values: Floats
    dates: NDArray[np.datetime64]
    symbols: tuple[str, ...]
    folds: tuple[FoldDates, ...] = ()
    origin: Mapping[str, Any] = field(default_factory=dict)
    from_cache: bool = False
    members: Mapping[str, Floats] = field(default_factory=dict)
    learning: tuple[Mapping[str, Any], ...] = ()
    by_epoch: Floats = field(default_factory=lambda: np.empty((0, 0)))

    def __post_init__(self) -> None:
        """Freeze the arrays; raise DataError if the parts do not fit together."""
        values = _frozen(self.values)
        members = {name: _frozen(own) for name, own in self.members.items()}
        dates = np.asarray(self.dates).astype("datetime64[D]")
        by_epoch = _frozen(self.by_epoch if len(self.by_epoch) else np.empty((0, len(dates))))
        if values.shape != (len(dates), len(self.symbols)):
            raise DataError(f"scores have shape {values.shape} for {len(dates)} dates and {len(self.symbols)} symbols.")
        for name, own in members.items():
            if own.shape != values.shape:
                raise DataError(f"the scores of member {name!r} have shape {own.shape}, the scores {values.shape}.")
        for row in self.learning:
            if set(row) != set(LEARNING):
                keys = ", ".join(LEARNING)
                raise DataError(f"scores have a row of learning curves with {', '.join(row)}; it must have {keys}.")
        if by_epoch.ndim != 2 or by_epoch.shape[1] != len(dates):
            raise DataError(f"what scores have by epoch has shape {by_epoch.shape}; give (E, {len(dates)}).")
        if (np.diff(dates) <= np.timedelta64(0, "D")).any():
            raise DataError("scores have dates that do not increase; give each session one row, in order.")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "dates", dates)
        object.__setattr__(self, "symbols", tuple(self.symbols))
        object.__setattr__(self, "members", MappingProxyType(members))
        object.__setattr__(self, "learning", tuple(self.learning))
        object.__setattr__(self, "by_epoch", by_epoch)

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone, in forms that can be pickled."""
        state = {part.name: getattr(self, part.name) for part in fields(self)}
        return {**state, "members": dict(self.members)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Freeze the arrays again, which lose their flag when pickled."""
        for array in (state["values"], state["by_epoch"], *state["members"].values()):
            array.flags.writeable = False
        self.__dict__.update(state, members=MappingProxyType(state["members"]))

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
    def spread(self) -> Floats:
        """How far the members are apart, (T, N): the standard deviation (``ddof=1``) of a symbol's standard scores.

        The scores of each member are first standardised in each session over the symbols it scores (mean 0, standard
        deviation 1 with ``ddof=0``; all 0 where they do not vary), so that members of other units can be compared. NaN
        where fewer than two members have an opinion.
        """
        sheets = np.array([standard_scores(own) for own in self.members.values()]).reshape(-1, *self.values.shape)
        known = np.isfinite(sheets)
        count = known.sum(axis=0)
        mean = np.where(known, sheets, 0.0).sum(axis=0) / np.maximum(count, 1)
        squares = np.where(known, (sheets - mean) ** 2, 0.0).sum(axis=0)
        spread: Floats = np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)
        return spread

    @property
    def frame(self) -> pd.DataFrame:
        """The values as a table of dates by symbols, a copy."""
        import pandas as pd

        index = pd.DatetimeIndex(self.dates.astype("datetime64[s]"), name="date")
        return pd.DataFrame(self.values.copy(), index=index, columns=pd.Index(self.symbols, name="symbol"))

    @property
    def record(self) -> dict[str, Any]:
        """Origin, hash, number of known scores and names of members: what the record of a run says of them."""
        members = {"members": list(self.members)} if self.members else {}
        return {**self.origin, "sha256": self.sha256, "known": self.known, **members}

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """Write a long file ``date, symbol, score``: all symbols of every session with a score, whole or not at all.

        Members stand in further columns, ``member`` and their name. Folds, origin, the names of the members, the
        learning curves and what there is by epoch are kept in the file's own notes.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        sheets = (self.values, *self.members.values(), self.by_epoch.T)
        known = [np.isfinite(own).any(axis=1) for own in sheets]
        scored = np.flatnonzero(np.any(known, axis=0))
        codes = pa.array(np.tile(np.arange(len(self.symbols), dtype=np.int32), len(scored)))
        symbols = pa.DictionaryArray.from_arrays(codes, pa.array(self.symbols, pa.string()))
        table = pa.table(
            {
                "date": pa.array(np.repeat(self.dates[scored].astype("datetime64[s]"), len(self.symbols))),
                "symbol": symbols.cast(pa.string()),
                "score": pa.array(self.values[scored].ravel()),
            }
            | {_column(name): pa.array(own[scored].ravel()) for name, own in self.members.items()}
        )
        note = json.dumps(
            {
                "folds": self.folds,
                "origin": dict(self.origin),
                "members": list(self.members),
                "learning": learning_columns(self.learning),
                "by_epoch": _plain(self.by_epoch[:, scored]),
            }
        )
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

        Dates and symbols are those of the file. `bt.run` fits them to its panel and refuses what that does not have. Of
        a file that `to_parquet` wrote, members, folds, learning curves and ICs by epoch are read too.

        Raises:
            DataError: the file cannot be read, misses a column, or holds a pair twice.
        """
        file = Path(path)
        frame, sha256, note, members = read_long(file)
        return cls(
            frame.to_numpy(np.float64),
            frame.index.to_numpy(),
            tuple(map(str, frame.columns)),
            tuple(FoldDates(*fold) for fold in note.get("folds", ())),
            {**note.get("origin", {}), "file": {"name": file.name, "sha256": sha256}},
            members={name: own.to_numpy(np.float64) for name, own in members.items()},
            learning=learning_rows(note.get("learning", {})),
            by_epoch=np.array(note.get("by_epoch", ()), dtype=np.float64),  # None becomes NaN
        )


class Long(NamedTuple):
    """What a long file of scores holds; tables are dates by symbols."""

    scores: pd.DataFrame
    sha256: str  # of the bytes of the file
    note: dict[str, Any]  # that ours carry
    members: dict[str, pd.DataFrame]


def learning_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Learning curves by column, as they are kept in files."""
    return {key: [row[key] for row in rows] for key in LEARNING}


def learning_rows(columns: Mapping[str, Sequence[Any]]) -> tuple[dict[str, Any], ...]:
    """Learning curves from their columns; none from none."""
    found = zip(*(columns[key] for key in LEARNING), strict=True) if columns else ()
    return tuple(dict(zip(LEARNING, row, strict=True)) for row in found)


def _plain(values: Floats) -> list[list[float | None]]:
    """A table as plain JSON data; NaN is None."""
    return [[value if math.isfinite(value) else None for value in row] for row in values.tolist()]


def _frozen(given: Any) -> Floats:
    """Scores as a read-only array: a copy, unless what is given is read-only already."""
    array = np.ascontiguousarray(given, dtype=np.float64)
    kept = array.copy() if np.shares_memory(array, given) and array.flags.writeable else array.view()
    kept.flags.writeable = False
    return kept


def _column(member: str) -> str:
    return f"member {member}"


def read_long(file: Path) -> Long:
    """A long Parquet file of scores as dates by symbols, with what ours hold beside them.

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
        note = json.loads((pq.read_schema(io.BytesIO(content)).metadata or {}).get(_NOTE, b"{}"))
        frame = pd.read_parquet(io.BytesIO(content))
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"Cannot read the scores {file}: {error}") from error
    names = {_column(name): name for name in note.get("members", ()) if _column(name) in frame.columns}
    frame = _checked(frame, file)
    members = {name: _wide(frame, column) for column, name in names.items()}
    return Long(_wide(frame, "score"), hashlib.sha256(content).hexdigest(), note, members)


def _wide(frame: pd.DataFrame, values: str) -> pd.DataFrame:
    """A column of a long table as dates by symbols."""
    return frame.pivot(index="date", columns="symbol", values=values)


def _checked(frame: pd.DataFrame, file: Path) -> pd.DataFrame:
    """A long table with dates that are dates and no pair twice."""
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
    return frame.assign(date=dates)


def _rows(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"
