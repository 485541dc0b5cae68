"""A signal in a run: scored beforehand by walk-forward, or asked session by session as in production."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from backtester.asking import fitted, learnt, predicted
from backtester.errors import ConfigError
from backtester.folds import Folds
from backtester.labels import Floats, check_trained_for
from backtester.market.panel import Panel
from backtester.scores import FoldDates, Scores
from backtester.signal import FitWork, Prediction, Progress, Signal, check_signal, fits_together, learns
from backtester.walk import Sheet, origin_of, plan_folds, seeded, told_ingredients, walk_forward, work_for


class SignalCall(NamedTuple):
    """The arguments of a run that are about its signal, as in `bt.run`."""

    signal: Signal | None = None
    folds: Folds | None = None
    online: bool = False
    seed: int | None = None
    cache: str | os.PathLike[str] | None = None
    checkpoints: str | os.PathLike[str] | None = None
    every_epoch: bool = False
    tensorboard: str | os.PathLike[str] | None = None


class LiveCut(NamedTuple):
    """What a run with a signal that is asked online needs to be gone on with."""

    values: Floats  # (sessions, N), the scores so far
    label_fills: tuple[str, ...]  # that the labels ran from
    origin: dict[str, Any]  # of the scores: signal and folds
    members: Mapping[str, Floats] = MappingProxyType({})  # name -> (sessions, N)
    learning: tuple[dict[str, Any], ...] = ()  # the curves of the folds that have begun
    begun: tuple[tuple[str, ...], ...] = ()  # first and last training session and first test session of these folds


class Live:
    """A walk session by session: scores the row of a session with a panel that ends there, fits when a fold begins.

    A signal that continues from the fold before is fitted in a chain from the first fold, so after a `restore` all of
    it is learnt again; of any other signal the fold alone that the session lies in.

    Attributes:
        scores: of the panel's sessions and symbols; `score` fills its rows. Its hash means nothing before the last, and
            members and learning curves are those of `made` alone.
    """

    def __init__(
        self,
        panel: Panel,
        signal: Signal,
        folds: Folds | None = None,
        *,
        seed: int | None = None,
        fill: str = "open",
        work: FitWork | None = None,
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
        self._work = FitWork() if work is None else work
        self._asked: set[str] = set()
        self._learning: tuple[dict[str, Any], ...] = ()
        self._sheet = Sheet(panel.shape)
        spans = tuple(FoldDates.of(fold, panel.dates) for fold in self._folds)
        origin = origin_of(self._signal, folds, batch=1, online=True)
        shown = self._sheet.values.view()
        shown.flags.writeable = False  # so it is not copied, and sees what is filled in later
        self.scores = Scores(shown, panel.dates, panel.symbols, spans, origin)

    def cut(self, done: int) -> LiveCut:
        """What `restore` needs after ``done`` sessions."""
        members = {name: own[:done].copy() for name, own in self._sheet.members.items()}
        asked = tuple(sorted(self._asked))
        values, origin = self._sheet.values[:done].copy(), dict(self.scores.origin)
        return LiveCut(values, asked, origin, members, self._learning, self._begun(done))

    def _begun(self, done: int) -> tuple[tuple[str, ...], ...]:
        """What `LiveCut.begun` says of the folds; where their last test session lies is not known yet."""
        pairs = zip(self.scores.folds, self._folds, strict=True)
        return tuple(tuple(dates[:3]) for dates, fold in pairs if fold.test[0] < done)

    def restore(self, cut: LiveCut | None) -> None:
        """Take over the rows that were scored before a cut.

        Raises:
            ConfigError: the snapshot brings none, or they are those of another signal, seed or folds; or the folds have
                moved with the end of the panel.
        """
        if cut is None:
            raise ConfigError("the snapshot was taken of a run without online=True and has no scores: leave it out.")
        for key, value in self.scores.origin.items():
            if cut.origin.get(key) != value:
                raise ConfigError(f"the snapshot was taken with {key} {cut.origin.get(key)}; now it is {value}.")
        if cut.begun != self._begun(len(cut.values)):
            raise ConfigError(
                "the snapshot was taken with folds in other places: with n_splits they move when the panel ends with "
                "another session. Leave n_splits out of a run that is to be gone on with."
            )
        if len(cut.values):
            self._sheet.write(np.arange(len(cut.values)), Prediction(cut.values, cut.members))
        self._asked |= set(cut.label_fills)
        self._learning = cut.learning

    def made(self, done: int) -> Scores:
        """The scores of the first ``done`` sessions, with members and learning curves: a copy."""
        whole = self.scores
        origin = {**whole.origin, "label_fills": sorted(self._asked)}
        return Scores(
            self._sheet.values[:done],
            whole.dates[:done],
            whole.symbols,
            whole.folds,
            origin,
            members={name: own[:done] for name, own in self._sheet.members.items()},
            learning=self._learning,
        )

    def score(self, t: int) -> None:
        """Score session ``t``, fitting first if its fold has not been fitted; a session outside the folds stays NaN.

        Raises:
            ConfigError: the signal has learnt from labels that start before orders fill.
            SignalError: the signal raised, or returned what is no score.
        """
        k = int(self._fold_of[t])
        if k < 0:
            return
        rows = np.array([t], dtype=np.int64)
        rows.flags.writeable = False
        self._sheet.write(rows, predicted(self._fit(k), self._panel, rows))

    def _fit(self, k: int) -> Signal:
        """The copy that has learnt fold ``k``, counted from 0."""
        if self._fitted is not None and self._fitted[0] == k:
            return self._fitted[1]
        first, previous = k, None
        if self._signal.continues:
            first, previous = (0, None) if self._fitted is None else (self._fitted[0] + 1, self._fitted[1])
        for place in range(first, k + 1):
            previous = self._fitted_after(previous, place)
            self._fitted = place, previous
        assert self._fitted is not None
        return self._fitted[1]

    def _fitted_after(self, previous: Signal | None, k: int) -> Signal:
        """Fit fold ``k`` with the copy of the fold before; note what its labels ran from, and its learning curves."""
        number = k + 1
        work = self._work._replace(previous=previous)
        (own,), fills = fitted(self._signal, self._panel, {number: self._folds[k]}, work)
        for one in sorted(fills):
            check_trained_for(self._fill, one)
        self._asked |= fills
        if learns(self._signal) and not any(row["fold"] == number for row in self._learning):
            self._learning += tuple(learnt(own, number))
        return own


def scores_for_run(
    panel: Panel, scores: Any, asked: SignalCall, fill: str, progress: Progress | None = None
) -> tuple[Any, Live | None]:
    """What a run shows its strategy as scores, and who fills them in as it goes on, if it is online.

    Args:
        panel: the market.
        scores: what was handed over.
        asked: the signal that makes scores in their place, and how.
        fill: the price that orders fill at, ``bt.Execution.fill``.
        progress: as in `walk_forward`.

    Raises:
        ConfigError: arguments that exclude each other, or a signal that has learnt from labels that start before the
            fill; and as in `walk_forward`.
    """
    live = None
    signal, folds, _, seed, cache, checkpoints, every_epoch, tensorboard = asked
    if signal is None:
        if asked != SignalCall():
            *others, last = SignalCall._fields[1:]
            names = f"{', '.join(others)} and {last}"
            raise ConfigError(f"{names} are about a signal: pass signal= too, or leave them out.")
    elif scores is not None:
        raise ConfigError("scores and a signal are both given, and the signal makes scores: pass one of them.")
    elif asked.online:
        if cache is not None:
            raise ConfigError("online scores are made as the run goes on and are not cached: leave cache out.")
        own = seeded(signal, seed)
        keeps = checkpoints is not None and fits_together(own)
        parts = told_ingredients(panel, own, folds, 1, caches=False, keeps=keeps)
        work = work_for(parts, checkpoints, every_epoch, tensorboard, progress)
        live = Live(panel, own, folds, fill=fill, work=work)
        scores = live.scores
    else:
        check_signal(signal)
        if signal.fill is not None:
            check_trained_for(fill, signal.fill)  # before the training, not after it
        scores = walk_forward(
            panel,
            signal,
            folds,
            seed=seed,
            cache=cache,
            progress=progress,
            checkpoints=checkpoints,
            every_epoch=every_epoch,
            tensorboard=tensorboard,
        )
    if isinstance(scores, Scores):
        told = (scores.origin.get("signal") or {}).get("fill")
        for one in [*scores.origin.get("label_fills", ()), *([] if told is None else [told])]:
            check_trained_for(fill, one)
    return scores, live
