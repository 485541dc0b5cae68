"""How good scores are on the sessions that are watched, for many models at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def mean_rank_ic(score: Tensor, label_rank: Tensor, holds: Tensor) -> Tensor:
    """The mean over the sessions of Spearman's correlation: (M, V, N) each to (M,); equal scores rank by place.

    Args:
        score: of every model.
        label_rank: centred ranks of the labels over the cells that hold one, 0 elsewhere.
        holds: where there is a label.

    Sessions with fewer than three labels, equal labels or equal scores do not count; NaN if none is left.
    """
    far = torch.where(holds, score, torch.full_like(score, math.inf))
    order = far.argsort(dim=-1, stable=True)
    place = torch.arange(score.shape[-1], device=score.device, dtype=score.dtype).expand_as(score)
    rank = torch.empty_like(score).scatter_(-1, order, place)
    count = holds.sum(-1, keepdim=True)
    rank = torch.where(holds, rank - (count - 1) / 2, torch.zeros_like(rank))
    spread = torch.where(holds, score, torch.full_like(score, -math.inf)).amax(-1) > far.amin(-1)
    sizes = (rank.square().sum(-1) * label_rank.square().sum(-1)).sqrt()
    usable = (count[..., 0] > 2) & spread & (sizes > 0)
    ic = torch.where(usable, (rank * label_rank).sum(-1) / sizes.clamp(min=1e-12), torch.zeros_like(sizes))
    return torch.where(usable.any(-1), ic.sum(-1) / usable.sum(-1).clamp(min=1), torch.full_like(ic[:, 0], math.nan))
