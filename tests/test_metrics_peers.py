"""The figures beside those of empyrical and quantstats: equal where the two agree, and how they differ where not."""

from __future__ import annotations

import json
import math
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from peer_figures import FIGURES, VERSIONS

from backtester import metrics as m

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import make_env  # noqa: E402

SCRIPT = BENCHMARKS / "peers" / "metrics.py"
MADE = runpy.run_path(str(SCRIPT))
SERIES, EDGES = MADE["series"](), MADE["edges"]()
PEERS = Path(os.environ.get("BACKTESTER_PEERS", make_env.DEFAULT_DIR))
YEAR = 252.0
# Sums of 600 numbers in another order, 600 roundings of 2e-16, and what ratios and differences of such sums add to it.
NEAR = 1e-11

Ours = Callable[[np.ndarray, np.ndarray], float]


def curve(r: np.ndarray) -> np.ndarray:
    """Equity of an account of 1."""
    return np.cumprod(1.0 + r)


def depth(r: np.ndarray) -> float:
    return m.max_drawdown(curve(r), 1.0).depth


def normal_tail(r: np.ndarray) -> float:
    """Mean of the worst 5 % of the normal distribution with the mean and the spread of the returns."""
    normal = NormalDist()
    return r.mean() - r.std(ddof=1) * normal.pdf(normal.inv_cdf(0.05)) / 0.05


# library, its function, ours. Their losses are negative numbers where ours are positive.
AGREE: list[tuple[str, str, Ours]] = [
    ("empyrical", "cum_returns_final", lambda r, b: m.total_return(curve(r), 1.0)),
    ("quantstats", "comp", lambda r, b: m.total_return(curve(r), 1.0)),
    ("empyrical", "annual_return", lambda r, b: m.cagr(curve(r), 1.0)),
    ("quantstats", "cagr", lambda r, b: m.cagr(curve(r), 1.0)),
    ("empyrical", "annual_volatility", lambda r, b: m.annual_volatility(r)),
    ("quantstats", "volatility", lambda r, b: m.annual_volatility(r)),
    ("empyrical", "downside_risk", lambda r, b: m.downside_deviation(r)),
    ("empyrical", "sharpe_ratio", lambda r, b: m.sharpe_ratio(r)),
    ("quantstats", "sharpe", lambda r, b: m.sharpe_ratio(r)),
    ("empyrical", "sortino_ratio", lambda r, b: m.sortino_ratio(r)),
    ("quantstats", "sortino", lambda r, b: m.sortino_ratio(r)),
    ("empyrical", "calmar_ratio", lambda r, b: m.calmar_ratio(m.cagr(curve(r), 1.0), depth(r))),
    ("quantstats", "calmar", lambda r, b: m.calmar_ratio(m.cagr(curve(r), 1.0), depth(r))),
    ("empyrical", "omega_ratio", lambda r, b: m.omega_ratio(r)),
    ("quantstats", "omega", lambda r, b: m.omega_ratio(r)),
    ("quantstats", "skew", lambda r, b: m.skewness(r)),
    ("quantstats", "kurtosis", lambda r, b: m.excess_kurtosis(r)),
    ("empyrical", "value_at_risk", lambda r, b: -m.value_at_risk(r)),
    ("empyrical", "conditional_value_at_risk", lambda r, b: -m.conditional_value_at_risk(r)),
    ("quantstats", "conditional_value_at_risk_historical", lambda r, b: -m.conditional_value_at_risk(r)),
    ("empyrical", "tail_ratio", lambda r, b: m.tail_ratio(r)),
    ("quantstats", "tail_ratio", lambda r, b: m.tail_ratio(r)),
    ("empyrical", "stability_of_timeseries", lambda r, b: m.stability(r)),
    ("empyrical", "max_drawdown", lambda r, b: -depth(r)),
    ("quantstats", "max_drawdown", lambda r, b: -depth(r)),
    ("quantstats", "best", lambda r, b: m.best_session(r)),
    ("quantstats", "worst", lambda r, b: m.worst_session(r)),
    ("quantstats", "win_rate", lambda r, b: m.hit_rate(r)),
    ("empyrical", "beta", m.beta),
    ("quantstats", "beta", m.beta),
    ("quantstats", "alpha", m.alpha),
]

# Where a library means something else: its figure by its own definition, from ours. docs/settings.md says why.
DIFFER: list[tuple[str, str, Ours]] = [
    ("empyrical", "alpha", lambda r, b: (1.0 + m.alpha(r, b) / YEAR) ** YEAR - 1.0),  # compounded
    ("empyrical", "excess_sharpe", lambda r, b: m.information_ratio(r, b) / math.sqrt(YEAR)),  # a session, not a year
    ("quantstats", "information_ratio", lambda r, b: m.information_ratio(r, b) / math.sqrt(YEAR)),
    ("quantstats", "value_at_risk", lambda r, b: NormalDist(r.mean(), r.std(ddof=1)).inv_cdf(0.05)),  # of a normal
    ("quantstats", "conditional_value_at_risk", lambda r, b: normal_tail(r)),
    ("quantstats", "profit_factor", lambda r, b: m.omega_ratio(r)),  # of returns, ours is of money
    ("quantstats", "r_squared", lambda r, b: m.correlation(r, b) ** 2),
]


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize(("library", "function", "ours"), AGREE + DIFFER, ids=lambda part: part if part else None)
def test_figures_of_the_libraries(name: str, library: str, function: str, ours: Ours) -> None:
    assert ours(*SERIES[name]) == pytest.approx(FIGURES[name][library][function], rel=NEAR)


NAN, INF = math.nan, math.inf
# Where there is too little to say: what they say, and what we do. Unknown is NaN here, never 0 and never infinite.
EXPLAINED: dict[tuple[str, str, str], tuple[float | str, float]] = {
    ("flat", "quantstats", "calmar"): ("ZeroDivisionError", NAN),  # nothing fell
    ("flat", "quantstats", "win_rate"): (0.0, NAN),  # nothing moved
    ("steady", "empyrical", "sharpe_ratio"): (INF, NAN),  # nothing varied
    ("steady", "quantstats", "sharpe"): (8.681430029724637e16, NAN),  # it divides by what rounding leaves
    ("steady", "empyrical", "sortino_ratio"): (INF, NAN),  # nothing was lost
    ("steady", "quantstats", "calmar"): ("ZeroDivisionError", NAN),
    ("rising", "empyrical", "sortino_ratio"): (INF, NAN),
    ("rising", "quantstats", "calmar"): ("ZeroDivisionError", NAN),
    ("one session", "empyrical", "downside_risk"): (0.0, NAN),  # one is no deviation
    ("one session", "quantstats", "calmar"): ("ZeroDivisionError", NAN),
    ("one session", "quantstats", "beta"): (0.0, NAN),  # it makes NaN 0
    ("one session", "quantstats", "alpha"): (0.0, NAN),
    ("below zero", "quantstats", "cagr"): (NAN, -1.0),  # 0.5 * -0.4: more than all is lost
    ("below zero", "quantstats", "calmar"): (NAN, -1.0 / 1.2),
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize(("library", "function", "ours"), AGREE, ids=lambda part: part if part else None)
def test_figures_of_the_libraries_at_the_edges(name: str, library: str, function: str, ours: Ours) -> None:
    theirs = FIGURES[name][library][function]
    got = ours(*EDGES[name])
    explained = EXPLAINED.get((name, library, function))
    if explained is not None:
        assert repr(theirs) == repr(explained[0])
    expected = theirs if explained is None else explained[1]
    assert got == pytest.approx(expected, rel=NEAR, abs=1e-12, nan_ok=True)


def test_every_figure_of_theirs_is_compared() -> None:
    told = {(library, function) for library, function, _ in AGREE + DIFFER}
    for libraries in FIGURES.values():
        assert {(library, function) for library, figures in libraries.items() for function in figures} == told
    assert FIGURES.keys() == SERIES.keys() | EDGES.keys()


def test_the_definitions_that_differ_do_differ() -> None:
    """By more than rounding, or there would be nothing to explain."""
    r, b = SERIES["losing"]
    theirs = FIGURES["losing"]
    money = np.diff(curve(r), prepend=1.0)
    for ours, other in (
        (m.alpha(r, b), theirs["empyrical"]["alpha"]),
        (m.information_ratio(r, b), theirs["quantstats"]["information_ratio"]),
        (-m.value_at_risk(r), theirs["quantstats"]["value_at_risk"]),
        (-m.conditional_value_at_risk(r), theirs["quantstats"]["conditional_value_at_risk"]),
        (m.profit_factor(money), theirs["quantstats"]["profit_factor"]),
    ):
        assert abs(ours / other - 1.0) > 0.01


@pytest.mark.slow
def test_the_libraries_still_say_so() -> None:
    if not make_env.is_made("metrics", PEERS):
        pytest.skip(f"no environment at {PEERS}: python benchmarks/make_env.py metrics (or set BACKTESTER_PEERS)")
    python = make_env.python_of("metrics", PEERS)
    printed = subprocess.run([python, SCRIPT], capture_output=True, text=True, check=True).stdout
    found = json.loads(printed)
    assert found.pop("versions") == VERSIONS
    assert found.keys() == FIGURES.keys()
    for name, libraries in FIGURES.items():
        for library, figures in libraries.items():
            for figure, value in figures.items():
                rounding = isinstance(value, float) and 1e15 < abs(value) < INF  # of another machine, another number
                same = (
                    value
                    if isinstance(value, str)
                    else pytest.approx(value, rel=1.0 if rounding else NEAR, nan_ok=True)
                )
                assert found[name][library][figure] == same, (name, library, figure)
