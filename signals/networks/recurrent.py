"""Recurrent networks: RNN, LSTM and GRU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn import Module, ModuleList

import backtester as bt
from backtester.errors import did_you_mean
from signals.networks.dropout import Dropout
from signals.networks.layers import Linear, check_sizes
from signals.networks.stack import Stack, Start

CELLS = {"rnn": 1, "lstm": 4, "gru": 3}  # gates of each


@dataclass(frozen=True)
class RecurrentShape:
    """Recurrent layers over the window; the last session's state goes through dropout and a linear head.

    Attributes:
        cell: ``rnn`` (tanh), ``lstm`` or ``gru``.
        inputs: channels, C.
        outputs: of the head, O.
        hidden: units of each layer, H.
        layers: how many, with dropout after each.
    """

    cell: str
    inputs: int
    outputs: int = 1
    hidden: int = 64
    layers: int = 1

    def __post_init__(self) -> None:
        """Raise ConfigError on what cannot be built."""
        if self.cell not in CELLS:
            hint = did_you_mean(str(self.cell), CELLS)
            raise bt.ConfigError(f"cell is {self.cell!r}; it must be one of {', '.join(CELLS)}.{hint}")
        check_sizes(inputs=self.inputs, outputs=self.outputs, hidden=self.hidden, layers=self.layers)

    def build(self, start: Start) -> Recurrent:
        """The networks."""
        return Recurrent(self, start)


class Recurrent(Stack):
    """Recurrent networks."""

    def __init__(self, shape: RecurrentShape, start: Start) -> None:
        """First weights as `torch.nn.LSTM` draws them, the head's as `torch.nn.Linear`."""
        super().__init__(start)
        inputs = [shape.inputs] + [shape.hidden] * (shape.layers - 1)
        self.layers = ModuleList(Layer(shape.cell, start, size, shape.hidden) for size in inputs)
        self.dropouts = ModuleList(Dropout(start, number) for number in range(shape.layers))
        self.head = Linear(start, shape.hidden, shape.outputs)

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        """(lanes, B, L, C) -> (M, B, O)."""
        h = self.states(x, step)[:, -1]  # (M, B, H)
        return cast(Tensor, self.head(h.transpose(1, 2))).transpose(1, 2)  # (M, B, O)

    def states(self, x: Tensor, step: Tensor) -> Tensor:
        """The last layer's state after each session: (lanes, B, L, C) -> (M, L, B, H)."""
        h = x.transpose(1, 2)  # (lanes, L, B, C)
        for layer, dropout in zip(self.layers, self.dropouts, strict=True):
            h = dropout(layer(h), step)  # (M, L, B, H)
        return h


class Layer(Module):
    """One recurrent layer of each model; gates in torch's order: i, f, g, o of an LSTM and r, z, n of a GRU.

    Names: ``input_weight`` (M, gates*H, I), ``hidden_weight`` (M, gates*H, H), ``input_bias`` and ``hidden_bias``
    (M, gates*H).
    """

    def __init__(self, cell: str, start: Start, inputs: int, hidden: int) -> None:
        """First weights as torch's own layers draw them."""
        super().__init__()
        rows, bound = CELLS[cell] * hidden, hidden**-0.5
        self.cell, self.hidden, self.count = cell, hidden, start.count
        self.input_weight = start.uniform((rows, inputs), bound)
        self.hidden_weight = start.uniform((rows, hidden), bound)
        self.input_bias = start.uniform((rows,), bound)
        self.hidden_bias = start.uniform((rows,), bound)

    def forward(self, x: Tensor) -> Tensor:
        """(G, L, B, I) -> (M, L, B, H). On a CPU torch's own loop over one model is faster than steps of all models."""
        return self.one_by_one(x) if x.is_cpu else self.step_by_step(x)

    def one_by_one(self, x: Tensor) -> Tensor:
        """Every model through torch's own layer."""
        named = (self.input_weight, self.hidden_weight, self.input_bias, self.hidden_bias)
        weights = zip(*(one.unbind() for one in named), strict=True)
        first = x.new_zeros(1, x.shape[2], self.hidden)  # (layers, B, H)
        share = self.count // len(x)
        out = [self._alone(x[m // share], first, list(own)) for m, own in enumerate(weights)]
        return torch.stack(out) if len(out) > 1 else out[0][None]  # (M, L, B, H)

    def _alone(self, x: Tensor, first: Tensor, weights: list[Tensor]) -> Tensor:
        settings = (True, 1, 0.0, self.training, False, False)  # biases, layers, dropout, training, both ways, B first
        if self.cell == "lstm":
            return torch.lstm(x, [first, first], weights, *settings)[0]  # (L, B, H)
        of = torch.gru if self.cell == "gru" else torch.rnn_tanh
        return of(x, first, weights, *settings)[0]  # (L, B, H)

    def step_by_step(self, x: Tensor) -> Tensor:
        """All models at once, session after session."""
        groups, length, samples, inputs = x.shape
        weight = self.input_weight.view(groups, -1, inputs)  # (G, M/G*gates*H, I)
        bias = self.input_bias.view(groups, -1, 1)
        given = weight @ x.permute(1, 0, 3, 2) + bias  # (L, G, M/G*gates*H, B)
        steps = given.view(length, self.count, -1, samples).unbind()  # L of (M, gates*H, B)
        h = x.new_zeros(self.count, self.hidden, samples)  # (M, H, B)
        memory, states = h, []
        for known in steps:
            own = torch.baddbmm(self.hidden_bias[:, :, None], self.hidden_weight, h)  # (M, gates*H, B)
            if self.cell == "lstm":
                i, f, g, o = (known + own).chunk(4, 1)  # (M, H, B) each
                memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(memory)
            elif self.cell == "gru":
                (r, z, n), (own_r, own_z, own_n) = known.chunk(3, 1), own.chunk(3, 1)  # (M, H, B) each
                new = torch.tanh(n + torch.sigmoid(r + own_r) * own_n)
                h = new + torch.sigmoid(z + own_z) * (h - new)
            else:
                h = torch.tanh(known + own)
            states.append(h)
        return torch.stack(states, 1).transpose(2, 3)  # (M, L, B, H)
