"""Writing a dataset folder: its tables, the check of what is written, and the manifest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backtester.errors import DataError
from backtester.market import store
from backtester.market.actions import Floats, freeze
from backtester.market.check.dataset import declared_absent, unpriced_members
from backtester.market.check.panel import check_panel
from backtester.market.check.report import CheckReport
from backtester.market.columns import BARS
from backtester.market.dataset import panel_of
from backtester.market.dates import Days
from backtester.market.gather import Bars
from backtester.market.known import fill_known
from backtester.market.lists import Action, Listing
from backtester.market.quarantine import Quarantine
from backtester.market.tables import Progress

# Rows of bars in a group of the Parquet file, and in memory as a table at a time.
_GROUP = 1 << 20


@dataclass(frozen=True)
class Content:
    """Everything that a dataset holds."""

    basis: str
    bars: Bars
    actions: list[Action]
    sector: list[str]  # by symbol, '' unknown
    end: Days  # by symbol, NaT none
    delisting_return: Floats  # by symbol
    listings: list[Listing] | None
    known: pa.Table | None  # changes of extra columns
    quarantine: Quarantine
    inferred: list[str]  # symbols whose end was inferred
    manifest: dict[str, Any]  # what it says beyond format, basis and files


def write_dataset(
    target: Path, content: Content, *, overwrite: bool, check: bool, exchange: str | None, progress: Progress
) -> tuple[str, CheckReport | None]:
    """Write the folder, whole or not at all; return its fingerprint, and what the check found.

    The bars are written on a second thread while the check runs.

    Raises:
        DataError: The folder cannot be written.
    """
    for array in (content.bars.present, *content.bars.values.values()):
        freeze(array)
    tables = {store.ACTIONS: _actions_table(content.actions), store.SYMBOLS: _symbols_table(content)}
    if content.listings is not None:
        tables[store.MEMBERS] = _members_table(content.listings)
    if content.known is not None:
        tables[store.EXTRA] = content.known
    try:
        with store.written_whole(target, replace=overwrite) as folder, ThreadPoolExecutor(1) as second:
            writing = second.submit(_write_bars, folder / store.BARS, content.bars, None if check else progress)
            for name, table in tables.items():
                pq.write_table(table, folder / name, compression="zstd", store_schema=False)
            content.quarantine.write(folder / store.QUARANTINE)
            findings = _check(folder, content, tables, exchange, progress) if check else None
            rows = {store.BARS: writing.result()} | {name: table.num_rows for name, table in tables.items()}
            files = {
                name: {
                    "rows": count,
                    "bytes": (folder / name).stat().st_size,
                    "sha256": store.sha256_of(folder / name),
                }
                for name, count in rows.items()
            }
            fingerprint = store.fingerprint_of(content.basis, files)
            if findings is not None:
                findings = replace(findings, fingerprint=fingerprint)
                text = json.dumps(findings.to_json(), indent=2, ensure_ascii=False) + "\n"
                (folder / store.CHECK).write_text(text, encoding="utf-8")
            manifest = {
                "format": store.FORMAT,
                "fingerprint": fingerprint,
                "basis": content.basis,
                **content.manifest,
                "files": files,
                "written_by": f"backtester {store.package_version()}",
            }
            text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
            (folder / store.MANIFEST).write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot write {target} ({error.strerror or error}); choose another folder.") from error
    return fingerprint, findings


def _write_bars(path: Path, bars: Bars, progress: Progress) -> int:
    """Write the bars sorted by date, then symbol, a group of rows at a time; return their number."""
    cells = np.flatnonzero(bars.present.reshape(-1))
    names = pa.array(bars.symbols, pa.string())
    flat = {key: array.reshape(-1) for key, array in bars.values.items()}
    writer = None
    try:
        for first in range(0, max(1, len(cells)), _GROUP):
            here = cells[first : first + _GROUP]
            row, column = np.divmod(here, len(bars.symbols))
            table = pa.table(
                {
                    "date": pa.array(bars.sessions[row], pa.date32()),
                    "symbol": pa.DictionaryArray.from_arrays(pa.array(column, pa.int32()), names),
                    # NaN is written as NaN: one way of saying unknown is enough.
                    **{key: pa.array(values[here], pa.float64()) for key, values in flat.items()},
                }
            )
            if writer is None:
                writer = pq.ParquetWriter(path, table.schema, compression="zstd", store_schema=False)
            writer.write_table(table)
            if progress is not None:
                progress("writing", min(len(cells), first + _GROUP), len(cells))
    finally:
        if writer is not None:
            writer.close()
    return len(cells)


def _check(
    folder: Path, content: Content, tables: dict[str, pa.Table], exchange: str | None, progress: Progress
) -> CheckReport:
    bars = content.bars
    extra = {key: array for key, array in bars.values.items() if key not in BARS}
    if content.known is not None:
        extra |= {key: freeze(array) for key, array in fill_known(content.known, bars.sessions, bars.symbols).items()}
    panel = panel_of(
        bars.sessions,
        bars.symbols,
        {key: bars.values[key] for key in BARS},
        extra,
        actions=tables[store.ACTIONS],
        listed=tables[store.SYMBOLS],
        members=tables.get(store.MEMBERS),
        basis=content.basis,
    )
    unpriced = unpriced_members(folder, panel) if content.listings is not None else None
    return check_panel(
        panel,
        content.quarantine.rows,
        exchange,
        inferred=content.inferred,
        unpriced=unpriced,
        declared=declared_absent(content.manifest),
        progress=progress,
    )


def _symbols_table(content: Content) -> pa.Table:
    return pa.table(
        {
            "symbol": pa.array(content.bars.symbols, pa.string()),
            "sector": pa.array(content.sector, pa.string()),
            "end": pa.array(content.end, pa.date32()),
            "delisting_return": pa.array(content.delisting_return, pa.float64()),
        }
    )


def _actions_table(acts: Sequence[Action]) -> pa.Table:
    return pa.table(
        {
            "date": pa.array(np.array([action.date for action in acts], dtype="datetime64[D]"), pa.date32()),
            "symbol": pa.array([action.symbol for action in acts], pa.string()),
            "split": pa.array([action.split for action in acts], pa.float64()),
            "dividend": pa.array([action.dividend for action in acts], pa.float64()),
        }
    )


def _members_table(listings: Sequence[Listing]) -> pa.Table:
    return pa.table(
        {
            "symbol": pa.array([listing.symbol for listing in listings], pa.string()),
            "start": pa.array(np.array([listing.start for listing in listings], dtype="datetime64[D]"), pa.date32()),
            "end": pa.array(np.array([listing.end for listing in listings], dtype="datetime64[D]"), pa.date32()),
        }
    )
