"""Multilayer perceptrons."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from torch import Tensor
from torch.nn import Module, ModuleList

import backtester as bt
from signals.networks.dropout import Dropout
from signals.networks.layers import (
    LINEAR,
    NORMS,
    Linear,
    activate,
    check_activation,
    check_norm,
    check_sizes,
    dense,
)
from signals.networks.stack import Stack, Start


@dataclass(frozen=True)
class MLPShape:
    """Layers of ``hidden`` units, each linear, norm, activation, dropout; then a linear head.

    Attributes:
        inputs: features, F.
        outputs: of the head, O.
        hidden: units of each layer; none: a linear model.
        activation: ``relu``, ``tanh``, ``sigmoid`` or ``gelu``.
        norm: ``batch`` (the linear part before it has no bias), ``layer`` or None. Where batches are whole sessions
            ``batch`` also counts the places in them that hold no symbol; ``layer`` knows no other sample.
        skip: whether what goes into a layer is added to what comes out of it; through a matrix where the widths differ.
    """

    inputs: int
    outputs: int = 1
    hidden: tuple[int, ...] = (32, 16)
    activation: str = "relu"
    norm: str | None = None
    skip: bool = False

    def __post_init__(self) -> None:
        """Raise ConfigError on what cannot be built."""
        check_sizes(inputs=self.inputs, outputs=self.outputs)
        if isinstance(self.hidden, str) or not all(isinstance(one, int) and one >= 1 for one in self.hidden):
            raise bt.ConfigError(f"hidden is {self.hidden!r}; it must be whole numbers of at least 1, one a layer.")
        check_activation(self.activation)
        check_norm(self.norm)
        if not isinstance(self.skip, bool):
            raise bt.ConfigError(f"skip is {self.skip!r}; it must be true or false.")

    def build(self, start: Start) -> MLP:
        """The networks."""
        return MLP(self, start)


class MLP(Stack):
    """Multilayer perceptrons."""

    def __init__(self, shape: MLPShape, start: Start) -> None:
        """First weights as `torch.nn.Linear` draws them."""
        super().__init__(start)
        widths = (shape.inputs, *shape.hidden)
        self.layers = ModuleList(_Layer(shape, start, k, *pair) for k, pair in enumerate(pairwise(widths)))
        self.head = Linear(start, widths[-1], shape.outputs)

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        """(lanes, B, F) -> (M, B, O)."""
        h = x.transpose(1, 2)  # (lanes, F, B)
        for layer in self.layers:
            h = layer(h, step)  # (M, H, B)
        return cast(Tensor, self.head(h)).transpose(1, 2)  # (M, B, O)


class _Layer(Module):
    def __init__(self, shape: MLPShape, start: Start, number: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = start.weight(outputs, inputs)
        # A batch norm takes out any bias before it: its slope is nothing but rounding, which Adam makes whole steps of.
        self.bias = None if shape.norm == "batch" else start.uniform((outputs,), inputs**-0.5)
        self.norm = NORMS[shape.norm](start, outputs) if shape.norm else None
        self.activation = shape.activation
        self.dropout = Dropout(start, number)
        self.skips = shape.skip
        self.skip = start.weight(outputs, inputs) if shape.skip and inputs != outputs else None
        self.count = start.count

    def forward(self, x: Tensor, step: Tensor) -> Tensor:  # x (G, I, B)
        bias = self._no_bias() if self.bias is None else self.bias  # (M, O)
        if self.norm is None:
            h = dense(x, self.weight, bias, self.activation)  # (M, O, B)
        else:
            h = activate(self.activation, self.norm(dense(x, self.weight, bias, LINEAR)))  # (M, O, B)
        h = cast(Tensor, self.dropout(h, step))
        if not self.skips:
            return h
        if self.skip is None:
            return h + x.repeat_interleave(self.count // len(x), dim=0)  # (M, O, B)
        return h + dense(x, self.skip, self._no_bias(), LINEAR)  # (M, O, B)

    def _no_bias(self) -> Tensor:
        return self.weight.new_zeros(self.weight.shape[:2])  # (M, O)
