"""The table of changes of extra columns in a dataset, and the arrays that it stands for.

Its rows are ``date, symbol, name, value``, sorted by date: from the close of that session on, the value of that column
is known to be this. NaN means that the old value no longer counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from backtester.market.actions import Floats, Ints
from backtester.market.dates import Days


def fill_known(table: pa.Table, sessions: Days, symbols: Sequence[str]) -> dict[str, Floats]:
    """Arrays of sessions by symbols from a table of changes: row `t` holds what was known at the close of `t`."""
    place = {symbol: k for k, symbol in enumerate(symbols)}
    code, listed = _coded(table.column("symbol"))
    column = np.array([place[symbol] for symbol in listed], dtype=np.int64)
    which, names = _coded(table.column("name"))
    row = np.searchsorted(sessions, table.column("date").to_numpy().astype("datetime64[D]"))
    value = table.column("value").to_numpy()
    out = {}
    for k, name in enumerate(names):
        here = which == k
        last = np.zeros((len(sessions), len(symbols)), dtype=np.int32)
        last[row[here], column[code[here]]] = np.arange(1, int(here.sum()) + 1)
        np.maximum.accumulate(last, axis=0, out=last)  # rows are sorted by date, so a later change is a larger number
        out[name] = np.concatenate([[np.nan], value[here]])[last]
    return out


def _coded(column: pa.ChunkedArray) -> tuple[Ints, list[str]]:
    """Codes of a column of text, and what they stand for."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    text = column.unify_dictionaries().combine_chunks()
    if isinstance(text, pa.ChunkedArray):
        text = text.chunk(0) if text.num_chunks else pa.array([], type=pa.dictionary(pa.int32(), pa.string()))
    return text.indices.to_numpy().astype(np.int64), [str(name) for name in text.dictionary.to_pylist()]
