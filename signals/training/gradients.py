"""What is done to gradients between the way back and the step, of each model by itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def penalize(weights: Sequence[Tensor], l1: Tensor | None, l2: Tensor | None) -> None:
    """Add the gradient of ``l1 * |w| + l2 * w^2`` to those of the weights (M, ...) that have one.

    Args:
        weights: parameters.
        l1: of each model, (M,); None: none.
        l2: likewise.
    """
    for parameter in weights:
        if parameter.grad is None:
            continue
        shape = (-1,) + (1,) * (parameter.dim() - 1)
        values = parameter.detach()
        if l1 is not None:
            parameter.grad += l1.view(shape) * values.sign()
        if l2 is not None:
            parameter.grad += 2.0 * l2.view(shape) * values


def penalty(weights: Sequence[Tensor], l1: Tensor | None, l2: Tensor | None) -> Tensor:
    """What `penalize` adds the gradient of, summed over all models: a number."""
    found = torch.zeros(())
    for parameter in weights:
        if parameter.grad is None:
            continue
        values = parameter.detach().flatten(1)
        if l1 is not None:
            found = found + (l1 * values.abs().sum(1)).sum()
        if l2 is not None:
            found = found + (l2 * values.square().sum(1)).sum()
    return found


def clip(gradients: Sequence[Tensor], longest: float) -> None:
    """Shorten each model's gradient, over all its parameters (M, ...), to at most ``longest``."""
    each = [gradient.reshape(len(gradient), -1).square().sum(1) for gradient in gradients]
    squares = torch.stack(each).sum(0)  # (M,)
    factor = (longest / (squares.sqrt() + 1e-12)).clamp(max=1.0)
    for gradient in gradients:
        gradient *= factor.view((-1,) + (1,) * (gradient.dim() - 1))
