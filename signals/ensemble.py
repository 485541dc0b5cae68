"""Signals of different kinds as one: the mean of their scores, or of their ranks."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from backtester.asking import predicted
from backtester.cross_section import centred_ranks
from backtester.errors import did_you_mean
from backtester.signal import check_signal, share
from backtester.walk import seeded
from signals.checks import whole
from signals.estimator import Estimator
from signals.grid import Grid
from signals.parts import made, mean_of_known

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
HOW = ("rank_mean", "mean")
_FILLS = ("same_close", "open", "close")  # the earliest first
# Scores closer than this part of their interquartile range count as partly equal.
_CLOSE = 1e-3
_FAR = 1e4  # such ranges from the median; beyond it, close scores count as equal


class Ensemble(bt.Signal):
    """Several signals as one: each learns by itself, and what they say is averaged.

    The score is, with ``rank_mean``, the mean of the parts' `smooth_ranks` in the session, from -0.5 to 0.5: parts of
    any units may be mixed; with ``mean`` that of their scores as they are. Only members of the universe are compared
    and scored. A part without an opinion on a symbol is left out there; the score is NaN where no part has one.

    The members of the scores are the parts, each with its own scores, under the name of its class (of an `Estimator`,
    that of the model), numbered where there are several of one name. Learning curves are those of the parts.
    """

    def __init__(
        self, signals: Sequence[bt.Signal | Mapping[str, Any] | str], how: str = "rank_mean", *, seed: int = 0
    ) -> None:
        """Check the parts; nothing is learnt yet.

        Args:
            signals: the parts: signals, names of classes such as ``"signals:Momentum"``, or mappings with the name as
                ``class`` and arguments, as ``{"class": "signals:MLP", "epochs": 5}``. Of one horizon.
            how: ``rank_mean`` or ``mean``.
            seed: added to those of the parts, so that parts which differ in their seed stay apart.

        Raises:
            ConfigError: a setting is wrong, or the parts' horizons differ.
        """
        if isinstance(signals, (str, Mapping)) or not isinstance(signals, Sequence) or not signals:
            raise bt.ConfigError(f"signals is {signals!r}; it must be a list of signals, one at least.")
        if how not in HOW:
            raise bt.ConfigError(f"how is {how!r}; it must be one of {', '.join(HOW)}.{did_you_mean(str(how), HOW)}")
        self._given = [_part(one, number) for number, one in enumerate(signals, 1)]
        for one in self._given:
            check_signal(one)
        self._names = _names(self._given)
        self.how = how
        self.seed = whole("seed", seed, least=0)
        horizons = {one.horizon for one in self._given}
        if len(horizons) > 1:
            told = ", ".join(f"{name} {one.horizon}" for name, one in zip(self._names, self._given, strict=True))
            raise bt.ConfigError(
                f"signals look ahead by different horizons: {told}. Give all of them the same horizon."
            )
        self.horizon = horizons.pop()
        self.warmup = max(one.warmup for one in self._given)
        fills = [one.fill for one in self._given if one.fill is not None]
        self.fill = min(fills, key=_FILLS.index) if fills else None  # orders may fill no later than any label begins
        self._fitted: list[bt.Signal] = []

    def __repr__(self) -> str:
        """The parts, and how they are put together."""
        return f"Ensemble({self._given!r}, how={self.how!r})"

    @property
    def continues(self) -> bool:  # type: ignore[override]  # a constant of the class where nothing is set
        """Whether a part begins a fold with what it has learnt in the fold before."""
        return any(one.continues for one in self._given)

    def fit(self, panel: bt.Panel, rows: Rows) -> None:
        """Learn from these rows alone."""
        self.fit_folds([bt.FitJob(self, panel, rows, 1)], bt.FitWork())

    def fit_folds(self, jobs: Sequence[bt.FitJob], work: bt.FitWork) -> None:
        """Hand all folds to each part, one part after another."""
        fits: list[list[bt.Signal]] = [[] for _ in jobs]
        parts = self._parts()
        for k, part in enumerate(parts):
            own = [job._replace(signal=copy.deepcopy(part)) for job in jobs]
            progress = share(work.progress, k, len(parts))
            before = work.previous._fitted[k] if part.continues and isinstance(work.previous, Ensemble) else None
            part.fit_folds(own, self._work_of(k, work)._replace(progress=progress, previous=before))
            if progress is not None:
                progress("training", 1, 1)
            for fit, job in zip(fits, own, strict=True):
                fit.append(job.signal)
        for job, fit in zip(jobs, fits, strict=True):
            assert isinstance(job.signal, Ensemble)
            job.signal._fitted = fit

    def predict(self, panel: bt.Panel, rows: Rows) -> bt.Prediction:
        """The scores of each part, and what they are together."""
        parts = self._fitted or self._parts()
        member = panel.member[rows]
        said = [np.where(member, predicted(one, panel, rows).scores, np.nan) for one in parts]
        sheets = [smooth_ranks(one) for one in said] if self.how == "rank_mean" else said
        return bt.Prediction(mean_of_known(sheets), dict(zip(self._names, said, strict=True)))

    def learning(self) -> Sequence[Mapping[str, Any]]:
        """The learning curves of the parts, each row under the name of its part."""
        return [
            {**row, "model": f"{name}: {row['model']}"}
            for name, one in zip(self._names, self._fitted, strict=False)
            for row in one.learning()
        ]

    def describe(self) -> dict[str, Any]:
        """The settings, with those of each part."""
        return super().describe() | {"signals": [one.describe() for one in self._given]}

    def environment(self) -> dict[str, Any]:
        """That of each part which says one, by its number."""
        told = {str(k): one.environment() for k, one in enumerate(self._given, 1)}
        return {key: value for key, value in told.items() if value}

    def sources(self) -> list[Any]:
        """The class, and what the parts depend on."""
        return [*super().sources(), *(source for one in self._given for source in one.sources())]

    def _parts(self) -> list[bt.Signal]:
        """The parts with their seeds, not fitted."""
        return [seeded(one, one.seed + self.seed) for one in self._given]

    def _work_of(self, part: int, work: bt.FitWork) -> bt.FitWork:
        """The work of a part, with folders of its own."""
        name = f"part-{part + 1}"
        folder = None if work.folder is None else work.folder / name
        board = None if work.tensorboard is None else work.tensorboard / name
        return work._replace(folder=folder, tensorboard=board)


def smooth_ranks(scores: Floats) -> Floats:
    """Centred ranks of each session, -0.5 for the lowest to 0.5 for the highest, that do not jump: (R, N).

    A rank counts the scores below and above, ``(below - above) / (2 (n - 1))``; equal ones count as neither. Scores
    closer than a thousandth of the session's interquartile range count in proportion: one that is half of that away
    counts one half. Without it, two scores that differ by the rounding of float32 would change places, by a whole rank,
    with the number of rows that are scored at a time. If that range is 0, ranks are plain. 0 for a score that is alone;
    NaN where there is none.
    """
    ranks = centred_ranks(scores)
    for rank, row in zip(ranks, scores, strict=True):
        known = np.isfinite(row)
        if known.sum() < 2:
            continue
        low, middle, high = np.quantile(row[known], (0.25, 0.5, 0.75))
        if high > low:
            rank[known] = _ranks_of((row[known] - middle) / (high - low), _CLOSE)
    return ranks


def _ranks_of(values: Floats, width: float) -> Floats:
    """Centred ranks of values (n,) around 0, none unknown, those within ``width`` of each other in proportion."""
    ordered = np.sort(values)
    near = values.clip(-_FAR, _FAR)  # else what is far off would swallow the digits of the sums
    sums = np.concatenate(([0.0], np.cumsum(ordered.clip(-_FAR, _FAR))))
    below = np.searchsorted(ordered, values - width, "left")
    until = np.searchsorted(ordered, values + width, "right")
    above = len(values) - until
    close = ((until - below) * near - (sums[until] - sums[below])) / width
    centred: Floats = (below - above + close) / (2.0 * (len(values) - 1))
    return centred


def _part(given: Any, number: int) -> bt.Signal:
    """A part, as it was given or by name."""
    key = f"signals, number {number}"
    if isinstance(given, str):
        return made(given, {}, key)
    if isinstance(given, Mapping):
        name = given.get("class")
        if not isinstance(name, str):
            raise bt.ConfigError(f'{key} has no class; write {{ class = "signals:MLP", epochs = 5 }}, for instance.')
        return made(name, {argument: value for argument, value in given.items() if argument != "class"}, key)
    if not isinstance(given, bt.Signal):
        raise bt.ConfigError(
            f"{key} is {given!r}; it must be an object of a subclass of bt.Signal, or its class by name."
        )
    return given


def _names(parts: Sequence[bt.Signal]) -> list[str]:
    """A name for each part: that of its class, with a number where it is not the only one."""
    kinds = [_kind(one) for one in parts]
    return [f"{kind} {kinds[: k + 1].count(kind)}" if kinds.count(kind) > 1 else kind for k, kind in enumerate(kinds)]


def _kind(part: bt.Signal) -> str:
    if isinstance(part, Estimator):
        return type(part._template).__name__
    name = type(part).__name__
    return f"{name} of {type(part._template).__name__}" if isinstance(part, Grid) else name
