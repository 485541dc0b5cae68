"""What `bt.run` is given, refused before anything runs, in words that say what to give instead."""

from __future__ import annotations

import pandas as pd
import pytest
from small import Does, panel, run

import backtester as bt


def test_what_is_no_panel():
    market = bt.synthetic(5, 30, 1)
    holds = Does(lambda view: None)
    for given, words in (
        (market, "panel is a SyntheticMarket; pass its panel: market.panel."),
        (pd.DataFrame({"close": [1.0]}), "panel is a DataFrame; make it a panel with bt.Panel.from_frame."),
        ("data/sp500", "panel is 'data/sp500'; load it with bt.load_panel."),
        (None, "panel is a NoneType; it must be a bt.Panel."),
    ):
        with pytest.raises(bt.ConfigError) as caught:
            bt.run(given, holds)
        assert str(caught.value) == words
        with pytest.raises(bt.ConfigError, match="panel is"):
            bt.Simulation(given, holds)


class Hooked(bt.Strategy):
    def decide(self, view):
        return None


def hooked(**methods):
    """A strategy with further methods."""
    return type("Mine", (Hooked,), methods)()


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        ({"on_fill": lambda self, view, fills: None}, r"Mine.on_fill is called with \(fills, view\), in this order"),
        ({"on_halt": lambda self, view, halt: None}, r"its parameters are \(view, halt\): exchange them"),
        ({"on_fill": lambda self, fills: None}, r"takes \(fills\): write def on_fill\(self, fills, view\)"),
        ({"on_halt": lambda self: None}, r"write def on_halt\(self, halt, view\)"),
        ({"decide": lambda self: None}, r"write def decide\(self, view\)"),
        ({"on_start": lambda self: None}, r"write def on_start\(self, universe\)"),
        ({"on_end": lambda self, view, more: None}, r"write def on_end\(self, view\)"),
        ({"decide_rows": lambda self, rows, scores, panel: None}, r"its parameters are \(rows, scores, panel\)"),
    ],
)
def test_hooks_that_cannot_be_called(methods, words):
    with pytest.raises(bt.StrategyError, match=words):
        bt.run(panel(), hooked(**methods))


def test_hooks_with_other_names_and_defaults_are_fine():
    own = hooked(
        on_fill=lambda self, done, v: None, on_halt=lambda self, *args: None, on_end=lambda self, view, loud=False: None
    )
    assert bt.run(panel(), own).fills.empty


def test_a_strategy_goes_on_with_its_state_unless_it_resets_it():
    """As docs/strategies.md says."""

    class Once(bt.Strategy):
        done = False

        def decide(self, view):
            if self.done:
                return None
            self.done = True
            return {"AA": 0.5}

    class Anew(Once):
        def on_start(self, universe):
            self.done = False

    for kind, second in ((Once, 0), (Anew, 1)):
        strategy = kind()
        assert [len(bt.run(panel(), strategy).fills) for _ in range(2)] == [1, second]


def test_the_shortest_panel():
    with pytest.raises(bt.ConfigError, match="Does needs 9 bars before its first decision; the panel has 8 sessions"):
        bt.run(panel(), Does(lambda view: None, warmup=9))
    assert run(lambda view: None).fills.empty
