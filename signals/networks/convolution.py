"""Causal, dilated convolutions over the window."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor
from torch.nn import Module, ModuleList

import backtester as bt
from signals.networks.dropout import Dropout
from signals.networks.layers import Linear, check_activation, check_sizes, dense
from signals.networks.stack import Stack, Start


@dataclass(frozen=True)
class CNNShape:
    """Convolutions that look back only, layer ``k`` with gaps of ``dilation**k``; the last session goes to the head.

    Attributes:
        inputs: channels of the input, C.
        outputs: of the head, O.
        channels: of each layer.
        kernel: sessions that a layer looks at, K.
        dilation: growth of the gaps between them.
        activation: ``relu``, ``tanh``, ``sigmoid`` or ``gelu``; dropout after it.
    """

    inputs: int
    outputs: int = 1
    channels: tuple[int, ...] = (16, 16)
    kernel: int = 3
    dilation: int = 2
    activation: str = "relu"

    def __post_init__(self) -> None:
        """Raise ConfigError on what cannot be built."""
        check_sizes(inputs=self.inputs, outputs=self.outputs, kernel=self.kernel, dilation=self.dilation)
        whole = all(isinstance(one, int) and one >= 1 for one in self.channels)
        if isinstance(self.channels, str) or not self.channels or not whole:
            raise bt.ConfigError(f"channels is {self.channels!r}; it must be whole numbers of at least 1, one a layer.")
        check_activation(self.activation)

    @property
    def reach(self) -> int:
        """Sessions that the last output depends on."""
        gaps: int = sum(self.dilation**k for k in range(len(self.channels)))
        return 1 + (self.kernel - 1) * gaps

    def build(self, start: Start) -> CNN:
        """The networks."""
        return CNN(self, start)


class CNN(Stack):
    """Causal convolutions."""

    def __init__(self, shape: CNNShape, start: Start) -> None:
        """First weights as `torch.nn.Conv1d` draws them, the head's as `torch.nn.Linear`."""
        super().__init__(start)
        self.reach = shape.reach
        widths = (shape.inputs, *shape.channels)
        self.layers = ModuleList(_Layer(shape, start, k, *pair) for k, pair in enumerate(pairwise(widths)))
        self.head = Linear(start, widths[-1], shape.outputs)

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        """(lanes, B, L, C) -> (M, B, O); sessions before the reach of the last one are not looked at."""
        h = self.states(x[:, :, -self.reach :], step, padded=x.shape[2] < self.reach)[:, :, -1]  # (M, O, B)
        return cast(Tensor, self.head(h)).transpose(1, 2)  # (M, B, O)

    def states(self, x: Tensor, step: Tensor, padded: bool = True) -> Tensor:
        """The last layer after each session: (lanes, B, L, C) -> (M, O, L, B).

        Unless ``padded`` with zeros on the left, each layer gives only the sessions whose past is all there.
        """
        h = x.permute(0, 3, 2, 1)  # (lanes, C, L, B): a look back is a shift of whole rows
        for layer in self.layers:
            h = layer(h, step, padded)  # (M, O, L, B)
        return h


class _Layer(Module):
    def __init__(self, shape: CNNShape, start: Start, number: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = (inputs * shape.kernel) ** -0.5
        self.weight = start.uniform((outputs, inputs, shape.kernel), bound)  # (M, O, I, K)
        self.bias = start.uniform((outputs,), bound)
        self.gap, self.activation = shape.dilation**number, shape.activation
        self.dropout = Dropout(start, number)

    def forward(self, x: Tensor, step: Tensor, padded: bool) -> Tensor:  # x (G, I, L, B)
        kernel = self.weight.shape[3]
        back = (kernel - 1) * self.gap
        x = F.pad(x, (0, 0, back, 0)) if padded else x  # (G, I, L+back, B)
        groups, inputs, length, samples = x.shape
        length -= back
        x = x.reshape(groups, inputs, -1)  # (G, I, (L+back)*B)
        shifts = (x[:, :, k * self.gap * samples :][:, :, : length * samples] for k in range(kernel))
        seen = torch.cat(list(shifts), 1)  # (G, K*I, L*B)
        weight = self.weight.transpose(2, 3).flatten(2)  # (M, O, K*I)
        out = cast(Tensor, self.dropout(dense(seen, weight, self.bias, self.activation), step))
        return out.view(*out.shape[:2], length, samples)  # (M, O, L, B)
