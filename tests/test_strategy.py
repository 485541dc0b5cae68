"""The contract that users subclass: when it is asked, what it may return, and what it hears when it is wrong."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

import backtester as bt
from backtester.engine import types as et

DATES = pd.bdate_range("2020-01-01", periods=8)


def panel(close=None, **more):
    close = np.full((8, 3), 10.0) if close is None else np.asarray(close, float)
    dates = pd.bdate_range("2020-01-01", periods=len(close))
    return bt.Panel.from_arrays(
        dates,
        ["AA", "BB", "CC"],
        open=close,
        high=None,
        low=None,
        close=close,
        volume=np.full(close.shape, 1e6),
        **more,
    )


class Does(bt.Strategy):
    """Returns what a function of the view says."""

    def __init__(self, decide, warmup=1, every=1):
        self._decide, self.warmup, self.every = decide, warmup, every

    def decide(self, view):
        return self._decide(view)


def run(decide, *, on=None, **options):
    options = {"costs": None, "risk": None, "cash": 1000.0} | options
    return bt.run(on or panel(), Does(decide), **options)


def shares(result):
    return result.positions.iloc[-1].tolist()


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
            heard.append(("halt", view.t, halt.cause, halt.before, halt.equity, halt.limit))

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
        ("halt", 2, "halt_daily_loss", 1000.0, 500.0, 0.4),  # 100 shares at 5 after 100 at 10
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


def test_scores_are_asked_for_by_name():
    with pytest.raises(bt.StrategyError, match="no scores: pass scores="):
        run(lambda view: view.scores[-1])


# -- when it is wrong --------------------------------------------------------------------------------------------------


def broken(view):
    return {"AA": 1 / (view.t - 2)}  # raises at 2


def test_a_strategy_that_raises_is_told_date_and_line():
    with pytest.raises(bt.StrategyError) as told:
        run(broken)
    message = str(told.value)
    assert "Does.decide on 2020-01-03 raised ZeroDivisionError" in message
    assert "test_strategy.py:" in message
    assert 'return {"AA": 1 / (view.t - 2)}' in message
    assert isinstance(told.value.__cause__, ZeroDivisionError)


def test_hooks_that_raise_are_told_too():
    class Falls(Does):
        def on_fill(self, fills, view):
            raise KeyError("nothing here")

    with pytest.raises(bt.StrategyError, match=r"Falls.on_fill on 2020-01-02 raised KeyError.*nothing here"):
        bt.run(panel(), Falls(lambda view: {"AA": 1.0}))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.zeros(2), r"shape \(2,\).*must be numbers of shape \(3,\)"),
        (np.zeros((1, 3)), r"shape \(1, 3\)"),
        (np.array(["a", "b", "c"]), "must be numbers"),
        (np.array([0.0, np.nan, 0.0]), "weight of 'BB' is nan"),
        (np.array([0.0, 0.0, np.inf]), "weight of 'CC' is inf"),
        ({"BB": float("nan")}, "weight of 'BB' is nan"),
        ({"Bb": 0.1}, "no symbol 'Bb'. Did you mean 'BB'?"),
        (pd.Series({"ZZZ": 0.1}), "no symbol 'ZZZ'"),
        (pd.Series([0.1, 0.2], index=["AA", "AA"]), "'AA' twice"),
        ([bt.Order("A A", 1)], "no symbol 'A A'"),
        ([0.1, 0.2, 0.3], "a list of instructions holds 0.1"),
        ({"AA": "half"}, "weight of 'AA' is 'half'; it must be a number"),
        (pd.Series({"AA": None, "BB": 0.1}, dtype=object), "weight of 'AA' is None"),
        (0.5, "float is no decision"),
        ("AA", "str is no decision"),
    ],
)
def test_what_cannot_be_traded_is_refused_with_its_date(answer, message):
    with pytest.raises(bt.StrategyError, match=message) as told:
        run(lambda view: answer)
    assert "Does.decide on 2020-01-01" in str(told.value)


class Rows(Does):
    """Hands over what a function of the rows says."""

    def decide_rows(self, panel, scores, rows):
        return self._decide(rows)


def test_rows_of_the_wrong_shape_or_not_finite():
    with pytest.raises(
        bt.StrategyError, match=r"Rows.decide_rows on 2020-01-01 to 2020-01-10: it returned shape \(1, 3\)"
    ):
        bt.run(panel(), Rows(lambda rows: np.zeros((1, 3))))
    bad = np.zeros((8, 3))
    bad[4, 1] = np.nan
    with pytest.raises(bt.StrategyError, match="weight of 'BB' on 2020-01-07 is nan"):
        bt.run(panel(), Rows(lambda rows: bad))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": Does}, "pass an object: Does()"),
        ({"strategy": 3}, "subclass of bt.Strategy"),
        ({"strategy": bt.Strategy()}, "no decide"),
        ({"strategy": Does(None, warmup=0)}, "warmup is 0"),
        ({"strategy": Does(None, every=1.5)}, "every is 1.5"),
        ({"cash": -1}, "cash is -1"),
        ({"cash": float("nan")}, "cash is nan"),
        ({"costs": {"commission_bps": 1}}, "must be a bt.Costs"),
        ({"risk": 0.05}, "must be a bt.RiskLimits"),
        ({"execution": None}, "must be a bt.Execution"),
    ],
)
def test_settings_are_checked(arguments, message):
    with pytest.raises(bt.ConfigError) as told:
        bt.run(panel(), **({"strategy": Does(lambda view: None)} | arguments))
    assert message in str(told.value)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros((7, 3)), r"shape \(7, 3\); the panel has \(8, 3\)"),
        (np.full((8, 3), "x"), "must be numbers"),
        (pd.DataFrame(0.0, DATES, ["AA", "BB", "cc"]), "name 'cc'.*Did you mean 'CC'?"),
        (pd.DataFrame(0.0, DATES + pd.Timedelta(days=100), ["AA"]), "8 dates that are no session"),
        (pd.DataFrame(0.0, DATES.tz_localize("UTC"), ["AA"]), "time zone UTC"),
        (pd.DataFrame(0.0, DATES, ["AA", "AA"]), "the symbol 'AA' twice"),
        (pd.DataFrame("x", DATES, ["AA"]), "no number"),
    ],
)
def test_scores_are_checked(scores, message):
    with pytest.raises(bt.DataError, match=message):
        run(lambda view: None, scores=scores)


def test_scores_by_name_find_their_place():
    seen = []
    frame = pd.DataFrame({"CC": [3.0, 4.0], "AA": [1.0, 2.0]}, index=DATES[[2, 1]])
    run(lambda view: seen.append(view.scores[-1].tolist()), scores=frame)
    nan = pytest.approx(float("nan"), nan_ok=True)
    assert seen[1] == [2.0, nan, 4.0]
    assert seen[2] == [1.0, nan, 3.0]
    assert seen[3] == [nan, nan, nan]


def test_nothing_to_run():
    none = dict.fromkeys(("open", "high", "low", "close", "volume"), np.zeros((0, 1)))
    empty = bt.Panel.from_arrays([], ["AA"], **none)
    with pytest.raises(bt.DataError, match="nothing to run"):
        bt.run(empty, Does(lambda view: None))


def test_the_record_names_the_strategy_and_its_settings():
    class Custom(Does):
        def __init__(self):
            super().__init__(lambda view: None)
            self.lookback, self.lots, self.ranking = np.int64(5), [1, 2], bt.Ranking(long=3, short=0)

    told = bt.run(panel(), Custom()).settings["strategy"]
    assert told["class"].endswith(":test_the_record_names_the_strategy_and_its_settings.<locals>.Custom")
    assert (told["lookback"], told["lots"], told["ranking"]["long"]) == (5, [1, 2], 3)


def test_a_halted_book_refuses_until_it_is_rearmed():
    close = np.full((8, 3), 10.0)
    close[2:, 0] = 5.0

    def decide(view):
        return {0: {"AA": 1.0}, 3: {"BB": 0.5}, 4: [bt.Rearm(), bt.Order("BB", 10)]}.get(view.t)

    result = run(decide, on=panel(close), risk=bt.RiskLimits(max_daily_loss=0.3))
    assert result.ledger["status"].tolist() == ["active"] * 2 + ["halted"] * 3 + ["active"] * 3
    assert result.events["event"].tolist() == ["halt_daily_loss", "refused_halted", "rearmed"]
    assert shares(result) == [0.0, 10.0, 0.0]
    assert result.tape.event_f[-1, et.EVENT_AFTER] == 500.0


def test_a_simulation_stays_inside_its_panel():
    simulation = bt.Simulation(panel(), Does(lambda view: None))
    with pytest.raises(bt.DataError, match="no session has been run"):
        simulation.finish()
    with pytest.raises(bt.DataError, match="up to session 9: the panel has 8 sessions"):
        simulation.advance(9)
    simulation.advance(5)
    taken = simulation.snapshot()
    other = panel(np.full((8, 3), 11.0))
    with pytest.raises(bt.DataError, match=r"after 5 sessions of 3 symbols; Panel\(3 sessions"):
        bt.Simulation(panel().head(2), Does(lambda view: None), snapshot=taken)
    with pytest.raises(bt.ConfigError, match=r"taken with cash 10000000\.0; now it is 5\.0"):
        bt.Simulation(other, Does(lambda view: None), snapshot=taken, cash=5)
    with pytest.raises(bt.ConfigError, match="taken with execution"):
        bt.Simulation(panel(), Does(lambda view: None), snapshot=taken, execution=bt.Execution(lot=0))


def test_a_simulation_whose_strategy_failed_is_over():
    simulation = bt.Simulation(panel(), Does(broken))
    with pytest.raises(bt.StrategyError, match="ZeroDivisionError"):
        simulation.advance()
    for go_on in (simulation.advance, simulation.snapshot, simulation.finish):
        with pytest.raises(bt.StrategyError, match="failed inside a session"):
            go_on()


def test_a_view_cannot_be_moved():
    def move(view):
        view.t += 1

    with pytest.raises(bt.StrategyError, match="AttributeError"):
        run(move)
    with pytest.raises(bt.StrategyError, match="AttributeError"):
        run(lambda view: setattr(view, "book", None))


def test_a_target_is_copied():
    class Reuses(bt.Strategy):
        def on_start(self, universe):
            self._buffer = np.array([0.5, 0.0, 0.0])

        def decide(self, view):
            self._buffer[:] = np.nan if view.t == 1 else 0.5
            return self._buffer if view.t == 0 else None

        def on_fill(self, fills, view):
            self._buffer[:] = [0.0, 0.5, 0.0]
            return self._buffer

    result = bt.run(panel(), Reuses(), cash=1000.0, costs=None, risk=None)
    assert np.isfinite(result.tape.fill_f).all()
    assert shares(result) == [0.0, 50.0, 0.0]


def test_too_few_bars_for_a_decision():
    with pytest.raises(bt.ConfigError, match="needs 9 bars before its first decision; the panel has 8 sessions"):
        bt.run(panel(), Does(lambda view: None, warmup=9))
    bt.run(panel(), Does(lambda view: None, every=10**12))


def test_rows_are_asked_for_with_nothing_after_them():
    asked = []

    class Checks(Rows):
        def decide_rows(self, panel, scores, rows):
            assert len(panel.dates) == len(scores) == rows[-1] + 1
            asked.append(rows)
            return np.zeros((len(rows), 3))

    bt.run(panel(), Checks(None, warmup=2, every=3), scores=np.zeros((8, 3)))
    assert [list(rows) for rows in asked] == [[1, 4, 7]]


def test_a_panel_whose_arrays_were_exchanged_is_refused():
    whole = panel(actions=pd.DataFrame({"date": DATES[3:4], "symbol": "AA", "split": 2.0, "dividend": 0.0}))
    bad = whole.actions._replace(symbol=np.array([7]))
    for altered in ({"open": whole.open[:5]}, {"volume": whole.volume.astype(np.float32)}, {"actions": bad}):
        with pytest.raises(bt.DataError, match="has been altered"):
            bt.run(dataclasses.replace(whole, **altered), Does(lambda view: None))


def test_trailing_volatility_stays_inside():
    returns = np.zeros((30, 2))
    with pytest.raises(bt.StrategyError, match="not all rows"):
        bt.trailing_volatility(returns, range(25, 60))
    assert bt.trailing_volatility(returns, range(25, 30)).shape == (5, 2)


def test_what_rests_counts_against_the_caps_of_a_mapping():
    opens = np.full((8, 3), 10.0)
    opens[1:, 0] = np.nan  # the order for AA rests
    close = np.full((8, 3), 10.0)
    market = bt.Panel.from_arrays(
        DATES, ["AA", "BB", "CC"], open=opens, high=None, low=None, close=close, volume=close * 1e5
    )
    asked = {0: {"AA": 0.8}, 1: {"BB": 0.8}}
    result = run(lambda view: asked.get(view.t), on=market, risk=bt.RiskLimits(max_gross=1.0, max_daily_loss=None))
    assert shares(result) == [0.0, 20.0, 0.0]  # 0.8 rests, so 0.2 of 1000 at 10 is left
