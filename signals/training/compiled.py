"""Epochs of plain multilayer perceptrons on a CPU by a compiled loop: what PyTorch does in many passes, in one.

In PyTorch a stack goes through memory once for every operation, and all threads wait for each other every time. Here a
lane goes through its epoch by itself, its batch and its networks in the cache, and the lanes are shared out over the
threads. The arithmetic of a step is that of PyTorch, sums in another order: the same to the tolerance of law 18, and
the same bytes on any number of threads and beside any other lanes. What this does not know (`suits`) is PyTorch's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from signals import losses
from signals.losses import Loss
from signals.networks import MLPShape, Shape, Stack
from signals.networks.dropout import Dropout
from signals.networks.kernels import HUBER, MAE, MSE, TILE, Batches, Models, Rules, score, train
from signals.training.data import NONE, STEP_BITS, Cells, Lane, Store, row_order
from signals.training.frozen import Moving
from signals.training.optimizers import Unit, runs, shares_steps
from signals.training.options import Options
from signals.training.threads import in_threads

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]
_LOSSES: dict[Any, int] = {losses.mse: MSE, losses.mae: MAE, losses.huber: HUBER}
_UNUSUAL = ("amsgrad", "maximize", "differentiable", "capturable")  # of Adam


def suits(shape: Shape, loss: Loss, options: Options, device: str) -> bool:
    """Whether the compiled loop does all that is asked for."""
    given = options.optimizer_arguments
    return (
        device == "cpu"
        and isinstance(shape, MLPShape)
        and (shape.outputs, shape.activation, shape.norm, shape.skip) == (1, "relu", None, False)
        and len(shape.hidden) > 0
        and _function(loss) in _LOSSES
        and options.optimizer in ("Adam", "AdamW")
        and not any(given.get(key) for key in _UNUSUAL)
        and shares_steps(options)  # else each model has an optimizer of its own
        and (options.scheduler is None or options.schedule_by == "epoch")
        and not options.freeze
    )


def _function(loss: Loss) -> Callable[..., Tensor]:
    return cast(Callable[..., Tensor], getattr(loss.compute, "func", loss.compute))


class Loop:
    """The compiled loop for the lanes and configurations of a stack.

    Weights and what the optimizers remember stay where PyTorch has them: they are taken out before an epoch and put
    back after it.
    """

    def __init__(
        self,
        store: Store,
        lanes: Sequence[Lane],
        stack: Stack,
        penalties: Sequence[tuple[float, float]],
        options: Options,
        loss: Loss,
    ) -> None:
        """Take what stays the same from epoch to epoch; ``penalties`` are l1 and l2 of every configuration."""
        self._lanes = list(lanes)
        self._inputs, self._labels = store.flat()
        self._has_unknown = store.has_unknown
        self._l1, self._l2 = (np.array(part, dtype=np.float32) for part in zip(*penalties, strict=True))
        self._drop = next(one for one in stack.modules() if isinstance(one, Dropout))  # the others have the same rates
        each = list(stack.parameters())
        widths = [self._inputs.shape[1], *(len(one[0]) for one in each[:-2] if one.dim() == 3)]
        self._widths = np.array(widths, dtype=np.int64)
        self._is_weight = np.concatenate([np.full(one[0].numel(), one.dim() >= 3) for one in each])
        self._batch = options.batch
        self._clip = math.inf if options.clip is None else options.clip
        self._steps = [-(-int(np.count_nonzero(lane.train != NONE)) // self._batch) for lane in lanes]
        self._most_steps = max(self._steps)
        self._loss = _LOSSES[_function(loss)]
        self._delta = float(getattr(loss.compute, "keywords", {}).get("delta", 1.0))

    def train(
        self,
        epoch: int,
        parameters: dict[str, Moving],
        units: Sequence[Unit],
        active: NDArray[np.bool_],
        tell: Callable[[int], None],
    ) -> list[float]:
        """Train an epoch.

        Args:
            epoch: its number, from 0.
            parameters: of the stack, in its order; written to.
            units: their optimizers; written to.
            active: (lanes, configs) whether a model still learns; the others are left as they are.
            tell: called with the steps of an epoch that the lanes have done on average, as they finish.

        Returns:
            The mean training loss of every model; 0 of those that do not learn.
        """
        values = _together([one.values for one in parameters.values()])
        first, second, rates, done = _remembered(units, values.shape)
        found = np.zeros(len(values), dtype=np.float32)
        rules = self._rules(units[0])
        work = []
        for place, lane in enumerate(self._lanes):
            mine = self._models_of(place)
            base, limit, scale = (one.numpy()[mine] for one in (self._drop.base, self._drop.limit, self._drop.scale))
            moving = values[mine], first[mine], second[mine], active[place], rates[mine]
            models = Models(*moving, self._l1, self._l2, base, limit, scale, found[mine])
            if active[place].any():
                work.append(partial(self._train_lane, lane, models, rules, int(done[mine.start]), epoch))
        in_threads(work, lambda finished: tell(finished * self._most_steps // len(work)))
        _put_back([one.values for one in parameters.values()], values)
        for unit in units:
            for parts, moved in zip(unit.moments(), (first, second), strict=True):
                _put_back(parts, moved[unit.models])
            unit.took(self._steps[unit.models[0] // len(self._l1)])
        return [float(one) for one in found]

    def outputs(self, parameters: dict[str, Moving], cells: Tensor) -> Tensor:
        """What every model says of cells (lanes, S), the same for the lanes of a fold, without dropout: (M, S, 1)."""
        values = _together([one.values for one in parameters.values()])
        count = cells.shape[1]
        found = np.empty((len(values), -(-count // TILE) * TILE), dtype=np.float32)
        work = []
        for places in runs([lane.fold for lane in self._lanes]):  # they see the same
            first = places[0]
            mine = slice(self._models_of(first).start, self._models_of(places[-1]).stop)
            batches = self._batches(self._lanes[first], np.resize(cells[first].numpy(), found.shape[1]))
            work.append(partial(score, batches, values[mine], self._widths, found[mine]))
        in_threads(work)
        return torch.from_numpy(found[:, :count])[..., None]

    def _models_of(self, place: int) -> slice:
        """The models of a lane, by its place."""
        configs = len(self._l1)
        return slice(place * configs, (place + 1) * configs)

    def _batches(self, lane: Lane, order: Cells) -> Batches:
        shift, factor = (np.asarray(part, dtype=np.float32) for part in lane.scale)
        unit = np.float32(lane.unit)
        return Batches(self._inputs, self._labels, order, shift, factor, unit, self._has_unknown)

    def _train_lane(self, lane: Lane, models: Models, rules: Rules, done: int, epoch: int) -> None:
        batches = self._batches(lane, row_order(lane, epoch, self._batch))
        train(batches, models, rules, done, epoch << STEP_BITS)

    def _rules(self, unit: Unit) -> Rules:
        group = unit.optimizer.param_groups[0]
        beta_1, beta_2 = (float(beta) for beta in group["betas"])
        decay, is_adamw = float(group["weight_decay"]), isinstance(unit.optimizer, torch.optim.AdamW)
        is_decoupled = is_adamw or bool(group.get("decoupled_weight_decay"))  # of Adam, where it is asked to
        epsilon = float(group["eps"])
        learning = self._loss, self._delta, self._clip, beta_1, beta_2, epsilon, decay, is_decoupled
        return Rules(self._widths, self._is_weight, self._batch, *learning)


def _together(parts: Sequence[Tensor]) -> Singles:
    """Parameters (M, ...) as one array (M, P): a copy."""
    found: Singles = np.concatenate([one.detach().reshape(len(one), -1).numpy() for one in parts], axis=1)
    return found


def _put_back(parts: Sequence[Tensor], values: Singles) -> None:
    at = 0
    with torch.no_grad():
        for one in parts:
            size = one[0].numel()
            one.copy_(torch.from_numpy(values[:, at : at + size]).view_as(one))
            at += size


def _remembered(units: Sequence[Unit], shape: tuple[int, ...]) -> tuple[Singles, Singles, Floats, NDArray[np.int64]]:
    """What the optimizers remember: the means of gradient and square (M, P), rates (M,) and steps done (M,)."""
    first, second = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.float32)
    rates, done = np.empty(shape[0]), np.empty(shape[0], dtype=np.int64)
    for unit in units:
        means, squares = unit.moments()
        first[unit.models], second[unit.models] = _together(means), _together(squares)
        rates[unit.models] = unit.optimizer.param_groups[0]["lr"]
        done[unit.models] = unit.steps
    return first, second, rates, done
