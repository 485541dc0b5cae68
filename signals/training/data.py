"""What a stack of networks learns from, once on the device: one store of inputs, and the cells each lane takes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import backtester as bt
from signals.scaling import Scale

Cells = NDArray[np.int64]
NONE = -1  # a cell that holds nothing
STEP_BITS = 24  # of the number that dropout is drawn from; the epoch is above them


class Lane(NamedTuple):
    """One fold with one seed. Networks of a lane see the same batches, whatever else they differ in.

    A *cell* is a symbol in a session: ``row * N + symbol``, rows counted from the first of the store.
    """

    fold: int  # number of the job
    seed: int  # of the weights, the order and the dropout
    train: Cells  # (S, N) cells to learn from, NONE where there is nothing
    valid: Cells  # (V, N) cells to watch, NONE likewise; V may be 0
    scale: Scale  # of the inputs, fitted on the cells of `train`
    unit: float  # labels are divided by it


class Store:
    """Inputs and labels of all rows that any lane needs, on the device, unscaled.

    Flat inputs are kept by cell, sequences by symbol and session: the window of a cell is a view until a batch of
    windows is gathered.

    Attributes:
        symbols: N, for the numbers of cells.
        has_unknown: whether an input is NaN anywhere.
        is_sequence: whether inputs are windows.
    """

    def __init__(
        self, inputs: NDArray[np.float32], labels: NDArray[np.float32], window: int | None, device: str
    ) -> None:
        """Move everything to the device.

        Args:
            inputs: (R, N, F) for flat networks; (N, window - 1 + R, C) for sequences, the rows before the first
                included. NaN is unknown.
            labels: (R, N), NaN where there is none.
            window: sessions of a sequence; None: flat.
            device: to move to.
        """
        self.symbols = labels.shape[1]
        self.has_unknown = bool(np.isnan(inputs).any())
        self._labels = torch.from_numpy(np.nan_to_num(labels, nan=0.0).reshape(-1)).to(device)
        store = torch.from_numpy(np.ascontiguousarray(inputs)).to(device)
        self._window = window
        self.is_sequence = window is not None
        if window is None:
            self._flat = store.reshape(-1, store.shape[2])  # (R*N, F)
        else:
            self._windows = windows(store, window)  # (N, R, L*C)

    def inputs(self, cells: Tensor) -> Tensor:
        """Unscaled inputs of cells: (..., F), or (..., L, C)."""
        if self._window is None:
            return self._flat.index_select(0, cells.reshape(-1)).view(*cells.shape, -1)
        row = torch.div(cells, self.symbols, rounding_mode="floor")
        found = self._windows[cells - row * self.symbols, row]  # gathered here, and nowhere before
        return found.view(*cells.shape, self._window, -1)

    def flat(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Flat inputs (R * N, F), unscaled, and labels (R * N,), of a store on the CPU: not copies."""
        return self._flat.numpy(), self._labels.numpy()

    def labels(self, cells: Tensor) -> Tensor:
        """Labels of cells, 0 where there is none."""
        return self._labels.index_select(0, cells.reshape(-1)).view(cells.shape)


def windows(store: Tensor, length: int) -> Tensor:
    """The last ``length`` sessions up to each: a view (N, T - length + 1, length * C) of (N, T, C), without a copy."""
    symbols, sessions, channels = store.shape
    shape = (symbols, sessions - length + 1, length * channels)
    return store.as_strided(shape, (sessions * channels, channels, 1))


class Scaler:
    """The scales of all lanes, on the device."""

    def __init__(self, scales: list[Scale], sequence: bool, device: str) -> None:
        """Stack them: (lanes, 1, F), or (lanes, 1, 1, C) for sequences."""
        between = (len(scales), 1, 1, -1) if sequence else (len(scales), 1, -1)
        self._shift, self._factor = (
            torch.from_numpy(np.stack(parts).astype(np.float32)).view(between).to(device)
            for parts in (tuple(one.shift for one in scales), tuple(one.factor for one in scales))
        )

    def __call__(self, x: Tensor, has_unknown: bool) -> Tensor:
        """``(x - shift) * factor``; what is unknown becomes 0, the middle."""
        x = x.sub_(self._shift).mul_(self._factor)
        return x.nan_to_num_(nan=0.0) if has_unknown else x


def row_order(lane: Lane, epoch: int, batch: int) -> Cells:
    """The cells of an epoch in the order of the lane's seed, (steps * batch,): every cell once.

    What the last batch lacks is filled with the first cells of the same order.
    """
    cells = lane.train[lane.train != NONE]
    shuffled = _random(lane, epoch).permutation(cells)
    steps = -(-len(cells) // batch)
    return np.resize(shuffled, steps * batch)


def session_order(lane: Lane, epoch: int, sessions: int) -> Cells:
    """Blocks of consecutive sessions in the order of the lane's seed, (blocks * sessions * N,).

    The last block ends with the last session, so that it may share some with the one before it.
    """
    count = len(lane.train)
    firsts = [*range(0, count - sessions, sessions), count - sessions]
    shuffled = _random(lane, epoch).permutation(firsts)
    return np.concatenate([lane.train[first : first + sessions].reshape(-1) for first in shuffled])


def _random(lane: Lane, epoch: int) -> np.random.Generator:
    """The stream that orders one epoch of one lane: nothing needs to be remembered between epochs."""
    return np.random.default_rng(np.random.SeedSequence([lane.seed, epoch]))


def split_rows(rows: NDArray[np.int64], validation: float, horizon: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training rows as those to learn from and the tail to watch, purged of labels that reach into it.

    As in `bt.Folds`: with a tail that begins at row ``v`` the last row to learn from is ``v - 1 - horizon``.

    Raises:
        DataError: too few rows are left.
    """
    if validation == 0.0:
        return rows, rows[:0]
    count = int(np.ceil(round(len(rows) * validation, 6)))  # 70 * 0.1 is a little above 7
    watched = rows[len(rows) - count :]
    learnt = rows[rows < watched[0] - horizon]
    if not learnt.size:
        raise bt.DataError(
            f"{len(rows)} training rows are too few: {count} are watched (validation), {len(rows) - count} are before "
            f"them, and the labels of the last {horizon} of these reach over (horizon). Train on more sessions, or use "
            "a smaller validation."
        )
    return learnt, watched
