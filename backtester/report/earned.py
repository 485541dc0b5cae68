"""Where the money of a run came from: symbols by what they made after commission and slippage."""

from __future__ import annotations

from typing import Any

import numpy as np

from backtester.engine import legs as lg
from backtester.report.words import percent
from backtester.result import Result

_SHOWN = 3
_MUCH = 0.5  # of the result, from which on one symbol is said to have made it


def contributors(result: Result) -> dict[str, Any] | None:
    """The symbols that made and lost most, from the round trips; None where these are not known, or there are none.

    Borrow fees and interest belong to no symbol and are left out.

    Returns:
        ``best`` and ``worst``: up to three symbols each that gained and lost, the most first, with ``symbol``, ``net``
        (money) and ``share`` (of all that symbols gained, or lost); ``net``, what all made together; ``alone``: in
        words, the one symbol that made more than half of that, ``""`` if none did.
    """
    parts = result.attribution
    if parts is None or not len(parts.trade_i):
        return None
    net = np.bincount(parts.trade_i[:, lg.TRADE_SYMBOL], parts.gains - parts.costs, len(result.symbols))
    order = np.argsort(net, kind="stable")

    def told(rows: Any, whole: float) -> list[dict[str, Any]]:
        return [
            {"symbol": result.symbols[k], "net": float(net[k]), "share": float(net[k] / whole)}
            for k in rows.tolist()
            if net[k] / whole > 0.0
        ]

    gained, lost = float(net[net > 0.0].sum()), float(net[net < 0.0].sum())
    best = told(order[::-1][:_SHOWN], gained) if gained else []
    worst = told(order[:_SHOWN], lost) if lost else []
    total = float(net.sum())
    return {"best": best, "worst": worst, "net": total, "alone": _alone([*best[:1], *worst[:1]], total)}


def _alone(first: list[dict[str, Any]], total: float) -> str:
    """The symbol whose part of the result is more than half of it."""
    for one in first:
        if total and one["net"] / total > _MUCH:
            made = "of what was gained" if total > 0.0 else "of what was lost"
            return f"{one['symbol']} alone is {percent(one['net'] / total, places=0)} {made} in all"
    return ""
