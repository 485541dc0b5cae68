"""The record of a finished run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backtester.engine import types as t
from backtester.errors import RunError
from backtester.market.panel import Panel
from backtester.metrics import Benchmark, Metrics, run_metrics
from backtester.result import digest, folder
from backtester.result.attribution import Attribution, attribute
from backtester.result.resting import Resting
from backtester.scores import Scores

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """What happened in a run: the tape as the engine wrote it, and tables made from it when they are asked for.

    Frozen: the arrays are read-only, and every table handed out is a copy of its own. ``T`` sessions, ``N`` symbols.
    Two results are equal if their orders, fills, ledgers, events, resting orders and settings are.

    Attributes:
        name: what the run is called.
        dates: (T,) datetime64[D], the sessions.
        symbols: the N symbols, in the order of the engine's codes.
        sector_names: the names of the sector codes; ``""`` is "unknown".
        tape: ledger, fills, events and orders, cut to what was used. Columns as in ``engine.types``.
        resting_orders: the orders that rest after the last session.
        settings: every setting of the run as plain JSON data. ``"costs"`` and ``"risk"`` (None: off) and
            ``"execution"`` hold the fields of their classes. ``"signal_quality"``, where the command line notes it, is
            no part of what makes two results equal.
        source: the market data, or its fingerprint. A fingerprint takes longer than a run, so it is taken on demand.
        cash: equity before the first session.
        benchmark: its name, its returns (T,), NaN where they are not known, and the sessions (T,) that each goes over;
            None: there is none.
        without_breakers: the figures of the same run without breakers, where one tripped and `backtester.run` made that
            run too; else None. No part of what makes two results equal.
        scores: what the strategy was shown, where a signal made it or it came as `Scores`; not saved, and no part of
            what makes two results equal.
        curves: the rows of :attr:`learning`; no part of what makes two results equal.
        parts: what each side and each round trip earned; None: taken from the tape and the market data on demand, and
            not known where `source` is a fingerprint.
    """

    name: str
    dates: NDArray[np.datetime64]
    symbols: tuple[str, ...]
    sector_names: tuple[str, ...]
    tape: t.Tape
    resting_orders: Resting
    settings: dict[str, Any]
    source: Panel | str
    cash: float
    benchmark: Benchmark | None = None
    without_breakers: Metrics | None = None
    parts: Attribution | None = None
    scores: Scores | None = None
    curves: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        kinds = {"fill_i": np.int32, "event_i": np.int32, "order_i": np.int32}
        tape = t.Tape(*(_frozen(array, kinds.get(name, np.float64)) for name, array in self.tape._asdict().items()))
        sized = ("shares", "weight")
        rest = {
            name: _frozen(array, np.float64 if name in sized else np.int64)
            for name, array in self.resting_orders._asdict().items()
        }
        object.__setattr__(self, "dates", _frozen(self.dates, "datetime64[D]"))
        object.__setattr__(self, "symbols", tuple(self.symbols))
        object.__setattr__(self, "sector_names", tuple(self.sector_names))
        object.__setattr__(self, "cash", float(self.cash))
        object.__setattr__(self, "tape", tape)
        object.__setattr__(self, "resting_orders", Resting(**rest))
        if self.benchmark is not None:
            name, returns, sessions = self.benchmark
            frozen = Benchmark(name, _frozen(returns, np.float64), _frozen(sessions, np.int64))
            object.__setattr__(self, "benchmark", frozen)
        if self.parts is not None:
            object.__setattr__(self, "parts", self.parts.frozen())

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same orders, fills and record."""
        if not isinstance(other, Result):
            return NotImplemented
        return (self.content_hash, self.record_hash) == (other.content_hash, other.record_hash)

    def __hash__(self) -> int:
        """The hash of the content hash."""
        return hash(self.content_hash)

    def __repr__(self) -> str:
        """One line: name, span, figures."""
        span = f"{self.dates[0]} to {self.dates[-1]}" if self.dates.size else "no sessions"
        figures = self.metrics
        return (
            f"Result({self.name!r}, {span}, {len(self.symbols)} symbols, {figures['fills']} fills, "
            f"return {figures['total_return']:+.2%}, Sharpe {figures['sharpe']:.2f})"
        )

    @property
    def panel_fingerprint(self) -> str:
        """Content hash of the market data."""
        return self.source if isinstance(self.source, str) else self.source.fingerprint

    @property
    def equity(self) -> pd.Series:
        """Equity at the close of every session, by date."""
        return self.ledger["equity"]

    @property
    def returns(self) -> pd.Series:
        """``equity[t] / equity[t-1] - 1`` by date, the first against the cash; NaN after an account is wiped out."""
        return self._table("returns")["returns"]

    @property
    def monthly(self) -> pd.DataFrame:
        """Returns by year (rows) and month (columns 1 to 12), and of the whole ``year``, all compounded.

        A part of a month or year at either end of the run counts for what it is. NaN without a session, or where the
        equity before is not positive.
        """
        return self._table("monthly")

    @property
    def drawdowns(self) -> pd.DataFrame:
        """A row a drawdown at closes, the deepest first (:func:`backtester.metrics.drawdowns`).

        ``depth`` (fraction of the peak, positive); the dates ``peak`` (missing: the start, before the first session),
        ``trough`` and ``recovered`` (missing: not by the end of the run); ``sessions`` from the peak to the recovery or
        the last session; ``recovery_sessions`` from the trough to the recovery (missing: not recovered).
        """
        return self._table("drawdowns")

    @property
    def trades(self) -> pd.DataFrame:
        """A row a round trip, in the order of their opening. One begins when a position leaves 0 and ends at 0.

        A fill that crosses 0 ends one and begins another, its costs shared out by shares. What is added and taken off
        in between belongs to the one round trip, so it makes no difference which shares are sold first.

        ``symbol``; ``side`` (``long`` or ``short``); ``opened`` and ``closed`` (dates; missing: open at the end);
        ``sessions`` from the one to the other, or to the last session; ``shares`` that were opened in all, positive,
        splits taken in, so as of the last day; ``entry`` and ``exit``, the mean prices paid and received per such
        share, slippage included, where a settlement, the cash for a fraction and, for what is still open, the last
        mark count as exits; ``gross`` (money gained by prices, before slippage, and by ``dividends``); ``commission``
        and ``slippage``, together ``costs``; ``net = gross - costs``; ``return``, ``net`` as a fraction of what was
        opened, at entry prices (missing: opened at 0).

        Borrow fees and interest are those of the book and belong to no round trip: the sum of ``net``, plus the
        interest and less the borrow fees of the ledger, is the change of equity.

        Raises:
            RunError: the market data of the run is not known (a result made by hand).
        """
        return self._table("trades")

    @property
    def learning(self) -> pd.DataFrame:
        """The learning curves of the signal, in the order it was learnt; empty where there are none.

        ``fold`` (from 1), ``model``, ``epoch``, ``train_loss``, ``valid_loss`` and ``valid_ic`` (missing: not known),
        ``note``.
        """
        return self._table("learning")

    @property
    def legs(self) -> pd.DataFrame:
        """What the longs and the shorts did, a row a session, by date.

        For each side, ``long_`` and ``short_``: ``price_pnl``, ``dividends``, ``commission``, ``slippage`` (money of
        the session, costs positive) and ``names`` (positions at the close). ``squares`` and ``largest``: the sum of the
        squares, and the largest, of the absolute values of the positions at the close. Both sides together are the
        ledger's columns of the same names. A fill belongs to the side of the shares that it moves, one that crosses 0
        to both. Borrow fees are all of the shorts; interest is of neither.

        Raises:
            RunError: as in :attr:`trades`.
        """
        return self._table("legs")

    @property
    def ledger(self) -> pd.DataFrame:
        """A row a session, by date: ``engine.types.LEDGER_COLUMNS``, ``status`` as a word of ``STATUSES``.

        Flows (from ``price_pnl`` to ``traded``) are those of the session, all costs positive when paid; ``interest`` is
        positive when earned.
        """
        return self._table("ledger")

    @property
    def fills(self) -> pd.DataFrame:
        """A row a fill, in the order in which they happened.

        ``date``, ``symbol``, ``shares`` (signed), ``price`` (slippage included), ``commission`` and ``slippage``
        (money), ``reason`` (``target``, ``order`` or ``halt``), ``order`` (row in :attr:`orders`), ``moment``
        (``open``, ``close`` or ``same_close``).
        """
        return self._table("fills")

    @property
    def orders(self) -> pd.DataFrame:
        """A row an order, from the moment at which its number of shares was known.

        ``date``, ``symbol``, ``shares`` (signed), ``at`` (the moment it fills at), ``origin`` (``target``, ``order`` or
        ``halt``), ``filled`` (signed, in shares of the days of the fills), ``status``: ``filled``; ``resting`` at the
        end of the run with nothing filled, ``partial`` with something; ``replaced`` by a newer target or ``cancelled``,
        whatever had been filled by then.
        """
        return self._table("orders")

    @property
    def events(self) -> pd.DataFrame:
        """A row an event: splits, dividends, settlements, waiting, clips, refusals, breakers.

        ``date``, ``event``, ``symbol`` or ``sector`` (missing where the event does not concern one), and ``before``,
        ``after``, ``amount``, whose meaning ``engine.types.EVENTS`` states for each kind.
        """
        return self._table("events")

    @property
    def resting(self) -> pd.DataFrame:
        """The orders of the next trading day.

        ``symbol``, ``shares`` left (missing: sized at the fill, with ``weight``), ``at``, ``origin``, ``order`` (row in
        :attr:`orders`; -1: not yet sized).
        """
        return self._table("resting")

    @property
    def positions(self) -> pd.DataFrame:
        """Shares held after each session, dates by symbols, replayed from fills, splits and settlements."""
        return self._table("positions")

    @cached_property
    def metrics(self) -> Metrics:
        """The figures of :func:`backtester.metrics.run_metrics` by name; NaN is unknown."""
        parts = self.attribution
        return run_metrics(
            self.dates,
            self.tape.ledger,
            self.cash,
            self.tape.fill_f.shape[0],
            legs=None if parts is None else parts.legs,
            trips=None if parts is None else parts.trips,
            benchmark=self.benchmark,
        )

    @cached_property
    def attribution(self) -> Attribution | None:
        """Gains and costs by side and by round trip, as arrays; None if the market data is not known."""
        if self.parts is not None or isinstance(self.source, str):
            return self.parts
        return attribute(self.source, self.tape).frozen()

    @cached_property
    def content_hash(self) -> str:
        """SHA-256, as hex, of every order and fill with its date and symbol: equal for equal runs (law 17)."""
        return digest.content_hash(self)

    @cached_property
    def record_hash(self) -> str:
        """SHA-256, as hex, of what else the record holds: ledger, events, resting orders, settings, data, benchmark."""
        return digest.record_hash(self)

    def save(
        self, path: str | Path, *, overwrite: bool = False, extra: Mapping[str, folder.Extra] | None = None
    ) -> Path:
        """Write the run to a folder: Parquet tables, ``metrics.json`` and ``run.json``.

        It is written beside its place under a temporary name and renamed when it is complete, so a folder with its
        name is always a whole run.

        Args:
            path: the folder; it must not exist, or be empty.
            overwrite: replace a run that stands there. Anything else than a run is never replaced.
            extra: further files by name: their text, or a function that writes one to the path that it is given.

        Returns:
            The folder.

        Raises:
            RunError: the folder exists, or cannot be written.
        """
        folder.write(self, Path(path), overwrite, extra or {})
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Result:
        """Read a run that was saved, equal to the one that was.

        Raises:
            RunError: there is no run, it was written by another version, or it is damaged: its hashes are computed
                again and compared.
        """
        found = folder.read(Path(path))
        content, record = found.pop("content_hash"), found.pop("record_hash")
        result = cls(**found)
        if result.content_hash != content:
            raise RunError(f"The run at {path} is damaged: its orders and fills are not those it was saved with.")
        if result.record_hash != record:
            raise RunError(
                f"The run at {path} is damaged: its ledger, events or settings are not those it was saved with."
            )
        return result

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        """The tables that were asked for, by name."""
        return {}

    def _table(self, name: str) -> pd.DataFrame:
        """A table by the name of the function that makes it."""
        from backtester.result import tables

        if name not in self._tables:
            self._tables[name] = getattr(tables, name)(self)
        return tables.own_copy(self._tables[name])


def _frozen(array: Any, kind: Any) -> Any:
    """A read-only view of an array in C order."""
    view = np.ascontiguousarray(array, dtype=kind).view()
    view.flags.writeable = False
    return view
