"""Goldens of costs, corporate actions and endings. How to read them: ``golden.py``."""

from __future__ import annotations

from math import sqrt

from golden import FLAT, HALF, Golden, named, order

COSTS = [
    Golden(
        "slippage and commission, buying and selling",
        {"A": FLAT},
        {0: HALF, 1: {"A": 0}},
        settings={"commission_bps": 2, "slippage_bps": 10},
        # Buy 500 at 10.01: commission 5005 * 0.0002 = 1.001, slippage 5. Sell at 9.99: 4995 * 0.0002 = 0.999, and 5.
        fills=[(1, "A", 500, 10.01, 1.001, 5), (2, "A", -500, 9.99, 0.999, 5)],
        equity=[10_000, 10_000 - 6.001, 10_000 - 12],
    ),
    Golden(
        "filled in part under the cap: one minimum commission over the life of the order",
        {"A": [10, 10, 10, 10]},
        {0: {"A": 0.25}},
        settings={"volume_cap": 0.1, "commission_bps": 30, "commission_min": 5},
        # 0.1 * 1000 = 100 shares a session. Due on 1000, 2000 and 2500 of notional: max(5, 3), 6, 7.5.
        fills=[(1, "A", 100, 10, 5), (2, "A", 100, 10, 6 - 5), (3, "A", 50, 10, 7.5 - 6)],
        equity=[10_000, 10_000 - 5, 10_000 - 6, 10_000 - 7.5],
        events=[(1, "waits_volume_cap", "A", 250, 150, 0), (2, "waits_volume_cap", "A", 150, 50, 0)],
    ),
    Golden(
        "the cap is a share of the sessions before: their known volumes",
        {"A": [(10, 10, 1000), (10, 10, 3000), (10, 10, None), (10, 10, 9000)]},
        {0: HALF},
        settings={"volume_cap": 0.1},
        # 1000; (1000 + 3000) / 2; the same, for 2 is unknown.
        fills=[(1, "A", 100, 10), (2, "A", 200, 10), (3, "A", 200, 10)],
        equity=[10_000] * 4,
        events=[(1, "waits_volume_cap", "A", 500, 400, 0), (2, "waits_volume_cap", "A", 400, 200, 0)],
    ),
    Golden(
        "the cap looks back on twenty sessions",
        {"A": [(10, 10, 50_000), *[10] * 21]},
        {20: HALF},
        settings={"volume_cap": 0.1},
        fills=[(21, "A", 100, 10)],  # sessions 1 to 20; the 50000 of session 0 are out
        equity=[10_000] * 22,
        events=[(21, "waits_volume_cap", "A", 500, 400, 0)],
        resting={"A": 400},
    ),
    Golden(
        "a cap on the session's own volume; unknown counts as zero",
        {"A": [10, (10, 10, 3000), (10, 10, None), (10, 10, 2500)]},
        {0: HALF},
        settings={"volume_cap": 0.1, "cap_on": "session"},
        fills=[(1, "A", 300, 10), (3, "A", 200, 10)],
        equity=[10_000] * 4,
        events=[(1, "waits_volume_cap", "A", 500, 200, 0), (2, "waits_volume_cap", "A", 200, 200, 0)],
    ),
    Golden(
        "the cap leaves whole lots only, and a session's orders of a symbol share it",
        {"A": [(10, 10, 1150), (10, 10, 1150), (10, 10, 1150)]},
        {0: [order("A", 60), order("A", 100), order("A", -20)]},
        settings={"volume_cap": 0.1, "lot": 10},
        # 115 shares, cut to 110: 60 of the first, then floor((115 - 60) / 10) * 10 = 50 of the second; 5 left: no lot.
        fills=[(1, "A", 60, 10), (1, "A", 50, 10), (2, "A", 50, 10), (2, "A", -20, 10)],
        equity=[10_000] * 3,
        events=[(1, "waits_volume_cap", "A", 100, 50, 0), (1, "waits_volume_cap", "A", -20, -20, 0)],
    ),
    Golden(
        "a target replaces what rests and starts a new order with its own minimum",
        {"A": [10, 10, 10, 10]},
        {0: {"A": 0.25}, 1: {"A": 0.15}},
        settings={"volume_cap": 0.1, "commission_min": 5},
        # At 1: 0.15 * 9995 / 10 = 149.9, 149 - 100 held = 49; 150 of the old order are replaced.
        fills=[(1, "A", 100, 10, 5), (2, "A", 49, 10, 5)],
        equity=[10_000, 10_000 - 5, 10_000 - 10, 10_000 - 10],
        events=[(1, "waits_volume_cap", "A", 250, 150, 0), (1, "replaced", "A", 150, 49, 0)],
    ),
    Golden(
        "a target that is already held replaces what rests by nothing",
        {"A": [10, 10, 10]},
        {0: {"A": 0.25}, 1: {"A": 0.1}},
        settings={"volume_cap": 0.1},
        fills=[(1, "A", 100, 10)],
        equity=[10_000] * 3,
        events=[(1, "waits_volume_cap", "A", 250, 150, 0), (1, "replaced", "A", 150, 0, 0)],
    ),
    Golden(
        "impact waits for two returns; then half the volatility times the root of a quarter of the volume",
        {"A": [10, 11, 9.9, (10, 10)]},
        {0: [order("A", 250)]},
        settings={"impact": 0.5},
        # Returns 0.1 and -0.1: sigma = sqrt(2 * 0.01 / 1). s = 0.5 * sigma * sqrt(250 / 1000).
        fills=[(3, "A", 250, 10 * (1 + 0.25 * sqrt(0.02)), 0, 250 * 10 * 0.25 * sqrt(0.02))],
        equity=[10_000, 10_000, 10_000, 10_000 - 2500 * 0.25 * sqrt(0.02)],
        events=[(1, "waits_no_history", "A", 250, 250, 0), (2, "waits_no_history", "A", 250, 250, 0)],
    ),
    Golden(
        "a sell cannot go below nothing",
        {"A": [10, 100, 10, 10]},
        {2: [order("A", -100)]},
        settings={"impact": 1},
        # Returns 9 and -0.9: sigma = 9.9 / sqrt(2) = 7.0. s = 7.0 * sqrt(0.1) = 2.2 is cut to 1.
        fills=[(3, "A", -100, 0, 0, 1000)],
        equity=[10_000, 10_000, 10_000, 10_000 - 100 * 10],
    ),
]

HELD = {"A": 0.101}  # 101 shares at 10
ACTIONS = [
    Golden(
        "split while long",
        {"A": [10, 10, 5, 6]},
        {0: HELD},
        actions=[(2, "A", 2, 0)],
        fills=[(1, "A", 101, 10)],
        equity=[10_000, 10_000, 10_000, 10_000 + 202 * 1],
        events=[(2, "split", "A", 101, 202, 0)],
        average_cost={"A": 5},
    ),
    Golden(
        "reverse split while long: the fraction is paid at the last close divided by the ratio",
        {"A": [10, 10, 40, 44]},
        {0: HELD},
        actions=[(2, "A", 0.25, 0)],
        fills=[(1, "A", 101, 10)],  # 25.25: 0.25 * 40 in cash
        equity=[10_000, 10_000, 10_000, 10_000 + 25 * 4],
        events=[(2, "split", "A", 101, 25, 10)],
        ledger={(2, "cash"): 10_000 - 1010 + 10, (2, "price_pnl"): 0},
        average_cost={"A": 40},
    ),
    Golden(
        "reverse split while short: the fraction is bought back in cash",
        {"A": [10, 10, 40, 44]},
        {0: {"A": -0.101}},
        actions=[(2, "A", 0.25, 0)],
        fills=[(1, "A", -101, 10)],
        equity=[10_000, 10_000, 10_000, 10_000 - 25 * 4],
        events=[(2, "split", "A", -101, -25, -10)],
        ledger={(2, "cash"): 10_000 + 1010 - 10},
        average_cost={"A": 40},
    ),
    Golden(
        "three for two while short; the market moves on the day of the split",
        {"A": [10, 10, 7, 7]},
        {0: {"A": -0.101}},
        actions=[(2, "A", 1.5, 0)],
        fills=[(1, "A", -101, 10)],  # 151.5: half a share of 10 / 1.5
        equity=[10_000, 10_000, *[10_000 + 1010 - 0.5 * 10 / 1.5 - 151 * 7] * 2],
        events=[(2, "split", "A", -101, -151, -0.5 * 10 / 1.5)],
    ),
    Golden(
        "fractional shares go through a reverse split whole",
        {"A": [10, 10, 40, 44]},
        {0: HELD},
        settings={"lot": 0},
        actions=[(2, "A", 0.25, 0)],
        fills=[(1, "A", 101, 10)],
        equity=[10_000, 10_000, 10_000, 10_000 + 25.25 * 4],
        events=[(2, "split", "A", 101, 25.25, 0)],
        average_cost={"A": 40},
    ),
    Golden(
        "fractional shares go through a reverse split while short",
        {"A": [10, 10, 40, 44]},
        {0: {"A": -0.101}},
        settings={"lot": 0},
        actions=[(2, "A", 0.25, 0)],
        fills=[(1, "A", -101, 10)],
        equity=[10_000, 10_000, 10_000, 10_000 - 25.25 * 4],
        events=[(2, "split", "A", -101, -25.25, 0)],
    ),
    Golden(
        "round lots: odd shares remain after a split, fractions do not",
        {"A": [10, 10, 40, 40]},
        {0: [order("A", 200)], 2: {"A": 0}},
        settings={"lot": 100},
        actions=[(2, "A", 0.25, 0)],
        fills=[(1, "A", 200, 10), (3, "A", -50, 40)],
        equity=[10_000] * 4,
        events=[(2, "split", "A", 200, 50, 0)],
    ),
    Golden(
        "a split resizes what rests, and its commission so far stays",
        {"A": [10, 10, (40, 40)]},
        {0: {"A": 0.25}},
        settings={"volume_cap": 0.1, "commission_min": 5},
        actions=[(2, "A", 0.25, 0)],
        # 100 filled at 1; 150 rest: 37.5, cut to 37. The 5 already charged are the minimum. The volumes of sessions 0
        # and 1, 1000 each, are 250 shares of session 2: 25 may trade.
        fills=[(1, "A", 100, 10, 5), (2, "A", 25, 40, 0)],
        equity=[10_000, 10_000 - 5, 10_000 - 5],
        events=[
            (1, "waits_volume_cap", "A", 250, 150, 0),
            (2, "split", "A", 100, 25, 0),
            (2, "order_split", "A", 150, 37, 0.25),
            (2, "waits_volume_cap", "A", 37, 12, 0),
        ],
    ),
    Golden(
        "an order that a reverse split leaves without a share is cancelled",
        {"A": [10, None, 40]},
        {0: {"A": 0.003}},
        actions=[(2, "A", 0.25, 0)],
        fills=[],
        equity=[10_000] * 3,
        events=[(1, "waits_no_price", "A"), (2, "order_split", "A", 3, 0, 0.25), (2, "cancelled", "A")],
    ),
    Golden(
        "longs receive dividends, shorts pay them",
        {"A": [10, 10, 9.5], "B": [10, 10, 9]},
        {0: {"A": 0.5, "B": -0.2}},
        actions=[(2, "A", 1, 0.5), (2, "B", 1, 0.75)],
        fills=[(1, "A", 500, 10), (1, "B", -200, 10)],
        equity=[10_000, 10_000, 10_000 - 500 * 0.5 + 200 * 1 + 500 * 0.5 - 200 * 0.75],
        events=[(2, "dividend", "A", 500, 0.5, 250), (2, "dividend", "B", -200, 0.75, -150)],
        ledger={(2, "dividends"): 100, (2, "price_pnl"): -50},
    ),
    Golden(
        "a dividend is per share after the split of its day; who buys on that day has no part in it",
        {"A": [10, 10, 5], "B": [10, 10, 10]},
        {0: {"A": 0.1}, 1: named(B=0.1)},
        actions=[(2, "A", 2, 0.3), (2, "B", 1, 1)],
        fills=[(1, "A", 100, 10), (2, "B", 100, 10)],
        equity=[10_000, 10_000, 10_000 + 200 * 0.3],
        events=[(2, "split", "A", 100, 200, 0), (2, "dividend", "A", 200, 0.3, 60)],
    ),
    Golden(
        "actions between two sessions act together in the next",
        {"A": [10, 10, 2.5, 2.5]},
        {0: {"A": 0.1}},
        days=[0, 1, 4, 5],
        actions=[(2, "A", 2, 0.3), (3, "A", 2, 0.1)],
        # 400 shares; 0.3 on 200 and 0.1 on 400 of them: 0.3 / 2 + 0.1 = 0.25 each.
        fills=[(1, "A", 100, 10)],
        equity=[10_000, 10_000, 10_100, 10_100],
        events=[(2, "split", "A", 100, 400, 0), (2, "dividend", "A", 400, 0.25, 100)],
    ),
    Golden(
        "a symbol that ends while held long is paid its last close and the delisting return",
        {"A": [10, 10, 12, None, None], "B": [10] * 5},
        {0: HALF, 3: {"A": 0.1}},
        ends={"A": (2, -0.3)},
        fills=[(1, "A", 500, 10)],
        equity=[10_000, 10_000, 11_000, *[11_000 - 500 * 12 * 0.3] * 2],
        events=[(3, "settlement", "A", 500, -0.3, 500 * 12 * 0.7), (3, "refused_ended", "A")],
        ledger={(3, "price_pnl"): -1_800, (3, "cash"): 5_000 + 4_200},
    ),
    Golden(
        "a symbol that ends while held short, worth nothing: the short keeps it all",
        {"A": [10, 10, 12, None], "B": [10] * 4},
        {0: {"A": -0.5}},
        ends={"A": (2, -1)},
        fills=[(1, "A", -500, 10)],
        equity=[10_000, 10_000, 10_000 - 500 * 2, 10_000 + 500 * 10],
        events=[(3, "settlement", "A", -500, -1, 0)],
    ),
    Golden(
        "an ending cancels what rests, after a last dividend",
        {"A": [10, 10, None, None], "B": [10] * 4},
        {0: HALF, 1: {"A": 0.6}},
        actions=[(3, "A", 1, 0.1)],
        ends={"A": (2, 0)},
        fills=[(1, "A", 500, 10)],
        equity=[10_000, 10_000, 10_000, 10_000 + 50],
        events=[
            (2, "waits_no_price", "A", 100, 100, 0),
            (3, "dividend", "A", 500, 0.1, 50),
            (3, "settlement", "A", 500, 0, 5_000),
            (3, "cancelled", "A", 100, 0, 0),
        ],
    ),
]
