"""How learning went on, epoch by epoch, over the models of all folds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Epoch(NamedTuple):
    """Means over the models that learnt in an epoch; NaN where none of them knows."""

    epoch: int
    train_loss: float
    valid_loss: float
    valid_ic: float
    models: int  # each fold's counted


def by_epoch(rows: Sequence[Mapping[str, Any]]) -> list[Epoch]:
    """Learning curves averaged over folds and models: one row an epoch, in order.

    Models stop at different epochs: the last rows are means over the few that went on, and ``models`` says how many.
    What is None or not finite is left out of its mean. A row without an epoch is left out.

    Args:
        rows: those of `bt.Scores.learning`.
    """
    by: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["epoch"] is not None:
            by.setdefault(int(row["epoch"]), []).append(row)
    return [
        Epoch(
            epoch,
            train_loss=_mean([row["train_loss"] for row in own]),
            valid_loss=_mean([row["valid_loss"] for row in own]),
            valid_ic=_mean([row["valid_ic"] for row in own]),
            models=len({(row["fold"], row["model"]) for row in own}),
        )
        for epoch, own in sorted(by.items())
    ]


def _mean(values: Sequence[Any]) -> float:
    known = [float(value) for value in values if value is not None and math.isfinite(value)]
    return math.fsum(known) / len(known) if known else math.nan
