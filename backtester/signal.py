"""The contract of everything that predicts: learn from rows that are over, score rows from what was known in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from backtester.errors import ConfigError
from backtester.labels import Floats, Rows, check_start, check_whole
from backtester.market.panel import Panel
from backtester.plain import is_plain, plain

# Called with what is being done, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]
_SHARE = 1000  # of the progress, for each part


class FitJob(NamedTuple):
    """One fold to learn from."""

    signal: Signal  # a fresh copy of the user's, to be fitted
    panel: Panel  # physically ends with the last row that a label of `rows` needs
    rows: Rows  # (R,) int64, strictly increasing, read-only: the training rows of the fold
    number: int  # of the fold, from 1


class FitWork(NamedTuple):
    """What a training may tell, where it may write, and the fold before it, which alone changes what is learnt."""

    progress: Progress | None = None  # such as progress("training", epochs done, epochs in all)
    previous: Signal | None = None  # fitted on the fold before the first job; only where the signal `continues`
    folder: Path | None = None  # for checkpoints of exactly these ingredients, made by whoever writes; None: nowhere
    every_epoch: bool = False  # whether a checkpoint of every epoch is asked for
    tensorboard: Path | None = None  # folder for TensorBoard's files
    # Where jobs are of several signals: takes one that could not be learnt, while the others go on. It is then handed
    # over again, alone, and says why.
    failed: Callable[[Signal], None] | None = None
    by_epoch: bool = False  # whether `Signal.predict_epochs` will be asked; it changes nothing of what is learnt


class Prediction(NamedTuple):
    """Scores, and those of the members that they are made of, such as the seeds of an ensemble."""

    scores: Floats  # (R, N)
    members: Mapping[str, Floats] = MappingProxyType({})  # name -> (R, N); NaN where a member has no opinion


class Signal:
    """A predictor: gives every symbol a score, higher for a higher return to come.

    Subclass it and write ``predict``; write ``fit`` too if there is something to learn. Settings are arguments of
    ``__init__`` kept as public attributes of plain data (numbers, text, lists, mappings, dataclasses): they go into the
    record of a run and into the key of the score cache. What ``fit`` learns goes into attributes with an underscore.

    The object that a user makes is never fitted: each fold gets a deep copy of it, so that nothing that is learnt in
    one fold reaches another, and the same signal can be run again.

    Attributes:
        horizon: sessions that a score looks ahead: a score of session ``t`` is about the return from the fill in
            session ``t + 1`` to ``t + 1 + horizon``. Sets the purge of the folds.
        warmup: rows of history that a prediction needs: for row ``t`` the rows ``t - warmup + 1 .. t``.
        seed: of everything that is drawn at random; the same seed gives the same scores on one machine (law 18).
        continues: whether a fold begins with what the fold before it has learnt (a warm start). Online, and where the
            cut of a run lies in a later fold, the folds are then fitted in a chain from the first; see `fit_folds`.
        fill: the price that the labels run from, ``open``, ``close`` or ``same_close`` as in `bt.labels`: a run whose
            orders fill later than that is refused, before anything is learnt. None: not said. What `bt.labels` is asked
            for during ``fit`` is held against the run in any case.
    """

    horizon: int = 1
    warmup: int = 1
    seed: int = 0
    fill: str | None = None
    continues: bool = False
    predicts: str | None = None

    def fit(self, panel: Panel, rows: Rows) -> None:
        """Learn from ``rows``; called once a fold, on a fresh copy. By default there is nothing to learn.

        Args:
            panel: physically ends with row ``rows[-1] + 1 + horizon``, the last that a label of ``rows`` needs.
            rows: (R,) int64, strictly increasing, read-only: the training rows of the fold. Features of a row may use
                rows up to it; labels, those up to ``row + 1 + horizon`` (`bt.labels` gives them).
        """

    def fit_folds(self, jobs: Sequence[FitJob], work: FitWork) -> None:
        """Learn several folds; by default one after another, each by `fit`. Override it to train them together.

        It is called on a copy of the user's signal that is dropped afterwards: what is learnt goes into ``job.signal``.
        `walk_forward` hands over all folds at once. Where rows are asked for one at a time, as in production, each fold
        comes alone and in order: a fold may depend on its own job alone, and on the fold before it where the signal
        `continues`. In one call that is the job before; for the first job it is ``work.previous``, if there is one.

        Which fills the labels run from is noted on the calling thread alone, so ask `bt.labels` there.

        Args:
            jobs: the folds, in order, with training rows each.
            work: progress, checkpoints and the fold before, which alone decides what is learnt.
        """
        for job in jobs:
            job.signal.fit(job.panel, job.rows)

    def trains_with(self) -> Any:
        """Which other signals may be learnt with this one in one call of ``fit_folds``; None, the default: none.

        `walk_forward_together` hands signals of one class of training, those with the same ``fit_folds``, the same
        folds and equal answers here, to one call, on a copy of one of them. The jobs are then of several signals: all
        folds of the first one, in order, then all folds of the next, so that a `FitJob.number` that does not rise is
        the first of another signal. Settings are those of ``job.signal``. Each is to learn what it would learn alone;
        one that cannot goes to ``work.failed``, if that is there, so that the others go on. All have to ask `bt.labels`
        for the same fills.

        Returns:
            Plain JSON data.
        """
        return None

    def predict(self, panel: Panel, rows: Rows) -> Floats | Prediction:
        """Scores of ``rows``, each from what was known after the close of its session.

        How many rows are asked for at a time must not matter: row ``t`` depends on rows up to ``t`` alone.

        Args:
            panel: physically ends with row ``rows[-1]``.
            rows: (R,) int64, strictly increasing, read-only: rows of the panel.

        Returns:
            (R, N) numbers; NaN is no opinion. Or a `Prediction`: such scores with those of the single members.
        """
        raise NotImplementedError(f"{type(self).__name__} has no predict(self, panel, rows).")

    def predict_epochs(self, panel: Panel, rows: Rows) -> Iterable[Floats]:
        """What `predict` would say of ``rows`` had the training been limited to 1, 2, ... E epochs; by default nothing.

        Asked for test rows alone, after `predict`, where the fit was told so by `FitWork.by_epoch`; never of a signal
        that `continues`, since a fold would have begun with something else. What a subclass of a signal that has this
        says in its own ``predict``, it has to say here too, or to give nothing.

        Args:
            panel: physically ends with row ``rows[-1]``.
            rows: as in `predict`; each depends on rows up to it alone.

        Returns:
            (R, N) scores after each epoch, in order; the last are those that `predict` gives. Every fold has equally
            many: after a training has stopped, what it kept.
        """
        return ()

    def learning(self) -> Sequence[Mapping[str, Any]]:
        """The learning curves of a fitted signal: a row an epoch and model, as plain data, in the order it was learnt.

        Keys: ``model`` (text) and ``epoch`` (int, from 1); ``train_loss``, ``valid_loss`` and ``valid_ic`` (numbers,
        None where not known) and ``note`` (text) may be left out. They are kept with the scores and shown in the run.
        """
        return ()

    def environment(self) -> dict[str, Any]:
        """What else decides the scores, such as device and threads: plain data for the key of the score cache alone."""
        return {}

    def describe(self) -> dict[str, Any]:
        """The class and its settings as plain JSON data: the record of a run, and the key of the score cache.

        Raises:
            ConfigError: a public attribute is no plain data. Override this where a setting has another plain form.
        """
        kind = type(self)
        told: dict[str, Any] = {"class": f"{kind.__module__}:{kind.__qualname__}"}
        for base in reversed(kind.__mro__):  # what a class holds and is no plain data is in its source
            for key, value in vars(base).items():
                derived = base is Signal and key in ("continues", "predicts")  # which follow from settings
                if not key.startswith("_") and not derived and is_plain(value):
                    told[key] = plain(value)
        held = dict(vars(self))
        if dataclasses.is_dataclass(self):  # slots are not in vars
            held |= {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for key, value in held.items():
            if key.startswith("_"):
                continue
            try:
                told[key] = plain(value)
            except TypeError as error:
                raise ConfigError(
                    f"{kind.__name__}.{key} is a {type(value).__name__}, which has no plain form for the record of the "
                    f"run. Keep what is fitted under a name with an underscore (_{key}), or override describe()."
                ) from error
        return told

    def sources(self) -> list[Any]:
        """Classes and functions whose source decides the scores, for the key of the score cache.

        By default the signal's class and those it derives from; the modules that theirs import are followed from there.
        Add what is found in another way, such as by a name in a setting.
        """
        return [base for base in type(self).__mro__ if base is not Signal and base is not object]


def learns(signal: Signal) -> bool:
    """Whether the signal has its own ``fit`` or ``fit_folds``."""
    return type(signal).fit is not Signal.fit or fits_together(signal)


def fits_together(signal: Signal) -> bool:
    """Whether the signal has its own ``fit_folds``."""
    return type(signal).fit_folds is not Signal.fit_folds


def tells_epochs(signal: Signal) -> bool:
    """Whether the signal can be asked for its scores by epoch."""
    return type(signal).predict_epochs is not Signal.predict_epochs and not signal.continues


def share(progress: Progress | None, part: int, parts: int) -> Progress | None:
    """The progress of one part of several, all of them counted alike."""
    if progress is None:
        return None
    tell = progress

    def told(what: str, done: int, total: int) -> None:
        tell(what, part * _SHARE + (done * _SHARE // total if total else 0), parts * _SHARE)

    return told


def check_signal(signal: Any) -> None:
    """Raise ConfigError unless this is a signal that can be asked."""
    if isinstance(signal, type) and issubclass(signal, Signal):
        raise ConfigError(f"signal is the class {signal.__name__}; pass an object: {signal.__name__}().")
    if not isinstance(signal, Signal):
        raise ConfigError(f"signal is {signal!r}; it must be an object of a subclass of bt.Signal.")
    name = type(signal).__name__
    if type(signal).predict is Signal.predict:
        raise ConfigError(f"{name} has no predict(self, panel, rows); write one that returns (len(rows), N) scores.")
    check_whole(f"{name}.horizon", signal.horizon)
    check_whole(f"{name}.warmup", signal.warmup)
    check_whole(f"{name}.seed", signal.seed, least=0)
    if not isinstance(signal.continues, bool):
        raise ConfigError(f"{name}.continues is {signal.continues!r}; it must be true or false.")
    if signal.continues and not fits_together(signal):
        raise ConfigError(
            f"{name}.continues is true, but the fold before reaches a signal by fit_folds(self, jobs, work) alone: "
            "override that."
        )
    if signal.fill is not None:
        check_start(signal.fill)
