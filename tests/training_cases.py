"""Small tasks for the trainer, made without a market; and a market for whole trainings."""

from __future__ import annotations

import numpy as np
import torch

import backtester as bt
from signals.losses import loss_of
from signals.networks import MLPShape
from signals.scaling import fit_scale
from signals.training.data import NONE, Lane, Store
from signals.training.options import Options
from signals.training.task import Config, Task
from signals.training.trainer import Trainer

FEATURES = 3
# Float32 rounds at 6e-8. A stack adds the same numbers in another order, in sums of at most a hundred terms; Adam
# divides by the size of the gradient, so that a weight moves by about the learning rate whatever the size: where a
# gradient nearly cancels, the difference is larger than its rounding. Twenty steps of 0.01 stay far below this.
CLOSE = 1e-5


def lane(train, valid=(), fold=0, seed=0, store=None):
    """A lane that learns from some rows of the store and watches others; every cell of them."""
    inputs, labels = store
    cells = np.arange(labels.size).reshape(labels.shape)
    cells = np.where(np.isfinite(labels), cells, NONE)
    train, valid = cells[np.asarray(train, dtype=int)], cells[np.asarray(valid, dtype=int)]
    used = train[train != NONE]
    scale = fit_scale("zscore", inputs.reshape(-1, inputs.shape[2])[used].astype(float), ("a", "b", "c"))
    return Lane(fold, seed, train, valid, scale, float(np.std(labels.reshape(-1)[used])))


def market_of(rows=40, symbols=6, seed=0):
    """Inputs (R, N, F) and labels (R, N) with something to find; a tenth of the labels is unknown."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(1.0, 2.0, (rows, symbols, FEATURES)).astype(np.float32)
    labels = inputs[..., 0] - 0.5 * inputs[..., 1] ** 2 + rng.normal(0.0, 0.5, (rows, symbols))
    labels[rng.random(labels.shape) < 0.1] = np.nan
    return inputs, labels.astype(np.float32)


def task(lanes, store, configs=None, shape=None, loss="mse", **options):
    """A task on the CPU."""
    usual = {"epochs": 4, "batch": 32, "optimizer": "Adam", "learning_rate": 0.01, "monitor": "loss", "loss": loss}
    own = Options(**usual | options)
    made = Store(store[0].copy(), store[1].copy(), None, "cpu")
    configs = configs or [Config(own.dropout, own.l1, own.l2, own.learning_rate)]
    shape = shape or MLPShape(FEATURES, hidden=(5, 4), activation="tanh")
    return Task(shape, made, lanes, configs, own, loss_of(loss), "cpu")


def trained(one):
    """What became of every model."""
    trainer = Trainer(one)
    trainer.run()
    return trainer.best.outcomes()


def alone(one, model):
    """What becomes of a model of a task that is trained by itself."""
    place, config = divmod(model, len(one.configs))
    return trained(one._replace(lanes=[one.lanes[place]], configs=[one.configs[config]]))[0]


def assert_same_model(one, other, tolerance=CLOSE):
    """Equal weights, best epochs and learning curves, to the rounding."""
    assert one.epoch == other.epoch
    for name, value in one.state.items():
        torch.testing.assert_close(value, other.state[name], rtol=tolerance, atol=tolerance, msg=name)
    assert [(row.epoch, row.note) for row in one.curve] == [(row.epoch, row.note) for row in other.curve]
    for key in ("train_loss", "valid_loss", "valid_ic"):
        there, here = ([getattr(row, key) for row in each.curve] for each in (one, other))
        np.testing.assert_allclose(there, here, rtol=tolerance * 10, atol=tolerance * 10)


def same_bytes(one, other):
    """Whether two states are the same to the bit."""
    return one.keys() == other.keys() and all(one[key].numpy().tobytes() == other[key].numpy().tobytes() for key in one)


def panel(symbols=12, sessions=160, seed=0):
    """A planted market with its inputs as extra columns."""
    return bt.synthetic(symbols, sessions, seed, kind="linear", rank_ic=0.2).panel
