"""Bars that stand twice: sessions copied from the one before, and symbols with the bars of another."""

from __future__ import annotations

import numpy as np

from backtester.market.actions import Floats, Ints
from backtester.market.check.collect import Places, blocks
from backtester.market.check.moves import Mask
from backtester.market.panel import Panel

# A session is copied if this share of its bars, at least COPIED_SYMBOLS, say what they said the session before,
COPIED = 0.9
COPIED_SYMBOLS = 5
# or this share, where only those count whose volume the session before was new and so tells a copy from a price that
# stands still (volumes may be unknown, or assumed to be the same for all).
COPIED_SURE = 0.1
# Two symbols have the same bars if those are the same in this share of the sessions, at least TWIN_SESSIONS, that both
# have and in which one of them moved.
TWIN = 0.9
TWIN_SESSIONS = 20
# Twins are looked for in every so many sessions, by what they say there and in the two sessions before.
_STRIDE = 10
# Odd numbers that mix the bits of some prices into one.
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], dtype=np.uint64)


def check_copies(panel: Panel, keep: int) -> dict[str, Places]:
    """Find ``copied_session`` (facts: ``same`` of ``bars``) and ``same_bars`` (``twin``, ``same`` of ``bars``).

    Args:
        panel: the panel.
        keep: examples to keep of each.
    """
    n = len(panel.symbols)
    copied, twins = Places(n, keep), Places(n, keep)
    row, same, bars = _copied(panel)
    copied.add(row, np.zeros_like(row), same.astype(float), same=same, bars=bars)
    for first, second in _pairs(panel):
        rows, alike = _alike(panel, first, second)
        if len(rows) >= TWIN_SESSIONS and alike.sum() >= TWIN * len(rows):
            where = rows[alike][:1]
            twins.add(where, np.array([second]), float(alike.sum()), twin=first, same=alike.sum(), bars=len(rows))
            twins.hit[first] = True
    return {"copied_session": copied, "same_bars": twins}


def _copied(panel: Panel) -> tuple[Ints, Ints, Ints]:
    """Rows of copied sessions, with the number of bars that are the same, and of all."""
    sessions, n = panel.shape
    same, bars = np.zeros(sessions, np.int64), np.zeros(sessions, np.int64)
    for rows in blocks(sessions, n):
        bars[rows] = (~np.isnan(panel.close[rows])).sum(axis=1)
        close = panel.close[max(rows.start - 1, 0) : rows.stop]
        same[max(rows.start, 1) : rows.stop] = (close[1:] == close[:-1]).sum(axis=1)
    whole, part = np.maximum(COPIED * bars, COPIED_SYMBOLS), np.maximum(COPIED_SURE * bars, COPIED_SYMBOLS)
    found = np.zeros(sessions, dtype=bool)
    for t in np.flatnonzero(same >= part):  # few: only there are the other columns looked at
        again = repeats(panel, int(t))
        sure = again & ~np.isnan(panel.volume[t]) & (panel.volume[t - 1] != panel.volume[max(int(t) - 2, 0)])
        found[t] = again.sum() >= whole[t] or sure.sum() >= part[t]
        same[t] = again.sum()
    row = np.flatnonzero(found)
    return row, same[row], bars[row]


def repeats(panel: Panel, row: int) -> Mask:
    """``(N,)``: symbols whose bar is that of the session before; where nothing traded a close may well be repeated."""
    again: Mask = (panel.close[row] == panel.close[row - 1]) & (panel.volume[row] != 0)
    again &= _equal(panel.volume[row], panel.volume[row - 1]) & _equal(panel.open[row], panel.open[row - 1])
    return again


def _equal(one: Floats, other: Floats) -> Mask:
    """Where two say the same; nothing known is the same as nothing known."""
    out: Mask = (one == other) | (np.isnan(one) & np.isnan(other))
    return out


def _pairs(panel: Panel) -> list[tuple[int, int]]:
    """Pairs of symbols that say the same in three sessions in a row and moved in the last; of many, with the first."""
    found: set[tuple[int, int]] = set()
    for t in range(2, len(panel.dates), _STRIDE):
        now, before = panel.close[t], panel.close[t - 1]
        col = np.flatnonzero(~np.isnan(now) & ~np.isnan(before) & (now != before))
        if len(col) < 2:
            continue
        told = np.stack([now[col], before[col], panel.close[t - 2, col], panel.volume[t, col]])
        told[np.isnan(told)] = -1.0  # one way of being unknown
        code = (told.view(np.uint64) * _MIX[:, None]).sum(axis=0, dtype=np.uint64)
        order = np.argsort(code, kind="stable")
        again = np.r_[False, code[order][1:] == code[order][:-1]]
        leader = np.maximum.accumulate(np.where(again, 0, np.arange(len(order))))
        found.update(zip(col[order[leader[again]]].tolist(), col[order[again]].tolist(), strict=True))
    return sorted(found)


def _alike(panel: Panel, first: int, second: int) -> tuple[Ints, Mask]:
    """Rows in which two symbols both have a close and at least one of them moved; in which of them they are alike."""
    a, b = panel.close[:, first], panel.close[:, second]
    moved = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    rows = np.flatnonzero(np.r_[False, moved] & ~np.isnan(a) & ~np.isnan(b))
    alike = np.ones(len(rows), dtype=bool)
    for column in (panel.open, panel.close, panel.volume):
        alike &= _equal(column[rows, first], column[rows, second])
    return rows, alike
