"""Reading a CSV or Parquet file as it is, and its text as symbols, days and numbers, without guessing types."""

from __future__ import annotations

import csv
import gzip
import hashlib
import zlib
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from backtester.errors import DataError
from backtester.market.actions import Floats, Ints
from backtester.market.columns import fold_name
from backtester.market.dates import NAT, Days, parse_day, refuse_time, refuse_zone

Mask = NDArray[np.bool_]
# Text that stands for an unknown number, in lower case. (In a symbol or a name the same text is text.)
UNKNOWN = ("", "nan", "na", "n/a", "null", "none")
_NUMBER = r"^[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|(?i:inf|infinity))$"
# Beginnings of the names of an index that pandas wrote along, which is no data.
_INDEX = ("__index_level", "unnamed:")
_DELIMITERS = (",", ";", "\t", "|")


class Table(NamedTuple):
    """A file as it was read: all columns of a CSV as text, those of a Parquet file with their types."""

    name: str  # the file's name without its folder
    sha256: str  # of the file's bytes
    names: list[str]  # as the file writes them
    columns: list[pa.ChunkedArray]
    row: Ints  # (n,) number of each row in the file; the first below a header is 1
    broken: list[tuple[int, str]]  # rows with too many or too few fields: number and text

    @property
    def rows(self) -> int:
        """Number of rows in the file, broken ones included."""
        return len(self.row) + len(self.broken)

    def where(self, column: int) -> str:
        """Words for one column, for messages."""
        return f"{self.name}, column {self.names[column]!r}"

    def raw(self, position: int) -> dict[str, str]:
        """The fields of one row as text; unknown ones are empty."""
        values = (column[position].as_py() for column in self.columns)
        return {name: "" if value is None else str(value) for name, value in zip(self.names, values, strict=True)}


def read_table(path: Path) -> Table:
    """Read a CSV (plain or gzip, told by its content) or a Parquet file.

    Raises:
        DataError: The file is absent, empty, cut off, or neither of the two.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(4)
            stream.seek(0)
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}.") from error
    if not start:
        raise DataError(f"{path.name} is empty; a CSV with a header line or a Parquet file is needed.")
    broken: list[tuple[int, str]] = []
    if start == b"PAR1" or path.suffix.casefold() in (".parquet", ".pq"):
        table = read_parquet(path)
        row = np.arange(1, table.num_rows + 1)
    else:
        table, broken = _read_csv(path, compressed=start[:2] == b"\x1f\x8b")
        row = np.arange(1, table.num_rows + len(broken) + 1)
        row = np.delete(row, [number - 1 for number, _ in broken])
    names = table.column_names
    keep = [k for k, name in enumerate(names) if not fold_name(name).startswith(_INDEX) and name.strip()]
    return Table(path.name, sha256, [names[k] for k in keep], [table.column(k) for k in keep], row, broken)


def read_parquet(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file, or some of its columns; a damaged one is a `DataError`."""
    try:
        return pq.ParquetFile(path).read(columns=columns)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{path.name} cannot be read as Parquet, it is damaged or cut off ({reason}); write it anew."
        ) from error


def _read_csv(path: Path, *, compressed: bool) -> tuple[pa.Table, list[tuple[int, str]]]:
    def opened() -> IO[bytes]:
        return cast(IO[bytes], gzip.open(path, "rb") if compressed else path.open("rb"))

    broken: list[tuple[int, str]] = []

    def set_aside(row: Any) -> str:
        broken.append((row.number - 1, row.text))  # pyarrow counts the header
        return "skip"

    try:
        with opened() as stream:
            line = stream.readline().decode("utf-8-sig")
        delimiter = max(_DELIMITERS, key=line.count)
        header = next(csv.reader([line], delimiter=delimiter), [])
        with opened() as stream:
            table = pacsv.read_csv(
                stream,
                # One thread: only then pyarrow knows the numbers of the rows that it hands to `set_aside`.
                read_options=pacsv.ReadOptions(use_threads=False, column_names=header, skip_rows=1),
                parse_options=pacsv.ParseOptions(delimiter=delimiter, invalid_row_handler=set_aside),
                convert_options=pacsv.ConvertOptions(
                    column_types={name: pa.string() for name in header}, strings_can_be_null=False, null_values=[]
                ),
            )
    except (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{path.name} cannot be read as CSV ({reason}); a text file in UTF-8, plain or gzip, is needed."
        ) from error
    return table, broken


def texts_of(column: pa.ChunkedArray, where: str) -> tuple[Ints, list[str]]:
    """Codes ``(n,)`` and the distinct texts they stand for, without blanks around them; code -1 where there is no text.

    Raises:
        DataError: The column is not text.
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_null(kind):
        column = column.cast(pa.string())
    elif not _is_text(kind):
        raise DataError(f"{where} is {kind}; it must be text, so that names like NA, TRUE and 1E5 stay what they are.")
    codes, texts = _encode(column)
    place: dict[str, int] = {"": -1}
    for text in texts:
        place.setdefault(text.strip(), len(place) - 1)
    moved = np.array([place[text.strip()] for text in texts], dtype=np.int64)
    return (moved[codes] if texts else codes), [text for text in place if text]


def days_of(column: pa.ChunkedArray, where: str) -> tuple[Days, Mask]:
    """Days ``(n,)`` (NaT where the field is empty or no date) and where it is no date.

    Raises:
        DataError: A value has a time of day or a time zone.
    """
    bad = np.zeros(len(column), dtype=bool)
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        refuse_zone(f"the type {column.type}", where)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        values = column.to_numpy()
        days = values.astype("datetime64[D]")
        off = np.flatnonzero(~np.isnat(days) & (days != values))
        if len(off):
            refuse_time(values[off[0]], where)
        return days, bad
    codes, texts = _encode(column)
    parsed = [parse_day(text.strip(), where) for text in texts]
    if texts:
        days = np.array([NAT if day is None else day for day in parsed], dtype="datetime64[D]")[codes]
        bad = np.array([day is None for day in parsed])[codes]
        return days, bad
    return np.empty(0, dtype="datetime64[D]"), bad


def numbers_of(column: pa.ChunkedArray) -> tuple[Floats, Mask]:
    """Numbers ``(n,)``, NaN where unknown or unreadable, and where the text is no number."""
    none = np.zeros(len(column), dtype=bool)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not _is_text(column.type):
        try:
            return _floats(column.cast(pa.float64(), safe=False)), none
        except pa.ArrowException:
            return np.full(len(column), np.nan), column.is_valid().to_numpy()
    try:
        return _floats(pc.if_else(pc.equal(column, ""), None, column).cast(pa.float64())), none
    except pa.ArrowException:
        pass
    # Some text is no plain number: sort out which.
    column = pc.fill_null(pc.utf8_trim_whitespace(column), "")
    unknown = pc.is_in(pc.utf8_lower(column), value_set=pa.array(UNKNOWN, type=column.type))
    readable = pc.and_(pc.match_substring_regex(column, _NUMBER), pc.invert(unknown))
    values = pc.if_else(readable, pc.utf8_ltrim(column, "+"), None).cast(pa.float64())
    return _floats(values), pc.invert(pc.or_(readable, unknown)).to_numpy()


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _floats(column: pa.ChunkedArray) -> Floats:
    values: Floats = column.to_numpy().astype(np.float64, copy=False)
    return values


def _encode(column: pa.ChunkedArray) -> tuple[Ints, list[str]]:
    """Codes and distinct texts of a column; null is ''."""
    text = pc.fill_null(column.cast(pa.string()), "").dictionary_encode().combine_chunks()
    if isinstance(text, pa.ChunkedArray):
        text = text.chunk(0) if text.num_chunks else pa.array([], type=pa.dictionary(pa.int32(), pa.string()))
    return text.indices.to_numpy().astype(np.int64), text.dictionary.to_pylist()
