"""Dropout without a generator: what is dropped is a function of seed, configuration, step, layer and element.

A model drops the same whether it is trained alone or among others, on any device, and after a restart. The function is
a counter-based hash in integers: once as a compiled loop for the CPU, once in torch for other devices, bit for bit the
same. Constants: splitmix64 (Steele, Lea and Flood 2014) for the keys, Wellons' 32-bit "lowbias32" for the elements.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import Module

from signals.networks.kernels import GOLDEN, LOW_1, LOW_2, MIX_1, MIX_2, SPREAD, STRIDE, drop
from signals.networks.stack import Start

_MASK_32, _MASK_64 = (1 << 32) - 1, (1 << 64) - 1


class Dropout(Module):
    """`torch.nn.Dropout` of each model, with the rate of its configuration."""

    base: Tensor
    limit: Tensor
    scale: Tensor

    def __init__(self, start: Start, layer: int) -> None:
        """Keys and rates.

        Args:
            start: of the stack.
            layer: number of this dropout within its network; no two have the same.
        """
        super().__init__()
        self.layer = layer
        rates = torch.tensor(start.dropout, dtype=torch.float64).repeat(start.lanes)  # (M,)
        base = [_signed(_base(seed, config)) for seed in start.seeds for config in start.numbers]
        # Not part of the state: a restart builds them anew.
        self.register_buffer("base", torch.tensor(base), persistent=False)
        self.register_buffer("limit", (rates * 2**32).to(torch.int64), persistent=False)
        self.register_buffer("scale", (1 / (1 - rates)).to(torch.float32), persistent=False)
        self.on = bool((rates > 0).any())

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        """(M, ...) -> the same, in training with some elements 0 and the others divided by 1 - rate."""
        if not self.training or not self.on:
            return x
        if x.is_cpu and x.dtype == torch.float32:
            out: Tensor = _Dropped.apply(x, self, int(step))  # type: ignore[no-untyped-call]
            return out
        return x * mask(self, step, x[0].numel()).view(x.shape).to(x.dtype)


def mask(dropout: Dropout, step: Tensor, elements: int) -> Tensor:
    """What a step multiplies by, in torch operations: (M, elements) float32, each 0 or 1 / (1 - rate)."""
    key = _mixed(dropout.base + step * _signed(GOLDEN) + _signed(STRIDE * dropout.layer))  # (M,)
    low, high = (key & _MASK_32)[:, None], (_shifted(key, 32) & _MASK_32)[:, None]
    value = (torch.arange(elements, device=key.device) * SPREAD + low) & _MASK_32  # (M, elements)
    value = value ^ (value >> 16)
    value = (value * LOW_1) & _MASK_32
    value = ((value ^ (value >> 15)) + high) & _MASK_32
    value = (value * LOW_2) & _MASK_32
    value = value ^ (value >> 16)
    return torch.where(value >= dropout.limit[:, None], dropout.scale[:, None], 0.0)


class _Dropped(torch.autograd.Function):
    """`mask` times the values, by the compiled loop; the way back draws the mask again instead of keeping it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dropout: Dropout, step: int) -> Tensor:
        ctx.dropout, ctx.step = dropout, step
        return _dropped(x, dropout, step)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return _dropped(grads[0], ctx.dropout, ctx.step), None, None


def _dropped(x: Tensor, dropout: Dropout, step: int) -> Tensor:
    flat = x.detach().reshape(len(x), -1).contiguous()  # (M, elements)
    out = torch.empty_like(flat)
    counter = np.uint64((step * GOLDEN + dropout.layer * STRIDE) & _MASK_64)
    base, limit, scale = dropout.base.numpy(), dropout.limit.numpy(), dropout.scale.numpy()
    drop(flat.numpy(), base, limit, scale, counter, out.numpy())  # type: ignore[no-untyped-call]
    return out.view(x.shape)


def key_of(seed: int, step: int) -> int:
    """63 bits for a seed and a step."""
    return _scrambled(_base(seed, 0) + step * GOLDEN) >> 1


def _base(seed: int, config: int) -> int:
    """64 bits for a seed and a configuration."""
    return _scrambled(_scrambled(seed & _MASK_64) + (config + 1) * GOLDEN)


def _scrambled(value: int) -> int:
    """splitmix64's finish, on Python's own numbers."""
    value &= _MASK_64
    value = ((value ^ (value >> 30)) * MIX_1) & _MASK_64
    value = ((value ^ (value >> 27)) * MIX_2) & _MASK_64
    return value ^ (value >> 31)


def _mixed(value: Tensor) -> Tensor:
    """splitmix64's finish on int64, whose products wrap around as those of unsigned numbers do."""
    value = (value ^ _shifted(value, 30)) * _signed(MIX_1)
    value = (value ^ _shifted(value, 27)) * _signed(MIX_2)
    return value ^ _shifted(value, 31)


def _shifted(value: Tensor, bits: int) -> Tensor:
    """``value >> bits`` as if it were unsigned."""
    return (value >> bits) & ((1 << (64 - bits)) - 1)


def _signed(value: int) -> int:
    """The int64 with these 64 bits."""
    value &= _MASK_64
    return value - (1 << 64) if value >> 63 else value
