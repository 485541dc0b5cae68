"""Every golden on both engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from drive import Record, run_package, run_reference
from golden import Golden, market_of
from goldens import GOLDENS
from plain import Settings


def near(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True)


def check(golden: Golden, got: Record) -> None:
    assert [fill[:3] for fill in got.fills] == [(t, s, near(n)) for t, s, n, *_ in golden.fills]
    for fill, expected in zip(got.fills, golden.fills, strict=True):
        assert fill[2 : len(expected)] == near(expected[2:])
    assert got.equity == near(golden.equity)
    plain = [(t, name, item or "") for t, name, item, *_ in got.events]
    assert sorted(plain) == sorted((t, name, item or "") for t, name, item, *_ in golden.events)
    for expected in golden.events:
        if len(expected) > 3:
            alike = [event[3:] for event in got.events if event[:3] == expected[:3]]
            assert near(expected[3:]) in alike, expected
    for (t, column), value in golden.ledger.items():
        assert got.ledger[t][column] == near(value), (t, column)
    for symbol, cost in golden.average_cost.items():
        assert got.average_cost[symbol] == near(cost)
    resting = {symbol: shares for symbol, shares, *_ in got.resting}
    for symbol, shares in golden.resting.items():
        assert resting[symbol] == near(shares)


@pytest.mark.parametrize("engine", [run_reference, run_package], ids=["reference", "package"])
@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
def test_golden(golden: Golden, engine: Callable[..., Record]) -> None:
    settings = Settings(**{"cash": 10_000.0} | golden.settings)
    listening = {name: script for name in ("on_fill", "on_halt") if (script := getattr(golden, name)) is not None}
    check(golden, engine(market_of(golden), settings, {"decide": golden.script} | listening))


def test_names_are_unique() -> None:
    assert len({golden.name for golden in GOLDENS}) == len(GOLDENS)
