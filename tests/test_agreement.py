"""The package and the reference engine agree on random markets, settings and strategies (law 21)."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from drive import STATUSES, Record, run_package, run_reference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_markets import CASES, Case
from reference_ranking import rank

import backtester as bt
from backtester.engine.types import EVENTS

# Hypothesis writes a failing case out whole before it tells how to make it again, and warns of the length of that.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

NEAR = 1e-9
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


def plain(max_examples: int) -> settings:
    return settings(
        max_examples=max_examples, deadline=None, derandomize=True, database=None, suppress_health_check=QUIET
    )


def close(a: float, b: float, scale: float = 0.0) -> bool:
    """Equal to 1e-9 of the larger one, or of the amounts they are sums of."""
    return a == b or (math.isnan(a) and math.isnan(b)) or abs(a - b) <= NEAR * max(abs(a), abs(b), scale)


def is_rounding(name: str, before: float, after: float, amount: float) -> bool:
    """Whether an event tells of no more than rounding: it may then happen in one engine and not in the other."""
    change = amount if name == "clipped_no_trade_band" else before - after
    if name.startswith("clipped_"):
        return abs(change) <= NEAR
    return name.endswith("_reducing") and close(before, after)


def told(events: list[tuple[Any, ...]]) -> dict[tuple[Any, ...], list[tuple[float, ...]]]:
    """Before, after and amount of the events by session, name and item; those of one kind in order of their size."""
    found: dict[tuple[Any, ...], list[tuple[float, ...]]] = {}
    for t, name, item, *numbers in events:
        if not is_rounding(name, *numbers):
            found.setdefault((t, name, item or None), []).append(tuple(numbers))
    return {kind: sorted(rows, key=lambda row: [(math.isnan(one), one) for one in row]) for kind, rows in found.items()}


def only_shrinks(case: Case, record: Record) -> None:
    """Law 16: while the book is REDUCING no fill leaves a position larger, or on the other side."""
    held = dict.fromkeys(case.market.symbols, 0.0)
    reducing = False  # when the fills of a session begin
    for t in range(len(case.market.dates)):
        events = [event for event in record.events if event[0] == t]
        for _, name, item, _, after, _ in events:
            if name in ("split", "settlement"):
                held[item] = after if name == "split" else 0.0
        turns = [name for _, name, *_ in events if name.startswith(("halt_", "guard_", "rearmed"))]
        for _, symbol, shares, *_, moment in [fill for fill in record.fills if fill[0] == t]:
            if moment == "same_close" and turns:  # in the decision phase, after the breakers and what re-arms them
                reducing = turns[-1].startswith("guard_") and case.settings.guard_action == "reduce"
            before, held[symbol] = held[symbol], held[symbol] + shares
            dust = NEAR * abs(shares)
            if reducing:
                assert held[symbol] * before >= -dust * abs(before), (t, symbol, before, shares)
                assert abs(held[symbol]) <= abs(before) + dust, (t, symbol, before, shares)
        if turns:
            reducing = turns[-1].startswith("guard_") and case.settings.guard_action == "reduce"


def agree(case: Case) -> Record:
    slow = run_reference(case.market, case.settings, case.scripts)
    fast = run_package(case.market, case.settings, case.scripts)

    assert [fill[:2] + fill[6:] for fill in fast.fills] == [fill[:2] + fill[6:] for fill in slow.fills]
    money = case.settings.cash * 1e-3  # a commission may be a small rest of what was charged before
    for ours, theirs in zip(fast.fills, slow.fills, strict=True):
        for a, b, scale in zip(ours[2:6], theirs[2:6], (0.0, 0.0, money, 0.0), strict=True):
            assert close(a, b, scale), (ours, theirs)
    for t, (row, expected) in enumerate(zip(fast.ledger, slow.ledger, strict=True)):
        gross = abs(expected["cash"]) + expected["long_value"] + expected["short_value"] + expected["traded"]
        for column, value in expected.items():
            assert close(row[column], value, gross), (t, column, row[column], value)
    moved = dict.fromkeys(case.market.symbols, 0.0)
    for _, symbol, shares, *_ in slow.fills:
        moved[symbol] = max(moved[symbol], abs(shares))
    ours_told, theirs_told = told(fast.events), told(slow.events)
    assert {kind: len(rows) for kind, rows in ours_told.items()} == {k: len(rows) for k, rows in theirs_told.items()}
    for kind, rows in ours_told.items():
        for ours, theirs in zip(rows, theirs_told[kind], strict=True):
            scale = max(map(abs, filter(math.isfinite, (*ours, *theirs))), default=0.0)
            if kind[1] in ("split", "dividend", "settlement"):  # of a position, which is a sum of fills
                scale = max(scale, moved[kind[2]])
            assert all(close(a, b, scale) for a, b in zip(ours, theirs, strict=True)), (kind, ours, theirs)
    for ours, theirs in zip(sorted(fast.orders), sorted(slow.orders), strict=True):
        assert ours[:3] + ours[5:] == theirs[:3] + theirs[5:]
        assert close(ours[3], theirs[3]), (ours, theirs)
        assert close(ours[4], theirs[4]), (ours, theirs)
    only_shrinks(case, fast)
    for symbol, shares in slow.shares.items():
        assert close(fast.shares[symbol], shares, moved[symbol]), symbol
        assert close(fast.average_cost[symbol], slow.average_cost[symbol]), symbol
    assert [order[:1] + order[2:] for order in fast.resting] == [order[:1] + order[2:] for order in slow.resting]
    assert all(close(a[1], b[1]) for a, b in zip(fast.resting, slow.resting, strict=True))
    return slow


def test_engines_agree() -> None:
    events, statuses = Counter[str](), Counter[str]()

    @given(CASES)
    @plain(500)
    def check(case: Case) -> None:
        record = agree(case)
        events.update({name for _, name, *_ in record.events})
        statuses.update({STATUSES[int(row["status"])] for row in record.ledger})

    check()
    missing = [name for name, *_ in EVENTS if not events[name]] + [name for name in STATUSES if not statuses[name]]
    assert not missing, f"no case has {missing}: {events}, {statuses}"


@pytest.mark.slow
@given(CASES)
@plain(20_000)
def test_engines_agree_on_many_markets(case: Case) -> None:
    agree(case)


SIDES = st.one_of(st.integers(0, 6), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9]))


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 24),
    sides=st.tuples(SIDES, SIDES).filter(lambda sides: any(sides) and sum(side % 1 for side in sides) <= 1),
    weights=st.sampled_from(["equal", "score", "inverse_volatility"]),
    gross=st.sampled_from([1.0, 0.3, 2.0]),
    min_names=st.integers(1, 4),
    sectors=st.integers(0, 4),  # 0: not neutral
    values=st.sampled_from([3, 10, 0]),  # distinct scores; 0: all of them
)
@plain(300)
def test_rankings_agree(
    seed: int, n: int, sides: tuple[float, float], weights: Any, gross: float, min_names: int, sectors: int, values: int
) -> None:
    long, short = sides
    rng = np.random.default_rng(seed)
    score = rng.integers(0, values, n).astype(float) if values else rng.normal(size=n)
    score[rng.random(n) < 0.1] = math.nan
    score[rng.random(n) < 0.05] = math.inf
    eligible = rng.random(n) < 0.9
    volatility = rng.choice([0.1, 0.2, 0.5, 0.0, math.nan], size=n)
    codes = rng.integers(0, sectors, n) if sectors else None
    names = [f"{i:02}" for i in range(n)]

    def by_name(array: np.ndarray) -> dict[str, Any]:
        return dict(zip(names, array.tolist(), strict=True))

    theirs = rank(
        by_name(score),
        {name for name, yes in by_name(eligible).items() if yes},
        long,
        short,
        weights,
        gross,
        min_names,
        by_name(volatility),
        None if codes is None else by_name(codes),
    )
    ours = bt.rank_long_short(
        score,
        eligible,
        long=long,
        short=short,
        weights=weights,
        gross=gross,
        min_names=min_names,
        volatility=volatility,
        sectors=codes,
    )
    assert ours == pytest.approx(np.array(list(theirs.values())), rel=NEAR, abs=1e-15)
