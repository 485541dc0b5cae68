"""Many settings of one kind of network, the best of each fold averaged."""

from __future__ import annotations

import itertools
import json
import logging
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from backtester.errors import did_you_mean
from backtester.plain import is_plain, plain
from signals.checks import whole
from signals.network import Network, mean_of
from signals.parts import made, mean_of_known

if TYPE_CHECKING:
    from signals.training.fitted import Fitted

log = logging.getLogger("signals")
Rows = NDArray[np.int64]
BY = ("ic", "loss")
# What all configurations share: else their values could not be compared, or their scores not averaged.
_SHARED = (
    "horizon", "fill", "label", "label_arguments", "loss", "loss_arguments", "validation", "monitor", "warm_start",
)  # fmt: skip
_DIGITS = 6  # of what is chosen by
_OF_THE_GRID = ("seed", "seeds", "device")


class Candidate(NamedTuple):
    """What one configuration has learnt in a fold."""

    name: str
    value: float  # on the watched rows, by which it is chosen; NaN: not known
    network: Network  # with the settings of its stack
    fitted: Fitted


class Grid(bt.Signal):
    """Every combination of some settings of a network is trained; the best of each fold are averaged.

    The best are those with the highest mean rank IC, over the sessions of the rows that a fold's training watches
    (``validation``: the tail of its training rows) of the weights that are kept; test rows take no part. The IC of a
    configuration with several seeds is the mean of theirs; its score is the mean of their scores, and the score is the
    mean over the chosen configurations of theirs: one without an opinion on a symbol is left out there, and it is NaN
    where none has one. Equal ones are taken in the order of the grid; one whose value is not known comes last.

    The members of the scores are the chosen configurations, by name, such as ``dropout=0.1 hidden=[16, 8]``: NaN in the
    folds in which they were not chosen. The learning curves hold those of all; the kept epoch of a chosen one says so.

    What differs in ``dropout``, ``l1``, ``l2``, ``learning_rate`` and ``epochs`` alone is trained in one stack.
    """

    def __init__(
        self,
        network: Network | str,
        arguments: Mapping[str, Any] | None = None,
        *,
        vary: Mapping[str, Sequence[Any]],
        best: int = 3,
        by: str = "ic",
        seed: int | None = None,
    ) -> None:
        """Check the settings, those of every configuration too; nothing is learnt yet.

        Args:
            network: what is varied, or its class by name, as ``"signals:MLP"``.
            arguments: of that class, where it is given by name.
            vary: the values of each setting that is varied, as ``{"hidden": [[16, 8], [32]], "dropout": [0, 0.1]}``.
            best: how many are averaged; all of them where there are fewer.
            by: ``ic``, or ``loss`` for the lowest loss on the same rows.
            seed: in place of the network's.

        Raises:
            ConfigError: a setting is wrong, or cannot be varied.
        """
        if not isinstance(network, str) and arguments:
            raise bt.ConfigError("arguments go with a network that is named, such as 'signals:MLP'.")
        given = made(network, arguments or {}, "network") if isinstance(network, str) else network
        if not isinstance(given, Network):
            raise bt.ConfigError(f"network is {network!r}; it must be a network such as signals.MLP(), or its name.")
        if given.training.validation == 0.0:
            raise bt.ConfigError("validation is 0: there are no rows to choose by. Let some be watched, such as 0.2.")
        if by not in BY:
            raise bt.ConfigError(f"by is {by!r}; it must be one of {', '.join(BY)}.{did_you_mean(str(by), BY)}")
        self._template = given
        self.vary = _checked(vary)
        self.best, self.by = whole("best", best), by
        self.horizon, self.fill = given.horizon, given.fill
        self.seed = given.seed if seed is None else whole("seed", seed, least=0)
        every = [given.varied(**settings) for settings in self._settings()]
        self.warmup = max(one.warmup for one in every)
        self._candidates: list[Candidate] = []  # of a fold, the best first
        self._stacked: list[list[Fitted]] = []  # all of a fold, for the next one to begin with

    def __repr__(self) -> str:
        """The network and what is varied."""
        return f"Grid({self._seeded()!r}, vary={self.vary}, best={self.best}, by={self.by!r})"

    # The contract of a signal.

    @property
    def continues(self) -> bool:  # type: ignore[override]  # a constant of the class where nothing is set
        """Whether a fold begins with what the fold before it has learnt."""
        return self._template.continues

    @property
    def predicts(self) -> str | None:  # type: ignore[override]  # likewise
        """What a score is, as of the network."""
        return self._template.predicts

    def fit(self, panel: bt.Panel, rows: Rows) -> None:
        """Learn from these rows alone."""
        self.fit_folds([bt.FitJob(self, panel, rows, 1)], bt.FitWork())

    def fit_folds(self, jobs: Sequence[bt.FitJob], work: bt.FitWork) -> None:
        """Train all configurations on all folds, a stack after another, and choose in each fold."""
        from signals.stacks import fit_stacks, stacked
        from signals.training.told import check_learnt

        settings = self._settings()
        base = self._seeded()
        stacks = stacked([base.varied(**one) for one in settings])  # all with the labels and seeds of the base
        names = [" ".join(f"{key}={_shown(value)}" for key, value in one.items()) for one in settings]
        before = work.previous._stacked if isinstance(work.previous, Grid) else None
        fits = fit_stacks(stacks, jobs, work, before)
        check_learnt(jobs, [[one for stack in fits for one in stack[k]] for k in range(len(jobs))])
        for k, job in enumerate(jobs):
            assert isinstance(job.signal, Grid)
            candidates: dict[int, Candidate] = {}
            for stack, fitted in zip(stacks, fits, strict=True):
                for place, one in zip(stack.places, fitted[k], strict=True):
                    value = self._value(one, stack.network.training.monitor)
                    candidates[place] = Candidate(names[place], value, stack.network, one)
            job.signal._take(job.number, [candidates[place] for place in range(len(names))])
            job.signal._stacked = [fitted[k] for fitted in fits] if self.continues else []

    def predict(self, panel: bt.Panel, rows: Rows) -> bt.Prediction:
        """The scores of the chosen configurations, and their mean; NaN where none of them has an opinion."""
        if not self._candidates:
            raise bt.ConfigError("it has not been fitted: give it folds.")
        shape = (len(rows), panel.shape[1])
        members = {one.name: mean_of(one.network.ask(one.fitted, panel, rows), shape) for one in self._best}
        return bt.Prediction(mean_of_known(list(members.values())) if members else np.full(shape, np.nan), members)

    @property
    def chosen(self) -> list[tuple[str, float]]:
        """The chosen configurations of a fitted grid and what they were chosen by, the best first."""
        return [(one.name, one.value) for one in self._best]

    def learning(self) -> Sequence[Mapping[str, Any]]:
        """The learning curves of all configurations, the best first; the kept epochs of the chosen ones say so."""
        return [row for place, one in enumerate(self._candidates) for row in self._told(place, one)]

    def describe(self) -> dict[str, Any]:
        """The settings, with those of the network."""
        # Of a class that is given by name, the network says the arguments too.
        return super().describe() | {"network": self._seeded().describe(), "arguments": None}

    def environment(self) -> dict[str, Any]:
        """Device and threads."""
        return self._template.environment()

    def sources(self) -> list[Any]:
        """The class, and what the network depends on."""
        return [*super().sources(), *self._template.sources()]

    # The configurations.

    def _seeded(self) -> Network:
        """The network with the seed of the grid."""
        return self._template.varied(seed=self.seed)

    def _settings(self) -> list[dict[str, Any]]:
        """The settings of every configuration."""
        return [dict(zip(self.vary, values, strict=True)) for values in itertools.product(*self.vary.values())]

    # The choice.

    @property
    def _best(self) -> list[Candidate]:
        """The chosen configurations: none of which nothing was of use."""
        return [one for one in self._candidates[: self.best] if one.fitted.members]

    def _value(self, fitted: Fitted, monitor: str) -> float:
        """What a configuration is chosen by: the mean over its seeds of what the kept epoch has on the watched rows."""
        rows = [_kept(fitted.curve, member, monitor) for member in fitted.members]
        values = [row[f"valid_{self.by}"] for row in rows if row is not None]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else math.nan

    def _take(self, number: int, candidates: list[Candidate]) -> None:
        """Keep what was fitted in a fold, the best first; of those that score nothing, the curves alone count."""

        def order(one: Candidate) -> tuple[bool, bool, float]:
            known = math.isfinite(one.value)
            # Rounded, as the last digits of float32 depend on how many folds are trained at once.
            better_first = round(-one.value if self.by == "ic" else one.value, _DIGITS) if known else 0.0
            return (not one.fitted.members, not known, better_first)

        self._candidates = sorted(candidates, key=order)
        told = ", ".join(f"{name} ({self.by} {value:.4f})" for name, value in self.chosen)
        log.info("fold %d: chosen of %d configurations: %s", number, len(candidates), told)

    def _told(self, place: int, one: Candidate) -> list[dict[str, Any]]:
        """The learning curves of one configuration, which is at this place."""
        several = one.network.seeds > 1
        rows = [{**row, "model": f"{one.name}, {row['model']}" if several else one.name} for row in one.fitted.curve]
        if place < self.best:
            note = f"chosen, {place + 1} of {len(self._candidates)}: validation {self.by} {one.value:.6g}"
            for member in one.fitted.members:
                kept = _kept(one.fitted.curve, member, one.network.training.monitor)
                if kept is not None:
                    row = rows[one.fitted.curve.index(kept)]
                    row["note"] = "; ".join(text for text in (row["note"], note) if text)
        return rows


def _checked(vary: Any) -> dict[str, list[Any]]:
    """The values of each setting, in the order of the names, so that the order they are written in does not matter."""
    if not isinstance(vary, Mapping) or not vary:
        raise bt.ConfigError(
            f"vary is {vary!r}; it must name settings and their values, such as {{'dropout': [0, 0.1]}}."
        )
    for key, values in vary.items():
        if key in _SHARED:
            raise bt.ConfigError(
                f"vary cannot hold {key!r}: what differs in it cannot be compared, or averaged. Make a grid of each, "
                "and take the rank mean of both (signals.Ensemble)."
            )
        if key in _OF_THE_GRID:
            raise bt.ConfigError(f"vary cannot hold {key!r}: it is one of all configurations. Set it on the network.")
        if isinstance(values, str) or not isinstance(values, Sequence) or not values or not is_plain(values):
            raise bt.ConfigError(f"vary {key} is {values!r}; it must be a list of values, as a config file holds them.")
        held = [plain(value) for value in values]
        if any(value in held[:k] for k, value in enumerate(held)):
            raise bt.ConfigError(f"vary {key} is {values!r}; it holds a value twice.")
    return {key: list(vary[key]) for key in sorted(vary)}


def _shown(value: Any) -> str:
    """A value as the name of a configuration has it."""
    return value if isinstance(value, str) else json.dumps(plain(value))


def _kept(curve: Sequence[Mapping[str, Any]], member: str, monitor: str) -> Mapping[str, Any] | None:
    """The row of the epoch whose weights a seed has kept: the first of the best by what is monitored."""
    key, sign = ("valid_ic", -1.0) if monitor == "ic" else ("valid_loss", 1.0)
    rows = [row for row in curve if row["model"] == member and row["train_loss"] is not None and row[key] is not None]
    return min(rows, key=lambda row: sign * row[key], default=None)
