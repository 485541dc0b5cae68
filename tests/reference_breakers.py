"""The breakers a second time: section 6 of ``docs/semantics.md`` in plain Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from plain import Settings
from reference_layers import exceeds

ACTIVE, REDUCING, HALTED = 0, 1, 2


class Trip(NamedTuple):
    """A breaker that is met, with the value that met it."""

    name: str
    value: float
    limit: float


def loss(s: Settings, equity: Sequence[float], peak: float, rearmed_on: int | None) -> Trip | None:
    """The first of the losses that is met.

    Args:
        s: the settings.
        equity: of every session up to this one.
        peak: the highest since the last re-arming, this session's among it.
        rearmed_on: the session of the last re-arming.
    """
    now, t = equity[-1], len(equity) - 1
    before = equity[t - 1] if t > 0 else s.cash
    if s.max_daily_loss is not None and before > 0 and now <= (1 - s.max_daily_loss) * before:
        return Trip("halt_daily_loss", before, s.max_daily_loss)
    if s.max_drawdown is not None and peak > 0 and now <= (1 - s.max_drawdown) * peak:
        return Trip("halt_drawdown", peak, s.max_drawdown)
    since = max(t - s.period, -1 if rearmed_on is None else rearmed_on)
    base = equity[since] if since >= 0 else s.cash
    if s.max_period_loss is not None and base > 0 and now <= (1 - s.max_period_loss) * base:
        return Trip("halt_period_loss", base, s.max_period_loss)
    return None


def guard(
    s: Settings,
    equity: float,
    values: Sequence[float],
    fresh: Sequence[bool],
    scores: Sequence[float] | None,
) -> Trip | None:
    """The first of the guards that is met.

    Args:
        s: the settings.
        equity: of this session.
        values: of all positions.
        fresh: of every member that is listed, whether its close of this session is known.
        scores: of the eligible symbols; None where the guards of the signal do not look.
    """
    long, short = sum(value for value in values if value > 0), -sum(value for value in values if value < 0)
    gross, net = long + short, abs(long - short)
    for name, money, cap in (("guard_gross", gross, s.guard_gross), ("guard_net", net, s.guard_net)):
        share = money / equity if equity > 0 else math.inf if money > 0 else 0.0
        if cap is not None and exceeds(share, cap):
            return Trip(name, share, cap)
    if s.min_fresh is not None and fresh and sum(fresh) / len(fresh) < s.min_fresh - 1e-12:
        return Trip("guard_stale_data", sum(fresh) / len(fresh), s.min_fresh)
    if scores:
        scored = [score for score in scores if math.isfinite(score)]
        unscored = (len(scores) - len(scored)) / len(scores)
        if s.max_unscored is not None and exceeds(unscored, s.max_unscored):
            return Trip("guard_unscored", unscored, s.max_unscored)
        if s.guard_equal_scores and len(scored) >= 2 and len(set(scored)) == 1:
            return Trip("guard_equal_scores", len(scored), 0.0)
    return None


def shrinking(held: float, shares: float) -> float:
    """What is left of an order while REDUCING: what makes the position smaller, and no more."""
    if held == 0 or held * shares > 0:
        return 0.0
    return shares if abs(shares) <= abs(held) * (1 + 1e-12) else -held
