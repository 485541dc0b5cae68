"""The state of a training that is under way: all that is needed to go on with it to the same bytes."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

from torch import Tensor

import backtester as bt
from signals.networks import put
from signals.training import checkpoint
from signals.training.trail import from_file, to_note, to_tensors
from signals.training.trainer import Trainer

log = logging.getLogger("signals")
_STACK, _BEST, _UNIT = "stack/", "best/", "unit/"


def save_state(trainer: Trainer, path: Path) -> None:
    """Write the state after an epoch; where that is impossible, warn and go on.

    Orders, dropout and what a module of the user's own draws are functions of the seed and the epoch: there is nothing
    to keep of them.
    """
    tensors: dict[str, Tensor] = {_STACK + name: one for name, one in trainer.stack.state().items()}
    tensors |= {_BEST + name: one for name, one in trainer.best.state.items()}
    units = []
    for k, unit in enumerate(trainer.units):
        tensors |= {f"{_UNIT}{k}/{name}": one for name, one in unit.tensors().items()}
        units.append({"models": unit.models, **unit.memory()})
    if trainer.best.trail is not None:
        tensors |= to_tensors(trainer.best.trail)
    # Two names of one memory would be written as one, and refused.
    tensors = {name: one.detach().clone() for name, one in tensors.items()}
    note: dict[str, Any] = {
        "epoch": trainer.epoch,
        "steps": trainer.steps,
        "lanes": trainer.lanes,
        "configs": trainer.configs,
        "best": trainer.best.memory(),
        "units": units,
        "trail": None if trainer.best.trail is None else to_note(trainer.best.trail),
    }
    try:
        checkpoint.write(path, tensors, note)
    except OSError as error:
        warnings.warn(f"The state of the training cannot be kept in {path}: {error}.", stacklevel=2)


def resume(trainer: Trainer, path: Path) -> bool:
    """Take over a state, if there is one that can be read; one that cannot is told and left alone.

    A state without the trail that is asked for is none: what was best after earlier epochs is lost.
    """
    if not path.is_file():
        return False
    try:
        tensors, note = checkpoint.read(path)
        if trainer.best.trail is not None:
            if note.get("trail") is None:
                log.info("%s was kept without the weights of earlier epochs: the training begins anew", path.name)
                return False
            trainer.best.trail = from_file(tensors, note["trail"])
        trainer.best.restore(note["best"], _below(tensors, _BEST))
        if not note["lanes"]:  # every model had stopped
            trainer.lanes, trainer.epoch, trainer.steps = [], note["epoch"], note["steps"]
            return True
        groups = [unit["models"] for unit in note["units"]]
        trainer.go_on(note["lanes"], note["configs"], note["epoch"], note["steps"], groups)
        put(trainer.stack, range(trainer.stack.count), _below(tensors, _STACK))
        for k, unit in enumerate(trainer.units):
            unit.restore(_below(tensors, f"{_UNIT}{k}/"), note["units"][k])
    except (bt.DataError, bt.SignalError, KeyError, IndexError, TypeError, ValueError):
        warnings.warn(f"The state of the training {path} is damaged; the training begins anew.", stacklevel=2)
        trainer.begin()
        return False
    return True


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)}
