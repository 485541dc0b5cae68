"""From panels and rows to the store and the lanes of a stack: features, labels, the watched tail, the scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from signals.features import channel_names, channels, compute, feature_names
from signals.scaling import fit_scale, ranked
from signals.training.data import NONE, Cells, Lane, Store, split_rows

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
Answer = TypeVar("Answer")
_ROWS = 128  # rows of features held as float64 at a time


class Inputs(NamedTuple):
    """What a network sees of a cell, and how."""

    names: Any  # a named set or a list of names
    window: int | None  # sessions of a sequence; None: flat
    scaling: str
    missing: str  # "drop": cells with an unknown input are not used; "mean": unknown counts as the middle


class Labels(NamedTuple):
    """What it learns to foretell."""

    of: Callable[[bt.Panel, Rows], Floats]  # (R, N), NaN where there is none
    horizon: int
    has_unit: bool  # whether labels are divided by their spread


class Seen(NamedTuple):
    """Inputs of consecutive rows."""

    values: Floats32  # (R, N, F), or (N, window - 1 + R, C)
    usable: Mask  # (R, N), cells that may be learnt from and scored


class Prepared(NamedTuple):
    """What a stack trains on."""

    store: Store
    lanes: list[Lane]  # the seeds of each fold one after another
    names: tuple[str, ...]  # of the inputs


def names_of(panel: bt.Panel, inputs: Inputs) -> tuple[str, ...]:
    """The names of the inputs, in their order."""
    return channel_names(panel, inputs.names) if inputs.window else feature_names(panel, inputs.names)


def see(panel: bt.Panel, first: int, last: int, inputs: Inputs) -> Seen:
    """The inputs of the rows ``first .. last`` of a panel."""
    known = panel.member[first : last + 1] & np.isfinite(panel.close[first : last + 1])
    if inputs.window:
        return _see_windows(panel, first, last, inputs, known)
    parts = []
    for start in range(first, last + 1, _ROWS):
        rows = np.arange(start, min(start + _ROWS, last + 1), dtype=np.int64)
        x = compute(panel, rows, inputs.names)
        with np.errstate(over="ignore"):  # what float32 cannot hold is unknown, below
            parts.append((ranked(x) if inputs.scaling == "rank" else x).astype(np.float32))
    values = parts[0] if len(parts) == 1 else np.concatenate(parts)
    finite = np.isfinite(values)
    values[~finite] = np.nan  # what overflows is unknown too
    return Seen(values, known & (finite.all(axis=2) if inputs.missing == "drop" else finite.any(axis=2)))


def _see_windows(panel: bt.Panel, first: int, last: int, inputs: Inputs, known: Mask) -> Seen:
    length = inputs.window or 1
    begin = first - length + 1
    values = channels(panel, max(begin, 0), last, inputs.names)  # (N, T, C)
    if begin < 0:  # rows before the panel are unknown
        before = np.full((values.shape[0], -begin, values.shape[2]), np.nan, dtype=np.float32)
        values = np.concatenate([before, values], axis=1)
    if inputs.scaling == "rank":  # among the members of each session: what others do is nothing to it
        by_session = values.transpose(1, 0, 2).astype(np.float64)  # (T, N, C)
        by_session[max(-begin, 0) :][~panel.member[max(begin, 0) : last + 1]] = np.nan
        values = np.ascontiguousarray(ranked(by_session).transpose(1, 0, 2), np.float32)
    finite = np.isfinite(values)
    values[~finite] = np.nan
    whole = np.asarray(finite.all(axis=2) if inputs.missing == "drop" else finite.any(axis=2))  # (N, T)
    so_far: NDArray[np.int64] = np.cumsum(np.pad(whole, ((0, 0), (1, 0))), axis=1)
    in_window = so_far[:, length:] - so_far[:, :-length]  # (N, R)
    enough = in_window == length if inputs.missing == "drop" else whole[:, length - 1 :]
    return Seen(values, known & enough.T)


def check_seen(panel: bt.Panel, row: int, seen: Seen, first: int, inputs: Inputs, names: tuple[str, ...]) -> None:
    """Ask for the inputs of a row again, from a panel that ends there.

    Raises:
        SignalError: they are others, so that they depend on later rows.
    """
    alone = see(panel.head(row), row, row, inputs)
    if inputs.window:
        last = row - first + inputs.window
        there = seen.values[:, last - inputs.window : last].transpose(1, 0, 2)  # (L, N, C)
        again = alone.values.transpose(1, 0, 2)
    else:
        there, again = seen.values[row - first][None], alone.values
    same = (there == again) | (np.isnan(there) & np.isnan(again))
    # The same sums may be rounded otherwise in an array of another shape: some last digits of float32.
    with np.errstate(invalid="ignore"):
        same |= np.abs(there - again) <= 1e-5 * np.maximum(np.abs(there), np.abs(again)) + 1e-7
    if not same.all():
        at, i, k = (int(place) for place in np.argwhere(~same)[0])
        raise bt.SignalError(
            f"the feature {names[k]!r} of {panel.symbols[i]!r} on {panel.dates[row]} is {there[at, i, k]} in a panel "
            f"that goes on and {again[at, i, k]} in one that ends there: it depends on later rows. A feature of row t "
            "may use rows up to t alone."
        )


def prepare(
    jobs: Sequence[bt.FitJob],
    inputs: Inputs,
    labels: Labels,
    validation: float,
    seeds: Sequence[int],
    device: str,
) -> Prepared:
    """The store and the lanes of some folds, the seeds of each fold one after another, and the names of the inputs.

    Features are computed once for the rows of all folds. Each fold's last row is asked for again from a panel that
    ends there. Labels and scales are each fold's own.

    Raises:
        DataError: a fold has too few rows, samples or labels; a feature is unknown throughout.
        SignalError: a feature looks ahead.
    """
    first = min(int(job.rows[0]) for job in jobs)
    last = max(int(job.rows[-1]) for job in jobs)
    longest = max(jobs, key=lambda job: len(job.panel.dates)).panel.head(last)
    names = names_of(longest, inputs)
    seen = see(longest, first, last, inputs)
    label = np.full(seen.usable.shape, np.nan, dtype=np.float32)
    has_labels = np.zeros(len(label), dtype=bool)  # rows of a fold before
    symbols = len(longest.symbols)
    cells = np.arange(label.size, dtype=np.int64).reshape(label.shape)
    lanes = []
    for k, job in enumerate(jobs):
        check_seen(job.panel, int(job.rows[-1]), seen, first, inputs, names)
        mine = job.rows - first
        found = labels.of(job.panel, job.rows)
        _check_labels(job, label[mine], found, has_labels[mine])
        label[mine], has_labels[mine] = found, True
        learnt, watched = _told(job, partial(split_rows, job.rows, validation, labels.horizon))
        takes = np.full(label.shape, NONE)
        takes[mine] = np.where(seen.usable[mine] & np.isfinite(found), cells[mine], NONE)
        train, valid = takes[learnt - first], takes[watched - first]
        _check_enough(job, train, valid, validation, _often_unknown(seen, learnt - first, inputs, names))
        used = train[train != NONE]
        samples = _samples(seen.values, used, symbols, inputs)
        scale = _told(job, partial(fit_scale, inputs.scaling, samples, names))
        unit = float(np.std(label.reshape(-1)[used].astype(np.float64))) if labels.has_unit else 1.0
        day = int(job.panel.dates[job.rows[0]].astype("datetime64[D]").astype(np.int64))
        for seed in seeds:
            lanes.append(Lane(k, lane_seed(seed, day), train, valid, scale, unit if unit > 0.0 else 1.0))
    return Prepared(Store(seen.values, label, inputs.window, device), lanes, names)


def lane_seed(seed: int, day: int) -> int:
    """The seed of a fold that begins on a day (days since 1970): below 2**63, for any seed."""
    state = np.random.SeedSequence([seed, day % 2**32]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def _samples(values: Floats32, cells: Cells, symbols: int, inputs: Inputs) -> Floats:
    """The inputs of cells that scales are fitted on: those of their own session, (S, F)."""
    row, symbol = np.divmod(cells, symbols)
    if inputs.window:
        row, symbol = symbol, row + inputs.window - 1
    found: Floats = values[row, symbol].astype(np.float64)
    return found


def _span(job: bt.FitJob) -> str:
    return f"fold {job.number} ({job.panel.dates[job.rows[0]]} to {job.panel.dates[job.rows[-1]]})"


def _told(job: bt.FitJob, do: Callable[[], Answer]) -> Answer:
    """What is done; an error says in which fold."""
    try:
        return do()
    except bt.DataError as error:
        raise bt.DataError(f"{_span(job)}: {error}") from error


def _check_labels(job: bt.FitJob, known: Floats32, found: Floats, were: Mask) -> None:
    """Folds that share rows have the same labels there, or one of them has seen what comes later."""
    same = (known == found.astype(np.float32)) | (np.isnan(known) & np.isnan(found)) | ~were[:, None]
    if not same.all():
        k, i = (int(place) for place in np.argwhere(~same)[0])
        raise bt.SignalError(
            f"{_span(job)}: the label of {job.panel.symbols[i]!r} on {job.panel.dates[job.rows[k]]} is {found[k, i]}, "
            f"and {known[k, i]} in a fold before it, which knows less: it depends on rows after those of its horizon."
        )


def _often_unknown(seen: Seen, rows: Rows, inputs: Inputs, names: tuple[str, ...]) -> str:
    """The input that is most often unknown in some rows of the store, in words."""
    values = seen.values if not inputs.window else seen.values.transpose(1, 0, 2)[inputs.window - 1 :]  # (R, N, F)
    share = np.isnan(values[rows]).mean(axis=(0, 1))
    worst = int(np.argmax(share))
    return f"{names[worst]!r} is unknown in {share[worst]:.0%} of them"


def _check_enough(job: bt.FitJob, train: Cells, valid: Cells, validation: float, unknown: str) -> None:
    if int((train != NONE).sum()) < 2:
        raise bt.DataError(
            f"{_span(job)}: fewer than two of its {train.size:,} training cells (sessions x symbols) have both their "
            f"inputs and a label; {unknown}. Begin later, train on more sessions, or leave out features that are often "
            "unknown."
        )
    if validation > 0.0 and not (valid != NONE).any():
        raise bt.DataError(
            f"{_span(job)}: none of the {valid.size:,} cells that are watched (validation) has both its inputs and a "
            "label."
        )
