"""How good scores are on the sessions that are watched, for many models at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backtester.cross_section import centred_ranks
from backtester.engine.compile import kernel
from signals.training.data import NONE, Lane, Store
from signals.training.threads import in_threads

Singles = NDArray[np.float32]


class Watched(NamedTuple):
    """What the lanes of a stack watch; a lane that watches fewer sessions than another has cells of nothing there."""

    cells: Tensor  # (lanes, V, N), 0 where there is nothing
    holds: Tensor  # (lanes, V, N) where there is something
    label: Tensor  # (lanes, V, N) in the unit of the lane, 0 where there is nothing
    rank: Tensor  # (lanes, V, N) centred ranks of the labels, 0 likewise


def watched_by(store: Store, lanes: Sequence[Lane], device: str) -> Watched | None:
    """What the lanes watch, on the device; None: nothing."""
    sessions = max(len(lane.valid) for lane in lanes)
    if not sessions:
        return None
    cells = np.full((len(lanes), sessions, store.symbols), NONE)
    for k, lane in enumerate(lanes):
        cells[k, : len(lane.valid)] = lane.valid
    there = torch.from_numpy(cells.clip(min=0)).to(device)
    holds = torch.from_numpy(cells != NONE).to(device)
    label = store.labels(there)
    ranks = centred_ranks(np.where(cells == NONE, np.nan, label.double().cpu().numpy()).reshape(-1, store.symbols))
    filled = torch.from_numpy(np.nan_to_num(ranks).astype(np.float32).reshape(cells.shape))
    unit = torch.tensor([lane.unit for lane in lanes], dtype=torch.float32, device=device)
    return Watched(there, holds, label / unit[:, None, None] * holds, filled.to(device))


def mean_rank_ic(score: Tensor, label_rank: Tensor, holds: Tensor) -> Tensor:
    """The mean over the sessions of Spearman's correlation: (M, V, N) each to (M,); equal scores rank by place.

    Args:
        score: of every model.
        label_rank: centred ranks of the labels over the cells that hold one, 0 elsewhere.
        holds: where there is a label.

    Sessions with fewer than three labels, equal labels or equal scores do not count; NaN if none is left.
    """
    return (_on_cpu if score.is_cpu else _on_device)(score, label_rank, holds)


def _on_device(score: Tensor, label_rank: Tensor, holds: Tensor) -> Tensor:
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


def _on_cpu(score: Tensor, label_rank: Tensor, holds: Tensor) -> Tensor:
    """The same by NumPy's sort of whole numbers, which is many times as fast as an argsort of floats."""
    values = (score.float() + 0.0).contiguous().numpy()  # -0 becomes 0
    rank, held = label_rank.contiguous().numpy(), holds.contiguous().numpy()
    found = np.empty(len(values))
    edges = np.linspace(0, len(values), 4 * torch.get_num_threads() + 1).astype(int)
    parts = [slice(first, last) for first, last in pairwise(edges) if first < last]
    in_threads([partial(_of_some, values[at], rank[at], held[at], found[at]) for at in parts])
    return torch.from_numpy(found)


def _of_some(values: Singles, rank: Singles, held: NDArray[np.bool_], found: NDArray[np.float64]) -> None:
    """The mean rank IC of some models, written to ``found``."""
    key = np.empty(values.shape, dtype=np.int64)
    _write_keys(values.view(np.int32), held, key)  # type: ignore[no-untyped-call]
    key.sort(axis=-1)
    _mean_of_sorted(key, rank, values, held, found)  # type: ignore[no-untyped-call]


@kernel
def _write_keys(bits, holds, key):  # type: ignore[no-untyped-def]
    """Whole numbers in the order of the floats with these bits, then of the place; those that do not count are last."""
    for m in range(bits.shape[0]):
        for v in range(bits.shape[1]):
            for i in range(bits.shape[2]):
                bit = np.int64(bits[m, v, i])
                ordered = bit if bit >= 0 else -(bit & 0x7FFFFFFF) - 1
                key[m, v, i] = (ordered << 32) + i if holds[m, v, i] else np.iinfo(np.int64).max


@kernel
def _mean_of_sorted(key, label_rank, score, holds, found):  # type: ignore[no-untyped-def]
    for m in range(key.shape[0]):
        total, sessions = 0.0, 0
        for v in range(key.shape[1]):
            count, known, label_square = 0, True, 0.0
            for i in range(key.shape[2]):
                if holds[m, v, i]:
                    count += 1
                    known = known and not np.isnan(score[m, v, i])
                    label_square += np.float64(label_rank[m, v, i]) ** 2
            if count < 3 or not known or not label_square > 0.0:
                continue
            first, last = key[m, v, 0] & 0xFFFFFFFF, key[m, v, count - 1] & 0xFFFFFFFF
            if not score[m, v, last] > score[m, v, first]:
                continue
            product = 0.0
            for k in range(count):
                product += (k - 0.5 * (count - 1)) * label_rank[m, v, key[m, v, k] & 0xFFFFFFFF]
            square = count * (np.float64(count) ** 2 - 1.0) / 12.0  # of the ranks
            total += product / np.sqrt(square * label_square)
            sessions += 1
        found[m] = total / sessions if sessions else np.nan
