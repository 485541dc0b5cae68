"""The check of a panel: each flaw is found, named with its place, and nothing else is."""

from __future__ import annotations

import json

import pytest
from check_cases import CASES, DATES, HERE, PRICES, SESSIONS, SYMBOLS, Bars, I, T, market, panel_of, report_of

from backtester.market.check import (
    check_panel,
)
from backtester.market.check.kinds import KINDS
from backtester.market.check.report import SEVERITIES


def test_a_clean_market_has_no_problem() -> None:
    report = check_panel(panel_of(market()), [])
    assert report.problems == ()
    assert (report.sessions, report.symbols, report.bars) == (SESSIONS, SYMBOLS, SESSIONS * SYMBOLS)
    assert "Nothing was found that stands in the way of a backtest." in report.summary()


def test_volumes_of_zero_throughout_are_none() -> None:
    bars = market()
    bars["volume"][:] = 0
    kinds = {problem.kind for problem in check_panel(panel_of(bars)).problems}
    assert kinds == {"absent_volume", "zero_volume"}


@pytest.mark.parametrize("price", [1e-308, 1e308])
def test_prices_at_the_edge_of_numbers_are_said_quietly(price: float) -> None:
    """Warnings of numpy are errors here; what is found is named, and is JSON."""

    def plant(b: Bars) -> None:
        for name in PRICES:
            b[name][T, I] = price
        b["high"][T + 20, I + 1] = price

    report = report_of(plant)
    tick = report.find("bad_tick")
    assert tick is not None
    assert tick.examples[0][:4] == (*HERE, "close", price)
    assert json.dumps(report.to_json(), allow_nan=False)
    assert report.lines()


@pytest.mark.parametrize(
    ("row", "date"), [(SESSIONS - 1, "2999-01-01"), (SESSIONS - 1, "9999-12-31"), (0, "1799-12-31")]
)
def test_a_date_that_cannot_be_looks_wrong(row: int, date: str) -> None:
    """It does not ask for the days between."""
    bars = market()
    dates = DATES.copy()
    dates[row] = date
    (problem,) = check_panel(panel_of(bars | {"dates": dates}), exchange=None).problems
    assert problem.kind == "session_hole"
    assert problem.examples[0].detail == f"the date {date} looks wrong: before 1800-01-01 or after today"
    assert "correct or remove its rows" in problem.advice


def test_twins_are_pairs_with_the_first_of_them() -> None:
    """Three symbols of the same bars are two pairs, and two others a third."""
    bars = market()
    for values in bars.values():
        values[:, 5] = values[:, 9] = values[:, 2]
        values[:, 7] = values[:, 8]
    (problem,) = check_panel(panel_of(bars)).problems
    assert (problem.kind, problem.count, problem.symbols) == ("same_bars", 3, ("S02", "S05", "S07", "S08", "S09"))
    assert [(one.symbol, one.detail.split()[3]) for one in problem.examples] == [
        ("S05", "S02"), ("S08", "S07"), ("S09", "S02"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_flaw_is_found_and_nothing_else(name: str) -> None:
    plant, expected = CASES[name]
    report = report_of(plant)
    assert sorted(problem.kind for problem in report.problems) == sorted(expected)
    for kind, place in expected.items():
        problem = report.find(kind)
        assert problem is not None
        assert problem.examples[0][: len(place)] == place
        assert problem.severity == KINDS[kind].severity


def test_every_kind_has_a_case() -> None:
    assert {kind for _, expected in CASES.values() for kind in expected} == set(KINDS)
    assert {kind.severity for kind in KINDS.values()} == set(SEVERITIES)
