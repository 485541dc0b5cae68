"""Any scikit-learn estimator as a signal."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

import backtester as bt
from backtester.labels import FillAt, LabelKind, check_kind, check_start
from backtester.plain import described
from signals.checks import found, whole
from signals.features import SCALES, compute, default_features, warmup_of

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Features = Callable[[bt.Panel, Rows], Floats]
CLASSES = ("up", "three", "triple_barrier")  # labels that a classifier can learn


class Estimator(bt.Signal):
    """Learns a label from features with anything that has ``fit`` and ``predict``: a model, or a pipeline of them.

    scikit-learn's are the rule; of one that is not, ``get_params`` and tags are used where it has them.

    Each fold fits a clone of it, as ``fit(x, y)`` with a row of ``x`` for every session and symbol of the training rows
    that has its features and a label, which members alone have. The score of a member is what it predicts; that of a
    classifier, which needs a label of classes, the mean of the classes by their probability: with ``up`` the
    probability of going up, with ``three`` and ``triple_barrier`` that of 1 less that of -1.

    Missing values: the default features have none (see `signals.features`). With others, a symbol with an unknown
    feature is neither learnt from nor scored, unless the estimator says that it takes NaN (scikit-learn's tag
    ``allow_nan``): then only one without any known feature is.
    """

    def __init__(
        self,
        estimator: Any,
        arguments: Mapping[str, Any] | None = None,
        *,
        label: LabelKind = "demeaned",
        horizon: int = 1,
        fill: FillAt = "open",
        lookbacks: Sequence[int] = (1, 5, 10, 21, 63),
        scale: str = "rank",
        features: Features | str | Sequence[str] | None = None,
        warmup: int | None = None,
        seed: int = 0,
    ) -> None:
        """Check the settings; nothing is learnt yet.

        Args:
            estimator: an object, or its class by name, as ``"sklearn.linear_model:Ridge"``.
            arguments: of that class, where it is given by name.
            label: kind of label, as in `bt.labels`, with its default arguments.
            horizon: of the label, in sessions.
            fill: the price that labels run from and to, as in `bt.labels`.
            lookbacks: sessions of the default features' returns.
            scale: how the default features compare symbols: ``rank`` or ``zscore``.
            features: in place of the default ones: a named set such as ``"ml4t"``, a list of names such as
                ``["return_5", "rsi_14"]``, or a function ``features(panel, rows) -> (len(rows), N, F)`` or its name, as
                ``"package.module:function"``. ``panel`` ends with ``rows[-1]``; a row's may use rows up to it.
            warmup: rows of history that a function of features needs; those that have a name know theirs.
            seed: given to the estimator, and what is in it, as ``random_state`` where that is None.

        Raises:
            ConfigError: a setting is wrong.
        """
        self._template = _named(estimator, arguments or {}) if isinstance(estimator, str) else estimator
        if not isinstance(estimator, str) and arguments:
            raise bt.ConfigError("arguments go with an estimator that is named, such as 'sklearn.linear_model:Ridge'.")
        if isinstance(self._template, type) or not all(_has(self._template, name) for name in ("fit", "predict")):
            raise bt.ConfigError(
                f"estimator is {estimator!r}; it must be an object with fit(x, y) and predict(x), such as an estimator "
                "of scikit-learn, or the name of its class."
            )
        check_kind(label)
        check_start(fill)
        self.label = label
        self.fill = fill
        self.horizon, self.seed = whole("horizon", horizon), whole("seed", seed, least=0)
        self._names = _names(features)
        given = features if self._names is None else None
        self._features: Any = found(given, "features") if isinstance(given, str) else given
        if self._features is not None and not callable(self._features):
            raise bt.ConfigError(f"features is {features!r}; it must be a function or its name, or names of features.")
        self.lookbacks = [whole("lookbacks", one) for one in lookbacks] if features is None else []
        self.scale = scale
        if scale not in SCALES:
            raise bt.ConfigError(f"scale is {scale!r}; it must be one of {', '.join(SCALES)}.")
        if features is None and not self.lookbacks:
            raise bt.ConfigError("lookbacks is empty; give at least one number of sessions.")
        if self._features is not None and warmup is None:
            raise bt.ConfigError(
                "warmup is not given; features of your own need it: the rows of history that they use."
            )
        least = max(self.lookbacks, default=0) + 1 if self._names is None else warmup_of(self._names)
        self.warmup = least if warmup is None else whole("warmup", warmup, least=least)
        self._is_classifier = _is_classifier(self._template)
        if self._is_classifier and label not in CLASSES:
            raise bt.ConfigError(
                f"label is {label!r}; {type(self._template).__name__} is a classifier and needs 'up', 'three' or "
                "'triple_barrier'."
            )
        self._model: Any = None

    def fit(self, panel: bt.Panel, rows: Rows) -> None:
        """Fit a clone on the training rows."""
        model = _fresh(self._template, self.seed)
        x = self._seen(panel.head(int(rows[-1])), rows)
        y = bt.labels(panel, rows, self.horizon, kind=self.label, fill=cast(FillAt, self.fill))
        used = self._usable(x) & np.isfinite(y)
        if not used.any():
            raise bt.DataError("no training row has both its features and a label.")
        model.fit(x[used], y[used])
        if not self._is_classifier and not hasattr(model, "predict"):
            raise bt.ConfigError(f"{type(model).__name__} has no predict once it is fitted: is its last step a model?")
        if self._is_classifier and not hasattr(model, "predict_proba"):
            raise bt.ConfigError(
                f"{type(model).__name__} is a classifier without predict_proba: it gives no probability of going up. "
                "Let it give one (SVC: probability=True, VotingClassifier: voting='soft'), or take another."
            )
        self._model = model

    @property
    def predicts(self) -> str | None:  # type: ignore[override]  # a constant of the class where nothing is set
        """What a score is, by the label."""
        if self._is_classifier:
            return {"up": "probability", "three": "up_less_down"}.get(self.label)
        return {"raw": "return", "demeaned": "demeaned", "sector_demeaned": "sector_demeaned"}.get(self.label)

    def predict(self, panel: bt.Panel, rows: Rows) -> Floats:
        """What the fitted estimator says of each symbol whose features are there."""
        if self._model is None:
            raise bt.ConfigError("it has not been fitted: give it folds.")
        x = self._seen(panel, rows)
        scored = self._usable(x) & panel.member[rows]
        scores = np.full(scored.shape, np.nan)
        if scored.any():
            if self._is_classifier:
                scores[scored] = self._model.predict_proba(x[scored]) @ self._model.classes_
            else:
                scores[scored] = np.asarray(self._model.predict(x[scored])).reshape(-1)
        return scores

    def describe(self) -> dict[str, Any]:
        """The settings, with the estimator as its class and parameters, and the function of the features by name."""
        told = super().describe()
        features = described(self._features)
        by_name = isinstance(features, dict) and set(features) == {"function"}
        told["features"] = features["function"] if by_name else features
        if self._names is not None:
            told["features"] = self._names
        # Of a class that is given by name, the estimator says the arguments too.
        return told | {"estimator": described(self._template), "arguments": None}

    def sources(self) -> list[Any]:
        """The class, and the function of the features."""
        return super().sources() + ([self._features] if inspect.isfunction(self._features) else [])

    def _seen(self, panel: bt.Panel, rows: Rows) -> Floats:
        """The features of the rows, checked: (R, N, F)."""
        if self._names is not None:
            return compute(panel, rows, self._names)
        if self._features is None:
            return default_features(panel, rows, self.lookbacks, self.scale)
        x = np.asarray(self._features(panel, rows), dtype=np.float64)
        if x.ndim != 3 or x.shape[:2] != (len(rows), panel.shape[1]):
            raise bt.DataError(
                f"features returned shape {x.shape}; it must be (rows, symbols, features), here "
                f"({len(rows)}, {panel.shape[1]}, F)."
            )
        return np.where(np.isfinite(x), x, np.nan)

    def _usable(self, x: Floats) -> NDArray[np.bool_]:
        """Where there is enough to learn from or to score: (R, N)."""
        known = np.isfinite(x)
        enough = known.any(axis=2) if _takes_nan(self._template) else known.all(axis=2)
        return np.asarray(enough, dtype=np.bool_)


def _names(features: Any) -> str | list[str] | None:
    """Features by name: a set or a feature, or a list of features. None for anything else, as a function's name."""
    if isinstance(features, str):
        return features if ":" not in features else None
    return list(features) if isinstance(features, (list, tuple)) else None


def _named(name: str, arguments: Mapping[str, Any]) -> Any:
    """An estimator by the name of its class."""
    kind = found(name, "estimator")
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise bt.ConfigError(f"estimator {name} refused its arguments {dict(arguments)}: {error}") from error


def _has(estimator: Any, name: str) -> bool:
    """Whether it has a method. Some only say so once they are fitted, so that their class is asked too."""
    return callable(getattr(estimator, name, None)) or callable(getattr(type(estimator), name, None))


def _fresh(template: Any, seed: int) -> Any:
    """An unfitted copy, with the seed wherever a ``random_state`` is None: its own, and those of what is in it."""
    from sklearn.base import clone

    model = clone(template, safe=False)  # what has no get_params is copied whole
    parts = [model, *_parameters(model).values()]
    for part in parts:
        if not isinstance(part, type) and getattr(part, "random_state", seed) is None:
            part.random_state = seed
    return model


def _parameters(estimator: Any) -> dict[str, Any]:
    """Its parameters and those of the estimators in it; none if it cannot say."""
    try:
        return dict(estimator.get_params(deep=True))
    except Exception:
        return {}


def _is_classifier(estimator: Any) -> bool:
    tags = _tags(estimator)
    kind = getattr(estimator, "_estimator_type", None) if tags is None else tags.estimator_type
    return bool(kind == "classifier")


def _takes_nan(estimator: Any) -> bool:
    tags = _tags(estimator)
    return tags is not None and bool(tags.input_tags.allow_nan)


def _tags(estimator: Any) -> Any:
    """What it says of itself in scikit-learn's way; None if it, or something in it, does not."""
    from sklearn.utils import get_tags

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return get_tags(estimator)
    except Exception:
        return None
