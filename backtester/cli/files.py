"""Small tables from files, Parquet or CSV: rates by symbol and date, lists of symbols."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backtester.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

_ENDINGS = (".parquet", ".csv", ".csv.gz")


def read_rates(file: Path) -> pd.DataFrame:
    """A table of rates: ``symbol``, ``rate`` and, if there, ``date``; the names in any case.

    Raises:
        DataError: the file cannot be read, or lacks a column.
    """
    return _read(file, ("symbol", "rate"), ("date",), numbers=("rate",), dates=("date",))


def read_symbols(file: Path) -> pd.DataFrame:
    """A list of symbols, ``symbol`` and, if there, ``start`` and ``end``; the names in any case.

    Raises:
        DataError: the file cannot be read, or lacks the column.
    """
    return _read(file, ("symbol",), ("start", "end"), dates=("start", "end"))


def _read(
    file: Path,
    needed: tuple[str, ...],
    also: tuple[str, ...],
    numbers: tuple[str, ...] = (),
    dates: tuple[str, ...] = (),
) -> pd.DataFrame:
    import pandas as pd

    frame = _load(file)
    frame.columns = pd.Index([str(name).strip().casefold() for name in frame.columns])
    for name in needed:
        if name not in frame:
            hint = did_you_mean(name, frame.columns)
            raise DataError(f"{file} has no column {name!r}; it has {', '.join(frame.columns) or 'none'}.{hint}")
    frame = frame[[name for name in (*needed, *also) if name in frame]].copy()
    for name in frame.columns:
        if name in numbers:
            frame[name] = _converted(file, name, frame[name], pd.to_numeric)
        elif name in dates:
            frame[name] = _converted(file, name, frame[name], pd.to_datetime)
        else:
            frame[name] = frame[name].astype(str)
    return frame


def _load(file: Path) -> pd.DataFrame:
    """The table of a file, CSV cells as text."""
    import pandas as pd
    import pyarrow as pa

    if not file.name.casefold().endswith(_ENDINGS):
        raise DataError(f"{file} is neither Parquet nor CSV by its name; it must end in {', '.join(_ENDINGS)}.")
    try:
        if file.name.casefold().endswith(".parquet"):
            return pd.read_parquet(file)
        return pd.read_csv(file, dtype=str, keep_default_na=False)
    except FileNotFoundError as error:
        near = (other.name for other in file.parent.glob("*")) if file.parent.is_dir() else ()
        raise DataError(f"there is no file {file}.{did_you_mean(file.name, near)}") from error
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{file} cannot be read: {error}") from error


def _converted(file: Path, name: str, column: pd.Series, convert: object) -> pd.Series:
    """Numbers or dates of a column; an empty cell is unknown, anything else that is none an error."""
    import pandas as pd

    known = column.astype(object).where(column.notna() & (column.astype(str).str.strip() != ""), None)
    converted = convert(known, errors="coerce")  # type: ignore[operator]
    wrong = converted.isna() & known.notna()
    if wrong.any():
        kind = "number" if convert is pd.to_numeric else "date"
        row = int(wrong.to_numpy().argmax())
        raise DataError(f"{file} has {str(known.iloc[row])!r} as {name} in row {row + 1}, which is no {kind}.")
    found: pd.Series = converted
    return found
