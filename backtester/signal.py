"""The contract of everything that predicts: learn from rows that are over, score rows from what was known in them."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from backtester.errors import ConfigError, SignalError, raised_at
from backtester.folds import Fold
from backtester.labels import Floats, Rows, asked_fills, check_start, check_whole
from backtester.market.panel import Panel
from backtester.plain import is_plain, plain

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
        fill: the price that the labels run from, ``open``, ``close`` or ``same_close`` as in `bt.labels`: a run whose
            orders fill later than that is refused, before anything is learnt. None: not said. What `bt.labels` is asked
            for during ``fit`` is held against the run in any case.
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
                if not key.startswith("_") and is_plain(value):
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


def fitted(signal: Signal, panel: Panel, fold: Fold) -> tuple[Signal, set[str]]:
    """A copy of the signal that has learnt from the training rows of a fold, and has seen nothing after their labels.

    Returns:
        The copy, and the fills that it asked `bt.labels` for.

    Raises:
        SignalError: ``fit`` raised.
    """
    own = copy.deepcopy(signal)
    with asked_fills() as fills:
        if learns(signal) and fold.train.size:
            seen = panel.head(int(fold.train[-1]) + 1 + signal.horizon)
            _call(own, "fit", seen, fold.train, lambda: own.fit(seen, fold.train))
    return own, fills


def predicted(signal: Signal, panel: Panel, rows: Rows) -> Floats:
    """The scores of a fitted signal for some rows, checked: (R, N).

    Raises:
        SignalError: ``predict`` raised, or returned what is no score.
    """
    seen = panel.head(int(rows[-1]))
    given = _call(signal, "predict", seen, rows, lambda: signal.predict(seen, rows))
    expected = (len(rows), panel.shape[1])
    try:
        answer = np.asarray(given)
    except Exception as error:  # whatever a library raises whose arrays are none of NumPy's
        raise SignalError(
            f"{_where(signal, 'predict', seen, rows)} returned a {type(given).__name__} that is no NumPy array and "
            f"cannot become one ({type(error).__name__}: {error}). Return numbers of shape {expected}; a torch tensor "
            "becomes an array by .detach().cpu().numpy()."
        ) from error
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


# How far one row may be from the same row in a batch: a part of what the row's scores span, and of their size.
SPAN_TOLERANCE, SIZE_TOLERANCE = 1e-4, 1e-6


def check_rows_alone(signal: Signal, panel: Panel, fold: Fold, number: int, values: Floats) -> None:
    """Ask a fitted signal again for the first, a middle and the last test row of a fold, each alone.

    The panel ends with the row then. What differs depends on later rows, on which others were asked for, or on what was
    asked before.

    Args:
        signal: as it was fitted on the fold.
        panel: the market.
        fold: its test rows have been scored.
        number: of the fold, from 1, for the message.
        values: (T, N), what it said of them together.

    Raises:
        SignalError: a row alone has other scores, by more than the tolerance, or in other places.
    """
    for k in sorted({0, len(fold.test) // 2, len(fold.test) - 1}):
        rows = fold.test[k : k + 1]
        t = int(rows[0])
        batch, alone = values[t], predicted(signal, panel, rows)[0]
        known = np.isfinite(batch) & np.isfinite(alone)
        either = np.concatenate((batch[known], alone[known]))
        tolerance = 0.0
        if either.size:
            tolerance = SPAN_TOLERANCE * np.ptp(either) + SIZE_TOLERANCE * np.abs(either).max()
        wrong = np.isfinite(batch) != np.isfinite(alone)
        wrong[known] = np.abs(batch - alone)[known] > tolerance
        if not wrong.any():
            continue
        i = int(np.argmax(wrong))
        raise SignalError(
            f"{type(signal).__name__}.predict: fold {number}, {panel.dates[t]}, {panel.symbols[i]!r}: the score is "
            f"{batch[i]} when {len(fold.test)} rows are scored in batches, and {alone[i]} when the row is asked for "
            "alone, with a panel that ends there. A score may depend on rows up to its own alone: not on later rows of "
            "the panel (nor on negative rows, which count from its end: is warmup too short?), not on which other rows "
            "are asked for, and not on what was asked before."
        )


def _call(signal: Signal, method: str, panel: Panel, rows: Rows, ask: Callable[[], Answer]) -> Answer:
    """Call a method of the signal; an error that it raises is told with the dates and the signal's line."""
    try:
        return ask()
    except Exception as error:
        line = raised_at(error)
        raised = f" raised {type(error).__name__}{line}" if line else ""
        hint = ""
        if isinstance(error, IndexError) and f"size {len(panel.dates)}" in str(error):
            last = "row asked for" if method == "predict" else "that a label of its rows needs"
            hint = f". The panel ends with {panel.dates[-1]}, the last {last}; nothing later is known."
        raise SignalError(f"{_where(signal, method, panel, rows)}{raised}: {error}{hint}") from error


def _where(signal: Signal, method: str, panel: Panel, rows: Rows) -> str:
    first, last = panel.dates[rows[0]], panel.dates[rows[-1]]
    return f"{type(signal).__name__}.{method} on {first}" + (f" to {last}" if len(rows) > 1 else "")
