"""Loading: from a dataset folder or a Parquet file to a panel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from backtester.errors import DataError, did_you_mean
from backtester.market import cache, store
from backtester.market.actions import Basis, Floats, freeze
from backtester.market.columns import BARS
from backtester.market.dates import Days
from backtester.market.known import fill_known
from backtester.market.panel import Panel
from backtester.market.tables import read_parquet


def load_panel(path: str | Path, start: Any = None, end: Any = None, *, basis: Basis | None = None) -> Panel:
    """Load a dataset folder, or one long Parquet file.

    The first load of some content writes its arrays to a cache (see `backtester.market.cache`); later loads map them
    into memory. A folder is recognised by the fingerprint in its manifest, a file by the hash of its bytes.

    Args:
        path: a folder written by `python -m backtester data import`, or a Parquet file with the columns of
            `Panel.from_frame`.
        start: first date, included; None: from the first session.
        end: last date, included; None: to the last session. See `Panel.between`.
        basis: the price basis of a single Parquet file, by default ``as_traded``. A dataset declares its own.

    Raises:
        DataError: There is nothing at `path`, it is neither of the two, it is damaged or cut off, its content is wrong,
            or no session lies between `start` and `end`.
    """
    source = Path(path)
    if source.is_dir():
        panel = _load_folder(source, basis)
    elif source.is_file():
        panel = _load_file(source, basis or "as_traded")
    else:
        near = (other.name for other in source.parent.glob("*")) if source.parent.is_dir() else ()
        hint = did_you_mean(source.name, near)
        raise DataError(f"there is nothing at {source}; give a dataset folder or a Parquet file.{hint}")
    return panel if start is None and end is None else panel.between(start, end)


def _load_folder(folder: Path, basis: Basis | None) -> Panel:
    manifest = store.read_manifest(folder)
    if basis is not None and basis != manifest["basis"]:
        raise DataError(f"{folder} holds prices {manifest['basis']}, not {basis}; leave the basis to the dataset.")
    key = f"dataset-{manifest['fingerprint']}"
    panel = cache.load(key)
    if panel is None:
        panel = _read_folder(folder, manifest)
        cache.save(key, panel)
    return panel


def _load_file(path: Path, basis: Basis) -> Panel:
    try:
        with path.open("rb") as stream:
            magic = stream.read(4)
        if not magic:
            raise DataError(f"{path.name} is empty; a Parquet file or a dataset folder is needed.")
        if magic != b"PAR1":
            raise DataError(
                f"{path.name} is no Parquet file, or it is damaged. Other files are imported first: "
                f"`python -m backtester data import {path.name} --out DIR`."
            )
        key = f"file-{basis}-{store.sha256_of(path)}"
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}.") from error
    panel = cache.load(key)
    if panel is None:
        table = read_parquet(path)
        if table.num_rows == 0:
            raise DataError(f"{path.name} has no rows; there is nothing to load.")
        try:
            panel = Panel.from_frame(table.to_pandas(), basis=basis)
        except DataError as error:
            raise DataError(f"{path.name}: {error}") from error
        cache.save(key, panel)
    return panel


def _read_folder(folder: Path, manifest: dict[str, Any]) -> Panel:
    for name, entry in manifest["files"].items():
        if store.sha256_of(folder / name) != entry["sha256"]:
            raise DataError(f"{folder}: {name} was changed since it was written; import the dataset again.")
    listed = read_parquet(folder / store.SYMBOLS)
    symbols = listed.column("symbol").to_pylist()
    keys = _read_coded(folder / store.BARS, ["date", "symbol"])
    date = keys.column("date").to_numpy().astype("datetime64[D]")
    # The rows are sorted by date, so a session begins where the date changes.
    begins = np.r_[True, date[1:] != date[:-1]]
    sessions = date[begins]
    text = keys.column("symbol").combine_chunks()
    text = text.chunk(0) if isinstance(text, pa.ChunkedArray) else text
    place = {symbol: k for k, symbol in enumerate(symbols)}
    code = np.array([place[symbol] for symbol in text.dictionary.to_pylist()], dtype=np.int64)
    cell = (np.cumsum(begins) - 1) * len(symbols) + code[text.indices.to_numpy()]
    del keys, text, date, begins

    arrays = {}
    for name in pq.read_schema(folder / store.BARS).names:
        if name in ("date", "symbol"):
            continue
        array = np.full((len(sessions), len(symbols)), np.nan)
        array.reshape(-1)[cell] = read_parquet(folder / store.BARS, [name]).column(name).to_numpy()
        arrays[name] = freeze(array)
    bars = {name: arrays.pop(name) for name in BARS}
    if store.EXTRA in manifest["files"]:
        known = fill_known(read_parquet(folder / store.EXTRA), sessions, symbols)
        arrays |= {name: freeze(array) for name, array in known.items()}
    return panel_of(
        sessions,
        symbols,
        bars,
        arrays,
        actions=read_parquet(folder / store.ACTIONS),
        listed=listed,
        members=read_parquet(folder / store.MEMBERS) if store.MEMBERS in manifest["files"] else None,
        basis=manifest["basis"],
    )


def panel_of(
    sessions: Days,
    symbols: Sequence[str],
    bars: dict[str, Floats],
    extra: dict[str, Floats],
    *,
    actions: pa.Table,
    listed: pa.Table,
    members: pa.Table | None,
    basis: Any,
) -> Panel:
    """The panel of a dataset's tables; arrays that are frozen down to their memory are not copied."""
    return Panel.from_arrays(
        sessions,
        symbols,
        **bars,
        actions=_frame(actions),
        ends=_frame(listed.select(["symbol", "end", "delisting_return"])),
        members=None if members is None else _frame(members),
        sectors=dict(zip(symbols, listed.column("sector").to_pylist(), strict=True)),
        extra=extra,
        basis=basis,
    )


def _frame(table: pa.Table) -> pd.DataFrame:
    """A small table as a frame of arrays; dates as datetime64."""
    return pd.DataFrame(
        {
            name: column.to_pylist() if pa.types.is_string(column.type) else column.to_numpy()
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
    )


def _read_coded(path: Path, columns: list[str]) -> pa.Table:
    """Columns of a Parquet file whose hash is right, with the symbols as codes, not as text."""
    return pq.ParquetFile(path, read_dictionary=["symbol"]).read(columns=columns)
