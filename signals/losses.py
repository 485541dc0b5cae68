"""Losses of many models at once, and the score that each kind of output means.

A loss is taken per model and never summed over models, so that the gradient of one is its own. What has weight 0 counts
as if it were not there, whatever its label holds.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor

import backtester as bt
from backtester.errors import did_you_mean

Compute = Callable[[Tensor, Tensor, Tensor], Tensor]
_EPSILON = 1e-12  # under a root, so that its slope at 0 is finite
_PAIRS = 1 << 24  # of symbols, held at a time


class Loss(NamedTuple):
    """What is made small, and what the output then says.

    Attributes:
        outputs: numbers that the network gives for a sample, O.
        batches: ``rows``: any samples form a batch; ``sessions``: whole sessions do, in order.
        labels: kinds of labels that fit; ``any`` stands for any real number.
        compute: (output, label, weight) -> (M,), the mean over the elements of weight 1. For ``rows`` output is
            (M, B, O), label and weight (M, B); for ``sessions`` (M, S, N, O) and (M, S, N). A model without an element
            of weight 1 has loss 0.
        score: output (..., O) -> score (...).
    """

    outputs: int
    batches: str
    labels: tuple[str, ...]
    compute: Compute
    score: Callable[[Tensor], Tensor]


def loss_of(name: str, **arguments: Any) -> Loss:
    """The loss of that name, with arguments of its own such as ``delta`` of huber.

    Raises:
        ConfigError: there is no such loss, it takes no such argument, or the argument is no positive number.
    """
    if name not in LOSSES:
        hint = did_you_mean(str(name), LOSSES)
        raise bt.ConfigError(f"loss is {name!r}; it must be one of {', '.join(LOSSES)}.{hint}")
    found = LOSSES[name]
    known = [one for one in inspect.signature(found.compute).parameters if one not in ("output", "label", "weight")]
    for key, value in arguments.items():
        if key not in known:
            takes = f"takes {', '.join(known)}" if known else "takes no arguments"
            raise bt.ConfigError(f"loss {name!r} has no argument {key!r}; it {takes}.{did_you_mean(key, known)}")
        least = 0.0 if key == "cost_bps" else 1e-6
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not least <= value < float("inf"):
            raise bt.ConfigError(f"{key} of loss {name!r} is {value!r}; it must be a number of at least {least:g}.")
    return found._replace(compute=partial(found.compute, **arguments)) if arguments else found


def _mean(values: Tensor, weight: Tensor, dims: tuple[int, ...]) -> Tensor:
    """The mean over what has weight; 0 where nothing has. ``values`` are finite where the weight is 0."""
    return (values * weight).sum(dims) / weight.sum(dims).clamp(min=1)


def _known(label: Tensor, weight: Tensor) -> Tensor:
    return torch.where(weight > 0, label, 0)  # 0 * NaN would be NaN


def _samples(output: Tensor) -> tuple[int, ...]:
    return tuple(range(1, output.ndim - 1))  # all dimensions but those of models and outputs


def mse(output: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Mean squared error, ``(output - label)^2``."""
    error = output[..., 0] - _known(label, weight)  # (M, B)
    return _mean(error.square(), weight, _samples(output))


def mae(output: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute error, ``|output - label|``."""
    error = output[..., 0] - _known(label, weight)  # (M, B)
    return _mean(error.abs(), weight, _samples(output))


def huber(output: Tensor, label: Tensor, weight: Tensor, delta: float = 1.0) -> Tensor:
    """Huber's loss: ``e^2 / 2`` up to an error of ``delta``, ``delta * (|e| - delta / 2)`` beyond (Huber 1964)."""
    error = F.huber_loss(output[..., 0], _known(label, weight), reduction="none", delta=delta)  # (M, B)
    return _mean(error, weight, _samples(output))


def bce(output: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Binary cross-entropy of a label 0 or 1 under the probability ``p = sigmoid(output)`` of a 1."""
    error = F.binary_cross_entropy_with_logits(output[..., 0], _known(label, weight), reduction="none")  # (M, B)
    return _mean(error, weight, _samples(output))


def cross_entropy(output: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy of a label -1, 0 or 1 under ``softmax(output)``, whose three classes come in that order."""
    classes = (_known(label, weight) + 1).round().long()  # (M, B)
    error = -torch.log_softmax(output, -1).gather(-1, classes[..., None])[..., 0]  # (M, B)
    return _mean(error, weight, _samples(output))


def rank_correlation(output: Tensor, label: Tensor, weight: Tensor, temperature: float = 0.1) -> Tensor:
    """1 less the mean over sessions of the correlation of soft ranks of the scores with the ranks of the labels.

    The soft rank of a score is the sum over the session of ``sigmoid((score - other) / temperature)``, with the scores
    of the session at mean 0 and standard deviation 1 (Qin, Liu and Li 2010 write ranks so): towards Spearman's
    correlation as the temperature falls. Sessions with fewer than two elements do not count.
    """
    scores = output[..., 0]  # (M, S, N)
    known = weight > 0
    count = weight.sum(-1, keepdim=True)  # (M, S, 1)
    centred = _centred(torch.where(known, scores, 0), weight)
    spread = (centred.square().sum(-1, keepdim=True) / count.clamp(min=1) + _EPSILON).sqrt()  # (M, S, 1)
    soft: Tensor = _SoftRanks.apply(centred / spread, weight, temperature)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        ranks = _hard_ranks(_known(label, weight), weight)  # (M, S, N)
    soft, ranks = _centred(soft, weight), _centred(ranks, weight)
    sizes = (soft.square().sum(-1) * ranks.square().sum(-1) + _EPSILON).sqrt()  # (M, S)
    correlation = (soft * ranks).sum(-1) / sizes  # (M, S)
    return _mean(1 - correlation, (count[..., 0] >= 2).to(scores.dtype), (1,))


def _centred(values: Tensor, weight: Tensor) -> Tensor:
    """Less the mean of the session; 0 where the weight is."""
    mean = (values * weight).sum(-1, keepdim=True) / weight.sum(-1, keepdim=True).clamp(min=1)
    return (values - mean) * weight


def _hard_ranks(values: Tensor, weight: Tensor) -> Tensor:
    """How many others of the session are below, and half of those that are equal: (M, S, N)."""
    ranks = torch.empty_like(values)
    weight = weight.to(values.dtype)
    for at in _pieces(values):
        apart = values[at][:, :, None] - values[at][:, None, :]  # (S, N, N)
        ranks[at] = ((torch.sign(apart) + 1) / 2 @ weight[at][:, :, None])[..., 0]
    return ranks


def _pieces(values: Tensor) -> list[tuple[int, slice]]:
    """Some sessions of one model at a time, of (M, S, N): all pairs of many sessions, (S, N, N), are large."""
    models, sessions, symbols = values.shape
    step = max(1, _PAIRS // symbols**2)
    return [(m, slice(first, first + step)) for m in range(models) for first in range(0, sessions, step)]


class _SoftRanks(torch.autograd.Function):
    """``rank_i = sum_j weight_j sigmoid((x_i - x_j) / temperature)`` of each session.

    The pairs are taken anew on the way back, so that memory holds some at a time and not all.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, temperature: float) -> Tensor:
        weight = weight.to(x.dtype)
        ctx.save_for_backward(x, weight)
        ctx.temperature = temperature
        ranks = torch.empty_like(x)
        for at in _pieces(x):
            ranks[at] = (_below(x[at], temperature) @ weight[at][:, :, None])[..., 0]
        return ranks

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        x, weight = ctx.saved_tensors
        grad = grads[0]
        found = torch.empty_like(x)
        for at in _pieces(x):
            below = _below(x[at], ctx.temperature)
            slope = below * (1 - below) / ctx.temperature  # (S, N, N), the same for (i, j) and (j, i)
            as_self = grad[at] * (slope @ weight[at][:, :, None])[..., 0]
            as_other = weight[at] * (slope @ grad[at][:, :, None])[..., 0]
            found[at] = as_self - as_other
        return found, None, None


def _below(x: Tensor, temperature: float) -> Tensor:
    return torch.sigmoid((x[:, :, None] - x[:, None, :]) / temperature)  # (S, N, N)


def sharpe(output: Tensor, label: Tensor, weight: Tensor, cost_bps: float = 5.0) -> Tensor:
    """Less the Sharpe ratio of positions ``tanh(output)`` in [-1, 1], net of the costs of changing them.

    The sessions are consecutive. A session of n elements earns ``sum(position * label) / n``, and pays ``cost_bps`` on
    ``sum(|position - position before|) / n``, where an element of weight 0 has position 0. What the first session
    changed is not known and costs nothing. The ratio is mean by standard deviation (of the population) of the sessions
    with any element, not annualised. Labels are returns as they are, in no other unit.
    """
    position = torch.where(weight > 0, torch.tanh(output[..., 0]), 0)  # (M, S, N)
    count = weight.sum(-1).clamp(min=1)  # (M, S)
    earned = (position * _known(label, weight)).sum(-1) / count  # (M, S)
    changed = F.pad((position[:, 1:] - position[:, :-1]).abs().sum(-1), (1, 0)) / count  # (M, S)
    net = earned - cost_bps / 1e4 * changed
    held = (weight.sum(-1) > 0).to(net.dtype)  # (M, S)
    mean = _mean(net, held, (1,))
    spread = (_mean((net - mean[:, None]).square(), held, (1,)) + _EPSILON).sqrt()
    return -mean / spread


def _first(output: Tensor) -> Tensor:
    return output[..., 0]


def _up_less_down(output: Tensor) -> Tensor:
    chances = torch.softmax(output, -1)  # (..., 3): down, level, up
    return chances[..., 2] - chances[..., 0]


def _twice_less_one(output: Tensor) -> Tensor:
    return torch.tanh(output[..., 0] / 2)  # 2 sigmoid(x) - 1


def _position(output: Tensor) -> Tensor:
    return torch.tanh(output[..., 0])


_RETURNS = ("raw", "demeaned", "sector_demeaned")
LOSSES: dict[str, Loss] = {
    "mse": Loss(1, "rows", ("any",), mse, _first),
    "mae": Loss(1, "rows", ("any",), mae, _first),
    "huber": Loss(1, "rows", ("any",), huber, _first),
    "bce": Loss(1, "rows", ("up",), bce, _twice_less_one),
    "cross_entropy": Loss(3, "rows", ("three", "triple_barrier"), cross_entropy, _up_less_down),
    "rank_correlation": Loss(1, "sessions", ("any",), rank_correlation, _first),
    "sharpe": Loss(1, "sessions", _RETURNS, sharpe, _position),
}
