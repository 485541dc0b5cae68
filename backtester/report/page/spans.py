"""Which sessions of a run were learnt from before the first score, and where folds begin: in and out of sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from backtester.errors import BacktesterError
from backtester.folds import Folds
from backtester.market.panel import Panel
from backtester.report import words as w
from backtester.result import Result


class Spans(NamedTuple):
    """In and out of sample, as sessions of a run of ``T``."""

    first: int  # the first session that is out of sample; 0: all are, T: none is
    starts: tuple[int, ...]  # first test session of each fold, where the folds are known
    said: str  # in a sentence or two


def spans(result: Result) -> Spans:
    """In and out of sample, from the folds in the settings of a run."""
    scores = result.settings.get("scores") or {}
    told = scores.get("folds")
    if told:
        return _of_folds(result, told, scores.get("signal") or {})
    if scores:
        said = "The signal learns nothing from the data, so there is no part in sample"
    elif result.settings.get("scores_file"):
        said = "The scores came from a file; what they were learnt from, and on which sessions, is not known here"
    else:
        said = "The strategy is a rule that learns nothing from the data, so there is no part in sample"
    return Spans(0, (), f"{said}. If settings were chosen by looking at these years, all of it is.")


def _of_folds(result: Result, told: Mapping[str, Any], signal: Mapping[str, Any]) -> Spans:
    sessions = len(result.source.dates) if isinstance(result.source, Panel) else int(result.dates.size)
    try:
        folds = Folds(**told).split(sessions, int(signal.get("horizon", 1)), int(signal.get("warmup", 1)))
    except (BacktesterError, TypeError, ValueError):  # another kind of folds, or a run that was cut
        said = "A session is scored with what was learnt from others; where the folds lie is not known here."
        return Spans(0, (), said)
    count = int(result.dates.size)
    starts = tuple(int(fold.test[0]) for fold in folds if fold.test[0] < count)
    first = starts[0] if starts else count
    said = (
        f"The first {w.sessions(first)}, shaded, could only be learnt from: nothing was scored. All later sessions are "
        f"out of sample: each was scored by what had been learnt before it, in {w.many(len(starts), 'fold')}, whose "
        "beginnings are ticked."
    )
    return Spans(first, starts, said)
