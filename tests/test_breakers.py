"""Where each breaker's limit lies, on both engines, and what ``on_halt`` is told. What follows a trip: the goldens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from drive import Record, panel_of, run_package, run_reference
from golden import Golden, day, market_of
from plain import Settings

import backtester as bt


class Limit(NamedTuple):
    """A breaker and a market that reaches its limit in the last session and not before."""

    key: str
    limit: float
    session: int
    value: float  # what the event says was compared
    at: bool  # whether the limit itself trips
    above: bool  # whether a value above the limit trips, or one below; of losses, above
    bars: dict[str, list[Any]]
    script: dict[int, Any]
    scores: dict[str, list[float | None]] | None = None


ALL = {0: {"A": 1}}  # 1000 shares at 10
FLAT: dict[str, list[Any]] = {symbol: [10, 10] for symbol in "ABCD"}
LIMITS = {
    # 8000 <= 0.8 * 10000
    "halt_daily_loss": Limit("max_daily_loss", 0.2, 2, 10_000, True, True, {"A": [10, 10, 8]}, ALL),
    # 10000 <= 0.8 * 12500
    "halt_drawdown": Limit("max_drawdown", 0.2, 3, 12_500, True, True, {"A": [10, 10, 12.5, 10]}, ALL),
    # 8000 <= 0.8 * 10000, of two sessions before
    "halt_period_loss": Limit("max_period_loss", 0.2, 3, 10_000, True, True, {"A": [10, 10, 9, 8]}, ALL),
    # 500 and -300 shares at 10: (5000 + 3000) / 10000 and (5000 - 3000) / 10000
    "guard_gross": Limit("guard_gross", 0.8, 1, 0.8, False, True, FLAT, {0: {"A": 0.5, "B": -0.3}}),
    "guard_net": Limit("guard_net", 0.2, 1, 0.2, False, True, FLAT, {0: {"A": 0.5, "B": -0.3}}),
    # three of four
    "guard_stale_data": Limit("min_fresh", 0.75, 1, 0.75, False, False, FLAT | {"D": [10, None]}, {}),
    # one of four
    "guard_unscored": Limit("max_unscored", 0.25, 1, 0.25, False, True, FLAT, {}, FLAT | {"D": [1, None]}),
}  # fmt: skip
JUST = 1e-6


@pytest.mark.parametrize("engine", [run_reference, run_package], ids=["reference", "package"])
@pytest.mark.parametrize("name", LIMITS)
def test_limit(engine: Callable[..., Record], name: str) -> None:
    case = LIMITS[name]
    market = market_of(Golden(name, case.bars, {}, [], [], scores=case.scores))

    def trips(limit: float) -> bool:
        settings = Settings(**{"cash": 10_000.0, "period": 2, case.key: limit})
        events = engine(market, settings, {"decide": case.script}).events
        met = [(t, one, value, number) for t, one, _, value, _, number in events if one.startswith(("halt_", "guard_"))]
        assert met in ([], [(case.session, name, pytest.approx(case.value), limit)])
        return bool(met)

    assert trips(case.limit) == case.at
    assert trips(case.limit - JUST) == case.above
    assert trips(case.limit + JUST) != case.above
    if not case.at:  # a guard is met by more than rounding
        assert not trips(case.limit - 1e-13)
        assert not trips(case.limit + 1e-13)


def test_on_halt_is_told_of_every_trip() -> None:
    told: list[bt.Halt] = []

    class Listens(bt.Strategy):
        def decide(self, view: bt.View) -> Any:
            return np.array([0.5]) if view.t == 0 else None

        def on_halt(self, halt: bt.Halt, view: bt.View) -> None:
            assert view.book.status == halt.status
            told.append(halt)

    # 500 shares: 8000 of 13000 at 2, and 5000 + 500 * 10 = 10000 at 3: 3000 of 13000 are lost.
    market = market_of(Golden("", {"A": [10, 10, 16, 10, 10]}, {}, [], []))
    risk = bt.RiskLimits(max_daily_loss=0.2, guard_gross=0.6)
    result = bt.run(panel_of(market), Listens(), cash=10_000.0, costs=None, risk=risk)
    assert told == [
        bt.Halt(np.datetime64(day(2)), "guard_gross", "reducing", pytest.approx(8 / 13), 0.6, 13_000),
        bt.Halt(np.datetime64(day(3)), "halt_daily_loss", "halted", pytest.approx(3 / 13), 0.2, 10_000),
    ]
    assert result.ledger["status"].tolist() == ["active", "active", "reducing", "halted", "halted"]
