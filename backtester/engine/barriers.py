"""Which of two prices a symbol reaches first, a lower and an upper one: in a session, and over sessions."""

from __future__ import annotations

import math

from backtester.engine.compile import kernel

LOWER, NEITHER, UPPER = -1, 0, 1


@kernel
def first_touch(open_, high, low, close, lower, upper, lower_first):
    """What one session touches, and the price there: ``(LOWER, NEITHER or UPPER, price)``; NaN with NEITHER.

    The prices are the session's, NaN where unknown; ``lower`` may be ``-inf`` and ``upper`` ``inf``: no such barrier.

    An open that has passed a barrier touches it, at the open. After it the price is one of those between the least and
    the greatest that is known of the session, and touches a barrier among them at the barrier. If both are, the session
    does not tell which was first: the lower one counts if ``lower_first``, else the upper. A barrier that all known
    prices have passed while the open is unknown is touched at the nearest of them: nobody saw the barrier's own price.
    """
    opened = not math.isnan(open_)
    if opened:
        below, above = open_ <= lower, open_ >= upper
        if below or above:
            return LOWER if below and (lower_first or not above) else UPPER, open_
    least, greatest = _range(open_, high, low, close)
    below, above = least <= lower, greatest >= upper  # neither where nothing is known
    if below and (lower_first or not above):
        return LOWER, lower if opened else min(lower, greatest)
    if above:
        return UPPER, upper if opened else max(upper, least)
    return NEITHER, math.nan


@kernel
def _range(open_, high, low, close):
    """The least and the greatest known price of a session; inf and -inf if none is known."""
    least, greatest = math.inf, -math.inf
    for price in (open_, high, low, close):
        if price < least:
            least = price
        if price > greatest:
            greatest = price
    return least, greatest


@kernel
def walk_to_touch(bars, changes, i, bought, last, at_close, lower, upper, lower_first):
    """Hold a share of symbol ``i``, bought in session ``bought``, to its first touch or to session ``last``.

    ``lower`` and ``upper`` are amounts that the share is worth: price times the shares that splits have made of it,
    plus dividends, with ex-dates after ``bought``. ``at_close``: bought at the close of ``bought``, so that the path
    begins a session later, and sold at that of ``last``; else at the opens, and of ``last`` only the open is seen.

    A session whose volume is known to be 0 touches nothing. In that of its settlement the share is worth the
    settlement, before anything is traded.

    Returns:
        ``(touch, worth, session)``: LOWER, NEITHER (sold in ``last``, or settled between the barriers) or UPPER; what
        the share is worth then, NaN if it could not be sold; and the session.
    """
    ratio, paid = 1.0, 0.0
    action, stop = changes.first[i], changes.first[i + 1]
    while action < stop and changes.row[action] <= bought:
        action += 1
    for k in range(bought, last + 1):
        while action < stop and changes.row[action] == k:
            ratio *= changes.split[action]
            paid += changes.dividend[action] * ratio
            action += 1
        if k == bought and at_close:
            continue
        low_price, high_price = (lower - paid) / ratio, (upper - paid) / ratio
        if k == changes.settled[i]:
            worth = changes.settlement[i]
            touch, _ = first_touch(worth, math.nan, math.nan, math.nan, low_price, high_price, lower_first)
            return touch, ratio * worth + paid, k
        if bars.volume[k, i] == 0.0:
            continue
        price = bars.open[k, i]
        if k == last and not at_close:
            touch, _ = first_touch(price, math.nan, math.nan, math.nan, low_price, high_price, lower_first)
            return touch, ratio * price + paid, k
        touch, at = first_touch(
            price, bars.high[k, i], bars.low[k, i], bars.close[k, i], low_price, high_price, lower_first
        )
        if touch != NEITHER:
            return touch, ratio * at + paid, k
        if k == last:
            return NEITHER, ratio * bars.close[k, i] + paid, k
    return NEITHER, math.nan, last


@kernel
def first_touches(bars, changes, bought, horizon, at_close, lower, upper, touch, worth, sessions):
    """`walk_to_touch` for long positions of every symbol, bought in the sessions ``bought`` (R,).

    ``lower`` and ``upper`` (R, N) are worths. Into ``touch``, ``worth`` and ``sessions`` (R, N), the last counted from
    the purchase; NaN where a barrier is, and where the share could not be sold.
    """
    touch[:] = math.nan
    worth[:] = math.nan
    sessions[:] = math.nan
    for i in range(lower.shape[1]):  # symbols outside: rows that follow each other share most of their sessions
        for r in range(bought.size):
            if math.isnan(lower[r, i]) or math.isnan(upper[r, i]):
                continue
            first = bought[r]
            which, value, k = walk_to_touch(
                bars, changes, i, first, first + horizon, at_close, lower[r, i], upper[r, i], True
            )
            if not math.isnan(value):
                touch[r, i] = which
                worth[r, i] = value
                sessions[r, i] = k - first
