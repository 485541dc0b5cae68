"""Falls of an equity curve below an earlier height, at closes. The start counts as a peak."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backtester.metrics.returns import Floats


class Drawdown(NamedTuple):
    """A stretch of sessions below a peak."""

    depth: float  # fraction of the peak lost, positive; above 1 if equity went below 0; 0 if it never fell
    peak: int  # row of the peak before it; -1 is the start, before row 0
    trough: int  # row of the deepest point; -1 if equity never fell
    recovered: int  # first row at which the peak was reached again; -1 if it never was


def drawdowns(equity: Floats, cash: float) -> list[Drawdown]:
    """Every drawdown, the deepest first and of equal ones the earlier; none for an empty run and one that never falls.

    ``depth = 1 - equity[trough] / equity[peak]``. It begins at the last session that closed at the peak (the start,
    with ``cash``, is row -1) and ends at the first that closed there again or above, so drawdowns do not overlap. The
    trough is the first of the deepest closes.
    """
    curve = np.concatenate(([cash], equity))
    peaks = np.fmax.accumulate(curve)
    under = np.concatenate(([False], curve < peaks, [False]))
    firsts = np.flatnonzero(under[1:] & ~under[:-1])  # rows of the curve, which begins with the start
    ends = np.flatnonzero(~under[1:] & under[:-1])
    found = []
    for first, end in zip(firsts.tolist(), ends.tolist(), strict=True):
        depths = 1.0 - curve[first:end] / peaks[first]
        lowest = int(depths.argmax())
        recovered = end - 1 if end < curve.size else -1
        found.append(Drawdown(float(depths[lowest]), first - 2, first + lowest - 1, recovered))
    return sorted(found, key=lambda one: -one.depth)


def max_drawdown(equity: Floats, cash: float) -> Drawdown:
    """The largest ``1 - equity[t] / max(cash, equity[0..t])``, the first one if there are several.

    The start counts as a peak, so a run that only falls has one. An empty run and one that never falls have depth 0.
    """
    return deepest(drawdowns(equity, cash))


def deepest(every: list[Drawdown]) -> Drawdown:
    """The first of what :func:`drawdowns` gives; of depth 0 if there is none."""
    return next(iter(every), Drawdown(0.0, -1, -1, -1))


def length(one: Drawdown, sessions: int) -> int:
    """Sessions from the peak to the recovery, or to the last of ``sessions`` if there is none; 0 if nothing fell."""
    if one.trough < 0:
        return 0
    return (one.recovered if one.recovered >= 0 else sessions - 1) - one.peak


def longest(every: list[Drawdown], sessions: int) -> int:
    """The largest :func:`length` of some drawdowns; 0 if there is none."""
    return max((length(one, sessions) for one in every), default=0)
