"""Runs and studies for the tests of the page."""

from __future__ import annotations

import dataclasses
import math
from functools import cache
from typing import Any

import numpy as np
from results import make_result

import backtester as bt
import signals
import strategies
from backtester.engine import types as t
from backtester.result import Result

HOSTILE = "<script>alert(1)</script><b>x</b> & </style> \"'`${1}"
FOLDS = bt.Folds(train=100, test=60)


@cache
def learnt_run() -> Result:
    """A small run of a signal that learns, with trips of a breaker, short sales and a benchmark."""
    market = bt.synthetic(symbols=24, sessions=380, seed=3)
    return bt.run(
        market.panel,
        strategies.RankedLongShort(long=5, short=5, every=5),
        signal=signals.Estimator("sklearn.linear_model:Ridge", {"alpha": 10.0}),
        folds=FOLDS,
        costs=bt.Costs(commission_bps=2.0, slippage_bps=4.0, borrow_rate=0.01, debit_rate=0.05),
        risk=bt.RiskLimits(max_drawdown=0.02, cooldown=5),
        benchmark="equal_weight",
        name="a small run",
    )


def rule_run(sessions: int = 90, **more: Any) -> Result:
    """A rule that learns nothing, in whole or in part."""
    market = bt.synthetic(symbols=8, sessions=sessions, seed=2)
    return bt.run(market.panel, strategies.EqualWeight(), name="a rule", **more)


def flat_run() -> Result:
    """A run whose every score is unknown."""
    market = bt.synthetic(symbols=8, sessions=30, seed=2)
    none = np.full(market.panel.shape, np.nan)
    return bt.run(market.panel, strategies.RankedLongShort(long=2, short=2), scores=none, name="no scores")


def wiped_run() -> Result:
    """An account that ends below 0 on its third day, made by hand; the market data is not known."""
    ledger = np.zeros((6, t.LEDGER))
    ledger[:, t.L_EQUITY] = [1000, 800, -50, -50, -50, -50]
    ledger[:, t.L_LONG] = [500, 400, 0, 0, 0, 0]
    ledger[:, t.L_TRADED] = [500, 10, 300, 0, 0, 0]
    ledger[:, t.L_PRICE_PNL] = [0, -200, -850, 0, 0, 0]
    return make_result(tape=make_result().tape._replace(ledger=ledger))


def broken_run() -> Result:
    """A ledger in which nothing is a number."""
    ledger = np.full((6, t.LEDGER), math.nan)
    ledger[:, t.L_STATUS] = 0.0
    return make_result(tape=make_result().tape._replace(ledger=ledger))


def hostile_run() -> Result:
    """A run in which everything that has a name has one with HTML in it."""
    run = learnt_run()
    settings = {**run.settings, "strategy": {**run.settings["strategy"], "class": f"mine:{HOSTILE}", HOSTILE: HOSTILE}}
    assert run.benchmark is not None
    return dataclasses.replace(
        run,
        name=HOSTILE,
        symbols=tuple(f"{HOSTILE}{k}" if k % 2 else f"<img src=x onerror=alert({k})>" for k in range(len(run.symbols))),
        settings=settings,
        benchmark=run.benchmark._replace(name=HOSTILE),
        source="f" * 64,
        parts=run.attribution,
    )


def full_study(sessions: int = 120, name: str = "mine:Net") -> dict[str, Any]:
    """A study with everything in it; `name` stands wherever a name can."""
    rng = np.random.default_rng(0)
    dates = [str(np.datetime64("2020-01-01") + k) for k in range(sessions)]
    ic = [None, *(0.02 + 0.1 * rng.standard_normal(sessions - 1)).tolist()]
    groups = [(0.001 * (k - 2) + 0.01 * rng.standard_normal(sessions)).cumsum().tolist() for k in range(5)]

    def about(mean: float) -> dict[str, Any]:
        told = {"mean": mean, "error": 0.008, "low": mean - 0.016, "high": mean + 0.016, "t": 2.5, "p": 0.012}
        return told | {"lags": 4, "std": 0.1, "ir": 0.2, "positive": 0.58, "sessions": sessions}

    def row(key: str, value: Any) -> dict[str, Any]:
        return {key: value, "mean": 0.02, "error": 0.01, "low": 0.0, "high": 0.04, "sessions": 60, "names": 5}

    figures = {"sharpe": (0.8, -0.2, 1.9), "cagr": (0.05, -0.01, 0.12), "annual_volatility": (0.1, 0.08, 0.12)}
    intervals = {key: dict(zip(("value", "low", "high"), three, strict=True)) for key, three in figures.items()}
    return {
        "signal": {
            "source": name,
            "horizon": 5,
            "fill": "open",
            "sessions": sessions,
            "scored": 0.98,
            "horizons": [
                {"horizon": h, "rank": about(0.01 * k), "pearson": about(0.01)} for k, h in enumerate((1, 5), 1)
            ],
            "daily": {"dates": dates, "rank": ic, "pearson": ic},
            "years": [row("year", 2020), row("year", 2021)],
            "sectors": [row("sector", name), row("sector", "Energy")],
            "quantiles": {
                "count": 5,
                "horizon": 1,
                "mean_bps": [-3.0, -1.0, 0.0, 1.0, 4.0],
                "low_bps": [-6.0, -4.0, -3.0, -2.0, None],
                "high_bps": [0.0, 2.0, 3.0, 4.0, None],
                "dates": dates,
                "cumulative": groups,
                "spread_cumulative": [high - low for high, low in zip(groups[4], groups[0], strict=True)],
                "spread": {"mean_bps": 7.0, "low_bps": 1.0, "high_bps": 13.0, "p": 0.02},
                "alpha": {"a_year": 0.17, "low": 0.02, "high": 0.32, "p": 0.03},
                "beta": {"value": 0.1, "low": -0.1, "high": 0.3},
                "turnover": {"1": {"bottom": 0.4, "top": 0.41}, "5": {"bottom": 0.7, "top": 0.71}},
            },
            "autocorrelation": {"1": 0.6, "5": 0.2},
            "errors": {"mse": 0.9, "mae": 0.7, "direction": 0.52, "precision": None, "count": 1000},
            "epochs": [{"epoch": k, "train_loss": 1 / k, "valid_loss": 1.1 / k, "valid_ic": None} for k in (1, 2, 3)],
            "members": {name: 0.021, "seed 1": 0.018},
        },
        "portfolio": {
            "level": 0.95,
            "resamples": 2000,
            "block": 5.2,
            "sessions": sessions,
            "net": intervals,
            "gross": intervals,
            "break_even_bps": 7.3,
            "psr": 0.93,
            "min_track_sessions": 812,
        },
        "trials": {
            "count": 41,
            "since": "2026-11-01",
            "sharpe_std": 0.4,
            "expected_max": 0.93,
            "dsr": 0.31,
            "ledger": name,
        },
    }


def bare_study() -> dict[str, Any]:
    """A study in which next to nothing is known."""
    nothing = dict.fromkeys(("mean", "error", "low", "high", "t", "p", "ir", "positive"))
    empty = {"count": 5, "mean_bps": [None] * 5, "low_bps": [None] * 5, "high_bps": [None] * 5, "dates": []}
    signal = {
        "source": "",
        "horizon": 1,
        "horizons": [{"horizon": 1, "rank": nothing, "pearson": nothing}],
        "daily": {"dates": [], "rank": [], "pearson": []},
        "years": [],
        "sectors": [],
        "quantiles": empty | {"cumulative": [[]] * 5, "spread_cumulative": [], "spread": None, "turnover": {}},
        "autocorrelation": {},
        "errors": None,
        "epochs": [{"epoch": 1, "train_loss": None, "valid_loss": None, "valid_ic": None}],
        "members": {},
    }
    unknown = {"sharpe": dict.fromkeys(("value", "low", "high"))}
    portfolio = {"level": 0.95, "resamples": 2000, "block": None, "net": unknown, "gross": {}, "break_even_bps": None}
    return {"signal": signal, "portfolio": portfolio, "trials": {"count": None, "dsr": None}}
