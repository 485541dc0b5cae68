"""The training of a stack of networks, in named steps: `Trainer.run` is the whole of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import numpy as np
import torch
from torch import Tensor

from signals.networks import Stack, build, penalized, put
from signals.training.best import Best
from signals.training.capture import Graphs, side_stream
from signals.training.compiled import Loop, suits
from signals.training.data import NONE, STEP_BITS, Lane, Scaler, row_order, session_order
from signals.training.device import hold_memory, precise
from signals.training.frozen import learning, statistics, still
from signals.training.gradients import clip, penalize, penalty
from signals.training.optimizers import Unit, needs_closure, runs, shares_steps
from signals.training.task import Config, Task
from signals.training.watch import mean_rank_ic, watched_by

# Values held in one layer while the watched sessions are scored.
_AT_ONCE = 1 << 22


class Trainer:
    """Trains the models of a task.

    A lane takes its own batches in its own order; a lane whose epoch has fewer steps waits for the others, so that
    every model does what it would do alone.

    Attributes:
        best: the best weights of every model, when they were found, and its learning curve.
        epoch: epochs done.
        steps: steps done, those of the longest lane.
        lanes: those that still train, by their number in the task.
        configs: likewise; every lane that still trains trains them all.
        stack: their networks.
        units: their optimizers.
    """

    def __init__(self, task: Task) -> None:
        """Build the stack; nothing is learnt yet."""
        self.task = task
        self._by_session = task.loss.batches == "sessions"
        self._graphs = Graphs()
        self.begin()

    def begin(self) -> None:
        """Everything as before the first epoch."""
        self.go_on(list(range(len(self.task.lanes))), list(range(len(self.task.configs))), 0, 0)
        if self.task.start is not None:
            put(self.stack, range(self.stack.count), self.task.start)
        epochs = self.task.epochs * len(self.task.lanes)
        self.best = Best(self.stack.count, self.stack.state(), self.task.options, epochs, self.task.trail)

    def go_on(
        self, lanes: list[int], configs: list[int], epoch: int, steps: int, groups: list[list[int]] | None = None
    ) -> None:
        """A new stack for these lanes, after so many epochs and steps; weights and optimizers are to be put in.

        Args:
            lanes: those that still train.
            configs: likewise, of each lane.
            epoch: epochs done.
            steps: steps done.
            groups: places of the models that share an optimizer; None: as in the beginning.
        """
        self.lanes, self.configs, self.epoch, self.steps = lanes, configs, epoch, steps
        self.stack = self._new_stack()
        self._ready()
        rates = [one.learning_rate for one in self._training]
        self.units = [
            Unit(self._parameters, models, rates[models[0] % len(rates)], self.task.options)
            for models in groups or self._groups()
        ]
        self._place_lanes()

    @property
    def most_steps(self) -> int:
        """Steps of the whole training, if no lane stops early."""
        return max(self.task.epochs) * max(self._epoch_steps(lane) for lane in self.task.lanes)

    def run(
        self, tell: Callable[[int], None] = lambda steps: None, epoch_over: Callable[[], None] = lambda: None
    ) -> None:
        """Train until every model has stopped or the epochs are over.

        Args:
            tell: called with the number of steps done, now and then.
            epoch_over: called after every epoch.
        """
        hold_memory(self.task.device)
        with side_stream(self.task.device):
            while self.lanes:
                losses = self._compiled_epoch(tell) if self._loop else self._torch_epoch(tell)
                watched = self._watch()
                self.epoch += 1
                self._end_epoch(losses, watched)
                epoch_over()

    # An epoch.

    def _compiled_epoch(self, tell: Callable[[int], None]) -> list[float]:
        """The mean training loss of every model over the epoch."""
        assert self._loop is not None
        active = np.array(
            [
                [not self.best.stopped[lane * len(self.task.configs) + config] for config in self.configs]
                for lane in self.lanes
            ]
        )
        before = self.steps
        found = self._loop.train(self.epoch, self._parameters, self.units, active, lambda done: tell(before + done))
        self.steps += max(self._steps)
        return found

    def _torch_epoch(self, tell: Callable[[int], None]) -> list[float]:
        """Likewise."""
        self._draw_order()
        self._train_epoch(tell)
        return [float(one) for one in (self._sum / self._model_steps).tolist()]

    def _draw_order(self) -> None:
        """The batches of every lane for this epoch, (lanes, steps * batch), on the device."""
        options = self.task.options
        for place, k in enumerate(self.lanes):
            lane = self.task.lanes[k]
            if self._by_session:
                order = session_order(lane, self.epoch, options.batch_sessions)
            else:
                order = row_order(lane, self.epoch, options.batch)
            self._order[place].copy_(torch.from_numpy(np.resize(order, self._order.shape[1])))
        torch.arange(self._batch, out=self._places)
        self._done.zero_()
        self._step.fill_(self.epoch << STEP_BITS)
        self._sum.zero_()

    def _train_epoch(self, tell: Callable[[int], None]) -> None:
        self.stack.train()
        for module in self._still:
            module.eval()
        may_record = self._may_record()
        lengths = [self._unit_steps(unit) for unit in self.units]
        most = max(lengths)
        for step in range(most):
            moving = tuple(k for k, length in enumerate(lengths) if step < length)
            if not self._graphs.replayed(moving):
                units = [self.units[k] for k in moving]
                self._train_step(units)
                if may_record:
                    left = min(lengths[k] for k in moving) - step - 1
                    self._graphs.record(moving, partial(self._train_step, units), step + 1, left)
            if step % 32 == 31:
                tell(self.steps + step + 1)
        self.steps += most

    def _train_step(self, units: Sequence[Unit]) -> None:
        """One batch of every lane: gather, forward, backward, penalties, clip, move."""
        some_wait = len(units) < len(self.units)
        before = {name: value.clone() for name, value in self._statistics.items()} if some_wait else {}
        if needs_closure(self.task.options):
            units[0].step(self._evaluated())
        else:
            self._note_losses(self._backward())
            for unit in units:
                unit.step()
        for name, old in before.items():  # a model that waits has not seen the batch
            moves = (self._done < self._model_steps).view(-1, *[1] * (old.dim() - 1))
            self._statistics[name].copy_(torch.where(moves, self._statistics[name], old))
        self._places += self._batch
        self._done += 1
        self._step += 1

    def _evaluated(self) -> Callable[[], Tensor]:
        """What an optimizer calls that evaluates the loss many times in a step; the first is that of the batch."""
        first = True

        def closure() -> Tensor:
            nonlocal first
            losses = self._backward()
            if first:
                self._note_losses(losses)
            first = False
            return losses.sum() + penalty(penalized(self.stack), self._l1, self._l2)

        return closure

    def _backward(self) -> Tensor:
        """Gradients of every model's own loss on its batch; the losses, (M,)."""
        for one in self._parameters.values():
            one.gradient.zero_()
        cells = self._order.index_select(1, self._places)  # (lanes, B)
        losses = self._loss_of(cells)  # (M,)
        losses.sum().backward()  # type: ignore[no-untyped-call]  # each model's gradient is that of its own loss
        penalize(penalized(self.stack), self._l1, self._l2)
        if self.task.options.clip is not None:
            clip([one.gradient for one in self._parameters.values()], self.task.options.clip)
        return losses.detach()

    def _note_losses(self, losses: Tensor) -> None:
        """Add the losses of a step (M,) to those of the epoch, but for models that wait."""
        losses = losses.float()
        self._sum += torch.where(self._done < self._model_steps, losses, torch.zeros_like(losses))

    def _loss_of(self, cells: Tensor) -> Tensor:
        """The loss of every model on cells (lanes, B) of its lane: (M,)."""
        holds = cells != NONE if self._by_session else None
        x = self._inputs(cells.clamp(min=0) if self._by_session else cells)
        label = self.task.store.labels(cells.clamp(min=0) if self._by_session else cells) / self._label_unit
        if holds is not None:  # a cell that holds nothing is no part of any statistic
            x = x * holds.view(*holds.shape, *[1] * (x.dim() - holds.dim()))
        with precise(self.task.options.precision, self.task.device):
            output = self._forward(x, self._step)  # (M, B, O)
        label = self._by_model(label)
        weight = torch.ones_like(label) if holds is None else self._by_model(holds).float()
        return self._compute(output.float(), label, weight)

    def _compute(self, output: Tensor, label: Tensor, weight: Tensor) -> Tensor:
        """The loss of outputs (M, B, O) against labels (M, B), as sessions where the loss compares symbols: (M,)."""
        if self._by_session:
            output, label, weight = (self._as_sessions(one) for one in (output, label, weight))
        return self.task.loss.compute(output, label, weight)

    def _as_sessions(self, values: Tensor) -> Tensor:
        """(M, S*N, ...) as (M, S, N, ...)."""
        return values.view(len(values), -1, self.task.store.symbols, *values.shape[2:])

    def _inputs(self, cells: Tensor) -> Tensor:
        store = self.task.store
        return self._scaler(store.inputs(cells), store.has_unknown or self._by_session)

    # What is watched.

    @torch.no_grad()
    def _watch(self) -> tuple[list[float], list[float]] | None:
        """Loss and mean rank IC of every model on its watched sessions; None if there are none."""
        if self._watched is None:
            return None
        self.stack.eval()
        watched = self._watched
        output = self._outputs(watched.cells)
        label, holds, rank = (self._by_model(one) for one in (watched.label, watched.holds, watched.rank))  # (M, V, N)
        losses = self._compute(output, label.flatten(1), holds.flatten(1).float())
        ic = mean_rank_ic(self._as_sessions(self.task.loss.score(output)), rank, holds)
        return [float(one) for one in losses.tolist()], [float(one) for one in ic.tolist()]

    def _outputs(self, cells: Tensor) -> Tensor:
        """What every model says of watched cells (lanes, V, N) of its lane, as it stands: (M, V*N, O)."""
        if self._loop is not None:
            return self._loop.outputs(self._parameters, cells.flatten(1))
        step = max(1, _AT_ONCE // (len(self._model_steps) * self.task.store.symbols * 64))
        found = []
        for some in torch.split(cells, step, dim=1):
            with precise(self.task.options.precision, self.task.device):
                found.append(self.stack(self._inputs(some.flatten(1)), self._step).float())
        return torch.cat(found, dim=1)

    def _end_epoch(self, losses: list[float], watched: tuple[list[float], list[float]] | None) -> None:
        """Note the epoch, keep what is best, move the schedules on, and let go of lanes that have stopped."""
        models = [lane * len(self.task.configs) + config for lane in self.lanes for config in self.configs]
        self.best.note(self.epoch, models, losses, watched, self.stack.state())
        values = losses if watched is None else watched[0]
        for unit in self.units:
            unit.end_epoch(float(np.mean([values[k] for k in unit.models])))
        if self.task.options.scheduler is not None:
            self._graphs.forget()  # they repeat the rates that they were recorded with
        over = np.array([self.best.stopped[model] for model in models]).reshape(len(self.lanes), len(self.configs))
        lanes, configs = (np.flatnonzero(~over.all(axis=axis)) for axis in (1, 0))
        if over.all():
            self.lanes = []
        elif 4 * len(lanes) * len(configs) <= 3 * over.size:
            self._keep(lanes.tolist(), configs.tolist())

    # Lanes and configurations, and their places in the stack.

    @property
    def _training(self) -> list[Config]:
        """The configurations that still train."""
        return [self.task.configs[config] for config in self.configs]

    def _keep(self, lanes: list[int], configs: list[int]) -> None:
        """Go on with the lanes and the configurations at these places of the stack alone."""
        kept = [lane * len(self.configs) + config for lane in lanes for config in configs]
        state = self.stack.models(kept)
        self.lanes = [self.lanes[place] for place in lanes]
        self.configs = [self.configs[place] for place in configs]
        self.stack = self._new_stack()
        put(self.stack, range(len(kept)), state)
        self._ready()
        new = {model: k for k, model in enumerate(kept)}
        units = []
        for unit in self.units:
            inside = [k for k, model in enumerate(unit.models) if model in new]
            if inside:
                unit.keep(inside)
                unit.point_at(self._parameters, [new[unit.models[k]] for k in inside])
                units.append(unit)
        self.units = units
        self._place_lanes()

    def _new_stack(self) -> Stack:
        """A stack for the lanes that still train."""
        seeds = [self.task.lanes[k].seed for k in self.lanes]
        configs = self._training
        # All configurations draw as the first would, so that one drops the same trained here and by itself.
        stack = build(self.task.shape, len(seeds), seeds, [one.dropout for one in configs], [0] * len(configs))
        return stack.to(self.task.device)

    def _ready(self) -> None:
        """Find what of the stack learns, and what stays."""
        self._parameters = learning(self.stack, self.task.options.freeze)
        self._still = still(self.stack, self.task.options.freeze)
        self._statistics = statistics(self.stack)

    def _groups(self) -> list[list[int]]:
        """Places of models that share an optimizer: of one rate, in neighbouring lanes with equally many steps."""
        configs = self._training
        rates = [one.learning_rate for one in configs]
        steps = [self._epoch_steps(self.task.lanes[lane]) for lane in self.lanes]
        each = range(len(self.lanes))
        if not shares_steps(self.task.options):
            return [[lane * len(configs) + k] for lane in each for k in range(len(configs))]
        if len(set(rates)) == 1:
            return [[lane * len(configs) + k for lane in lanes for k in range(len(configs))] for lanes in runs(steps)]
        return [[lane * len(configs) + k for k in same] for lane in each for same in runs(rates)]

    def _epoch_steps(self, lane: Lane) -> int:
        if self._by_session:
            return -(-len(lane.train) // self.task.options.batch_sessions)
        samples = int(np.count_nonzero(lane.train != NONE))
        return math.ceil(samples / self.task.options.batch)

    def _unit_steps(self, unit: Unit) -> int:
        return self._steps[unit.models[0] // len(self.configs)]

    def _place_lanes(self) -> None:
        """Everything that stands in the order of the lanes in the stack, on the device."""
        task, device = self.task, self.task.device
        lanes = [task.lanes[k] for k in self.lanes]
        compiles = task.options.compile and device == "cuda"
        self._forward = cast(Stack, torch.compile(self.stack)) if compiles else self.stack
        self._place_steps(lanes)
        self._scaler = Scaler([lane.scale for lane in lanes], task.store.is_sequence, device)
        self._label_unit = torch.tensor([[lane.unit] for lane in lanes], dtype=torch.float32, device=device)
        repeated = self._training * len(lanes)
        each_l1, each_l2 = [one.l1 for one in repeated], [one.l2 for one in repeated]
        self._l1, self._l2 = (torch.tensor(e, device=device) if any(e) else None for e in (each_l1, each_l2))
        self._watched = watched_by(task.store, lanes, device)
        self._loop: Loop | None = None
        if suits(task.shape, task.loss, task.options, device):
            penalties = [(one.l1, one.l2) for one in self._training]
            self._loop = Loop(task.store, lanes, self.stack, penalties, task.options, task.loss)

    def _place_steps(self, lanes: list[Lane]) -> None:
        """What counts the steps of an epoch, on the device; every epoch of a lane has equally many."""
        options, device = self.task.options, self.task.device
        self._graphs.forget()  # they are of another stack
        self._batch = options.batch_sessions * self.task.store.symbols if self._by_session else options.batch
        self._steps = [self._epoch_steps(lane) for lane in lanes]
        self._order = torch.empty(len(lanes), max(self._steps) * self._batch, dtype=torch.int64, device=device)
        self._places = torch.empty(self._batch, dtype=torch.int64, device=device)  # in the order, of this step's cells
        self._model_steps = self._by_model(torch.tensor(self._steps, device=device))
        self._done = torch.zeros((), dtype=torch.int64, device=device)
        # Counted by epoch, so that it is the same however many steps other lanes have.
        self._step = torch.zeros((), dtype=torch.int64, device=device)
        self._sum = torch.zeros(len(self._model_steps), device=device)

    def _by_model(self, values: Tensor) -> Tensor:
        """Values of the lanes (lanes, ...) as those of the models (M, ...)."""
        return values if len(self.configs) == 1 else values.repeat_interleave(len(self.configs), dim=0)

    def _may_record(self) -> bool:
        """Whether a step can be recorded as a CUDA graph: all that it reads, writes and repeats is on the device."""
        options = self.task.options
        changes = options.scheduler is not None and options.schedule_by == "step"
        capturable = self.stack.capturable and all(unit.capturable for unit in self.units)
        return self.task.device == "cuda" and capturable and not changes
