"""Eight sessions of three symbols, and strategies of a line: for tests of the contract."""

from __future__ import annotations

import numpy as np
import pandas as pd

import backtester as bt

DATES = pd.bdate_range("2020-01-01", periods=8)


def panel(close=None, **more):
    close = np.full((8, 3), 10.0) if close is None else np.asarray(close, float)
    dates = pd.bdate_range("2020-01-01", periods=len(close))
    return bt.Panel.from_arrays(
        dates,
        ["AA", "BB", "CC"],
        open=close,
        high=None,
        low=None,
        close=close,
        volume=np.full(close.shape, 1e6),
        **more,
    )


class Does(bt.Strategy):
    """Returns what a function of the view says."""

    def __init__(self, decide, warmup=1, every=1):
        self._decide, self.warmup, self.every = decide, warmup, every

    def decide(self, view):
        return self._decide(view)


def run(decide, *, on=None, **options):
    options = {"costs": None, "risk": None, "cash": 1000.0} | options
    return bt.run(on or panel(), Does(decide), **options)


def shares(result):
    return result.positions.iloc[-1].tolist()
