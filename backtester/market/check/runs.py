"""What sessions in a row say: gaps against the sessions that others traded, and prices that stand still."""

from __future__ import annotations

import numpy as np

from backtester.market.actions import Floats, Ints
from backtester.market.check.collect import Places
from backtester.market.check.fields import Mask, Presence
from backtester.market.panel import Panel

# Of the symbols that are between their first and last bar some share trades in a usual (median) session. One is thin if
# less than this part of that share traded in it,
THIN = 0.25
# and patchy if the share that has no bar is larger than usual by more than this, and at least PATCHY_SYMBOLS.
PATCHY = 0.05
PATCHY_SYMBOLS = 5
# Both only if chance does not explain it: this many standard deviations of the number, each symbol being on its own.
CHANCE = 4.0
# Fewer symbols than this say nothing about a session.
ENOUGH_SYMBOLS = 5
# A gap of this many sessions is long.
LONG_GAP = 5
# Sessions in which a close repeats before it counts as standing still: any bars, or bars whose four prices are one.
STALE_CLOSES = 10
STALE_FLAT = 5


def check_sessions(panel: Panel, presence: Presence) -> tuple[Ints, Ints, Ints]:
    """Sessions in which few or too few traded.

    Returns:
        Rows of thin sessions, rows of patchy ones, and ``(T,)`` symbols between their first and last bar.
    """
    sessions = len(panel.dates)
    listed = np.zeros(sessions + 1, dtype=np.int64)
    real = presence.last >= 0
    np.add.at(listed, presence.first[real], 1)
    np.add.at(listed, presence.last[real] + 1, -1)
    alive = np.cumsum(listed)[:-1]
    judged = alive >= ENOUGH_SYMBOLS
    if not judged.any():
        return np.empty(0, np.int64), np.empty(0, np.int64), alive
    some = np.maximum(alive, 1)
    # Where no volumes are known nothing trades, and sessions are judged by their bars.
    active = (presence.traded if presence.traded.any() else presence.in_row) / some
    absent = 1 - presence.in_row / some
    thin = judged & _lower(active, judged, some) & (active < THIN * np.median(active[judged]))
    more = _lower(-absent, judged, some) & (absent - np.median(absent[judged]) > PATCHY)
    patchy = judged & ~thin & more & (alive - presence.in_row >= PATCHY_SYMBOLS)
    return np.flatnonzero(thin), np.flatnonzero(patchy), alive


def _lower(share: Floats, judged: Mask, count: Ints) -> Mask:
    """Sessions whose share (of `count` symbols) is below the median by more than chance."""
    usual = float(np.median(share[judged]))
    noise = np.sqrt(abs(usual) * (1 - abs(usual)) / count)
    out: Mask = usual - share > CHANCE * noise
    return out


def check_runs(panel: Panel, thin: Ints, keep: int) -> tuple[Places, Places, Places]:
    """Gaps and stale prices, session by session.

    A gap counts the sessions without a bar of the symbol between two bars of it, thin sessions left out.

    Args:
        panel: the panel.
        thin: rows of thin sessions.
        keep: examples to keep of each.

    Returns:
        ``long_gap`` and ``missing_bars`` (row: of the first missing session; facts: ``length``, ``before`` and
        ``after``, the rows of the bars around it) and ``stale_price`` (row: of the first of the equal closes; facts:
        ``length`` closes, ``price``).
    """
    sessions, n = panel.shape
    long, short, stale = (Places(n, keep) for _ in range(3))
    full = np.ones(sessions, dtype=bool)
    full[thin] = False
    rank = np.cumsum(full)  # sessions that are not thin, up to and with each
    seen = np.full(n, -1)  # row of the last bar
    held = np.full(n, np.nan)  # last close
    same, flat = np.zeros(n, np.int64), np.zeros(n, np.int64)  # repeats of it so far
    longest = np.zeros(n, np.int64)
    length = np.empty(n, dtype=np.int64)
    for t in range(sessions):
        close, volume = panel.close[t], panel.volume[t]
        bar = ~(np.isnan(close) & np.isnan(panel.open[t]) & np.isnan(volume))
        np.subtract(rank[t] - full[t], rank[seen], out=length)
        gap = np.flatnonzero(bar & (length > 0) & (seen >= 0))
        if len(gap):
            _add_gaps(long, short, rank, full, t, gap, seen[gap], length[gap])
        seen[bar] = t

        equal = close == held
        repeats = equal & (panel.open[t] == close) & (panel.high[t] == close) & (panel.low[t] == close)
        ended = (same >= STALE_CLOSES) | (longest >= STALE_FLAT)
        if ended.any():
            ended &= ~equal
            _add_stale(stale, t, np.flatnonzero(ended), same, held)
            longest[ended] = 0
        same += 1
        same *= equal
        flat += 1
        flat *= repeats
        np.maximum(longest, flat, out=longest)
        np.copyto(held, close)
    last = np.flatnonzero((same >= STALE_CLOSES) | (longest >= STALE_FLAT))
    _add_stale(stale, sessions, last, same, held)
    return long, short, stale


def _add_gaps(
    long: Places, short: Places, rank: Ints, full: np.ndarray, t: int, gap: Ints, before: Ints, length: Ints
) -> None:
    """Sort gaps that end with the bars of session `t` into the long and the short ones."""
    for places, some in ((long, length >= LONG_GAP), (short, length < LONG_GAP)):
        if some.any():
            first = np.searchsorted(rank, rank[before[some]] + 1)  # the first session that is missing and not thin
            places.add(first, gap[some], length[some].astype(float), length=length[some], before=before[some], after=t)


def _add_stale(stale: Places, t: int, which: Ints, same: Ints, held: np.ndarray) -> None:
    """Runs of equal closes whose last is in session ``t - 1``."""
    if len(which):
        repeats = same[which]
        stale.add(t - 1 - repeats, which, repeats.astype(float), length=repeats + 1, price=held[which])
