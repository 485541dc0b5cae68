"""Walk-forward of many signals: what can be trained together is, and each gets the scores that it would get alone."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from backtester.asking import fitted_together
from backtester.errors import BacktesterError, DataError, SignalError
from backtester.folds import Folds
from backtester.labels import check_whole
from backtester.market.panel import Panel
from backtester.plain import plain
from backtester.score_cache import ingredients, key_of, load_cached, save_cached
from backtester.scores import Scores
from backtester.signal import FitWork, Progress, Signal, check_signal, fits_together, share, tells_epochs
from backtester.walk import Fits, Walk, begin_walk, fit_each, score_folds, told_ingredients, work_for

Answers = dict[str, Scores | BacktesterError]


class _One(NamedTuple):
    """A signal of the call, under all names that it has."""

    names: list[str]
    walk: Walk
    kept: dict[str, Any] | None  # what its scores depend on, for the cache and for checkpoints; None: for neither
    group: str  # those with the same train together; "": alone


class _Call(NamedTuple):
    """What all signals of a call share: the arguments of `walk_forward_together`."""

    panel: Panel
    cache: str | os.PathLike[str] | None
    checkpoints: str | os.PathLike[str] | None
    every_epoch: bool
    progress: Progress | None
    failed: Callable[[str, BacktesterError], None] | None
    answers: Answers
    rows: _Count
    by_epoch: bool

    def asks(self, one: _One) -> bool:
        """Whether a signal is asked for its scores by epoch."""
        return self.by_epoch and tells_epochs(one.walk.signal)

    def answer(self, one: _One, found: Scores | BacktesterError) -> None:
        """Note the scores of a signal, or why there are none, under all its names."""
        for name in one.names:
            self.answers[name] = found
            if self.failed is not None and isinstance(found, BacktesterError):
                self.failed(name, found)


class _Count:
    """How many rows of all signals have been scored."""

    def __init__(self, progress: Progress | None) -> None:
        self.before, self.total = 0, 0
        self._progress = progress

    def tell(self, what: str, done: int, total: int) -> None:
        """The progress of one signal as that of all."""
        if self._progress is not None:
            self._progress(what, self.before + done, self.total)


def walk_forward_together(
    panel: Panel,
    signals: Mapping[str, Signal],
    folds: Folds | None = None,
    *,
    batch: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    seed: int | None = None,
    progress: Progress | None = None,
    checkpoints: str | os.PathLike[str] | None = None,
    every_epoch: bool = False,
    failed: Callable[[str, BacktesterError], None] | None = None,
    by_epoch: bool = False,
) -> dict[str, Scores | BacktesterError]:
    """The scores that `walk_forward` gives each signal, with signals that can be trained in one call trained in one.

    Scores are read from the cache where they are there, and each signal's are saved to it as soon as they are made,
    under the key that they have alone. The others that train together (`Signal.trains_with`) are fitted in one call,
    unless ``batch`` is 1. What a signal learns is what it learns alone: to the byte where nothing is stacked, else to
    the tolerance of law 18. Signals that are the same in all that scores depend on are trained once.

    A signal that fails has its error in the answer, and the others go on: where a common training cannot say which of
    its signals failed, there is a warning, and each is trained alone.

    Args:
        panel: the market.
        signals: by name; none is changed.
        folds: training and test windows of all, as in `walk_forward`.
        batch: rows asked for at a time, likewise.
        cache: folder of cached scores; None: no cache.
        seed: in place of each signal's own.
        progress: called as ``progress("scoring", rows done, rows in all)`` of all signals that are not read, and by the
            trainings.
        checkpoints: folder where a training may keep what it has learnt so far. Signals that train together have one in
            it, named by all that the scores of all of them depend on: the same call again goes on with it.
        every_epoch: whether a checkpoint of every epoch is kept; needs `checkpoints`.
        failed: called with the name and the error of a signal as soon as it has failed.
        by_epoch: whether `Scores.by_epoch` is asked for, of signals that can tell it (`Signal.predict_epochs`). Cached
            scores and checkpoints that were kept without it then count as not there; those with it serve both.

    Returns:
        For each name, in the order given, its scores or the error that `walk_forward` would raise.

    Raises:
        ConfigError: ``batch`` or ``every_epoch`` is wrong.
    """
    if batch is not None:
        check_whole("batch", batch)
    work_for(None, checkpoints, every_epoch, None, None)  # what is wrong with these is no signal's fault
    call = _Call(panel, cache, checkpoints, every_epoch, progress, failed, {}, _Count(progress), by_epoch)
    groups: dict[str, list[_One]] = {}
    for one in _planned(call, signals, folds, batch, seed):
        groups.setdefault(one.group or f"alone {one.names[0]}", []).append(one)
    waiting = {key: [one for one in group if not _read(call, one)] for key, group in groups.items()}
    call.rows.total = sum(one.walk.total for left in waiting.values() for one in left)
    if call.rows.total:
        call.rows.tell("scoring", 0, 0)
    trained = [key for key, left in waiting.items() if any(fits_together(one.walk.signal) for one in left)]
    for key, left in waiting.items():
        told = share(progress, trained.index(key), len(trained)) if key in trained else None
        if left:
            _walk_group(call, groups[key], left, told)
        if told is not None:
            told("training", 1, 1)
    return {name: call.answers[name] for name in signals}


def _planned(
    call: _Call, signals: Mapping[str, Signal], folds: Folds | None, batch: int | None, seed: int | None
) -> list[_One]:
    """The signals that can be walked, the same ones once; the others have their answer."""
    found: dict[str, _One] = {}
    seen: dict[int, str] = {}
    for name, signal in signals.items():
        try:
            same = seen.get(id(signal))
            if same is None:
                one, key = _plan(call, name, signal, folds, batch, seed)
                same = seen[id(signal)] = key
                if key not in found:
                    found[key] = one
                    continue
            found[same].names.append(name)
        except Exception as error:  # whatever a method of the user's raises: the others go on
            told = error if isinstance(error, BacktesterError) else _told(signal, error)
            call.answer(_One([name], Walk(signal, [], batch, {}), None, ""), told)
    return list(found.values())


def _plan(
    call: _Call, name: str, signal: Signal, folds: Folds | None, batch: int | None, seed: int | None
) -> tuple[_One, str]:
    """A signal before its walk, and what tells it from others."""
    check_signal(signal)
    walk = begin_walk(call.panel, signal, folds, batch, seed)
    keeps = call.checkpoints is not None and fits_together(walk.signal)
    caches = call.cache is not None
    kept = told_ingredients(call.panel, walk.signal, folds, batch, caches=caches, keeps=keeps)
    key = f"{name} {id(signal)}"
    with contextlib.suppress(DataError):  # it is like no other
        key = key_of(kept or ingredients(call.panel, walk.signal, folds, batch))
    can = batch != 1 and fits_together(walk.signal) and not walk.signal.continues and not (keeps and kept is None)
    return _One([name], walk, kept, _group(walk.signal) if can else ""), key


def _group(signal: Signal) -> str:
    """What signals that train together have in common, their folds among it."""
    shared = signal.trains_with()
    if shared is None:
        return ""
    fit = type(signal).fit_folds
    common = [fit.__module__, fit.__qualname__, signal.horizon, signal.warmup, plain(shared)]
    return json.dumps(common, sort_keys=True)


def _told(signal: Signal, error: Exception) -> SignalError:
    told = SignalError(f"{type(signal).__name__} raised {type(error).__name__}: {error}")
    told.__cause__ = error
    return told


def _read(call: _Call, one: _One) -> bool:
    """Whether the scores of a signal were in the cache."""
    if call.cache is None or one.kept is None:
        return False
    found = load_cached(call.cache, one.kept, call.panel, by_epoch=call.asks(one))
    if found is not None:
        call.answer(one, found)
    return found is not None


def _walk_group(call: _Call, group: Sequence[_One], left: Sequence[_One], progress: Progress | None) -> None:
    """Walk what is left of a group: trained together, then scored one by one."""
    if len(group) == 1:
        _score(call, left[0], fit_each(call.panel, left[0].walk, _work(call, group, progress)))
        return
    copies, fills = _trained(call, group, left, progress)
    for one, own in zip(left, copies, strict=True):
        if own is None:
            _score(call, one, fit_each(call.panel, one.walk, _work(call, [one], None)))
        else:
            _score(call, one, ((number, fit, fills) for number, fit in enumerate(own, 1)))


def _trained(
    call: _Call, group: Sequence[_One], left: Sequence[_One], progress: Progress | None
) -> tuple[list[list[Signal] | None], set[str]]:
    """The copies of each signal, fitted in one call, and the fills that they asked for; None: it has to go alone."""
    lost: set[int] = set()
    work = _work(call, group, progress)._replace(failed=lambda signal: lost.add(id(signal)))
    folds = dict(enumerate(left[0].walk.plan, 1))
    try:
        copies, fills = fitted_together([one.walk.signal for one in left], call.panel, folds, work)
    except BacktesterError as error:
        if len(left) > 1:
            names = ", ".join(one.names[0] for one in left)
            warnings.warn(f"{names} could not be trained together: {error} Each is trained alone.", stacklevel=2)
        return [None] * len(left), set()
    return [None if any(id(fit) in lost for fit in own) else own for own in copies], fills


def _work(call: _Call, group: Sequence[_One], progress: Progress | None) -> FitWork:
    """What the training of a group is handed: one folder for all of it, by what the scores of all depend on."""
    parts = [one.kept for one in group]
    kept = None if any(one is None for one in parts) else parts[0]
    work = work_for(kept, call.checkpoints, call.every_epoch, None, progress)
    work = work._replace(by_epoch=any(call.asks(one) for one in group))
    if len(group) == 1 or call.checkpoints is None or kept is None:
        return work
    keys = sorted(key_of(one) for one in parts if one is not None)
    return work._replace(folder=Path(call.checkpoints) / key_of({"together": keys}))


def _score(call: _Call, one: _One, fits: Fits) -> None:
    """Fit and score a signal, and keep its scores."""
    try:
        scores = score_folds(call.panel, one.walk, fits, call.rows.tell, by_epoch=call.asks(one))
    except BacktesterError as error:
        call.answer(one, error)
    else:
        if call.cache is not None and one.kept is not None:
            save_cached(call.cache, one.kept, scores, by_epoch=call.asks(one))
        call.answer(one, scores)
    call.rows.before += one.walk.total
