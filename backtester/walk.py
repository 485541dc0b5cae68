"""Walk-forward: what a signal would have said, fold by fold in one go, or session by session as in production."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from backtester.errors import ConfigError, DataError
from backtester.folds import Fold, Folds
from backtester.labels import Floats, check_trained_for, check_whole
from backtester.market.panel import Panel
from backtester.plain import plain
from backtester.score_cache import describe_folds, ingredients, load_cached, save_cached
from backtester.scores import FoldDates, Scores
from backtester.signal import Signal, check_rows_alone, check_signal, fitted, learns, predicted

# Called with what is being done, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]


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
) -> Scores:
    """Fit the signal on each fold's training rows, and score the fold's test rows with what it has learnt.

    ``fit`` is given a panel that physically ends with the last bar that the labels of its rows need, ``predict`` one
    that ends with the last row asked for. Three rows of each fold are asked for again, each alone with a panel that
    ends there, and must have the same scores (`backtester.signal.check_rows_alone`).

    Args:
        panel: the market.
        signal: is not changed: each fold fits a copy of it.
        folds: training and test windows. May be left out for a signal that has nothing to learn: every session is then
            scored, once the warmup is over.
        batch: rows asked for at a time; None: all test rows of a fold. With 1 the scores are, byte for byte, those of
            ``online=True`` (`bt.run`); with more, a signal may add in another order (law 18).
        cache: folder of cached scores, such as ``backtester.score_cache.default_folder()``; None: no cache.
        seed: in place of the signal's own.
        progress: called as ``progress("scoring", rows done, rows in all)``.
        on_fit: called with each fold and the copy that was fitted on it, such as to save what it has learnt. Not called
            for a signal that learns nothing, nor for scores that come from the cache.

    Returns:
        Scores of the panel's sessions and symbols: NaN outside of the test rows, and where the signal has no opinion.

    Raises:
        ConfigError: a setting is wrong; there are no folds for a signal that learns; the purge is too short.
        DataError: the panel is too short for the folds.
        SignalError: the signal raised (the message names the dates and the line), returned what is no score, or scores
            a row otherwise when it is asked for alone.
    """
    signal = seeded(signal, seed)
    plan = plan_folds(panel, signal, folds)
    if batch is not None:
        check_whole("batch", batch)
    origin = origin_of(signal, folds, batch=batch, online=False)
    parts = None if cache is None else _ingredients(panel, signal, folds, batch)
    if cache is not None and parts is not None:
        found = load_cached(cache, parts, panel)
        if found is not None:
            return found
    values = np.full(panel.shape, np.nan)
    done, total = 0, sum(len(fold.test) for fold in plan)
    tell = progress or (lambda what, done, total: None)
    tell("scoring", 0, total)
    asked: set[str] = set()
    for number, fold in enumerate(plan, 1):
        own, fills = fitted(signal, panel, fold)
        asked |= fills
        if on_fit is not None and learns(signal):
            on_fit(fold, own)
        step = batch or len(fold.test)
        for first in range(0, len(fold.test), step):
            rows = fold.test[first : first + step]
            values[rows] = predicted(own, panel, rows)
            done += len(rows)
            tell("scoring", done, total)
        if step > 1:
            check_rows_alone(own, panel, fold, number, values)
    values.flags.writeable = False
    origin["label_fills"] = sorted(asked)
    spans = tuple(FoldDates.of(fold, panel.dates) for fold in plan)
    scores = Scores(values, panel.dates, panel.symbols, spans, origin)
    if cache is not None and parts is not None:
        save_cached(cache, parts, scores)
    return scores


class LiveCut(NamedTuple):
    """What a run with a signal that is asked online needs to be gone on with."""

    values: Floats  # (sessions, N), the scores so far
    label_fills: tuple[str, ...]  # that the labels ran from
    origin: dict[str, Any]  # of the scores: signal and folds


class Live:
    """The same, session by session: scores the row of a session with a panel that ends there, fits when a fold begins.

    Attributes:
        scores: of the panel's sessions and symbols; `score` fills its rows. Its hash means nothing before the last.
    """

    def __init__(
        self, panel: Panel, signal: Signal, folds: Folds | None = None, *, seed: int | None = None, fill: str = "open"
    ) -> None:
        """Plan the folds; nothing is fitted yet. Orders fill at `fill`, no later than what labels may start from.

        Raises:
            ConfigError: as in `walk_forward`.
            DataError: as in `walk_forward`.
        """
        self._signal = seeded(signal, seed)
        self._panel = panel
        self._folds = plan_folds(panel, self._signal, folds)
        self._fold_of = np.full(panel.shape[0], -1)
        for k, fold in enumerate(self._folds):
            self._fold_of[fold.test] = k
        self._fitted: tuple[int, Signal] | None = None
        self._fill = fill
        self._asked: set[str] = set()
        self._values = np.full(panel.shape, np.nan)
        spans = tuple(FoldDates.of(fold, panel.dates) for fold in self._folds)
        origin = origin_of(self._signal, folds, batch=1, online=True)
        shown = self._values.view()
        shown.flags.writeable = False  # so it is not copied, and sees what is filled in later
        self.scores = Scores(shown, panel.dates, panel.symbols, spans, origin)

    def cut(self, done: int) -> LiveCut:
        """What `restore` needs after ``done`` sessions."""
        return LiveCut(self._values[:done].copy(), tuple(sorted(self._asked)), dict(self.scores.origin))

    def restore(self, cut: LiveCut | None) -> None:
        """Take over the rows that were scored before a cut.

        Raises:
            ConfigError: the snapshot brings none, or they are those of another signal, seed or folds.
        """
        if cut is None:
            raise ConfigError("the snapshot was taken of a run without online=True and has no scores: leave it out.")
        for key, value in self.scores.origin.items():
            if cut.origin.get(key) != value:
                raise ConfigError(f"the snapshot was taken with {key} {cut.origin.get(key)}; now it is {value}.")
        self._values[: len(cut.values)] = cut.values
        self._asked |= set(cut.label_fills)

    def record(self, done: int) -> dict[str, Any]:
        """What the record of a run says of the scores of the first ``done`` sessions."""
        whole = self.scores
        origin = {**whole.origin, "label_fills": sorted(self._asked)}
        return Scores(self._values[:done], whole.dates[:done], whole.symbols, whole.folds, origin).record

    def score(self, t: int) -> None:
        """Score session ``t``, fitting first if its fold has not been fitted; a session outside the folds stays NaN.

        Raises:
            ConfigError: the signal has learnt from labels that start before orders fill.
            SignalError: the signal raised, or returned what is no score.
        """
        k = int(self._fold_of[t])
        if k < 0:
            return
        if self._fitted is None or self._fitted[0] != k:
            own, fills = fitted(self._signal, self._panel, self._folds[k])
            for one in sorted(fills):
                check_trained_for(self._fill, one)
            self._asked |= fills
            self._fitted = k, own
        rows = np.array([t], dtype=np.int64)
        rows.flags.writeable = False
        self._values[t] = predicted(self._fitted[1], self._panel, rows)[0]


def scores_for_run(
    panel: Panel,
    scores: Any,
    signal: Signal | None,
    folds: Folds | None,
    online: bool,
    fill: str,
    seed: int | None,
    cache: str | os.PathLike[str] | None,
    progress: Progress | None = None,
) -> tuple[Any, Live | None]:
    """What a run shows its strategy as scores, and who fills them in as it goes on, if it is online.

    Args:
        panel: the market.
        scores: what was handed over.
        signal: what makes scores in its place.
        folds: as in `walk_forward`, as are seed and cache.
        online: whether the signal is asked session by session.
        fill: the price that orders fill at, ``bt.Execution.fill``.
        seed: in place of the signal's own.
        cache: folder of cached scores.
        progress: as in `walk_forward`.

    Raises:
        ConfigError: arguments that exclude each other, or a signal that has learnt from labels that start before the
            fill; and as in `walk_forward`.
    """
    live = None
    if signal is None:
        if folds is not None or online or seed is not None or cache is not None:
            raise ConfigError("folds, online, seed and cache are about a signal: pass signal= too, or leave them out.")
    elif scores is not None:
        raise ConfigError("scores and a signal are both given, and the signal makes scores: pass one of them.")
    elif online:
        if cache is not None:
            raise ConfigError("online scores are made as the run goes on and are not cached: leave cache out.")
        live = Live(panel, signal, folds, seed=seed, fill=fill)
        scores = live.scores
    else:
        check_signal(signal)
        if signal.fill is not None:
            check_trained_for(fill, signal.fill)  # before the training, not after it
        scores = walk_forward(panel, signal, folds, seed=seed, cache=cache, progress=progress)
    if isinstance(scores, Scores):
        told = (scores.origin.get("signal") or {}).get("fill")
        for one in [*scores.origin.get("label_fills", ()), *([] if told is None else [told])]:
            check_trained_for(fill, one)
    return scores, live


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


def _ingredients(panel: Panel, signal: Signal, folds: Folds | None, batch: int | None) -> dict[str, Any] | None:
    """What the scores depend on; None, with a warning, where a change of the signal could not be noticed."""
    try:
        return ingredients(panel, signal, folds, batch)
    except DataError as error:
        warnings.warn(f"The scores are not cached: {error}", stacklevel=3)
        return None
