"""The contract of everything that predicts: learn from rows that are over, score rows from what was known in them."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from backtester.errors import ConfigError, SignalError, raised_at
from backtester.folds import Fold
from backtester.labels import Floats, Rows, check_start, check_whole
from backtester.market.panel import Panel

Answer = TypeVar("Answer")


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
        fill: the price that the labels run from, ``open``, ``close`` or ``same_close`` as in `bt.labels`, for a signal
            that learns from labels: a run whose orders fill later than that is refused. None: it learns from none.
    """

    horizon: int = 1
    warmup: int = 1
    seed: int = 0
    fill: str | None = None

    def fit(self, panel: Panel, rows: Rows) -> None:
        """Learn from ``rows``; called once a fold, on a fresh copy. By default there is nothing to learn.

        Args:
            panel: physically ends with row ``rows[-1] + 1 + horizon``, the last that a label of ``rows`` needs.
            rows: (R,) int64, strictly increasing, read-only: the training rows of the fold. Features of a row may use
                rows up to it; labels, those up to ``row + 1 + horizon`` (`bt.labels` gives them).
        """

    def predict(self, panel: Panel, rows: Rows) -> Floats:
        """Scores of ``rows``, each from what was known after the close of its session.

        How many rows are asked for at a time must not matter: row ``t`` depends on rows up to ``t`` alone.

        Args:
            panel: physically ends with row ``rows[-1]``.
            rows: (R,) int64, strictly increasing, read-only: rows of the panel.

        Returns:
            (R, N) numbers; NaN is no opinion.
        """
        raise NotImplementedError(f"{type(self).__name__} has no predict(self, panel, rows).")

    def describe(self) -> dict[str, Any]:
        """The class and its settings as plain JSON data: the record of a run, and the key of the score cache.

        Raises:
            ConfigError: a public attribute is no plain data. Override this where a setting has another plain form.
        """
        kind = type(self)
        told: dict[str, Any] = {"class": f"{kind.__module__}:{kind.__qualname__}"}
        for base in reversed(kind.__mro__):  # what a class holds and is no plain data is in its source
            for key, value in vars(base).items():
                if not key.startswith("_") and _is_plain(value):
                    told[key] = plain(value)
        for key, value in vars(self).items():
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

        By default the signal's class and those it derives from. Add what is handed over as an object.
        """
        return [base for base in type(self).__mro__ if base is not Signal and base is not object]


def plain(value: Any) -> Any:
    """A setting as JSON data; raises TypeError for what is none, since its text could hide what it holds."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} is no plain data")


def _is_plain(value: Any) -> bool:
    try:
        plain(value)
    except TypeError:
        return False
    return True


def learns(signal: Signal) -> bool:
    """Whether the signal has its own ``fit``."""
    return type(signal).fit is not Signal.fit


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
    if signal.fill is not None:
        check_start(signal.fill)


def fitted(signal: Signal, panel: Panel, fold: Fold) -> Signal:
    """A copy of the signal that has learnt from the training rows of a fold, and has seen nothing after their labels.

    Raises:
        SignalError: ``fit`` raised.
    """
    own = copy.deepcopy(signal)
    if learns(signal) and fold.train.size:
        seen = panel.head(int(fold.train[-1]) + 1 + signal.horizon)
        _call(own, "fit", seen, fold.train, lambda: own.fit(seen, fold.train))
    return own


def predicted(signal: Signal, panel: Panel, rows: Rows) -> Floats:
    """The scores of a fitted signal for some rows, checked: (R, N).

    Raises:
        SignalError: ``predict`` raised, or returned what is no score.
    """
    seen = panel.head(int(rows[-1]))
    answer = np.asarray(_call(signal, "predict", seen, rows, lambda: signal.predict(seen, rows)))
    expected = (len(rows), panel.shape[1])
    if answer.shape != expected or answer.dtype.kind not in "fiub":
        raise SignalError(
            f"{_where(signal, 'predict', seen, rows)} returned shape {answer.shape} and type {answer.dtype}; it must "
            f"be numbers of shape {expected}, a row for each of the {len(rows)} rows and a column for each symbol."
        )
    infinite = np.isinf(answer)
    if infinite.any():
        k, i = (int(place) for place in np.argwhere(infinite)[0])
        raise SignalError(
            f"{_where(signal, 'predict', seen, rows)}: the score of {panel.symbols[i]!r} on {panel.dates[rows[k]]} is "
            f"{answer[k, i]}; a score is finite, or NaN for no opinion."
        )
    return answer.astype(np.float64)


def _call(signal: Signal, method: str, panel: Panel, rows: Rows, ask: Callable[[], Answer]) -> Answer:
    """Call a method of the signal; an error that it raises is told with the dates and the signal's line."""
    try:
        return ask()
    except Exception as error:
        line = raised_at(error)
        raised = f" raised {type(error).__name__}{line}" if line else ""
        raise SignalError(f"{_where(signal, method, panel, rows)}{raised}: {error}") from error


def _where(signal: Signal, method: str, panel: Panel, rows: Rows) -> str:
    first, last = panel.dates[rows[0]], panel.dates[rows[-1]]
    return f"{type(signal).__name__}.{method} on {first}" + (f" to {last}" if len(rows) > 1 else "")
