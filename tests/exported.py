"""A run with everything that an export has to show."""

from __future__ import annotations

from typing import Any

import backtester as bt
import strategies


def random_market() -> Any:
    """Symbols split, pay dividends and end."""
    return bt.synthetic(30, 260, seed=1, splits=0.8, payers=0.8, endings=0.4)


def random_run() -> bt.Result:
    """Longs and shorts there, with every cost and a benchmark."""
    market = random_market()
    costs = bt.Costs(commission_bps=2, slippage_bps=3, borrow_rate=0.02, credit_rate=0.01)
    strategy = strategies.RankedLongShort(long=6, short=6, every=5)
    return bt.run(market.panel, strategy, scores=market.score, cash=1e6, costs=costs, benchmark="equal_weight")
