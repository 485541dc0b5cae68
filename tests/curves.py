"""Equity curves and ledgers made by hand."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.types import (
    LEDGER,
)

EMPTY = np.zeros(0)


def curve(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def ledger_of(rows: list[dict[int, float]]) -> np.ndarray:
    ledger = np.zeros((len(rows), LEDGER))
    for t, row in enumerate(rows):
        for column, value in row.items():
            ledger[t, column] = value
    return ledger


DATES = np.array(["2024-01-02", "2024-01-03"], dtype="datetime64[D]")
NAN = math.nan
ROOT = math.sqrt(252)
