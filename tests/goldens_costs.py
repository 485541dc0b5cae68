"""Goldens of commissions per share, rates by symbol and session, and short sales. How to read them: ``golden.py``."""

from __future__ import annotations

from math import nan
from typing import Any

from golden import FLAT, Golden, day, order
from plain import Rates

COMMISSIONS = [
    Golden(
        "so much of the notional and so much a share",
        {"A": FLAT},
        {0: {"A": 0.5}, 1: {"A": 0}},
        settings={"commission_bps": 2, "commission_per_share": 0.01},
        fills=[(1, "A", 500, 10, 5000 * 0.0002 + 500 * 0.01), (2, "A", -500, 10, 6)],
        equity=[10_000, 10_000 - 6, 10_000 - 12],
    ),
    Golden(
        "minimum and maximum over the life of the order: the maximum holds where they disagree",
        {"A": [10] * 4},
        {0: {"A": 0.25}},
        settings={
            "volume_cap": 0.1,
            "commission_per_share": 0.025,
            "commission_min": 5,
            "commission_max_bps": 30,
        },
        # 100, 100 and 50 shares: plain 2.5, 5, 6.25; at least 5; at most 0.003 of 1000, 2000, 2500: due 3, 5, 6.25.
        fills=[(1, "A", 100, 10, 3), (2, "A", 100, 10, 5 - 3), (3, "A", 50, 10, 6.25 - 5)],
        equity=[10_000, 10_000 - 3, 10_000 - 5, 10_000 - 6.25],
        events=[(1, "waits_volume_cap", "A", 250, 150, 0), (2, "waits_volume_cap", "A", 150, 50, 0)],
    ),
    Golden(
        "a commission per share counts the shares of the day of the fill",
        {"A": [10, 10, (5, 5, 2000), (5, 5, 2000)]},
        {0: {"A": 0.25}},
        actions=[(2, "A", 2, 0)],
        settings={"volume_cap": 0.1, "commission_per_share": 0.01, "commission_min": 3.5},
        # 100 shares; after the split 200 of the 300 that rest, then 100. Plain 1, 3, 4: due 3.5, 3.5, 4.
        fills=[(1, "A", 100, 10, 3.5), (2, "A", 200, 5, 0), (3, "A", 100, 5, 0.5)],
        equity=[10_000, 10_000 - 3.5, 10_000 - 3.5, 10_000 - 4],
        events=[
            (1, "waits_volume_cap", "A", 250, 150, 0),
            (2, "split", "A", 100, 200, 0),
            (2, "order_split", "A", 150, 300, 2),
            (2, "waits_volume_cap", "A", 300, 100, 0),
        ],
    ),
]


def daily(symbol: str, shares: float, sessions: int) -> dict[int, Any]:
    """An order of these shares in every session."""
    return {t: [order(symbol, shares)] for t in range(sessions)}


RATES = [
    Golden(
        "a rate is the table's, until a missing one ends it, else the symbol's, else the default",
        {"A": [10] * 6, "B": [10] * 6, "C": [10] * 6},
        daily("A", 100, 5) | {1: [order("A", 100), order("B", 100), order("C", 100)]},
        settings={
            "slippage_bps": Rates(
                30,
                symbols={"A": 50, "B": 20},
                table=(("A", day(2), 10), ("A", day(4), nan), ("A", day(5), 40), ("C", None, 60), ("C", day(9), 70)),
            )
        },
        # A costs 50 at 1, 10 at 2 and 3, 50 again at 4, 40 at 5; B 20; C 60: basis points of 1000.
        fills=[
            (1, "A", 100, 10.05, 0, 5),
            (2, "A", 100, 10.01, 0, 1),
            (2, "B", 100, 10.02, 0, 2),
            (2, "C", 100, 10.06, 0, 6),
            (3, "A", 100, 10.01, 0, 1),
            (4, "A", 100, 10.05, 0, 5),
            (5, "A", 100, 10.04, 0, 4),
        ],
        equity=[10_000, 9_995, 9_986, 9_985, 9_980, 9_976],
    ),
    Golden(
        "tiers: the first that last close and average money of the sessions before reach",
        {
            "A": [(10, 10, 1000), (10, 10, 5000), (10, 4, 1000), (4, 4, 1000)],
            "B": [(10, 10, None), (10, 10, 100), 10, 10],
        },
        daily("A", 100, 3) | {0: [order("A", 100), order("B", 100)], 1: [order("A", 100), order("B", 100)]},
        settings={"slippage_bps": Rates(100, tiers=((5, 20_000, 5), (20, 5_000, 0)))},
        # A at 1: 10000 of money: 20. At 2: (10000 + 50000) / 2: 5. At 3: (10000 + 50000 + 4000) / 3 = 21333, but a
        # price of 4: 20. B: no money known at 1, 10 * 100 = 1000 at 2: the default.
        fills=[
            (1, "A", 100, 10.02, 0, 2),
            (1, "B", 100, 10.1, 0, 10),
            (2, "A", 100, 10.005, 0, 0.5),
            (2, "B", 100, 10.1, 0, 10),
            (3, "A", 100, 4.008, 0, 0.8),
        ],
        equity=[10_000, 9_988, 9_988 - 10.5 - 200 * 6, 9_988 - 10.5 - 200 * 6 - 0.8],
    ),
    Golden(
        "tiers look back on twenty sessions",
        {"A": [(10, 10, 50_000), *[10] * 22]},
        {19: [order("A", 100)], 20: [order("A", 100)]},
        settings={"slippage_bps": Rates(100, tiers=((10, 15_000, 0),))},
        # At 20 the mean of 0 to 19 is (500000 + 19 * 10000) / 20 = 34500, at 21 that of 1 to 20 is 10000.
        fills=[(20, "A", 100, 10.01, 0, 1), (21, "A", 100, 10.1, 0, 10)],
        equity=[*[10_000] * 20, 9_999, 9_989, 9_989],
    ),
    Golden(
        "the borrow fee of a night is at the rate of the evening",
        {"A": [10] * 4, "B": [10] * 4},
        {0: {"A": -0.5, "B": -0.3}},
        settings={"borrow_rate": Rates(0.036, symbols={"B": 0.36}, table=(("A", day(2), 0.072),))},
        fills=[(1, "A", -500, 10), (1, "B", -300, 10)],
        # 3000 * 0.36 / 360 = 3 a night for B; for A 5000 * 0.036 / 360 = 0.5 from 1 to 2, twice that from 2 to 3.
        equity=[10_000, 10_000, 10_000 - 3.5, 10_000 - 7.5],
        ledger={(2, "borrow"): 3.5, (3, "borrow"): 4},
    ),
]

SHORTS = [
    Golden(
        "not shortable: no short position is opened, one that is held may stay and shrink",
        {"A": [10] * 6, "B": [10] * 6},
        {0: {"A": -0.2, "B": -0.1}, 2: {"A": -0.5}, 3: {"A": -0.1}},
        settings={"not_shortable": (("A", day(2), None), ("B", None, None))},
        fills=[(1, "A", -200, 10), (4, "A", 100, 10)],
        equity=[10_000] * 6,
        events=[(0, "clipped_not_shortable", "B", -0.1, 0, 0), (2, "clipped_not_shortable", "A", -0.5, -0.2, 0)],
    ),
    Golden(
        "not shortable: a short position that may stay is not rounded to lots",
        {"A": [10, 10, 20, 20, 20]},
        {0: [order("A", -300)], 2: {"A": -0.5}, 3: {"A": -0.25}},
        actions=[(2, "A", 0.5, 0)],
        settings={"lot": 100, "not_shortable": (("A", day(2), None),)},
        # -300 become -150, 0.3 of 10000. At 3: 0.25 * 10000 / 20 = 125: -100 + 150.
        fills=[(1, "A", -300, 10), (4, "A", 50, 20)],
        equity=[10_000] * 5,
        events=[(2, "split", "A", -300, -150, 0), (2, "clipped_not_shortable", "A", -0.5, -0.3, 0)],
    ),
    Golden(
        "not shortable on the day of the fill: the sale waits for the end of the span, which is not in it",
        {"A": [10] * 5},
        {0: {"A": -0.2}},
        settings={"not_shortable": (("A", day(1), day(3)), ("A", day(1), day(2)))},
        fills=[(3, "A", -200, 10)],
        equity=[10_000] * 5,
        events=[(1, "waits_not_shortable", "A", -200, -200, 0), (2, "waits_not_shortable", "A", -200, -200, 0)],
    ),
    Golden(
        "a sale through zero sells whole lots of what is held; a full exit sells the odd lot too",
        {"A": [10, 10, 20, 20, 20, 20]},
        {0: [order("A", 300)], 2: [order("A", -400)], 4: {"A": 0}},
        actions=[(2, "A", 0.5, 0)],
        settings={"lot": 100, "not_shortable": (("A", day(3), None),)},
        # 300 become 150. At 3 floor(150 / 100) lots; at 4 floor(50 / 100); the target at 4 replaces the rest by -50.
        fills=[(1, "A", 300, 10), (3, "A", -100, 20), (5, "A", -50, 20)],
        equity=[10_000] * 6,
        events=[
            (2, "split", "A", 300, 150, 0),
            (3, "waits_not_shortable", "A", -400, -300, 0),
            (4, "waits_not_shortable", "A", -300, -300, 0),
            (4, "replaced", "A", -300, 0, 0),
        ],
    ),
    Golden(
        "not shortable under a volume cap: the reason is the one that leaves less",
        {"A": [10] * 7},
        {0: [order("A", 100)], 2: [order("A", -150)]},
        settings={"volume_cap": 0.05, "not_shortable": (("A", day(3), None),)},
        fills=[(1, "A", 50, 10), (2, "A", 50, 10), (3, "A", -50, 10), (4, "A", -50, 10)],
        equity=[10_000] * 7,
        events=[
            (1, "waits_volume_cap", "A", 100, 50, 0),
            (3, "waits_volume_cap", "A", -150, -100, 0),
            (4, "waits_volume_cap", "A", -100, -50, 0),
            (5, "waits_not_shortable", "A", -50, -50, 0),
            (6, "waits_not_shortable", "A", -50, -50, 0),
        ],
    ),
    Golden(
        "not shortable: explicit orders are refused if with all that rests they leave a larger short",
        {"A": [10] * 4, "B": [10] * 4},
        {0: [order("A", 100), order("B", -50)], 1: [order("A", -60.5), order("A", -60), order("A", -40)]}
        | {2: [order("B", -1), order("B", 20), order("B", -21), order("B", -20)]},
        settings={"not_shortable": (("A", None, None), ("B", day(2), None))},
        # At 1: 100 - 60 - 60 = -20 is refused, 100 - 60 - 40 = 0 is not. At 2: -51 against -50; with 20 bought, -51
        # and -50 against -30.
        fills=[(1, "A", 100, 10), (1, "B", -50, 10), (2, "A", -60, 10), (2, "A", -40, 10), (3, "B", 20, 10)],
        equity=[10_000] * 4,
        events=[
            (1, "refused_not_shortable", "A", -60, 0, 0),
            (2, "refused_not_shortable", "B", -1, 0, 0),
            (2, "refused_not_shortable", "B", -21, 0, 0),
            (2, "refused_not_shortable", "B", -20, 0, 0),
        ],
    ),
    Golden(
        "sized at the fill: a short sale that may not fill is sized when it may",
        {"A": [10, 10, 20, 20]},
        {0: {"A": -0.5}},
        settings={"size_at": "fill", "not_shortable": (("A", day(1), day(2)),)},
        fills=[(2, "A", -250, 20)],  # 5000 / 20
        equity=[10_000] * 4,
        events=[(1, "waits_not_shortable", "A", nan, nan, 0)],
    ),
]
