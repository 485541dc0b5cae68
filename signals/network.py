"""Networks as signals: what all kinds share. Each kind is a short class in `signals.neural`."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from backtester.labels import FillAt, LabelKind, check_arguments, check_kind, check_start
from backtester.plain import plain
from signals.checks import whole
from signals.features import channel_warmup, warmup_of
from signals.scaling import check_scaling
from signals.training.options import VARIED

if TYPE_CHECKING:
    from signals.losses import Loss
    from signals.networks import Shape
    from signals.training.fit import Plan
    from signals.training.fitted import Fitted
    from signals.training.prepare import Inputs
    from signals.training.task import Config

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
# The label that goes with a loss where none is asked for.
_LABEL_OF = {"bce": "up", "cross_entropy": "three"}
# Labels in units of returns: divided by their spread for the losses that weigh single errors.
_RETURNS = ("raw", "demeaned", "sector_demeaned")
# What a score is in the unit of its label, and what is a probability of up less one of down.
_PREDICT_RETURNS, _PREDICT_CHANCES = ("mse", "mae", "huber"), ("bce", "cross_entropy")
_CHANCES = ("up", "three")
MISSING = ("drop", "mean")


class Network(bt.Signal):
    """A neural network that scores: one set of weights for all symbols, learnt anew in each fold.

    Subclasses say the shape. How the network is trained is said by further keyword arguments, those of
    `signals.training.options.Options`: ``epochs``, ``batch``, ``loss``, ``optimizer``, ``learning_rate``, ``dropout``,
    ``l1``, ``l2``, ``clip``, ``validation``, ``patience``, ``warm_start`` and others.

    In a fold, inputs and labels of the training rows are those of a panel that ends there. The last part of the rows
    (``validation``), purged, is only watched; scales are fitted on the rows before it. A cell (a symbol in a session)
    is learnt from if it has its inputs and a label, and scored if it has its inputs. The score is in the unit of the
    label, or what the loss says it is; with several seeds it is the mean of their scores, and each seed's are kept
    beside (`bt.Scores.members`).
    """

    _own: Mapping[str, Any] = {}  # settings of the subclass, which are public attributes under their names too

    def __init__(
        self,
        *,
        window: int | None = None,
        features: Any = "default",
        label: LabelKind | None = None,
        label_arguments: Mapping[str, Any] | None = None,
        horizon: int = 1,
        fill: FillAt = "open",
        scaling: str = "zscore",
        missing: str = "drop",
        seeds: int = 1,
        seed: int = 0,
        device: str = "auto",
        **training: Any,
    ) -> None:
        """Check the settings; nothing is learnt yet. A subclass puts its own into ``_own``, by name, before.

        Args:
            window: sessions of a sequence, its own among them; None: the network sees one row of features.
            features: a named set or a list of names, of `signals.features.compute`, or of
                `signals.features.channels` for sequences.
            label: kind of label, as in `bt.labels`; None: ``up`` for the loss ``bce``, ``three`` for ``cross_entropy``,
                else ``demeaned``.
            label_arguments: of that kind.
            horizon: of the label, in sessions.
            fill: the price that labels run from and to, as in `bt.labels`.
            scaling: ``zscore``, ``minmax``, ``robust``, ``rank`` or ``none`` (`signals.scaling`).
            missing: ``drop``: a cell with an unknown input is not used; ``mean``: unknown counts as the middle of what
                was learnt from, if anything of the cell is known.
            seeds: networks that differ in nothing but the seed, ``seed``, ``seed + 1`` and so on.
            seed: of the first.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            **training: how it is trained.

        Raises:
            ConfigError: a setting is wrong.
        """
        from signals.training.device import check_device
        from signals.training.optimizers import check_optimizer
        from signals.training.options import make_options, unusual

        name, own = type(self).__name__, self._own
        shared = {
            "features": features, "label": label, "label_arguments": dict(label_arguments or {}), "horizon": horizon,
            "fill": fill, "scaling": scaling, "missing": missing, "seeds": seeds, "seed": seed, "device": device,
        }  # fmt: skip
        self._given = {**own, **({} if window is None else {"window": window}), **shared, **unusual(training)}
        if window is None and training.get("optimizer", "AdamW") == "AdamW":
            # What one row tells is nearly all noise. Over a window it would keep a network from beginning to learn.
            training.setdefault("optimizer_arguments", {"weight_decay": 0.3})
        self.training = make_options(training, name, (*own, *shared))
        for key, value in own.items():
            setattr(self, key, list(value) if isinstance(value, tuple) else value)
        self.window = None if window is None else whole("window", window)
        self.features = features if isinstance(features, str) else list(features)
        self.label = cast(LabelKind, label or _LABEL_OF.get(self.training.loss, "demeaned"))
        self.label_arguments = dict(label_arguments or {})
        self.horizon, self.seed, self.seeds = (
            whole("horizon", horizon),
            whole("seed", seed, least=0),
            whole("seeds", seeds),
        )
        self.scaling, self.missing, self.device = scaling, missing, device
        check_kind(self.label)
        check_arguments(self.label, self.label_arguments)
        check_start(fill)
        self.fill = fill
        check_scaling(scaling)
        check_device(device)
        check_optimizer(self.training)
        if missing not in MISSING:
            raise bt.ConfigError(f"missing is {missing!r}; it must be one of {', '.join(MISSING)}.")
        loss = self._loss()
        if "any" not in loss.labels and self.label not in loss.labels:
            raise bt.ConfigError(
                f"the loss {self.training.loss!r} needs a label of {' or '.join(loss.labels)}, not {self.label!r}."
            )
        self.warmup = warmup_of(self.features) if window is None else self.window_warmup()
        self._fitted: Fitted | None = None

    def window_warmup(self) -> int:
        """Rows of history of a sequence: its own, and those that its first row needs."""
        return channel_warmup(self.features) + whole("window", self.window) - 1

    def shape(self, inputs: int, outputs: int) -> Shape:
        """The shape of the network for so many inputs and outputs: what a subclass has to say."""
        raise NotImplementedError(f"{type(self).__name__} has no shape(self, inputs, outputs).")

    def __repr__(self) -> str:
        """The class, and the settings that are not the usual ones."""
        makers = [vars(kind)["__init__"] for kind in reversed(type(self).__mro__[:-2]) if "__init__" in vars(kind)]
        parameters = [one for maker in makers for one in inspect.signature(maker).parameters.values()]
        usual = {field.name: field.default for field in dataclasses.fields(self.training)}
        usual |= {one.name: one.default for one in parameters}
        told = [
            f"{key}={list(value) if isinstance(value, tuple) else value!r}"
            for key, value in self._given.items()
            if not _same(value, usual.get(key))
        ]
        return f"{type(self).__name__}({', '.join(told)})"

    # The contract of a signal.

    @property
    def continues(self) -> bool:  # type: ignore[override]  # a constant of the class where nothing is set
        """Whether a fold begins with what the fold before it has learnt."""
        return self.training.warm_start == "previous"

    @property
    def predicts(self) -> str | None:  # type: ignore[override]  # likewise
        """What a score is, by the loss and the label."""
        if self.training.loss in _PREDICT_RETURNS and self.label in _RETURNS:
            return "return" if self.label == "raw" else self.label
        return "up_less_down" if self.training.loss in _PREDICT_CHANCES and self.label in _CHANCES else None

    def fit(self, panel: bt.Panel, rows: Rows) -> None:
        """Learn from these rows alone."""
        self.fit_folds([bt.FitJob(self, panel, rows, 1)], bt.FitWork())

    def fit_folds(self, jobs: Sequence[bt.FitJob], work: bt.FitWork) -> None:
        """Train all folds and seeds in one stack, and in it the networks that differ in little; others in another."""
        from signals.stacks import fit_stacks, stacked
        from signals.training.told import check_learnt, has_learnt

        before = work.previous._fitted if isinstance(work.previous, Network) else None
        each = _by_network(jobs)
        tell_failed = work.failed if len(each) > 1 else None
        stacks = stacked([cast(Network, own[0].signal) for own in each])
        found = fit_stacks(stacks, each[0], work, None if before is None else [[before]], go_on=tell_failed is not None)
        for stack, fits in zip(stacks, found, strict=True):
            for k, place in enumerate(stack.places):
                own, fitted = each[place], [fold[k] for fold in fits]
                if tell_failed is not None and not (fitted and has_learnt(own, fitted)):
                    for job in own:
                        tell_failed(job.signal)
                    continue
                check_learnt(own, [[one] for one in fitted])
                for job, one in zip(own, fitted, strict=True):
                    cast(Network, job.signal)._fitted = one

    def predict(self, panel: bt.Panel, rows: Rows) -> bt.Prediction:
        """The scores of each seed, and their mean; NaN where an input is missing, or no seed learnt anything."""
        if self._fitted is None:
            raise bt.ConfigError("it has not been fitted: give it folds.")
        members = self.ask(self._fitted, panel, rows)
        return bt.Prediction(mean_of(members, (len(rows), panel.shape[1])), members if self.seeds > 1 else {})

    def predict_epochs(self, panel: bt.Panel, rows: Rows) -> Iterator[Floats]:
        """The scores after 1, 2, ... ``epochs`` epochs, by the weights that were best until then; each seed's mean."""
        from signals.training.ask import scores_by_epoch
        from signals.training.device import resolved

        fitted, precision = self._fitted, self.training.precision
        if fitted is None or fitted.trail is None or type(self).predict is not Network.predict:
            return
        about = self._inputs(), self._loss(), resolved(self.device), precision
        for members in scores_by_epoch(fitted, self.training.epochs, *about, panel, rows):
            yield mean_of(members, (len(rows), panel.shape[1]))

    def trains_with(self) -> Any:
        """What is prepared for a training; None where a fold begins with weights that are there."""
        from signals.training.device import resolved

        if self.training.warm_start is not None or type(self).fit_folds is not Network.fit_folds:
            return None
        labels = [self.label, self.label_arguments, self.horizon, self.fill, self._has_unit(), self.training.validation]
        return {
            "inputs": list(self._inputs()),
            "labels": labels,
            "seeds": [self.seed, self.seeds],
            "device": resolved(self.device),
        }

    def learning(self) -> Sequence[Mapping[str, Any]]:
        """The learning curves."""
        return () if self._fitted is None else self._fitted.curve

    def describe(self) -> dict[str, Any]:
        """The settings; of a checkpoint to start from, its hash too."""
        told = super().describe()
        start = self.training.warm_start
        if start not in (None, "previous"):
            file = Path(str(start))
            told["warm_start_sha256"] = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None
        return told

    def environment(self) -> dict[str, Any]:
        """Device and threads, on which the last digits depend."""
        import torch

        from signals.training.device import resolved

        return {"device": resolved(self.device), "threads": torch.get_num_threads()}

    def sources(self) -> list[Any]:
        """The class, and the code that trains."""
        from signals.stacks import fit_stacks

        return [*super().sources(), fit_stacks]

    # What the trainer and ensembles ask for.

    def plan(self, configs: Sequence[Config] = ()) -> Plan:
        """What is to be trained, as the trainer is told; of several configurations where they are given."""
        from signals.networks import ModuleShape
        from signals.training.device import resolved
        from signals.training.fit import Plan
        from signals.training.prepare import Labels

        options, loss = self.training, self._loss()

        def labels(panel: bt.Panel, rows: Rows) -> Floats:
            fill = cast(FillAt, self.fill)
            return bt.labels(panel, rows, self.horizon, kind=self.label, fill=fill, **self.label_arguments)

        shape: Callable[[int], Shape] = lambda inputs: self.shape(inputs, loss.outputs)  # noqa: E731
        return Plan(
            type(self).__name__,
            shape,
            self._inputs(),
            Labels(labels, self.horizon, self._has_unit()),
            options,
            list(configs) or [self.config()],
            loss,
            [self.seed + k for k in range(self.seeds)],
            resolved(self.device),
            isinstance(shape(1), ModuleShape),
            self.common(),
        )

    def config(self) -> Config:
        """What it may differ in from others of its stack."""
        from signals.training.task import Config

        own = self.training
        return Config(float(own.dropout), float(own.l1), float(own.l2), float(own.learning_rate), int(own.epochs))

    def common(self) -> dict[str, Any]:
        """The settings that it has in common with all of its stack."""
        told = plain(self.describe())
        training = {key: value for key, value in told["training"].items() if key not in VARIED}
        return {**told, "training": training}

    def ask(self, fitted: Fitted, panel: bt.Panel, rows: Rows) -> dict[str, Floats]:
        """The scores of every member of what has been fitted: name -> (R, N)."""
        from signals.training.ask import scores_of
        from signals.training.device import resolved

        device = resolved(self.device)
        return scores_of(fitted, self._inputs(), self._loss(), device, self.training.precision, panel, rows)

    def _has_unit(self) -> bool:
        """Whether labels are divided by their spread."""
        return self._loss().batches == "rows" and self.label in _RETURNS

    def _inputs(self) -> Inputs:
        """What the network sees."""
        from signals.training.prepare import Inputs

        return Inputs(self.features, self.window, self.scaling, self.missing)

    def _loss(self) -> Loss:
        """What is made small, and what the output means."""
        from signals.losses import loss_of

        return loss_of(self.training.loss, **self.training.loss_arguments)

    def varied(self, **changes: Any) -> Network:
        """A copy, not fitted, with some settings changed.

        Raises:
            ConfigError: a setting is unknown or wrong.
        """
        try:
            return type(self)(**{**self._given, "seed": self.seed, **changes})
        except TypeError as error:
            raise bt.ConfigError(
                f"{type(self).__name__} cannot be made again with {', '.join(changes)} changed: {error}. Its __init__ "
                "must take all that it hands to the one below, such as further settings (**settings)."
            ) from error

    def save(self, path: str | Path) -> None:
        """Write what has been fitted, weights, scales and curves, to a safetensors file.

        Raises:
            ConfigError: nothing has been fitted.
        """
        if self._fitted is None:
            raise bt.ConfigError("it has not been fitted: there is nothing to save.")
        self._fitted.save(Path(path), self._meaning())

    def load(self, path: str | Path, panel: bt.Panel) -> Network:
        """A copy with what `save` wrote, ready to predict; ``panel`` says which extra columns are inputs.

        Raises:
            DataError: the file is damaged, or of another architecture, other inputs, or settings by which the same
                weights would say something else.
        """
        from signals.training.fitted import load
        from signals.training.prepare import names_of

        own, names = copy.deepcopy(self), names_of(panel, self._inputs())
        own._fitted = load(path, self.shape(len(names), self._loss().outputs), names, self._meaning())
        return own

    def _meaning(self) -> dict[str, Any]:
        """What decides, beside the weights and the names of the inputs, what a score is."""
        own = {"window": self.window, "scaling": self.scaling, "loss": self.training.loss}
        return own | {"label": self.label, "horizon": self.horizon}


def _by_network(jobs: Sequence[bt.FitJob]) -> list[list[bt.FitJob]]:
    """The jobs of each network: those of the next begin with the first fold again."""
    found: list[list[bt.FitJob]] = []
    for job in jobs:
        if found and job.number > found[-1][-1].number:
            found[-1].append(job)
        else:
            found.append([job])
    return found


def _same(given: Any, usual: Any) -> bool:
    """Whether a setting is the usual one, be it a list, a tuple, or nothing in its place."""
    one, other = (tuple(value) if isinstance(value, list) else value for value in (given, usual))
    return bool(one == other) or (usual is None and given == {})


def mean_of(members: Mapping[str, Floats], shape: tuple[int, int]) -> Floats:
    """The mean of the members' scores, where they have one."""
    if not members:
        return np.full(shape, np.nan)
    return cast(Floats, np.mean(np.stack(list(members.values())), axis=0))
