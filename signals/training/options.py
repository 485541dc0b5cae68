"""How a network is trained: settings as one small value, checked when they are made."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import backtester as bt
from backtester.errors import did_you_mean

MONITORS = ("loss", "ic")
PRECISIONS = ("float32", "bf16")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a network is trained.

    Attributes:
        epochs: passes over the training rows, at most.
        batch: samples (a symbol in a session) of a step. An epoch has ``ceil(samples / batch)`` steps; what the last
            one lacks is filled with the first samples of the epoch.
        batch_sessions: sessions of a step, for losses that compare the symbols of a session.
        loss: name of a loss in `signals.losses`.
        loss_arguments: of the loss.
        optimizer: name of a class in `torch.optim`.
        learning_rate: its ``lr``.
        optimizer_arguments: further ones.
        scheduler: name of a class in `torch.optim.lr_scheduler`; None: the rate stays as it is.
        scheduler_arguments: of it.
        schedule_by: whether the scheduler moves on after each ``epoch`` or after each ``step``.
        dropout: part of the hidden values that is dropped in training, 0 up to below 1.
        l1: penalty on the sum of the weights' sizes; biases and norms are free.
        l2: penalty on the sum of their squares.
        clip: longest gradient of a model, over all its parameters; None: any.
        validation: part of the training rows, the last ones, on which training is watched and not learnt from; the rows
            before them whose labels reach into them are left out. 0: none.
        patience: epochs without a better value there after which a model stops; the best epoch's weights are kept.
            None: it never stops early, and the best epoch's weights are kept all the same.
        monitor: what is watched there: the ``loss``, or the mean rank ``ic`` of the sessions.
        warm_start: ``"previous"``: a fold begins with what the fold before it has learnt. A path: it begins with the
            networks of a checkpoint. None: from new weights.
        freeze: beginnings of parameter names that stay as `warm_start` brings them, such as ``"layers.0"``.
        precision: ``float32``, or ``bf16`` for the matrix products on CUDA.
        compile: whether the network goes through `torch.compile` on CUDA.
    """

    epochs: int = 20
    batch: int = 1024
    batch_sessions: int = 16
    loss: str = "mse"
    loss_arguments: Mapping[str, Any] = field(default_factory=dict)
    optimizer: str = "AdamW"
    learning_rate: float = 2e-3
    optimizer_arguments: Mapping[str, Any] = field(default_factory=dict)
    scheduler: str | None = None
    scheduler_arguments: Mapping[str, Any] = field(default_factory=dict)
    schedule_by: str = "epoch"
    dropout: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    clip: float | None = None
    validation: float = 0.2
    patience: int | None = 5
    monitor: str = "loss"
    warm_start: str | None = None
    freeze: tuple[str, ...] = ()
    precision: str = "float32"
    compile: bool = False

    def __post_init__(self) -> None:
        """Raise ConfigError for a setting that makes no sense."""
        for key in ("epochs", "batch", "batch_sessions"):
            _whole(key, getattr(self, key))
        if self.patience is not None:
            _whole("patience", self.patience)
        _number("learning_rate", self.learning_rate, above=0.0)
        for key in ("l1", "l2"):
            _number(key, getattr(self, key), least=0.0)
        if self.clip is not None:
            _number("clip", self.clip, above=0.0)
        for key in ("dropout", "validation"):
            _number(key, getattr(self, key), least=0.0, below=1.0)
        _one_of("monitor", self.monitor, MONITORS)
        _one_of("schedule_by", self.schedule_by, ("epoch", "step"))
        _one_of("precision", self.precision, PRECISIONS)
        if not isinstance(self.compile, bool):
            raise bt.ConfigError(f"compile is {self.compile!r}; it must be true or false.")
        if isinstance(self.freeze, str):
            raise bt.ConfigError(f"freeze is {self.freeze!r}; it must be a list of names, such as ['layers.0'].")
        object.__setattr__(self, "freeze", tuple(self.freeze))
        if self.freeze and self.warm_start is None:
            raise bt.ConfigError("freeze goes with warm_start: new weights that never learn are of no use.")
        if self.freeze and self.warm_start == "previous":
            raise bt.ConfigError(
                "freeze goes with the weights of a file: those of the first fold of a chain are new, and would stay so."
            )
        for key in ("loss_arguments", "optimizer_arguments", "scheduler_arguments"):
            if not isinstance(getattr(self, key), Mapping):
                raise bt.ConfigError(f"{key} is {getattr(self, key)!r}; it must be a mapping of names to values.")
        if self.scheduler is None and self.scheduler_arguments:
            raise bt.ConfigError("scheduler_arguments are given, and there is no scheduler: name one.")


# What the networks of one stack may differ in.
VARIED = ("dropout", "l1", "l2", "learning_rate", "epochs")
# Settings that may be None, for which a config file, which knows no None, says "off".
_MAY_BE_OFF = ("patience", "clip", "scheduler", "warm_start")
KEYS = tuple(one.name for one in dataclasses.fields(Options))


def make_options(settings: Mapping[str, Any], owner: str, also: tuple[str, ...] = ()) -> Options:
    """Options from keyword arguments, ``"off"`` as None; an unknown one is a ConfigError with the nearest name."""
    for key in settings:
        if key not in KEYS:
            raise bt.ConfigError(f"{owner} has no setting {key!r}.{did_you_mean(key, [*KEYS, *also])}")
    given: dict[str, Any] = {
        key: None if key in _MAY_BE_OFF and value == "off" else value for key, value in settings.items()
    }
    return Options(**given)


def unusual(training: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without those that are the usual ones anyway, so that what is the same is told the same.

    Arguments of the optimizer stay: a network has its own for whoever gives none.
    """
    usual = {one.name: one.default for one in dataclasses.fields(Options)}
    return {key: value for key, value in training.items() if key == "optimizer_arguments" or value != usual.get(key)}


def _whole(key: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise bt.ConfigError(f"{key} is {value!r}; it must be a whole number, at least 1.")


def _number(
    key: str, value: Any, *, least: float = -math.inf, above: float = -math.inf, below: float = math.inf
) -> None:
    good = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    if not good or value < least or value <= above or value >= below:
        bounds = [f"{word} {bound:g}" for word, bound in (("at least", least), ("above", above), ("below", below))
                  if math.isfinite(bound)]  # fmt: skip
        raise bt.ConfigError(f"{key} is {value!r}; it must be a number {' and '.join(bounds)}.")


def _one_of(key: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise bt.ConfigError(
            f"{key} is {value!r}; it must be one of {', '.join(known)}.{did_you_mean(str(value), known)}"
        )
