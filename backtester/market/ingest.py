"""Import: from files as vendors write them to a dataset folder that `backtester.load_panel` reads.

A dataset folder holds

    bars.parquet         date, symbol, open, high, low, close, volume and extra columns; sorted by date, then symbol
    actions.parquet      date, symbol, split, dividend; sorted alike
    symbols.parquet      symbol, sector, end, delisting_return; sorted by symbol
    membership.parquet   symbol, start, end (the day of removal); only if membership was given
    quarantine.csv       table, file, row, reason, text of every row that could not be used
    manifest.json        format, basis, counts, hashes

The tables and their hashes depend on the content of the input alone: not on the order of its rows, on time or place.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backtester.errors import DataError
from backtester.market import store
from backtester.market.actions import Floats, Ints
from backtester.market.build import check_basis_name
from backtester.market.clean import Bars, clean_bars
from backtester.market.columns import BARS
from backtester.market.dates import NAT, Days
from backtester.market.lists import Action, End, Listing, clean_actions, clean_ends, clean_members, clean_sectors
from backtester.market.quarantine import Quarantine
from backtester.market.tables import Table, read_table

# A symbol without a bar in this many sessions at the end of the files, or more, has ended (law 12).
SILENT_SESSIONS = 5

Paths = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class ImportReport:
    """What an import read, kept and set aside."""

    out: Path
    fingerprint: str  # of the dataset
    basis: str
    rows: int  # rows of bars read
    kept: int  # of these, rows in the dataset
    sessions: int
    first: np.datetime64
    last: np.datetime64
    symbols: int
    unknown: dict[str, int]  # column -> kept rows in which it is unknown
    extra: tuple[str, ...]  # further columns kept
    actions: dict[str, int]  # splits, dividends, and among them rolled, outside, without_bar
    ends_given: int
    ends_inferred: tuple[str, ...]  # symbols
    quarantined: dict[str, int]  # "table: reason" -> rows
    notes: tuple[str, ...]  # anything else worth knowing

    def lines(self) -> list[str]:
        """The report, one line a fact."""
        out = [
            f"{self.kept:,} of {self.rows:,} bars kept: {self.symbols:,} symbols, {self.sessions:,} sessions, "
            f"{self.first} to {self.last}, prices {self.basis}"
        ]
        unknown = [f"{count:,} without {name}" for name, count in self.unknown.items() if count]
        if unknown:
            out.append(f"kept though not complete: {', '.join(unknown)}")
        if self.extra:
            out.append(f"extra columns: {', '.join(self.extra)}")
        a = self.actions
        if a["splits"] or a["dividends"]:
            out.append(f"{a['splits']:,} splits and {a['dividends']:,} dividends")
            for key, words in (
                ("rolled", "dated on no session, they act in the next one"),
                ("outside", "dated before the first session or after the last, they never act"),
                ("without_bar", "on a session without a bar of the symbol"),
            ):
                if a[key]:
                    out.append(f"  {a[key]:,} of them {words}")
        if self.ends_given or self.ends_inferred:
            names = ", ".join(self.ends_inferred[:8]) + (", ..." if len(self.ends_inferred) > 8 else "")
            inferred = f"{len(self.ends_inferred):,} inferred" + (f" ({names})" if names else "")
            out.append(f"endings: {self.ends_given:,} given, {inferred}")
        total = sum(self.quarantined.values())
        if total:
            out.append(f"{total:,} rows set aside in {store.QUARANTINE}:")
            out += [f"  {count:,} {reason}" for reason, count in self.quarantined.items()]
        else:
            out.append("no row set aside")
        out += self.notes
        out.append(f"written to {self.out}, fingerprint {self.fingerprint[:12]}")
        return out

    def summary(self) -> str:
        """The report as one text."""
        return "\n".join(self.lines())


def import_files(
    files: Paths,
    out: str | Path,
    *,
    basis: str,
    actions: Paths | None = None,
    sectors: Paths | None = None,
    members: Paths | None = None,
    ends: Paths | None = None,
    overwrite: bool = False,
) -> ImportReport:
    """Import long CSV (plain or gzip) or Parquet files of daily bars into a new dataset folder.

    Column names are understood in any case and in the usual variants (`backtester.market.columns.ALIASES`). Symbols are
    text in every file. Empty fields, and NaN, NA, N/A, NULL and None in columns of numbers, are unknown, not wrong.
    What is wrong is set aside in ``quarantine.csv`` with its reason; nothing else is dropped. Extra numeric columns are
    kept; a vendor's adjusted close is kept as ``adj_close_vendor`` and never traded.

    A symbol without a bar in the last 5 or more sessions of the files has ended on the date of its last bar; a row in
    `ends` says otherwise, and one without a date says that it goes on.

    Args:
        files: one or several files of bars, taken together: ``date, symbol, open, close, volume``, and if there
            ``high``, ``low``, ``split``, ``dividend`` and others.
        out: the dataset folder to write; it appears whole or not at all.
        basis: ``as_traded``, ``split_adjusted`` or ``total_return``.
        actions: ``date, symbol, split, dividend``: shares after / shares before, cash per share held after the split.
        sectors: ``symbol, sector``.
        members: ``symbol, start, end`` (``ticker, start_date, end_date``): inside from `start` up to, and not
            including, `end`, the day of removal; any number of rows a symbol; an empty `end` means still a member.
            Without this every symbol is a member every day; with it, a symbol that it does not name is never one.
        ends: ``symbol, end[, delisting_return]``: the last day on which a symbol existed.
        overwrite: whether a dataset that stands at `out` may be replaced.

    Raises:
        DataError: A file cannot be read, misses a column or has no usable row; dates have a time of day or a time zone;
            the basis already contains the actions; bars follow a given end; `out` cannot be written.
    """
    check_basis_name(basis)
    target = Path(out).absolute()
    _check_target(target, overwrite)
    given_files = {"bars": files, "actions": actions, "sectors": sectors, "members": members, "ends": ends}
    read = {kind: [read_table(path) for path in _paths(paths)] for kind, paths in given_files.items()}
    if not read["bars"]:
        raise DataError("no file of bars was given.")
    quarantine = Quarantine()
    bars, in_bars, notes = clean_bars(read["bars"], quarantine)
    known = set(bars.symbols)
    acts = clean_actions(read["actions"], in_bars, known, basis, quarantine)
    sector = clean_sectors(read["sectors"], quarantine)
    listings = clean_members(read["members"], quarantine) if read["members"] else None
    given = clean_ends(read["ends"], known, quarantine)
    end, paid, inferred = _ends(bars, given)
    notes += _notes(bars, sector if read["sectors"] else None, listings, basis)

    tables = {
        store.BARS: _bars_table(bars),
        store.ACTIONS: _actions_table(acts),
        store.SYMBOLS: pa.table(
            {
                "symbol": pa.array(bars.symbols, pa.string()),
                "sector": pa.array([sector.get(symbol, "") for symbol in bars.symbols], pa.string()),
                "end": pa.array(end, pa.date32()),
                "delisting_return": pa.array(paid, pa.float64()),
            }
        ),
    }
    if listings is not None:
        tables[store.MEMBERS] = _members_table(listings)
    sessions = np.unique(bars.date)
    counts: dict[str, Any] = {
        "bars_read": sum(table.rows for table in read["bars"]),
        "bars": len(bars.date),
        "sessions": len(sessions),
        "symbols": len(bars.symbols),
        "actions": len(acts),
        "ends_given": int((~np.isnat(end)).sum()) - len(inferred),
        "ends_inferred": len(inferred),
        "quarantined": quarantine.counts(),
    }
    fingerprint = _write(target, tables, quarantine, basis, counts, read, overwrite)
    return ImportReport(
        out=Path(out),
        fingerprint=fingerprint,
        basis=basis,
        rows=counts["bars_read"],
        kept=counts["bars"],
        sessions=len(sessions),
        first=sessions[0],
        last=sessions[-1],
        symbols=len(bars.symbols),
        unknown={key: int(np.isnan(bars.values[key]).sum()) for key in BARS},
        extra=tuple(key for key in bars.values if key not in BARS),
        actions=_count_actions(acts, bars, sessions),
        ends_given=counts["ends_given"],
        ends_inferred=tuple(inferred),
        quarantined=quarantine.counts(),
        notes=tuple(notes),
    )


def _paths(given: Paths | None) -> list[Path]:
    if given is None:
        return []
    return [Path(given)] if isinstance(given, (str, Path)) else [Path(path) for path in given]


def _check_target(target: Path, overwrite: bool) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise DataError(f"{target} is a file; choose a folder to write the dataset to.")
    if not any(target.iterdir()):
        return
    if not store.is_dataset(target):
        raise DataError(f"{target} holds something that is no dataset, so it is left alone; choose another folder.")
    if not overwrite:
        raise DataError(f"{target} holds a dataset already; choose another folder, or say that it may be overwritten.")


def _ends(bars: Bars, given: dict[str, End]) -> tuple[Days, Floats, list[str]]:
    """End dates (NaT: none) and delisting returns by symbol, and the symbols whose end was inferred."""
    sessions, row = np.unique(bars.date, return_inverse=True)
    # A row without any known price or volume is no bar.
    is_bar = ~np.logical_and.reduce([np.isnan(bars.values[key]) for key in BARS])
    last = np.full(len(bars.symbols), -1, dtype=np.int64)
    np.maximum.at(last, bars.symbol[is_bar], row[is_bar])
    end = np.full(len(bars.symbols), NAT)
    paid = np.zeros(len(bars.symbols))
    inferred = []
    for k, symbol in enumerate(bars.symbols):
        said = given.get(symbol)
        if said is not None:
            end[k], paid[k] = said.date, said.delisting_return
            if last[k] >= 0 and sessions[last[k]] > said.date:
                raise DataError(
                    f"{symbol} has a bar on {sessions[last[k]]}, but its given end is {said.date}; correct the end, "
                    "or leave the later bars out."
                )
        elif last[k] >= 0 and len(sessions) - 1 - last[k] >= SILENT_SESSIONS:
            end[k] = sessions[last[k]]
            inferred.append(symbol)
    return end, paid, inferred


def _notes(bars: Bars, sector: dict[str, str] | None, listings: list[Listing] | None, basis: str) -> list[str]:
    out = []
    known = set(bars.symbols)
    if sector is not None:
        missing = sum(not sector.get(symbol) for symbol in bars.symbols)
        if missing:
            out.append(f"{missing:,} symbols without a sector")
        other = len(sector.keys() - known)
        if other:
            out.append(f"{other:,} sectors of symbols without bars left out")
    if listings is not None:
        named = {listing.symbol for listing in listings}
        never = sorted(known - named)
        if never:
            names = ", ".join(never[:8]) + (", ..." if len(never) > 8 else "")
            out.append(f"{len(never):,} symbols never members, because the membership does not name them: {names}")
        if named - known:
            out.append(f"{len(named - known):,} symbols of the membership have no bars")
    return out


def _count_actions(acts: list[Action], bars: Bars, sessions: Days) -> dict[str, int]:
    out = {
        "splits": sum(action.split != 1 for action in acts),
        "dividends": sum(action.dividend != 0 for action in acts),
        "rolled": 0,
        "outside": 0,
        "without_bar": 0,
    }
    place = {symbol: k for k, symbol in enumerate(bars.symbols)}
    cell: Ints = np.searchsorted(sessions, bars.date) * len(place) + bars.symbol
    for action in acts:
        row = int(np.searchsorted(sessions, action.date))
        if row == len(sessions) or action.date < sessions[0]:
            out["outside"] += 1
        elif sessions[row] != action.date:
            out["rolled"] += 1
        else:
            wanted = row * len(place) + place[action.symbol]
            k = int(np.searchsorted(cell, wanted))
            out["without_bar"] += k == len(cell) or cell[k] != wanted
    return out


def _bars_table(bars: Bars) -> pa.Table:
    names = pa.array(bars.symbols, pa.string())
    columns = {
        "date": pa.array(bars.date, pa.date32()),
        "symbol": pa.DictionaryArray.from_arrays(pa.array(bars.symbol, pa.int32()), names),
    }
    # NaN is written as NaN: one way of saying unknown is enough.
    return pa.table({**columns, **{key: pa.array(values, pa.float64()) for key, values in bars.values.items()}})


def _actions_table(acts: list[Action]) -> pa.Table:
    return pa.table(
        {
            "date": pa.array(np.array([action.date for action in acts], dtype="datetime64[D]"), pa.date32()),
            "symbol": pa.array([action.symbol for action in acts], pa.string()),
            "split": pa.array([action.split for action in acts], pa.float64()),
            "dividend": pa.array([action.dividend for action in acts], pa.float64()),
        }
    )


def _members_table(listings: list[Listing]) -> pa.Table:
    return pa.table(
        {
            "symbol": pa.array([listing.symbol for listing in listings], pa.string()),
            "start": pa.array(np.array([listing.start for listing in listings], dtype="datetime64[D]"), pa.date32()),
            "end": pa.array(np.array([listing.end for listing in listings], dtype="datetime64[D]"), pa.date32()),
        }
    )


def _write(
    target: Path,
    tables: dict[str, pa.Table],
    quarantine: Quarantine,
    basis: str,
    counts: dict[str, Any],
    read: dict[str, list[Table]],
    overwrite: bool,
) -> str:
    """Write the folder; return the fingerprint of the dataset."""
    try:
        with store.written_whole(target, replace=overwrite) as folder:
            files = {}
            for name, table in tables.items():
                pq.write_table(table, folder / name, compression="zstd", store_schema=False)
                files[name] = {
                    "rows": table.num_rows,
                    "bytes": (folder / name).stat().st_size,
                    "sha256": store.sha256_of(folder / name),
                }
            (folder / store.QUARANTINE).write_bytes(quarantine.to_csv())
            manifest = {
                "format": store.FORMAT,
                "fingerprint": store.fingerprint_of(basis, files),
                "basis": basis,
                "counts": counts,
                "files": files,
                "sources": [
                    {"table": kind, "name": table.name, "sha256": table.sha256, "rows": table.rows}
                    for kind, given in read.items()
                    for table in given
                ],
                "written_by": f"backtester {store.package_version()}",
            }
            text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
            (folder / store.MANIFEST).write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot write {target} ({error.strerror or error}); choose another folder.") from error
    return str(manifest["fingerprint"])
