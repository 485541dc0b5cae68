"""A run that was cut: everything that the rest of it depends on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.engine import types as et
from backtester.errors import ConfigError, DataError
from backtester.live import LiveCut
from backtester.market.panel import Panel


class Snapshot(NamedTuple):
    """Everything that the rest of a run depends on, apart from its inputs and the strategy's own memory."""

    state: et.State
    tape: et.Tape
    symbols: tuple[str, ...]
    dates: NDArray[np.datetime64]  # of the sessions that have run
    settings: dict[str, Any]  # cash, costs, risk and execution
    online: LiveCut | None = None  # what a signal has said so far, if it is asked online

    def check(self, panel: Panel, terms: dict[str, Any]) -> None:
        """Raise unless the run can be gone on with.

        Raises:
            DataError: the panel does not begin like that of the cut run.
            ConfigError: cash, costs, risk or execution are others.
        """
        done = len(self.dates)
        if self.symbols != panel.symbols or not np.array_equal(self.dates, panel.dates[:done]):
            raise DataError(
                f"the snapshot was taken after {done} sessions of {len(self.symbols)} symbols; {panel} does "
                "not begin with the same sessions and symbols and cannot go on from it."
            )
        for key, value in terms.items():
            if self.settings[key] != value:
                raise ConfigError(f"the snapshot was taken with {key} {self.settings[key]}; now it is {value}.")
