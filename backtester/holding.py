"""What one share earns that is bought in one session and sold in a later one, or where it first touches a barrier."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backtester.engine.barriers import first_touches
from backtester.engine.ranking import trailing_volatilities
from backtester.engine.types import VOLATILITY_MINIMUM, Bars, Changes
from backtester.market.panel import Panel

Floats: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.int64]
# A standard deviation of returns below this is rounding: they are all the same.
_ROUNDING = 1e-12


class TripleBarrier(NamedTuple):
    """What came first for every row and symbol: see `backtester.triple_barrier`. NaN where there is no label."""

    label: Floats  # (R, N) 1 profit, -1 stop, 0 time
    earned: Floats  # (R, N) total return from the purchase to the touch, or to the end
    sessions: Floats  # (R, N) from the purchase to the touch, or to the end: 0 is the session of the purchase


class Settlement(NamedTuple):
    """Of a symbol that has ended."""

    row: int  # the session of it
    worth: float  # what a share is paid; NaN if no close was ever known


def total_returns(panel: Panel, rows: Rows, start: int, horizon: int, price: Floats) -> Floats:
    """Total returns ``(R, N)`` from the price of ``row + start`` to that of ``horizon`` sessions later.

    NaN where one of the prices is unknown, or the volume of its session known to be 0.
    """
    sessions, symbols = panel.shape
    result = np.full((len(rows), symbols), np.nan)
    inside = rows[rows + start + horizon < sessions]
    if not inside.size:
        return result
    bought, sold = inside + start, inside + start + horizon
    tradable = np.where(np.isfinite(price) & (panel.volume != 0.0), price, np.nan)
    entry, worth = tradable[bought], tradable[sold]
    settled = settlements(panel)
    for symbol, (row, paid_out) in settled.items():
        if np.isfinite(paid_out):
            worth[slice(*np.searchsorted(bought, (row - horizon, row))), symbol] = paid_out
    ratio, paid = np.ones(entry.shape), np.zeros(entry.shape)
    for row, symbol, split, dividend in zip(*(part.tolist() for part in panel.actions), strict=True):
        if symbol in settled and row > settled[symbol].row:  # nobody holds it any more
            continue
        held = slice(*np.searchsorted(bought, (row - horizon, row)))  # bought before `row`, sold at it or later
        ratio[held, symbol] *= split
        paid[held, symbol] += dividend * ratio[held, symbol]
    result[: len(inside)] = (ratio * worth + paid) / entry - 1.0
    return result


def barrier_returns(
    panel: Panel, rows: Rows, start: int, horizon: int, at_close: bool, profit: float, stop: float, window: int
) -> TripleBarrier:
    """`backtester.triple_barrier` with its settings checked, whoever could order: only prices are asked."""
    sessions, symbols = panel.shape
    label, earned, lasted = (np.full((len(rows), symbols), np.nan) for _ in range(3))
    inside = rows[rows + start + horizon < sessions]
    if inside.size:
        bought = inside + start
        price = panel.close if at_close else panel.open
        entry = np.where(panel.volume[bought] != 0.0, price[bought], np.nan)
        volatility = _volatility(panel, inside, window)
        volatility[volatility < _ROUNDING] = np.nan  # barriers at the entry itself
        unit = np.sqrt(horizon) * volatility
        bars = Bars(*(_frozen(part) for part in (panel.open, panel.high, panel.low, panel.close, panel.volume)))
        known = slice(0, len(inside))
        worth = np.empty(entry.shape)
        lower, upper = entry * (1.0 - stop * unit), entry * (1.0 + profit * unit)
        first_touches(
            bars, _changes(panel), bought, horizon, at_close, lower, upper, label[known], worth, lasted[known]
        )
        earned[known] = worth / entry - 1.0
    return TripleBarrier(label, earned, lasted)


def settlements(panel: Panel) -> dict[int, Settlement]:
    """The settlement of every symbol that is settled within the panel, by column."""
    found: dict[int, Settlement] = {}
    ends = panel.ends
    columns = (ends.symbol.tolist(), ends.row.tolist(), ends.delisting_return.tolist())
    for symbol, row, gone in zip(*columns, strict=True):
        if row >= panel.shape[0]:
            continue
        found[symbol] = Settlement(row, np.nan)
        known = np.flatnonzero(np.isfinite(panel.close[:row, symbol]))
        if not known.size:
            continue
        mark = panel.close[known[-1], symbol]
        mine = (panel.actions.symbol == symbol) & (panel.actions.row > known[-1]) & (panel.actions.row <= row)
        mark /= np.prod(panel.actions.split[mine])
        found[symbol] = Settlement(row, float(mark * (1.0 + gone)))
    return found


def _volatility(panel: Panel, rows: Rows, window: int) -> Floats:
    """Standard deviation (ddof=1) of the known total returns of the ``window`` sessions up to each row: (R, N)."""
    out = np.empty((len(rows), panel.shape[1]))
    trailing_volatilities(_frozen(panel.returns), rows, min(VOLATILITY_MINIMUM, window), window, out)
    return out


def _changes(panel: Panel) -> Changes:
    """Actions by symbol, and settlements, for the kernel."""
    sessions, symbols = panel.shape
    actions = panel.actions
    order = np.lexsort((actions.row, actions.symbol))
    settled, settlement = np.full(symbols, sessions, dtype=np.int64), np.full(symbols, np.nan)
    for symbol, (row, worth) in settlements(panel).items():
        settled[symbol], settlement[symbol] = row, worth
    return Changes(
        first=np.searchsorted(actions.symbol[order], np.arange(symbols + 1)).astype(np.int64),
        row=actions.row[order],
        split=actions.split[order],
        dividend=actions.dividend[order],
        settled=settled,
        settlement=settlement,
    )


def _frozen(values: Floats) -> Floats:
    """A read-only C-contiguous view or copy: compiled functions know bars in this form only."""
    array = np.ascontiguousarray(values).view()
    array.flags.writeable = False
    return array
