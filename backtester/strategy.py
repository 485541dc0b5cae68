"""The contract that users subclass, and what it is shown: everything known after a close, and nothing more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtester.engine import types as et
from backtester.errors import StrategyError
from backtester.market.panel import Panel
from backtester.portfolio.settings import Cancel, Order, Rearm

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

Target = Floats | pd.Series | Mapping[str, float]
Decision = Target | Order | Cancel | Rearm | Sequence[Order | Cancel | Rearm] | None


class Universe(NamedTuple):
    """What is known before the first session."""

    symbols: tuple[str, ...]
    sectors: tuple[str, ...]


class Fill(NamedTuple):
    """One fill. ``shares`` is signed; ``price`` includes slippage, which is also told as money."""

    date: np.datetime64
    symbol: str
    shares: float
    price: float
    commission: float
    slippage: float
    reason: str


class Fills(Sequence[Fill]):
    """The fills since `on_fill` was last called: a sequence of `Fill`, and the same as arrays (K,)."""

    def __init__(
        self, dates: NDArray[np.datetime64], symbols: tuple[str, ...], ints: NDArray[np.int32], floats: Floats
    ) -> None:
        """Keep copies of the tape's rows."""
        self._dates = dates
        self._symbols = symbols
        self._session = ints[:, et.FILL_SESSION].copy()
        self._origin = ints[:, et.FILL_ORIGIN].copy()
        self.symbol_index: NDArray[np.int32] = ints[:, et.FILL_SYMBOL].copy()
        columns = floats.T.copy()
        self.shares: Floats = columns[et.FILL_SHARES]
        self.price: Floats = columns[et.FILL_PRICE]
        self.commission: Floats = columns[et.FILL_COMMISSION]
        self.slippage: Floats = columns[et.FILL_SLIPPAGE]

    def __len__(self) -> int:
        """Number of fills."""
        return len(self.symbol_index)

    def __getitem__(self, k: Any) -> Any:
        """The ``k``-th fill, or a list of them for a slice."""
        if isinstance(k, slice):
            return [self[j] for j in range(*k.indices(len(self)))]
        return Fill(
            self._dates[self._session[k]],
            self._symbols[self.symbol_index[k]],
            float(self.shares[k]),
            float(self.price[k]),
            float(self.commission[k]),
            float(self.slippage[k]),
            et.ORIGINS[self._origin[k]],
        )

    def __iter__(self) -> Iterator[Fill]:
        """The fills one after another."""
        return (self[k] for k in range(len(self)))


class Halt(NamedTuple):
    """A breaker has tripped. Halted: all positions are closed from the next open on; reducing: none may grow."""

    date: np.datetime64
    reason: str  # the event: "halt_daily_loss", "guard_gross", ...: docs/semantics.md, section 6
    status: str  # "reducing" or "halted"
    value: float  # what was measured: the fraction lost, gross or net, the share of symbols; of equal scores how many
    limit: float
    equity: float


class Book:
    """The account after the close: read-only copies, taken when they are first asked for."""

    __slots__ = ("_session", "_state")

    def __init__(self, state: et.State) -> None:
        """Look at ``state`` until the run goes on."""
        self._state = state
        self._session = int(state.i[et.SESSION])

    def _now(self) -> et.State:
        if self._state.i[et.SESSION] != self._session:
            raise StrategyError(
                "a book can be read only until its decision is made; keep the arrays that you need, not the view."
            )
        return self._state

    def _copy(self, values: Floats) -> Floats:
        copy = values.copy()
        copy.flags.writeable = False
        return copy

    @property
    def cash(self) -> float:
        """Cash; negative is borrowed."""
        return float(self._now().f[et.CASH])

    @property
    def equity(self) -> float:
        """Cash plus all positions at their marks."""
        return float(self._now().f[et.EQUITY])

    @property
    def shares(self) -> Floats:
        """(N,) shares held, negative for a short position."""
        return self._copy(self._now().shares)

    @property
    def mark(self) -> Floats:
        """(N,) last known close, split-adjusted since; NaN before the first."""
        return self._copy(self._now().mark)

    @property
    def average_cost(self) -> Floats:
        """(N,) average cost per share, slippage included, commission not; 0 where nothing is held."""
        return self._copy(self._now().average_cost)

    @property
    def weights(self) -> Floats:
        """(N,) value of each position in units of equity; NaN if equity is not positive."""
        state = self._now()
        equity = self.equity if self.equity > 0 else np.nan
        value = np.where(state.shares == 0, 0.0, state.shares * state.mark)
        return self._copy(value / equity)

    @property
    def resting(self) -> Floats:
        """(N,) shares resting in orders, signed; NaN where an order waits to be sized at its fill."""
        state = self._now()
        symbols = len(state.shares)
        total = state.order_shares[:symbols].copy()
        for slot in range(symbols, symbols + int(state.i[et.EXPLICIT])):
            total[state.order_i[slot, et.SLOT_SYMBOL]] += state.order_shares[slot]
        return self._copy(total)

    @property
    def status(self) -> str:
        """``"active"``, ``"reducing"`` or ``"halted"``."""
        return et.STATUSES[self._now().i[et.STATUS]]


class View:
    """Everything known after the close of session ``t``, read-only.

    Prices, scores and extra columns are ``(t + 1, N)`` with today's row last, so ``view.close[-1]`` is today; masks
    are today's ``(N,)``. Symbols are in alphabetical order. NaN means unknown.
    """

    __slots__ = ("_book", "_panel", "_scores", "_t")

    def __init__(self, panel: Panel, scores: Floats | None, t: int, state: et.State) -> None:
        """Show rows ``0 .. t`` of ``panel`` and ``scores``, and the book."""
        self._panel = panel
        self._scores = scores
        self._t = t
        self._book = Book(state)

    @property
    def t(self) -> int:
        """Today's row."""
        return self._t

    @property
    def book(self) -> Book:
        """The account."""
        return self._book

    @property
    def date(self) -> np.datetime64:
        """Today."""
        today: np.datetime64 = self._panel.dates[self._t]
        return today

    @property
    def dates(self) -> NDArray[np.datetime64]:
        """(t + 1,) the sessions so far."""
        return self._panel.dates[: self._t + 1]

    @property
    def symbols(self) -> tuple[str, ...]:
        """(N,) all symbols, in alphabetical order."""
        return self._panel.symbols

    def index(self, symbol: str) -> int:
        """The column of ``symbol``. Raises DataError for an unknown one."""
        return self._panel.index(symbol)

    @property
    def open(self) -> Floats:
        """(t + 1, N) opens."""
        return self._panel.open[: self._t + 1]

    @property
    def high(self) -> Floats:
        """(t + 1, N) highs."""
        return self._panel.high[: self._t + 1]

    @property
    def low(self) -> Floats:
        """(t + 1, N) lows."""
        return self._panel.low[: self._t + 1]

    @property
    def close(self) -> Floats:
        """(t + 1, N) closes, as the dataset declares them."""
        return self._panel.close[: self._t + 1]

    @property
    def volume(self) -> Floats:
        """(t + 1, N) shares traded."""
        return self._panel.volume[: self._t + 1]

    @property
    def adj_close(self) -> Floats:
        """(t + 1, N) total-return index: ratios of two rows are total returns, its level is no price."""
        return self._panel.adj_close[: self._t + 1]

    @property
    def returns(self) -> Floats:
        """(t + 1, N) total returns from the last known close."""
        return self._panel.returns[: self._t + 1]

    @property
    def tradable(self) -> Mask:
        """(N,) today's bar has a close and volume."""
        mask: Mask = self._panel.tradable[self._t]
        return mask

    @property
    def member(self) -> Mask:
        """(N,) in the universe today."""
        mask: Mask = self._panel.member[self._t]
        return mask

    @property
    def sectors(self) -> tuple[str, ...]:
        """(N,) names of sectors; '' where unknown."""
        return self._panel.sectors

    @property
    def sector_codes(self) -> NDArray[np.int64]:
        """(N,) sectors as numbers from 0."""
        return self._panel.sector_codes

    @property
    def extra(self) -> Mapping[str, Floats]:
        """Further columns by name, each (t + 1, N)."""
        return MappingProxyType({name: values[: self._t + 1] for name, values in self._panel.extra.items()})

    @property
    def history(self) -> Panel:
        """The panel as it stands today: rows 0 .. t and nothing that is known later."""
        return self._panel.head(self._t)

    @property
    def scores(self) -> Floats:
        """(t + 1, N) scores; NaN is no opinion.

        Raises:
            StrategyError: the run was given no scores.
        """
        if self._scores is None:
            raise StrategyError("this run has no scores: pass scores= to bt.run, or score the view's prices in decide.")
        return self._scores[: self._t + 1]


class Strategy:
    """What to hold, decided after each close.

    Subclass it and write ``decide``; everything else is optional. ``warmup`` is the number of bars needed before the
    first decision, ``every`` the number of sessions from one decision to the next.

    ``decide``, ``on_fill`` and ``on_halt`` may each return a target (array or Series: every symbol; mapping: only
    the symbols it names), explicit ``Order`` / ``Cancel`` / ``Rearm`` instructions, or None: docs/semantics.md,
    section 2. What they return trades in the next session. What they see is told in docs/strategies.md.

    An object keeps its attributes from one `bt.run` to the next: nothing resets what a run has left in them. Set such
    state in ``on_start``, which is called at the beginning of every run, or pass a fresh object to each.
    """

    warmup: int = 1
    every: int = 1

    def decide(self, view: View) -> Decision:
        """Called after the close of ``view.date``."""
        raise NotImplementedError(f"{type(self).__name__} has no decide(self, view).")

    def decide_rows(self, panel: Panel, scores: Floats | None, rows: range) -> Floats:
        """Weights (len(rows), N) for many decisions at once: only for targets that do not depend on the book.

        A strategy that overrides this runs in one stride, but for a subclass that overrides ``decide`` alone: that is
        asked session by session. Row ``k`` must be what ``decide`` would return after
        session ``rows[k]`` (``rows`` has the step ``every``) and may use rows up to that session only; ``panel`` and
        ``scores`` end with the last of them. It is asked ahead of time, on a second thread where there is a second
        core (unless ``on_fill`` or ``on_halt`` is overridden): it must depend on its arguments alone.
        """
        raise NotImplementedError(f"{type(self).__name__} has no decide_rows(self, panel, scores, rows).")

    def on_start(self, universe: Universe) -> None:
        """Called once, before the first session."""

    def on_fill(self, fills: Fills, view: View) -> Decision:
        """Called after the close of a session with fills, before ``decide``."""
        return None

    def on_halt(self, halt: Halt, view: View) -> Decision:
        """Called after the close at which a breaker tripped, before ``decide``."""
        return None

    def on_end(self, view: View) -> None:
        """Called once, after the last decision."""


def in_rows(strategy: Strategy) -> bool:
    """Whether ``decide_rows`` speaks for a strategy: not where a class below it has another ``decide``."""
    first = next(kind for kind in type(strategy).__mro__ if {"decide", "decide_rows"} & vars(kind).keys())
    return first is not Strategy and "decide_rows" in vars(first)


def overrides(strategy: Strategy, method: str) -> bool:
    """Whether the strategy has its own ``method``."""
    return getattr(type(strategy), method) is not getattr(Strategy, method)
