"""Lines of CSV as columns: a row each, whatever stands in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from backtester.market.actions import Ints
from backtester.market.fields import UNKNOWN

_NULLS = sorted({form for word in UNKNOWN for form in (word, word.upper(), word.title(), word.capitalize())} | {"NaN"})


def read_lines(
    data: bytes, names: Sequence[str], delimiter: str, types: Mapping[int, pa.DataType], decimal: str
) -> tuple[pa.Table, Ints, list[tuple[int, str]]]:
    """Lines of CSV, a row each. A quote that is not closed would swallow the lines below: its line is set aside."""
    table, row, broken = _read_csv(data, names, delimiter, types, decimal, '"')
    if b'"' not in data:
        return table, row, broken
    if len(row) + len(broken) == _count(data):
        return table, row, broken
    lines = [line for line in data.splitlines() if line]
    closed = _closed(delimiter)
    keep = np.array([closed.fullmatch(line) is not None for line in lines])
    kept = b"\n".join(line for line, good in zip(lines, keep, strict=True) if good)
    if kept:
        table, row, broken = _read_csv(kept, names, delimiter, types, decimal, '"')
    if not kept or len(row) + len(broken) != int(keep.sum()):  # quoted in a way of its own: every line for itself
        return _read_csv(b"\n".join(lines), names, delimiter, types, decimal, False)
    numbers = np.flatnonzero(keep) + 1
    texts = [(int(k) + 1, lines[k].decode("utf-8", "replace")) for k in np.flatnonzero(~keep)]
    return table, numbers[row - 1], sorted([*texts, *((int(numbers[n - 1]), text) for n, text in broken)])


def _count(data: bytes) -> int:
    """Number of lines that are not blank."""
    ends, returns = data.count(b"\n"), data.count(b"\r")
    blank = data[:1] in b"\r\n" or b"\n\n" in data or b"\n\r" in data
    if blank or (returns and returns != data.count(b"\r\n")):
        return sum(bool(line) for line in data.splitlines())
    return ends + (not data.endswith(b"\n"))


def _closed(delimiter: str) -> re.Pattern[bytes]:
    """What a line looks like in which every quote that is opened is closed."""
    mark = re.escape(delimiter).encode()
    field = rb'(?:"(?:[^"]|"")*+"[^%b]*|(?!")[^%b]*)' % (mark, mark)
    return re.compile(field + rb"(?:" + mark + field + rb")*")


def _read_csv(
    data: bytes, names: Sequence[str], delimiter: str, types: Mapping[int, pa.DataType], decimal: str, quote: str | bool
) -> tuple[pa.Table, Ints, list[tuple[int, str]]]:
    broken: list[tuple[int, str]] = []

    def set_aside(row: Any) -> str:
        broken.append((row.number, row.text))
        return "skip"

    keys = [str(k) for k in range(len(names))]
    table = pacsv.read_csv(
        pa.BufferReader(data),
        # One thread: only then pyarrow knows the numbers of the rows that it hands to `set_aside`.
        read_options=pacsv.ReadOptions(use_threads=False, column_names=keys, block_size=len(data) + 1),
        parse_options=pacsv.ParseOptions(delimiter=delimiter, quote_char=quote, invalid_row_handler=set_aside),
        convert_options=pacsv.ConvertOptions(
            column_types={keys[k]: kind for k, kind in types.items()},
            include_columns=[keys[k] for k in types],
            strings_can_be_null=False,
            null_values=_NULLS,
            decimal_point=decimal,
        ),
    )
    row = np.arange(1, table.num_rows + len(broken) + 1)
    return table, np.delete(row, [number - 1 for number, _ in broken]) if broken else row, broken
