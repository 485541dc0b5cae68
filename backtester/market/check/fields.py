"""What single bars say: fields that are missing, ranges that do not fit, volumes of zero; and where bars are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.market.actions import Floats, Ints
from backtester.market.check.collect import Places, blocks
from backtester.market.columns import BARS
from backtester.market.panel import Panel

# A high may be this much (a share of the price) below a close before it counts: rounding of adjusted prices.
RANGE_TOLERANCE = 1e-6
# A high this many times all other prices of its bar, or a low this small a part of them, is called far.
FAR_FACTOR = 2.0

Mask = NDArray[np.bool_]


class Presence(NamedTuple):
    """Where a panel has bars. A bar has at least one known price or volume."""

    first: Ints  # (N,) row of the first bar; T if there is none
    last: Ints  # (N,) row of the last bar; -1 if there is none
    bars: int
    in_row: Ints  # (T,) bars in each session
    traded: Ints  # (T,) of these with a close and a positive volume


def check_fields(panel: Panel, keep: int) -> tuple[Presence, dict[str, Places], list[str]]:
    """Look at every bar by itself, in one pass.

    Returns:
        Where bars are; places of ``missing_*``, ``outside_range``, ``far_range`` and ``zero_volume``; and the columns
        that are not known for any bar, or are zero throughout.
    """
    sessions, n = panel.shape
    first, last = np.full(n, sessions), np.full(n, -1)
    in_row, traded = np.zeros(sessions, np.int64), np.zeros(sessions, np.int64)
    known_ever = dict.fromkeys(BARS, False)
    places = {kind: Places(n, keep) for kind in _KINDS}
    missing = {name: Places(n, keep) for name in (*BARS, "high_low")}
    for rows in blocks(sessions, n):
        bars = {name: getattr(panel, name)[rows] for name in BARS}
        unknown = {name: np.isnan(values) for name, values in bars.items()}
        # Most blocks miss the same cells in every column, and then need no more than this.
        bar = ~np.logical_and.reduce(list(unknown.values()))
        whole = ~np.logical_or.reduce(list(unknown.values()))
        has, full = bar.sum(axis=1), whole.sum(axis=1)
        in_row[rows] = has
        _extend(first, last, bar, rows.start)
        for name in BARS:
            if not known_ever[name]:
                # A volume of zero throughout is none.
                known_ever[name] = bool((bars[name] > 0).any())
        if int(has.sum()) != int(full.sum()):
            priced = bar & ~unknown["close"]
            lost = {name: unknown[name] & priced for name in BARS} | {"close": bar & unknown["close"]}
            lost["high_low"] = lost["high"] | lost["low"]
            for name, cells in lost.items():
                r, c = np.nonzero(cells)
                missing[name].add(r + rows.start, c, 0.0)
        zero = bars["volume"] == 0
        traded[rows] = (~(zero | unknown["close"] | unknown["volume"])).sum(axis=1)
        if zero.any():
            r, c = np.nonzero(zero)
            places["zero_volume"].add(r + rows.start, c, 0.0, close=bars["close"][r, c])
        _ranges(bars, rows.start, places)
    absent = [name for name in BARS if not known_ever[name] and in_row.any()]
    for name in absent:
        missing[name] = Places(n, keep)
    if {"high", "low"} & set(absent):
        missing["high_low"] = missing["low" if "high" in absent else "high"]
    places |= {f"missing_{name}": missing[name] for name in ("close", "open", "volume", "high_low")}
    return Presence(first, last, int(in_row.sum()), in_row, traded), places, absent


_KINDS = ("outside_range", "far_range", "zero_volume")


def _extend(first: Ints, last: Ints, bar: Mask, start: int) -> None:
    """Widen the spans of symbols by the bars of a block."""
    here = bar.any(axis=0)
    new = np.flatnonzero(here & (last < 0))
    if len(new):
        first[new] = start + bar[:, new].argmax(axis=0)
    last[bar[-1]] = start + len(bar) - 1
    rest = np.flatnonzero(here & ~bar[-1])
    if len(rest):
        last[rest] = start + len(bar) - 1 - bar[::-1, rest].argmax(axis=0)


def _ranges(bars: dict[str, Floats], start: int, places: dict[str, Places]) -> None:
    """Bars whose high or low does not contain the other prices, or is far from all of them."""
    top, bottom = np.fmax(bars["open"], bars["close"]), np.fmin(bars["open"], bars["close"])
    high, low = bars["high"], bars["low"]
    top_in, bottom_in = np.fmax(top, low), np.fmin(bottom, high)
    up, down = top_in / high, low / bottom_in  # above 1: outside; NaN where anything needed is unknown
    outside = (up > 1 + RANGE_TOLERANCE) | (down > 1 + RANGE_TOLERANCE)
    if outside.any():
        r, c = np.nonzero(outside)
        over = np.fmax(up[r, c], 0.0), np.fmax(down[r, c], 0.0)
        places["outside_range"].add(
            r + start,
            c,
            np.maximum(*over) - 1,
            is_high=over[0] >= over[1],
            **{name: bars[name][r, c] for name in ("open", "high", "low", "close")},
        )
    far = (up < 1 / FAR_FACTOR) | (down < 1 / FAR_FACTOR)
    if far.any():
        r, c = np.nonzero(far)
        tall, deep = np.fmin(up[r, c], 1.0), np.fmin(down[r, c], 1.0)
        places["far_range"].add(
            r + start,
            c,
            1 / np.minimum(tall, deep),
            is_high=tall <= deep,
            **{name: bars[name][r, c] for name in ("open", "high", "low", "close")},
        )
