"""What empyrical and quantstats say of some seeded returns; run in the environment of ``make_env.py metrics``.

    python benchmarks/peers/metrics.py

Prints one JSON object: the versions, and every figure of every series by the name of the function that gave it. The
series are made here from NumPy alone, so that ``tests/test_metrics_peers.py`` can make them again.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

SESSIONS = 600


def series() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns and those of a benchmark, (SESSIONS,) each, by name: calm, losing with fat tails, and mostly flat."""
    made = {}
    for seed, name in enumerate(("calm", "losing", "idle")):
        rng = np.random.default_rng(seed)
        market = 0.0004 + 0.011 * rng.standard_normal(SESSIONS)
        own = rng.standard_normal(SESSIONS)
        if name == "calm":
            returns = 0.0006 + 0.3 * market + 0.004 * own
        elif name == "losing":
            returns = -0.0012 + 1.2 * market + 0.006 * own / np.sqrt(rng.chisquare(4, SESSIONS) / 4)
        else:
            returns = np.where(rng.random(SESSIONS) < 0.7, 0.0, 0.003 + 0.02 * own)
        made[name] = (returns, market)
    return made


def edges() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns of which there is little to say, by name, and those of a benchmark."""
    returns = {
        "flat": [0.0] * 10,
        "steady": [0.01] * 10,
        "rising": [0.01, 0.02, 0.03, 0.05],
        "one session": [0.01],
        "below zero": [-0.5, -1.4],
    }
    return {name: (np.array(r), np.linspace(-0.01, 0.012, len(r))) for name, r in returns.items()}


def empyrical_figures() -> dict[str, Callable[[Any, Any], float]]:
    """Functions of empyrical of returns and benchmark returns."""
    import empyrical as e

    return {
        "cum_returns_final": lambda r, b: e.cum_returns_final(r),
        "annual_return": lambda r, b: e.annual_return(r),
        "annual_volatility": lambda r, b: e.annual_volatility(r),
        "downside_risk": lambda r, b: e.downside_risk(r),
        "sharpe_ratio": lambda r, b: e.sharpe_ratio(r),
        "sortino_ratio": lambda r, b: e.sortino_ratio(r),
        "calmar_ratio": lambda r, b: e.calmar_ratio(r),
        "omega_ratio": lambda r, b: e.omega_ratio(r),
        "value_at_risk": lambda r, b: e.value_at_risk(r),
        "conditional_value_at_risk": lambda r, b: e.conditional_value_at_risk(r),
        "tail_ratio": lambda r, b: e.tail_ratio(r),
        "stability_of_timeseries": lambda r, b: e.stability_of_timeseries(r),
        "max_drawdown": lambda r, b: e.max_drawdown(r),
        "alpha": lambda r, b: e.alpha(r, b),
        "beta": lambda r, b: e.beta(r, b),
        "excess_sharpe": lambda r, b: e.excess_sharpe(r, b),
    }


def quantstats_figures() -> dict[str, Callable[[Any, Any], float]]:
    """Functions of quantstats of returns and benchmark returns."""
    import quantstats.stats as q

    return {
        "comp": lambda r, b: q.comp(r),
        "cagr": lambda r, b: q.cagr(r),
        "volatility": lambda r, b: q.volatility(r),
        "sharpe": lambda r, b: q.sharpe(r),
        "sortino": lambda r, b: q.sortino(r),
        "calmar": lambda r, b: q.calmar(r),
        "omega": lambda r, b: q.omega(r),
        "skew": lambda r, b: q.skew(r),
        "kurtosis": lambda r, b: q.kurtosis(r),
        "value_at_risk": lambda r, b: q.value_at_risk(r),
        "conditional_value_at_risk": lambda r, b: q.conditional_value_at_risk(r),
        "conditional_value_at_risk_historical": lambda r, b: q.conditional_value_at_risk(r, method="historical"),
        "tail_ratio": lambda r, b: q.tail_ratio(r),
        "max_drawdown": lambda r, b: q.max_drawdown(r),
        "best": lambda r, b: q.best(r),
        "worst": lambda r, b: q.worst(r),
        "win_rate": lambda r, b: q.win_rate(r),
        "profit_factor": lambda r, b: q.profit_factor(r),
        "alpha": lambda r, b: q.greeks(r, b)["alpha"],
        "beta": lambda r, b: q.greeks(r, b)["beta"],
        "information_ratio": lambda r, b: q.information_ratio(r, b),
        "r_squared": lambda r, b: q.r_squared(r, b),
    }


def told(take: Callable[[Any, Any], float], returns: Any, benchmark: Any) -> float | str:
    """A figure, or the name of the error that it raises."""
    try:
        return float(take(returns, benchmark))
    except (ArithmeticError, ValueError) as error:
        return type(error).__name__


def main() -> int:
    """Print every figure of every series."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    warnings.simplefilter("ignore")  # of their imports; the figures say what they say
    import pandas as pd

    days = pd.bdate_range("2020-01-01", periods=SESSIONS)
    libraries = {"empyrical": empyrical_figures(), "quantstats": quantstats_figures()}
    found: dict[str, Any] = {"versions": {name: version(name) for name in ("empyrical-reloaded", "quantstats")}}
    for name, arrays in (series() | edges()).items():
        r, b = (pd.Series(array, index=days[: len(array)]) for array in arrays)
        found[name] = {
            library: {figure: told(take, r, b) for figure, take in figures.items()}
            for library, figures in libraries.items()
        }
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
