"""A run on disk: one folder of Parquet tables and JSON, written as a whole or not at all.

| file | what it holds |
|---|---|
| `run.json` | name, settings, symbols, hashes, versions |
| `metrics.json` | the figures of the summary; unknown ones are null |
| `ledger.parquet` | a row a session |
| `orders.parquet`, `fills.parquet`, `events.parquet` | the tape, in its order |
| `resting.parquet` | the orders of the next trading day |

The tables spell out dates and names, so that any Parquet reader can use them, and still hold every number of the tape
to the bit: a loaded run is checked against its hashes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backtester.engine import types as t
from backtester.errors import RunError
from backtester.result.resting import Resting
from backtester.result.tables import EVENT_NAMES, MOMENTS, about

if TYPE_CHECKING:
    import pyarrow as pa

    from backtester.result.record import Result

FORMAT = 1
RUN, METRICS = "run.json", "metrics.json"
_PACKAGES = ("backtester", "numpy", "numba", "pandas", "pyarrow")


def write(result: Result, path: Path, overwrite: bool, extra: Mapping[str, str]) -> None:
    """See :meth:`Result.save`."""
    path = Path(os.path.abspath(path))
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        if not overwrite:
            raise RunError(
                f"{path} exists already. Choose another folder, or allow overwriting (overwrite=True, --overwrite)."
            )
        if not (path / RUN).is_file():
            raise RunError(f"{path} holds no run ({RUN} is missing), so it is not overwritten. Choose another folder.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{path.name}-", suffix=".partial", dir=path.parent))
    except OSError as error:
        raise RunError(f"Cannot write a run to {path}: {error.strerror or error}.") from error
    try:
        _write_files(result, partial, extra)
        partial.chmod(0o777 & ~_umask())  # mkdtemp makes it private
        _move(partial, path, overwrite)
    except OSError as error:
        raise RunError(f"Cannot write a run to {path}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read(path: Path) -> dict[str, Any]:
    """The arguments of the :class:`Result` in a folder, and its two hashes. RunError if it is none, or damaged."""
    path = Path(path)
    if not path.is_dir():
        raise RunError(f"There is no run at {path}: it is not a folder.")
    about_run = read_json(path, RUN)
    if about_run.get("format") != FORMAT:
        raise RunError(
            f"{path / RUN} has format {about_run.get('format')!r}; this version reads {FORMAT}. Run it again."
        )
    try:
        return _assemble(path, about_run)
    except KeyError as error:
        raise RunError(
            f"The run at {path} is damaged: {error.args[0]!r} is missing or unknown. Run it again."
        ) from error
    except (TypeError, ValueError) as error:
        raise RunError(f"The run at {path} is damaged ({error}). Run it again.") from error


def read_json(path: Path, file: str) -> dict[str, Any]:
    """One of the two JSON files of a run. RunError if it is missing or damaged."""
    try:
        found = json.loads((path / file).read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"There is no run at {path}: cannot read {file} ({error.strerror or error}).") from error
    except ValueError as error:
        raise RunError(f"{path / file} is damaged ({error}). Run it again.") from error
    if not isinstance(found, dict):
        raise RunError(f"{path / file} is damaged: it is no JSON object. Run it again.")
    return found


def code_hash() -> str:
    """SHA-256, as hex, of the sources of this package: names and contents."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for source in sorted(root.rglob("*.py"), key=lambda source: source.relative_to(root).as_posix()):
        digest.update(source.relative_to(root).as_posix().encode())
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


def _write_files(result: Result, folder: Path, extra: Mapping[str, str]) -> None:
    import pyarrow.parquet as pq

    for name, table in _tables(result).items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    about_run = {
        "format": FORMAT,
        "name": result.name,
        "cash": result.cash,
        "hashes": {
            "content": result.content_hash,
            "record": result.record_hash,
            "panel": result.panel_fingerprint,
            "code": code_hash(),
        },
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
        "settings": result.settings,
        "sector_names": list(result.sector_names),
        "symbols": list(result.symbols),
    }
    metrics = {name: _finite_or_none(value) for name, value in result.metrics.items()}
    texts = {RUN: json.dumps(about_run, indent=1), METRICS: json.dumps(metrics, indent=1), **extra}
    for name, text in texts.items():
        (folder / name).write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")


def _tables(result: Result) -> dict[str, pa.Table]:
    """Every table by the name of its file."""
    import pyarrow as pa

    def days(sessions: np.ndarray) -> pa.Array:
        return pa.array(result.dates[sessions].astype("datetime64[D]"))

    def names(known: tuple[str, ...], codes: np.ndarray) -> pa.Array:
        indices = pa.array(codes.astype(np.int32), mask=codes < 0)
        return pa.DictionaryArray.from_arrays(indices, pa.array(known, type=pa.string()))

    tape, rest = result.tape, result.resting_orders
    orders, fills, codes = tape.order_i, tape.fill_i, tape.event_i[:, t.EVENT_CODE]
    items = tape.event_i[:, t.EVENT_ITEM]
    return {
        "ledger": pa.table(
            {"date": days(np.arange(result.dates.size))}
            | {name: tape.ledger[:, k] for k, name in enumerate(t.LEDGER_COLUMNS)}
        ),
        "orders": pa.table(
            {
                "date": days(orders[:, t.ORDER_SESSION]),
                "symbol": names(result.symbols, orders[:, t.ORDER_SYMBOL]),
                "shares": tape.order_f,
                "at": names(MOMENTS, orders[:, t.ORDER_MOMENT]),
                "origin": names(t.ORIGINS, orders[:, t.ORDER_ORIGIN]),
            }
        ),
        "fills": pa.table(
            {
                "date": days(fills[:, t.FILL_SESSION]),
                "symbol": names(result.symbols, fills[:, t.FILL_SYMBOL]),
                "shares": tape.fill_f[:, t.FILL_SHARES],
                "price": tape.fill_f[:, t.FILL_PRICE],
                "commission": tape.fill_f[:, t.FILL_COMMISSION],
                "slippage": tape.fill_f[:, t.FILL_SLIPPAGE],
                "reason": names(t.ORIGINS, fills[:, t.FILL_ORIGIN]),
                "order": fills[:, t.FILL_ORDER],
                "moment": names(MOMENTS, fills[:, t.FILL_MOMENT]),
            }
        ),
        "events": pa.table(
            {
                "date": days(tape.event_i[:, t.EVENT_SESSION]),
                "event": names(EVENT_NAMES, codes),
                "symbol": names(result.symbols, np.where(about(codes, "symbol"), items, -1)),
                "sector": names(result.sector_names, np.where(about(codes, "sector"), items, -1)),
                "before": tape.event_f[:, t.EVENT_BEFORE],
                "after": tape.event_f[:, t.EVENT_AFTER],
                "amount": tape.event_f[:, t.EVENT_AMOUNT],
            }
        ),
        "resting": pa.table(
            {
                "symbol": names(result.symbols, rest.symbol),
                "shares": rest.shares,
                "weight": rest.weight,
                "at": names(MOMENTS, rest.at),
                "origin": names(t.ORIGINS, rest.origin),
                "order": rest.order,
            }
        ),
    }


class _Reader:
    """One table of a saved run, turned back into numbers."""

    def __init__(self, folder: Path, name: str) -> None:
        """Read the whole table."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.file = folder / f"{name}.parquet"
        try:
            self.table = pq.read_table(self.file)
        except (OSError, pa.ArrowException) as error:
            raise RunError(f"{self.file} is missing or damaged ({error}). Run it again.") from error

    def numbers(self, name: str) -> np.ndarray:
        """A column of numbers."""
        column: np.ndarray = self._column(name).to_numpy()
        return column

    def dates(self) -> np.ndarray:
        """The dates, ``datetime64[D]``."""
        return self.numbers("date").astype("datetime64[D]")

    def sessions(self, dates: np.ndarray) -> np.ndarray:
        """The dates as rows of ``dates``."""
        found = self.dates()
        rows = np.searchsorted(dates, found)
        if found.size and (rows.max(initial=0) >= dates.size or (dates[rows] != found).any()):
            raise RunError(f"{self.file} is damaged: it names a date that is no session of the run. Run it again.")
        return rows

    def codes(self, name: str, known: tuple[str, ...]) -> np.ndarray:
        """A column of names as their places in ``known``; -1 where it is missing."""
        place = {text: k for k, text in enumerate(known)}
        column = self._column(name).combine_chunks().dictionary_encode()
        translated = np.array([place[text] for text in column.dictionary.to_pylist()] + [-1], dtype=np.int64)
        indices: np.ndarray = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        codes: np.ndarray = translated[indices]
        return codes

    def _column(self, name: str) -> pa.ChunkedArray:
        if name not in self.table.column_names:
            raise RunError(f"{self.file} is damaged: column {name!r} is missing. Run it again.")
        return self.table.column(name)


def _assemble(path: Path, run: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a :class:`Result` from its files."""
    ledger, orders, fills, events, rest = (
        _Reader(path, name) for name in ("ledger", "orders", "fills", "events", "resting")
    )
    symbols, sectors, dates = tuple(run["symbols"]), tuple(run["sector_names"]), ledger.dates()
    of_symbol, of_sector = events.codes("symbol", symbols), events.codes("sector", sectors)
    tape = t.Tape(
        ledger=_columns([ledger.numbers(name) for name in t.LEDGER_COLUMNS], np.float64),
        fill_i=_columns(
            [
                fills.sessions(dates),
                fills.codes("symbol", symbols),
                fills.numbers("order"),
                fills.codes("reason", t.ORIGINS),
                fills.codes("moment", MOMENTS),
            ],
            np.int32,
        ),
        fill_f=_columns([fills.numbers(name) for name in ("shares", "price", "commission", "slippage")], np.float64),
        event_i=_columns(
            [
                events.sessions(dates),
                events.codes("event", EVENT_NAMES),
                np.where(of_symbol >= 0, of_symbol, of_sector),
            ],
            np.int32,
        ),
        event_f=_columns([events.numbers(name) for name in ("before", "after", "amount")], np.float64),
        order_i=_columns(
            [
                orders.sessions(dates),
                orders.codes("symbol", symbols),
                orders.codes("at", MOMENTS),
                orders.codes("origin", t.ORIGINS),
            ],
            np.int32,
        ),
        order_f=orders.numbers("shares"),
    )
    resting = Resting(
        symbol=rest.codes("symbol", symbols),
        at=rest.codes("at", MOMENTS),
        origin=rest.codes("origin", t.ORIGINS),
        order=rest.numbers("order"),
        shares=rest.numbers("shares"),
        weight=rest.numbers("weight"),
    )
    return {
        "name": run["name"],
        "dates": dates,
        "symbols": symbols,
        "sector_names": sectors,
        "tape": tape,
        "resting_orders": resting,
        "settings": run["settings"],
        "source": run["hashes"]["panel"],
        "cash": run["cash"],
        "content_hash": run["hashes"]["content"],
        "record_hash": run["hashes"]["record"],
    }


def _columns(columns: list[np.ndarray], kind: type) -> np.ndarray:
    """Columns side by side."""
    return np.column_stack([column.astype(kind) for column in columns])


def _move(partial: Path, path: Path, overwrite: bool) -> None:
    """Put a finished folder in its place; a run that stands there goes first, and comes back if that fails."""
    if not (overwrite and path.exists()):
        with contextlib.suppress(OSError):
            path.rmdir()  # an empty folder may be in the way; anything else stays, and the next line fails
        partial.rename(path)
        return
    old = partial.with_suffix(".old")
    path.rename(old)
    try:
        partial.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    """The permissions that new files of this process do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _version(package: str) -> str:
    """The installed version of a package; of this one also when it runs from its sources."""
    with contextlib.suppress(PackageNotFoundError):
        return version(package)
    return "unknown"


def _finite_or_none(value: float | int | str) -> float | int | str | None:
    """JSON has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
