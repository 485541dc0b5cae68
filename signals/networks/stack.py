"""Many networks of one shape as one module: what all kinds of networks share.

A *lane* is one fold with one seed. All configurations of a lane see the same batches, so model
``m = lane * configs + config``, and every parameter has shape (M, ...).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import Module, Parameter

import backtester as bt

State = Mapping[str, Tensor]


class Start:
    """First weights: those of a model depend on the seed of its lane alone, not on what else is in the stack.

    Each lane has a generator of its own on the CPU, so that a device gives the same start as any other, and the
    program's own random numbers stay as they are. Networks draw in the order of their parameters.

    Attributes:
        seeds: of the lanes.
        dropout: of the configurations.
        numbers: of the configurations.
        lanes: how many lanes.
        configs: configurations of a lane.
        count: models, M.
    """

    def __init__(self, seeds: Sequence[int], dropout: Sequence[float], numbers: Sequence[int] | None = None) -> None:
        """One generator per lane.

        Args:
            seeds: of the lanes.
            dropout: of the configurations, each from 0 up to below 1.
            numbers: of the configurations; None: from 0.

        Raises:
            ConfigError: no lane, no configuration, another count of numbers, or a dropout outside of [0, 1).
        """
        if not seeds or not dropout:
            raise bt.ConfigError(f"a stack has {len(seeds)} seeds and {len(dropout)} dropouts; it needs one of each.")
        for p in dropout:
            if not 0 <= p < 1:
                raise bt.ConfigError(f"dropout is {p!r}; it must be at least 0 and below 1.")
        self.seeds = tuple(int(seed) for seed in seeds)
        self.dropout = tuple(float(p) for p in dropout)
        self.numbers = tuple(range(len(dropout)) if numbers is None else numbers)
        if len(self.numbers) != len(dropout):
            raise bt.ConfigError(f"{len(dropout)} configurations have {len(self.numbers)} numbers; each needs one.")
        self.lanes, self.configs = len(seeds), len(dropout)
        self.count = self.lanes * self.configs
        self._generators = [torch.Generator().manual_seed(seed) for seed in self.seeds]

    def uniform(self, shape: tuple[int, ...], bound: float) -> Parameter:
        """(M, *shape), uniform from -bound to bound; one draw per lane, the same for its configurations."""
        drawn = [torch.empty(shape).uniform_(-bound, bound, generator=one) for one in self._generators]
        return Parameter(torch.stack(drawn).repeat_interleave(self.configs, dim=0))

    def weight(self, outputs: int, inputs: int) -> Parameter:
        """(M, outputs, inputs) as `torch.nn.Linear` draws it."""
        return self.uniform((outputs, inputs), 1 / math.sqrt(inputs))

    def constant(self, value: float, *shape: int) -> Parameter:
        """(M, *shape) of one value."""
        return Parameter(torch.full((self.count, *shape), value))


class Stack(Module):
    """M networks of one shape.

    What happens in one model touches no other: its output, its gradient and its statistics are those of the model
    alone up to the order in which float32 sums are taken, and a NaN stays where it arose.

    Attributes:
        lanes: how many lanes.
        configs: configurations of a lane.
        count: models, M.
        capturable: whether a training step can be recorded as a CUDA graph.
    """

    capturable = True

    def __init__(self, start: Start) -> None:
        """Remember how many there are."""
        super().__init__()
        self.lanes, self.configs, self.count = start.lanes, start.configs, start.count

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        """Outputs of all models.

        Args:
            x: (lanes, B, F) for flat networks, (lanes, B, L, C) for sequences, without NaN.
            step: number of the training step, an int64 of no dimension on the device. It decides the dropout; in
                evaluation mode it is not looked at.

        Returns:
            (M, B, O).
        """
        raise NotImplementedError

    def state(self) -> dict[str, Tensor]:
        """All that decides the outputs in evaluation mode, {name: (M, ...)}: live, not copies.

        Parameters, and statistics of batch norms.
        """
        return dict(self.state_dict())

    def weights(self) -> list[Parameter]:
        """Matrices and kernels: neither biases nor norms."""
        return [one for one in self.parameters() if one.ndim >= 3]

    def models(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Copies of what `state` says of some models: {name: (len(indices), ...)}."""
        return take(self.state(), indices)


def take(state: State, indices: Sequence[int]) -> dict[str, Tensor]:
    """Some models cut out of a state, {name: (len(indices), ...)}: copies."""
    return {name: value[list(indices)].clone() for name, value in state.items()}


def put(stack: Stack, indices: Sequence[int], state: State) -> None:
    """Write models into a stack, in place.

    Args:
        stack: to write into.
        indices: of the models in it.
        state: {name: (len(indices), ...)}, on any device.

    Raises:
        SignalError: names or shapes are not those of the stack.
    """
    own = stack.state()
    if missing := own.keys() ^ state.keys():
        raise bt.SignalError(
            f"the weights are of another network: {', '.join(sorted(missing))} is in one and not in the other. "
            "Use the network that they were saved with."
        )
    for name, value in own.items():
        wanted = (len(indices), *value.shape[1:])
        if tuple(state[name].shape) != wanted:
            raise bt.SignalError(
                f"the weights are of another network: {name} has shape {tuple(state[name].shape)} where {wanted} is "
                "needed. Use the network that they were saved with."
            )
    with torch.no_grad():
        for name, value in own.items():
            value[list(indices)] = state[name].to(value.device, value.dtype)


def penalized(stack: Stack) -> list[Parameter]:
    """The parameters that penalties on the weights act on: matrices and kernels, neither biases nor norms."""
    return stack.weights()
