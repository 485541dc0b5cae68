"""Calls of a signal: fit it, ask it, check what it says, and tell its errors with the dates and its own line."""

from __future__ import annotations

import copy
import math
import numbers
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from backtester.errors import BacktesterError, SignalError, did_you_mean, raised_at
from backtester.folds import Fold
from backtester.labels import Floats, Rows, asked_fills
from backtester.market.panel import Panel
from backtester.scores import LEARNING
from backtester.signal import FitJob, FitWork, Prediction, Signal, fits_together, learns

Answer = TypeVar("Answer")

_NUMBERS = ("train_loss", "valid_loss", "valid_ic")


def fitted(signal: Signal, panel: Panel, folds: Mapping[int, Fold], work: FitWork) -> tuple[list[Signal], set[str]]:
    """Copies of the signal, one a fold, that have learnt its training rows and seen nothing after their labels.

    Args:
        signal: is not changed.
        panel: the market.
        folds: by their number from 1, in order; they are fitted in one call.
        work: what `Signal.fit_folds` is handed.

    Returns:
        The copies, in the order of the folds, and the fills that `bt.labels` was asked for.

    Raises:
        SignalError: ``fit`` or ``fit_folds`` raised.
    """
    (copies,), fills = fitted_together([signal], panel, folds, work)
    return copies, fills


def fitted_together(
    signals: Sequence[Signal], panel: Panel, folds: Mapping[int, Fold], work: FitWork
) -> tuple[list[list[Signal]], set[str]]:
    """As `fitted`, for signals that train together (`Signal.trains_with`): the copies of each, and the fills of all."""
    first = signals[0]
    copies = [{number: copy.deepcopy(signal) for number in folds} for signal in signals]
    seen = {
        number: panel.head(int(fold.train[-1]) + 1 + first.horizon) for number, fold in folds.items() if fold.train.size
    }
    jobs = [FitJob(own[number], seen[number], folds[number].train, number) for own in copies for number in seen]
    with asked_fills() as fills:
        if learns(first) and jobs:
            leader = copy.deepcopy(first)  # so that nothing reaches the user's own, whatever fit_folds keeps
            last = "that a label of its rows needs"
            _call(lambda: leader.fit_folds(jobs, work), _where_fitted(first, jobs), [job.panel for job in jobs], last)
    return [list(own.values()) for own in copies], fills


def learnt(signal: Signal, fold: int) -> list[dict[str, Any]]:
    """The learning curves of a fitted signal, checked: rows with the keys of `LEARNING`.

    Raises:
        SignalError: ``learning`` raised, or returned what is no such row.
    """
    where = f"{type(signal).__name__}.learning of fold {fold}"
    rows = _call(lambda: list(signal.learning()), where)
    return [_learning_row(row, fold, where) for row in rows]


def _learning_row(row: Any, fold: int, where: str) -> dict[str, Any]:
    keys = LEARNING[1:]
    if not isinstance(row, Mapping):
        raise SignalError(f"{where} has a row that is {row!r}; it must be a mapping with keys of {', '.join(keys)}.")
    for key in row:
        if key not in keys:
            raise SignalError(f"{where} has a row with {key!r}; it may say {', '.join(keys)}.{did_you_mean(key, keys)}")
    model, epoch, note = row.get("model"), row.get("epoch"), row.get("note", "")
    if not isinstance(model, str) or not isinstance(note, str):
        raise SignalError(f"{where} has a row with model {model!r} and note {note!r}; both must be text.")
    if isinstance(epoch, bool) or not isinstance(epoch, numbers.Integral):
        raise SignalError(f"{where} has a row with epoch {epoch!r}; it must be a whole number.")
    measured = {}
    for key in _NUMBERS:
        value = row.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, numbers.Real)):
            raise SignalError(f"{where} has a row with {key} {value!r}; it must be a number, or None.")
        measured[key] = None if value is None or math.isnan(value) else float(value)
    return {"fold": fold, "model": model, "epoch": int(epoch), **measured, "note": note}


def predicted(signal: Signal, panel: Panel, rows: Rows) -> Prediction:
    """The scores of a fitted signal for some rows, and those of its members, checked: each (R, N) float64.

    Raises:
        SignalError: ``predict`` raised, or returned what is no score.
    """
    seen = panel.head(int(rows[-1]))
    where = f"{type(signal).__name__}.predict on {_span(seen, rows)}"
    given = _call(lambda: signal.predict(seen, rows), where, [seen], "row asked for")
    if not isinstance(given, Prediction):
        return Prediction(_checked(given, seen, rows, where, ""))
    if not isinstance(given.members, Mapping):
        kind = type(given.members).__name__
        raise SignalError(f"{where} returned members as a {kind}; they must be a mapping from names to scores.")
    for name in given.members:
        if not isinstance(name, str) or not name:
            raise SignalError(f"{where} returned a member with the name {name!r}; it must be text.")
    scores = _checked(given.scores, seen, rows, where, "")
    return Prediction(
        scores,
        {name: _checked(own, seen, rows, where, f" of member {name!r}") for name, own in given.members.items()},
    )


def predicted_epochs(signal: Signal, panel: Panel, rows: Rows, said: Floats) -> Iterator[Floats]:
    """The scores of a fitted signal for some rows after 1, 2, ... epochs, checked: each (R, N) float64.

    Args:
        signal: fitted.
        panel: the market.
        rows: to score.
        said: (R, N) what `predicted` says of them, which the last epoch has to say again.

    Raises:
        SignalError: ``predict_epochs`` raised, returned what is no score, or ends with other scores than ``said``.
    """
    seen = panel.head(int(rows[-1]))
    where = f"{type(signal).__name__}.predict_epochs on {_span(seen, rows)}"
    given = _call(lambda: iter(signal.predict_epochs(seen, rows)), where, [seen], "row asked for")
    end = object()
    last, epoch = None, 0
    while True:
        one: Any = _call(lambda: next(given, end), where, [seen], "row asked for")
        if one is end:
            break
        epoch += 1
        last = _checked(one, seen, rows, where, f" after epoch {epoch}")
        yield last
    if last is None:
        return
    for k, row in enumerate(rows):
        i = _first_difference(said[k], last[k])
        if i is not None:
            raise SignalError(
                f"{where}: {panel.dates[row]}, {panel.symbols[i]!r}: the score after the last epoch, {epoch}, is "
                f"{last[k, i]}, and predict says {said[k, i]}. They have to be the same: override both, or return () "
                "from predict_epochs."
            )


def _checked(given: Any, panel: Panel, rows: Rows, where: str, whose: str) -> Floats:
    """Scores as (R, N) float64, or SignalError."""
    expected = (len(rows), panel.shape[1])
    what = f" for the scores{whose}" if whose else ""
    try:
        answer = np.asarray(given)
    except Exception as error:  # whatever a library raises whose arrays are none of NumPy's
        raise SignalError(
            f"{where} returned a {type(given).__name__}{what} that is no NumPy array and "
            f"cannot become one ({type(error).__name__}: {error}). Return numbers of shape {expected}; a torch tensor "
            "becomes an array by .detach().cpu().numpy()."
        ) from error
    if answer.shape != expected or answer.dtype.kind not in "fiub":
        raise SignalError(
            f"{where} returned shape {answer.shape} and type {answer.dtype}{what}; it must "
            f"be numbers of shape {expected}, a row for each of the {len(rows)} rows and a column for each symbol."
        )
    infinite = np.isinf(answer)
    if infinite.any():
        k, i = (int(place) for place in np.argwhere(infinite)[0])
        raise SignalError(
            f"{where}: the score{whose} of {panel.symbols[i]!r} on {panel.dates[rows[k]]} is "
            f"{answer[k, i]}; a score is finite, or NaN for no opinion."
        )
    return answer.astype(np.float64)


# How far one row may be from the same row in a batch: a part of what the row's scores span, and of their size.
# The latter is for scores that are all but equal, such as a network's that has learnt nothing: float32, of sums that
# cancel.
SPAN_TOLERANCE, SIZE_TOLERANCE = 1e-4, 1e-5


def check_rows_alone(signal: Signal, panel: Panel, fold: Fold, number: int, said: Prediction) -> None:
    """Ask a fitted signal again for the first, a middle and the last test row of a fold, each alone.

    The panel ends with the row then. What differs depends on later rows, on which others were asked for, or on what was
    asked before. Members are held to the same.

    Args:
        signal: as it was fitted on the fold.
        panel: the market.
        fold: its test rows have been scored.
        number: of the fold, from 1, for the message.
        said: what it said of them together, in arrays (T, N).

    Raises:
        SignalError: a row alone has other scores, by more than the tolerance, or in other places.
    """
    unknown = np.full(panel.shape[1], np.nan)
    for k in sorted({0, len(fold.test) // 2, len(fold.test) - 1}):
        rows = fold.test[k : k + 1]
        t = int(rows[0])
        again = predicted(signal, panel, rows)
        pairs = [("", said.scores[t], again.scores[0])]
        for name in {**said.members, **again.members}:
            batch = said.members[name][t] if name in said.members else unknown
            alone = again.members[name][0] if name in again.members else unknown
            pairs.append((f" of member {name!r}", batch, alone))
        for whose, batch, alone in pairs:
            i = _first_difference(batch, alone)
            if i is None:
                continue
            raise SignalError(
                f"{type(signal).__name__}.predict: fold {number}, {panel.dates[t]}, {panel.symbols[i]!r}: the score"
                f"{whose} is {batch[i]} when {len(fold.test)} rows are scored in batches, and {alone[i]} when the row "
                "is asked for alone, with a panel that ends there. A score may depend on rows up to its own alone: not "
                "on later rows of the panel (nor on negative rows, which count from its end: is warmup too short?), "
                "not on which other rows are asked for, and not on what was asked before."
            )


def _first_difference(batch: Floats, alone: Floats) -> int | None:
    """The first symbol whose two scores, (N,) each, are further apart than the tolerance; None: there is none."""
    known = np.isfinite(batch) & np.isfinite(alone)
    either = np.concatenate((batch[known], alone[known]))
    tolerance = 0.0
    if either.size:
        tolerance = SPAN_TOLERANCE * np.ptp(either) + SIZE_TOLERANCE * np.abs(either).max()
    wrong = np.isfinite(batch) != np.isfinite(alone)
    wrong[known] = np.abs(batch - alone)[known] > tolerance
    return int(np.argmax(wrong)) if wrong.any() else None


def _call(ask: Callable[[], Answer], where: str, shown: Sequence[Panel] = (), last: str = "") -> Answer:
    """Call a method of the signal; an error that it raises is told with the dates and the signal's line.

    Args:
        ask: calls it.
        where: the method and its dates.
        shown: what the signal saw of the market.
        last: what the last row of those panels is.
    """
    try:
        return ask()
    except Exception as error:
        # Our own errors say all that there is to say; of others the place is told.
        line = "" if isinstance(error, BacktesterError) else raised_at(error)
        raised = f" raised {type(error).__name__}{line}" if line else ""
        ends = [one.dates[-1] for one in shown if f"size {len(one.dates)}" in str(error)]
        hint = ""
        if isinstance(error, IndexError) and ends:
            hint = f". The panel ends with {ends[0]}, the last {last}; nothing later is known."
        raise SignalError(f"{where}{raised}: {error}{hint}") from error


def _where_fitted(signal: Signal, jobs: Sequence[FitJob]) -> str:
    method = f"{type(signal).__name__}.{'fit_folds' if fits_together(signal) else 'fit'}"
    if len(jobs) == 1:
        return f"{method} on {_span(jobs[0].panel, jobs[0].rows)}"
    first, last = jobs[0].panel.dates[jobs[0].rows[0]], jobs[-1].panel.dates[jobs[-1].rows[-1]]
    return f"{method} on {len(jobs)} folds, {first} to {last}"


def _span(panel: Panel, rows: Rows) -> str:
    first, last = panel.dates[rows[0]], panel.dates[rows[-1]]
    return f"{first}" + (f" to {last}" if len(rows) > 1 else "")
