"""Walk-forward: what a signal would have said, fold by fold in one go, or session by session as in production."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from backtester.asking import check_rows_alone, fitted, learnt, predicted
from backtester.epochs import EpochICs
from backtester.errors import ConfigError, DataError
from backtester.folds import Fold, Folds
from backtester.labels import Floats, Rows, check_whole
from backtester.market.panel import Panel
from backtester.plain import plain
from backtester.score_cache import describe_folds, ingredients, key_of, load_cached, save_cached
from backtester.scores import FoldDates, Scores
from backtester.signal import FitWork, Prediction, Progress, Signal, check_signal, fits_together, learns


def walk_forward(
    panel: Panel,
    signal: Signal,
    folds: Folds | None = None,
    *,
    batch: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    seed: int | None = None,
    progress: Progress | None = None,
    on_fit: Callable[[Fold, Signal], None] | None = None,
    checkpoints: str | os.PathLike[str] | None = None,
    every_epoch: bool = False,
    tensorboard: str | os.PathLike[str] | None = None,
) -> Scores:
    """Fit the signal on each fold's training rows, and score the fold's test rows with what it has learnt.

    A signal with its own ``fit_folds`` is handed all folds in one call; with ``batch=1`` each alone and in order, as in
    production. Any other is fitted, asked and dropped fold by fold.

    ``fit`` is given a panel that physically ends with the last bar that the labels of its rows need, ``predict`` one
    that ends with the last row asked for. Three rows of each fold are asked for again, each alone with a panel that
    ends there, and must have the same scores (`backtester.asking.check_rows_alone`).

    Args:
        panel: the market.
        signal: is not changed: each fold fits a copy of it.
        folds: training and test windows. May be left out for a signal that has nothing to learn: every session is then
            scored, once the warmup is over.
        batch: rows asked for at a time; None: all test rows of a fold. With 1 the scores are, byte for byte, those of
            ``online=True`` (`bt.run`); with more, a signal may add in another order (law 18), and folds may be trained
            together.
        cache: folder of cached scores, such as ``backtester.score_cache.default_folder()``; None: no cache.
        seed: in place of the signal's own.
        progress: called as ``progress("scoring", rows done, rows in all)``, and by a training that tells how far it is.
        on_fit: called with each fold and the copy that was fitted on it, such as to save what it has learnt. Not called
            for a signal that learns nothing, nor for scores that come from the cache.
        checkpoints: folder where a training may keep what it has learnt so far, to go on from there after it was
            killed. It writes into a folder of its own, named like an entry of the score cache by all that the scores
            depend on; for a signal of which that cannot be told there is a warning and no checkpoint.
        every_epoch: whether a checkpoint of every epoch is kept, not of the last alone; needs `checkpoints`.
        tensorboard: folder for TensorBoard's files, for signals that write them.

    Returns:
        Scores of the panel's sessions and symbols: NaN outside of the test rows, and where the signal has no opinion.
        With them, the scores of the members that they were made of and the learning curves, where the signal has any.

    Raises:
        ConfigError: a setting is wrong; there are no folds for a signal that learns; the purge is too short.
        DataError: the panel is too short for the folds.
        SignalError: the signal raised (the message names the dates and the line), returned what is no score, or scores
            a row otherwise when it is asked for alone.
    """
    walk = begin_walk(panel, signal, folds, batch, seed)
    keeps = checkpoints is not None and fits_together(walk.signal)
    parts = told_ingredients(panel, walk.signal, folds, batch, caches=cache is not None, keeps=keeps)
    work = work_for(parts, checkpoints, every_epoch, tensorboard, progress)
    if cache is not None and parts is not None:
        found = load_cached(cache, parts, panel)
        if found is not None:
            return found
    if progress is not None:
        progress("scoring", 0, walk.total)
    scores = score_folds(panel, walk, fit_each(panel, walk, work), progress, on_fit)
    if cache is not None and parts is not None:
        save_cached(cache, parts, scores)
    return scores


class Walk(NamedTuple):
    """A walk that has been planned: the arguments are those of `walk_forward`."""

    signal: Signal  # with its seed
    plan: list[Fold]
    batch: int | None
    origin: dict[str, Any]  # what the record of a run says

    @property
    def total(self) -> int:
        """Rows to score."""
        return sum(len(fold.test) for fold in self.plan)


def begin_walk(panel: Panel, signal: Signal, folds: Folds | None, batch: int | None, seed: int | None) -> Walk:
    """Plan a walk; the arguments and the errors are those of `walk_forward`."""
    signal = seeded(signal, seed)
    plan = plan_folds(panel, signal, folds)
    if batch is not None:
        check_whole("batch", batch)
    return Walk(signal, plan, batch, origin_of(signal, folds, batch=batch, online=False))


# The number of a fold, the copy that has learnt it, and the fills that labels were asked for.
Fits = Iterable[tuple[int, Signal, set[str]]]


def score_folds(
    panel: Panel,
    walk: Walk,
    fits: Fits,
    progress: Progress | None = None,
    on_fit: Callable[[Fold, Signal], None] | None = None,
    by_epoch: bool = False,
) -> Scores:
    """Ask the copies of a walk's signal for the test rows of their folds.

    Args:
        panel: the market.
        walk: whose signal.
        fits: the fitted copies, in the order of the folds.
        progress: called as in `walk_forward`.
        on_fit: likewise.
        by_epoch: whether they are asked for their scores by epoch too, and were fitted so.

    Raises:
        SignalError: as in `walk_forward`.
    """
    sheet = Sheet(panel.shape)
    done, tell = 0, progress or (lambda what, done, total: None)
    asked: set[str] = set()
    learning: list[dict[str, Any]] = []
    epochs = EpochICs(panel, walk.signal) if by_epoch else None
    for number, own, fills in fits:
        fold = walk.plan[number - 1]
        asked |= fills
        if learns(own):
            learning += learnt(own, number)
            if on_fit is not None:
                on_fit(fold, own)
        step = walk.batch or len(fold.test)
        for first in range(0, len(fold.test), step):
            rows = fold.test[first : first + step]
            said = predicted(own, panel, rows)
            sheet.write(rows, said)
            if epochs is not None:
                epochs.ask(own, rows, said.scores)
            done += len(rows)
            tell("scoring", done, walk.total)
        if step > 1:
            check_rows_alone(own, panel, fold, number, sheet.all)
    origin = {**walk.origin, "label_fills": sorted(asked)}
    spans = tuple(FoldDates.of(fold, panel.dates) for fold in walk.plan)
    values, members = sheet.frozen()
    scores = Scores(values, panel.dates, panel.symbols, spans, origin, members=members, learning=tuple(learning))
    return scores if epochs is None else replace(scores, by_epoch=epochs.table)


def work_for(
    parts: dict[str, Any] | None,
    checkpoints: str | os.PathLike[str] | None,
    every_epoch: bool,
    tensorboard: str | os.PathLike[str] | None,
    progress: Progress | None,
) -> FitWork:
    """What `Signal.fit_folds` is handed: the arguments are those of `walk_forward`, `parts` what scores depend on.

    Raises:
        ConfigError: a checkpoint of every epoch is asked for, and no folder for it is given.
    """
    if every_epoch and checkpoints is None:
        raise ConfigError("every_epoch keeps a checkpoint of every epoch, and checkpoints, the folder for it, is off.")
    folder = None if checkpoints is None or parts is None else Path(checkpoints) / key_of(parts)
    return FitWork(progress, None, folder, every_epoch, None if tensorboard is None else Path(tensorboard))


class Sheet:
    """Scores and those of members, as they are filled in row by row."""

    def __init__(self, shape: tuple[int, int]) -> None:
        """Nothing is known yet: NaN everywhere."""
        self.values = np.full(shape, np.nan)
        self.members: dict[str, Floats] = {}

    def write(self, rows: Rows, said: Prediction) -> None:
        """Fill in some rows; a member that has not been seen before has no opinion on the others."""
        self.values[rows] = said.scores
        for name, own in said.members.items():
            if name not in self.members:
                self.members[name] = np.full(self.values.shape, np.nan)
            self.members[name][rows] = own

    @property
    def all(self) -> Prediction:
        """Everything so far, not copied."""
        return Prediction(self.values, self.members)

    def frozen(self) -> Prediction:
        """Everything, read-only and not copied; nothing can be written after this."""
        for array in (self.values, *self.members.values()):
            array.flags.writeable = False
        return self.all


def fit_each(panel: Panel, walk: Walk, work: FitWork) -> Fits:
    """Fit the signal of a walk on its folds.

    In one call for all folds if they may be fitted together and the signal does; else each when it is asked for, with
    the copy of the fold before in hand where the signal continues from it.
    """
    signal, numbered = walk.signal, dict(enumerate(walk.plan, 1))
    if walk.batch != 1 and fits_together(signal):
        copies, fills = fitted(signal, panel, numbered, work)
        for number in numbered:
            yield number, copies[number - 1], fills
        return
    previous = None
    for number, fold in numbered.items():
        (own,), fills = fitted(signal, panel, {number: fold}, work._replace(previous=previous))
        previous = own if signal.continues else None
        yield number, own, fills


def plan_folds(panel: Panel, signal: Signal, folds: Folds | None) -> list[Fold]:
    """The folds of a panel for a signal; without any, one that scores everything and learns nothing.

    Raises:
        ConfigError: signal or folds are wrong, or do not fit together.
        DataError: the panel is too short.
    """
    check_signal(signal)
    sessions = panel.shape[0]
    if folds is not None:
        if not isinstance(folds, Folds):
            raise ConfigError(f"folds is {folds!r}; it must be a bt.Folds, such as bt.Folds(train=504, test=63).")
        return folds.split(sessions, signal.horizon, signal.warmup)
    name = type(signal).__name__
    if learns(signal):
        raise ConfigError(f"{name} learns from data, so it needs folds, such as bt.Folds(train=504, test=63).")
    if sessions < signal.warmup:
        raise DataError(f"{name} needs {signal.warmup} sessions for its first score; the panel has {sessions}.")
    rows = np.arange(signal.warmup - 1, sessions, dtype=np.int64)
    rows.flags.writeable = False
    return [Fold(rows[:0], rows)]


def seeded(signal: Signal, seed: int | None) -> Signal:
    """The signal, or a copy of it with another seed."""
    check_signal(signal)
    if seed is None:
        return signal
    check_whole("seed", seed, least=0)
    own = copy.deepcopy(signal)
    object.__setattr__(own, "seed", int(seed))  # a frozen dataclass takes no other way
    return own


def origin_of(signal: Signal, folds: Folds | None, *, batch: int | None, online: bool) -> dict[str, Any]:
    """What the record of a run says of scores that were made by walk-forward."""
    return {
        "signal": plain(signal.describe()),
        "folds": describe_folds(folds),
        "batch": batch,
        "online": online,
    }


def told_ingredients(
    panel: Panel, signal: Signal, folds: Folds | None, batch: int | None, *, caches: bool, keeps: bool
) -> dict[str, Any] | None:
    """What the scores depend on; None where nobody needs it, or, with a warning, where it cannot be told for sure.

    Args:
        panel: the market, as `signal`, `folds` and `batch` are those of `walk_forward`.
        signal: whose scores.
        folds: of the walk.
        batch: rows asked for at a time.
        caches: whether it is needed for the score cache.
        keeps: whether it is needed for checkpoints.
    """
    if not (caches or keeps):
        return None
    try:
        return ingredients(panel, signal, folds, batch)
    except DataError as error:
        what = [*(["the scores are not cached"] if caches else []), *(["no checkpoints are kept"] if keeps else [])]
        told = " and ".join(what)
        warnings.warn(f"{told[0].upper()}{told[1:]}: {error}", stacklevel=3)
        return None
