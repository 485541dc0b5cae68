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
_QUICK = {"features": ["return_1", "return_5"], "epochs": 2, "batch": 512, "device": "cpu"}
GRIDS = {
    "grid": lambda: signals.Grid(
        "signals:MLP", {"hidden": [4], **_QUICK}, vary={"dropout": [0.0, 0.2], "hidden": [[3], [4]]}, best=2
    ),
}
ENSEMBLES = {
    "ensemble": lambda: signals.Ensemble(
        [
            signals.MLP([4], seeds=2, **_QUICK),
            signals.MLP([3], seed=5, **_QUICK),
            ESTIMATORS["ridge"](),
            {"class": "signals:Reversal"},
        ]
    ),
    "mean ensemble": lambda: signals.Ensemble(
        ["signals:Reversal", {"class": "signals:Momentum", "lookback": 20, "skip": 5}], how="mean"
    ),
}
_FLAT = {"features": ["return_1", "return_5", "extra"], "epochs": 2, "batch": 256}
_SEQUENCE = {"window": 5, "epochs": 2, "batch": 256}
_WHOLE = {**_SEQUENCE, "features": ["return", "range"]}
# Networks: float32, small, and trained for two epochs.
NETWORKS = {
    "MLP": {
        "mlp": lambda: signals.MLP((4,), **_FLAT, seeds=2, dropout=0.2),
        "mlp with batch norm": lambda: signals.MLP((4,), norm="batch", **_FLAT, warm_start="previous"),
    },
    "RNN": {"rnn": lambda: signals.RNN(4, **_WHOLE)},
    "LSTM": {"lstm": lambda: signals.LSTM(4, **_WHOLE, scaling="rank")},
    "GRU": {"gru": lambda: signals.GRU(4, **_SEQUENCE, missing="mean")},
    "CNN": {"cnn": lambda: signals.CNN((4,), **_SEQUENCE, horizon=3, missing="mean")},
    "Transformer": {"transformer": lambda: signals.Transformer(4, heads=2, layers=1, **_WHOLE)},
    "Module": {"module": lambda: signals.Module("own_modules:Small", **_FLAT, seeds=2)},
}
# What scores may differ by when other rows, folds or seeds share a matrix product, as a part of what all scores of the
# signal span. Sums in float64 differ by some 1e-16 of what is added, in float32 by some 6e-8; a training of some ten
# steps carries that on, and each step at most a few times as far.
ROUNDING = {name: 1e-5 for makers in (*NETWORKS.values(), GRIDS) for name in makers}
# A smooth rank carries the rounding of scores that are close on, 1 / (2 * 0.001 * 15) = 33 times with 16 symbols.
ROUNDING["ensemble"] = 1e-4
# Signals that need arguments, or whose own settings are too long for the markets here. Any other that is exported is
# made without arguments.
KNOWN = {
    "Momentum": {"momentum": lambda: signals.Momentum(20, 5)},
    "Reversal": {"reversal": lambda: signals.Reversal()},
    "Random": {"random": lambda: signals.Random(7)},
    "Estimator": ESTIMATORS,
    "Grid": GRIDS,
    "Ensemble": ENSEMBLES,
    **NETWORKS,
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
