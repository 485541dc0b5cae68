"""The tables of a run folder: from the arrays of a result to Parquet files, and back to the bit."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backtester.engine import legs as lg
from backtester.engine import types as t
from backtester.errors import RunError
from backtester.metrics import Benchmark, Metrics
from backtester.result.attribution import Attribution
from backtester.result.digest import figures_hash
from backtester.result.resting import Resting
from backtester.result.tables import EVENT_NAMES, LEGS, MOMENTS, SIDES, about
from backtester.scores import learning_columns, learning_rows

if TYPE_CHECKING:
    import pyarrow as pa

    from backtester.result.record import Result

TRIPS = (
    "shares_in",
    "money_in",
    "shares_out",
    "money_out",
    "shares_left",
    "last_mark",
    "price_pnl",
    "dividends",
    "commission",
    "slippage",
)


def tables(result: Result) -> dict[str, pa.Table]:
    """Every table by the name of its file."""
    import pyarrow as pa

    def days(sessions: np.ndarray) -> pa.Array:
        known = np.append(result.dates.astype("datetime64[D]"), np.datetime64("NaT"))  # for session -1
        return pa.array(known[sessions])

    def names(known: tuple[str, ...], codes: np.ndarray) -> pa.Array:
        indices = pa.array(codes.astype(np.int32), mask=codes < 0)
        return pa.DictionaryArray.from_arrays(indices, pa.array(known, type=pa.string()))

    tape, rest, parts = result.tape, result.resting_orders, result.attribution
    every = days(np.arange(result.dates.size))
    orders, fills, codes = tape.order_i, tape.fill_i, tape.event_i[:, t.EVENT_CODE]
    items = tape.event_i[:, t.EVENT_ITEM]
    written = {
        "ledger": pa.table({"date": every} | {name: tape.ledger[:, k] for k, name in enumerate(t.LEDGER_COLUMNS)}),
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
    if parts is not None:
        trips = parts.trade_i
        written["legs"] = pa.table({"date": every} | {name: parts.legs[:, k] for k, name in enumerate(LEGS)})
        written["trades"] = pa.table(
            {
                "symbol": names(result.symbols, trips[:, lg.TRADE_SYMBOL]),
                "side": names(SIDES, (trips[:, lg.TRADE_SIDE] + 1) // 2),
                "opened": days(trips[:, lg.TRADE_OPENED]),
                "closed": days(trips[:, lg.TRADE_CLOSED]),
            }
            | {name: parts.trade_f[:, k] for k, name in enumerate(TRIPS)}
        )
    if result.curves:
        kinds = {"fold": pa.int64(), "epoch": pa.int64(), "model": pa.string(), "note": pa.string()}
        curves = learning_columns(result.curves)
        written["learning"] = pa.table(
            {name: pa.array(given, kinds.get(name, pa.float64())) for name, given in curves.items()}
        )
    if result.benchmark is not None:
        written["benchmark"] = pa.table(
            {"date": every, "return": result.benchmark.returns, "sessions": result.benchmark.sessions}
        )
    return written


def curves_hash(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """SHA-256, as hex, of learning curves; None where there are none."""
    return hashlib.sha256(json.dumps(learning_columns(rows)).encode()).hexdigest() if rows else None


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

    def dates(self, name: str = "date") -> np.ndarray:
        """A column of dates, ``datetime64[D]``."""
        return self.numbers(name).astype("datetime64[D]")

    def sessions(self, dates: np.ndarray, name: str = "date") -> np.ndarray:
        """A column of dates as rows of ``dates``; -1 where it is missing."""
        found = self.dates(name)
        there = ~np.isnat(found)
        rows = np.where(there, np.searchsorted(dates, found), -1)
        if there.any() and (rows.max(initial=0) >= dates.size or (dates[rows] != found)[there].any()):
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


def assemble(path: Path, run: dict[str, Any]) -> dict[str, Any]:
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
    attribution = benchmark = None
    curves: tuple[dict[str, Any], ...] = ()
    if run["attributed"]:
        attribution = _attribution(_Reader(path, "legs"), _Reader(path, "trades"), symbols, dates)
    if run["benchmark"] is not None:
        beside = _Reader(path, "benchmark")
        beside.sessions(dates)
        benchmark = Benchmark(run["benchmark"], beside.numbers("return"), beside.numbers("sessions"))
    expected = run["hashes"].get("learning")  # runs from before there were curves have none
    if expected is not None:
        curves = learning_rows(_Reader(path, "learning").table.to_pydict())
        if curves_hash(curves) != expected:
            raise ValueError("the learning curves are not those it was saved with")
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
        "benchmark": benchmark,
        "without_breakers": _figures(run["without_breakers"], run["hashes"]["without_breakers"]),
        "parts": attribution,
        "curves": curves,
        "content_hash": run["hashes"]["content"],
        "record_hash": run["hashes"]["record"],
    }


def _figures(written: dict[str, Any] | None, expected: str) -> Metrics | None:
    """Figures as they were before JSON: null is NaN. ValueError if they are not those that were saved."""
    figures = None if written is None else {key: math.nan if v is None else v for key, v in written.items()}
    if figures_hash(figures) != expected:
        raise ValueError("the figures without breakers are not those it was saved with")
    return figures


def _attribution(legs: _Reader, trades: _Reader, symbols: tuple[str, ...], dates: np.ndarray) -> Attribution:
    """Legs and round trips from their files."""
    sides = 2 * trades.codes("side", SIDES) - 1
    codes = [trades.codes("symbol", symbols), sides, *(trades.sessions(dates, name) for name in ("opened", "closed"))]
    return Attribution(
        legs=_columns([legs.numbers(name) for name in LEGS], np.float64),
        trade_i=_columns(codes, np.int64),
        trade_f=_columns([trades.numbers(name) for name in TRIPS], np.float64),
    )


def _columns(columns: list[np.ndarray], kind: type) -> np.ndarray:
    """Columns side by side."""
    return np.column_stack([column.astype(kind) for column in columns])
