"""A small panel to test with, whole and as a long frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from backtester.market.panel import Panel

DAYS = np.array(["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07", "2020-01-08"], dtype="datetime64[D]")


def panel_of(close: Any, symbols: Any = ("A", "B"), dates: Any = DAYS, **more: Any) -> Panel:
    """A panel whose prices are all the close."""
    close = np.asarray(close, dtype=float)
    bars = {"open": close, "high": close, "low": close, "volume": np.full(close.shape, 100.0)} | more
    return Panel.from_arrays(dates[: len(close)], symbols, close=close, **bars)


def frame_of(panel: Panel) -> pd.DataFrame:
    """The panel as a long frame, unknown bars left out."""
    t, i = np.nonzero(~np.isnan(panel.close))
    columns = {name: getattr(panel, name)[t, i] for name in ("open", "high", "low", "close", "volume")}
    return pd.DataFrame({"date": panel.dates[t], "symbol": [panel.symbols[k] for k in i], **columns})


PRICES = np.array([[10.0, 20.0], [11.0, np.nan], [12.0, 22.0], [13.0, 23.0], [14.0, 24.0]])
ACTIONS = pd.DataFrame({"date": ["2020-01-06"], "symbol": ["A"], "split": [2.0], "dividend": [0.5]})
