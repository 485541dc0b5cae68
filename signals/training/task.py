"""What a trainer is asked to do."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from signals.losses import Loss
from signals.networks import Shape
from signals.training.data import Lane, Store
from signals.training.options import Options


class Config(NamedTuple):
    """What the networks of a lane may differ in."""

    dropout: float
    l1: float
    l2: float
    learning_rate: float
    epochs: int | None = None  # None: those of the options


class Task(NamedTuple):
    """Networks of one shape that are trained at once: every configuration in every lane.

    Model ``m`` is that of lane ``m // len(configs)`` and configuration ``m % len(configs)``.
    """

    shape: Shape
    store: Store
    lanes: list[Lane]
    configs: list[Config]
    options: Options
    loss: Loss
    device: str
    start: dict[str, Tensor] | None = None  # (M, ...) weights to begin with; None: new ones
    trail: bool = False  # whether what was best after each epoch is kept

    @property
    def epochs(self) -> list[int]:
        """Of each configuration, at most."""
        return [self.options.epochs if one.epochs is None else one.epochs for one in self.configs]
