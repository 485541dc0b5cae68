"""Small trainers that tests of devices and of recorded steps share."""

from __future__ import annotations

from typing import Any

import numpy as np

from signals.losses import LOSSES
from signals.networks import CNNShape, MLPShape, RecurrentShape, Shape, TransformerShape
from signals.scaling import Scale
from signals.training.data import Lane, Store
from signals.training.options import Options
from signals.training.task import Config, Task
from signals.training.trainer import Trainer

SYMBOLS, SESSIONS, FEATURES, WINDOW = 20, 48, 5, 6
SHAPES: dict[str, Shape] = {
    "mlp": MLPShape(FEATURES, 1, (8, 4), "tanh"),
    "mlp with batch norm": MLPShape(FEATURES, 1, (8, 4), "relu", "batch"),
    "lstm": RecurrentShape("lstm", FEATURES, 1, 8),
    "gru": RecurrentShape("gru", FEATURES, 1, 8),
    "cnn": CNNShape(FEATURES, 1, (6, 6)),
    "transformer": TransformerShape(FEATURES, 1, 8, 2, 1, WINDOW),
}


def trainer_of(kind: str, device: str, dropout: float = 0.0, short: int = 0, **options: Any) -> Trainer:
    """Two lanes, the second with ``short`` sessions less, of two configurations each."""
    rng = np.random.default_rng(0)
    is_flat = kind.startswith("mlp")
    sizes = (SESSIONS, SYMBOLS, FEATURES) if is_flat else (SYMBOLS, WINDOW - 1 + SESSIONS, FEATURES)
    store = Store(
        rng.standard_normal(sizes, dtype=np.float32),
        rng.standard_normal((SESSIONS, SYMBOLS), dtype=np.float32),
        None if is_flat else WINDOW,
        device,
    )
    cells = np.arange(SESSIONS * SYMBOLS).reshape(SESSIONS, SYMBOLS)
    scale = Scale(np.full(FEATURES, 0.1), np.full(FEATURES, 0.9))
    lanes = [Lane(k, 3 + k, cells[: 32 - k * short], cells[36:], scale, 1.0) for k in range(2)]
    usual = {"epochs": 2, "batch": 32, "optimizer": "SGD", "learning_rate": 0.05, "patience": None}
    chosen = Options(**{**usual, **options})
    configs = [Config(p, 0.0, 1e-3, chosen.learning_rate) for p in (0.0, dropout)]
    return Trainer(Task(SHAPES[kind], store, lanes, configs, chosen, LOSSES["mse"], device))
