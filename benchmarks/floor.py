"""The floor: a bare loop in Numba that earns W1's equity and can do nothing else.

No orders, no tape, no events, no missing data, no borrow: what is left is the reading of memory and the arithmetic that
no engine can do without. Shown beside the engines for orientation; its equity is held to theirs. Its ranking is the
plain one, by ``numpy.partition`` compiled by Numba.
"""

from __future__ import annotations

import json

import markets
import numpy as np
import probe
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def rank(scores, names, sides):
    """Mark the ``names`` highest scores of each row with 1 and the lowest with -1; scores are finite and differ."""
    count = scores.shape[1]
    for t in range(scores.shape[0]):
        low = np.partition(scores[t], names - 1)[names - 1]
        high = np.partition(scores[t], count - names)[count - names]
        for i in range(count):
            sides[t, i] = np.int8(scores[t, i] >= high) - np.int8(scores[t, i] <= low)


@njit(cache=True, nogil=True)
def trade(open_, close, sides, weight, cash, commission, slippage, equity):
    """Hold ``weight`` of the equity at the open in each name that the row before marked; note the closing equity."""
    sessions, count = open_.shape
    shares = np.zeros(count)
    for t in range(sessions):
        if t > 0:
            value = cash
            for i in range(count):
                value += shares[i] * open_[t, i]
            for i in range(count):
                side = sides[t - 1, i]
                if side != 0 or shares[i] != 0.0:
                    change = side * weight * value / open_[t, i] - shares[i]
                    price = open_[t, i] * (1.0 + (slippage if change > 0.0 else -slippage))
                    cash -= change * price + abs(change) * price * commission
                    shares[i] += change
        value = cash
        for i in range(count):
            value += shares[i] * close[t, i]
        equity[t] = value


def run(market: markets.Market, names: int, repeat: int = 7) -> tuple[dict[str, float], NDArray[np.float64]]:
    """Time the ranking and the loop on ``market``; return the seconds (best) and the equity curve."""
    sides = np.empty(market.scores.shape, np.int8)
    equity = np.empty(len(market.close))
    commission, slippage = markets.COMMISSION_BPS / 1e4, markets.SLIPPAGE_BPS / 1e4

    def loop() -> None:
        trade(market.open, market.close, sides, 0.5 / names, markets.CASH, commission, slippage, equity)

    rank(market.scores[:2], names, sides[:2])
    ranking, _ = probe.timed(lambda: rank(market.scores, names, sides), repeat)
    loop()
    trading, _ = probe.timed(loop, repeat)
    return {"ranking_seconds": min(ranking), "loop_seconds": min(trading)}, equity


def main() -> None:
    """Print the floor of W1 and W2."""
    probe.pin(1)
    for name in ("W1", "W2"):
        seconds, equity = run(markets.make(markets.WORKS[name]), markets.WORKS[name].names)
        print(json.dumps({"work": name, **seconds, "final_equity": float(equity[-1])}))


if __name__ == "__main__":
    main()
