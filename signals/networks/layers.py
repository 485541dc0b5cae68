"""Layers of many models at once. Flat values are (models, features, samples): samples last, so that rows are long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor
from torch.nn import Module

import backtester as bt
from backtester.errors import did_you_mean
from signals.networks.stack import Start

aten = torch.ops.aten
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": F.gelu,
}
LINEAR = "linear"
_EPSILON = 1e-5  # of both norms, as in torch.nn
_MOMENTUM = 0.1  # share of the newest batch in the statistics


def check_activation(name: str) -> None:
    """Raise ConfigError unless there is such an activation."""
    if name not in ACTIVATIONS:
        hint = did_you_mean(str(name), ACTIVATIONS)
        raise bt.ConfigError(f"activation is {name!r}; it must be one of {', '.join(ACTIVATIONS)}.{hint}")


def check_sizes(**sizes: int) -> None:
    """Raise ConfigError unless all are whole numbers of at least 1."""
    for name, size in sizes.items():
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise bt.ConfigError(f"{name} is {size!r}; it must be a whole number of at least 1.")


def activate(name: str, values: Tensor) -> Tensor:
    """The activation of that name, or the values themselves for `LINEAR`."""
    return values if name == LINEAR else ACTIVATIONS[name](values)


def dense(x: Tensor, weight: Tensor, bias: Tensor, activation: str) -> Tensor:
    """``activation(weight @ x + bias)`` of each model.

    Args:
        x: (G, I, B), with G the models, or the lanes whose configurations share it.
        weight: (M, O, I).
        bias: (M, O).
        activation: name, or `LINEAR`.

    Returns:
        (M, O, B).
    """
    if not torch.is_grad_enabled():
        return _activated_(activation, _affine(x, weight, bias))[0]
    if x.is_cpu:
        out: Tensor = _Dense.apply(x, weight, bias, activation)  # type: ignore[no-untyped-call]
        return out
    return activate(activation, _affine(x, weight, bias))


def _affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    groups, inputs, samples = x.shape
    models, outputs, _ = weight.shape
    wide = weight.reshape(groups, -1, inputs)  # (G, M/G*O, I): models of a lane are one tall matrix
    pre = torch.baddbmm(bias.reshape(groups, -1, 1), wide, x)  # (G, M/G*O, B)
    return pre.view(models, outputs, samples)


class _Dense(torch.autograd.Function):
    """`dense` with the activation in place: fewer passes over memory, which is what small networks cost on a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, activation: str) -> Tensor:
        out, kept = _activated_(activation, _affine(x, weight, bias))
        ctx.activation = activation
        ctx.save_for_backward(x, weight, kept)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        x, weight, kept = ctx.saved_tensors
        grad = _slope(ctx.activation, grads[0], kept)  # (M, O, B)
        groups, inputs, samples = x.shape
        wide = grad.reshape(groups, -1, samples)  # (G, M/G*O, B)
        to_x = None
        if ctx.needs_input_grad[0]:
            to_x = torch.bmm(weight.reshape(groups, -1, inputs).transpose(1, 2), wide)  # (G, I, B)
        # Turned round, since the product with few columns (inputs) is the slower one of the two.
        turned = torch.bmm(x, wide.transpose(1, 2))  # (G, I, M/G*O)
        return to_x, turned.transpose(1, 2).reshape(weight.shape), grad.sum(2), None


def _activated_(activation: str, pre: Tensor) -> tuple[Tensor, Tensor | None]:
    """The activation, in place where it can be, and what its slope is told from."""
    if activation == "relu":
        out = kept = pre.relu_()
    elif activation == "tanh":
        out = kept = pre.tanh_()
    elif activation == "sigmoid":
        out = kept = pre.sigmoid_()
    elif activation == "gelu":
        return F.gelu(pre), pre
    else:
        return pre, None
    return out, kept


def _slope(activation: str, grad: Tensor, kept: Tensor) -> Tensor:
    """The gradient before the activation; ``kept`` is its output, or its input for GELU."""
    if activation == "relu":
        found: Tensor = aten.threshold_backward(grad, kept, 0)
    elif activation == "tanh":
        found = aten.tanh_backward(grad, kept)
    elif activation == "sigmoid":
        found = aten.sigmoid_backward(grad, kept)
    elif activation == "gelu":
        found = aten.gelu_backward(grad, kept)
    else:
        found = grad
    return found


class Linear(Module):
    """`torch.nn.Linear` of each model, then an activation. Names: ``weight`` (M, O, I) and ``bias`` (M, O)."""

    def __init__(self, start: Start, inputs: int, outputs: int, activation: str = LINEAR) -> None:
        """First weights as `torch.nn.Linear` draws them."""
        super().__init__()
        self.weight = start.weight(outputs, inputs)
        self.bias = start.uniform((outputs,), inputs**-0.5)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """(G, I, B) -> (M, O, B)."""
        return dense(x, self.weight, self.bias, self.activation)


class BatchNorm(Module):
    """`torch.nn.BatchNorm1d` of each model: statistics over the samples of its lane's batch, kept per model.

    All samples of the batch count, those of weight 0 too: batches of whole sessions have some where no symbol is.
    """

    mean: Tensor
    var: Tensor

    def __init__(self, start: Start, width: int) -> None:
        """Scale 1, shift 0."""
        super().__init__()
        self.weight = start.constant(1.0, width)
        self.bias = start.constant(0.0, width)
        self.register_buffer("mean", torch.zeros(start.count, width))
        self.register_buffer("var", torch.ones(start.count, width))

    def forward(self, x: Tensor) -> Tensor:
        """(M, H, B) -> the same."""
        rows = x.reshape(1, -1, x.shape[2])  # (1, M*H, B): a model's feature is a channel of its own
        mean, var, weight, bias = (one.view(-1) for one in (self.mean, self.var, self.weight, self.bias))
        return F.batch_norm(rows, mean, var, weight, bias, self.training, _MOMENTUM, _EPSILON).view(x.shape)


class LayerNorm(Module):
    """`torch.nn.LayerNorm` of each model over its features."""

    def __init__(self, start: Start, width: int) -> None:
        """Scale 1, shift 0."""
        super().__init__()
        self.weight = start.constant(1.0, width)
        self.bias = start.constant(0.0, width)

    def forward(self, x: Tensor) -> Tensor:
        """(M, H, B) -> the same."""
        centred = x - x.mean(1, keepdim=True)
        scale = torch.rsqrt(centred.square().mean(1, keepdim=True) + _EPSILON)  # (M, 1, B)
        return torch.addcmul(self.bias[:, :, None], centred * scale, self.weight[:, :, None])


NORMS: dict[str, type[BatchNorm] | type[LayerNorm]] = {"batch": BatchNorm, "layer": LayerNorm}


def check_norm(name: str | None) -> None:
    """Raise ConfigError unless it is None or there is such a norm."""
    if name is not None and name not in NORMS:
        hint = did_you_mean(str(name), NORMS)
        raise bt.ConfigError(f"norm is {name!r}; it must be None or one of {', '.join(NORMS)}.{hint}")
