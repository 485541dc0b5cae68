"""A market that nobody traded: daily bars drawn from a seed, with a score that is known to predict them."""

from __future__ import annotations

from numbers import Integral
from typing import NamedTuple

import numpy as np
import pandas as pd

from backtester.errors import ConfigError, DataError, did_you_mean
from backtester.market.actions import Floats, freeze
from backtester.market.dates import Days, as_day
from backtester.market.panel import Panel
from backtester.market.synthetic_events import draw_absent, draw_actions, draw_lifetimes, draw_volumes, members_of
from backtester.market.synthetic_planted import (
    FEATURES,
    KINDS,
    LAGS,
    Kind,
    fading,
    plant,
    weight_of,
)
from backtester.market.synthetic_returns import closing, moves_of, shape_of, volatility_of

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
    kind: Kind = "linear",
    start: str = "2015-01-02",
    regimes: float = 1.0,
    tails: float = 0.12,
    listings: float = 0.08,
    endings: float = 0.08,
    splits: float = 0.15,
    payers: float = 0.5,
    missing: float = 0.0005,
    members: float = 1.0,
) -> SyntheticMarket:
    """Draw a market: the same arguments give the same bytes.

    Returns are a market factor, a factor for each of ten sectors, and a fat-tailed move of each symbol of its own,
    part of which the score of the session before foretold. All of them are 2.5 times as large in turbulent times as in
    calm ones. What happens before the close is independent of what happens after it. Prices are as traded, in cents
    (below 1 in hundredths of a cent), on every weekday; highs and lows contain opens and closes. Some symbols are
    listed later, end early with a delisting return, split or pay dividends, and a few bars are missing; the first
    symbol has all of its bars.

    Over markets of 500 symbols and 2,520 sessions, with the arguments that have a default left alone: a symbol moves
    by 20 to 46 % a year (5th to 95th percentile) and the mean of all by 15 to 17 %; the kurtosis of daily returns is
    6 to 7 for symbols and for their mean (3 if normal); the autocorrelation of absolute returns is 0.2 after a
    session and 0.1 after twenty, that of returns 0; two symbols of a sector correlate by 0.35, others by 0.28; betas
    have a standard deviation of 0.23; the logarithm of volume correlates by 0.33 with the absolute return. The mean
    and the median of the next return are the same for all symbols, but for what is planted.

    The panel has six extra columns, `f1` to `f6`: independent standard normals that are known at the close of their
    row and fade slowly (autocorrelation 0.8). What is planted is a score `s`, of one of these kinds:

    - ``linear``: ``(2 f1 - 2 f2 + f3) / 3``. `f4` to `f6` are decoys. Least squares finds it.
    - ``interactions``: ``(f1 f2 + f3 sign(f4)) / sqrt(2)``. Whatever value one feature has, the mean of the score is
      0: no feature, nor any function of one, foretells anything, and a linear model finds nothing. Trees and small
      networks do. `f5` and `f6` are decoys.
    - ``order``: with `r` the total returns from close to close, ``sum((-1)^(j+1) r[t-j] for j in 1..18)``, divided by
      the root of the sum of their squares, then standardised over all symbols of the session, listed or not. The last
      return is no part of it, and no function of the returns that does not depend on their order (their sum, their
      volatility) says anything about it: neither do sums over the last 1, 3, 5 sessions or any odd number, or over 19
      or more. Sums over an even number `n` below 19 correlate with it by ``1 / sqrt(18 n)`` or less. A model of
      the 19 last returns finds it. What is planted is part of later returns, and by this they foretell a little: the
      last return has a rank correlation of about ``-rank_ic ** 2 / 4``. All six features are decoys. The score is
      unknown in the first 19 sessions of a symbol.
    - ``noise``: nothing is planted, whatever `rank_ic` says. The score is one more such normal, and a decoy too.

    Args:
        symbols: number of symbols, at least 2.
        sessions: number of sessions, at least 2.
        seed: of the random numbers, 0 or more.
        rank_ic: mean over the sessions of the rank correlation over the symbols between the score of `t` and the total
            return from the open of `t+1` to the open of `t+2`, from -0.5 to 0.5. It is met to within a fiftieth of
            itself, and sampling error: a standard deviation of about ``1 / sqrt((symbols - 1) * sessions)``. Prices
            so low that a tick matters lower it.
        kind: one of the above.
        start: first possible session.
        regimes: power of the difference between calm and turbulent times, 0 (none) to 2.
        tails: weight of the tails of own moves, 0 (normal) to 0.2.
        listings: share of the symbols that are listed after the first session, on average, as are the next three.
        endings: share that ends before the last session.
        splits: share that splits once, or is joined.
        payers: share that pays dividends, every 63 sessions.
        missing: share of the bars that are unknown, none of them a symbol's first or last.
        members: share of the symbols in the universe: those most traded in the last 63 sessions, reviewed as often.
            1: all of them, always.

    Raises:
        ConfigError: An argument is not as above; the message names it.
    """
    _check_whole(symbols=(symbols, 2), sessions=(sessions, 2), seed=(seed, 0))
    _check_kind(kind, rank_ic)
    shares = {"listings": listings, "endings": endings, "splits": splits, "payers": payers, "missing": missing}
    _check_range(0.0, 1.0, **shares, members=members)
    _check_range(0.0, 2.0, regimes=regimes)
    _check_range(0.0, 0.2, tails=tails)
    days = _days(start, sessions)
    # One stream a purpose: what one part draws does not move the others.
    streams = (np.random.default_rng(one) for one in np.random.SeedSequence(seed).spawn(11))
    steady, times, factors, shocks, columns, trial, way, volumes, acts, lives, gaps = streams

    shape = shape_of(steady, symbols, len(SECTORS), tails)
    moves = moves_of(factors, shape, volatility_of(times, sessions, regimes))
    features = {name: fading(columns, sessions, symbols) for name in FEATURES}
    weight = weight_of(trial, kind, rank_ic, shape)
    score = plant(kind, weight, features, shocks, moves, shape)

    log_open = np.empty_like(moves.total)  # of the total-return price
    log_open[0] = np.log(40.0) + 0.6 * way.standard_normal(symbols)
    np.cumsum(moves.total[:-1], axis=0, out=log_open[1:])
    log_open[1:] += log_open[0]
    log_close = moves.day
    activity = np.abs(closing(moves))
    activity /= np.sqrt(shape.variance)
    log_close += log_open
    traded, actions = draw_actions(acts, log_open, log_close, splits, payers)
    log_close += traded
    log_open += traded
    del traded
    open_, close = np.exp(log_open, out=log_open), np.exp(log_close, out=log_close)
    reach = 0.3 * moves.volatility[:, None] * shape.scale
    high = np.maximum(open_, close) * np.exp(reach * way.standard_exponential(open_.shape))
    low = np.minimum(open_, close) / np.exp(reach * way.standard_exponential(open_.shape))
    volume = draw_volumes(volumes, close, activity)
    del activity, reach, moves
    for prices in (open_, high, low, close):
        _to_ticks(prices)

    first, last = draw_lifetimes(lives, sessions, symbols, listings, endings)
    absent = draw_absent(gaps, first, last, sessions, missing)
    if kind == "order":  # nobody can have known it before
        score[np.arange(sessions)[:, None] <= first + LAGS] = np.nan
    for values in (open_, high, low, close, volume, score, *features.values()):
        values[absent] = np.nan
        freeze(values)
    names = [f"S{k:0{len(str(symbols - 1))}d}" for k in range(symbols)]
    ended = np.flatnonzero(last < sessions)
    settled = np.where(lives.random(len(ended)) < 0.7, 0.0, -lives.uniform(0.2, 1.0, len(ended)).round(2))
    row, column = actions["date"].to_numpy(), actions["symbol"].to_numpy()
    actions = actions[(row > first[column]) & (row <= last[column])]
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
        members=None if members == 1 else members_of(close, volume, last, members),
        sectors={name: SECTORS[code] for name, code in zip(names, shape.sector, strict=True)},
        extra=features,
    )
    return SyntheticMarket(panel, score)


def _to_ticks(prices: Floats) -> None:
    """Round to cents, below 1 to hundredths of a cent, as exchanges quote; the least price is one of these."""
    cheap = prices < 1
    small = np.maximum(np.round(prices[cheap], 4), 0.0001)
    np.round(prices, 2, out=prices)
    prices[cheap] = small


def _days(start: str, sessions: int) -> Days:
    try:
        first = as_day(start, "start")
    except DataError as error:
        raise ConfigError(str(error)) from error
    days: Days = np.busday_offset(first, np.arange(sessions), roll="forward")
    return days


def _check_kind(kind: str, rank_ic: float) -> None:
    if kind not in KINDS:
        raise ConfigError(f"kind {kind!r} is none of {', '.join(KINDS)}.{did_you_mean(str(kind), KINDS)}")
    _check_range(-0.5, 0.5, rank_ic=rank_ic)


def _check_whole(**given: tuple[object, int]) -> None:
    for name, (value, least) in given.items():
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise ConfigError(f"{name} {value!r} is no whole number; give one, at least {least}.")
        if value < least:
            raise ConfigError(f"{name} {value} is too small; {least} is the least.")


def _check_range(low: float, high: float, **given: object) -> None:
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not low <= value <= high:
            raise ConfigError(f"{name} {value!r} is out of reach; give a number from {low:g} to {high:g}.")
