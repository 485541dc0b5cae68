"""What happens to the symbols of a synthetic market: splits, dividends, listings, endings, membership, trading."""

from __future__ import annotations

import numpy as np
import pandas as pd

from backtester.market.actions import Floats, Ints
from backtester.market.panel import Mask

QUARTER = 63  # sessions between two dividends, and between two reviews of the universe


def draw_actions(
    random: np.random.Generator, log_open: Floats, log_close: Floats, splits: float, payers: float
) -> tuple[Floats, pd.DataFrame]:
    """Draw splits and dividends.

    Args:
        random: the stream.
        log_open: ``(T, N)`` logarithms of total-return prices.
        log_close: ``(T, N)``.
        splits: share of the symbols that split once.
        payers: share of the symbols that pay dividends.

    Returns:
        What they add to the logarithm of the price ``(T, N)``, and a table ``date, symbol, split, dividend`` with rows
        and columns in place of dates and symbols.
    """
    sessions, symbols = log_open.shape
    effect = np.zeros((sessions, symbols))
    rows: list[int] = []
    columns: list[int] = []
    ratios: list[float] = []
    rates: list[float] = []
    for i in np.flatnonzero(random.random(symbols) < payers):
        dates = np.arange(1 + int(random.integers(QUARTER)), sessions, QUARTER)
        rate = float(random.uniform(0.002, 0.012))
        effect[dates, i] += np.log1p(-rate)
        rows += dates.tolist()
        columns += [int(i)] * len(dates)
        ratios += [1.0] * len(dates)
        rates += [rate] * len(dates)
    for i in np.flatnonzero(random.random(symbols) < splits):
        t = int(random.integers(1, sessions))
        # Dear shares are split, cheap ones are joined.
        ratio = float(random.choice([1.5, 2.0, 3.0] if log_open[t, i] > np.log(25.0) else [0.1, 0.2, 0.5]))
        effect[t, i] -= np.log(ratio)
        rows.append(t)
        columns.append(int(i))
        ratios.append(ratio)
        rates.append(0.0)
    np.cumsum(effect, axis=0, out=effect)
    table = pd.DataFrame({"date": rows, "symbol": columns, "split": ratios, "dividend": rates})
    table = table.astype({"date": np.int64, "symbol": np.int64, "split": float, "dividend": float})
    # So far a dividend is a share of the last close; now money per share held after a split of the same day.
    before = table["date"].to_numpy() - 1
    column = table["symbol"].to_numpy()
    last_close = np.exp(log_close[before, column] + effect[before, column])
    ratio_then = np.ones(len(table))
    for k in np.flatnonzero(table["split"] != 1):
        ratio_then[(before == before[k]) & (column == column[k])] = table["split"][k]
    table["dividend"] = np.where(
        table["dividend"] > 0, np.maximum(np.round(table["dividend"] * last_close / ratio_then, 4), 0.0001), 0.0
    )
    return effect, table


def draw_lifetimes(
    random: np.random.Generator, sessions: int, symbols: int, listings: float, endings: float
) -> tuple[Ints, Ints]:
    """First and last session of each symbol; last is `sessions` for those that do not end.

    The first symbol is there all the time, so that no session is empty.
    """
    first = np.zeros(symbols, dtype=np.int64)
    last = np.full(symbols, sessions, dtype=np.int64)
    later = random.random(symbols) < listings
    ended = random.random(symbols) < endings
    later[0] = ended[0] = False
    first[later] = (random.uniform(0.05, 0.5, int(later.sum())) * sessions).astype(np.int64)
    last[ended] = (random.uniform(0.55, 0.98, int(ended.sum())) * (sessions - 1)).astype(np.int64)
    return first, np.maximum(last, first)


def draw_absent(random: np.random.Generator, first: Ints, last: Ints, sessions: int, missing: float) -> Mask:
    """``(T, N)``: whether there is no bar: before the listing, after the end, or for once, though not at either."""
    row = np.arange(sessions)[:, None]
    absent: Mask = random.random((sessions, len(first))) < missing
    absent &= (row > first) & (row < np.minimum(last, sessions - 1))
    absent[:, 0] = False
    absent |= (row < first) | (row > last)
    return absent


def draw_volumes(random: np.random.Generator, close: Floats, activity: Floats) -> Floats:
    """Shares traded ``(T, N)``: money traded around a level for each symbol, more on days that move.

    Args:
        random: the stream.
        close: ``(T, N)`` prices.
        activity: ``(T, N)`` absolute returns in the symbol's own volatilities.
    """
    level = np.log(2e7) + 1.2 * random.standard_normal(close.shape[1])
    volume = random.standard_normal(close.shape)
    volume *= 0.35
    volume += level
    volume += 0.25 * np.minimum(activity, 8.0)
    np.exp(volume, out=volume)
    volume /= close
    volume = np.round(volume, out=volume)
    return np.maximum(volume, 1.0, out=volume)


def members_of(close: Floats, volume: Floats, last: Ints, share: float) -> Mask:
    """``(T, N)``: the symbols most traded, in money, up to each review; a symbol that ended is out from then on.

    Args:
        close: ``(T, N)`` prices, NaN where there is no bar.
        volume: ``(T, N)`` shares.
        last: ``(N,)`` last session of each symbol.
        share: members as a share of all symbols, at least one.
    """
    sessions, symbols = close.shape
    wanted = max(1, round(share * symbols))
    member: Mask = np.zeros((sessions, symbols), dtype=bool)
    money = np.nan_to_num(close * volume)
    for t in range(0, sessions, QUARTER):
        traded = money[max(0, t - QUARTER) : t + 1].sum(axis=0)
        traded[last < t] = 0
        # Of equals the first by name; who did not trade is no member.
        best = np.argsort(-traded, kind="stable")[:wanted]
        member[t : t + QUARTER, best[traded[best] > 0]] = True
    member &= np.arange(sessions)[:, None] <= last
    return member
