"""Listed splits and dividends against the prices of their dates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backtester.market.actions import Floats, Ints
from backtester.market.check.collect import Places
from backtester.market.check.moves import UNKNOWN_VOLATILITY, Mask, Moves, around, volatility_around
from backtester.market.panel import Panel

# A split is not shown if what is left of the move, in the nearer of open and close, is more than so many of the
# symbol's own standard deviations, and more than half the split or this, whichever is less.
SPLIT_SIGMAS = 4.0
SPLIT_LEFT = 0.12
# A dividend of more than this share of the price is checked: if the price fell by less than half of it, and what is
# missing is more than so many standard deviations, it is wrong. One that exceeds the price always is.
LARGE_DIVIDEND = 0.1
DIVIDEND_SIGMAS = 3.0
# The last close before an action is looked for this many sessions back, the first price after it this many ahead.
BACK, AHEAD = 30, 5


class Listed(NamedTuple):
    """What a panel lists, against its prices."""

    split: Places  # wrong_split; facts: listed, shown (the ratio that the price shows), base, close
    dividend: Places  # wrong_dividend; facts: dividend, base, close
    without_bar: Places  # action_without_bar; facts: split, dividend
    wrong: Mask  # (A,) actions that are one of the first two


def check_listed(panel: Panel, first: Ints, last: Ints, keep: int) -> Listed:
    """Compare every split, and every large dividend, with the price.

    Args:
        panel: the panel.
        first: ``(N,)`` row of each symbol's first bar.
        last: ``(N,)`` row of its last.
        keep: examples to keep of each kind.
    """
    n, actions = len(panel.symbols), panel.actions
    row, col, split, paid = actions
    out = Listed(Places(n, keep), Places(n, keep), Places(n, keep), np.zeros(len(row), dtype=bool))
    if not len(row):
        return out
    inside = (row >= first[col]) & (row <= last[col])
    here = [getattr(panel, name)[row, col] for name in ("open", "close", "volume")]
    empty = inside & np.logical_and.reduce([np.isnan(values) for values in here])
    out.without_bar.add(row[empty], col[empty], 0.0, split=split[empty], dividend=paid[empty])

    base = _last_known(around(panel.close, row, col, -BACK, -1))
    some = np.flatnonzero(np.isfinite(base) & ((split != 1) | (paid > LARGE_DIVIDEND * base / split)))
    row, col, split, paid, base = row[some], col[some], split[some], paid[some], base[some]
    volatility = np.nan_to_num(volatility_around(panel.close, row, col), nan=UNKNOWN_VOLATILITY)
    close = _last_known(around(panel.close, row, col, 0, AHEAD)[:, ::-1])
    opened = _last_known(around(panel.open, row, col, 0, AHEAD)[:, ::-1])
    worth = base / split  # a share after the split, before the dividend
    share = paid / worth

    left = np.maximum(worth - paid, 1e-9 * worth)
    off = np.fmin(np.abs(np.log(close / left)), np.abs(np.log(opened / left)))
    bound = np.maximum(SPLIT_SIGMAS * volatility, np.minimum(SPLIT_LEFT, np.abs(np.log(split)) / 2))
    fell = 1 - np.fmin(close, opened) / worth
    no_dividend = (share > LARGE_DIVIDEND) & (fell < share / 2) & (share - fell > DIVIDEND_SIGMAS * volatility)
    no_dividend |= share >= 1
    no_split = (split != 1) & (off > bound) & ~no_dividend
    which = np.flatnonzero(no_split)
    out.split.add(
        row[which],
        col[which],
        off[which],
        listed=split[which],
        shown=base[which] / close[which],
        base=base[which],
        close=close[which],
    )
    which = np.flatnonzero(no_dividend)
    out.dividend.add(row[which], col[which], share[which], dividend=paid[which], base=worth[which], close=close[which])
    out.wrong[some[no_split | no_dividend]] = True
    return out


def without_listed(moves: Moves, panel: Panel, wrong: Mask) -> Moves:
    """Large moves that do not come from a wrong action."""
    row, col = panel.actions.row[wrong], panel.actions.symbol[wrong]
    keep = np.ones(len(moves), dtype=bool)
    for r, c in zip(row, col, strict=True):
        keep &= ~((moves.col == c) & (moves.row >= r) & (moves.before < r))
    return moves.only(keep)


def _last_known(values: Floats) -> Floats:
    """The last value of each row that is not NaN; NaN if there is none."""
    known = np.isfinite(values)
    at = values.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    out: Floats = values[np.arange(len(values)), at]
    return out
