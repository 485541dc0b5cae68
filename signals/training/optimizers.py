"""Optimizers by name, each for the models that move together: views into the parameters of a stack."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

import backtester as bt
from backtester.errors import did_you_mean
from backtester.plain import is_plain, plain
from signals.training.frozen import Moving
from signals.training.options import Options

# Each number of a parameter is moved by its own gradient alone, so that many models can share one call.
ELEMENTWISE = frozenset(
    ("ASGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD")
)
# Their step can be captured on CUDA: what they count is on the device.
CAPTURABLE = ELEMENTWISE - {"Adagrad"}
# Their step is one call for all parameters where they are told so.
_FUSED = frozenset(("Adam", "AdamW", "SGD", "Adagrad"))
# What cannot be used here, and why.
_NO_OPTIMIZER = {
    "SparseAdam": "takes sparse gradients; a network here has none",
    "Muon": "takes matrices alone; a network has biases too",
}
_NO_SCHEDULER = {
    "LambdaLR": "takes a function, which a setting cannot hold",
    "MultiplicativeLR": "takes a function, which a setting cannot hold",
    "SequentialLR": "takes other schedulers, which a setting cannot hold",
    "ChainedScheduler": "takes other schedulers, which a setting cannot hold",
}


def check_optimizer(options: Options) -> None:
    """Raise ConfigError unless optimizer and scheduler are there and take their arguments."""
    kinds = _names(torch.optim, torch.optim.Optimizer)
    _check_name("optimizer", options.optimizer, kinds, _NO_OPTIMIZER)
    if options.scheduler is not None:
        schedules = _names(torch.optim.lr_scheduler, torch.optim.lr_scheduler.LRScheduler)
        _check_name("scheduler", options.scheduler, schedules, _NO_SCHEDULER)
        if options.scheduler == "ReduceLROnPlateau" and options.schedule_by != "epoch":
            raise bt.ConfigError(
                "the scheduler 'ReduceLROnPlateau' looks at the loss of an epoch: schedule_by='epoch'."
            )
    trial = torch.nn.Parameter(torch.zeros(2, 2))
    made = _made("optimizer", options.optimizer, lambda: _optimizer(options, [trial], options.learning_rate, "cpu"))
    if options.scheduler is not None:
        _made("scheduler", options.scheduler, lambda: _scheduler(options, made))


def shares_steps(options: Options) -> bool:
    """Whether models can share an optimizer: it works number by number, and no schedule looks at one model's loss."""
    return options.optimizer in ELEMENTWISE and options.scheduler != "ReduceLROnPlateau"


def needs_closure(options: Options) -> bool:
    """Whether a step evaluates the loss many times, so that its model has to train alone."""
    return options.optimizer == "LBFGS"


class Unit:
    """Models whose numbers move in one call of one optimizer.

    Attributes:
        models: their places in the stack, one after another.
        capturable: whether a step can be captured on CUDA.
    """

    def __init__(self, parameters: dict[str, Moving], models: Sequence[int], rate: float, options: Options) -> None:
        """Make views of the models' part of each parameter, with views of its gradients."""
        self.models = list(models)
        self._options = options
        self._views = [torch.nn.Parameter(torch.empty(0), requires_grad=False) for _ in parameters]
        self._names = list(parameters)
        self.point_at(parameters, self.models)
        device = next(iter(parameters.values())).values.device.type
        self.optimizer = _optimizer(options, self._views, rate, device)
        self.scheduler = None if options.scheduler is None else _scheduler(options, self.optimizer)
        able = all(group.get("capturable", True) for group in self.optimizer.param_groups)
        self.capturable = able and options.optimizer in CAPTURABLE

    def point_at(self, parameters: dict[str, Moving], models: Sequence[int]) -> None:
        """Let the views be those of ``models`` in these parameters, whose gradients are there."""
        self.models = list(models)
        first, last = models[0], models[-1]
        assert self.models == list(range(first, last + 1))
        alone = not shares_steps(self._options)  # an optimizer that looks at shapes sees those of one network
        for view, (values, gradient) in zip(self._views, parameters.values(), strict=True):
            view.data = values[first] if alone else values[first : last + 1]
            view.grad = gradient[first] if alone else gradient[first : last + 1]

    def step(self, closure: Any = None) -> None:
        """Move the parameters once."""
        self.optimizer.step(closure)
        if self._options.schedule_by == "step":
            self._move_on(math.nan)

    def end_epoch(self, loss: float) -> None:
        """Move the schedule on; ``loss`` is what it may look at."""
        if self._options.schedule_by == "epoch":
            self._move_on(loss)

    def _move_on(self, loss: float) -> None:
        if self.scheduler is None:
            return
        try:
            if isinstance(self.scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
                self.scheduler.step(loss)
            else:
                self.scheduler.step()
        except ValueError as error:
            raise bt.ConfigError(
                f"scheduler {self._options.scheduler!r} cannot move on after another {self._options.schedule_by}: "
                f"{error}. Its arguments have to reach over all of the training."
            ) from error

    def keep(self, places: Sequence[int]) -> None:
        """Keep what is remembered of the models at these places of `models`, and forget the others."""
        if shares_steps(self._options):
            for view in self._views:
                state = self.optimizer.state[view]
                for key, value in state.items():
                    if isinstance(value, Tensor) and value.shape == view.shape:
                        state[key] = value[list(places)].contiguous()

    @property
    def steps(self) -> int:
        """Steps that Adam has done."""
        state = self.optimizer.state[self._views[0]]
        return int(state["step"]) if state else 0

    def moments(self) -> tuple[list[Tensor], list[Tensor]]:
        """Adam's running means of the gradients and of their squares, by parameter, to be written to."""
        for view in self._views:
            if not self.optimizer.state[view]:  # as Adam itself begins
                self.optimizer.state[view].update(
                    step=torch.zeros((), dtype=torch.float32),
                    exp_avg=torch.zeros_like(view),
                    exp_avg_sq=torch.zeros_like(view),
                )
        states = [self.optimizer.state[view] for view in self._views]
        return [state["exp_avg"] for state in states], [state["exp_avg_sq"] for state in states]

    def took(self, steps: int) -> None:
        """Count steps of Adam that were done elsewhere."""
        for view in self._views:
            self.optimizer.state[view]["step"] += steps
        self.optimizer._opt_called = True  # type: ignore[attr-defined]  # or a scheduler warns that none was done

    def tensors(self) -> dict[str, Tensor]:
        """What the optimizer remembers, by parameter and name."""
        return {
            f"{name}/{key}": value
            for name, view in zip(self._names, self._views, strict=True)
            for key, value in self.optimizer.state[view].items()
            if isinstance(value, Tensor)
        }

    def memory(self) -> dict[str, Any]:
        """What is remembered beside tensors, as plain JSON data: rates and the schedule."""
        groups = [
            {key: value for key, value in group.items() if key != "params" and is_plain(value)}
            for group in self.optimizer.param_groups
        ]
        schedule = {} if self.scheduler is None else self.scheduler.state_dict()
        # A table, such as the milestones of MultiStepLR, is a setting: a new schedule has it already.
        moving = {
            key: plain(value) for key, value in schedule.items() if is_plain(value) and not isinstance(value, dict)
        }
        return {"groups": plain(groups), "schedule": moving}

    def restore(self, tensors: dict[str, Tensor], memory: dict[str, Any]) -> None:
        """Take over what another of the same make remembered."""
        views = dict(zip(self._names, self._views, strict=True))
        # Plain numbers are tensors too, and stay on the CPU unless the step is done wholly on the device.
        wholly = any(group.get("capturable") or group.get("fused") for group in self.optimizer.param_groups)
        for name, value in tensors.items():
            parameter, _, key = name.rpartition("/")
            device = views[parameter].device if value.dim() or wholly else "cpu"
            self.optimizer.state[views[parameter]][key] = value.to(device)
        for group, values in zip(self.optimizer.param_groups, memory["groups"], strict=True):
            group.update(values)
        if self.scheduler is not None:
            self.scheduler.load_state_dict(memory["schedule"])


def _optimizer(options: Options, views: list[torch.nn.Parameter], rate: float, device: str) -> torch.optim.Optimizer:
    kind = getattr(torch.optim, options.optimizer)
    arguments = dict(options.optimizer_arguments)
    fused = _FUSED - {"Adagrad"} if device == "cuda" else _FUSED  # that one has no such step there
    if options.optimizer in fused and "fused" not in arguments and "foreach" not in arguments:
        arguments["fused"] = True
    if device == "cuda" and options.optimizer in CAPTURABLE - {"SGD"} and "capturable" not in arguments:
        arguments["capturable"] = True
    made: torch.optim.Optimizer = kind(views, lr=rate, **arguments)
    # Torch warns where a step that could be captured is not; the first ones never are.
    made._warned_capturable_if_run_uncaptured = True  # type: ignore[attr-defined]
    return made


def _scheduler(options: Options, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    kind = getattr(torch.optim.lr_scheduler, str(options.scheduler))
    made: torch.optim.lr_scheduler.LRScheduler = kind(optimizer, **options.scheduler_arguments)
    return made


def _check_name(key: str, name: str, known: set[str], refused: dict[str, str]) -> None:
    usable = sorted(known - refused.keys())
    if name in refused:
        raise bt.ConfigError(f"{key} is {name!r}, which {refused[name]}. Use one of {', '.join(usable)}.")
    if name not in usable:
        hint = did_you_mean(str(name), usable)
        raise bt.ConfigError(f"{key} is {name!r}; it must be one of {', '.join(usable)}.{hint}")


def _made(key: str, name: str, make: Any) -> Any:
    try:
        return make()
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise bt.ConfigError(f"{key} {name!r} refused its arguments: {error}") from error


def _names(module: Any, base: type) -> set[str]:
    return {
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, base) and value is not base and not name.startswith("_")
    }


def runs(values: Sequence[Any]) -> list[list[int]]:
    """Places of equal neighbours."""
    found: list[list[int]] = []
    for k, value in enumerate(values):
        if found and values[found[-1][-1]] == value:
            found[-1].append(k)
        else:
            found.append([k])
    return found
