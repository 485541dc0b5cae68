"""Goldens of the breakers: what trips, what follows, what ends it. How to read them: ``golden.py``.

Where each limit lies exactly is in ``test_breakers.py``; flattening under the volume cap in ``goldens_limits.py``.
"""

from __future__ import annotations

from math import inf, nan

from golden import ACTIVE, HALF, HALTED, REARM, REDUCING, Golden, cancel, named, order

HALTS = [
    Golden(
        "a gap at the open is seen at the close: what was ordered before still fills at that open",
        {"A": [10, 10, 8, 8]},
        {0: HALF, 1: {"A": 0.6}},
        settings={"max_daily_loss": 0.05},
        # 600 - 500 at the open of 2. 10000 - 500 * 2 = 9000 <= 9500.
        fills=[(1, "A", 500, 10), (2, "A", 100, 8), (3, "A", -600, 8)],
        equity=[10_000, 10_000, 9_000, 9_000],
        events=[(2, "halt_daily_loss", None, 10_000, 9_000, 0.05)],
    ),
    Golden(
        "a falling close halts, and the next open is the first to sell at, whatever it is",
        {"A": [10, 10, (10.5, 8.9), (12, 12), 12]},
        {0: HALF},
        settings={"max_daily_loss": 0.05},
        fills=[(1, "A", 500, 10), (3, "A", -500, 12)],
        equity=[10_000, 10_000, 9_450, 11_000, 11_000],
        events=[(2, "halt_daily_loss", None, 10_000, 9_450, 0.05)],
        ledger={(2, "status"): HALTED, (4, "status"): HALTED},
    ),
    Golden(
        "after the cooldown the breakers are tested at once, and halt again what is still falling",
        {"A": [10, 10, 8.9, (None, 7.9), 8, 9, 9]},
        {0: HALF, 4: HALF},
        settings={"max_daily_loss": 0.05, "cooldown": 1},
        # 3: 5000 + 500 * 7.9 = 8950 <= 0.95 * 9450 = 8977.5. Sold at 8: 9000. 0.5 * 9000 / 8 = 562.5.
        fills=[(1, "A", 500, 10), (4, "A", -500, 8), (5, "A", 562, 9)],
        equity=[10_000, 10_000, 9_450, 8_950, 9_000, 9_000, 9_000],
        events=[
            (2, "halt_daily_loss", None, 10_000, 9_450, 0.05),
            (3, "waits_no_price", "A", -500, -500, 0),
            (3, "rearmed", None, 10_000, 8_950, 1),
            (3, "halt_daily_loss", None, 9_450, 8_950, 0.05),
            (3, "cancelled", "A", -500, 0, 0),
            (4, "rearmed", None, 8_950, 9_000, 1),
        ],
        ledger={(2, "status"): HALTED, (3, "status"): HALTED, (4, "status"): ACTIVE},
    ),
    Golden(
        "flattening under the volume cap: the book halts again while it goes on",
        {"A": [10, (10, 10, 3000), 8, (8, 5), 5, 5]},
        {0: {"A": 0.3}},
        settings={"max_daily_loss": 0.05, "cooldown": 1, "volume_cap": 0.1, "cap_on": "session"},
        # 100 a session from 3 on. 2: 10000 - 300 * 2 = 9400 <= 9500. 3: 9400 - 200 * 3 = 8800 <= 0.95 * 9400 = 8930.
        fills=[(1, "A", 300, 10), (3, "A", -100, 8), (4, "A", -100, 5), (5, "A", -100, 5)],
        equity=[10_000, 10_000, 9_400, 8_800, 8_800, 8_800],
        events=[
            (2, "halt_daily_loss", None, 10_000, 9_400, 0.05),
            (3, "waits_volume_cap", "A", -300, -200, 0),
            (3, "rearmed", None, 10_000, 8_800, 1),
            (3, "halt_daily_loss", None, 9_400, 8_800, 0.05),
            (3, "cancelled", "A", -200, 0, 0),
            (4, "waits_volume_cap", "A", -200, -100, 0),
            (4, "rearmed", None, 8_800, 8_800, 1),
        ],
    ),
    Golden(
        "a loss over a period counts from the initial cash in a young account",
        {"A": [10, 10, 9.6, 8.9, 8.9]},
        {0: {"A": 1}},
        settings={"max_period_loss": 0.1, "period": 5},
        fills=[(1, "A", 1000, 10), (4, "A", -1000, 8.9)],
        equity=[10_000, 10_000, 9_600, 8_900, 8_900],
        events=[(3, "halt_period_loss", None, 10_000, 8_900, 0.1)],
    ),
    Golden(
        "what an account without equity loses over a period is not measured",
        {"A": [10, 10, 6, 6, 5]},
        {0: {"A": 3}},
        settings={"max_period_loss": 0.5, "cooldown": 1},
        # 2: 10000 - 3000 * 4 = -2000 <= 0.5 * 10000. 3 and 4: compared with -2000, -2000 would be a loss.
        fills=[(1, "A", 3000, 10), (3, "A", -3000, 6)],
        equity=[10_000, 10_000, -2_000, -2_000, -2_000],
        events=[(2, "halt_period_loss", None, 10_000, -2_000, 0.5), (3, "rearmed", None, 10_000, -2_000, 1)],
    ),
    Golden(
        "a book without equity that is re-armed has no peak to fall from",
        {"A": [10, 10, 6, 6, 5]},
        {0: {"A": 3}},
        settings={"max_drawdown": 0.5, "cooldown": 1},
        # 2: 10000 - 3000 * 4 = -2000 <= 0.5 * 10000. 3 and 4: the peak is -2000, and -2000 <= 0.5 * -2000.
        fills=[(1, "A", 3000, 10), (3, "A", -3000, 6)],
        equity=[10_000, 10_000, -2_000, -2_000, -2_000],
        events=[(2, "halt_drawdown", None, 10_000, -2_000, 0.5), (3, "rearmed", None, 10_000, -2_000, 1)],
        ledger={(2, "status"): HALTED, (3, "status"): ACTIVE, (4, "status"): ACTIVE},
    ),
    Golden(
        "the window of the loss over a period moves on",
        {"A": [10, 10, 9.7, 9.4, 9.1, 8.8, 8.4, 8.4]},
        {0: {"A": 1}},
        settings={"max_period_loss": 0.07, "period": 2},
        # 0.93 of two sessions before: 9300, 9300, 9021, 8742, and at 6 0.93 * 9100 = 8463.
        fills=[(1, "A", 1000, 10), (7, "A", -1000, 8.4)],
        equity=[10_000, 10_000, 9_700, 9_400, 9_100, 8_800, 8_400, 8_400],
        events=[(6, "halt_period_loss", None, 9_100, 8_400, 0.07)],
    ),
    Golden(
        "the window of the loss over a period starts anew with a re-arming",
        {"A": [10, 10, 9.6, 9.2, 8.9, 8.5, 8, 8]},
        {0: {"A": 1}, 4: {"A": 1}},
        on_halt={4: [REARM]},
        settings={"max_period_loss": 0.1, "period": 3},
        # 4: 8900 <= 0.9 * 10000, re-armed at once, and a target of what is held replaces the flattening. From then on
        # 8900 counts: 8500 at 5 is above 8010 (0.9 * 9600 would be 8640), 8000 at 6 is not.
        fills=[(1, "A", 1000, 10), (7, "A", -1000, 8)],
        equity=[10_000, 10_000, 9_600, 9_200, 8_900, 8_500, 8_000, 8_000],
        events=[
            (4, "halt_period_loss", None, 10_000, 8_900, 0.1),
            (4, "rearmed", None, 10_000, 8_900, 0),
            (4, "replaced", "A", -1000, 0, 0),
            (6, "halt_period_loss", None, 8_900, 8_000, 0.1),
        ],
    ),
]

GROSS = {"guard_gross": 0.6}
# 500 of A at 10 are 0.5 of 10000; at 16 they are 8000 of 13000: 0.615.
RISES = [10, 10, 16, 16, 16, 16]
TRIPPED = (2, "guard_gross", None, 8 / 13, 13_000, 0.6)

REDUCINGS = [
    Golden(
        "REDUCING: targets are cut to what shrinks, and positions stay as they are",
        {"A": RISES, "B": [10] * 6},
        {0: HALF, 2: {"A": 0.7, "B": 0.1}, 3: {"A": -0.1}, 4: {"A": 0.1}},
        settings=GROSS,
        # 0.7 * 13000 / 16 = 568.75, 0.1 * 13000 / 16 = 81.25 and 0.1 * 13000 / 10 = 130.
        fills=[(1, "A", 500, 10), (4, "A", -500, 16)],
        equity=[10_000, 10_000, *[13_000] * 4],
        events=[
            TRIPPED,
            (2, "refused_reducing", "A", 568 - 500, 0, 0),
            (2, "refused_reducing", "B", 130, 0, 0),
            (3, "refused_reducing", "A", -81 - 500, -500, 0),
            (4, "refused_reducing", "A", 81, 0, 0),
        ],
        ledger={(1, "status"): ACTIVE, (2, "status"): REDUCING, (5, "status"): REDUCING},
    ),
    Golden(
        "REDUCING cuts what rests, slot by slot, to what shrinks",
        {
            "A": [10, 10, (None, 10), (None, 16), 16],
            "B": [10, 10, 10, (None, 10), 10],
            "C": [10, 10, 10, (None, 10), 10],
        },
        {
            0: {"A": 0.5, "B": -0.1},
            1: named(A=0.3),
            2: [order("A", -400), order("A", 50), order("A", -10), order("B", 150), order("C", 10)],
        },
        settings=GROSS,
        # At 1 gross is 0.6, which is no more than 0.6; at 3 it is (8000 + 1000) / 13000. 500 of A less the target's 200
        # leave 300 for the next order, and nothing for those after it.
        fills=[(1, "A", 500, 10), (1, "B", -100, 10), (4, "A", -200, 16), (4, "A", -300, 16), (4, "B", 100, 10)],
        equity=[10_000, 10_000, 10_000, 13_000, 13_000],
        events=[
            (2, "waits_no_price", "A", -200, -200, 0),
            (3, "waits_no_price", "A", -200, -200, 0),
            (3, "waits_no_price", "A", -400, -400, 0),
            (3, "waits_no_price", "A", 50, 50, 0),
            (3, "waits_no_price", "A", -10, -10, 0),
            (3, "waits_no_price", "B", 150, 150, 0),
            (3, "waits_no_price", "C", 10, 10, 0),
            (3, "guard_gross", None, 9 / 13, 13_000, 0.6),
            (3, "cut_reducing", "A", -400, -300, 0),
            (3, "cut_reducing", "A", 50, 0, 0),
            (3, "cut_reducing", "A", -10, 0, 0),
            (3, "cut_reducing", "B", 150, 100, 0),
            (3, "cut_reducing", "C", 10, 0, 0),
        ],
    ),
    Golden(
        "REDUCING: an explicit order passes whole if it shrinks what all that rests leaves, or not at all",
        {"A": [10, 10, 16, (None, 16), 16], "B": [10] * 5, "C": [10] * 5},
        {
            0: {"A": 0.5, "C": -0.05},
            2: [
                *(order("A", -300), order("A", -300), order("A", 10), order("A", -200)),
                *(order("B", 10), order("B", -10), order("C", 60), order("C", 50)),
            ],
            3: [cancel("A"), order("A", -400)],
        },
        settings=GROSS,
        fills=[(1, "A", 500, 10), (1, "C", -50, 10), (3, "C", 50, 10), (4, "A", -400, 16)],
        equity=[10_000, 10_000, 13_000, 13_000, 13_000],
        events=[
            (2, "guard_gross", None, 8_500 / 13_000, 13_000, 0.6),
            (2, "refused_reducing", "A", -300, 0, 0),
            (2, "refused_reducing", "A", 10, 0, 0),
            (2, "refused_reducing", "B", 10, 0, 0),
            (2, "refused_reducing", "B", -10, 0, 0),
            (2, "refused_reducing", "C", 60, 0, 0),
            (3, "waits_no_price", "A", -300, -300, 0),
            (3, "waits_no_price", "A", -200, -200, 0),
            (3, "cancelled", "A", -300, 0, 0),
            (3, "cancelled", "A", -200, 0, 0),
        ],
    ),
    Golden(
        "REDUCING: an order that is sized at its fill is cut there, and counted so before",
        {"A": [10, 10, (None, 16), 16], "B": [10, 10, (None, 10), 10]},
        {0: HALF, 1: {"A": -0.1, "B": 0.5}, 2: [order("B", -50)]},
        settings={"size_at": "fill", **GROSS},
        # At the open of 3: 1300 / 16 = 81.25 of A, 6500 / 10 of B. Those of B will be cut to nothing, and leave the
        # order nothing to make smaller.
        fills=[(1, "A", 500, 10), (3, "A", -500, 16)],
        equity=[10_000, 10_000, 13_000, 13_000],
        events=[
            (2, "waits_no_price", "A", nan, nan, 0),
            (2, "waits_no_price", "B", nan, nan, 0),
            TRIPPED,
            (2, "refused_reducing", "B", -50, 0, 0),
            (3, "refused_reducing", "A", -81 - 500, -500, 0),
            (3, "refused_reducing", "B", 650, 0, 0),
        ],
    ),
    Golden(
        "REDUCING: an order that another one has left too large is cut at its fill",
        {"A": [10, 10, (None, 10), (None, 16), 16]},
        {0: HALF, 1: {"A": 0}, 2: [order("A", -400)]},
        settings={"size_at": "fill", **GROSS},
        # What the target will sell is not known at 3, where 400 are no more than the 500 held.
        fills=[(1, "A", 500, 10), (4, "A", -500, 16)],
        equity=[10_000, 10_000, 10_000, 13_000, 13_000],
        events=[
            (2, "waits_no_price", "A", nan, nan, 0),
            (3, "waits_no_price", "A", nan, nan, 0),
            (3, "waits_no_price", "A", -400, -400, 0),
            (3, "guard_gross", None, 8 / 13, 13_000, 0.6),
            (4, "refused_reducing", "A", -400, 0, 0),
        ],
    ),
    Golden(
        "from REDUCING to HALTED, on_halt told of both; the cooldown counts from the second",
        {"A": [10, 10, 16, (16, 9), 9, 9, 9]},
        {0: HALF},
        on_halt={2: [order("A", -100)], 3: [order("A", -5)]},
        settings={"max_daily_loss": 0.2, "cooldown": 2, **GROSS},
        # 3: 5000 + 100 * 16 + 400 * 9 = 10200 <= 0.8 * 13000.
        fills=[(1, "A", 500, 10), (3, "A", -100, 16), (4, "A", -400, 9)],
        equity=[10_000, 10_000, 13_000, *[10_200] * 4],
        events=[
            TRIPPED,
            (3, "halt_daily_loss", None, 13_000, 10_200, 0.2),
            (3, "refused_halted", None, 1, 0, 0),
            (5, "rearmed", None, 13_000, 10_200, 2),
        ],
        ledger={(2, "status"): REDUCING, (3, "status"): HALTED, (4, "status"): HALTED, (5, "status"): ACTIVE},
    ),
    Golden(
        "the cooldown ends REDUCING; a guard that is still met trips again at once",
        {"A": [10, 10, 16, 16, 12, 12]},
        {0: HALF, 3: named(A=0.7), 4: named(A=0.56)},
        settings={"cooldown": 1, **GROSS},
        # 4: 6000 / 11000 = 0.545. 0.56 * 11000 / 12 = 513.3.
        fills=[(1, "A", 500, 10), (5, "A", 13, 12)],
        equity=[10_000, 10_000, 13_000, 13_000, 11_000, 11_000],
        events=[
            TRIPPED,
            (3, "rearmed", None, 13_000, 13_000, 1),
            (3, "guard_gross", None, 8 / 13, 13_000, 0.6),
            (3, "refused_reducing", "A", 568 - 500, 0, 0),
            (4, "rearmed", None, 13_000, 11_000, 1),
        ],
        ledger={(3, "status"): REDUCING, (4, "status"): ACTIVE},
    ),
    Golden(
        "a strategy ends REDUCING, in the session of the trip too",
        {"A": RISES[:5]},
        {0: HALF, 2: {"A": 0.7}},
        on_halt={2: [REARM]},
        settings=GROSS,
        fills=[(1, "A", 500, 10), (3, "A", 568 - 500, 16)],
        equity=[10_000, 10_000, 13_000, 13_000, 13_000],
        events=[
            TRIPPED,
            (2, "rearmed", None, 13_000, 13_000, 0),
            (3, "guard_gross", None, 568 * 16 / 13_000, 13_000, 0.6),
        ],
        ledger={(2, "status"): REDUCING, (3, "status"): REDUCING},
    ),
    Golden(
        "a flattening order goes on when the book becomes REDUCING",
        {"A": [10, 10, 8.9, (None, 8.9), 9], "B": [10, 10, 10, None, 10]},
        {0: HALF},
        settings={"max_daily_loss": 0.05, "cooldown": 1, "min_fresh": 0.6},
        fills=[(1, "A", 500, 10), (4, "A", -500, 9)],
        equity=[10_000, 10_000, 9_450, 9_450, 9_500],
        events=[
            (2, "halt_daily_loss", None, 10_000, 9_450, 0.05),
            (3, "waits_no_price", "A", -500, -500, 0),
            (3, "rearmed", None, 10_000, 9_450, 1),
            (3, "guard_stale_data", None, 1 / 2, 9_450, 0.6),
            (4, "rearmed", None, 9_450, 9_500, 1),
        ],
        ledger={(2, "status"): HALTED, (3, "status"): REDUCING, (4, "status"): ACTIVE},
    ),
]

GUARDS = [
    Golden(
        "a guard may halt the book",
        {"A": RISES[:5]},
        {0: HALF, 2: {"A": 0.1}},
        settings={"guard_action": "halt", **GROSS},
        fills=[(1, "A", 500, 10), (3, "A", -500, 16)],
        equity=[10_000, 10_000, 13_000, 13_000, 13_000],
        events=[TRIPPED, (2, "refused_halted", None, 1, 0, 0)],
        ledger={(2, "status"): HALTED},
    ),
    Golden(
        "a wiped-out account has no finite gross; it may be closed",
        {"A": [10, 10, 6, 6]},
        {0: {"A": 3}, 2: {"A": 0}},
        settings={"guard_gross": 5},
        fills=[(1, "A", 3000, 10), (3, "A", -3000, 6)],
        equity=[10_000, 10_000, -2_000, -2_000],
        events=[(2, "guard_gross", None, inf, -2_000, 5)],
    ),
    Golden(
        "net: what is long less what is short, of equity",
        {"A": [10, 10, 16], "B": [10] * 3},
        {0: {"A": 0.5, "B": -0.3}},
        settings={"guard_net": 0.3},
        fills=[(1, "A", 500, 10), (1, "B", -300, 10)],
        equity=[10_000, 10_000, 13_000],
        events=[(2, "guard_net", None, 5 / 13, 13_000, 0.3)],
    ),
    Golden(
        "stale data: fresh closes among the listed members that go on",
        {
            "A": [10, 10, 10, None],
            "B": [10, 10, None, None],
            "C": [None, None, None, None],  # not listed yet
            "D": [10, None, None, None],  # no member
            "E": [10, 10, None, None],  # ended
        },
        {},
        members={symbol: [symbol != "D"] * 4 for symbol in "ABCDE"},
        ends={"E": (1, 0)},
        settings={"min_fresh": 0.5},
        fills=[],
        equity=[10_000] * 4,
        events=[(3, "guard_stale_data", None, 0, 10_000, 0.5)],  # 2 / 2, 3 / 3, 1 / 2 and 0 / 2
    ),
    Golden(
        "unscored: among the eligible, in sessions of a decision, from the first score on",
        {"A": [10] * 5, "B": [*[10] * 4, (10, 10, 0)], "C": [10] * 5, "D": [10] * 5},
        {},
        # Decisions are due at 0, 2 and 4; the first score is of 1. 2: one of four. 4: B is not tradable, one of three.
        scores={
            "A": [None, 1, None, None, None],
            "B": [None, 2, 2, None, None],
            "C": [None, 3, 3, None, 3],
            "D": [None, 4, 4, None, 4],
        },
        settings={"max_unscored": 0.3, "every": 2},
        fills=[],
        equity=[10_000] * 5,
        events=[(4, "guard_unscored", None, 1 / 3, 10_000, 0.3)],
    ),
    Golden(
        "equal scores: of at least two eligible symbols",
        dict.fromkeys("ABCD", [10] * 3),
        {},
        scores={"A": [1, 1, 1], "B": [None, 2, 1], "C": [None] * 3, "D": [5, 5, 5]},
        members={"A": [True] * 3, "B": [True] * 3, "C": [True] * 3, "D": [False] * 3},
        settings={"guard_equal_scores": True},
        fills=[],
        equity=[10_000] * 3,
        events=[(2, "guard_equal_scores", None, 2, 10_000, 0)],
    ),
]
