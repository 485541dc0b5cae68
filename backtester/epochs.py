"""Out-of-sample rank ICs by training epoch: the scores of each are asked for, and reduced to a number a session."""

from __future__ import annotations

from typing import cast

import numpy as np

from backtester.asking import predicted_epochs
from backtester.errors import SignalError
from backtester.labels import FillAt, Floats, Rows, labels
from backtester.market.panel import Panel
from backtester.metrics.ic import rank_ic
from backtester.signal import Signal


class EpochICs:
    """The daily rank IC after 1, 2, ... E epochs, as the folds of a walk are scored.

    After ``e`` epochs is what the signal would score had its training been limited to ``e`` (`Signal.predict_epochs`).
    The returns that the scores are held against are those of the signal's horizon and of the fill that its labels run
    from (``open`` where it does not say), of kind ``raw``.
    """

    def __init__(self, panel: Panel, signal: Signal) -> None:
        """Nothing is known yet."""
        self._panel, self._signal = panel, signal
        self._returns = labels(panel, None, signal.horizon, fill=cast(FillAt, signal.fill or "open"))
        self._found: list[Floats] | None = None

    def ask(self, own: Signal, rows: Rows, said: Floats) -> None:
        """Ask a fitted copy for some test rows by epoch; ``said``, (R, N), is what it predicts of them.

        Raises:
            SignalError: what it says is wrong, or of other epochs than before.
        """
        found: list[Floats] = []
        followed, before = self._returns[rows], None
        for scores in predicted_epochs(own, self._panel, rows, said):
            same = before is not None and np.array_equal(scores, before, equal_nan=True)
            found.append(found[-1] if same else rank_ic(scores, followed))
            before = scores
        if self._found is None:
            self._found = [np.full(len(self._panel.dates), np.nan) for _ in found]
        if len(found) != len(self._found):
            raise SignalError(
                f"{type(own).__name__}.predict_epochs gave {len(found)} epochs for the rows from "
                f"{self._panel.dates[rows[0]]} on, and {len(self._found)} for those before; give equally many."
            )
        for ics, one in zip(self._found, found, strict=True):
            ics[rows] = one

    @property
    def table(self) -> Floats:
        """(E, T) the ICs so far; NaN is unknown."""
        return np.array(self._found or ()).reshape(-1, len(self._panel.dates))
