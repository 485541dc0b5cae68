"""The first terminal summary."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from test_result import empty_result, make_result

from backtester.engine.types import L_SHORT
from backtester.portfolio.settings import Costs, Execution, RiskLimits
from backtester.report.summary import count_events, flattering, print_summary, sparkline, summarise
from backtester.result import Result


def printed(result: Result, width: int = 100) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    print_summary(result, console)
    return console.export_text()


def settings(costs: Costs | None = None, risk: RiskLimits | None = None, **execution: Any) -> dict[str, Any]:
    return {
        "costs": None if costs is None else dataclasses.asdict(costs),
        "risk": None if risk is None else dataclasses.asdict(risk),
        "execution": dataclasses.asdict(Execution(**execution)),
    }


def test_a_page_with_everything() -> None:
    text = printed(make_result())
    for part in (
        "handmade  2024-01-01 to 2024-01-06, 6 sessions, 3 symbols",
        "1,000 to 1,015",
        "+1.50 %",
        "max drawdown from 2024-01-02 to 2024-01-03, recovered 2024-01-05",
        "CAGR",
        "arithmetic return a year before costs",
        "arithmetic return a year after costs",
        "max sector 1, max gross 1",
        "split 1, settlement 1, order split 1",
        "Halted since 2024-01-05",
        "3 orders rest for the next trading day",
    ):
        assert part in text


def test_an_empty_run_has_a_page() -> None:
    text = printed(empty_result())
    assert "no sessions" in text
    assert "nan" not in text.lower()
    assert "nan" not in printed(empty_result(3)).lower()


def test_the_page_as_data() -> None:
    data = summarise(make_result())
    assert (data["start"], data["end"], data["symbols"], data["resting"]) == ("2024-01-01", "2024-01-06", 3, 3)
    assert data["events"]["clipped_max_gross"] == 1
    assert "rearmed" not in data["events"]
    assert data["metrics"]["fills"] == 5
    assert count_events(empty_result()) == {}


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
    ],
)
def test_what_flatters_a_result_is_said(chosen: dict[str, Any], note: str) -> None:
    assert any(note in found for found in flattering(chosen))
    assert note in " ".join(printed(make_result(settings=chosen), width=300).split())


def test_a_halt_that_lasts_is_said() -> None:
    assert summarise(make_result())["halted_since"] == "2024-01-05"
    assert summarise(empty_result(3))["halted_since"] == summarise(empty_result())["halted_since"] == ""


def test_careful_settings_flatter_nothing() -> None:
    assert flattering(settings(Costs(), RiskLimits(), volume_cap=0.1)) == []
    assert flattering(settings(Costs(commission_bps=0, commission_min=1), RiskLimits(), volume_cap=0.1)) == []


def test_a_run_without_a_fill_says_why() -> None:
    def why(**changes: Any) -> str:
        text = " ".join(printed(dataclasses.replace(empty_result(3), **changes), width=200).split())
        assert "no fill: " in text
        return text.split("no fill: ")[1]

    told = make_result().settings
    assert why().startswith("no decision led to an order")
    assert why(settings=told | {"strategy": {"warmup": 9}}).startswith("the warmup takes 9 sessions, and the run has 3")
    nothing = {"scores_file": {"name": "s.parquet", "sha256": "0" * 64, "known": 0}}
    assert why(settings=told | nothing).startswith("no score is known: s.parquet")
    assert why(resting_orders=make_result().resting_orders).startswith("the orders still rest")
    tape = empty_result(3).tape._replace(order_i=make_result().tape.order_i[:1], order_f=np.ones(1))
    assert why(tape=tape).startswith("of 1 order none could be filled")
    assert summarise(make_result())["no_fill"] == summarise(empty_result())["no_fill"] == ""
    assert "no fill" not in printed(make_result())


def test_the_first_position_is_shown() -> None:
    ledger = make_result().tape.ledger.copy()
    ledger[1:, L_SHORT] = 10.0
    text = printed(make_result(tape=make_result().tape._replace(ledger=ledger)))
    assert "first position 2024-01-02, 1 session before it" in text
    assert "first position" not in printed(make_result())


def test_sparkline() -> None:
    assert sparkline(np.arange(8.0), 8) == "▁▂▃▄▅▆▇█"
    assert sparkline(np.array([5.0, 5.0]), 10) == "▁▁"
    assert sparkline(np.zeros(0), 10) == ""
    assert len(sparkline(np.arange(1000.0), 60)) == 60
    assert sparkline(np.arange(1000.0), 60)[-1] == "█"
