"""Quantile portfolios: what the names with the lowest scores earned, those above them, up to the highest."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backtester.engine.types import SESSIONS_PER_YEAR
from backtester.errors import ConfigError
from backtester.labels import check_whole
from backtester.research.hac import Line, Mean, line_test, mean_test

Floats: TypeAlias = NDArray[np.float64]
Groups: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

# The group of a name that is in none.
NONE = -1


class Returns(NamedTuple):
    """Returns a session of the quantile portfolios, over the sessions in which all of them have one."""

    rows: Mask  # (R,) which sessions: R' of them
    each: Floats  # (R', Q) equal-weighted means, the lowest scores first
    universe: Floats  # (R',) the equal-weighted mean of all names in any group
    spread: Floats  # (R',) the highest less the lowest


class Bought(NamedTuple):
    """What quantile portfolios earned."""

    each: list[Mean]  # (Q,) of a session
    universe: float  # mean of a session
    spread: Mean  # of a session, highest less lowest
    alpha: Mean  # of the spread to the universe, a year
    beta: Mean
    curves: Floats  # (Q, R') compounded return since before the first session
    spread_curve: Floats  # (R',) sum of the spread so far


def check_quantiles(count: int) -> None:
    """Raise ConfigError unless it is a number of groups."""
    check_whole("quantiles", count, least=2)
    if count > 100:
        raise ConfigError(f"quantiles is {count!r}; more than 100 groups of a session say nothing.")


def quantile_groups(scores: Floats, count: int) -> Groups:
    """Which of ``count`` groups each name falls into by its score: 0 the lowest to ``count - 1``; -1: in none.

    With ``n`` names in increasing order of their scores, name ``i`` (from 0) falls into group
    ``max(ceil(i * count / (n - 1)) - 1, 0)``: cut at the linearly interpolated quantiles, each of which belongs to the
    group below it. That is ``pandas.qcut``, and so alphalens, where no two scores are equal (and but for the rounding
    of its quantiles, which can move a name that lies on one); sizes differ by one at most. Of equal scores, which
    ``qcut`` never parts, the name first in the alphabet stands higher (law 10), so that groups keep their sizes. A
    session with fewer than ``count`` names, or in which all have the same score, has none.

    Only what is known after the close of the session goes in: a name is not left out for having no label.

    Args:
        scores: (R, N), symbols in alphabetical order; not finite: the name is in no group.
        count: groups, at least 2.

    Raises:
        ConfigError: `count` is no such number.
    """
    check_quantiles(count)
    known = np.isfinite(scores)
    # Symbols backwards, and a stable order: of equal scores the last in the alphabet comes first, and so lowest.
    filled = np.where(known, scores, np.inf)[:, ::-1]
    order = np.argsort(filled, axis=1, kind="stable")
    place = np.empty(scores.shape, dtype=np.int64)
    np.put_along_axis(place, order, np.broadcast_to(np.arange(scores.shape[1]), scores.shape), axis=1)
    names = known.sum(axis=1, keepdims=True)
    steps = np.maximum(names - 1, 1)
    groups = np.maximum((place[:, ::-1] * count + steps - 1) // steps - 1, 0)
    low = np.where(known, scores, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    high = np.where(known, scores, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    return np.where(known & (names >= count) & (low < high), groups, NONE)


def quantile_returns(groups: Groups, labels: Floats, count: int) -> Returns:
    """Equal-weighted mean label of every group in every session, over its names that have a label.

    A session counts where every group has a name with a label.

    Args:
        groups: (R, N) as `quantile_groups` makes them.
        labels: (R, N) returns of one session; NaN is unknown.
        count: groups.
    """
    counts = (groups != NONE) & np.isfinite(labels)
    cell = (np.arange(len(groups))[:, None] * count + groups)[counts]
    size = len(groups) * count
    names = np.bincount(cell, minlength=size).reshape(-1, count)
    sums = np.bincount(cell, weights=labels[counts], minlength=size).reshape(-1, count)
    rows = np.asarray((names > 0).all(axis=1))
    each = sums[rows] / names[rows]
    universe = sums[rows].sum(axis=1) / names[rows].sum(axis=1)
    return Returns(rows, each, universe, each[:, -1] - each[:, 0])


def bought(returns: Returns) -> Bought:
    """What quantile portfolios earned, how sure that is, and what is left of the spread beside the universe.

    Means are of a session, raw: nothing is subtracted (alphalens subtracts the universe's mean of the session by
    default, which moves every group by the same and leaves the spread as it is), no cost either, and every group is
    brought back to equal weights in every session. The spread is of a book as long as its capital and as short
    (alphalens 0.5 halves it, for a book of half as much). Intervals are HAC ones (`hac.mean_test`); returns of one
    session do not overlap. ``spread = alpha + beta * universe`` is fitted by least squares with HAC errors (Jensen,
    1968; `hac.line_test`); alpha is told a year, times 252, not compounded. The curve of a group is compounded,
    ``prod(1 + r) - 1``. That of the spread is the sum so far: it is the difference of two returns on the same money,
    and holds no capital that could compound.

    Args:
        returns: of sessions that follow each other.
    """
    line: Line = line_test(returns.spread, returns.universe)
    curves = np.asarray(np.cumprod(1.0 + returns.each, axis=0).T - 1.0, dtype=np.float64)
    return Bought(
        each=[mean_test(one) for one in returns.each.T],
        universe=float(returns.universe.mean()) if returns.universe.size else np.nan,
        spread=mean_test(returns.spread),
        alpha=scaled(line.alpha, SESSIONS_PER_YEAR),
        beta=line.beta,
        curves=curves,
        spread_curve=np.cumsum(returns.spread),
    )


def scaled(mean: Mean, by: float) -> Mean:
    """A mean in another unit."""
    return mean._replace(mean=mean.mean * by, error=mean.error * by, low=mean.low * by, high=mean.high * by)
