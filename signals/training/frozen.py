"""What of a stack learns, and what stays as a warm start brought it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import Module

import backtester as bt
from backtester.errors import did_you_mean
from signals.networks import Stack
from signals.networks.module import One


class Moving(NamedTuple):
    """A parameter that learns: views of its memory, of each model by itself."""

    values: Tensor  # (M, ...)
    gradient: Tensor  # (M, ...)


def is_below(name: str, beginning: str) -> bool:
    """Whether a parameter is meant by the beginning of its name, such as ``layers.0``."""
    return name == beginning or name.startswith(beginning + ".")


def learning(stack: Stack, frozen: Sequence[str]) -> dict[str, Moving]:
    """The parameters that move, by name, with room for their gradients; the others ask for none from here on.

    Raises:
        ConfigError: a name in ``frozen`` is that of no parameter, or nothing is left that could learn.
    """
    every = dict(stack.named_parameters())
    for one in frozen:
        if not any(is_below(name, one) for name in every):
            hint = did_you_mean(one, every)
            raise bt.ConfigError(f"freeze names {one!r}; the parameters are {', '.join(every)}.{hint}")
    found: dict[str, Moving] = {}
    for name, parameter in every.items():
        if any(is_below(name, one) for one in frozen):
            parameter.requires_grad_(False)
        elif parameter.requires_grad:
            parameter.grad = torch.zeros_like(parameter)
            views = Moving(parameter.data, parameter.grad)
            # The parameters of a module of the user's have no dimension of models.
            found[name] = Moving(*(one[None] for one in views)) if isinstance(stack, One) else views
    if not found:
        raise bt.ConfigError(f"freeze = {list(frozen)} leaves no parameter that could learn.")
    return found


def statistics(stack: Stack) -> dict[str, Tensor]:
    """What a stack remembers of the batches that it has seen, such as the means of batch norms: {name: (M, ...)}."""
    parameters = {name for name, _ in stack.named_parameters()}
    return {name: value for name, value in stack.state().items() if name not in parameters}


def still(stack: Stack, frozen: Sequence[str]) -> list[Module]:
    """The frozen modules with statistics: in training they work as they do in evaluation, so that these stay too."""
    names = (name for name in statistics(stack) if any(is_below(name, one) for one in frozen))
    return [stack.get_submodule(name.rpartition(".")[0]) for name in names]
