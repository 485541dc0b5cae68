"""The scores and labels that count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backtester.inputs import align_scores
from backtester.labels import FillAt, labels
from backtester.market.panel import Panel
from backtester.metrics.ic import Labels
from backtester.scores import Scores

Floats: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.int64]


class Sessions(NamedTuple):
    """The sessions of a panel from the first with a score that counts to the last, without a gap."""

    rows: Rows  # (R,) rows of the panel
    dates: NDArray[np.datetime64]  # (R,)
    scores: Floats  # (R, N); NaN where the name has none, is no member or is not tradable
    scored: float  # share of the names that could be ordered which have a score, over the sessions with any


def sessions_of(panel: Panel, scores: Any) -> Sessions:
    """Scores where they count.

    Args:
        panel: the market.
        scores: `bt.Scores`, (T, N) or a DataFrame of dates by symbols; not finite is no opinion.

    Raises:
        DataError: the scores do not fit the panel.
    """
    given = align_scores(scores, panel)
    assert given is not None
    could = panel.member & panel.tradable
    counts = could & np.isfinite(given)
    known = counts.any(axis=1)
    found = np.flatnonzero(known)
    rows = np.arange(found[0], found[-1] + 1) if found.size else found
    orders = int(could[known].sum())
    return Sessions(
        rows=rows,
        dates=panel.dates[rows],
        scores=np.where(counts[rows], given[rows], np.nan),
        scored=float(counts.sum() / orders) if orders else np.nan,
    )


def member_scores(panel: Panel, scores: Scores, rows: Rows) -> dict[str, Floats]:
    """The scores of each member of an ensemble by name, (R, N), in the panel's order."""
    found = {}
    for name, own in scores.members.items():
        aligned = align_scores(Scores(own, scores.dates, scores.symbols), panel)
        assert aligned is not None
        found[name] = aligned[rows]
    return found


def labels_of(
    panel: Panel, rows: Rows, horizons: set[int], fill: FillAt, made: Callable[[Rows, int], Labels] | None = None
) -> dict[int, Labels]:
    """The raw labels of `bt.labels` by horizon, (R, N) each: total returns from the fill on, NaN unknown.

    ``made`` gives those of some rows and a horizon, where they are there already.

    Raises:
        ConfigError: a horizon is no whole number of at least 1, or there is no such fill.
    """
    if made is not None:
        return {horizon: made(rows, horizon) for horizon in sorted(horizons)}
    return {horizon: Labels(labels(panel, rows, horizon, fill=fill)) for horizon in sorted(horizons)}
