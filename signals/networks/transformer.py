"""Transformer encoders with causal attention."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor
from torch.nn import Module, ModuleList

import backtester as bt
from signals.networks.dropout import Dropout
from signals.networks.layers import Linear, activate, check_activation, check_sizes
from signals.networks.stack import Stack, Start

_WIDER = 4  # the hidden layer of a block against its width


@dataclass(frozen=True)
class TransformerShape:
    """A linear map to ``width``, sinusoidal positions, encoder layers, a norm; the last session goes to the head.

    Attributes:
        inputs: channels, C.
        outputs: of the head, O.
        width: of a session's vector, W.
        heads: of the attention; they share the width.
        layers: encoder layers.
        window: sessions of the input, L, at most.
        activation: of the hidden layers.
    """

    inputs: int
    outputs: int = 1
    width: int = 32
    heads: int = 4
    layers: int = 2
    window: int = 60
    activation: str = "gelu"

    def __post_init__(self) -> None:
        """Raise ConfigError on what cannot be built."""
        check_sizes(inputs=self.inputs, outputs=self.outputs, width=self.width, heads=self.heads)
        check_sizes(layers=self.layers, window=self.window)
        check_activation(self.activation)
        if self.width % self.heads:
            raise bt.ConfigError(f"width is {self.width}, which {self.heads} heads cannot share equally.")

    def build(self, start: Start) -> Transformer:
        """The networks."""
        return Transformer(self, start)


class Transformer(Stack):
    """Transformer encoders, norm first, causal (Vaswani et al. 2017; norm first: Xiong et al. 2020)."""

    positions: Tensor

    def __init__(self, shape: TransformerShape, start: Start) -> None:
        """First weights as `torch.nn.TransformerEncoderLayer` and `torch.nn.Linear` draw them."""
        super().__init__(start)
        self.enter = Wide(start, shape.inputs, shape.width)
        self.register_buffer("positions", sinusoids(shape.window, shape.width), persistent=False)
        self.layers = ModuleList(_Layer(shape, start, number) for number in range(shape.layers))
        self.norm = _Norm(start, shape.width)
        self.head = Linear(start, shape.width, shape.outputs)

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        """(lanes, B, L, C) -> (M, B, O)."""
        h = self.states(x, step, last=True)[:, :, -1]  # (M, B, W)
        return cast(Tensor, self.head(h.transpose(1, 2))).transpose(1, 2)  # (M, B, O)

    def states(self, x: Tensor, step: Tensor, last: bool = False) -> Tensor:
        """What each session has become: (lanes, B, L, C) -> (M, B, L, W); with ``last`` (M, B, 1, W)."""
        length = x.shape[2]
        if length > len(self.positions):
            raise bt.SignalError(
                f"a window has {length} sessions; this transformer was built for {len(self.positions)}."
            )
        h = self.enter(x) + self.positions[-length:]  # (M, B, L, W): the last session always has the last position
        for number, layer in enumerate(self.layers):
            h = layer(h, step, last and number == len(self.layers) - 1)  # (M, B, L or 1, W)
        return cast(Tensor, self.norm(h))


def sinusoids(length: int, width: int) -> Tensor:
    """(length, width): cosines and sines of the position, from a turn in two sessions to one in about ``2 length``.

    Vaswani et al. go from a turn in 6 positions to one in 60,000, for texts: a window of some sessions would then have
    nothing that tells a session from its neighbour.
    """
    position = torch.arange(length, dtype=torch.float64)[:, None]
    pair = torch.arange(width) // 2
    angle = position * math.pi * length ** (-2 * pair / width)  # (length, width)
    return torch.where(torch.arange(width) % 2 == 0, angle.cos(), angle.sin()).to(torch.float32)


class Wide(Module):
    """`torch.nn.Linear` of each model with features last. Names: ``weight`` (M, O, I) and ``bias`` (M, O)."""

    def __init__(self, start: Start, inputs: int, outputs: int, bound: float | None = None) -> None:
        """Torch's own bounds, or weights within ``bound`` and biases of 0."""
        super().__init__()
        self.weight = start.uniform((outputs, inputs), inputs**-0.5 if bound is None else bound)
        self.bias = start.uniform((outputs,), inputs**-0.5) if bound is None else start.constant(0.0, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(G, B, L, I) -> (M, B, L, O)."""
        groups, samples, length, inputs = x.shape
        models, outputs, _ = self.weight.shape
        if groups < models:
            x = x.repeat_interleave(models // groups, 0)  # (M, B, L, I)
        rows = x.reshape(models, -1, inputs)  # (M, B*L, I)
        out = torch.baddbmm(self.bias[:, None], rows, self.weight.transpose(1, 2))  # (M, B*L, O)
        return out.view(models, samples, length, outputs)


class _Norm(Module):
    """`torch.nn.LayerNorm` of each model with features last."""

    def __init__(self, start: Start, width: int) -> None:
        super().__init__()
        self.weight = start.constant(1.0, width)
        self.bias = start.constant(0.0, width)

    def forward(self, x: Tensor) -> Tensor:  # (M, B, L, W)
        plain = F.layer_norm(x, x.shape[-1:])
        return torch.addcmul(self.bias[:, None, None], plain, self.weight[:, None, None])


class _Layer(Module):
    def __init__(self, shape: TransformerShape, start: Start, number: int) -> None:
        super().__init__()
        width = shape.width
        self.heads, self.activation = shape.heads, shape.activation
        self.norm_1, self.norm_2 = _Norm(start, width), _Norm(start, width)
        # Queries, keys and values are one matrix of 4 widths as Glorot's bound counts: sqrt(6 / (W + 3 W)).
        self.attend = Wide(start, width, 3 * width, bound=math.sqrt(6 / (4 * width)))
        self.merge = Wide(start, width, width)
        torch.nn.init.zeros_(self.merge.bias)
        self.rise = Wide(start, width, _WIDER * width)
        self.fall = Wide(start, _WIDER * width, width)
        self.dropouts = ModuleList(Dropout(start, 3 * number + k) for k in range(3))

    def forward(self, x: Tensor, step: Tensor, last: bool) -> Tensor:  # x (M, B, L, W)
        first, second, third = self.dropouts
        seen = self._attention(self.norm_1(x), last)  # (M, B, L or 1, W)
        x = (x[:, :, -1:] if last else x) + first(seen, step)
        wide = second(activate(self.activation, self.rise(self.norm_2(x))), step)  # (M, B, L or 1, 4 W)
        return x + cast(Tensor, third(self.fall(wide), step))

    def _attention(self, x: Tensor, last: bool) -> Tensor:  # x (M, B, L, W)
        models, samples, length, width = x.shape
        split = self.attend(x).view(models * samples, length, 3, self.heads, -1)  # (M*B, L, 3, heads, W/heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # (M*B, heads, L, W/heads) each
        if last:  # the last session sees all of the others, and nobody asks for theirs
            query = query[:, :, -1:]
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=not last)  # (M*B, heads, L or 1, W/heads)
        return cast(Tensor, self.merge(seen.transpose(1, 2).reshape(models, samples, -1, width)))
