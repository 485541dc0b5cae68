"""The quality of a signal beside alphalens: equal where the two agree, and how they differ where not.

Both see the same: the factor where alphalens keeps it (it drops a session unless returns over every period are known),
and returns from the close that the factor was known at, which is all that alphalens has.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alphalens_figures import FIGURES, VERSIONS

import backtester as bt
from backtester.metrics.ic import rank_ic
from backtester.research.quality import signal_study
from backtester.research.quality.ic import by_sector, summary
from backtester.research.quality.quantiles import Bought, bought, quantile_groups, quantile_returns
from backtester.research.quality.turnover import quantile_turnover, rank_autocorrelation

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import make_env  # noqa: E402

SCRIPT = BENCHMARKS / "peers" / "alphalens_tables.py"
PEERS = Path(os.environ.get("BACKTESTER_PEERS", make_env.DEFAULT_DIR))
MADE = runpy.run_path(str(SCRIPT))
MARKET, PERIODS, COUNT = MADE["market"](), MADE["PERIODS"], MADE["QUANTILES"]
# Sums of some 4,000 numbers in another order.
NEAR = 1e-10
# What six significant digits leave.
SIX = 5.1e-6


def panel() -> bt.Panel:
    closes = MARKET.prices
    return bt.Panel.from_arrays(
        *(MARKET.dates, MARKET.symbols),
        **{"open": np.full(closes.shape, 7.0), "high": None, "low": None, "close": closes},
        volume=np.ones(closes.shape),
        sectors=dict(zip(MARKET.symbols, MARKET.sectors, strict=True)),
    )


PANEL = panel()
SCORES = np.where(np.arange(len(MARKET.dates))[:, None] < len(MARKET.dates) - max(PERIODS), MARKET.factor, np.nan)
GROUPS = quantile_groups(SCORES, COUNT)


def followed(horizon: int) -> np.ndarray:
    return bt.labels(PANEL, None, horizon, fill="same_close")


def portfolios() -> Bought:
    return bought(quantile_returns(GROUPS, followed(1), COUNT))


def near(value: Any, rel: float = NEAR) -> Any:
    return pytest.approx(value, rel=rel)


def test_the_same_names_in_the_same_groups() -> None:
    assert np.isfinite(SCORES).sum() == FIGURES["cells"]
    assert [int((k == GROUPS).sum()) for k in range(COUNT)] == FIGURES["quantile_counts"]


@pytest.mark.parametrize("horizon", PERIODS)
def test_information_coefficients(horizon: int) -> None:
    found = summary(rank_ic(SCORES, followed(horizon)), horizon)
    assert found.mean == near(FIGURES["ic_mean"][str(horizon)])
    assert found.std == near(FIGURES["ic_std"][str(horizon)])
    assert found.ir == near(FIGURES["ic_mean"][str(horizon)] / FIGURES["ic_std"][str(horizon)])


def test_information_coefficients_by_sector() -> None:
    found = by_sector(PANEL.sectors, SCORES, followed(5), 5, min_names=2)
    assert {one.sector: one.mean for one in found} == near(FIGURES["ic_by_sector"])


def test_returns_by_quantile() -> None:
    found = portfolios()
    assert [one.mean for one in found.each] == near(FIGURES["quantile_mean"])
    # Less the mean of the session, which is that of the universe.
    assert [one.mean - found.universe for one in found.each] == near(FIGURES["quantile_mean_demeaned"])
    assert [curve[-1] + 1.0 for curve in found.curves] == near(FIGURES["quantile_cumulative"])


def test_the_error_of_alphalens_takes_sessions_for_independent() -> None:
    """``std / sqrt(n)``; ours counts their dependence, and is another number."""
    returns = quantile_returns(GROUPS, followed(1), COUNT)
    plain = returns.each.std(axis=0, ddof=1) / np.sqrt(len(returns.each))
    assert plain.tolist() == near(FIGURES["quantile_error"])
    assert all(abs(one.error / other - 1.0) > 0.01 for one, other in zip(bought(returns).each, plain, strict=True))


def test_the_spread_of_alphalens_is_half_of_ours() -> None:
    """Half long and half short; ours is a book as long as its capital, and as short."""
    assert portfolios().spread.mean / 2 == near(FIGURES["spread_mean"])


def test_alpha_and_beta() -> None:
    """Of the half spread; their alpha is compounded over the year. Their default is a book weighted by the factor."""
    found = portfolios()
    assert found.beta.mean / 2 == near(FIGURES["spread_beta"])
    assert (1.0 + found.alpha.mean / 2 / 252) ** 252 - 1.0 == near(FIGURES["spread_alpha_compounded"])
    assert abs(FIGURES["factor_weighted_beta"] / FIGURES["spread_beta"] - 1.0) > 0.1


@pytest.mark.parametrize("lag", PERIODS)
def test_turnover_and_autocorrelation(lag: int) -> None:
    theirs = FIGURES["turnover"][str(lag)]
    assert quantile_turnover(GROUPS, 0, lag) == near(theirs["bottom"])
    assert quantile_turnover(GROUPS, COUNT - 1, lag) == near(theirs["top"])
    assert rank_autocorrelation(SCORES, (lag,))[lag] == near(FIGURES["autocorrelation"][str(lag)])


def test_the_study_tells_the_same() -> None:
    study = signal_study(PANEL, SCORES, horizon=5, fill="same_close", quantiles=COUNT)
    bps = study["quantiles"]
    assert {str(one["horizon"]): one["rank"]["mean"] for one in study["horizons"]} == near(FIGURES["ic_mean"], SIX)
    assert {str(one["horizon"]): one["rank"]["std"] for one in study["horizons"]} == near(FIGURES["ic_std"], SIX)
    assert bps["mean_bps"] == near([1e4 * one for one in FIGURES["quantile_mean"]], SIX)
    assert bps["spread"]["mean_bps"] == near(2e4 * FIGURES["spread_mean"], SIX)
    assert bps["beta"]["value"] == near(2 * FIGURES["spread_beta"], SIX)
    assert study["autocorrelation"] == near(FIGURES["autocorrelation"], SIX)
    assert [{key: near(one, SIX) for key, one in lag.items()} for lag in FIGURES["turnover"].values()] == [
        *bps["turnover"].values()
    ]


def compare(found: Any, expected: Any) -> None:
    """Equal to the rounding of sums on another machine."""
    if isinstance(expected, Mapping):
        assert found.keys() == expected.keys()
        for key in expected:
            compare(found[key], expected[key])
    else:
        assert found == near(expected)


@pytest.mark.slow
def test_alphalens_still_says_so() -> None:
    if not make_env.is_made("alphalens", PEERS):
        pytest.skip(f"no environment at {PEERS}: python benchmarks/make_env.py alphalens (or set BACKTESTER_PEERS)")
    python = make_env.python_of("alphalens", PEERS)
    printed = subprocess.run([python, SCRIPT], capture_output=True, text=True, check=True).stdout
    found = json.loads(printed)
    assert found["versions"] == VERSIONS
    compare(found["figures"], FIGURES)
