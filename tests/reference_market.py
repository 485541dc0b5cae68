"""The market a second time: section 5 of ``docs/semantics.md`` in plain Python."""

from __future__ import annotations

import math

from plain import Market

Actions = list[dict[str, tuple[float, float]]]  # by session, then symbol: split ratio and dividend


def known(value: float) -> bool:
    """A bar value that can be traded or marked at."""
    return math.isfinite(value) and value > 0


def actions_by_session(market: Market) -> Actions:
    """Actions by the session they take effect in; those of one session combined."""
    table: Actions = [{} for _ in market.dates]
    for day, symbol, split, dividend in sorted(market.actions):
        t = sum(day > session for session in market.dates)
        if t < len(table):
            ratio, paid = table[t].get(symbol, (1.0, 0.0))
            table[t][symbol] = (ratio * split, paid / split + dividend)
    return table


def total_returns(closes: list[float], symbol: str, actions: Actions) -> list[float]:
    """Daily total returns of a symbol."""
    returns, previous, ratio, paid = [], math.nan, 1.0, 0.0
    for close, acting in zip(closes, actions, strict=True):
        split, dividend = acting.get(symbol, (1.0, 0.0))
        ratio *= split
        paid += dividend * ratio
        if known(close):
            returns.append((ratio * close + paid) / previous - 1)
            previous, ratio, paid = close, 1.0, 0.0
        else:
            returns.append(math.nan)
    return returns
