"""How the prices of a synthetic market move: market, sectors and own shocks, in calm and in turbulent times."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backtester.market.actions import Floats, Ints

SESSIONS_PER_YEAR = 252
_DAILY = 1 / np.sqrt(SESSIONS_PER_YEAR)
_DRIFT, _MARKET_VOLATILITY, _SECTOR_VOLATILITY = 0.06, 0.16, 0.08  # a year
_OWN_VOLATILITY, _OWN_SPREAD = 0.24, 0.35  # median a year, and the spread of its logarithm over symbols
_OWN_RANGE = (0.5, 2.5)  # of the median
_BETA_SPREAD = 0.25
_FARTHEST = 4.0  # own shocks beyond this get no fatter, which keeps single days below some 50 %
_MOST = 0.9  # no return is larger than this
_INTRADAY = 0.6  # share of the variance from open to open that comes before the close
# Calm and turbulent times: how volatile, and the chance to leave them from one session to the next.
_CALM, _TURBULENT = 0.75, 1.9
_CALM_ENDS, _TURBULENT_ENDS = 1 / 150, 1 / 40


class Shape(NamedTuple):
    """What stays the same about the moves of each symbol."""

    scale: Floats  # (N,) daily volatility of its own moves
    beta: Floats  # (N,)
    sector: Ints  # (N,)
    sectors: int  # how many there are
    tails: float  # see `fatten`

    def common(self, market: Floats, sectors: Floats) -> Floats:
        """What standard shocks ``(T,)`` of the market and ``(T, S)`` of sectors move each symbol by, ``(T, N)``."""
        moves: Floats = (_DAILY * _SECTOR_VOLATILITY * sectors)[:, self.sector]
        moves += np.outer(_DAILY * _MARKET_VOLATILITY * market, self.beta)
        return moves

    @property
    def variance(self) -> Floats:
        """``(N,)`` of a session's return."""
        factors = (self.beta * _MARKET_VOLATILITY) ** 2 + _SECTOR_VOLATILITY**2
        variance: Floats = self.scale**2 + _DAILY**2 * factors
        return variance


class Moves(NamedTuple):
    """Returns, without the symbols' own shocks until `finish` has been called, from then on their logarithms."""

    total: Floats  # (T, N) from each open to the next
    day: Floats  # (T, N) from each open to the close
    volatility: Floats  # (T,) of the times, by which own shocks are multiplied too


def shape_of(random: np.random.Generator, symbols: int, sectors: int, tails: float) -> Shape:
    """Draw what stays the same."""
    sector = random.integers(0, sectors, symbols)
    scale = np.exp(np.clip(_OWN_SPREAD * random.standard_normal(symbols), *np.log(_OWN_RANGE)))
    beta = 1 + _BETA_SPREAD * random.standard_normal(symbols)
    return Shape(_DAILY * _OWN_VOLATILITY * scale, beta, sector, sectors, tails)


def moves_of(random: np.random.Generator, shape: Shape, volatility: Floats) -> Moves:
    """Draw everything but the symbols' own shocks from open to open.

    A close lies on a random way between two opens, so that the day before it and the night after it are independent:
    given the whole move, the part before the close is its `_INTRADAY` share and a normal of the right size.
    """
    sessions = len(volatility)
    on_the_way = np.sqrt(_INTRADAY * (1 - _INTRADAY))
    market, sectors = random.standard_normal(sessions), random.standard_normal((sessions, shape.sectors))
    market_way, sectors_way = random.standard_normal(sessions), random.standard_normal((sessions, shape.sectors))
    total = shape.common(market, sectors)
    day = shape.common(_INTRADAY * market + on_the_way * market_way, _INTRADAY * sectors + on_the_way * sectors_way)
    day += on_the_way * shape.scale * random.standard_normal((sessions, len(shape.scale)))
    # The same for every symbol, so that neither betas nor volatilities foretell anything.
    for moves, share in ((total, 1.0), (day, _INTRADAY)):
        moves *= volatility[:, None]
        moves += share * _DRIFT / SESSIONS_PER_YEAR
    return Moves(total, day, volatility)


def finish(moves: Moves, shape: Shape, shocks: Floats, rows: slice) -> None:
    """Add the symbols' own shocks ``(T, N)``, standard normals, to some rows, and take logarithms of these rows.

    Until here all is symmetric, so a return's median is its mean, whatever its volatility. Were logarithms drawn
    instead, the volatile would have either the higher mean or the lower median, and volatility would foretell ranks.
    """
    own = fatten(shocks[rows], shape.tails)
    own *= moves.volatility[rows, None]
    own *= shape.scale
    for part, share in ((moves.total[rows], 1.0), (moves.day[rows], _INTRADAY)):
        part += share * own
        np.clip(part, -_MOST, _MOST, out=part)
        np.log1p(part, out=part)


def closing(moves: Moves) -> Floats:
    """Logarithms of returns ``(T, N)`` from the close before to the close; from the open in the first session."""
    out: Floats = moves.day.copy()
    out[1:] += moves.total[:-1]
    out[1:] -= moves.day[:-1]
    return out


def fatten(shocks: Floats, tails: float) -> Floats:
    """Lengthen the tails of standard normals without changing a rank: ``z exp(h z^2 / 2)``, variance still about 1."""
    squared: Floats = np.square(np.clip(shocks, -_FARTHEST, _FARTHEST))
    squared *= tails / 2
    np.exp(squared, out=squared)
    squared *= shocks
    squared *= (1 - 2 * tails) ** 0.75
    return squared


def volatility_of(random: np.random.Generator, sessions: int, regimes: float) -> Floats:
    """``(T,)``: how volatile the times are, with a mean square of 1 over many sessions.

    Two regimes follow each other: calm ones of 150 sessions on average and turbulent ones of 40, in which everything
    moves 2.5 times as much. `regimes` is a power of these: 0 is no difference.
    """
    leave = random.random(sessions)
    share = _CALM_ENDS / (_CALM_ENDS + _TURBULENT_ENDS)  # of turbulent sessions
    turbulent = np.empty(sessions, dtype=bool)
    now = bool(random.random() < share)
    for t in range(sessions):
        now ^= bool(leave[t] < (_TURBULENT_ENDS if now else _CALM_ENDS))
        turbulent[t] = now
    calm, wild = _CALM**regimes, _TURBULENT**regimes
    volatility: Floats = np.where(turbulent, wild, calm) / np.sqrt((1 - share) * calm**2 + share * wild**2)
    return volatility
