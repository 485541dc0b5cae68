"""Learning curves for TensorBoard, written while the training goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import backtester as bt
from signals.training.best import Noted


class Track:
    """Writes ``train_loss``, ``valid_loss`` and ``valid_ic`` of every epoch, a curve for each fold and member.

    As a context manager it closes its file.
    """

    def __init__(self, folder: Path | None) -> None:
        """Open a file in the folder; None: nothing is written.

        Raises:
            ConfigError: TensorBoard is not installed, or the folder cannot be written.
        """
        self._writer: Any = None
        if folder is None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise bt.ConfigError(
                f"tensorboard = {str(folder)!r} needs TensorBoard, which cannot be imported ({error}). Install the "
                "extra 'track' of this package, or leave tensorboard out."
            ) from error
        try:
            self._writer = SummaryWriter(str(folder))
        except OSError as error:
            raise bt.ConfigError(f"tensorboard = {str(folder)!r} cannot be written: {error}.") from error

    def __enter__(self) -> Track:
        """Itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()

    def write(self, epochs: Sequence[Noted], name: Callable[[int], str]) -> None:
        """Add epochs to the curves.

        Args:
            epochs: as they were noted.
            name: of the curve of a model, by its number.
        """
        if self._writer is None:
            return
        for one in epochs:
            for key in ("train_loss", "valid_loss", "valid_ic"):
                value = getattr(one, key)
                if math.isfinite(value):
                    self._writer.add_scalar(f"{key}/{name(one.model)}", value, one.epoch)
        self._writer.flush()
