"""A run in which a breaker tripped, beside the same run without breakers."""

from __future__ import annotations

import json
import math
import threading

import numpy as np
import pytest
import small

import backtester as bt


class Fragile(bt.Strategy):
    """Holds everything it has in one symbol, and fails in the session in which it would hold it still."""

    def decide(self, view):
        if view.t == 3 and view.book.shares[0] > 0:
            raise ZeroDivisionError("still there")
        return {view.symbols[0]: 1.0}


class Counts(bt.Strategy):
    """Holds everything it has in one symbol, and counts its decisions in an attribute."""

    def __init__(self) -> None:
        self.asked = 0

    def decide(self, view):
        self.asked += 1
        return {view.symbols[0]: 1.0}


def falling(*changes: float) -> bt.Panel:
    """Symbols whose open and close of a session are those of the session before times ``1 + change``."""
    price = 100.0 * np.cumprod([1.0, *(1.0 + change for change in changes)])
    return small.panel(np.repeat(price[:, None], 3, axis=1))


FREE = {"costs": None, "cash": 10_000.0, "counterfactual": True}
# 100 shares from the open of session 1 (at 100) on. Session 2 closes at 90: 10 % are lost, the breaker of 5 % trips and
# the position is sold at the open of session 3, at 90. Without it the shares are worth 120 a piece at the end.
PANEL = falling(0.0, -0.1, 0.0, 1.0 / 3.0)
TRIPS = bt.RiskLimits(max_daily_loss=0.05)


def test_the_other_run_is_the_run_without_breakers():
    strategy = Counts()
    result = bt.run(PANEL, strategy, risk=TRIPS, **FREE)
    assert result.equity.iloc[-1] == 9_000.0
    assert result.without_breakers["end_equity"] == pytest.approx(12_000.0, rel=1e-12)
    alone = bt.run(PANEL, Counts(), risk=TRIPS.without_breakers(), **FREE)
    assert result.without_breakers == pytest.approx(alone.metrics, nan_ok=True)
    assert strategy.asked == len(PANEL.dates), "the strategy itself was asked once a session only"


def test_layers_stay_in_the_other_run():
    risk = bt.RiskLimits(max_daily_loss=0.04, max_weight=0.5)  # 10 % of half the account are 5 % of it
    result = bt.run(PANEL, Counts(), risk=risk, **FREE)
    assert result.without_breakers["exposure_gross"] < 0.6
    assert risk.without_breakers() == bt.RiskLimits(max_daily_loss=None, max_weight=0.5)


def test_every_breaker_is_off():
    on = bt.RiskLimits(
        max_daily_loss=0.1,
        max_drawdown=0.1,
        max_period_loss=0.1,
        guard_gross=1.0,
        guard_net=1.0,
        min_fresh=0.5,
        max_unscored=0.5,
        guard_equal_scores=True,
    )
    assert on.without_breakers() == bt.RiskLimits(max_daily_loss=None)


@pytest.mark.parametrize(
    "settings", [{"risk": bt.RiskLimits(max_daily_loss=0.2)}, {"risk": None}, {"counterfactual": False}]
)
def test_there_is_none_where_nothing_tripped_or_nobody_asked(settings):
    assert bt.run(PANEL, Counts(), **{"risk": TRIPS, **FREE, **settings}).without_breakers is None


def test_it_is_kept_with_the_run(tmp_path):
    result = bt.run(PANEL, Counts(), risk=TRIPS, **FREE)
    result.save(tmp_path / "run")
    loaded = bt.Result.load(tmp_path / "run")
    assert loaded == result
    assert loaded.without_breakers["end_equity"] == result.without_breakers["end_equity"]
    unknown = [
        name for name, value in result.without_breakers.items() if isinstance(value, float) and math.isnan(value)
    ]
    assert unknown, "some figure of so short a run is unknown"
    assert all(math.isnan(loaded.without_breakers[name]) for name in unknown)

    file = tmp_path / "run" / "run.json"
    written = json.loads(file.read_text())
    written["without_breakers"]["end_equity"] += 1.0
    file.write_text(json.dumps(written))
    with pytest.raises(bt.RunError, match="damaged"):
        bt.Result.load(tmp_path / "run")


def test_a_strategy_that_cannot_be_copied_is_told_of():
    class Locked(Counts):
        def __init__(self) -> None:
            super().__init__()
            self.lock = threading.Lock()

    with pytest.warns(UserWarning, match=r"Locked cannot be copied .*lock"):
        result = bt.run(PANEL, Locked(), risk=TRIPS, **FREE)
    assert result.without_breakers is None


def test_a_failure_without_breakers_leaves_the_run_as_it_is():
    plain = bt.run(PANEL, Fragile(), risk=TRIPS, **{**FREE, "counterfactual": False})
    with pytest.warns(UserWarning, match=r"^no figures without breakers: Fragile.decide on .*still there") as caught:
        result = bt.run(PANEL, Fragile(), risk=TRIPS, **FREE)
    assert caught[0].filename == __file__
    assert result == plain
    assert result.without_breakers is None


def test_the_copy_is_asked_again_but_for_the_end():
    told = []

    class Tells(Counts):
        def on_start(self, universe):
            told.append("start")

        def on_end(self, view):
            told.append("end")

    result = bt.run(PANEL, Tells(), risk=TRIPS, **FREE)
    assert told == ["start", "end", "start"]
    assert result.without_breakers["end_equity"] == pytest.approx(12_000.0, rel=1e-12)
