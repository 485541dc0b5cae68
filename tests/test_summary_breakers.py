"""What a summary says of breakers that tripped."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pages import one_line, printed, tripped
from results import make_result
from small import Does, panel

import backtester as bt
from backtester.engine import types as t
from backtester.report.facts import breakers, count_events, families, summarise, without_breakers


def test_each_trip_is_shown_with_date_cause_and_numbers() -> None:
    result = tripped(
        halt_daily_loss=(1010.0, 949.4, 0.05), rearmed=(1010.0, 990.0, 0.0), halt_drawdown=(1000.0, 750.0, 0.25)
    )
    first, second = breakers(result)
    assert (first["date"], first["event"], first["active_again"]) == ("2024-01-02", "halt_daily_loss", "2024-01-03")
    assert (first["value"], first["limit"], first["equity"]) == (pytest.approx(0.06), 0.05, 949.4)  # 60.6 of 1,010
    assert first["cause"] == "the session lost 6.00 %; the limit is 5.00 %"
    assert second["cause"] == "equity is below its peak by 25.00 %; the limit is 25.00 %"
    assert second["active_again"] == ""
    wide, narrow = one_line(printed(result)), one_line(printed(result, 40))
    assert "2024-01-02 halt daily loss 6.00 % 5.00 % 949.40 2024-01-03" in wide
    assert "2024-01-04 halt drawdown 25.00 % 25.00 % 750 not yet" in wide
    assert "the session lost 6.00 %; the limit is 5.00 %, equity 949.40, active again 2024-01-03" in narrow
    assert families(count_events(result))["breakers"] == {"halt_daily_loss": 1, "halt_drawdown": 1, "rearmed": 1}


def test_guards_are_breakers_too() -> None:
    names = [name for name, _, _ in t.EVENTS]
    if "guard_gross" not in names:
        pytest.skip("the engine has no guards yet")
    result = tripped(guard_gross=(2.5, 990.0, 2.0), guard_equal_scores=(12.0, 990.0, 0.0))
    gross, equal = breakers(result)
    assert gross["cause"] == "gross exposure is 250.00 %; the limit is 200.00 %"
    assert equal["cause"] == "all 12 scores are equal"
    assert math.isnan(equal["limit"])
    assert "guard equal scores 12 - 990 not yet" in one_line(printed(result))


def test_many_trips_are_counted() -> None:
    code = [name for name, _, _ in t.EVENTS].index("halt_daily_loss")
    tape = make_result().tape._replace(
        event_i=np.array([(k % 6, code, -1) for k in range(40)], np.int32),
        event_f=np.tile([1000.0, 900.0, 0.05], (40, 1)),
    )
    text = printed(make_result(tape=tape))
    assert "and 28 more" in text
    assert text.count("10.00 %  5.00 %") == 12
    assert len(summarise(make_result(tape=tape))["breakers"]) == 40


def test_the_run_without_breakers_stands_beside_it() -> None:
    assert without_breakers(make_result()) is None
    assert "without" not in printed(make_result())
    other = dict(make_result().metrics) | {"total_return": 0.25, "end_equity": 1250.0, "sharpe": math.nan}
    result = make_result(without_breakers=other)
    assert summarise(result)["without_breakers"]["total_return"] == 0.25
    for width in (50, 100):
        text = one_line(printed(result, width))
        assert "What the breakers did with breakers without" in text
        assert "equity at the end 1,015 1,250" in text
        assert "total return +1.50 % +25.00 %" in text


def test_a_run_that_trips_tells_of_the_other_one() -> None:
    days = np.arange(40)
    close = np.column_stack([50.0 - 10.0 * (days >= 20) + 20.0 * (days >= 30), 20.0 + 0.0 * days, 30.0 + 0.0 * days])
    hold = Does(lambda view: np.array([1.0, 0.0, 0.0]), every=50)
    result = bt.run(panel(close), hold, cash=1e6, costs=None, counterfactual=True)
    assert [trip["event"] for trip in breakers(result)] == ["halt_daily_loss"]
    without = summarise(result)["without_breakers"]
    # A fifth is lost when 50 becomes 40; without the breaker 40 becomes 60, a fifth more than in the beginning.
    assert result.metrics["total_return"] == pytest.approx(-0.2, abs=1e-9)
    assert without["total_return"] == pytest.approx(0.2, abs=1e-9)
    assert "total return -20.00 % +20.00 %" in one_line(printed(result, 60))


def test_a_run_that_trips_says_where_the_other_one_is_missing() -> None:
    close = np.repeat(np.where(np.arange(40) < 20, 50.0, 40.0)[:, None], 3, axis=1)
    result = bt.run(panel(close), Does(lambda view: np.array([1.0, 0.0, 0.0]), every=50), cash=1e6, costs=None)
    assert breakers(result)
    assert result.without_breakers is None
    assert "no figures without breakers: bt.run(..., counterfactual=True)" in one_line(printed(result, 60))
