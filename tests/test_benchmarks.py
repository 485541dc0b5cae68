"""The benchmarks' own claims, on a small market: the same arrays everywhere, parity, and costs that act when on."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import costs  # noqa: E402
import engine  # noqa: E402
import floor  # noqa: E402
import markets  # noqa: E402

QUICK = markets.WORKS["QUICK"]
# Printed by benchmarks/peers/vectorbt_w1.py --work QUICK, every path, in its own environment.
VECTORBT_FINAL_EQUITY = 10_294_710.0248533


@pytest.fixture(scope="module")
def load() -> engine.Load:
    """The small market, with sectors."""
    return engine.Load(QUICK, sectors=True)


def test_the_market_is_made_alike_and_is_sound() -> None:
    one, two = markets.make(QUICK), markets.make(QUICK)
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a, b)
    assert one.symbols == tuple(sorted(one.symbols))
    assert (one.low <= np.minimum(one.open, one.close)).all()
    assert (one.high >= np.maximum(one.open, one.close)).all()
    assert (one.volume >= 1).all()
    assert np.isfinite(one.scores).all()
    assert np.is_busday(one.dates).all()
    assert (np.diff(one.dates) > np.timedelta64(0, "D")).all()


def test_parity_with_the_bare_loop_and_with_vectorbt(load: engine.Load) -> None:
    equity = load.equity(**engine.parity_settings())
    _, bare = floor.run(markets.make(QUICK), QUICK.names, repeat=1)
    np.testing.assert_allclose(equity, bare, rtol=1e-9)
    assert equity[-1] == pytest.approx(VECTORBT_FINAL_EQUITY, rel=1e-9)


@pytest.mark.parametrize("case", costs.cases(QUICK), ids=lambda case: case.name)
def test_each_cost_that_is_on_acts(load: engine.Load, case: costs.Case) -> None:
    strategy = engine.ranked(QUICK.names, **case.strategy)
    costs.check(case, load.run(strategy, costs=case.costs, risk=case.risk, execution=case.execution))


def test_every_stride_earns_the_same(load: engine.Load) -> None:
    strategy = engine.Listening(QUICK.names)
    result = load.run(strategy)
    assert np.array_equal(result.equity, load.equity())
    assert np.array_equal(result.equity, load.equity(engine.Deciding(QUICK.names)))
    assert strategy.filled == len(result.fills) > 0


def test_variants_side_by_side_are_what_they_are_alone() -> None:
    """The job asserts it of every curve, to the bit."""
    assert engine.variants(QUICK, 1)["variants"] == 100


@pytest.mark.parametrize("path", sorted((BENCHMARKS / "envs").glob("*.txt")), ids=lambda path: path.stem)
def test_requirements_are_pinned(path: Path) -> None:
    for line in path.read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", line), line
