"""Asks fitted networks for scores, in batches that fit the device."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import backtester as bt
from signals.losses import Loss
from signals.networks import ModuleShape, Stack, build, put, take
from signals.training.data import Scaler, Store
from signals.training.device import named, precise
from signals.training.fitted import Fitted, replaced
from signals.training.prepare import Inputs
from signals.training.seen import seen_before

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
    asked = _seen(fitted, inputs, device, panel, rows)
    return _scores(fitted, asked, loss, precision)


def scores_by_epoch(
    fitted: Fitted, epochs: int, inputs: Inputs, loss: Loss, device: str, precision: str, panel: bt.Panel, rows: Rows
) -> Iterator[dict[str, Floats]]:
    """What `scores_of` would give after 1, 2, ... ``epochs`` epochs: the same again where no member became better.

    A member is there from the first epoch that was of use. The arguments are those of `scores_of`, and ``fitted`` has a
    trail.
    """
    assert fitted.trail is not None
    better = {one.epoch: one for one in fitted.trail}
    asked: _Asked | None = None
    scores: dict[str, Floats] = {}
    for epoch in range(1, epochs + 1):
        if epoch in better:
            asked = asked or _seen(fitted, inputs, device, panel, rows)
            _, members, state = better[epoch]
            scores |= _scores(replaced(fitted, members=members, state=state), asked, loss, precision)
        yield {member: scores[member] for member in fitted.members if member in scores}


class _Asked(NamedTuple):
    """The cells that are asked for, ready for any network."""

    store: Store
    scaler: Scaler
    cells: NDArray[np.int64]  # of the sheet, those that can be scored
    sheet: tuple[int, int]  # sessions from the first row asked for to the last, and symbols
    rows: Rows  # of the sheet
    device: str


def _seen(fitted: Fitted, inputs: Inputs, device: str, panel: bt.Panel, rows: Rows) -> _Asked:
    first, last = int(rows[0]), int(rows[-1])
    seen = seen_before(panel, first, last, inputs)
    sessions, symbols = seen.usable.shape
    store = Store(seen.values, np.zeros((sessions, symbols), dtype=np.float32), inputs.window, device)
    asked = np.zeros(sessions, dtype=bool)
    asked[rows - first] = True
    cells = np.flatnonzero(seen.usable & asked[:, None])
    scaler = Scaler([fitted.scale], store.is_sequence, device)
    return _Asked(store, scaler, cells, (sessions, symbols), rows - first, device)


def _scores(fitted: Fitted, asked: _Asked, loss: Loss, precision: str) -> dict[str, Floats]:
    """The scores of every member, NaN where an input is missing."""
    scores = np.full((len(fitted.members), asked.sheet[0] * asked.sheet[1]), np.nan)
    if asked.cells.size:
        there, stacks = torch.from_numpy(asked.cells).to(asked.device), _stacks(fitted, asked.device)
        outputs = [_ask_all(stack, asked.store, asked.scaler, there, precision) for stack in stacks]
        scores[:, asked.cells] = loss.score(torch.cat(outputs)).double().cpu().numpy() * fitted.unit
    table = scores.reshape(len(fitted.members), *asked.sheet)[:, asked.rows]
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
