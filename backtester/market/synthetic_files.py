"""A synthetic market as a dataset folder, such as an import writes, with the planted score beside the bars."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backtester.errors import DataError
from backtester.market import store
from backtester.market.actions import Floats, Ints
from backtester.market.columns import BARS
from backtester.market.dates import NAT
from backtester.market.panel import Mask, Panel
from backtester.market.quarantine import Quarantine
from backtester.market.synthetic import synthetic

SCORE = store.SCORE


@dataclass(frozen=True)
class SyntheticReport:
    """What was written."""

    out: Path
    fingerprint: str  # of the dataset
    arguments: dict[str, Any]  # of `synthetic`, all of them
    symbols: int
    sessions: int
    first: np.datetime64
    last: np.datetime64
    counts: dict[str, int]  # bars, missing (within a symbol's life), later, ended, splits, dividends

    def lines(self) -> list[str]:
        """The report, one line a fact."""
        c, given = self.counts, self.arguments
        planted = "nothing planted" if given["kind"] == "noise" else f"a rank IC of {given['rank_ic']:g} planted"
        return [
            f"{c['bars']:,} bars made up: {self.symbols:,} symbols, {self.sessions:,} sessions, {self.first} to "
            f"{self.last}, prices as_traded",
            f"kind {given['kind']}, {planted}, seed {given['seed']}",
            f"{c['later']:,} symbols listed later, {c['ended']:,} ended, {c['splits']:,} splits, "
            f"{c['dividends']:,} dividends, {c['missing']:,} bars missing",
            f"the score is in {SCORE}: name it as path in [scores]",
            f"written to {self.out}, fingerprint {self.fingerprint[:12]}",
        ]

    def summary(self) -> str:
        """The report as one text."""
        return "\n".join(self.lines())


def write_synthetic(out: str | Path, *, overwrite: bool = False, **arguments: Any) -> SyntheticReport:
    """Draw a market and write it as a dataset folder that `backtester.load_panel` reads.

    The panel that is read back has the same fingerprint as the one that `synthetic` returns. Beside the tables of an
    import stands ``score.parquet`` (date, symbol, score; where the score is known, sorted by date, then symbol), and
    the manifest names the arguments under ``synthetic``.

    Args:
        out: the dataset folder to write; it appears whole or not at all.
        overwrite: whether a dataset that stands at `out` may be replaced.
        arguments: as in `synthetic`.

    Raises:
        ConfigError: An argument will not do.
        DataError: Something stands at `out` that may not be replaced, or it cannot be written.
    """
    target = store.check_target(Path(out), overwrite)  # before the work, rather than after it
    store.clear_stale(target)
    call = inspect.signature(synthetic).bind(**arguments)
    call.apply_defaults()
    given = {name: value.item() if isinstance(value, np.generic) else value for name, value in call.arguments.items()}
    given["start"] = str(given["start"])
    panel, score = synthetic(*call.args, **call.kwargs)
    known = ~np.isnan(panel.close)
    tables = {store.BARS: _bars(panel, known), store.ACTIONS: _actions(panel), store.SYMBOLS: _symbols(panel)}
    if not panel.member.all():
        tables[store.MEMBERS] = _members(panel)
    counts: dict[str, Any] = {
        "bars_read": int(known.sum()),
        "bars": int(known.sum()),
        "sessions": len(panel.dates),
        "symbols": len(panel.symbols),
        "actions": len(panel.actions.row),
        "ends_given": len(panel.ends.symbol),
        "ends_inferred": 0,
        "quarantined": {},
    }
    manifest = {"counts": counts, "synthetic": given}
    fingerprint = _write(target, panel.basis, tables, {SCORE: _scores(panel, score)}, manifest, overwrite)
    listed = known.argmax(axis=0)
    lived = len(panel.dates) - known[::-1].argmax(axis=0) - listed
    return SyntheticReport(
        out=Path(out),
        fingerprint=fingerprint,
        arguments=given,
        symbols=len(panel.symbols),
        sessions=len(panel.dates),
        first=panel.dates[0],
        last=panel.dates[-1],
        counts={
            "bars": counts["bars"],
            "missing": int((lived - known.sum(axis=0))[known.any(axis=0)].sum()),
            "later": int((listed > 0).sum()),
            "ended": len(panel.ends.symbol),
            "splits": int((panel.actions.split != 1).sum()),
            "dividends": int((panel.actions.dividend > 0).sum()),
        },
    )


def _write(
    target: Path,
    basis: str,
    tables: dict[str, pa.Table],
    beside: dict[str, pa.Table],
    manifest: dict[str, Any],
    overwrite: bool,
) -> str:
    """Write the folder; return the fingerprint of the dataset, to which what stands beside it does not belong."""
    try:
        with store.written_whole(target, replace=overwrite) as folder:
            files = {}
            for name, table in (tables | beside).items():
                pq.write_table(table, folder / name, compression="zstd", store_schema=False)
                if name in tables:
                    size, digest = (folder / name).stat().st_size, store.sha256_of(folder / name)
                    files[name] = {"rows": table.num_rows, "bytes": size, "sha256": digest}
            Quarantine().write(folder / store.QUARANTINE)
            fingerprint = store.fingerprint_of(basis, files)
            head = {"format": store.FORMAT, "fingerprint": fingerprint, "basis": basis}
            tail = {"files": files, "sources": [], "written_by": f"backtester {store.package_version()}"}
            text = json.dumps(head | manifest | tail, indent=2, ensure_ascii=False) + "\n"
            (folder / store.MANIFEST).write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot write {target} ({error.strerror or error}); choose another folder.") from error
    return fingerprint


def _keys(panel: Panel, row: Ints, column: Ints) -> dict[str, pa.Array]:
    """Columns of dates and symbols."""
    names = pa.array(panel.symbols, pa.string())
    return {
        "date": pa.array(panel.dates[row], pa.date32()),
        "symbol": pa.DictionaryArray.from_arrays(pa.array(column, pa.int32()), names),
    }


def _bars(panel: Panel, known: Mask) -> pa.Table:
    """A row where there is a bar."""
    values = {name: getattr(panel, name) for name in BARS} | dict(panel.extra)
    columns = {name: pa.array(array[known], pa.float64()) for name, array in values.items()}
    return pa.table({**_keys(panel, *np.nonzero(known)), **columns})


def _scores(panel: Panel, score: Floats) -> pa.Table:
    """A row where there is a score."""
    known = ~np.isnan(score)
    return pa.table({**_keys(panel, *np.nonzero(known)), "score": pa.array(score[known], pa.float64())})


def _actions(panel: Panel) -> pa.Table:
    acts = panel.actions
    columns = {"split": pa.array(acts.split, pa.float64()), "dividend": pa.array(acts.dividend, pa.float64())}
    return pa.table({**_keys(panel, acts.row, acts.symbol), **columns})


def _symbols(panel: Panel) -> pa.Table:
    end, paid = np.full(len(panel.symbols), NAT), np.zeros(len(panel.symbols))
    end[panel.ends.symbol], paid[panel.ends.symbol] = panel.ends.date, panel.ends.delisting_return
    return pa.table(
        {
            "symbol": pa.array(panel.symbols, pa.string()),
            "sector": pa.array(panel.sectors, pa.string()),
            "end": pa.array(end, pa.date32()),
            "delisting_return": pa.array(paid, pa.float64()),
        }
    )


def _members(panel: Panel) -> pa.Table:
    """A row for each time that a symbol was a member; `end` is the day of removal."""
    outside = np.zeros((1, len(panel.symbols)), dtype=bool)
    change = np.diff(np.vstack([outside, panel.member, outside]).astype(np.int8), axis=0)
    column, start = np.nonzero(change.T == 1)
    _, stop = np.nonzero(change.T == -1)
    days = np.append(panel.dates, NAT)
    names = pa.array(panel.symbols, pa.string())
    return pa.table(
        {
            "symbol": names.take(pa.array(column)),
            "start": pa.array(days[start], pa.date32()),
            "end": pa.array(days[stop], pa.date32()),
        }
    )
