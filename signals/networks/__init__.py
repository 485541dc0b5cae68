"""Networks that score: many of one shape in one stack, trained and evaluated together."""

from __future__ import annotations

from collections.abc import Sequence

import backtester as bt
from signals.networks.convolution import CNNShape
from signals.networks.mlp import MLPShape
from signals.networks.module import ModuleShape
from signals.networks.recurrent import RecurrentShape
from signals.networks.stack import Stack, Start, penalized, put, take
from signals.networks.transformer import TransformerShape

Shape = MLPShape | RecurrentShape | CNNShape | TransformerShape | ModuleShape

__all__ = [
    "CNNShape",
    "MLPShape",
    "ModuleShape",
    "RecurrentShape",
    "Shape",
    "Stack",
    "TransformerShape",
    "build",
    "penalized",
    "put",
    "take",
]


def build(
    shape: Shape,
    lanes: int,
    seeds: Sequence[int],
    dropout: Sequence[float],
    numbers: Sequence[int] | None = None,
) -> Stack:
    """A stack of ``lanes * len(dropout)`` networks with first weights, on the CPU, in training mode.

    Args:
        shape: of every network.
        lanes: folds times seeds.
        seeds: of the lanes: of first weights and dropout.
        dropout: of the configurations, each from 0 up to below 1.
        numbers: of the configurations, which decide what each drops; None: from 0. A configuration taken out of a stack
            and built alone drops the same under its own number.

    Raises:
        ConfigError: counts do not fit, or a dropout is outside of [0, 1).
    """
    if len(seeds) != lanes:
        raise bt.ConfigError(f"{lanes} lanes have {len(seeds)} seeds; each lane needs one.")
    return shape.build(Start(seeds, dropout, numbers))
