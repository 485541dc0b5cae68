"""Every signal that ships, with settings small enough for a small market; and markets to try them on."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

import backtester as bt
import signals

ESTIMATORS = {
    "ridge": lambda: signals.Estimator("sklearn.linear_model:Ridge", {"alpha": 10.0}, lookbacks=[1, 2, 5]),
    "gradient boosting": lambda: signals.Estimator(
        "sklearn.ensemble:HistGradientBoostingRegressor", {"max_iter": 4}, lookbacks=[1, 2, 5], label="ranked"
    ),
    "pipeline": lambda: signals.Estimator(_pipeline(), lookbacks=[1, 5], scale="zscore", label="sector_demeaned"),
    "classifier": lambda: signals.Estimator(
        "sklearn.linear_model:LogisticRegression", lookbacks=[1, 5], label="up", horizon=3
    ),
    "random forest": lambda: signals.Estimator(
        "sklearn.ensemble:RandomForestRegressor", {"n_estimators": 3, "max_depth": 3}, lookbacks=[1, 5], seed=3
    ),
}
# Signals that need arguments, or whose own settings are too long for the markets here. Any other that is exported is
# made without arguments.
KNOWN = {
    "Momentum": {"momentum": lambda: signals.Momentum(20, 5)},
    "Reversal": {"reversal": lambda: signals.Reversal()},
    "Random": {"random": lambda: signals.Random(7)},
    "Estimator": ESTIMATORS,
}
MAKERS = {
    name: make
    for exported in signals.__all__
    for name, make in KNOWN.get(exported, {exported: getattr(signals, exported)}).items()
}


def _pipeline() -> Any:
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LinearRegression())


def market(symbols: int = 16, sessions: int = 160, seed: int = 0) -> bt.Panel:
    """A synthetic market with members by date and two extra columns."""
    panel = bt.synthetic(symbols, sessions, seed, rank_ic=0.1).panel
    rng = np.random.default_rng(seed)
    member = np.ones(panel.shape, dtype=bool)
    member[: sessions // 2, 0] = False
    member[sessions // 3 :, 1] = False
    size, mood = rng.normal(size=panel.shape), rng.normal(size=panel.shape)
    mood[rng.random(panel.shape) < 0.1] = np.nan
    return dataclasses.replace(panel, member=member, extra={"size": size, "mood": mood})


def with_another_future(panel: bt.Panel, t: int, seed: int = 0) -> bt.Panel:
    """The same up to row ``t``; other prices, volumes, extra columns, members and actions after it.

    Endings are held: they are dated input, known to the engine and not to a view.
    """
    rng = np.random.default_rng(seed)
    later = slice(t + 1, None)

    def other(values: np.ndarray) -> np.ndarray:
        changed = values.copy()
        changed[later] *= rng.uniform(0.3, 3.0, changed[later].shape)
        changed[later][rng.random(changed[later].shape) < 0.05] = np.nan
        return changed

    kept = panel.actions.row <= t
    first = {name: values[kept] for name, values in panel.actions._asdict().items()}
    table = pd.DataFrame(
        {
            "date": panel.dates[first["row"]],
            "symbol": [panel.symbols[i] for i in first["symbol"]],
            "split": first["split"],
            "dividend": first["dividend"],
        }
    )
    member = panel.member.copy()
    member[later] ^= rng.random(member[later].shape) < 0.2
    return bt.Panel.from_arrays(
        panel.dates,
        panel.symbols,
        **{name: other(getattr(panel, name)) for name in ("open", "high", "low", "close", "volume")},
        actions=table,
        ends=pd.DataFrame(
            {
                "symbol": [panel.symbols[i] for i in panel.ends.symbol],
                "end": panel.ends.date,
                "delisting_return": panel.ends.delisting_return,
            }
        ),
        members=member,
        sectors=dict(zip(panel.symbols, panel.sectors, strict=True)),
        extra={name: other(values) for name, values in panel.extra.items()},
    )
