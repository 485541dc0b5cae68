"""Reading CSV and Parquet files as they are: their head, their blocks of rows, and small files whole."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backtester.errors import DataError
from backtester.market.actions import Ints
from backtester.market.columns import fold_name
from backtester.market.csv_lines import read_lines
from backtester.market.fields import UnusableError
from backtester.market.sources import BLOCK, Source, is_parquet, opened, refuse_foreign, text_blocks
from backtester.market.store import sha256_of

Progress = Callable[[str, int, int], None] | None
Read = TypeVar("Read")
# Beginnings of the names of an index that pandas wrote along, which is no data.
_INDEX = ("__index_level", "unnamed:")
_DELIMITERS = (",", ";", "\t", "|")
# The line in which Excel notes the separator of the fields.
_SEPARATOR = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_SAMPLE_ROWS = 50
_SAMPLE = 1 << 16  # bytes
_ENCODING = "is not text in UTF-8 ({!r}); save the file as UTF-8."
_PARQUET_ROWS = 1 << 18
_THREADS = 2


class NoTableError(DataError):
    """A text that has no columns: what a README is, or a file with another separator."""


class Head(NamedTuple):
    """What the beginning of a file says."""

    source: Source
    names: list[str]  # as the file writes them
    sample: list[list[str]]  # the first rows as text; a broken one is empty
    delimiter: str  # '' for Parquet
    types: list[pa.DataType]  # of Parquet columns; empty for text
    lines: int = 1  # of text above the first row

    @property
    def data(self) -> list[int]:
        """Positions of the columns that are no index of pandas."""
        return [k for k, name in enumerate(self.names) if name.strip() and not fold_name(name).startswith(_INDEX)]


class Block(NamedTuple):
    """Some consecutive rows of a file, not parsed yet."""

    head: Head
    data: bytes | pa.Table
    done: int  # bytes of the file on disk that have been read with it


class Table(NamedTuple):
    """Rows of a file as they stand there: the columns of a CSV as text, those of a Parquet file with their types."""

    name: str  # the file's
    names: list[str]  # of its columns, as the file writes them
    columns: list[pa.ChunkedArray]
    row: Ints  # (n,) number of each row in the file; the first below a header is 1, blank lines do not count
    broken: list[tuple[int, str]]  # rows with too many or too few fields: number and text
    sha256: str = ""  # of the file's bytes, where it was read whole

    @property
    def rows(self) -> int:
        """Number of rows, broken ones included."""
        return len(self.row) + len(self.broken)

    def where(self, column: int) -> str:
        """Words for one column, for messages."""
        return f"{self.name}, column {self.names[column]!r}"

    def raw(self, positions: Sequence[int]) -> list[dict[str, str]]:
        """The fields of some rows as text; unknown ones are empty."""
        if not len(positions):
            return []
        taken = self.take(np.array(positions, dtype=np.int64))
        fields = zip(*(column.to_pylist() for column in taken.columns), strict=True)
        return [
            {name: "" if value is None else str(value) for name, value in zip(self.names, row, strict=True)}
            for row in fields
        ]

    def take(self, positions: Ints) -> Table:
        """These rows alone."""
        return self._replace(
            columns=[column.take(pa.array(positions)) for column in self.columns], row=self.row[positions], broken=[]
        )


def read_head(source: Source) -> Head:
    """Read the beginning of a file.

    Raises:
        DataError: The file is absent, empty, cut off, no table, or has no header line.
    """
    start, whole = _beginning(source)
    if start and is_parquet(source, start):
        return _parquet_head(source)
    refuse_foreign(source.name, start)
    try:
        text = start.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if whole or error.end < len(start) - 4:  # not a character that the end of the sample cut in two
            line, found = wrong_bytes(start) or (0, b"")
            raise DataError(f"{source.name}, line {line + 1}, {_ENCODING.format(found)}") from None
        text = start[: error.start].decode("utf-8-sig")
    lines = [line for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if line]
    if not whole and len(lines) > 1:
        lines.pop()
    stated = _SEPARATOR.fullmatch(lines[0])
    if stated and len(lines) > 1:
        lines.pop(0)
    delimiter = stated[1] if stated else max(_DELIMITERS, key=lines[0].count)
    try:
        rows = list(csv.reader(lines[: _SAMPLE_ROWS + 1], delimiter=delimiter))
    except csv.Error as error:
        raise DataError(f"{source.name} cannot be read as CSV ({error}); check its first lines.") from error
    if len(rows[0]) == 1:
        raise NoTableError(
            f"{source.name} has one column only, {rows[0][0][:60]!r}: its fields are separated by neither comma, "
            "semicolon, tab nor |. Write it with one of these and a header line; if it is no table, give a pattern "
            "that leaves it out, such as 'DIR/*.csv'."
        )
    sample = [row if len(row) == len(rows[0]) else [] for row in rows[1:]]
    return Head(source, rows[0], sample, delimiter, [], 2 if stated else 1)


def _beginning(source: Source) -> tuple[bytes, bool]:
    """The first bytes of a file, some lines at least, and whether they are all."""
    with opened(source) as (stream, _):
        start = stream.read(_SAMPLE)
        # The header alone of a wide file may be longer than that.
        while len(start) >= _SAMPLE and start[:4] != b"PAR1" and start.count(b"\n") + start.count(b"\r") < 4:
            more = stream.read(len(start))
            if not more or len(start) > BLOCK:
                break
            start += more
        return start, len(start) < _SAMPLE or not stream.read(1)


def _parquet_head(source: Source) -> Head:
    with _parquet(source) as file:
        schema = file.schema_arrow
        batch = next(file.iter_batches(batch_size=_SAMPLE_ROWS), None)
    sample = [] if batch is None else [list(row.values()) for row in batch.to_pylist()]
    texts = [["" if value is None else str(value) for value in row] for row in sample]
    return Head(source, list(schema.names), texts, "", list(schema.types))


@contextmanager
def _parquet(source: Source) -> Iterator[pq.ParquetFile]:
    """A Parquet file; a damaged one is a `DataError`."""
    try:
        if source.member:
            with opened(source) as (stream, _):
                data = stream.read()
            yield pq.ParquetFile(pa.BufferReader(data))
        else:
            with pq.ParquetFile(source.path, read_dictionary=_texts(pq.read_schema(source.path))) as file:
                yield file
    except (pa.ArrowException, OSError) as error:
        raise _damaged(source.name, error) from error


def _texts(schema: pa.Schema) -> list[str]:
    """Names of the text columns: symbols and dates are few, so they are read as codes."""
    return [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]


def _damaged(name: str, error: BaseException) -> DataError:
    reason = str(error).splitlines()[0]
    return DataError(f"{name} cannot be read as Parquet, it is damaged or cut off ({reason}); write it anew.")


def read_parquet(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file, or some of its columns; a damaged one is a `DataError`."""
    try:
        return pq.ParquetFile(path).read(columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path.name, error) from error


def blocks(head: Head) -> Iterator[Block]:
    """All rows of a file, block by block."""
    source = head.source
    if head.delimiter:
        first = True
        for text, done in text_blocks(source):
            if first:
                first = False
                for _ in range(head.lines):
                    text = text[_line(text) :].lstrip(b"\r\n")
            if text.strip():
                yield Block(head, text, done)
        return
    with _parquet(source) as file:
        rows, seen = max(1, file.metadata.num_rows), 0
        for batch in file.iter_batches(batch_size=_PARQUET_ROWS):
            seen += batch.num_rows
            yield Block(head, pa.Table.from_batches([batch]), source.size * seen // rows)


def _line(text: bytes) -> int:
    """Length of the first line with its end."""
    ends = [at for at in (text.find(b"\n"), text.find(b"\r")) if at >= 0]
    if not ends:
        return len(text)
    at = min(ends)
    return at + (2 if text[at : at + 2] == b"\r\n" else 1)


def parse(
    block: Block, types: Mapping[int, pa.DataType] | None = None, decimal: str = "."
) -> tuple[dict[int, pa.ChunkedArray], Ints, list[tuple[int, str]]]:
    """The columns of a block by position, the number of each row in the block, and its broken rows.

    Args:
        block: the rows.
        types: the type to read a column of text as, for the columns that are wanted; None: all of them, as text.
            Columns of Parquet keep their own.
        decimal: what separates the decimals of numbers.

    Raises:
        pa.ArrowInvalid: A field cannot be read as its type.
        UnusableError: The block is no text in UTF-8.
        DataError: The block cannot be read at all.
    """
    wanted = list(range(len(block.head.names))) if types is None else sorted(types)
    if isinstance(block.data, pa.Table):
        columns = {k: _plain(block.data.column(k)) for k in wanted}
        return columns, np.arange(1, block.data.num_rows + 1), []
    asked = {k: pa.string() if types is None else types[k] for k in wanted}
    try:
        table, row, broken = read_lines(block.data, block.head.names, block.head.delimiter, asked, decimal)
    except pa.ArrowException as error:
        if types is not None:
            raise
        wrong = wrong_bytes(block.data)
        if wrong:
            raise UnusableError(wrong[0] + 1, _ENCODING.format(wrong[1])) from None
        name, reason = block.head.source.name, str(error).splitlines()[0]
        raise DataError(
            f"{name} cannot be read as CSV ({reason}); a text file, plain or packed with gzip, is needed."
        ) from error
    return {k: table.column(j) for j, k in enumerate(wanted)}, row, broken


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of Parquet; views of strings, with which little can be done, as strings."""
    return column.cast(pa.string()) if pa.types.is_string_view(column.type) else column


def wrong_bytes(data: bytes) -> tuple[int, bytes] | None:
    """Lines before the first bytes that are no UTF-8, and these with what is around them; None if all are."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return data[: error.start].count(b"\n"), data[: error.start + 8].split(b"\n")[-1][-20:]
    return None


def as_table(block: Block) -> Table:
    """A block as it stands in the file."""
    columns, row, broken = parse(block)
    keep = block.head.data
    names = [block.head.names[k] for k in keep]
    return Table(block.head.source.name, names, [columns[k] for k in keep], row, broken)


def read_table(source: Source) -> Table:
    """Read a small file whole.

    Raises:
        DataError: The file is absent, empty, cut off, or no table.
    """
    head = read_head(source)
    parts, before = [], 0
    for block in blocks(head):
        try:
            part = as_table(block)
        except UnusableError as error:
            raise DataError(f"{source.name}, row {before + error.position}, {error.words}") from None
        broken = [(number + before, text) for number, text in part.broken]
        parts.append(part._replace(row=part.row + before, broken=broken))
        before += part.rows
    if parts:
        return _joined(parts)._replace(sha256=hash_of(source))
    types = head.types or [pa.string()] * len(head.names)
    empty = [pa.chunked_array([], types[k]) for k in head.data]
    names = [head.names[k] for k in head.data]
    return Table(source.name, names, empty, np.empty(0, dtype=np.int64), [], hash_of(source))


def hash_of(source: Source) -> str:
    """SHA-256 of the file's bytes, for a member of a zip of its unpacked ones."""
    if not source.member:
        return sha256_of(source.path)
    digest = hashlib.sha256()
    with opened(source) as (stream, _):
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def rows_of(head: Head, wanted: Ints) -> Table:
    """Rows of a file by number, read again: for rows whose trouble shows only beside others."""
    numbers = np.sort(wanted)
    parts, before = [], 0
    for block in blocks(head):
        part = as_table(block)
        here = numbers[(numbers > before) & (numbers <= before + part.rows)]
        if len(here):
            parts.append(part.take(np.searchsorted(part.row + before, here))._replace(row=here))
        before += part.rows
    return _joined(parts)


def _joined(parts: list[Table]) -> Table:
    columns = [
        pa.chunked_array([chunk for part in parts for chunk in part.columns[j].chunks], column.type)
        for j, column in enumerate(parts[0].columns)
    ]
    return parts[0]._replace(
        columns=columns,
        row=np.concatenate([part.row for part in parts]),
        broken=[line for part in parts for line in part.broken],
    )


def in_order(
    heads: Sequence[Head], work: Callable[[Block], Read], progress: Progress, what: str = "reading"
) -> Generator[tuple[int, Read], None, None]:
    """Work on all blocks of all files on two threads; the results in the order of the files, with the file's position.

    A few blocks are in memory at a time. `progress` hears of bytes read, of all bytes.

    Raises:
        DataError: From `work`, or a file cannot be read.
    """
    total = sum(head.source.size for head in heads)
    waiting: deque[tuple[int, int, Future[Read]]] = deque()
    before = 0
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            for k, head in enumerate(heads):
                for block in blocks(head):
                    waiting.append((k, before + block.done, pool.submit(work, block)))
                    if len(waiting) > 2 * _THREADS:
                        yield _next(waiting, progress, what, total)
                before += head.source.size
            while waiting:
                yield _next(waiting, progress, what, total)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _next(waiting: deque[tuple[int, int, Future[Read]]], progress: Progress, what: str, total: int) -> tuple[int, Read]:
    k, done, future = waiting.popleft()
    result = future.result()
    if progress is not None:
        progress(what, done, total)
    return k, result
