"""What flatters a result is said, and nothing that does not."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from pages import long_run, one_line, printed, settings
from results import empty_result, make_result

from backtester.engine import types as t
from backtester.portfolio.settings import Costs, RiskLimits
from backtester.report.facts import summarise
from backtester.report.flatter import flattering


@pytest.mark.parametrize(
    ("chosen", "note"),
    [
        (settings(Costs(), fill="same_close"), "fills at the price it was decided on"),
        (settings(Costs(), size_at="fill"), "sized with the price they fill at"),
        (settings(None), "trading and financing are free"),
        (settings(Costs(commission_bps=0)), "no commission"),
        (settings(Costs(slippage_bps=0)), "no slippage"),
        (settings(Costs(borrow_rate=0)), "borrowing shares is free"),
        (settings(Costs(debit_rate=0)), "borrowing cash is free"),
        (settings(Costs()), "orders of any size fill, at no worse price"),
        (settings(Costs(impact=0.5)), "orders of any size fill"),
        (settings(Costs(), volume_cap=0.1, cap_on="session"), "knows the volume of its own session"),
        (settings(Costs(), lot=0), "fractional shares"),
        (settings(Costs()), "no risk limits"),
        (settings(Costs()) | {"market": {"basis": "split_adjusted", "dividends": 0}}, "no dividends in the data"),
        (settings(Costs()) | {"market": {"endings": 0, "members": False}}, "no stock ever leaves the market"),
    ],
)
def test_what_flatters_a_result_is_said(chosen: dict[str, Any], note: str) -> None:
    assert any(note in found for found in flattering(chosen))
    ledger = make_result().tape.ledger.copy()
    ledger[:, t.L_SHORT] = 1.0  # or what concerns shorts would be left out
    result = make_result(settings=chosen, tape=make_result().tape._replace(ledger=ledger))
    for width in (60, 300):
        assert note in one_line(printed(result, width))


def test_what_concerns_shorts_is_left_out_where_nothing_was_short() -> None:
    free = settings(Costs(borrow_rate=0)) | {"market": {"basis": "as_traded", "dividends": 0}}
    assert "borrowing shares is free" in flattering(free)
    assert "no dividends in the data: longs receive none, shorts pay none" in flattering(free)
    assert "no dividends in the data: shorts pay none" in flattering(free, longs=False)
    assert "borrowing shares is free" not in flattering(free, shorted=False)
    assert not any("dividends" in said for said in flattering(free, shorted=False))
    never_short = make_result(settings=free)
    assert "borrowing shares is free" not in summarise(never_short)["flattered_by"]
    assert summarise(never_short)["leaves_out"] == ["dividends: longs receive none"]
    assert "Leaves out: dividends: longs receive none." in one_line(printed(never_short))
    ledger = never_short.tape.ledger.copy()
    ledger[2, t.L_SHORT] = 100.0
    once_short = make_result(settings=free, tape=never_short.tape._replace(ledger=ledger))
    assert "borrowing shares is free" in summarise(once_short)["flattered_by"]
    assert summarise(once_short)["leaves_out"] == []
    assert "Leaves out" not in printed(once_short)


def test_rates_by_symbol_are_no_free_rates() -> None:
    costs = dataclasses.asdict(Costs(slippage_bps=0, borrow_rate=0))
    told = settings(Costs()) | {"costs": costs}
    assert {"no slippage", "borrowing shares is free"} <= set(flattering(told))
    costs |= {
        "slippage_bps": {"default": 0.0, "symbols": {}, "table": None, "tiers": [{"rate": 2.0, "min_price": 0.0}]},
        "borrow_rate": {"default": 0.0, "symbols": {"GME": 0.3}, "tiers": []},
    }
    assert not {"no slippage", "borrowing shares is free"} & set(flattering(told))
    costs["borrow_rate"] = {"default": 0.0, "symbols": {"GME": 0.0}, "tiers": [{"rate": 0.0, "min_price": 5.0}]}
    assert "borrowing shares is free" in flattering(told)
    costs["borrow_rate"] |= {"table": {"rows": 3, "symbols": 1, "sha256": "0" * 64}}
    assert "borrowing shares is free" not in flattering(told)


def test_a_list_of_what_cannot_be_shorted_counts() -> None:
    costs = dataclasses.asdict(Costs())
    note = "every stock can be sold short"
    for nothing in ((), [], {"rows": 0, "symbols": 0, "sha256": "0" * 64}):
        told = settings(Costs()) | {"costs": costs | {"not_shortable": nothing}}
        assert note in flattering(told)
        assert note not in flattering(told, shorted=False)
    stocks = tuple(f"S{k}" for k in range(505))

    def said(listed: Any) -> list[str]:
        told = settings(Costs()) | {"costs": costs | {"not_shortable": listed}}
        return [one for one in flattering(told, symbols=stocks) if "sold short" in one]

    nearly = ["all but 1 of 505 stocks can be sold short"]
    assert said(["S7", "ELSE"]) == nearly  # a symbol that the panel does not have is none of its stocks
    assert said({"rows": 9, "symbols": 4, "symbols_left_out": 3, "sha256": "0" * 64}) == nearly
    assert said(["ELSE"]) == said({"rows": 1, "symbols": 1, "symbols_left_out": 1, "sha256": "0" * 64}) == [note]
    assert said(stocks[:50]) == ["all but 50 of 505 stocks can be sold short"]
    assert said(stocks[:51]) == []  # 51 of 505 are more than a tenth


def test_the_record_of_a_run_says_what_the_data_leave_out() -> None:
    assert long_run().settings["market"] == {
        "basis": "as_traded", "splits": 0, "dividends": 0, "endings": 0, "members": False,
    }  # fmt: skip
    assert {"no stock ever leaves the market", "no dividends in the data: longs receive none, shorts pay none"} <= set(
        summarise(long_run())["flattered_by"]
    )


def test_a_halt_that_lasts_is_said() -> None:
    assert summarise(make_result())["halted_since"] == "2024-01-05"
    assert summarise(empty_result(3))["halted_since"] == summarise(empty_result())["halted_since"] == ""


def test_careful_settings_flatter_nothing() -> None:
    def careful(**costs: float) -> dict[str, Any]:
        chosen = settings(Costs(**costs), RiskLimits(), volume_cap=0.1)
        if "not_shortable" in chosen["costs"]:
            chosen["costs"]["not_shortable"] = ("GME",)
        return chosen

    stocks = ("AMC", "GME")
    for chosen in (careful(), careful(commission_bps=0, commission_min=1)):
        assert flattering(chosen, symbols=stocks, gross=2.0) == []


@pytest.mark.parametrize("key", ["scores", "scores_file"])
def test_scores_that_know_the_future_are_told_first(key):
    told = flattering({key: {"not_causal": True}})
    assert "no track record" in told[0]
    assert "no track record" not in " ".join(flattering({key: {}}))
