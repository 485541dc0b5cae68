"""What was best so far of each model, when a model stops, and its learning curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from signals.training.options import Options
from signals.training.trail import Better, Trail, trail_of


class Noted(NamedTuple):
    """One epoch of one model."""

    model: int
    epoch: int  # from 1
    train_loss: float
    valid_loss: float  # NaN if nothing is watched
    valid_ic: float  # NaN likewise, and where no session has one
    note: str


class Outcome(NamedTuple):
    """What became of a model."""

    state: dict[str, Tensor] | None  # name -> (1, ...) its best weights, on the CPU; None if no epoch was of use
    epoch: int  # that they are of, from 1
    curve: list[Noted]
    trail: Trail = ()  # of the model alone; empty if it was not asked for


class Best:
    """The best epoch of every model, by what is watched; the last one if nothing is.

    A model whose loss or weights are no numbers stops; what was best before is kept.

    Attributes:
        state: name -> (M, ...) weights of the best epochs.
        epoch: (M,) best epochs, from 1; 0 where no epoch was of use.
        stopped: (M,) whether the model has stopped, or done its epochs.
        curve: all epochs of all models, in the order they were noted.
        trail: the weights of every epoch in which a model became better, not only of the best; None: not asked for.
    """

    def __init__(
        self,
        models: int,
        state: dict[str, Tensor],
        options: Options,
        epochs: Sequence[int] | None = None,
        trail: bool = False,
    ) -> None:
        """Begin with the weights as they are; each model stops after its ``epochs``, None: those of the options."""
        self.state = {name: tensor.clone() for name, tensor in state.items()}
        self.epoch = [0] * models
        self.stopped = [False] * models
        self.curve: list[Noted] = []
        self.trail: Trail | None = () if trail else None
        self._value = [math.inf] * models
        self._waited = [0] * models
        self._patience = options.patience
        self._epochs = [options.epochs] * models if epochs is None else epochs
        self._by_ic = options.monitor == "ic"

    def note(
        self,
        epoch: int,
        models: Sequence[int],
        losses: Sequence[float],
        watched: tuple[Sequence[float], Sequence[float]] | None,
        state: dict[str, Tensor],
    ) -> None:
        """Take an epoch in.

        Args:
            epoch: its number, from 1.
            models: those that still train, in the order of all that follows.
            losses: training loss of each.
            watched: loss and rank IC of each where it is watched; None if nothing is.
            state: name -> (models, ...) weights.
        """
        better = []
        whole = _all_finite(state)
        for k, model in enumerate(models):
            if self.stopped[model]:
                continue
            valid_loss, valid_ic = (math.nan, math.nan) if watched is None else (watched[0][k], watched[1][k])
            note = ""
            if not math.isfinite(losses[k]):
                note = f"the loss was {losses[k]}: stopped"
                self.stopped[model] = True
            elif not whole[k]:
                note = "a weight is no number: stopped"
                self.stopped[model] = True
            elif self._improves(model, epoch, watched is None, valid_loss, valid_ic):
                self.epoch[model], self._waited[model] = epoch, 0
                better.append(k)
            else:
                self._waited[model] += 1
                if self._patience is not None and self._waited[model] >= self._patience:
                    note = f"no better for {self._waited[model]} epochs: stopped"
                    self.stopped[model] = True
            self.stopped[model] = self.stopped[model] or epoch >= self._epochs[model]
            self.curve.append(Noted(model, epoch, losses[k], valid_loss, valid_ic, note))
        if better:
            self._take(epoch, better, [models[k] for k in better], state)

    def _improves(self, model: int, epoch: int, unwatched: bool, loss: float, ic: float) -> bool:
        if unwatched:
            return True
        value = -ic if self._by_ic else loss
        if not value < self._value[model]:  # NaN is no better
            return False
        self._value[model] = value
        return True

    def _take(self, epoch: int, places: list[int], models: list[int], state: dict[str, Tensor]) -> None:
        for name, kept in self.state.items():
            kept[models] = state[name].detach()[places]
        if self.trail is not None:
            after = {name: kept[models].detach().cpu() for name, kept in self.state.items()}
            self.trail = (*self.trail, Better(epoch, tuple(models), after))

    def outcomes(self) -> list[Outcome]:
        """What became of every model."""
        found = []
        for model, epoch in enumerate(self.epoch):
            curve = [one for one in self.curve if one.model == model]
            state = {name: one[model : model + 1].detach().cpu().clone() for name, one in self.state.items()}
            found.append(Outcome(state if epoch else None, epoch, curve, trail_of(self.trail or (), model)))
        return found

    def memory(self) -> dict[str, Any]:
        """Everything but the weights, as plain JSON data."""
        return {
            "epoch": self.epoch,
            "stopped": self.stopped,
            "value": [None if math.isinf(one) else one for one in self._value],
            "waited": self._waited,
            "curve": [
                [None if isinstance(v, float) and not math.isfinite(v) else v for v in one] for one in self.curve
            ],
        }

    def restore(self, memory: dict[str, Any], state: dict[str, Tensor]) -> None:
        """Take over what another noted."""
        self.epoch, self.stopped, self._waited = memory["epoch"], memory["stopped"], memory["waited"]
        self._value = [math.inf if one is None else one for one in memory["value"]]
        self.curve = [Noted._make(math.nan if v is None else v for v in one) for one in memory["curve"]]
        for name, kept in self.state.items():
            kept.copy_(state[name])


def _all_finite(state: dict[str, Tensor]) -> list[bool]:
    """Whether all numbers of each model are some."""
    parts = [one.detach().reshape(len(one), -1).isfinite().all(1) for one in state.values()]
    return [bool(one) for one in torch.stack(parts).all(0).tolist()]


def pool(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Models cut out of stacks as one stack: name -> (K, ...)."""
    return {name: torch.cat([state[name] for state in states]) for name in states[0]}
