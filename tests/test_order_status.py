"""Which of several orders alike an event is of: events name no order, so what became of each is worked out."""

from __future__ import annotations

import numpy as np
import pytest
from drive import run_package, run_reference
from plain import Settings
from random_markets import Shape, Tables, make_case
from small import DATES, Does

import backtester as bt
from backtester.engine import types as et
from backtester.result import replay

TARGET, ORDER, HALT = et.FROM_TARGET, et.FROM_ORDER, et.FROM_HALT


def told(answers, volume):
    """The events of a cut, and shares and status of every order, of a run in which 50 shares are held from session 1.

    They are half of the equity, until in session 3 the price doubles and a guard trips.
    """
    close = np.array([10.0] * 3 + [20.0] * 5)[:, None]
    market = bt.Panel.from_arrays(
        DATES, ["AA"], open=close, high=None, low=None, close=close, volume=np.array(volume, float)[:, None]
    )
    result = bt.run(
        market,
        Does(lambda view: answers.get(view.t)),
        cash=1000.0,
        costs=None,
        risk=bt.RiskLimits(guard_net=0.6, max_daily_loss=None),
    )
    events = result.events
    cut = events[events["event"] == "cut_reducing"][["before", "after"]].values.tolist()
    return cut, result.orders[["shares", "origin", "filled", "status"]].values.tolist()


def test_a_cut_is_that_of_the_last_of_two_orders_alike() -> None:
    """Two orders would close the position; in session 3 the target's is kept, and replaced in the evening."""
    answers = {0: {"AA": 0.5}, 1: {"AA": 0.0}, 2: bt.Order("AA", -50), 3: {"AA": 0.0}}
    cut, orders = told(answers, [9e5, 9e5, 0, 0, 9e5, 9e5, 9e5, 9e5])
    assert cut == [[-50.0, 0.0]]
    assert orders == [
        [50.0, "target", 50.0, "filled"],
        [-50.0, "target", 0.0, "replaced"],
        [-50.0, "order", 0.0, "cancelled"],
        [-50.0, "target", -50.0, "filled"],
    ]


def test_cuts_are_those_of_the_last_orders_in_their_sequence() -> None:
    """Of four orders of 20 two are kept, the third is cut to the 10 shares left to sell and the fourth to nothing."""
    answers = {0: {"AA": 0.5}, 1: {"AA": 0.3}, 2: [bt.Order("AA", -20)] * 3, 3: {"AA": 0.0}}
    cut, orders = told(answers, [9e5, 9e5, 0, 0, 9e5, 9e5, 9e5, 9e5])
    assert cut == [[-20.0, -10.0], [-20.0, 0.0]]
    assert [status for *_, status in orders] == ["filled", *["replaced"] * 3, "cancelled", "filled"]

    del answers[3]  # none is replaced, and what is left of the first three fills
    _, orders = told(answers, [9e5, 9e5, 0, 0, 9e5, 9e5, 9e5, 9e5])
    assert [row[2:] for row in orders[1:]] == [[-20, "filled"], [-20, "filled"], [-10, "filled"], [0, "cancelled"]]


def test_an_order_of_the_evening_of_a_cut_was_not_cut() -> None:
    answers = {0: {"AA": 0.5}, 2: bt.Order("AA", 20), 3: bt.Order("AA", -20), 5: {"AA": 0.0}}
    cut, orders = told(answers, [9e5, 9e5, 9e5, 0, 0, 0, 9e5, 9e5])
    assert cut == [[20.0, 0.0]]
    assert [status for *_, status in orders] == ["filled", "cancelled", "replaced", "filled"]


@pytest.mark.parametrize(
    ("orders", "events", "fills", "statuses"),
    [
        # Sized as it filled in session 3, the target's id is the second, but its slot is the first: it is kept.
        (
            [(2, ORDER, -8), (3, TARGET, -10)],
            [(3, et.E_CUT_REDUCING, -8, 0), (4, et.E_REPLACED, -8, 0)],
            [(1, 3, -2)],
            ["cancelled", "replaced"],
        ),
        # It is alive when the breakers trip in the session in which it was sized; what was decided after that is not.
        (
            [(3, TARGET, -10), (3, ORDER, -8)],
            [(3, et.E_CUT_REDUCING, -8, 0), (5, et.E_REPLACED, -8, 0)],
            [(0, 3, -2)],
            ["cancelled", "replaced"],
        ),
        # What has been cancelled before cannot be cut.
        (
            [(1, ORDER, -8), (2, ORDER, -8), (2, ORDER, -5)],
            [(2, et.E_CANCELLED, -8, 0), (3, et.E_CUT_REDUCING, -8, 0), (4, et.E_REPLACED, -5, 0)],
            [],
            ["cancelled", "cancelled", "replaced"],
        ),
        # Nor can an order that was replaced in the session before, by one alike.
        (
            [(1, TARGET, -8), (2, TARGET, -8), (3, TARGET, -8)],
            [(2, et.E_REPLACED, -8, -8), (3, et.E_CUT_REDUCING, -8, 0), (4, et.E_REPLACED, -8, 0)],
            [],
            ["replaced", "cancelled", "replaced"],
        ),
        # Cut as it fills: the first fills whole, the second is the one that fills with what is left, the third not.
        (
            [(1, ORDER, -8), (1, ORDER, -8), (1, ORDER, -8)],
            [(2, et.E_REFUSED_REDUCING, -8, -3), (2, et.E_REFUSED_REDUCING, -8, 0)],
            [(0, 2, -8), (1, 2, -3)],
            ["filled", "filled", "cancelled"],
        ),
        # One that would not fill was not cut for all that is told: its shares are all there when it is replaced.
        (
            [(1, ORDER, -8)],
            [(2, et.E_REFUSED_REDUCING, -8, -3), (3, et.E_REPLACED, -8, 0)],
            [],
            ["replaced"],
        ),
        # An order cut to rounding rests on.
        (
            [(1, ORDER, -8)],
            [(2, et.E_CUT_REDUCING, -8, -1e-15), (3, et.E_REPLACED, -1e-15, 0)],
            [],
            ["replaced"],
        ),
        # A halt cancels, the strategy re-arms at once, and its target replaces the order of the halt.
        (
            [(1, ORDER, -8), (2, HALT, -8)],
            [(2, et.E_CANCELLED, -8, 0), (2, et.E_REPLACED, -8, 3)],
            [],
            ["cancelled", "replaced"],
        ),
        # A split of 3 makes the first of what the second was, and neither is split twice.
        (
            [(1, TARGET, -8), (1, ORDER, -24), (2, ORDER, -24)],
            [
                (2, et.E_ORDER_SPLIT, -8, -24),
                (2, et.E_ORDER_SPLIT, -24, -72),
                (3, et.E_CUT_REDUCING, -72, -50),
                (3, et.E_CUT_REDUCING, -24, 0),
                (4, et.E_REPLACED, -50, 0),
                (4, et.E_REPLACED, -24, 0),
            ],
            [],
            ["replaced", "replaced", "cancelled"],
        ),
    ],
)
def test_what_became_of_orders_on_a_tape(orders, events, fills, statuses) -> None:
    """Orders are (session, origin, shares), events (session, code, before, after), fills (order, session, shares)."""
    tape = et.Tape(
        ledger=np.zeros((7, et.LEDGER)),
        fill_i=np.array([(t, 0, order, 0, et.AT_OPEN) for order, t, _ in fills], np.int32).reshape(-1, et.FILL_INTS),
        fill_f=np.array([(shares, 10, 0, 0) for *_, shares in fills], float).reshape(-1, et.FILL_FLOATS),
        event_i=np.array([(t, code, 0) for t, code, *_ in events], np.int32),
        event_f=np.array([(before, after, 0) for *_, before, after in events], float),
        order_i=np.array([(t, 0, et.AT_OPEN, origin) for t, origin, _ in orders], np.int32),
        order_f=np.array([shares for *_, shares in orders], float),
    )
    _, outcome = replay.order_outcomes(tape, np.zeros(0, np.int64))
    assert [replay.STATUSES[one] for one in outcome] == statuses


def test_the_case_that_found_it_agrees() -> None:
    """Of 20,000 random markets this one told a target and an explicit order of one share apart wrongly."""
    settings = Settings(
        cash=1000.0, commission_bps=0.0, slippage_bps=0.0, borrow_rate=0.0, volume_cap=0.01, cap_on="session",
        target_volatility=0.02, max_daily_loss=None, max_unscored=0.3, period=1,
    )  # fmt: skip
    shape = Shape(
        sessions=39, symbols=8, extreme_prices=False, missing=0.0, acting=0.0, ending=0.3, members=False, sectors=True,
        scores=True, unscored=0.1,
    )  # fmt: skip
    styles = ["named", "orders", "ranked", "full"]
    case = make_case(np.random.default_rng(8), shape, settings, Tables(True, True, 0.8), styles, 0.5, ())
    ours, theirs = (run(case.market, case.settings, case.scripts).orders for run in (run_package, run_reference))
    assert sorted(ours) == sorted(theirs)
    assert (24, "D9", "target", 1.0, 0.0, "replaced") in ours
    assert (26, "D9", "order", 1.0, 0.0, "cancelled") in ours
