"""Goldens of breakers and layers. How to read them: ``golden.py``."""

from __future__ import annotations

from math import sqrt
from typing import Any

from golden import ACTIVE, FLAT, HALF, HALTED, REARM, Golden, named, order

BREAKERS = [
    Golden(
        "a daily loss halts: what rests is cancelled, positions are sold at the next open, targets refused",
        {"A": [10, 10, 8.9, (8, 8), 8], "B": [10, 10, None, None, 10]},
        {0: HALF, 1: named(B=0.1), 2: {"A": 1}, 3: [order("A", 10)]},
        settings={"max_daily_loss": 0.05},
        # 5000 + 500 * 8.9 = 9450 <= 0.95 * 10000. 100 of B found no price.
        fills=[(1, "A", 500, 10), (3, "A", -500, 8)],
        equity=[10_000, 10_000, 9_450, 9_000, 9_000],
        events=[
            (2, "waits_no_price", "B", 100, 100, 0),
            (2, "halt_daily_loss", None, 10_000, 9_450, 0.05),
            (2, "cancelled", "B", 100, 0, 0),
            (2, "refused_halted", None),
            (3, "refused_halted", None),
        ],
        ledger={(1, "status"): ACTIVE, (2, "status"): HALTED, (4, "status"): HALTED},
    ),
    Golden(
        "flattening goes on under the volume cap and outlives the cooldown, until a target replaces it",
        {"A": [10, (10, 10, 3000), (8, 8, 3000), 8, 8, 8]},
        {0: {"A": 0.3}, 2: HALF, 3: HALF, 4: named(A=0.05)},
        settings={"max_daily_loss": 0.03, "cooldown": 2, "volume_cap": 0.1, "cap_on": "session"},
        # Halted at 2: 10000 - 300 * 2 <= 9700. 100 a session from 3 on; back at 4 = 2 + 2, with
        # 100 left to hold or sell. 0.05 * 9400 / 8 = 58.75.
        fills=[(1, "A", 300, 10), (3, "A", -100, 8), (4, "A", -100, 8), (5, "A", 58 - 100, 8)],
        equity=[10_000, 10_000, *[9_400] * 4],
        events=[
            (2, "halt_daily_loss", None, 10_000, 9_400, 0.03),
            (2, "refused_halted", None),
            (3, "waits_volume_cap", "A", -300, -200, 0),
            (3, "refused_halted", None),
            (4, "waits_volume_cap", "A", -200, -100, 0),
            (4, "rearmed", None, 10_000, 9_400, 2),
            (4, "replaced", "A", -100, -42, 0),
        ],
        ledger={(3, "status"): HALTED, (4, "status"): ACTIVE},
    ),
    Golden(
        "re-arming comes before what was submitted with it, and flattening goes on",
        {"A": [10, 10, 8.9, None, 9, 9]},
        {0: HALF, 3: [order("A", 10), REARM]},
        settings={"max_daily_loss": 0.05},
        fills=[(1, "A", 500, 10), (4, "A", -500, 9), (4, "A", 10, 9)],
        equity=[10_000, 10_000, 9_450, 9_450, 9_500, 9_500],
        events=[
            (2, "halt_daily_loss", None, 10_000, 9_450, 0.05),
            (3, "waits_no_price", "A", -500, -500, 0),
            (3, "rearmed", None, 10_000, 9_450, 0),
        ],
    ),
    Golden(
        "a drawdown from the highest equity halts",
        {"A": [10, 10, 11, 10.4, 9.8, 9.8]},
        {0: {"A": 1}},
        settings={"max_drawdown": 0.1},
        fills=[(1, "A", 1000, 10), (5, "A", -1000, 9.8)],
        equity=[10_000, 10_000, 11_000, 10_400, 9_800, 9_800],
        events=[(4, "halt_drawdown", None, 11_000, 9_800, 0.1)],  # 9800 <= 0.9 * 11000
    ),
    Golden(
        "re-arming puts the peak of the drawdown at the equity of the day",
        {"A": [10, 10, 8, 8, 8, 8, 7.4, 7, 7]},
        {0: {"A": 1}, 3: [REARM], 4: HALF},
        settings={"max_drawdown": 0.1},
        # Halted at 2, sold at 3, 0.5 * 8000 / 8 = 500 bought at 5. At 6 8000 - 500 * 0.6 = 7700 > 0.9 * 8000, at 7 7500
        # > 7200: from a peak of 10000 both would have halted.
        fills=[(1, "A", 1000, 10), (3, "A", -1000, 8), (5, "A", 500, 8)],
        equity=[10_000, 10_000, *[8_000] * 4, 7_700, 7_500, 7_500],
        events=[(2, "halt_drawdown", None, 10_000, 8_000, 0.1), (3, "rearmed", None, 10_000, 8_000, 0)],
    ),
]


def layer(name: str, target: Any, shares: dict[str, float], events: list[tuple[Any, ...]], **settings: Any) -> Golden:
    """A target at session 0 in a market where every price is 10, and the shares that come of it at session 1."""
    sectors = settings.pop("sectors", {})
    bars = dict.fromkeys("ABC", FLAT)
    fills = [(1, symbol, amount, 10) for symbol, amount in shares.items()]
    return Golden(name, bars, {0: target}, fills, [10_000] * 3, events, settings=settings, sectors=sectors)


LAYERS = [
    layer(
        "cap per name",
        {"A": 0.5, "B": -0.3, "C": 0.1},
        {"A": 200, "B": -200, "C": 100},
        [(0, "clipped_max_weight", "A", 0.5, 0.2, 0), (0, "clipped_max_weight", "B", -0.3, -0.2, 0)],
        max_weight=0.2,
    ),
    layer(
        "cap per sector: 0.4 + 0.2 becomes 0.3",
        {"A": 0.4, "B": -0.2, "C": 0.3},
        {"A": 200, "B": -100, "C": 300},
        [(0, "clipped_max_sector", "x", 0.6, 0.3, 0.5)],
        max_sector=0.3,
        sectors={"A": "x", "B": "x", "C": "y"},
    ),
    layer(
        "symbols without a sector form one",
        {"A": 0.3, "B": -0.2, "C": 0.4},
        {"A": 300, "B": -100, "C": 200},
        [(0, "clipped_max_sector", "", 0.6, 0.3, 0.5)],
        max_sector=0.3,
        sectors={"A": "x"},
    ),
    layer(
        "gross: 1.0 + 0.6 becomes 0.8",
        {"A": 1, "B": -0.6},
        {"A": 500, "B": -300},
        [(0, "clipped_max_gross", None, 1.6, 0.8, 0.5)],
        max_gross=0.8,
    ),
    layer(
        "net: longs of 0.6 against shorts of 0.3 may be 0.4",
        {"A": 0.3, "B": -0.3, "C": 0.3},
        {"A": 200, "B": -300, "C": 200},
        [(0, "clipped_max_net", None, 0.3, 0.1, 2 / 3)],
        max_net=0.1,
    ),
    layer(
        "net, the other way round",
        {"A": -0.8, "B": 0.3},
        {"A": -400, "B": 300},
        [(0, "clipped_max_net", None, -0.5, -0.1, 0.5)],
        max_net=0.1,
    ),
    layer(
        "turnover: 1.0 becomes 0.4",
        {"A": 0.5, "B": -0.5},
        {"A": 200, "B": -200},
        [(0, "clipped_max_turnover", None, 1.0, 0.4, 0.4)],
        max_turnover=0.4,
    ),
    layer(
        "in order: cap per name, then gross, then net, then turnover",
        {"A": 2, "B": 0.6, "C": -0.4},
        # Name: 1, 0.6, -0.4. Gross 2 to 1: 0.5, 0.3, -0.2. Net 0.6 to 0.2: longs 0.8 to 0.4: 0.25, 0.15, -0.2.
        # Turnover 0.6 to 0.3: a half.
        {"A": 125, "B": 75, "C": -100},
        [
            (0, "clipped_max_weight", "A", 2, 1, 0),
            (0, "clipped_max_gross", None, 2, 1, 0.5),
            (0, "clipped_max_net", None, 0.6, 0.2, 0.5),
            (0, "clipped_max_turnover", None, 0.6, 0.3, 0.5),
        ],
        max_weight=1.0,
        max_gross=1.0,
        max_net=0.2,
        max_turnover=0.3,
    ),
    Golden(
        "a mapping under a gross cap: what it does not name keeps its weight, what it names takes the rest",
        {"A": [10] * 4, "B": [10] * 4},
        {0: {"A": 0.8}, 1: named(B=0.4), 2: named(B=0.1)},
        settings={"max_gross": 1.0},
        fills=[(1, "A", 800, 10), (2, "B", 200, 10), (3, "B", -100, 10)],  # (1 - 0.8) / 0.4 = a half
        equity=[10_000] * 4,
        events=[(1, "clipped_max_gross", None, 1.2, 1.0, 0.5)],
    ),
    Golden(
        "members and tradable symbols only, at the session of the decision",
        {"A": FLAT, "B": [(10, 10, None), 10, 10], "C": [10, 10, 10]},
        {0: {"A": 0.1, "B": 0.1, "C": -0.1}, 1: {"A": 0.1, "B": 0.1, "C": -0.1}},
        members={"A": [False, True, True], "B": [True] * 3, "C": [True, False, False]},
        fills=[(1, "C", -100, 10), (2, "A", 100, 10), (2, "B", 100, 10), (2, "C", 100, 10)],
        equity=[10_000] * 3,
        events=[
            (0, "refused_not_member", "A", 0.1, 0, 0),
            (0, "refused_not_tradable", "B", 0.1, 0, 0),
            (1, "refused_not_member", "C", -0.1, 0, 0),
        ],
    ),
    Golden(
        "volatility target, unknown before twenty sessions",
        {"A": [*[10] * 19, 11, 11, 11]},
        {0: {"A": 0.1}, 1: {"A": 0}, 19: HALF},
        settings={"target_volatility": 0.1},
        # At 19: 19 returns of 0 and one of 0.1, mean 0.005: (19 * 0.005 ** 2 + 0.095 ** 2) / 19 = 0.0005. A weight w
        # has volatility w * sqrt(0.0005 * 252): 0.1 / sqrt(0.126) = 0.2817, times 10000 / 11 = 256.1 shares.
        fills=[(1, "A", 100, 10), (2, "A", -100, 10), (20, "A", 256, 11)],
        equity=[10_000] * 22,
        events=[
            (0, "unknown_volatility", None, 1, 20, 0),
            (1, "unknown_volatility", None, 2, 20, 0),
            (19, "clipped_target_volatility", None, 0.5 * sqrt(0.126), 0.1, 0.1 / (0.5 * sqrt(0.126))),
        ],
    ),
    Golden(
        "no-trade band: small changes are left, a full exit is not, what rests is replaced",
        {"A": [10, 10, 10, 8, 8], "B": [10, (None, 10), 10, 10, 10]},
        {0: {"A": 0.1, "B": 0.3}, 1: {"A": 0.15, "B": 0.05}, 2: {"A": 0.04, "B": 0}, 3: {"A": 0}},
        settings={"no_trade_band": 0.09},
        # At 1: A by 0.05, B by 0.05: neither, and the 300 of B that rest are replaced. At 2: A by 0.06. At 3 A weighs
        # 800 / 9800 = 0.082 and is sold all the same.
        fills=[(1, "A", 100, 10), (4, "A", -100, 8)],
        equity=[10_000, 10_000, 10_000, 9_800, 9_800],
        events=[
            (1, "waits_no_price", "B", 300, 300, 0),
            (1, "replaced", "B", 300, 0, 0),
            (1, "clipped_no_trade_band", None, 2, 0, 0.1),
            (2, "clipped_no_trade_band", None, 1, 0, 0.06),
        ],
    ),
    Golden(
        "turnover counts from the weights of now",
        {"A": [10, 10, 20, 20], "B": [10] * 4},
        {0: {"A": 0.4}, 2: {"A": 0, "B": 0.5}},
        settings={"max_turnover": 0.5},
        # At 2: 400 * 20 of 14000 is 4/7. D = 4/7 + 1/2 = 15/14, factor 7/15. A: 4/7 * 8/15 = 32/105, times 14000 / 20 =
        # 213.3: 213 - 400. B: 1/2 * 7/15 * 14000 / 10 = 326.7.
        fills=[(1, "A", 400, 10), (3, "A", 213 - 400, 20), (3, "B", 326, 10)],
        equity=[10_000, 10_000, 14_000, 14_000],
        events=[(2, "clipped_max_turnover", None, 15 / 14, 0.5, 7 / 15)],
    ),
]
