"""Asks fitted networks for scores, in batches that fit the device."""

from __future__ import annotations

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import backtester as bt
from signals.losses import Loss
from signals.networks import ModuleShape, Stack, build, put, take
from signals.training.data import Scaler, Store
from signals.training.device import named, precise
from signals.training.fitted import Fitted
from signals.training.prepare import Inputs, see

log = logging.getLogger("signals")
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
# Cells asked for at a time: on a CPU as many windows as stay in its cache, on others as many as keep it busy.
_WINDOWS, _CELLS, _ON_DEVICE = 1 << 9, 1 << 14, 1 << 16


def scores_of(
    fitted: Fitted, inputs: Inputs, loss: Loss, device: str, precision: str, panel: bt.Panel, rows: Rows
) -> dict[str, Floats]:
    """The scores of every member: name -> (R, N), NaN where an input is missing.

    Args:
        fitted: what has been learnt.
        inputs: what the networks see.
        loss: what their output means.
        device: to work on.
        precision: of the matrix products.
        panel: ends with ``rows[-1]``, or later.
        rows: (R,) to score, in order.
    """
    if not fitted.members:
        return {}
    first, last = int(rows[0]), int(rows[-1])
    seen = see(panel, first, last, inputs)
    label = np.zeros(seen.usable.shape, dtype=np.float32)
    store = Store(seen.values, label, inputs.window, device)
    asked = np.zeros(len(label), dtype=bool)
    asked[rows - first] = True
    cells = np.flatnonzero(seen.usable & asked[:, None])
    scores = np.full((len(fitted.members), label.size), np.nan)
    if cells.size:
        scaler = Scaler([fitted.scale], store.is_sequence, device)
        there = torch.from_numpy(cells).to(device)
        outputs = [_ask_all(stack, store, scaler, there, precision) for stack in _stacks(fitted, device)]
        scores[:, cells] = loss.score(torch.cat(outputs)).double().cpu().numpy() * fitted.unit
    table = scores.reshape(len(fitted.members), *label.shape)[:, rows - first]
    return dict(zip(fitted.members, table, strict=True))


def _stacks(fitted: Fitted, device: str) -> list[Stack]:
    """The members as configurations of one lane, so that all see one batch; modules of one's own each by itself."""
    every = range(len(fitted.members))
    groups = [[k] for k in every] if isinstance(fitted.shape, ModuleShape) else [list(every)]
    stacks = []
    for group in groups:
        stack = build(fitted.shape, 1, [0], [0.0] * len(group))
        put(stack, range(len(group)), take(fitted.state, group))
        stacks.append(stack.to(device).eval())
    return stacks


@torch.inference_mode()
def _ask_all(stack: Stack, store: Store, scaler: Scaler, cells: Tensor, precision: str) -> Tensor:
    """Outputs of all cells, (K, cells, O); a batch that the device has no room for is halved, and that is said."""
    step = torch.zeros((), dtype=torch.int64, device=cells.device)
    on_cpu = cells.device.type == "cpu"
    size = (_WINDOWS if store.is_sequence else _CELLS) if on_cpu else _ON_DEVICE
    done, parts = 0, []
    while done < len(cells):
        batch = cells[None, done : done + size]
        try:
            x = scaler(store.inputs(batch), store.has_unknown)
            with precise(precision, cells.device.type):
                parts.append(stack(x, step).float())
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            size //= 2
            torch.cuda.empty_cache()
            log.warning("out of memory on %s: scoring %d cells at a time", named(cells.device.type), size)
            continue
        done += size
    return torch.cat(parts, dim=1)
