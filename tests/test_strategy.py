"""The contract that users subclass: when it is asked, what it may return, and what it hears when it is wrong."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import pytest
from small import DATES, Does, panel, run, shares

import backtester as bt
import strategies

# -- when it is asked --------------------------------------------------------------------------------------------------


def test_warmup_and_every():
    asked = []
    bt.run(panel(), Does(lambda view: asked.append(view.t), warmup=3, every=2))
    assert asked == [2, 4, 6]  # bars 0 to 2 are three bars


def test_hooks_in_their_order():
    heard = []

    class Hooked(bt.Strategy):
        def on_start(self, universe):
            heard.append(("start", universe.symbols, universe.sectors))

        def decide(self, view):
            heard.append(("decide", view.t, view.book.status))
            return {"AA": 1.0} if view.t == 0 else None

        def on_fill(self, fills, view):
            heard.append(("fill", view.t, [fill._asdict() for fill in fills]))

        def on_halt(self, halt, view):
            heard.append(("halt", view.t, *halt))

        def on_end(self, view):
            heard.append(("end", view.t, view.book.cash))

    close = np.full((4, 3), 10.0)
    close[2:, 0] = 5.0
    risk = bt.RiskLimits(max_daily_loss=0.4)
    result = bt.run(panel(close, sectors={"AA": "x"}), Hooked(), cash=1000.0, costs=None, risk=risk)
    bought = {"date": DATES[1].to_datetime64(), "symbol": "AA", "shares": 100.0, "price": 10.0}
    free = {"commission": 0.0, "slippage": 0.0}
    sold = bought | free | {"date": DATES[3].to_datetime64(), "shares": -100.0, "price": 5.0, "reason": "halt"}
    assert heard == [
        ("start", ("AA", "BB", "CC"), ("x", "", "")),
        ("decide", 0, "active"),
        ("fill", 1, [bought | free | {"reason": "target"}]),
        ("decide", 1, "active"),
        ("halt", 2, DATES[2].to_datetime64(), "halt_daily_loss", "halted", 0.5, 0.4, 500.0),  # 100 shares at 10, then 5
        ("decide", 2, "halted"),
        ("fill", 3, [sold]),
        ("decide", 3, "halted"),
        ("end", 3, 500.0),
    ]
    assert shares(result) == [0.0, 0.0, 0.0]


def test_fills_are_a_sequence():
    seen = []

    class Listens(bt.Strategy):
        def decide(self, view):
            return np.array([0.5, -0.2, 0.0])

        def on_fill(self, fills, view):
            seen.append(fills)

    bt.run(panel(), Listens(), costs=bt.Costs(slippage_bps=10, commission_bps=2), risk=None, cash=1000.0)
    fills = seen[0]
    assert len(fills) == 2
    assert [fill.symbol for fill in fills] == ["AA", "BB"]
    assert fills[-1].shares == fills.shares[1] == -20.0
    assert [fill.symbol for fill in fills[:1]] == ["AA"]
    assert fills.slippage.tolist() == pytest.approx([50 * 10 * 0.001, 20 * 10 * 0.001])
    assert fills.commission.tolist() == pytest.approx([50 * 10.01 * 0.0002, 20 * 9.99 * 0.0002])


# -- what it may return ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        np.array([0.5, -0.25, 0.0]),
        pd.Series({"BB": -0.25, "AA": 0.5}),
        {"BB": -0.25, "AA": 0.5},
        [bt.Order("AA", 50), bt.Order("BB", -25)],
    ],
    ids=["array", "series", "mapping", "orders"],
)
def test_every_kind_of_answer(target):
    result = run(lambda view: target if view.t == 0 else None)
    assert shares(result) == [50.0, -25.0, 0.0]  # 0.5 * 1000 / 10, -0.25 * 1000 / 10


def test_a_series_names_every_symbol_and_a_mapping_changes_only():
    whole = [pd.Series({"AA": 0.5}), pd.Series({"BB": 0.5})]
    assert shares(run(lambda view: whole[min(view.t, 1)])) == [0.0, 50.0, 0.0]
    assert shares(run(lambda view: dict(whole[min(view.t, 1)]))) == [50.0, 50.0, 0.0]


def test_a_single_order_and_integer_weights():
    assert shares(run(lambda view: bt.Order("CC", 7) if view.t == 0 else None)) == [0.0, 0.0, 7.0]
    assert shares(run(lambda view: np.array([1, 0, 0]))) == [100.0, 0.0, 0.0]


class Both(bt.Strategy):
    """Says one thing when it hears of a fill and another when it decides."""

    def __init__(self, filled, decided):
        self.filled, self.decided = filled, decided

    def decide(self, view):
        return {"CC": 0.1} if view.t == 0 else self.decided if view.t == 1 else None

    def on_fill(self, fills, view):
        return self.filled if view.t == 1 else None


@pytest.mark.parametrize(
    ("filled", "decided", "expected"),
    [
        ({"AA": 0.5, "BB": 0.1}, {"AA": 0.2}, [20, 10, 10]),  # a mapping replaces its own symbols only
        ({"AA": 0.5}, np.array([0.0, 0.3, 0.0]), [0, 30, 0]),  # a full target replaces everything
        (np.array([0.0, 0.3, 0.0]), {"AA": 0.2}, [20, 30, 0]),
        ([bt.Order("AA", 5)], {"AA": 0.2}, [20, 0, 10]),  # a weight replaces orders
        ([bt.Order("AA", 5)], {"BB": 0.2}, [5, 20, 10]),
        ({"AA": 0.2}, [bt.Order("AA", 5)], [5, 0, 10]),  # an order replaces a weight
        (np.array([0.2, 0.3, 0.0]), [bt.Order("AA", 5)], [5, 30, 0]),  # and leaves the others
        ([bt.Order("AA", 5)], [bt.Order("AA", 6)], [11, 0, 10]),  # orders add up
        ([bt.Order("AA", 5)], [bt.Cancel("AA")], [0, 0, 10]),
        ({"AA": 0.2}, [bt.Cancel("AA")], [0, 0, 10]),
    ],
)
def test_answers_are_merged_in_order(filled, decided, expected):
    result = bt.run(panel(), Both(filled, decided), costs=None, risk=None, cash=1000.0)
    assert shares(result) == expected


def test_none_lets_orders_rest_and_cancel_ends_them():
    close = np.full((6, 3), 10.0)
    opens = close.copy()
    opens[1:4, 0] = np.nan

    def on(opens):
        return bt.Panel.from_arrays(
            DATES[:6], ["AA", "BB", "CC"], open=opens, high=None, low=None, close=close, volume=close * 1e5
        )

    waits = run(lambda view: {"AA": 0.5} if view.t == 0 else None, on=on(opens))
    assert waits.fills["date"].tolist() == [DATES[4]]
    assert waits.events["event"].tolist() == ["waits_no_price"] * 3
    gone = run(lambda view: {0: {"AA": 0.5}, 1: [bt.Cancel("AA")]}.get(view.t), on=on(opens))
    assert gone.fills.empty
    assert gone.events["event"].tolist() == ["waits_no_price", "cancelled"]


# -- what it sees ------------------------------------------------------------------------------------------------------


def test_a_view():
    close = np.arange(1.0, 25.0).reshape(8, 3)
    extra = {"pe": close * 2}
    seen = {}

    def look(view):
        if view.t == 2:
            seen.update(
                date=view.date, close=view.close.copy(), extra=view.extra["pe"][-1].tolist(), symbols=view.symbols,
                scores=view.scores.shape, shares=view.book.shares.tolist(), resting=view.book.resting.tolist(),
                cash=view.book.cash, equity=view.book.equity, weights=view.book.weights.tolist(),
                cost=view.book.average_cost.tolist(), history=view.history.shape, index=view.index("BB"),
            )  # fmt: skip
        return [bt.Order("AA", 3), bt.Order("BB", -2, at="close")] if view.t < 2 else None

    run(look, on=panel(close, extra=extra), scores=np.zeros((8, 3)))
    assert seen["date"] == DATES[2].to_datetime64()
    assert seen["close"].tolist() == close[:3].tolist()
    assert seen["extra"] == [14.0, 16.0, 18.0]
    assert (seen["scores"], seen["history"], seen["index"]) == ((3, 3), (3, 3), 1)
    assert seen["shares"] == [6.0, -4.0, 0.0]  # ordered at 0 and 1, filled in 1 and 2
    assert seen["resting"] == [0.0, 0.0, 0.0]
    cash = 1000 - 3 * 4 - 3 * 7 + 2 * 5 + 2 * 8  # AA at its opens 4 and 7, BB at its closes 5 and 8
    equity = cash + 6 * 7 - 4 * 8
    assert (seen["cash"], seen["equity"]) == (cash, equity)
    assert seen["weights"] == pytest.approx([6 * 7 / equity, -4 * 8 / equity, 0.0])
    assert seen["cost"] == [(3 * 4 + 3 * 7) / 6, (2 * 5 + 2 * 8) / 4, 0.0]


def test_what_rests_is_shown():
    shown = []
    volume = np.full((8, 3), 100.0)
    close = np.full((8, 3), 10.0)
    thin = bt.Panel.from_arrays(DATES, ["AA", "BB", "CC"], open=close, high=None, low=None, close=close, volume=volume)

    def decide(view):
        shown.append(view.book.resting.tolist())
        return [bt.Order("AA", 25), bt.Order("AA", -3, at="close"), bt.Order("BB", 4)] if view.t == 1 else None

    run(decide, on=thin, execution=bt.Execution(volume_cap=0.1))
    # 10 shares a session: 25 - 10 at the open, and nothing left for the -3 at the close
    assert shown[2] == [15.0 - 3.0, 0.0, 0.0]


def test_a_book_is_read_while_its_decision_is_made():
    kept = []
    with pytest.raises(bt.StrategyError, match="only until its decision is made"):
        run(lambda view: (kept.append(view), kept[0].book.shares)[1] * 0 if view.t else kept.append(view))


@pytest.mark.parametrize("made", [np.asarray, pd.DataFrame], ids=["array", "frame"])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_score_is_refused(made, value):
    """A division by 0 in a factor would else leave out just those names, without a word."""
    market = panel(10.0 + np.random.default_rng(0).random((8, 3)))
    scores = np.zeros((8, 3))
    scores[4, 1] = scores[6, 2] = value
    told = made(scores)
    if made is pd.DataFrame:
        told = pd.DataFrame(scores, index=market.dates, columns=market.symbols)
    said = f"the score of '{market.symbols[1]}' on {market.dates[4]} is {value} .infinite scores: 2.; a score is finite"
    with pytest.raises(bt.DataError, match=said):
        bt.run(market, strategies.RankedLongShort(1, 1), scores=told)


def test_scores_are_asked_for_by_name():
    with pytest.raises(bt.StrategyError, match="no scores: pass scores="):
        run(lambda view: view.scores[-1])


# -- in strides --------------------------------------------------------------------------------------------------------


def test_a_subclass_with_a_decide_of_its_own_is_asked_by_it():
    """As one who adds a filter to a strategy that ships would write it; what it inherits does not speak for it."""
    close = 10.0 + np.random.default_rng(0).random((80, 3)).cumsum(axis=0)
    scores = np.random.default_rng(1).random((80, 3))

    class Filtered(strategies.RankedLongShort):
        def decide(self, view):
            return np.zeros(3)

    class InRows(Filtered):
        def decide_rows(self, market, scores, rows):
            return np.full((len(rows), 3), 0.2)

    class Deeper(Filtered):
        pass

    assert len(bt.run(panel(close), strategies.RankedLongShort(1, 1), scores=scores).fills)
    assert not len(bt.run(panel(close), Filtered(1, 1), scores=scores).fills)
    assert not len(bt.run(panel(close), Deeper(1, 1), scores=scores).fills)
    assert len(bt.run(panel(close), InRows(1, 1), scores=scores).fills)


def test_a_run_in_pieces_asks_for_every_row_once():
    close = 10.0 + np.random.default_rng(0).random((300, 3)).cumsum(axis=0)
    asked = []

    class Strides(Does):
        def decide_rows(self, market, scores, rows):
            asked.extend(rows)
            return np.sin(np.arange(3)[None, :] + np.array(rows)[:, None]) / 3

    def simulation(snapshot=None):
        return bt.Simulation(panel(close), Strides(None, warmup=5, every=2), snapshot=snapshot)

    whole = bt.run(panel(close), Strides(None, warmup=5, every=2))
    due = list(range(4, 300, 2))
    assert asked == due
    assert len(whole.fills) > 100
    asked.clear()
    threads = threading.active_count()
    pieces, cut = simulation(), None
    for end in (0, 1, 4, 5, 63, 64, 65, 150, 150, 257, 300):
        pieces.advance(end)
        cut = pieces.snapshot() if end == 150 else cut
    assert pieces.finish() == whole
    assert asked == due
    rest = simulation(cut)
    rest.advance()
    assert rest.finish() == whole
    told = []
    assert bt.run(panel(close), Strides(None, warmup=5, every=2), progress=lambda *step: told.append(step)) == whole
    assert told == [("running", 256, 300)]
    assert threading.active_count() == threads, "the second thread ends with the run"


def test_the_second_thread_ends_where_the_strategy_fails():
    class Fails(Does):
        def decide_rows(self, market, scores, rows):
            if rows[0] >= 128:
                raise ValueError("no more")
            return np.zeros((len(rows), 3))

    threads = threading.active_count()
    simulation = bt.Simulation(panel(np.full((300, 3), 10.0)), Fails(None))
    simulation.advance(70)  # its third chunk has failed already, and nobody needs it yet
    with pytest.raises(bt.StrategyError, match="no more"):
        simulation.advance(200)
    assert threading.active_count() == threads
