"""Goldens of when, whether and how much is traded. How to read them: ``golden.py``."""

from __future__ import annotations

from golden import FLAT, HALF, Golden, cancel, named, order

TIMING = [
    Golden(
        "decides at a close, fills at the next open",
        {"A": [(9, 10), (11, 12), (12, 13)]},
        {0: HALF},
        fills=[(1, "A", 500, 11)],
        equity=[10_000, 10_000 + 500 * (12 - 11), 10_000 + 500 * (13 - 11)],
        average_cost={"A": 11},
    ),
    Golden(
        "fills at the close of the next session",
        {"A": [10, (11, 12), 13]},
        {0: HALF},
        settings={"fill": "close"},
        fills=[(1, "A", 500, 12)],
        equity=[10_000, 10_000, 10_000 + 500 * (13 - 12)],
    ),
    Golden(
        "fills at the close it was decided on, and the equity of that session pays for it",
        {"A": [(9, 10), (11, 12)]},
        {0: HALF},
        settings={"fill": "same_close", "slippage_bps": 10},
        fills=[(0, "A", 500, 10 * 1.001, 0, 500 * 10 * 0.001)],
        equity=[10_000 - 5, 10_000 - 5 + 500 * (12 - 10)],
        ledger={(0, "slippage"): 5, (0, "cash"): 10_000 - 500 * 10.01, (0, "traded"): 500 * 10.01},
    ),
    Golden(
        "an order that finds no close to fill at waits for the next one",
        {"A": [10, None, (11, 12)]},
        {1: [order("A", 100)]},
        settings={"fill": "same_close"},
        fills=[(2, "A", 100, 12)],
        equity=[10_000] * 3,
        events=[(1, "waits_no_price", "A", 100, 100, 0)],
    ),
    Golden(
        "sized at the fill: equity and prices of the open",
        {"A": [10, 10, (20, 20), 20], "B": [10, 10, (12, 12), 12]},
        {0: {"B": 0.5}, 1: {"A": 0.5, "B": 0.5}},
        settings={"size_at": "fill"},
        # At the open of 2 the account has 5000 + 500 * 12 = 11000: 5500 / 20 = 275 of A, 5500 / 12 = 458.3 of B.
        fills=[(1, "B", 500, 10), (2, "A", 275, 20), (2, "B", 458 - 500, 12)],
        equity=[10_000, 10_000, 11_000, 11_000],
    ),
    Golden(
        "sized at the fill: an unknown open counts at the mark, and its order waits unsized",
        {"A": [10, 10, (20, 20), 20], "B": [10, 10, (None, 12), (8, 8)]},
        {0: {"B": 0.5}, 1: {"A": 0.5, "B": 0.5}},
        settings={"size_at": "fill"},
        # Open of 2: 5000 + 500 * 10 = 10000, half of it buys 250 of A. Open of 3: cash 0, 250 * 20 + 500 * 8 = 9000:
        # 4500 / 8 = 562.5 of B.
        fills=[(1, "B", 500, 10), (2, "A", 250, 20), (3, "B", 562 - 500, 8)],
        equity=[10_000, 10_000, 250 * 20 + 500 * 12, 250 * 20 + 500 * 8],
        events=[(2, "waits_no_price", "B")],
        ledger={(3, "cash"): -62 * 8},
    ),
    Golden(
        "a mapping and None leave other positions and resting orders alone",
        {"A": [10, None, None, 10], "B": [10] * 4},
        {0: HALF, 1: named(B=0.2)},
        fills=[(2, "B", 200, 10), (3, "A", 500, 10)],
        equity=[10_000] * 4,
        events=[(1, "waits_no_price", "A", 500, 500, 0), (2, "waits_no_price", "A", 500, 500, 0)],
    ),
    Golden(
        "what on_fill and decide return is merged: the later word counts for each symbol",
        {"A": FLAT, "B": FLAT, "C": FLAT},
        {0: HALF, 1: named(A=0.6, B=0.2)},
        on_fill={0: {"C": 1}, 1: {"A": 0.1, "C": 0.3}, 2: [order("C", 1)]},
        # Not asked at 0, where nothing filled.
        fills=[(1, "A", 500, 10), (2, "A", 100, 10), (2, "B", 200, 10), (2, "C", 300, 10)],
        equity=[10_000] * 3,
        resting={"C": 1},
    ),
    Golden(
        "an order takes the weight that came before it out of the target",
        {"A": FLAT, "B": FLAT},
        {0: HALF, 1: [order("A", -20)]},
        on_fill={1: {"A": 0.1, "B": 0.3}},
        fills=[(1, "A", 500, 10), (2, "B", 300, 10), (2, "A", -20, 10)],
        equity=[10_000] * 3,
    ),
    Golden(
        "fills at the close of the decision are told after the next close",
        {"A": FLAT, "B": FLAT},
        {0: HALF},
        on_fill={0: [order("B", 1)], 1: [order("B", 2)], 2: [order("B", 3)]},
        settings={"fill": "same_close"},
        fills=[(0, "A", 500, 10), (1, "B", 2, 10), (2, "B", 3, 10)],
        equity=[10_000] * 3,
    ),
    Golden(
        "a full target exits what it does not name; average cost through zero",
        {"A": [10, 10, 12, 13, 13], "B": [10] * 5},
        {0: [order("A", 100)], 1: [order("A", 100)], 2: [order("A", -300)], 3: {"B": 0.1}},
        # Average cost: 10, (100 * 10 + 100 * 12) / 200 = 11, then short 100 from 13; closed again by the target at 3.
        # Equity at 2: 100 * (12 - 10). At 3: 100 * (13 - 10) + 100 * (13 - 12) = 400; 0.1 * 10400 / 10 = 104.
        fills=[(1, "A", 100, 10), (2, "A", 100, 12), (3, "A", -300, 13), (4, "A", 100, 13), (4, "B", 104, 10)],
        equity=[10_000, 10_000, 10_200, 10_400, 10_400],
        average_cost={"A": 0, "B": 10},
    ),
    Golden(
        "average cost moves when adding, stays when reducing and starts anew across zero",
        {"A": [10, 10, 12, 13, 14]},
        {0: [order("A", 100)], 1: [order("A", 100)], 2: [order("A", -50)], 3: [order("A", -250)]},
        # 10; 11; 11; 150 - 250 = -100 at 14. Equity at 3: 200 * (13 - 11) = 400; at 4: 50 * 2 + 150 * (14 - 11) = 550.
        fills=[(1, "A", 100, 10), (2, "A", 100, 12), (3, "A", -50, 13), (4, "A", -250, 14)],
        equity=[10_000, 10_000, 10_200, 10_400, 10_550],
        average_cost={"A": 14},
    ),
]

MISSING = [
    Golden(
        "an order waits through a missing bar",
        {"A": [10, None, 12]},
        {0: HALF},
        fills=[(2, "A", 500, 12)],
        equity=[10_000] * 3,
        events=[(1, "waits_no_price", "A", 500, 500, 0)],
    ),
    Golden(
        "an open fill needs no close: the mark stays",
        {"A": [10, (11, None), 12]},
        {0: HALF},
        fills=[(1, "A", 500, 11)],
        equity=[10_000, 10_000 + 500 * (10 - 11), 10_000 + 500 * (12 - 11)],
    ),
    Golden(
        "a close needs no open: the position is marked, the order waits",
        {"A": [10, 10, (None, 12), 13]},
        {0: HALF, 1: {"A": 0}},
        fills=[(1, "A", 500, 10), (3, "A", -500, 13)],
        equity=[10_000, 10_000, 10_000 + 500 * 2, 10_000 + 500 * 3],
        events=[(2, "waits_no_price", "A", -500, -500, 0)],
    ),
    Golden(
        "no fill at a volume of zero; an unknown volume stops nothing",
        {"A": [10, (11, 11, 0), (12, 12, None)]},
        {0: HALF},
        fills=[(2, "A", 500, 12)],
        equity=[10_000] * 3,
        events=[(1, "waits_zero_volume", "A", 500, 500, 0)],
    ),
    Golden(
        "sixty missing sessions are no ending",
        {"A": [10, 10, *[None] * 60, 12], "B": [10] * 63},
        {0: HALF},
        fills=[(1, "A", 500, 10)],
        equity=[10_000] * 62 + [10_000 + 500 * 2],
    ),
    Golden(
        "a full target for a symbol without volume is refused, and so its position is sold",
        {"A": [10, 10, (10, 10, 0), 10]},
        {0: HALF, 2: HALF},
        fills=[(1, "A", 500, 10), (3, "A", -500, 10)],
        equity=[10_000] * 4,
        events=[(2, "refused_not_tradable", "A", 0.5, 0, 0)],
    ),
    Golden(
        "a long week-end's carry: borrow and interest for calendar days",
        {"A": FLAT},
        {0: {"A": -0.5}},
        days=[0, 1, 4],
        settings={"borrow_rate": 0.006, "credit_rate": 0.036, "debit_rate": 0.05},
        # Night to 1: 10000 * 0.036 / 360 = 1. Three nights to 2: cash 15001, short 5000, free 10001.
        fills=[(1, "A", -500, 10)],
        equity=[10_000, 10_001, 10_001 + 10_001 * 0.036 * 3 / 360 - 5_000 * 0.006 * 3 / 360],
        ledger={(1, "interest"): 1, (2, "borrow"): 0.25, (2, "short_value"): 5_000},
    ),
    Golden(
        "negative cash pays the debit rate",
        {"A": FLAT},
        {0: {"A": 2}},
        settings={"credit_rate": 0.036, "debit_rate": 0.072},
        fills=[(1, "A", 2000, 10)],  # 2 * 10000 / 10, sized before the day's interest of 1
        equity=[10_000, 10_001, 10_001 - 9_999 * 0.072 / 360],
        ledger={(1, "cash"): -9_999, (2, "interest"): -9_999 * 0.0002, (2, "long_value"): 20_000},
    ),
    Golden(
        "free cash is cash less short value: a short book as large as its cash earns nothing",
        {"A": [10, 10, 20, 20]},
        {0: {"A": -1}},
        settings={"credit_rate": 0.036, "debit_rate": 0.072},
        # Night to 1: 10000 * 0.036 / 360 = 1. Night to 2: 20001 - 10000 free, 1.0001. Night to 3: free 20002.0001 -
        # 20000.
        fills=[(1, "A", -1000, 10)],
        equity=[10_000, 10_001, 2.0001, 2.0001 * 1.0001],
    ),
]

SIZES = [
    Golden(
        "whole shares are cut towards zero, long and short",
        {"A": [30, 30], "B": [30, 30]},
        {0: {"A": 0.5, "B": -0.5}},
        fills=[(1, "A", 166, 30), (1, "B", -166, 30)],  # 5000 / 30 = 166.67
        equity=[10_000] * 2,
    ),
    Golden(
        "round lots",
        {"A": [30, 30]},
        {0: HALF},
        settings={"lot": 100},
        fills=[(1, "A", 100, 30)],
        equity=[10_000] * 2,
    ),
    Golden(
        "lots of a thousandth",
        {"A": [30, 30]},
        {0: HALF},
        settings={"lot": 0.001},
        fills=[(1, "A", 166.666, 30)],
        equity=[10_000] * 2,
    ),
    Golden(
        "the rounding of small lots is nothing to trade",
        {"A": FLAT},
        {0: [order("A", 0.1), order("A", 0.2)], 1: {"A": 0.0003}},
        settings={"lot": 0.001},
        fills=[(1, "A", 0.1, 10), (1, "A", 0.2, 10)],  # 0.1 + 0.2 differs from 300 * 0.001 by 6e-17
        equity=[10_000] * 3,
    ),
    Golden(
        "fractional shares, and nothing is left after the exit",
        {"A": [30, 30, 33]},
        {0: HALF, 1: {"A": 0}},
        settings={"lot": 0},
        fills=[(1, "A", 5_000 / 30, 30), (2, "A", -5_000 / 30, 33)],
        equity=[10_000, 10_000, 10_000 + 5_000 / 30 * 3],
    ),
    Golden(
        "weights of the mark at the decision, whatever the open is",
        {"A": [10, (20, 20), 20]},
        {0: HALF, 1: HALF},
        # 500 shares cost 10000: all of the account. At 1 half of 10000 is 250 shares of 20.
        fills=[(1, "A", 500, 20), (2, "A", -250, 20)],
        equity=[10_000] * 3,
    ),
    Golden(
        "a wiped-out account can only close positions",
        {"A": [10, 10, 5, 4]},
        {0: {"A": 3}, 2: {"A": 1}},
        fills=[(1, "A", 3000, 10), (3, "A", -3000, 4)],
        equity=[10_000, 10_000, 10_000 - 3000 * 5, 10_000 - 3000 * 6],
        events=[(2, "refused_wiped_out", None)],
    ),
    Golden(
        "a wiped-out account: weights that wait count as 0, explicit orders may only make a position smaller",
        {"A": [10, 10, 5, 4], "B": [10, 10, (None, 10), 10]},
        {0: {"A": 3}, 1: named(B=0.1), 2: [order("A", -1000), order("B", 10), order("A", 1)]},
        settings={"size_at": "fill"},
        # At the open of 3 the account is 10000 - 3000 * 6 = -8000: 0.1 of it is no share of B.
        fills=[(1, "A", 3000, 10), (3, "A", -1000, 4)],
        equity=[10_000, 10_000, 10_000 - 3000 * 5, 10_000 - 3000 * 6],
        events=[(2, "waits_no_price", "B"), (2, "refused_wiped_out", None), (2, "refused_wiped_out", None)],
    ),
]

ORDERS = [
    Golden(
        "explicit orders add up and fill at their own moments",
        {"A": [10, (11, 12), 12]},
        {0: [order("A", 10), order("A", -4, "close"), order("A", 0.5)]},
        fills=[(1, "A", 10, 11), (1, "A", -4, 12)],
        equity=[10_000, 10_000 + 10 * (12 - 11), 10_010],
        events=[(0, "refused_below_lot", "A")],
    ),
    Golden(
        "an explicit order adds to a target; a target replaces explicit orders",
        {"A": [10, None, 10, 10]},
        {0: {"A": 0.1}, 1: [order("A", 30)], 2: None},
        fills=[(2, "A", 100, 10), (2, "A", 30, 10)],
        equity=[10_000] * 4,
        events=[(1, "waits_no_price", "A", 100, 100, 0)],
    ),
    Golden(
        "a target replaces everything that rests for its symbol",
        {"A": [10, None, None, 10], "B": [10] * 4},
        {0: {"A": 0.1}, 1: [order("A", 30)], 2: [cancel("A"), order("A", 5)]},
        fills=[(3, "A", 5, 10)],
        equity=[10_000] * 4,
        events=[
            (1, "waits_no_price", "A", 100, 100, 0),
            (2, "waits_no_price", "A", 100, 100, 0),
            (2, "waits_no_price", "A", 30, 30, 0),
            (2, "cancelled", "A", 100, 0, 0),
            (2, "cancelled", "A", 30, 0, 0),
        ],
    ),
    Golden(
        "no order for a symbol without a price, or one that has ended",
        {"A": [None, None, 10], "B": [10, None, None]},
        {0: [order("A", 10)], 1: [order("B", 10)]},
        ends={"B": (0, 0)},
        fills=[],
        equity=[10_000] * 3,
        events=[(0, "refused_no_price", "A"), (1, "refused_ended", "B")],
    ),
    Golden(
        "explicit orders meet the cap per name; one that shrinks a position passes",
        {"A": [10, 10, 40, 40]},
        {0: [order("A", 100), order("A", 150)], 2: [order("A", -10), order("A", 5)]},
        settings={"max_weight": 0.2},
        # At 2: 100 * 40 of 13000 is 0.31. 90 * 40 is still above 0.2, but less than it was; 95 * 40 is more than that.
        fills=[(1, "A", 100, 10), (3, "A", -10, 40)],
        equity=[10_000, 10_000, 13_000, 13_000],
        events=[
            (0, "refused_max_weight", "A", 150, 0, 0.25),
            (2, "refused_max_weight", "A", 5, 0, 95 * 40 / 13_000),
        ],
    ),
    Golden(
        "explicit orders meet the caps per sector, gross and net, with all that rests counted",
        {"A": [10, 10], "B": [10, 10], "C": [10, 10]},
        {0: [order("A", 400), order("B", -200), order("C", -900), order("C", 400), order("A", 150)]},
        sectors={"A": "x", "B": "x", "C": "y"},
        settings={"max_sector": 0.5, "max_gross": 0.7, "max_net": 0.3},
        # A: net 0.4. B passes. C: sector y 0.9; then sector 0.4, gross 0.6, net 0.2 pass. A: gross 0.2 + 0.4 + 0.15.
        fills=[(1, "B", -200, 10), (1, "C", 400, 10)],
        equity=[10_000] * 2,
        events=[
            (0, "refused_max_net", "A", 400, 0, 0.4),
            (0, "refused_max_sector", "C", -900, 0, 0.9),
            (0, "refused_max_gross", "A", 150, 0, 0.75),
        ],
    ),
]
