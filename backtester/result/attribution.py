"""What each side of the book and each round trip earned: arrays, from a tape and the market that it ran in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backtester.engine import legs as lg
from backtester.engine.types import Floats, Ints, Tape
from backtester.market.panel import Panel
from backtester.metrics import Trips


class Attribution(NamedTuple):
    """Gains and costs by side and session, and by round trip. Columns as in ``engine.legs``."""

    legs: Floats  # (T, LEGS)
    trade_i: Ints  # (K, TRADE_INTS) in the order of their opening
    trade_f: Floats  # (K, TRADE_FLOATS)

    def frozen(self) -> Attribution:
        """The same, read-only."""
        return Attribution(*map(_read_only, self))

    @property
    def gains(self) -> Floats:
        """(K,) what the round trips gained before costs: prices and dividends."""
        return self.trade_f[:, lg.TRADE_PRICE_PNL] + self.trade_f[:, lg.TRADE_DIVIDENDS]

    @property
    def costs(self) -> Floats:
        """(K,) what trading them cost: commission and slippage."""
        return self.trade_f[:, lg.TRADE_COMMISSION] + self.trade_f[:, lg.TRADE_SLIPPAGE]

    @property
    def sessions(self) -> Ints:
        """(K,) sessions from the opening to the closing, or to the last session of the run."""
        closed = self.trade_i[:, lg.TRADE_CLOSED]
        return np.where(closed >= 0, closed, len(self.legs) - 1) - self.trade_i[:, lg.TRADE_OPENED]

    @property
    def trips(self) -> Trips:
        """The round trips for the figures."""
        closed = self.trade_i[:, lg.TRADE_CLOSED] >= 0
        return Trips(self.sessions.astype(np.float64), self.gains - self.costs, closed)


def attribute(panel: Panel, tape: Tape) -> Attribution:
    """Follow a tape through the panel that it was written under; the panel may go on after it."""
    sessions, fills = len(tape.ledger), len(tape.fill_i)
    legs = np.zeros((sessions, lg.LEGS))
    trade_i = np.zeros((fills, lg.TRADE_INTS), np.int64)
    trade_f = np.zeros((fills, lg.TRADE_FLOATS))
    first = np.searchsorted(panel.actions.row, np.arange(len(panel.dates) + 1)).astype(np.int64)
    count = lg.follow(
        _read_only(panel.close),
        _read_only(first),
        _read_only(panel.actions.symbol),
        _read_only(panel.actions.split),
        _read_only(tape.fill_i),
        _read_only(tape.fill_f),
        _read_only(tape.event_i),
        _read_only(tape.event_f),
        sessions,
        legs,
        trade_i,
        trade_f,
    )
    return Attribution(legs, trade_i[:count].copy(), trade_f[:count].copy())


def _read_only(array: np.ndarray) -> np.ndarray:
    """The same memory in the one form that the compiled function takes."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
