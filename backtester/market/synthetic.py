"""A market that nobody traded: daily bars drawn from a seed, with a score that is known to predict them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from backtester.errors import ConfigError
from backtester.market.actions import Floats, Ints, freeze
from backtester.market.dates import as_day
from backtester.market.panel import Panel

SECTORS = (
    "Communication",
    "Consumer",
    "Energy",
    "Financials",
    "Health Care",
    "Industrials",
    "Materials",
    "Real Estate",
    "Technology",
    "Utilities",
)
SESSIONS_PER_YEAR = 252
_MARKET_DRIFT, _MARKET_VOLATILITY, _SECTOR_VOLATILITY = 0.06, 0.14, 0.08  # a year
_OWN_VOLATILITY, _OWN_SPREAD = 0.28, 0.35  # median a year, and the spread of its logarithm over symbols
_BETA_SPREAD = 0.25
_TAIL = 0.18  # weight of the tails of a symbol's own shocks; 0 is normal
_INTRADAY = 0.6  # share of an open-to-open move that happens before the close
_PERSISTENCE = 0.8  # autocorrelation of the score from one session to the next
_MISSING = 0.0005  # share of bars that are unknown
_LISTED_LATER, _ENDED_EARLY, _SPLIT_ONCE, _PAYERS = 0.08, 0.08, 0.15, 0.5  # shares of the symbols
_QUARTER = 63  # sessions between two dividends
# A rank correlation is 6 / pi * asin(r / 2) of a normal one: for small r this factor.
_RANK_OF_NORMAL = 3 / np.pi


class SyntheticMarket(NamedTuple):
    """A panel and the score that was planted in it."""

    panel: Panel
    score: Floats  # (T, N), known after the close of t; NaN where the symbol has no bar; read-only


def synthetic(
    symbols: int = 100,
    sessions: int = 756,
    seed: int = 0,
    *,
    rank_ic: float = 0.03,
    start: str = "2015-01-02",
) -> SyntheticMarket:
    """Draw a market: the same arguments give the same bytes.

    Log returns are a market factor, a factor for each sector, and a fat-tailed move of each symbol of its own, part of
    which the score of the session before foretold. Prices are as traded, in cents, on every weekday; highs and lows
    contain opens and closes. Some symbols are listed later, end early with a delisting return, split or pay dividends,
    and a few bars are missing.

    Args:
        symbols: number of symbols, at least 2.
        sessions: number of sessions, at least 2.
        seed: of the random numbers.
        rank_ic: mean rank correlation over the symbols between the score of `t` and the return from the open of `t+1`
            to the open of `t+2`, up to sampling error (and, where prices are low, to the rounding to cents).
        start: first possible session.

    Raises:
        ConfigError: There are too few symbols or sessions, or `rank_ic` is not between -0.5 and 0.5.
    """
    if symbols < 2 or sessions < 2:
        raise ConfigError(f"a market of {symbols} symbols and {sessions} sessions is too small; 2 and 2 are the least.")
    if not -0.5 <= rank_ic <= 0.5:
        raise ConfigError(f"rank_ic {rank_ic} is out of reach; choose one between -0.5 and 0.5.")
    # One stream a purpose: what one part draws does not move the others.
    shocks, scores, within, volumes, events = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(5))
    sector = shocks.integers(0, len(SECTORS), symbols)
    score = _score(scores, sessions, symbols)
    moves, scale = _moves(shocks, score, sector, rank_ic)

    log_open = np.empty_like(moves)  # of the total-return price
    log_open[0] = np.log(40.0) + 0.6 * shocks.standard_normal(symbols)
    np.cumsum(moves[:-1], axis=0, out=log_open[1:])
    log_open[1:] += log_open[0]
    # The close lies on the way to the next open, off the straight line by some noise.
    noise = within.standard_normal(moves.shape)
    noise *= 0.3 * scale
    log_close = moves * _INTRADAY
    log_close += noise
    activity = np.abs(moves / scale)
    del moves, noise

    traded, actions = _actions(events, log_open, log_close, sessions, symbols)
    log_close += log_open
    log_close += traded
    log_open += traded
    del traded
    open_, close = np.exp(log_open, out=log_open), np.exp(log_close, out=log_close)
    high = np.maximum(open_, close) * np.exp(0.3 * scale * within.standard_exponential(open_.shape))
    low = np.minimum(open_, close) / np.exp(0.3 * scale * within.standard_exponential(open_.shape))
    volume = _volumes(volumes, close, activity)
    del activity
    for prices in (open_, high, low, close):
        np.maximum(np.round(prices, 2, out=prices), 0.01, out=prices)

    first, last = _lifetimes(events, sessions, symbols)
    row = np.arange(sessions)[:, None]
    absent = (row < first) | (row > last)
    absent |= events.random(absent.shape) < _MISSING
    for values in (open_, high, low, close, volume, score):
        values[absent] = np.nan
        freeze(values)

    days = np.busday_offset(as_day(start, "start"), np.arange(sessions), roll="forward")
    names = [f"S{k:0{len(str(symbols - 1))}d}" for k in range(symbols)]
    ended = np.flatnonzero(last < sessions)
    settled = np.where(events.random(len(ended)) < 0.7, 0.0, -events.uniform(0.2, 1.0, len(ended)).round(2))
    panel = Panel.from_arrays(
        days,
        names,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
        actions=actions.assign(date=days[actions["date"]], symbol=[names[k] for k in actions["symbol"]]),
        ends=pd.DataFrame({"symbol": [names[k] for k in ended], "end": days[last[ended]], "delisting_return": settled}),
        sectors={name: SECTORS[code] for name, code in zip(names, sector, strict=True)},
    )
    return SyntheticMarket(panel, score)


def _score(random: np.random.Generator, sessions: int, symbols: int) -> Floats:
    """A normal score that fades slowly."""
    score = random.standard_normal((sessions, symbols))
    fresh = np.sqrt(1 - _PERSISTENCE**2)
    for t in range(1, sessions):
        score[t] *= fresh
        score[t] += _PERSISTENCE * score[t - 1]
    return score


def _moves(random: np.random.Generator, score: Floats, sector: Ints, rank_ic: float) -> tuple[Floats, Floats]:
    """Log returns ``(T, N)`` from each open to the next, and the daily volatility of each symbol's own moves."""
    sessions, symbols = score.shape
    daily = 1 / np.sqrt(SESSIONS_PER_YEAR)
    scale = daily * _OWN_VOLATILITY * np.exp(_OWN_SPREAD * random.standard_normal(symbols))
    np.clip(scale, 0.25 * daily * _OWN_VOLATILITY, 3 * daily * _OWN_VOLATILITY, out=scale)
    beta = 1 + _BETA_SPREAD * random.standard_normal(symbols)
    market = daily * _MARKET_VOLATILITY * random.standard_normal(sessions)
    sectors = daily * _SECTOR_VOLATILITY * random.standard_normal((sessions, len(SECTORS)))
    # What market and sectors add to the spread over symbols dilutes the score; make up for it.
    common = (daily * _SECTOR_VOLATILITY) ** 2 + (_BETA_SPREAD * daily * _MARKET_VOLATILITY) ** 2
    known = rank_ic / _RANK_OF_NORMAL * np.sqrt(1 + common / np.median(scale) ** 2)
    own = random.standard_normal((sessions, symbols))
    own[1:] *= np.sqrt(1 - known**2)
    own[1:] += known * score[:-1]
    # Longer tails without changing any rank: z * exp(h z^2 / 2), scaled back to variance 1 (h < 1/2).
    own *= np.exp(np.minimum(own * own, 36.0) * (_TAIL / 2)) * (1 - 2 * _TAIL) ** 0.75
    own *= scale
    own -= scale**2 / 2
    drift = _MARKET_DRIFT / SESSIONS_PER_YEAR
    for t in range(sessions):
        own[t] += beta * (market[t] + drift) + sectors[t, sector]
    return own, scale


def _actions(
    random: np.random.Generator, log_open: Floats, log_close: Floats, sessions: int, symbols: int
) -> tuple[Floats, pd.DataFrame]:
    """What splits and dividends add to the logarithm of the price ``(T, N)``, and a table of them by row and column."""
    effect = np.zeros((sessions, symbols))
    rows: list[int] = []
    columns: list[int] = []
    splits: list[float] = []
    dividends: list[float] = []
    payers = np.flatnonzero(random.random(symbols) < _PAYERS)
    for i in payers:
        dates = np.arange(1 + int(random.integers(_QUARTER)), sessions, _QUARTER)
        rate = float(random.uniform(0.002, 0.012))
        effect[dates, i] += np.log1p(-rate)
        rows += dates.tolist()
        columns += [int(i)] * len(dates)
        splits += [1.0] * len(dates)
        dividends += [rate] * len(dates)
    for i in np.flatnonzero(random.random(symbols) < _SPLIT_ONCE):
        t = int(random.integers(1, sessions))
        # Dear shares are split, cheap ones are joined.
        ratio = float(random.choice([1.5, 2.0, 3.0] if log_open[t, i] > np.log(25.0) else [0.1, 0.2, 0.5]))
        effect[t, i] -= np.log(ratio)
        rows.append(t)
        columns.append(int(i))
        splits.append(ratio)
        dividends.append(0.0)
    np.cumsum(effect, axis=0, out=effect)
    table = pd.DataFrame({"date": rows, "symbol": columns, "split": splits, "dividend": dividends})
    table = table.astype({"date": np.int64, "symbol": np.int64, "split": float, "dividend": float})
    # So far a dividend is a share of the last close; now money per share held after a split of the same day.
    before = table["date"].to_numpy() - 1
    column = table["symbol"].to_numpy()
    last_close = np.exp(log_open[before, column] + log_close[before, column] + effect[before, column])
    ratio_then = np.ones(len(table))
    for k in np.flatnonzero(table["split"] != 1):
        ratio_then[(before == before[k]) & (column == column[k])] = table["split"][k]
    table["dividend"] = np.where(
        table["dividend"] > 0, np.maximum(np.round(table["dividend"] * last_close / ratio_then, 4), 0.0001), 0.0
    )
    return effect, table


def _volumes(random: np.random.Generator, close: Floats, activity: Floats) -> Floats:
    """Shares traded: money traded around a level for each symbol, more on days that move."""
    level = np.log(2e7) + 1.2 * random.standard_normal(close.shape[1])
    volume = random.standard_normal(close.shape)
    volume *= 0.35
    volume += level
    volume += 0.25 * np.minimum(activity, 4.0)
    np.exp(volume, out=volume)
    volume /= close
    volume = np.round(volume, out=volume)
    return np.maximum(volume, 1.0, out=volume)


def _lifetimes(random: np.random.Generator, sessions: int, symbols: int) -> tuple[Ints, Ints]:
    """First and last session of each symbol; last is `sessions` for those that do not end."""
    first = np.zeros(symbols, dtype=np.int64)
    last = np.full(symbols, sessions, dtype=np.int64)
    later = random.random(symbols) < _LISTED_LATER
    ended = random.random(symbols) < _ENDED_EARLY
    first[later] = (random.uniform(0.05, 0.5, int(later.sum())) * sessions).astype(np.int64)
    last[ended] = (random.uniform(0.55, 0.98, int(ended.sum())) * (sessions - 1)).astype(np.int64)
    return first, np.maximum(last, first)
