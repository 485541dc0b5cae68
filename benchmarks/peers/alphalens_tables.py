"""What alphalens says of a seeded market and a factor; run in the environment of ``make_env.py alphalens``.

    python benchmarks/peers/alphalens_tables.py

Prints one JSON object: the version, and the figures of its tables. Market and factor are made here from NumPy alone, so
that ``tests/test_quality_peers.py`` can make them again.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np

SESSIONS, SYMBOLS = 150, 31  # no multiple of the quantiles
PERIODS = (1, 5, 10, 21)
QUANTILES = 5


class Market(NamedTuple):
    """Prices and what foretells them."""

    dates: np.ndarray  # (SESSIONS,) weekdays
    symbols: list[str]
    sectors: list[str]
    prices: np.ndarray  # (SESSIONS, SYMBOLS) closes
    factor: np.ndarray  # the same, known after the close; some are missing


def market() -> Market:
    """A factor that lasts, prices that follow it a little, a market that all of them share."""
    rng = np.random.default_rng(0)
    factor = np.empty((SESSIONS, SYMBOLS))
    factor[0] = rng.standard_normal(SYMBOLS)
    for t in range(1, SESSIONS):
        factor[t] = 0.9 * factor[t - 1] + np.sqrt(1 - 0.81) * rng.standard_normal(SYMBOLS)
    common = 0.008 * rng.standard_normal((SESSIONS, 1))
    moves = common * np.linspace(0.5, 1.5, SYMBOLS) + 0.015 * rng.standard_normal((SESSIONS, SYMBOLS))
    moves[1:] += 0.002 * factor[:-1]
    factor[rng.random(factor.shape) < 0.08] = np.nan
    days = np.busday_offset("2020-01-01", np.arange(SESSIONS), roll="forward")
    symbols = [f"S{i:02d}" for i in range(SYMBOLS)]
    sectors = [("Energy", "Materials", "Utilities")[i % 3] for i in range(SYMBOLS)]
    return Market(days, symbols, sectors, 50.0 * np.exp(np.cumsum(moves, axis=0)), factor)


def figures() -> dict[str, Any]:
    """The tables of alphalens, each as plain numbers."""
    import pandas as pd
    from alphalens import performance, utils

    made = market()
    index = pd.DatetimeIndex(made.dates, freq="B", name="date")
    prices = pd.DataFrame(made.prices, index, made.symbols)
    factor = pd.DataFrame(made.factor, index, pd.Index(made.symbols, name="asset")).stack()
    sectors = dict(zip(made.symbols, made.sectors, strict=True))
    data = utils.get_clean_factor_and_forward_returns(
        factor, prices, groupby=sectors, quantiles=QUANTILES, periods=PERIODS, max_loss=1.0
    )
    ic = performance.factor_information_coefficient(data)
    by_sector = performance.mean_information_coefficient(data, by_group=True)
    raw, raw_error = performance.mean_return_by_quantile(data, demeaned=False)
    demeaned, _ = performance.mean_return_by_quantile(data)
    daily, _ = performance.mean_return_by_quantile(data, by_date=True, demeaned=False)
    spread, _ = performance.compute_mean_returns_spread(daily, QUANTILES, 1)
    bought = performance.factor_alpha_beta(data, returns=spread["1D"])
    weighted = performance.factor_alpha_beta(data)
    groups = data["factor_quantile"]
    return {
        "cells": len(data),
        "quantile_counts": [int((groups == q).sum()) for q in range(1, QUANTILES + 1)],
        "ic_mean": {str(h): float(ic[f"{h}D"].mean()) for h in PERIODS},
        "ic_std": {str(h): float(ic[f"{h}D"].std()) for h in PERIODS},
        "ic_by_sector": {name: float(by_sector.loc[name, "5D"]) for name in sorted(set(made.sectors))},
        "quantile_mean": [float(x) for x in raw["1D"]],
        "quantile_error": [float(x) for x in raw_error["1D"]],
        "quantile_mean_demeaned": [float(x) for x in demeaned["1D"]],
        "quantile_cumulative": [
            float(performance.cumulative_returns(daily["1D"].xs(q, level="factor_quantile")).iloc[-1])
            for q in range(1, QUANTILES + 1)
        ],
        "spread_mean": float(spread["1D"].mean()),
        "spread_alpha_compounded": float(bought.loc["Ann. alpha", "1D"]),
        "spread_beta": float(bought.loc["beta", "1D"]),
        "factor_weighted_alpha_compounded": float(weighted.loc["Ann. alpha", "1D"]),
        "factor_weighted_beta": float(weighted.loc["beta", "1D"]),
        "turnover": {
            str(lag): {
                "bottom": float(performance.quantile_turnover(groups, 1, lag).mean()),
                "top": float(performance.quantile_turnover(groups, QUANTILES, lag).mean()),
            }
            for lag in PERIODS
        },
        "autocorrelation": {
            str(lag): float(performance.factor_rank_autocorrelation(data, lag).mean()) for lag in PERIODS
        },
    }


def main() -> int:
    """Print the figures."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    warnings.simplefilter("ignore")  # of its pandas; the figures say what they say
    said, sys.stdout = sys.stdout, sys.stderr  # it prints how much it dropped
    found = figures()
    sys.stdout = said
    print(json.dumps({"versions": {"alphalens-reloaded": version("alphalens-reloaded")}, "figures": found}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
