"""Any `torch.nn.Module` of the user's as a stack of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Module, Parameter

import backtester as bt
from backtester.errors import raised_at
from signals.networks.dropout import key_of
from signals.networks.stack import Stack, Start


@dataclass(frozen=True)
class ModuleShape:
    """A module of the user's: one lane and one configuration.

    Attributes:
        make: gives a new module; it draws its first weights from torch's own generator, which is seeded for it. Its
            forward takes (B, F), or (B, L, C) for sequences, and gives (B, O), or (B,) for one output.
        outputs: O.
    """

    make: Callable[[], Module]
    outputs: int = 1

    def build(self, start: Start) -> One:
        """The network."""
        if start.count != 1:
            raise bt.ConfigError(f"a module of one's own is trained alone; {start.count} were asked for in one stack.")
        return One(self, start)


@contextmanager
def own_numbers(seed: int) -> Iterator[None]:
    """Torch's generators seeded for a while, and put back as they were."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


class One(Stack):
    """A user's module. Random numbers that it draws in training depend on seed and step alone."""

    capturable = False

    def __init__(self, shape: ModuleShape, start: Start) -> None:
        """Make the module, with torch's generator seeded for it and put back."""
        super().__init__(start)
        self.outputs, self.seed = shape.outputs, start.seeds[0]
        with own_numbers(self.seed):
            made = shape.make()
        if not isinstance(made, Module):
            raise bt.SignalError(f"make gave {type(made).__name__}; it must give a torch.nn.Module.")
        self.module = made

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        """(1, B, ...) -> (1, B, O).

        Raises:
            SignalError: the module raised, or its output has another shape.
        """
        if not self.training:
            return self._checked(x[0])
        with own_numbers(key_of(self.seed, int(step))):
            return self._checked(x[0])

    def weights(self) -> list[Parameter]:
        """As `Stack.weights`; this module's parameters have no first dimension of models."""
        return [one for one in self.parameters() if one.ndim >= 2]

    def state(self) -> dict[str, Tensor]:
        """As `Stack.state`, each with a first dimension of 1."""
        return {name: value[None] for name, value in self.state_dict().items()}

    def _checked(self, x: Tensor) -> Tensor:
        try:
            out = self.module(x)
        except Exception as error:
            raise bt.SignalError(f"the module raised {type(error).__name__}: {error}{raised_at(error)}") from error
        found = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        if found == (len(x),) and self.outputs == 1:
            out = out[:, None]  # (B, 1)
        elif found != (len(x), self.outputs):
            raise bt.SignalError(f"the module gave {found}; it must give ({len(x)}, {self.outputs}): samples, outputs.")
        checked: Tensor = out[None]
        return checked  # (1, B, O)
