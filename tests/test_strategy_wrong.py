"""What a strategy and a caller hear when they are wrong, and that nothing half-done comes of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from small import DATES, Does, panel, run, shares

import backtester as bt
from backtester.engine import types as et


def broken(view):
    return {"AA": 1 / (view.t - 2)}  # raises at 2


def test_a_strategy_that_raises_is_told_date_and_line():
    with pytest.raises(bt.StrategyError) as told:
        run(broken)
    message = str(told.value)
    assert "Does.decide on 2020-01-03 raised ZeroDivisionError" in message
    assert "test_strategy_wrong.py:" in message
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
