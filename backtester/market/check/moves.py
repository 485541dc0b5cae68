"""Large moves: where a close or an open is far from the last close, and how that compares.

Only moves beyond a tenth are looked at closely, so that the work is that of a few thousand cells and not of millions.
Every move is a logarithm of total return: splits and dividends that are listed are taken into account.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.market.actions import Floats, Ints
from backtester.market.panel import Panel

Mask = NDArray[np.bool_]

# A move is looked at if its logarithm is beyond this: up 10.5 %, down 9.5 %.
LOOK = 0.1
# A symbol's own volatility is taken from this many sessions before and after, its volume from those before.
WINDOW = 20
# With fewer known moves than this in the window the volatility is not known, and UNKNOWN_VOLATILITY a session is taken.
ENOUGH_MOVES = 8
UNKNOWN_VOLATILITY = 0.04
# With fewer known volumes than this before, how busy a session was is not known.
ENOUGH_VOLUMES = 5
# A session is compared with at most this many symbols, evenly chosen, and not at all with fewer than FEW.
SAMPLE = 400
FEW = 20
# Prices as traded move in steps of a hundredth; a volatility below one step is not believed.
TICK = 0.01
# Of a normal distribution, standard deviation over median absolute deviation.
_SIGMA = 1.4826
# Moves whose surroundings are gathered at a time, and moves that are handed on at a time.
_CHUNK = 20_000
_BATCH = 100_000


@dataclass(frozen=True)
class Moves:
    """Large moves, by session, then symbol. Everything is ``(n,)``."""

    row: Ints
    col: Ints
    before: Ints  # row of the last known close before
    base: Floats  # the price that a move starts from: the last close, less what was listed as paid or split since
    close: Floats  # log move from the base to the close; NaN if there is no close
    open: Floats  # log move from the base to the open; NaN if there is no open
    # How all symbols moved: median log move of the session, and its spread as a standard deviation.
    close_all: Floats
    close_spread: Floats
    open_all: Floats
    open_spread: Floats
    # The symbol around that session.
    volatility: Floats  # standard deviation of a session's log moves, robust
    busy: Floats  # volume against the median before, in shares or in money, whichever is less; NaN: unknown

    def only(self, keep: Mask) -> Moves:
        """Some of them."""
        return Moves(**{name: values[keep] for name, values in self.__dict__.items()})

    def code(self, symbols: int) -> Ints:
        """``row * N + col``, increasing."""
        out: Ints = self.row * symbols + self.col
        return out

    def __len__(self) -> int:
        """How many."""
        return len(self.row)


def large_moves(panel: Panel) -> Iterator[Moves]:
    """Find the large moves of a panel, and measure what surrounds them; session by session, in batches."""
    for found in _scan(panel):
        yield _measured(panel, found)


def _measured(panel: Panel, found: dict[str, Any]) -> Moves:
    """Large moves with the volatility and the volume around them."""
    row, col = found["row"], found["col"]
    volatility, busy = np.empty(len(row)), np.empty(len(row))
    for first in range(0, len(row), _CHUNK):
        part = slice(first, first + _CHUNK)
        volatility[part] = volatility_around(panel.close, row[part], col[part])
        busy[part] = _busy(panel, row[part], col[part], found["close"][part])
    gap = row - found["before"]
    known = np.isfinite(volatility)
    volatility = np.where(known, volatility, UNKNOWN_VOLATILITY)
    if panel.basis == "as_traded":
        price = found["base"]
        lowest = price * np.exp(np.fmin(np.fmin(found["close"], found["open"]), 0.0))
        volatility = np.maximum(volatility, TICK / np.maximum(lowest, TICK / 2))
    # Over a gap a price has had more time to move.
    volatility = volatility * np.sqrt(np.maximum(gap, 1))
    return Moves(**found, volatility=volatility, busy=busy)


def _scan(panel: Panel) -> Iterator[dict[str, Any]]:
    """Cells with a large move of the close or the open, in batches of whole sessions."""
    sessions, n = panel.shape
    actions = panel.actions
    first_action = np.searchsorted(actions.row, np.arange(sessions + 1))
    base, seen = np.full(n, np.nan), np.full(n, -1)
    up, down = np.exp(LOOK), np.exp(-LOOK)
    by_close, by_open = np.empty(n), np.empty(n)
    parts: list[dict[str, Any]] = []
    held = 0
    for t in range(sessions):
        a, b = first_action[t], first_action[t + 1]
        if b > a:
            which = actions.symbol[a:b]
            # What a holder of one share had is worth (base - dividend) a share after the split.
            base[which] = base[which] / actions.split[a:b] - actions.dividend[a:b]
            # A dividend above the price leaves nothing to compare with.
            base[which] = np.where(base[which] > 0, base[which], np.nan)
        close, opened = panel.close[t], panel.open[t]
        np.divide(close, base, out=by_close)
        np.divide(opened, base, out=by_open)
        large = (by_close > up) | (by_close < down) | (by_open > up) | (by_open < down)
        if large.any():
            col = np.flatnonzero(large)
            both = np.log(by_close[col]), np.log(by_open[col])
            all_close, all_open = _middle(by_close), _middle(by_open)
            parts.append(
                {
                    "row": np.full(len(col), t),
                    "col": col,
                    "before": seen[col],
                    "base": base[col],
                    "close": both[0],
                    "open": both[1],
                    "close_all": np.full(len(col), all_close[0]),
                    "close_spread": np.full(len(col), all_close[1]),
                    "open_all": np.full(len(col), all_open[0]),
                    "open_spread": np.full(len(col), all_open[1]),
                }
            )
            held += len(col)
            if held > _BATCH:
                yield _joined(parts)
                parts, held = [], 0
        known = ~np.isnan(close)
        np.copyto(base, close, where=known)
        np.copyto(seen, t, where=known)
    if parts:
        yield _joined(parts)


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _middle(ratios: Floats) -> tuple[float, float]:
    """Median of the logarithms of some ratios, and their spread; zeros if there are too few to tell."""
    sample = ratios[:: max(1, len(ratios) // SAMPLE)]
    sample = sample[np.isfinite(sample)]
    if len(sample) < FEW:
        return 0.0, 0.0
    half = len(sample) // 2
    logs = np.log(sample)
    middle = float(np.partition(logs, half)[half])
    np.subtract(logs, middle, out=logs)
    np.abs(logs, out=logs)
    return middle, _SIGMA * float(np.partition(logs, half)[half])


def around(values: Floats, row: Ints, col: Ints, first: int, last: int) -> Floats:
    """``(n, last - first + 1)``: values of the same symbol from `first` to `last` sessions on; NaN outside."""
    at = row[:, None] + np.arange(first, last + 1)
    out: Floats = values[np.clip(at, 0, len(values) - 1), col[:, None]]
    out[(at < 0) | (at >= len(values))] = np.nan
    return out


def _median_of_known(values: Floats, enough: int) -> Floats:
    """Median along the rows of what is not NaN (the upper one of two in the middle); NaN if too little is known."""
    known = np.isfinite(values).sum(axis=1)
    ordered = np.sort(values, axis=1)  # NaN last
    out: Floats = ordered[np.arange(len(values)), np.minimum(known // 2, values.shape[1] - 1)]
    out[known < enough] = np.nan
    return out


def volatility_around(close: Floats, row: Ints, col: Ints) -> Floats:
    """``(n,)``: robust standard deviation of the log moves of closes around some cells; NaN if too few are known."""
    moves = np.abs(np.diff(np.log(around(close, row, col, -WINDOW - 1, WINDOW)), axis=1))
    moves[:, WINDOW] = np.nan  # the move itself
    return _SIGMA * _median_of_known(moves, ENOUGH_MOVES)


def _busy(panel: Panel, row: Ints, col: Ints, move: Floats) -> Floats:
    """How busy a session was: 1 is as usual. After a split there are more shares, not more money; hence the less."""
    usual = np.full(len(row), np.nan)
    for first, last in ((-WINDOW, -1), (1, WINDOW)):  # the sessions after only where too few before are known
        unknown = np.flatnonzero(np.isnan(usual))
        volumes = around(panel.volume, row[unknown], col[unknown], first, last)
        volumes[volumes == 0] = np.nan
        usual[unknown] = _median_of_known(volumes, ENOUGH_VOLUMES)
    busy: Floats = panel.volume[row, col] / usual * np.exp(np.fmin(np.nan_to_num(move), 0.0))
    return busy


def later(panel: Panel, moves: Moves, sessions: int) -> Floats:
    """``(n, sessions)``: log moves from the base to the closes of the next sessions; NaN where unknown.

    A later split or dividend is not taken into account.
    """
    after = around(panel.close, moves.row, moves.col, 1, sessions)
    out: Floats = np.log(after / moves.base[:, None])
    return out


def earlier(panel: Panel, moves: Moves, sessions: int) -> Floats:
    """``(n, sessions)``: the same for the sessions before, as if they were moves from the base.

    An earlier split or dividend is not taken into account.
    """
    before = around(panel.close, moves.row, moves.col, -sessions, -1)
    out: Floats = np.log(before / moves.base[:, None])
    return out
