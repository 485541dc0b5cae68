"""The fields of a column as symbols, days and numbers, without guessing types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backtester.errors import DataError
from backtester.market.actions import Floats, Ints
from backtester.market.dates import refuse_time, refuse_zone
from backtester.market.day_text import MISSING, read_day

Mask = NDArray[np.bool_]
Codes = NDArray[np.int32]
# Text that stands for an unknown number, in lower case. (In a symbol or a name the same text is text.)
UNKNOWN = ("", "nan", "na", "n/a", "null", "none")
_NUMBER = r"^[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|(?i:inf|infinity))$"
_DECIMAL_COMMA = r"^\s*[+-]?\d+(\.\d\d\d)*,\d+\s*$"


class UnusableError(Exception):
    """Something at one position of a column that makes the whole file unusable; the reader adds file and row."""

    def __init__(self, position: int, words: str) -> None:
        """Keep both."""
        super().__init__(words)
        self.position = position
        self.words = words


class DayCodes(NamedTuple):
    """Dates of a column before the order of day and month is settled."""

    code: Ints  # (n,) see `day_text.read_day`; MISSING where the field is empty or no date
    bad: Mask  # (n,) where it is no date


def texts_of(column: pa.ChunkedArray, where: str) -> tuple[Codes, list[str]]:
    """Codes ``(n,)`` and the distinct texts they stand for, without blanks around them; code -1 where there is no text.

    Raises:
        DataError: The column is not text.
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_null(kind):
        column = column.cast(pa.string())
    elif not is_text(kind):
        raise DataError(f"{where} is {kind}; it must be text, so that names like NA, TRUE and 1E5 stay what they are.")
    codes, texts = _encode(column)
    place: dict[str, int] = {"": -1}
    for text in texts:
        place.setdefault(text.strip(), len(place) - 1)
    moved = np.array([place[text.strip()] for text in texts], dtype=np.int32)
    return (moved[codes] if texts else codes), [text for text in place if text]


def controlled(texts: Sequence[str]) -> Mask:
    """Which texts hold control characters, as a line's end within quotes: no symbol has one."""
    return np.array([any(ord(mark) < 32 or 127 <= ord(mark) < 160 for mark in text) for text in texts], dtype=bool)


def days_of(column: pa.ChunkedArray, order: str | None = None) -> DayCodes:
    """Days of a column, with the order of day and month still open where text leaves it so.

    Raises:
        UnusableError: A value has a time of day or a time zone.
    """
    bad = np.zeros(len(column), dtype=bool)
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        raise UnusableError(0, _words(refuse_zone, f"the type {kind}"))
    if pa.types.is_date32(kind):
        days = column.to_numpy().astype("datetime64[D]")
        return DayCodes(days.view(np.int64), bad)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        values = column.to_numpy()
        days = values.astype("datetime64[D]")
        off = np.flatnonzero(~np.isnat(days) & (days != values))
        if len(off):
            raise UnusableError(int(off[0]), _words(refuse_time, values[off[0]]))
        return DayCodes(days.view(np.int64), bad)
    codes, texts = _encode(column)
    read: list[int | None] = []
    for k, text in enumerate(texts):
        try:
            read.append(read_day(text.strip(), order))
        except DataError as error:
            raise UnusableError(int(np.argmax(codes == k)), str(error).removeprefix(": ")) from None
    if not texts:
        return DayCodes(np.empty(0, dtype=np.int64), bad)
    numbers = np.array([MISSING if day is None else day for day in read], dtype=np.int64)[codes]
    return DayCodes(numbers, np.array([day is None for day in read])[codes])


def numbers_of(column: pa.ChunkedArray, decimal: str = ".") -> tuple[Floats, Mask]:
    """Numbers ``(n,)``, NaN where unknown or unreadable, and where the text is no number."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not is_text(column.type):
        none = np.zeros(len(column), dtype=bool)
        try:
            return _floats(column if pa.types.is_float64(column.type) else column.cast(pa.float64(), safe=False)), none
        except pa.ArrowException:
            return np.full(len(column), np.nan), column.is_valid().to_numpy()
    if decimal == ",":
        column = pc.replace_substring(pc.replace_substring(column, ".", "?"), ",", ".")
    try:
        values = _floats(pc.if_else(pc.equal(column, ""), None, column).cast(pa.float64()))
        return values, np.zeros(len(column), dtype=bool)
    except pa.ArrowException:
        pass
    # Some text is no plain number: sort out which.
    column = pc.fill_null(pc.utf8_trim_whitespace(column), "")
    unknown = pc.is_in(pc.utf8_lower(column), value_set=pa.array(UNKNOWN, type=column.type))
    readable = pc.and_(pc.match_substring_regex(column, _NUMBER), pc.invert(unknown))
    values = _floats(pc.if_else(readable, pc.utf8_ltrim(column, "+"), None).cast(pa.float64()))
    return values, pc.invert(pc.or_(readable, unknown)).to_numpy()


def decimal_comma(column: pa.ChunkedArray) -> int | None:
    """Position of the first number with a decimal comma, if that is how most of a text column is written."""
    if not is_text(column.type) or not len(column):
        return None
    found = pc.match_substring_regex(pc.fill_null(column, ""), _DECIMAL_COMMA).to_numpy()
    return int(np.argmax(found)) if 2 * int(found.sum()) > len(found) else None


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is one of Arrow's texts."""
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _words(refuse: object, value: object) -> str:
    try:
        refuse(value, "")  # type: ignore[operator]
    except DataError as error:
        return str(error).removeprefix(": ")
    raise AssertionError("a refusal that refuses nothing")


def _floats(column: pa.ChunkedArray) -> Floats:
    values: Floats = column.to_numpy().astype(np.float64, copy=False)
    return values


def _encode(column: pa.ChunkedArray) -> tuple[Codes, list[str]]:
    """Codes and distinct texts of a column; null is ''."""
    if not (pa.types.is_dictionary(column.type) and column.null_count == 0):
        column = pc.fill_null(column.cast(pa.string()), "").dictionary_encode()
    text = column.unify_dictionaries().combine_chunks()
    if isinstance(text, pa.ChunkedArray):
        text = text.chunk(0) if text.num_chunks else pa.array([], type=pa.dictionary(pa.int32(), pa.string()))
    texts = ["" if text is None else str(text) for text in text.dictionary.to_pylist()]
    return text.indices.to_numpy(zero_copy_only=False).astype(np.int32), texts
