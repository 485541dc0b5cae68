"""What a summary says before and beside the figures: data, leverage, idle sessions, the signal, who made the money."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pages import one_line, printed
from results import make_result
from small import Does, panel

import backtester as bt
from backtester.engine import types as t
from backtester.portfolio.settings import Costs, Execution
from backtester.report.earned import contributors
from backtester.report.facts import summarise
from backtester.report.flatter import flattering
from backtester.report.notes import sentences


def with_settings(**more: Any) -> bt.Result:
    return make_result(settings=make_result().settings | more)


def with_ledger(**columns: Any) -> bt.Result:
    ledger = make_result().tape.ledger.copy()
    for name, values in columns.items():
        ledger[:, getattr(t, name)] = values
    return make_result(tape=make_result().tape._replace(ledger=ledger))


def test_errors_of_the_check_stand_at_the_head() -> None:
    checked = {"errors": {"absurd_return": 14, "bad_tick": 1400}, "warnings": {"thin": 2}}
    said = "the check found errors (absurd_return 14, bad_tick 1,400)"
    assert summarise(with_settings(data_check=checked))["data_check"] == said
    text = printed(with_settings(data_check=checked), 120)
    assert f"Data: {said}; `data check PATH` says where." in one_line(text)
    assert text.index("Data: ") < text.index("Flattered by")
    assert "Data: not checked" in one_line(printed(with_settings(data_check=None)))
    assert "Data:" not in printed(with_settings(data_check=checked | {"errors": {}}))
    assert "Data:" not in printed(make_result())  # no dataset


def test_leverage_without_margin_calls_is_said() -> None:
    high = with_ledger(L_LONG=[0, 2500, 0, 0, 0, 0], L_EQUITY=1000.0)
    assert "no margin calls, gross exposure reached 250 %" in summarise(high)["flattered_by"]
    assert high.metrics["exposure_gross_max_date"] == "2024-01-02"
    assert "gross exposure was largest on 2024-01-02" in one_line(printed(high))
    low = with_ledger(L_LONG=[0, 2000, 0, 0, 0, 0], L_EQUITY=1000.0)
    assert not any("margin" in said for said in summarise(low)["flattered_by"])


def test_idle_sessions_are_said_with_the_figures_since() -> None:
    late = with_ledger(L_LONG=[0, 0, 0, 100, 100, 100])
    text = one_line(printed(late, 200))
    figures = late.metrics
    assert (
        "3 of 6 sessions were before the first position; every figure includes them. Since then: Sharpe ratio "
        f"{figures['sharpe_invested']:,.2f}, volatility {figures['volatility_invested']:.2%}".replace("%", " %")
    ) in text
    assert "were before the first position" not in printed(with_ledger(L_LONG=100.0), 200)
    assert "were before the first position" not in printed(make_result(), 200)  # never a position


def test_a_book_that_is_empty_at_the_end_is_said() -> None:
    said = "Nothing was held in the last 3 of 6 sessions; every figure includes them. Do the scores end before"
    assert said in one_line(printed(with_ledger(L_LONG=[0, 100, 100, 0, 0, 0], L_STATUS=0), 200))
    assert said in one_line(printed(with_ledger(L_SHORT=[0, 100, 100, 0, 0, 0], L_STATUS=0), 200))
    for other in ({"L_LONG": 100.0}, {}):
        assert "Nothing was held" not in printed(with_ledger(**other), 200)
    ruined = with_ledger(L_LONG=[0, 100, 100, 0, 0, 0], L_EQUITY=[1000, 1000, -5, -5, -5, -5])
    assert "Nothing was held" not in printed(ruined, 200)


def test_a_reducing_book_is_not_called_halted() -> None:
    reducing = with_ledger(L_STATUS=[0, 0, 0, 1, 1, 1])
    facts = summarise(reducing)
    assert (facts["status"], facts["halted_since"]) == ("reducing", "2024-01-04")
    assert "Reducing since 2024-01-04" in one_line(printed(reducing))
    assert summarise(with_ledger(L_STATUS=0))["halted_since"] == ""


@pytest.mark.parametrize("members", [True, False])
def test_a_market_that_nobody_leaves_flatters_with_members_too(members: bool) -> None:
    told = make_result().settings | {"market": {"endings": 0, "members": members}}
    assert "no stock ever leaves the market" in flattering(told)
    assert "no stock ever leaves the market" not in flattering(told | {"market": {"endings": 1, "members": members}})


def test_members_without_bars_are_counted() -> None:
    told = make_result().settings | {"data_check": {"errors": {}, "warnings": {"unpriced_member": 308}}}
    assert "308 members of the universe have no bars" in flattering(told)
    assert not any("no bars" in said for said in flattering(make_result().settings | {"data_check": None}))


def test_what_a_preset_leaves_out_is_a_sentence_of_its_own() -> None:
    assert sentences("Flattered by: ", ["one", "two; three", "four"]) == "Flattered by: one; four. Two; three."
    preset = make_result(
        settings=make_result().settings | {"costs": Costs.preset("us_retail_fixed").describe()},
    )
    text = one_line(printed(preset, 200))
    left = bt.COST_PRESETS["us_retail_fixed"].leaves_out
    assert f". The costs of 'us_retail_fixed' leave out {left}." in text


def test_how_good_the_scores_were_is_shown() -> None:
    told = {
        "source": "signals.classic:Momentum", "horizon": 5, "rank_ic": 0.0123, "standard_error": 0.0045,
        "above_zero": 0.53, "sessions": 995, "scored": 0.98, "sessions_scored": 1000,
    }  # fmt: skip
    text = one_line(printed(with_settings(signal_quality=told)))
    for part in ("mean rank IC 0.0123", "standard error of the rank IC 0.0045", "sessions above 0 53.00 %", "995"):
        assert part in text
    assert "signals:Momentum, rank IC at a horizon of 5; labels overlap, so the standard error counts every 5" in text
    one = one_line(printed(with_settings(signal_quality=told | {"horizon": 1, "source": "", "rank_ic": None})))
    assert "planted in the market, rank IC at a horizon of 1" in one
    assert "overlap" not in one
    assert "mean rank IC -" in one
    assert "rank IC" not in printed(make_result())


def test_how_far_members_are_apart_is_shown() -> None:
    told = {
        "source": "", "horizon": 1, "rank_ic": 0.041, "standard_error": 0.0045, "above_zero": 0.53, "sessions": 995,
        "scored": 0.98, "sessions_scored": 1000, "members": {"seed 0": 0.031, "seed 1": 0.038},
        "members_low": 0.031, "members_high": 0.038, "members_mean": 0.0345,
    }  # fmt: skip
    said = "rank IC 0.0410; 2 single members 0.0310 to 0.0380, mean 0.0345"
    text = one_line(printed(with_settings(signal_quality=told)))
    assert f"{said}: seed 0 0.0310, seed 1 0.0380 planted" in text
    many = told | {"members": {f"seed {k}": 0.031 for k in range(6)}}
    assert f"{said.replace('2', '6', 1)} planted" in one_line(printed(with_settings(signal_quality=many)))
    none = told | {"members": {"seed 0": None}, "members_low": None, "members_high": None, "members_mean": None}
    assert "1 single members" not in (text := one_line(printed(with_settings(signal_quality=none))))
    assert "1 single member - to -, mean -: seed 0 -" in text


def test_the_symbols_that_made_the_money() -> None:
    """One share of each of three symbols, bought at 100 in session 1 and worth 160, 90 and 98 at the end."""
    close = np.full((4, 3), 100.0)
    close[2:] = [160.0, 90.0, 98.0]
    free = {"costs": None, "risk": None, "execution": Execution(fill="close")}
    result = bt.run(panel(close), Does(lambda view: {"AA": 0.1, "BB": 0.1, "CC": 0.1}, every=9), cash=1000.0, **free)
    found = contributors(result)
    assert found is not None
    assert [(one["symbol"], one["net"], one["share"]) for one in found["best"]] == [("AA", 60.0, 1.0)]
    assert [one["symbol"] for one in found["worst"]] == ["BB", "CC"]
    assert [one["share"] for one in found["worst"]] == pytest.approx([10 / 12, 2 / 12])
    assert found["net"] == 48.0
    assert found["alone"] == "AA alone is 125 % of what was gained in all"  # 60 of 48
    text = one_line(printed(result))
    assert "Where the money came from net AA 60 100.0 % of all gains BB -10 83.3 % of all losses" in text
    assert "AA alone is 125 % of what was gained in all." in text
    assert contributors(make_result()) is None  # the market is not known
