"""What the guards of the signal look at, what ``on_halt`` hears of a guard, and what becomes of orders it cuts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from small import DATES, Does, panel, run

import backtester as bt
from backtester.engine import types as et
from backtester.inputs import fill_quality, signal_quality
from backtester.result import replay

NAN = math.nan
BOTH = et.TRADABLE | et.MEMBER


def test_the_quality_of_scores_by_hand() -> None:
    scores = np.array(
        [
            [NAN, NAN, NAN, NAN],  # before the first score
            [NAN, NAN, NAN, 1.0],  # the first, though nobody may hold it
            [1.0, NAN, 2.0, NAN],
            [1.0, 1.0, 1.0, 5.0],
            [1.0, math.inf, -math.inf, NAN],  # not finite is no score
            [NAN, NAN, NAN, NAN],
            [0.0, -0.0, 0.0, 0.0],
        ]
    )
    eligible = np.array([[BOTH, BOTH, BOTH, et.MEMBER]] * 6 + [[0, et.TRADABLE, et.MEMBER, 0]], np.uint8)
    expected = [[NAN, NAN], [1, 0], [1 / 3, 0], [0, 3], [2 / 3, 1], [1, 0], [NAN, NAN]]
    np.testing.assert_array_equal(signal_quality(scores, eligible, range(7)), expected)
    every_second = signal_quality(scores, eligible, range(1, 7, 2))
    np.testing.assert_array_equal(every_second[1::2], expected[1::2])
    assert np.isnan(every_second[::2]).all()


@pytest.mark.parametrize("seed", range(5))
def test_row_by_row_is_all_at_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 2, (30, 3)).astype(float)
    scores[rng.random(scores.shape) < 0.4] = NAN
    scores[: rng.integers(6)] = NAN
    eligible = rng.choice(np.array([0, BOTH, BOTH], np.uint8), scores.shape)
    due = range(2, 30, 3)
    before = scores.copy()
    whole = signal_quality(scores, eligible, due)
    np.testing.assert_array_equal(scores, before)
    out = np.full_like(whole, NAN)
    seen = np.full_like(scores, NAN)  # as they arrive
    for t in range(30):
        seen[t] = scores[t]
        fill_quality(out, seen, eligible, range(t, t + 1) if t in due else range(0))
    np.testing.assert_array_equal(out, whole)


def test_where_the_scores_began_is_not_looked_for_again() -> None:
    scores = np.full((6, 2), NAN)
    scores[3:] = 1.0
    eligible = np.full((6, 2), BOTH, np.uint8)
    out = np.full((6, et.SIGNAL), NAN)
    since = [0]
    for t in range(6):
        since.append(fill_quality(out, scores, eligible, range(t, t + 1), since[-1]))
    assert since == [0, 1, 2, 3, 3, 3, 3]
    np.testing.assert_array_equal(out[:, et.S_EQUAL], [NAN, NAN, NAN, 2, 2, 2])
    scores[0] = 1.0  # before `since`, so nobody looks
    assert fill_quality(out, scores, eligible, range(2, 3), 2) == 3
    assert np.isnan(out[2]).all()


class Listens(Does):
    """Keeps what it is told of breakers."""

    def __init__(self, decide):
        super().__init__(decide)
        self.heard = []

    def on_halt(self, halt, view):
        self.heard.append((halt, view.book.status))


def listened(decide, **options):
    strategy = Listens(decide)
    result = bt.run(panel(), strategy, cash=1000.0, costs=None, **options)
    return strategy.heard, result


def test_a_guard_tells_what_it_measured() -> None:
    heard, result = listened(lambda view: {"AA": 1.2, "BB": -0.4}, risk=bt.RiskLimits(guard_gross=1.5))
    today = DATES[1].to_datetime64()  # 120 and -40 shares at 10 in 1000
    assert heard == [(bt.Halt(today, "guard_gross", "reducing", 1.6, 1.5, 1000.0), "reducing")]
    assert result.ledger["status"].tolist() == ["active"] + ["reducing"] * 7
    heard, result = listened(
        lambda view: {"AA": 1.2, "BB": -0.4}, risk=bt.RiskLimits(guard_net=0.5, guard_action="halt", cooldown=3)
    )
    assert heard[0] == (bt.Halt(today, "guard_net", "halted", 0.8, 0.5, 1000.0), "halted")
    # Bought again in session 5, after the decision of 4, at which the cooldown was over.
    assert result.ledger["status"].tolist() == ["active"] + ["halted"] * 3 + ["active"] + ["halted"] * 3


def test_scores_are_watched_only_where_a_decision_is_due() -> None:
    scores = np.tile([1.0, 2.0, 3.0], (8, 1))
    scores[3] = 7.0  # all equal, but nothing is due
    scores[4] = 7.0
    options = {"scores": scores, "risk": bt.RiskLimits(guard_equal_scores=True, max_daily_loss=None)}
    result = bt.run(panel(), Does(lambda view: None, warmup=1, every=2), **options)
    assert result.events[["date", "event", "before"]].values.tolist() == [[DATES[4], "guard_equal_scores", 3.0]]
    unwatched = bt.run(panel(), Does(lambda view: None, warmup=6), **options)
    assert len(unwatched.events) == 0
    without = {"risk": bt.RiskLimits(guard_equal_scores=True, max_unscored=0.0)}  # nothing to look at
    assert len(run(lambda view: None, **without).events) == 0


def test_what_becomes_of_orders_that_are_cut() -> None:
    """100 shares of a symbol may trade in a session: a tenth of its volume."""
    market = bt.Panel.from_arrays(
        DATES, ["AA", "BB", "CC"], open=np.full((8, 3), 10.0), high=None, low=None, close=np.full((8, 3), 10.0),
        volume=np.full((8, 3), 1000.0),
    )  # fmt: skip
    orders = {
        0: [bt.Order("AA", 150), bt.Order("BB", -150)],
        # At 2, after the 50 and -50 that are left, 50 and 50 of these fill. 200, -100 and 60 are held then: net 0.16.
        1: [bt.Order("CC", 60), bt.Order("AA", 200), bt.Order("BB", 300)],
        3: [bt.Order("AA", 10), bt.Order("AA", -250), bt.Order("AA", -150)],
    }
    result = bt.run(
        market,
        Does(lambda view: orders.get(view.t)),
        cash=10_000.0,
        costs=None,
        risk=bt.RiskLimits(guard_net=0.1),
        execution=bt.Execution(volume_cap=0.1),
    )
    cut = result.events[result.events["event"].str.contains("reducing|guard")]
    assert cut[["event", "before", "after"]].values.tolist() == [
        ["guard_net", 0.16, 10_000.0],
        ["cut_reducing", 150.0, 0.0],
        ["cut_reducing", 250.0, 100.0],
        ["refused_reducing", 10.0, 0.0],
        ["refused_reducing", -250.0, 0.0],
    ]
    told = result.orders[["symbol", "shares", "filled", "status"]].values.tolist()
    assert told == [
        ["AA", 150.0, 150.0, "filled"],
        ["BB", -150.0, -150.0, "filled"],
        ["CC", 60.0, 60.0, "filled"],
        ["AA", 200.0, 50.0, "cancelled"],
        ["BB", 300.0, 150.0, "filled"],  # all that was left of it
        ["AA", -150.0, -150.0, "filled"],
    ]


@pytest.mark.parametrize(
    ("events", "fills", "status"),
    [
        ([(et.E_REFUSED_REDUCING, 3, 100.0, 60.0)], [(3, 60.0)], "filled"),  # cut as it filled
        ([(et.E_REFUSED_REDUCING, 3, 100.0, 60.0), (et.E_REPLACED, 3, 20.0, 0.0)], [(3, 40.0)], "replaced"),
        ([(et.E_REFUSED_REDUCING, 3, 100.0, 0.0)], [], "cancelled"),  # cut to nothing as it would have filled
        ([(et.E_CUT_REDUCING, 3, 60.0, 30.0)], [(3, 40.0), (4, 30.0)], "filled"),
        ([(et.E_CUT_REDUCING, 3, 60.0, 0.0)], [(3, 40.0)], "cancelled"),
        # An explicit order of 100 was refused, and a target of 100 became one of 30: neither is this order's.
        (
            [
                (et.E_REFUSED_REDUCING, 3, 100.0, 0.0),
                (et.E_REPLACED, 4, 100.0, 30.0),
                (et.E_REFUSED_REDUCING, 4, 100.0, 30.0),
            ],
            [],
            "replaced",
        ),
    ],
)
def test_the_outcome_of_a_cut_order(events, fills, status) -> None:
    """One order of 100 shares, made after session 2."""
    tape = et.Tape(
        ledger=np.zeros((6, et.LEDGER)),
        fill_i=np.array([(t, 0, 0, 0, 0) for t, _ in fills], np.int32).reshape(-1, et.FILL_INTS),
        fill_f=np.array([(shares, 10, 0, 0) for _, shares in fills], float).reshape(-1, et.FILL_FLOATS),
        event_i=np.array([(t, code, 0) for code, t, _, _ in events], np.int32),
        event_f=np.array([(before, after, 0) for _, _, before, after in events], float),
        order_i=np.array([(2, 0, 0, 0)], np.int32),
        order_f=np.array([100.0]),
    )
    _, outcome = replay.order_outcomes(tape, np.zeros(0, np.int64))
    assert [replay.STATUSES[one] for one in outcome] == [status]
